"""The best single move for several images, each clipping it in its own box, against brute force.

Rooms and slopes are short binary fractions, so every sum below is exact and `==` means equal.
"""

from itertools import combinations, product

import numpy as np
import pytest
from ball_strategies import ball_cases, boxes_and_masks
from hypothesis import given
from hypothesis import strategies as st
from strategies import generators

from attacks import L0, L1, L2, LInf
from attacks.balls import BALLS
from attacks.balls.joint import joint_moves

ULP = np.finfo(float).eps


def earns(A, down, up, t):
    """`F(t) = sum_i A_i clip(t, down_i, up_i)` of one pixel, A, down, up (n,)."""
    return sum(a * min(max(t, low), high) for a, low, high in zip(A, down, up, strict=True))


@st.composite
def rooms(draw, pixels=st.integers(1, 4)):
    """`(down, up, A, low, high)`: rooms with zeros and ties, slopes of both signs, and a radius that cuts, or not."""
    rng, n, d = draw(generators), draw(st.integers(1, 5)), draw(pixels)
    most = draw(st.sampled_from([1, 4, 8]))  # few values: equal rooms
    up, down = rng.integers(0, most + 1, (n, d)) / 8, -rng.integers(0, most + 1, (n, d)) / 8
    A = rng.integers(-8, 9, (n, d)) / 8
    A[rng.random((n, d)) < 0.2] = 0
    high = draw(st.sampled_from([np.inf, 1.0, 0.4375, 0.25, 0.0]))
    return down, up, A, -high, high


@st.composite
def image_sets(draw, norms=("linf", "l0"), images=st.integers(1, 4), pixels=st.integers(1, 5)):
    """`(ball, x, A)`: one ball for all images, whose boxes and masks may differ."""
    rng, n, d = draw(generators), draw(images), draw(pixels)
    x = rng.integers(0, 9, (n, d)) / 8
    norm = draw(st.sampled_from(norms))
    radius = rng.integers(1, d + 2) if norm == "l0" else rng.integers(0, 17) / 16
    A = rng.integers(-8, 9, (n, d)) / 8
    A[rng.random((n, d)) < 0.2] = 0
    return BALLS[norm](radius, **draw(boxes_and_masks(x))), x, A


def total(ball, x, A, s):
    """`sum_i A_i . (clip(x_i + s) - x_i)`, the pixels off an image's mask unmoved."""
    down, up = ball.room(x)
    return np.sum(A * np.clip(s, down, up))


def best_of_all(ball, x, A):
    """Every set of pixels that the ball allows, and for each pixel every place where its F can bend."""
    down, up = ball.room(x)
    d = x.shape[1]
    end = float(ball.radius) if ball.norm == "linf" else np.inf
    most = []
    for j in range(d):
        places = {0.0, *(min(v, end) for v in up[:, j]), *(max(v, -end) for v in down[:, j])}
        most.append(max(earns(A[:, j], down[:, j], up[:, j], t) for t in places))
    k = min(int(ball.radius), d) if ball.norm == "l0" else d
    return max(sum(most[j] for j in chosen) for chosen in combinations(range(d), k))


# ---------------------------------------------------------------- one pixel


@given(rooms())
def test_best_moves_against_every_breakpoint_and_a_fine_grid(case):
    down, up, A, low, high = case
    t, earned = joint_moves(down, up, A, low, high)
    assert ((low <= t) & (t <= high)).all()
    end = min(high, 2.0)
    for j in range(A.shape[1]):
        one = A[:, j], down[:, j], up[:, j]
        ends = np.clip([*up[:, j], *down[:, j], low, high, 0.0], -end, end)
        assert earned[j] == max(earns(*one, v) for v in ends)
        assert earned[j] >= max(earns(*one, v) for v in np.linspace(-end, end, 65))  # 1/32 or finer: exact
        assert earned[j] == earns(*one, t[j])
        assert t[j] == 0 or earned[j] > 0


@given(rooms(), generators)
def test_best_moves_of_rough_numbers_up_to_rounding(case, rng):
    """A sum of n products is off by n ulps of the sum of their sizes."""
    down, up, A, low, high = case
    down, up = down * rng.random(down.shape), up * rng.random(up.shape)
    A = A * rng.normal(size=A.shape)
    t, earned = joint_moves(down, up, A, low, high)
    for j in range(A.shape[1]):
        one = A[:, j], down[:, j], up[:, j]
        off = 4 * len(A) * ULP * np.abs(A[:, j]).sum() * 2
        best = max(earns(*one, min(max(v, low), high)) for v in [0.0, *up[:, j], *down[:, j]])
        assert abs(earned[j] - best) <= off
        assert abs(earns(*one, t[j]) - best) <= off


def test_images_without_room_have_no_say_and_the_others_decide():
    """Up, the white image cannot follow, and the two others pull 1 and -0.25; at 0.25 the one that gains stops."""
    down, up = np.array([[-1.0], [-0.75], [-0.25]]), np.array([[0.0], [0.25], [0.75]])
    t, earned = joint_moves(down, up, np.array([[-8.0], [1.0], [-0.25]]), -0.125, 1.0)
    assert (t.tolist(), earned.tolist()) == ([-0.125], [1.0 - 0.125 + 0.03125])
    t, earned = joint_moves(down, up, np.array([[0.0], [1.0], [-0.25]]), -0.125, 1.0)
    assert (t.tolist(), earned.tolist()) == ([0.25], [0.1875])


# ---------------------------------------------------------------- all pixels


@given(image_sets())
def test_together_against_every_support_and_every_breakpoint(case):
    ball, x, A = case
    s, earned = ball.maximize_jointly(x, A)
    best = best_of_all(ball, x, A)
    assert total(ball, x, A, s) == best
    assert earned.sum() == best
    assert ball.distance(s) <= ball.radius
    down, up = ball.room(x)
    assert ((down.min(axis=0) <= s) & (s <= up.max(axis=0))).all()  # no further than some image follows
    assert not s[((up == 0) & (down == 0)).all(axis=0)].any()
    for j in range(len(s)):
        assert earned[j] == earns(A[:, j], down[:, j], up[:, j], s[j])


@given(image_sets(pixels=st.integers(1, 2)))
def test_together_against_a_grid_over_all_s(case):
    ball, x, A = case
    s, _ = ball.maximize_jointly(x, A)
    axis = np.arange(-16, 17) / 16
    grid = np.array(list(product(axis, repeat=x.shape[1])))
    grid = grid[ball.distance(grid) <= ball.radius]
    assert total(ball, x, A, s) >= max(total(ball, x, A, v) for v in grid)


@given(image_sets(pixels=st.integers(1, 12)), generators)
def test_together_never_loses_to_a_random_s(case, rng):
    ball, x, A = case
    s, _ = ball.maximize_jointly(x, A)
    best, zero = total(ball, x, A, s), np.zeros_like(s)
    wide = BALLS[ball.norm](ball.radius, (-2.0, 2.0))
    for _ in range(20):
        v = wide.project(zero, rng.normal(size=s.shape))
        assert total(ball, x, A, v) <= best + 1e-13  # a dozen products of size 1 at most


@given(ball_cases(("linf", "l0"), images=st.just(1)))
def test_jointly_with_one_image_is_maximize(case):
    ball, x, g = case
    ball = ball.take(0, 1)
    s, earned = ball.maximize_jointly(x, g)
    assert np.array_equal(s, ball.maximize(x, g)[0])
    assert earned.sum() == ball.support(x, g)[0]


@given(image_sets(images=st.integers(2, 4)), generators)
def test_the_order_of_the_images_does_not_matter(case, rng):
    ball, x, A = case
    order = rng.permutation(len(x))
    mixed = ball.take(order, len(x))
    assert np.array_equal(ball.maximize_jointly(x, A)[0], mixed.maximize_jointly(x[order], A[order])[0])


def test_equal_gains_go_to_the_lowest_pixel():
    x, A = np.full((2, 4), 0.5), np.ones((2, 4))
    s, earned = L0(2).maximize_jointly(x, A)
    assert (s.tolist(), earned.tolist()) == ([0.5, 0.5, 0, 0], [1.0, 1.0, 0, 0])


def test_the_sum_of_clipped_answers_is_not_the_answer_to_the_sum():
    """The slopes cancel, but each image has room in one direction alone."""
    x, A = np.array([[0.0], [1.0]]), np.array([[-1.0], [1.0]])
    assert LInf(0.25).maximize_jointly(x, A)[0].tolist() == [0.0]
    assert LInf(0.25).maximize_jointly(x, -A)[0].tolist() == [0.25]
    assert LInf(0.25).maximize_jointly(x, np.array([[1.0], [-2.0]]))[0].tolist() == [-0.25]


@pytest.mark.parametrize("ball", [L1(0.5), L2(0.5)])
def test_no_closed_form_is_claimed_where_pixels_share_a_radius(ball):
    assert ball.maximize_jointly(np.full((2, 3), 0.5), np.ones((2, 3))) is None
