"""One perturbation for a whole set of images: a single s with f(x_i) != f(clip(x_i + s)) for as many i as possible.

Why one can exist at all: the gradients of different fours point much the same way, so a step that helps one of them
helps the others. The maximiser of the *mean* gradient is the best answer to the averaged linearised network, and
already a strong one; the iterative scheme then mends the images it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import Ball, LInf
from attacks.result import MISCLASSIFIED, Problem, to_8bit
from minigrad.inputs import Array, Seed, as_count, as_generator
from minigrad.margin import Margin


@dataclass(frozen=True, eq=False)
class UniversalResult:
    """One perturbation and what it does, measured from `s` itself.

    Attributes
    ----------
    s : (d,)
        Added to an image, then clipped to the box.
    radius : float
        `|s|_p`.
    norm : str
    fooled, fooled_8bit : (n,) bool
        Which images of the set `clip(x + s)` flips, and still flips after changed pixels are rounded to bytes.  False
        where the image was misclassified already.
    tried : (n,) bool
        The images that were not misclassified already.
    history : tuple of float
        The rate of every s that was measured on the whole set, in order; `s` is the best of them.
    reason : str
        "all fooled", "passes spent", "no progress" when a pass changed nothing, or "already misclassified" when every
        image was.
    """

    s: Array
    radius: float
    norm: str
    fooled: Array
    fooled_8bit: Array
    tried: Array
    history: tuple[float, ...]
    reason: str
    box: tuple[Array, Array]

    @property
    def rate(self) -> float:
        """The share fooled among the images tried; NaN if there are none."""
        return float(self.fooled[self.tried].mean()) if self.tried.any() else float("nan")

    @property
    def rate_8bit(self) -> float:
        """`rate` after rounding to bytes."""
        return float(self.fooled_8bit[self.tried].mean()) if self.tried.any() else float("nan")

    @property
    def _box(self) -> Ball:
        """The box alone, as a ball without end."""
        return LInf(np.inf, self.box)

    def apply(self, x: Array) -> Array:
        """`clip(x + s, lo, hi)`, (n, d)."""
        return self._box.apply(x, self.s)

    def on(self, net: Any, x: ArrayLike, y: ArrayLike, *, target: ArrayLike | None = None) -> UniversalResult:
        """The same s measured on other images, held out for instance.  Raises ValueError for bad input."""
        problem = Problem.of(net, x, y, self._box, target)
        fooled, fooled_8bit = _fooled(problem, self.s)
        return replace(self, fooled=fooled, fooled_8bit=fooled_8bit, tried=problem.start <= 0)


def universal(
    net: Any,
    x: ArrayLike,
    y: ArrayLike,
    ball: Ball,
    *,
    passes: int = 5,
    overshoot: float = 0.02,
    target: ArrayLike | None = None,
    rng: Seed = 0,
) -> UniversalResult:
    """The iterative scheme of Moosavi-Dezfooli et al. (2017), algorithm 1, for any ball.

    Go through the images in random order.  Where clip(x_i + s) is not fooled yet, add the smallest step d that
    crosses the linearised boundary there, m + g . d = 0 (that is `ball.radius_for`, the step of DeepFool), and
    project s + d back to the ball.

    Departures: (1) the first s is the maximiser of the mean gradient, not 0.  (2) One linearised step an image and
    visit, not DeepFool run to the end; it is lengthened by `overshoot`.  (3) The s of the best rate seen is returned,
    not the last.  (4) The rate is measured after every pass, the last included, and the run stops when all are fooled
    or a pass changed nothing.

    Parameters
    ----------
    net, x, y, target
        As in `saliency_map`: n images of any classes, each to become anything else, or `target`.
    ball : LInf, L0, L1 or L2
        Its radius (one number) and mask (one for all images) bound s; its box bounds the images, `clip(x_i + s)`.
    passes : int
    overshoot : float
        >= 0, relative.
    rng : seed or Generator
        The order of the images.

    Returns
    -------
    UniversalResult

    Raises
    ------
    ValueError
        Bad input, before any work.
    """
    passes = as_count(passes, "passes")
    if not 0 <= overshoot < np.inf:
        raise ValueError(f"overshoot: expected a number >= 0, got {overshoot}")
    problem = Problem.of(net, x, y, ball, target)
    if np.ndim(ball.radius) or (ball.mask is not None and np.ndim(ball.mask) > 1):
        shapes = np.shape(ball.radius), np.shape(ball.mask)
        raise ValueError(f"ball: one s for all images needs one radius and one mask, got shapes {shapes}")
    rng = as_generator(rng)
    x, lo, hi = problem.x, *ball.box
    free = replace(ball, box=(np.min(lo - hi), np.max(hi - lo)))  # where s itself lives: any number that can matter
    zero = np.zeros(x.shape[1])
    s, best, history = zero, zero, [0.0]
    reason = "passes spent" if len(problem.open) else MISCLASSIFIED
    if len(problem.open):
        _, g = problem.margin.rows(problem.open).value_and_gradient(x[problem.open])
        s = free.maximize(zero, g.mean(axis=0))
        best, history = _keep_best(problem, s, best, history)
    for _ in range(passes):
        if history[-1] == 1 or not len(problem.open):
            break
        before = s
        for i in rng.permutation(problem.open):
            s = _visit(
                problem.margin.rows(np.array([i])), x[i : i + 1], s, ball.rows(np.array([i]), len(x)), free, overshoot
            )
        if np.array_equal(s, before):
            reason = "no progress"
            break
        best, history = _keep_best(problem, s, best, history)
    if max(history) == 1:
        reason = "all fooled"
    if not free.contains(zero, best):
        raise AssertionError(f"s is outside its {ball.norm} ball or mask")
    fooled, fooled_8bit = _fooled(problem, best)
    return UniversalResult(
        best,
        float(ball.distance(best)),
        ball.norm,
        fooled,
        fooled_8bit,
        problem.start <= 0,
        tuple(history),
        reason,
        (lo, hi),
    )


def _visit(margin: Margin, x: Array, s: Array, ball: Ball, free: Ball, overshoot: float) -> Array:
    """`s` after one image `x` (1, d) had its say."""
    now = ball.apply(x, s)
    m, g = margin.value_and_gradient(now)
    if m[0] > 0:
        return s
    needed = ball.radius_for(now, g, -m)  # (1,)
    length = np.where(np.isfinite(needed), needed, ball.radius)
    length = np.where(needed > 0, length, ball.scaled(1e-6).radius)  # on the boundary: any step, or one pixel
    d = ball.with_radius(length).scaled(1 + overshoot).maximize(now, g)[0]
    return free.project(np.zeros_like(s), s + d)


def _keep_best(problem: Problem, s: Array, best: Array, history: list[float]) -> tuple[Array, list[float]]:
    rate = float(_fooled(problem, s)[0][problem.open].mean())
    return (s if rate > max(history) else best), [*history, rate]


def _fooled(problem: Problem, s: Array) -> tuple[Array, Array]:
    """Which images `clip(x + s)` flips, in floats and in bytes, (n,) bool each."""
    x_adv = problem.ball.apply(problem.x, s)
    rounded = np.where(s == 0, problem.x, to_8bit(x_adv))
    tried = problem.start <= 0
    return (problem.margin.value(x_adv) > 0) & tried, (problem.margin.value(rounded) > 0) & tried
