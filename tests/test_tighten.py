"""The gradient of the bound, and what following it gains."""

import numpy as np
from ball_strategies import ball_cases
from hypothesis import given
from hypothesis import strategies as st
from test_bounds import feasible, random_net

from attacks import LInf
from minigrad.bounds import intervals, substitute, upper_bound
from minigrad.tighten import slope_gradient, tighten

SEEDS = st.integers(0, 2**32 - 1)


@given(ball_cases(("linf", "l1", "l0")), SEEDS)
def test_the_forward_pass_is_the_gradient_of_the_bound(case, seed):
    """Piecewise linear in each slope: one-sided differences agree with it unless the maximiser changes in between."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, "relu", rng)
    c = rng.normal(size=(len(x), 2, 2))
    known = intervals(net, x, ball)
    alpha = [rng.uniform(0.2, 0.8, (len(x), 2, at.free.shape[1])) for at in known.lines]
    found = substitute(net, c, x, ball, known, alpha=alpha)
    gradient = slope_gradient(net, x, ball, known, found, alpha)
    h = 1e-6
    for k, i in [(k, i) for k, at in enumerate(known.lines) for i in range(at.free.shape[1])]:
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in alpha]
            moved[k][:, :, i] += sign * h
            sides.append(sign * (substitute(net, c, x, ball, known, alpha=moved).bound - found.bound) / h)
        smooth = np.abs(sides[0] - sides[1]) < 1e-7 * (1 + np.abs(sides[0]))
        central = (sides[0] + sides[1]) / 2
        np.testing.assert_allclose(gradient[k][:, :, i][smooth], central[smooth], rtol=1e-5, atol=1e-7)


@given(ball_cases(), st.sampled_from(["relu", "tanh"]), SEEDS)
def test_tighter_never_loosens_and_no_point_is_above(case, activation, seed):
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 2, activation, rng)
    c = rng.normal(size=(len(x), 2, 2))
    known = intervals(net, x, ball)
    plain = upper_bound(net, c, x, ball, known)
    bound, alpha = tighten(net, c, x, ball, known, steps=8)
    assert (bound <= plain).all()
    assert all(((a >= 0) & (a <= 1)).all() for a in alpha)
    assert np.array_equal(substitute(net, c, x, ball, known, alpha=alpha).bound, bound)
    for points in feasible(ball, x, rng, 20):
        assert (np.einsum("nmk,nk->nm", c, net.logits(points)) <= bound).all()


@given(ball_cases(("linf", "l1")), SEEDS)
def test_the_relaxed_forward_pass_attains_the_bound(case, seed):
    """Along the lines taken, x + s* evaluates to the bound itself, up to the rounding it was raised by."""
    ball, x, _ = case
    rng = np.random.default_rng(seed)
    net = random_net(x.shape[1], 1, "relu", rng, depth=1)
    known = intervals(net, x, ball)
    c = np.ones((len(x), 1, 1))
    found = substitute(net, c, x, ball, known)
    rows = x[:, None, :]
    z = (rows + ball.spread().maximize(rows, found.A)) @ net.dense[0].W + net.dense[0].b
    at, g = known.lines[0], found.on_activation[0]
    upper = at.upper_slope[:, None] * z + at.upper_offset[:, None]
    a = np.where(g > 0, upper, at.lower_slope[:, None] * z + at.lower_offset[:, None])
    np.testing.assert_allclose((a @ net.dense[1].W + net.dense[1].b)[..., 0], found.bound, rtol=1e-11, atol=1e-11)


def test_the_reference_bound_gains(reference, mnist49):
    _, _, x, y = mnist49
    x = x[(y == 0) & (reference.predict(x) == 0)][:12].astype(float)
    ball = LInf(0.03)
    known, c = intervals(reference, x, ball), np.ones((12, 1, 1))
    plain = upper_bound(reference, c, x, ball, known)
    bound, _ = tighten(reference, c, x, ball, known)
    assert (bound < plain).all()
    assert np.mean((plain - bound) / np.abs(plain)) > 0.01
