"""Write a proof that `attacks/checker.py` can check: the multipliers of each bound, besides the tree.

The tree of the certificate is gone through once more.  At each part the same bounds are looked for as in the search,
and each is written down with its multipliers rounded, handed to the checker, and believed as far as the checker got.
So rounding is made good where it happens; and where a part stays open that was closed in floats, more steps are made,
and then more splits.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import attacks.checker as checker
from attacks.proofs.branching import branch
from attacks.proofs.certificate_file import CertificateError, arrays_of
from attacks.proofs.exact_known import Known
from attacks.proofs.exact_part import Learner, State
from attacks.proofs.intervals import ROOT_STEPS
from attacks.proofs.leaf_lp import solve_leaf
from attacks.proofs.node_bounds import NEURON_STEPS, PROGRESS, ROOT_ROUNDS, STEPS
from attacks.proofs.query import Query
from attacks.proofs.shared_nodes import STEPS as SHARED_STEPS
from attacks.proofs.tree import LEAF, PIXEL
from minigrad.bounds.optimised import bound_rows
from minigrad.inputs import Array
from minigrad.mlp import MLP

HARDER = 30, 100  # steps, one after the other, for a part that rounding left open; half and double: as many parts
PER_STEP = 5  # of them, those of the margin for one of its neurons
MOST = 4  # times as many parts as the certificate's tree has, and `EXTRA`: more would not be worth checking
EXTRA = 1000

Split = tuple[int, int]  # a layer (or PIXEL) and an index


class Unproved(CertificateError):
    """The checker could not be convinced; the message says why."""


def exact_proof(net: MLP, certificate: Any, *, time_limit: float = 600.0) -> dict[str, Array]:
    """The arrays `proof_...` of a proof of `certificate.lower` that the checker accepts; none where it needs none.

    Parameters
    ----------
    net : MLP
    certificate : Certificate
    time_limit : float, seconds

    Raises
    ------
    Unproved
        The checker could not be convinced within the limit, or by any split; or the network is no ReLU network.
    """
    try:
        with np.errstate(all="ignore"):
            claim = checker.Claim(checker.Network(net.to_arrays()), arrays_of(vars(certificate)))
            if not claim.needs_proof():
                return {}
            prover = checker.Prover(claim)
        walk = _Walk(net, certificate, prover, time.perf_counter() + time_limit)
        walk.run()
    except (checker.Refused, ArithmeticError) as error:
        raise Unproved(f"certificate: not proved exactly: {error}") from error
    return walk.learner.writer.arrays()


class _Walk:
    """The parts of the proof, depth first, as the checker goes through them; `parts` counts them."""

    def __init__(self, net: MLP, certificate: Any, prover: object, deadline: float) -> None:
        ball = certificate.ball(certificate.radius)
        self.query = Query.from_image(net, certificate.x, certificate.y, ball, certificate.target)
        self.learner, self.given, self.deadline = Learner(self.query, prover), certificate.tree, deadline
        self.most = MOST * len(self.given) + EXTRA
        self.parts = 1
        self.joint = self.query.joint is not None

    def run(self) -> None:
        """Learn what closes each part, or divide it."""
        place = 0 if self.given.roots == 1 else None
        if self.joint:  # the search went on with one of the rivals alone, if it did not refute one at once
            place = next((i for i in range(self.given.roots) if self.given.layer[i] != LEAF), None)
        prover = self.learner.prover
        waiting = [State(Known(prover, prover.whole()), place, None, place or 0)]
        while waiting:
            state = waiting.pop()
            if time.perf_counter() > self.deadline or self.parts > self.most:
                raise Unproved(f"certificate: not proved exactly within the limits: {self.parts} parts")
            self.work(state)
            if not self.learner.closed(state):
                waiting += self.divided(state)

    def work(self, state: State) -> None:
        """What the search did with the part."""
        learner, layers = self.learner, range(len(state.part.l))
        if self.parts == 1:
            learner.intervals(state, layers, ROOT_STEPS, everything=True)
        elif not learner.alone(state):
            learner.intervals(state, layers if self.query.ball.counts else layers[1:], SHARED_STEPS)
        if learner.closed(state):
            return
        if not learner.alone(state):
            learner.margins(state)
            return
        if self.joint and state.hints is None:
            bounds = learner.margins(state)
            if learner.closed(state):
                return
            state.rival = int(np.argmin(bounds)) if state.place is None else state.rival
        rounds, bound = ROOT_ROUNDS if state.hints is None else 1, learner.margin(state, STEPS)
        for _ in range(rounds):
            before = bound
            if not learner.closed(state):
                learner.constrain(state, NEURON_STEPS)
            if not learner.closed(state):
                bound = learner.margin(state, STEPS)
            if bound > PROGRESS * before:
                break

    def divided(self, state: State) -> list[State]:
        """The two parts of the split that the certificate's tree made, or of a new one; or a part for each rival."""
        apart = self.given.roots > 1 and not self.joint and self.parts == 1
        given = None if apart else self.given_split(state)
        if given is None and (apart or not self.learner.alone(state)):
            return self.by_rivals(state, apart)
        split, places = given, [None, None]
        if split is None:
            split = self.new_split(state)
        else:
            assert state.place is not None
            places = [self.given.child[state.place], self.given.child[state.place] + 1]
        if split is None:
            return []
        layer, index = split
        place = state.part.pixel(index) if layer == PIXEL else state.part.neuron(layer, index)
        parts = self.learner.writer.split(state.part, place)
        self.parts += len(parts)
        kids = [State(part, at, state.hints) for part, at in zip(parts, places, strict=True)]
        return [kid for kid in kids if not self.learner.closed(kid)]

    def by_rivals(self, state: State, apart: bool) -> list[State]:
        """A part for each rival that is open: split at one margin after the other."""
        *others, last = np.flatnonzero(state.part.open).tolist()
        part, kids = state.part, []
        for rival in others:
            one, part = self.learner.writer.split(part, part.neuron(len(part.l), rival))
            kids.append(State(one, rival if apart else None, None))
        self.parts += len(others) + 1
        return [*kids, State(part, last if apart else None, None)]

    def given_split(self, state: State) -> Split | None:
        """The split of the certificate's tree at this part, past those that are decided already; None at its leaves."""
        tree, part = self.given, state.part
        while state.place is not None and tree.layer[state.place] != LEAF:
            layer, index = tree.layer[state.place], tree.index[state.place]
            if layer < 0:
                first, second = part.inside[index], part.outside[index]
            else:
                first, second = part.l[layer][index] >= 0, part.u[layer][index] <= 0
            if not (first or second):
                return layer, index
            state.place = tree.child[state.place] + (0 if first else 1)
        state.place = None
        return None

    def new_split(self, state: State) -> Split | None:
        """Where the certificate's tree has none: a harder look, then the split that the search would make.

        None if the part is closed by then.
        """
        for steps in HARDER:
            self.learner.constrain(state, steps // PER_STEP)
            if not self.learner.closed(state):
                self.learner.margin(state, steps)
            if self.learner.closed(state):
                return None
        small, nodes = self.learner.node(state)
        known, mult = nodes.region(small), nodes.multipliers()
        split = branch(small, nodes, known, mult, bound_rows(known, nodes.c, mult), [None])
        if len(split.node):
            index = small.on_image(split.layer, split.index)
            return int(split.layer[0]), int(index[0])
        leaf, _ = solve_leaf(small, nodes)
        self.learner.leaf(state, leaf, small, bound_rows(leaf.region(small), leaf.c, leaf.multipliers()))
        if not self.learner.closed(state):
            raise Unproved("certificate: not proved exactly: a part without a split stays open by rounding")
        return None
