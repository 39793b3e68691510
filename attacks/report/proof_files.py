"""Proofs that somebody else can check, in a folder of their own: `python -m attacks prove --proofs`.

The folder `exact` holds the network as it was proved about (its pixels between 0 and 1), a file for each image, and the
checker itself, which needs nothing but NumPy:

    cd proofs/exact; python checker.py model.npz image-*.npz
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import attacks.checker as checker
from attacks.proofs.certificate import Certificate
from attacks.proofs.certificate_file import CertificateError
from attacks.proofs.task import Progress
from minigrad.inputs import Array
from minigrad.io.files import write_whole
from minigrad.io.npz import npz_bytes
from minigrad.mlp import MLP

FOLDER = "exact"


def write_proofs(
    out: Path,
    net: MLP,
    named: Sequence[tuple[int, Certificate]],
    executor: Executor,
    on_progress: Callable[[Progress], None],
) -> dict[str, Any]:
    """Write the folder; returns how many proofs it holds, and why the others are missing.

    Parameters
    ----------
    named : number of the test image, and its certificate
    executor : concurrent.futures.Executor
    on_progress : called with a `Progress` after each

    Raises
    ------
    OSError
    """
    folder, model = out / FOLDER, net.to_arrays()
    folder.mkdir(parents=True, exist_ok=True)
    write_checker(folder, net)
    futures = [(i, executor.submit(proof_of, model, certificate)) for i, certificate in named]
    missing: dict[str, str] = {}
    begun = time.perf_counter()
    for done, (i, future) in enumerate(futures, 1):
        content, why = future.result()
        path = folder / f"image-{i}.npz"
        path.unlink(missing_ok=True)  # of an earlier run, perhaps about another question
        if content is None:
            missing[str(i)] = why
        else:
            write_whole(path, content)
        on_progress(Progress.at_pace(done, len(named) - done, begun, done))
    return {"written": len(named) - len(missing), "missing": missing}


def write_checker(folder: Path, net: MLP) -> None:
    """The network that the proofs are about, and the program that checks them.  Raises OSError."""
    write_whole(folder / "model.npz", npz_bytes(net.to_arrays()))
    write_whole(folder / "checker.py", Path(checker.__file__).read_bytes())


def proof_of(model: dict[str, Array], certificate: Certificate, time_limit: float = 600.0) -> tuple[bytes | None, str]:
    """The file's bytes, or None and why there is none: what a worker does."""
    try:
        return certificate.with_proof(MLP.from_arrays(model), time_limit=time_limit).to_bytes(), ""
    except CertificateError as error:
        return None, str(error)
