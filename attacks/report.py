"""The whole homework: train, attack in three ways, measure over every test image, and write it down.

`study` computes, `draw` makes the figures, `attacks/page.py` has the words, `write` puts all of it on disk at once.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from attacks.balls import LInf
from attacks.page import page
from attacks.result import AttackResult
from attacks.saliency import saliency_map
from attacks.sign_gradient import fgsm, pgd, smallest_eps
from attacks.uap import UniversalResult, universal
from data import load_folder, load_mnist
from minigrad import MLP, fit
from minigrad.files import write_whole
from minigrad.inputs import Array
from minigrad.margin import Margin

REFERENCE = [128, 64, 1]  # widths after the pixels
PAPERNOT_IMAGES = 50  # pairs of pixels are slow; this many show the difference
UNIVERSAL_IMAGES, UNIVERSAL_EPS = 1000, (0.05, 0.075, 0.10, 0.15, 0.20)
SHOWN_EPS = 0.10


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    digits: tuple[int, int] = (4, 9)
    out: Path = Path("report")
    seed: int = 0
    epochs: int = 10
    image: int | None = None
    model: Path | None = None
    data: Path | None = None
    subset: int | None = None  # use only this many images of each class; the tests do


@dataclass(eq=False)
class Study:
    """Everything the report says, as results.  Images are those of the first digit that the network gets right."""

    options: Options
    net: MLP
    history: dict[str, list[float]]
    accuracy: float
    images: Array  # (n, d) correctly classified test images of the first digit
    number: Array  # (n,) their positions among the test images of that digit
    wrong: int  # how many of that digit were misclassified already
    shown: int  # row of the image shown
    sparse: AttackResult
    papernot: AttackResult
    gradient: Array  # (n, d) dm/dx
    start: Array  # (n,) m(x)
    free_root: Array  # (n,) eps of the linearised network, box ignored
    box_root: Array  # (n,) the same inside the box
    free_step: AttackResult
    box_step: AttackResult
    ascent: AttackResult
    smallest: AttackResult
    universals: dict[float, tuple[UniversalResult, UniversalResult]]  # eps: on the training set, on the images
    mean_gradient: Array
    seconds: dict[str, float] = field(default_factory=dict)


def study(options: Options, tell: Callable[[str], None] = lambda text: None) -> Study:
    """Run every step.  `tell` is called with one line of progress at a time.

    Raises
    ------
    ValueError
        Options that do not fit the data or the model, in one sentence.
    """
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        tell(f"{name} ...")
        start = time.perf_counter()
        result = work()
        seconds[name] = round(time.perf_counter() - start, 3)
        return result

    load = load_mnist if options.data is None else lambda digits: load_folder(options.data or "", digits)
    x_train, y_train, x_test, y_test = timed("load the images", lambda: load(digits=options.digits))
    if options.subset:
        x_train, y_train = _first_of_each(x_train, y_train, options.subset)
        x_test, y_test = _first_of_each(x_test, y_test, options.subset)
    d = x_train.shape[1]
    history: dict[str, list[float]] = {}
    if options.model:
        net = MLP.load(options.model)
        if net.sizes[0] != d or net.sizes[-1] > 2:
            raise ValueError(f"model: expected a network from {d} pixels to 1 or 2 logits, got sizes {net.sizes}")
    else:
        start_net = MLP.init([d, *REFERENCE], rng=options.seed)

        def show(epoch: int, record: dict[str, float]) -> None:
            loss, accuracy = record["loss"], record["accuracy"]
            tell(f"train: epoch {epoch} of {options.epochs}, loss {loss:.4f}, accuracy {accuracy:.4f}")

        net, history = timed(
            "train the network",
            lambda: fit(start_net, x_train, y_train, epochs=options.epochs, rng=options.seed, callback=show),
        )

    own = x_test[y_test == 0].astype(np.float64)
    right = net.predict(own) == 0
    images, number = own[right], np.flatnonzero(right)
    if not len(images):
        raise ValueError(f"the network gets none of the {len(own)} test images of the first digit right; train longer")
    if options.image is not None and options.image not in number:
        raise ValueError(
            f"image: expected one of the {len(own)} test images of the first digit, 0..{len(own) - 1}, "
            f"that the network gets right; got {options.image}{', already misclassified' if 0 <= options.image < len(own) else ''}"
        )
    y = np.zeros(len(images), int)

    sparse = timed("sparse: one pixel at a time", lambda: saliency_map(net, images, y))
    few = slice(PAPERNOT_IMAGES)
    papernot = timed("sparse: Papernot's pairs", lambda: saliency_map(net, images[few], y[few], variant="papernot"))
    start, gradient = Margin.of(net, images, y).value_and_gradient(images)
    with np.errstate(divide="ignore"):
        free_root = -start / np.abs(gradient).sum(axis=1)
    box_root = LInf(0.0).radius_for(images, gradient, -start)

    def step(root: Array) -> AttackResult:
        return fgsm(net, images, y, LInf(np.where(np.isfinite(root), root * (1 + 1e-9), 1.0)))

    free_step = timed("small: one step, box ignored", lambda: step(free_root))
    box_step = timed("small: one step, exact in the box", lambda: step(box_root))
    ascent = timed("small: forty steps", lambda: pgd(net, images, y, LInf(SHOWN_EPS)))
    smallest = timed("small: the smallest eps", lambda: smallest_eps(net, images, y))

    crowd = x_train[y_train == 0][:UNIVERSAL_IMAGES].astype(np.float64)
    crowd = crowd[net.predict(crowd) == 0]
    labels = np.zeros(len(crowd), int)

    def one_for_all() -> dict[float, tuple[UniversalResult, UniversalResult]]:
        found = {eps: universal(net, crowd, labels, LInf(eps), rng=options.seed) for eps in UNIVERSAL_EPS}
        return {eps: (result, result.on(net, images, y)) for eps, result in found.items()}

    universals = timed("universal: one perturbation for all", one_for_all)
    mean_gradient = Margin.of(net, crowd, labels).value_and_gradient(crowd)[1].mean(axis=0)

    if options.image is None:  # the lowest index among those that need the median number of pixels
        shown = int(np.argmin(np.abs(sparse.distance - np.median(sparse.distance))))
    else:
        shown = int(np.flatnonzero(number == options.image)[0])
    return Study(
        options, net, history, net.accuracy(x_test, y_test), images, number, int((~right).sum()), shown,
        sparse, papernot, gradient, start, free_root, box_root, free_step, box_step, ascent, smallest, universals, mean_gradient, seconds,
    )  # fmt: skip


def numbers(s: Study) -> dict[str, Any]:
    """Every number of the report, ready for JSON."""
    i = s.shown

    def measured(result: AttackResult) -> dict[str, Any]:
        return {
            "success": result.rate,
            "success_8bit": float(result.success_8bit.mean()),
            "mean_distance": result.mean_distance,
            "median_distance": float(np.median(result.distance)),
            "images": len(result.x),
            "forwards": result.forwards,
            "jacobians": result.jacobians,
        }

    def one(result: AttackResult) -> dict[str, Any]:
        return {
            "success": bool(result.success[i]),
            "success_8bit": bool(result.success_8bit[i]),
            "distance": float(result.distance[i]),
            "confidence_after": confidence(result.margin[i]),
        }

    kept = s.sparse.trace.kept[i] if s.sparse.trace else np.zeros(0, bool)
    pixels = s.sparse.trace.pixel[i][kept].tolist() if s.sparse.trace else []
    return {
        "digits": list(s.options.digits),
        "seed": s.options.seed,
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("numpy", "scipy", "matplotlib", "minigrad-attacks")},
        },
        "network": {
            "sizes": list(s.net.sizes),
            "activation": s.net.activation,
            "threshold": s.net.threshold,
            "test_accuracy": s.accuracy,
        },
        "history": s.history,
        "images": {"correct": len(s.images), "already_misclassified": s.wrong},
        "shown": {
            "image": int(s.number[i]),
            "margin": float(s.start[i]),
            "confidence_before": confidence(-s.start[i]),
            "sparse": one(s.sparse) | {"pixels": pixels},
            "one_step_in_the_box": one(s.box_step),
            "smallest_eps": one(s.smallest),
            "linearised_eps_box_ignored": float(s.free_root[i]),
            "linearised_eps_in_the_box": float(s.box_root[i]),
        },
        "sparse": measured(s.sparse),
        "papernot": measured(s.papernot),
        "papernot_gain_on_the_same_images": float(s.sparse.distance[: len(s.papernot.x)].mean()),
        "one_step_box_ignored": measured(s.free_step),
        "one_step_in_the_box": measured(s.box_step),
        "pgd": measured(s.ascent) | {"eps": SHOWN_EPS},
        "smallest_eps": measured(s.smallest),
        "universal": [
            {
                "eps": eps,
                "radius": on_set.radius,
                "rate_on_set": on_set.rate,
                "rate_held_out": held_out.rate,
                "rate_held_out_8bit": held_out.rate_8bit,
                "reason": on_set.reason,
                "history": list(on_set.history),
            }
            for eps, (on_set, held_out) in s.universals.items()
        ],
        "seconds": s.seconds,
    }


def draw(s: Study) -> dict[str, bytes]:
    """`file name -> PNG` for every figure.  Raises ValueError if the images are not square."""
    from attacks import plots

    i, x = s.shown, s.images[s.shown]
    before = caption(s.options.digits, s.start[i])
    _, held_out = s.universals[SHOWN_EPS]
    wearing = held_out.apply(s.images)
    worn = Margin.of(s.net, s.images, np.zeros(len(s.images), int)).value(wearing)
    ways = (
        (f"{s.sparse.distance[i]:.0f} pixels", s.sparse.x_adv[i], s.sparse.margin[i]),
        (f"every pixel by at most {s.smallest.distance[i]:.3f}", s.smallest.x_adv[i], s.smallest.margin[i]),
        (f"one s for all, eps {SHOWN_EPS:.2f}", wearing[i], worn[i]),
    )
    files = {
        "overview.png": plots.overview(
            x, [way[:2] for way in ways], [before, *(caption(s.options.digits, way[2]) for way in ways)]
        ),
        "sparse.png": plots.portrait(
            x, s.sparse.x_adv[i], s.gradient[i], (before, caption(s.options.digits, s.sparse.margin[i]))
        ),
        "one_step.png": plots.portrait(
            x, s.box_step.x_adv[i], s.gradient[i], (before, caption(s.options.digits, s.box_step.margin[i]))
        ),
        "smallest_eps.png": plots.portrait(
            x, s.smallest.x_adv[i], s.gradient[i], (before, caption(s.options.digits, s.smallest.margin[i]))
        ),
        "pixels_histogram.png": plots.histogram(
            s.sparse.distance[s.sparse.success],
            "pixels needed",
            {"mean": s.sparse.mean_distance, "shown": s.sparse.distance[i]},
        ),
        "eps_histogram.png": plots.histogram(
            s.smallest.distance[s.smallest.success],
            "smallest eps found",
            {"mean": s.smallest.mean_distance, "shown": s.smallest.distance[i]},
        ),
        "universal.png": plots.universal_pictures(held_out.s, s.mean_gradient),
        "universal_grid.png": plots.before_after(
            s.images[:24], wearing[:24], [verdict(s.options.digits, m) for m in worn[:24]]
        ),
    }
    if s.sparse.trace is not None:
        margin = s.sparse.trace.margin[i]
        files["margin_by_pixels.png"] = plots.margin_by_pixels(margin[~np.isnan(margin)])
    files["margin_by_eps.png"] = plots.margin_by_eps(*_curves(s))
    if s.history:
        files["training.png"] = plots.training(s.history)
    return files


def _curves(s: Study) -> tuple[Array, dict[str, Array], dict[str, float]]:
    """The margin of the shown image as eps grows: promised by the linearised network, and true."""
    i, x = s.shown, s.images[s.shown]
    top = 1.5 * max(s.smallest.distance[i], s.box_root[i] if np.isfinite(s.box_root[i]) else 0)
    eps = np.linspace(0, top, 121)
    ball, many = LInf(eps), np.broadcast_to(x, (len(eps), len(x)))
    g = np.broadcast_to(s.gradient[i], many.shape)
    margin = Margin.of(s.net, many, np.zeros(len(eps), int))
    best = s.smallest.x_adv[i] - x
    bent = np.clip(best * (eps / s.smallest.distance[i])[:, None], -eps[:, None], eps[:, None])
    curves = {
        "linearised, box ignored": s.start[i] + eps * np.abs(s.gradient[i]).sum(),
        "linearised, in the box": s.start[i] + ball.support(many, g),
        "network, one sign step": margin.value(ball.apply(many, ball.maximize(many, g))),
        "network, towards the best s found": margin.value(ball.apply(many, bent)),
    }
    return eps, curves, {"smallest eps found": float(s.smallest.distance[i])}


def confidence(m: float) -> float:
    """`sigmoid(m)`: the network's confidence in the class the margin argues for."""
    return float(0.5 * (1 + np.tanh(0.5 * m)))


def verdict(digits: tuple[int, int], m: float) -> str:
    """What the network says and how sure it is; a margin above 0 is the second digit."""
    name, sure = (digits[1], confidence(m)) if m > 0 else (digits[0], confidence(-m))
    return f"{name}, {100 * sure:.1f}%"


def caption(digits: tuple[int, int], m: float) -> str:
    """The verdict in words, for under a picture."""
    return f"network: {verdict(digits, m)} sure"


def run(options: Options) -> dict[str, Any]:
    """Study, figures and page, written to `options.out`; returns the numbers.

    All files are made in memory and then written, each whole or not at all, index.html last: an interrupted run
    leaves the folder as it was.

    Raises
    ------
    ValueError, OSError
        Bad options; a folder that cannot be written (checked first).
    """
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out}: expected a folder for the report, got a file")
    began = time.perf_counter()
    line = Progress(began)
    s = study(options, line)
    line("draw ...")
    figures = draw(s)
    results = numbers(s) | {"seconds": s.seconds | {"all": round(time.perf_counter() - began, 2)}}
    files = figures | {
        "model.npz": None,
        "results.json": (json.dumps(_without_nan(results), indent=1, allow_nan=False) + "\n").encode(),
        "index.html": page(results, figures).encode(),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if content is None:
            s.net.save(out / name)
        else:
            write_whole(out / name, content)
    line.end()
    return results


class Progress:
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


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _without_nan(value: Any) -> Any:
    """NaN and infinity are not JSON: null says there was nothing to measure."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
