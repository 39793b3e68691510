"""One simple set around every perturbed image, and what the first layer makes of it: its centre, and how far it moves.

    reach_j = max { W_j . (v - mid) : v in the set },   the same downwards, since the set is symmetric about mid

Two of them, and the ball itself says which.

    a box         where S is { down <= s <= up } (Linf, and any ball whose `segments` say so): the set is S itself, mid
                  the middle of the box and half its half-length:  reach = half |W|,  d reach / dW = sign(W) half.
    any other     |s_i| <= hi_i - lo_i holds wherever x is, so every S is part of the same ball about 0 with the box
                  [lo - hi, hi - lo]: symmetric, and the same for all images.  mid = x, reach_j = h(W_j), one question a
                  neuron instead of one for each image and neuron.  Danskin: d reach_j / dW_j is the maximiser.

What the second gives away is that a white pixel cannot rise.  It costs tightness, never truth.

A pixel in which no image of the batch differs from another (of MNIST's 784 about 300, in 128 images of two digits) adds
the same to every row, so it is added once: the products of whole batches are of the other pixels alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attacks.balls.base import Ball
from minigrad.inputs import Array
from minigrad.layers import Dense


@dataclass(frozen=True, eq=False)
class Enclosure:
    """n sets, each around one perturbed image.

    Attributes
    ----------
    x : (n, d)
        The images.
    live, still : (p,) and (d - p,) int
        The pixels in which images differ, and those in which none does.
    both : (2 n, p)
        The images' live pixels, and below them the centres of their sets.
    half : (n, p) or None
        Half the length of each box.
    calm : (image, centre, half), each (1, d - p)
        The pixels that all images share.
    wide : Ball or None
        The ball about 0 that holds every S.
    """

    x: Array
    live: Array
    still: Array
    both: Array
    half: Array | None
    calm: tuple[Array, Array, Array]
    wide: Ball | None

    @classmethod
    def from_ball(cls, x: Array, ball: Ball, *, fold: bool = False) -> Enclosure:
        """For images `x` (n, d) and their balls; the pixels that no image changes apart, if asked to and all sets are
        the same box but for where they stand."""
        alike = ball.mask is None and all(np.ndim(a) == 0 for a in (ball.radius, *ball.box))  # all images and pixels
        one = ball.segments(x[:1]) if fold and alike and not ball.counts else None  # a count is of all pixels together
        apart = one is not None and bool(np.isinf(one[2]))
        differs = (x != x[0]).any(axis=0) if apart else np.ones(x.shape[1], bool)
        live, still = np.flatnonzero(differs), np.flatnonzero(~differs)
        both = np.empty((2 * len(x), len(live)), x.dtype)
        own, mid = both[: len(x)], both[len(x) :]
        np.take(x, live, axis=1, out=own, mode="clip")  # no index is clipped: with "raise" NumPy copies once more
        calm = x[:1].take(still, axis=1)
        ends, others = ball.segments(own), ball.segments(calm) if apart else (calm, calm, np.inf)
        if ends is None or others is None or np.isfinite(ends[2]):
            mid[:] = own
            length = ball.box[1] - ball.box[0]
            return cls(x, live, still, both, None, (calm, calm, calm), replace(ball, box=(-length, length)))
        calm_mid, calm_half = _middle(calm, others)
        mid[:], half = _middle(own, ends)
        return cls(x, live, still, both, half, (calm, calm_mid, calm_half), None)

    def forward(self, layer: Dense) -> tuple[Array, Array]:
        """`x W + b` and below it `mid W + b`, (2 n, m), and how far the second may get, (n, m)."""
        W, n = layer.W[self.live], len(self.x)
        z = np.matmul(self.both, W)
        for part, calm in ((z[:n], self.calm[0]), (z[n:], self.calm[1])):
            part += np.matmul(calm, layer.W[self.still]) + layer.b
        if self.half is None:
            return z, self.reach(layer.W)
        r = np.matmul(self.half, np.abs(W, out=W))
        r += np.matmul(self.calm[2], np.abs(layer.W[self.still]))
        return z, r

    def reach(self, W: Array) -> Array:
        """How far `(v - mid) W` may get over each set, (n, m), for `W` (d, m), of sets that are not folded."""
        if self.half is not None:
            return np.matmul(self.half, np.abs(W))
        s = self._points(W)  # (1 or n, m, d)
        return np.broadcast_to(np.einsum("nmd,dm->nm", s, W), (len(self.x), W.shape[1])).astype(W.dtype)

    def gradients(self, layer: Dense, g: Array, g_reach: Array, out: tuple[Array, Array]) -> None:
        """dL/dW (d, m) and dL/db (m,) of any L with dL/dz = `g` (2 n, m) and dL/dr = `g_reach` (n, m)."""
        (dW, db), n = out, len(self.x)
        own, mid, far = (part.sum(axis=0) for part in (g[:n], g[n:], g_reach))  # (m,) each
        np.add(own, mid, out=db)
        live = np.matmul(self.both.T, g)  # (p, m)
        if self.half is None:
            np.add(live, self.pull(layer.W, g_reach), out=dW)
            return
        sign = np.sign(layer.W)  # not in place, where NumPy takes ten times as long
        moved = np.matmul(self.half.T, g_reach)
        moved *= sign[self.live]
        live += moved
        dW[self.live] = live
        still = self.calm[2].T * far  # (d - p, m)
        still *= sign[self.still]
        still += np.matmul(np.concatenate(self.calm[:2]).T, np.stack([own, mid]))
        dW[self.still] = still

    def pull(self, W: Array, g: Array) -> Array:
        """dL/dW (d, m) of any L with dL/d reach = `g` (n, m), of sets that are not folded."""
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


def _middle(x: Array, segments: tuple[Any, ...]) -> tuple[Array, Array]:
    """The middle of each box x + [down, up], (n, p), and half its length."""
    down, up = segments[:2]
    half, mid = up - down, up + down
    half *= 0.5
    mid *= 0.5
    mid += x
    return mid, half
