"""The certified minimum: how small an adversarial perturbation can be, as an interval with a proof on one side.

    upper    the best attack, and any smaller counterexample that the proof comes across
    lower    a search (attacks/proofs/branch_and_bound.py) that refutes the radius which closes the gap, `upper - 1`
             pixels or `(1 - gap) upper`; if that takes long, a look at a ladder of radii with plain bounds and a search
             at an easier radius come in between, so that a time-out leaves an interval worth having
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from attacks.proofs.branch_and_bound import Search
from attacks.proofs.certificate import Certificate
from attacks.proofs.interval import Interval
from attacks.proofs.task import Limits, Task, check_callback
from attacks.result import Reason
from minigrad.mlp import MLP

SHARES = 0.15, 0.4, 0.8  # of the time left: for the first look at the goal, for an easier radius, for each turn after
LEAST_STEP = 0.005  # radii nearer than this share are not told apart


def certified_minimum(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    *,
    norm: str | None = None,
    gap: float | None = None,
    time_limit: float = 60.0,
    node_limit: int | None = None,
    mask: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    target: ArrayLike | None = None,
    on_image: Callable[[Certificate], None] | None = None,
) -> list[Certificate]:
    """How small an adversarial perturbation of each image can be: one Certificate an image.

    The claim: no adversarial s has |s| < lower; `x_adv` is adversarial at |s| <= upper.  A larger `time_limit` narrows
    the interval, and no limit makes it false.

    Parameters
    ----------
    net : MLP
        The proof reads its layers: ReLU (to any gap), Tanh or Sigmoid (an interval, without splits of neurons).
    x : (n, d) inside the box
    y : (n,) the images' classes
    norm : "l0", "l1", "l2" or "linf", required
    gap : float
        Stop at `lower >= (1 - gap) upper`.  Default 0 for "l0", 0.01 for the others, which take none below 1e-9.
    time_limit : float, seconds an image
        0: the attack's `upper`, and `lower` from plain bounds alone.
    node_limit : int, optional
        Nodes a search, for runs that must not depend on the clock.
    mask, box, target
        As in `attacks.saliency_map`.  Untargeted: no class but `y` wins; with a target: the target does not win.
    on_image : called with each certificate as it is done

    Raises
    ------
    ValueError
        No norm or an unknown one, a gap or limit that is negative or no number, `on_image` that is no function, a model
        that is no MLP, an activation without lines; images, labels, box or mask as in `saliency_map`.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> certified_minimum(net, x, [0], norm="l0")
    [Certificate(l0: between 1 and 1 pixels, proved, 0 nodes)]
    >>> (proof,) = certified_minimum(net, x, [0], norm="linf", gap=0.01)
    >>> 0.99 * 0.125 <= proof.lower <= 0.125 <= proof.upper <= 1.01 * 0.125
    True
    >>> proof.check(net)  # replays it, or says what is wrong
    """
    check_callback(on_image, "on_image")
    limits = Limits.from_options(norm, gap, time_limit, node_limit)
    task = Task.from_images(net, x, y, norm=str(norm), limits=limits, mask=mask, box=box, target=target)
    certificates = []
    for i in range(len(task.x)):
        certificates.append(solve(task, i))
        if on_image is not None:
            on_image(certificates[-1])
    return certificates


def solve(task: Task, i: int) -> Certificate:
    """The certificate of image `i`."""
    begun = time.perf_counter()
    known = Interval(task, i)
    attack, turns = known.upper, Turns(known, task.limits, begun + task.limits.time_limit)
    if task.start[i] > 0:
        known.lower = known.upper = 0.0
        known.x_adv, reason = known.x, Reason.MISCLASSIFIED
    elif task.start[i] == 0:
        known.lower, reason = 0.0, Reason.BOUNDARY
    else:
        reason = turns.close()
    return Certificate(
        norm=task.ball.norm,
        lower=float(known.lower),
        upper=float(known.upper),
        x=known.x,
        y=known.y,
        x_adv=known.x_adv,
        box=(np.asarray(known.ball.box[0]), np.asarray(known.ball.box[1])),
        mask=known.ball.mask,
        target=known.target,
        gap=task.limits.gap,
        optimal=bool(task.start[i] > 0) or known.reached(task.limits.gap),
        reason=reason,
        nodes=turns.nodes,
        seconds=time.perf_counter() - begun,
        attack=float(attack),
        network=task.network,
        radius=float(known.radius),
        tree=known.tree,
    )


class Turns:
    """Which radius of one image is asked about next, and for how long.

    The goal is the radius that closes the gap.  Turn 0 asks about it, turn 1 about an easier one if that was too hard,
    turn 2 goes on with the goal, every later turn asks about an easier radius than the last that was too hard.  Where
    the upper bound falls there is a new goal, and turn 0 again.
    """

    def __init__(self, known: Interval, limits: Limits, deadline: float) -> None:
        self.known, self.limits, self.deadline = known, limits, deadline
        self.goal: Search | None = None
        self.goal_radius, self.failed = np.nan, np.inf  # the smallest radius of this goal that was too hard
        self.turn, self.falls = 0, 0  # counterexamples in a row
        self.looked = False  # at the ladder
        self.nodes, self.reason = 0, Reason.TIME

    def close(self) -> Reason:
        """Go on until the interval is narrow enough, the time is over, or no radius is left that is worth a search."""
        known = self.known
        while not known.reached(self.limits.gap):
            self._aim()
            on_goal = self.turn == 0 or (self.turn == 2 and self.failed == self.goal_radius)
            now = time.perf_counter()
            if not self.looked and (not on_goal or now >= self.deadline):
                known.first_look()
                self.looked = True
                continue
            radius = self.goal_radius if on_goal else known.radii.retreat(known.radius, self.failed)
            too_near = radius - known.radius <= LEAST_STEP * radius
            if now >= self.deadline or (too_near and not on_goal):
                return self.reason
            search = self.goal if on_goal and self.goal is not None else Search(known.query(radius))
            self._ask(search, radius, now + SHARES[min(self.turn, 2)] * (self.deadline - now))
        return Reason.PROVED

    def _aim(self) -> None:
        """The goal of this turn: at first, and whenever the upper bound fell, a new one."""
        radius = self._goal() if np.isfinite(self.known.upper) else self.known.whole_box
        if radius != self.goal_radius:
            self.goal, self.goal_radius = Search(self.known.query(radius)), radius
            self.failed, self.turn = np.inf, 0

    def _goal(self) -> float:
        """The radius that closes the gap; from the third counterexample in a row on, a gap twice as wide each time.

        Else a small gap would have `upper` creep down to a minimum that the attack missed.
        """
        known, gap = self.known, self.limits.gap
        goal = known.radii.asks(known.upper, gap)
        if self.falls < 2 or known.ball.counts:
            return goal
        far = known.radii.asks(known.upper, min(gap * 2.0 ** (self.falls - 1), 0.5))
        return max(far, known.radii.retreat(known.radius, goal))

    def _ask(self, search: Search, radius: float, deadline: float) -> None:
        """One turn: search until the deadline, and take down what came out."""
        known, before = self.known, len(search.tree)
        answer = search.run(deadline, self.limits.node_limit)
        self.nodes += len(answer.tree) - (before if before > len(search.query.c) else 0)
        self.falls = self.falls + 1 if answer.counterexample is not None else 0
        if answer.counterexample is not None:
            known.found(known.shortened(answer.counterexample))
        elif answer.proved:
            known.refuted(radius, answer.tree)
            if radius >= known.whole_box:
                known.lower = np.inf
        else:
            self.failed = min(self.failed, radius)
            self.reason = answer.reason
        self.turn += 1
