"""Pixels that must be in the support, or out of it, against every support."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from ball_strategies import ball_cases, best_support_with, parts, row
from hypothesis import given, settings
from hypothesis import strategies as st
from regions import feasible, random_net

from attacks.proofs.pixels import decide_pixels, forced, undecided
from minigrad import MLP
from minigrad.bounds.crown import intervals
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import bound_rows, optimise_bounds
from minigrad.bounds.region import Region

SEEDS = st.integers(0, 2**32 - 1)


@given(parts())
def test_forced_pixels_against_every_support(part):
    ball, x, g, inside = part
    free_to_split = undecided(ball, x)
    into, out = forced(ball, x, g)
    for i in range(len(x)):
        one = row(ball, x, i)
        free = ((one.down < 0) | (one.up > 0)) & ~inside[i]
        assert np.array_equal(free_to_split[i], free & (0 < one.radius - inside[i].sum() < free.sum()))
        for j in np.flatnonzero(free_to_split[i]):
            assert into[i, j] == pytest.approx(best_support_with(one, g[i], inside[i], forced_in=(j,)), abs=1e-14)
            assert out[i, j] == pytest.approx(best_support_with(one, g[i], inside[i], forced_out=(j,)), abs=1e-14)


@given(ball_cases(("l1", "l2", "linf")))
def test_only_l0_counts_pixels(case):
    ball, x, g = case
    assert not undecided(ball, x).any()
    known = Region(MLP.init([x.shape[1], 1], rng=0), x, ball)
    assert not any(pixels.any() for pixels in decide_pixels(known, np.full(len(x), -1.0), g))


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
    _, mult = optimise_bounds(known, np.ones((1, 1)), steps=5)
    found = bound_rows(known, np.ones((1, 1)), mult)
    inside, outside = decide_pixels(known, found.bound[:, 0], found.A[:, 0])
    for point in points[values > net.threshold]:
        moved = point[0] != x[0]
        assert not (moved & outside[0]).any()
        assert not (inside[0] & ~moved).any()
