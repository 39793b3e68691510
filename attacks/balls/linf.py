"""The largest change of any pixel: what FGSM and PGD bound."""

from __future__ import annotations

import numpy as np

from attacks.balls.base import Ball, as_gain, caps, clip, column
from attacks.balls.joint import joint_moves
from attacks.balls.piecewise import first_root
from minigrad.inputs import Array


class LInf(Ball):
    """|s|_inf = max |s_i| <= radius.

    The constraint is one box more, t_i <= radius, so every pixel goes as far as it may: t_i = min(radius, cap_i).
    Away from the box: s = radius sign(g), h = radius |g|_1.

    radius_for.  gain = sum_i min(|g_i| r, |g_i| cap_i) gives r (attacks/balls/piecewise.py).  Without the box:
    r = gain / |g|_1.

    Examples
    --------
    >>> LInf(0.375).maximize(np.array([[0.5, 0.75]]), np.array([[2.0, 1.0]])).tolist()  # the second pixel meets the box
    [[0.375, 0.25]]
    """

    norm = "linf"

    def maximize(self, x: Array, g: Array) -> Array:
        down, up = self.room(x)
        s = np.sign(g)  # (..., d), 0 for g = 0
        s = s * np.minimum(column(self.radius), np.finfo(x.dtype).max).astype(x.dtype)  # 0 times infinity would be NaN
        return clip(s, down, up)

    def ascend(self, x: Array, now: Array, g: Array, share: float) -> Array:
        """Every constraint is an end of an interval, so both clips are one:  clip(now + share r sign(g), low, high)."""
        r = np.minimum(column(self.radius), np.finfo(x.dtype).max).astype(x.dtype)  # (..., 1)
        step = np.sign(g)  # (..., d)
        step *= x.dtype.type(share) * r
        step += now
        if self.mask is not None:
            r = r * self.mask
        lo, hi = (end.astype(x.dtype, copy=False) for end in self.box)
        for end, within, box in ((x - r, np.maximum, lo), (x + r, np.minimum, hi)):
            within(step, within(end, box, out=end), out=step)
        return step

    def support(self, x: Array, g: Array) -> Array:
        """`g . middle + |g| . half`, what `maximize` earns."""
        middle, half = self._centre(x)
        if middle.size == g.shape[-1]:  # one set for all rows: two matrix-vector products
            rows = g.reshape(-1, g.shape[-1])
            return (rows @ middle.ravel() + np.abs(rows) @ half.ravel()).reshape(g.shape[:-1])
        h = np.abs(g)  # (..., d)
        h *= half
        h += g * middle
        return np.sum(h, axis=-1)

    def segments(self, x: Array) -> tuple[Array, Array, float]:
        down, up = self.room(x)
        r = np.minimum(column(self.radius), np.finfo(x.dtype).max).astype(x.dtype)
        return np.clip(down, -r, np.inf), np.clip(up, -np.inf, r), np.inf

    def maximize_jointly(self, x: Array, A: Array) -> tuple[Array, Array]:
        return joint_moves(*self.room(x), A, -np.asarray(self.radius), self.radius)

    def _centre(self, x: Array) -> tuple[Array, Array]:
        """The moves [low, high] that a pixel may make, as their middle and half their length."""
        down, up = self.room(x)
        r = column(self.radius)
        low, high = np.maximum(-r, down), np.minimum(r, up)
        return ((high + low) / 2).astype(x.dtype, copy=False), ((high - low) / 2).astype(x.dtype, copy=False)

    def project(self, x: Array, s: Array) -> Array:
        r, (down, up) = column(self.radius), self.room(x)
        return np.minimum(np.maximum(np.clip(s, -r, r), down), up)  # separable: pixel by pixel the nearest point

    def distance(self, s: Array) -> Array:
        return np.maximum(s.max(axis=-1), -s.min(axis=-1)) + 0.0  # 0, not -0

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        gain = as_gain(gain, x, g)
        slope, cap = np.abs(g), caps(*self.room(x), g)  # (..., d) each
        r = first_root(slope, slope * cap, gain)
        return np.where(np.isinf(r), r, np.minimum(r, cap.max(axis=-1)))
