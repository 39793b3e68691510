"""`python -m attacks prove`: certify a whole set of test images, and say how good the attack was."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from attacks.proofs.campaign import campaign
from attacks.proofs.campaign_log import SHOWN, read
from attacks.proofs.certificate import Certificate
from attacks.proofs.task import Limits, Task
from attacks.report.formats import ceiled, csv_bytes, floored, json_bytes
from attacks.report.progress import Bar, StatusLine
from attacks.report.proof_files import FOLDER, write_proofs
from attacks.report.proof_words import why_open
from attacks.report.prove_options import check_numbers, network_and_images, reserved, write_networks
from attacks.report.workers import workers
from minigrad.inputs import Array
from minigrad.io.files import write_whole

UNIT = {"l0": "pixels", "linf": "eps", "l1": "|s|_1", "l2": "|s|_2"}


def run(o: Namespace) -> dict[str, Any]:
    """Certify, draw, write; returns the summary.

    Raises
    ------
    ValueError, OSError, RuntimeError
        Bad options; a folder that cannot be written, or that another run is writing to; a worker that died.
    """
    check_numbers(o)
    limits = Limits.from_options(o.norm, o.gap, o.time_limit)
    log, line = o.out / "certificates.jsonl", StatusLine(o.quiet)
    with reserved(o.out) as make_folder:
        network, images = network_and_images(o, line)
        x, y = images.test[: o.count], np.zeros(o.count, int)
        trained = None if o.model else {"seed": o.seed, "epochs": o.epochs}
        task = Task.from_images(network.net, x, y, norm=o.norm, limits=limits)
        read(log, task, trained)  # refuses a folder of another question
        if make_folder():
            read(log, task, trained)
        write_networks(o.out, network)

        with workers(o.workers) as executor:
            asked: dict[str, Any] = {"norm": o.norm, "gap": o.gap, "time_limit": o.time_limit, "note": trained}
            bar = Bar(f"prove {o.norm}", line)
            certificates = campaign(network.net, x, y, log, executor=executor, on_progress=bar, **asked)
            results = summary(certificates)
            if o.proofs:
                named = list(zip(images.number[: o.count].tolist(), certificates, strict=True))
                bar = Bar("proofs for the checker", line)
                results["exact"] = write_proofs(o.out, network.net, named, executor, bar)
        for name, content in files(certificates, images.number[: o.count], results).items():
            write_whole(o.out / name, content)
    line.end()
    return results


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
    if "exact" in r:
        how = f"check them: cd {FOLDER}; python checker.py model.npz image-*.npz"
        rows.append(("  proved exactly, for the checker", f"{r['exact']['written']} of {r['images']}; {how}"))
    return "\n".join(f"{name:34s} {text}" for name, text in rows)
