"""Linear bounds: above every value at every feasible point, exact on a linear network, safe in floating point."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from ball_strategies import ball_cases
from hypothesis import given
from hypothesis import strategies as st

from attacks import L0, L1, L2, LInf
from minigrad import MLP
from minigrad.bounds import UNIT, intervals, upper_bound
from minigrad.mlp import forward

ACTIVATIONS = st.sampled_from(["relu", "tanh", "sigmoid"])


def random_net(d, k, activation, rng, depth=2):
    sizes = [d, *rng.integers(1, 6, depth), k]
    pairs = [(rng.normal(size=(a, b)) * 1.5, rng.normal(size=b)) for a, b in pairwise(sizes)]
    return MLP.from_arrays(pairs, activation=activation)


def feasible(ball, x, rng, count=60):
    """Random points of the set and its corners, (count, n, d)."""
    inside = [ball.apply(x, ball.sample(x, rng)) for _ in range(count // 2)]
    corners = [ball.apply(x, ball.maximize(x, rng.normal(size=x.shape))) for _ in range(count // 2)]
    return np.array([x, *inside, *corners])


@given(ball_cases(), ACTIVATIONS, st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_no_feasible_point_is_above_a_bound(case, activation, depth, seed):
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 3, activation, rng, depth)
    c = rng.normal(size=(len(x), 4, 3))
    known = intervals(net, x, ball)
    bound = upper_bound(net, c, x, ball, known)
    for points in feasible(ball, x, rng):
        values = forward(net.layers, points)
        assert (np.einsum("nmk,nk->nm", c, values[-1]) <= bound).all()
        for z, l, u in zip(values[1:-1:2], known.l, known.u, strict=True):  # noqa: E741
            assert (l <= z).all() and (z <= u).all()


@given(ball_cases(), st.integers(0, 2**32 - 1))
def test_exact_on_an_affine_network(case, seed):
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, "relu", rng, depth=0)
    c = rng.normal(size=(len(x), 3, 2))
    bound = upper_bound(net, c, x, ball, intervals(net, x, ball))
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
    assert (large.l[0] <= small.l[0]).all() and (large.u[0] >= small.u[0]).all()


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
        bound = upper_bound(net, np.ones((1, 1, 1)), x, ball, intervals(net, x, ball))[0, 0]
        exact = sum((Fraction(a) - Fraction(b)) * Fraction(p) for (a, b), p in zip(W1, x[0], strict=True))
        A = W1 @ np.array([1.0, -1.0])
        naive = A @ x[0] + 12 * UNIT * (np.abs(A) @ x[0])
        assert net.logits(x)[0, 0] <= bound and exact <= Fraction(bound)
        fooled += net.logits(x)[0, 0] > naive
    assert fooled > 0


def test_weights_too_large_to_bound_are_refused():
    net = MLP.from_arrays([([[1e300]], [0.0]), ([[1e300]], [0.0])])
    x = np.full((1, 1), 0.5)
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(OverflowError, match="expected finite bounds"):
        upper_bound(net, np.ones((1, 1, 1)), x, LInf(0.5), intervals(net, x, LInf(0.5)))


@pytest.mark.parametrize("ball", [LInf(0.03), L2(0.3), L1(1.5), L0(2)], ids=lambda ball: ball.norm)
def test_what_is_proved_on_the_reference_net_no_attack_breaks(ball, reference, mnist49):
    from attacks import pgd

    _, _, x, y = mnist49
    x = x[(y == 0) & (reference.predict(x) == 0)][:30].astype(float)
    bound = upper_bound(reference, np.ones((30, 1, 1)), x, ball, intervals(reference, x, ball))[:, 0]
    broken = pgd(reference, x, np.zeros(30, int), ball).success
    assert (bound < 0).sum() >= 10  # the bound says something
    assert not (broken & (bound < 0)).any()
