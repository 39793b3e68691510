"""A leaf without a split left: the program's multipliers close what steps leave open."""

from dataclasses import replace

import numpy as np
import pytest

from attacks import certified_minimum, certify
from attacks.balls import BALLS
from attacks.proofs.leaf_lp import solve_leaf
from attacks.proofs.nodes import Nodes
from attacks.proofs.query import Query
from minigrad import MLP
from minigrad.bounds.optimised import optimise_bounds


def leaf_of(net, x, radius, sign, norm="linf", box=(-9.0, 9.0)):
    """One node with every neuron's sign given."""
    query = Query.from_image(net, x, 0, BALLS[norm](radius, box=box))
    nodes = Nodes.root(query)
    for i, side in enumerate(sign):
        nodes = nodes.split(np.array([0]), np.array([0]), np.array([i]), np.array([side]))
    return query, nodes


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_the_programs_beta_closes_a_leaf_that_steps_leave_open(norm):
    """m = relu(s0 + s1) + relu(s0 - s1) - 2.1 on both active: 2 s0 - 2.1 < 0 for s0 <= 1.

    With the first inactive, s0 + s1 <= 0, the second alone earns s0 - s1 <= 2: m <= -0.1 at best on Linf.  A net with a
    negative weight needs the half-space: m = relu(a) - 3 relu(b) + 0.5 with a = s0 + s1 >= 0, b = s0 + s1 - 0.1 <= 0.
    """
    net = MLP.from_arrays([([[1.0, 100.0], [1.0, 100.0]], [0.0, -10.0]), ([[1.0], [0.0]], [-0.11])])
    query, leaf = leaf_of(net, np.zeros(2), 1.0, (1, -1), norm)  # a <= 0.1 where b <= 0: m <= -0.01
    bound = optimise_bounds(leaf.region(query), leaf.c, leaf.multipliers(), steps=0)[0].bound
    assert bound[0, 0] > 0.5
    closed, point = solve_leaf(query, leaf)
    assert -0.01 - 1e-9 <= closed.bound[0] < 0
    assert closed.beta[0][0, 1] > 0
    assert not query.adversarial(point[None])[0]
    open_, point = solve_leaf(replace(query, c=query.c), replace(leaf, c=-leaf.c))
    assert open_.bound[0] >= 0.11  # the other way round: m = 0.11 - a is reached at a = 0


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_a_leaf_whose_signs_contradict_each_other_is_closed(norm):
    """a = s0 >= 0 and b = -s0 - 0.1 >= 0 at once: no such point, whatever the margin says."""
    net = MLP.from_arrays([([[1.0, -1.0], [0.0, 0.0]], [0.0, -0.1]), ([[0.0], [0.0]], [1.0])])
    query, leaf = leaf_of(net, np.zeros(2), 1.0, (1, 1), norm)
    leaf = replace(leaf, bound=np.array([np.inf]))
    closed, _ = solve_leaf(query, leaf)
    assert closed.bound[0] < 0


@pytest.mark.parametrize("weight", [1e-290, 1e-305, 1e-308, 1e-310, 1e-320])
def test_what_the_solver_cannot_count_is_no_hint(weight):
    """A saturated neuron whose weights are next to nothing: the program's numbers, or its duals, are beyond float64."""
    rng = np.random.default_rng(1)
    W = rng.normal(size=(2, 4)) * 3
    b = rng.normal(size=4)
    W[:, 0], b[0] = weight, 10.0
    others = (rng.normal(size=(4, 4)) * 3, rng.normal(size=4)), (rng.normal(size=(4, 1)) * 3, [0.0])
    net = MLP.from_arrays([(W, b), *others], activation="tanh")
    x = np.array([[0.3, 0.6]])
    (cert,) = certified_minimum(net, x, net.predict(x), norm="linf", gap=1e-3, time_limit=1e6, node_limit=60)
    assert cert.lower > 0.12
    cert.check(net)


def test_a_leaf_of_a_subnormal_weight_is_asked_like_any_other():
    net = MLP.from_arrays([([[1.0, 1e-310]], [0.0, 1.0]), ([[1.0, -1.0], [0.0, 0.0]], [0.0, 0.6])])
    unsafe = [(np.eye(2), np.array([-0.31, -0.31]))]  # z and 0.6 - z above 0.31: never
    (verdict,) = certify(net, [[0.5]], None, BALLS["linf"](0.5), unsafe=unsafe, time_limit=1e6, node_limit=50)
    assert verdict.status in ("robust", "open")
    verdict.check(net)
