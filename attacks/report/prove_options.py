"""What the questions of `python -m attacks prove` begin with: options, a folder, the network, its images.

`prove` narrows an interval, `decisions` answers at one radius; neither knows the other.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attacks.balls import BALLS
from attacks.report.command_line import CommandParser, filled
from attacks.report.progress import Clock, StatusLine
from attacks.report.setup import SHARES, Images, Network, Options, load, prepare
from minigrad.inputs import as_count
from minigrad.io.files import alone, check_writable, write_whole
from minigrad.io.npz import npz_bytes

DESCRIPTION = """Certify the smallest adversarial perturbation of the first COUNT correctly classified test images of
digit A: for each an interval, the attack on one side and the proof on the other.  Writes certificates.jsonl (streamed;
run again to resume, with a larger COUNT to extend), table.csv, summary.json, two figures and model.npz.  With --proofs
also the folder exact: proofs that its checker.py, which needs NumPy alone, checks without rounding."""
DECISIONS = """With --eps R: is each image robust at radius R?  Goes on when run again; writes table.csv, summary.json,
model.npz and a certificate of each decided image.  With --vnnlib: prints unsat, sat with its counterexample, or
unknown; the exit status is 0, 10 or 20, and 2 for bad input.  With --image: the same interval for an image file of your
own, 28 x 28 with white ink as the play page saves it, its proof and the checker."""


IDLE = {  # by question: the options that it has no use for
    "--vnnlib": ("image", "label", "target", "proofs", "norm", "count", "digits", "data", "seed", "epochs"),
    "--image": ("count", "digits", "data", "seed", "epochs"),
    "": ("label", "target"),
}


def parser() -> CommandParser:
    """The options of the command."""
    p = CommandParser("prove", DESCRIPTION, more=filled(DECISIONS), called={"radius": "--eps", "y": "--label"})
    p.add_argument("--norm", choices=list(BALLS), default="l0", help="how perturbations are measured (default: l0)")
    p.add_argument("--count", type=int, default=100, help="images to certify (default: 100)")
    p.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes, an image each; with --eps, --image or --vnnlib they share one search where there are fewer "
        "images (default: 1)",
    )
    p.add_argument("--out", type=Path, default=Path("proofs"), help="folder to write to (default: proofs)")
    p.add_argument("--time-limit", type=float, default=60.0, help="seconds an image (default: 60)")
    p.add_argument("--gap", type=float, help="stop at lower >= (1 - gap) upper (default: 0 for l0, else 0.01)")
    p.add_argument(
        "--proofs",
        action="store_true",
        help="write each proof with its multipliers too, and beside them the checker, which needs only NumPy (takes as "
        "long again)",
    )
    p.add_argument("--eps", type=float, metavar="R", help="decide robustness at this radius of the norm instead")
    p.add_argument("--vnnlib", type=Path, metavar="FILE", help="a query of VNN-COMP; --model is .onnx, .nnet or .npz")
    p.add_argument("--image", type=Path, metavar="PNG", help="certify this image instead, of the class --label")
    p.add_argument("--label", type=int, metavar="CLASS", help="with --image: what it shows")
    p.add_argument(
        "--target", type=int, metavar="CLASS", help="with --image: what it shall become (default: any other)"
    )
    p.add_argument(
        "--digits", nargs=2, type=int, default=(4, 9), metavar=("A", "B"), help="turn A into B (default: 4 9)"
    )
    p.add_argument(
        "--model",
        type=Path,
        help="a network saved by MLP.save, instead of training one; with --image also plain or robust, the play page's",
    )
    p.add_argument("--data", type=Path, help="a folder with four IDX files, or an .npz file with x and y")
    p.add_argument("--seed", type=int, default=0, help="seed of the training (default: 0)")
    p.add_argument("--epochs", type=int, default=10, help="passes over the training images (default: 10)")
    return p


def check_together(p: CommandParser, o: Namespace) -> None:
    """Raises ValueError for an option that the question asked has no use for."""
    idle = "--vnnlib" if o.vnnlib is not None else "--image" if o.image is not None else ""
    for name in IDLE[idle]:
        if getattr(o, name) != p.get_default(name):
            beside = f"beside {idle}" if idle else "without --image"
            raise ValueError(f"{name}: expected no --{name} {beside}, which has no use for it")


def check_numbers(o: Namespace) -> None:
    """Raises ValueError for a count that is none, also of pixels."""
    for name in ("count", "workers", "epochs"):
        as_count(getattr(o, name), name)
    as_count(o.seed, "seed", least=0)
    if o.eps is not None and BALLS[o.norm].counts and not float(o.eps).is_integer():
        hint = "; for the largest change of a pixel add --norm linf"
        raise ValueError(f"eps: expected a whole number of pixels with --norm {o.norm}, got {o.eps}{hint}")


@contextmanager
def reserved(out: Path) -> Iterator[Callable[[], bool]]:
    """Keep the folder `out` for one command, from before a network is trained for nothing.

    What is given makes the folder, and says whether it was not there before: then another command may have been faster.

    Raises
    ------
    ValueError, OSError
        Another command is writing to the folder; it cannot be written.
    """
    check_writable(out)
    with ExitStack() as held:
        new = not out.exists()
        if not new:
            held.enter_context(alone(out))

        def make() -> bool:
            out.mkdir(parents=True, exist_ok=True)
            if new:
                held.enter_context(alone(out))
            return new

        yield make


def network_and_images(o: Namespace, line: StatusLine) -> tuple[Network, Images]:
    """The network and its images, of which there are `o.count`; a resumed run finds the network it trained before."""
    model, clock = o.model, Clock(line)
    if model is None and (o.out / "certificates.jsonl").exists() and (o.out / "model.npz").exists():
        model = o.out / "model.npz"
    options = Options(digits=tuple(o.digits), seed=o.seed, epochs=o.epochs, model=model, data=o.data)
    network, images = prepare(options, load(options, clock), clock)
    if o.count > len(images.test):
        raise ValueError(f"count: expected at most {len(images.test)}, the images it gets right, got {o.count}")
    return network, images


def write_networks(out: Path, network: Network) -> None:
    """model.npz and, where its pixels are not shares of their range, the network that the proofs are about."""
    write_whole(out / "model.npz", npz_bytes(network.original.to_arrays()))
    if network.net is not network.original:
        write_whole(out / SHARES, npz_bytes(network.net.to_arrays()))
