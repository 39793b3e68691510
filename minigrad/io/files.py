"""Files that are whole or absent: written beside their place, then renamed.

A temporary file is locked by the process that writes it, and the lock goes when the process does.  So a file left
behind by a killed process is recognised, and removed by the next one that writes to the same place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part"  # how the name of a temporary file ends


def write_whole(path: str | Path, content: bytes) -> None:
    """Write beside `path` and rename: a reader sees the old file or the new one, never half of one.

    What a killed process left half-written beside `path` is removed.

    Raises
    ------
    OSError
        The folder does not exist or cannot be written, or the disk is full; `path` is then as it was.
    """
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
    """Name the file in an OSError raised within: of a full disk the system says only that it is full."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _temporary(path: Path) -> tuple[int, str]:
    """A new file beside `path`, open and locked: as long as this process lives no other one removes it."""
    import tempfile

    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
        if lock(handle) is not False and os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # another process removed it before it was locked


def _sweep(path: Path) -> None:
    """Remove the temporary files of `path` whose lock is free: their process is gone."""
    from glob import escape

    for stale in path.parent.glob(f".{escape(path.name)}.*{PART}"):
        with suppress(OSError), stale.open("rb") as file:
            if lock(file.fileno()):
                stale.unlink()


def lock(handle: int) -> bool | None:
    """Take the lock of an open file or folder: True if it was free, False if not, None where there are no locks.

    It is free again when this process closes the file or ends, however it ends.
    """
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # Windows; some network file systems
        return None
    return True


@contextmanager
def alone(folder: str | Path) -> Iterator[None]:
    """Hold the lock of a folder that exists: no other process is in a block like this one for the same folder.

    On Windows, and on file systems without locks, nothing is held.

    Raises
    ------
    ValueError
        Another one is.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folder; and who may not read may not write, which is said elsewhere
        yield
        return
    try:
        if lock(handle) is False:
            raise ValueError(f"{folder}: another run is writing to this folder: wait for its end, or name another")
        yield
    finally:
        os.close(handle)


def check_writable(folder: str | Path) -> None:
    """Raise OSError unless files can be made in `folder`, or in the nearest folder above it that exists."""
    import tempfile

    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder, but {place} is a file")
    with naming(folder), tempfile.TemporaryFile(dir=place):  # only trying tells: the disk may be read-only
        pass
