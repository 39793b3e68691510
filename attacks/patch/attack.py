"""One pattern on a mask, applied to every image: glasses that make each four a nine, wherever they sit.

A patch covers what is behind it.  With p the values at the mask's pixels and M_delta the mask moved by delta,

    x_i  ->  x_i with  x_i[M_delta] = p,            g_p = sum_i w_i (dm_i/dx)[M_delta]

so the gradient by p is the image gradient read off at the mask.  What is maximised, and by which steps, is in
attacks/patch/ascent.py.

Glasses that merely hide the digit are no attack, so each result carries its controls: the same mask filled with black,
white, random values and the best constant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.linf import LInf
from attacks.images import UNIT, to_8bit
from attacks.patch.ascent import GREYS, find_pattern, flipped
from attacks.patch.masks import apply_patch, as_mask, place
from attacks.problem import Problem
from attacks.result import Reason
from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_number, brief
from minigrad.model import Model

DRAWS = 3  # random fillings that serve as controls: noise flips next to nothing, so more of them say the same


@dataclass(frozen=True, eq=False)
class Accessory:
    """A pattern on a mask and what it does, measured from the pattern itself.

    Attributes
    ----------
    pattern : (p,)
        The value of each pixel of the mask, in row order.
    mask : (height, width) bool
    shifts : tuple of (down, right)
    success, success_8bit : (n, shifts) bool
        Which images the pattern flips at which place, in floats and with the pattern rounded to bytes.  False where the
        image was misclassified already.  Also called `fooled` and `fooled_8bit`.
    tried : (n,) bool
        The images that were not misclassified already.
    controls : dict
        The rate at each place, (shifts,), of "black", "white", "random" (mean of three), "constant" (best of six).
    history : tuple of float
        The objective of every pattern that was measured on the whole set.
    reason : Reason
        ALL_FOOLED (at every place), STEPS, or MISCLASSIFIED when every image was.
    box : (lo, hi)
    """

    pattern: Array
    mask: Array
    shifts: tuple[tuple[int, int], ...]
    success: Array
    success_8bit: Array
    tried: Array
    controls: dict[str, Array]
    history: tuple[float, ...]
    reason: Reason
    box: tuple[float, float]

    def __repr__(self) -> str:
        images, places = np.count_nonzero(self.tried), len(self.shifts)
        many = f"{np.count_nonzero(self.success)} of {images * places} fooled"
        many += f" ({images} images at {places} places)" if places > 1 else ""
        wrong = "" if self.tried.all() else f", {np.count_nonzero(~self.tried)} misclassified already"
        return f"Accessory({len(self.pattern)} pixels: {many}{wrong}, {self.reason})"

    fooled = property(lambda self: self.success, doc="`success`, (n, shifts) bool.")
    fooled_8bit = property(lambda self: self.success_8bit, doc="`success_8bit`, (n, shifts) bool.")

    @property
    def rates(self) -> Array:
        """The share fooled at each place, among the images tried, (shifts,); NaN if there are none."""
        return self.success[self.tried].mean(axis=0) if self.tried.any() else np.full(len(self.shifts), np.nan)

    @property
    def rate(self) -> float:
        """The mean of `rates`."""
        return float(self.rates.mean())

    @property
    def rate_8bit(self) -> float:
        """`rate` after rounding the pattern to bytes."""
        return float(self.success_8bit[self.tried].mean()) if self.tried.any() else float("nan")

    def apply(self, x: Array, shift: tuple[int, int] = (0, 0)) -> Array:
        """The images (n, d) with the pattern on the mask moved by `shift`.  Raises ValueError for bad input."""
        return apply_patch(as_images(x, self.mask.size), place(self.mask, shift), self.pattern)

    def on(self, net: Model, x: ArrayLike, y: ArrayLike, *, target: ArrayLike | None = None) -> Accessory:
        """The same pattern and controls measured on other images.  Raises ValueError for bad input."""
        problem = Problem.from_images(net, as_images(x, self.mask.size), y, LInf(np.inf, self.box), target)
        return _measured(problem, self)


def accessory(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    mask: ArrayLike | str | PathLike[str],
    *,
    shifts: Any = ((0, 0),),
    smoothness: float = 0.0,
    steps: int = 120,
    target: ArrayLike | None = None,
    box: tuple[float, float] = (0.0, 1.0),
    rng: Seed = 0,
) -> Accessory:
    """One pattern on the mask, any value in the box, that fools as many images as can be found at all its places.

    Parameters
    ----------
    net, x, y
        As in `saliency_map`.
    mask : (height, width) of booleans, or an image file
        `glasses_mask()`, for instance.  (d,) is a square picture.
    shifts : sequence of (down, right)
        Where the mask may sit; every place counts the same.
    smoothness : float >= 0
        The price of one unit of mean difference between neighbouring pixels of the mask (attacks/patch/ascent.py).
    steps : int
        Gradient steps per place, 250 images each, at most three times as many in all; of each run, of which there are
        up to four (attacks/patch/ascent.py).
    target : class, optional
        Impersonation: become this class.  Without: dodging, anything but one's own.
    box : (lo, hi), two numbers
        The same for every pixel, since the pattern may sit anywhere.
    rng : seed or Generator
        Which images each step looks at.

    Raises
    ------
    ValueError
        Bad input, before any work; a shift that pushes the mask out of the picture.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0], [1.0], [1.0]], [-1.5])])
    >>> x, mask = np.full((2, 4), 0.25), np.array([[True, False], [False, False]])
    >>> patch = accessory(net, x, [0, 0], mask)
    >>> patch.pattern, patch.rate  # white on the only pixel of the mask: 1 + 0.75 > 1.5
    (array([1.]), 1.0)
    """
    steps = as_count(steps, "steps")
    if as_number(smoothness, "smoothness", 0.0) == np.inf:
        raise ValueError("smoothness: expected a finite number, got inf")
    ball = LInf(np.inf, box)
    if any(np.ndim(end) for end in ball.box):
        raise ValueError("box: one pattern at several places needs two numbers (lo, hi), got arrays")
    problem = Problem.from_images(net, x, y, ball, target)
    mask = as_mask(mask, problem.x.shape[1])
    places = _places(shifts)
    masks = [place(mask, shift) for shift in places]
    pattern, history = np.full(np.count_nonzero(mask), (ball.box[0] + ball.box[1]) / 2.0), list[float]()
    if len(problem.open_rows):
        pattern, history = find_pattern(problem, masks, pattern, smoothness, steps, as_generator(rng))
    none = np.zeros((len(problem.x), len(places)), bool)  # not measured yet
    found = Accessory(
        pattern=pattern, mask=mask, shifts=places, success=none, success_8bit=none, tried=problem.start <= 0,
        controls={}, history=tuple(history), reason=Reason.STEPS, box=problem.ball.box,
    )
    found = _measured(problem, found)
    if not len(problem.open_rows):
        return replace(found, reason=Reason.MISCLASSIFIED)
    return replace(found, reason=Reason.ALL_FOOLED) if found.rate == 1 else found


def _places(shifts: Any) -> tuple[tuple[int, int], ...]:
    try:
        listed = np.asarray(shifts)
    except ValueError:  # rows of different lengths
        listed = np.zeros(0)
    if listed.ndim != 2 or listed.shape[1] != 2 or not len(listed) or listed.dtype.kind not in "iu":
        raise ValueError(f"shifts: expected pairs of whole numbers (down, right), at least one, got {brief(shifts)}")
    return tuple((int(down), int(right)) for down, right in listed)


def _measured(problem: Problem, found: Accessory) -> Accessory:
    """The same pattern with everything measured on the images of `problem`."""
    masks = [place(found.mask, shift) for shift in found.shifts]
    (lo, hi), rng, tried = found.box, np.random.default_rng(0), problem.start <= 0
    if not ((found.pattern >= lo) & (found.pattern <= hi)).all():
        raise AssertionError("the pattern is outside the box")

    def rates(fillings: list[Any]) -> Array:
        """Of every filling at every place, (fillings, shifts)."""
        if not tried.any():
            return np.full((len(fillings), len(masks)), np.nan)
        return np.array([[flipped(problem, mask, p)[tried].mean() for mask in masks] for p in fillings])

    greys = rates(list(np.linspace(lo, hi, GREYS)))
    noise = rates([rng.uniform(lo, hi, len(found.pattern)) for _ in range(DRAWS)])
    best = greys[np.argmax(greys.mean(axis=1))]
    in_bytes = to_8bit(found.pattern, problem.levels or UNIT)  # the box is two numbers: they are known
    return replace(
        found,
        tried=tried,
        success=np.stack([flipped(problem, mask, found.pattern) for mask in masks], axis=1),
        success_8bit=np.stack([flipped(problem, mask, in_bytes) for mask in masks], axis=1),
        controls={"black": greys[0], "white": greys[-1], "random": noise.mean(axis=0), "constant": best},
    )
