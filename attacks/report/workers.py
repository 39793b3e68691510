"""Other processes to prove in while this one attacks, and how many threads each may use."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")  # read by BLAS when NumPy is first imported


class SameProcess(Executor):
    """An executor without a process of its own: `submit` does the work at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@contextmanager
def workers(count: int) -> Iterator[Executor]:
    """`count` fresh processes with one BLAS thread each, ended when the block ends; for 0 a `SameProcess`.

    One thread each, because two threads that share a core spend their time waiting for each other.  Fresh, because a
    process forked from one that has BLAS threads may deadlock.
    """
    if not count:
        yield SameProcess()
        return
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=spawn, initializer=_end_with_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def one_thread_each() -> None:
    """Start `python -m attacks` again with one BLAS thread, unless the user has chosen a number.

    On two cores, two threads here and one in the process that proves slow each other down.  BLAS reads the variables
    only when it is loaded, so the process is replaced by a new one.
    """
    if os.name == "posix" and not any(name in os.environ for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))
        os.execv(sys.executable, [sys.executable, "-m", "attacks", *sys.argv[1:]])


def _end_with_parent() -> None:
    """End this process when its parent is gone: the workers of a parent that is killed would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
