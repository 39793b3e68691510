"""Many images, on one core, on all of them, or on many machines: certificates stream to a file as they finish.

The file is JSON lines.  The first says what is asked (network, images, options, as SHA-256 and in words); each of the
others is one certificate: its numbers to read, and itself in base64 to load and check.  A line is written in one go
and flushed to disk.  So whatever kills the run, the file holds whole lines and at most a torn last one; run again with
the same question, the torn line is dropped, the images in the file are left out, and the answer is the same as that of
an undisturbed run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.certificate import Certificate, fingerprint
from attacks.minimum import Task, certified_minimum, check_callback
from minigrad.files import briefly, naming
from minigrad.inputs import Array
from minigrad.mlp import MLP

SHOWN = ("norm", "lower", "upper", "attack", "optimal", "reason", "nodes", "seconds")


@dataclass(frozen=True)
class Progress:
    """Where a campaign stands: images done (of which some in an earlier run) and open, seconds left by the pace so far.

    `left` is NaN until the first image of this run is done.
    """

    done: int
    open: int
    left: float


def campaign(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    path: str | Path,
    *,
    executor: Executor | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    norm: str = "l0",
    mask: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    target: ArrayLike | None = None,
    note: dict[str, Any] | None = None,
    **limits: Any,
) -> list[Certificate]:
    """`certified_minimum` of every image, streamed to `path`; resumes what an earlier run left there.

    Parameters
    ----------
    net, x, y, norm, mask, box, target
        As in `certified_minimum`.
    path : file of JSON lines
        Made if absent; a half-done run of the same question is gone on with.
    executor : any `concurrent.futures.Executor`
        A process pool on one machine, `dask.distributed`'s `client.get_executor()` on a cluster.  Default: here, one
        image after the other.
    on_progress : called with a `Progress` at the start and after each image
    note : dict of JSON values, optional
        Kept in the first line.  A later run that says otherwise of one of its names is another question.
    limits
        `gap`, `time_limit`, `node_limit` of `certified_minimum`.

    Returns
    -------
    list of Certificate
        One an image, in the order of `x`.

    Raises
    ------
    ValueError
        Bad input as in `certified_minimum`; a file that is no campaign, or asks another question.
    OSError
        The file cannot be written.
    RuntimeError
        A worker died.  What is in the file stays; run again to go on.
    """
    check_callback(on_progress, "on_progress")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor: expected a concurrent.futures.Executor, got {type(executor).__name__}")
    task = Task.of(net, x, y, norm=norm, mask=mask, box=box, target=target, **limits)
    log = Log.open(Path(path), task, note)
    jobs = [i for i in range(len(task.x)) if i not in log.found]
    begun, before = time.perf_counter(), len(log.found)

    def tell() -> None:
        if on_progress is not None:
            new, left = len(log.found) - before, len(task.x) - len(log.found)
            pace = (time.perf_counter() - begun) / new if new else np.nan
            on_progress(Progress(len(log.found), left, pace * left if left else 0.0))

    with log:
        tell()
        for i, content in _run(task, jobs, executor):
            log.add(i, content)
            tell()
    return [log.found[i] for i in range(len(task.x))]


def _run(task: Task, jobs: list[int], executor: Executor | None) -> Iterator[tuple[int, bytes]]:
    """Each image's number and certificate, as they finish."""
    if executor is None:
        yield from ((i, prove_one(*_job(task, i))) for i in jobs)
        return
    futures = {executor.submit(prove_one, *_job(task, i)): i for i in jobs}
    try:
        for future in as_completed(futures):
            try:
                content = future.result()
            except OSError:
                raise
            except Exception as error:  # whatever an executor raises when it loses a worker
                raise RuntimeError(
                    f"a worker failed on image {futures[future]} ({type(error).__name__}: {error}); "
                    "what is done is in the file: run again to go on"
                ) from error
            yield futures[future], content
    finally:
        for future in futures:
            future.cancel()


def _job(task: Task, i: int) -> tuple[dict[str, Array], Array, int, dict[str, Any]]:
    """All that a worker needs for image `i`, in plain arrays."""
    ball = task.ball.rows(np.array([i]), len(task.x)).of_one_image()
    options = {
        "norm": ball.norm,
        "gap": task.gap,
        "time_limit": task.time_limit,
        "node_limit": _finite(task.node_limit),
        "mask": ball.mask,
        "box": ball.box,
        "target": None if task.target is None else int(task.target[i]),
    }
    return task.net.to_arrays(), task.x[i], int(task.y[i]), options


def prove_one(arrays: dict[str, Array], x: Array, y: int, options: dict[str, Any]) -> bytes:
    """The certificate of one image `x` (d,), as bytes: what a worker does."""
    (certificate,) = certified_minimum(MLP.of_arrays(arrays), x[None], [y], **options)
    return certificate.to_bytes()


def question_of(task: Task) -> dict[str, Any]:
    """The first line of the file: two runs go together iff it is the same."""
    digest = hashlib.sha256()
    for value in (task.x, task.y, task.target, *task.ball.box, task.ball.mask):
        value = np.zeros(0) if value is None else np.ascontiguousarray(value)
        digest.update(f"{value.shape} {value.dtype.str}".encode() + value.tobytes())
    return {
        "certified_minimum": 1,
        "network": fingerprint(task.net),
        "images": len(task.x),
        "inputs": digest.hexdigest(),
        "norm": task.ball.norm,
        "gap": task.gap,
        "time_limit": _finite(task.time_limit),
        "node_limit": _finite(task.node_limit),
    }


def _finite(value: float) -> float | None:
    """None for infinity, which JSON has no word for."""
    return None if np.isinf(value) else value


def _image(number: Any, certificate: Certificate, task: Task) -> int:
    """The image that a line is about, 0, 1, ..., or ValueError: its certificate is of another question."""
    if type(number) is not int or not 0 <= number < len(task.x):
        raise ValueError(f"expected images 0..{len(task.x) - 1}, got {number!r}")
    _, x, y, options = _job(task, number)
    asked: dict[str, Any] = options | {"network": task.network, "x": x, "y": y}
    names = "network", "x", "y", "norm", "gap", "target", "mask"
    same = [np.array_equal(asked[name], getattr(certificate, name)) for name in names]
    if not all(same) or not all(map(np.array_equal, asked["box"], certificate.box)):
        raise ValueError(f"the certificate beside image {number} is not of that image")
    return number


class Log:
    """The file: what it already holds, and a hand to append."""

    def __init__(self, path: Path, found: dict[int, Certificate]) -> None:
        self.path, self.found = path, found
        self.file = path.open("ab", buffering=0)

    @classmethod
    def open(cls, path: Path, task: Task, note: dict[str, Any] | None = None) -> Log:
        """Read the whole lines of `path`, cut off a torn last one, and open it to append.  Raises as `read`."""
        found, length = cls.read(path, task, note)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and length < path.stat().st_size:
            os.truncate(path, length)
        log = cls(path, found)
        if not length:
            log._write((note or {}) | question_of(task))
        return log

    @staticmethod
    def read(path: Path, task: Task, note: dict[str, Any] | None = None) -> tuple[dict[int, Certificate], int]:
        """The certificates that `path` holds, and the length of its whole lines; nothing is written.

        Raises
        ------
        ValueError
            It is no campaign, or one of another question.
        """
        noted, question = note or {}, question_of(task)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        found: dict[int, Certificate] = {}
        other: list[str] = []
        for number, line in enumerate(whole.splitlines()):
            try:
                row = json.loads(line)
                if number:
                    certificate = Certificate.from_bytes(base64.b64decode(row["certificate"], validate=True))
                    found[_image(row["image"], certificate, task)] = certificate
                elif "certified_minimum" not in row:
                    raise ValueError("no first line")
                else:
                    asked = {name: value for name, value in noted.items() if name in row} | question
                    other = [name for name in asked if row.get(name) != asked[name]]
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise ValueError(
                    f"{path}: expected the lines of a campaign, got something else in line {number + 1} "
                    f"({briefly(error)})"
                ) from error
            if not number and other:
                raise ValueError(
                    f"{path}: it answers another question (other {', '.join(other)}): name another file or folder"
                )
        if content and not whole and not json.dumps(noted | question).encode().startswith(content):
            raise ValueError(f"{path}: expected the lines of a campaign, got something else")
        return found, len(whole)

    def add(self, image: int, content: bytes) -> None:
        """One line more, on the disk when this returns."""
        certificate = Certificate.from_bytes(content)
        row: dict[str, Any] = {"image": image}
        for name in SHOWN:
            value = getattr(certificate, name)
            row[name] = None if isinstance(value, float) and not np.isfinite(value) else value
        self._write(row | {"certificate": base64.b64encode(content).decode()})
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
