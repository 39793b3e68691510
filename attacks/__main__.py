"""`python -m attacks`: the whole homework, written to report/; with a word: prove, check, compare, slides."""

import sys

from attacks.report.interrupt import hold_interrupts, interruptible


def command() -> int:
    """The command, imported when Ctrl-C is already provided for."""
    from attacks.report.cli import main

    return main()


if __name__ == "__main__":
    hold_interrupts()  # before anything is imported that takes a while
    from attacks.report.workers import one_thread_each

    one_thread_each()
    sys.exit(interruptible(command))
