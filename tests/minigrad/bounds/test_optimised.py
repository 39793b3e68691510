"""The gradient of the bound in alpha, beta and gamma, and what following it gains."""

from dataclasses import replace

import numpy as np
import pytest
from ball_strategies import ball_cases
from hypothesis import given
from hypothesis import strategies as st
from regions import feasible, has_signs, random_net, with_signs

from attacks import LInf
from minigrad.bounds.crown import intervals, substitute, upper_bound
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import bound_rows, gradient, optimise_bounds, relaxed_forward
from minigrad.layers import forward

SEEDS = st.integers(0, 2**32 - 1)


def random_multipliers(known, m, rng):
    """alpha inside [0, 1], beta and gamma above 0: a step of either sign stays feasible."""
    size = [(len(known.x), m, l.shape[1]) for l in known.l]  # noqa: E741
    alpha = tuple(rng.uniform(0.2, 0.8, shape) for shape in size)
    beta = tuple(rng.uniform(0.1, 1, shape) for shape in size)
    return Multipliers(alpha, beta, rng.uniform(0.5, 2, (len(known.x), m)))


def one_sided(known, c, mult, at, place, bound, h=1e-6):
    """The two one-sided differences of the bounds (n, m) in the multiplier `place` = (array, entry) of every row."""
    sides = []
    for sign in (1, -1):
        moved = [a.copy() for a in mult.arrays()]
        moved[place[0]][(..., *place[1])] += sign * h
        sides.append(sign * (bound_rows(known, c, Multipliers.from_list(moved), at).bound - bound) / h)
    return sides


def gradient_case(ball, x, seed, k):
    """A region with signs given, the margin's row, rows `e . z_k + gamma m` and random multipliers of them."""
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 1, "relu", rng)
    known = with_signs(intervals(net, x, ball), feasible(ball, x, rng, 4)[-1], rng)
    c = rng.choice([-1.0, 1.0], (len(x), 1))
    at = None if k is None else (k, rng.normal(size=(len(x), 3, known.l[k].shape[1])))
    return known, c, at, random_multipliers(known, 3, rng)


@given(ball_cases(("linf", "l1", "l0")), st.sampled_from([None, 0, 1]), SEEDS)
def test_the_forward_pass_is_the_gradient_of_the_bound(case, k, seed):
    """Piecewise linear in each multiplier: both one-sided differences agree with it unless there is a kink in between.

    For alpha, beta and gamma alike, of the margin alone (k None) and of a hidden layer's rows.
    """
    known, c, at, mult = gradient_case(case.ball, case.x, seed, k)
    found = bound_rows(known, c, mult, at)
    slopes = gradient(known, c, mult, found)
    assert [g.shape for g in slopes] == [a.shape for a in mult.arrays()]
    for i, g in enumerate(slopes):
        for entry in np.ndindex(g.shape[2:]):
            right, left = one_sided(known, c, mult, at, (i, entry), found.bound)
            smooth = np.abs(right - left) < 1e-7 * (1 + np.abs(right))
            central = (right + left) / 2
            np.testing.assert_allclose(g[(..., *entry)][smooth], central[smooth], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("k", [None, 0, 1])
def test_kinks_are_rare_enough_that_the_test_above_says_something(k):
    """On sets of real numbers nearly every difference is smooth, and every kind of multiplier moves some bound."""
    rng = np.random.default_rng(0)
    smooth, moved = [], np.zeros(5, bool)
    for seed in range(10):
        x = 0.2 + 0.6 * rng.random((3, 5))
        known, c, at, mult = gradient_case(LInf(0.3), x, seed, k)
        found = bound_rows(known, c, mult, at)
        for i, a in enumerate(mult.arrays()):
            for entry in np.ndindex(a.shape[2:]):
                right, left = one_sided(known, c, mult, at, (i, entry), found.bound)
                smooth.append(np.abs(right - left) < 1e-7 * (1 + np.abs(right)))
                moved[i] |= (np.abs(right) > 1e-3).any()
    assert np.mean(smooth) > 0.99
    assert moved.all()


@given(ball_cases(), st.sampled_from(["relu", "tanh"]), SEEDS)
def test_tighter_never_loosens_and_no_point_is_above(case, activation, seed):
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, activation, rng)
    c = rng.normal(size=(len(x), 2))
    known = intervals(net, x, ball)
    plain = upper_bound(known, c[:, None])
    best, mult = optimise_bounds(known, c, steps=8)
    bound = best.bound
    assert (bound <= plain).all()
    assert all(((a >= 0) & (a <= 1)).all() for a in mult.alpha)
    assert (mult.gamma == 1).all()
    assert np.array_equal(bound_rows(known, c, mult).bound, bound)
    for points in feasible(ball, x, rng, 20):
        assert (np.einsum("nk,nk->n", c, net.logits(points)) <= bound[:, 0]).all()


@given(ball_cases(), SEEDS)
def test_with_given_signs_beta_stays_feasible_and_so_does_the_bound(case, seed):
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, "relu", rng)
    points = feasible(ball, x, rng, 20)
    known = with_signs(intervals(net, x, ball), points[-1], rng)
    c = rng.normal(size=(len(x), 2))
    best, mult = optimise_bounds(known, c, steps=8)
    bound = best.bound
    assert (bound <= substitute(known, c[:, None]).bound).all()
    assert all((b >= 0).all() and (b[:, 0][s == 0] == 0).all() for b, s in zip(mult.beta, known.sign, strict=True))
    for point in points:
        values = forward(net.layers, point)
        here = has_signs(values[1:-1:2], known.sign)
        assert (np.einsum("nk,nk->n", c, values[-1]) <= bound[:, 0])[here].all()


@given(ball_cases(), st.integers(0, 1), SEEDS)
def test_rows_of_a_neuron_hold_over_the_points_with_a_margin_above_0(case, k, seed):
    """gamma moves, and stays >= 0: then  e . z_k <= e . z_k + gamma m <= bound  wherever m >= 0."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 1, "relu", rng)
    known, c = intervals(net, x, ball), rng.choice([-1.0, 1.0], (len(x), 1))
    w = known.l[k].shape[1]
    e = np.broadcast_to(np.concatenate([np.eye(w), -np.eye(w)]), (len(x), 2 * w, w))
    best, mult = optimise_bounds(known, c, Multipliers.start(known, 2 * w), (k, e), steps=8)
    bound = best.bound
    assert (mult.gamma >= 0).all()
    assert np.array_equal(bound_rows(known, c, mult, (k, e)).bound, bound)
    for point in feasible(ball, x, rng, 40):
        values = forward(net.layers, point)
        here = c[:, 0] * (values[-1][:, 0] - net.threshold) >= 0
        z = np.concatenate([values[2 * k + 1], -values[2 * k + 1]], axis=1)
        assert (z <= bound)[here].all()


@given(ball_cases(("linf", "l1")), SEEDS)
def test_the_relaxed_forward_pass_attains_the_bound(case, seed):
    """Along the lines taken, x + s* evaluates to the bound itself, up to the rounding it was raised by."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 1, "relu", rng, depth=1)
    known = intervals(net, x, ball)
    c, mult = np.ones((len(x), 1)), Multipliers.start(known)
    found = bound_rows(known, c, mult)
    _, a = relaxed_forward(known, mult, found)
    m = (a @ net.dense[1].W + net.dense[1].b - net.threshold)[..., 0]
    np.testing.assert_allclose(m, found.bound, rtol=1e-11, atol=1e-11)


@given(ball_cases(("linf", "l1", "l0")), SEEDS)
def test_with_beta_the_relaxed_values_give_the_bound_with_betas_terms(case, seed):
    """bound = m + sum sign beta z  on the relaxed values, whatever the depth."""
    ball, x, _ = case
    known, c, _, mult = gradient_case(ball, x, seed, None)
    mult = replace(mult, gamma=np.ones_like(mult.gamma))
    found = bound_rows(known, c, mult)
    z, a = relaxed_forward(known, mult, found)
    m = ((a @ known.net.dense[-1].W + known.net.dense[-1].b - known.net.threshold) * c[:, None]).sum(-1)
    terms = sum((s[:, None] * b * v).sum(-1) for s, b, v in zip(known.sign, mult.beta, z, strict=True))
    np.testing.assert_allclose(m + terms, found.bound, rtol=1e-10, atol=1e-10)


@given(ball_cases(), st.integers(0, 2), SEEDS)
def test_every_row_is_optimised_by_itself(case, r, seed):
    """To the last bit: whatever the other rows of the same set are.  (Another number of rows would round otherwise.)"""
    ball, x, _ = case
    known, c, (k, e), mult = gradient_case(ball, x, seed, 1)
    best, found = optimise_bounds(known, c, mult, (k, e), steps=4)
    bound = best.bound
    other = random_multipliers(known, 3, np.random.default_rng(seed + 1))
    for mine, kept in zip(other.arrays(), mult.arrays(), strict=True):
        mine[:, r] = kept[:, r]
    rows = -e
    rows[:, r] = e[:, r]
    there_best, there = optimise_bounds(known, c, other, (k, rows), steps=4)
    again = there_best.bound
    assert np.array_equal(again[:, r], bound[:, r])
    for mine, kept in zip(there.arrays(), found.arrays(), strict=True):
        assert np.array_equal(mine[:, r], kept[:, r])


def test_the_answer_is_the_best_of_all_steps(reference, mnist49, monkeypatch):
    _, _, x, y = mnist49
    x, tried = x[(y == 0) & (reference.predict(x) == 0)][:12].astype(float), []

    def recorded(*args):
        tried.append(bound_rows(*args))
        return tried[-1]

    monkeypatch.setattr("minigrad.bounds.optimised.bound_rows", recorded)
    known = intervals(reference, x, LInf(0.03))
    bound = optimise_bounds(known, np.ones((12, 1)), steps=10, rate=20.0)[0].bound  # overshoots
    steps = np.array([found.bound for found in tried[:-1]])  # the last is the answer itself
    assert (steps[-1] > steps.min(axis=0) + 1e-3).any()
    np.testing.assert_allclose(bound, steps.min(axis=0), rtol=1e-4)  # looked for in single precision


def test_the_reference_bound_gains(reference, mnist49):
    _, _, x, y = mnist49
    x = x[(y == 0) & (reference.predict(x) == 0)][:12].astype(float)
    known, c = intervals(reference, x, LInf(0.03)), np.ones((12, 1))
    plain = upper_bound(known, c[:, None])
    bound = optimise_bounds(known, c)[0].bound
    assert (bound < plain).all()
    assert np.mean((plain - bound) / np.abs(plain)) > 0.01
