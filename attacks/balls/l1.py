"""The sum of all changes: between few pixels and small changes."""

from __future__ import annotations

import numpy as np

from attacks.balls.base import Ball, as_gain, caps, column
from minigrad.inputs import Array


class L1(Ball):
    """|s|_1 = sum |s_i| <= radius.

    A fractional knapsack: every unit of radius costs the same and earns |g_i| on pixel i, so fill the pixels by falling
    |g_i|, each up to its cap, until the radius is spent.

    project.  The Lagrangian sum (t_i - a_i)^2 / 2 + lam (sum t_i - r) with a = |v|, 0 <= t_i <= cap_i, separates:
    t_i = clip(a_i - lam, 0, cap_i), with the lam >= 0 that spends r.  sum t_i falls piecewise linearly in lam, with
    breakpoints a_i and a_i - cap_i: sorted, they bracket lam, and on the bracket it is one division (Duchi et al. 2008,
    with caps).
    radius_for.  h(r) is piecewise linear with slopes |g_(1)| >= |g_(2)| ...: pixels at their caps until one more would
    be too much, and of that one the part that is missing.
    """

    norm = "l1"

    def maximize(self, x: Array, g: Array) -> Array:
        cap = caps(*self.room(x), g)
        order = np.argsort(-np.abs(g), axis=-1, kind="stable")  # by falling slope
        sorted_cap = np.take_along_axis(cap, order, -1)  # (..., d)
        before = sums_before(sorted_cap)  # (..., d) spent on the better pixels
        t = np.empty_like(cap)  # (..., d)
        np.put_along_axis(t, order, np.clip(column(self.radius) - before, 0, sorted_cap), -1)
        return np.sign(g) * t

    def support(self, x: Array, g: Array) -> Array:
        """By weak duality:  h <= lam r + sum max(0, |g_i| - lam) cap_i  for every lam >= 0, with equality at the slope
        of the pixel on which the radius runs out.  Whatever lam rounding chooses, the value is not below h but by the
        rounding of a sum of positive terms."""
        cap, slope = caps(*self.room(x), g), np.abs(g)
        order = np.argsort(-slope, axis=-1, kind="stable")
        before = sums_before(np.take_along_axis(cap, order, -1))  # (..., d) spent on the better pixels
        last = np.maximum(np.count_nonzero(before < column(self.radius), axis=-1, keepdims=True) - 1, 0)
        lam = np.take_along_axis(slope, np.take_along_axis(order, last, -1), -1)  # (..., 1)
        enough = np.sum(cap, axis=-1) <= self.radius  # the whole box is inside the ball
        lam = np.where(enough[..., None], 0, lam)
        h = np.sum(np.maximum(slope - lam, 0) * cap, axis=-1)
        return h + lam[..., 0] * np.where(enough, 0, self.radius)

    def project(self, x: Array, s: Array) -> Array:
        a, cap, r = np.abs(s), caps(*self.room(x), s), column(self.radius)  # (..., d), (..., d), (..., 1)
        knots = np.concatenate([np.zeros_like(a[..., :1]), a, np.maximum(a - cap, 0)], axis=-1)  # (..., 2 d + 1)
        knots = np.sort(knots, axis=-1)  # (..., 2 d + 1)
        low, high = np.zeros(a.shape[:-1], int), np.full(a.shape[:-1], knots.shape[-1] - 1)
        while (low + 1 < high).any():  # bisection over the knots: the sum is >= r at `low` and <= r at `high`
            middle = (low + high) // 2
            lam = np.take_along_axis(knots, middle[..., None], -1)  # (..., 1)
            much = np.clip(a - lam, 0, cap).sum(-1) >= r[..., 0]  # (...) bool
            low, high = np.where(much, middle, low), np.where(much, high, middle)
        left, right = (np.take_along_axis(knots, end[..., None], -1) for end in (low, high))
        over = np.clip(a - left, 0, cap).sum(-1, keepdims=True) - r  # (..., 1)
        moving = np.sum((a > left) & (a - cap <= left), axis=-1, keepdims=True)  # pixels whose t falls on the piece
        lam = np.where(over > 0, np.minimum(right, left + np.maximum(over, 0) / np.maximum(moving, 1)), left)
        return np.sign(s) * np.clip(a - lam, 0, cap)

    def distance(self, s: Array) -> Array:
        return np.sum(np.abs(s), axis=-1)

    def segments(self, x: Array) -> tuple[Array, Array, float]:
        return *self.room(x), float(np.max(self.radius))

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        gain = as_gain(gain, x, g)
        order = np.argsort(-np.abs(g), axis=-1, kind="stable")  # by falling slope
        slope, cap = np.take_along_axis(np.abs(g), order, -1), np.take_along_axis(caps(*self.room(x), g), order, -1)
        before, earned = sums_before(cap), sums_before(slope * cap)  # (..., d) radius spent and gained on better pixels
        enough = earned + slope * cap >= gain[..., None]  # with this pixel at its cap
        last = np.argmax(enough, axis=-1)[..., None]
        before, earned, slope, cap = (np.take_along_axis(a, last, -1)[..., 0] for a in (before, earned, slope, cap))
        with np.errstate(over="ignore"):  # a slope of 1e-310: the cap comes first
            part = np.maximum(gain - earned, 0) / np.where(slope > 0, slope, 1)
        return np.where(enough.any(-1), before + np.minimum(part, cap), np.inf)


def sums_before(v: Array) -> Array:
    """`sum_{j < i} v_j` (..., d).  (cumsum(v) - v would lose what is small beside v_i.)"""
    out = np.zeros_like(v)
    np.cumsum(v[..., :-1], axis=-1, out=out[..., 1:])
    return out
