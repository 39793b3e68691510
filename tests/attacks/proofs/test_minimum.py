"""certified_minimum against exact minima: closed forms, every linear piece of a tiny net, mixed-integer programs."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import oracles
import pytest
from ball_strategies import NORMS, affine_cases, curved_cases, duels, row
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from milp import milp_minimum
from pieces import pattern_minimum
from queries import real_net
from strategies import SMOOTH, generators

from attacks import CertificateError, LInf, certified_minimum, pgd, saliency_map, smallest_eps
from attacks.ascent import random_start
from attacks.balls import BALLS
from attacks.proofs.radii import widest
from attacks.result import Reason
from minigrad import MLP
from minigrad.margin import Margin

BEYOND = 1e-6  # a margin this large is adversarial in any arithmetic; the oracle's own solver is as exact
NOISE = 1e-6  # of the linear programs' radii (HiGHS's feasibility is 1e-7)
LIMIT = {"time_limit": 600.0}  # far more than any case here needs, on any machine
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a failing case is small as it is
CASES = {"l0": 80, "linf": 40, "l1": 30, "l2": 25}


def one_row(norm, x, box=(0.0, 1.0), mask=None, radius=1):
    return row(BALLS[norm](radius, box=box, mask=mask), x, 0)


def check_claims(net, cert, norm, truth):
    """What holds of every certificate, whatever stopped it; `truth` is (at most, at least) the exact minimum."""
    least, most = truth
    x, target = cert.x[None], None if cert.target is None else [cert.target]
    assert cert.lower <= most * (1 + NOISE) + NOISE
    assert cert.upper >= least * (1 - NOISE) - NOISE
    assert 0 <= cert.lower <= cert.upper
    if cert.x_adv is None:
        assert cert.upper == np.inf
    else:
        s = cert.x_adv - cert.x
        ball = cert.ball(max(cert.upper, 1) if norm == "l0" else cert.upper)
        assert ball.contains(x, s[None])[0]
        assert oracles.size(norm, s) <= cert.upper
        assert Margin.from_labels(net, x, [cert.y], target).value(cert.x_adv[None])[0] > 0
    assert cert.optimal == (cert.lower == cert.upper or cert.lower >= (1 - cert.gap) * cert.upper * (1 - 1e-15))
    if norm == "l0" and np.isfinite(cert.upper):
        assert cert.lower == int(cert.lower) and cert.upper == int(cert.upper)


# ---------------------------------------------------------------- exact minima


@pytest.mark.usefixtures("short_attack")
@pytest.mark.parametrize("norm", NORMS)
def test_exact_against_every_linear_piece(norm):
    """Untargeted and targeted, 1 to 3 classes, every box and mask; binary fractions, so ties do occur.

    A point with a margin of exactly 0 is neither a success nor refutable, so the truth comes as an interval too; where
    both its ends agree the proof has to reach it.
    """
    seen = {"reached": 0, "none": 0}

    @settings(max_examples=CASES[norm], suppress_health_check=list(HealthCheck), phases=PHASES)
    @given(curved_cases(logits=st.integers(1, 3), images=st.just(1), widest=3))
    def run(case):
        net, x, y, options = case
        target = options.get("target")
        one = one_row(norm, x, options["box"], options["mask"])
        other = None if target is None else int(target[0])
        truth = [pattern_minimum(net, one, x[0], int(y[0]), other, m) for m in (0.0, BEYOND)]
        (cert,) = certified_minimum(net, x, y, norm=norm, **options, **LIMIT)
        check_claims(net, cert, norm, truth)
        if cert.reason == Reason.BOUNDARY:
            assert cert.lower == 0 and truth[0] == 0
        elif not cert.optimal:
            # a tie cannot be closed; whether that is noticed within the limit is up to the clock
            assert cert.reason in (Reason.TIE, Reason.TIME) and truth[0] < (1 - cert.gap / 2) * cert.upper
        else:
            assert cert.reason == Reason.PROVED
            seen["reached"] += 1
            seen["none"] += cert.upper == np.inf
            if norm == "l0":
                assert truth[0] <= cert.lower == cert.upper <= truth[1]

    run()
    assert seen["reached"] > CASES[norm] / 2
    assert seen["none"] > 0


@pytest.mark.usefixtures("short_attack")
@pytest.mark.parametrize("norm", ["l0", "l1", "linf"])
@pytest.mark.parametrize("k", [1, 3])
def test_exact_against_mixed_integer_programs(norm, k):
    """Wider nets than the pieces can take, real weights: 8 pixels, 10 and 6 neurons."""
    rng = np.random.default_rng(k)
    for _ in range(2):
        net, x = real_net([8, 10, 6, k], rng), rng.random((1, 8))
        y = net.predict(x)
        mask = rng.random(8) < 0.8
        mask[0] = True
        (cert,) = certified_minimum(net, x, y, norm=norm, mask=mask, **LIMIT)
        truth = [
            milp_minimum(net, x[0], int(y[0]), norm, mask=mask, margin=m).radius for m in (0.0, 10 * BEYOND)
        ]
        check_claims(net, cert, norm, truth)
        assert cert.optimal and cert.reason == Reason.PROVED


@pytest.mark.usefixtures("short_attack")
@pytest.mark.parametrize("norm", ["l0", "l1", "linf"])
def test_a_target_that_must_beat_two_rivals_against_mixed_integer_programs(norm):
    """Neither rival alone decides: only leaves, whose programs weigh the rivals, can close such a proof."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        net, x = real_net([6, 5, 3], rng), rng.random((1, 6))
        y = net.predict(x)
        target = int(y[0] + 1) % 3
        (cert,) = certified_minimum(net, x, y, norm=norm, target=[target], **LIMIT)
        truth = [
            milp_minimum(net, x[0], int(y[0]), norm, target=target, margin=m).radius for m in (0.0, 10 * BEYOND)
        ]
        check_claims(net, cert, norm, truth)
        assert cert.optimal and cert.reason == Reason.PROVED


@pytest.mark.usefixtures("short_attack")
@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=30)
@given(affine_cases(logits=st.integers(1, 3), images=st.just(1)))
def test_affine_networks_hit_the_closed_form(norm, case):
    """|m| / |w|_1 and its like, box and mask included: the smallest radius that gains -m, over all rivals."""
    net, x, y, allowed = case
    (cert,) = certified_minimum(net, x, y, norm=norm, **allowed, **LIMIT)
    ball = BALLS[norm](1, **allowed)
    ms, gs = duels(net, x, y)[0]
    exact = min(float(ball.radius_for(x, g[None], np.array([-m]))[0]) for m, g in zip(ms, gs, strict=True))
    if norm == "l0":  # a tie is no success: the gain must be more than -m
        exact = min(oracles.fewest_pixels(row(ball, x, 0), m, g) for m, g in zip(ms, gs, strict=True))
    if max(ms) == 0:
        assert cert.reason == Reason.BOUNDARY and cert.lower == 0
        return
    assert cert.lower <= exact * (1 + 1e-12)
    if np.isfinite(exact) and np.isfinite(cert.upper):
        assert cert.optimal or cert.reason == Reason.TIE  # on a binary fraction, `m = 0` may be all there is
        assert exact * (1 - 1e-12) <= cert.upper <= exact * (1 + 1e-6) + (norm == "l0" and not cert.optimal) * 99
    if exact == np.inf:
        assert cert.upper == np.inf


def test_away_from_the_box_linf_is_the_margin_by_the_one_norm():
    net = MLP.from_arrays([([[3.0], [-1.0], [0.0], [4.0]], [-4.0])])
    x = np.full((1, 4), 0.5)  # N = 3 - 4 = -1
    for gap in (0.1, 1e-3, 1e-9):
        (cert,) = certified_minimum(net, x, [0], norm="linf", gap=gap)
        assert (1 - gap) / 8 <= cert.lower <= 1 / 8 <= cert.upper <= (1 + 1e-9) / 8
        assert cert.optimal


# ---------------------------------------------------------------- bounds against attacks


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=8)
@given(data=st.data())
def test_no_attack_is_below_the_lower_bound(norm, data):
    """Several images at once, each with its box, mask and target; lower bounds of every quality."""
    net, x, y, options = data.draw(curved_cases(logits=st.integers(1, 3)))
    limit = data.draw(st.sampled_from([{"time_limit": 0}, {"node_limit": 0}, {"node_limit": 4}]))
    certs = certified_minimum(net, x, y, norm=norm, **options, **({"time_limit": 600} | limit))
    lower, upper = np.array([c.lower for c in certs]), np.array([c.upper for c in certs])
    attack = saliency_map if norm == "l0" else smallest_eps
    found = attack(net, x, y, **options, **({} if norm == "l0" else {"norm": norm}))
    assert (found.distance >= lower)[found.success].all()
    assert (upper <= found.distance * (1 + 1e-3))[found.success].all()  # never worse than the attack it began with
    below = np.ceil(lower) - 1 if norm == "l0" else lower * (1 - 1e-9)
    some = np.flatnonzero((below >= 1 if norm == "l0" else below > 0) & np.isfinite(below))
    if len(some):
        box = tuple(np.broadcast_to(end, x.shape)[some] for end in options["box"])
        mask = None if options["mask"] is None else np.broadcast_to(options["mask"], x.shape)[some]
        target = None if "target" not in options else options["target"][some]
        ball = BALLS[norm](below[some], box=box, mask=mask)
        assert not pgd(net, x[some], y[some], ball, target=target, steps=20).success.any()


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=6)
@given(data=st.data())
def test_smooth_activations_give_true_intervals(norm, data):
    """Their lines are never exact, so the interval may stay wide; no sampled point may be inside it."""
    net, x, y, options = data.draw(
        curved_cases(logits=st.integers(1, 3), images=st.just(1), activations=SMOOTH, targeted=False)
    )
    rng = data.draw(generators)
    (cert,) = certified_minimum(net, x, y, norm=norm, **options, time_limit=0.1)
    check_claims(net, cert, norm, (0, np.inf))
    assert cert.optimal or cert.reason in (Reason.SMOOTH, Reason.TIME, Reason.BOUNDARY, Reason.TIE)
    radius = min(cert.lower, 10.0) if norm != "l0" else min(np.ceil(cert.lower) - 1, x.shape[1])
    if radius > 0:
        ball = cert.ball(radius)
        points = ball.apply(x, np.concatenate([random_start(ball, x, rng) for _ in range(200)]))
        far = ball.distance(points - x) < cert.lower
        assert (Margin.from_labels(net, points, np.repeat(y, 200)).value(points)[far] <= 0).all()


# ---------------------------------------------------------------- limits


@pytest.mark.usefixtures("short_attack")
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("limit", [{"time_limit": 0}, {"node_limit": 0}], ids=str)
def test_no_time_and_no_nodes_still_give_true_intervals(norm, limit):
    """A target among three classes, whose proofs need leaves: without splits they stay open."""
    rng = np.random.default_rng(0)
    wide = 0
    for _ in range(6):
        net, x = real_net([5, 5, 3], rng), 0.3 + 0.4 * rng.random((1, 5))
        y = net.predict(x)
        target = int(y[0] + 1) % 3
        (cert,) = certified_minimum(net, x, y, norm=norm, target=[target], **{"time_limit": 600} | limit)
        one = one_row(norm, x)
        truth = [pattern_minimum(net, one, x[0], int(y[0]), target, m) for m in (0.0, BEYOND)]
        check_claims(net, cert, norm, truth)
        if not cert.optimal:
            assert cert.reason == (Reason.TIME if "time_limit" in limit else Reason.NODES)
            wide += 1
    assert wide > 0


def test_a_larger_gap_is_less_work_and_a_smaller_one_a_narrower_interval():
    rng = np.random.default_rng(5)
    net, x = real_net([10, 8, 6, 1], rng), 0.3 + 0.4 * rng.random((4, 10))
    y = net.predict(x)
    nodes = []
    for gap in (0.5, 0.05, 1e-3):
        certs = certified_minimum(net, x, y, norm="linf", gap=gap, **LIMIT)
        nodes.append(sum(cert.nodes for cert in certs))
        assert all(cert.optimal and cert.lower >= (1 - gap) * cert.upper for cert in certs if cert.lower < np.inf)
    assert nodes[0] < nodes[2]
    assert nodes == sorted(nodes)


def test_a_small_gap_does_not_make_the_upper_bound_creep(monkeypatch):
    """The attack is made to stop at 0.962, the minimum is 0.756.  A step of the gap each would be 240,000 searches."""

    def weak(net, x, y, **how):
        found = smallest_eps(net, x, y, **how)
        return replace(found, x_adv=x + 0.962 / found.distance[:, None] * (found.x_adv - x))

    monkeypatch.setattr("attacks.proofs.task.smallest_eps", weak)
    net = MLP.from_arrays(
        [
            ([[0, -1.625], [-0.625, -1], [-1.875, -0.25]], [1.625, 3.03125]),
            ([[-0.125, 1.25, -1.625], [-0.875, -1.625, 1.875]], [0.75, -0.5, 0.25]),
            ([[1.125, -0.25, 0, -0.875], [-0.875, -0.5, -1.875, 0.875], [-0.625, -1.375, -0.375, 0.25]],
             [0.625, 0, -0.5, 0.5]),
            ([[0.75], [0.25], [0.375], [0.125]], [-0.25]),
        ]
    )  # fmt: skip
    x = np.array([[-0.34375, 1.53125, 0.4375]])
    options = {"box": (-0.5, 2.0), "gap": 1e-6, "node_limit": 40, "time_limit": 600}
    (cert,) = certified_minimum(net, x, [0], norm="l2", **options)
    assert cert.attack > 0.9 and cert.optimal and cert.upper == pytest.approx(0.756217, rel=2e-6)
    assert cert.nodes < 500


def test_l0_with_a_gap_stops_at_a_pixel_count_within_it():
    rng = np.random.default_rng(1)
    net, x = real_net([12, 6, 1], rng), 0.3 + 0.4 * rng.random((8, 12))
    y = net.predict(x)
    exact = certified_minimum(net, x, y, norm="l0", **LIMIT)
    assert any(cert.upper >= 2 for cert in exact)
    for cert, best in zip(certified_minimum(net, x, y, norm="l0", gap=0.5, **LIMIT), exact, strict=True):
        assert cert.lower <= best.lower == best.upper <= cert.upper
        assert cert.upper == np.inf or cert.lower >= 0.5 * cert.upper
        assert cert.optimal


def test_images_are_handed_over_one_by_one():
    net = MLP.from_arrays([([[1.0]], [-0.5])])
    x = np.array([[0.25], [0.75], [0.0]])
    seen = []
    certs = certified_minimum(net, x, [0, 1, 0], norm="l1", on_image=seen.append)
    assert seen == certs
    assert [cert.x.tolist() for cert in certs] == x.tolist()


@pytest.mark.usefixtures("short_attack")  # so that there is something left to find
@pytest.mark.parametrize("norm", NORMS)
def test_the_scale_of_the_weights_does_not_matter(norm):
    """Each layer times 2^power: the same classifier, to the last bit; four layers of 2^16 square to more than 1e38."""
    rng = np.random.default_rng(0)
    net, x = real_net([6, 5, 4, 4, 1], rng), rng.random((2, 6))
    y = net.predict(x)
    plain = certified_minimum(net, x, y, norm=norm, **LIMIT)
    for power in (-40, -6, 6, 16, 40):
        scaled = MLP.from_arrays(
            [(layer.W * 2.0**power, layer.b * 2.0 ** (power * (k + 1))) for k, layer in enumerate(net.dense)]
        )
        for a, b in zip(plain, certified_minimum(scaled, x, y, norm=norm, **LIMIT), strict=True):
            assert a.optimal and b.optimal, power
            assert b.lower <= a.upper and a.lower <= b.upper, power
            assert b.upper == pytest.approx(a.upper, rel=0.011), power  # the gap asked for


# ---------------------------------------------------------------- the edges of the claim


@pytest.mark.parametrize("norm", NORMS)
def test_already_misclassified_is_named_and_is_0(norm):
    net = MLP.from_arrays([([[1.0], [0.0]], [-0.5])])
    (cert,) = certified_minimum(net, np.array([[0.75, 0.5]]), [0], norm=norm)
    assert (cert.lower, cert.upper, cert.reason, cert.optimal) == (0, 0, Reason.MISCLASSIFIED, True)
    assert np.array_equal(cert.x_adv, cert.x)


@pytest.mark.parametrize("norm", NORMS)
def test_on_the_boundary_nothing_is_claimed_below(norm):
    """m(x) = 0: the smallest step may succeed, or none; `lower = 0` either way, and an upper bound if there is one."""
    net = MLP.from_arrays([([[1.0], [0.0]], [-0.5])])
    (cert,) = certified_minimum(net, np.array([[0.5, 0.5]]), [0], norm=norm)
    assert (cert.lower, cert.reason) == (0, Reason.BOUNDARY)
    assert not cert.optimal
    (dead,) = certified_minimum(MLP.from_arrays([([[0.0]], [0.0])]), np.array([[0.5]]), [0], norm=norm)
    assert (dead.lower, dead.upper, dead.reason) == (0, np.inf, Reason.BOUNDARY)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("hidden", [(), (3,), (3, 2)])
def test_a_constant_network_has_no_adversarial_image_and_that_is_proved(norm, hidden):
    sizes = [4, *hidden, 2]
    pairs = [(np.zeros((a, b)), np.zeros(b)) for a, b in pairwise(sizes)]
    pairs[-1] = (pairs[-1][0], np.array([1.0, 0.5]))
    x = np.full((1, 4), 0.5)
    (cert,) = certified_minimum(MLP.from_arrays(pairs), x, [0], norm=norm)
    assert (cert.lower, cert.upper, cert.x_adv) == (np.inf, np.inf, None)
    assert cert.optimal and cert.reason == Reason.PROVED


@pytest.mark.parametrize("norm", NORMS)
def test_a_box_or_mask_in_which_nothing_works(norm):
    """The free pixel moves the margin by at most 1/4 and 1/2 is needed; with more room, or both freed, it works."""
    net = MLP.from_arrays([(np.array([[1.0, 0], [0, 1]]), [0.0, 0]), ([[1.0], [1.0]], [-1.5])])
    x, mask = np.array([[0.5, 0.5]]), np.array([True, False])
    (narrow,) = certified_minimum(net, x, [0], norm=norm, mask=mask, box=(0, 0.75))
    assert (narrow.lower, narrow.upper, narrow.reason) == (np.inf, np.inf, Reason.PROVED)
    for freed in ({"mask": mask, "box": (0, 1.25)}, {"box": (0, 0.875)}):
        (cert,) = certified_minimum(net, x, [0], norm=norm, **freed)
        assert cert.optimal and np.isfinite(cert.upper)


@pytest.mark.parametrize("norm", NORMS)
def test_a_frozen_image_has_no_adversarial_neighbour(norm):
    """A box of one point: nothing can move, on an image that is classified rightly."""
    x = np.array([[0.25, 0.5]])
    net = MLP.from_arrays([(np.eye(2), np.zeros(2)), ([[1.0], [1.0]], [-1.5])])
    (cert,) = certified_minimum(net, x, [0], norm=norm, box=(x, x))
    assert (cert.lower, cert.upper, cert.reason) == (np.inf, np.inf, Reason.PROVED)


@pytest.mark.parametrize("norm", NORMS)
def test_a_tie_that_cannot_be_broken_is_no_success_and_no_proof(norm):
    """m = min(x0, 1/2) + ... reaches 0 exactly and never more: upper = inf, and the proof says why it stopped."""
    # relu(z) - relu(z - 1/4) with z = x0 - 1/2 is flat at 1/4 from x0 = 3/4 on
    net = MLP.from_arrays([(np.array([[1.0, 1.0]]), [-0.5, -0.75]), ([[1.0], [-1.0]], [-0.25])])
    (cert,) = certified_minimum(net, np.array([[0.25]]), [0], norm=norm, time_limit=600)
    assert cert.upper == np.inf and cert.x_adv is None
    assert cert.lower < np.inf
    assert cert.lower <= (1 if norm == "l0" else 0.5) * (1 + 1e-9)
    assert cert.reason in (Reason.TIE, Reason.TIME) and not cert.optimal


# ---------------------------------------------------------------- refused input


class Foreign:
    """Enough for an attack, not for a proof."""

    def logits(self, x):
        return x[:, :1]

    def jacobian(self, x):
        return np.ones((len(x), 1, x.shape[1]))


NET, X = MLP.from_arrays([(np.eye(2), np.zeros(2)), ([[1.0], [1.0]], [-1.5])]), np.full((1, 2), 0.25)

REFUSED = [
    ({"norm": "l3"}, "norm: expected one of l0, l1, l2, linf, got 'l3'"),
    ({"norm": None}, "norm: expected one of l0, l1, l2, linf, got none: say how a change is measured"),
    ({"gap": -0.1}, "gap: expected a number of at least 0, got -0.1"),
    ({"gap": np.nan}, "gap: expected a number of at least 0, got nan"),
    ({"gap": 1.0}, "gap: expected a number below 1, got 1.0"),
    ({"gap": "small"}, "gap: expected a number of at least 0, got 'small'"),
    ({"norm": "linf", "gap": 1e-12}, "gap: expected a number of at least 1e-09, got 1e-12"),
    ({"norm": "l2", "gap": 0}, "gap: expected a number of at least 1e-09, got 0"),
    ({"time_limit": -1}, "time_limit: expected a number of at least 0, got -1"),
    ({"time_limit": np.nan}, "time_limit: expected a number of at least 0, got nan"),
    ({"time_limit": None}, "time_limit: expected a number of at least 0, got None"),
    ({"node_limit": -1}, "node_limit: expected a number of at least 0, got -1"),
    ({"mask": np.zeros(2, bool)}, "mask: expected booleans with at least one pixel free, .*0 of 2"),
    ({"mask": np.ones(3, bool)}, r"mask: expected a shape that broadcasts to \(1, 2\), got \(3,\)"),
    ({"box": (0.5, 1)}, "x: expected pixels inside the box .*got 0.25 in row 0, pixel 0"),
    ({"y": [2]}, "y: expected whole numbers in 0..1"),
    ({"target": [0]}, "target: expected a class other than the label"),
    ({"x": np.zeros((1, 3))}, r"x: expected shape \(n, 2\)"),
    ({"net": Foreign()}, "net: a proof needs the layers of a minigrad MLP, got Foreign"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED)
def test_bad_input_is_refused_in_one_sentence(bad, message):
    with pytest.raises(ValueError, match=message) as refusal:
        certified_minimum(**{"net": NET, "x": X, "y": [0], "norm": "l0", **bad})
    assert "\n" not in str(refusal.value)


def test_an_activation_without_lines_is_refused():
    """Before any work, and by its name."""
    from dataclasses import replace

    from minigrad.layers import ReLU

    class Softsign(ReLU.__base__ if ReLU.__base__ is not object else object):
        def forward(self, z):
            return z / (1 + np.abs(z))

    net = replace(NET, layers=(NET.layers[0], Softsign(), NET.layers[2]))
    with pytest.raises(ValueError, match="expected ReLU, Tanh or Sigmoid, got Softsign, which has no lines"):
        certified_minimum(net, X, [0], norm="linf")


def test_an_infinite_radius_needs_no_ball():
    """`widest` is asked where no attack succeeded: a ball that wide is the box, and not a hair less."""
    x = np.array([[0.25, 0.5]])
    ball = LInf(1, box=(0.0, 2.0))
    assert 1.75 < widest(ball, x) < 1.75 * (1 + 1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_where_nothing_works_the_exact_checker_agrees_that_all_of_the_box_was_refuted(norm):
    """hi - x is rounded to the nearest float: a radius of that size may leave the corner out."""
    rng, net = np.random.default_rng(5), MLP.from_arrays([([[1.0], [1.0], [1.0]], [-9.0])])
    for x in rng.random((5, 3)):
        (cert,) = certified_minimum(net, x[None], [0], norm=norm, box=(-0.1, 1.1))
        assert cert.lower == np.inf
        assert "no change at all" in cert.with_proof(net).check(net)


def test_misclassified_within_rounding_is_on_the_boundary():
    """0.1 + 0.2 - 0.3 is 6e-17 in floats and 3e-17 exactly, which is within rounding of 0: nothing is claimed."""
    net = MLP.from_arrays([([[1.0], [1.0], [-1.0]], [0.0])])
    x = np.array([[0.1, 0.2, 0.3]])
    assert net.logits(x)[0, 0] > 0
    for norm in NORMS:
        (proof,) = certified_minimum(net, x, [0], norm=norm, time_limit=1)
        assert (proof.reason, proof.lower, proof.x_adv) == ("on the boundary", 0.0, None)
        proof.check(net)
        forged = replace(proof, reason=Reason.MISCLASSIFIED, upper=0.0, attack=0.0, x_adv=x[0], optimal=True)
        with pytest.raises(CertificateError):
            forged.check(net)
