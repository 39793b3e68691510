"""The tree of a proof: which splits were made, kept so that a certificate can make them again.

`Tree` is what a search writes down, three lists of whole numbers; `Replay` reads them out to another search, node by
node.  A tree is only a hint: a leaf counts as closed because its bound is computed anew, not because it is a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from minigrad.inputs import Array

PIXEL, LEAF = -1, -2  # the "layer" of a split on a pixel, and of no split


@dataclass(eq=False)
class Tree:
    """The splits, by node number: roots first, then children as they were made, two a split.

    Attributes
    ----------
    roots : int
        The first node numbers: one for each row of the query.
    layer : list of int
        What node i was split on: a hidden layer 0, 1, ..., `PIXEL`, or `LEAF` where it was not split.
    index : list of int
        Which neuron or pixel.
    child : list of int
        The number of its first child (z >= cut, or the pixel in the support); the second is the next.
    cut : list of float
        Where a smooth neuron was cut; 0 for every other split.
    """

    roots: int
    layer: list[int] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    child: list[int] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.layer:
            self.grow(self.roots)

    def __len__(self) -> int:
        return len(self.layer)

    @classmethod
    def from_rows(cls, roots: int, rows: Array, cut: Array | None = None) -> Tree:
        """The tree of rows (3, nodes): layer, index, child; and the cuts (nodes,), None if all are 0.

        Raises ValueError if they are not one.
        """
        layer, index, child = rows
        n, inner = rows.shape[1], rows[0] != LEAF
        numbers = np.arange(n)[inner]
        children = np.sort(np.concatenate([child[inner], child[inner] + 1]))
        if not (rows.dtype.kind == "i" and 0 < roots <= n and (layer >= LEAF).all() and (index >= 0).all()):
            raise ValueError("tree: layers, indices or roots out of range")
        if not (np.array_equal(children, np.arange(roots, n)) and (child[inner] > numbers).all()):
            raise ValueError("tree: expected every node but the roots to be one child of an earlier node")
        cut = np.zeros(n) if cut is None else cut
        if cut.shape != (n,) or cut.dtype != np.float64 or not np.isfinite(cut).all():
            raise ValueError(f"tree: expected {n} finite cuts, got {cut.dtype} {cut.shape}")
        return cls(roots, layer.tolist(), index.tolist(), child.tolist(), cut.tolist())

    def rows(self) -> Array:
        """The inverse, without the cuts."""
        return np.array([self.layer, self.index, self.child], np.int32)

    def fits(self, sizes: Sequence[int]) -> bool:
        """Whether a network of these sizes has every pixel and hidden neuron that is split."""
        widths = np.array([0, *sizes])  # by layer: of no split, of a pixel, of a hidden neuron
        layer, index = np.array(self.layer) - LEAF, np.array(self.index)
        return bool((layer < len(widths) - 1).all() and (index < np.maximum(widths[layer], 1)).all())

    def grow(self, count: int) -> Array:
        """Numbers for `count` new leaves."""
        start = len(self)
        self.layer += [LEAF] * count
        self.index += [0] * count
        self.child += [0] * count
        self.cut += [0.0] * count
        return np.arange(start, start + count)

    def split(self, parents: Array, layer: Array, index: Array, cut: Array | None = None) -> Array:
        """Write down one split for each of the leaves `parents`; the children's numbers, two a split."""
        kids = self.grow(2 * len(parents))
        for r, parent in enumerate(parents.tolist()):
            self.layer[parent], self.index[parent], self.child[parent] = int(layer[r]), int(index[r]), int(kids[2 * r])
            self.cut[parent] = 0.0 if cut is None else float(cut[r])
        return kids


class Replay:
    """The splits of an earlier tree (or of none), for a search that makes a tree of its own.

    The two trees number their nodes differently: `place` maps a node of the new one to the node of the old one that
    stands for the same part of the set.
    """

    def __init__(self, tree: Tree | None) -> None:
        self.tree = tree
        self.place = {} if tree is None else {i: i for i in range(tree.roots)}

    def step(self, ident: int, column: Callable[[int, int], int | None]) -> tuple[int, int] | None:
        """The layer and index of the split of node `ident`, or None.

        `column`: what layer and index are called in the condensed query, None where they were left out.  A pixel that
        was left out has been decided "out", a neuron that was is off: the old tree's second child stands for node
        `ident` itself.
        """
        tree, at = self.tree, self.place.get(ident)
        while tree is not None and at is not None and tree.layer[at] != LEAF:
            layer, index = tree.layer[at], tree.index[at]
            if (here := column(layer, index)) is not None:
                return layer, here
            at = tree.child[at] + 1
            self.place[ident] = at
        return None

    def cut(self, ident: int) -> float:
        """Where the split that `step` told of is made; NaN where there is none."""
        at = self.place.get(ident)
        return np.nan if self.tree is None or at is None or self.tree.layer[at] == LEAF else self.tree.cut[at]

    def follow(self, parents: Array, children: Array) -> None:
        """`children` (two a parent) stand for the children of the old tree's splits."""
        if self.tree is None:
            return
        for parent, child in zip(parents.tolist(), children[::2].tolist(), strict=True):
            at = self.place.pop(parent, None)
            if at is not None and self.tree.layer[at] != LEAF:
                self.place[child], self.place[child + 1] = self.tree.child[at], self.tree.child[at] + 1
