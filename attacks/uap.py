"""One perturbation for a whole set of images: a single s with f(x_i) != f(clip(x_i + s)) for as many i as possible.

Why one can exist at all: the gradients of different fours point much the same way, so a step that helps one of them
helps the others.  The maximiser of the *mean* gradient is the best answer to the averaged linearised network, and
already a strong one; the methods of `attacks/uap_methods.py` mend what it leaves, and `attacks/crowd.py` keeps the best
s that any of them came across.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import Ball, LInf
from attacks.crowd import Crowd, fooled
from attacks.result import MISCLASSIFIED, Problem
from attacks.sign_gradient import pgd
from attacks.uap_methods import aims, ascend, first_step, iterate, pixels, program
from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_number
from minigrad.model import Model

MENDING = 1  # pass of "iterative" in "best"
PROGRAM_HELPS = 50  # images: of more, a linear program that minds the worst fools fewer
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
    fooled, fooled_8bit : (n,) bool
        Which images of the set `clip(x + s)` flips, and still flips after changed pixels are rounded to bytes.  False
        where the image was misclassified already.
    tried : (n,) bool
        The images that were not misclassified already.
    history : tuple of float
        The rate of every s that was measured on the whole set, in order, s = 0 first; `s` is the best of them.
    reason : str
        "all fooled", "steps spent", "no progress" when the last pass of "iterative" changed nothing or no s was better
        than 0, or "already misclassified" when every image was.
    path : tuple of (d,)
        Where pixels are counted: s after each of its pixels, for the curve of the rate against pixels.
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
    path: tuple[Array, ...] = ()

    def __repr__(self) -> str:
        return f"UniversalResult({self.norm}, radius {self.radius:.6g}, rate {self.rate:.4f}, {self.reason})"

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

    def on(self, net: Model, x: ArrayLike, y: ArrayLike, *, target: ArrayLike | None = None) -> UniversalResult:
        """The same s measured on other images, held out for instance, clipped.  Raises ValueError for bad input."""
        problem = Problem.of(net, as_images(x, len(self.s)), y, self._box, target)
        plain, in_bytes = fooled(problem, self.s)
        return replace(self, fooled=plain, fooled_8bit=in_bytes, tried=problem.start <= 0)


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
    rng: Seed = 0,
) -> UniversalResult:
    """One s in the ball that fools as many of the images as can be found.

    "iterative" is algorithm 1 of Moosavi-Dezfooli et al. (2017), for any ball.  Departures: (1) the first s is the best
    answer to the mean gradient, not 0.  (2) One linearised step an image and visit, not DeepFool run to the end; it is
    lengthened by `overshoot`.  (3) The s of the best rate seen is returned, not the last.  (4) The rate is measured
    after every pass, the last included, and the run stops when all are fooled or a pass changed nothing.

    "margin" ascends a smooth count of the fooled, then the worst margin; where pixels are counted it paints one pixel
    at a time.  "lp" solves linear programs for the best worst margin of the linearised network (Linf and L1).  On an
    affine network of two classes with `convention="inside"` and at most 200 images it is optimal; nothing of the kind
    is claimed for "clip".  "best" uses all that apply, each from the best s so far, until all images are fooled; a
    single image is given to `pgd` first, and of more than 50 the programs are left out.  Images of k >= 3 classes that
    may become anything are also all moved to one class, for each of the two that look easiest ("best", "margin").

    Parameters
    ----------
    net, x, y, target
        As in `saliency_map`: n images of any classes, each to become anything else, or `target`.
    ball : LInf, L0, L1 or L2
        Its radius (one number) and mask (one for all images) bound s; its box bounds the images.
    method : "best", "iterative", "margin" or "lp"
    convention : "clip" or "inside"
        Each image clips x_i + s to the box, or every x_i + s is inside it by itself (`attacks/crowd.py`).
    mixed : bool
        Insist on images of at least two classes.
    steps : int
        Of "margin", 250 images each.
    passes : int
        Of "iterative", at most.
    overshoot : float
        >= 0, relative.
    rng : seed or Generator
        The order of the images.

    Returns
    -------
    UniversalResult

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
    crowd = Crowd.of(net, x, y, ball, target, convention, mixed)
    zero = np.zeros_like(crowd.best)
    counted = crowd.free.undecided(zero[None]).any()
    if method == "lp" and crowd.free.segments(zero[None]) is None:
        raise ValueError(f'method: "lp" is for Linf and L1, got a ball of norm {ball.norm}')
    path: list[Array] = []
    moved = True
    if len(crowd.rows) and method == "iterative":
        moved = iterate(crowd, first_step(crowd), passes, overshoot, rng)
    elif len(crowd.rows) and method == "lp":
        program(crowd, rng)
    elif len(crowd.rows):
        if method == "best" and len(crowd.rows) == 1:
            _alone(crowd, net)
        if not crowd.done:
            first_step(crowd)
        for one in [*([] if crowd.done else aims(crowd)), crowd]:
            before = max(crowd.history)
            if counted and not (path and crowd.done):
                now = pixels(one)
                path = now if max(crowd.history) > before or not path else path
            elif not crowd.done:
                ascend(one, steps, rng)
        if method == "best" and not crowd.done:
            if len(crowd.rows) <= PROGRAM_HELPS:
                program(crowd, rng)
            iterate(crowd, crowd.best, min(passes, MENDING), overshoot, rng)
    if not crowd.free.contains(zero, crowd.best):
        raise AssertionError(f"s is outside its {ball.norm} ball or mask")
    plain, in_bytes = fooled(crowd.problem, crowd.best)
    reason = "steps spent" if moved and crowd.best.any() else "no progress"
    return UniversalResult(
        s=crowd.best,
        radius=float(ball.distance(crowd.best)),
        norm=ball.norm,
        fooled=plain,
        fooled_8bit=in_bytes,
        tried=crowd.problem.start <= 0,
        history=tuple(crowd.history),
        reason=MISCLASSIFIED if not len(crowd.rows) else "all fooled" if crowd.done else reason,
        box=ball.box,
        path=tuple(path),
    )


def _alone(crowd: Crowd, net: Model) -> None:
    """A crowd of one: the perturbation of `pgd` is as good an s as any."""
    i, ball = crowd.rows, crowd.problem.ball
    one = crowd.problem.margin.rows(i)
    found = pgd(net, crowd.problem.x[i], one.y, ball.rows(i, len(crowd.problem.x)), target=one.target)
    crowd.measure((found.x_adv - found.x)[0])
