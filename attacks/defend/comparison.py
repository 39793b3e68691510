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
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import BALLS
from attacks.balls.base import check_images
from attacks.balls.linf import LInf
from attacks.defend.accuracy import robust_curve
from attacks.defend.resistance import Images, Row, mean_minima, row_of
from attacks.defend.share import RobustAccuracy
from attacks.proofs.task import Progress, check_callback, check_provable
from minigrad.inputs import Array, Seed, as_count, as_images, as_labels, as_number, brief
from minigrad.mlp import MLP

RADII = 0.05, 0.1, 0.2  # half, once and twice what the defended networks were trained for

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
            lines.append((f"robust at {radius:g}", [_pair(_shares(row.robust[j]), 3) for row in rows]))
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
        raise ValueError(f"nets: expected a dict, name: network, got {brief(nets)}")
    for net in nets.values():
        check_provable(net)
    sizes = {(net.sizes[0], net.sizes[-1]) for net in nets.values()}
    if len(sizes) > 1:
        raise ValueError(f"nets: expected networks of the same pixels and logits, got {sorted(sizes)}")
    ((d, k),) = sizes
    x = as_images(x, d)
    y = as_labels(y, len(x), max(k, 2))
    check_images(LInf(1), x)
    training = None if training is None else as_images(training, d, "training")
    sample, count = as_count(sample, "sample"), as_count(count, "count", 0)
    as_number(time_limit, "time_limit", 0)
    check_callback(on_progress, "on_progress")
    right = (y == attacked) & np.all([net.predict(x) == y for net in nets.values()], axis=0)
    if not right.any():
        raise ValueError(f"attacked: expected a class of which all networks get an image right, got {attacked}")
    images = Images(x, y, x[right][:sample], np.full(min(sample, right.sum()), attacked), training)
    how = {"time_limit": time_limit, "sample": min(sample, len(x)), "rng": rng, "executor": executor}
    count = min(count, len(images.own))
    jobs, rows = _Jobs(len(nets) * (min(sample, len(x)) + len(BALLS) * count), on_progress), {}
    for name, net in nets.items():
        robust = tuple(robust_curve(net, x, y, LInf(1), radii, on_progress=jobs.beyond(), **how))
        minima = mean_minima(net, images, count, 5 * time_limit, executor, jobs.one) if count else {}
        rows[name] = row_of(net, images, robust, minima)
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

    def one(self) -> None:
        """One more is done."""
        self.tell(self.done + 1)

    def beyond(self) -> Callable[[Progress], None]:
        """For a part, which counts from 0."""
        before = self.done
        return lambda part: self.tell(before + part.done)


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _shares(robust: RobustAccuracy) -> tuple[Fraction, Fraction]:
    """What it is at least and at most, exactly."""
    proved, open_, n = robust.count("robust"), robust.count("open"), len(robust.status)
    return Fraction(proved, n), Fraction(proved + open_, n)


def _pair(pair: tuple[float | Fraction, float | Fraction], digits: int) -> str:
    """`lower..upper`, each rounded outwards, exactly; one number where they are equal."""
    if pair[0] == pair[1] or not all(map(math.isfinite, pair)):
        return "..".join(f"{float(end):.{digits}f}" for end in dict.fromkeys(pair))
    low, high = math.floor(Fraction(pair[0]) * 10**digits), math.ceil(Fraction(pair[1]) * 10**digits)
    return "..".join(f"{end / 10**digits:.{digits}f}" for end in dict.fromkeys((low, high)))
