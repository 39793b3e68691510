"""Pictures as files: a grey PNG written, any image file read, scaled and centred as MNIST is.

matplotlib reads and writes the formats, SciPy scales; both are imported where they are used.
"""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.inputs import Array, brief
from minigrad.io.files import write_whole


def write_png(path: Path, picture: Array) -> Path:
    """Write a grey picture (rows, columns) in [0, 1] as an 8-bit PNG, whole or not at all; `path`.

    Raises
    ------
    ValueError, OSError
        Pixels outside [0, 1]; a folder that cannot be made or written.
    """
    import matplotlib.image

    if not (np.min(picture) >= 0 and np.max(picture) <= 1):
        raise ValueError(f"{path}: expected pixels in [0, 1], got {np.min(picture):.9g}..{np.max(picture):.9g}")
    grey = np.round(255 * picture).astype(np.uint8)
    content = io.BytesIO()
    matplotlib.image.imsave(content, np.repeat(grey[:, :, None], 3, axis=2), format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue())
    return path


def read_grey(path: Any) -> Array:
    """An image file as (height, width) in [0, 1]: the mean of its colours, 0 where it is transparent.

    Raises
    ------
    ValueError, OSError
        No picture that can be read.
    """
    import matplotlib.image

    if not isinstance(path, str | PathLike) and not hasattr(path, "read"):
        raise ValueError(f"path: expected a file's name, or an open file, got {brief(path)}")
    try:
        v = np.asarray(matplotlib.image.imread(path))
    except (SyntaxError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path}: expected an image file, such as a PNG, that can be read") from error
    v = v / 255.0 if v.dtype.kind == "u" else v.astype(np.float64)
    if v.ndim == 2:
        return v
    colours = v[..., : 3 if v.shape[-1] > 2 else 1].mean(axis=-1)
    return colours * v[..., -1] if v.shape[-1] in (2, 4) else colours


def load_png(path: Any, shape: tuple[int, int] = (28, 28), *, invert: bool = False, centre: bool = False) -> Array:
    """An image file as one row (1, rows * columns) of pixels in [0, 1], ready for a network.

    Parameters
    ----------
    path : file that matplotlib reads, a PNG for instance
    shape : (rows, columns)
        What the picture is scaled to, keeping its proportions; what is left over is black.
    invert : bool
        For dark ink on light paper: MNIST's ink is white.
    centre : bool
        As MNIST was made (LeCun et al. 1998, section III.A): the ink's bounding box is scaled to fit 20/28 of the
        picture, and its centre of mass put into the middle.

    Raises
    ------
    ValueError, OSError
        No picture that can be read, a shape that is not two whole numbers >= 1, nothing but black to centre.
    """
    if np.shape(shape) != (2,) or np.asarray(shape).dtype.kind not in "iu" or min(shape) < 1:
        raise ValueError(f"shape: expected (rows, columns), two whole numbers of at least 1, got {brief(shape)}")
    grey = 1 - read_grey(path) if invert else read_grey(path)
    rows, columns = shape
    if not centre:
        return _placed(_scaled(grey, rows, columns), shape, None).reshape(1, -1)
    ink = np.argwhere(grey > 0)
    if not len(ink):
        raise ValueError(f"{path}: expected some ink to centre, got a black picture (invert=True for dark ink)")
    (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0) + 1
    small = _scaled(grey[top:bottom, left:right], round(20 / 28 * rows), round(20 / 28 * columns))
    mass = small.sum()
    middle = [float((small.sum(axis=1 - axis) @ np.arange(small.shape[axis])) / mass) for axis in (0, 1)]
    return _placed(small, shape, middle).reshape(1, -1)


def _scaled(grey: Array, rows: int, columns: int) -> Array:
    """The picture scaled to fit (rows, columns), by linear interpolation after a blur as wide as a new pixel."""
    from scipy.ndimage import gaussian_filter, zoom

    ratio = min(rows / grey.shape[0], columns / grey.shape[1])
    if ratio == 1:
        return grey
    size = [max(1, round(side * ratio)) for side in grey.shape]
    if ratio < 1:
        grey = gaussian_filter(grey, 0.4 / ratio)
    ratios = [new / old for new, old in zip(size, grey.shape, strict=True)]
    return np.clip(zoom(grey, ratios, order=1, grid_mode=True, mode="nearest"), 0, 1)


def _placed(small: Array, shape: tuple[int, int], middle: list[float] | None) -> Array:
    """The picture on black, its own middle (or the point `middle` of it) in the middle of `shape`."""
    out = np.zeros(shape)
    ends = []
    for axis in (0, 1):
        free = shape[axis] - small.shape[axis]
        offset = free / 2 if middle is None else (shape[axis] - 1) / 2 - middle[axis]
        ends.append(int(np.clip(round(offset), 0, free)))
    top, left = ends
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out
