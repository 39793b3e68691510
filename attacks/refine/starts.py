"""Where to start, other than at x: points far from it, the same for every image, and points that somebody knows.

An image's starts must be its own, whatever else is in the batch.  So the far points are drawn once, as shares of the
box, and every image takes the same ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball
from attacks.images import blocks
from minigrad.inputs import Array, as_images
from minigrad.margin import Margin

SEED = 2026  # of the far points: fixed, for they are part of the method and not of the caller's randomness


def far_point(ball: Ball, x: Array, turn: int) -> Array:
    """Far point `turn` of each image, as s (n, d): by turns both ends of the box, its middle, corners and noise.

    x + s = lo + u (hi - lo) at the free pixels, one random u (d,) for all images.  On networks of 784 pixels each
    is adversarial for nearly every image, but each falls into a class of its own, and the way back from another class
    is another way: that is why they take turns.  Where pixels are counted all are corners, from which the way back ends
    at half as many pixels as from noise.
    """
    down, up = ball.room(x)  # (n, d) each, 0 off the mask
    rng, d = np.random.default_rng((SEED, turn)), x.shape[1]
    u: Array = np.full(d, turn / 2)
    if ball.counts or turn > 2:
        u = rng.random((d,))
    if ball.counts or (turn > 2 and turn % 2):
        u = np.rint(u)
    return np.asarray(np.clip(down + u * (up - down), down, up))


def as_starts(starts: ArrayLike | None, d: int) -> Array:
    """`starts` as finite images (m, d), (0, d) for None.  Raises ValueError in one sentence for anything else."""
    return np.empty((0, d)) if starts is None else as_images(starts, d, "starts")


def known_points(margin: Margin, x: Array, ball: Ball, starts: Array, most: int) -> tuple[Array, Array]:
    """For each image the nearest of `starts` (m, d) that are adversarial: row numbers (r,) and their s (r, d).

    A start counts for an image as far as box and mask let it: s = clip(start - x, down, up).  At most `most` an image,
    the nearest in the ball's norm first; what is adversarial after clipping is admissible.
    """
    rows, found = list[Array](), list[Array]()
    for i in range(len(x)):
        one = ball.take(np.array([i]), len(x))
        down, up = one.room(x[i : i + 1])
        near, at = np.empty(0), np.empty(0, int)
        for some in blocks(np.arange(len(starts))):
            s = np.clip(starts[some] - x[i], down, up)  # (block, d)
            m = margin.take(np.full(len(s), i)).value(one.apply(x[i], s))
            fit = np.flatnonzero(m > 0)
            near, at = np.append(near, one.distance(s[fit])), np.append(at, some[fit])
        at = at[np.argsort(near, kind="stable")[:most]]
        rows.append(np.full(len(at), i))
        found.append(np.clip(starts[at] - x[i], down, up))
    return np.concatenate([np.empty(0, int), *rows]), np.concatenate([np.empty((0, x.shape[1])), *found])
