"""The four norms: for each, the maximiser, the projection, the distance, and the radius that a gain needs, in closed
form.

The question they answer, and the names `cap`, `down`, `up`, are in `attacks/ball.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from attacks.ball import Ball, _columns
from attacks.together import best_moves
from minigrad.inputs import Array

__all__ = ["BALLS", "L0", "L1", "L2", "Ball", "LInf"]


FEW = 16  # so many largest of a row are found one by one


class LInf(Ball):
    """|s|_inf = max |s_i| <= radius.

    The constraint is one box more, t_i <= radius, so every pixel goes as far as it may: t_i = min(radius, cap_i).
    Away from the box: s = radius sign(g), h = radius |g|_1.

    radius_for.  h(r) = sum |g_i| min(r, cap_i) is piecewise linear, with a breakpoint where a pixel meets the box.
    With the caps sorted, c_(1) <= c_(2) <= ..., on the piece c_(j) <= r <= c_(j+1)
        h(r) = sum_{i <= j} |g_(i)| c_(i)  +  r sum_{i > j} |g_(i)|,
    so the first breakpoint with h >= gain ends the piece on which the root lies.  Without the box: r = gain / |g|_1.

    Examples
    --------
    >>> LInf(0.375).maximize(np.array([[0.5, 0.75]]), np.array([[2.0, 1.0]])).tolist()  # the second pixel meets the box
    [[0.375, 0.25]]
    """

    norm = "linf"

    def maximize(self, x: Array, g: Array) -> Array:
        down, up = self.room(x)
        s = np.sign(g)  # (..., d), 0 for g = 0
        s = s * np.minimum(_column(self.radius), np.finfo(x.dtype).max).astype(x.dtype)  # 0 inf would be NaN
        return np.clip(s, down, up, out=s)

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
        middle, half = self._centre(x)
        return middle - half, middle + half, np.inf

    def together(self, x: Array, A: Array) -> tuple[Array, Array]:
        return best_moves(*self.room(x), A, -np.asarray(self.radius), self.radius)

    def _centre(self, x: Array) -> tuple[Array, Array]:
        """The moves [low, high] that a pixel may make, as their middle and half their length."""
        down, up = self.room(x)
        r = _column(self.radius)
        low, high = np.maximum(-r, down), np.minimum(r, up)
        return ((high + low) / 2).astype(x.dtype, copy=False), ((high - low) / 2).astype(x.dtype, copy=False)

    def project(self, x: Array, s: Array) -> Array:
        down, up = self.room(x)
        r = _column(self.radius)
        return np.clip(np.clip(s, -r, r), down, up)  # separable: pixel by pixel the nearest point

    def distance(self, s: Array) -> Array:
        return np.maximum(s.max(axis=-1), -s.min(axis=-1)) + 0.0  # 0, not -0

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        slope, cap = np.abs(g), self.reach(x, g)  # (..., d) each
        order = np.argsort(cap, axis=-1)  # the breakpoints of h, rising
        slope, cap = np.take_along_axis(slope, order, -1), np.take_along_axis(cap, order, -1)  # (..., d) in that order
        spent = np.cumsum(slope * cap, axis=-1) - slope * cap  # (..., d) earned before pixel i, by pixels at their caps
        rest = np.cumsum(slope[..., ::-1], axis=-1)[..., ::-1]  # (..., d) slope of the pixels from i on
        return _first_root(spent, rest, cap, gain)


@dataclass(frozen=True, eq=False)
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
    inside: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not ((np.asarray(self.radius) >= 1) & (np.floor(self.radius) == self.radius)).all():
            raise ValueError(f"radius: expected a whole number of pixels, at least 1, got {self.radius!r}")

    def size_of_ones(self, d: int) -> float:
        """0: rounding does not change how many pixels were touched."""
        return 0.0

    def scaled(self, share: float) -> Self:
        """At least one pixel: half a pixel cannot move."""
        return self.with_radius(np.maximum(1, np.floor(share * np.asarray(self.radius, np.float64))))

    def rows(self, index: Array, n: int) -> Self:
        inside = self.inside
        if inside is not None and inside.ndim == 2 and len(inside) == n:
            inside = inside[index]
        return super().rows(index, n)._with(inside=inside)

    def spread(self) -> Self:
        inside = self.inside
        return super().spread()._with(inside=inside if np.ndim(inside) < 2 else np.expand_dims(inside, 1))

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

    def columns(self, index: Array, d: int) -> Self:
        part = super().columns(index, d)
        object.__setattr__(part, "inside", _columns(self.inside, index, d))
        return part

    def segments(self, x: Array) -> tuple[Array, Array, float] | None:
        if self.undecided(x).any():
            return None
        down, up = self.room(x)
        may = self._free(x) & (self.left()[..., None] > 0)
        if self.inside is not None:
            may |= self.inside
        return down * may, up * may, np.inf

    @classmethod
    def proves(cls, radius: float) -> float:
        return radius + 1  # a whole number of pixels more than fail

    @classmethod
    def asks(cls, upper: float, gap: float) -> float:
        return float(np.ceil((1 - gap) * upper)) - 1

    @classmethod
    def retreat(cls, proved: float, failed: float) -> float:
        return failed - 1

    @classmethod
    def ladder(cls, upper: float, count: int = 16) -> Array:
        return np.arange(1, min(upper, count))

    @classmethod
    def whole(cls, radius: float) -> float:
        return max(1.0, float(np.ceil(radius)))

    @classmethod
    def between(cls, low: float, high: float, share: float) -> float | None:
        return float((low + high) // 2) if high - low > 1 else None

    def left(self) -> Array:
        """How many pixels may still join those that are in, (...)."""
        paid = 0 if self.inside is None else np.count_nonzero(self.inside, axis=-1)
        return np.clip(np.asarray(self.radius) - paid, 0, 2.0**62).astype(np.int64)  # inf: all

    def maximize(self, x: Array, g: Array) -> Array:
        gain = self.gain(x, g)
        if self.inside is None:
            chosen = _largest(gain, self.left())
        else:
            chosen = _largest(gain * ~self.inside, self.left()) | self.inside
        s = np.zeros(g.shape, gain.dtype)  # (..., d)
        move = np.unravel_index(np.flatnonzero(chosen), chosen.shape)  # few: only they need their end
        down, up = (np.broadcast_to(end, g.shape)[move] for end in self.room(x))
        s[move] = np.where(g[move] > 0, up, down)
        return s

    def support(self, x: Array, g: Array) -> Array:
        """The sum of the k largest gains (and of all that are in), without the pixels that earn them: no full sort."""
        gain = self.gain(x, g)
        paid = np.zeros(())
        if self.inside is not None:
            paid = np.sum(gain * self.inside, axis=-1)
            gain *= ~self.inside
        best = _sorted_largest(gain, int(np.max(self.left(), initial=0)))  # (..., k)
        return paid + np.sum(best * (np.arange(best.shape[-1]) < self.left()[..., None]), axis=-1)

    def together(self, x: Array, A: Array) -> tuple[Array, Array]:
        s, earned = best_moves(*self.room(x), A, -np.inf, np.inf)
        chosen = _largest(earned, self.left())
        return s * chosen, earned * chosen

    def shorter(self, s: Array) -> Array:
        pixels = np.flatnonzero(s)
        return s * (np.arange(len(s)) != pixels[:, None])  # one pixel less

    def undecided(self, x: Array) -> Array:
        """Those not in that can move, unless all of them may (or none)."""
        free, left = self._free(x), self.left()
        return free & ((left > 0) & (left < np.count_nonzero(free, axis=-1)))[..., None]

    def forced(self, x: Array, g: Array) -> tuple[Array, Array]:
        """If i must be in, it takes the place of the k-th best; if it must stay out, the next best takes its place."""
        gain = self.gain(x, g)
        others = gain if self.inside is None else gain * ~self.inside
        k = self.left()
        best = _sorted_largest(others, int(np.max(k, initial=0)) + 1)  # (..., k + 1)
        place = np.broadcast_to(k, best.shape[:-1])[..., None]
        last = np.take_along_axis(best, np.minimum(np.maximum(place - 1, 0), best.shape[-1] - 1), -1)
        after = np.take_along_axis(best, np.minimum(place, best.shape[-1] - 1), -1)  # there is one if any is undecided
        h = self.support(x, g)[..., None]
        return h + np.minimum(others - last, 0), h - np.maximum(others - after, 0)

    def project(self, x: Array, s: Array) -> Array:
        c = np.clip(s, *self.room(x))  # (..., d)
        return np.where(_largest(s**2 - (s - c) ** 2, self.left()), c, 0.0)

    def distance(self, s: Array) -> Array:
        return np.count_nonzero(s, axis=-1).astype(np.float64)

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        earned = np.cumsum(np.sort(self.gain(x, g), axis=-1)[..., ::-1], axis=-1)  # (..., d)
        short = np.sum(earned < gain[..., None], axis=-1)  # how many pixels are not enough
        return np.where(gain <= 0, 0, np.where(short < g.shape[-1], short + 1.0, np.inf))

    def _free(self, x: Array) -> Array:
        """Pixels that can move and are not in, (..., d)."""
        down, up = self.room(x)
        free = (down < 0) | (up > 0)
        return free if self.inside is None else free & ~self.inside


class L1(Ball):
    """|s|_1 = sum |s_i| <= radius.

    A fractional knapsack: every unit of radius costs the same and earns |g_i| on pixel i, so fill the pixels by falling
    |g_i|, each up to its cap, until the radius is spent.

    project.  The Lagrangian sum (t_i - a_i)^2 / 2 + lam (sum t_i - r) with a = |v|, 0 <= t_i <= cap_i, separates:
    t_i = clip(a_i - lam, 0, cap_i), with the lam >= 0 that spends r.  sum t_i falls piecewise linearly in lam, with
    breakpoints a_i and a_i - cap_i: sorted, they bracket lam, and on the bracket it is one division (Duchi et al. 2008,
    with caps).
    radius_for.  h(r) is piecewise linear with slopes |g_(1)| >= |g_(2)| ...: as for LInf.
    """

    norm = "l1"

    def maximize(self, x: Array, g: Array) -> Array:
        cap = self.reach(x, g)
        order = np.argsort(-np.abs(g), axis=-1, kind="stable")  # by falling slope
        sorted_cap = np.take_along_axis(cap, order, -1)  # (..., d)
        before = np.cumsum(sorted_cap, axis=-1) - sorted_cap  # (..., d) spent on the better pixels
        t = np.empty_like(cap)  # (..., d)
        np.put_along_axis(t, order, np.clip(_column(self.radius) - before, 0, sorted_cap), -1)
        return np.sign(g) * t

    def project(self, x: Array, s: Array) -> Array:
        a, cap, r = np.abs(s), self.reach(x, s), _column(self.radius)  # (..., d), (..., d), (..., 1)
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
        order = np.argsort(-np.abs(g), axis=-1, kind="stable")  # by falling slope
        slope, cap = np.take_along_axis(np.abs(g), order, -1), np.take_along_axis(self.reach(x, g), order, -1)
        before = np.cumsum(cap, axis=-1) - cap  # (..., d) radius spent on the better pixels
        earned = np.cumsum(slope * cap, axis=-1) - slope * cap  # (..., d) earned before each pixel
        return _first_root(earned - slope * before, slope, before + cap, gain)


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
        slope, cap = np.abs(g) / scale, self.reach(x, g)  # (..., d) each
        knot, slope_, cap_ = _sorted_by_knot(slope, cap)
        full = np.cumsum(cap_**2, axis=-1) - cap_**2  # (..., d)
        rest = np.cumsum((slope_**2)[..., ::-1], axis=-1)[..., ::-1]  # (..., d)
        with np.errstate(over="ignore"):  # a knot at infinity is a pixel that never meets its cap
            knot = knot**2
        tau = np.sqrt(_first_root(full, rest, knot, np.broadcast_to(self.radius, full.shape[:-1]) ** 2.0))
        tau = np.minimum(tau[..., None], most * scale)
        return np.sign(g) * np.where(np.isinf(tau), cap, np.minimum(np.where(np.isinf(tau), 0, tau) * slope, cap))

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        scale = np.ldexp(1.0, np.frexp(np.max(np.abs(g), axis=-1, keepdims=True))[1])  # a power of 2: exact
        slope, cap = np.abs(g) / scale, self.reach(x, g)
        with np.errstate(over="ignore"):  # a gain of 1 is out of reach of a gradient of 1e-310
            gain = gain / scale[..., 0]
        knot, slope_, cap_ = _sorted_by_knot(slope, cap)
        earned = np.cumsum(slope_ * cap_, axis=-1) - slope_ * cap_  # (..., d) earned by those at their cap
        rest = np.cumsum((slope_**2)[..., ::-1], axis=-1)[..., ::-1]  # (..., d) |slope|^2 of those that still move
        tau = _first_root(earned, rest, knot, gain)
        finite = np.where(np.isinf(tau), 0, tau)[..., None]
        return np.where(np.isinf(tau), np.inf, self.distance(np.minimum(finite * slope, cap)))


BALLS: dict[str, type[Ball]] = {kind.norm: kind for kind in (L0, L1, L2, LInf)}


def _column(radius: Array | float) -> Array:
    """The radius as (..., 1) beside pixels (..., d)."""
    return np.asarray(radius, np.float64)[..., None]


def _largest(score: Array, k: Array) -> Array:
    """Where the score is positive and among the k largest of its row, (..., d) bool.  Ties: lowest index."""
    last = _sorted_largest(score, int(np.max(k, initial=0)))
    k = np.broadcast_to(k, score.shape[:-1])[..., None]
    at = np.minimum(np.maximum(k - 1, 0), max(last.shape[-1] - 1, 0))
    bar = np.where(k > 0, np.take_along_axis(last, at, -1), np.inf) if last.shape[-1] else np.full(k.shape, np.inf)
    above, level = score > bar, score == bar
    open_places = k - np.count_nonzero(above, axis=-1, keepdims=True)
    if (np.count_nonzero(level, axis=-1, keepdims=True) > open_places).any():
        level &= np.cumsum(level, axis=-1) <= open_places
    return (above | level) & (score > 0)


def _sorted_largest(score: Array, k: int) -> Array:
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


def _first_root(start: Array, slope: Array, knot: Array, value: Array) -> Array:
    """The smallest r >= 0 with H(r) >= value, or inf.

    H is nondecreasing, and on piece i, up to knot_i, it is `start_i + slope_i r`.  All (..., d), pieces in order of
    their knots; value (...).
    """
    with np.errstate(invalid="ignore"):  # 0 * inf: a flat piece without end
        at_knot = start + np.where(slope > 0, slope * knot, 0.0)
    reached = at_knot >= value[..., None]
    piece = np.argmax(reached, axis=-1)[..., None]
    start, slope = np.take_along_axis(start, piece, -1)[..., 0], np.take_along_axis(slope, piece, -1)[..., 0]
    end = np.take_along_axis(knot, piece, -1)[..., 0]
    with np.errstate(over="ignore"):  # a slope of 1e-310: the end of its piece comes first
        root = np.where(slope > 0, (value - start) / np.where(slope > 0, slope, 1), 0.0)
    root = np.minimum(np.maximum(root, 0), end)
    return np.where(reached.any(-1), root, np.inf)


def _sorted_by_knot(slope: Array, cap: Array) -> tuple[Array, Array, Array]:
    """`cap / slope` ascending (0 where the pixel cannot earn), and slope and cap in that order."""
    slope = np.where(cap > 0, slope, 0)
    with np.errstate(over="ignore"):  # a slope of 1e-310 never brings its pixel to the cap
        knot = np.divide(cap, slope, out=np.zeros_like(cap), where=slope > 0)  # (..., d)
    order = np.argsort(knot, axis=-1)  # rising
    knot, slope, cap = (np.take_along_axis(a, order, -1) for a in (knot, slope, np.where(slope > 0, cap, 0)))
    return knot, slope, cap
