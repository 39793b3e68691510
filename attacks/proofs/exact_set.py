"""Write a proof for `attacks/checker.py` that no one s fools a set of images: the weighted bound of set_bound.py.

The images take turns as there, each with a learner of its own (exact_part.py), and what the checker makes of their rows
is what the weights are looked for with (set_weights.py).  The last rows are those of all the images together.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

import attacks.checker as checker
from attacks.balls import BALLS
from attacks.balls.base import Ball
from attacks.proofs.certificate_file import NO_TARGET, fingerprint
from attacks.proofs.exact_known import Known
from attacks.proofs.exact_part import Learner, State
from attacks.proofs.exact_proof import Unproved
from attacks.proofs.exact_rows import Writer, on_one_margin, slopes
from attacks.proofs.intervals import ROOT_STEPS
from attacks.proofs.query import Query
from attacks.proofs.set_bound import NEURON_STEPS, ROUNDS, STEPS
from attacks.proofs.set_weights import Rows, weigh
from attacks.uap.image_set import ImageSet
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.region import Region
from minigrad.inputs import Array, as_array
from minigrad.mlp import MLP


@dataclass(frozen=True, eq=False)
class Refutation:
    """The images, and the radius at which no one s fools them all.

    Attributes
    ----------
    norm : str
    lower, radius : float
        What is claimed; the radius that was refuted.
    network : str
        SHA-256 of the network.
    x : (n, d)
        The images that took part.
    y : (n,) int
    target : (n,) int or None
    box : (lo, hi)
    mask : (d,) bool or None
    image : (r,) int
        Whose margin each row is.
    c : (r, K)
        Its margin, `m = c . (N - t)`.
    """

    norm: str
    lower: float
    radius: float
    network: str
    x: Array
    y: Array
    target: Array | None
    box: tuple[Array, Array]
    mask: Array | None
    image: Array
    c: Array

    @property
    def ball(self) -> Ball:
        """The set of each image."""
        return BALLS[self.norm](self.radius, box=self.box, mask=self.mask)

    def arrays(self) -> dict[str, Array]:
        """The claim, as the checker reads it."""
        target = np.full(len(self.x), NO_TARGET) if self.target is None else self.target
        found: dict[str, Any] = {"network": self.network, "norm": self.norm, "x": self.x, "y": self.y}
        found |= {"target": target, "lower": self.lower, "upper": np.inf, "radius": self.radius}
        found |= {"lo": self.box[0], "hi": self.box[1]} | ({} if self.mask is None else {"mask": self.mask})
        return {name: as_array(value, name) for name, value in found.items()}


def exact_set_proof(net: MLP, refuted: Refutation, *, time_limit: float = 600.0) -> dict[str, Array]:
    """The arrays of a file that the checker accepts.

    Parameters
    ----------
    net : MLP
    refuted : Refutation
        With the convention "clip": what is proved of it holds for s that stay inside every box, too.
    time_limit : float, seconds

    Raises
    ------
    Unproved
        The checker could not be convinced, or not within the limit; images with several rivals; boxes of their own;
        another network.
    """
    claim = refuted.arrays()
    if fingerprint(net) != refuted.network:
        raise Unproved("not proved exactly: expected the network of the search, got another one")
    if refuted.norm not in ("linf", "l0") or max(map(np.ndim, refuted.box)) > 1:
        raise Unproved("not proved exactly: expected linf or l0, and one box for all images")
    try:
        with np.errstate(all="ignore"):
            network = checker.Network(net.to_arrays())
            walk = _Together(net, network, refuted, claim, time.perf_counter() + time_limit)
            walk.run()
            found = claim | walk.writer.arrays()
        checker.check(net.to_arrays(), found)
    except (checker.Refused, ArithmeticError) as error:
        raise Unproved(f"not proved exactly: {error}") from error
    return found


class _Together:
    """A learner and a state for each image; they share the pixels that are known to change, and not to."""

    def __init__(self, net: MLP, network: Any, refuted: Refutation, claim: dict[str, Array], deadline: float) -> None:
        self.net, self.refuted, self.deadline = net, refuted, deadline
        self.learners, self.states = list[Learner](), list[State]()
        for i, x in enumerate(refuted.x):
            own = claim | {name: claim[name][i] for name in ("x", "y", "target")}
            prover = checker.Prover(checker.Claim(network, own))
            if np.isinf(prover.whole()[0, prover.at[-1]]).any():
                raise Unproved("not proved exactly: images that may become one of several classes")
            target = None if refuted.target is None else int(refuted.target[i])
            learner = Learner(Query.from_image(net, x, int(refuted.y[i]), refuted.ball, target), prover)
            if i:  # all write in one place
                learner.writer = Writer(prover, i, self.writer.steps, self.writer.rows)
            self.learners.append(learner)
        self.arrays = np.array([learner.prover.whole() for learner in self.learners])
        for learner, array in zip(self.learners, self.arrays, strict=True):
            self.states.append(State(Known(learner.prover, array), None, None))

    @property
    def writer(self) -> Writer:
        """That of the first image; the others' steps and rows are the same lists."""
        return self.learners[0].writer

    def run(self) -> None:
        """Until one image alone is the proof, or the weighted sum is."""
        layers = range(len(self.net.sizes) - 2)
        if self._each(lambda learner, state: learner.intervals(state, layers, ROOT_STEPS, everything=True)):
            return
        for _ in range(ROUNDS):
            if self._each(lambda learner, state: learner.margin(state, STEPS)):
                return
            if self._each(lambda learner, state: learner.constrain(state, NEURON_STEPS)):
                return
        self._weigh()

    def _each(self, work: Any) -> bool:
        """Each image's turn; whether one of them is refuted alone."""
        for learner, state in zip(self.learners, self.states, strict=True):
            if time.perf_counter() > self.deadline:
                raise Unproved("not proved exactly within the limit")
            work(learner, state)
            pixels = learner.prover.pixels  # what s must change for one image, it must change for all
            self.arrays[:, :, pixels] = state.part.array[:, pixels]
            if learner.closed(state):
                return True
        return False

    def _weigh(self) -> None:
        """Look for the weights with what the checker knows of each image, and write the rows of all of them."""
        refuted, image = self.refuted, self.refuted.image
        known, mult = self._known()
        assert known.sign is not None
        images = ImageSet.from_images(self.net, refuted.x, refuted.y, refuted.ball, refuted.target)
        found = weigh(Rows(images, known, refuted.radius, image, refuted.c), mult, thorough=True)
        if found is None:
            raise Unproved("not proved exactly: the weighted bound is not below 0")
        weights, best = found
        rivals = np.concatenate([self.learners[i].weights(c[None]) for i, c in zip(image, refuted.c, strict=True)])
        alpha = [slopes(a[:, 0]) for a in best.alpha]
        beta = [b[:, 0] * s for b, s in zip(best.beta, known.sign, strict=True)]
        margin, scale, others = on_one_margin(rivals)
        used, weights = weights > 0, weights * scale
        none = np.zeros((len(image), 0))
        wide = np.concatenate([none, *(b / np.where(used, weights, 1)[:, None] for b in beta), others], axis=1)
        row = image * rivals.shape[1] + margin
        rows = row, np.ones(len(image)), weights, np.concatenate([none, *alpha], axis=1), wide
        self.writer.steps.append((int(used.sum()), len(alpha), len(refuted.x), 0.0))
        self.writer.rows.append(tuple(each[used] for each in rows))

    def _known(self) -> tuple[Region, Multipliers]:
        """What the checker knows of the set of each row, and the multipliers that its image's margin had last."""
        refuted, image, depth = self.refuted, self.refuted.image, range(len(self.net.sizes) - 2)
        nodes = [self.learners[i].node(self.states[i])[1] for i in image]
        low, up, sign, alpha, beta = (
            tuple(np.concatenate([getattr(node, name)[k] for node in nodes]) for k in depth)
            for name in ("l", "u", "sign", "alpha", "beta")
        )
        ball, parts = refuted.ball.take(image, len(refuted.x)), [self.states[i].part for i in image]
        if ball.counts:
            ball = ball.restrict(*(np.stack([getattr(part, name) for part in parts]) for name in ("inside", "outside")))
        known = Region(self.net, refuted.x[image], ball, low, up, sign)
        one = (tuple(each[:, None] for each in both) for both in (alpha, beta))
        return known, Multipliers(next(one), next(one), np.ones((len(image), 1)))

