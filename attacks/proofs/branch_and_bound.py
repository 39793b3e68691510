"""Branch and bound: is there an adversarial s in the set?  Answered by a counterexample, or by a tree of closed leaves.

    work on a node       attacks/proofs/node_bounds.py closes it, or leaves it with a smaller bound
    split it             attacks/proofs/branching.py makes two children of it
    no split is left     attacks/proofs/leaf_lp.py is its exact answer

Where several rivals are asked about, each of which would do, their nodes are shared and go through
attacks/proofs/shared_nodes.py, four at a time; what is left of one without a split goes on as a node for each rival.
Other nodes go through these steps many at a time.  Best-first: the nodes with the largest bounds are split first, since
they must all be closed and a counterexample is likeliest there.  The maximiser of each bound is tried as a
counterexample.  When more than `POOL` nodes wait, those nearest to closing go first instead, which is depth-first:
memory stays bounded whatever the time.
"""

from __future__ import annotations

import time
from bisect import insort
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from attacks.proofs.branching import branch
from attacks.proofs.leaf_lp import solve_leaf, solve_lines
from attacks.proofs.node_bounds import bounded, first_counterexample, root, work
from attacks.proofs.nodes import Nodes
from attacks.proofs.query import Query
from attacks.proofs.shared_node import SharedNode
from attacks.proofs.shared_nodes import Divided, shared_root, side_by_side
from attacks.proofs.tree import Replay, Tree
from attacks.result import Reason
from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.region import Region
from minigrad.inputs import Array

BATCH = 16  # nodes split at a time; half and double are as fast to a tenth, and the trees alike
POOL = 50_000  # open nodes before the search turns depth-first: at about 10 kB each, half a gigabyte
# A smooth node whose bound keeps more than this share goes to its program: with 0.7, or without, one or two of seven
# queries stay open that 0.9 closes; where all nodes go there it takes half as long again.
STAGNANT = 0.9
SHARED_BATCH = 4  # shared nodes split at a time: two processes wait for each other less than with 2, and with 8 no less
SHARED_POOL = 300  # the same for shared nodes, which keep where their rows begin: 0.2 to 1.3 MB each

Numbered = tuple[int, SharedNode]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the search found.

    Attributes
    ----------
    proved : bool
        Every leaf is closed: no s in the set has m > 0.
    counterexample : (d,) or None
        A point of the set that is adversarial beyond rounding.
    reason : Reason
        PROVED, COUNTEREXAMPLE, TIME, NODES, or why a leaf can be neither closed nor split: TIE, SMOOTH.
    tree : Tree
    bound : float
        The largest bound of a node left open; -inf if none is.
    """

    proved: bool
    counterexample: Array | None
    reason: Reason
    tree: Tree
    bound: float


class Search:
    """The search for an answer to one query; it can be stopped and gone on with.

    Parameters
    ----------
    query : Query
    tree : Tree, optional
        Of an earlier search: its splits are repeated, and only what they leave open is split anew.
    executor : Executor, optional
        Works on shared nodes side by side.  The tree is the same, but for what a deadline cuts off.
    """

    def __init__(self, query: Query, tree: Tree | None = None, executor: Executor | None = None) -> None:
        self.query, self.replay, self.executor = query, Replay(tree), executor
        # a tree with a root for each row is of a search that asked about one rival at a time
        self.shares = query.shares_tree and (tree is None or tree.roots == 1)
        self.tree = Tree(1 if self.shares else len(query.c))
        self.small: Query | None = None  # condensed, from the first `run` on
        self.shared: list[Numbered] = []  # open shared nodes with their numbers, by rising bound
        self.pool: list[Nodes] = []  # open nodes, one each, by rising bound
        self.stuck: list[Nodes] = []  # leaves that can be neither closed nor split

    def run(self, deadline: float, node_limit: float = np.inf) -> Outcome:
        """Go on until there is an answer, until `deadline` (of `time.perf_counter`), or to `node_limit` nodes."""
        if self.small is None:
            self._begin(deadline)
        assert self.small is not None
        while self.shared or self.pool:
            shared = self._shared_batch()
            nodes = [] if shared else self._batch()
            if shared:
                tries = (first_counterexample(self.query, self.small, node.known, node.A) for _, node in shared)
                counterexample = next((point for point in tries if point is not None), None)
            else:
                batch = Nodes.join(nodes)
                known, mult, found = bounded(self.small, batch)
                counterexample = first_counterexample(self.query, self.small, known, found.A[:, 0])
            late, many = time.perf_counter() > deadline, len(self.tree) >= node_limit
            if counterexample is not None or late or many:
                self._keep(shared)  # they stay open
                for node in nodes:
                    insort(self.pool, node, key=_bound)
                why = Reason.COUNTEREXAMPLE if counterexample is not None else Reason.NODES if many else Reason.TIME
                return self._outcome(why, counterexample)
            if shared:
                self._split_shared(shared, deadline)
            else:
                counterexample = self._split(batch, known, mult, found, deadline)
                if counterexample is not None:
                    return self._outcome(Reason.COUNTEREXAMPLE, counterexample)
        stuck = Reason.TIE if self.query.piecewise_linear else Reason.SMOOTH
        return self._outcome(stuck if self.stuck else Reason.PROVED)

    def _begin(self, deadline: float) -> None:
        """The roots."""
        if self.shares:
            self.small, root_node = shared_root(self.query)
            self.shared = [] if root_node is None else [(0, root_node)]
        else:
            self.small, nodes = root(self.query, deadline)
            self.pool = [nodes.take(np.array([i])) for i in np.argsort(nodes.bound)]

    def _shared_batch(self) -> list[Numbered]:
        """The next shared nodes, taken out of theirs."""
        first = 0 if len(self.shared) > SHARED_POOL else -1
        return [self.shared.pop(first) for _ in range(min(SHARED_BATCH, len(self.shared)))]

    def _batch(self) -> list[Nodes]:
        """The next nodes, taken out of the pool."""
        return [self.pool.pop(0 if len(self.pool) > POOL else -1) for _ in range(min(BATCH, len(self.pool)))]

    def _split_shared(self, batch: list[Numbered], deadline: float) -> None:
        """Replace shared nodes by their open children; past the deadline, those that are left stay."""
        assert self.small is not None
        given = [self.replay.step(ident, self.small.column) for ident, _ in batch]
        left = batch[::-1]
        with closing(side_by_side(self.small, [node for _, node in batch], given, self.executor)) as found:
            for divided in found:
                self._grow(*left.pop(), divided)
                if time.perf_counter() > deadline:
                    break
        self._keep(left)

    def _grow(self, ident: int, node: SharedNode, divided: Divided) -> None:
        """Write a split down and keep its open children, or a node for each rival if there is no split."""
        assert self.small is not None
        if divided is None:
            for leaf in node.alone(self.small, ident):
                insort(self.pool, leaf, key=_bound)
            return
        (layer, index), kids = divided
        parent, where, which = np.array([ident]), np.array([layer]), np.array([index])
        numbers = self.tree.split(parent, where, self.small.on_image(where, which))
        self.replay.follow(parent, numbers)
        self._keep([(number, kid) for number, kid in zip(numbers.tolist(), kids, strict=True) if kid is not None])

    def _keep(self, nodes: list[Numbered]) -> None:
        """Put shared nodes back in their order."""
        for numbered in nodes:
            insort(self.shared, numbered, key=_worst)

    def _split(
        self, nodes: Nodes, known: Region, mult: Multipliers, found: Substitution, deadline: float
    ) -> Array | None:
        """Put the open children of the nodes into the pool; a counterexample, if a leaf among them has one."""
        assert self.small is not None
        given = [self.replay.step(int(ident), self.small.column) for ident in nodes.ident]
        cut = np.array([self.replay.cut(int(ident)) for ident in nodes.ident])
        split = branch(self.small, nodes, known, mult, found, given, cut)
        parents = nodes.ident[split.node]
        numbers = self.tree.split(parents, split.layer, self.small.on_image(split.layer, split.index), split.cut)
        self.replay.follow(parents, numbers)
        children = replace(split.children, ident=numbers)
        children = children.take(np.flatnonzero(children.bound >= 0))
        before = dict(zip(children.ident.tolist(), children.bound.tolist(), strict=True))
        children = work(self.small, children, deadline)
        for i in range(len(children)):
            child = children.take(np.array([i]))
            stagnant = not self.small.piecewise_linear and _bound(child) > STAGNANT * before[int(child.ident[0])]
            if stagnant and time.perf_counter() <= deadline:
                child = solve_lines(self.small, child)
            if _bound(child) >= 0:
                insort(self.pool, child, key=_bound)
        for i in np.setdiff1d(np.arange(len(nodes)), split.node):  # nothing to split
            counterexample = self._solve(nodes.take(np.array([i])))
            if counterexample is not None:
                return counterexample
        return None

    def _solve(self, leaf: Nodes) -> Array | None:
        """Close a leaf without a split, or keep it as stuck; its counterexample, if it has one."""
        assert self.small is not None
        leaf, point = solve_leaf(self.small, leaf)
        if leaf.bound[0] < 0:
            return None
        self.stuck.append(leaf)
        whole = None if point is None else self.small.whole(point[None])
        return whole[0] if whole is not None and self.query.adversarial(whole)[0] else None

    def _outcome(self, reason: Reason, counterexample: Array | None = None) -> Outcome:
        left = [node.bound[0] for node in self.pool + self.stuck] + [node.worst for _, node in self.shared]
        bound = max(left, default=-np.inf) / (1.0 if self.small is None else self.small.scale)
        return Outcome(reason == Reason.PROVED, counterexample, reason, self.tree, bound)


def _bound(node: Nodes) -> float:
    return float(node.bound[0])


def _worst(numbered: Numbered) -> float:
    return numbered[1].worst
