"""The nodes of a proof, the parts into which it cuts the set: a batch as arrays, so that all work is matrix products.

A node asks "is there an s in S with m(x + s) > 0 that gives these neurons these signs, and whose support holds these
pixels and not those?".  It keeps what is known of it so far, most of it found out by its parents: intervals,
multipliers, the bound.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from attacks.proofs.condense import condensed
from attacks.proofs.query import Query
from attacks.proofs.tree import PIXEL
from minigrad.bounds.crown import intervals
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.region import Region
from minigrad.inputs import Array


@dataclass(frozen=True, eq=False)
class Nodes:
    """n nodes.  Every field is an array, or a tuple of arrays one a hidden layer, with n rows.

    Attributes
    ----------
    ident : (n,) int               the node's number in the tree
    bound : (n,)                   an upper bound of its margin
    c : (n, K)                     the row of its margin, m = c . (N - t)
    l, u, sign : (n, d_k)          as in `Region`
    alpha, beta : (n, d_k)         the margin's multipliers
    gamma : (n, 2, d_k)            of the upper and lower bound of each neuron
    inside, outside : (n, d) bool  pixels that are in the support, and pixels that stay put (L0)
    """

    ident: Array
    bound: Array
    c: Array
    l: tuple[Array, ...]  # noqa: E741
    u: tuple[Array, ...]
    sign: tuple[Array, ...]
    alpha: tuple[Array, ...]
    beta: tuple[Array, ...]
    gamma: tuple[Array, ...]
    inside: Array
    outside: Array

    def __len__(self) -> int:
        return len(self.bound)

    @classmethod
    def root(cls, query: Query, known: Region | None = None) -> Nodes:
        """One node for each row c, with what is `known` of the whole set; default: intervals by plain substitution."""
        n, d = len(query.c), query.x.shape[1]
        known = intervals(query.net, query.x, query.ball) if known is None else known

        def repeat(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
            return tuple(np.repeat(a, n, axis=0) for a in arrays)

        zeros = tuple(np.zeros((n, a.shape[1])) for a in known.l)
        return cls(
            ident=np.arange(n),
            bound=np.full(n, np.inf),
            c=query.c,
            l=repeat(known.l),
            u=repeat(known.u),
            sign=zeros,
            alpha=repeat(tuple(at.lower_slope for at in known.lines)),
            beta=zeros,
            gamma=tuple(np.ones((n, 2, a.shape[1])) for a in known.l),
            inside=np.zeros((n, d), bool),
            outside=np.zeros((n, d), bool),
        )

    def take(self, index: Array) -> Nodes:
        """The nodes `index`, copied."""

        def pick(value: Any) -> Any:
            return tuple(a[index] for a in value) if isinstance(value, tuple) else value[index]

        return Nodes(**{f.name: pick(getattr(self, f.name)) for f in fields(self)})

    @staticmethod
    def join(parts: list[Nodes]) -> Nodes:
        """All nodes of some batches, in order."""
        first, joined = parts[0], dict[str, Any]()
        for name in (f.name for f in fields(Nodes)):
            values = [getattr(part, name) for part in parts]
            if isinstance(getattr(first, name), tuple):
                joined[name] = tuple(np.concatenate(arrays) for arrays in zip(*values, strict=True))
            else:
                joined[name] = np.concatenate(values)
        return Nodes(**joined)

    def ball(self, query: Query) -> Any:
        """The sets of the nodes: what the pixels in and out leave of the query's set."""
        if self.inside.any() or self.outside.any():
            return query.ball.restrict(self.inside, self.outside)
        return query.ball

    def region(self, query: Query) -> Region:
        """The same sets with what is known of the neurons on them, for the bounds."""
        ball = self.ball(query)
        return Region(query.net, query.x, ball, self.l, self.u, self.sign, query.first_error)

    def multipliers(self) -> Multipliers:
        """The margin's multipliers, one row a node."""
        one = tuple(a[:, None, :] for a in self.alpha), tuple(b[:, None, :] for b in self.beta)
        return Multipliers(*one, np.ones((len(self), 1)))

    def condense(self, query: Query) -> tuple[Query, Nodes]:
        """The query and the nodes about the pixels that can still move, or as they are where that is no gain."""
        found = condensed(query, np.all(self.outside, axis=0)) if len(self) else None
        if found is None:
            return query, self
        small, live = found
        return small, replace(self, inside=self.inside[:, live], outside=self.outside[:, live])

    def with_multipliers(self, bound: Array, mult: Multipliers) -> Nodes:
        """The same nodes after `optimise_bounds`."""
        alpha, beta = tuple(a[:, 0] for a in mult.alpha), tuple(b[:, 0] for b in mult.beta)
        return replace(self, bound=np.minimum(self.bound, bound), alpha=alpha, beta=beta)

    def with_intervals(self, known: Region, gamma: tuple[Array, ...]) -> Nodes:
        """The same nodes after `constrain_layer`."""
        assert known.sign is not None
        return replace(self, l=known.l, u=known.u, sign=known.sign, gamma=gamma)

    def split(self, parent: Array, layer: Array, index: Array, side: Array, cut: Array | float = 0.0) -> Nodes:
        """Children: row r is node parent[r] with one more thing given, `side` +1 or -1 of a neuron or a pixel.

        layer >= 0: neuron `index` has z >= cut[r] (+1) or z <= cut[r] (-1).
        layer = PIXEL: pixel `index` is in the support (+1) or out of it (-1).
        """
        kids, cut = self.take(parent), np.broadcast_to(cut, parent.shape)
        for k in range(len(kids.l)):
            row = np.flatnonzero(layer == k)
            j, up = index[row], side[row] > 0
            kids.sign[k][row, j] = side[row]
            kids.l[k][row[up], j[up]] = np.maximum(kids.l[k][row[up], j[up]], cut[row[up]])
            kids.u[k][row[~up], j[~up]] = np.minimum(kids.u[k][row[~up], j[~up]], cut[row[~up]])
            kids.bound[(kids.l[k] > kids.u[k]).any(axis=1)] = -np.inf  # the given side contradicts the interval
            kids.u[k][:] = np.maximum(kids.l[k], kids.u[k])
        row = np.flatnonzero(layer == PIXEL)
        kids.inside[row[side[row] > 0], index[row[side[row] > 0]]] = True
        kids.outside[row[side[row] < 0], index[row[side[row] < 0]]] = True
        return kids
