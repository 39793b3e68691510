"""Affine maps and activations made layers; what is no chain of layers is refused."""

import subprocess
import sys

import numpy as np
import pytest
from paths import ROOT

from minigrad import MLP
from minigrad.io.chain import Chain

RNG = np.random.default_rng(3)
V, C, W, B = RNG.normal(size=(4, 3)), RNG.normal(size=3), RNG.normal(size=(3, 2)), RNG.normal(size=2)
S, T, P, Q = (RNG.normal(size=n) for n in (4, 4, 3, 3))


def test_scales_and_weights_between_two_activations_are_one_layer():
    chain, x = Chain("net"), RNG.normal(size=(6, 4))
    chain.scaled("a", S, T)
    chain.scaled("b", 2.0, -1.0)
    chain.dense("c", V, C)
    chain.scaled("d", P, Q)
    chain.activated("e", "tanh")
    chain.scaled("f", Q, P)
    chain.dense("g", W, B)
    chain.dense("h", W.T, Q)
    pairs, kind = chain.finished()
    net = MLP.from_arrays(pairs, activation=kind)
    z = np.tanh(((2 * (S * x + T) - 1) @ V + C) * P + Q)
    assert net.sizes == (4, 3, 3)
    np.testing.assert_allclose(net.logits(x), ((Q * z + P) @ W + B) @ W.T + Q, rtol=1e-12, atol=1e-12)


def test_weights_that_nothing_scales_keep_their_bits():
    chain, zero = Chain("net"), np.array([-0.0, 1e-320, 3.0])
    chain.dense("a", V, zero)
    ((found, shift),), kind = chain.finished()
    assert found is V and shift is zero and kind == "relu"


def test_what_is_no_chain_of_layers():
    chain = Chain("net")
    with pytest.raises(ValueError, match=r"^net: expected weights at the end, .* got nothing$"):
        chain.finished()
    chain.scaled("the shift", 1.0, 2.0)
    with pytest.raises(ValueError, match=r"^net: expected weights before the ReLU, got the shift there$"):
        chain.activated("the ReLU", "relu")
    chain.dense("first", V, C)
    with pytest.raises(ValueError, match=r"^net: second: expected 3 inputs, .* got 4$"):
        chain.dense("second", V, C)
    chain.activated("the ReLU", "relu")
    with pytest.raises(ValueError, match=r"^net: expected weights at the end, .* got the ReLU$"):
        chain.finished()
    chain.dense("third", W, B)
    with pytest.raises(ValueError, match=r"^net: expected one kind of activation, got relu and, at the tanh, tanh$"):
        chain.activated("the tanh", "tanh")


@pytest.mark.parametrize("call", ["MLP.from_onnx('setup.cfg')", "MLP.init([2, 1], rng=0).to_onnx('never.onnx')"])
def test_without_the_package_onnx_one_sentence_says_so(call):
    code = f"import sys; sys.modules['onnx'] = None; from minigrad import MLP; {call}"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    last = run.stderr.strip().splitlines()[-1]
    assert run.returncode and last.startswith("ImportError: onnx: expected the package onnx, to read")
    assert last.endswith("(pip install onnx)") and not (ROOT / "never.onnx").exists()
