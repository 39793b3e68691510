"""The Euclidean size of the change."""

from __future__ import annotations

import numpy as np

from attacks.balls.base import Ball, as_gain, caps
from attacks.balls.piecewise import first_root
from minigrad.inputs import Array


class L2(Ball):
    """|s|_2 = sqrt(sum s_i^2) <= radius.

    Without the caps Cauchy-Schwarz gives t along |g|.  With them, the Lagrangian
    sum |g_i| t_i - (sum t_i^2 - r^2) / (2 tau) separates: t_i = min(tau |g_i|, cap_i), with the tau that spends r;
    tau = inf if the whole box lies inside the ball.
    Pixel i meets its cap at tau = cap_i / |g_i|, so
        |t|^2 = sum_i min(tau^2 g_i^2, cap_i^2),   which is r^2 for exactly one tau (attacks/balls/piecewise.py).

    project.  Stationarity of sum (t_i - a_i)^2 / 2 + mu (sum t_i^2 - r^2) / 2 gives t_i = min(a_i / (1 + mu), cap_i):
    the same family with g = v and tau = 1 / (1 + mu) <= 1.
    radius_for.  gain = sum_i min(tau g_i^2, |g_i| cap_i) gives tau, and r = |t|_2.
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
        slope, cap, tau, scale = self._tau(x, g)
        tau = np.minimum(tau, most * scale)
        whole = np.isinf(tau)  # (..., 1)
        t = np.where(whole, cap, np.minimum(np.where(whole, 0, tau) * slope, cap))
        if whole.any():  # also where all that could still move has a square that vanishes: that stays put
            beyond = whole & (self.distance(t)[..., None] > np.asarray(self.radius)[..., None])
            t = np.where(beyond & (slope**2 == 0), 0, t)
        return np.sign(g) * t

    def _tau(self, x: Array, g: Array) -> tuple[Array, Array, Array, Array]:
        """`|g| / scale`, caps, and the tau (..., 1) that spends the radius along the first; the scale (..., 1).

        No pixel moves by more than r, so caps beyond it are cut to it; and everything is measured in units of r, a
        power of 2, so that no square overflows or vanishes.
        """
        cap = caps(*self.room(x), g)  # (..., d)
        slope = np.where(cap > 0, np.abs(g), 0)  # (..., d)
        scale = np.max(slope, axis=-1, keepdims=True)  # (..., 1)
        scale = np.where(scale > 0, scale, 1)
        slope = slope / scale
        radius = np.broadcast_to(self.radius, cap.shape[:-1]).astype(np.float64)[..., None]  # (..., 1)
        cap = np.minimum(cap, radius)
        size = np.where(np.isfinite(radius), radius, np.max(cap, axis=-1, keepdims=True) * np.sqrt(cap.shape[-1]))
        unit = np.ldexp(1.0, np.frexp(np.where(size > 0, size, 1))[1] - 1)
        square = first_root(slope**2, (cap / unit) ** 2, (radius / unit)[..., 0] ** 2)[..., None]  # tau^2, (..., 1)
        tau = np.sqrt(square) * unit
        return slope, cap, tau, scale

    def support(self, x: Array, g: Array) -> Array:
        """By weak duality:  h <= r^2 / (2 tau) + sum t_i (|g_i| - t_i / (2 tau)),  t_i = min(tau |g_i|, cap_i),  for
        every tau > 0, with equality at the tau that spends r.  Whatever tau rounding chooses, the value is not below h
        but by the rounding of a sum of positive terms: t_i / (2 tau) <= |g_i| / 2, so nothing cancels."""
        slope, cap, tau, scale = self._tau(x, g)
        bent = (tau > 0) & np.isfinite(tau)  # (..., 1); else the whole box is inside the ball, or tau underflows
        twice, some = 2 * np.where(bent, tau, 1), np.where(bent, tau, 0)
        t = np.where(bent, np.minimum(some * slope, cap), cap)  # no cap is above r, so cap is never too little
        h = np.sum(t * (np.abs(g) - np.where(bent, scale * (t / twice), 0)), axis=-1)
        radius = np.where(bent[..., 0], self.radius, 0)
        return h + radius * (scale[..., 0] * (radius / twice[..., 0]))

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        gain = as_gain(gain, x, g)
        cap = caps(*self.room(x), g)
        slope = np.where(cap > 0, np.abs(g), 0)
        scale = np.ldexp(1.0, np.frexp(np.max(slope, axis=-1, keepdims=True))[1])  # a power of 2: exact
        slope = slope / scale
        with np.errstate(over="ignore"):  # a gain of 1 is out of reach of a gradient of 1e-310
            gain = gain / scale[..., 0]
        tau = first_root(slope**2, slope * cap, gain)
        finite = np.where(np.isinf(tau), 0, tau)[..., None]
        return np.where(np.isinf(tau), np.inf, self.distance(np.minimum(finite * slope, cap)))
