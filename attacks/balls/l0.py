"""The number of pixels that change: what the saliency map bounds, and the one norm that counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball, as_gain, gains
from attacks.balls.joint import joint_moves
from minigrad.inputs import Array, brief

FEW = 16  # so many largest of a row are found one by one


@dataclass(frozen=True, eq=False, repr=False)
class L0(Ball):
    """|s|_0 = the number of pixels that change <= radius = k.

    A pixel that is paid for may go anywhere in the box, so it goes to the end that earns most: its gain is |g_i| cap_i.
    The k pixels of largest gain are therefore best, and pixels of gain 0 stay put.  (The gain, not |g_i|, decides: a
    white pixel with a large positive derivative has no room and earns nothing.)

    project.  Pixel i costs v_i^2 if it is put back to 0 and (v_i - c_i)^2 if it is clipped to c_i: keep the k pixels
    that save most, v_i^2 - (v_i - c_i)^2.
    radius_for.  The sorted gains, summed, reach `gain` first at the k-th.
    inside.  In a proof's branch some pixels are "in": each spends one of the k whether it moves or not.  The rest of
    the k goes to the best of the others.

    Examples
    --------
    >>> L0(1).maximize(np.array([[0.5, 0.75]]), np.array([[2.0, 1.0]])).tolist()  # gains 2 * 0.5 and 1 * 0.25
    [[0.5, 0.0]]
    """

    norm = "l0"
    counts = True
    per_image: ClassVar[dict[str, int]] = {**Ball.per_image, "inside": 2}
    inside: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self.radius)

    def with_radius(self, radius: ArrayLike) -> Self:
        other = super().with_radius(radius)
        check_whole(other.radius)
        return other

    def scaled(self, share: float) -> Self:
        """At least one pixel: half a pixel cannot move."""
        return self.with_radius(np.maximum(1, np.floor(share * np.asarray(self.radius, np.float64))))

    def restrict(
        self,
        inside: Array | None = None,
        outside: Array | None = None,
        lo: ArrayLike | None = None,
        hi: ArrayLike | None = None,
    ) -> Self:
        part = super().restrict(None, outside, lo, hi)
        if inside is not None:
            inside = np.asarray(inside)
            object.__setattr__(part, "inside", inside if self.inside is None else inside | self.inside)
        return part

    def segments(self, x: Array) -> tuple[Array, Array, float] | None:
        if self.undecided(x).any():
            return None
        down, up = self.room(x)
        may = self._free(x) & (self.left()[..., None] > 0)
        if self.inside is not None:
            may |= self.inside
        return down * may, up * may, np.inf

    def left(self) -> Array:
        """How many pixels may still join those that are in, (...)."""
        paid = 0 if self.inside is None else np.count_nonzero(self.inside, axis=-1)
        return np.clip(np.asarray(self.radius) - paid, 0, 2.0**62).astype(np.int64)  # inf: all

    def maximize(self, x: Array, g: Array) -> Array:
        gain = gains(*self.room(x), g)
        if self.inside is None:
            chosen = largest(gain, self.left())
        else:
            chosen = largest(gain * ~self.inside, self.left()) | self.inside
        s = np.zeros(g.shape, gain.dtype)  # (..., d)
        move = np.unravel_index(np.flatnonzero(chosen), chosen.shape)  # few: only they need their end
        down, up = (np.broadcast_to(end, g.shape)[move] for end in self.room(x))
        s[move] = np.where(g[move] > 0, up, down)
        return s

    def ascend(self, x: Array, now: Array, g: Array, share: float) -> Array:
        """Of the pixels that have moved and the best share * radius of the others, the k of largest gain, each at its
        best end: projecting would keep the longest moves, and lose a better pixel that has less room."""
        gain, moved = gains(*self.room(x), g), now != x
        new = largest(gain * ~moved, self.scaled(share).left())
        return self.apply(x, self.maximize(x, g * (moved | new)))

    def support(self, x: Array, g: Array) -> Array:
        """The sum of the k largest gains (and of all that are in), without the pixels that earn them: no full sort."""
        gain = gains(*self.room(x), g)
        paid = np.zeros(())
        if self.inside is not None:
            paid = np.sum(gain * self.inside, axis=-1)
            gain *= ~self.inside
        best = sorted_largest(gain, int(np.max(self.left(), initial=0)))  # (..., k)
        return paid + np.sum(best * (np.arange(best.shape[-1]) < self.left()[..., None]), axis=-1)

    def maximize_jointly(self, x: Array, A: Array) -> tuple[Array, Array]:
        s, earned = joint_moves(*self.room(x), A, -np.inf, np.inf)
        chosen = largest(earned, self.left())
        return s * chosen, earned * chosen

    def undecided(self, x: Array) -> Array:
        """Those not in that can move, unless all of them may (or none)."""
        free, left = self._free(x), self.left()
        return free & ((left > 0) & (left < np.count_nonzero(free, axis=-1)))[..., None]

    def project(self, x: Array, s: Array) -> Array:
        c = np.clip(s, *self.room(x))  # (..., d)
        return np.where(largest(s**2 - (s - c) ** 2, self.left()), c, 0.0)

    def distance(self, s: Array) -> Array:
        return np.count_nonzero(s, axis=-1).astype(np.float64)

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        gain = as_gain(gain, x, g)
        earned = np.cumsum(np.sort(gains(*self.room(x), g), axis=-1)[..., ::-1], axis=-1)  # (..., d)
        short = np.sum(earned < gain[..., None], axis=-1)  # how many pixels are not enough
        return np.where(gain <= 0, 0, np.where(short < g.shape[-1], short + 1.0, np.inf))

    def _free(self, x: Array) -> Array:
        """Pixels that can move and are not in, (..., d)."""
        down, up = self.room(x)
        free = (down < 0) | (up > 0)
        return free if self.inside is None else free & ~self.inside


def largest(score: Array, k: Array) -> Array:
    """Where the score is positive and among the k largest of its row, (..., d) bool.  Ties: lowest index."""
    last = sorted_largest(score, int(np.max(k, initial=0)))
    k = np.broadcast_to(k, score.shape[:-1])[..., None]
    at = np.minimum(np.maximum(k - 1, 0), max(last.shape[-1] - 1, 0))
    bar = np.where(k > 0, np.take_along_axis(last, at, -1), np.inf) if last.shape[-1] else np.full(k.shape, np.inf)
    above, level = score > bar, score == bar
    open_places = k - np.count_nonzero(above, axis=-1, keepdims=True)
    if (np.count_nonzero(level, axis=-1, keepdims=True) > open_places).any():
        level &= np.cumsum(level, axis=-1) <= open_places
    return (above | level) & (score > 0)


def sorted_largest(score: Array, k: int) -> Array:
    """The k largest of each row, falling, (..., min(k, d)): few one by one; else a partition, and a sort of those k."""
    d = score.shape[-1]
    if k <= min(FEW, d) and score.flags.c_contiguous and score.flags.writeable:
        rows = score.reshape(-1, d)  # a view: what is taken out is put back
        row = np.arange(len(rows))
        place, best = np.empty((k, len(rows)), int), np.empty((k, len(rows)), score.dtype)
        for j in range(k):
            place[j] = rows.argmax(axis=1)
            best[j] = rows[row, place[j]]
            rows[row, place[j]] = -np.inf
        rows[row, place] = best
        return best.T.reshape(*score.shape[:-1], k)
    if k < d:
        score = np.partition(score, d - max(k, 1), axis=-1)[..., d - k :]
    return np.sort(score, axis=-1)[..., ::-1]


def check_whole(radius: Array) -> None:
    """ValueError unless every radius is a number of pixels."""
    if not ((radius >= 1) & (np.floor(radius) == radius)).all():
        raise ValueError(f"radius: expected a whole number of pixels, at least 1, got {brief(radius.tolist())}")
