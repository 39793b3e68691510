"""From an adversarial point back towards x, for as long as it stays adversarial.

Along the line (Linf, L2, L1) the distance shrinks with t in x + t s; where pixels are counted, they go back one by one.
Both keep a point that is adversarial in hand, so neither can lose what it was given.
"""

from __future__ import annotations

import numpy as np

from attacks.balls.base import Ball
from minigrad.inputs import Array
from minigrad.margin import Margin

HALVINGS = 10  # of the line, to a thousandth of it: the descent goes on from there, so that more would not pay
SAMPLES = 4  # gradients along the line, at the middles of its quarters; each costs a pass a round


def along_line(margin: Margin, x: Array, s: Array, ball: Ball) -> Array:
    """`t s` (n, d) with the t in (0, 1] that bisection finds: adversarial there, not adversarial a little nearer to x.

    s (n, d) must be adversarial: bisection keeps that of its upper end, however many times the line crosses over.
    """
    low, high = np.zeros((len(x), 1)), np.ones((len(x), 1))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        flips = (margin.value(ball.apply(x, middle * s)) > 0)[:, None]
        low, high = np.where(flips, low, middle), np.where(flips, middle, high)
    return high * s


def pixel_by_pixel(margin: Margin, x: Array, s: Array, ball: Ball) -> Array:
    """`s` (n, d) with fewer pixels: those taken back that matter least, as many as leave it adversarial.

    What pixel i earns on the way from x to x + s is s_i times the mean of g_i along the line (integrated gradients,
    Sundararajan et al. 2017, eq. 1; the sum over i is m(x + s) - m(x)).  Sorted by it, the least are taken back, how
    many is bisected; then the same again from there, until no round takes back any.
    """
    s = s.copy()
    rows, d = np.arange(len(x)), x.shape[1]
    while len(rows):
        here, around, now = margin.take(rows), ball.take(rows, len(x)), s[rows]
        earned = np.zeros_like(now)
        for share in (np.arange(SAMPLES) + 0.5) / SAMPLES:
            earned += now * here.value_and_gradient(around.apply(x[rows], share * now))[1]
        earned[now == 0] = np.inf
        rank = np.argsort(np.argsort(earned, axis=1), axis=1)  # (r, d) 0: taken back first
        none, all_ = np.zeros(len(rows), int), np.count_nonzero(now, axis=1)  # pixels taken back: allowed, too many
        for _ in range(int(np.ceil(np.log2(d + 1)))):
            middle = (none + all_) // 2
            flips = here.value(around.apply(x[rows], np.where(rank < middle[:, None], 0, now))) > 0
            none, all_ = np.where(flips, middle, none), np.where(flips, all_, middle)
        s[rows] = np.where(rank < none[:, None], 0, now)
        rows = rows[none > 0]
    return s
