"""Small changes, as many pixels as wanted: one step along the sign of the gradient, and many steps.

The linearised network.  m(x + s) = m + g . s with g = dm/dx, and a perturbation of radius r earns at most h_S(r) =
max { g . s }. It flips exactly when h_S(r) > -m, so the smallest radius is the root of h_S(r) = -m.

    box ignored   h_S(eps) = eps |g|_1 for Linf, attained at s = eps sign(g), so eps = -m / |g|_1
    box kept      a black pixel with g_i < 0 cannot move at all: h_S(eps) = sum_i |g_i| min(eps, cap_i), a concave,
                  piecewise linear function of eps, whose root is exact after sorting the breakpoints cap_i
                  (`LInf.radius_for`)

For an affine network that is the answer.  attacks/minimum_norm.py finds the smallest radius for a curved one.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from attacks.ascent import common_start, random_start
from attacks.balls.base import Ball
from attacks.images import blocks
from attacks.problem import Problem, why_level, why_still
from attacks.result import AttackResult, Reason
from minigrad.inputs import Array, Seed, as_count, as_generator, as_number
from minigrad.margin import Margin
from minigrad.model import Model

STARTS = 4  # random starts where nothing has a slope: not critical, each costs a run of those images


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
        The first run starts at s = 0, the others at random points of the ball.  Where the first meets no slope, runs
        from a few random points follow in any case.
    step : float
        The first step as a share of the radius, in (0, 1].
    stop : bool
        True: an image that is flipped is left alone.  False: every run goes on to its last step, for training and for
        the worst case; `x_adv` is the point of largest margin seen.
    objective : "margin" or "loss"
        What the steps climb; what is kept is the largest margin either way.  The cross-entropy loss differs for three
        classes or more: it pulls towards all rivals at once, each by its softmax (`minigrad.margin.LossMargin`).  For
        two classes it rises with the margin, and the steps are the same.
    rng : seed or Generator

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
    margin = problem.margin if objective == "margin" else problem.margin.by_loss()
    rng, n = as_generator(rng), len(problem.x)
    x_adv, best, why = problem.x.copy(), problem.start.copy(), np.full(n, Reason.NO_PIXEL, object)

    def run(rows: Array, start: Callable[[Ball, Array], Array]) -> None:
        for some in blocks(rows[(best[rows] <= 0) | (not stop)]):
            around, x = ball.take(some, n), problem.x[some]
            m, found, level = _ascend(margin.take(some), x, start(around, x), around, steps, step, stop)
            better, sloping = m > best[some], why[some] != Reason.BUDGET
            best[some[better]], x_adv[some[better]] = m[better], found[better]
            why[some[sloping]] = level[sloping]

    run(problem.open_rows, lambda _, x: np.zeros_like(x))
    seed, level = int(deepcopy(rng).integers(2**62)), problem.open_rows[why[problem.open_rows] != Reason.BUDGET]
    for turn in range(STARTS):
        run(level, partial(common_start, seed=seed, turn=turn, turns=STARTS))
    for _ in range(restarts - 1):
        run(problem.open_rows, partial(random_start, rng=rng))
    return problem.finish(x_adv, why)


def _ascend(
    margin: Margin, x: Array, s: Array, ball: Ball, steps: int, step: float, stop: bool
) -> tuple[Array, Array, Array]:
    """The largest margin seen on the way from `x + s`, (n,), where, (n, d), and why it is level at the start, (n,)."""
    best, x_best, why = np.full(len(x), -np.inf), x.copy(), np.full(len(x), Reason.BUDGET, object)
    rows = np.arange(len(x))
    for t in range(steps + 1):
        around = ball.take(rows, len(x))
        now = around.apply(x[rows], s)
        m, g = margin.take(rows).value_and_gradient(now)
        better = m > best[rows]
        best[rows[better]], x_best[rows[better]] = m[better], now[better]
        go = m <= 0 if stop else np.ones(len(m), bool)
        if t == 0:
            why = why_level(ball, x, g)
            go &= why == Reason.BUDGET  # where it is level, no step would move
        if t == steps or not go.any():
            break
        rows, around = rows[go], around.take(np.flatnonzero(go), len(rows))
        move = around.scaled(step * (1 - t / steps)).maximize(now[go], g[go])
        s = around.project(x[rows], s[go] + move)
    return best, x_best, why
