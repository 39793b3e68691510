"""The certified minimum: how small an adversarial perturbation can be, as an interval with a proof on one side.

    upper    the best attack, and any smaller witness that the proof comes across
    lower    a search (attacks/search.py) that refutes the radius which closes the gap, `upper - 1` pixels or
             `(1 - gap) upper`; if that takes long, a look at a ladder of radii with plain bounds and a search at an
             easier radius come in between, so that a time-out leaves an interval worth having
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import BALLS, Ball
from attacks.certificate import Certificate, fingerprint, reached, size
from attacks.nodes import Question, Tree
from attacks.result import MISCLASSIFIED, AttackResult
from attacks.saliency import saliency_map
from attacks.search import PROVED, TIME, Search
from attacks.sign_gradient import smallest_eps
from minigrad.bounds import intervals, upper_bound
from minigrad.inputs import Array, as_images
from minigrad.margin import Margin
from minigrad.mlp import MLP, check_layers
from minigrad.relax import lines

SHARES = 0.15, 0.4, 0.8  # of the time left: for the first look at the goal, for an easier radius, for each turn after
LEAST_STEP = 0.005  # radii nearer than this share are not told apart
SHORTEN = 3
BOUNDARY = "on the boundary"
LEAST_GAP = 1e-9


def certified_minimum(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    norm: str = "l0",
    gap: float | None = None,
    time_limit: float = 60.0,
    node_limit: int | None = None,
    mask: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    target: ArrayLike | None = None,
    *,
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
    norm : "l0", "l1", "l2" or "linf"
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
        An unknown norm, a gap or limit that is negative or no number, `on_image` that is no function, a model that is
        no MLP, an activation without lines; images, labels, box or mask as in `saliency_map`.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> certified_minimum(net, x, [0])
    [Certificate(l0, [1, 1], proved, 0 nodes)]
    >>> (proof,) = certified_minimum(net, x, [0], "linf", gap=0.01)
    >>> 0.99 * 0.125 <= proof.lower <= 0.125 <= proof.upper <= 1.01 * 0.125
    True
    >>> proof.check(net)  # replays it, or says what is wrong
    """
    check_callback(on_image, "on_image")
    task = Task.of(net, x, y, norm, gap, time_limit, node_limit, mask, box, target)
    certificates = []
    for i in range(len(task.x)):
        certificates.append(task.solve(i))
        if on_image is not None:
            on_image(certificates[-1])
    return certificates


@dataclass(frozen=True, eq=False)
class Task:
    """The checked input, n images with their margins `start` (n,)."""

    net: MLP
    x: Array
    y: Array
    ball: Ball
    gap: float
    time_limit: float
    node_limit: float
    target: Array | None
    start: Array
    network: str

    @classmethod
    def of(
        cls,
        net: MLP,
        x: ArrayLike,
        y: ArrayLike,
        norm: str = "l0",
        gap: float | None = None,
        time_limit: float = 60.0,
        node_limit: int | None = None,
        mask: ArrayLike | None = None,
        box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
        target: ArrayLike | None = None,
    ) -> Task:
        """Check everything before any work.  Arguments as in `certified_minimum`."""
        check_layers(net)
        gap, time_limit, nodes = checked_limits(norm, gap, time_limit, node_limit)
        for layer in net.layers[1::2]:
            lines(layer, np.zeros(1), np.zeros(1))  # refuses what has none
        x = as_images(x, net.sizes[0])
        ball = BALLS[norm](1, box=box, mask=mask)
        ball.check(x)
        margin = Margin.of(net, x, y, target)
        start, network = margin.value(x), fingerprint(net)
        return cls(net, x, margin.y, ball, gap, time_limit, nodes, margin.target, start, network)

    @cached_property
    def attack(self) -> AttackResult:
        """What the best attack finds, for all images."""
        how = {"target": self.target, "box": self.ball.box, "mask": self.ball.mask}
        if self.ball.norm == "l0":
            return saliency_map(self.net, self.x, self.y, **how)
        return smallest_eps(self.net, self.x, self.y, norm=self.ball.norm, **how)

    def limited(self, gap: float, time_limit: float) -> Task:
        """The same task, its attack included, with another gap and time limit."""
        part = replace(self, gap=gap, time_limit=time_limit)
        part.__dict__["attack"] = self.attack  # where cached_property keeps it
        return part

    def solve(self, i: int) -> Certificate:
        """The certificate of image `i`."""
        return _Image(self, i).solve()


class _Image:
    """One image on its way to a certificate: the interval so far, and what proves it."""

    def __init__(self, task: Task, i: int) -> None:
        self.task, self.kind = task, type(task.ball)
        self.x, self.y = task.x[i], int(task.y[i])
        self.target = None if task.target is None else int(task.target[i])
        self.ball = task.ball.rows(np.array([i]), len(task.x)).of_one_image()
        self.start = float(task.start[i])
        self.begun = time.perf_counter()
        self.deadline = self.begun + task.time_limit
        self.x_adv: Array | None = None
        self.upper, self.lower, self.radius = np.inf, self.kind.proves(0), 0.0
        self.tree, self.nodes, self.reason = Tree(1), 0, ""
        if task.attack.success[i]:
            self._witness(task.attack.x_adv[i])
        self.attack = self.upper

    def solve(self) -> Certificate:
        if self.start > 0:
            self.lower = self.upper = 0.0
            self.x_adv, self.reason = self.x, MISCLASSIFIED
        elif self.start == 0:
            self.lower, self.reason = 0.0, BOUNDARY
        else:
            self._close_the_gap()
        return self._certificate()

    def question(self, radius: Any) -> Question:
        return Question.of(self.task.net, self.x, self.y, self.ball.with_radius(radius), self.target)

    def _witness(self, point: Array) -> None:
        """Take `point` (d,) as the upper bound, moved on a little if it is adversarial by less than rounding."""
        question = self.question(1)
        s = point - self.x
        push = np.concatenate([[0.0], 2.0 ** np.arange(-44, -9)])  # shares by which s is lengthened
        points = self.ball.apply(self.x, s + push[:, None] * s)
        works = question.adversarial(points)
        if not works.any():
            return
        point = points[np.argmax(works)]
        upper = size(self.ball, (point - self.x)[None])
        if upper < self.upper:
            self.upper, self.x_adv = upper, point

    def _first_look(self) -> None:
        """The largest radius on a ladder that plain bounds refute, all radii at once."""
        radii = self.kind.ladder(self.upper if np.isfinite(self.upper) else self.ball.widest(self.x[None]))
        if not len(radii):
            return
        question = self.question(radii)
        x = np.repeat(question.x, len(radii), axis=0)
        known = intervals(self.task.net, x, question.ball)
        bound = upper_bound(known, np.broadcast_to(question.c, (len(x), *question.c.shape)))  # (n, rivals)
        refuted = bound.min(axis=1) < 0 if question.joint is not None else bound.max(axis=1) < 0
        if refuted.any():
            self._refuted(float(radii[refuted].max()), Tree(len(question.c)))

    def _refuted(self, radius: float, tree: Tree) -> None:
        if self.kind.proves(radius) > self.lower:
            self.lower, self.radius, self.tree = self.kind.proves(radius), radius, tree

    def _close_the_gap(self) -> None:
        """Refute the radius that closes the gap; if that takes long, an easier one first, then go on with it."""
        looked = False
        widest = self.ball.widest(self.x[None])
        goal, goal_radius, failed, turn, falls = None, np.nan, np.inf, 0, 0
        while not reached(self.task.ball.norm, self.lower, self.upper, self.task.gap):
            radius = self._goal(falls) if np.isfinite(self.upper) else widest
            if radius != goal_radius:  # at first, and when the upper bound fell
                goal, goal_radius, failed, turn = Search(self.question(radius)), radius, np.inf, 0
            on_goal = turn == 0 or (turn == 2 and failed == goal_radius)
            if not looked and (not on_goal or time.perf_counter() >= self.deadline):
                self._first_look()
                looked = True
                continue
            if not on_goal:
                radius = self.kind.retreat(self.radius, failed)
            now, too_near = time.perf_counter(), radius - self.radius <= LEAST_STEP * radius
            if now >= self.deadline or (too_near and not on_goal):
                self.reason = self.reason or TIME
                return
            search = goal if on_goal and goal is not None else Search(self.question(radius))
            before = len(search.tree)
            answer = search.run(now + SHARES[min(turn, 2)] * (self.deadline - now), self.task.node_limit)
            self.nodes += len(answer.tree) - (before if before > len(search.question.c) else 0)
            falls = falls + 1 if answer.witness is not None else 0
            if answer.witness is not None:
                self._witness(self._shorten(answer.witness))
            elif answer.proved:
                self._refuted(radius, answer.tree)
                if radius >= widest:
                    self.lower = np.inf
            else:
                failed = min(failed, radius)
                self.reason = answer.reason
            turn += 1
        self.reason = PROVED

    def _goal(self, falls: int) -> float:
        """The radius that closes the gap; from the third witness in a row on a smaller one, each time twice as far off.

        Else a small gap would have `upper` creep down to a minimum that the attack missed.
        """
        goal = self.kind.asks(self.upper, self.task.gap)
        if falls < 2 or self.ball.norm == "l0":
            return goal
        far = self.kind.asks(self.upper, min(self.task.gap * 2.0 ** (falls - 1), 0.5))
        return max(far, self.kind.retreat(self.radius, goal))

    def _shorten(self, point: Array) -> Array:
        """A witness on the way from x to `point`, as near as a few rounds of candidates bring it."""
        question = self.question(1)
        for _ in range(SHORTEN):
            points = self.ball.apply(self.x, self.ball.shorter(point - self.x))
            works = np.flatnonzero(question.adversarial(points))
            if not len(works):
                break
            point = points[works[0]]
        return point

    def _certificate(self) -> Certificate:
        task = self.task
        return Certificate(
            norm=task.ball.norm,
            lower=float(self.lower),
            upper=float(self.upper),
            x=self.x,
            y=self.y,
            x_adv=self.x_adv,
            box=(np.asarray(self.ball.box[0]), np.asarray(self.ball.box[1])),
            mask=self.ball.mask,
            target=self.target,
            gap=task.gap,
            optimal=self.start > 0 or reached(task.ball.norm, self.lower, self.upper, task.gap),
            reason=self.reason,
            nodes=self.nodes,
            seconds=time.perf_counter() - self.begun,
            attack=float(self.attack),
            network=task.network,
            radius=float(self.radius),
            tree=self.tree,
        )


def checked_limits(
    norm: Any, gap: Any = None, time_limit: Any = 60.0, node_limit: Any = None
) -> tuple[float, float, float]:
    """Gap, time limit and node limit as numbers, the defaults of `norm` filled in, or ValueError."""
    if not isinstance(norm, str) or norm not in BALLS:
        raise ValueError(f"norm: expected one of {', '.join(BALLS)}, got {norm!r}")
    least, usual = (0.0, 0.0) if norm == "l0" else (LEAST_GAP, 0.01)
    gap = usual if gap is None else _number(gap, "gap", least)
    if gap >= 1:
        raise ValueError(f"gap: expected a number below 1, got {gap}")
    time_limit = _number(time_limit, "time_limit", 0.0)
    return gap, time_limit, np.inf if node_limit is None else _number(node_limit, "node_limit", 0.0)


def check_callback(value: Any, name: str) -> None:
    """Raise ValueError unless `value` is None or can be called."""
    if value is not None and not callable(value):
        raise ValueError(f"{name}: expected a function, got {type(value).__name__}")


def _number(value: Any, name: str, least: float) -> float:
    """`value` as a float of at least `least`, or ValueError."""
    if np.ndim(value) or np.asarray(value).dtype.kind not in "iuf" or not value >= least:
        raise ValueError(f"{name}: expected a number of at least {least:g}, got {value!r}")
    return float(value)
