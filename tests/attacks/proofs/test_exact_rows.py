"""Rows on the way into a proof's file: sums of margins as the checker has them, and which rivals are left."""

import numpy as np
from checker_cases import claim_for, prover_for, whole

from attacks.proofs.exact_rows import Shown, on_one_margin
from minigrad import MLP

NET = MLP.from_arrays([([[1.0, -1.0], [0.5, 2.0]], [0.1, 0.2]), ([[0.0, 1.0, 0.5], [0.0, 0.5, 1.0]], [0.6, 0.0, 0.1])])
X = np.array([0.25, 0.5])


def test_a_sum_of_margins_is_one_of_them_and_the_others_beside_it():
    gamma = np.array([[0.5, 2.0, 0.0], [3.0, 0.0, 1.5], [0.0, 0.0, 0.25]])
    margin, scale, others = on_one_margin(gamma)
    assert margin.tolist() == [1, 0, 2]
    assert np.array_equal(scale[:, None] * (np.eye(3)[margin] + others), gamma)


def test_after_a_split_at_a_margin_its_rival_alone_is_left():
    prover = prover_for(NET, claim_for(NET, X, 0, "linf", 0.1))
    part = whole(prover)
    assert part.open.tolist() == [True, True] and not part.sure.any()
    one, others = part.split(part.neuron(1, 1))
    assert one.open.tolist() == one.sure.tolist() == [False, True] and others.open.tolist() == [True, False]


def test_multipliers_are_divided_by_that_of_the_margin():
    lines = [np.ones((1, 2))], [np.array([[8.0, -2.0]])]
    margin, row = Shown(np.array([-1.0]), np.array([[4.0, 1.0]]), np.array([2.0]), lines).on_one_margin()
    assert margin.tolist() == [0] and row.gamma.tolist() == [[0.0, 0.25]] and row.price.tolist() == [0.5]
    assert row.lines[0][0].tolist() == [[1.0, 1.0]] and row.lines[1][0].tolist() == [[2.0, -0.5]]
