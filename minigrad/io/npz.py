"""Arrays as the bytes of an `.npz` file, and back without trusting what the bytes say of themselves.

This is the only reader of `.npz` in the project: of networks, of certificates, and of anybody's images.
"""

from __future__ import annotations

import io
import math
import sys
from typing import TYPE_CHECKING

import numpy as np

from minigrad.inputs import Array

if TYPE_CHECKING:
    import zipfile
    from pathlib import Path

DEFLATE = 1032  # the most that one byte of a deflate stream can stand for: 258 bytes in 2 bits (RFC 1951)
BRIEF = 200  # characters of a foreign error quoted in ours: two lines of a terminal; not critical


def npz_bytes(arrays: dict[str, Array], *, compressed: bool = False) -> bytes:
    """An `.npz` archive, the same bytes for the same arrays (no time stamps)."""
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_npz(path: str | Path, *, compressed: bool = False) -> dict[str, Array]:
    """The arrays of an `.npz` file.  No pickle, and no array larger than the file can hold.

    Parameters
    ----------
    path : str or Path
    compressed : bool
        Whether the file may be compressed.  The library writes only files that are not.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is no such archive: foreign, truncated, damaged, or with a header that promises more than is there.
    """
    from pathlib import Path

    return parse_npz(Path(path).read_bytes(), str(path), compressed=compressed)


def npz_names(raw: bytes) -> list[str]:
    """The names of what the bytes of such a file hold; none if they are no archive.  Nothing is unpacked."""
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return [_line(name).removesuffix(".npy") for name in archive.namelist()]
    except Exception:  # given foreign bytes, zipfile may raise anything
        return []


def parse_npz(raw: bytes, name: str, *, compressed: bool = False) -> dict[str, Array]:
    """The arrays in the bytes of such a file; `name` is for the message.  Raises ValueError as `read_npz` does."""
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            most = len(raw) * (DEFLATE if compressed else 1)
            if sum(entry.file_size for entry in entries) > most:  # entries may share the bytes they are read from
                raise ValueError("its entries promise more than the file can hold")
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED and not compressed:
                    raise ValueError(f"{entry.filename} is compressed")
            return {entry.filename.removesuffix(".npy"): _read_entry(archive, entry) for entry in entries}
    except Exception as error:  # given foreign bytes, zipfile, zlib, NumPy and its header parser may raise anything
        kind = "an .npz file" if compressed else "an uncompressed .npz file"
        raise ValueError(f"{name}: expected {kind} of plain arrays, got something else ({briefly(error)})") from error


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Array:
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise ValueError(f"{entry.filename} has array format {version}")
        shape, fortran, dtype = read_header[version](stream)
        content = stream.read()  # to the end: only there is the check sum compared
    if dtype.kind in "OV":
        raise ValueError(f"{entry.filename} holds {dtype}, which is neither numbers nor text")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{entry.filename} promises {shape} of {dtype} and holds {len(content)} bytes")
    if dtype.kind == "U":  # NumPy would make a string of any 32 bits, and Python would fail on it later
        points = np.frombuffer(content, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if points.max(initial=0) > sys.maxunicode:
            raise ValueError(f"{entry.filename} promises text and holds none")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def briefly(error: BaseException) -> str:
    """What an error about foreign bytes says, in one line; its name if it says nothing."""
    said = f"it holds no {error}" if isinstance(error, KeyError) else str(error)
    return _line(said) or type(error).__name__


def _line(text: str) -> str:
    """Foreign text in one line of printable characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= BRIEF else text[:BRIEF] + "..."
