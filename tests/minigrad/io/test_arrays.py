"""A network from arrays, and what is no list of pairs."""

import numpy as np
import pytest

from minigrad import MLP

RNG = np.random.default_rng(4)
W, B, V, C = RNG.normal(size=(3, 2)), RNG.normal(size=2), RNG.normal(size=(2, 1)), RNG.normal(size=1)
PAIRS = "expected a pair (W, b), as in [(W_1, b_1), (W_2, b_2), ...], got"
FLAT = "(of [W_1, b_1, W_2, b_2]: zip(arrays[::2], arrays[1::2]))"


class ReLU:
    """As torch's, a class or an object."""


BAD = {
    "a flat list": ([W, B, V, C], f"layer 1: {PAIRS} ndarray (3, 2) {FLAT}"),
    "one pair": ((W, B), f"layer 1: {PAIRS} ndarray (3, 2) {FLAT}"),
    "one array": (W, f"layer 1: {PAIRS} ndarray (2,) {FLAT}"),
    "a flat list of lists": ([W.tolist(), B.tolist()], f"layer 1: {PAIRS} list {FLAT}"),
    "two rows": ([[[1.0, 2.0], [3.0, 4.0]], [0.0, 0.0]], "layer 1: expected W (d_in, d_out) and b (d_out,), got (2,)"),
    "a dict a layer": ([{"W": W, "b": B}], f"layer 1: {PAIRS} dict"),
    "a number": (3, "arrays: expected [(W_1, b_1), (W_2, b_2), ...] or the dict of to_arrays, got int"),
    "nothing": (None, "or the dict of to_arrays, got NoneType"),
    "a network": (MLP.from_arrays([(W, B)]), "or the dict of to_arrays, got MLP"),
    "no layer": ([], "arrays: expected at least one (W, b), got none"),
    "rows of two lengths": ([([[1.0, 2.0], [3.0]], [0.0])], "layer 1: expected an array, got rows of different"),
    "masked": ([(np.ma.masked_equal(W, W[0, 0]), B)], "layer 1: expected an array without masked entries, got 1"),
    "as torch keeps it": ([(W.T, B)], "expected W (d_in, d_out) and b (d_out,), got (2, 3) and (2,): W is transposed"),
    "the second as torch keeps it": ([(W, B), (V.T, C)], "layer 2: expected W (2, d_out) and b (d_out,), got (1, 2)"),
    "words": ([(np.array([["a"]]), [0.0])], "layer 1: expected real numbers, got <U1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_network_is_named(name):
    arrays, sentence = BAD[name]
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the sentence is compared below, without escapes
        MLP.from_arrays(arrays)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_the_advice_for_a_flat_list_is_right():
    arrays = [W, B, V, C]
    net = MLP.from_arrays(zip(arrays[::2], arrays[1::2], strict=True))
    x = RNG.random((4, 3))
    np.testing.assert_allclose(net.logits(x), np.maximum(x @ W + B, 0) @ V + C, rtol=0, atol=1e-14)


@pytest.mark.parametrize("activation", [ReLU, ReLU()])
def test_an_activation_is_a_word(activation):
    for make in (lambda a: MLP.from_arrays([(W, B)], activation=a), lambda a: MLP.init([3, 2], activation=a)):
        with pytest.raises(ValueError, match=r'activation: expected one of relu, .*, got .*ReLU.*: say "relu"$'):
            make(activation)
        with pytest.raises(ValueError, match=r"expected one of relu, tanh, sigmoid, got 'ReLU'$"):
            make("ReLU")
        with pytest.raises(ValueError, match=r"got <ufunc 'tanh'>: say \"tanh\"$"):
            make(np.tanh)
        with pytest.raises(ValueError, match=r"got \['relu'\]$"):
            make(["relu"])
