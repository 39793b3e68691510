"""One simple set around every perturbed image, which the first layer of an interval bound asks: how far may W move?

    reach_j = max { W_j . (v - mid) : v in the set },   the same downwards, since the set is symmetric about mid

Two of them, and the ball itself says which.

    a box         where S is { down <= s <= up } (Linf, and any ball whose `segments` say so): the set is S itself, mid
                  the middle of the box and half its half-length:  reach = half |W|,  d reach / dW = sign(W) half.
    any other     |s_i| <= hi_i - lo_i holds wherever x is, so every S is part of the same ball about 0 with the box
                  [lo - hi, hi - lo]: symmetric, and the same for all images.  mid = x, reach_j = h(W_j), one question a
                  neuron instead of one for each image and neuron.  Danskin: d reach_j / dW_j is the maximiser.

What the second gives away is that a white pixel cannot rise.  It costs tightness, never truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from attacks.balls.base import Ball
from minigrad.inputs import Array


@dataclass(frozen=True, eq=False)
class Enclosure:
    """n sets, each around one perturbed image.

    Attributes
    ----------
    x, mid : (n, d)
        The images, and the centres of their sets.
    half : (n, d) or None
        Half the length of each box.
    wide : Ball or None
        The ball about 0 that holds every S.
    """

    x: Array
    mid: Array
    half: Array | None
    wide: Ball | None

    @classmethod
    def from_ball(cls, x: Array, ball: Ball) -> Enclosure:
        """For images `x` (n, d) and their balls."""
        ends = ball.segments(x)
        if ends is not None and np.isinf(ends[2]):
            mid, half = ends[1] + ends[0], ends[1] - ends[0]  # (n, d) each
            mid *= 0.5
            mid += x
            half *= 0.5
            return cls(x, mid, half, None)
        length = ball.box[1] - ball.box[0]
        return cls(x, x, None, replace(ball, box=(-length, length)))

    def reach(self, W: Array) -> Array:
        """How far `(v - mid) W` may get over each set, (n, m), for `W` (d, m)."""
        if self.half is not None:
            return np.matmul(self.half, np.abs(W))
        s = self._points(W)  # (1 or n, m, d)
        return np.broadcast_to(np.einsum("nmd,dm->nm", s, W), (len(self.x), W.shape[1])).astype(W.dtype)

    def pull(self, W: Array, g: Array) -> Array:
        """dL/dW (d, m) of any L with dL/d reach = `g` (n, m)."""
        if self.half is not None:
            return np.sign(W) * np.matmul(self.half.T, g)
        s = self._points(W)  # (1 or n, m, d)
        g = g.sum(axis=0, keepdims=True) if len(s) == 1 else g
        return np.einsum("nm,nmd->dm", g, s).astype(W.dtype)

    def _points(self, W: Array) -> Array:
        """Where each column of `W` is largest over each wide ball, (1 or n, m, d): one for all where all are equal."""
        assert self.wide is not None
        own = [np.ndim(getattr(self.wide, name)) == axes for name, axes in self.wide.per_image.items()]
        many = len(self.x) if any(own) or np.ndim(self.wide.box[0]) == 2 else 1
        rows = np.broadcast_to(W.T, (many, *W.T.shape))  # (1 or n, m, d)
        return self.wide.spread().maximize(np.zeros_like(self.x[:many, None]), rows)
