"""What one network resists, in numbers: minima, one perturbation for all, glasses, detection, and its Jacobian."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import BALLS
from attacks.balls.linf import LInf
from attacks.defend.jacobians import alignment, gradients, ink_share
from attacks.defend.share import RobustAccuracy
from attacks.detect.detectors import COMPONENTS, FittedDetectors, scores
from attacks.detect.statistics import auc
from attacks.images import pictures
from attacks.minimum_norm import smallest_eps
from attacks.patch.attack import accessory
from attacks.patch.masks import glasses_mask
from attacks.proofs.minimum import certified_minimum
from attacks.uap.attack import universal
from minigrad.inputs import Array, as_images
from minigrad.mlp import MLP

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
class Images:
    """All images with labels, and those of one class, right for every network."""

    x: Array
    y: Array
    own: Array
    labels: Array
    training: ArrayLike | None


def row_of(net: MLP, images: Images, robust: tuple[RobustAccuracy, ...], minima: dict[str, Pair]) -> Row:
    """What is measured of one network, besides what the proofs said."""
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


def mean_minima(
    net: MLP, images: Images, count: int, limit: float, executor: Executor | None, tell: Callable[[], None]
) -> dict[str, Pair]:
    """norm: mean of the lower and mean of the upper ends, of the first `count` images; `tell` is called for each."""
    jobs = [(net.to_arrays(), v, int(y), norm, limit) for norm in BALLS for v, y in _first(images, count)]
    futures = [] if executor is None else [executor.submit(minimum_of, *job) for job in jobs]
    pairs = []
    for i, job in enumerate(jobs):
        pairs.append(futures[i].result() if futures else minimum_of(*job))
        tell()
    each = np.array(pairs).reshape(len(BALLS), -1, 2)
    return {norm: outer_mean(ends) for norm, ends in zip(BALLS, each, strict=True)}


def outer_mean(ends: Array) -> Pair:
    """The mean of the lower ends and that of the upper ends (n, 2): floats not above, and not below it."""
    if not np.isfinite(ends).all():
        return float(ends[:, 0].mean()), float(ends[:, 1].mean())
    low, high = (sum(map(Fraction, each)) / len(ends) for each in ends.T.tolist())
    lower, upper = float(low), float(high)
    return (
        lower if lower <= low else float(np.nextafter(lower, -np.inf)),
        upper if upper >= high else float(np.nextafter(upper, np.inf)),
    )


def _first(images: Images, count: int) -> list[tuple[Array, Any]]:
    return list(zip(images.own[:count], images.labels[:count], strict=True))


def _glasses(net: MLP, x: Array, y: Array) -> float:
    """The share that round glasses flip; NaN for images that are no picture, or too small to wear them."""
    side = math.isqrt(x.shape[1])
    if side**2 != x.shape[1] or side < GLASSES:
        return float("nan")
    return accessory(net, x, y, glasses_mask(pictures(x).shape[1:])).rate


def _detection(net: MLP, images: Images) -> float:
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
