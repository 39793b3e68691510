"""`python -m attacks check`: are these certificates and proofs true?  One sentence a file.

A file that holds its proof, the multipliers of every bound, is given to attacks/checker.py, which shares no line with
the prover and adds up without rounding; any other certificate is replayed in floats.  The sentence says which.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import attacks.checker as checker
from attacks.proofs.certificate import Certificate
from attacks.proofs.certificate_file import PROOF, fingerprint
from attacks.proofs.task import Progress
from attacks.proofs.verdict import Verdict
from attacks.proofs.verdict_file import STATUS
from attacks.report.command_line import CommandParser, filled
from attacks.report.progress import Bar, StatusLine, say
from attacks.report.proof_files import FOLDER
from attacks.report.setup import SHARES
from minigrad.inputs import Array, as_number
from minigrad.io.npz import briefly, parse_npz
from minigrad.mlp import MLP

DESCRIPTION = """Check saved certificates, verdicts and proofs: what a file claims is recomputed from the network's
weights, exactly where the file holds its proof, by a replay in floats where it does not.  Prints one sentence a file;
exit status 0 if all hold, 1 if one does not."""
MORE = f"""MODEL alone is a folder that `prove` or the report wrote: its network, and all certificates and proofs in it.
A certificate gets its proof by `prove --proofs`; then the folder {FOLDER} has a checker that needs NumPy alone."""
LOG = "certificates.jsonl"
MODELS = "model.npz", SHARES, f"{FOLDER}/model.npz"  # in the folder of a command
FILES = "certificates/*.npz", f"{FOLDER}/image-*.npz", "proof-*.npz"


@dataclass(frozen=True)
class File:
    """One certificate: what it is called, and its bytes."""

    name: str
    content: bytes


def parser() -> CommandParser:
    """The options of the command."""
    p = CommandParser("check", DESCRIPTION, more=filled(MORE), words="MODEL PROOF ... | FOLDER ")
    p.add_argument("model", type=Path, metavar="MODEL", help="a network saved by MLP.save, or a folder")
    p.add_argument("proofs", nargs="*", type=Path, metavar="PROOF", help=f"certificates or verdicts, .npz, or a {LOG}")
    p.add_argument("--time-limit", type=float, default=600.0, help="seconds a replay may take (default: 600)")
    return p


def main(arguments: Sequence[str]) -> int:
    """Exit status 0, or 1 if a file was refused; else as `CommandParser.carry_out` has it."""
    p = parser()
    o = p.parse(arguments)
    return p.carry_out(o, lambda: run(o), "the sentences printed so far stand")


def run(o: Namespace) -> int:
    """Check and print; returns the exit status.

    Raises
    ------
    ValueError, OSError
        Bad options; a file that is not there; no network; nothing to check.
    """
    as_number(o.time_limit, "time_limit", 0)
    models, paths = _found(o.model) if o.model.is_dir() and not o.proofs else ([o.model], o.proofs)
    if not paths:
        raise ValueError(f"{o.model}: expected certificates to check beside it, or a folder that holds some")
    nets = [MLP.load(path) for path in models]
    files = [file for path in paths for file in _files(path)]
    line, begun, refused = StatusLine(o.quiet), time.perf_counter(), 0
    bar = Bar("check", line)
    for done, file in enumerate(files):
        bar(Progress.at_pace(done, len(files) - done, begun, done))
        try:
            said, holds = shown(nets, file, o.time_limit), True
        except (ValueError, checker.Refused) as error:
            said, holds, refused = f"refused: {briefly(error).removeprefix(file.name + ': ')}", False, refused + 1
        line.end()
        if not o.quiet:
            say(f"{file.name}: {said}")
        elif not holds:
            print(f"{file.name}: {said}", file=sys.stderr)
    return 1 if refused else 0


def shown(nets: Sequence[MLP], file: File, time_limit: float = 600.0) -> str:
    """What was shown of a certificate or a verdict, and how.

    `nets` are the networks that it may be about; its own SHA-256 says which.

    Raises
    ------
    ValueError, attacks.checker.Refused
        It does not hold, or is no certificate.
    """
    arrays = parse_npz(file.content, file.name, compressed=True)
    of = str(arrays.get("network"))
    net = next((net for net in nets if fingerprint(net) == of), nets[0])
    if any(name.startswith(PROOF) for name in arrays):
        return f"{exactly(net, arrays)} (checked exactly)"
    kind = Verdict if STATUS in arrays else Certificate
    return kind.from_bytes(file.content, file.name).check(net, time_limit=time_limit)


def exactly(net: MLP, arrays: dict[str, Array]) -> str:
    """What attacks/checker.py says of the arrays.  Raises attacks.checker.Refused, whatever is wrong with them."""
    try:
        return str(checker.check(net.to_arrays(), arrays))
    except checker.Refused:
        raise
    except Exception as error:  # foreign rows may raise anything: it was not shown
        raise checker.Refused(briefly(error)) from error


def _found(folder: Path) -> tuple[list[Path], list[Path]]:
    """Networks and certificates in the folder of a command."""
    models = [path for path in (folder / name for name in MODELS) if path.exists()]
    if not models:
        raise ValueError(f"{folder}: expected a folder of `prove` or of a report, got one without model.npz")
    logs = [folder / LOG] if (folder / LOG).exists() else []
    return models, [*logs, *(path for pattern in FILES for path in sorted(folder.glob(pattern), key=_in_order))]


def _in_order(path: Path) -> tuple[int, str]:
    """Image 9 before image 10."""
    return len(path.name), path.name


def _files(path: Path) -> Iterator[File]:
    """The certificates in a file: one, or those of a campaign's lines."""
    if path.suffix != ".jsonl":
        yield File(str(path), path.read_bytes())
        return
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(text)
            if "certificate" in row:
                yield File(f"{path}, image {int(row['image'])}", base64.b64decode(row["certificate"], validate=True))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: expected a campaign's lines, got something else in line {number}") from error
