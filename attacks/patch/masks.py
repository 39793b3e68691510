"""Glasses, drawn as a mask: the pixels that a patch covers, where it may be moved to, and nothing about networks.

Why is the researcher wearing such stylish glasses?  Because a patch is a perturbation that is confined to a mask, as
strong as it likes, the same on every photograph (Sharif, Bhagavatula, Bauer and Reiter 2016).

Two rims at the points with  |dist - r| < t  from their centres, a bridge between them and temples at the sides.  `dist`
makes the style: the Euclidean distance for round ones, the larger of the two differences for square ones.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, as_array, brief

# In pixels of a picture of 28 x 28.
HEIGHT = 9.0  # of the eyes: a third of the way down, as in a face
THICKNESS = 0.55  # half the line's: at half of that the rims fall to pieces, at double they cover 17% of the picture
MARGIN = 2  # left free at the sides, so that the glasses may slip by that much
Style = tuple[float, float, Callable[[Array, Array], Array]]  # radius, distance of a centre from the middle, `dist`
STYLES: dict[str, Style] = {
    "round": (4.0, 5.5, lambda dy, dx: np.hypot(dy, dx)),
    "square": (3.6, 5.5, lambda dy, dx: np.maximum(1.15 * np.abs(dy), np.abs(dx))),
    "aviator": (4.2, 5.7, lambda dy, dx: np.hypot(np.where(dy > 0, 0.85, 1.27) * dy, dx)),
    "half": (4.5, 5.5, lambda dy, dx: np.where(dy <= 0.6, np.hypot(dy, dx), np.inf)),
}


def glasses_mask(shape: tuple[int, int] = (28, 28), style: str = "round") -> Array:
    """A pair of glasses, `shape` bool: rims, bridge and temples; 6 to 9% of a picture of 28 x 28, all in one piece.

    Parameters
    ----------
    shape : (height, width), at least 20 pixels each
    style : "round", "square", "aviator" or "half"

    Raises
    ------
    ValueError
        An unknown style, or a picture too small to draw on.

    Examples
    --------
    >>> int(glasses_mask((28, 28), "round").sum())
    70
    """
    if not isinstance(style, str) or style not in STYLES:
        raise ValueError(f"style: expected one of {', '.join(STYLES)}, got {style!r}")
    if np.shape(shape) != (2,) or np.asarray(shape).dtype.kind not in "iu" or min(shape) < 20:
        raise ValueError(f"shape: expected a height and a width of at least 20 pixels, got {brief(shape)}")
    radius, apart, dist = STYLES[style]
    h, w = (int(size) for size in shape)
    unit = min(h, w) / 28
    thickness = THICKNESS / min(unit, 1)  # half a pixel at least: a thinner line has gaps
    y, side = np.arange(h)[:, None] / unit, np.abs(2 * np.arange(w) - (w - 1)) / (2 * unit)  # mirrored to the last bit
    middle = (w - 1) / (2 * unit)
    line = np.abs(y - (HEIGHT - 1)) < thickness
    rims = np.abs(dist(y - HEIGHT, side - apart) - radius) < thickness
    bridge = line & (side < apart - radius + 0.3)
    temples = line & (side > apart + radius - 0.3) & (side <= middle - MARGIN)
    return rims | bridge | temples


def place(mask: ArrayLike, shift: tuple[int, int]) -> Array:
    """The mask (height, width) moved by `shift` = (down, right) pixels.

    Raises
    ------
    ValueError
        A shift that pushes part of the mask out of the picture.

    Examples
    --------
    >>> import numpy as np
    >>> place(np.array([[True, False], [False, False]]), (1, 0)).astype(int)  # one row down
    array([[0, 0],
           [1, 0]])
    """
    mask = as_mask(mask)
    if np.shape(shift) != (2,) or np.asarray(shift).dtype.kind not in "iu":
        raise ValueError(f"shift: expected two whole numbers (down, right), got {brief(shift)}")
    low, high = leeway(mask)
    if (low > shift).any() or (high < shift).any():
        raise ValueError(
            f"shift: expected {low[0]}..{high[0]} down and {low[1]}..{high[1]} right, so that the mask stays in the "
            f"picture, got {tuple(int(v) for v in shift)}"
        )
    out = np.zeros_like(mask)
    out[tuple((np.argwhere(mask) + np.asarray(shift, int)).T)] = True
    return out


def apply_patch(x: Array, mask: Array, p: ArrayLike) -> Array:
    """A copy of the images `x` (n, d) with the values `p` at the pixels of `mask` (height, width), in row order."""
    patched = x.copy()
    patched.reshape(len(x), *mask.shape)[:, mask] = p
    return patched


def leeway(mask: Array) -> tuple[Array, Array]:
    """The least and the most (down, right) by which the mask (height, width) can move and stay in the picture."""
    spots = np.argwhere(mask)  # (p, 2)
    return -spots.min(axis=0), np.array(mask.shape) - 1 - spots.max(axis=0)


def as_mask(mask: ArrayLike | str | PathLike[str], d: int | None = None) -> Array:
    """A mask (height, width) of booleans, from an array or an image file (light pixels are the mask).

    (d,) is a square picture.

    Raises
    ------
    ValueError, OSError
        Not a picture of booleans, none of them True, not `d` pixels; a file that cannot be read.
    """
    value: Any = mask
    if isinstance(mask, (str, PathLike)):
        from minigrad.io.png import read_grey

        value = read_grey(mask) > 0.5
    value = as_array(value, "mask")
    side = int(np.sqrt(value.size))
    if value.ndim == 1 and side**2 == value.size:
        value = value.reshape(side, side)
    if value.ndim != 2 or value.dtype != bool or not value.any():
        raise ValueError(
            f"mask: expected a picture (height, width) of booleans with at least one True, got shape {value.shape} of "
            f"{value.dtype} with {np.count_nonzero(value)} not zero (channels: below each other)"
        )
    if d is not None and value.size != d:
        raise ValueError(f"mask: expected {d} pixels as the images have, got {value.size} of shape {value.shape}")
    return value
