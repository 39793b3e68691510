"""Images as they are handled: in blocks that fit the cache, as bytes, as pictures.  Files: minigrad/io/png.py."""

from __future__ import annotations

import numpy as np

from minigrad.inputs import Array


def blocks(rows: Array, size: int = 384) -> list[Array]:
    """Row numbers in blocks: their images (384 x 784 float64 are 2.4 MB) stay in the cache for a whole run."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def to_8bit(v: Array) -> Array:
    """The nearest value a PNG can hold: `float32(round(255 v) / 255)`, as float64."""
    return (np.round(255 * v) / 255).astype(np.float32).astype(np.float64)


def in_bytes(x: Array, x_adv: Array) -> Array:
    """`x_adv` (n, d) with every changed pixel rounded to a byte; untouched pixels stay as they are to the last bit."""
    return np.where(x_adv == x, x, to_8bit(x_adv))


def pictures(x: Array, shape: tuple[int, int] | None = None) -> Array:
    """Rows (n, d) as pictures (n, rows, columns) of `shape`, by default square.

    Raises
    ------
    ValueError
        Images that are not of that shape.
    """
    d = x.shape[1]
    if shape is not None and (np.shape(shape) != (2,) or np.asarray(shape).dtype.kind not in "iu"):
        raise ValueError(f"shape: expected (rows, columns), two whole numbers, got {shape!r}")
    rows, columns = (round(d**0.5), round(d**0.5)) if shape is None else shape
    if rows * columns != d:
        wanted = "square images" if shape is None else f"images of {rows} x {columns}"
        raise ValueError(f"x: expected {wanted}, whose pixels have neighbours, got {d} pixels")
    return x.reshape(-1, rows, columns)
