"""Ctrl-C, once: the first ends the command, and a second does not disturb its end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended, by the shells' custom: 128 + SIGINT


def hold_interrupts() -> None:
    """Ctrl-C waits until `interruptible`; a process that replaces this one inherits that."""
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def interruptible(command: Callable[[], int]) -> int:
    """The exit status of `command()`.

    Of several Ctrl-C only the first raises KeyboardInterrupt, so whatever it sets off is done undisturbed: a second
    one, raised while processes are ended and files closed, would leave them as they are and print a traceback.
    """
    held = hasattr(signal, "pthread_sigmask") and signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and the like ignore it: so do we
            signal.signal(signal.SIGINT, _first)
        if held:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        status = command()
    except KeyboardInterrupt:  # before the command could say what an interruption leaves
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    if status == INTERRUPTED:  # one more, while Python itself ends, would kill it
        hold_interrupts()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _first(*_: object) -> None:
    signal.signal(signal.SIGINT, _later)
    raise KeyboardInterrupt


def _later(*_: object) -> None:
    """Nothing: the command is ending.  SIG_IGN set so early makes Python complain of a signal that came just before."""
