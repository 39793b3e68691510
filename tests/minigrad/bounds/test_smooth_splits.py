"""Tanh and Sigmoid where intervals were split: the ends of an interval with a signed beta."""

from dataclasses import replace

import numpy as np
from ball_strategies import ball_cases
from hypothesis import given
from hypothesis import strategies as st
from regions import feasible, random_net

from attacks import LInf
from minigrad import MLP
from minigrad.bounds.crown import intervals, substitute
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import bound_rows, gradient, optimise_bounds
from minigrad.layers import forward

SMOOTH = st.sampled_from(["tanh", "sigmoid"])
SEEDS = st.integers(0, 2**32 - 1)


def about(known, point, rng, share=0.5):
    """`known` with the intervals of half of the neurons narrowed about the values of `point`; these count as given."""
    values, low, up, sign = forward(known.net.layers, point)[1:-1:2], [], [], []
    for z, l, u in zip(values, known.l, known.u, strict=True):  # noqa: E741
        given = rng.random(z.shape) < share
        low.append(np.where(given, z - rng.random(z.shape) * (z - l), l))
        up.append(np.where(given, z + rng.random(z.shape) * (u - z), u))
        sign.append(given * rng.choice([-1.0, 1.0], z.shape))
    return replace(known, l=tuple(low), u=tuple(up), sign=tuple(sign))


def inside(known, point):
    """Which of the sets (n,) have `point` in all their intervals."""
    values = forward(known.net.layers, point)[1:-1:2]
    each = [((l <= z) & (z <= u)).all(axis=1) for z, l, u in zip(values, known.l, known.u, strict=True)]  # noqa: E741
    return np.all(each, axis=0)


@given(ball_cases(), SMOOTH, st.integers(1, 3), st.sampled_from([0.1, 1.0, 1e3, 1e12]), SEEDS)
def test_no_point_between_the_ends_is_above_a_bound(case, activation, depth, size, seed):
    """Whatever beta is, of either sign and any size.  The point that the intervals are about is one of them."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, activation, rng, depth)
    points = feasible(ball, x, rng, 30)
    known = about(intervals(net, x, ball), points[-1], rng)
    c = rng.normal(size=(len(x), 3, 2))
    beta = [size * rng.normal(size=(len(x), 3, l.shape[1])) for l in known.l]  # noqa: E741
    at = rng.integers(depth)
    e = rng.normal(size=beta[at].shape)
    bound, row_bound = substitute(known, c, beta=beta).bound, substitute(known, c, (at, e), beta=beta).bound
    seen = 0
    for point in points:
        values, here = forward(net.layers, point), inside(known, point)
        m = np.einsum("nmk,nk->nm", c, values[-1])
        assert (m <= bound)[here].all()
        assert (m + np.einsum("nmw,nw->nm", e, values[2 * at + 1]) <= row_bound)[here].all()
        seen += here.any()
    assert seen > 0


@given(ball_cases(("linf", "l1")), SMOOTH, SEEDS)
def test_the_forward_pass_is_the_gradient_of_the_bound_in_a_signed_beta(case, activation, seed):
    """Both one-sided differences agree with it unless there is a kink in between."""
    rng = np.random.default_rng(seed)
    net = random_net(case.x.shape[1], 1, activation, rng)
    known = about(intervals(net, case.x, case.ball), feasible(case.ball, case.x, rng, 4)[-1], rng)
    c, start = rng.choice([-1.0, 1.0], (len(case.x), 1)), Multipliers.start(known, 2)
    mult = replace(start, beta=tuple(rng.normal(size=b.shape) for b in start.beta))
    found, h = bound_rows(known, c, mult), 1e-6
    slopes = gradient(known, c, mult, found)[2:4]
    for k, g in enumerate(slopes):
        for i in range(g.shape[2]):
            sides = []
            for step in (h, -h):
                beta = [b.copy() for b in mult.beta]
                beta[k][:, :, i] += step * (known.sign[k][:, None, i] != 0)  # only the ends of given intervals
                sides.append((bound_rows(known, c, replace(mult, beta=tuple(beta))).bound - found.bound) / step)
            smooth = np.abs(sides[0] - sides[1]) < 1e-7 * (1 + np.abs(sides[0]))
            np.testing.assert_allclose(g[:, :, i][smooth], np.mean(sides, axis=0)[smooth], rtol=1e-5, atol=1e-6)


@given(ball_cases(), SMOOTH, SEEDS)
def test_the_best_beta_has_either_sign_and_no_point_is_above(case, activation, seed):
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, activation, rng)
    points = feasible(ball, x, rng, 20)
    known, c = about(intervals(net, x, ball), points[-1], rng), rng.normal(size=(len(x), 2))
    best, mult = optimise_bounds(known, c, steps=12)
    assert (best.bound <= bound_rows(known, c, Multipliers.start(known)).bound).all()
    assert all((b[:, 0][s == 0] == 0).all() for b, s in zip(mult.beta, known.sign, strict=True))
    for point in points:
        m = np.einsum("nk,nk->n", c, net.logits(point))
        assert (m <= best.bound[:, 0])[inside(known, point)].all()


def test_either_end_pays_where_it_binds():
    """N = tanh(4 x_0) + tanh(4 x_1), both first neurons given between 0 and 0.1: the ends of x are above, so that only
    z <= u can pay, and for -N only z >= l."""
    net = MLP.from_arrays([([[4.0, 0.0], [0.0, 4.0]], [0.0, 0.0]), ([[1.0], [1.0]], [0.0])], activation="tanh")
    known = intervals(net, np.zeros((1, 2)), LInf(1.0, box=(-1, 1)))
    known = replace(known, l=(np.zeros((1, 2)),), u=(np.full((1, 2), 0.1),), sign=(np.ones((1, 2)),))
    for c, sign in ((1.0, -1), (-1.0, 1)):
        plain = substitute(known, np.full((1, 1, 1), c)).bound[0, 0]
        found, mult = optimise_bounds(known, np.full((1, 1), c), steps=100, rate=1.0)
        assert (np.sign(mult.beta[0]) == sign).all()
        assert found.bound[0, 0] < 0.3 < 3 < plain  # N <= 2 tanh(0.1) = 0.1993, -N <= 0
