"""The file of a campaign: JSON lines that a killed run leaves whole, and that the next run goes on from.

The first line says what is asked (network, images, options, as SHA-256 and in words); each of the others is one
certificate: its numbers to read, itself in base64 to load and check, and the SHA-256 of all that, so that an edited
line is noticed.  A run that asks the same of the same images and more adds a line like the first.  A line is written in
one go and flushed to disk.  So whatever kills the run, the file holds whole lines and at most a torn last one, which
the next run drops.

Before a line is believed, all of its claim but the tree is checked; the tree too, if the line has no digest (those of
version 0.1.0 have none).  Against someone who makes a false certificate and its digest only `Certificate.check` helps.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from attacks.proofs.certificate import Certificate
from attacks.proofs.task import Task
from minigrad.io.files import lock, naming
from minigrad.io.npz import briefly

SHOWN = ("norm", "lower", "upper", "attack", "optimal", "reason", "nodes", "seconds")


def options_of(task: Task, i: int) -> dict[str, Any]:
    """The options of `certified_minimum` for image `i` alone, in plain values."""
    ball = task.ball.take(i, len(task.x))
    return {
        "norm": ball.norm,
        "gap": task.limits.gap,
        "time_limit": task.limits.time_limit,
        "node_limit": _finite(task.limits.node_limit),
        "mask": ball.mask,
        "box": ball.box,
        "target": None if task.target is None else int(task.target[i]),
    }


def question_of(task: Task, count: int | None = None) -> dict[str, Any]:
    """The first line of the file, for the first `count` images or all: two runs go together iff it is the same."""
    n, digest = len(task.x), hashlib.sha256()
    count = n if count is None else count
    ball = task.ball if count == n else task.ball.take(np.arange(count), n)
    target = None if task.target is None else task.target[:count]
    for value in (task.x[:count], task.y[:count], target, *ball.box, ball.mask):
        value = np.zeros(0) if value is None else np.ascontiguousarray(value)
        digest.update(f"{value.shape} {value.dtype.str}".encode() + value.tobytes())
    return {
        "certified_minimum": 1,
        "network": task.network,
        "images": count,
        "inputs": digest.hexdigest(),
        "norm": task.ball.norm,
        "gap": task.limits.gap,
        "time_limit": _finite(task.limits.time_limit),
        "node_limit": _finite(task.limits.node_limit),
    }


class Log:
    """The file: what it already holds, and a hand to append."""

    def __init__(self, path: Path) -> None:
        """Open the file to append, and lock it: the images of two runs would each be proved twice."""
        self.path, self.found = path, dict[int, Certificate]()
        self.file = path.open("ab", buffering=0)
        if lock(self.file.fileno()) is False:
            self.file.close()
            raise ValueError(f"{path}: another run is writing to it: wait for its end, or name another file or folder")

    @classmethod
    def open(cls, path: Path, task: Task, note: dict[str, Any] | None = None) -> Log:
        """Read the whole lines of `path`, cut off a torn last one, and open it to append.

        Raises
        ------
        ValueError
            As `read`; another process has it open.
        """
        read(path, task, note)  # refuses before anything is made
        path.parent.mkdir(parents=True, exist_ok=True)
        log = cls(path)
        try:
            log.found, length, asked = read(path, task, note, check=True)  # with what another run wrote until now
            if length < path.stat().st_size:
                os.truncate(path, length)
            if asked < len(task.x):
                log._write((note or {}) | question_of(task))
        except BaseException:
            log.file.close()
            raise
        return log

    def add(self, image: int, content: bytes) -> None:
        """One line more, on the disk when this returns."""
        certificate = Certificate.from_bytes(content)
        row = _row(image, certificate, base64.b64encode(content).decode())
        self._write(row | {"sha256": _digest(row)})
        self.found[image] = certificate

    def _write(self, row: dict[str, Any]) -> None:
        left = json.dumps(row, allow_nan=False).encode() + b"\n"
        with naming(self.path):
            while left:
                left = left[self.file.write(left) :]  # near the end of a disk only a part fits
            os.fsync(self.file.fileno())

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def read(
    path: Path, task: Task, note: dict[str, Any] | None = None, *, check: bool = False
) -> tuple[dict[int, Certificate], int, int]:
    """What `path` holds: certificates, the length of its whole lines, how many images were asked.  Nothing is written.

    `check`: whether each certificate is checked too, and not its line alone.

    Raises
    ------
    ValueError
        It is no campaign, one of another question, or one of more images; a line was changed since it was written.
    """
    noted, images = note or {}, 0
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    found: dict[int, Certificate] = {}
    other: list[str] = []
    for number, line in enumerate(whole.splitlines()):
        try:
            row = json.loads(line)
            if number and "certified_minimum" not in row:
                certificate = Certificate.from_bytes(base64.b64decode(row["certificate"], validate=True))
                found[_image(row["image"], certificate, task)] = certificate
                _check_line(row, certificate, task if check else None)
            elif "certified_minimum" not in row:
                raise ValueError("no first line")
            else:
                images = _count(row["images"])
                question = question_of(task, min(images, len(task.x)))
                asked = {name: value for name, value in noted.items() if name in row} | question
                other = [name for name in asked if row.get(name) != asked[name]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{path}: expected the lines of a campaign, got something else in line {number + 1} ({briefly(error)})"
            ) from error
        if other:
            what = f"other {', '.join(other)}" if images <= len(task.x) else f"of {images} images, got {len(task.x)}"
            raise ValueError(f"{path}: it answers another question ({what}): name another file or folder")
    if content and not whole and not json.dumps(noted | question_of(task)).encode().startswith(content):
        raise ValueError(f"{path}: expected the lines of a campaign, got something else")
    return found, len(whole), images


def _count(value: Any) -> int:
    """The number of images in a line that says what is asked, or ValueError."""
    if type(value) is not int or value < 1:
        raise ValueError(f"expected a number of images, got {value!r}")
    return value


def _image(number: Any, certificate: Certificate, task: Task) -> int:
    """The image that a line is about, 0, 1, ..., or ValueError: its certificate is of another question."""
    if type(number) is not int or not 0 <= number < len(task.x):
        raise ValueError(f"expected images 0..{len(task.x) - 1}, got {number!r}")
    asked = options_of(task, number)
    asked |= {"network": task.network, "x": task.x[number], "y": int(task.y[number])}
    names = "network", "x", "y", "norm", "gap", "target", "mask"
    same = [np.array_equal(asked[name], getattr(certificate, name)) for name in names]
    if not all(same) or not all(map(np.array_equal, asked["box"], certificate.box)):
        raise ValueError(f"the certificate beside image {number} is not of that image")
    return number


def _row(image: int, certificate: Certificate, coded: str) -> dict[str, Any]:
    """A line without its digest."""
    row: dict[str, Any] = {"image": image}
    for name in SHOWN:
        value = getattr(certificate, name)
        row[name] = None if isinstance(value, float) and not np.isfinite(value) else value
    return row | {"certificate": coded}


def _digest(row: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, allow_nan=False).encode()).hexdigest()


def _check_line(row: dict[str, Any], certificate: Certificate, task: Task | None) -> None:
    """Raise ValueError for a line that was edited, or whose certificate does not hold as far as this looks."""
    digest, remedy = row.pop("sha256", None), ": delete the line, and its image is proved again"
    if row != _row(row["image"], certificate, row["certificate"]) or digest not in (None, _digest(row)):
        raise ValueError("it was changed after it was written" + remedy)
    try:
        if task is not None:
            certificate.check(task.net, replay=digest is None)
    except ValueError as error:
        raise ValueError(f"{error}{remedy}") from error


def _finite(value: float) -> float | None:
    """None for infinity, which JSON has no word for."""
    return None if np.isinf(value) else value
