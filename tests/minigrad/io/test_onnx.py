"""Networks in ONNX files: there and back, and files that are cut, damaged or of something else.

What each node does is in test_onnx_nodes.py; what is said where the package is missing, in test_chain.py.
"""

from dataclasses import replace

import numpy as np
import pytest
from damage import OFTEN, Outcomes, damaged
from hypothesis import given
from onnx_graphs import ARRAYS, RNG, graph_bytes
from strategies import networks

import minigrad.io.onnx_write
from minigrad import MLP
from minigrad.layers import Dense, ReLU, Tanh

onnx = pytest.importorskip("onnx", reason="onnx is not installed: none of its files was read or written")


@given(networks())
def test_what_was_written_comes_back_bit_for_bit(tmp_path_factory, net):
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    replace(net, threshold=0.0).to_onnx(path)
    assert_same(MLP.from_onnx(path, threshold=net.threshold), net)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_bits_of_every_kind_come_back(tmp_path, activation):
    net = MLP.init([7, 5, 6, 3], activation=activation, rng=1)
    pairs = [(layer.W, np.resize([-0.0, 1e-320, -1e-300, 0.1, 3.0], layer.b.shape)) for layer in net.dense]
    net = MLP.from_arrays(pairs, activation=activation)
    net.to_onnx(tmp_path / "net.onnx")
    assert_same(MLP.from_onnx(tmp_path / "net.onnx"), net)


def assert_same(found, net):
    ours, theirs = found.to_arrays(), net.to_arrays()
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_onnx_accepts_what_was_written_and_evaluates_whole_batches(tmp_path):
    net, x = MLP.init([6, 5, 4, 3], activation="tanh", rng=2), RNG.normal(size=(9, 6))
    net.to_onnx(tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    net.to_onnx(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == content
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    (N,) = onnx.reference.ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(N, net.logits(x), rtol=0, atol=1e-12)


def test_what_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    net = MLP.init([3, 2, 1], rng=0)
    path = tmp_path / "net.onnx"
    with pytest.raises(ValueError, match=r"expected 0, as ONNX .* got 0\.5: .* from_onnx\(path, threshold=\.\.\.\)$"):
        replace(net, threshold=0.5).to_onnx(path)
    with pytest.raises(FileNotFoundError, match="a folder that exists"):
        net.to_onnx(tmp_path / "none" / "net.onnx")
    first, second = Dense(np.eye(2), np.ones(2)), Dense(np.eye(2), np.zeros(2))
    with pytest.raises(ValueError, match="expected Dense layers with one of"):
        MLP((first, ReLU(), second, Tanh(), first)).to_onnx(path)
    monkeypatch.setattr(minigrad.io.onnx_write, "LARGEST", 80)
    with pytest.raises(ValueError, match=r"at most 2 GiB, .* got MLP"):
        net.to_onnx(path)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------- files of something else


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"inputs": "double[n, d] x"}, r"an input of known shape, .* got n, d$"),
        ({"inputs": "double[n, 1000000000000] x"}, r"for which there are weights, got n, 1000000000000$"),
        ({"inputs": "double[4, 6] x"}, r"one image, of shape \(1, 6\), got shape \(4, 6\)$"),
        ({"inputs": "double[n, 6] x, double[1] w"}, "one input and one output, got 2 and 1$"),
        ({"outputs": "double[n, k] y, double[n, 6] x"}, "one input and one output, got 1 and 2$"),
        ({"inputs": "double x"}, r"one image, of shape \(6,\), got shape \(\)$"),
    ],
)
def test_other_inputs_and_outputs(tmp_path, options, sentence):
    path = tmp_path / "net.onnx"
    path.write_bytes(graph_bytes("y = MatMul(x, W)", **options))
    with pytest.raises(ValueError, match=sentence):
        MLP.from_onnx(path)


def test_weights_in_a_file_beside_it(tmp_path):
    big, path, data = RNG.normal(size=(6, 400)), tmp_path / "net.onnx", tmp_path / "net.data"
    model = onnx.load_model_from_string(graph_bytes("y = Gemm(x, big)", {"big": big}))
    onnx.save_model(model, path, save_as_external_data=True, location=data.name, size_threshold=0)
    assert np.array_equal(MLP.from_onnx(path).dense[0].W, big)
    outcomes = Outcomes()
    data.write_bytes(data.read_bytes()[:-8])
    outcomes.read(path.name, MLP.from_onnx, path)
    data.unlink()
    outcomes.read(path.name, MLP.from_onnx, path)
    assert outcomes.refused == 2


def test_sparse_weights_may_be_of_any_size(tmp_path):
    model = onnx.load_model_from_string(graph_bytes("y = MatMul(x, W)"))
    del model.graph.initializer[:]
    values, indices = (onnx.numpy_helper.from_array(part, "W") for part in (np.ones(1), np.zeros(1, np.int64)))
    model.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, indices, [10**7, 10**7]))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"expected an ONNX model, got something else \(sparse weights\)$"):
        MLP.from_onnx(tmp_path / "net.onnx")


def test_every_beginning_of_a_file_is_refused(tmp_path):
    path, outcomes = tmp_path / "net.onnx", Outcomes()
    MLP.init([2, 2, 1], rng=0).to_onnx(path)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert outcomes.read(path.name, MLP.from_onnx, path) is None, end


def test_damaged_files_are_refused_or_other_networks(tmp_path_factory):
    path, outcomes = tmp_path_factory.mktemp("onnx") / "net.onnx", Outcomes()
    front = "s = Constant<value_float=0.5>()  c = Cast<to=11>(s)  u = Sub(x, c)  z = Gemm(u, W)  a = Relu(z)"
    content = graph_bytes(f"{front}  f = Flatten(a)  y = Gemm(f, V, C)")
    other = graph_bytes(f"{front}  f = Reshape(a, r)  y = MatMul(f, V)", {"r": np.array([0, -1])})

    @OFTEN
    @given(damaged(content, other))
    def check(content):
        path.write_bytes(content)
        net = outcomes.read(path.name, MLP.from_onnx, path)
        assert net is None or isinstance(net, MLP)

    path.write_bytes(content)
    assert np.array_equal(MLP.from_onnx(path).dense[1].b, ARRAYS["C"])
    check()
    assert outcomes.refused > 50
