"""Linear bounds: above every value at every feasible point, exact on a linear network, safe in floating point."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from ball_strategies import ball_cases
from hypothesis import given
from hypothesis import strategies as st
from regions import feasible, has_signs, random_net, with_signs

from attacks import L0, L1, L2, LInf
from minigrad import MLP
from minigrad.bounds.crown import intervals, substitute, upper_bound
from minigrad.bounds.optimised import optimise_bounds
from minigrad.bounds.rounding import UNIT
from minigrad.layers import forward

ACTIVATIONS = st.sampled_from(["relu", "tanh", "sigmoid"])






@given(ball_cases(), ACTIVATIONS, st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_no_feasible_point_is_above_a_bound(case, activation, depth, seed):
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 3, activation, rng, depth)
    c = rng.normal(size=(len(x), 4, 3))
    known = intervals(net, x, ball)
    bound = upper_bound(known, c)
    for points in feasible(ball, x, rng):
        values = forward(net.layers, points)
        assert (np.einsum("nmk,nk->nm", c, values[-1]) <= bound).all()
        for z, l, u in zip(values[1:-1:2], known.l, known.u, strict=True):  # noqa: E741
            assert (l <= z).all() and (z <= u).all()






@given(ball_cases(), st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_with_given_signs_no_feasible_point_that_has_them_is_above(case, depth, seed):
    """Whatever alpha and beta are.  The point the signs were read from has them, so the test is never empty."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, "relu", rng, depth)
    points = feasible(ball, x, rng)
    plain = intervals(net, x, ball)
    known = with_signs(plain, points[rng.integers(len(points))], rng)
    c = rng.normal(size=(len(x), 3, 2))
    size = [(len(x), 3, l.shape[1]) for l in known.l]  # noqa: E741
    alpha, beta = [rng.random(shape) for shape in size], [rng.exponential(size=shape) for shape in size]
    bounds = [substitute(region, c, None, alpha, beta).bound for region in (known, replace(plain, sign=known.sign))]
    seen = 0
    for point in points:
        values = forward(net.layers, point)
        here = has_signs(values[1:-1:2], known.sign)
        for bound in bounds:
            assert (np.einsum("nmk,nk->nm", c, values[-1]) <= bound)[here].all()
        seen += here.any()
    assert seen > 0


@given(ball_cases(), ACTIVATIONS, st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_rows_of_a_hidden_layer_and_the_margin_together(case, activation, depth, seed):
    """e . z_k + gamma m for every hidden layer k, with signs given and beta at work.  One logit: the threshold too."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 1, activation, rng, depth)
    points = feasible(ball, x, rng, 30)
    known = with_signs(intervals(net, x, ball), points[-1], rng)
    gamma = rng.exponential(size=(len(x), 4, 1)) * rng.choice([-1, 0, 1], (len(x), 4, 1))
    size = [(len(x), 4, l.shape[1]) for l in known.l]  # noqa: E741
    beta = [rng.exponential(size=shape) for shape in size]
    for k in range(depth):
        e = rng.normal(size=size[k])
        bound = substitute(known, gamma, (k, e), None, beta).bound
        alone = substitute(known, None, (k, e)).bound
        for point in points:
            values = forward(net.layers, point)
            here = has_signs(values[1:-1:2], known.sign)
            row = np.einsum("nmw,nw->nm", e, values[2 * k + 1])
            assert (row + gamma[:, :, 0] * (values[-1] - net.threshold) <= bound)[here].all()
            assert (row <= alone)[here].all()


@given(ball_cases(), st.integers(0, 2**32 - 1))
def test_exact_on_an_affine_network(case, seed):
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, "relu", rng, depth=0)
    c = rng.normal(size=(len(x), 3, 2))
    bound = upper_bound(intervals(net, x, ball), c)
    for m in range(3):
        g = c[:, m] @ net.dense[0].W.T
        exact = np.einsum("nk,nk->n", c[:, m], net.logits(x)) + ball.support(x, g)
        np.testing.assert_allclose(bound[:, m], exact, rtol=0, atol=1e-12)
        assert (bound[:, m] >= exact).all()


@given(ball_cases(), ACTIVATIONS, st.integers(0, 2**32 - 1))
def test_a_larger_set_has_no_smaller_bound_on_the_first_layer(case, activation, seed):
    ball, x, _ = case
    net = random_net(x.shape[1], 1, activation, np.random.default_rng(seed))
    small, large = (intervals(net, x, b) for b in (ball, ball.with_radius(np.asarray(ball.radius) + 1)))
    rounding = 1e-14 * (1 + np.abs(small.l[0]) + np.abs(small.u[0]))  # of the two oracles' sums
    assert (large.l[0] <= small.l[0] + rounding).all() and (large.u[0] >= small.u[0] - rounding).all()


@given(ball_cases(), st.integers(0, 2**32 - 1))
def test_a_spread_ball_is_each_images_ball_many_times(case, seed):
    ball, x, _ = case
    g = np.random.default_rng(seed).normal(size=(len(x), 5, x.shape[1]))
    together = ball.spread().support(x[:, None, :], g)
    for m in range(5):
        np.testing.assert_allclose(together[:, m], ball.support(x, g[:, m]), rtol=0, atol=1e-14)


@pytest.mark.parametrize("k", [1, 2, 5, 6, 9])
def test_the_top_k_sum_is_what_the_maximiser_earns(k):
    rng = np.random.default_rng(k)
    x, g = rng.random((7, 6)), rng.normal(size=(7, 6))
    ball = L0(k, mask=np.arange(6) != 2)
    np.testing.assert_allclose(ball.support(x, g), np.sum(g * ball.maximize(x, g), axis=1), rtol=1e-15)


def test_the_bound_survives_a_cancellation_that_fools_the_naive_rounding_term():
    """relu(p) - relu(q) with p, q near 1e8 and p - q near 1: A W^T cancels, the errors of p and q do not."""
    rng = np.random.default_rng(0)
    fooled = 0
    for _ in range(50):
        w = 1e8 * (1 + rng.random(8))
        W1 = np.stack([w, w * (1 + 1e-9 * rng.normal(size=8))], axis=1)  # (8, 2)
        net = MLP.from_arrays([(W1, [0.0, 0.0]), ([[1.0], [-1.0]], [0.0])])
        x = 0.25 + rng.random((1, 8)) / 2
        ball = LInf(0.0)  # a single point: all of the bound's slack is for rounding
        bound = upper_bound(intervals(net, x, ball), np.ones((1, 1, 1)))[0, 0]
        exact = sum((Fraction(a) - Fraction(b)) * Fraction(p) for (a, b), p in zip(W1, x[0], strict=True))
        A = W1 @ np.array([1.0, -1.0])
        naive = A @ x[0] + 12 * UNIT * (np.abs(A) @ x[0])
        assert net.logits(x)[0, 0] <= bound and exact <= Fraction(bound)
        fooled += net.logits(x)[0, 0] > naive
    assert fooled > 0


def test_given_signs_survive_a_cancellation_that_fools_the_naive_rounding_term():
    """p >= 0 >= q, with q - p > 0 a billionth and both sums of terms of 1e8: in real arithmetic no such point exists.

    beta (p - q) proves it.  But where rounding gives p and q these signs, a float64 network does have m = 1 there.  How
    small q - p must be for that depends on the order in which a processor adds, so many sizes are tried.
    """
    rng = np.random.default_rng(0)
    fooled, big = 0, 1e10
    for k in range(220):
        w = 1e8 * (1 + rng.random(8))
        x = 0.25 + rng.random((1, 8)) / 2
        W1 = np.stack([w, w + 1e-9 * 2 ** (k % 11) * rng.random(8) * (rng.random(8) < 0.5)], axis=1)  # (8, 2)
        b1 = np.full(2, -(w @ x[0]))
        net = MLP.from_arrays([(W1, b1), (np.zeros((2, 1)), [1.0])])
        known = replace(intervals(net, x, LInf(0.0)), sign=(np.array([[1.0, -1.0]]),))
        bound = substitute(known, np.ones((1, 1, 1)), beta=[np.full((1, 1, 2), big)]).bound[0, 0]
        z = forward(net.layers, x)[1]
        if has_signs([z], known.sign)[0]:
            assert net.logits(x)[0, 0] <= bound
            A = big * (W1[:, 0] - W1[:, 1])
            const = 1 + big * (b1[0] - b1[1])
            fooled += A @ x[0] + const + 12 * UNIT * (np.abs(A) @ x[0] + abs(const)) < 0
    assert fooled > 0


def test_rows_of_a_neuron_and_the_margin_survive_the_same_cancellation():
    """z + gamma m with z = relu(p) - relu(q) and m = 2 - z: p and q near 1e8, z near 1, so its error is near 1e-8."""
    rng = np.random.default_rng(0)
    fooled = 0
    for _ in range(50):
        w = 1e8 * (1 + rng.random(8))
        W1 = np.stack([w, w * (1 + 1e-9 * rng.random(8))], axis=1)
        net = MLP.from_arrays([(W1, [0.0, 0.0]), ([[-1.0], [1.0]], [0.0]), ([[-1.0]], [2.0])])
        x = 0.25 + rng.random((1, 8)) / 2
        known, gamma = intervals(net, x, LInf(0.0)), 0.5
        row = 1, np.ones((1, 1, 1))
        bound = substitute(known, np.full((1, 1, 1), gamma), row).bound[0, 0]
        values = forward(net.layers, x)
        value = values[3][0, 0] + gamma * values[-1][0, 0]
        assert value <= bound
        A = (1 - gamma) * (W1 @ np.array([-1.0, 1.0]))
        naive = A @ x[0] + 2 * gamma + 12 * UNIT * (np.abs(A) @ x[0] + 2 * gamma)
        fooled += value > naive
    assert fooled > 0


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_sketch_is_the_bound_in_single_precision_throughout(activation):
    rng = np.random.default_rng(0)
    known, c = intervals(random_net(4, 2, activation, rng), rng.random((3, 4)), LInf(0.2)), rng.normal(size=(3, 1, 2))
    found = substitute(known.sketch(), c.astype(np.float32))
    assert {a.dtype for a in (found.bound, found.A, found.point, *found.on_activation)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found.bound, substitute(known, c).bound, rtol=1e-4)


def test_weights_too_large_to_bound_are_refused():
    net = MLP.from_arrays([([[1e300]], [0.0]), ([[1e300]], [0.0])])
    x = np.full((1, 1), 0.5)
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(OverflowError, match="expected finite bounds"):
        upper_bound(intervals(net, x, LInf(0.5)), np.ones((1, 1, 1)))


@pytest.mark.parametrize("ball", [LInf(0.03), L2(0.3), L1(1.5), L0(2)], ids=lambda ball: ball.norm)
def test_what_is_proved_on_the_reference_net_no_attack_breaks(ball, reference, mnist49):
    from attacks import pgd

    _, _, x, y = mnist49
    x = x[(y == 0) & (reference.predict(x) == 0)][:30].astype(float)
    bound = upper_bound(intervals(reference, x, ball), np.ones((30, 1, 1)))[:, 0]
    broken = pgd(reference, x, np.zeros(30, int), ball).success
    assert (bound < 0).sum() >= 10  # the bound says something
    assert not (broken & (bound < 0)).any()


@pytest.mark.parametrize("kind", [L0, L1, L2, LInf])
def test_moves_below_all_normal_numbers_are_charged_for_their_rounding(kind):
    """Half of an odd number of eta is none: a bound must not lose it, since a weight may be 2^1000."""
    rng, eta = np.random.default_rng(0), 5e-324
    for _ in range(300):
        d = 1 if kind is L2 else int(rng.integers(1, 4))
        W = rng.choice([-1, 1], (d, 1)) * 2.0 ** rng.integers(980, 1000, (d, 1))
        lo, hi = -rng.integers(0, 8, d) * eta, rng.integers(0, 8, d) * eta
        most = d if kind is L0 else int(rng.integers(1, 8))
        ball = kind(most if kind is L0 else most * eta, box=(lo, hi))
        bound = upper_bound(intervals(MLP.from_arrays([(W, [0.0])]), np.zeros((1, d)), ball), np.ones((1, 1, 1)))[0, 0]
        gains = sorted(
            (abs(Fraction(w)) * Fraction(cap) for w, cap in zip(W[:, 0], np.where(W[:, 0] > 0, hi, -lo), strict=True)),
            reverse=True,
        )
        if kind is L1:  # fractional knapsack
            left, truth = Fraction(most) * Fraction(eta), Fraction(0)
            for w, cap in sorted(zip(np.abs(W[:, 0]), np.where(W[:, 0] > 0, hi, -lo), strict=True), reverse=True):
                step = min(left, Fraction(cap))
                truth, left = truth + Fraction(w) * step, left - step
        elif kind is L0:
            truth = sum(gains)
        else:
            within = (min(Fraction(cap), most * Fraction(eta)) for cap in np.where(W[:, 0] > 0, hi, -lo))
            truth = sum(abs(Fraction(w)) * t for w, t in zip(W[:, 0], within, strict=True))
        assert Fraction(bound) >= truth


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("size", [1e30, 1e39, 1e150])
def test_a_sketch_stays_in_double_precision_where_single_overflows(activation, size):
    """Whatever is large: a bias, or the pixels."""
    W, b = [[4.0, 0.0], [-3.0, 0.0]], [0.1, -size]
    last = ([[3.0], [1.0]], [-1.0])
    bias = MLP.from_arrays([(W, b), last], activation=activation)
    pixels = MLP.from_arrays([(np.array(W) / size, [0.1, 0.0]), last], activation=activation)
    for net, ball in ((bias, LInf(0.1)), (pixels, LInf(0.1 * size, box=(-size, size)))):
        known = intervals(net, np.full((1, 2), 0.25), ball)
        with np.errstate(all="raise", under="ignore"):
            found, _ = optimise_bounds(known, np.ones((1, 1, 1)), steps=5, rate=0.3)
        assert np.isfinite(found.bound).all()
