"""Beyond the boundary: a perturbation a little longer than the smallest one, so that it flips in float32 as well.

At the smallest s the margin is 0 up to 1e-9, and the network's own rounding decides: of 392 such flips of 784-32-1 in
float64, 46 are none in float32.  From s to (1 + t) s the margin rises by about t |m(x)|, so a tiny t is enough; how
tiny, the image itself tells.
"""

from __future__ import annotations

import numpy as np

from attacks.balls.base import Ball
from minigrad.inputs import Array
from minigrad.margin import Margin

# The first t.  On four networks of MNIST in three norms it and its doublings cost at most 1e-5 of the mean radius
# (9.4e-6: L1, 784-32-10) and left no flip undone in eight orders of summation.  2e-6 left up to 1 of 400; 1e-5 cost
# twice as much.
STRETCH = 5e-6
DOUBLINGS = 11  # up to t = 1%: what does not survive that sits on the boundary itself
# How many times the rounding the margin must be: with 2, up to 2 of 400 flips were undone in another order of
# summation; with 8 the mean radius rises by more than 1e-5.
ROUNDINGS = 4


def stretched(margin: Margin, x: Array, s: Array, ball: Ball, stretch: float) -> Array:
    """`x + (1 + t) s` (n, d) in the box, with the smallest t of `stretch` and its doublings that survives.

    It survives if it flips in float64 and in float32, and if the margin is 4 times as large as the largest difference
    between the two that was seen for this image so far: another library adds up in another order, and errs by about as
    much.  What never gets there takes the first t that flips in both, or else in float64, or else stays as it is.

    Parameters
    ----------
    margin : Margin of n images
    x, s : (n, d)
    ball : Ball
        Its box and mask hold; its radius must not bind.
    stretch : float > 0
    """
    found, rounding = ball.apply(x, s), np.zeros(len(x))  # (n, d), (n,)
    liked = np.zeros(len(x), int)  # 1: flips in float64, 2: in both
    rows, t = np.arange(len(x)), 0.0
    for turn in range(DOUBLINGS + 2):
        here = margin.take(rows)
        now = ball.take(rows, len(x)).apply(x[rows], (1 + t) * s[rows])
        m, single = here.value(now), here.value_32bit(now)  # (rows,) each
        rounding[rows] = np.maximum(rounding[rows], np.abs(m - single))
        if turn:  # the first look, at s itself, only measures
            like = (m > 0) * (1 + (single > 0))
            better = like > liked[rows]
            found[rows[better]], liked[rows[better]] = now[better], like[better]
            settled = (like == 2) & (m > ROUNDINGS * rounding[rows])
            found[rows[settled]] = now[settled]
            rows = rows[~settled]
        if not len(rows):
            break
        t = stretch * 2.0**turn
    return found
