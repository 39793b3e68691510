"""Processes to work in that can be ended at any moment.

The pools of the standard library share queues and locks among their processes.  Whoever is killed, or interrupted a
second time, while it holds one of these leaves the others waiting for ever (CPython issue 125886).  Here each process
has a pipe of its own and nothing else, so nothing can be left locked: whoever is at the other end sees it close.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

Job = tuple[Future[Any], bytes]  # the call, pickled
# Seconds to wait for a process that was killed: the system collects it in some milliseconds, on a busy machine in some
# hundred.  Not critical: whoever is left is nobody's concern any more.
GONE = 1.0


class Pool(Executor):
    """Up to `count` fresh processes, started when there is work; each does one job at a time.

    With `helped`, whoever asks for the `result` of a job that is not done yet does not sit idle: it works on the jobs
    that nobody has begun, first come first served, until that result is there.  A process that dies breaks the pool:
    its job and all that wait get a `BrokenExecutor`.  Fresh processes ("spawn"), because one forked beside the threads
    of BLAS may deadlock.  None of them hears Ctrl-C: what it means is decided here, by `kill`.
    """

    def __init__(self, count: int, *, helped: bool = False) -> None:
        self._count, self._helped, self._closed, self._broken = count, helped, False, False
        self._jobs = SimpleQueue[Job | None]()
        self._processes = list[multiprocessing.process.BaseProcess]()
        self._threads = list[threading.Thread]()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._broken:
            raise BrokenExecutor("a process of the pool died")
        if self._closed:
            raise RuntimeError("the pool has ended, expected to submit while it lives")
        future = _Helped(self) if self._helped else Future[Any]()
        self._jobs.put((future, pickle.dumps((fn, args, kwargs))))
        if len(self._processes) < self._count:
            self._start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more jobs; those under way are finished, those that wait too, unless they are cancelled."""
        self._closed = True
        if cancel_futures:
            for future, _ in self._waiting():
                future.cancel()
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()
            for process in self._processes:
                process.join()

    def kill(self) -> None:
        """End all processes now, whatever they are doing."""
        self._closed = True
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join(GONE)

    def help_until(self, future: Future[Any]) -> None:
        """Work on the jobs that wait, here, until this one is done or all of them are under way."""
        while not (future.done() or self._closed) and (job := next(self._waiting(), None)):
            if job[0].set_running_or_notify_cancel():
                _settle(job[0], _answer(job[1]))

    def _start(self) -> None:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
        thread = threading.Thread(target=self._feed, args=(ours,), daemon=True)
        with _deaf():  # the thread too: through it the signal would reach this one while the next process starts
            process.start()
            self._processes.append(process)
            theirs.close()  # or this process would never see the other end close
            thread.start()
            self._threads.append(thread)

    def _feed(self, pipe: Connection) -> None:
        """Give one process its jobs, one after the other, until there are no more or it is gone."""
        with pipe:
            while (job := self._jobs.get()) is not None:
                future, call = job
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    pipe.send_bytes(call)
                    answer = pipe.recv_bytes()
                except (EOFError, OSError):
                    self._break(future)
                    return
                _settle(future, answer)

    def _break(self, lost: Future[Any]) -> None:
        self._broken = True
        for future in (lost, *(future for future, _ in self._waiting())):
            if future is lost or future.set_running_or_notify_cancel():
                future.set_exception(BrokenExecutor("a process of the pool died"))

    def _waiting(self) -> Iterator[Job]:
        """Take the jobs that nobody has begun out of the queue, one by one."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                yield job


class _Helped(Future[Any]):
    """What a job will have given; to wait for it is to help."""

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self._pool = pool

    def result(self, timeout: float | None = None) -> Any:
        if timeout is None:
            self._pool.help_until(self)
        return super().result(timeout)


def _settle(future: Future[Any], answer: bytes) -> None:
    """Put what `_answer` made into the future."""
    try:
        good, value = pickle.loads(answer)
    except Exception as error:  # an answer that cannot be unpickled
        good, value = False, error
    if good:
        future.set_result(value)
    else:
        future.set_exception(value)


@contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C waits until the block has ended, and what is started in it, process or thread, never hears any.

    Both inherit what is blocked here.  Setting a handler in the new process would come too late: it would die
    with a traceback if the key were pressed while it imports.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it later, within the block, would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection) -> None:
    """What a process of the pool does: calls in, answers out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            call = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        pipe.send_bytes(_answer(call))


def _answer(call: bytes) -> bytes:
    """(True, what the call returns) or (False, what it raises), pickled."""
    try:
        function, args, kwargs = pickle.loads(call)
        return pickle.dumps((True, function(*args, **kwargs)))
    except Exception as error:
        error.add_note(traceback.format_exc())  # where it happened does not travel otherwise
        try:
            pickle.loads(content := pickle.dumps((False, error)))
        except Exception:
            return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
        return content


def _end_with_parent() -> None:
    """End this process when its parent is gone: a job that is under way would go on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
