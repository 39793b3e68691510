"""Proofs that run in another process while this one attacks.

A limit of time decides how far a proof gets, so it never changes what the attacks find.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

import numpy as np

from attacks.detect.adaptive import blind_spots
from attacks.proofs.certificate import Certificate
from attacks.proofs.mask_minimum import any_filling, smallest_mask
from attacks.proofs.minimum import certified_minimum
from attacks.proofs.set_minimum import UniversalMinimum, universal_minimum
from attacks.report.carried import BoundedSet, carry_to_image, carry_to_sets
from attacks.report.records import Proofs, SetProof
from attacks.report.setup import Setup
from minigrad.inputs import Array

# Shares of `Options.proof_seconds`, at most: a proof that is done sooner leaves its time unused.  What the page asks
# first, pixels and eps without a detector to evade, gets most.  Twice the seconds narrow the intervals, half of them
# widen them, and none is ever false.
IMAGE_SHARE = {  # blind spot of the detectors ("free": any pixel), norm
    ("free", "l0"): 0.5, ("free", "linf"): 0.5,
    ("used", "l0"): 0.3, ("used", "linf"): 0.25, ("smooth", "l0"): 0.1, ("smooth", "linf"): 0.1,
}  # fmt: skip
SET_SHARE = {"linf": 0.25, "l0": 0.1, "mixed": 0.15}
FRAME_SHARE = 0.1
# Images for which each mask is judged, and seconds for each image and height: most masks are decided sooner, the others
# count as undecided.
FILLING_IMAGES, FILLING_SECONDS = 10, 0.3


class ProofJobs:
    """Proofs about the images of `setup`, asked of `executor` one by one; `results` waits for all of them."""

    def __init__(self, executor: Executor, setup: Setup) -> None:
        self._executor, self._setup, self._seconds = executor, setup, setup.options.proof_seconds
        self._image = dict[tuple[str, str], Future[list[Certificate]]]()
        self._frame: Future[list[Certificate]] | None = None
        self._sets = dict[str, tuple[Array, Array, Future[UniversalMinimum]]]()
        self._fillings = dict[int, Future[list[Certificate]]]()

    def certify_image(self, x: Array) -> None:
        """The certified minimum of one image (1, d) of class 0, in both norms and each blind spot."""
        spots = blind_spots(self._setup.detectors, x)
        for (spot, norm), share in IMAGE_SHARE.items():
            options: dict[str, Any] = {"norm": norm, "time_limit": share * self._seconds, **spots[spot]}
            asked = self._executor.submit(certified_minimum, self._setup.net, x, [0], **options)
            self._image[spot, norm] = asked

    def certify_frame(self, x: Array, mask: Array) -> None:
        """The fewest pixels of the mask that are enough for one image (1, d) of class 0."""
        limit = FRAME_SHARE * self._seconds
        self._frame = self._executor.submit(smallest_mask, self._setup.net, x, [0], mask, time_limit=limit)

    def bound_set(self, name: str, x: Array, y: Array) -> None:
        """Below which radius no s fools all images x (n, d) with labels y (n,).

        `name` is the norm, "linf" or "l0", or "mixed": linf, and labels of both classes.
        """
        mixed, limit = name == "mixed", SET_SHARE[name] * self._seconds
        options: dict[str, Any] = {"time_limit": limit, "mixed": mixed, "rng": self._setup.seed}
        options["norm"] = "linf" if mixed else name
        self._sets[name] = x, y, self._executor.submit(universal_minimum, self._setup.net, x, y, **options)

    def judge_mask(self, height: int, mask: Array) -> None:
        """Whether some filling of the mask, glasses at this height, flips each of the first test images."""
        x = self._setup.images.test[:FILLING_IMAGES]
        y = np.zeros(len(x), int)
        asked = self._executor.submit(any_filling, self._setup.net, x, y, mask, time_limit=FILLING_SECONDS)
        self._fillings[height] = asked

    def results(self) -> Proofs:
        """Wait for all of them, of which there is at least one of each kind; each says what it can of the others."""
        assert self._image and self._frame and self._sets and self._fillings
        image: dict[str, dict[str, Certificate]] = {spot: {} for spot, _ in self._image}
        for (spot, norm), asked in self._image.items():
            (image[spot][norm],) = asked.result()
        (frame,) = self._frame.result()
        sets = list[BoundedSet]()
        for x, y, asked_set in self._sets.values():
            u = asked_set.result()
            sets.append(BoundedSet(u.norm, x, y, SetProof(u.lower, u.upper, u.quantile, u.own)))
        intervals, worn = carry_to_image(image, frame, sets)
        carried = dict(zip(self._sets, carry_to_sets(sets, intervals["free"]), strict=True))
        return Proofs(intervals, worn, carried, {height: asked.result() for height, asked in self._fillings.items()})
