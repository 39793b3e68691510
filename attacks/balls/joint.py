"""One s for several images: the best move of each pixel when every image clips it in its own box.

Image i answers s with  delta_i(s) = clip(x_i + s, lo, hi) - x_i,  and earns  A_i . delta_i(s).  The sum over the images
separates by pixels.  With room up_ij = hi - x_ij >= 0 and down_ij = lo - x_ij <= 0 (0 off the mask),

    F_j(t) = sum_i A_ij clip(t, down_ij, up_ij),

piecewise linear in t, with its breakpoints at the rooms.  So its maximum over [low, high] is at a breakpoint, at an
end, or at t = 0.  Upwards, with the rooms sorted, c_(1) <= c_(2) <= ... (each cut off at `high`),

    F_j(c_(k)) = sum_{i <= k} A_(i) c_(i)  +  c_(k) sum_{i > k} A_(i),

two cumulated sums; downwards is the same with -A and -down.  (With one box for all and no clipping, F_j is linear and
this is the oracle of a single image.)
"""

from __future__ import annotations

import numpy as np

from minigrad.inputs import Array

NUMBERS = 1 << 18  # numbers looked at together


def joint_moves(down: Array, up: Array, A: Array, low: float | Array, high: float | Array) -> tuple[Array, Array]:
    """`argmax F_j` over [low, high] and `max F_j`, (d,) each, for rooms and slopes (n, d) and low <= 0 <= high.

    A few pixels at a time: that bounds the memory beyond the arrays given.
    """
    n, d = A.shape
    low, high = np.broadcast_to(low, d), np.broadcast_to(high, d)
    width = max(1, NUMBERS // n)
    parts = [slice(start, start + width) for start in range(0, d, width)]
    moves, earned = zip(*(_best(down[:, j], up[:, j], A[:, j], low[j], high[j]) for j in parts), strict=True)
    return np.concatenate(moves), np.concatenate(earned)


def _best(down: Array, up: Array, A: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """`joint_moves` of some pixels."""
    rise, rise_earns = _one_way(np.minimum(up, high), A)
    fall, fall_earns = _one_way(np.minimum(-down, -low), -A)
    upwards = rise_earns >= fall_earns
    return np.where(upwards, rise, -fall), np.where(upwards, rise_earns, fall_earns)


def _one_way(cap: Array, A: Array) -> tuple[Array, Array]:
    """The best t >= 0 among 0 and the breakpoints `cap` (n, d), and what it earns, (d,) each."""
    order = np.argsort(cap, axis=0)  # (n, d) by rising cap, pixel by pixel
    cap, A = np.take_along_axis(cap, order, 0), np.take_along_axis(A, order, 0)  # (n, d) each
    stopped = np.cumsum(A * cap, axis=0)  # (n, d) earned by the images at their caps
    moving = np.sum(A, axis=0) - np.cumsum(A, axis=0)  # (n, d) slope of the others
    value = stopped + cap * moving
    best = np.argmax(value, axis=0)[None]
    earned, t = np.take_along_axis(value, best, 0)[0], np.take_along_axis(cap, best, 0)[0]  # (d,) each
    return np.where(earned > 0, t, 0.0), np.maximum(earned, 0.0)
