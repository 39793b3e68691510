"""Other processes to prove in while this one attacks, and one BLAS thread for each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from attacks.report.pool import Pool
from minigrad.threads import VARIABLES


class SameProcess(Executor):
    """An executor without a process of its own: `submit` does the work at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def workers(count: int, *, helped: bool = False) -> Iterator[Executor]:
    """`count` fresh processes with one BLAS thread each, ended when the block ends; for 0 a `SameProcess`.

    `helped`: this process works on what nobody has begun while it waits for a result (`Pool`).

    One thread each, because two threads that share a core spend their time waiting for each other.  A block that ends
    with an exception, Ctrl-C for one, ends the processes in the middle of their work.
    """
    if not count:
        yield SameProcess()
        return
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    pool = Pool(count, helped=helped)
    try:
        yield pool
        pool.shutdown(cancel_futures=True)
    finally:
        pool.kill()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def together(count: int) -> Iterator[Executor | None]:
    """`count` processes for one search, this one among them; None where it is alone."""
    with workers(count - 1, helped=True) as pool:
        yield pool if count > 1 else None


def one_thread_each() -> None:
    """Start `python -m attacks` again with one BLAS thread, unless the user has chosen a number.

    BLAS reads the variables only when NumPy is first imported, and this package imports it before any command begins.
    So the process is replaced by a new one.
    """
    if os.name == "posix" and not any(name in os.environ for name in VARIABLES):
        os.environ.update(dict.fromkeys(VARIABLES, "1"))
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
