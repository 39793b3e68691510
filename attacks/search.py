"""Branch and bound: is there an adversarial s in the set?  Answered by a witness, or by a tree of closed leaves.

Each node is worked on in the same three moves, many nodes at a time:

    tighten     the bound of its margin (minigrad/tighten.py); below 0 the node is closed
    contract    its intervals, over the counterexamples alone (minigrad/contract.py); an empty one closes the node.
                For L0 the same bound decides pixels
    branch      the best split (attacks/branching.py) makes two children of it

Best-first: the nodes with the largest bounds are split first, since they must all be closed and a witness is likeliest
there.  The maximiser of each bound is tried as a witness.  When more than `POOL` nodes wait, those nearest to closing
go first instead, which is depth-first: memory stays bounded whatever the time.
"""

from __future__ import annotations

import time
from bisect import insort
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attacks.branching import branch
from attacks.leaf import solve_leaf
from attacks.nodes import Nodes, Question, Script, Tree, condense
from minigrad.bounds import Region, Substitution
from minigrad.contract import contract, decide_pixels
from minigrad.inputs import Array
from minigrad.layers import ReLU
from minigrad.mlp import MLP
from minigrad.tighten import Multipliers, bound_rows, tighten

BATCH = 16  # nodes split at a time
POOL = 50_000  # open nodes before the search turns depth-first: about 10 kB each
ROOT_ROUNDS = 12
STEPS, CONTRACT_STEPS = 8, 5  # of `tighten`: for a node's margin, and for its neurons
PROGRESS = 0.95  # a round that leaves more of the bound than this is the last

PROVED, WITNESS, TIME, NODES, TIE = "proved", "witness", "time limit", "node limit", "tie within rounding"
SMOOTH = "no line of this activation is exact"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the search found.

    Attributes
    ----------
    proved : bool
        Every leaf is closed: no s in the set has m > 0.
    witness : (d,) or None
        A point of the set that is adversarial beyond rounding.
    reason : str
        "proved", "witness", "time limit", "node limit", or why a leaf can be neither closed nor split.
    tree : Tree
    bound : float
        The largest bound of a node left open; -inf if none is.
    """

    proved: bool
    witness: Array | None
    reason: str
    tree: Tree
    bound: float


class Search:
    """The search for an answer to one question; it can be stopped and gone on with.

    Parameters
    ----------
    question : Question
    script : Tree, optional
        Of an earlier search: its splits are repeated, and only what they leave open is split anew.
    """

    def __init__(self, question: Question, script: Tree | None = None) -> None:
        self.question, self.written = question, Script(script)
        self.tree = Tree(len(question.c))
        self.small: Question | None = None
        self.pool: list[Nodes] = []  # open nodes, one each, by rising bound
        self.stuck: list[Nodes] = []  # leaves that can be neither closed nor split

    def run(self, deadline: float, node_limit: float = np.inf) -> Outcome:
        """Go on until there is an answer, until `deadline` (of `time.perf_counter`), or to `node_limit` nodes."""
        if self.small is None:
            self.small, nodes = root(self.question, deadline)
            self.pool = [nodes.take(np.array([i])) for i in np.argsort(nodes.bound)]
        while self.pool:
            batch = [self.pool.pop(0 if len(self.pool) > POOL else -1) for _ in range(min(BATCH, len(self.pool)))]
            nodes = Nodes.join(batch)
            known, mult, found = bounded(self.small, nodes)
            witness = first_witness(self.question, self.small, known, found)
            late, many = time.perf_counter() > deadline, len(self.tree) >= node_limit
            if witness is not None or late or many:
                for node in batch:  # they stay open
                    insort(self.pool, node, key=_bound)
                return self._outcome(WITNESS if witness is not None else NODES if many else TIME, witness)
            witness = self._split(nodes, known, mult, found, deadline)
            if witness is not None:
                return self._outcome(WITNESS, witness)
        return self._outcome(PROVED if not self.stuck else TIE if is_relu(self.question.net) else SMOOTH)

    def _split(
        self, nodes: Nodes, known: Region, mult: Multipliers, found: Substitution, deadline: float
    ) -> Array | None:
        """Put the open children of the nodes into the pool; a witness, if a leaf among them has one."""
        assert self.small is not None
        told = [self.written.step(int(ident), self.small.live) for ident in nodes.ident]
        split = branch(self.small, nodes, known, mult, found, told)
        parents = nodes.ident[split.node]
        numbers = self.tree.split(parents, split.layer, self.small.on_image(split.layer, split.index))
        self.written.follow(parents, numbers)
        children = replace(split.children, ident=numbers)
        children = work(self.small, children.take(np.flatnonzero(children.bound >= 0)), deadline)
        for i in range(len(children)):
            insort(self.pool, children.take(np.array([i])), key=_bound)
        for i in np.setdiff1d(np.arange(len(nodes)), split.node):  # nothing to split
            leaf, point = solve_leaf(self.small, nodes.take(np.array([i])))
            if leaf.bound[0] >= 0:
                self.stuck.append(leaf)
                if point is not None:
                    whole = self.small.whole(point[None])
                    if self.question.adversarial(whole)[0]:
                        return whole[0]
        return None

    def _outcome(self, reason: str, witness: Array | None = None) -> Outcome:
        left = [node.bound[0] for node in self.pool + self.stuck]
        return Outcome(reason == PROVED, witness, reason, self.tree, max(left, default=-np.inf))


def root(question: Question, deadline: float) -> tuple[Question, Nodes]:
    """The roots that stay open after a few rounds of work, and the question condensed to the pixels they leave.

    With rivals that must all be beaten (`question.joint`), one refuted root refutes the question; else the root with
    the smallest bound goes on alone.
    """
    question, nodes = condense(question, Nodes.root(question))
    alone, number = question.joint is None, len(nodes)
    nodes = tightened(question, nodes, STEPS)
    for _ in range(ROOT_ROUNDS):
        before = np.max(nodes.bound, initial=0.0)
        nodes = tightened(question, contracted(question, nodes, CONTRACT_STEPS, deadline), STEPS)
        if not alone:
            nodes = nodes.take(np.argsort(nodes.bound)[: len(nodes) == number])
            alone = True
        if not len(nodes) or np.max(nodes.bound) > PROGRESS * before or time.perf_counter() > deadline:
            break
        question, nodes = condense(question, nodes)
    return condense(question, nodes)


def work(question: Question, nodes: Nodes, deadline: float = np.inf) -> Nodes:
    """Tighten and contract the nodes, and return those still open."""
    nodes = tightened(question, nodes, STEPS)
    return tightened(question, contracted(question, nodes, CONTRACT_STEPS, deadline), STEPS)


def contracted(question: Question, nodes: Nodes, steps: int, deadline: float = np.inf) -> Nodes:
    """The nodes with their intervals contracted, layer by layer, without those that hold no counterexample.

    Past the deadline the layers that are left keep the intervals they have.
    """
    for k in range(len(nodes.l)):
        if len(nodes) and time.perf_counter() <= deadline:
            smaller = contract(nodes.region(question), k, nodes.c, nodes.multipliers(), nodes.gamma[k], steps=steps)
            layers: dict[str, Any] = {
                name: (*getattr(nodes, name)[:k], getattr(smaller, name), *getattr(nodes, name)[k + 1 :])
                for name in ("l", "u", "gamma")
            }
            # a neuron that only counterexamples hold to one side is as good as split: it needs its beta
            decided = np.where(nodes.sign[k] == 0, 1.0 * (smaller.l >= 0) - (smaller.u <= 0), nodes.sign[k])
            layers["sign"] = (*nodes.sign[:k], decided, *nodes.sign[k + 1 :])
            nodes = replace(nodes, **layers).take(np.flatnonzero(~smaller.empty))
    return nodes


def tightened(question: Question, nodes: Nodes, steps: int) -> Nodes:
    """The nodes whose bound stays at or above 0, with pixels decided by it."""
    if not len(nodes):
        return nodes
    bound, mult = tighten(nodes.region(question), nodes.c, nodes.multipliers(), steps=steps)
    nodes = nodes.with_multipliers(bound[:, 0], mult)
    nodes = nodes.take(np.flatnonzero(nodes.bound >= 0))
    if not len(nodes) or not question.ball.undecided(question.x).any():
        return nodes
    known, _, found = bounded(question, nodes)
    inside, outside = decide_pixels(known, found.bound[:, 0], found.A[:, 0])
    nodes = replace(nodes, inside=nodes.inside | inside, outside=nodes.outside | outside)
    fits = np.count_nonzero(nodes.inside, axis=1) <= question.ball.radius
    return nodes.take(np.flatnonzero(fits & ~(nodes.inside & nodes.outside).any(axis=1)))


def bounded(question: Question, nodes: Nodes) -> tuple[Region, Multipliers, Substitution]:
    """The substitution of the nodes' margins with the multipliers they have."""
    known, mult = nodes.region(question), nodes.multipliers()
    return known, mult, bound_rows(known, nodes.c, mult)


def first_witness(question: Question, small: Question, known: Region, found: Substitution) -> Array | None:
    """The first maximiser that is adversarial, as a point of the whole image, or None."""
    points = small.whole(small.ball.apply(small.x, known.ball.maximize(small.x, found.A[:, 0])))
    taken = question.adversarial(points)
    return points[np.argmax(taken)] if taken.any() else None


def _bound(node: Nodes) -> float:
    return float(node.bound[0])


def is_relu(net: MLP) -> bool:
    """Whether every line may become exact (or the network is affine)."""
    return len(net.layers) == 1 or isinstance(net.layers[1], ReLU)
