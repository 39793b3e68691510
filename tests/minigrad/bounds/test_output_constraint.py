"""Intervals over the counterexamples alone, against sampled points."""

from dataclasses import replace

import numpy as np
import pytest
from ball_strategies import ball_cases
from hypothesis import given
from hypothesis import strategies as st
from regions import feasible, has_signs, random_net, with_signs
from strategies import ACTIVATIONS

from attacks import L0, L1, L2, LInf
from minigrad import MLP
from minigrad.bounds.crown import intervals
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import optimise_bounds
from minigrad.bounds.output_constraint import constrain_intervals, constrain_layer
from minigrad.layers import forward

SEEDS = st.integers(0, 2**32 - 1)


def constrained(known, c, steps=4, mult=None):
    """Every hidden layer constrained in turn, as a search does it, and the sets found empty."""
    mult = Multipliers.start(known) if mult is None else mult
    empty = np.zeros(len(known.l[0]), bool)
    for k in range(len(known.l)):
        found = constrain_intervals(known, k, c, mult, np.ones((len(known.l[k]), 2, known.l[k].shape[1])), steps=steps)
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
    mult = optimise_bounds(plain, c, steps=3)[1]
    known, empty = constrained(plain, c, mult=mult)
    for k in range(depth):
        assert (known.l[k] >= plain.l[k]).all() and (known.u[k] <= np.maximum(plain.u[k], known.l[k])).all()
    for point in points:
        values = forward(net.layers, point)
        m = (c * (values[-1] - net.threshold)).sum(axis=1)
        here = (m >= 0) & (has_signs(values[1:-1:2], plain.sign) if signs else True)
        assert not (empty & here).any()
        for z, l, u in zip(values[1:-1:2], known.l, known.u, strict=True):  # noqa: E741
            assert ((l <= z) & (z <= u))[here].all()


def test_constrained_intervals_end_at_the_half_line_that_counterexamples_leave():
    """m = relu(z) - 1/2 with z = x0 + x1 - 1 on x0, x1 in [0, 1]: m >= 0 means z >= 1/2, and z <= 1 as before."""
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0]), ([[1.0]], [-0.5])])
    known = intervals(net, np.full((1, 2), 0.5), LInf(0.5))
    found = constrain_intervals(known, 0, np.ones((1, 1)), Multipliers.start(known), np.ones((1, 2, 1)), steps=60)
    assert known.l[0][0, 0] < -0.99
    assert found.l[0, 0] > -1e-3  # the chord (z + 1) / 2 >= 1/2 gives z >= 0 at first
    assert found.u[0, 0] == pytest.approx(1, abs=1e-9)
    again, _ = constrained(replace(known, l=(found.l,), u=(found.u,)), np.ones((1, 1)), steps=60)
    assert not (again.l[0] > 0.5 + 1e-9).any()


def test_a_set_without_counterexamples_is_found_empty():
    """z1 = x0 and z2 = -x0 cannot both be large: m = relu(x0) + relu(-x0) - 2, x0 in [-1, 1], is below 0.

    The chords give m <= -1, so z <= 1 - gamma and z >= gamma - 1 for every gamma.
    """
    net = MLP.from_arrays([([[1.0, -1.0]], [0.0, 0.0]), ([[1.0], [1.0]], [-2.0])])
    x = np.zeros((1, 1))
    ball = LInf(1.0, (-1.0, 1.0))
    known = intervals(net, x, ball)
    empty = constrained(known, np.ones((1, 1)), steps=40)[1]
    assert empty.all()
    reached = replace(net, threshold=-1.01)  # m = |x0| - 0.99: now the ends are counterexamples
    assert not constrained(intervals(reached, x, ball), np.ones((1, 1)), steps=40)[1].any()


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
    together = constrain_intervals(plain, 0, c, mult, gamma, steps=0)
    monkeypatch.setattr("minigrad.bounds.output_constraint.ROWS", 1)  # one set a part
    parts = constrain_intervals(plain, 0, c, mult, gamma, steps=0)
    for i in range(6):
        index = np.array([i])
        one = Multipliers(tuple(a[index] for a in mult.alpha), tuple(b[index] for b in mult.beta), mult.gamma[index])
        alone = constrain_intervals(plain.take(index), 0, c[index], one, gamma[index], steps=0)
        for found in (together, parts):
            np.testing.assert_allclose(found.l[index], alone.l, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(found.u[index], alone.u, rtol=1e-12, atol=1e-12)
            assert np.array_equal(found.gamma[index], alone.gamma)
            assert np.array_equal(found.empty[index], alone.empty)


def test_gamma_begins_where_it_is_given_and_stays_above_0():
    net = random_net(4, 1, "relu", np.random.default_rng(1))
    x = np.full((2, 4), 0.5)
    known = intervals(net, x, LInf(0.5))
    gamma = np.zeros((2, 2, known.l[0].shape[1]))
    found = constrain_intervals(known, 0, np.ones((2, 1)), Multipliers.start(known), gamma, steps=0)
    np.testing.assert_allclose(found.l, known.l[0], rtol=1e-9, atol=1e-9)  # gamma = 0 is the plain bound
    np.testing.assert_allclose(found.u, known.u[0], rtol=1e-9, atol=1e-9)
    assert (found.gamma[known.lines[0].free[:, None] & np.ones((1, 2, 1), bool)] > 0).all()


def test_one_layer_is_put_back_and_the_others_stay():
    rng = np.random.default_rng(3)
    net, x = random_net(5, 1, "relu", rng, 2), 0.2 + 0.6 * rng.random((4, 5))
    known = with_signs(intervals(net, x, LInf(0.05)), x, rng)
    c, mult = np.ones((4, 1)), Multipliers.start(known)
    gamma = tuple(np.full((4, 2, low.shape[1]), 0.5) for low in known.l)
    for k in range(2):
        found = constrain_intervals(known, k, c, mult, gamma[k])
        after, gammas, empty = constrain_layer(known, gamma, k, c, mult)
        assert np.array_equal(empty, found.empty)
        for name, old, new in (("l", known.l, after.l), ("u", known.u, after.u), ("gamma", gamma, gammas)):
            assert np.array_equal(new[k], getattr(found, name)) and new[1 - k] is old[1 - k]
        assert after.sign[1 - k] is known.sign[1 - k]
        given, sign = known.sign[k] != 0, after.sign[k]
        assert np.array_equal(sign[given], known.sign[k][given])
        assert np.array_equal(sign[~given], np.where(found.l >= 0, 1, np.where(found.u <= 0, -1, 0))[~given])
        assert (sign[~given] != 0).any()
