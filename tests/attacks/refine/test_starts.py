"""Attacks that do not miss: networks on which x is no guide, and answers that owe nothing to the rest of the batch."""

import numpy as np
import oracles
import pytest
from ball_strategies import CONVEX, curved_cases
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks import LInf, saliency_map, smallest_eps
from attacks.balls import BALLS, L0
from attacks.refine.descent import Tries
from attacks.refine.starts import far_point, known_points
from attacks.refine.walk_back import along_line, pixel_by_pixel
from minigrad import MLP
from minigrad.margin import Margin

D = 12


def dead(rng=0):
    """Level at black: N = sum relu(x_i - 0.3) - 0.4, no pixel has a slope below 0.3."""
    return MLP.from_arrays([(np.eye(D), np.full(D, -0.3)), (np.ones((D, 1)), [-0.4])])


def bottleneck(classes=10):
    """One unit carries class 0, and what lowers it leads to a plateau where class 0 still wins.

    N_0 = 1 + relu(z) with z falling in x_0, ..., x_5; the rivals' units are shut off until the last six pixels are
    bright, so that at x only z has a slope.
    """
    W = np.zeros((D, classes))
    W[:6, 0] = -0.1
    b = np.r_[0.2, np.full(classes - 1, -4.0)]
    for j in range(1, classes):
        W[6:, j] = 1 + 0.05 * j
    V = np.diag(np.r_[1.0, np.full(classes - 1, 3.0)])
    return MLP.from_arrays([(W, b), (V, np.r_[1.0, np.zeros(classes - 1)])])


def saturated():
    """A sigmoid at its end: the slope at x is 1e-17 of what it is at the boundary."""
    return MLP.from_arrays([(np.full((D, 1), 10.0), [-60.0]), ([[1.0]], [-0.5])], activation="sigmoid")


def thin():
    """Adversarial only for 0.5 < mean x < 0.5 + 1/50: a bump beyond a plateau."""
    W = np.full((D, 3), 1 / D)
    return MLP.from_arrays([(W, [-0.5, -0.51, -0.52]), ([[1.0], [-2.0], [1.0]], [-0.001])])


def hidden():
    """Class 1 wins above a = 0.8, class 2 for 0.25 < b < 0.31 alone, a and b the means of six pixels each: at black
    class 2 has no slope, and class 1 wins at the bright end and is the nearer of the two in the middle."""
    a, b = np.repeat([[1 / 6, 0], [0, 1 / 6]], 6, axis=0).T
    W = np.stack([a, b, b], axis=1)
    return MLP.from_arrays([(W, [0, -0.2, -0.3]), ([[0, 1, 0], [0, 0, 10], [0, 0, -60]], [0, -0.8, -0.5])])


def few_beside_many():
    """N = 0.03 (x_0 + ... + x_38) + 3 relu(x_0 + ... + x_9 - 8) + 4 relu(x_39 - 0.5) - 1: one pixel is enough, the
    slopes at black ask for 34, and steps along them need 9."""
    W = np.stack([np.arange(40) < 39, np.arange(40) < 10, np.arange(40) == 39], axis=1)
    return MLP.from_arrays([(W, [1, -8, -0.5]), ([[0.03], [3], [4]], [-1.03])])


def deep(rng=3):
    """Seven random layers and ten classes."""
    return MLP.init([D, *[16] * 6, 10], activation="relu", rng=rng)


@pytest.mark.parametrize("make", [dead, bottleneck, saturated])
@pytest.mark.parametrize("attack", ["linf", "l2", "l1", "l0"])
def test_where_x_is_no_guide_the_image_is_flipped_all_the_same(make, attack):
    net, x = make(), np.zeros((2, D))
    x[1] = 0.05
    y = net.predict(x)
    result = saliency_map(net, x, y) if attack == "l0" else smallest_eps(net, x, y, norm=attack)
    assert result.success.all()
    assert (net.predict(result.x_adv) != y).all()


def test_from_a_dead_gradient_the_smallest_eps_is_near_the_closed_form():
    """m = D relu(eps - 0.3) - 0.4 at black: eps = 0.3 + 0.4 / 12, and one pixel earns 0.7, so one is enough."""
    net, x = dead(), np.zeros((1, D))
    assert smallest_eps(net, x, [0], norm="linf").distance[0] == pytest.approx(0.3 + 0.4 / D, rel=0.01)
    assert saliency_map(net, x, [0]).distance[0] == 1


@pytest.mark.parametrize(("norm", "least"), [("linf", 0.25), ("l2", 0.25 * 6**0.5)])
def test_a_near_class_that_neither_x_nor_a_far_point_points_to_is_found(norm, least):
    """Closed form: b = 0.25 by raising six pixels alike."""
    assert smallest_eps(hidden(), np.zeros((1, D)), [0], norm=norm).distance[0] == pytest.approx(least, rel=0.01)


def test_where_far_fewer_pixels_do_than_the_slopes_ask_for_they_are_sought_from_elsewhere():
    assert saliency_map(few_beside_many(), np.zeros((1, 40)), [0]).distance[0] == 1


@given(st.integers(0, 10**6), st.integers(1, 8))
def test_of_each_rival_the_best_try_comes_before_any_second(seed, most):
    """Against sorting in plain Python."""
    rng = np.random.default_rng(seed)
    image, target, top = np.sort(rng.integers(0, 3, 20)), rng.integers(0, 4, 20), rng.random(20)
    radius = np.where(rng.random(20) < 0.3, np.inf, rng.random(20).round(1))
    margin = Margin.from_labels(deep(), np.zeros((20, D)), np.full(20, 9), target)
    tries = Tries(image, margin, np.zeros((20, D)), radius, top)
    left = [(i, radius[r], -top[r], target[r]) for r, i in enumerate(image)]
    expected = []
    for i in range(3):
        mine, seen = sorted(row for row in left if row[0] == i), []
        for row in mine:
            seen.append((sum(before[-1] == row[-1] for _, before in seen), row))
        expected += [row for _, row in sorted(seen)[:most]]
    found = tries.best(most)
    assert [*zip(found.image, found.radius, -found.top, found.margin.target, strict=True)] == expected


def test_a_thin_set_is_found_from_a_known_point_and_said_to_be_missed_without():
    net, x = thin(), np.full((1, D), 0.2)
    known = np.full((1, D), 0.51)
    result = smallest_eps(net, x, [0], norm="linf", starts=known)
    assert result.success[0] and 0.3 < result.distance[0] <= 0.31 * (1 + 1e-5)
    failed = smallest_eps(net, np.full((1, D), 0.9), [0], norm="linf", restarts=0)
    assert failed.success[0] or failed.reason[0] in ("none found", "zero gradient")


def test_the_last_resort_is_an_image_of_the_batch():
    """Nothing but the second image itself is adversarial for the first: a bump of height 0.001 about it."""
    net = thin()
    x = np.array([np.full(D, 0.2), np.full(D, 0.51)])
    result = smallest_eps(net, x, [0, 1], norm="linf", restarts=0)
    assert result.success[0]
    assert saliency_map(bottleneck(), np.zeros((1, D)), [0], restarts=0).reason[0] != "success"
    both = np.array([np.zeros(D), np.ones(D)])
    flipped = saliency_map(bottleneck(), both, bottleneck().predict(both), restarts=0)
    assert flipped.success[0]


def test_a_constant_network_has_a_zero_gradient_and_says_so():
    net = MLP.from_arrays([(np.zeros((D, 2)), [1.0, 0.0])])
    for result in (smallest_eps(net, np.zeros((1, D)), [0], norm="linf"), saliency_map(net, np.zeros((1, D)), [0])):
        assert not result.success[0] and result.reason[0] == "zero gradient"


@pytest.mark.parametrize("make", [dead, bottleneck, deep])
@pytest.mark.parametrize("norm", ["linf", "l0"])
def test_rows_that_succeed_do_not_depend_on_the_batch(make, norm):
    net, x = make(), np.random.default_rng(0).random((6, D)) / 4
    y = net.predict(x)

    def attack(rows):
        if norm == "l0":
            return saliency_map(net, x[rows], y[rows])
        return smallest_eps(net, x[rows], y[rows], norm=norm, steps=20)

    whole, order = attack(np.arange(6)), np.array([3, 0, 5])
    some = attack(order)
    both = whole.success[order] & some.success
    assert both.any()
    np.testing.assert_allclose(some.distance[both], whole.distance[order][both], rtol=1e-9)


@pytest.mark.parametrize("norm", CONVEX)
@settings(max_examples=15)
@given(st.data())
def test_starts_and_restarts_only_ever_help_and_stay_inside(norm, data):
    net, x, y, options = data.draw(curved_cases())
    plain = smallest_eps(net, x, y, norm=norm, steps=8, stretch=0, restarts=0, **options)
    more = smallest_eps(net, x, y, norm=norm, steps=8, stretch=0, restarts=3, starts=x[::-1], **options)
    assert (more.success >= plain.success).all()
    assert (more.distance <= plain.distance * (1 + 1e-12))[plain.success].all()
    assert BALLS[norm](np.inf, **{k: v for k, v in options.items() if k != "target"}).contains(x, more.x_adv - x).all()


# ---------------------------------------------------------------- the way back


@settings(max_examples=25)
@given(curved_cases(), st.integers(0, 9))
def test_the_way_back_stays_adversarial_and_only_comes_nearer(case, turn):
    net, x, y, options = case
    target = options.pop("target", None)
    margin = Margin.from_labels(net, x, y, target)
    for ball, walk in ((LInf(np.inf, **options), along_line), (L0(x.shape[1], **options), pixel_by_pixel)):
        s = far_point(ball, x, turn)
        assert ball.contains(x, s).all()
        won = np.flatnonzero(margin.value(ball.apply(x, s)) > 0)
        if len(won):
            part = ball.take(won, len(x))
            back = walk(margin.take(won), x[won], s[won], part)
            assert (margin.take(won).value(part.apply(x[won], back)) > 0).all()
            assert (part.distance(back) <= part.distance(s[won])).all()
            assert part.contains(x[won], back).all()


def test_pixel_by_pixel_keeps_what_is_needed_on_an_affine_network():
    """Integrated gradients are exact there: the fewest of the changed pixels are kept."""
    net = MLP.from_arrays([(np.arange(1.0, 6)[:, None], [-8.5])])
    s = pixel_by_pixel(Margin(net, np.array([0])), np.zeros((1, 5)), np.ones((1, 5)), L0(5))
    assert s.tolist() == [[0, 0, 0, 1, 1]]


def test_known_points_are_the_nearest_that_box_and_mask_admit():
    net = MLP.from_arrays([(np.ones((2, 1)), [-1.0])])
    x, starts = np.array([[0.25, 0.25]]), np.array([[1.0, 1.0], [0.7, 0.5], [0.25, 1.0], [0.0, 0.0]])
    rows, s = known_points(Margin(net, np.array([0])), x, LInf(np.inf, mask=[True, False]), starts, 9)
    assert rows.tolist() == [0] and s.tolist() == [[0.75, 0.0]]  # 0.7 + 0.25 is not enough, only white is
    rows, s = known_points(Margin(net, np.array([0])), x, LInf(np.inf), starts, 2)
    assert oracles.size("linf", s[0]) <= oracles.size("linf", s[1]) and len(rows) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"starts": np.zeros((2, 3))}, r"starts: expected shape \(n, 12\)"),
        ({"starts": np.full((2, D), np.nan)}, "starts: expected finite"),
        ({"starts": [["a"] * D]}, "starts: expected floating-point"),
        ({"restarts": -1}, "restarts: expected"),
        ({"restarts": 1.5}, "restarts: expected"),
    ],
)
def test_bad_starts_are_refused_in_one_sentence(options, words):
    for call in (saliency_map, lambda *a, **k: smallest_eps(*a, norm="linf", **k)):
        with pytest.raises(ValueError, match=words):
            call(dead(), np.zeros((1, D)), [0], **options)
