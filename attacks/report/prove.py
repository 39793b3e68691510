"""`python -m attacks prove`: certify a whole set of test images, and say how good the attack was."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from attacks.balls import BALLS
from attacks.proofs.campaign import Progress, campaign
from attacks.proofs.campaign_log import SHOWN, read
from attacks.proofs.certificate import Certificate
from attacks.proofs.task import Limits, Task
from attacks.report import decisions
from attacks.report.formats import ceiled, csv_bytes, floored, json_bytes
from attacks.report.interrupt import INTERRUPTED
from attacks.report.progress import Clock, StatusLine, say
from attacks.report.setup import Images, Network, Options, load, prepare
from attacks.report.wording import why_open
from attacks.report.workers import workers
from minigrad.inputs import Array, as_count
from minigrad.io.files import alone, check_writable, write_whole
from minigrad.io.npz import npz_bytes

DESCRIPTION = """Certify the smallest adversarial perturbation of the first COUNT correctly classified test images of
digit A: for each an interval, the attack on one side and the proof on the other.  Writes certificates.jsonl (streamed;
run again to resume, with a larger COUNT to extend), table.csv, summary.json, two figures and model.npz."""
UNIT = {"l0": "pixels", "linf": "eps", "l1": "|s|_1", "l2": "|s|_2"}


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    p = argparse.ArgumentParser(prog="python -m attacks prove", description=DESCRIPTION, epilog=decisions.HELP)
    p.add_argument("--norm", choices=list(BALLS), default="l0", help="how perturbations are measured (default: l0)")
    p.add_argument("--count", type=int, default=100, help="images to certify (default: 100)")
    p.add_argument("--workers", type=int, default=1, help="processes, one image each at a time (default: 1)")
    p.add_argument("--out", type=Path, default=Path("proofs"), help="folder to write to (default: proofs)")
    p.add_argument("--time-limit", type=float, default=60.0, help="seconds an image (default: 60)")
    p.add_argument("--gap", type=float, help="stop at lower >= (1 - gap) upper (default: 0 for l0, else 0.01)")
    decisions.add_options(p)
    p.add_argument(
        "--digits", nargs=2, type=int, default=(4, 9), metavar=("A", "B"), help="turn A into B (default: 4 9)"
    )
    p.add_argument("--model", type=Path, help="a network saved by MLP.save, instead of training one")
    p.add_argument("--data", type=Path, help="a folder with four IDX files, or an .npz file with x and y")
    p.add_argument("--seed", type=int, default=0, help="seed of the training (default: 0)")
    p.add_argument("--epochs", type=int, default=10, help="passes over the training images (default: 10)")
    return p


def run(o: argparse.Namespace) -> dict[str, Any]:
    """Certify, draw, write; returns the summary.

    Raises
    ------
    ValueError, OSError, RuntimeError
        Bad options; a folder that cannot be written, or that another run is writing to; a worker that died.
    """
    out = Path(o.out)
    for name in ("count", "workers", "epochs"):
        as_count(getattr(o, name), name)
    as_count(o.seed, "seed", least=0)
    limits = Limits.from_options(o.norm, o.gap, o.time_limit)
    decisions.check_question(o)
    check_writable(out)
    with ExitStack() as held:
        there = out.exists()
        if there:
            held.enter_context(alone(out))  # before a network is trained for nothing
        return _run(o, limits, None if there else held)


def _run(o: argparse.Namespace, limits: Limits, held: ExitStack | None) -> dict[str, Any]:
    """The rest of `run`; `held` is to keep the lock of the folder, if that is not there yet."""
    out, log = Path(o.out), Path(o.out) / "certificates.jsonl"
    line = StatusLine()
    network, images = _prepare(o, Clock(line))
    if o.count > len(images.test):
        raise ValueError(f"count: expected at most {len(images.test)}, the images it gets right, got {o.count}")
    x, y = images.test[: o.count], np.zeros(o.count, int)
    if o.eps is not None:
        return decisions.decide(o, network, x, images.number[: o.count], held)
    trained = None if o.model else {"seed": o.seed, "epochs": o.epochs}
    task = Task.from_images(network.net, x, y, norm=o.norm, limits=limits)
    read(log, task, trained)  # refuses a folder of another question
    out.mkdir(parents=True, exist_ok=True)
    if held is not None:
        held.enter_context(alone(out))
        read(log, task, trained)  # another run may have been faster
    write_whole(out / "model.npz", npz_bytes(network.original.to_arrays()))

    def tell(p: Progress) -> None:
        left = "" if np.isnan(p.left) else f", about {p.left:.0f} s left"
        line(f"prove {o.norm}: {p.done} of {p.done + p.open} images done{left}")

    with workers(o.workers) as executor:
        asked: dict[str, Any] = {"norm": o.norm, "gap": o.gap, "time_limit": o.time_limit, "note": trained}
        certificates = campaign(network.net, x, y, log, executor=executor, on_progress=tell, **asked)
    results = summary(certificates)
    for name, content in files(certificates, images.number[: o.count], results).items():
        write_whole(out / name, content)
    line.end()
    return results


def _prepare(o: argparse.Namespace, clock: Clock) -> tuple[Network, Images]:
    """The network and its images; a resumed run finds the network it trained in its own folder."""
    model = o.model
    if model is None and (o.out / "certificates.jsonl").exists() and (o.out / "model.npz").exists():
        model = o.out / "model.npz"
    options = Options(digits=tuple(o.digits), seed=o.seed, epochs=o.epochs, model=model, data=o.data)
    return prepare(options, load(options, clock), clock)


def summary(certificates: list[Certificate]) -> dict[str, Any]:
    """The set in numbers; None where there is nothing to average."""
    lower, upper, attack, seconds = (
        np.array([getattr(c, name) for c in certificates]) for name in ("lower", "upper", "attack", "seconds")
    )
    known = np.isfinite(upper)

    def mean(values: Array) -> float | None:
        return float(values.mean()) if values.size else None

    return {
        "norm": certificates[0].norm,
        "images": len(certificates),
        "closed": sum(c.optimal for c in certificates),
        "open": dict(Counter(str(c.reason) for c in certificates if not c.optimal)),
        "mean_attack": mean(attack[known & np.isfinite(attack)]),
        "mean_upper": mean(upper[known]),
        "mean_lower": mean(lower[known]),
        "least_ratio": float((lower[known] / upper[known]).min()) if known.any() else None,
        "attack_improved": int((upper < attack).sum()),
        "no_counterexample": int((~known).sum()),
        "median_seconds": float(np.median(seconds)),
        "largest_seconds": float(seconds.max()),
        "nodes": int(sum(c.nodes for c in certificates)),
    }


def files(certificates: list[Certificate], number: Array, results: dict[str, Any]) -> dict[str, bytes]:
    """`file name -> content` of table, summary and figures; `number` (n,) names the test images."""
    from attacks.report import plots

    known = [c for c in certificates if np.isfinite(c.upper)]
    lower, upper, attack = (np.array([getattr(c, name) for c in known]) for name in ("lower", "upper", "attack"))
    unit, closed = UNIT[results["norm"]], np.array([c.optimal for c in known], bool)
    marks = {"mean": results["mean_upper"] or 0.0}
    return {
        "table.csv": csv_bytes(number, certificates, SHOWN),
        "summary.json": json_bytes(results),
        "histogram.png": plots.histogram(upper[closed], f"certified minimum, {unit}", marks),
        "attack_against_proof.png": plots.attack_against_proof(lower, upper, attack, unit),
    }


def table(r: dict[str, Any]) -> str:
    """The short table printed at the end."""
    unit = UNIT[r["norm"]]

    def number(name: str, rounded: Callable[[float, int], str] = ceiled) -> str:
        return "none" if r[name] is None else f"{rounded(r[name], 3 if r['norm'] == 'l0' else 5)} {unit}"

    same = r["mean_lower"] is not None and r["mean_lower"] == r["mean_upper"]  # a mean may itself be rounded
    rows = [
        (f"{r['images']} test images, {r['norm']}", f"{r['closed']} closed: the smallest is proved, within the gap"),
        *((f"  {count} open", why_open(reason, "--time-limit")) for reason, count in r["open"].items()),
        ("  mean of what the attack found", number("mean_attack")),
        ("  mean of the smallest found", f"{number('mean_upper')}; the proof improved on {r['attack_improved']}"),
        ("  mean of what is proved", "the same" if same else number("mean_lower", floored)),
        ("  least lower / upper", floored(r["least_ratio"])),
        ("  seconds an image", f"median {r['median_seconds']:.2f}, largest {r['largest_seconds']:.1f}"),
    ]
    return "\n".join(f"{name:34s} {text}" for name, text in rows)


def main(arguments: Sequence[str]) -> int:
    """Exit status 0; 2 for bad options or files, 1 for a worker that died, 130 when interrupted."""
    options = parser().parse_args(arguments)
    try:
        if options.vnnlib is not None:
            return decisions.answer(options)
        results = run(options)
        last = f"see {options.out / 'attack_against_proof.png'}, {options.out / 'certificates.jsonl'} holds the proofs"
        say(f"{table(results)}\n\n{last}" if options.eps is None else decisions.in_words(results))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to go on", file=sys.stderr)
        return INTERRUPTED
    return 0
