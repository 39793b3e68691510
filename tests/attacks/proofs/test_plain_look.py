"""Plain bounds refute a query if no rival is left, or, of rivals that must all be beaten, if one is out."""

import numpy as np

from attacks import LInf
from attacks.proofs.plain_look import plainly_refuted
from attacks.proofs.query import Query
from minigrad import MLP

# N = (0, x - 0.6, -1): at 0.5 the first class wins; the second is level from x = 0.6 on, the third never.
NET = MLP.from_arrays([([[0.0, 1.0, 0.0]], [0.0, -0.6, -1.0])])


def refuted(target):
    return plainly_refuted(Query.from_image(NET, np.array([0.5]), 0, LInf(np.array([0.05, 0.2])), target)).tolist()


def test_one_rival_that_is_left_is_enough_not_to_refute():
    assert refuted(None) == [True, False]


def test_of_rivals_that_must_all_be_beaten_one_that_is_out_refutes():
    assert refuted(1) == [True, False]
    assert refuted(2) == [True, True]
