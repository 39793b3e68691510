"""The search over the radii of one image: which radius is asked about next, and for how long.

    upper    the best attack, and any smaller counterexample that the search comes across
    lower    a search (attacks/proofs/branch_and_bound.py) that refutes the radius which closes the gap, `upper - 1`
             pixels or `(1 - gap) upper`.  If that takes long, or no time is left, the largest radius on a ladder that
             plain bounds refute is taken, whatever the time; searches at easier radii climb from there, at the
             geometric mean of what is proved and what was too hard, as long as these are far apart
"""

from __future__ import annotations

import time
from concurrent.futures import Executor

import numpy as np

from attacks.proofs.branch_and_bound import Search
from attacks.proofs.interval import Interval
from attacks.proofs.task import Limits, Task
from attacks.result import Reason

# Where time runs out (784-128-64-1, Linf, 2 s an image) lower / upper is 0.86 on average.  Half and double of any of
# these leave it between 0.84 and 0.89, about what two runs differ by.
SHARES = 0.15, 0.4, 0.8  # of the time left: for the first look at the goal, for an easier radius, for each turn after
CLIMB = 0.25  # of the time left, for a radius in between where what is proved is far below
AGAIN = 0.1  # of the time left, for longer attacks once a search was too hard
NEAR = 0.8  # proved / failed from which the goal is worth the rest of the time


def narrowed(task: Task, i: int, executor: Executor | None = None) -> Turns:
    """Image `i` after all its turns: its interval, as narrow as the limits allow."""
    deadline = time.perf_counter() + task.limits.time_limit  # the attack counts, if this is the first image
    turns = Turns(Interval(task, i), task.limits, deadline, executor)
    known, start = turns.known, task.start[i]
    if known.wrong:
        known.lower = known.upper = 0.0
        known.x_adv, turns.reason = known.x, Reason.MISCLASSIFIED
    elif start >= 0:  # 0, or above it by no more than rounding
        known.lower, turns.reason = 0.0, Reason.BOUNDARY
    elif known.ball.counts and not known.safe:  # not even 0 pixels are refuted
        turns.reason = Reason.TIE
    else:
        turns.run()
    return turns


class Turns:
    """Which radius of one image is asked about next, and for how long.

    The goal is the radius that closes the gap.  Turn 0 asks about it, the next about easier ones if that was too hard,
    until what is proved is near; then one goes on with the goal, and every later turn asks about an easier radius than
    the smallest that was too hard.  Once no radius is left between that and what is proved, that search goes on.  Where
    the upper bound falls there is a new goal, and turn 0 again.

    Attributes
    ----------
    known : Interval
    nodes : int
        Of all searches so far.
    reason : Reason
        Why the interval is no narrower, or PROVED.
    """

    def __init__(self, known: Interval, limits: Limits, deadline: float, executor: Executor | None = None) -> None:
        self.known, self.limits, self.deadline, self.executor = known, limits, deadline, executor
        self.goal_radius, self.too_hard, self.failures = np.nan, list[float](), 0  # failures in a row
        self.open = dict[float, Search]()  # of the goal and of `failed`, to go on with
        self.turn, self.falls = 0, 0  # counterexamples in a row
        self.again = False  # whether the goal was gone on with
        self.looked = False  # at the ladder
        self.attacked = False  # again, with more effort
        self.nodes, self.reason = 0, Reason.TIME

    @property
    def failed(self) -> float:
        """The smallest radius that was too hard and is not proved since; before any was, the goal."""
        return min((r for r in self.too_hard if r > self.known.radius), default=self.goal_radius)

    def run(self) -> None:
        """Go on until the interval is narrow enough, the time is over, or no radius is left that is worth a search."""
        known = self.known
        while not known.reached(self.limits.gap):
            self._aim()
            near = known.radius >= NEAR * self.failed
            next_is_goal = (near or known.ball.counts) and self.failed == self.goal_radius
            again = not self.again and self.turn >= 2 and next_is_goal
            on_goal, now = self.turn == 0 or again, time.perf_counter()
            if not self.looked and (not on_goal or now >= self.deadline):
                known.first_look()
                self.looked = True
                continue
            self.again = self.again or again
            radius = self.goal_radius if on_goal else known.radii.retreat(known.radius, self.failed, self.failures)
            share = SHARES[min(self.turn, 2)] if near or on_goal else CLIMB
            if radius <= known.radius and not on_goal:  # no easier one is left
                radius, share = self.failed, 1.0
            if now >= self.deadline or (share == 1 and self.reason != Reason.TIME):
                return
            self._ask(radius, now + share * (self.deadline - now))
        self.reason = Reason.PROVED

    def _aim(self) -> None:
        """The goal of this turn: at first, and whenever the upper bound fell, a new one."""
        known, gap = self.known, self.limits.gap
        radius = self._goal() if np.isfinite(known.upper) else known.whole_box
        # upper fell by so little that the old goal, which is well below it, closes the gap as well
        enough = radius <= self.goal_radius <= known.radii.asks(known.upper, gap / 2)
        if radius != self.goal_radius and not enough:
            self.goal_radius, self.too_hard, self.open = radius, [], {}
            self.failures, self.turn, self.again = 0, 0, False

    def _goal(self) -> float:
        """The radius that closes the gap; from the third counterexample in a row on, a gap twice as wide each time.

        Else a small gap would have `upper` creep down to a minimum that the attack missed.
        """
        known, gap = self.known, self.limits.gap
        goal = known.radii.asks(known.upper, gap)
        if self.falls < 2 or known.ball.counts:
            return goal
        far = known.radii.asks(known.upper, min(gap * 2.0 ** min(self.falls - 1, 60), 0.5))
        return max(far, known.radii.retreat(known.radius, goal))

    def _ask(self, radius: float, deadline: float) -> None:
        """One turn: search until the deadline, and take down what came out."""
        known = self.known
        search = self.open.get(radius) or Search(known.query(radius), executor=self.executor)
        before = len(search.tree)
        answer = search.run(deadline, self.limits.node_limit)
        self.nodes += len(answer.tree) - (before if before > search.tree.roots else 0)
        upper = known.upper
        if answer.counterexample is not None:
            known.found(answer.counterexample)
            known.found(known.shortened(answer.counterexample))
        self.falls = self.falls + 1 if known.upper < upper else 0
        if answer.proved:
            known.refuted(radius, answer.tree)
            self.failures = 0
            if radius >= known.whole_box:
                known.lower = np.inf
        elif not self.falls:
            self.failures += 1
            self.too_hard.append(radius)
            self.open[radius] = search
            self.open = {r: s for r, s in self.open.items() if r in (self.goal_radius, self.failed)}
            # a counterexample no nearer than the last: the gap asked for is less than rounding at this radius
            self.reason = Reason.TIE if answer.counterexample is not None else answer.reason
            if not self.attacked:
                self.attacked = True
                known.attack_again(AGAIN * (self.deadline - time.perf_counter()))
        self.turn += 1
