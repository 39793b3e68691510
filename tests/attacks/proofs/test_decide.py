"""certify against exact minima: "robust" and "fooled" are true, agree with certified_minimum, and replay."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from ball_strategies import NORMS, curved_cases, row
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pieces import pattern_minimum
from queries import real_net
from strategies import affine_networks

from attacks import Certificate, CertificateError, LInf, certified_minimum, certify
from attacks.balls import BALLS
from attacks.proofs.query import Query
from attacks.proofs.radii import RADII
from attacks.proofs.tree import Tree
from attacks.result import Reason
from minigrad import MLP
from minigrad.bounds.crown import intervals, upper_bound

BEYOND = NOISE = 1e-6  # a margin, and a share of a radius, that no solver's tolerance reaches
CONTINUOUS = [norm for norm in NORMS if norm != "l0"]
LIMITS = {"time_limit": 1e6, "node_limit": 2000, "restarts": 2}
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.mark.usefixtures("short_attack")
@pytest.mark.parametrize("norm", NORMS)
def test_verdicts_against_every_linear_piece(norm):
    """1 to 4 classes, targets, masks, boxes, a radius an image: on either side of the exact minimum, and at it."""
    seen = dict.fromkeys(("robust", "fooled", "open"), 0)

    @settings(max_examples=10, suppress_health_check=list(HealthCheck), phases=PHASES)
    @given(curved_cases(images=st.integers(1, 3), widest=3), st.data())
    def run(case, data):
        net, x, y, options = case
        target = options.pop("target", None)
        shares = np.array([data.draw(st.sampled_from([0.5, 0.97, 1.0, 1.03, 1.5])) for _ in x])
        truth = []
        for i in range(len(x)):
            one, other = row(BALLS[norm](1, **options), x, i), None if target is None else int(target[i])
            truth.append([pattern_minimum(net, one, x[i], int(y[i]), other, m) for m in (0.0, BEYOND)])
        middle = np.array([least if np.isfinite(least) else 1.0 for least, _ in truth])
        radius = np.maximum(middle + np.sign(shares - 1), 1) if norm == "l0" else shares * middle
        verdicts = certify(net, x, y, BALLS[norm](radius, **options), target=target, **LIMITS)
        for verdict, r, (least, most) in zip(verdicts, radius, truth, strict=True):
            seen[verdict.status] += 1
            verdict.check(net)
            noise = 0 if norm == "l0" else NOISE * (1 + r)
            if r < least - noise:
                assert verdict.status == "robust"
            elif r > most + noise or (norm == "l0" and r >= most):
                assert verdict.status == "fooled"

    run()
    assert seen["robust"] and seen["fooled"]


@pytest.mark.usefixtures("short_attack")
@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_three_hidden_layers_whose_rivals_share_a_tree(norm):
    for seed in (0, 1):
        net, x = real_net((4, 3, 3, 3, 3), seed), np.random.default_rng(seed).random((1, 4))
        y = net.predict(x)
        least = pattern_minimum(net, row(BALLS[norm](1), x, 0), x[0], int(y[0]))
        radii = (0.97 * least, 1.03 * least) if np.isfinite(least) else (2.0,)
        for radius, status in zip(radii, ("robust", "fooled"), strict=False):
            (verdict,) = certify(net, x, y, BALLS[norm](radius), **LIMITS)
            assert verdict.status == status
            verdict.check(net)


@pytest.mark.usefixtures("short_attack")
@pytest.mark.parametrize("norm", NORMS)
def test_it_agrees_with_the_certified_minimum_and_is_monotone(norm):
    for seed in (0, 1):
        net, x = real_net((5, 5, 3), seed), np.random.default_rng(seed).random((1, 5))
        y = net.predict(x)
        (known,) = certified_minimum(net, x, y, norm=norm, time_limit=1e6, node_limit=200, gap=0.1)
        assert known.optimal and np.isfinite(known.upper)
        if norm == "l0":
            radii = np.arange(1.0, 6)
        else:
            radii = np.r_[np.array([0.3, 0.999]) * known.lower, np.array([1, 1.001, 2]) * known.upper]
        verdicts = [certify(net, x, y, BALLS[norm](r), **LIMITS)[0] for r in radii]
        for r, verdict in zip(radii, verdicts, strict=True):
            assert verdict.status == ("robust" if r < known.lower else "fooled")
            verdict.check(net)
        masks = np.tri(5, dtype=bool)  # 1 to 5 pixels, each set in the next
        radius = max(known.upper, 1.2 * known.upper * (norm != "l0"))
        found = [certify(net, x, y, BALLS[norm](radius, mask=m), **LIMITS)[0].status for m in masks]
        assert found == sorted(found, reverse=True) and found[-1] == "fooled"  # robust ones first


@pytest.fixture(scope="module")
def both():
    """`(net, x, robust, fooled)`, of certify at either side of the minimum."""
    net, x = real_net((5, 5, 3), 1), np.random.default_rng(1).random((1, 5))
    y = net.predict(x)
    (known,) = certified_minimum(net, x, y, norm="linf", time_limit=1e6, node_limit=200)
    radii = 0.95 * known.lower, known.upper
    return net, x, *(certify(net, x, y, LInf(r), **LIMITS)[0] for r in radii)


def test_forged_verdicts_are_refused(both):
    net, x, robust, fooled = both
    radius = float(robust.ball.radius)
    smaller, other = (certify(net, p, net.predict(p), LInf(0.5 * radius), **LIMITS)[0] for p in (x, x / 2))
    outside = fooled.x + 1.01 * (fooled.x_adv - fooled.x)
    again = {"another network": real_net((5, 5, 3), 2)}
    forged = {
        "a robust one called fooled": replace(robust, status="fooled"),
        "a fooled one called robust": replace(fooled, status="robust"),
        "a word": replace(robust, status="proved"),
        "no certificate": replace(robust, certificate=None),
        "a smaller radius": replace(robust, certificate=smaller.certificate),
        "another image": replace(robust, x=other.x),
        "a larger ball": replace(robust, ball=LInf(2 * radius)),
        "another norm": replace(robust, ball=BALLS["l2"](radius)),
        "a larger box": replace(robust, ball=LInf(radius, box=(-1, 2))),
        "other pixels": replace(robust, ball=LInf(radius, mask=np.arange(5) > 1)),
        "a point outside": replace(fooled, x_adv=outside),
        "a point that is none": replace(fooled, x_adv=fooled.x),
        "no point": replace(fooled, x_adv=None),
        "a certificate's point outside": replace(fooled, certificate=replace(fooled.certificate, x_adv=outside)),
    }
    for verdict in (robust, fooled):
        verdict.check(net)
        with pytest.raises(CertificateError, match="another network"):
            verdict.check(again["another network"])
    for name, verdict in forged.items():
        with pytest.raises(CertificateError):
            pytest.fail(f"{name} was accepted: {verdict.check(net)}")


def test_check_says_what_was_shown_and_how(both):
    net, _, robust, fooled = both
    exact = replace(robust, certificate=robust.certificate.with_proof(net))
    assert robust.check(net) == f"robust: no counterexample in {robust.ball} (replayed in floats)"
    assert fooled.check(net).startswith("fooled: the counterexample is in")
    assert exact.check(net).startswith("robust: proved: ") and exact.check(net).endswith("(checked exactly)")
    assert replace(robust, status="open").check(net) == "open: nothing is claimed"
    proof = exact.certificate.proof | {"proof_side": -exact.certificate.proof["proof_side"]}
    for forged in (
        replace(exact, certificate=replace(exact.certificate, proof=proof)),
        replace(exact, ball=LInf(1.5 * robust.ball.radius)),
        replace(exact, unsafe=((np.zeros((1, 3)), np.ones(1)),), trees=(Tree(1),)),  # all of the set is bad
        replace(exact, status="fooled"),
    ):
        with pytest.raises(CertificateError):
            pytest.fail(forged.check(net))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("free", ["all", "three", "none"])
def test_a_ball_without_end_has_a_certificate_that_checks(norm, free, tmp_path):
    """Its radius is where the ball fills the box."""
    net, x = real_net((8, 8, 6, 1), 3), np.random.default_rng(3).random((1, 8))
    where = {"all": {}, "three": {"mask": np.arange(8) < 3}, "none": {"box": (x, x)}}[free]
    (verdict,) = certify(net, x, net.predict(x), BALLS[norm](np.inf, **where), **LIMITS)
    assert verdict.status == "robust" and verdict.certificate.lower == np.inf
    assert "replayed" in verdict.check(net) and "nothing" in verdict.certificate.check(net)
    verdict.certificate.save(tmp_path / "c.npz", proof=net)
    exact = Certificate.load(tmp_path / "c.npz")
    assert "exactly" in exact.check(net) and "exactly" in replace(verdict, certificate=exact).check(net)


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
@pytest.mark.parametrize("radius", [5e-324, 1e-310, 1e-200, 1e200, 1e308])
def test_any_radius_that_is_proved_is_proved_exactly(norm, radius):
    net, x = real_net((8, 8, 6, 1), 3), np.random.default_rng(3).random((1, 8))
    (verdict,) = certify(net, x, net.predict(x), BALLS[norm](radius), **LIMITS)
    certificate = verdict.certificate.with_proof(net)
    assert certificate.lower > 0 and certificate.check(net).endswith("(checked exactly)")


def test_a_tree_that_is_cut_is_refused(monkeypatch):
    net, x = real_net((8, 8, 6, 1), 3), np.random.default_rng(3).random((1, 8))
    y = net.predict(x)
    (known,) = certified_minimum(net, x, y, norm="linf", time_limit=1e6, gap=1e-3)
    (verdict,) = certify(net, x, y, LInf(known.lower), **LIMITS)
    assert verdict.status == "robust" and len(verdict.certificate.tree) > 3
    monkeypatch.setattr("attacks.proofs.verdict.EXTRA", 1)  # what a replay adds by itself
    verdict.check(net)
    cut = replace(verdict, certificate=replace(verdict.certificate, tree=Tree(1)))
    with pytest.raises(CertificateError, match="node limit"):
        cut.check(net)


@pytest.mark.parametrize("norm", CONTINUOUS)
def test_a_wide_pixel_does_not_lend_its_rounding_to_the_others(norm):
    """N = x_0 - 1 is 0.5 from the boundary; the other pixel, with no weight, may go to 1e16."""
    net = MLP.from_arrays([([[1.0], [0.0]], [-1.0])])
    box = np.array([0.0, 0.0]), np.array([4.0, 1e16])
    (verdict,) = certify(net, [[0.5, 0.0]], [0], BALLS[norm](0.1, box=box), **LIMITS)
    assert verdict.status == "robust"
    x_adv = np.array([1.5, 0.0])
    forged = replace(verdict, status="fooled", x_adv=x_adv, certificate=replace(verdict.certificate, lower=0.0))
    with pytest.raises(CertificateError):
        forged.check(net)


@pytest.mark.parametrize("norm", CONTINUOUS)
@pytest.mark.parametrize("radius", [0.0, 1e-20, 1e-15])
def test_a_counterexample_is_in_its_ball_exactly(norm, radius):
    """The margin at x is -1e-14, and its slope 1: nothing so near is adversarial."""
    for d in (1, 20, 784):
        net = MLP.from_arrays([(np.eye(d)[:, :1], [-1e-14])])
        (verdict,) = certify(net, np.zeros((1, d)), [0], BALLS[norm](radius), **LIMITS)
        assert verdict.status != "fooled"


@given(affine_networks(st.just(1), st.integers(1, 4), st.just(1)), st.sampled_from(CONTINUOUS), st.floats(1e-6, 0.5))
def test_every_counterexample_is_in_its_ball_in_rational_numbers(case, norm, radius):
    net, x, y = case
    (verdict,) = certify(net, x, y, BALLS[norm](radius), **LIMITS)
    if verdict.status == "fooled" and verdict.reason != "already misclassified":
        s = [abs(Fraction(a) - Fraction(b)) for a, b in zip(verdict.x_adv.tolist(), x[0].tolist(), strict=True)]
        size, most = {"linf": (max(s), 1), "l1": (sum(s), 1), "l2": (sum(v * v for v in s), 2)}[norm]
        assert size <= Fraction(radius) ** most


@pytest.mark.parametrize("norm", NORMS)
def test_a_counterexample_that_uses_the_whole_radius_checks(norm):
    """Its size, rounded up, is beyond the radius: it is moved inwards until that is inside."""
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    for radius in (1, 2) if norm == "l0" else (0.3, 0.7 / 3, 0.26):
        (verdict,) = certify(net, [[0.25, 0.5]], [0], BALLS[norm](radius), **LIMITS)
        assert verdict.status == ("robust" if norm == "l1" and radius < 0.25 else "fooled")
        verdict.check(net)


def test_radius_0_and_a_margin_within_rounding_of_0():
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    for y, status in ((0, "robust"), (1, "fooled")):
        (verdict,) = certify(net, [[0.25, 0.5]], [y], LInf(0), **LIMITS)
        assert verdict.status == status
        verdict.check(net)
        with pytest.raises(CertificateError):
            replace(verdict, status="fooled" if status == "robust" else "robust").check(net)
    net = MLP.from_arrays([([[1.0], [1.0], [-1.0]], [0.0])])  # 0.1 + 0.2 - 0.3 = 6e-17 in floats
    (verdict,) = certify(net, [[0.1, 0.2, 0.3]], [0], LInf(0.05), **LIMITS)
    assert verdict.status == "fooled" and not np.array_equal(verdict.x_adv, verdict.x)
    verdict.check(net)


@pytest.mark.parametrize("norm", NORMS)
def test_a_tie_is_open(norm):
    """m <= 0 on the whole ball and 0 at its end; m = 0 at x itself."""
    net = MLP.from_arrays([([[1.0], [0.0]], [-0.75])])
    radius = 1 if norm == "l0" else 0.25
    ball = BALLS[norm](radius, box=(0, 0.75))
    for x in ([0.5, 0.5], [0.75, 0.5]):
        (verdict,) = certify(net, [x], [0], ball, **LIMITS)
        assert verdict.status == "open" and verdict.x_adv is None and verdict.certificate is None
        verdict.check(net)
    (verdict,) = certify(MLP.from_arrays([(np.eye(2), np.zeros(2))]), [[0.75, 0.5]], [0], BALLS[norm](radius), **LIMITS)
    assert verdict.status == ("open" if norm == "l1" else "fooled")


def test_one_logit_and_its_threshold():
    for threshold in (-0.5, 0.0, 0.5):
        net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])], threshold=threshold)
        x = np.array([[0.25, 0.5]])
        distance = abs(0.75 - 1 - threshold) / 2
        for share, status in ((0.99, "robust"), (1.01, "fooled")):
            (verdict,) = certify(net, x, net.predict(x), LInf(share * distance), **LIMITS)
            assert verdict.status == status
            verdict.check(net)


def test_a_planted_backdoor_is_never_robust():
    """One hidden unit that fires only in a corner of six pixels: no gradient leads there."""
    rng = np.random.default_rng(0)
    for corner in rng.integers(0, 2, (3, 6)):
        sign = 2.0 * corner - 1
        trigger = (sign[:, None], [0.5 - corner.sum()])  # 0.5 at the corner, negative where a pixel is half off
        net = MLP.from_arrays([trigger, (np.array([[100.0]]), np.array([-1.0]))])
        x = np.full((1, 6), 0.5)
        assert certify(net, x, [0], LInf(0.5), restarts=1, time_limit=1e6, node_limit=1)[0].status != "robust"
        (verdict,) = certify(net, x, [0], LInf(0.5), **LIMITS)
        assert verdict.status == "fooled" and certify(net, x, [0], LInf(0.4), **LIMITS)[0].status == "robust"
        verdict.check(net)


def test_one_node_leaves_a_hard_query_open():
    net, x = real_net((8, 8, 6, 1), 3), np.random.default_rng(3).random((1, 8))
    (known,) = certified_minimum(net, x, net.predict(x), norm="linf", time_limit=1e6, gap=1e-3)
    (verdict,) = certify(net, x, net.predict(x), LInf(known.lower), time_limit=1e6, node_limit=1)
    assert (verdict.status, verdict.reason) == ("open", Reason.NODES) and verdict.bound >= 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"net": "a"}, "MLP"), ({"x": [[0.5]]}, "2"), ({"x": [[0.5, 2]]}, "box"), ({"y": [2]}, "y"),
        ({"y": [0, 1]}, "y"), ({"y": None}, "labels"), ({"ball": 0.1}, "ball: expected one of"),
        ({"ball": LInf([0.1, 0.2])}, "radius"), ({"ball": LInf(0.1, mask=[True] * 3)}, "mask"),
        ({"time_limit": -1}, "time_limit"), ({"node_limit": "a"}, "node_limit"), ({"target": [0]}, "target"),
        ({"restarts": 0}, "restarts"), ({"on_image": 1}, "on_image"), ({"unsafe": [([[1.0]], [0.0])]}, "not both"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_before_any_work(change, words, monkeypatch):
    monkeypatch.setattr("attacks.proofs.decide.smallest_eps", lambda *_, **__: pytest.fail("work began"))
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    given = {"net": net, "x": [[0.25, 0.5]], "y": [0], "ball": LInf(0.1)} | change
    with pytest.raises(ValueError, match=words) as raised:
        certify(given.pop("net"), given.pop("x"), given.pop("y"), given.pop("ball"), **given)
    assert len(str(raised.value).splitlines()) == 1


# ---------------------------------------------------------------- the minimum that climbs


def test_the_history_only_narrows_and_survives_a_file(tmp_path):
    net, x = real_net((8, 6, 3), 4), np.random.default_rng(4).random((1, 8))
    (cert,) = certified_minimum(net, x, net.predict(x), norm="linf", time_limit=1e6, node_limit=100)
    at, lower, upper = np.array(cert.history).T
    assert len(at) > 2 and (np.diff(at) >= 0).all() and (np.diff(lower) >= 0).all() and (np.diff(upper) <= 0).all()
    assert (lower[-1], upper[-1]) == (cert.lower, cert.upper) == cert.interval_at(np.inf)
    for now, low, high in cert.history:
        assert cert.interval_at(now)[0] >= low and cert.interval_at(now)[1] <= high
    cert.save(tmp_path / "c.npz")
    assert Certificate.load(tmp_path / "c.npz").history == cert.history
    wider = (*cert.history, (cert.history[-1][0], 0.0, np.inf))
    with pytest.raises(ValueError, match="narrows"):
        Certificate.from_bytes(replace(cert, history=wider).to_bytes())


@pytest.mark.parametrize("norm", NORMS)
def test_no_time_still_gives_what_plain_bounds_prove(norm):
    net, x = real_net((8, 6, 3), 4), np.random.default_rng(4).random((1, 8))
    (cert,) = certified_minimum(net, x, net.predict(x), norm=norm, time_limit=0)
    assert 0 < cert.lower <= cert.upper and cert.nodes == 0
    cert.check(net)
    refuted = []
    for radius in RADII[norm].ladder(cert.upper):
        query = Query.from_image(net, x[0], cert.y, BALLS[norm](radius))
        if (upper_bound(intervals(net, x, query.ball), query.c[None]) < 0).all():
            refuted.append(RADII[norm].proves(radius))
    assert cert.lower >= max(refuted, default=0)
    assert norm == "l0" or refuted


def test_what_a_verdict_tells_of_its_search_does_not_contradict_what_it_claims():
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    x = np.array([[0.25, 0.5], [0.75, 0.75]])
    robust, fooled = (certify(net, x[:1], [0], LInf(eps), **LIMITS)[0] for eps in (0.1, 0.2))
    (wrong,) = certify(net, x[1:], [0], LInf(0.1), **LIMITS)
    (unsafe,) = certify(net, x[:1], None, LInf(0.1), unsafe=[(np.eye(1), np.zeros(1))], **LIMITS)
    forged = [
        replace(robust, reason=Reason.COUNTEREXAMPLE), replace(robust, bound=7.0), replace(robust, x_adv=robust.x),
        replace(fooled, reason=Reason.MISCLASSIFIED), replace(fooled, reason=Reason.PROVED),
        replace(wrong, reason=Reason.COUNTEREXAMPLE), replace(unsafe, certificate=robust.certificate),
    ]  # fmt: skip
    for honest in (robust, fooled, wrong, unsafe):
        honest.check(net)
    for verdict in forged:
        with pytest.raises(CertificateError, match="verdict: "):
            verdict.check(net)


def test_a_counterexample_that_may_be_outside_the_ball_leaves_the_image_open(monkeypatch):
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    monkeypatch.setattr("attacks.proofs.decide.brought_inside", lambda *a: iter(()))
    (verdict,) = certify(net, [[0.25, 0.5]], [0], LInf(0.2), **LIMITS)
    assert (verdict.status, verdict.reason, verdict.certificate) == ("open", Reason.TIE, None)
