"""One perturbation for many images: an s for all, fixed pixels for all, and one s for a mixed set of both digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from attacks.balls import L0, LInf
from attacks.images import to_8bit
from attacks.report.progress import Clock
from attacks.report.setup import SHOWN_EPS, Setup
from attacks.uap.attack import UniversalResult, universal
from minigrad.inputs import Array
from minigrad.margin import Margin
from minigrad.mlp import MLP

if TYPE_CHECKING:
    from attacks.proofs.set_minimum import UniversalMinimum
    from attacks.report.proof_jobs import ProofJobs

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


@dataclass(frozen=True, eq=False)
class SetExperiment:
    """"Held out" is: on the test images, of which none was used to make s."""

    universals: dict[float, tuple[UniversalResult, UniversalResult]]  # eps: on the training images, held out
    fixed: UniversalResult  # of L0(PIXELS), on some of the training images
    by_pixels: list[tuple[float, float, float]]  # after each pixel: rate on the training, held out, held out in bytes
    few: dict[str, list[tuple[float, float]]]  # norm: radius and rate on the first few images, s made for them
    mixed: dict[float, UniversalResult]  # eps: on a few images of each digit, each to become the other
    mean_gradient: Array  # (d,) of the margin, over the training images


def attack_sets(setup: Setup, jobs: ProofJobs, clock: Clock) -> SetExperiment:
    """One s is made from the training images and measured on the test images; lower bounds are asked of `jobs`."""
    net, seed, training, test = setup.net, setup.seed, setup.images.training, setup.images.test
    zeros, few = np.zeros(len(training), int), test[:FEW]
    y, few_y = np.zeros(len(test), int), np.zeros(len(few), int)
    own, others = test[: FEW // 2], setup.images.others[: FEW // 2]
    mixed_x, mixed_y = np.concatenate([own, others]), np.repeat([0, 1], [len(own), len(others)])
    with clock("proofs of what no s can do, beside the attacks"):
        for norm in ("linf", "l0"):
            jobs.bound_set(norm, norm, few, few_y)
        if len(others):
            jobs.bound_set("mixed", "linf", mixed_x, mixed_y)
    with clock("universal: one perturbation for all"):
        made = {eps: universal(net, training, zeros, LInf(eps), rng=seed) for eps in UNIVERSAL_EPS}
        universals = {eps: (result, result.on(net, test, y)) for eps, result in made.items()}
    with clock("universal: the fewest fixed pixels"):
        fixed = universal(net, training[:PAINTED], zeros[:PAINTED], L0(PIXELS), rng=seed)
        by_pixels = [(_rate(net, s, training), _rate(net, s, test), _rate(net, s, test, to_8bit)) for s in fixed.path]
    with clock("universal: a mixed set, and a few images"):
        mixed = {eps: universal(net, mixed_x, mixed_y, LInf(eps), rng=seed) for eps in MIXED_EPS}
        painted = universal(net, few, few_y, L0(PIXELS))
        rates: dict[str, list[tuple[float, float]]] = {
            "linf": [(eps, universal(net, few, few_y, LInf(eps), rng=seed).rate) for eps in FEW_EPS],
            "l0": list(enumerate([0.0, *(_rate(net, s, few) for s in painted.path)])),
        }
    _, gradient = Margin.from_labels(net, training, zeros).value_and_gradient(training)  # (m, d)
    return SetExperiment(universals, fixed, by_pixels, rates, mixed, gradient.mean(axis=0))


def set_numbers(e: SetExperiment, minima: dict[str, UniversalMinimum]) -> dict[str, Any]:
    """Every number of it, ready for JSON."""
    return {
        "universal": [
            {
                "eps": eps,
                "radius": made.radius,
                "rate_on_set": made.rate,
                "rate_held_out": held_out.rate,
                "rate_held_out_8bit": held_out.rate_8bit,
                "reason": made.reason,
                "history": list(made.history),
            }
            for eps, (made, held_out) in e.universals.items()
        ],
        "fixed_pixels": [
            {"pixels": k + 1, "rate_on_set": on_set, "rate_held_out": held_out, "rate_held_out_8bit": in_bytes}
            for k, (on_set, held_out, in_bytes) in enumerate(e.by_pixels)
        ],
        "universal_minimum": {
            name: {"lower": u.lower, "upper": u.upper, "quantile": u.quantile, "images": len(u.own)}
            for name, u in minima.items()
        },
        "mixed": [{"eps": eps, "rate": result.rate, "rate_8bit": result.rate_8bit} for eps, result in e.mixed.items()],
    }


def _rate(net: MLP, s: Array, x: Array, rounding: Callable[[Array], Array] = lambda v: v) -> float:
    """The share of images of class 0 that s flips."""
    moved = np.where(s == 0, x, rounding(np.clip(x + s, 0, 1)))
    return float(np.mean(net.predict(moved) != 0))
