"""One perturbation for many images: an s for all, fixed pixels for all, and one s for a mixed set of both digits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future

import numpy as np

from attacks.balls.l0 import L0
from attacks.balls.linf import LInf
from attacks.images import to_8bit
from attacks.report.progress import Clock
from attacks.report.records import SetExperiment, SmallSets
from attacks.report.setup import SHOWN_EPS, Setup
from attacks.uap.attack import universal
from minigrad.inputs import Array
from minigrad.margin import Margin
from minigrad.mlp import MLP

UNIVERSAL_EPS = (0.05, SHOWN_EPS, 0.15, 0.20)  # from half of the images fooled to all of them
MIXED_EPS = (0.10, 0.20, 0.30, 0.50)  # larger, because the two digits want opposite changes
FEW_EPS = (0.02, 0.04, 0.06, 0.08)  # smaller, because an s made for a few images alone fits them better
PIXELS = 15  # fixed pixels at most: the attack stops at 13, where all are fooled; with 8 it stops at 93%, with 30 at 13
# Training images for the fixed pixels.  Made from 250, 500 or 1000 they fool every test image; 1000 take 2.5 times as
# long, and need 15 pixels.
PAINTED = 500
# Images of the set that lower bounds are for.  Each is certified by itself first, so the seconds are shared by all of
# them; and the more images, the larger the smallest s that fools them all.  Not measured at half and at double.
FEW = 20


def sets_to_bound(setup: Setup) -> dict[str, tuple[Array, Array]]:
    """Images (n, d) and labels (n,) of the sets that lower bounds are for, by their names in `Proofs.sets`."""
    few, mixed = _few_images(setup), _mixed_images(setup)
    sets = {"linf": few, "l0": few}
    return sets | {"mixed": mixed} if mixed[1].any() else sets


def attack_sets(setup: Setup, clock: Clock) -> SetExperiment:
    """One s is made from the training images and measured on the test images."""
    net, seed, training, test = setup.net, setup.seed, setup.images.training, setup.images.test
    zeros, y = np.zeros(len(training), int), np.zeros(len(test), int)
    with clock("universal: one perturbation for all"):
        made = {eps: universal(net, training, zeros, LInf(eps), rng=seed) for eps in UNIVERSAL_EPS}
        universals = {eps: (result, result.on(net, test, y)) for eps, result in made.items()}
    with clock("universal: the fewest fixed pixels"):
        fixed = universal(net, training[:PAINTED], zeros[:PAINTED], L0(PIXELS), rng=seed)
        by_pixels = [(_rate(net, s, training), _rate(net, s, test), _rate(net, s, test, to_8bit)) for s in fixed.path]
    _, gradient = Margin.from_labels(net, training, zeros).value_and_gradient(training)  # (m, d)
    return SetExperiment(universals, fixed, by_pixels, gradient.mean(axis=0))


def ask_small_sets(executor: Executor, setup: Setup) -> Future[SmallSets]:
    """The sets that lower bounds are for, attacked by `executor`."""
    (x, _), (mixed_x, mixed_y) = _few_images(setup), _mixed_images(setup)
    return executor.submit(attack_small_sets, setup.net, x, mixed_x, mixed_y, setup.seed)


def attack_small_sets(net: MLP, x: Array, mixed_x: Array, mixed_y: Array, seed: int) -> SmallSets:
    """One s for all of x (n, d), of class 0, and one for all of a mixed set (m, d): what a worker does."""
    y = np.zeros(len(x), int)
    mixed = {eps: universal(net, mixed_x, mixed_y, LInf(eps), rng=seed) for eps in MIXED_EPS}
    painted = universal(net, x, y, L0(PIXELS))
    rates: dict[str, list[tuple[float, float]]] = {
        "linf": [(eps, universal(net, x, y, LInf(eps), rng=seed).rate) for eps in FEW_EPS],
        "l0": list(enumerate([0.0, *(_rate(net, s, x) for s in painted.path)])),
    }
    return SmallSets(rates, mixed)


def _few_images(setup: Setup) -> tuple[Array, Array]:
    """The first test images, all of class 0."""
    few = setup.images.test[:FEW]
    return few, np.zeros(len(few), int)


def _mixed_images(setup: Setup) -> tuple[Array, Array]:
    """A few of each digit; where there is none of the second, of the first alone."""
    own, others = setup.images.test[: FEW // 2], setup.images.others[: FEW // 2]
    return np.concatenate([own, others]), np.repeat([0, 1], [len(own), len(others)])


def _rate(net: MLP, s: Array, x: Array, rounding: Callable[[Array], Array] = lambda v: v) -> float:
    """The share of images of class 0 that s flips."""
    moved = np.where(s == 0, x, rounding(np.clip(x + s, 0, 1)))
    return float(np.mean(net.predict(moved) != 0))
