"""Files that are whole or absent, and arrays read without trusting what the file says of itself.

The standard library's file modules are imported where they are used: `import minigrad` should cost little more than
NumPy.
"""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from minigrad.inputs import Array

if TYPE_CHECKING:
    import zipfile
    from pathlib import Path

PART = ".part"  # how the name of a temporary file ends
BRIEF = 200  # characters of a foreign file's own words in a message


def write_whole(path: str | Path, content: bytes) -> None:
    """Write beside `path` and rename: whoever looks sees the old file or the new one, never a half.

    What a killed process left half-written beside `path` is removed.

    Raises
    ------
    OSError
        The folder does not exist or cannot be written, or the disk is full; `path` is then as it was.
    """
    from pathlib import Path

    path = Path(path)
    if not path.parent.is_dir() or path.is_dir():
        raise FileNotFoundError(f"{path}: expected a file to write in a folder that exists")
    with naming(path):
        _sweep(path)
        handle, temporary = _temporary(path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                umask = os.umask(0)
                os.umask(umask)
                os.chmod(temporary, 0o666 & ~umask)  # mkstemp is private; an ordinary file is not
                if os.name == "nt":
                    file.close()  # there no open file can be renamed
                os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """An OSError within says which file it is about; a full disk says only that it is full."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _temporary(path: Path) -> tuple[int, str]:
    """A new file beside `path`, open and locked: as long as this process lives no other sweeps it away."""
    import tempfile

    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
        if _lock(handle) is not False and os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # it was swept in between


def _sweep(path: Path) -> None:
    """Remove temporary files of `path` whose process is gone: nobody holds their lock."""
    from contextlib import suppress
    from glob import escape

    for stale in path.parent.glob(f".{escape(path.name)}.*{PART}"):
        with suppress(OSError), stale.open("rb") as file:
            if _lock(file.fileno()):
                stale.unlink()


def _lock(handle: int) -> bool | None:
    """Take the lock of an open file, which goes when its process does: whether it was free; None: no locks here."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows; some network file systems
        return None
    return True


def check_writable(folder: str | Path) -> None:
    """Raise OSError unless files can be made in `folder`, or in the nearest folder above it that exists."""
    import tempfile
    from pathlib import Path

    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder, but {place} is a file")
    with naming(folder), tempfile.TemporaryFile(dir=place):  # only trying tells: a read-only disk, a pseudo file system
        pass


def npz_bytes(arrays: dict[str, Array]) -> bytes:
    """An uncompressed `.npz` archive, the same bytes for the same arrays (no time stamps)."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_npz(path: str | Path) -> dict[str, Array]:
    """The arrays of an uncompressed `.npz`.  No pickle, and no array larger than the file that holds it.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not such an archive: foreign, truncated, damaged, compressed, or with a header that promises more than is
        there.
    """
    from pathlib import Path

    return parse_npz(Path(path).read_bytes(), str(path))


def parse_npz(raw: bytes, name: str) -> dict[str, Array]:
    """The arrays of the bytes of such a file; `name` is for the message.  Raises ValueError as `read_npz` does."""
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > len(raw):  # entries may share the bytes they are read from
                raise ValueError("its entries promise more than the file holds")
            return {entry.filename.removesuffix(".npy"): _read_entry(archive, entry) for entry in entries}
    except Exception as error:  # of foreign bytes zipfile, NumPy and the parser under its headers may raise anything
        raise ValueError(
            f"{name}: expected an uncompressed .npz file of plain arrays, got something else ({briefly(error)})"
        ) from error


def briefly(error: BaseException) -> str:
    """What an error of foreign bytes says, in one line; its name if it says nothing."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split()) or type(error).__name__
    return text if len(text) <= BRIEF else text[:BRIEF] + "..."


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Array:
    if entry.compress_type != 0:  # zipfile.ZIP_STORED
        raise ValueError(f"{entry.filename} is compressed")
    stream = io.BytesIO(archive.read(entry))
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"{entry.filename} has array format {version}")
    shape, fortran, dtype = read_header[version](stream)
    content = stream.read()
    if dtype.kind in "OV" or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{entry.filename} promises {shape} of {dtype} and holds {len(content)} bytes")
    if dtype.kind == "U":  # NumPy would make a string of any 32 bits, and Python stumble over it later
        points = np.frombuffer(content, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if points.max(initial=0) > sys.maxunicode:
            raise ValueError(f"{entry.filename} promises text and holds none")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
