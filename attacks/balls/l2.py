"""The Euclidean size of the change."""

from __future__ import annotations

import numpy as np

from attacks.balls.base import Ball, caps
from attacks.balls.piecewise import first_root, sorted_by_knot
from minigrad.inputs import Array


class L2(Ball):
    """|s|_2 = sqrt(sum s_i^2) <= radius.

    Without the caps Cauchy-Schwarz gives t along |g|.  With them, the Lagrangian
    sum |g_i| t_i - (sum t_i^2 - r^2) / (2 tau) separates: t_i = min(tau |g_i|, cap_i), with the tau that spends r;
    tau = inf if the whole box lies inside the ball.
    Pixel i meets its cap at tau = cap_i / |g_i|.  Sorted by that, on the piece with the first j at their caps
        |t|^2 = sum_{i <= j} cap_(i)^2 + tau^2 sum_{i > j} g_(i)^2,   which is r^2 for exactly one tau.

    project.  Stationarity of sum (t_i - a_i)^2 / 2 + mu (sum t_i^2 - r^2) / 2 gives t_i = min(a_i / (1 + mu), cap_i):
    the same family with g = v and tau = 1 / (1 + mu) <= 1.
    radius_for.  sum |g_i| min(tau |g_i|, cap_i) = gain is piecewise linear in tau on the same breakpoints; then
    r = |t|_2.
    """

    norm = "l2"

    def maximize(self, x: Array, g: Array) -> Array:
        return self._along(x, g, np.inf)

    def project(self, x: Array, s: Array) -> Array:
        return self._along(x, s, 1.0)

    def distance(self, s: Array) -> Array:
        size = np.max(np.abs(s), axis=-1, keepdims=True)  # scaled, so that squares neither overflow nor vanish
        safe = np.where(size > 0, size, 1)
        return safe[..., 0] * np.sqrt(np.sum((s / safe) ** 2, axis=-1))

    def _along(self, x: Array, g: Array, most: float) -> Array:
        """`sign(g) min(tau |g|, cap)` with the tau <= most that spends the radius."""
        scale = np.max(np.abs(g), axis=-1, keepdims=True)  # (..., 1)
        scale = np.where(scale > 0, scale, 1)
        slope, cap = np.abs(g) / scale, caps(*self.room(x), g)  # (..., d) each
        knot, slope_, cap_ = sorted_by_knot(slope, cap)
        full = np.cumsum(cap_**2, axis=-1) - cap_**2  # (..., d)
        rest = np.cumsum((slope_**2)[..., ::-1], axis=-1)[..., ::-1]  # (..., d)
        with np.errstate(over="ignore"):  # a knot at infinity is a pixel that never meets its cap
            knot = knot**2
        tau = np.sqrt(first_root(full, rest, knot, np.broadcast_to(self.radius, full.shape[:-1]) ** 2.0))
        tau = np.minimum(tau[..., None], most * scale)
        return np.sign(g) * np.where(np.isinf(tau), cap, np.minimum(np.where(np.isinf(tau), 0, tau) * slope, cap))

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        scale = np.ldexp(1.0, np.frexp(np.max(np.abs(g), axis=-1, keepdims=True))[1])  # a power of 2: exact
        slope, cap = np.abs(g) / scale, caps(*self.room(x), g)
        with np.errstate(over="ignore"):  # a gain of 1 is out of reach of a gradient of 1e-310
            gain = gain / scale[..., 0]
        knot, slope_, cap_ = sorted_by_knot(slope, cap)
        earned = np.cumsum(slope_ * cap_, axis=-1) - slope_ * cap_  # (..., d) earned by those at their cap
        rest = np.cumsum((slope_**2)[..., ::-1], axis=-1)[..., ::-1]  # (..., d) |slope|^2 of those that still move
        tau = first_root(earned, rest, knot, gain)
        finite = np.where(np.isinf(tau), 0, tau)[..., None]
        return np.where(np.isinf(tau), np.inf, self.distance(np.minimum(finite * slope, cap)))
