"""`python -m attacks`: train a network, attack it in every way, prove, and write a page about it.

The parts of the report do not know each other; they meet here.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from importlib import import_module
from pathlib import Path
from typing import Any

from attacks.report.command_line import USUAL, CommandParser, overview
from attacks.report.defence import defence_of
from attacks.report.detection import Attacker, detect
from attacks.report.exact import seconds_of
from attacks.report.figures import draw
from attacks.report.glasses import attack_with_glasses, frames
from attacks.report.image_sets import ask_small_sets, attack_sets, sets_to_bound
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
# Of each step on a quiet machine, in the order in which they come: for the bar alone.
SECONDS = {
    "load the images": 0.3,
    "train the network": 1.4,
    "proofs of sets and glasses, beside the attacks": 0.1,
    "sparse: one pixel at a time": 0.4,
    "sparse: Papernot's pairs": 0.3,
    "small: one step, box ignored": 0.1,
    "small: one step, exact in the box": 0.1,
    "small: forty steps": 0.2,
    "small: the smallest eps": 2.9,
    "small: the smallest eps among the bytes": 0.3,
    "proofs of the image shown, beside the attacks": 0.3,
    "universal: one perturbation for all": 4.4,
    "universal: the fewest fixed pixels": 1.8,
    "glasses: at several heights": 3.2,
    "glasses: slipping by a pixel": 3.3,
    "detect: clean images": 1.0,
    "detect: learn from attacked training images": 1.6,
    "detect: attack test images": 1.3,
    "detect: look at them": 3.5,
    "detect: hide from the detectors": 5.3,
    "wait for the proofs": 0.1,
    "draw": 3.5,
}


def parser() -> CommandParser:
    """The options of the command."""
    p = CommandParser(USUAL, DESCRIPTION, more=overview(), words="[COMMAND] ")
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


def main(arguments: Sequence[str]) -> int:
    """The exit status, as `CommandParser.carry_out` has it."""
    p = parser()
    o = p.parse(arguments)

    def command() -> int:
        names = tuple(o.names) if o.names else None
        r = make_report(Options(**{**vars(o), "digits": tuple(o.digits), "names": names}))
        if not o.quiet:
            say(f"{table(r)}\n\nopen {o.out / 'index.html'}")
        return 0

    return p.carry_out(o, command, "no file is half-written")


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
    line = StatusLine(options.quiet)
    clock = Clock(line, SECONDS)
    with workers(options.workers, helped=True) as executor:
        executor.submit(import_module, "attacks.report.picture_plots")  # it will draw, too: matplotlib loads slowly
        results = run_experiments(set_up(options, clock), executor, clock)
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
    small_sets = ask_small_sets(executor, setup)
    sets = attack_sets(setup, clock)
    glasses = attack_with_glasses(setup, clock)
    jobs.certify_frame(images.image_shown, glasses.worn.mask)
    attacker = Attacker(setup.net, setup.seed, setup.images.training, sets.universals[SHOWN_EPS][0], glasses.worn)
    detection = detect(setup, images, attacker, executor, clock)
    with clock("wait for the proofs"):
        proofs, small = jobs.results(), small_sets.result()
    return Results(setup, images, sets, small, glasses, detection, proofs, defence_of(setup, images.image_shown))
