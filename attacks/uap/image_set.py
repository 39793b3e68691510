"""A set X of images that share one s: where s may be, what it does to each of them, and the best s seen so far.

Two conventions.  With "clip" each image clips in its own box, `clip(x_i + s, lo, hi)`, so s may be anything that makes
a difference to one of them.  With "inside" every `x_i + s` is in the box by itself: the box of s is the intersection
of the images' boxes, max_i (lo - x_i) <= s <= min_i (hi - x_i), and s moves all images alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball
from attacks.images import Levels, blocks, to_8bit
from attacks.problem import Problem
from minigrad.inputs import Array
from minigrad.model import Model

CONVENTIONS = "clip", "inside"


@dataclass(eq=False)
class ImageSet:
    """n images, the set S of perturbations, and the best s so far.

    Attributes
    ----------
    problem : Problem
    inside : bool
        Whether the convention is "inside".
    free : Ball
        S itself: the ball about s = 0, with the box of the convention.
    parent : ImageSet, optional
        Where these images are all to become one class: the set without that aim, on which every s is measured, too.
    best : (d,)
        The s that fools most images; among equals, the one with the largest worst margin.
    history : list of float
        The rate of every s measured, in order, s = 0 first.
    worst : float
        The smallest margin of an image at `best`.
    """

    problem: Problem
    inside: bool
    free: Ball
    parent: ImageSet | None = None
    best: Array = field(init=False)
    history: list[float] = field(init=False, default_factory=list)
    worst: float = field(init=False, default=-np.inf)

    def __post_init__(self) -> None:
        self.best = np.zeros(self.problem.x.shape[1])
        self.measure(self.best)

    @classmethod
    def from_images(
        cls,
        net: Model,
        x: ArrayLike,
        y: ArrayLike,
        ball: Ball,
        target: ArrayLike | None = None,
        convention: str = "clip",
        mixed: bool = False,
        levels: Levels | None = None,
    ) -> ImageSet:
        """Check everything before any work.  Raises ValueError with one sentence."""
        if convention not in CONVENTIONS:
            raise ValueError(f'convention: expected "clip" or "inside", got {convention!r}')
        if not isinstance(mixed, bool | np.bool_):
            raise ValueError(f"mixed: expected True or False, got {mixed!r}")
        problem = Problem.from_images(net, x, y, ball, target, levels)
        if np.ndim(ball.radius) or (ball.mask is not None and np.ndim(ball.mask) > 1):
            shapes = np.shape(ball.radius), np.shape(ball.mask)
            raise ValueError(f"ball: one s for all images needs one radius and one mask, got shapes {shapes}")
        classes = np.unique(problem.margin.y)
        if mixed and len(classes) < 2:
            raise ValueError(f"y: expected images of at least two classes in a mixed set, got only class {classes[0]}")
        lowest, highest = (np.max, np.min) if convention == "inside" else (np.min, np.max)
        (lo, hi), x = ball.box, problem.x
        free = replace(ball, box=(lowest(lo - x, axis=0), highest(hi - x, axis=0)))  # (d,) each
        return cls(problem, convention == "inside", free)

    def targeted(self) -> list[ImageSet]:
        """For each class these images, all to become that one (`Problem.targeted`); this set is their parent."""
        return [ImageSet(problem, self.inside, self.free, self) for problem in self.problem.targeted()]

    @property
    def open_rows(self) -> Array:
        """The images to fool: those not misclassified already."""
        return self.problem.open_rows

    @property
    def done(self) -> bool:
        """Whether some s fools them all (or all of the parent), or there are none to fool."""
        parent_done = self.parent is not None and self.parent.done
        return parent_done or not len(self.open_rows) or max(self.history) == 1

    def points(self, s: Array, rows: Array) -> Array:
        """`clip(x + s)` of the images `rows`, (r, d)."""
        return self.problem.ball.take(rows, len(self.problem.x)).apply(self.problem.x[rows], s)

    def measure(self, s: Array) -> float:
        """The share that `s` fools, in the eyes of the parent if there is one; the best s is kept, here and there."""
        if not len(self.open_rows):
            return float("nan")
        margin = self.problem.margin
        m = np.concatenate([margin.take(some).value(self.points(s, some)) for some in blocks(self.open_rows)])
        rate, worst = float(np.mean(m > 0)), float(m.min())
        if not self.history or (rate, worst) > (max(self.history), self.worst):
            self.best, self.worst = s, worst
        self.history.append(rate)
        return rate if self.parent is None else self.parent.measure(s)

    def slopes(self, s: Array, rows: Array) -> tuple[Array, Array, Array]:
        """Margins (r,) of the images `rows` at clip(x + s), their gradients (r, d), and those by s: 0 where clipped."""
        x, now = self.problem.x[rows], self.points(s, rows)  # (r, d) each
        m, g = self.problem.margin.take(rows).value_and_gradient(now)
        return m, g, g * (now == x + s)

    def oracle(
        self, A: Array, x: Array, rows: Array, radius: float | None = None, outside: Array | None = None
    ) -> Array:
        """The linear maximisation oracle: an s (d,) in S that maximises  sum_i A_i . delta_i(s).

        A, x (r, d) are the weights of the images `rows`, and where they now are; delta_i(s) is how far image i moves
        from there, taken as s itself where the maximum over what clipping leaves has no closed form.  `radius` is that
        of S unless given; the pixels `outside` stay put.
        """

        def part(ball: Ball) -> Ball:
            return (ball if radius is None else ball.with_radius(radius)).restrict(outside=outside)

        if not self.inside:
            joint = part(self.problem.ball.take(rows, len(self.problem.x))).maximize_jointly(x, A)
            if joint is not None:
                return joint[0]
        return part(self.free).maximize(np.zeros(x.shape[1]), A.sum(axis=0))


def fooled(problem: Problem, s: Array) -> tuple[Array, Array | None]:
    """Which images `clip(x + s)` flips, in floats and in bytes, (n,) bool each; False if misclassified already.

    In bytes None where the levels are not known.
    """
    tried, levels = problem.start <= 0, problem.levels  # (n,) bool
    plain, in_bytes = tried.copy(), tried.copy()
    for rows in blocks(np.flatnonzero(tried)):
        x, margin = problem.x[rows], problem.margin.take(rows)
        x_adv = problem.ball.take(rows, len(tried)).apply(x, s)  # (rows, d)
        plain[rows] = margin.value(x_adv) > 0
        if levels is not None:
            in_bytes[rows] = margin.value(np.where(s == 0, x, to_8bit(x_adv, levels))) > 0
    return plain, None if levels is None else in_bytes
