"""What `python -m attacks prove --eps R` has decided so far: a run that was ended goes on there.

The file verdicts.jsonl is one line with the question, then one for each verdict, on the disk before the next image is
begun; the certificates are files of their own beside it.  A line counts if it is whole, its certificate is the one
that was written, and its status that of the certificate; the rest is decided again.  Another question begins the file
anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attacks.proofs.certificate import Certificate
from attacks.result import Reason
from minigrad.inputs import as_count, as_number, brief
from minigrad.io.files import naming, write_whole

if TYPE_CHECKING:
    from attacks.proofs.verdict import Verdict

FILE, FOLDER = "verdicts.jsonl", "certificates"


@dataclass(frozen=True, eq=False)
class Decided:
    """What table and summary say of a verdict, and its certificate; None where it is open."""

    status: str
    reason: Reason
    bound: float
    nodes: int
    seconds: float
    certificate: Certificate | None


class VerdictLog:
    """The verdicts on one question, by the number of the test image.

    Parameters
    ----------
    out : folder that is there, and that no other run is writing to
    question : dict of JSON values

    Raises
    ------
    OSError
    """

    def __init__(self, out: Path, question: dict[str, Any]) -> None:
        self.path, self.folder = out / FILE, out / FOLDER
        self.folder.mkdir(exist_ok=True)
        lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []
        self.found = dict[int, Decided]()
        first = json.dumps(question).encode()
        if lines[:1] == [first]:
            for line in lines[1:]:
                self._read(line)
        else:
            for path in self.folder.glob("*.npz"):  # of another question
                path.unlink()
            lines = [first]
        write_whole(self.path, b"".join(line + b"\n" for line in lines))

    def add(self, image: int, verdict: Verdict) -> None:
        """One more, on the disk when this returns."""
        content = None if verdict.certificate is None else verdict.certificate.to_bytes()
        if content is not None:
            write_whole(self.folder / f"{image}.npz", content)
        row = {"image": image, "status": verdict.status, "reason": str(verdict.reason), "bound": repr(verdict.bound)}
        row |= {"nodes": verdict.nodes, "seconds": verdict.seconds, "certificate": _digest(content)}
        with naming(self.path), self.path.open("ab") as file:
            file.write(json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._keep(image, row, verdict.certificate)

    def _read(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            path = self.folder / f"{int(row['image'])}.npz"
            content = path.read_bytes() if row["certificate"] is not None else None
            if _digest(content) == row["certificate"]:
                certificate = None if content is None else Certificate.from_bytes(content, str(path))
                self._keep(int(row["image"]), row, certificate)
        except (ValueError, KeyError, TypeError, OSError):
            return  # it is decided again

    def _keep(self, image: int, row: dict[str, Any], certificate: Certificate | None) -> None:
        """Raises ValueError for a row of other values, or of a status that is not its certificate's."""
        status = row["status"]
        shown = "open" if certificate is None else "robust" if certificate.x_adv is None else "fooled"
        if status != shown:
            raise ValueError(f"status: expected {shown}, as its certificate says, got {brief(status)}")
        self.found[image] = Decided(
            status=status,
            reason=Reason(row["reason"]),
            bound=float(row["bound"]),
            nodes=as_count(row["nodes"], "nodes", least=0),
            seconds=as_number(row["seconds"], "seconds", 0),
            certificate=certificate,
        )


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
