"""`python -m attacks`: which command is meant; each is a module of its own, loaded when it is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from attacks.report.command_line import COMMANDS, USUAL, CommandParser, meant


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of the command that the first word names, or else of the report.

    0; 2 for bad options or files, 1 for a worker that died, with one sentence on stderr; 130 when interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    name = USUAL
    if arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
    if name not in COMMANDS:
        known = list(COMMANDS)
        CommandParser(USUAL, "").error(
            f"expected options, or one of the commands {', '.join(known)}, got {name!r}{meant(name, known)}"
        )
    status: int = import_module(f"attacks.report.{COMMANDS[name].module}").main(arguments)
    return status
