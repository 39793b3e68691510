"""Where pixels are counted (L0): which pixels a proof may split on, and which it need not.

If the bound of m with pixel i forced into the support is negative, every counterexample leaves i alone; if it is
negative with i forced out, every counterexample uses i.  (Reduced-cost fixing of mixed-integer programming.)  A bound
is `const + A . x + h_S(A)`, so forcing a pixel changes it by the change of h_S alone, which the sorted gains tell for
all pixels at once.  For every other norm these functions answer that there is nothing to decide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from attacks.balls.base import gains
from attacks.balls.l0 import L0, sorted_largest
from minigrad.bounds.region import Region
from minigrad.bounds.rounding import ETA, gamma_n
from minigrad.inputs import Array


def undecided(ball: Any, x: Array) -> Array:
    """Pixels (..., d) that a proof may split on: in the support, or out of it."""
    return ball.undecided(x) if isinstance(ball, L0) else np.zeros(x.shape, bool)


def forced(ball: L0, x: Array, g: Array) -> tuple[Array, Array]:
    """`h_S(g)` if pixel i must be paid for, and if it must stay put, (..., d) each, for the undecided pixels.

    With gains e_1 >= e_2 >= ... of the pixels that are not paid for yet and k pixels left to spend, h_S(g) counts the
    k best.  A pixel forced in takes the place of the k-th best, which costs max(e_k - e_i, 0); if a pixel is forced
    out, the (k + 1)-th best takes its place, which costs max(e_i - e_(k+1), 0).
    """
    gain = gains(*ball.room(x), g)
    others = gain if ball.inside is None else gain * ~ball.inside
    k = ball.left()
    best = sorted_largest(others, int(np.max(k, initial=0)) + 1)  # (..., k + 1)
    place = np.broadcast_to(k, best.shape[:-1])[..., None]
    last = np.take_along_axis(best, np.minimum(np.maximum(place - 1, 0), best.shape[-1] - 1), -1)
    after = np.take_along_axis(best, np.minimum(place, best.shape[-1] - 1), -1)  # there is one if any is undecided
    h = ball.support(x, g)[..., None]
    return h + np.minimum(others - last, 0), h - np.maximum(others - after, 0)


def decide_pixels(known: Region, bound: Array, A: Array) -> tuple[Array, Array]:
    """Pixels that every counterexample uses, and pixels that none uses, (n, d) bool each.

    `A` (n, d) and `bound` (n,) are of one substitution of the margin.  What the difference of two h_S may lose by
    rounding is added before a pixel is decided.
    """
    if not isinstance(known.ball, L0):
        return np.zeros(A.shape, bool), np.zeros(A.shape, bool)
    pixels = undecided(known.ball, known.x) & np.ones(A.shape, bool)
    h = known.ball.support(known.x, A)[:, None]
    inside, outside = forced(known.ball, known.x, A)
    d, size = A.shape[1], np.sum(np.abs(A) * known.reach, axis=1)  # h is a sum of d terms below 2 |A| X
    bound = bound[:, None] - h + (8 * gamma_n(2 * d + 16) * (size + np.abs(bound)) + 16 * d * ETA)[:, None]
    return pixels & (bound + outside < 0), pixels & (bound + inside < 0)
