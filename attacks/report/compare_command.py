"""`python -m attacks compare a.npz b.npz`: two or more networks on the same test images, as a table and a figure."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from attacks.defend.comparison import RADII, Comparison, compare
from attacks.report.command_line import CommandParser
from attacks.report.formats import json_bytes
from attacks.report.mnist import Collection, load_collection, load_mnist
from attacks.report.progress import Bar, StatusLine, say
from attacks.report.workers import workers
from minigrad.inputs import Array, as_count
from minigrad.io.files import check_writable, write_whole
from minigrad.mlp import MLP

DESCRIPTION = """Compare networks on the same test images: accuracy, robust accuracy (proved and not fooled), certified
minima in every norm, one perturbation for all, glasses, detection and what the Jacobian looks at.  Prints the table;
writes comparison.json and robust_curves.png."""


def parser() -> CommandParser:
    """The options of the command."""
    p = CommandParser("compare", DESCRIPTION, words="MODEL ... ", called={"radius": "--eps", "attacked": "--digits"})
    p.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="networks saved by MLP.save")
    p.add_argument("--out", type=Path, default=Path("comparison"), help="folder to write to (default: comparison)")
    p.add_argument(
        "--digits", nargs=2, type=int, default=(4, 9), metavar=("A", "B"), help="the two digits (default: 4 9)"
    )
    p.add_argument("--all-digits", action="store_true", help="networks of ten logits: all digits, and A is attacked")
    p.add_argument("--data", type=Path, help="a folder with four IDX files, or an .npz file with x and y")
    p.add_argument("--eps", nargs="+", type=float, default=RADII, metavar="R", help="radii (default: 0.05 0.1 0.2)")
    p.add_argument("--sample", type=int, default=200, help="test images, drawn at random (default: 200)")
    p.add_argument("--count", type=int, default=10, help="images for the certified minima; 0: none (default: 10)")
    p.add_argument("--time-limit", type=float, default=1.0, help="seconds an image and radius (default: 1)")
    p.add_argument("--workers", type=int, default=0, help="processes that prove (default: 0, in this one)")
    p.add_argument("--seed", type=int, default=0, help="seed of the sample (default: 0)")
    return p


def main(arguments: Sequence[str]) -> int:
    """The exit status, as `CommandParser.carry_out` has it."""
    p = parser()
    o = p.parse(arguments)

    def command() -> int:
        found = run(o)
        if not o.quiet:
            say(f"{found.table}\n\nsee {o.out / 'robust_curves.png'}")
        return 0

    return p.carry_out(o, command, "nothing was written")


def run(o: Namespace) -> Comparison:
    """Measure, draw, write.

    Raises
    ------
    ValueError, OSError, RuntimeError
        Bad options, a file that is no network, a folder that cannot be written; a worker that died.
    """
    as_count(o.seed, "seed", 0)
    as_count(o.workers, "workers", 0)
    if not all(radius > 0 for radius in o.eps):
        raise ValueError(f"eps: expected radii above 0, got {o.eps}")
    check_writable(o.out)
    nets = {_name(path, o.models): MLP.load(path) for path in o.models}
    x, y, training, attacked = _images(o)
    line = StatusLine(o.quiet)
    with workers(o.workers) as pool:
        found = compare(
            nets,
            x,
            y,
            radii=o.eps,
            sample=o.sample,
            count=o.count,
            time_limit=o.time_limit,
            attacked=attacked,
            training=training,
            rng=o.seed,
            executor=pool if o.workers else None,
            on_progress=Bar("compare", line),
        )
    line.end()
    from attacks.report import plots

    o.out.mkdir(parents=True, exist_ok=True)
    write_whole(o.out / "comparison.json", json_bytes(found.numbers()))
    write_whole(o.out / "robust_curves.png", plots.robust_curves(*found.curves()))
    return found


def _name(path: Path, models: Sequence[Path]) -> str:
    """What a network is called: its file's name, or its path where two have the same."""
    return path.stem if sum(path.stem == other.stem for other in models) == 1 else str(path)


def _images(o: Namespace) -> tuple[Array, Array, Array, int]:
    """Test images and labels, training images, and the class whose images are attacked."""
    if o.all_digits:
        if o.data is not None:
            raise ValueError("all-digits: expected MNIST's ten digits, without --data")
        x_train, _, x, y = load_mnist()
        return x, y, x_train, o.digits[0]
    found: Collection = load_collection(o.data, tuple(o.digits))
    if found.scaled:
        raise ValueError(f"data: expected pixels in [0, 1], or bytes, got {found.lo:g} to {found.hi:g}")
    return found.x_test, found.y_test, found.x_train, 0
