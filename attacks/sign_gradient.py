"""Small changes, as many pixels as wanted: one step along the sign of the gradient, and many steps.

The linearised network.  m(x + s) = m + g . s with g = dm/dx, and a perturbation of radius r earns at most h_S(r) =
max { g . s }. It flips exactly when h_S(r) > -m, so the smallest radius is the root of h_S(r) = -m.

    box ignored   h_S(eps) = eps |g|_1 for Linf, attained at s = eps sign(g), so eps = -m / |g|_1
    box kept      a black pixel with g_i < 0 cannot move at all: h_S(eps) = sum_i |g_i| min(eps, cap_i), a concave,
                  piecewise linear function of eps, whose root Newton's method finds in a few steps, to rounding
                  (`LInf.radius_for`)

For an affine network that is the answer.  attacks/minimum_norm.py finds the smallest radius for a curved one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from attacks.ascent import common_start, random_start
from attacks.balls.base import Ball
from attacks.images import BLOCK, blocks
from attacks.problem import Problem, why_level, why_still
from attacks.result import AttackResult, Reason
from minigrad.inputs import Array, Seed, as_count, as_generator, as_number
from minigrad.margin import Margin
from minigrad.model import Model

STARTS = 4  # random starts where nothing has a slope: not critical, each costs a run of those images
Start: TypeAlias = Callable[[Ball, Array], Array]  # a ball and images (n, d) -> s (n, d)


def fgsm(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    ball: Ball,
    *,
    target: ArrayLike | None = None,
    levels: tuple[ArrayLike, ArrayLike] | None = None,
) -> AttackResult:
    """One step: the maximiser over the ball of the network linearised at x.

    s = argmax { g . s : s in S },  g = dm/dx.   For `LInf(eps)` away from the box s = eps sign(g), the fast gradient
    sign method (Goodfellow, Shlens and Szegedy 2015, section 4).  Departures: (1) the margin is differentiated, not
    the loss, whose gradient is a positive multiple of it for two classes; (2) the maximiser knows box and mask; (3)
    any ball: `L0(k)` gives the best k pixels in one shot.

    Parameters
    ----------
    net, x, y, target, levels
        As in `saliency_map`.
    ball : LInf, L0, L1 or L2

    Raises
    ------
    ValueError
        Bad input, before any work.

    Examples
    --------
    >>> import numpy as np
    >>> from attacks import LInf
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [-1.0]], [0.0])])  # N(x) = x_0 - x_1
    >>> fgsm(net, np.array([[0.25, 0.5]]), [0], LInf(0.25)).x_adv  # s = 0.25 sign(g)
    array([[0.5 , 0.25]])
    """
    problem = Problem.from_images(net, x, y, ball, target, levels)
    x_adv, why = np.empty_like(problem.x), np.empty(len(problem.x), object)
    for rows in blocks(np.arange(len(x_adv))):
        now, around = problem.x[rows], ball.take(rows, len(x_adv))
        _, g = problem.margin.take(rows).value_and_gradient(now)  # (rows, d)
        x_adv[rows] = around.apply(now, around.maximize(now, g))
        why[rows] = why_still(around, now, g)
    return problem.finish(x_adv, why)


def pgd(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    ball: Ball,
    *,
    steps: int = 40,
    restarts: int = 1,
    step: float = 0.5,
    stop: bool = True,
    objective: str = "margin",
    target: ArrayLike | None = None,
    levels: tuple[ArrayLike, ArrayLike] | None = None,
    rng: Seed = 0,
) -> AttackResult:
    """Projected ascent of the margin inside the ball (Madry et al. 2018, eq. 2, for any ball).

        v = s_t + a step of radius a_t * radius from x + s_t,    s_{t+1} = project(v)

    The step is the ball's own maximiser from where the image now is: the sign of the gradient for Linf, its direction
    for L2, the pixels of largest slope or gain for L1 and L0.  That is steepest ascent in the norm of the ball.

    Step rule: a_t = step * (1 - t / steps), from half the radius down to nothing.  Long steps first cross the ball
    and the kinks; all together are step (steps + 1) / 2 radii long, so with the default no point of the ball is out of
    reach from steps = 3 on; short ones at the end settle.  An L0 step moves at least one pixel.

    Parameters
    ----------
    net, x, y, target, levels
        As in `saliency_map`.
    ball : LInf, L0, L1 or L2
    steps, restarts : int
        The first run starts at s = 0, the others at random points of the ball, side by side; for an image that the
        first flips there are no others, and the first of the others to flip it ends all of its.  Where the first meets
        no slope, runs from a few random points follow in any case.  No start depends on the other images.
    step : float
        The first step as a share of the radius, in (0, 1].
    stop : bool
        True: an image that is flipped is left alone.  False: every run goes on to its last step, for training and for
        the worst case; `x_adv` is the point of largest margin seen.
    objective : "margin" or "loss"
        What the steps climb; what is kept is the largest margin either way.  "margin": the first run climbs the best
        rival of each step.  Of k >= 3 classes, without a target, each restart climbs one rival from end to end, the
        best at x first, then the next best, so that k restarts try them all (Croce and Hein 2020, section 5, APGD-T).
        The cross-entropy loss differs for three classes or more: it pulls towards all rivals at once, each by its
        softmax (`minigrad.margin.LossMargin`).  For two classes it rises with the margin, and the steps are the same.
    rng : seed or Generator

    Notes
    -----
    Memory: beside the result 384 rows, or `restarts` if those are more.

    Returns
    -------
    AttackResult
        For a failure, `x_adv` is the point of largest margin seen; misclassified images stay as they are.

    Raises
    ------
    ValueError
        Bad input, before any work.

    Examples
    --------
    >>> import numpy as np
    >>> from attacks import L2
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [-1.0]], [0.0])])  # N(x) = x_0 - x_1
    >>> pgd(net, np.array([[0.25, 0.5]]), [0], L2(0.5)).success
    array([ True])
    """
    steps, restarts = as_count(steps, "steps"), as_count(restarts, "restarts")
    if not 0 < as_number(step, "step") <= 1:
        raise ValueError(f"step: expected a share of the radius in (0, 1], got {step}")
    if not isinstance(stop, (bool, np.bool_)):
        raise ValueError(f"stop: expected True or False, got {stop!r}")
    if objective not in ("margin", "loss"):
        raise ValueError(f'objective: expected "margin" or "loss", got {objective!r}')
    problem = Problem.from_images(net, x, y, ball, target, levels)
    rng = as_generator(rng)
    seed = int((rng if restarts > 1 else deepcopy(rng)).integers(2**62))  # one run draws nothing of the caller's
    ascents = _Ascents(problem, objective == "loss", steps, step, stop)
    ascents.from_x()
    level = problem.open_rows[ascents.why[problem.open_rows] != Reason.BUDGET]
    for turn in range(STARTS):
        ascents.again(level, [partial(common_start, seed=seed, turn=turn, turns=STARTS)])
    starts = [partial(_random_start, seed=seed, turn=turn) for turn in range(restarts - 1)]
    ascents.again(problem.open_rows, starts, rivals=True)
    return problem.finish(ascents.x_adv, ascents.why)


def _random_start(ball: Ball, x: Array, seed: int, turn: int) -> Array:
    """The start of restart `turn`: the same direction for all rows, so that no image's start depends on the others."""
    return random_start(ball, x, np.random.default_rng((seed, STARTS + turn)), shared=True)


@dataclass(eq=False)
class _Ascents:
    """What the runs of `pgd` share: their options, and of each image the best point seen."""

    problem: Problem
    by_loss: bool
    steps: int
    step: float
    stop: bool
    x_adv: Array = field(init=False)  # (n, d)
    best: Array = field(init=False)  # (n,) the margin there
    why: Array = field(init=False)  # (n,) Reasons: why the margin is level at every start so far, or BUDGET

    def __post_init__(self) -> None:
        self.x_adv, self.best = self.problem.x.copy(), self.problem.start.copy()
        self.why = np.full(len(self.best), Reason.NO_PIXEL, object)

    def from_x(self) -> None:
        """The first run of every open image, from s = 0."""
        for image in blocks(self.problem.open_rows):
            self._run(image, self._margin(image), np.zeros_like(self.problem.x[image]))

    def again(self, image: Array, starts: Sequence[Start], rivals: bool = False) -> None:
        """Runs of the images from all `starts`, side by side, for those not flipped yet; `rivals`: each climbs another
        rival, if there are several."""
        ways = len(starts)
        if not ways:
            return
        for some in blocks(image[(self.best[image] <= 0) | (not self.stop)], max(1, BLOCK // ways)):
            x, ball, at = self.problem.x[some], self.problem.ball.take(some, len(self.best)), np.repeat(some, ways)
            s = np.stack([start(ball, x) for start in starts], axis=1).reshape(len(at), -1)  # (rows, d)
            climbed = rivals and not self.by_loss and self.problem.margin.target is None
            self._run(at, self._rivals(some, ways) if climbed else self._margin(at), s)

    def _margin(self, image: Array) -> Margin:
        margin = self.problem.margin.take(image)
        return margin.by_loss() if self.by_loss else margin

    def _rivals(self, image: Array, ways: int) -> Margin:
        """`ways` rows of each image: towards the rival that is best at x, the next best, and so on, and round again."""
        x = self.problem.x[image]
        at, rivals = self.problem.margin.take(image).against(x)
        each = len(at) // len(image)  # rivals of an image; their rows lie side by side
        if each == 1:
            return rivals.take(np.repeat(np.arange(len(image)), ways))
        m = np.concatenate([rivals.take(rows).value(x[at[rows]]) for rows in blocks(np.arange(len(at)))])
        order = np.argsort(-m.reshape(-1, each), axis=1, kind="stable")  # (images, each)
        return rivals.take((order[:, np.arange(ways) % each] + each * np.arange(len(image))[:, None]).ravel())

    def _run(self, image: Array, margin: Margin, s: Array) -> None:
        """One ascent of every row from `s` (rows, d); the rows of one image lie side by side, and its best is kept."""
        m, found, level = self._ascend(image, margin, s)
        order = np.lexsort((-m, image))
        first = order[np.flatnonzero(np.diff(image[order], prepend=-1))]  # the best row of each image
        better, level_so_far = first[m[first] > self.best[image[first]]], self.why[image[first]] != Reason.BUDGET
        self.best[image[better]], self.x_adv[image[better]] = m[better], found[better]
        self.why[image[first[level_so_far]]] = level[first[level_so_far]]
        self.why[image[level == Reason.BUDGET]] = Reason.BUDGET

    def _ascend(self, image: Array, margin: Margin, s: Array) -> tuple[Array, Array, Array]:
        """The largest margin seen on the way from `x + s`, (rows,), where, (rows, d), and why it is level at the start,
        (rows,).  If one flips, all of its image stop."""
        x, ball = self.problem.x[image], self.problem.ball.take(image, len(self.best))
        best, x_best, why = np.full(len(x), -np.inf), x.copy(), np.full(len(x), Reason.BUDGET, object)
        rows, now = np.arange(len(x)), ball.apply(x, s)
        for t in range(self.steps + 1):
            m, g = margin.take(rows).value_and_gradient(now)
            better = m > best[rows]
            best[rows[better]], x_best[rows[better]] = m[better], now[better]
            go = ~np.isin(image[rows], image[rows[m > 0]]) if self.stop else np.ones(len(m), bool)
            if t == 0:
                why = why_level(ball, x, g)
                go &= why == Reason.BUDGET  # where it is level, no step would move
            if t == self.steps or not go.any():
                break
            rows = rows[go]
            now = ball.take(rows, len(x)).ascend(x[rows], now[go], g[go], self.step * (1 - t / self.steps))
        return best, x_best, why
