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

# The first t: it is nearly all that the stretch costs.  On four networks of MNIST in three norms (4,700 flips, each in
# eight orders of summation) no flip was undone, and the mean radius grew by 4.1e-6 of itself.  Half or double of it
# undo none either, and cost half or double.
STRETCH = 4e-6
DOUBLINGS = 11  # up to t = 1%: what does not survive that sits on the boundary itself
DEVIATIONS = 2.0  # of float32, which the margin must exceed: with 0.5, 2 of those 37,000 trials failed, with 1 none
SEEN = 4  # the same for a stranger's model, of which one error is seen: up to 3 of 400 are undone, with 2 up to 5


def stretched(margin: Margin, x: Array, s: Array, ball: Ball, stretch: float) -> Array:
    """`x + (1 + t) s` (n, d) in the box, with the smallest t of `stretch` and its doublings that survives.

    It survives if it flips in float64 and in float32, and if the margin exceeds what float32 may make of it in another
    order of summation: the estimate of minigrad/single.py, or, for a stranger's model, 4 times the error that is seen.
    What never gets there takes the first t that flips in both, or else in float64, or else stays as it is.

    Parameters
    ----------
    margin : Margin of n images
    x, s : (n, d)
    ball : Ball
        Its box and mask hold; its radius must not bind.
    stretch : float > 0
    """
    found, liked = ball.apply(x, s), np.zeros(len(x), int)  # (n, d); (n,) 1: flips in float64, 2: in both
    rows = np.arange(len(x))
    for turn in range(DOUBLINGS + 1):
        here, longer = margin.take(rows), (1 + stretch * 2.0**turn) * s[rows]
        now = ball.take(rows, len(x)).apply(x[rows], longer)
        m, single, deviation = here.value(now), here.value_32bit(now), here.rounding_32bit(now)  # (rows,) each
        least = SEEN * np.abs(m - single) if deviation is None else DEVIATIONS * deviation
        like = (m > 0) * (1 + (single > 0))
        settled = (like == 2) & (m > least)
        better = settled | (like > liked[rows])
        found[rows[better]], liked[rows[better]] = now[better], like[better]
        rows = rows[~settled]
        if not len(rows):
            break
    return found
