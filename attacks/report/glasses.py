"""The glasses: one pattern for a frame at several heights, one that survives a slip, and why some heights fail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attacks.patch.attack import Accessory, accessory
from attacks.patch.masks import glasses_mask, leeway, place
from attacks.report.progress import Clock
from attacks.report.records import GlassesExperiment, Height
from attacks.report.setup import Setup
from minigrad.inputs import Array
from minigrad.margin import Margin
from minigrad.mlp import MLP

STYLE = "round"
HEIGHTS = (-3, 0, 6, 12)  # rows by which the frame is moved down on a picture of 28 rows: above the digit to its foot
SLIPS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))  # one pixel in any direction, or none
SMALLEST_GLASSES = 20  # rows and columns: what `glasses_mask` needs; a smaller picture wears a band
BAND = 0.09  # the band's share of the picture: that of the round frame on 28 x 28, 70 of 784 pixels
WEARERS = 300  # training images for a pattern: made from 150 it fools 93.6% of the test images, from 300 and 600 94.2%


def attack_with_glasses(setup: Setup, clock: Clock) -> GlassesExperiment:
    """Patterns made from the training images, measured on the test images."""
    net, wearers, test = setup.net, setup.images.training[:WEARERS], setup.images.test
    zeros, y = np.zeros(len(wearers), int), np.zeros(len(test), int)
    heights = dict[int, Height]()
    with clock("glasses: at several heights"):
        for rows, mask in frames(setup.images.shape).items():
            made = accessory(net, wearers, zeros, mask, rng=setup.seed)
            heights[rows] = Height(made, made.on(net, test, y), _promise(net, test, mask))
        best = max(heights, key=lambda rows: _beyond_plain(heights[rows].made))
    with clock("glasses: slipping by a pixel"):
        mask = heights[best].made.mask
        slipping = accessory(net, wearers, zeros, mask, shifts=_fitting(mask, SLIPS), rng=setup.seed)
        slipping_held_out = slipping.on(net, test, y)
    return GlassesExperiment(_style(setup.images.shape), heights, best, (slipping, slipping_held_out))


def frames(shape: tuple[int, int]) -> dict[int, Array]:
    """Rows down, on a picture of 28 rows: the frame there, `shape` bool.

    On few rows some heights are the same.  A picture too small for glasses wears a band.
    """
    frame = _band(shape) if _style(shape) == "band" else glasses_mask(shape, STYLE)
    downs = {round(rows * shape[0] / 28): rows for rows in reversed(HEIGHTS)}
    fitting = _fitting(frame, [(down, 0) for down in sorted(downs)])
    return {downs[down]: place(frame, (down, 0)) for down, _ in fitting}


def _style(shape: tuple[int, int]) -> str:
    return STYLE if min(shape) >= SMALLEST_GLASSES else "band"


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
