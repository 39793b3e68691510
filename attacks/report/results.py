"""All experiments in turn, and every number of them: `results.json`."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from attacks.report.detection import SMALLEST, Attacker, DetectionExperiment, detect, detection_numbers
from attacks.report.glasses import GlassesExperiment, attack_with_glasses, glasses_numbers
from attacks.report.image_sets import SetExperiment, attack_sets, set_numbers
from attacks.report.one_image import ImageExperiment, attack_images, image_numbers, shown_numbers
from attacks.report.progress import Clock
from attacks.report.setup import SHOWN_EPS, Setup

if TYPE_CHECKING:
    from attacks.report.proof_jobs import ProofJobs, Proofs

PACKAGES = "numpy", "scipy", "matplotlib", "minigrad-attacks"


@dataclass(frozen=True, eq=False)
class Results:
    """Everything that the report shows."""

    setup: Setup
    images: ImageExperiment
    sets: SetExperiment
    glasses: GlassesExperiment
    detection: DetectionExperiment
    proofs: Proofs


def run_experiments(setup: Setup, jobs: ProofJobs, clock: Clock) -> Results:
    """One after the other, while the proofs that are asked of `jobs` run beside them."""
    images = attack_images(setup, jobs, clock)
    sets = attack_sets(setup, jobs, clock)
    glasses = attack_with_glasses(setup, jobs, clock)
    jobs.certify_frame(images.images[images.shown : images.shown + 1], glasses.worn.mask)
    known = {"sparse": images.sparse.x_adv, SMALLEST: images.smallest.x_adv}
    attacker = Attacker(setup, sets.universals[SHOWN_EPS][0], glasses.worn)
    detection = detect(setup, attacker, known, clock)
    with clock("wait for the proofs"):
        proofs = jobs.results()
    return Results(setup, images, sets, glasses, detection, proofs)


def numbers(r: Results) -> dict[str, Any]:
    """Every number of the report, ready for JSON: null where there was nothing to measure."""
    options, network, net = r.setup.options, r.setup.network, r.setup.net
    return without_nan(
        {
            "digits": list(options.digits),
            "names": list(options.class_names),
            "shape": list(r.setup.images.shape),
            "pixels_are_shares_of_their_range": network.original is not net,
            "seed": options.seed,
            "network": {
                "sizes": list(net.sizes),
                "activation": net.activation,
                "threshold": net.threshold,
                "test_accuracy": network.accuracy,
            },
            "history": network.history,
            "images": {"correct": len(r.setup.images.test), "already_misclassified": r.setup.images.wrong},
            "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
            "shown": shown_numbers(r.images, r.proofs),
            **image_numbers(r.images),
            **set_numbers(r.sets, r.proofs.sets),
            "glasses": glasses_numbers(r.glasses, r.proofs.fillings),
            **detection_numbers(r.detection),
        }
    )


def without_nan(value: Any) -> Any:
    """NaN and infinity are not JSON: None says that there was nothing to measure."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
