"""`python -m attacks`: the whole homework, written to report/.  `python -m attacks prove`: see prove.py."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from attacks import prove
from attacks.pool import THREADS
from attacks.report import Options, run

DESCRIPTION = """Train a network that tells two digits apart, then turn one into the other in three ways: with as few
pixels as possible, with changes too small to see, and with one perturbation for all images.  Writes index.html (open
it in a browser), PNG figures, results.json and model.npz."""
PROVE = "To certify the smallest perturbation of a whole set of images: python -m attacks prove --help"


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m attacks", description=DESCRIPTION, epilog=PROVE)
    p.add_argument(
        "--digits", nargs=2, type=int, default=(4, 9), metavar=("A", "B"), help="turn A into B (default: 4 9)"
    )
    p.add_argument("--names", nargs=2, metavar=("A", "B"), help="what the two are called (default: the digits)")
    p.add_argument("--out", type=Path, default=Path("report"), help="folder to write to (default: report)")
    p.add_argument("--seed", type=int, default=0, help="seed of all randomness (default: 0)")
    p.add_argument("--epochs", type=int, default=10, help="passes over the training images (default: 10)")
    p.add_argument(
        "--image",
        type=int,
        help="which test image of A to show, from 0 (default: the first that needs the median of pixels)",
    )
    p.add_argument("--model", type=Path, help="a network saved by MLP.save, instead of training one")
    p.add_argument(
        "--data",
        type=Path,
        help="another collection: a folder with four IDX files named as MNIST's, gzipped or not, or an .npz file with "
        "x (images) and y (labels)",
    )
    p.add_argument(
        "--proof-seconds",
        type=float,
        default=6.0,
        help="about this long on proofs (default: 6); without enough time an interval is left",
    )
    p.add_argument("--workers", type=int, default=1, help="processes that prove beside this one (default: 1)")
    p.add_argument("--subset", type=int, help="use only the first SUBSET images of each digit, for a quick look")
    return p


def table(r: dict[str, Any]) -> str:
    """The short table printed at the end."""
    a, b = r["names"]
    shown = r["shown"]
    rows = [
        (
            f"network {'-'.join(map(str, r['network']['sizes']))}",
            f"{100 * r['network']['test_accuracy']:.2f}% of test images right",
        ),
        (f"test image of {a}, number {shown['image']}", f"{100 * shown['confidence_before']:.1f}% sure it is a {a}"),
        ("  fewest pixels found", _found(shown["sparse"], "{:.0f} pixels", b)),
        ("  smallest eps found", _found(shown["smallest_eps"], "eps {:.5f}", b)),
        ("  fewest pixels proved", _interval(shown["proved"]["l0"], "{:.0f}", "pixels")),
        ("  smallest eps proved", _interval(shown["proved"]["linf"], "{:.5f}", "eps")),
        (
            f"all {r['sparse']['images']} test images",
            f"{r['images']['already_misclassified']} more were misclassified already",
        ),
        ("  fewest pixels found", _mean(r["sparse"], "{:.3f} pixels")),
        ("  one step, box ignored", _mean(r["one_step_box_ignored"], "eps {:.5f}")),
        ("  one step, exact in the box", _mean(r["one_step_in_the_box"], "eps {:.5f}")),
        ("  smallest eps found", _mean(r["smallest_eps"], "eps {:.5f}")),
        ("  smallest eps in bytes", _mean(r["smallest_eps_in_bytes"], "eps {:.5f}")),
        *(
            (f"  one s for all, eps {u['eps']:.3f}", f"{100 * u['rate_held_out']:5.1f}% flipped, unseen{_bytes(u)}")
            for u in r["universal"]
        ),
        *_fixed(r["fixed_pixels"]),
        (f"  glasses of {r['glasses']['pixels']} pixels", _glasses(r["glasses"])),
        *((f"  {name}: one can tell", _told(row)) for name, row in r["detection"]["attacks"].items()),
        ("  false alarms, measured", f"{100 * r['detection']['false_alarms']['combined']:5.1f}% of clean test images"),
        ("time", f"{r['seconds']['all']:.1f} s"),
    ]
    return "\n".join(f"{name:32s} {text}" for name, text in rows)


def _bytes(row: dict[str, Any]) -> str:
    return f"; {100 * row['rate_held_out_8bit']:.1f}% after rounding to bytes"


def _fixed(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (f"  {p['pixels']} fixed pixels", f"{100 * p['rate_held_out']:5.1f}% flipped, unseen{_bytes(p)}")
        for p in rows[-1:]
    ]


def _glasses(g: dict[str, Any]) -> str:
    best, slip = g["heights"][str(g["height"])], g["slipping"]
    control = 100 * max(best["controls"].values())
    return (
        f"{100 * best['rate_held_out']:5.1f}% flipped, unseen; at most {control:.1f}% by plain ones; "
        f"slipping by a pixel {100 * slip['rate_held_out']:.1f}%"
    )


def _told(row: dict[str, Any]) -> str:
    found, area = row["found"]["combined"], row["auc"]["combined"]
    if found is None:
        return "none flipped"
    low, high = row["auc_interval"]
    return f"{100 * found:5.1f}% found at 1% false alarms, AUC {area:.4f} [{low:.4f}, {high:.4f}]"


def _found(one: dict[str, Any], form: str, b: str) -> str:
    if not one["success"]:
        return "not flipped"
    return f"{form.format(one['distance'])}, then {100 * one['confidence_after']:.1f}% sure it is a {b}"


def _interval(p: dict[str, Any], form: str, unit: str) -> str:
    lower, upper = ("none" if p[end] is None else form.format(p[end]) for end in ("lower", "upper"))
    if p["optimal"] and p["lower"] == p["upper"]:
        return f"{lower} {unit}: nothing smaller works"
    return f"{unit} {upper} works, nothing below {lower} does"


def _mean(m: dict[str, Any], form: str) -> str:
    flipped = f"{100 * m['success']:5.1f}% flipped"
    if not m["success"]:
        return flipped
    return f"{flipped}, mean {form.format(m['mean_distance'])}; {100 * m['success_8bit']:.1f}% after rounding to bytes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 2 for bad options or files, 1 for a worker that died, with one sentence on stderr; 130 when
    interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] == ["prove"]:
        return prove.main(arguments[1:])
    options = parser().parse_args(arguments)
    names = tuple(options.names) if options.names else None
    try:
        results = run(Options(**{**vars(options), "digits": tuple(options.digits), "names": names}))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenExecutor:
        print("\nerror: the process that proves died; nothing was written (try --workers 0)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: no file is half-written", file=sys.stderr)
        return 130
    print(table(results))
    print(f"\nopen {options.out / 'index.html'}")
    return 0


def _one_thread_each() -> None:
    """Start again with one BLAS thread: two of them beside the process that proves wait for each other on two cores."""
    if os.name == "posix" and not any(name in os.environ for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))
        os.execv(sys.executable, [sys.executable, "-m", "attacks", *sys.argv[1:]])


if __name__ == "__main__":
    _one_thread_each()
    sys.exit(main())
