"""What is known of one image's minimum so far: the interval, the counterexample above it, the tree below it.

    upper    |x_adv - x|, rounded up, of the smallest counterexample seen
    lower    what the largest refuted radius proves

Whoever finds a smaller counterexample or refutes a larger radius tells it here; each end moves only inwards.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from attacks.problem import Problem
from attacks.proofs.plain_look import plainly_refuted
from attacks.proofs.query import Query
from attacks.proofs.radii import RADII, size, widest
from attacks.proofs.task import Task
from attacks.proofs.tree import Tree
from attacks.refine.descent import rounds, walked
from minigrad.inputs import Array

SHORTEN = 3  # rounds in which a counterexample is drawn towards x (L0: a pixel each); 1 and 6 need as many searches
POLISH = 40  # steps from a counterexample of the search; `smallest_eps` takes 80 from a point that is farther away
LOOK = 4  # radii of the ladder at first, then twice as many each time: good attacks leave 1 to 4 to look at
PUSHES = 2.0 ** np.arange(-44, -9)  # shares by which s is lengthened: from what a long sum errs by to a thousandth


class Interval:
    """Image `i` of a task.

    Attributes
    ----------
    x : (d,)
    y : int
    target : int or None
    ball : Ball
    upper, lower : float
    attack : float
        The upper end as the attack alone left it.
    x_adv : (d,) or None
    radius : float
        The largest that is refuted; 0 if none is.
    tree : Tree
        Of the search that refuted it.
    history : list of (seconds, lower, upper)
        What was known when: one entry at the beginning, and one whenever an end moved.
    """

    def __init__(self, task: Task, i: int) -> None:
        self.task, self.image, self.net, self.radii = task, i, task.net, RADII[task.ball.norm]
        self.x, self.y = task.x[i].copy(), int(task.y[i])  # a certificate outlives the caller's images
        self.target = None if task.target is None else int(task.target[i])
        self.ball = task.ball.take(i, len(task.x))
        self.x_adv: Array | None = None
        itself = self.query(1)
        self.wrong = bool(itself.adversarial(self.x[None])[0])  # x itself is adversarial, beyond rounding
        self.safe = bool(itself.safe(self.x[None])[0])  # it is not: with L0 that proves 1
        self.upper, self.lower, self.radius, self.tree = np.inf, self.radii.proves(0) * self.safe, 0.0, Tree(1)
        self.begun, self.history = time.perf_counter(), list[tuple[float, float, float]]()
        self.record()
        if task.attack.success[i]:
            self.found(task.attack.x_adv[i])
        self.attack = self.upper

    @property
    def whole_box(self) -> float:
        """A radius at which the set is the whole box."""
        return widest(self.ball, self.x[None])

    def query(self, radius: Any) -> Query:
        """Whether there is a counterexample within `radius`."""
        return Query.from_image(self.net, self.x, self.y, self.ball.with_radius(radius), self.target)

    def reached(self, gap: float) -> bool:
        """Whether the interval is as narrow as `gap` asks."""
        return self.radii.reached(self.lower, self.upper, gap)

    def found(self, point: Array) -> None:
        """Take `point` (d,) as the upper bound, moved on a little if it is adversarial by less than rounding."""
        s = point - self.x
        points = self.ball.apply(self.x, s + np.append(0.0, PUSHES)[:, None] * s)
        query = self.query(1)
        for point in points[query.adversarial(points)]:
            if query.adversarial(point[None])[0]:  # alone, as whoever checks it will: a batch differs in its last bits
                upper = size(self.ball, (point - self.x)[None])
                if upper < self.upper:
                    self.upper, self.x_adv = upper, point
                    self.record()
                return

    def attack_again(self, seconds: float) -> None:
        """Take what longer attacks find in `seconds`."""
        for point in self.task.attacked_again(self.image, seconds):
            self.found(point)

    def shortened(self, point: Array) -> Array:
        """A counterexample on the way from x to `point`, as near as a few rounds of candidates bring it.

        Where distances are continuous it then goes downhill like any try of `smallest_eps` (attacks/refine/descent.py).
        """
        query = self.query(1)
        if not self.ball.counts:
            point = self._polished(point)
        for _ in range(SHORTEN):
            points = self.ball.apply(self.x, self.radii.shorter(point - self.x))
            works = np.flatnonzero(query.adversarial(points))
            if not len(works):
                break
            point = points[works[0]]
        return point

    def _polished(self, point: Array) -> Array:
        """The nearest adversarial point that a descent from `point` comes to, or `point`."""
        target = None if self.target is None else [self.target]
        problem = Problem.from_images(self.net, self.x[None], [self.y], self.ball, target)
        tries = walked(problem, np.zeros(1, int), (point - self.x)[None])
        best = rounds(problem, tries, POLISH, 1)
        return self.ball.apply(self.x[None], best.s)[0] if np.isfinite(best.radius).any() else point

    def refuted(self, radius: float, tree: Tree) -> None:
        """Take what a refuted radius proves as the lower bound, if it is more than is known."""
        if self.radii.proves(radius) > self.lower:
            self.lower, self.radius, self.tree = self.radii.proves(radius), radius, tree
            self.record()

    def first_look(self) -> None:
        """The largest radius on a ladder that plain bounds refute, from above, a few radii at a time."""
        radii, few = self.radii.ladder(self.upper if np.isfinite(self.upper) else self.whole_box), LOOK
        while len(radii):
            some, radii, few = radii[:few], radii[few:], 2 * few
            query = self.query(some)
            for radius in some[plainly_refuted(query)]:
                if plainly_refuted(self.query(float(radius)))[0]:  # alone, as whoever replays it will look at it
                    self.refuted(float(radius), Tree(1 if query.shares_tree else len(query.c)))
                    return

    def record(self) -> None:
        """Note the interval as it is now, with the time."""
        self.history.append((time.perf_counter() - self.begun, self.lower, self.upper))

