"""Proofs about a target among several classes: any of the others that it cannot beat refutes it."""

import numpy as np
import pytest

from attacks import certified_minimum, checker
from attacks.proofs.certificate_file import arrays_of
from attacks.proofs.exact_proof import exact_proof
from minigrad import MLP


@pytest.mark.parametrize("norm", ["l0", "l1", "l2", "linf"])
@pytest.mark.parametrize("hard", [0, 1, 2])
def test_whichever_rival_refutes_a_target_the_proof_finds_it(norm, hard):
    """Of the rivals 0, 1, 2 of class 3 one is hard to beat, the others never win.

    A tree that ended at its root does not say which, and the first of them was taken.
    """
    W = np.array([[1.0, 0.5], [0.25, 1.0], [0.5, 0.75]])  # two hidden neurons, on everywhere
    out, b = np.zeros((2, 4)), np.full(4, -50.0)
    out[:, 3], b[hard], b[3] = [1.0, 0.5], 2.2, 0.0
    net = MLP.from_arrays([(W, [0.25, 0.25]), (out, b)])
    x = np.full(3, 0.125)
    (found,) = certified_minimum(net, x[None], [hard], norm=norm, target=[3])
    assert found.optimal and found.lower > (1 if norm == "l0" else 0.01)
    made = exact_proof(net, found, time_limit=60)
    assert checker.check(net.to_arrays(), arrays_of(vars(found)) | made)
    if norm != "l0":  # where pixels are counted the rows of all rivals are shown
        assert made["proof_gamma"][-1].tolist() == [float(hard == rival) for rival in range(3)]
