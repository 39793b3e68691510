"""What a command says while it works: on standard error, a bar on a terminal and lines in a log; `--quiet`: nothing."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

WIDTH = 20  # characters of a bar: one for 5%, and the words beside it fit into 80 columns


class Standing(Protocol):
    """What a bar shows, `attacks.proofs.task.Progress` for one: done, open, and the seconds left, NaN if not known."""

    @property
    def done(self) -> int: ...
    @property
    def open(self) -> int: ...
    @property
    def left(self) -> float: ...


class StatusLine:
    """One line a step, with the seconds since it was made; on a terminal the line is rewritten in place.

    A terminal shows as much of it as fits into one of its lines: more could not be rewritten.  Where standard error
    cannot be written (a full disk), nothing is said, and the work goes on.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.began, self.quiet = time.perf_counter(), quiet
        self.terminal = sys.stderr.isatty()

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
        if not self.quiet:
            with suppress(OSError):
                print(text, end="", file=sys.stderr, flush=True)


class Bar:
    """How far a run is: percent, done, open, time left.  Give one to whatever takes `on_progress`.

    On a terminal it is drawn at each call, in a log it is a line for each percent.

    >>> from attacks.proofs.task import Progress
    >>> said = []
    >>> bar = Bar("prove l0", said.append)
    >>> bar(Progress(done=3, open=9, left=18.4))
    >>> said
    [' 25%, 3 done, 9 open, about 18 s left: prove l0']
    """

    def __init__(self, what: str, line: Callable[[str], None] | None = None) -> None:
        self.what, self.line = what, StatusLine() if line is None else line
        self.shown = -1  # percent

    def __call__(self, p: Standing) -> None:
        share = p.done / max(p.done + p.open, 1)
        if on_terminal(self.line) or int(100 * share) != self.shown:
            self.shown = int(100 * share)
            self.line(drawn(self.what, share, p, on_terminal(self.line)))


def drawn(what: str, share: float, p: Standing, terminal: bool) -> str:
    """The bar, in front so that it stays where it is, and what it is about."""
    left = f", about {duration(p.left)} left" if p.open and not math.isnan(p.left) else ""
    bar = f"[{'#' * int(share * WIDTH):-<{WIDTH}}] " if terminal else ""
    return f"{bar}{int(100 * share):3d}%, {p.done} done, {p.open} open{left}: {what}"


def on_terminal(line: object) -> bool:
    """Whether a line is rewritten in place."""
    return isinstance(line, StatusLine) and line.terminal


def duration(seconds: float) -> str:
    """In the unit that fits.

    >>> [duration(s) for s in (3.2, 100, 6000)]
    ['3 s', '2 min', '1.7 h']
    """
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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


@dataclass(frozen=True)
class Steps:
    """A `Standing` in steps."""

    done: int
    open: int
    left: float


class Clock:
    """Says which step begins, and keeps how many seconds it took; with the `usual` seconds of each, how far it all is.

    >>> said = []
    >>> clock = Clock(said.append, {"train": 6.0, "attack": 18.0})
    >>> with clock("train"):
    ...     pass
    >>> with clock("attack"):
    ...     clock.say("half of it")
    >>> [text.partition(", about")[0] for text in said], list(clock.seconds)
    (['  0%, 0 done, 2 open', ' 25%, 1 done, 1 open', ' 25%, 1 done, 1 open'], ['train', 'attack'])
    """

    def __init__(self, line: Callable[[str], None], usual: Mapping[str, float] | None = None) -> None:
        self.line, self.usual, self.seconds = line, dict(usual or {}), dict[str, float]()
        self.begun, self.at = time.perf_counter(), 0

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        if step in self.usual:  # a step before it that did not come is over, too
            self.at = list(self.usual).index(step)
        self.say(f"{step} ...")
        start = time.perf_counter()
        yield
        self.seconds[step] = round(time.perf_counter() - start, 3)

    def say(self, text: str) -> None:
        """One line more of this step."""
        if self.usual:
            usual = list(self.usual.values())
            share = sum(usual[: self.at]) / sum(usual)
            left = (time.perf_counter() - self.begun) * (1 - share) / share if share else sum(usual)
            text = drawn(text, share, Steps(self.at, len(usual) - self.at, left), on_terminal(self.line))
        self.line(text)
