"""`python -m attacks`: the whole homework, written to report/.  `python -m attacks prove`: see prove.py, decisions.py.

The parts of the report do not know each other; they meet here.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor
from difflib import get_close_matches
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from attacks.report import compare_command, decisions, prove, prove_options, slides
from attacks.report.defence import defence_of
from attacks.report.detection import detect
from attacks.report.exact import seconds_of
from attacks.report.figures import draw
from attacks.report.glasses import attack_with_glasses, frames
from attacks.report.image_sets import attack_sets, sets_to_bound
from attacks.report.interrupt import INTERRUPTED, told
from attacks.report.one_image import attack_images
from attacks.report.progress import Clock, StatusLine, say
from attacks.report.proof_jobs import ProofJobs
from attacks.report.records import Results
from attacks.report.results import numbers
from attacks.report.setup import SHOWN_EPS, Options, Setup, set_up
from attacks.report.summary import table
from attacks.report.workers import workers
from attacks.report.write import check_folder, write_report

DESCRIPTION = """Train a network that tells two digits apart, then turn one into the other in three ways: with as few
pixels as possible, with changes too small to see, and with one perturbation for all images.  Writes index.html (open
it in a browser), PNG figures, results.json and model.npz."""
PROVE = """To certify the smallest perturbation of a whole set of images: python -m attacks prove --help.  To compare
networks: python -m attacks compare --help.  Slides of a report: python -m attacks slides --help"""
COMMANDS = "prove", "compare", "slides"


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    p = argparse.ArgumentParser(prog="python -m attacks", description=DESCRIPTION, epilog=PROVE)
    p.add_argument("--version", action="version", version=version(), help="say which version this is, and end")
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
        help="about this long on proofs (default: 6): counted in nodes for one image, so that a busy machine says the "
        "same, later; without enough of them an interval is left",
    )
    p.add_argument("--workers", type=int, default=1, help="processes that prove beside this one (default: 1)")
    p.add_argument("--subset", type=int, help="use only the first SUBSET images of each digit, for a quick look")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 2 for bad options or files, 1 for a worker that died, with one sentence on stderr; 130 when
    interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] == ["prove"]:
        return prove_or_decide(arguments[1:])
    if arguments[:1] == ["compare"]:
        return compare_command.main(arguments[1:])
    if arguments[:1] == ["slides"]:
        return slides.main(arguments[1:])
    p = parser()
    if arguments and not arguments[0].startswith("-"):
        meant = "".join(f"; {word}?" for word in get_close_matches(arguments[0].lower(), COMMANDS))
        p.error(f"expected options, or one of the commands {', '.join(COMMANDS)}, got {arguments[0]!r}{meant}")
    options = p.parse_args(arguments)
    names = tuple(options.names) if options.names else None
    try:
        r = make_report(Options(**{**vars(options), "digits": tuple(options.digits), "names": names}))
        say(f"{table(r)}\n\nopen {options.out / 'index.html'}")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenExecutor:
        print("\nerror: the process that proves died; nothing was written (try --workers 0)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: no file is half-written", file=sys.stderr)
        return INTERRUPTED
    return 0


def prove_or_decide(arguments: Sequence[str]) -> int:
    """`python -m attacks prove`: the exit status of `main`, or that of an answer to `--vnnlib`."""
    o = prove_options.parser().parse_args(arguments)

    def command() -> int:
        if o.vnnlib is not None:
            return decisions.answer(o)
        if o.eps is not None:
            say(decisions.in_words(decisions.run(o)))
            return 0
        text = prove.table(prove.run(o))
        say(f"{text}\n\nsee {o.out / 'attack_against_proof.png'}, {o.out / 'certificates.jsonl'} holds the proofs")
        return 0

    return told(command, "run the same command again to go on")


def version() -> str:
    """What a report of an error should name: this library, Python and NumPy."""
    try:
        own = metadata.version("minigrad-attacks")
    except metadata.PackageNotFoundError:
        own = "(not installed: run from its folder)"
    return f"minigrad-attacks {own}, Python {platform.python_version()}, NumPy {metadata.version('numpy')}"


def make_report(options: Options) -> dict[str, Any]:
    """Run the experiments and write figures, pages, numbers and network to `options.out`.

    Returns
    -------
    dict
        What results.json holds.

    Raises
    ------
    ValueError, OSError
        Bad options; a folder that cannot be written (checked first).
    """
    check_folder(options.out)
    options.check()
    line = StatusLine()
    clock = Clock(line)
    setup = set_up(options, clock)
    with workers(options.workers) as executor:
        executor.submit(import_module, "attacks.report.plots")  # it will draw as well: matplotlib takes a while to load
        results = run_experiments(setup, executor, clock)
        with clock("draw"):
            figures = draw(results, executor)
    r = numbers(results) | {"seconds": clock.seconds | seconds_of(results) | {"all": round(line.elapsed, 2)}}
    write_report(options.out, results, r, figures)
    line.end()
    return r


def run_experiments(setup: Setup, executor: Executor, clock: Clock) -> Results:
    """One after the other, while `executor` proves beside them, each proof from the moment its question is known."""
    jobs = ProofJobs(executor, setup)
    with clock("proofs of sets and glasses, beside the attacks"):
        for name, (x, y) in sets_to_bound(setup).items():
            jobs.bound_set(name, x, y)
        for rows, mask in frames(setup.images.shape).items():
            jobs.judge_mask(rows, mask)
    images = attack_images(setup, clock)
    with clock("proofs of the image shown, beside the attacks"):
        jobs.certify_image(images.image_shown)
    sets = attack_sets(setup, clock)
    glasses = attack_with_glasses(setup, clock)
    jobs.certify_frame(images.image_shown, glasses.worn.mask)
    detection = detect(setup, images, sets.universals[SHOWN_EPS][0], glasses.worn, clock)
    with clock("wait for the proofs"):
        proofs = jobs.results()
    return Results(setup, images, sets, glasses, detection, proofs, defence_of(setup, images.image_shown))
