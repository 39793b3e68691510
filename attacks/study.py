"""The measurements of the homework, as results: every attack on every image, and the image that is shown.

`study` computes, `numbers` says it in numbers for `results.json`.  Figures: plots.py; words: page.py; both together:
report.py.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from attacks.balls import LInf
from attacks.certificate import Certificate
from attacks.detect import COMPONENTS, Memory
from attacks.minimum import certified_minimum
from attacks.pattern import smallest_mask
from attacks.result import AttackResult
from attacks.saliency import saliency_map
from attacks.sign_gradient import fgsm, pgd, smallest_eps
from attacks.stealth import disguises, smallest_eps_8bit
from attacks.study_detect import SMALLEST, DetectStudy, Learned, detect_numbers, study_detect
from attacks.study_sets import SHOWN_EPS, SetStudy, set_numbers, study_sets
from minigrad.inputs import Array
from minigrad.margin import Margin
from minigrad.mlp import MLP

PAPERNOT_IMAGES = 200  # pairs of pixels are slower; this many show the difference
PROOF_SHARE = {  # of the seconds of proof, at most: disguise, norm
    ("free", "l0"): 0.5, ("free", "linf"): 0.5,
    ("used", "l0"): 0.3, ("used", "linf"): 0.25, ("smooth", "l0"): 0.1, ("smooth", "linf"): 0.1,
}  # fmt: skip


class Clock:
    """Tells what is being done, and keeps how long it took."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell, self.seconds = tell, dict[str, float]()

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        self.tell(f"{name} ...")
        start = time.perf_counter()
        result = work()
        self.seconds[name] = round(time.perf_counter() - start, 3)
        return result


@dataclass(frozen=True, eq=False)
class Study:
    """Everything the report says of the attacks.  Row i of every array is correctly classified test image i of the
    first digit."""

    net: MLP
    images: Array  # (n, d)
    shape: tuple[int, int]  # (rows, columns) of an image
    number: Array  # (n,) its position among all test images of its digit
    shown: int  # the row of the image shown
    gradient: Array  # (n, d) dm/dx
    start: Array  # (n,) m(x)
    sparse: AttackResult
    papernot: AttackResult  # of the first few images: pairs of pixels, no exchanges
    greedy: AttackResult  # of the same: one pixel at a time, no exchanges
    free_root: Array  # (n,) eps of the linearised network, box ignored
    box_root: Array  # (n,) the same inside the box
    free_step: AttackResult
    box_step: AttackResult
    ascent: AttackResult
    smallest: AttackResult
    in_bytes: AttackResult  # the smallest eps among the bytes
    sets: SetStudy  # one s for many images, and the glasses
    watched: DetectStudy  # what detectors see of all this
    mean_gradient: Array  # (d,) over the training images
    proved: dict[str, dict[str, Certificate]]  # disguise: norm: the certified minimum of the image shown
    frame: Certificate  # of the image shown: the fewest pixels of the glasses


def study(
    net: MLP,
    crowd: Array,
    images: Array,
    others: Array,
    number: Array,
    image: int | None,
    seed: int,
    clock: Clock,
    prover: Executor,
    learned: Learned,
    test: Array,
    proof_seconds: float = 6.0,
    shape: tuple[int, int] | None = None,
) -> Study:
    """Every attack on `images` (n, d), class 0 and classified so; one perturbation made from `crowd`, likewise.

    `others` are images of class 1, classified so, for a set of both; the detectors know `learned` and are tried on
    `test`, clean images of both classes.

    `image` is the number of the image to show; by default the first that needs the median number of pixels.  Its
    proofs, about `proof_seconds` in all, run in `prover`; half as long goes to what no s can do to a set.  `shape` is
    (rows, columns) of an image, by default square.
    """
    y, few = np.zeros(len(images), int), slice(PAPERNOT_IMAGES)
    start, gradient = Margin.of(net, images, y).value_and_gradient(images)  # (n,), (n, d)
    slope = np.abs(gradient).sum(axis=1)  # (n,) |g|_1
    free_root = np.divide(-start, slope, out=np.full(len(images), np.inf), where=slope > 0)  # eps = -m / |g|_1
    box_root = LInf(0.0).radius_for(images, gradient, -start)  # the root of h_S(eps) = -m

    def step(root: Array) -> AttackResult:
        return fgsm(net, images, y, LInf(np.where(np.isfinite(root), root * (1 + 1e-9), 1.0)))

    sparse = clock("sparse: one pixel at a time", lambda: saliency_map(net, images, y))
    shown = _shown(sparse) if image is None else int(np.flatnonzero(number == image)[0])
    known = learned.remembered
    memory = Memory.of(net, known, components=min(COMPONENTS, *known.shape), rng=seed, shape=shape)
    row = images[shown : shown + 1]
    hidden = disguises(memory, row)

    def prove(disguise: str, norm: str) -> Any:
        seconds = PROOF_SHARE[disguise, norm] * proof_seconds
        return prover.submit(certified_minimum, net, row, [0], norm, time_limit=seconds, **hidden[disguise])

    asked = clock("proofs of the image shown, beside the attacks", lambda: {key: prove(*key) for key in PROOF_SHARE})
    papernot, greedy = clock(
        "sparse: Papernot's pairs",
        lambda: [saliency_map(net, images[few], y[few], variant=v, exchanges=0) for v in ("papernot", "gain")],
    )
    free_step = clock("small: one step, box ignored", lambda: step(free_root))
    box_step = clock("small: one step, exact in the box", lambda: step(box_root))
    ascent = clock("small: forty steps", lambda: pgd(net, images, y, LInf(SHOWN_EPS)))
    smallest = clock("small: the smallest eps", lambda: smallest_eps(net, images, y))
    sets = study_sets(net, crowd, images, others, memory.shape, seed, clock, prover, proof_seconds)
    best = sets.glasses[sets.height][0]
    frame = prover.submit(smallest_mask, net, row, [0], best.mask, time_limit=proof_seconds / 10)
    prover.submit(import_module, "attacks.plots")  # it will draw: let it load matplotlib meanwhile
    one_for_all = sets.universals[SHOWN_EPS][0]
    done = {"sparse": sparse.x_adv, SMALLEST: smallest.x_adv}
    watched = study_detect(net, memory, learned, crowd, test, images, done, one_for_all, best, seed, clock)
    proved: dict[str, dict[str, Certificate]] = {disguise: {} for disguise in hidden}
    clock("wait for the proofs", lambda: [future.result() for future in (*asked.values(), frame)])
    for (disguise, norm), future in asked.items():
        (proved[disguise][norm],) = future.result()
    return Study(
        net=net,
        images=images,
        shape=memory.shape,
        number=number,
        shown=shown,
        gradient=gradient,
        start=start,
        sparse=sparse,
        papernot=papernot,
        greedy=greedy,
        free_root=free_root,
        box_root=box_root,
        free_step=free_step,
        box_step=box_step,
        ascent=ascent,
        smallest=smallest,
        in_bytes=smallest_eps_8bit(net, images, y, found=smallest),
        sets=sets,
        watched=watched,
        mean_gradient=Margin.of(net, crowd, np.zeros(len(crowd), int)).value_and_gradient(crowd)[1].mean(axis=0),
        proved=proved,
        frame=frame.result()[0],
    )


def _shown(sparse: AttackResult) -> int:
    """The first image that needs the median number of pixels."""
    flipped = sparse.distance[sparse.success] if sparse.success.any() else sparse.distance
    off = np.abs(sparse.distance - np.median(flipped)) + np.where(sparse.success, 0, len(sparse.x[0]))
    return int(np.argmin(off))


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

    def proved(c: Certificate) -> dict[str, Any]:
        return {name: getattr(c, name) for name in ("lower", "upper", "attack", "optimal", "gap", "reason", "nodes")}

    kept = s.sparse.trace.kept[i] if s.sparse.trace else np.zeros(0, bool)
    pixels = s.sparse.trace.pixel[i][kept].tolist() if s.sparse.trace else []
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in ("numpy", "scipy", "matplotlib", "minigrad-attacks")},
        },
        "shown": {
            "image": int(s.number[i]),
            "margin": float(s.start[i]),
            "confidence_before": confidence(-s.start[i]),
            "sparse": one(s.sparse) | {"pixels": pixels},
            "one_step_in_the_box": one(s.box_step),
            "smallest_eps": one(s.smallest),
            "linearised_eps_box_ignored": float(s.free_root[i]),
            "linearised_eps_in_the_box": float(s.box_root[i]),
            "smallest_eps_in_bytes": one(s.in_bytes),
            "proved": {norm: proved(c) for norm, c in s.proved["free"].items()},
            "proved_in_disguise": {
                disguise: {norm: proved(c) for norm, c in row.items()} for disguise, row in s.proved.items()
            },
            "frame_pixels_proved": proved(s.frame),
        },
        "sparse": measured(s.sparse),
        "papernot": measured(s.papernot),
        "papernot_touched": _touched(s.papernot),
        "gain_on_the_same_images": measured(s.greedy) | {"touched": _touched(s.greedy)},
        "gain_and_exchanges_on_the_same_images": float(s.sparse.distance[: len(s.papernot.x)].mean()),
        "one_step_box_ignored": measured(s.free_step),
        "one_step_in_the_box": measured(s.box_step),
        "pgd": measured(s.ascent) | {"eps": SHOWN_EPS},
        "smallest_eps": measured(s.smallest),
        "smallest_eps_in_bytes": measured(s.in_bytes),
        **set_numbers(s.sets),
        **detect_numbers(s.watched, seed=0),
    }


def _touched(result: AttackResult) -> float:
    """The mean number of pixels that were changed before any was taken back."""
    assert result.trace is not None
    return float(np.mean([len(np.unique(pixels[pixels >= 0])) for pixels in result.trace.pixel]))


def confidence(m: float) -> float:
    """`sigmoid(m)`: the network's confidence in the class the margin argues for."""
    return float(0.5 * (1 + np.tanh(0.5 * m)))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
