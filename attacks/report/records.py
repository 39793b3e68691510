"""What the experiments find and the proofs prove, one frozen record each: filled there, read by the pages and figures.

Images are rows: x is (n, d), pixels in [0, 1].  "Held out" is: on the test images, of which none was used to make what
is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from attacks.patch.attack import Accessory
from attacks.proofs.certificate import Certificate
from attacks.proofs.radii import RADII
from attacks.proofs.verdict import Verdict
from attacks.report.setup import Setup
from attacks.result import AttackResult, Reason
from attacks.uap.attack import UniversalResult
from minigrad.inputs import Array


@dataclass(frozen=True, eq=False)
class ImageExperiment:
    """Each image by itself.  Row i of every array, and of every attack but two, is test image i of `Images.test`."""

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
    sure: AttackResult  # of the image shown: the smallest eps at which the network is SURE; margins above that boundary
    jacobian_error: float | None  # of the image shown, against central differences

    @property
    def image_shown(self) -> Array:
        """The image shown, (1, d)."""
        return self.images[self.shown : self.shown + 1]


@dataclass(frozen=True, eq=False)
class SetExperiment:
    """One perturbation for many images."""

    universals: dict[float, tuple[UniversalResult, UniversalResult]]  # eps: on the training images, held out
    fixed: UniversalResult  # a few fixed pixels, on some of the training images
    by_pixels: list[tuple[float, float, float]]  # after each pixel: rate on the training, held out, held out in bytes
    mean_gradient: Array  # (d,) of the margin, over the training images


@dataclass(frozen=True, eq=False)
class SmallSets:
    """One perturbation for the sets that lower bounds are for, made for them and measured on them."""

    few: dict[str, list[tuple[float, float]]]  # norm: radius and rate on the first few images
    mixed: dict[float, UniversalResult]  # eps: on a few images of each digit, each to become the other


@dataclass(frozen=True, eq=False)
class Height:
    """The frame at one height."""

    made: Accessory  # the pattern, on the training images it was made from
    held_out: Accessory  # the same on the test images
    promise: float  # what the mean linearised image gains by the frame, as a share of what it needs


@dataclass(frozen=True, eq=False)
class GlassesExperiment:
    """One frame at every height that leaves it in the picture."""

    style: str  # of the frame: "round", or "band" where the picture is too small for glasses
    heights: dict[int, Height]  # rows down: the frame there
    best: int  # the height where, on the training images, the pattern does most beyond any plain filling
    slipping: tuple[Accessory, Accessory]  # made for nine places about that height: on the training images, held out

    @property
    def worn(self) -> Accessory:
        """The pattern at the best height."""
        return self.heights[self.best].made


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """What the detectors say of one attack: only of the images that it flipped."""

    flipped: float  # of the images tried
    flipped_8bit: float
    cost: float  # mean distance of the flipped: pixels, or eps
    scores: Array  # (m, 6) of the flipped: DETECTORS, then combined
    scores_8bit: Array  # (m', 6) of those that flip in bytes too, in bytes


@dataclass(frozen=True, eq=False)
class DetectionExperiment:
    """The scores of attacked test images, beside those of clean ones."""

    thresholds: Array  # (6,) from clean training images that the detectors were not fitted to
    learned_from: tuple[int, int]  # images that the detectors were fitted to; images that the thresholds were read off
    clean: Array  # (t, 6) scores of clean test images of both digits
    attacks: dict[str, DetectionResult]
    adaptive: dict[str, dict[str, DetectionResult]]  # attack: blind spot of the detectors
    unused: int  # pixels that no image they were fitted to uses
    attacked: int  # test images attacked
    attacked_adaptively: int


@dataclass(frozen=True, eq=False)
class Interval:
    """What all proofs together say of one image: no adversarial s has |s| < lower, and `x_adv` is one of |s| <= upper.

    Not narrower than it is proved, and at least as narrow as the certificate of this very question (carried.py).
    """

    lower: float  # inf where nothing works
    upper: float  # inf where none is known
    x_adv: Array | None  # (d,)
    certificate: Certificate

    @property
    def optimal(self) -> bool:
        """Whether it is as narrow as was asked."""
        c = self.certificate
        return c.optimal or RADII[c.norm].reached(self.lower, self.upper, c.gap)

    @property
    def reason(self) -> Reason:
        """Why it is not narrower."""
        return Reason.PROVED if self.optimal and not self.certificate.optimal else self.certificate.reason


@dataclass(frozen=True, eq=False)
class SetProof:
    """What the report keeps of a `UniversalMinimum`: no s with |s| < lower fools all images of the set."""

    lower: float  # inf where no s of any size does
    upper: float  # at |s| <= upper one was found; inf where none was
    quantile: float  # the lower bound that the images prove one by one
    own: Array  # (n,) the images' own certified lower bounds


@dataclass(frozen=True, eq=False)
class ExactProof:
    """A certificate's proof for attacks/checker.py."""

    content: bytes | None  # of the file; None where there is none
    says: str  # what the checker prints of it, or why there is none
    seconds: float  # CPU seconds of the check
    lower: float  # what it claims, which other proofs of the report may exceed


@dataclass(frozen=True, eq=False)
class Proofs:
    """What was proved; every bound with what the other proofs say of it."""

    image: dict[str, dict[str, Interval]]  # blind spot: norm: the certified minimum of the image shown
    frame: Interval  # of the image shown: the fewest pixels of the glasses that are enough
    sets: dict[str, SetProof]  # "linf" and "l0" of the first few images; "mixed": of both digits, linf
    fillings: dict[int, list[Verdict]]  # height of the glasses: whether any filling flips each of the first images
    exact: dict[str, ExactProof]  # norm: of the image shown, any pixel


@dataclass(frozen=True, eq=False)
class Defence:
    """The networks of attacks/defend/nets: what they resist, and what they look at."""

    measured: dict[str, Any]  # what measured.json holds
    jacobians: dict[str, Array]  # name: (d,) dN/dx at the image shown


@dataclass(frozen=True, eq=False)
class Results:
    """Everything that the report shows."""

    setup: Setup
    images: ImageExperiment
    sets: SetExperiment
    small_sets: SmallSets
    glasses: GlassesExperiment
    detection: DetectionExperiment
    proofs: Proofs
    defence: Defence | None  # None for other images than those that these networks know
