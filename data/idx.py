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
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

UNSIGNED_BYTE = 8
GZIP_MAGIC = b"\x1f\x8b"
LARGEST = 2**60  # bytes that an array may have, were it in the file
PIECE = 1 << 20  # bytes unpacked at a time


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

    Notes
    -----
    No more is unpacked than the header promises, and one byte to see that there is no more: gzip makes a thousand
    zeros of one byte.
    """
    raw = Path(path).read_bytes()
    file: BinaryIO = io.BytesIO(raw)
    if raw[:2] == GZIP_MAGIC:
        file = gzip.GzipFile(fileobj=file)  # type: ignore[assignment]  # it reads as one
    size = 4 + 4 * ndim
    header = _take(file, size, path)
    if len(header) < size:
        raise ValueError(f"{path}: an IDX header of {ndim} dimensions has {size} bytes, the file has {len(header)}")
    expected = bytes([0, 0, UNSIGNED_BYTE, ndim])
    if header[:4] != expected:
        raise ValueError(f"{path}: expected the IDX magic number {expected.hex()}, got {header[:4].hex()}")
    shape = struct.unpack(f">{ndim}I", header[4:])
    promised = math.prod(shape)
    data = _take(file, promised + 1, path)
    if len(data) != promised:
        held = f"{len(data)} or more" if len(data) > promised else len(data)
        raise ValueError(f"{path}: the header promises {promised} bytes for shape {shape}, the file holds {held}")
    if math.prod(n or 1 for n in shape) > LARGEST:  # NumPy refuses these even where they are empty
        raise ValueError(f"{path}: expected a shape that an array can have, got {shape}")
    return np.frombuffer(bytes(data), np.uint8).reshape(shape)


def _take(file: BinaryIO, size: int, path: str | Path) -> bytearray:
    """The next `size` bytes, or all that are left; memory grows with what there is, not with what is asked for."""
    content = bytearray()
    try:
        while len(content) < size and (piece := file.read(min(PIECE, size - len(content)))):
            content += piece
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a complete gzip file ({error})") from error
    return content


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
