"""The work on a batch of nodes is the work on each."""

from dataclasses import replace

import numpy as np
import pytest
from queries import cases

from attacks.proofs.node_bounds import optimised, work
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
