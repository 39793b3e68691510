"""The parts a proof has cut the perturbation set into: a batch of nodes as arrays, so that all work is matrix products.

A node is the question "is there an s in S with m(x + s) > 0 whose neurons have these signs, and whose support holds
these pixels and not those?", with everything its parents found out: intervals, multipliers, the bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from minigrad.bounds import Region, forward_error, intervals, product_error, reach
from minigrad.inputs import Array
from minigrad.mlp import MLP
from minigrad.tighten import Multipliers

WORTH = 0.8  # condensing pays when at most this share of the pixels is left
PIXEL, LEAF = -1, -2  # the "layer" of a split on a pixel, and of no split


@dataclass(frozen=True, eq=False)
class Question:
    """Is there an s in the ball about `x` (1, d) with  c . (N(x + s) - t) > 0  for one of the rows of `c` (r, K)?

    Attributes
    ----------
    joint : (r, K) or None
        If given, an adversarial s has m > 0 for all of these rows (a target among k >= 3 classes).
    first_error : as in `Region`
    live : (d',) int or None
        Where `net` and `x` are condensed to fewer pixels: which of the image they are.
    image : (1, d) or None
        Then: the whole image.
    """

    net: MLP
    x: Array
    ball: Any
    c: Array
    joint: Array | None = None
    first_error: Array | None = None
    live: Array | None = None
    image: Array | None = None

    @classmethod
    def of(cls, net: MLP, x: Array, y: int, ball: Any, target: int | None = None) -> Question:
        """About image `x` (d,) of class `y`: one row a rival, or the rivals that `target` must all beat."""
        k = net.sizes[-1]
        if k == 1:
            return cls(net, x[None], ball, np.array([[1.0 if y == 0 else -1.0]]))
        eye = np.eye(k)
        if target is None or k == 2:
            return cls(net, x[None], ball, np.delete(eye, y, axis=0) - eye[y])
        rows = eye[target] - np.delete(eye, target, axis=0)
        return cls(net, x[None], ball, rows, joint=rows)

    def adversarial(self, points: Array) -> Array:
        """Which points (n, d) of the whole image are adversarial for any float64 evaluation, (n,) bool: m > E."""
        rows = self.c if self.joint is None else self.joint
        margins = (self.net.logits(points) - self.net.threshold) @ rows.T  # (n, r)
        beyond = margins > forward_error(self.net, points) @ np.abs(rows).T
        return np.any(beyond, axis=1) if self.joint is None else np.all(beyond, axis=1)

    def whole(self, points: Array) -> Array:
        """The points (n, d') on the whole image, (n, d)."""
        if self.live is None or self.image is None:
            return points
        full = np.repeat(self.image, len(points), axis=0)
        full[:, self.live] = points
        return full

    def on_image(self, layer: Array, index: Array) -> Array:
        """The indices (r,) of some splits, with pixels numbered as on the whole image."""
        if self.live is None:
            return index
        return np.where(layer == PIXEL, self.live[np.minimum(index, len(self.live) - 1)], index)


@dataclass(frozen=True, eq=False)
class Nodes:
    """n nodes.  Every field is an array, or a tuple of arrays one a hidden layer, with n rows.

    Attributes
    ----------
    ident : (n,) int         the node's number in the tree
    bound : (n,)             an upper bound of its margin
    c : (n, K)               the row of its margin
    l, u, sign : (n, d_k)    as in `Region`
    alpha, beta : (n, d_k)   the margin's multipliers
    gamma : (n, 2, d_k)      of the upper and lower bound of each neuron
    inside, outside : (n, d) bool
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
    def root(cls, question: Question) -> Nodes:
        """One node for each row c, with intervals by plain substitution."""
        n, d = len(question.c), question.x.shape[1]
        known = intervals(question.net, question.x, question.ball)

        def repeat(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
            return tuple(np.repeat(a, n, axis=0) for a in arrays)

        zeros = tuple(np.zeros((n, a.shape[1])) for a in known.l)
        return cls(
            ident=np.arange(n),
            bound=np.full(n, np.inf),
            c=question.c,
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

    def ball(self, question: Question) -> Any:
        """The sets that are left of the question's by the pixels in and out."""
        if self.inside.any() or self.outside.any():
            return question.ball.restrict(self.inside, self.outside)
        return question.ball

    def region(self, question: Question) -> Region:
        """The sets of these nodes, for the bounds."""
        ball = self.ball(question)
        return Region(question.net, question.x, ball, self.l, self.u, self.sign, question.first_error)

    def multipliers(self) -> Multipliers:
        """Those of the margin, one row a node."""
        one = tuple(a[:, None, :] for a in self.alpha), tuple(b[:, None, :] for b in self.beta)
        return Multipliers(*one, np.ones((len(self), 1)))

    def with_multipliers(self, bound: Array, mult: Multipliers) -> Nodes:
        """The same nodes after `tighten`."""
        alpha, beta = tuple(a[:, 0] for a in mult.alpha), tuple(b[:, 0] for b in mult.beta)
        return replace(self, bound=np.minimum(self.bound, bound), alpha=alpha, beta=beta)

    def split(self, parent: Array, layer: Array, index: Array, side: Array) -> Nodes:
        """Children: row r is node parent[r] with one more thing given, `side` (+1 or -1) of a neuron or a pixel.

        layer >= 0: neuron `index` has z >= 0 or z <= 0.   PIXEL: pixel `index` is in the support, or out of it.
        """
        kids = self.take(parent)
        for k in range(len(kids.l)):
            row = np.flatnonzero(layer == k)
            j, up = index[row], side[row] > 0
            kids.sign[k][row, j] = side[row]
            kids.l[k][row[up], j[up]] = np.maximum(kids.l[k][row[up], j[up]], 0)
            kids.u[k][row[~up], j[~up]] = np.minimum(kids.u[k][row[~up], j[~up]], 0)
            kids.bound[(kids.l[k] > kids.u[k]).any(axis=1)] = -np.inf  # what is given contradicts what is known
            kids.u[k][:] = np.maximum(kids.l[k], kids.u[k])
        row = np.flatnonzero(layer == PIXEL)
        kids.inside[row[side[row] > 0], index[row[side[row] > 0]]] = True
        kids.outside[row[side[row] < 0], index[row[side[row] < 0]]] = True
        return kids


def condense(question: Question, nodes: Nodes) -> tuple[Question, Nodes]:
    """The same question about the pixels that can still move: fewer columns in every matrix product.

    The others add a constant to the first layer, b' = b + x_fixed W_fixed.  Rounding b' errs by no more than the whole
    layer does, so each time the first layer's error counts half as much again (it is counted twice).
    """
    down, up = question.ball.room(question.x)
    live = np.flatnonzero(((down != 0) | (up != 0))[0] & ~nodes.outside.all(axis=0))
    d = question.x.shape[1]
    if not 0 < len(live) <= WORTH * d or not len(nodes):
        return question, nodes
    first, x = question.net.dense[0], question.x
    error = product_error(first.W, first.b, reach(x, question.ball))
    fixed = np.delete(np.arange(d), live)
    layer = type(first)(first.W[live], first.b + x[0, fixed] @ first.W[fixed])
    small = replace(
        question,
        net=replace(question.net, layers=(layer, *question.net.layers[1:])),
        x=x[:, live],
        ball=question.ball.columns(live, d),
        first_error=(error if question.first_error is None else question.first_error) + error / 2,
        live=live if question.live is None else question.live[live],
        image=x if question.image is None else question.image,
    )
    return small, replace(nodes, inside=nodes.inside[:, live], outside=nodes.outside[:, live])


@dataclass(eq=False)
class Tree:
    """The splits, by node number: roots first, then children as they were made, two a split.

    layer[i] is the split of node i: a hidden layer, PIXEL, or LEAF where it was not split; index[i] the neuron or
    pixel; child[i] the number of its first child (in, or z >= 0); the second is the next.
    """

    roots: int
    layer: list[int] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    child: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.layer:
            self.grow(self.roots)

    def __len__(self) -> int:
        return len(self.layer)

    @classmethod
    def of(cls, roots: int, rows: Array) -> Tree:
        """The tree of rows (3, nodes): layer, index, child.  Raises ValueError if they are not one."""
        layer, index, child = rows
        n, inner = rows.shape[1], rows[0] != LEAF
        numbers = np.arange(n)[inner]
        children = np.sort(np.concatenate([child[inner], child[inner] + 1]))
        if not (rows.dtype.kind == "i" and 0 < roots <= n and (layer >= LEAF).all() and (index >= 0).all()):
            raise ValueError("tree: layers, indices or roots out of range")
        if not (np.array_equal(children, np.arange(roots, n)) and (child[inner] > numbers).all()):
            raise ValueError("tree: expected every node but the roots to be one child of an earlier node")
        return cls(roots, layer.tolist(), index.tolist(), child.tolist())

    def grow(self, count: int) -> Array:
        """Numbers for `count` new leaves."""
        start = len(self)
        self.layer += [LEAF] * count
        self.index += [0] * count
        self.child += [0] * count
        return np.arange(start, start + count)

    def split(self, parents: Array, layer: Array, index: Array) -> Array:
        """Write down one split for each of the leaves `parents`; the children's numbers, two a split."""
        kids = self.grow(2 * len(parents))
        for r, parent in enumerate(parents.tolist()):
            self.layer[parent], self.index[parent], self.child[parent] = int(layer[r]), int(index[r]), int(kids[2 * r])
        return kids


class Script:
    """The splits of an earlier tree, told to a search that makes its own tree of them (or of none)."""

    def __init__(self, tree: Tree | None) -> None:
        self.tree = tree
        self.place = {} if tree is None else {i: i for i in range(tree.roots)}  # number here -> number there

    def step(self, ident: int, live: Array | None) -> tuple[int, int] | None:
        """The layer and index of the split of node `ident`, or None.

        A pixel that cannot move here was decided "out": its other child is this node itself.
        """
        tree, at = self.tree, self.place.get(ident)
        while tree is not None and at is not None and tree.layer[at] != LEAF:
            layer, index = tree.layer[at], tree.index[at]
            if layer != PIXEL or live is None:
                return layer, index
            column = int(np.searchsorted(live, index))
            if column < len(live) and live[column] == index:
                return layer, column
            at = tree.child[at] + 1
            self.place[ident] = at
        return None

    def follow(self, parents: Array, children: Array) -> None:
        """The children `children` (two a parent) are where those of the script's splits are."""
        if self.tree is None:
            return
        for parent, child in zip(parents.tolist(), children[::2].tolist(), strict=True):
            at = self.place.pop(parent, None)
            if at is not None and self.tree.layer[at] != LEAF:
                self.place[child], self.place[child + 1] = self.tree.child[at], self.tree.child[at] + 1
