"""Anybody's images: an `.npz` file with `x` and `y`, as `numpy.savez` and `numpy.savez_compressed` write it.

    x       (n, d), (n, rows, columns), (n, channels, rows, columns) or (n, rows, columns, channels): bytes, or numbers
            between lo and hi
    y       (n,) or (n, 1) whole numbers
    lo, hi  optional: the ends of the range of each pixel, of any shape that broadcasts to an image; default 0 and 1,
            of bytes 0 and 255

A file with `x_train, y_train, x_test, y_test` instead has its own test images; otherwise every fifth image of each
class is one.  Pixels become shares of their range, (x - lo) / (hi - lo), so that every collection lives in [0, 1].
Rows hold the pixels of an image in the order in which the file holds them, whatever its axes mean: that is the order of
`x.reshape(len(x), -1)`, on which a network for these images was trained.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from data.idx import Array

EVERY = 5  # one image of so many, class by class, is for the test
CHANNELS = 4  # red, green, blue and opacity: no more are expected, and no picture has as few rows or columns
DARK = 128  # bytes that all lie below leave half of their range unused: are they 0 and 1, or 0..16, or 0..100?
PARTS = ("x_train", "y_train", "x_test", "y_test")


def split(arrays: dict[str, Array], name: str) -> dict[str, Array]:
    """`x_train, y_train, x_test, y_test, lo, hi`: images as they are in the file, labels as int64.

    Raises
    ------
    ValueError
        Arrays missing, labels that are no whole numbers or not one an image, images of two shapes, of no pixels, of
        bytes here and numbers there; no class with a fifth image.
    """
    whole, parts = {"x", "y"} <= arrays.keys(), arrays.keys() >= set(PARTS)
    if not whole and not parts:
        raise ValueError(f"{name}: expected x and y, or {', '.join(PARTS)}, got {', '.join(arrays) or 'nothing'}")
    arrays = dict(arrays)
    for x, y in (PARTS[:2], PARTS[2:]) if parts else (("x", "y"),):
        arrays[y] = _labels(arrays[x], arrays[y], f"{name}: {x}", f"{name}: {y}")
    if parts:
        if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
            shapes = arrays["x_train"].shape[1:], arrays["x_test"].shape[1:]
            raise ValueError(f"{name}: expected training and test images of one shape, got {shapes[0]} and {shapes[1]}")
        types = arrays["x_train"].dtype, arrays["x_test"].dtype
        if (types[0] == np.uint8) != (types[1] == np.uint8) and "hi" not in arrays:
            raise ValueError(
                f"{name}: expected training and test images of one range, got {types[0]} and {types[1]}: bytes are "
                "divided by 255 and numbers are not, unless lo and hi in the file say the range of both"
            )
        found = {part: arrays[part] for part in PARTS}
    else:
        images, labels = arrays["x"], arrays["y"]
        test = np.zeros(len(labels), bool)
        for label in np.unique(labels):
            test[np.flatnonzero(labels == label)[EVERY - 1 :: EVERY]] = True
        if not test.any():
            most = max(np.count_nonzero(labels == label) for label in np.unique(labels))
            raise ValueError(
                f"{name}: expected at least {EVERY} images of a class, as every fifth is a test image, got {most} "
                f"(or the arrays {', '.join(PARTS)})"
            )
        found = dict(zip(PARTS, (images[~test], labels[~test], images[test], labels[test]), strict=True))
    for part in ("y_train", "y_test"):
        found[part] = found[part].astype(np.int64)
    return found | {end: arrays[end] for end in ("lo", "hi") if end in arrays}


def _labels(x: Array, y: Array, x_name: str, y_name: str) -> Array:
    """The labels (n,) of images (n, ...), or ValueError."""
    if x.dtype.kind not in "buif" or not 2 <= x.ndim <= 4 or 0 in x.shape:
        raise ValueError(
            f"{x_name}: expected images, numbers of shape (n, d), (n, rows, columns) or (n, channels, rows, columns), "
            f"got {x.shape} of {x.dtype}"
        )
    if y.shape == (len(x), 1):
        y = y[:, 0]
    if y.shape != (len(x),):
        hint = " (rows of 0 and a 1: y.argmax(axis=1))" if y.ndim == 2 and len(y) == len(x) else ""
        raise ValueError(f"{y_name}: expected {len(x)} labels, one an image, got shape {y.shape}{hint}")
    if y.dtype.kind not in "buif":
        raise ValueError(f"{y_name}: expected whole numbers, got {y.dtype}")
    if not np.all((y == np.floor(y)) & (y > -(2**31)) & (y < 2**31)):
        raise ValueError(f"{y_name}: expected whole numbers, got {y.dtype} with others, or beyond 2^31")
    return y


def picture_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """How an image of that shape is drawn, (rows, columns); a long row if it is no picture.

    Channels that come first are drawn below each other, channels that come last beside each other, pixel by pixel.

    Examples
    --------
    >>> picture_shape((28, 28)), picture_shape((64,)), picture_shape((30,))
    ((28, 28), (8, 8), (1, 30))
    >>> picture_shape((3, 32, 32)), picture_shape((32, 32, 3))
    ((96, 32), (32, 96))
    """
    if len(shape) == 1:
        side = math.isqrt(shape[0])
        return (side, side) if side**2 == shape[0] else (1, shape[0])
    if len(shape) == 3 and shape[2] <= CHANNELS < shape[0]:
        return shape[0], shape[1] * shape[2]
    return math.prod(shape[:-1]), shape[-1]


def ends(arrays: dict[str, Array], x: Array, name: str) -> tuple[Array, Array]:
    """`lo, hi`, (d,) each, of images `x` (n, ...): as the file says, 0 and 255 of bytes, else 0 and 1.

    Pixels in float32 may lie beyond them by their own rounding.

    Raises
    ------
    ValueError
        Ends that do not fit, or pixels outside them; bytes that may be meant as something else than 0..255.
    """
    default = {"lo": 0.0, "hi": 255.0 if x.dtype == np.uint8 else 1.0}
    found = []
    for end, value in default.items():
        given: Any = arrays.get(end, np.float64(value))
        try:
            numbers = np.broadcast_to(given, x.shape[1:]).ravel()
        except ValueError as error:
            raise ValueError(f"{name}: expected {end} to broadcast to {x.shape[1:]}, got {given.shape}") from error
        if given.dtype.kind not in "buif":
            raise ValueError(f"{name}: expected {end} to be numbers, got {given.dtype}")
        found.append(numbers.astype(np.float64))
    lo, hi = found
    if not (np.isfinite(lo).all() and np.isfinite(hi).all() and (lo < hi).all()):
        got = f"{lo.min():g}..{lo.max():g} and {hi.min():g}..{hi.max():g}"
        raise ValueError(f"{name}: expected finite lo < hi, got {got}")
    least, most = float(x.min()), float(x.max())
    if x.dtype == np.uint8 and "hi" not in arrays and most < DARK:
        raise ValueError(
            f"{name}: expected bytes 0..255, got none above {most:.0f}: add hi={max(most, 1):.0f} to the file if that "
            "is white, hi=255 if the images are dark"
        )
    flat = x.reshape(len(x), -1)
    exact = x.dtype.kind != "f" or x.dtype == np.float64
    slack = 0 * lo if exact else 2 * float(np.finfo(x.dtype).eps) * np.maximum(np.abs(lo), np.abs(hi))
    if not (np.isfinite(least) and np.isfinite(most) and (flat >= lo - slack).all() and (flat <= hi + slack).all()):
        unscaled = "hi" not in arrays and least >= 0 and DARK <= most <= 255
        hint = "divide pixels of 0..255 by 255, or say " if unscaled else ""
        raise ValueError(
            f"{name}: expected pixels between lo and hi, {lo.min():.9g}..{hi.max():.9g}, got {least:.9g}..{most:.9g} "
            f"({hint}another range with arrays lo and hi in the file)"
        )
    return lo, hi
