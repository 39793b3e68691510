"""One perturbation for a whole set of images: a single s with f(x_i) != f(clip(x_i + s)) for as many i as possible.

Why one can exist at all: the gradients of different fours point much the same way, so a step that helps one of them
helps the others.  The maximiser of the *mean* gradient is the best answer to the averaged linearised network, and
already a strong one; the methods of attacks/uap/methods.py improve on it, and the image set (attacks/uap/image_set.py)
keeps the best s that any of them came across.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball, check_images
from attacks.balls.linf import LInf
from attacks.images import Levels
from attacks.problem import Problem
from attacks.result import Reason, known
from attacks.sign_gradient import pgd
from attacks.uap.image_set import ImageSet, fooled
from attacks.uap.linear_program import program
from attacks.uap.methods import climb, first_step, iterate
from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_number
from minigrad.model import Model

MENDING = 1  # passes of "iterative" in "best": 2 and 4 fooled no more of 1,000 fours, and 4 took half as long again
PROGRAM_HELPS = 50  # images: with up to 100 the programs fooled no more at eps 0.04 to 0.08, and took half of the time
METHODS = "best", "iterative", "margin", "lp"


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
    success : (n,) bool
        Which images of the set `clip(x + s)` flips.  False where the image was misclassified already.  Also called
        `fooled`.
    tried : (n,) bool
        The images that were not misclassified already.
    history : tuple of float
        The rate of every s that was measured on the whole set, in order, s = 0 first; `s` is the best of them.
    reason : Reason
        ALL_FOOLED, STEPS, NO_PROGRESS (the last pass of "iterative" changed nothing, or no s was better than 0), or
        MISCLASSIFIED when every image was.
    box : (lo, hi)
    levels, rounded
        As in `AttackResult`.
    path : tuple of (d,)
        Where pixels are counted: s after each of its pixels, for the curve of the rate against pixels.
    """

    s: Array
    radius: float
    norm: str
    success: Array
    tried: Array
    history: tuple[float, ...]
    reason: Reason
    box: tuple[Array, Array]
    levels: Levels | None
    rounded: Array | None
    path: tuple[Array, ...] = ()

    def __repr__(self) -> str:
        many = f"{np.count_nonzero(self.success)} of {np.count_nonzero(self.tried)} fooled"
        wrong = "" if self.tried.all() else f", {np.count_nonzero(~self.tried)} misclassified already"
        return f"UniversalResult({self.norm}: {many}{wrong}, |s| = {self.radius:.6g}, {self.reason})"

    fooled = property(lambda self: self.success, doc="`success`, (n,) bool.")
    fooled_8bit = property(lambda self: self.success_8bit, doc="`success_8bit`, (n,) bool.")

    @property
    def success_8bit(self) -> Array:
        """Which images it still flips after changed pixels are rounded to bytes, (n,) bool; also called `fooled_8bit`.

        Raises ValueError where the levels are not known.
        """
        return known(self.rounded)

    @property
    def rate(self) -> float:
        """The share fooled among the images tried; NaN if there are none."""
        return float(self.success[self.tried].mean()) if self.tried.any() else float("nan")

    @property
    def rate_8bit(self) -> float:
        """`rate` after rounding to bytes."""
        return float(self.success_8bit[self.tried].mean()) if self.tried.any() else float("nan")

    def apply(self, x: ArrayLike) -> Array:
        """`clip(x + s, lo, hi)`, (n, d).  Raises ValueError for other images than (n, d) in the box."""
        x, ball = as_images(x, len(self.s)), LInf(np.inf, self.box)
        check_images(ball, x)
        return ball.apply(x, self.s)

    def on(self, net: Model, x: ArrayLike, y: ArrayLike, *, target: ArrayLike | None = None) -> UniversalResult:
        """The same s measured on other images, held out for instance, clipped.  Raises ValueError for bad input."""
        problem = Problem.from_images(net, as_images(x, len(self.s)), y, LInf(np.inf, self.box), target, self.levels)
        plain, in_bytes = fooled(problem, self.s)
        return replace(self, success=plain, rounded=in_bytes, tried=problem.start <= 0)


def universal(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    ball: Ball,
    *,
    method: str = "best",
    convention: str = "clip",
    mixed: bool = False,
    steps: int = 120,
    passes: int = 5,
    overshoot: float = 0.02,
    target: ArrayLike | None = None,
    levels: tuple[ArrayLike, ArrayLike] | None = None,
    rng: Seed = 0,
) -> UniversalResult:
    """One s in the ball that fools as many of the images as can be found.

    "iterative" is algorithm 1 of Moosavi-Dezfooli et al. (2017), for any ball.  Departures: (1) the first s is the best
    answer to the mean gradient, not 0.  (2) One linearised step per image and visit, not DeepFool run to the end; it is
    lengthened by `overshoot`.  (3) The s of the best rate seen is returned, not the last.  (4) The rate is measured
    after every pass, the last included, and the run stops when all are fooled or a pass changed nothing.

    "margin" ascends a smooth count of the fooled, then the worst margin; where pixels are counted it changes one pixel
    at a time.  "lp" solves linear programs for the best worst margin of the linearised network (Linf and L1).  On an
    affine network of two classes with `convention="inside"` and at most 200 images it is optimal; nothing of the kind
    is claimed for "clip".  "best" uses all that apply, each from the best s so far, until all images are fooled; a
    single image is given to `pgd` first, and of more than 50 the programs are left out.  Images of k >= 3 classes that
    may become anything are also all moved to one class, for each of the two that look easiest ("best", "margin").

    Parameters
    ----------
    net, x, y, target, levels
        As in `saliency_map`: n images of any classes, each to become anything else, or `target`.
    ball : LInf, L0, L1 or L2
        Its radius (one number) and mask (one for all images) bound s; its box bounds the images.
    method : "best", "iterative", "margin" or "lp"
    convention : "clip" or "inside"
        Each image clips x_i + s to the box, or every x_i + s is inside it by itself (attacks/uap/image_set.py).
    mixed : bool
        Insist on images of at least two classes.
    steps : int
        Of "margin", 250 images each.
    passes, overshoot : int, float >= 0
        Of "iterative": passes at most, and by what share of itself a step is lengthened.
    rng : seed or Generator
        The order of the images.

    Notes
    -----
    Memory: four arrays the size of `x`, for the best answer to the mean gradient; six where pixels are counted.

    Raises
    ------
    ValueError
        Bad input, before any work; "lp" with a ball that is not polyhedral.

    Examples
    --------
    >>> import numpy as np
    >>> from attacks import LInf
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5], [0.5, 0.375]])
    >>> universal(net, x, [0, 0], LInf(0.25)).s
    array([0.25, 0.25])
    """
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    steps, passes = as_count(steps, "steps"), as_count(passes, "passes")
    if not 0 <= as_number(overshoot, "overshoot") < np.inf:
        raise ValueError(f"overshoot: expected a number >= 0, got {overshoot}")
    rng = as_generator(rng)
    images = ImageSet.from_images(net, x, y, ball, target, convention, mixed, levels)
    zero = np.zeros_like(images.best)
    if method == "lp" and images.free.segments(zero[None]) is None:
        raise ValueError(f'method: "lp" is for Linf and L1, got a ball of norm {ball.norm}')
    path, moved = list[Array](), True
    if len(images.open_rows) and method == "iterative":
        moved = iterate(images, first_step(images), passes, overshoot, rng)
    elif len(images.open_rows) and method == "lp":
        program(images, rng)
    elif len(images.open_rows):
        if method == "best" and len(images.open_rows) == 1:
            _single(images, net)
        path = climb(images, steps, rng)
        if method == "best" and not images.done:
            if len(images.open_rows) <= PROGRAM_HELPS:
                program(images, rng)
            iterate(images, images.best, min(passes, MENDING), overshoot, rng)
    if not images.free.contains(zero, images.best):
        raise AssertionError(f"s is outside its {ball.norm} ball or mask")
    plain, in_bytes = fooled(images.problem, images.best)
    reason = Reason.STEPS if moved and images.best.any() else Reason.NO_PROGRESS
    if images.done:
        reason = Reason.ALL_FOOLED if len(images.open_rows) else Reason.MISCLASSIFIED
    return UniversalResult(
        s=images.best,
        radius=float(ball.distance(images.best)),
        norm=ball.norm,
        success=plain,
        rounded=in_bytes,
        tried=images.problem.start <= 0,
        history=tuple(images.history),
        reason=reason,
        box=ball.box,
        levels=images.problem.levels,
        path=tuple(path),
    )


def _single(images: ImageSet, net: Model) -> None:
    """With one image to fool, what `pgd` finds, as far as it is an s for all of them."""
    i, ball = images.open_rows, images.problem.ball
    margin = images.problem.margin.take(i)
    found = pgd(net, images.problem.x[i], margin.y, ball.take(i, len(images.problem.x)), target=margin.target)
    images.measure(images.free.project(np.zeros_like(images.best), (found.x_adv - found.x)[0]))
