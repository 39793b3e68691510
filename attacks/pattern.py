"""One pattern for a mask, worn by every image: glasses that make each four a nine, wherever they sit.

An accessory covers what is behind it.  With p the values at the mask's pixels and M_delta the mask moved by delta,

    x_i  ->  x_i with  x_i[M_delta] = p,            g_p = sum_i w_i (dm_i/dx)[M_delta]

so the gradient by p is the image gradient read off at the mask.  What is maximised, and by which steps, is in
attacks/pattern_steps.py.

Glasses that merely hide the digit are no attack, so each result carries its controls: the same mask filled with black,
white, random values and the best constant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import LInf
from attacks.certificate import Certificate
from attacks.glasses import as_mask, place
from attacks.minimum import certified_minimum
from attacks.pattern_steps import GREYS, best_pattern, flipped
from attacks.result import MISCLASSIFIED, Problem, to_8bit
from minigrad.inputs import Array, Seed, as_count, as_generator, as_images
from minigrad.mlp import MLP
from minigrad.model import Model

DRAWS = 3  # random fillings that serve as controls, beside GREYS constants


@dataclass(frozen=True, eq=False)
class Accessory:
    """A pattern on a mask and what it does, measured from the pattern itself.

    Attributes
    ----------
    pattern : (p,)
        The value of each pixel of the mask, in row order.
    mask : (height, width) bool
    shifts : tuple of (down, right)
    fooled, fooled_8bit : (n, shifts) bool
        Which images wearing it are flipped at which place, in floats and with the pattern rounded to bytes.
    tried : (n,) bool
        The images that were not misclassified already.
    controls : dict
        The rate at each place, (shifts,), of "black", "white", "random" (mean of three), "constant" (best of six).
    history : tuple of float
        The objective of every pattern that was measured on the whole set.
    reason : "all fooled", "steps spent" or "already misclassified"
    """

    pattern: Array
    mask: Array
    shifts: tuple[tuple[int, int], ...]
    fooled: Array
    fooled_8bit: Array
    tried: Array
    controls: dict[str, Array]
    history: tuple[float, ...]
    reason: str
    box: tuple[float, float]

    def __repr__(self) -> str:
        places = f"{len(self.shifts)} place{'s' * (len(self.shifts) > 1)}"
        return f"Accessory({len(self.pattern)} pixels, {places}, rate {self.rate:.4f}, {self.reason})"

    @property
    def rates(self) -> Array:
        """The share fooled at each place, among the images tried, (shifts,); NaN if there are none."""
        return self.fooled[self.tried].mean(axis=0) if self.tried.any() else np.full(len(self.shifts), np.nan)

    @property
    def rate(self) -> float:
        """The mean of `rates`."""
        return float(self.rates.mean())

    @property
    def rate_8bit(self) -> float:
        """`rate` after rounding the pattern to bytes."""
        return float(self.fooled_8bit[self.tried].mean()) if self.tried.any() else float("nan")

    def apply(self, x: Array, shift: tuple[int, int] = (0, 0)) -> Array:
        """The images (n, d) wearing it, moved by `shift`.  Raises ValueError for bad input."""
        return wear(as_images(x, self.mask.size), place(self.mask, shift), self.pattern)

    def on(self, net: Model, x: ArrayLike, y: ArrayLike, *, target: ArrayLike | None = None) -> Accessory:
        """The same pattern and controls measured on other images.  Raises ValueError for bad input."""
        problem = Problem.of(net, as_images(x, self.mask.size), y, LInf(np.inf, self.box), target)
        return _measured(problem, replace(self, tried=problem.start <= 0))


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
    """One pattern inside the mask, any value in the box, that fools as many images as can be found at all its places.

    Parameters
    ----------
    net, x, y
        As in `saliency_map`.
    mask : (height, width) of booleans, or an image file
        `glasses_mask()`, for instance.  (d,) is a square picture.
    shifts : sequence of (down, right)
        Where the mask may sit; every place counts the same.
    smoothness : float >= 0
        The price of one unit of mean difference between neighbouring pixels of the mask (module docstring).
    steps : int
        Gradient steps a place, 250 images each, at most three times as many in all; of each run, of which there are up
        to four (module docstring).
    target : class, optional
        Impersonation: become this class.  Without: dodging, anything but one's own.
    box : (lo, hi), two numbers, the same for every pixel: the pattern may sit anywhere

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
    >>> worn = accessory(net, x, [0, 0], mask)
    >>> worn.pattern, worn.rate  # white on the only pixel of the frame: 1 + 0.75 > 1.5
    (array([1.]), 1.0)
    """
    steps = as_count(steps, "steps")
    if np.ndim(smoothness) or np.asarray(smoothness).dtype.kind not in "iuf" or not 0 <= smoothness < np.inf:
        raise ValueError(f"smoothness: expected a number >= 0, got {smoothness!r}")
    ball = LInf(np.inf, box)
    if any(np.ndim(end) for end in ball.box):
        raise ValueError("box: one pattern at several places needs two numbers (lo, hi), got arrays")
    problem = Problem.of(net, x, y, ball, target)
    mask = as_mask(mask, problem.x.shape[1])
    places = _places(shifts)
    spots = [np.flatnonzero(place(mask, shift)) for shift in places]
    start = np.full(np.count_nonzero(mask), (ball.box[0] + ball.box[1]) / 2.0)
    best, history = start, list[float]()
    if len(problem.open):
        best, history = best_pattern(problem, mask, spots, start, smoothness, steps, as_generator(rng))
    empty = np.zeros((len(problem.x), len(places)), bool)
    found = Accessory(
        best, mask, places, empty, empty, problem.start <= 0, {}, tuple(history), "steps spent", problem.ball.box
    )
    found = _measured(problem, found)
    reason = "all fooled" if found.rate == 1 else MISCLASSIFIED if not len(problem.open) else found.reason
    return replace(found, reason=reason)


def _places(shifts: Any) -> tuple[tuple[int, int], ...]:
    try:
        listed = np.asarray(shifts)
    except ValueError:  # rows of different lengths
        listed = np.zeros(0)
    if listed.ndim != 2 or listed.shape[1] != 2 or not len(listed) or listed.dtype.kind not in "iu":
        raise ValueError(f"shifts: expected pairs of whole numbers (down, right), at least one, got {shifts!r}")
    return tuple((int(down), int(right)) for down, right in listed)


def wear(x: Array, mask: Array, p: ArrayLike) -> Array:
    """The images `x` (n, d) with the values `p` at the pixels of `mask`."""
    worn = x.copy()
    worn[:, np.flatnonzero(mask)] = p
    return worn


def _measured(problem: Problem, found: Accessory) -> Accessory:
    """The same pattern with everything measured on the images of `problem`."""
    spots = [np.flatnonzero(place(found.mask, shift)) for shift in found.shifts]
    (lo, hi), rng = found.box, np.random.default_rng(0)
    if not ((found.pattern >= lo) & (found.pattern <= hi)).all():
        raise AssertionError("the pattern is outside the box")

    def rates(fillings: list[Any]) -> Array:
        """Of every filling at every place, (fillings, shifts)."""
        tried = found.tried
        if not tried.any():
            return np.full((len(fillings), len(spots)), np.nan)
        return np.array([[flipped(problem, spot, p)[tried].mean() for spot in spots] for p in fillings])

    greys = rates(list(np.linspace(lo, hi, GREYS)))
    noise = rates([rng.uniform(lo, hi, len(found.pattern)) for _ in range(DRAWS)])
    best = greys[np.argmax(greys.mean(axis=1))]
    controls = {"black": greys[0], "white": greys[-1], "random": noise.mean(axis=0), "constant": best}
    in_bytes = to_8bit(found.pattern)
    return replace(
        found,
        fooled=np.stack([flipped(problem, spot, found.pattern) for spot in spots], axis=1),
        fooled_8bit=np.stack([flipped(problem, spot, in_bytes) for spot in spots], axis=1),
        controls=controls,
    )


def smallest_mask(net: MLP, x: ArrayLike, y: ArrayLike, mask: Any, **limits: Any) -> list[Certificate]:
    """The fewest pixels of the mask that suffice for each image, as certificates of `certified_minimum`, norm "l0".

    `lower = inf` is the proof that no filling of the whole mask flips the image.  Options and errors: see there.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> smallest_mask(net, x, [0], np.array([[False, True]]))
    [Certificate(l0, [1, 1], proved, 0 nodes)]
    """
    return certified_minimum(net, x, y, "l0", mask=_pixels(mask, x), **limits)


def any_filling(net: MLP, x: ArrayLike, y: ArrayLike, mask: Any, **limits: Any) -> list[Certificate]:
    """Whether some filling of the mask flips each image, as certificates of `certified_minimum`, norm "linf".

    `upper` finite: `x_adv` is such a filling.  `lower = inf`: proved, there is none.  Neither: the time was too short.
    How strong the filling must be is not asked (the gap is wide open).  Options and errors: see there.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> (proof,) = any_filling(net, x, [0], np.array([[True, False]]))
    >>> proof.upper < np.inf  # x_0 = 1 works
    True
    """
    return certified_minimum(net, x, y, "linf", gap=0.999, mask=_pixels(mask, x), **limits)


def _pixels(mask: Any, x: ArrayLike) -> Array:
    """The mask as (d,): to a proof it is a set of pixels, whatever its shape."""
    if isinstance(mask, np.ndarray) and mask.ndim != 2:
        mask = mask.reshape(1, -1)
    return as_mask(mask, as_images(x).shape[1]).ravel()
