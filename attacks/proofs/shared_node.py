"""A part of the set about which all rivals are asked at once: what is known of it, and what may be split.

With k classes a robust image has k - 1 rivals to be refuted, and what makes one of them hard, loose intervals in the
middle of the network, makes all of them hard.  So they share one tree, whose nodes these are; the work on a node is in
attacks/proofs/shared_nodes.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attacks.balls.base import gains
from attacks.proofs.neuron_rows import RowsStart
from attacks.proofs.nodes import Nodes
from attacks.proofs.pixels import undecided
from attacks.proofs.query import Query
from attacks.proofs.tree import PIXEL
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.region import Region
from minigrad.inputs import Array

Split = tuple[int, int]  # a layer (or PIXEL) and an index


@dataclass(frozen=True, eq=False)
class SharedNode:
    """One part of the set, with r rivals open.

    Attributes
    ----------
    known : Region
        One set: the pixels in and out, intervals and signs.
    rows : (r,) int
        Which of the query's.
    bound : (r,)
        Upper bounds of their margins.
    mult : Multipliers
        Theirs, in single precision: (1, r, d_k).
    A : (r, d)
        The bounds' coefficients on the pixels.
    inside, outside : (1, d) bool
        Pixels in the support, and pixels that stay put (L0).
    scores : tuple of (d_k,)
        Of a split of each neuron.
    start : by hidden layer
        Where the rows of its intervals begin in its parts.
    """

    known: Region
    rows: Array
    bound: Array
    mult: Multipliers
    A: Array
    inside: Array
    outside: Array
    scores: tuple[Array, ...]
    start: Mapping[int, RowsStart]

    def with_network(self, net: Any, x: Any, first_error: Any) -> SharedNode:
        """The same with another network, image and error of the first layer: with None for a process that has them."""
        return replace(self, known=replace(self.known, net=net, x=x, first_error=first_error))

    @property
    def worst(self) -> float:
        """The largest bound."""
        return float(np.max(self.bound, initial=-np.inf))

    @property
    def total(self) -> float:
        """What is still to be refuted, over all rivals."""
        return float(np.sum(self.bound))

    def candidates(self, query: Query) -> list[Split]:
        """The best neuron to split, and the best pixel where pixels are counted; none where nothing is left."""
        found = []
        best = max(((s.max(initial=0.0), k) for k, s in enumerate(self.scores)), default=(0.0, 0))
        if best[0] > 0:
            found.append((best[1], int(np.argmax(self.scores[best[1]]))))
        open_pixels = undecided(self.known.ball, query.x)
        if open_pixels.any():
            down, up = self.known.ball.room(query.x)
            gain = open_pixels * (gains(down, up, self.A).sum(axis=0) + np.finfo(float).tiny)
            found.append((PIXEL, int(np.argmax(gain))))
        return found

    def alone(self, query: Query, ident: int) -> list[Nodes]:
        """One node for each open rival, for the search that asks about one at a time.

        A neuron that the intervals hold to one side counts as given: all points that are left have that sign, but over
        the counterexamples of a last rival alone, and a linear program of the leaf must keep to them.
        """
        known, found = self.known, []
        assert known.sign is not None
        each = zip(known.l, known.u, known.sign, strict=True)
        signs = tuple(np.where(sign == 0, 1.0 * (l >= 0) - (u <= 0), sign) for l, u, sign in each)  # noqa: E741
        for i, row in enumerate(self.rows):
            found.append(
                Nodes(
                    ident=np.array([ident]),
                    bound=self.bound[i : i + 1],
                    c=query.c[row : row + 1],
                    l=known.l,
                    u=known.u,
                    sign=signs,
                    alpha=tuple(a[:, i].astype(float) for a in self.mult.alpha),
                    beta=tuple(b[:, i].astype(float) for b in self.mult.beta),
                    gamma=tuple(np.ones((1, 2, a.shape[1])) for a in known.l),
                    inside=self.inside,
                    outside=self.outside,
                )
            )
        return found
