"""The proof of the image shown as a file that somebody else can check, made and checked beside the attacks.

The report's folder then holds the network, the proofs of the fewest pixels and of the smallest eps, and the checker:

    cd report; python checker.py model.npz proof-l0.npz proof-linf.npz
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import attacks.checker as checker
from attacks.proofs.certificate import Certificate
from attacks.proofs.minimum import certified_minimum
from attacks.report.proof_files import proof_of
from attacks.report.records import ExactProof, Results
from attacks.report.setup import SHARES
from minigrad.inputs import Array
from minigrad.io.npz import npz_bytes, parse_npz
from minigrad.mlp import MLP

CHECKER = "checker.py"
NOTHING = "nothing is proved of it"


def file_of(norm: str) -> str:
    """Name of the file with the proof."""
    return f"proof-{norm}.npz"


def model_of(r: Results) -> str:
    """Name of the file with the network that the proofs are about."""
    return "model.npz" if r.setup.network.original is r.setup.net else SHARES


def exact_files(r: Results) -> dict[str, bytes]:
    """Name: content of what the report's folder holds for somebody who checks it; nothing if there is no proof."""
    files = {file_of(norm): e.content for norm, e in r.proofs.exact.items() if e.content is not None}
    if files:
        files[CHECKER] = Path(checker.__file__).read_bytes()
        files[model_of(r)] = npz_bytes(r.setup.net.to_arrays())
    return files


def seconds_of(r: Results) -> dict[str, float]:
    """file: CPU seconds that its check took."""
    return {f"check {file_of(norm)}": round(e.seconds, 3) for norm, e in r.proofs.exact.items() if e.content}


def checker_lines() -> int:
    """How many lines whoever wants to trust a proof has to read."""
    return len(Path(checker.__file__).read_text("utf-8").splitlines())


def certified_exactly(
    net: MLP, x: Array, y: list[int], exact_seconds: float, **options: Any
) -> tuple[list[Certificate], ExactProof]:
    """`certified_minimum` of one image, and its proof: what a worker does.

    Parameters
    ----------
    exact_seconds : float
        For making the proof; it stops only what takes far longer than the search.
    **options : of `certified_minimum`
    """
    (found,) = certified_minimum(net, x, y, **options)
    return [found], exact_proof(net, found, exact_seconds)


def exact_proof(net: MLP, certificate: Certificate, seconds: float) -> ExactProof:
    """The file, the same bytes each time, and what the checker says of it; or why there is none."""
    if certificate.lower == 0:
        return ExactProof(None, NOTHING, 0.0, 0.0)
    model = net.to_arrays()
    content, why = proof_of(model, replace(certificate, seconds=0.0, history=()), seconds)
    if content is None:
        return ExactProof(None, why.removeprefix("certificate: "), 0.0, certificate.lower)
    begun = time.process_time()
    try:
        says = checker.check(model, parse_npz(content, "proof", compressed=True))
    except checker.Refused as error:  # then something is wrong, and the page is the place to say so
        return ExactProof(None, f"the checker refused it: {error}", 0.0, certificate.lower)
    return ExactProof(content, says, time.process_time() - begun, certificate.lower)
