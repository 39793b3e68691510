"""The IDX format, in which MNIST, Fashion-MNIST and EMNIST are published.

An IDX file is a header and then bytes, nothing else (big-endian throughout):

    0 0 T R             two zero bytes, the type T of an entry, the number R of dimensions
    n_1 ... n_R         R unsigned 32-bit integers, the shape
    data                prod(n) entries, row by row

so `0 0 8 3` opens a file of images (unsigned bytes, count x rows x columns) and `0 0 8 1` one of
labels.  Only T = 8 occurs in the image collections, and only that is read here.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

UNSIGNED_BYTE = 8
GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | Path, ndim: int) -> Array:
    """The array stored in one IDX file, gzipped or not.

    Parameters
    ----------
    path : str or Path
    ndim : int
        Dimensions expected: 3 for images, 1 for labels.

    Returns
    -------
    array : (n_1, ..., n_ndim) uint8, read-only

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not an IDX file of `ndim` dimensions of bytes, or holds more or fewer bytes than its
        header promises.
    """
    raw = Path(path).read_bytes()
    if raw[:2] == GZIP_MAGIC:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: not a complete gzip file ({error})") from error
    header = 4 + 4 * ndim
    if len(raw) < header:
        raise ValueError(f"{path}: an IDX header of {ndim} dimensions has {header} bytes, the file has {len(raw)}")
    expected = bytes([0, 0, UNSIGNED_BYTE, ndim])
    if raw[:4] != expected:
        raise ValueError(f"{path}: expected the IDX magic number {expected.hex()}, got {raw[:4].hex()}")
    shape = struct.unpack(f">{ndim}I", raw[4:header])
    if len(raw) - header != math.prod(shape):
        raise ValueError(
            f"{path}: the header promises {math.prod(shape)} bytes for shape {shape}, "
            f"the file holds {len(raw) - header}"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def load_idx(images: str | Path, labels: str | Path) -> tuple[Array, Array]:
    """One pair of IDX files as `(x, y)`, in the library's conventions.

    Returns
    -------
    x : (n, rows * columns) float32 in [0, 1], the byte divided by 255
    y : (n,) int64

    Raises
    ------
    OSError
        A file cannot be read.
    ValueError
        A file is not IDX, is truncated, or there are not as many labels as images.
    """
    pixels, y = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if len(pixels) != len(y):
        raise ValueError(
            f"expected one label per image, got {len(pixels)} images in {images} and {len(y)} labels in {labels}"
        )
    return scale(pixels), y.astype(np.int64)


def scale(pixels: Array) -> Array:
    """Bytes `(n, ...)` to rows `(n, d)` of float32 in [0, 1]: `x = byte / 255`."""
    flat = pixels.reshape(len(pixels), math.prod(pixels.shape[1:]))
    return np.divide(flat, np.float32(255), dtype=np.float32)
