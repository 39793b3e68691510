"""What a command says while it works: one line a step on standard error, and how long each step took."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class StatusLine:
    """One line a step, with the seconds since it was made; on a terminal the line is rewritten in place.

    A terminal shows as much of it as fits into one of its lines: more could not be rewritten.  Where standard error
    cannot be written (a full disk), nothing is said, and the work goes on.
    """

    def __init__(self) -> None:
        self.began, self.terminal = time.perf_counter(), sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        stamp = f"[{self.elapsed:5.1f} s] {text}"
        if self.terminal:
            self._write(f"\r\x1b[K{stamp[: _columns() - 1]}")
        else:
            self._write(f"{stamp}\n")

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self.began

    def end(self) -> None:
        """Leave an empty line on a terminal, for what is printed next."""
        if self.terminal:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with suppress(OSError):
            print(text, end="", file=sys.stderr, flush=True)


def _columns() -> int:
    """Of the terminal behind standard error; 80 where it does not say."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def say(text: str) -> None:
    """Print the last words of a command on standard output, whatever that is.

    Letters that its encoding lacks are written as Python would escape them.  A reader who has gone (`| head`, `| true`)
    is no error: everything else is done by then.

    Raises
    ------
    OSError
        Standard output cannot be written, a full disk for instance.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        _discard()
    except OSError as error:
        _discard()
        lost = f"{error.strerror}: the table cannot be printed; everything else is done"
        raise OSError(error.errno, lost) from error


def _discard() -> None:
    """Point standard output nowhere: Python flushes it once more when it ends, and would complain."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class Clock:
    """Says which step begins, and keeps how many seconds it took.

    >>> said = []
    >>> clock = Clock(said.append)
    >>> with clock("train the network"):
    ...     pass
    >>> said, list(clock.seconds)
    (['train the network ...'], ['train the network'])
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say, self.seconds = say, dict[str, float]()

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        self.say(f"{step} ...")
        start = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)
