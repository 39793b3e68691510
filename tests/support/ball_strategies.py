"""Random perturbation sets for Hypothesis, in short binary fractions: pixels on the ends of the box, ties and zeros
occur.

`row` writes one image's set out in plain numbers, without `Ball.take`, for the slow references in oracles.py.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from hypothesis import strategies as st
from strategies import affine_networks, generators, networks_with_images

from attacks.balls import BALLS
from attacks.balls.base import Ball

NORMS = ("l0", "l1", "l2", "linf")
CONVEX = ("l1", "l2", "linf")


@dataclass(frozen=True)
class Case:
    """A ball, images `x` (n, d) in its box, and directions or points `v` (n, d)."""

    ball: Ball
    x: np.ndarray
    v: np.ndarray

    def __iter__(self):
        return iter((self.ball, self.x, self.v))


@dataclass(frozen=True)
class Row:
    """One image's set: |s|_p <= radius, down <= s <= up (0 off the mask), all (d,)."""

    norm: str
    radius: float
    down: np.ndarray
    up: np.ndarray


def row(ball, x, i):
    lo, hi = (np.broadcast_to(end, x.shape)[i] for end in ball.box)
    free = np.broadcast_to(True if ball.mask is None else ball.mask, x.shape)[i]
    return Row(ball.norm, float(np.broadcast_to(ball.radius, len(x))[i]), (lo - x[i]) * free, (hi - x[i]) * free)


@st.composite
def boxes_and_masks(draw, x):
    """Keywords `box` and `mask` for images `x` (n, d): one for all pixels, one a pixel, or one a pixel and image."""
    rng = draw(generators)
    shapes = ((), x.shape[1:], x.shape)
    shape = draw(st.sampled_from(shapes))
    reduce = {(): (None,), x.shape[1:]: (0,), x.shape: ()}[shape]  # a box for all holds every image's pixels
    lo, hi = (x.min(*reduce), x.max(*reduce)) if shape != x.shape else (x, x)
    lo, hi = lo - rng.integers(0, 9, shape) / 8, hi + rng.integers(0, 9, shape) / 8
    mask = None
    shape = draw(st.sampled_from(shapes))
    if shape:
        mask = rng.random(shape) < 0.7
        mask[..., rng.integers(x.shape[1])] = True
    return {"box": draw(st.sampled_from([(lo, hi), (0.0, 1.0)])), "mask": mask}


@st.composite
def ball_cases(draw, norms=NORMS, pixels=st.integers(1, 6), images=st.integers(1, 3)):
    norm, n, d = draw(st.sampled_from(norms)), draw(images), draw(pixels)
    rng = draw(generators)
    x = rng.integers(0, 9, (n, d)) / 8
    size = draw(st.sampled_from([(), (n,)]))
    unit = draw(st.sampled_from([4, 16]))
    radius = rng.integers(1, d + 2, size) if norm == "l0" else rng.integers(0, 17, size) / unit
    ball = BALLS[norm](radius, **draw(boxes_and_masks(x)))
    v = rng.integers(-12, 13, (n, d)) / draw(st.sampled_from([4, 8]))
    v[rng.random((n, d)) < 0.2] = 0
    return Case(ball, x, v)


@st.composite
def affine_cases(draw, logits=st.integers(1, 2), images=st.integers(1, 3)):
    """`(net, x, y, allowed)`: an affine network, its own predictions, and keywords `box` and `mask`."""
    net, x, y = draw(affine_networks(logits=logits, images=images))
    return net, x, y, draw(boxes_and_masks(x))


@st.composite
def curved_cases(
    draw, logits=st.integers(1, 4), images=st.integers(1, 3), activations=("relu",), targeted=None, widest=5
):
    """`(net, x, y, options)`: hidden layers, the net's own predictions, and keywords `box`, `mask`, `target`."""
    net, x = draw(
        networks_with_images(
            activations, logits, hidden=st.integers(1, 2), pixels=st.integers(2, 6), images=images, widest=widest
        )
    )
    y, k = net.predict(x), max(net.sizes[-1], 2)
    options = draw(boxes_and_masks(x))
    if draw(st.booleans()) if targeted is None else targeted:
        options["target"] = (y + draw(st.integers(1, k - 1))) % k
    return net, x, y, options


def duels(net, x, y):
    """`(m, g)` of every rival of every image of an affine network: lists of (k - 1,) and (k - 1, d)."""
    W, b = net.dense[0].W, net.dense[0].b
    N = x @ W + b
    if len(b) == 1:
        sign = np.where(y == 0, 1, -1)
        return [([c * (N[i, 0] - net.threshold)], [c * W[:, 0]]) for i, c in enumerate(sign)]
    return [
        (
            [N[i, j] - N[i, y[i]] for j in range(len(b)) if j != y[i]],
            [W[:, j] - W[:, y[i]] for j in range(len(b)) if j != y[i]],
        )
        for i in range(len(x))
    ]


def best_support_with(one, g, inside, forced_in=(), forced_out=()):
    """L0 with the pixels `inside` paid for, by trying every support: the most earned, or None if none is allowed."""
    gain = np.maximum(g * one.down, g * one.up)
    paid = set(np.flatnonzero(inside)) | set(forced_in)
    k = int(one.radius) - len(paid)
    free = [i for i in range(len(g)) if i not in paid and i not in forced_out]
    if k < 0:
        return None
    return max(
        sum(gain[list(chosen)]) + sum(gain[list(paid)])
        for size in range(min(k, len(free)) + 1)
        for chosen in combinations(free, size)
    )


@st.composite
def parts(draw):
    """`(ball, x, g, inside)`: an L0 ball restricted to pixels in and out, per image, never more in than allowed."""
    ball, x, g = draw(ball_cases(("l0",)))
    rng = draw(generators)
    radius = np.broadcast_to(ball.radius, len(x))
    inside = rng.random(x.shape).argsort(axis=1) < rng.integers(0, radius + 1)[:, None]
    outside = ~inside & (rng.random(x.shape) < 0.3)
    return ball.restrict(inside, outside), x, g, inside
