"""The glasses: one pattern for a frame at several heights, one that survives a slip, and why some heights fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from attacks.patch.attack import Accessory, accessory
from attacks.patch.masks import glasses_mask, leeway, place
from attacks.report.progress import Clock
from attacks.report.setup import Setup
from minigrad.inputs import Array
from minigrad.margin import Margin
from minigrad.mlp import MLP

if TYPE_CHECKING:
    from attacks.proofs.certificate import Certificate
    from attacks.report.proof_jobs import ProofJobs

STYLE = "round"
HEIGHTS = (-3, 0, 6, 12)  # rows by which the frame is moved down on a picture of 28 rows: above the digit to its foot
SLIPS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))  # one pixel in any direction, or none
SMALLEST_GLASSES = 20  # rows and columns: what `glasses_mask` needs; a smaller picture wears a band
BAND = 0.09  # the band's share of the picture: that of the round frame on 28 x 28, 70 of 784 pixels
WEARERS = 300  # training images for a pattern: made from 150 it fools 93.6% of the test images, from 300 and 600 94.2%
PROVED = 10  # images for which a mask is judged by proof, at most 0.3 s each at every height (proof_jobs.py)


@dataclass(frozen=True, eq=False)
class Height:
    """The frame at one height."""

    made: Accessory  # the pattern, on the training images it was made from
    held_out: Accessory  # the same on the test images
    promise: float  # what the mean linearised image gains by the frame, as a share of what it needs


@dataclass(frozen=True, eq=False)
class GlassesExperiment:
    """One frame at every height that leaves it in the picture."""

    heights: dict[int, Height]  # rows down: the frame there
    best: int  # the height where, on the training images, the pattern does most beyond any plain filling
    slipping: tuple[Accessory, Accessory]  # made for nine places about that height: on the training images, held out

    @property
    def worn(self) -> Accessory:
        """The pattern at the best height."""
        return self.heights[self.best].made


def attack_with_glasses(setup: Setup, jobs: ProofJobs, clock: Clock) -> GlassesExperiment:
    """Patterns made from the training images, measured on the test images; `jobs` judges the masks.

    A picture too small for glasses wears a band.
    """
    net, wearers, test = setup.net, setup.images.training[:WEARERS], setup.images.test
    zeros, y = np.zeros(len(wearers), int), np.zeros(len(test), int)
    heights = dict[int, Height]()
    with clock("glasses: at several heights"):
        for rows, mask in _masks(setup.images.shape).items():
            made = accessory(net, wearers, zeros, mask, rng=setup.seed)
            jobs.judge_mask(rows, test[:PROVED], mask)
            heights[rows] = Height(made, made.on(net, test, y), _promise(net, test, mask))
        best = max(heights, key=lambda rows: _beyond_plain(heights[rows].made))
    with clock("glasses: slipping by a pixel"):
        mask = heights[best].made.mask
        slipping = accessory(net, wearers, zeros, mask, shifts=_fitting(mask, SLIPS), rng=setup.seed)
        return GlassesExperiment(heights, best, (slipping, slipping.on(net, test, y)))


def _masks(shape: tuple[int, int]) -> dict[int, Array]:
    """Rows down, on a picture of 28 rows: the frame there, `shape` bool.  On few rows some heights are the same."""
    frame = glasses_mask(shape, STYLE) if min(shape) >= SMALLEST_GLASSES else _band(shape)
    downs = {round(rows * shape[0] / 28): rows for rows in reversed(HEIGHTS)}
    fitting = _fitting(frame, [(down, 0) for down in sorted(downs)])
    return {downs[down]: place(frame, (down, 0)) for down, _ in fitting}


def _beyond_plain(made: Accessory) -> float:
    """The rate of the pattern less that of the best plain filling."""
    return made.rate - max(float(rates.mean()) for rates in made.controls.values())


def _band(shape: tuple[int, int]) -> Array:
    """A band across the picture where the eyes of the glasses would be, a share BAND of its pixels, `shape` bool."""
    rows, columns = shape
    thick = max(1, round(rows / 14))
    long = min(columns, max(1, round(BAND * rows * columns / thick)))
    top, left = min(round(9 / 28 * rows), rows - thick), (columns - long) // 2
    mask = np.zeros(shape, bool)
    mask[top : top + thick, left : left + long] = True
    return mask


def _fitting(mask: Array, shifts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of the shifts that leave the mask in the picture."""
    low, high = leeway(mask)
    return [shift for shift in shifts if (low <= shift).all() and (high >= shift).all()]


def _promise(net: MLP, x: Array, mask: Array) -> float:
    """`sum over the mask of max(mean g (hi - x), mean g (lo - x))  /  mean -m`: 1 is just enough."""
    m, g = Margin.from_labels(net, x, np.zeros(len(x), int)).value_and_gradient(x)
    white, black = np.mean(g * (1 - x), axis=0), np.mean(-g * x, axis=0)  # (d,)
    return float(np.maximum(white, black)[mask.ravel()].sum() / -m.mean()) if m.any() else float("nan")


def glasses_numbers(e: GlassesExperiment, fillings: dict[int, list[Certificate]]) -> dict[str, Any]:
    """Every number of it, ready for JSON."""
    mask = e.worn.mask
    return {
        "style": STYLE if min(mask.shape) >= SMALLEST_GLASSES else "band",
        "pixels": int(mask.sum()),
        "height": e.best,
        "heights": {
            str(rows): _rates(h.made, h.held_out) | {"fillings": _counts(fillings[rows]), "promise": h.promise}
            for rows, h in e.heights.items()
        },
        "slipping": _rates(*e.slipping),
    }


def _rates(made: Accessory, held_out: Accessory) -> dict[str, Any]:
    return {
        "rate_on_set": made.rate,
        "rate_held_out": held_out.rate,
        "rate_held_out_8bit": held_out.rate_8bit,
        "rate_at_each_place": held_out.rates.tolist(),
        "controls": {name: float(rates.mean()) for name, rates in held_out.controls.items()},
    }


def _counts(certificates: list[Certificate]) -> dict[str, int]:
    """Of some images: how many have a filling that works, how many have none (proved), how many are undecided."""
    works = sum(c.upper < np.inf for c in certificates)
    none = sum(c.lower == np.inf for c in certificates)
    return {"works": works, "proved_none": none, "undecided": len(certificates) - works - none}
