"""Proofs that run in another process while this one attacks.

How far the proofs of one image and of the glasses get is decided by a number of nodes, so that the page says the same
on a busy machine; seconds only stop what takes far longer than that.  For the proofs of sets seconds decide.  Neither
changes what the attacks find.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

import numpy as np

from attacks.balls.linf import LInf
from attacks.detect.adaptive import blind_spots
from attacks.proofs.certificate import Certificate
from attacks.proofs.decide import certify
from attacks.proofs.mask_minimum import smallest_mask
from attacks.proofs.minimum import certified_minimum
from attacks.proofs.set_minimum import UniversalMinimum, universal_minimum
from attacks.proofs.verdict import Verdict
from attacks.report.carried import BoundedSet, carry_to_image, carry_to_sets
from attacks.report.exact import certified_exactly
from attacks.report.records import ExactProof, Proofs, SetProof
from attacks.report.setup import Setup
from minigrad.inputs import Array

# Nodes a search for each of `Options.proof_seconds`: the reference network takes about 40 a second.  What the page asks
# first, pixels and eps without a detector to evade, gets most: "exactly 5 pixels" takes 1, and eps as many as it may.
# With 6 seconds that is 18: the proof's file, made and checked beside it, takes half as long again as the search.  12
# nodes prove 0.0421 instead of 0.0435, 42 prove 0.0443 and 60 prove 0.0452.  The intervals of smooth changes stay open,
# and each of their five searches takes all it may.  Twice the nodes narrow the intervals, half of them widen them; none
# is false.
IMAGE_NODES = {  # blind spot of the detectors ("free": any pixel), norm
    ("free", "l0"): 20, ("free", "linf"): 3, ("used", "l0"): 10, ("used", "linf"): 2,
    ("smooth", "l0"): 0.3, ("smooth", "linf"): 0.3,
}  # fmt: skip
SHOWN = "free"  # the blind spot whose proofs the page shows and its folder holds
FRAME_NODES = 5
# A proof is stopped after this many times `Options.proof_seconds`, if its nodes take so long: on the reference network
# none took a third of it with three other programs beside it.
PATIENCE = 3
SET_SHARE = {"linf": 0.25, "l0": 0.1, "mixed": 0.15}  # of the seconds
# Images for which each mask is judged, nodes for each image and height, seconds after which it is stopped.  9 of 10
# masks are decided without a node; 2, 4 or 16 nodes decide none of the others, which count as undecided; with 4 all of
# them take a third as long again.
FILLING_IMAGES, FILLING_NODES, FILLING_SECONDS = 10, 1, 3.0


class ProofJobs:
    """Proofs about the images of `setup`, asked of `executor` one by one; `results` waits for all of them."""

    def __init__(self, executor: Executor, setup: Setup) -> None:
        self._executor, self._setup, self._seconds = executor, setup, setup.options.proof_seconds
        self._image = dict[tuple[str, str], Future[list[Certificate]]]()
        self._exact = dict[str, Future[tuple[list[Certificate], ExactProof]]]()
        self._frame: Future[list[Certificate]] | None = None
        self._sets = dict[str, tuple[Array, Array, Future[UniversalMinimum]]]()
        self._fillings = dict[int, Future[list[Verdict]]]()

    def certify_image(self, x: Array) -> None:
        """The certified minimum of one image (1, d) of class 0, in both norms and each blind spot."""
        spots = blind_spots(self._setup.detectors, x)
        for (spot, norm), nodes in IMAGE_NODES.items():
            options: dict[str, Any] = {"norm": norm, **self._limits(nodes), **spots[spot]}
            if spot == SHOWN:
                options["exact_seconds"] = PATIENCE * self._seconds
                self._exact[norm] = self._executor.submit(certified_exactly, self._setup.net, x, [0], **options)
            else:
                self._image[spot, norm] = self._executor.submit(certified_minimum, self._setup.net, x, [0], **options)

    def certify_frame(self, x: Array, mask: Array) -> None:
        """The fewest pixels of the mask that are enough for one image (1, d) of class 0."""
        limits = self._limits(FRAME_NODES)
        self._frame = self._executor.submit(smallest_mask, self._setup.net, x, [0], mask, **limits)

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
        limits: dict[str, Any] = {"node_limit": FILLING_NODES, "time_limit": FILLING_SECONDS}
        ball = LInf(1.0, mask=mask.ravel())  # pixels are shares: all that the mask can be filled with
        self._fillings[height] = self._executor.submit(certify, self._setup.net, x, y, ball, **limits)

    def _limits(self, nodes: float) -> dict[str, float]:
        """The limits of a proof that gets so many nodes a second."""
        return {"node_limit": np.ceil(nodes * self._seconds), "time_limit": PATIENCE * self._seconds}

    def results(self) -> Proofs:
        """Wait for all of them, of which there is at least one of each kind; each says what it can of the others."""
        assert self._image and self._exact and self._frame and self._sets and self._fillings
        image: dict[str, dict[str, Certificate]] = {spot: {} for spot, _ in IMAGE_NODES}
        exact: dict[str, ExactProof] = {}
        for norm, asked_both in self._exact.items():
            (image[SHOWN][norm],), exact[norm] = asked_both.result()
        for (spot, norm), asked in self._image.items():
            (image[spot][norm],) = asked.result()
        (frame,) = self._frame.result()
        sets = list[BoundedSet]()
        for x, y, asked_set in self._sets.values():
            u = asked_set.result()
            sets.append(BoundedSet(u.norm, x, y, SetProof(u.lower, u.upper, u.quantile, u.own)))
        intervals, worn = carry_to_image(image, frame, sets)
        carried = dict(zip(self._sets, carry_to_sets(sets, intervals["free"]), strict=True))
        fillings = {height: asked.result() for height, asked in self._fillings.items()}
        return Proofs(intervals, worn, carried, fillings, exact)
