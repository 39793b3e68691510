"""MNIST from the file beside this module, and any collection published as four IDX files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from data.idx import Array, load_idx, read_idx, scale

MNIST = Path(__file__).with_name("mnist.npz")
PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
Split = tuple[Array, Array, Array, Array]


def load_mnist(digits: Sequence[int] | None = None) -> Split:
    """`x_train, y_train, x_test, y_test` of MNIST, in the order of the original files.

    Parameters
    ----------
    digits : sequence of distinct ints in 0..9, optional
        Keep only these, and label them 0, 1, ... in the order given: `(4, 9)` gives `y = 0` for a
        four and `y = 1` for a nine.  Default: all ten, `y` the digit itself.

    Returns
    -------
    x_train, x_test : (n, 784) float32 in [0, 1]
    y_train, y_test : (n,) int64

    Raises
    ------
    ValueError
        `digits` is no sequence, or a digit is repeated or not in 0..9.

    Examples
    --------
    >>> x_train, y_train, x_test, y_test = load_mnist(digits=(4, 9))
    >>> x_test.shape, int((y_test == 0).sum())
    ((1991, 784), 982)
    """
    wanted = classes(digits, range(10))  # before the file is opened
    with np.load(MNIST) as file:
        train = file["x_train"], file["y_train"].astype(np.int64)
        test = file["x_test"], file["y_test"].astype(np.int64)
    (x_train, y_train), (x_test, y_test) = keep(*train, wanted), keep(*test, wanted)
    return scale(x_train), y_train, scale(x_test), y_test


def load_folder(folder: str | Path, digits: Sequence[int] | None = None) -> Split:
    """`x_train, y_train, x_test, y_test` from a folder with the four canonical IDX files.

    Fashion-MNIST, KMNIST and MNIST itself are published under the same four names, with or without `.gz`, and some
    programs that unpack them write `.idx3-ubyte` for `-idx3-ubyte`.
    `digits` picks and orders classes as in `load_mnist`.

    Raises
    ------
    FileNotFoundError
        One of the four files is missing.
    ValueError
        A file is damaged, train and test images differ in size, or a class is repeated or absent.
    """
    paths = [find_part(folder, part) for part in PARTS]
    (x_train, y_train), (x_test, y_test) = load_idx(*paths[:2]), load_idx(*paths[2:])
    if x_train.shape[1] != x_test.shape[1]:
        raise ValueError(f"{folder}: training images have {x_train.shape[1]} pixels, test images {x_test.shape[1]}")
    wanted = classes(digits, np.intersect1d(y_train, y_test).tolist())
    return (*keep(x_train, y_train, wanted), *keep(x_test, y_test, wanted))


def find_part(folder: str | Path, part: str) -> Path:
    """The file called `part` in `folder`, or with `.idx` for `-idx`, or with `.gz`.  Raises FileNotFoundError."""
    for name in (part, part.replace("-idx", ".idx")):
        for ending in ("", ".gz"):
            if (path := Path(folder, name + ending)).is_file():
                return path
    raise FileNotFoundError(f"{folder}: expected the files {', '.join(PARTS)} (or each with .gz), {part} is missing")


def folder_shape(folder: str | Path) -> tuple[int, int]:
    """(rows, columns) of the images in a folder that `load_folder` reads."""
    rows, columns = read_idx(find_part(folder, PARTS[0]), ndim=3).shape[1:]
    return rows, columns


def classes(digits: Sequence[int] | None, known: Sequence[int]) -> list[int] | None:
    """The labels asked for, all of them known, or None for all."""
    if digits is None:
        return None
    ordered = np.iterable(digits) and not isinstance(digits, (Set, Mapping))  # {4, 9} does not say which label is 0
    wanted = list(digits) if ordered else []
    numbers = all(np.ndim(label) == 0 and np.asarray(label).dtype.kind in "iuf" for label in wanted)
    if not wanted or not numbers or len(set(wanted)) < len(wanted) or not set(wanted) <= set(known):
        raise ValueError(
            f"digits: expected distinct labels among {sorted(known)} (of which there are training and test images), "
            f"in the order of the classes, as (4, 9), got {wanted if ordered else digits}"
        )
    return wanted


def keep(x: Array, y: Array, wanted: list[int] | None) -> tuple[Array, Array]:
    """The rows whose label is wanted, relabelled 0, 1, ... in the order of `wanted`."""
    if wanted is None:
        return x, y
    rows = np.flatnonzero(np.isin(y, wanted))
    return x[rows], (y[rows, None] == np.array(wanted)).argmax(axis=1)
