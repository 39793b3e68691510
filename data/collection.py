"""A collection of images from wherever it is, in one form: pixels as shares of their range, labels 0, 1, ..."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.idx import Array
from data.loader import Split, classes, folder_shape, keep, load_folder, load_mnist
from data.npz import ends, picture_shape, split


@dataclass(frozen=True, eq=False)
class Collection:
    """Images of some classes.

    Attributes
    ----------
    x_train, x_test : (m, d) and (n, d) float32 in [0, 1], shares of the range of each pixel
    y_train, y_test : (m,) and (n,) int64, positions in the classes asked for
    shape : (rows, columns) of an image, as it is drawn
    lo, hi : (d,) float64
        Pixel i of the source was  lo_i + (hi_i - lo_i) x_i.  Bytes count as shares already: 0 and 1.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    shape: tuple[int, int]
    lo: Array
    hi: Array

    @property
    def scaled(self) -> bool:
        """Whether shares and pixels of the source are not the same."""
        return bool(np.any(self.lo != 0) or np.any(self.hi != 1))


def load_npz(path: str | Path, digits: Sequence[int] | None = None) -> Split:
    """`x_train, y_train, x_test, y_test` of an `.npz` file with `x` and `y` (see data/npz.py).

    Images are flattened to (n, d) in the order of the file, bytes divided by 255, and with `lo` and `hi` in the file
    pixels become shares of that range.  `digits` picks and orders classes as in `load_mnist`.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is no such file, or its arrays do not fit each other.
    """
    c = load_collection(path, digits)
    return c.x_train, c.y_train, c.x_test, c.y_test


def load_collection(source: str | Path | None = None, digits: Sequence[int] | None = None) -> Collection:
    """MNIST (None), a folder of four IDX files, or an `.npz` file.

    Raises
    ------
    OSError, ValueError
        As `load_mnist`, `load_folder`, `load_npz`.
    """
    if source is not None and (Path(source).is_file() or Path(source).suffix == ".npz"):
        return _npz(Path(source), digits)
    parts = load_mnist(digits) if source is None else load_folder(source, digits)
    d = parts[0].shape[1]
    shape = (28, 28) if source is None else folder_shape(source)
    return Collection(*parts, shape, np.zeros(d), np.ones(d))


def _npz(path: Path, digits: Sequence[int] | None) -> Collection:
    from minigrad.io.npz import read_npz  # the one reader of `.npz`; the rest of this room needs NumPy only

    found = split(read_npz(path, compressed=True), str(path))
    shape = found["x_train"].shape[1:]
    wanted = classes(digits, np.intersect1d(found["y_train"], found["y_test"]).tolist())
    bytes_ = found["x_train"].dtype == np.uint8 and "lo" not in found and "hi" not in found
    images, labels, lo, hi = [], [], np.zeros(math.prod(shape)), np.ones(math.prod(shape))
    for part in ("train", "test"):
        x: Any = found[f"x_{part}"]
        lo, hi = ends(found, x, f"{path}: {'x' if part == 'train' else 'x of the test images'}")
        x, y = keep(x.reshape(len(x), -1), found[f"y_{part}"], wanted)
        images.append(np.clip((x - lo) / (hi - lo), 0, 1).astype(np.float32))
        labels.append(y)
    if bytes_:
        lo, hi = np.zeros_like(lo), np.ones_like(hi)
    return Collection(images[0], labels[0], images[1], labels[1], picture_shape(shape), lo, hi)
