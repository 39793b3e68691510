"""The whole homework: load, train, study, draw, and write it down.

The measurements are in study.py, the figures in plots.py, the words in page.py.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial as job
from pathlib import Path
from typing import Any

import numpy as np

from attacks.balls import LInf
from attacks.certificate import Certificate
from attacks.detect import FALSE_ALARMS, FEWEST, roc
from attacks.page import page
from attacks.pattern import Accessory, wear
from attacks.play import play_page
from attacks.pool import workers
from attacks.study import Clock, Study, confidence, numbers, study
from attacks.study_sets import SHOWN_EPS
from data import load_collection
from minigrad import MLP, fit
from minigrad.files import check_writable, npz_bytes, write_whole
from minigrad.inputs import Array, as_count
from minigrad.margin import Margin

REFERENCE = (128, 64, 1)  # widths after the pixels
UNIVERSAL_IMAGES = 1000  # training images from which the universal s is made
Job = Callable[[], bytes]  # draws one figure
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
    training: Array  # (m, d) training images of both digits
    test: Array  # (n, d) test images of both digits
    number: Array  # (n,) their positions among the test images of that digit
    wrong: int  # test images of that digit misclassified already


def prepare(options: Options, clock: Clock) -> Network:
    """Load the images, train or load the network, and pick the images to attack.

    Raises
    ------
    ValueError
        Options that do not fit the data or the model, in one sentence.
    """
    found = clock("load the images", lambda: load_collection(options.data, options.digits))
    x_train, y_train, x_test, y_test = found.x_train, found.y_train, found.x_test, found.y_test
    if options.subset:
        x_train, y_train = _first_of_each(x_train, y_train, options.subset)
        x_test, y_test = _first_of_each(x_test, y_test, options.subset)
    if len(x_train) < FEWEST:
        raise ValueError(f"data: expected at least {FEWEST} training images for the detectors, got {len(x_train)}")
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
    both = x_train.astype(np.float64), x_test.astype(np.float64)
    images, wrong = own[right], int((~right).sum())
    return Network(net, original, found.shape, history, accuracy, crowd, images, others, *both, number, wrong)


def draw(
    s: Study, digits: tuple[str, str], history: dict[str, list[float]], helper: Executor
) -> dict[str, bytes]:
    """`file name -> PNG` for every figure, every second one drawn by `helper`."""
    jobs = _figures(s, digits, history)
    there = {name: helper.submit(work) for name, work in list(jobs.items())[::2]}
    here = {name: work() for name, work in jobs.items() if name not in there}
    return {name: here[name] if name in here else there[name].result() for name in jobs}


def _figures(s: Study, digits: tuple[str, str], history: dict[str, list[float]]) -> dict[str, Job]:
    """`file name -> what draws it`."""
    from attacks import plots

    i, x, shape = s.shown, s.images[s.shown], s.shape
    before = caption(digits, s.start[i])
    _, held_out = s.sets.universals[SHOWN_EPS]
    wearing = held_out.apply(s.images)
    worn = Margin.of(s.net, s.images, np.zeros(len(s.images), int)).value(wearing)
    ways = (
        (f"{s.sparse.distance[i]:.0f} pixels", s.sparse.x_adv[i], s.sparse.margin[i]),
        (f"every pixel by at most {s.smallest.distance[i]:.3f}", s.smallest.x_adv[i], s.smallest.margin[i]),
        (f"one s for all, eps {SHOWN_EPS:.2f}", wearing[i], worn[i]),
    )
    files: dict[str, Job] = {
        "overview.png": job(plots.overview,
            x, [way[:2] for way in ways], [before, *(caption(digits, way[2]) for way in ways)], shape
        ),
        "sparse.png": job(plots.portrait,
            x, s.sparse.x_adv[i], s.gradient[i], (before, caption(digits, s.sparse.margin[i])), shape
        ),
        "one_step.png": job(plots.portrait,
            x, s.box_step.x_adv[i], s.gradient[i], (before, caption(digits, s.box_step.margin[i])), shape
        ),
        "smallest_eps.png": job(plots.portrait,
            x, s.smallest.x_adv[i], s.gradient[i], (before, caption(digits, s.smallest.margin[i])), shape
        ),
        "pixels_histogram.png": job(plots.histogram,
            s.sparse.distance[s.sparse.success],
            "pixels needed",
            {"mean": s.sparse.mean_distance, "shown": s.sparse.distance[i]},
        ),
        "eps_histogram.png": job(plots.histogram,
            s.smallest.distance[s.smallest.success],
            "smallest eps found",
            {"mean": s.smallest.mean_distance, "shown": s.smallest.distance[i]},
        ),
        "universal.png": job(plots.universal_pictures, held_out.s, s.mean_gradient, shape),
        "universal_eps.png": job(plots.rate_curve, *_curve(s, "linf"), "eps, largest change of a pixel"),
        "universal_pixels.png": job(plots.rate_curve, *_curve(s, "l0"), "pixels, the same for every image"),
        "fixed_pixels.png": job(plots.universal_pictures, s.sets.fixed.s, s.mean_gradient, shape),
        "glasses.png": job(plots.wearing, _glasses(s, digits), shape),
        "glasses_heights.png": job(plots.wearing, _heights(s, digits), shape),
        "universal_grid.png": job(plots.wearing, _pairs(s, wearing, digits), shape),
    }
    if s.sparse.trace is not None:
        margin = s.sparse.trace.margin[i]
        files["margin_by_pixels.png"] = job(plots.margin_by_pixels, margin[~np.isnan(margin)])
    files["margin_by_eps.png"] = job(plots.margin_by_eps, *_curves(s))
    files |= _detection(s, digits)
    if history:
        files["training.png"] = job(plots.training, history)
    return files


def _detection(s: Study, digits: tuple[str, str]) -> dict[str, Job]:
    """What the detectors see, and the shown image in each disguise."""
    from attacks import plots

    seen = s.watched
    flipped = {name: sight for name, sight in seen.sights.items() if len(sight.scores)}
    found = {name: sight.found(seen.thresholds) for name, sight in seen.sights.items()}
    hidden = {
        f"{attack}, {disguise}": sight.found(seen.thresholds)
        for attack, row in seen.disguised.items()
        for disguise, sight in row.items()
    }
    title = "found, when 1% of clean images raise a false alarm"
    tables = {"found.png": found, "hidden.png": hidden}
    files: dict[str, Job] = {name: job(plots.shares, table, title) for name, table in tables.items()}
    if flipped:
        curves = {name: roc(seen.clean[:, -1], sight.scores[:, -1]) for name, sight in flipped.items()}
        files["roc.png"] = job(plots.roc, curves, FALSE_ALARMS)
    rows = []
    for norm, unit in (("l0", "{:.0f} pixels"), ("linf", "eps {:.3f}")):
        proofs = [(name, row[norm]) for name, row in s.proved.items()]
        x_adv = np.array([c.x if c.x_adv is None else c.x_adv for _, c in proofs])
        said = _verdicts(s, x_adv, digits)
        sizes = ["not flipped" if np.isinf(c.upper) else unit.format(c.upper) for _, c in proofs]
        told = [f"{name}: {size}\n{verdict}" for (name, _), size, verdict in zip(proofs, sizes, said, strict=True)]
        rows.append(("", x_adv, told))
    files["disguises.png"] = job(plots.wearing, rows, s.shape)
    return files


def _curves(s: Study) -> tuple[Array, dict[str, Array], dict[str, float]]:
    """The margin of the shown image as eps grows: promised by the linearised network, and true."""
    i, x = s.shown, s.images[s.shown]
    top = 1.5 * max(s.smallest.distance[i], s.box_root[i] if np.isfinite(s.box_root[i]) else 0)
    eps = np.linspace(0, top or 1, 121)
    ball, many = LInf(eps), np.broadcast_to(x, (len(eps), len(x)))
    g = np.broadcast_to(s.gradient[i], many.shape)
    margin = Margin.of(s.net, many, np.zeros(len(eps), int))
    best = s.smallest.x_adv[i] - x
    bent = np.clip(best * (eps / (s.smallest.distance[i] or 1))[:, None], -eps[:, None], eps[:, None])
    curves = {
        "linearised, box ignored": s.start[i] + eps * np.abs(s.gradient[i]).sum(),
        "linearised, in the box": s.start[i] + ball.support(many, g),
        "network, one sign step": margin.value(ball.apply(many, ball.maximize(many, g))),
        "network, towards the best s found": margin.value(ball.apply(many, bent)),
    }
    return eps, curves, {"smallest eps found": float(s.smallest.distance[i])}


def _curve(s: Study, norm: str) -> tuple[Array, dict[str, tuple[Array, Array]], Array, float]:
    """The arguments of `plots.rate_curve`: rates on unseen images, on the few, and what is proved of those."""
    sets = s.sets
    if norm == "linf":
        unseen = [(eps, held_out.rate) for eps, (_, held_out) in sets.universals.items()]
    else:
        unseen = [(0.0, 0.0), *((k + 1, held_out) for k, (_, held_out, _) in enumerate(sets.by_pixels))]
    few = sets.few[norm]
    rates = {"all unseen images": unseen, f"the first {len(sets.minima[norm].own)}, s made for them": few}
    top = max(r for pairs in rates.values() for r, _ in pairs)
    curves = {name: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]) for name, pairs in rates.items()}
    return np.linspace(0, 1.02 * top, 600), curves, sets.minima[norm].own, sets.minima[norm].lower


def _glasses(s: Study, digits: tuple[str, str]) -> list[tuple[str, Array, list[str]]]:
    """Eight images without glasses, with them, and with the controls."""
    _, worn, _ = s.sets.glasses[s.sets.height]
    x, random = s.images[:8], np.random.default_rng(0).uniform(size=len(worn.pattern))
    rows = [("no glasses", x), ("the pattern", worn.apply(x))]
    for name, filling in (("black", 0.0), ("white", 1.0), ("random", random)):
        rows.append((name, wear(x, worn.mask, filling)))
    return [(name, images, _verdicts(s, images, digits)) for name, images in rows]


def _pairs(s: Study, wearing: Array, digits: tuple[str, str]) -> list[tuple[str, Array, list[str]]]:
    """Twenty-four images, in rows: without s, and below with it."""
    rows = []
    for block in (slice(0, 8), slice(8, 16), slice(16, 24)):
        x, x_adv = s.images[block], wearing[block]
        if len(x):
            rows += [("without s", x, [""] * len(x)), ("with s", x_adv, _verdicts(s, x_adv, digits))]
    return rows


def _heights(s: Study, digits: tuple[str, str]) -> list[tuple[str, Array, list[str]]]:
    """The image shown, with the glasses at each height."""
    x = s.images[s.shown : s.shown + 1]
    images = np.concatenate([worn.apply(x) for _, worn, _ in s.sets.glasses.values()])
    shares = [f"{100 * worn.rate:.0f}% fooled here" for _, worn, _ in s.sets.glasses.values()]
    return [("", images, [f"{v}\n{share}" for v, share in zip(_verdicts(s, images, digits), shares, strict=True)])]


def _verdicts(s: Study, images: Array, digits: tuple[str, str]) -> list[str]:
    return [verdict(digits, m) for m in Margin.of(s.net, images, np.zeros(len(images), int)).value(images)]


def verdict(digits: tuple[str, str], m: float) -> str:
    """What the network says and how sure it is; a margin above 0 is the second digit."""
    name, sure = (digits[1], confidence(m)) if m > 0 else (digits[0], confidence(-m))
    return f"{name}, {100 * sure:.1f}%"


def caption(digits: tuple[str, str], m: float) -> str:
    """The verdict in words, for under a picture."""
    return f"network: {verdict(digits, m)} sure"


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
    network = prepare(options, clock)
    net = network.net
    seconds, names = options.proof_seconds, options.names or (str(options.digits[0]), str(options.digits[1]))
    sets = network.crowd, network.images, network.others, network.number
    clean = network.training, network.test
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
