"""Networks side by side: what each resists, proved and found, and at what price in accuracy.

The same images for all of them: the robust accuracy of a random sample; certified minima, one perturbation for all,
glasses and detection of images of one class that every network gets right.  A mean of minima is an interval, and so is
a robust accuracy: the lower end is proved, the upper end was found.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import BALLS
from attacks.balls.base import check_images
from attacks.balls.linf import LInf
from attacks.defend.accuracy import RobustAccuracy, robust_curve
from attacks.defend.jacobians import alignment, gradients, ink_share
from attacks.detect.detectors import COMPONENTS, FittedDetectors, scores
from attacks.detect.statistics import auc
from attacks.images import pictures
from attacks.minimum_norm import smallest_eps
from attacks.patch.attack import accessory
from attacks.patch.masks import glasses_mask
from attacks.proofs.minimum import certified_minimum
from attacks.proofs.task import Progress, check_callback, check_provable
from attacks.uap.attack import universal
from minigrad.inputs import Array, Seed, as_count, as_images, as_labels, as_number
from minigrad.mlp import MLP

RADII = 0.05, 0.1, 0.2  # half, once and twice what the defended networks were trained for
UNIVERSAL_EPS = 0.2  # of the one perturbation: at 0.1 it flips next to nothing of a defended network
GLASSES = 20  # rows and columns that `glasses_mask` needs
LEARNED = 2000  # training images for the detectors: a choice, many more than their 60 components

Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Row:
    """One network in numbers; NaN where something was not measured.

    Attributes
    ----------
    accuracy : float
        On all images.
    robust : tuple of RobustAccuracy, one a radius
    minima : dict, norm: (mean lower, mean upper)
    universal, glasses : float
        The share of images of one class that one perturbation, or one pattern on the glasses, flips.
    detection : float
        The area under the best detector's ROC curve, on the smallest Linf perturbations: 1/2 is guessing.
    ink_share, alignment : float
        Of the Jacobian: attacks/defend/jacobians.py.
    """

    accuracy: float
    robust: tuple[RobustAccuracy, ...]
    minima: dict[str, Pair]
    universal: float
    glasses: float
    detection: float
    ink_share: float
    alignment: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found.

    Attributes
    ----------
    radii : tuple of float
    rows : dict, name of a network: Row
    images : int
        How many images of one class the minima are means over.
    """

    radii: tuple[float, ...]
    rows: dict[str, Row]
    images: int

    def __repr__(self) -> str:
        return f"Comparison of {', '.join(self.rows)}\n{self.table}"

    @property
    def table(self) -> str:
        """One line a measure, one column a network."""
        rows = list(self.rows.values())
        lines = [("", list(self.rows)), ("accuracy", [_share(row.accuracy) for row in rows])]
        for j, radius in enumerate(self.radii):
            pairs = [(row.robust[j].lower, row.robust[j].upper) for row in rows]
            lines.append((f"robust at {radius:g}", [_pair(pair, 3) for pair in pairs]))
        for norm in rows[0].minima if rows else ():
            lines.append((f"mean minimum, {norm}", [_pair(row.minima[norm], 3) for row in rows]))
        for name in ("universal", "glasses", "detection", "ink_share", "alignment"):
            lines.append((name.replace("_", " "), [_share(getattr(row, name)) for row in rows]))
        wide = max(len(text) for _, texts in lines for text in texts)
        return "\n".join(f"{label:20s}" + "".join(f"  {text:>{wide}s}" for text in texts) for label, texts in lines)

    def curves(self) -> tuple[Array, dict[str, tuple[Array, Array]]]:
        """The radii, rising, and each network's shares proved and not fooled: for `attacks.report.plots.robust_curves`.

        A radius of 0, the accuracy itself, comes first.
        """
        order = np.argsort(self.radii)
        found = {}
        for name, row in self.rows.items():
            ends = [(row.robust[j].lower, row.robust[j].upper) for j in order]
            right = row.robust[0].accuracy
            lower, upper = zip((right, right), *ends, strict=True)
            found[name] = np.array(lower), np.array(upper)
        return np.concatenate([[0.0], np.array(self.radii)[order]]), found

    def numbers(self) -> dict[str, Any]:
        """All of it as JSON values; None where something was not measured."""
        return {
            name: {
                "accuracy": row.accuracy,
                "robust": {f"{r:g}": list(a.interval) for r, a in zip(self.radii, row.robust, strict=True)},
                "minima": {norm: list(pair) for norm, pair in row.minima.items()},
                **{
                    key: None if math.isnan(value := getattr(row, key)) else value
                    for key in ("universal", "glasses", "detection", "ink_share", "alignment")
                },
            }
            for name, row in self.rows.items()
        }


def compare(
    nets: Mapping[str, MLP],
    x: ArrayLike,
    y: ArrayLike,
    *,
    radii: Sequence[float] = RADII,
    sample: int = 200,
    count: int = 10,
    time_limit: float = 1.0,
    attacked: int = 0,
    training: ArrayLike | None = None,
    rng: Seed = 0,
    executor: Executor | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Measure networks on the same images.

    Parameters
    ----------
    nets : name: MLP
    x, y : (n, d) in [0, 1], (n,)
        Test images.
    radii : numbers
        Of the Linf robust accuracy.
    sample : int
        So many images, at most, for the robust accuracy, one perturbation for all, glasses and detection.
    count : int
        So many images for the certified minima in every norm; 0 for none.
    time_limit : float, seconds
        A question of `robust_curve`; a certified minimum may take five times as long.
    attacked : int
        The class whose images are made another.
    training : (m, d), optional
        Clean training images, for the detectors; without them nothing is detected.
    rng : seed or Generator
    executor : any `concurrent.futures.Executor`
        For the proofs.
    on_progress : called with a `Progress` as images are decided and minima certified

    Returns
    -------
    Comparison
        `print` shows the table; `plots.robust_curves(*comparison.curves())` of attacks/report/plots.py draws it.

    Raises
    ------
    ValueError
        Bad input, before any work.
    """
    if not isinstance(nets, Mapping) or not nets:
        raise ValueError(f"nets: expected a dict, name: network, got {type(nets).__name__} of length {len(nets)}")
    for net in nets.values():
        check_provable(net)
    sizes = {(net.sizes[0], net.sizes[-1]) for net in nets.values()}
    if len(sizes) > 1:
        raise ValueError(f"nets: expected networks of the same pixels and logits, got {sorted(sizes)}")
    ((d, k),) = sizes
    x = as_images(x, d)
    y = as_labels(y, len(x), max(k, 2))
    check_images(LInf(1), x)
    sample, count = as_count(sample, "sample"), as_count(count, "count", 0)
    as_number(time_limit, "time_limit", 0)
    check_callback(on_progress, "on_progress")
    right = (y == attacked) & np.all([net.predict(x) == y for net in nets.values()], axis=0)
    if not right.any():
        raise ValueError(f"attacked: expected a class of which all networks get an image right, got {attacked}")
    images = _Images(x, y, x[right][:sample], np.full(min(sample, right.sum()), attacked), training)
    how = {"time_limit": time_limit, "sample": min(sample, len(x)), "rng": rng, "executor": executor}
    count = min(count, len(images.own))
    jobs, rows = _Jobs(len(nets) * (min(sample, len(x)) + len(BALLS) * count), on_progress), {}
    for name, net in nets.items():
        robust = tuple(robust_curve(net, x, y, LInf(1), radii, on_progress=jobs.beyond(), **how))
        minima = _minima(net, images, count, 5 * time_limit, executor, jobs) if count else {}
        rows[name] = _row(net, images, robust, minima)
    return Comparison(tuple(float(r) for r in radii), rows, count)


class _Jobs:
    """How many images were decided and minima certified, of all networks together."""

    def __init__(self, jobs: int, on_progress: Callable[[Progress], None] | None) -> None:
        self.done, self.jobs, self.on_progress, self.begun = 0, jobs, on_progress, time.perf_counter()

    def tell(self, done: int) -> None:
        """So many are done."""
        self.done = done
        if self.on_progress is not None:
            self.on_progress(Progress.at_pace(done, self.jobs - done, self.begun, done))

    def beyond(self) -> Callable[[Progress], None]:
        """For a part, which counts from 0."""
        before = self.done
        return lambda part: self.tell(before + part.done)


@dataclass(frozen=True, eq=False)
class _Images:
    """All images with labels, and those of one class, right for every network."""

    x: Array
    y: Array
    own: Array
    labels: Array
    training: ArrayLike | None


def _row(net: MLP, images: _Images, robust: tuple[RobustAccuracy, ...], minima: dict[str, Pair]) -> Row:
    own, labels = images.own, images.labels
    g, rival = gradients(net, images.x, images.y)
    return Row(
        accuracy=net.accuracy(images.x, images.y),
        robust=robust,
        minima=minima,
        universal=universal(net, own, labels, LInf(UNIVERSAL_EPS)).rate,
        glasses=_glasses(net, own, labels),
        detection=_detection(net, images),
        ink_share=ink_share(g, images.x),
        alignment=alignment(g, images.x, images.y, rival),
    )


def minimum_of(arrays: dict[str, Array], x: Array, y: int, norm: str, time_limit: float) -> Pair:
    """The certified interval of one image `x` (d,): the work of one job."""
    (found,) = certified_minimum(MLP.from_arrays(arrays), x[None], [y], norm=norm, time_limit=time_limit)
    return found.lower, found.upper


def _minima(
    net: MLP, images: _Images, count: int, limit: float, executor: Executor | None, progress: _Jobs
) -> dict[str, Pair]:
    """norm: mean of the lower and mean of the upper ends, of the first `count` images."""
    jobs = [(net.to_arrays(), v, int(y), norm, limit) for norm in BALLS for v, y in _first(images, count)]
    futures = [] if executor is None else [executor.submit(minimum_of, *job) for job in jobs]
    pairs = []
    for i, job in enumerate(jobs):
        pairs.append(futures[i].result() if futures else minimum_of(*job))
        progress.tell(progress.done + 1)
    each = np.array(pairs).reshape(len(BALLS), -1, 2).mean(axis=1)
    return {norm: (float(low), float(high)) for norm, (low, high) in zip(BALLS, each, strict=True)}


def _first(images: _Images, count: int) -> list[tuple[Array, Any]]:
    return list(zip(images.own[:count], images.labels[:count], strict=True))


def _glasses(net: MLP, x: Array, y: Array) -> float:
    """The share that round glasses flip; NaN for images that are no picture, or too small to wear them."""
    side = math.isqrt(x.shape[1])
    if side**2 != x.shape[1] or side < GLASSES:
        return float("nan")
    return accessory(net, x, y, glasses_mask(pictures(x).shape[1:])).rate


def _detection(net: MLP, images: _Images) -> float:
    """The largest of the detectors' areas; NaN without training images, or where nothing was flipped."""
    if images.training is None:
        return float("nan")
    known = as_images(images.training, net.sizes[0])[:LEARNED]
    found = smallest_eps(net, images.own, images.labels, norm="linf")
    if not found.success.any():
        return float("nan")
    fitted = FittedDetectors.fit(net, known, components=min(COMPONENTS, *known.shape))
    clean, seen = scores(fitted, images.own), scores(fitted, found.x_adv[found.success])
    return max(auc(clean[:, j], seen[:, j]) for j in range(clean.shape[1]))


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _pair(pair: Pair, digits: int) -> str:
    """`lower..upper`, each rounded outwards; one number where they are equal."""
    if pair[0] == pair[1]:
        return f"{pair[0]:.{digits}f}"
    unit = 10**digits
    low, high = math.floor(pair[0] * unit + 1e-9) / unit, math.ceil(pair[1] * unit - 1e-9) / unit
    return f"{low:.{digits}f}" if low == high else f"{low:.{digits}f}..{high:.{digits}f}"
