"""Intervals over the counterexamples alone, and the pixels they use: against sampled points and brute force."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from ball_strategies import ball_cases, row
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ACTIVATIONS
from test_bounds import feasible, has_signs, random_net, with_signs

from attacks import L0, L1, L2, LInf
from minigrad import MLP
from minigrad.bounds import intervals
from minigrad.contract import contract, decide_pixels, take
from minigrad.mlp import forward
from minigrad.tighten import Multipliers, bound_rows, tighten

SEEDS = st.integers(0, 2**32 - 1)


def contracted(known, c, steps=4, mult=None):
    """Every hidden layer contracted in turn, as a search does it, and the sets found empty."""
    mult = Multipliers.start(known) if mult is None else mult
    empty = np.zeros(len(known.l[0]), bool)
    for k in range(len(known.l)):
        found = contract(known, k, c, mult, np.ones((len(known.l[k]), 2, known.l[k].shape[1])), steps=steps)
        empty |= found.empty
        l, u = found.l, np.maximum(found.l, found.u)  # noqa: E741
        known = replace(known, l=(*known.l[:k], l, *known.l[k + 1 :]), u=(*known.u[:k], u, *known.u[k + 1 :]))
    return known, empty


@given(ball_cases(), st.sampled_from(ACTIVATIONS), st.integers(1, 2), st.booleans(), SEEDS)
def test_intervals_hold_at_every_feasible_point_with_a_margin_of_0_or_more(case, activation, depth, signs, seed):
    """And `empty` only where no sampled point has one.  The threshold is set so that some of the points do."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 1, activation, rng, depth)
    points = feasible(ball, x, rng, 60)
    net = replace(net, threshold=float(np.quantile(net.logits(points.reshape(-1, x.shape[1])), rng.random())))
    c = np.broadcast_to(rng.choice([-1.0, 1.0]), (len(x), 1))
    plain = intervals(net, x, ball)
    if signs:
        plain = with_signs(plain, points[-1], rng)
    mult = tighten(plain, c, steps=3)[1]
    known, empty = contracted(plain, c, mult=mult)
    for k in range(depth):
        assert (known.l[k] >= plain.l[k]).all() and (known.u[k] <= np.maximum(plain.u[k], known.l[k])).all()
    for point in points:
        values = forward(net.layers, point)
        m = (c * (values[-1] - net.threshold)).sum(axis=1)
        here = (m >= 0) & (has_signs(values[1:-1:2], plain.sign) if signs else True)
        assert not (empty & here).any()
        for z, l, u in zip(values[1:-1:2], known.l, known.u, strict=True):  # noqa: E741
            assert ((l <= z) & (z <= u))[here].all()


def test_contracting_narrows_and_finds_the_half_line_that_counterexamples_leave():
    """m = relu(z) - 1/2 with z = x0 + x1 - 1 on x0, x1 in [0, 1]: m >= 0 means z >= 1/2, and z <= 1 as before."""
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0]), ([[1.0]], [-0.5])])
    known = intervals(net, np.full((1, 2), 0.5), LInf(0.5))
    found = contract(known, 0, np.ones((1, 1)), Multipliers.start(known), np.ones((1, 2, 1)), steps=60)
    assert known.l[0][0, 0] < -0.99
    assert found.l[0, 0] > -1e-3  # the chord (z + 1) / 2 >= 1/2 gives z >= 0 at first
    assert found.u[0, 0] == pytest.approx(1, abs=1e-9)
    again, _ = contracted(replace(known, l=(found.l,), u=(found.u,)), np.ones((1, 1)), steps=60)
    assert not (again.l[0] > 0.5 + 1e-9).any()


def test_a_set_without_counterexamples_is_found_empty():
    """z1 = x0 and z2 = -x0 cannot both be large: m = relu(x0) + relu(-x0) - 2, x0 in [-1, 1], is below 0.

    The chords give m <= -1, so z <= 1 - gamma and z >= gamma - 1 for every gamma.
    """
    net = MLP.from_arrays([([[1.0, -1.0]], [0.0, 0.0]), ([[1.0], [1.0]], [-2.0])])
    x = np.zeros((1, 1))
    ball = LInf(1.0, (-1.0, 1.0))
    known = intervals(net, x, ball)
    empty = contracted(known, np.ones((1, 1)), steps=40)[1]
    assert empty.all()
    reached = replace(net, threshold=-1.01)  # m = |x0| - 0.99: now the ends are counterexamples
    assert not contracted(intervals(reached, x, ball), np.ones((1, 1)), steps=40)[1].any()


@pytest.mark.parametrize("ball", [LInf(0.3), L1(1.0), L2(0.5), L0(2)], ids=lambda ball: ball.norm)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_batch_is_its_sets_one_by_one(ball, activation, monkeypatch):
    """Sets with fewer curved neurons are padded, and a batch may be cut into parts: neither changes a result."""
    rng = np.random.default_rng(0)
    x = 0.2 + 0.6 * rng.random((6, 5))
    net = random_net(5, 1, activation, rng)
    plain = intervals(net, x, ball)
    stable = rng.random((6, plain.l[0].shape[1])) < np.linspace(0, 1, 6)[:, None]  # from none to all
    plain = replace(plain, l=(np.where(stable, plain.u[0], plain.l[0]), *plain.l[1:]))
    c = np.ones((6, 1))
    mult = Multipliers.start(plain)
    gamma = np.ones((6, 2, plain.l[0].shape[1]))
    together = contract(plain, 0, c, mult, gamma, steps=0)
    monkeypatch.setattr("minigrad.contract.ROWS", 1)  # one set a part
    parts = contract(plain, 0, c, mult, gamma, steps=0)
    for i in range(6):
        index = np.array([i])
        one = Multipliers(tuple(a[index] for a in mult.alpha), tuple(b[index] for b in mult.beta), mult.gamma[index])
        alone = contract(take(plain, index), 0, c[index], one, gamma[index], steps=0)
        for found in (together, parts):
            np.testing.assert_allclose(found.l[index], alone.l, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(found.u[index], alone.u, rtol=1e-12, atol=1e-12)
            assert np.array_equal(found.gamma[index], alone.gamma)
            assert np.array_equal(found.empty[index], alone.empty)


def test_gamma_begins_where_it_is_told_and_keeps_a_size_to_grow_from():
    net = random_net(4, 1, "relu", np.random.default_rng(1))
    x = np.full((2, 4), 0.5)
    known = intervals(net, x, LInf(0.5))
    gamma = np.zeros((2, 2, known.l[0].shape[1]))
    found = contract(known, 0, np.ones((2, 1)), Multipliers.start(known), gamma, steps=0)
    np.testing.assert_allclose(found.l, known.l[0], rtol=1e-9, atol=1e-9)  # gamma = 0 is the plain bound
    np.testing.assert_allclose(found.u, known.u[0], rtol=1e-9, atol=1e-9)
    assert (found.gamma[known.lines[0].free[:, None] & np.ones((1, 2, 1), bool)] > 0).all()


# ---------------------------------------------------------------- pixels


@settings(max_examples=60)
@given(ball_cases(("l0",), pixels=st.integers(2, 6), images=st.just(1)), SEEDS)
def test_decided_pixels_against_every_support(case, seed):
    """On an affine net the bound is exact, so a pixel is decided iff brute force decides it, pixels in and out given.

    used by every support whose best margin is at least 0: in;   by none: out.
    """
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    d = x.shape[1]
    given_in, given_out = rng.random(d) < 0.2, rng.random(d) < 0.2
    given_out &= ~given_in
    ball = ball.restrict(given_in[None], given_out[None])
    w = rng.normal(size=(d, 1))
    one = row(ball, x, 0)
    gain = np.maximum(w[:, 0] * one.down, w[:, 0] * one.up)
    free = np.flatnonzero(((one.down < 0) | (one.up > 0)) & ~given_in)
    left = int(max(one.radius - given_in.sum(), 0))
    supports = [set(s) for k in range(min(left, len(free)) + 1) for s in combinations(free.tolist(), k)]
    best = np.array([gain[list(s)].sum() + gain[given_in].sum() for s in supports])
    level = rng.uniform(best.min(), best.max()) if rng.random() < 0.8 else best.max() + 0.1
    if np.abs(best - level).min() < 1e-9:
        return
    net = MLP.from_arrays([(w, [-float(x[0] @ w[:, 0]) - level])])  # m = w . s - level
    known = intervals(net, x, ball)
    found = bound_rows(known, np.ones((1, 1)), Multipliers.start(known))
    inside, outside = decide_pixels(known, found.bound[:, 0], found.A[:, 0])
    full = [s for s in supports if len(s) == min(left, len(free))]  # to pay for more pixels never hurts
    for i in range(d):
        if i not in free or left == 0 or left >= len(free):  # no pixel is chosen at the cost of another
            assert not inside[0, i] and not outside[0, i]
            continue
        with_i = [gain[list(s)].sum() + gain[given_in].sum() for s in full if i in s]
        without = [b for s, b in zip(supports, best, strict=True) if i not in s]
        assert outside[0, i] == (max(with_i) < level)
        assert inside[0, i] == (max(without) < level)


@settings(max_examples=30)
@given(ball_cases(("l0",), pixels=st.integers(2, 5), images=st.just(1)), SEEDS)
def test_no_sampled_counterexample_contradicts_a_decided_pixel(case, seed):
    """With hidden layers the bound is not exact, but what it decides must be true."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 1, "relu", rng)
    points = feasible(ball, x, rng, 200)
    values = net.logits(points[:, 0])[:, 0]
    net = replace(net, threshold=float(np.quantile(values, 0.9)))
    known = intervals(net, x, ball)
    _, mult = tighten(known, np.ones((1, 1)), steps=5)
    found = bound_rows(known, np.ones((1, 1)), mult)
    inside, outside = decide_pixels(known, found.bound[:, 0], found.A[:, 0])
    for point in points[values > net.threshold]:
        moved = point[0] != x[0]
        assert not (moved & outside[0]).any()
        assert not (inside[0] & ~moved).any()
