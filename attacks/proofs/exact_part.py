"""What is learnt of one part of the set on the way to a proof for `attacks/checker.py`.

The bounds are looked for in floats, as the search does (node_bounds.py, shared_nodes.py); what counts is what the
checker makes of their multipliers, so the next bound begins with the checker's intervals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attacks.proofs.condense import condensed
from attacks.proofs.exact_known import Known
from attacks.proofs.exact_rows import Lines, Shown, Writer, prices
from attacks.proofs.nodes import Nodes
from attacks.proofs.query import Query
from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import LEAST_GAMMA, Multipliers
from minigrad.bounds.optimised import optimise_bounds, unit_rows
from minigrad.bounds.output_constraint import constrained_rows
from minigrad.bounds.region import Region
from minigrad.inputs import Array

WORTH = 0.02  # share of an interval by which a row must narrow it to be kept; at half, files grow, at 3 times, trees
RATE = 0.3  # the first step of the slopes of intervals, as at the roots of the search
MARGIN_STEPS = 20  # for the margins of several rivals together, as in the shared tree


@dataclass(eq=False)
class State:
    """One part.

    Attributes
    ----------
    part : Known
        What the checker knows of it.
    place : int or None
        Where the certificate's tree has the same part, if it has.
    hints : Nodes or None
        One node: the margin that is left, and where its multipliers begin.
    rival : int
        Of rivals that must all be beaten, the one whose margin is left before there are hints.
    """

    part: Known
    place: int | None
    hints: Nodes | None
    rival: int = 0


class Learner:
    """Shows the checker rows about parts, and keeps what taught it something.

    Parameters
    ----------
    query : Query
    prover : checker.Prover
    """

    def __init__(self, query: Query, prover: Any) -> None:
        self.query, self.prover, self.writer, self.rivals = query, prover, Writer(prover), prover.claim.rivals
        self.joint = query.joint is not None
        self.small: tuple[bytes, Query] = b"", query  # condensed for pixels that are out

    def closed(self, state: State) -> bool:
        """Whether the checker has refuted the part."""
        return state.part.closed

    def alone(self, state: State) -> bool:
        """Whether one rival is left, or all that are left must be beaten at once."""
        return self.joint or np.count_nonzero(state.part.open) == 1

    def settle(self, state: State) -> None:
        """Where one rival is left, say that its margin is not below 0: split there, and the other half is closed."""
        (left,) = np.flatnonzero(state.part.open)[:1]
        if not state.part.sure[left]:
            index = state.part.neuron(len(state.part.l), int(left))
            state.part = self.writer.split(state.part, index)[0]

    # ------------------------------------------------------------------ all rivals together

    def intervals(self, state: State, layers: range, steps: int, *, everything: bool = False) -> None:
        """Of the neurons that may still have either sign, or of all, layer by layer, with slopes of their own."""
        for k in layers:
            low, up = state.part.l[k], state.part.u[k]
            neurons = np.arange(len(low)) if everything else np.flatnonzero((low < 0) & (up > 0))
            if len(neurons) and not self.closed(state):
                small, known = self._region(state, k)
                start, at = Multipliers.start(known, 2 * len(neurons)), (k, unit_rows(neurons[None], len(low)))
                found, mult = optimise_bounds(known, None, start, at, steps=steps if k else 0, rate=RATE)
                self._narrow(state, k, neurons, self._shown(small, known, found, mult, None))

    def margins(self, state: State) -> Array:
        """Of all open rivals; returns their bounds in floats."""
        small, known = self._region(state)
        rivals = np.flatnonzero(state.part.open)
        start = Multipliers.start(known, len(rivals))
        found, mult = optimise_bounds(known, self.query.c[None, rivals], start, steps=MARGIN_STEPS)
        shown = self._shown(small, known, found, mult, np.eye(len(state.part.open))[rivals])
        use = (found.bound[0] < 0) | (self.query.ball.counts & self.joint)  # a pixel is known where all must be beaten
        if use.any():
            self._refute(state, shown.take(np.flatnonzero(use)))
        bounds: Array = found.bound[0]
        return bounds

    # ------------------------------------------------------------------ one margin

    def margin(self, state: State, steps: int) -> float:
        """Bound the margin that is left; returns the bound in floats."""
        self.settle(state)
        small, nodes = self.node(state)
        known = nodes.region(small)
        found, mult = optimise_bounds(known, nodes.c, nodes.multipliers(), steps=steps)
        state.hints = nodes.with_multipliers(found.bound[:, 0], mult)
        if found.bound[0, 0] < 0 or self.query.ball.counts:
            self._refute(state, self._shown(small, known, found, mult, self.weights(nodes.c)))
        return float(state.hints.bound[0])

    def constrain(self, state: State, steps: int) -> None:
        """The intervals of all curved neurons, layer by layer, over the counterexamples alone."""
        self.settle(state)
        for k in range(len(state.part.l)):
            if self.closed(state):
                return
            small, nodes = self.node(state)
            known, gamma = nodes.region(small), nodes.gamma[k].copy()
            rows = constrained_rows(known, k, nodes.c, nodes.multipliers(), nodes.gamma[k], steps=steps)
            for part, found, mult in rows:
                gamma[part.rows] = np.maximum(mult.gamma.reshape(1, 2, -1), LEAST_GAMMA)
                weights = mult.gamma[0][:, None] * self.weights(nodes.c)
                self._narrow(state, k, part.neurons[0], self._shown(small, known, found, mult, weights))
            state.hints = replace(nodes, gamma=(*nodes.gamma[:k], gamma, *nodes.gamma[k + 1 :]))

    def leaf(self, state: State, leaf: Nodes, small: Query, found: Substitution) -> None:
        """The bound of a leaf without a split, with the multipliers it has."""
        shown = self._shown(small, leaf.region(small), found, leaf.multipliers(), self.weights(leaf.c))
        self._refute(state, shown)

    def node(self, state: State) -> tuple[Query, Nodes]:
        """The query about the pixels that can still move, and the part as a node of it."""
        small, known = self._region(state)
        assert known.sign is not None
        live = slice(None) if small.live is None else small.live
        hints = state.hints
        if hints is None:
            row = state.rival if self.joint else int(np.argmax(state.part.open))
            hints = Nodes.root(small, replace(known, ball=small.ball)).take(np.array([row]))
        inside, outside = (pixels[None, live] for pixels in (state.part.inside, state.part.outside))
        return small, replace(hints, l=known.l, u=known.u, sign=known.sign, inside=inside, outside=outside)

    def weights(self, c: Array) -> Array:
        """Of each rival in the margin c (1, K): (1, rivals)."""
        if not self.joint:
            return 1.0 * (self.query.c == c).all(axis=1)[None]
        return -np.delete(c, int(np.argmax(self.rivals[0])), axis=1)

    # ------------------------------------------------------------------ what is shown

    def _region(self, state: State, layers: int | None = None) -> tuple[Query, Region]:
        """The condensed query, and what the checker knows of the part (of its first layers)."""
        part, key = state.part, state.part.outside.tobytes()
        if key != self.small[0]:
            fewer = condensed(self.query, part.outside)
            self.small = key, self.query if fewer is None else fewer[0]
        small = self.small[1]
        live = slice(None) if small.live is None else small.live
        ball = small.ball
        if ball.counts:
            ball = ball.restrict(part.inside[None, live], part.outside[None, live])
        l, u = (tuple(a[None] for a in each[:layers]) for each in (part.l, part.u))  # noqa: E741
        sign = tuple(1.0 * (a >= 0) - (b <= 0) for a, b in zip(l, u, strict=True))
        return small, Region(small.net, small.x, ball, l, u, sign, small.first_error)

    def _shown(
        self, small: Query, known: Region, found: Substitution, mult: Multipliers, gamma: Array | None
    ) -> Shown:
        """The rows of one set as the writer takes them, beta with the sign of its neuron."""
        assert known.sign is not None
        gamma = np.zeros((found.bound.shape[1], len(self.rivals))) if gamma is None else gamma
        lines: Lines = [a[0] for a in mult.alpha], [b[0] * s for b, s in zip(mult.beta, known.sign, strict=False)]
        return Shown(found.bound[0], gamma, prices(known.ball, small.x, found.A)[0], lines)

    def _narrow(self, state: State, k: int, neurons: Array, shown: Shown) -> None:
        """Show those of the rows, w upper bounds and then w lower ones, that narrow their interval enough."""
        low, up = state.part.l[k][neurons], state.part.u[k][neurons]
        upper, minus_lower = np.split(shown.bound, 2)
        width = np.where(np.isfinite(low) & np.isfinite(up), up - low, 0)
        gain = np.concatenate([up - upper, -minus_lower - low]) > WORTH * np.tile(width, 2)
        decides = np.concatenate([(upper <= 0) & (up > 0), (minus_lower <= 0) & (low < 0)])
        rows = np.flatnonzero(gain | decides | np.tile(upper < -minus_lower, 2))
        if len(rows):
            ends = np.tile(neurons, 2)[rows], np.repeat([1, -1], len(neurons))[rows]
            self.writer.learn(state.part, k, ends, shown.take(rows))

    def _refute(self, state: State, shown: Shown) -> None:
        """Show rows of the rivals alone; forget them if they refute none and decide no pixel."""
        part = state.part
        if self.closed(state):
            return
        before = part.open.sum(), part.inside.sum(), part.outside.sum()
        margin, scaled = shown.on_one_margin()
        self.writer.learn(part, len(part.l), (margin, np.ones(len(margin), int)), scaled)
        if (part.open.sum(), part.inside.sum(), part.outside.sum()) == before:
            self.writer.forget()
