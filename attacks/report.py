"""The whole homework: load, train, study, draw, and write it down.

The measurements are in study.py, the figures in figures.py, the words in page.py and
sentences.py.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from attacks.certificate import Certificate
from attacks.figures import draw
from attacks.page import page
from attacks.pattern import Accessory
from attacks.play import play_page
from attacks.pool import workers
from attacks.study import Clock, Study, numbers, study
from attacks.study_detect import Learned
from data import Collection, load_collection
from minigrad import MLP, fit
from minigrad.files import check_writable, npz_bytes, write_whole
from minigrad.inputs import Array, as_count

REFERENCE = (128, 64, 1)  # widths after the pixels
UNIVERSAL_IMAGES = 1000  # training images from which the universal s is made
OTHER_FILES = "index.html", "play.html", "results.json", "model.npz"  # beside the figures
OTHERS = 100  # test images of the second digit, some of which join a mixed set


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    digits: tuple[int, int] = (4, 9)
    names: tuple[str, str] | None = None  # what they are called; by default the digits
    out: Path = Path("report")
    seed: int = 0
    epochs: int = 10
    image: int | None = None
    model: Path | None = None
    data: Path | None = None
    proof_seconds: float = 6.0  # about this long, for the image shown
    workers: int = 1  # processes for them, beside this one
    subset: int | None = None  # use only this many images of each class; the tests do


@dataclass(frozen=True, eq=False)
class Network:
    """The network of the report, the images it is attacked on, and how it was made."""

    net: MLP  # of pixels in [0, 1], shares of their range
    original: MLP  # of pixels as they are in the collection; the same, if that is [0, 1]
    shape: tuple[int, int]  # (rows, columns) of an image
    history: dict[str, list[float]]
    accuracy: float  # on the test images of both digits
    crowd: Array  # (m, d) training images of the first digit that it gets right
    images: Array  # (n, d) test images of the first digit that it gets right
    others: Array  # some test images of the second digit that it gets right
    test: Array  # (n, d) test images of both digits
    number: Array  # (n,) their positions among the test images of that digit
    wrong: int  # test images of that digit misclassified already


def load(options: Options, clock: Clock) -> Collection:
    """The images, or the first few of each digit.  Raises OSError, ValueError."""
    found: Collection = clock("load the images", lambda: load_collection(options.data, options.digits))
    if not options.subset:
        return found
    x_train, y_train = _first_of_each(found.x_train, found.y_train, options.subset)
    x_test, y_test = _first_of_each(found.x_test, found.y_test, options.subset)
    return replace(found, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def prepare(options: Options, found: Collection, clock: Clock) -> Network:
    """Train or load the network, and pick the images to attack.

    Raises
    ------
    ValueError
        Options that do not fit the data or the model, in one sentence.
    """
    x_train, y_train, x_test, y_test = found.x_train, found.y_train, found.x_test, found.y_test
    own = x_test[y_test == 0].astype(np.float64)
    if options.image is not None and not 0 <= options.image < len(own):
        raise ValueError(f"image: expected a test image of the first digit, 0..{len(own) - 1}, got {options.image}")
    d = x_train.shape[1]
    history: dict[str, list[float]] = {}
    if options.model:
        original = MLP.load(options.model)
        if original.sizes[0] != d or original.sizes[-1] > 2:
            raise ValueError(f"model: expected a network from {d} pixels to 1 or 2 logits, got sizes {original.sizes}")
    else:
        first = MLP.init([d, *REFERENCE], rng=options.seed)

        def show(epoch: int, record: dict[str, float]) -> None:
            loss, accuracy = record["loss"], record["accuracy"]
            clock.tell(f"train: epoch {epoch} of {options.epochs}, loss {loss:.4f}, accuracy {accuracy:.4f}")

        train: dict[str, Any] = {"epochs": options.epochs, "rng": options.seed, "callback": show}
        original, history = clock("train the network", lambda: fit(first, x_train, y_train, **train))
        if found.scaled:  # v = (x - lo) / (hi - lo), as ends at v = 0 and 1
            original = original.rescaled(-found.lo / (found.hi - found.lo), (1 - found.lo) / (found.hi - found.lo))
    net = original.rescaled(found.lo, found.hi) if found.scaled else original

    crowd = x_train[y_train == 0][:UNIVERSAL_IMAGES].astype(np.float64)
    right = net.predict(own) == 0
    number, crowd = np.flatnonzero(right), crowd[net.predict(crowd) == 0]
    if not len(crowd):
        raise ValueError("the network gets none of the training images of the first digit right, expected at least 1")
    if not len(number):
        raise ValueError(f"the network gets {len(number)} of {len(own)} test images right, expected at least 1")
    if options.image is not None and options.image not in number:
        raise ValueError(f"image: expected one that the network gets right, got {options.image}, already misclassified")
    others = x_test[y_test == 1][:OTHERS].astype(np.float64)
    accuracy, others = net.accuracy(x_test, y_test), others[net.predict(others) == 1]
    images, test, wrong = own[right], x_test.astype(np.float64), int((~right).sum())
    return Network(net, original, found.shape, history, accuracy, crowd, images, others, test, number, wrong)


def run(options: Options) -> dict[str, Any]:
    """Study, figures and page, written to `options.out`; returns the numbers.

    All files are made in memory and then written, each whole or not at all, index.html last: a run interrupted before
    it writes leaves the folder as it was.

    Raises
    ------
    ValueError, OSError
        Bad options; a folder that cannot be written (checked first).
    """
    out = Path(options.out)
    check_writable(out)
    taken = [path for path in (*out.glob("*.png"), *(out / name for name in OTHER_FILES)) if path.is_dir()]
    if taken:
        raise ValueError(f"{taken[0]}: expected a file that can be replaced, got a folder")
    as_count(options.epochs, "epochs")
    as_count(options.seed, "seed", least=0)
    as_count(options.workers, "workers", least=0)
    if not options.proof_seconds >= 0:
        raise ValueError(f"proof-seconds: expected a number of at least 0, got {options.proof_seconds}")
    if options.subset is not None:
        as_count(options.subset, "subset")
    for name in options.names or ():
        if not re.fullmatch(r"[\w .-]{1,24}", name):
            raise ValueError(f"names: expected up to 24 letters, digits, spaces, dots and hyphens, got {name!r}")
    began = time.perf_counter()
    line = StatusLine(began)
    clock = Clock(line)
    found = load(options, clock)
    learned = Learned.of(found.x_train, found.y_train, options.seed)
    network = prepare(options, found, clock)
    net = network.net
    seconds, names = options.proof_seconds, options.names or (str(options.digits[0]), str(options.digits[1]))
    sets = network.crowd, network.images, network.others, network.number
    clean = learned, network.test
    with workers(options.workers) as prover:
        s = study(net, *sets, options.image, options.seed, clock, prover, *clean, seconds, network.shape)
        figures = clock("draw", lambda: draw(s, names, network.history, prover))
    results = _without_nan(
        {
            "digits": list(options.digits),
            "names": list(names),
            "shape": list(network.shape),
            "pixels_are_shares_of_their_range": network.original is not net,
            "seed": options.seed,
            "network": {
                "sizes": list(net.sizes),
                "activation": net.activation,
                "threshold": net.threshold,
                "test_accuracy": network.accuracy,
            },
            "history": network.history,
            "images": {"correct": len(s.images), "already_misclassified": network.wrong},
            **numbers(s),
            "seconds": clock.seconds | {"all": round(time.perf_counter() - began, 2)},
        }
    )
    shown, number = s.images[s.shown], results["shown"]["image"]
    files = figures | {
        "model.npz": npz_bytes(network.original.to_arrays()),
        "results.json": (json.dumps(results, indent=1, allow_nan=False) + "\n").encode(),
        "play.html": play_page(net, shown, names, number, *_toys(s), network.shape).encode(),
        "index.html": page(results, figures, play=True).encode(),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(out / name, content)
    line.end()
    return results


def _toys(s: Study) -> tuple[dict[str, Certificate], dict[float, Array], Accessory]:
    """What the reader can play with: the proofs, one s for each eps, the glasses."""
    universals = {eps: made.s for eps, (made, _) in s.sets.universals.items()}
    return s.proved["free"], universals, s.sets.glasses[s.sets.height][0]


class StatusLine:
    """One line a step, with the time; on a terminal the line is rewritten in place."""

    def __init__(self, began: float) -> None:
        self.began, self.terminal = began, sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        stamp = f"[{time.perf_counter() - self.began:5.1f} s] {text}"
        print(
            f"\r\x1b[K{stamp}" if self.terminal else stamp,
            end="" if self.terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _first_of_each(x: Array, y: Array, count: int) -> tuple[Array, Array]:
    rows = np.sort(np.concatenate([np.flatnonzero(y == label)[:count] for label in np.unique(y)]))
    return x[rows], y[rows]


def _without_nan(value: Any) -> Any:
    """NaN and infinity are not JSON: null says there was nothing to measure."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
