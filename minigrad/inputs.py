"""Bad input gets one clear sentence: what was wrong, what was expected, what came."""

from __future__ import annotations

import operator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Seed: TypeAlias = "int | np.random.Generator | None"  # in quotes: NumPy loads its random module on first use


def as_images(x: ArrayLike, d: int | None = None, name: str = "x", dtype: DTypeLike = np.float64) -> Array:
    """`x` as a finite, contiguous array `(n, d)` of `dtype` with `n >= 1`, or ValueError.

    What is all this already is returned as it is.  Products of strided rows may round differently, so we always return
    a contiguous array.
    """
    x = as_array(x, name)
    width = "d" if d is None else d
    if x.dtype.kind != "f":
        raise ValueError(
            f"{name}: expected floating-point pixels, got {x.dtype}"
            + (" (bytes 0..255 are divided by 255 first)" if x.dtype.kind in "iu" else "")
        )
    if x.ndim != 2 or (d is not None and x.shape[1] != d):
        raise ValueError(f"{name}: expected shape (n, {width}), one image per row, got {x.shape}")
    if x.shape[0] == 0 or x.shape[1] == 0:
        raise ValueError(f"{name}: expected at least one image and one pixel, got shape {x.shape}")
    x = np.ascontiguousarray(x, dtype)
    if not np.isfinite(x).all():
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"{name}: expected finite pixels, got {x[row, column]} in row {row}, column {column}")
    return x


def as_labels(y: ArrayLike, n: int, classes: int, name: str = "y") -> Array:
    """`y` as int64 `(n,)` with entries in `0..classes-1`, or ValueError.  Booleans and whole floats are allowed."""
    y = as_array(y, name)
    if y.shape != (n,):
        raise ValueError(f"{name}: expected {n} labels, one per image, got shape {y.shape}")
    wrong = y if y.dtype.kind not in "biuf" else y[(y != np.floor(y)) | (y < 0) | (y >= classes)]
    if wrong.size:
        raise ValueError(
            f"{name}: expected whole numbers in 0..{classes - 1}, got {wrong[:5].tolist()} of type {y.dtype}"
        )
    return y.astype(np.int64)


def as_array(value: Any, name: str) -> Array:
    """`value` as an array, or ValueError."""
    mask = getattr(value, "mask", None)  # of a masked array; a plain one would hold whatever is under it
    if isinstance(mask, np.ndarray) and mask.any():
        raise ValueError(f"{name}: expected an array without masked entries, got {np.count_nonzero(mask)} of them")
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array, got rows of different lengths") from error
    except (RuntimeError, TypeError) as error:  # a tensor that asks for derivatives, or is on another device
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{name}: expected an array, got {type(value).__name__} ({reason})") from error


def as_real(value: Any, name: str) -> Array:
    """`value` as a float64 array, or ValueError."""
    array = as_array(value, name)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}")
    return array.astype(np.float64, copy=False)


def as_count(value: Any, name: str, least: int = 1) -> int:
    """`value` as an int of at least `least`, or ValueError."""
    try:
        count = operator.index(value)
    except TypeError as error:
        raise ValueError(f"{name}: expected a whole number, got {brief(value)}") from error
    if count < least:
        raise ValueError(f"{name}: expected at least {least}, got {count}")
    return count


def as_number(value: Any, name: str, least: float | None = None) -> float:
    """`value` as a float of at least `least`, without one NaN and infinities too, or ValueError."""
    number = as_array(value, name)
    if number.ndim or number.dtype.kind not in "iuf" or not (least is None or value >= least):
        expected = "a number" if least is None else f"a number of at least {least:g}"
        raise ValueError(f"{name}: expected {expected}, got {brief(value)}")
    return float(value)


def brief(value: Any) -> str:
    """`value` in one line of some hundred characters, for messages: an array of 784 numbers would fill a screen."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:80]} ... (of {len(text)} characters)"


def as_generator(rng: Seed) -> np.random.Generator:
    """The generator of a seed, or the generator that was passed, or ValueError."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise ValueError(f"rng: expected a whole number >= 0 or a numpy Generator, got {brief(rng)}") from error
