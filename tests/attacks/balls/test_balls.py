"""Each closed form against a slow reference: linear program, every support, dual bound, quadratic program."""

import math

import numpy as np
import oracles
import pytest
from ball_strategies import CONVEX, NORMS, ball_cases, best_support_with, parts, row
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import generators

from attacks import L0, L1, L2, LInf
from attacks.ascent import random_start
from attacks.balls import BALLS
from attacks.balls.base import check_images
from attacks.balls.l0 import FEW, largest, sorted_largest
from attacks.proofs.condense import columns
from attacks.proofs.pixels import undecided

ULP = np.finfo(float).eps
SHARP = 1e-9  # relative to numbers of size 1: two exact methods, and the solver's own tolerance


def rows(case):
    for i in range(len(case.x)):
        yield i, row(case.ball, case.x, i), case.v[i]


# ---------------------------------------------------------------- maximize


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_maximize_earns_what_the_slow_reference_earns(norm, data):
    case = data.draw(ball_cases((norm,)))
    s = case.ball.maximize(case.x, case.v)
    for i, one, g in rows(case):
        assert g @ s[i] == pytest.approx(oracles.support(one, g), rel=SHARP, abs=SHARP)


@given(ball_cases(("l0",), pixels=st.integers(1, 8)))
def test_best_pixels_against_mixed_integer_program(case):
    h = case.ball.support(case.x, case.v)
    for i, one, g in rows(case):
        assert h[i] == pytest.approx(oracles.mixed_integer_program(one, g), rel=1e-6, abs=1e-6)  # HiGHS's feasibility


@given(ball_cases(("l1",)))
def test_l1_against_the_knapsack_by_hand(case):
    h = case.ball.support(case.x, case.v)
    for i, one, g in rows(case):
        assert h[i] == pytest.approx(oracles.knapsack(one, g), rel=1e-14, abs=1e-14)


@given(ball_cases(), generators)
def test_no_feasible_point_earns_more(case, rng):
    ball, x, g = case
    h = ball.support(x, g)
    for _ in range(20):
        s = ball.project(x, rng.normal(size=x.shape))
        assert (np.sum(g * s, axis=-1) <= h + 1e-12).all()


@given(ball_cases(pixels=st.integers(1, 40)))
def test_maximize_and_project_stay_inside(case):
    ball, x, v = case
    for s in (ball.maximize(x, v), ball.project(x, v)):
        assert ball.contains(x, s).all()
        for i in range(len(x)):  # the same by the definition
            one = row(ball, x, i)
            assert (one.down - 4 * ULP <= s[i]).all()
            assert (s[i] <= one.up + 4 * ULP).all()
            assert oracles.size(ball.norm, s[i]) <= one.radius + 4 * ULP * len(s[i])


@given(ball_cases())
def test_pixels_without_gradient_or_mask_stay_put(case):
    ball, x, g = case
    s = ball.maximize(x, g)
    free = np.broadcast_to(True if ball.mask is None else ball.mask, x.shape)
    assert (s[(g == 0) | ~free] == 0).all()
    assert (ball.project(x, g)[~free] == 0).all()


@given(ball_cases(("l0",)))
def test_l0_moves_only_pixels_that_earn_something(case):
    ball, x, g = case
    s = ball.maximize(x, g)
    assert ((g * s > 0) == (s != 0)).all()


@given(ball_cases(("l1", "l2", "linf")))
def test_one_infinite_radius_fills_the_box(case):
    ball, x, g = case
    s = ball.with_radius(np.inf).maximize(x, g)
    down, up = ball.room(x)
    assert np.array_equal(s, np.where(g > 0, up, np.where(g < 0, down, 0)))


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_the_scale_of_the_gradient_does_not_matter(norm, data):
    ball, x, g = data.draw(ball_cases((norm,)))
    s, gain = ball.maximize(x, g), np.sum(np.abs(g), axis=-1) / 4
    radius = ball.radius_for(x, g, gain)
    for scale in (2.0**-600, 2.0**-30, 2.0**30, 2.0**400):
        np.testing.assert_allclose(ball.maximize(x, scale * g), s, rtol=1e-14, atol=0)
        np.testing.assert_allclose(ball.radius_for(x, scale * g, scale * gain), radius, rtol=1e-14)


def test_a_white_pixel_with_the_steepest_rise_earns_nothing():
    x, g = np.array([1.0, 0.5, 0.0]), np.array([9.0, 1.0, 1.0])
    assert L0(1).maximize(x, g).tolist() == [0, 0, 1]
    assert L1(1).maximize(x, g).tolist() == [0, 0.5, 0.5]
    assert LInf(0.25).maximize(x, g).tolist() == [0, 0.25, 0.25]


def test_ties_go_to_the_lowest_pixel():
    x, g = np.full(4, 0.5), np.ones(4)
    assert L0(2).maximize(x, g).tolist() == [0.5, 0.5, 0, 0]
    assert L1(0.75).maximize(x, g).tolist() == [0.5, 0.25, 0, 0]


# ---------------------------------------------------------------- project


@pytest.mark.parametrize("norm", CONVEX)
@given(st.data())
def test_projection_meets_the_variational_inequality(norm, data):
    """v is the nearest point of a convex S to p iff (p - v) . (s - v) <= 0 on S, that is h_S(p - v) <= (p - v) . v."""
    case = data.draw(ball_cases((norm,)))
    v = case.ball.project(case.x, case.v)
    for i, one, p in rows(case):
        away = p - v[i]
        assert oracles.support(one, away) <= away @ v[i] + SHARP * (1 + np.abs(away).sum())


@pytest.mark.parametrize(("norm", "tol"), [("l0", 1e-14), ("l1", 1e-5), ("l2", 1e-5), ("linf", 1e-5)])  # SLSQP's own
@settings(max_examples=20)
@given(st.data())
def test_projection_is_as_near_as_the_quadratic_programs(norm, tol, data):
    case = data.draw(ball_cases((norm,), pixels=st.integers(1, 4)))
    v = case.ball.project(case.x, case.v)
    for i, one, p in rows(case):
        assert np.sum((p - v[i]) ** 2) <= oracles.nearest(one, p) + tol


@given(ball_cases())
def test_projection_is_idempotent_and_fixes_members(case):
    ball, x, v = case
    member = ball.maximize(x, v)
    for s in (ball.project(x, v), member, np.zeros_like(x)):
        np.testing.assert_allclose(ball.project(x, s), s, rtol=0, atol=1e-14)


@given(ball_cases(CONVEX), generators)
def test_projection_onto_a_convex_ball_is_nonexpansive(case, rng):
    ball, x, v = case
    w = v + rng.normal(size=v.shape)
    apart = np.linalg.norm(ball.project(x, v) - ball.project(x, w), axis=-1)
    assert (apart <= np.linalg.norm(v - w, axis=-1) + 1e-14).all()


# ---------------------------------------------------------------- radius_for


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_radius_for_is_the_smallest_radius_that_earns_the_gain(norm, data):
    case = data.draw(ball_cases((norm,)))
    gain = data.draw(st.sampled_from([-0.5, 0.0, 0.0625, 0.5, 2.0])) * np.ones(len(case.x))
    r = case.ball.radius_for(case.x, case.v, gain)
    for i, one, g in rows(case):
        assert r[i] == pytest.approx(oracles.smallest_radius(one, g, gain[i]), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_radius_for_is_the_inverse_of_support(norm, data):
    ball, x, g = data.draw(ball_cases((norm,)))
    h = ball.support(x, g)
    r = ball.radius_for(x, g, h * (1 - 1e-12))  # a hair below, so that rounding cannot ask for more than there is
    assert (r <= np.asarray(ball.radius) + 1e-12).all()
    unit = np.maximum(r, 1) if norm == "l0" else r
    np.testing.assert_allclose(ball.with_radius(unit).support(x, g), h, rtol=1e-11, atol=1e-13)


@given(ball_cases())
def test_radius_for_is_infinite_exactly_where_the_gain_is_out_of_reach(case):
    ball, x, g = case
    down, up = ball.room(x)
    most = np.sum(np.maximum(g * down, g * up), axis=-1)
    assert np.isfinite(ball.radius_for(x, g, most)).all()  # these sums of binary fractions are exact
    assert np.isinf(ball.radius_for(x, g, most + 2.0**-20)).all()


@pytest.mark.parametrize("kind", [L1, L2, LInf])
def test_gradients_of_many_sizes_have_the_radius_they_have_alone(kind):
    """Sixteen decades in one row: sums cancel, and no row may move with those beside it, nor end outside the box."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        x, g = rng.random((3, 5)), rng.normal(size=(3, 5)) * 10.0 ** rng.uniform(-16, 0, (3, 5))
        gain = kind(1.0).support(x, g) * rng.uniform(0.2, 1, 3)
        together = kind(1.0).radius_for(x, g, gain)
        assert together.tolist() == [kind(1.0).radius_for(x[[i]], g[[i]], gain[[i]])[0] for i in range(3)]
        whole = kind(1.0).distance(np.maximum(x, 1 - x))
        assert (together <= whole * (1 + 1e-15)).all()


def test_a_radius_beyond_the_last_pixel_ends_at_it():
    assert LInf(1.0).radius_for(np.array([[0.5, 0.4]]), np.array([[1, 1e-16]]), np.array([0.5 + 1.2e-16])) <= 0.6


@pytest.mark.parametrize("kind", [L2, LInf])
def test_no_number_is_no_radius(kind):
    x = np.array([[0.5, 0.4]])
    assert np.isnan(kind(1.0).radius_for(x, np.array([[1.0, 0.5]]), np.array([np.nan])))
    assert kind(1.0).radius_for(x, np.zeros((1, 2)), np.zeros(1)) == 0
    assert kind(1.0).radius_for(x, np.zeros((1, 2)), np.ones(1)) == np.inf


def test_squares_that_vanish_do_not_leave_the_ball():
    """The second pixel's square is 0, so no tau brings it to its cap: both caps together are beyond the radius."""
    x, g = np.array([[0.5, 0.5]]), np.array([[1.0, 1e-200]])
    s = L2(0.6).maximize(x, g)
    assert L2(0.6).distance(s) <= 0.6 and s[0, 0] == 0.5
    assert L2(0.6).support(x, g) >= 0.5


def test_away_from_the_box_eps_is_the_margin_by_the_one_norm():
    x, g = np.full((1, 5), 0.5), np.array([[3.0, -1, 0, 2, -2]])
    assert LInf(1).radius_for(x, g, np.array([2.0])) == pytest.approx(2 / 8, rel=1e-15)
    edge = np.array([[1.0, 0, 0.5, 0.5, 0.5]])  # now the first two cannot move
    assert LInf(1).radius_for(edge, g, np.array([1.0])) == pytest.approx(1 / 4, rel=1e-15)


# ---------------------------------------------------------------- contains, distance, apply, sample


@pytest.mark.parametrize(("lo", "hi"), [(0.0, 1.0), (-8.0, 8.0)])
def test_contains_accepts_4_ulp_beyond_the_box_and_refuses_5(lo, hi):
    x, ulp = np.array([hi - 1.0, lo + 1.0]), ULP * max(1, hi)
    for sign, pixel in ((1, 0), (-1, 1)):
        for ulps, inside in ((4, True), (5, False)):
            s = np.zeros(2)
            s[pixel] = sign * (1 + ulps * ulp)
            assert bool(LInf(2, (lo, hi)).contains(x, s)) is inside


@pytest.mark.parametrize(("kind", "share"), [(LInf, 1), (L1, 8), (L2, 8**0.5)])
def test_contains_accepts_4_ulp_a_pixel_beyond_the_radius_and_refuses_5(kind, share):
    x, radius = np.zeros(8), 0.5
    for ulps, inside in ((4, True), (5, False)):
        s = np.full(8, radius / share) + ulps * ULP
        assert bool(kind(kind.distance(None, np.full(8, radius / share))).contains(x, s)) is inside


def test_contains_counts_pixels_without_slack():
    x = np.full(4, 0.5)
    assert L0(2).contains(x, np.array([0.5, 1e-300, 0, 0]))
    assert not L0(2).contains(x, np.array([0.5, 0.5, 1e-300, 0]))


def test_contains_refuses_the_smallest_change_off_the_mask():
    ball = LInf(1, mask=np.array([True, False]))
    x = np.full(2, 0.5)
    assert ball.contains(x, np.array([0.5, 0]))
    assert not ball.contains(x, np.array([0.5, 1e-300]))


def test_contains_speaks_for_each_row():
    x = np.full((3, 2), 0.5)
    s = np.array([[0.1, -0.1], [0.3, 0], [0.1, 0.6]])
    assert LInf(np.array([0.1, 0.2, 0.7])).contains(x, s).tolist() == [True, False, False]


@given(generators, st.integers(1, 2 * FEW + 3), st.sampled_from(["C", "F", "locked"]))
def test_the_largest_of_each_row_by_a_full_sort(rng, d, layout):
    """Few are found one by one and put back, many by a partition: ties, any k, any layout, and nothing is changed."""
    score = np.array(rng.integers(0, 6, (2, 3, d)) / 4, order="F" if layout == "F" else "C")
    score.flags.writeable = layout != "locked"
    before = score.copy()
    for k in (0, 1, FEW, FEW + 1, d - 1, d, d + 2):
        assert np.array_equal(sorted_largest(score, k), np.sort(before, axis=-1)[..., ::-1][..., :k])
        assert np.array_equal(score, before)


@given(ball_cases())
def test_distance_is_the_norm(case):
    for v in case.v:
        assert case.ball.distance(v) == pytest.approx(oracles.size(case.ball.norm, v), rel=1e-14)


def test_l2_distance_neither_overflows_nor_vanishes():
    assert L2(1).distance(np.array([3e200, 4e200])) == pytest.approx(5e200)
    assert L2(1).distance(np.array([3e-200, 4e-200])) == pytest.approx(5e-200)
    assert L2(1).distance(np.zeros(2)) == 0


def test_apply_keeps_untouched_pixels_to_the_last_bit_and_clips_the_others():
    x = np.array([0.1, 0.7, 1 - ULP])
    assert LInf(1).apply(x, np.array([0.0, 0.5, 0.0])).tolist() == [0.1, 1.0, 1 - ULP]


@given(ball_cases(), generators)
def test_samples_lie_in_the_ball_and_differ(case, rng):
    ball, x, _ = case
    samples = [random_start(ball, x, rng) for _ in range(3)]
    assert all(ball.contains(x, s).all() for s in samples)
    movable = (np.subtract(*ball.room(x)) != 0).any(axis=-1) & (np.asarray(ball.radius) > 0)
    assert not movable.any() or any((s != samples[0]).any() for s in samples) or not np.any(samples[0])


def test_samples_reach_both_directions_and_come_near_the_radius():
    x, rng = np.full((500, 3), 0.5), np.random.default_rng(0)
    s = random_start(LInf(0.25), x, rng)
    assert (s.min(axis=0) < -0.2).all()
    assert (s.max(axis=0) > 0.2).all()
    assert np.abs(s).max(axis=1).min() < 0.05


# ---------------------------------------------------------------- batches


@given(ball_cases())
def test_a_batch_is_its_rows_one_by_one(case):
    ball, x, v = case
    s, p = ball.maximize(x, v), ball.project(x, v)
    gain = np.full(len(x), 0.125)
    r = ball.radius_for(x, v, gain)
    for i in range(len(x)):
        one = ball.take(np.array([i]), len(x))
        np.testing.assert_array_equal(one.maximize(x[[i]], v[[i]]), s[[i]])
        np.testing.assert_array_equal(one.project(x[[i]], v[[i]]), p[[i]])
        np.testing.assert_array_equal(one.radius_for(x[[i]], v[[i]], gain[[i]]), r[[i]])


@given(ball_cases(images=st.just(6)))
def test_leading_axes(case):
    """A (2, 3, d) batch is the (6, d) batch."""
    ball, x, v = case

    def fold(value, per_image):
        value = np.asarray(value)
        return value.reshape(2, 3, *value.shape[1:]) if value.ndim == per_image else value

    mask = None if ball.mask is None else fold(ball.mask, 2)
    folded = BALLS[ball.norm](fold(ball.radius, 1), tuple(fold(end, 2) for end in ball.box), mask)
    x2, v2 = x.reshape(2, 3, -1), v.reshape(2, 3, -1)
    gain = np.full((2, 3), 0.125)
    np.testing.assert_array_equal(folded.maximize(x2, v2).reshape(x.shape), ball.maximize(x, v))
    np.testing.assert_array_equal(folded.project(x2, v2).reshape(x.shape), ball.project(x, v))
    np.testing.assert_array_equal(folded.distance(v2).ravel(), ball.distance(v))
    np.testing.assert_array_equal(folded.contains(x2, v2 / 8).ravel(), ball.contains(x, v / 8))
    np.testing.assert_array_equal(folded.radius_for(x2, v2, gain).ravel(), ball.radius_for(x, v, gain.ravel()))
    s = random_start(folded, x2, np.random.default_rng(0))
    assert s.shape == x2.shape and folded.contains(x2, s).all()


@given(ball_cases())
def test_arguments_are_not_changed(case):
    ball, x, v = case
    x.flags.writeable = v.flags.writeable = False
    ball.maximize(x, v)
    ball.project(x, v)
    ball.radius_for(x, v, np.ones(len(x)))
    ball.apply(x, v)


def test_rows_pick_per_image_parts_in_order_and_keep_shared_ones():
    mask = np.array([[True, False], [False, True], [True, True]])
    ball = LInf(np.array([0.1, 0.2, 0.3]), (np.zeros(2), np.arange(1, 7).reshape(3, 2)), mask)
    picked = ball.take(np.array([2, 0, 2]), 3)
    assert picked.radius.tolist() == [0.3, 0.1, 0.3]
    assert picked.box[0].tolist() == [0, 0]
    assert picked.box[1].tolist() == [[5, 6], [1, 2], [5, 6]]
    assert picked.mask.tolist() == [[True, True], [True, False], [True, True]]
    one = LInf(np.array([0.1]), (np.zeros((1, 2)), np.ones((1, 2))), mask[:1]).take(np.array([2]), 3)
    assert (one.radius, one.box[1].tolist(), one.mask.tolist()) == (0.1, [[1, 1]], [[True, False]])
    shared = LInf(0.1, mask=mask[0]).take(np.array([1]), 3)
    assert shared.radius == 0.1
    assert shared.mask.tolist() == [True, False]


@pytest.mark.parametrize("kind", [L0, L1, L2, LInf])
def test_the_ball_of_one_image_has_no_axis_for_images(kind):
    one = kind(np.array([2]), (np.zeros((1, 3)), np.ones((1, 3))), np.array([[True, False, True]])).take(0, 1)
    assert (np.shape(one.radius), one.radius) == ((), 2)
    assert [end.tolist() for end in (*one.box, one.mask)] == [[0, 0, 0], [1, 1, 1], [True, False, True]]


def test_lists_become_arrays():
    ball = columns(LInf([0.5], ([0, 0], [1, 2]), [True, False]), np.array([1]), 2)
    assert [part.tolist() for part in (ball.radius, *ball.box, ball.mask)] == [[0.5], [0], [2], [False]]


def test_contains_measures_a_perturbation_in_single_precision_in_double():
    rng = np.random.default_rng(0)
    for _ in range(20):
        s = rng.random(50).astype(np.float32) / 2
        exact = [float(v) for v in s]  # |s|_1 in float32 errs by a million times the slack
        assert L1(math.fsum(exact)).contains(np.zeros(50), s)


def test_scaled():
    assert LInf(0.5).scaled(0.25).radius == 0.125
    assert L0(5).scaled(0.5).radius == 2
    assert L0(5).scaled(0.01).radius == 1
    assert L2(np.array([1.0, 2.0]), mask=np.array([True])).scaled(0.5).radius.tolist() == [0.5, 1]


# ---------------------------------------------------------------- parts of a set, as branch and bound asks for them


@given(parts())
def test_l0_with_pixels_in_and_out_against_every_support(part):
    """A pixel in goes to its best end, also where that earns nothing, and spends one of the k; out it stays put."""
    ball, x, g, inside = part
    s, h = ball.maximize(x, g), ball.support(x, g)
    for i in range(len(x)):
        one = row(ball, x, i)
        exact = best_support_with(one, g[i], inside[i])
        assert h[i] == pytest.approx(exact, abs=1e-14)
        assert g[i] @ s[i] == pytest.approx(exact, abs=1e-14)
        assert np.count_nonzero((s[i] != 0) | inside[i]) <= one.radius
        assert ((s[i] >= one.down) & (s[i] <= one.up)).all()


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_a_restricted_set_is_the_set_with_that_mask_and_box(norm, data):
    """Pixels out are pixels off the mask, `lo` and `hi` a smaller box: written out, the same set."""
    ball, x, g = data.draw(ball_cases((norm,)))
    rng = data.draw(generators)
    outside = rng.random(x.shape) < 0.4
    low, high = x - rng.integers(0, 5, x.shape) / 8, x + rng.integers(0, 5, x.shape) / 8
    part = ball.restrict(None, outside, low, high)
    for i in range(len(x)):
        whole, one = row(ball, x, i), row(part, x, i)
        assert np.array_equal(one.down, np.where(outside[i], 0, np.maximum(whole.down, low[i] - x[i])))
        assert np.array_equal(one.up, np.where(outside[i], 0, np.minimum(whole.up, high[i] - x[i])))
        assert part.support(x, g)[i] == pytest.approx(oracles.support(one, g[i]), rel=SHARP, abs=SHARP)
    assert (part.maximize(x, g)[outside] == 0).all()
    assert not undecided(part, x)[outside].any()
    twice = ball.restrict(None, outside).restrict(None, None, low, high)
    assert np.array_equal(twice.maximize(x, g), part.maximize(x, g))


@pytest.mark.parametrize("norm", NORMS)
def test_a_part_may_be_a_single_point(norm):
    """Every pixel out: the set is s = 0, one image at a time, spread, picked and narrowed."""
    x, g = np.full((2, 3), 0.5), np.ones((2, 3))
    part = BALLS[norm](1, mask=np.array([True, True, False])).restrict(None, np.array([[True] * 3, [False] * 3]))
    assert part.support(x, g)[0] == 0
    assert part.support(x, g)[1] > 0
    assert part.take(np.array([0]), 2).support(x[:1], g[:1]).tolist() == [0]
    assert (part.spread().maximize(x[:, None], g[:, None])[0] == 0).all()
    assert columns(part, np.array([2]), 3).support(x[:, 2:], g[:, 2:]).tolist() == [0, 0]


@given(generators, st.integers(1, 12), st.integers(1, 3))
def test_the_k_largest_by_a_plain_sort(rng, d, n):
    """Ties, mostly: few values, k from 0 to beyond d, one a row.  The lowest index wins, and only positive scores."""
    score, k = rng.integers(-1, 3, (n, d)) / 2, rng.integers(0, d + 2, n)
    chosen = largest(score, k)
    for i in range(n):
        order = sorted((j for j in range(d) if score[i, j] > 0), key=lambda j: (-score[i, j], j))
        assert np.flatnonzero(chosen[i]).tolist() == sorted(order[: k[i]])


def test_an_infinite_count_of_pixels_is_every_pixel():
    x, g = np.full((1, 3), 0.5), np.array([[1.0, -2, 0]])
    assert L0(np.inf).maximize(x, g).tolist() == [[0.5, -0.5, 0]]
    assert L0(np.inf).support(x, g).tolist() == [1.5]


# ---------------------------------------------------------------- bad input

BAD = [
    ({"radius": -0.1}, "radius: expected a number >= 0.*-0.1"),
    ({"radius": np.nan}, "radius: expected a number >= 0.*nan"),
    ({"radius": np.array([0.1, -1])}, "radius: expected a number >= 0"),
    ({"radius": "0.1"}, "radius: expected a number >= 0.*'0.1'"),
    ({"radius": True}, "radius: expected a number >= 0.*True"),
    ({"box": (1, 0)}, r"box: expected \(lo, hi\), finite, with lo <= hi.*\(1, 0\)"),
    ({"box": (0, np.inf)}, "box: expected .*inf"),
    ({"box": (np.nan, 1)}, "box: expected .*nan"),
    ({"box": (0, 1, 2)}, r"box: expected .*\(0, 1, 2\)"),
    ({"box": (np.zeros(2), np.array([1, -1]))}, "box: expected"),
    ({"mask": np.zeros(3, bool)}, "mask: expected booleans with at least one pixel free.*0 of 3"),
    ({"mask": np.array([[True, True], [False, False]])}, "mask: expected booleans with at least one pixel free"),
    ({"mask": np.ones(3, int)}, "mask: expected booleans.*int64"),
    ({"mask": True}, "mask: expected booleans"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
@pytest.mark.parametrize("kind", [L0, L1, L2, LInf])
def test_bad_balls_are_refused(kind, bad, message):
    with pytest.raises(ValueError, match=message):
        kind(**{"radius": 1, **bad})


@pytest.mark.parametrize("k", [0, 1.5, np.array([1, 0])])
def test_l0_wants_whole_pixels(k):
    with pytest.raises(ValueError, match="radius: expected a whole number of pixels, at least 1, got"):
        L0(k)


@pytest.mark.parametrize(
    ("ball", "message"),
    [
        (LInf(0.1, (np.zeros(3), np.ones(3))), r"box: expected a shape that broadcasts to \(2, 4\), got \(3,\)"),
        (LInf(0.1, (0, np.ones(3))), r"box: expected a shape that broadcasts to \(2, 4\), got \(3,\)"),
        (LInf(0.1, mask=np.ones((3, 4), bool)), r"mask: expected .* \(2, 4\), got \(3, 4\)"),
        (LInf(np.full(3, 0.1)), r"radius: expected .* \(2,\), got \(3,\)"),
        (LInf(0.1, (0, 0.5)), "x: expected pixels inside the box .*got 0.75 in row 1, pixel 2"),
        (LInf(0.1, (0.5, 1)), "x: expected pixels inside the box .*got 0.25 in row 0, pixel 0"),
    ],
)
def test_a_ball_that_does_not_fit_the_images_is_refused(ball, message):
    x = np.full((2, 4), 0.5)
    x[0, 0], x[1, 2] = 0.25 if ball.box[0].any() else 0.5, 0.75
    with pytest.raises(ValueError, match=message):
        check_images(ball, x)


def test_pixels_that_are_in_are_paid_for():
    x, g = np.zeros((1, 4)), np.array([[4.0, 3.0, 2.0, 1.0]])
    part = L0(2).restrict(inside=np.array([[False, False, False, True]]))
    assert part.maximize(x, g).tolist() == [[1, 0, 0, 1]] and part.support(x, g).tolist() == [5]
    assert part.restrict(inside=np.array([[False, False, True, False]])).maximize(x, g).tolist() == [[0, 0, 1, 1]]
