"""`python -m attacks prove --image digit.png`: the certified minimum of one image file, a digit drawn on the play page.

The folder gets the network, the certificate, with its proof where the exact checker is convinced, and the checker.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from attacks.proofs.certificate_file import CertificateError, fingerprint
from attacks.proofs.minimum import solve
from attacks.proofs.task import Limits, Task
from attacks.report.decisions import read_model
from attacks.report.play_nets import NAMES, load_ten
from attacks.report.progress import Clock, StatusLine
from attacks.report.proof_files import write_checker
from attacks.report.prove_options import reserved
from attacks.report.workers import together
from minigrad import MLP
from minigrad.inputs import Array, as_count
from minigrad.io.png import load_png

LOGS = "certificates.jsonl", "verdicts.jsonl"  # of the other questions, whose model.npz it is


def run(o: Namespace) -> str:
    """Certify, write, check; returns what was shown, and how to check it elsewhere.

    Raises
    ------
    ValueError, OSError
        Options that do not go together, no picture, no network of its pixels; a folder of another network or question.
    """
    if o.model is None or o.label is None or o.eps is not None or o.vnnlib is not None:
        raise ValueError("image: expected --model and --label beside it, and neither --eps nor --vnnlib")
    net, line = _network(o.model), StatusLine(o.quiet)
    x: Array = load_png(o.image)
    if net.sizes[0] != x.shape[1]:
        raise ValueError(f"model: expected a network of {x.shape[1]} pixels, got {net}")
    as_count(o.workers, "workers")
    limits = Limits.from_options(o.norm, o.gap, o.time_limit)
    task = Task.from_images(net, x, [o.label], norm=o.norm, limits=limits, target=o.target)
    with reserved(o.out) as make_folder:
        _check_folder(o.out, net)
        with Clock(line)(f"prove {o.norm}"), together(o.workers) as executor:
            certificate = solve(task, 0, executor)
        with Clock(line)("write the proof and check it"):
            try:
                certificate = certificate.with_proof(net)
                how = f"check it with NumPy alone: cd {o.out}; python checker.py model.npz {_name(o.image)}"
            except CertificateError as error:  # the certificate is none the worse, but it takes the library to check it
                how = f"{error}; check it: python -m attacks check {o.out}"
            said = certificate.check(net)
        make_folder()
        write_checker(o.out, net)
        certificate.save(o.out / _name(o.image))
    line.end()
    return f"{certificate}\n{said}\n{how}"


def _network(path: Path) -> MLP:
    """The network in a file, or one of the play page's by its name."""
    return load_ten(path.name) if str(path) in NAMES and not path.exists() else read_model(path)


def _name(image: Path) -> str:
    return f"proof-{image.stem}.npz"


def _check_folder(out: Path, net: MLP) -> None:
    """Raises ValueError if the folder's model.npz is what another question or network needs."""
    if any((out / log).exists() for log in LOGS):
        raise ValueError(f"out: expected a folder for proofs of image files, got {out}, which holds another question's")
    if (out / "model.npz").exists() and fingerprint(MLP.load(out / "model.npz")) != fingerprint(net):
        raise ValueError(f"out: expected a folder of proofs about the same network, got {out}, which is about another")
