"""What a command says while it works: one line a step on standard error, and how long each step took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StatusLine:
    """One line a step, with the seconds since it was made; on a terminal the line is rewritten in place."""

    def __init__(self) -> None:
        self.began, self.terminal = time.perf_counter(), sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        stamp = f"[{self.elapsed:5.1f} s] {text}"
        before, after = ("\r\x1b[K", "") if self.terminal else ("", "\n")
        print(f"{before}{stamp}", end=after, file=sys.stderr, flush=True)

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self.began

    def end(self) -> None:
        """Leave an empty line on a terminal, for what is printed next."""
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


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
