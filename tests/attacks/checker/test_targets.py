"""Proofs about a target among several classes: any of the others that it cannot beat refutes it."""

from dataclasses import replace

import numpy as np
import pytest

from attacks import certified_minimum, checker
from attacks.proofs.certificate import CertificateError
from attacks.proofs.certificate_file import arrays_of
from attacks.proofs.exact_proof import exact_proof
from attacks.proofs.tree import Tree
from attacks.result import Reason
from minigrad import MLP

NORMS = "l0", "l1", "l2", "linf"


def one_is_hard(norm, hard):
    """A network of four classes, the certificate of a target that one rival alone refutes."""
    W = np.array([[1.0, 0.5], [0.25, 1.0], [0.5, 0.75]])  # two hidden neurons, on everywhere
    out, b = np.zeros((2, 4)), np.full(4, -50.0)
    out[:, 3], b[hard], b[3] = [1.0, 0.5], 2.2, 0.0
    net = MLP.from_arrays([(W, [0.25, 0.25]), (out, b)])
    x = np.full(3, 0.125)
    (found,) = certified_minimum(net, x[None], [hard], norm=norm, target=[3])
    assert found.optimal and found.lower > (1 if norm == "l0" else 0.01)
    return net, found


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("hard", [0, 1, 2])
def test_whichever_rival_refutes_a_target_the_proof_finds_it(norm, hard):
    """Of the rivals 0, 1, 2 of class 3 one is hard to beat, the others never win.

    A tree that ended at its root does not say which, and the first of them was taken.
    """
    net, found = one_is_hard(norm, hard)
    made = exact_proof(net, found, time_limit=60)
    assert checker.check(net.to_arrays(), arrays_of(vars(found)) | made)
    if norm != "l0":  # where pixels are counted the rows of all rivals are shown
        assert made["proof_neuron"][-1] == hard and not made["proof_beta"][-1, -3:].any()


def tree(roots, *splits):
    """Of so many roots; each split (layer, index) divides the first node that is none yet."""
    layer, index, child = [-2] * roots, [0] * roots, [0] * roots
    for at, (k, i) in enumerate(splits):
        layer[at], index[at], child[at] = k, i, len(layer)
        layer, index, child = [*layer, -2, -2], [*index, 0, 0], [*child, 0, 0]
    return Tree.from_rows(roots, np.array([layer, index, child], np.int32))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("hard", [0, 1, 2])
@pytest.mark.parametrize("given", [tree(1), tree(3), tree(1, (0, 1)), tree(3, (0, 1))], ids=["1", "3", "1+2", "3+2"])
def test_the_proof_does_not_depend_on_the_tree_that_it_starts_from(norm, hard, given):
    net, found = one_is_hard(norm, hard)
    proved = replace(found, tree=given).with_proof(net, time_limit=60)
    assert checker.check(net.to_arrays(), arrays_of(vars(found)) | proved.proof)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("hard", [0, 1, 2])
def test_what_is_false_is_not_proved_from_a_tree_without_a_place_for_each_rival(norm, hard):
    """The number of the rival was taken for a place in the tree: IndexError."""
    net, found = one_is_hard(norm, hard)
    beyond = 4 * found.upper
    open_end = {"upper": np.inf, "x_adv": None, "attack": np.inf, "optimal": False, "reason": Reason.NODES}
    claim = replace(found, radius=beyond, lower=beyond, tree=tree(1), **open_end)
    with pytest.raises(CertificateError, match="not proved exactly"):
        claim.with_proof(net, time_limit=60)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (tree(1, (0, 2)), "a pixel or a neuron that the network does not have"),
        (tree(1, (1, 0)), "a pixel or a neuron that the network does not have"),
        (tree(1, (-1, 3)), "a pixel or a neuron that the network does not have"),
        (tree(2), "one root, or with one for each rival"),
    ],
    ids=["neuron", "layer", "pixel", "roots"],
)
def test_a_tree_of_another_network_is_refused_before_any_proof(given, why):
    net, found = one_is_hard("l0", 1)
    wrong = replace(found, tree=given, nodes=len(given))
    for use in (wrong.with_proof, wrong.check):
        with pytest.raises(CertificateError, match=why):
            use(net)
