"""A set of images that share one s: where s may be, what it does to all of them, and the best one seen.

Two conventions.  With "clip" every image answers s in its own box, `clip(x_i + s, lo, hi)`, so s may be anything that
can matter to one of them.  With "inside" every `x_i + s` is in the box by itself: the box of s is the intersection of
the images' boxes, max_i (lo - x_i) <= s <= min_i (hi - x_i), and s acts on all images alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import Ball
from attacks.result import Problem, blocks, to_8bit
from minigrad.inputs import Array
from minigrad.model import Model

CONVENTIONS = "clip", "inside"


@dataclass(eq=False)
class Crowd:
    """n images, the set of s, and the best s so far.

    Attributes
    ----------
    problem : Problem
    inside : bool
        The convention.
    free : Ball
        Where s itself lives: the ball about s = 0, with the box of the convention.
    best : (d,)
        The s that fools most images; among equals, the one with the largest worst margin.
    history : the rate of every s measured
    judge : Crowd, optional
        The crowd that this one was aimed from: every s measured here is measured there, too.
    """

    problem: Problem
    inside: bool
    free: Ball
    best: Array
    history: list[float] = field(default_factory=list)
    worst: float = -np.inf
    judge: Crowd | None = None

    @classmethod
    def of(
        cls,
        net: Model,
        x: ArrayLike,
        y: ArrayLike,
        ball: Ball,
        target: ArrayLike | None = None,
        convention: str = "clip",
        mixed: bool = False,
    ) -> Crowd:
        """Check everything before any work.  Raises ValueError with one sentence."""
        if convention not in CONVENTIONS:
            raise ValueError(f'convention: expected "clip" or "inside", got {convention!r}')
        problem = Problem.of(net, x, y, ball, target)
        if np.ndim(ball.radius) or (ball.mask is not None and np.ndim(ball.mask) > 1):
            shapes = np.shape(ball.radius), np.shape(ball.mask)
            raise ValueError(f"ball: one s for all images needs one radius and one mask, got shapes {shapes}")
        classes = np.unique(problem.margin.y)
        if mixed and len(classes) < 2:
            raise ValueError(f"y: expected images of at least two classes in a mixed set, got only class {classes[0]}")
        lowest, highest = (np.max, np.min) if convention == "inside" else (np.min, np.max)
        down, up = [], []  # (d,) a block, whatever the mask
        for rows in blocks(np.arange(len(problem.x))):
            lo, hi = ball.rows(rows, len(problem.x)).box
            down.append(lowest(lo - problem.x[rows], axis=0))
            up.append(highest(hi - problem.x[rows], axis=0))
        free = replace(ball, box=(lowest(down, axis=0), highest(up, axis=0)))  # (d,) each: where s may go
        crowd = cls(problem, convention == "inside", free, np.zeros(problem.x.shape[1]))
        crowd.measure(crowd.best)
        return crowd

    def aimed(self) -> list[Crowd]:
        """The same images, all to become one class, for each class (`Problem.aimed`); judged by this crowd."""
        crowds = []
        for problem in self.problem.aimed():
            crowd = replace(self, problem=problem, best=np.zeros_like(self.best), history=[], worst=-np.inf, judge=self)
            crowd.measure(crowd.best)
            crowds.append(crowd)
        return crowds

    @property
    def rows(self) -> Array:
        """The images to fool: those not misclassified already."""
        return self.problem.open

    @property
    def done(self) -> bool:
        """Whether the best s fools them all, or there are none; of an aimed crowd, or whether its judge is content."""
        content = self.judge is not None and self.judge.done
        return content or not len(self.rows) or max(self.history) == 1

    def points(self, s: Array, rows: Array) -> Array:
        """`clip(x + s)` of the images `rows`."""
        return self.problem.ball.rows(rows, len(self.problem.x)).apply(self.problem.x[rows], s)

    def measure(self, s: Array) -> float:
        """The share that `s` fools (in the judge's eyes, if there is one); it is kept if it is the best."""
        if not len(self.rows):
            return float("nan")
        margin = self.problem.margin
        m = np.concatenate([margin.rows(some).value(self.points(s, some)) for some in blocks(self.rows)])  # (rows,)
        rate, worst = float(np.mean(m > 0)), float(m.min())
        if not self.history or (rate, worst) > (max(self.history), self.worst):
            self.best, self.worst = s, worst
        self.history.append(rate)
        return rate if self.judge is None else self.judge.measure(s)

    def slopes(self, s: Array, rows: Array) -> tuple[Array, Array, Array]:
        """Margins (r,) of the images `rows` wearing s, their gradients (r, d), and those by s: 0 where clipped."""
        x, now = self.problem.x[rows], self.points(s, rows)  # (r, d) each
        m, g = self.problem.margin.rows(rows).value_and_gradient(now)
        return m, g, g * (now == x + s)

    def oracle(
        self, A: Array, x: Array, rows: Array, radius: Any = None, outside: Array | None = None
    ) -> Array:
        """The s that maximises  sum_i A_i . delta_i(s),  delta_i how image `rows[i]`, now at `x[i]`, answers s.

        Another radius, and pixels to leave out, on request.
        """
        own = self.problem.ball.rows(rows, len(self.problem.x))
        together, ball = (False, self.free) if self.inside else (True, own)
        part = (ball if radius is None else ball.with_radius(radius)).restrict(None, outside)
        answer = part.together(x, A) if together else None
        if answer is not None:
            return answer[0]
        part = (self.free if radius is None else self.free.with_radius(radius)).restrict(None, outside)
        return part.maximize(np.zeros(x.shape[1]), A.sum(axis=0))


def fooled(problem: Problem, s: Array) -> tuple[Array, Array]:
    """Which images `clip(x + s)` flips, in floats and in bytes, (n,) bool each; False if misclassified already."""
    tried = problem.start <= 0  # (n,) bool
    plain, in_bytes = tried.copy(), tried.copy()
    for rows in blocks(np.flatnonzero(tried)):
        x, margin = problem.x[rows], problem.margin.rows(rows)
        x_adv = problem.ball.rows(rows, len(tried)).apply(x, s)  # (rows, d)
        plain[rows] = margin.value(x_adv) > 0
        in_bytes[rows] = margin.value(np.where(s == 0, x, to_8bit(x_adv))) > 0
    return plain, in_bytes
