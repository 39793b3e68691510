"""`python -m attacks prove --eps R` and `--vnnlib FILE`: decide a question, instead of narrowing an interval.

With `--eps` each of the first COUNT test images gets a verdict at that radius, and its proof as a file; `--vnnlib` is
one query of the verification competitions.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attacks.balls import BALLS
from attacks.proofs.certificate_file import fingerprint
from attacks.proofs.decide import certify
from attacks.proofs.task import Limits, Progress
from attacks.proofs.vnnlib import counterexample_text, read_vnnlib_boxes
from attacks.report.formats import csv_bytes, json_bytes
from attacks.report.progress import Bar, StatusLine, say
from attacks.report.proof_files import write_proofs
from attacks.report.prove_options import check_numbers, network_and_images, reserved, write_networks
from attacks.report.verdict_log import Decided, VerdictLog
from attacks.report.workers import SameProcess, together, workers
from minigrad import MLP
from minigrad.inputs import Array, as_count
from minigrad.io.files import write_whole

if TYPE_CHECKING:
    from attacks.proofs.verdict import Verdict

EXITS = {"unsat": 0, "sat": 10, "unknown": 20}  # as SAT solvers have it: 10 is "satisfiable"; 2 is bad input here
READERS: dict[str, Callable[[Path], MLP]] = {".onnx": MLP.from_onnx, ".nnet": MLP.from_nnet, ".npz": MLP.load}
SHOWN = ("status", "reason", "bound", "nodes", "seconds")


def check_question(o: Namespace) -> None:
    """Raises ValueError for options that do not go together, or an eps that is no radius of the norm."""
    if o.eps is not None and o.gap is not None:
        raise ValueError("eps: expected --eps or --gap, got both: at one radius there is no interval to narrow")
    if o.eps is not None:
        BALLS[o.norm](o.eps)
    if o.eps is not None and (o.out / "certificates.jsonl").exists():
        raise ValueError(f"out: expected a folder for verdicts, got {o.out}, which holds certified minima")
    if o.vnnlib is not None and (o.model is None or o.eps is not None or o.gap is not None):
        raise ValueError("vnnlib: expected --model beside it, and neither --eps nor --gap: the file says what is asked")


def run(o: Namespace) -> dict[str, Any]:
    """A verdict of each image at radius `o.eps`, written to the folder `o.out`; returns the summary.

    Run again it goes on (verdict_log.py).  The certificate of test image 7 is certificates/7.npz, and there is none
    where it is open.

    Raises
    ------
    ValueError, OSError, RuntimeError
        Bad options; a folder that cannot be written, or that another run is writing to; a worker that died.
    """
    check_numbers(o)
    Limits.from_options(o.norm, o.gap, o.time_limit)
    check_question(o)
    line = StatusLine(o.quiet)
    with reserved(o.out) as make_folder:
        network, images = network_and_images(o, line)
        make_folder()
        write_networks(o.out, network)
        results = decide_all(o, network.net, images.test[: o.count], images.number[: o.count], line)
    line.end()
    return results


def decide_all(o: Namespace, net: MLP, x: Array, number: Array, line: StatusLine) -> dict[str, Any]:
    """The verdicts of the images x (n, d) of class 0, written down; `number` (n,) names the test images."""
    asked = {"norm": o.norm, "eps": o.eps, "time_limit": o.time_limit}
    log = VerdictLog(o.out, asked | {"network": fingerprint(net), "digits": list(o.digits), "data": str(o.data)})
    names: list[int] = number.tolist()
    left = [(i, row) for i, row in zip(names, x, strict=True) if i not in log.found]
    begun, bar = time.perf_counter(), Bar(f"prove {o.norm} at {o.eps:g}", line)
    share = 0 < len(left) < o.workers  # then the processes work on one image after the other
    with workers(o.workers - share if o.workers > 1 else 0, helped=share) as executor:
        jobs = {i: (net.to_arrays(), row, *asked.values()) for i, row in left}
        for done, (i, verdict) in enumerate(_decided(executor, jobs, share), 1):
            log.add(i, verdict)
            bar(Progress.at_pace(len(x) - len(left) + done, len(left) - done, begun, done))
        verdicts = [log.found[i] for i in names]
        results = summary(verdicts, asked)
        if o.proofs:
            known = [(i, v.certificate) for i, v in zip(names, verdicts, strict=True) if v.certificate is not None]
            results["exact"] = write_proofs(o.out, net, known, executor, Bar("proofs for the checker", line))
    write_whole(o.out / "table.csv", csv_bytes(number, verdicts, SHOWN))
    write_whole(o.out / "summary.json", json_bytes(results))
    return results


def _decided(executor: Executor, jobs: dict[int, tuple[Any, ...]], share: bool) -> Iterator[tuple[int, Verdict]]:
    """Each image's number and verdict, as they come; `share`: one after the other, each by all processes."""
    if share or isinstance(executor, SameProcess):
        helpers = (executor,) if share else ()
        yield from ((i, decide_one(*job, *helpers)) for i, job in jobs.items())
        return
    futures = {executor.submit(decide_one, *job): i for i, job in jobs.items()}
    yield from ((futures[future], future.result()) for future in as_completed(futures))


def decide_one(
    arrays: dict[str, Array], x: Array, norm: str, eps: float, time_limit: float, executor: Executor | None = None
) -> Verdict:
    """The verdict of one image `x` (d,) of class 0: what a worker does."""
    net, y, ball = MLP.from_arrays(arrays), np.zeros(1, int), BALLS[norm](eps)
    (verdict,) = certify(net, x[None], y, ball, time_limit=time_limit, executor=executor)
    return verdict


def summary(verdicts: Sequence[Decided], asked: dict[str, Any]) -> dict[str, Any]:
    """The question, and how many images are robust, fooled and open."""
    counts = {status: sum(v.status == status for v in verdicts) for status in ("robust", "fooled", "open")}
    seconds = np.array([v.seconds for v in verdicts])
    return asked | {
        "images": len(verdicts),
        **counts,
        "median_seconds": float(np.median(seconds)),
        "largest_seconds": float(seconds.max()),
        "nodes": sum(v.nodes for v in verdicts),
    }


def in_words(r: dict[str, Any]) -> str:
    """The summary in one line.

    >>> in_words({"images": 3, "norm": "linf", "eps": 0.05, "robust": 1, "fooled": 2, "open": 0})
    '3 test images, linf at 0.05: 1 robust (proved), 2 fooled, 0 open'
    """
    counts = f"{r['robust']} robust (proved), {r['fooled']} fooled, {r['open']} open"
    return f"{r['images']} test images, {r['norm']} at {r['eps']:g}: {counts}"


def answer(o: Namespace) -> int:
    """Print the answer to the query `o.vnnlib` about `o.model`; returns the exit status.  Its boxes share the time.

    Raises
    ------
    ValueError, OSError
        A file that cannot be read, or is something else; the package onnx is missing; bad options.
    """
    check_question(o)
    time_limit = Limits.from_options(o.norm, None, o.time_limit).time_limit
    as_count(o.workers, "workers")
    net = read_model(o.model)
    begun, word = time.perf_counter(), "unsat"
    with together(o.workers) as executor:
        for query in read_vnnlib_boxes(o.vnnlib, net.sizes[0], net.sizes[-1]):
            left = max(time_limit - (time.perf_counter() - begun), 0.0)
            how: dict[str, Any] = {"unsafe": query.unsafe, "time_limit": left, "executor": executor}
            (verdict,) = certify(net, query.x, None, query.ball, **how)
            if verdict.x_adv is not None:
                say(counterexample_text(verdict.x_adv, net.logits(verdict.x_adv[None])[0]))
                return EXITS["sat"]
            word = word if verdict.status == "robust" else "unknown"
    say(word)
    return EXITS[word]


def read_model(path: Path) -> MLP:
    """The network in a file, by its ending.  Raises OSError, or ValueError."""
    path = Path(path)
    if path.suffix not in READERS:
        raise ValueError(f"model: expected a file {', '.join(READERS)}, got {path.name}")
    try:
        return READERS[path.suffix](path)
    except ImportError as error:
        raise ValueError(f"{path}: {error}") from error
