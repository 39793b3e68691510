"""The work on a batch of nodes is the work on each."""

from dataclasses import replace

import numpy as np
import pytest
from queries import cases

from attacks.proofs.node_bounds import optimised, root, work
from attacks.proofs.nodes import Nodes
from attacks.proofs.tree import PIXEL
from minigrad.bounds.crown import intervals


def test_a_batch_of_nodes_is_bounded_one_by_one():
    """The children of all pixels: those that close, and the pixels that the bounds decide, are each node's own."""
    for query in cases("l0", 1.03):
        d = query.x.shape[1]
        index, side = np.repeat(np.arange(d), 2), np.tile([1, -1], d)
        nodes = Nodes.root(query).split(np.zeros(2 * d, int), np.full(2 * d, PIXEL), index, side)
        nodes = replace(nodes, ident=np.arange(2 * d))
        together = optimised(query, nodes)
        alone = Nodes.join([optimised(query, nodes.take(np.array([i]))) for i in range(2 * d)])
        assert together.ident.tolist() == alone.ident.tolist()
        assert np.array_equal(together.inside, alone.inside) and np.array_equal(together.outside, alone.outside)
        assert len(together) > 0


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_neurons_that_counterexamples_hold_to_one_side_get_their_multipliers(norm):
    """Such a neuron is linear over the counterexamples alone: its half-space must count as a sign that is given."""
    decided = 0
    for query in cases(norm, 1.02, 12, sizes=(5, 4, 1)):
        nodes = work(query, work(query, Nodes.root(query)))
        plain = intervals(query.net, query.x, query.ball)
        for k in range(len(nodes.l)):
            for r in range(len(nodes)):
                one_sided = (nodes.l[k][r] >= 0) | (nodes.u[k][r] <= 0)
                was = (plain.l[k][0] >= 0) | (plain.u[k][0] <= 0)
                new = one_sided & ~was
                assert (nodes.sign[k][r][new] != 0).all()
                assert (nodes.sign[k][r] * nodes.l[k][r] >= 0)[nodes.sign[k][r] > 0].all()
                assert (nodes.sign[k][r] * nodes.u[k][r] >= 0)[nodes.sign[k][r] < 0].all()
                decided += new.sum()
    assert decided > 0


class Clock:
    """`time.perf_counter` of a run that is late from its `late`-th reading on."""

    def __init__(self, late):
        self.left = late

    def perf_counter(self):
        self.left -= 1
        return 1.0 if self.left >= 0 else 3.0


def test_a_node_that_the_deadline_cuts_short_is_left_as_it_was(monkeypatch):
    """Wherever the clock stops a turn: no margin is bounded again, so nothing closes."""
    cut = 0
    for query in cases("linf", 1.02, 2, sizes=(5, 4, 3, 1)):
        first = Nodes.root(query)
        for late in range(3):
            monkeypatch.setattr("attacks.proofs.node_bounds.time", Clock(late))
            margins = []
            monkeypatch.setattr(
                "attacks.proofs.node_bounds.optimised", lambda *a, seen=margins: seen.append(a) or optimised(*a)
            )
            left = work(query, first, 2.0)
            assert len(margins) == 1 and np.array_equal(left.bound, optimised(query, first).bound[: len(left)])
            root(query, 1.0 - 1.0)  # late from the first reading on
            assert len(margins) == 2
            monkeypatch.undo()
            cut += len(left)
    assert cut > 0
