"""The work on a node: a smaller bound, smaller intervals, decided pixels, a counterexample tried.

    optimised      the bound of its margin (minigrad/bounds/optimised.py); below 0 the node is closed.  For L0 the same
                   bound decides pixels
    constrained    its intervals, over the counterexamples alone (minigrad/bounds/output_constraint.py); an empty one
                   closes the node too

Each makes the other stronger: smaller intervals make tighter lines, tighter lines a smaller bound of m, a smaller bound
of m smaller intervals.  At the roots they take turns as long as that pays, at every other node they do so once.

A node that the deadline cuts short stays open, whatever the rest of its turn would have shown: a replay has time for
the whole turn, begins the margin's steps from other intervals, and smaller ones do not always give a smaller bound.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from attacks.proofs.intervals import at_root, plain
from attacks.proofs.nodes import Nodes
from attacks.proofs.pixels import decide_pixels, undecided
from attacks.proofs.query import Query
from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import bound_rows, optimise_bounds
from minigrad.bounds.output_constraint import constrain_layer
from minigrad.bounds.region import Region
from minigrad.inputs import Array

STEPS = 8  # of `optimise_bounds` for a node's margin; half and double change nodes and time by a tenth at most
NEURON_STEPS = 5  # for its neurons; 2: half as many nodes again in as much time; 10: half the nodes in 3/4 of the time
ROOT_ROUNDS = 12  # the most; `PROGRESS` ends them before, so half and double change no tree
PROGRESS = 0.95  # a round that leaves more of the bound than this is the last; 0.9 takes 2% more nodes, 0.975 18% fewer


def root(query: Query, deadline: float) -> tuple[Query, Nodes]:
    """The roots that stay open after a few rounds of work, and the query condensed to the pixels they leave.

    With rivals that must all be beaten (`query.joint`), one refuted root refutes the query; else the root with
    the smallest bound goes on alone.
    """
    query, known, bound = plain(query)
    nodes = Nodes.root(query, known)
    alone, number = query.joint is None, len(nodes)
    if not alone and (bound < 0).any():
        return query, nodes.take(np.zeros(0, int))
    nodes = optimised(query, nodes.take(np.flatnonzero(bound >= 0)))
    if len(nodes) and len(known.l) > 2 and query.piecewise_linear and time.perf_counter() <= deadline:
        query, better = at_root(query, known)
        if better is None:
            return query, nodes.take(np.zeros(0, int))
        nodes = optimised(query, Nodes.root(query, better).take(nodes.ident))
    for _ in range(ROOT_ROUNDS):
        before = np.max(nodes.bound, initial=0.0)
        nodes = constrained(query, nodes, deadline)
        late = time.perf_counter() > deadline
        nodes = nodes if late else optimised(query, nodes)
        if not alone:
            nodes = nodes.take(np.argsort(nodes.bound)[: len(nodes) == number])
            alone = True
        if late or not len(nodes) or np.max(nodes.bound) > PROGRESS * before:
            break
        query, nodes = nodes.condense(query)
    return nodes.condense(query)


def work(query: Query, nodes: Nodes, deadline: float = np.inf) -> Nodes:
    """The nodes that stay open after one turn of each."""
    nodes = constrained(query, optimised(query, nodes), deadline)
    return nodes if time.perf_counter() > deadline else optimised(query, nodes)


def constrained(query: Query, nodes: Nodes, deadline: float = np.inf) -> Nodes:
    """The nodes with their intervals constrained, layer by layer, without those that hold no counterexample.

    Past the deadline the layers that are left keep the intervals they have.
    """
    for k in range(len(nodes.l)):
        if len(nodes) and time.perf_counter() <= deadline:
            known, mult = nodes.region(query), nodes.multipliers()
            known, gamma, empty = constrain_layer(known, nodes.gamma, k, nodes.c, mult, steps=NEURON_STEPS)
            nodes = nodes.with_intervals(known, gamma).take(np.flatnonzero(~empty))
    return nodes


def optimised(query: Query, nodes: Nodes) -> Nodes:
    """The nodes whose bound stays at or above 0, with pixels decided by it."""
    if not len(nodes):
        return nodes
    found, mult = optimise_bounds(nodes.region(query), nodes.c, nodes.multipliers(), steps=STEPS)
    nodes = nodes.with_multipliers(found.bound[:, 0], mult)
    left = np.flatnonzero(nodes.bound >= 0)
    nodes = nodes.take(left)
    if not len(nodes) or not undecided(query.ball, query.x).any():
        return nodes
    inside, outside = decide_pixels(nodes.region(query), found.bound[left, 0], found.A[left, 0])
    nodes = replace(nodes, inside=nodes.inside | inside, outside=nodes.outside | outside)
    fits = np.count_nonzero(nodes.inside, axis=1) <= query.ball.radius
    return nodes.take(np.flatnonzero(fits & ~(nodes.inside & nodes.outside).any(axis=1)))


def bounded(query: Query, nodes: Nodes) -> tuple[Region, Multipliers, Substitution]:
    """The substitution of the nodes' margins with the multipliers they have."""
    known, mult = nodes.region(query), nodes.multipliers()
    return known, mult, bound_rows(known, nodes.c, mult)


def first_counterexample(query: Query, small: Query, known: Region, A: Array) -> Array | None:
    """The first maximiser of a bound that is adversarial, as a point (d,) of the whole image, or None.

    `small` is `query` condensed; `known` is of its nodes, and `A` (n, d) their bounds' coefficients on the pixels.
    """
    points = small.whole(small.ball.apply(small.x, known.ball.maximize(small.x, A)))
    taken = query.adversarial(points)
    return points[np.argmax(taken)] if taken.any() else None
