"""Branch and bound: is there an adversarial s in the set?  Answered by a counterexample, or by a tree of closed leaves.

    work on a node       attacks/proofs/node_bounds.py closes it, or leaves it with a smaller bound
    split it             attacks/proofs/branching.py makes two children of it
    no split is left     attacks/proofs/leaf_lp.py is its exact answer

Many nodes go through each of these at a time.  Best-first: the nodes with the largest bounds are split first, since
they must all be closed and a counterexample is likeliest there.  The maximiser of each bound is tried as a
counterexample.  When more than `POOL` nodes wait, those nearest to closing go first instead, which is depth-first:
memory stays bounded whatever the time.
"""

from __future__ import annotations

import time
from bisect import insort
from dataclasses import dataclass, replace

import numpy as np

from attacks.proofs.branching import branch
from attacks.proofs.leaf_lp import solve_leaf
from attacks.proofs.node_bounds import bounded, first_counterexample, root, work
from attacks.proofs.nodes import Nodes
from attacks.proofs.query import Query
from attacks.proofs.tree import Replay, Tree
from attacks.result import Reason
from minigrad.bounds.crown import Substitution
from minigrad.bounds.optimised import Multipliers
from minigrad.bounds.region import Region
from minigrad.inputs import Array

BATCH = 16  # nodes split at a time; half and double are as fast to a tenth, and the trees alike
POOL = 50_000  # open nodes before the search turns depth-first: at about 10 kB each, half a gigabyte


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
    """

    def __init__(self, query: Query, tree: Tree | None = None) -> None:
        self.query, self.replay = query, Replay(tree)
        self.tree = Tree(len(query.c))
        self.small: Query | None = None  # condensed, from the first `run` on
        self.pool: list[Nodes] = []  # open nodes, one each, by rising bound
        self.stuck: list[Nodes] = []  # leaves that can be neither closed nor split

    def run(self, deadline: float, node_limit: float = np.inf) -> Outcome:
        """Go on until there is an answer, until `deadline` (of `time.perf_counter`), or to `node_limit` nodes."""
        if self.small is None:
            self.small, nodes = root(self.query, deadline)
            self.pool = [nodes.take(np.array([i])) for i in np.argsort(nodes.bound)]
        while self.pool:
            batch = [self.pool.pop(0 if len(self.pool) > POOL else -1) for _ in range(min(BATCH, len(self.pool)))]
            nodes = Nodes.join(batch)
            known, mult, found = bounded(self.small, nodes)
            counterexample = first_counterexample(self.query, self.small, known, found)
            late, many = time.perf_counter() > deadline, len(self.tree) >= node_limit
            if counterexample is not None or late or many:
                for node in batch:  # they stay open
                    insort(self.pool, node, key=_bound)
                why = Reason.COUNTEREXAMPLE if counterexample is not None else Reason.NODES if many else Reason.TIME
                return self._outcome(why, counterexample)
            counterexample = self._split(nodes, known, mult, found, deadline)
            if counterexample is not None:
                return self._outcome(Reason.COUNTEREXAMPLE, counterexample)
        stuck = Reason.TIE if self.query.piecewise_linear else Reason.SMOOTH
        return self._outcome(stuck if self.stuck else Reason.PROVED)

    def _split(
        self, nodes: Nodes, known: Region, mult: Multipliers, found: Substitution, deadline: float
    ) -> Array | None:
        """Put the open children of the nodes into the pool; a counterexample, if a leaf among them has one."""
        assert self.small is not None
        given = [self.replay.step(int(ident), self.small.live) for ident in nodes.ident]
        split = branch(self.small, nodes, known, mult, found, given)
        parents = nodes.ident[split.node]
        numbers = self.tree.split(parents, split.layer, self.small.on_image(split.layer, split.index))
        self.replay.follow(parents, numbers)
        children = replace(split.children, ident=numbers)
        children = work(self.small, children.take(np.flatnonzero(children.bound >= 0)), deadline)
        for i in range(len(children)):
            insort(self.pool, children.take(np.array([i])), key=_bound)
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
        left = [node.bound[0] for node in self.pool + self.stuck]
        return Outcome(reason == Reason.PROVED, counterexample, reason, self.tree, max(left, default=-np.inf))


def _bound(node: Nodes) -> float:
    return float(node.bound[0])
