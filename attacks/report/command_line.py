"""What the commands of `python -m attacks` share: their list, options with suggestions, errors that name the option."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from argparse import Action, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from textwrap import fill
from typing import Any, NoReturn

from attacks.report.interrupt import INTERRUPTED

PROGRAM = "python -m attacks"
USUAL = "report"  # the command where none is named
EMPTY: Mapping[str, str] = {}


@dataclass(frozen=True)
class Command:
    """A command: the module of this folder that has its `main`, what it does in a few words, and an example."""

    module: str
    does: str
    example: str


COMMANDS = {
    "report": Command("report_command", "the whole homework as a page (this one if none is named)", "--digits 3 8"),
    "prove": Command("prove_command", "certify many images, or decide at one eps", "--norm linf --eps 0.03 --count 20"),
    "check": Command("check_command", "check saved certificates and proofs", "proofs"),
    "compare": Command("compare_command", "networks side by side", "plain.npz robust.npz --eps 0.05 0.1"),
    "slides": Command("slides", "ten slides of a report", "report --out slides.pdf"),
}


class CommandParser(ArgumentParser):
    """The options of one command: `--quiet` and `--version` beside its own, an example at the end of `--help`.

    Parameters
    ----------
    command : one of COMMANDS
    description, more : what stands above and below the options
    words : what the command takes beside options, for the line "usage"
    called : what the library calls a thing, and the option that it is here, where the two differ
    """

    def __init__(
        self, command: str, description: str, *, more: str = "", words: str = "", called: Mapping[str, str] = EMPTY
    ) -> None:
        self.known, self.called = list[Action](), called
        example = f"example:\n  {PROGRAM} {command} {COMMANDS[command].example}"
        name = f"{PROGRAM} {command}" if command != USUAL else PROGRAM
        super().__init__(
            prog=name,
            usage=f"{name} {words}[options]",
            description=filled(description),
            epilog="\n\n".join(filter(None, (more, example))),
            formatter_class=RawDescriptionHelpFormatter,
        )
        self.add_argument("--quiet", action="store_true", help="say nothing but errors")
        self.add_argument("--version", action="version", version=version(), help="say which version this is, and end")

    def add_argument(self, *names: Any, **how: Any) -> Action:
        self.known.append(super().add_argument(*names, **how))
        return self.known[-1]

    def parse(self, arguments: Sequence[str]) -> Namespace:
        """As `parse_args`; a slip gets a suggestion."""
        found, unknown = self.parse_known_args(arguments)
        if unknown:
            word = unknown[0].partition("=")[0]
            if word[:1] != "-":
                self.error(f"expected options, got the word {word!r}")
            options = [name for action in self.known for name in action.option_strings]
            self.error(f"expected options of this command, got {word}{meant(word, options)}")
        return found

    def error(self, message: str) -> NoReturn:
        """Exit with status 2 and one line; a wrong choice gets a suggestion."""
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)$", message)
        super().error(message + (meant(choice[1], re.findall(r"[^\s',]+", choice[2])) if choice else ""))

    def carry_out(self, o: Namespace, work: Callable[[], int], interrupted: str) -> int:
        """The exit status of `work()`.

        2 for bad options or files, 1 for a worker that died, each with one sentence on stderr; 130, with the sentence
        `interrupted`, for Ctrl-C.
        """
        try:
            return work()
        except (ValueError, OSError) as error:
            print(f"error: {self.named(error, o)}", file=sys.stderr)
            return 2
        except BrokenExecutor:
            said = f"the process that proves died; {interrupted} (fewer --workers need less memory)"
            print(f"\nerror: {said}", file=sys.stderr)
            return 1
        except RuntimeError as error:
            print(f"\nerror: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"\ninterrupted: {interrupted}", file=sys.stderr)
            return INTERRUPTED

    def named(self, error: Exception, o: Namespace) -> str:
        """The sentence of an error, beginning with the option that it is about, where it is about one.

        `time_limit: expected ...` is about --time-limit, and a sentence about a file about the option that names it.
        """
        said = str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            said = f"{error.filename}: {error.strerror}"
        about, colon, rest = said.partition(": ")
        for action in self.known:
            given = getattr(o, action.dest, None)
            option = max(action.option_strings, key=len, default=str(action.metavar))
            if colon and given is not None and self.called.get(about, f"--{about.replace('_', '-')}") == option:
                return f"{option}: {rest}"
            paths = given if isinstance(given, list) else [given]
            if any(isinstance(path, Path) and said.startswith((f"{path}: ", f"{path}/")) for path in paths):
                return f"{option}: {said}"
        return said


def meant(word: str, words: Sequence[str]) -> str:
    """`; this?` for the one of `words` that is like `word`, or nothing.

    >>> meant("porve", ["prove", "compare"])
    '; prove?'
    """
    return "".join(f"; {like}?" for like in get_close_matches(word.lower(), words, 1))


def overview() -> str:
    """The commands, one line and one example each."""
    lines = [f"commands ({PROGRAM} COMMAND --help lists the options of one):"]
    for name, command in COMMANDS.items():
        lines += [f"  {name:9s}{command.does}", f"{'':11s}{PROGRAM} {name} {command.example}"]
    return "\n".join(lines)


def version() -> str:
    """What a report of an error should name: this library, Python and NumPy."""
    try:
        own = metadata.version("minigrad-attacks")
    except metadata.PackageNotFoundError:
        own = "(not installed: run from its folder)"
    return f"minigrad-attacks {own}, Python {platform.python_version()}, NumPy {metadata.version('numpy')}"


def filled(text: str) -> str:
    """One paragraph, as wide as the terminal."""
    return fill(" ".join(text.split()), max(40, shutil.get_terminal_size().columns - 2))
