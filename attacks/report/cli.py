"""`python -m attacks`: the whole homework, written to report/.  `python -m attacks prove`: see prove.py."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from attacks.report import prove
from attacks.report.setup import Options
from attacks.report.write import write_report

Json = dict[str, Any]  # a part of results.json
Line = tuple[str, str]  # of the table: what, how much

DESCRIPTION = """Train a network that tells two digits apart, then turn one into the other in three ways: with as few
pixels as possible, with changes too small to see, and with one perturbation for all images.  Writes index.html (open
it in a browser), PNG figures, results.json and model.npz."""
PROVE = "To certify the smallest perturbation of a whole set of images: python -m attacks prove --help"


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 2 for bad options or files, 1 for a worker that died, with one sentence on stderr; 130 when
    interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] == ["prove"]:
        return prove.main(arguments[1:])
    options = parser().parse_args(arguments)
    names = tuple(options.names) if options.names else None
    try:
        results = write_report(Options(**{**vars(options), "digits": tuple(options.digits), "names": names}))
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


def table(r: Json) -> str:
    """The short table printed at the end; `r` is what results.json holds."""
    lines = [*_network(r), *_shown(r), *_all_images(r), *_one_for_all(r), *_detection(r["detection"])]
    lines.append(("time", f"{r['seconds']['all']:.1f} s"))
    return "\n".join(f"{name:32s} {text}" for name, text in lines)


def _network(r: Json) -> list[Line]:
    sizes, accuracy = "-".join(map(str, r["network"]["sizes"])), r["network"]["test_accuracy"]
    return [(f"network {sizes}", f"{100 * accuracy:.2f}% of test images right")]


def _shown(r: Json) -> list[Line]:
    """The image shown."""
    (a, b), shown = r["names"], r["shown"]

    def found(name: str, form: str) -> str:
        if not shown[name]["success"]:
            return "not flipped"
        sure = f"{100 * shown[name]['confidence_after']:.1f}% sure it is a {b}"
        return f"{form.format(shown[name]['distance'])}, then {sure}"

    return [
        (f"test image of {a}, number {shown['image']}", f"{100 * shown['confidence_before']:.1f}% sure it is a {a}"),
        ("  fewest pixels found", found("sparse", "{:.0f} pixels")),
        ("  smallest eps found", found("smallest_eps", "eps {:.5f}")),
        ("  fewest pixels proved", _interval(shown["proved"]["l0"], "{:.0f}", "pixels")),
        ("  smallest eps proved", _interval(shown["proved"]["linf"], "{:.5f}", "eps")),
    ]


def _interval(p: Json, form: str, unit: str) -> str:
    lower, upper = ("none" if p[end] is None else form.format(p[end]) for end in ("lower", "upper"))
    if p["optimal"] and p["lower"] == p["upper"]:
        return f"{lower} {unit}: nothing smaller works"
    return f"{unit} {upper} works, nothing below {lower} does"


def _all_images(r: Json) -> list[Line]:
    """Each test image attacked by itself."""
    names = {
        "one_step_box_ignored": "one step, box ignored",
        "one_step_in_the_box": "one step, exact in the box",
        "smallest_eps": "smallest eps found",
        "smallest_eps_in_bytes": "smallest eps in bytes",
    }
    wrong = f"{r['images']['already_misclassified']} more were misclassified already"
    return [
        (f"all {r['sparse']['images']} test images", wrong),
        ("  fewest pixels found", _mean(r["sparse"], "{:.3f} pixels")),
        *((f"  {text}", _mean(r[name], "eps {:.5f}")) for name, text in names.items()),
    ]


def _mean(m: Json, form: str) -> str:
    flipped = f"{100 * m['success']:5.1f}% flipped"
    if not m["success"]:
        return flipped
    return f"{flipped}, mean {form.format(m['mean_distance'])}; {100 * m['success_8bit']:.1f}% after rounding to bytes"


def _one_for_all(r: Json) -> list[Line]:
    """One perturbation, or one pair of glasses, for all of them."""

    def unseen(row: Json) -> str:
        flipped = f"{100 * row['rate_held_out']:5.1f}% flipped, unseen"
        return f"{flipped}; {100 * row['rate_held_out_8bit']:.1f}% after rounding to bytes"

    glasses = r["glasses"]
    best, slip = glasses["heights"][str(glasses["height"])], glasses["slipping"]["rate_held_out"]
    worn = (
        f"{100 * best['rate_held_out']:5.1f}% flipped, unseen; at most {100 * max(best['controls'].values()):.1f}% by "
        f"plain ones; slipping by a pixel {100 * slip:.1f}%"
    )
    return [
        *((f"  one s for all, eps {row['eps']:.3f}", unseen(row)) for row in r["universal"]),
        *((f"  {row['pixels']} fixed pixels", unseen(row)) for row in r["fixed_pixels"][-1:]),
        (f"  glasses of {glasses['pixels']} pixels", worn),
    ]


def _detection(d: Json) -> list[Line]:
    """Which of these attacks the combined detector finds."""

    def found(row: Json) -> str:
        share, area = row["found"]["combined"], row["auc"]["combined"]
        if share is None:
            return "none flipped"
        low, high = row["auc_interval"]
        return f"{100 * share:5.1f}% found at 1% false alarms, AUC {area:.4f} [{low:.4f}, {high:.4f}]"

    alarms = f"{100 * d['false_alarms']['combined']:5.1f}% of clean test images"
    return [
        *((f"  {name}: one can tell", found(row)) for name, row in d["attacks"].items()),
        ("  false alarms, measured", alarms),
    ]
