"""The search over radii: what a refuted radius proves, and which radius to ask about next.  One small class a norm.

The continuous norms ask the same of a radius; where pixels are counted (L0) radii are whole numbers, and refuting k
proves k + 1.  A new norm of either kind needs nothing here but its name in `RADII`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import numpy as np

from attacks.balls.base import Ball
from minigrad.bounds.rounding import ETA, gamma_n
from minigrad.inputs import Array

RUNGS = 40  # of the ladder, from `upper` down to a thousandth of it: each rung is 0.84 of the one above
LOWEST = 1e-3  # share of `upper`; a loose upper end and a deep network together leave a hundredth, seldom less
COUNTS = 15  # pixels at most on the ladder of L0: on digits plain bounds refute 5 at most
BACK = 0.9  # of a radius that was too hard: lower / upper when time runs out is 0.86, with 0.8 0.80, with 0.95 0.71
HALF = 0.5  # proved / failed, below which the next radius is their geometric mean; above it BACK is the longer step
LEAST_STEP = 0.005  # of a radius: from there on, what was too hard goes on; with 0.02 a limit of nodes proves 2% less
INWARDS = 2.0 ** -np.arange(40, 0, -10)  # shares of s: the least that rounding up a sum of 784 terms asks for, and more
WAY = 1024  # points on the way to a counterexample: its size is found to a thousandth, in one forward pass of them all


class Radii:
    """Radii of a continuous norm."""

    def proves(self, radius: float) -> float:
        """If no s with `|s| <= radius` is adversarial, none has `|s| <` this."""
        return radius

    def asks(self, upper: float, gap: float) -> float:
        """The radius to refute so that the least distance is known within `gap`, when `upper` works."""
        return (1 - gap) * upper

    def reached(self, lower: float, upper: float, gap: float) -> bool:
        """Whether the interval is as narrow as `gap` asks."""
        return lower == upper or lower >= self.proves(self.asks(upper, gap))

    def retreat(self, proved: float, failed: float, failures: int = 1) -> float:
        """A radius to try after `failed` was too hard, when `proved` is proved; not above `proved`: none left.

        Far apart, at the geometric mean: each answer, a proof or another failure, halves the interval in logarithm.
        Nearer, a step back that doubles with every failure in a row; their mean after a proof, and at least.
        """
        if proved < HALF * failed:
            return float(np.sqrt(max(proved, LOWEST * failed)) * np.sqrt(failed))
        back = BACK ** 2.0 ** (failures - 1) if failures else 0.0
        radius = max(back * failed, (proved + failed) / 2)
        return radius if radius - proved > LEAST_STEP * radius else proved

    def ladder(self, upper: float) -> Array:
        """Radii below `upper`, falling, (m,), for a first look."""
        return upper * LOWEST ** (np.arange(1, RUNGS + 1) / RUNGS)

    def whole(self, radius: float) -> float:
        """`radius`, or the next one that makes sense."""
        return radius

    def between(self, low: float, high: float, share: float) -> float | None:
        """A radius between the two, or None where they are nearer than `share` of the larger."""
        return (low + high) / 2 if high - low > share * high else None

    def shorter(self, s: Array) -> Array:
        """Perturbations on the way to `s` (d,), the smallest first, (m, d)."""
        return np.arange(1, WAY)[:, None] / WAY * s


class PixelCounts(Radii):
    """Radii of L0: whole numbers of pixels."""

    def proves(self, radius: float) -> float:
        return radius + 1

    def asks(self, upper: float, gap: float) -> float:
        return float(np.ceil((1 - gap) * upper)) - 1

    def retreat(self, proved: float, failed: float, failures: int = 1) -> float:
        back = 2.0 ** (failures - 1) if failures else max((failed - proved) // 2, 1)
        return max(failed - back, min(proved + 1, failed - 1))

    def ladder(self, upper: float) -> Array:
        return np.arange(min(upper - 1, COUNTS), 0, -1)

    def whole(self, radius: float) -> float:
        return max(1.0, float(np.ceil(radius)))

    def between(self, low: float, high: float, share: float) -> float | None:
        return float((low + high) // 2) if high - low > 1 else None

    def shorter(self, s: Array) -> Array:
        """`s` with one pixel less, for each of its pixels."""
        pixels = np.flatnonzero(s)
        return s * (np.arange(len(s)) != pixels[:, None])


RADII: dict[str, Radii] = {"l0": PixelCounts(), "l1": Radii(), "l2": Radii(), "linf": Radii()}


def widest(ball: Ball, x: Array) -> float:
    """A radius > 0 at which S is the whole box, for one image `x` (1, d): the farthest corner's, rounded up."""
    down, up = ball.room(x)
    far = np.maximum(-down, up)
    far = np.where(far > 0, np.nextafter(far, np.inf), 0)  # the difference lo - x was rounded, by half an ulp at most
    return size(ball, far) or 1.0  # nothing can move: any radius


def refuted_whole(ball: Ball, x: Array) -> tuple[float, float]:
    """`(radius, lower)` once the whole ball about one `x` (1, d) is refuted; a finite radius in any case."""
    radius = float(np.max(ball.radius))
    return (widest(ball, x), np.inf) if np.isinf(radius) else (radius, RADII[ball.norm].proves(radius))


def size(ball: Ball, s: Array) -> float:
    """`|s|` of one `s` (1, d), rounded up: by gamma_n for a sum of n = d + 8 terms, and by eta, which a length below
    all normal numbers may have lost.  A count of pixels is exact."""
    length = float(ball.distance(s)[0])
    return length if ball.counts or not length else length * (1 + gamma_n(s.shape[-1] + 8)) + ETA


def inside(ball: Ball, x: Array, point: Array) -> bool:
    """Whether `point` is surely in the ball about `x`, its size rounded up, and in its box to the bit."""
    (lo, hi), s = ball.box, (point - x)[None]
    in_box = bool(((lo <= point) & (point <= hi)).all() and ball.contains(x[None], s)[0])
    return in_box and size(ball, s) <= ball.radius


def brought_inside(ball: Ball, x: Array, point: Array) -> Iterator[Array]:
    """`point`, and points on the way from it to `x`: those that are surely in the ball, the farthest from x first.

    An attack uses up the radius, and rounding may take it past that.
    """
    s = point - x
    for near in (point, *ball.apply(x, (1 - INWARDS[:, None]) * s)):
        if inside(ball, x, near):
            yield near


def in_words(norm: str, lower: float, upper: float) -> str:
    """The interval of a certified minimum in words, each end rounded outwards, exactly, to 6 digits.

    >>> in_words("l0", 5, 5), in_words("linf", 0.04955555, 0.05000001)
    ('between 5 and 5 pixels', 'between 0.0495555 and 0.0500001')
    >>> in_words("linf", 0.25, np.inf), in_words("l0", np.inf, np.inf)
    ('at least 0.25, none found', 'nothing works')
    """
    if lower == np.inf:
        return "nothing works"
    unit = " pixels" if norm == "l0" else ""
    low, high = _rounded(lower, ROUND_FLOOR), _rounded(upper, ROUND_CEILING)
    return f"at least {low}{unit}, none found" if upper == np.inf else f"between {low} and {high}{unit}"


def _rounded(value: float, direction: str) -> str:
    short = Context(prec=6, rounding=direction).create_decimal(Decimal(float(value))).normalize()
    return f"{short:f}" if -5 < short.adjusted() < 6 else f"{short:e}"  # written out where that takes few zeros
