"""Each image by itself: every attack on every test image of the first digit, and the one image that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from attacks.balls import LInf
from attacks.eight_bit import smallest_eps_8bit
from attacks.minimum_norm import smallest_eps
from attacks.report.progress import Clock
from attacks.report.setup import SHOWN_EPS, Setup
from attacks.result import AttackResult
from attacks.saliency import saliency_map
from attacks.sign_gradient import fgsm, pgd
from minigrad.inputs import Array
from minigrad.margin import Margin

if TYPE_CHECKING:
    from attacks.proofs.certificate import Certificate
    from attacks.report.proof_jobs import ProofJobs, Proofs

# Images on which two ways to choose pixels are compared; not critical: 4.49 and 4.50 pixels on the first 100, 4.34 and
# 4.34 on 200, 4.22 and 4.22 on 400.
PAPERNOT_IMAGES = 200
BEYOND = 1e-9  # one step goes this share farther than the root, where m = 0 and rounding would decide


@dataclass(frozen=True, eq=False)
class ImageExperiment:
    """Row i of every array, and of every attack but two, is test image i of `Images.test`."""

    images: Array  # (n, d)
    number: Array  # (n,) their positions among all test images of the digit
    shown: int  # the row of the image shown
    start: Array  # (n,) m(x)
    gradient: Array  # (n, d) dm/dx
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


def attack_images(setup: Setup, jobs: ProofJobs, clock: Clock) -> ImageExperiment:
    """Attack them all; the proofs of the image shown begin as soon as it is chosen.

    One step is as long as the linearised network asks for: with the box ignored `eps = -m / |g|_1`, inside it the root
    of `h_S(eps) = -m`.  Where there is no root, g = 0, the step has length 1.
    """
    net, x = setup.net, setup.images.test
    y, few = np.zeros(len(x), int), slice(PAPERNOT_IMAGES)
    start, gradient = Margin.from_labels(net, x, y).value_and_gradient(x)  # (n,), (n, d)
    slope = np.abs(gradient).sum(axis=1)  # (n,) |g|_1
    free_root = np.divide(-start, slope, out=np.full(len(x), np.inf), where=slope > 0)
    box_root = LInf(0.0).radius_for(x, gradient, -start)

    def step(root: Array) -> AttackResult:
        return fgsm(net, x, y, LInf(np.where(np.isfinite(root), root * (1 + BEYOND), 1.0)))

    with clock("sparse: one pixel at a time"):
        sparse = saliency_map(net, x, y)
    shown = _shown(sparse, setup)
    with clock("proofs of the image shown, beside the attacks"):
        jobs.certify_image(x[shown : shown + 1])
    with clock("sparse: Papernot's pairs"):
        papernot, greedy = (saliency_map(net, x[few], y[few], variant=v, exchanges=0) for v in ("papernot", "gain"))
    with clock("small: one step, box ignored"):
        free_step = step(free_root)
    with clock("small: one step, exact in the box"):
        box_step = step(box_root)
    with clock("small: forty steps"):
        ascent = pgd(net, x, y, LInf(SHOWN_EPS))
    with clock("small: the smallest eps"):
        smallest = smallest_eps(net, x, y, norm="linf")
    with clock("small: the smallest eps among the bytes"):
        in_bytes = smallest_eps_8bit(net, x, y, found=smallest)
    return ImageExperiment(
        images=x,
        number=setup.images.number,
        shown=shown,
        start=start,
        gradient=gradient,
        sparse=sparse,
        papernot=papernot,
        greedy=greedy,
        free_root=free_root,
        box_root=box_root,
        free_step=free_step,
        box_step=box_step,
        ascent=ascent,
        smallest=smallest,
        in_bytes=in_bytes,
    )


def _shown(sparse: AttackResult, setup: Setup) -> int:
    """The row of the image that was asked for, or else of the first that needs the median number of pixels."""
    if setup.options.image is not None:
        return int(np.flatnonzero(setup.images.number == setup.options.image)[0])
    flipped = sparse.distance[sparse.success] if sparse.success.any() else sparse.distance
    off = np.abs(sparse.distance - np.median(flipped)) + np.where(sparse.success, 0, len(sparse.x[0]))
    return int(np.argmin(off))


def shown_numbers(e: ImageExperiment, proofs: Proofs) -> dict[str, Any]:
    """The numbers of the image shown, ready for JSON."""
    i = e.shown

    def found(result: AttackResult) -> dict[str, Any]:
        return {
            "success": bool(result.success[i]),
            "success_8bit": bool(result.success_8bit[i]),
            "distance": float(result.distance[i]),
            "confidence_after": confidence(result.margin[i]),
        }

    kept = e.sparse.trace.kept[i] if e.sparse.trace else np.zeros(0, bool)
    pixels = e.sparse.trace.pixel[i][kept].tolist() if e.sparse.trace else []
    return {
        "image": int(e.number[i]),
        "margin": float(e.start[i]),
        "confidence_before": confidence(-e.start[i]),
        "sparse": found(e.sparse) | {"pixels": pixels},
        "one_step_in_the_box": found(e.box_step),
        "smallest_eps": found(e.smallest),
        "linearised_eps_box_ignored": float(e.free_root[i]),
        "linearised_eps_in_the_box": float(e.box_root[i]),
        "smallest_eps_in_bytes": found(e.in_bytes),
        "proved": {norm: _interval(c) for norm, c in proofs.image["free"].items()},
        "proved_in_disguise": {
            spot: {norm: _interval(c) for norm, c in row.items()} for spot, row in proofs.image.items()
        },
        "frame_pixels_proved": _interval(proofs.frame),
    }


def image_numbers(e: ImageExperiment) -> dict[str, Any]:
    """The numbers of all images, ready for JSON."""
    return {
        "sparse": _means(e.sparse),
        "papernot": _means(e.papernot),
        "papernot_touched": _touched(e.papernot),
        "gain_on_the_same_images": _means(e.greedy) | {"touched": _touched(e.greedy)},
        "gain_and_exchanges_on_the_same_images": float(e.sparse.distance[: len(e.papernot.x)].mean()),
        "one_step_box_ignored": _means(e.free_step),
        "one_step_in_the_box": _means(e.box_step),
        "pgd": _means(e.ascent) | {"eps": SHOWN_EPS},
        "smallest_eps": _means(e.smallest),
        "smallest_eps_in_bytes": _means(e.in_bytes),
    }


def _means(result: AttackResult) -> dict[str, Any]:
    return {
        "success": result.rate,
        "success_8bit": float(result.success_8bit.mean()),
        "mean_distance": result.mean_distance,
        "median_distance": float(np.median(result.distance)),
        "images": len(result.x),
        "forwards": result.forwards,
        "jacobians": result.jacobians,
    }


def _interval(c: Certificate) -> dict[str, Any]:
    return {name: getattr(c, name) for name in ("lower", "upper", "attack", "optimal", "gap", "reason", "nodes")}


def _touched(result: AttackResult) -> float:
    """The mean number of pixels that were changed before any was taken back."""
    assert result.trace is not None
    return float(np.mean([len(np.unique(pixels[pixels >= 0])) for pixels in result.trace.pixel]))


def confidence(m: float) -> float:
    """`sigmoid(m)`: how sure the network is of the class that a positive margin m argues for."""
    return float(0.5 * (1 + np.tanh(0.5 * m)))
