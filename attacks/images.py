"""Images as they are handled: in blocks that fit the cache, as bytes, as pictures.  Files: minigrad/io/png.py.

Levels.  A picture file holds bytes b in 0..255, and a network sees numbers v.  `levels = (lo, hi)` says which: byte 0
is lo, byte 255 is hi, and in between  v = lo + (hi - lo) b / 255.  Two numbers, or two arrays (d,).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from minigrad.inputs import Array, brief

Levels: TypeAlias = tuple[Any, Any]
UNIT: Levels = (0.0, 1.0)
UNKNOWN = (
    "levels: expected (lo, hi), the values that the bytes 0 and 255 stand for, since the box, given pixel by pixel and "
    "beyond [0, 1], does not say it"
)
BLOCK = 384  # images worked on together: 2.4 MB of 784 float64; with half and double attacks take up to a tenth longer
SLACK = 1e-6  # of the range: how far a box may stick out of it, for the ends of both may have been rounded to float32


def blocks(rows: Array, size: int = BLOCK) -> list[Array]:
    """Row numbers in blocks, whose images stay in the cache for a whole run."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def as_levels(levels: Any, box: tuple[Array, Array], d: int) -> Levels | None:
    """The checked levels of images (n, d) in `box`.

    Where none are given: [0, 1] if the box lies inside it, for a narrower box does not stretch a picture; otherwise the
    box, if it is two numbers; otherwise None, and what asks for bytes is refused.

    Raises
    ------
    ValueError
        Levels that are not lo < hi, two finite numbers or arrays (d,), or that do not hold the box.
    """
    if levels is None:
        if (box[0] >= 0).all() and (box[1] <= 1).all():
            return UNIT
        return None if np.ndim(box[0]) or np.ndim(box[1]) else (float(box[0]), float(box[1]))
    try:
        lo, hi = (np.asarray(end, np.float64) for end in levels)
        np.broadcast_to(hi - lo, (d,))
    except (TypeError, ValueError) as error:
        raise ValueError(f"levels: expected (lo, hi), two numbers or arrays ({d},), got {brief(levels)}") from error
    if not (np.isfinite(lo).all() and np.isfinite(hi).all() and (lo < hi).all()):
        raise ValueError(f"levels: expected (lo, hi), finite, with lo < hi, got {brief(levels)}")
    slack = SLACK * (hi - lo)
    if not ((box[0] >= lo - slack).all() and (box[1] <= hi + slack).all()):
        raise ValueError(
            f"levels: expected a range that holds the box [{np.min(box[0]):.9g}, {np.max(box[1]):.9g}], "
            f"got [{np.max(lo):.9g}, {np.min(hi):.9g}]"
        )
    return lo, hi


def to_share(v: Array, levels: Levels) -> Array:
    """`(v - lo) / (hi - lo)`, from 0 for the value of byte 0 to 1 for that of byte 255."""
    lo, hi = levels
    width = np.where(np.equal(hi, lo), 1.0, np.subtract(hi, lo))
    return np.clip((v - lo) / width, 0, 1)


def from_bytes(byte: Array, levels: Levels) -> Array:
    """`float32(lo + (hi - lo) b / 255)` for bytes `b`, in [lo, hi], as float64; beyond float32 it is not rounded."""
    lo, hi = levels
    v = lo + np.subtract(hi, lo) * (byte / 255)
    with np.errstate(over="ignore"):
        single = v.astype(np.float32)
    return np.clip(np.where(np.isfinite(single), single, v), lo, hi)


def to_8bit(v: Array, levels: Levels = UNIT) -> Array:
    """The nearest value a PNG can hold, of values in [lo, hi]; in [0, 1] it is `float32(round(255 v) / 255)`."""
    return from_bytes(np.round(255 * to_share(v, levels)), levels)


def in_bytes(x: Array, x_adv: Array, levels: Levels = UNIT) -> Array:
    """`x_adv` (n, d) with every changed pixel rounded to a byte; untouched pixels stay as they are to the last bit."""
    return np.where(x_adv == x, x, to_8bit(x_adv, levels))


def pictures(x: Array, shape: tuple[int, int] | None = None) -> Array:
    """Rows (n, d) as pictures (n, rows, columns) of `shape`, by default square.

    Raises
    ------
    ValueError
        Images that are not of that shape.
    """
    d = x.shape[1]
    if shape is not None and (np.shape(shape) != (2,) or np.asarray(shape).dtype.kind not in "iu" or min(shape) < 1):
        raise ValueError(f"shape: expected (rows, columns), two whole numbers of at least 1, got {brief(shape)}")
    rows, columns = (round(d**0.5), round(d**0.5)) if shape is None else shape
    if rows * columns != d:
        wanted = "square images" if shape is None else f"images of {rows} x {columns}"
        raise ValueError(f"x: expected {wanted}, whose pixels have neighbours, got {d} pixels")
    return x.reshape(-1, rows, columns)
