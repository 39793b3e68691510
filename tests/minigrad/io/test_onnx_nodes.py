"""What each node of an ONNX graph does, against NumPy; and what no perceptron has, by its name."""

import numpy as np
import pytest
from onnx_graphs import ARRAYS, RNG, graph_bytes

import minigrad.io.onnx_nodes
from minigrad import MLP
from minigrad.io.onnx import OnnxGraph

onnx = pytest.importorskip("onnx", reason="onnx is not installed: none of its files was read")
W, B, V, C, S, T, H = ARRAYS.values()
X = RNG.normal(size=(9, 6))


def relu(z):
    return np.maximum(z, 0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def single(array):
    return np.asarray(array, np.float32)


COLUMN = {"inputs": "double[6, 1] x"}
GRAPHS = {  # nodes, the logits of rows x, letters beside W, B, V, C, S, T, H, other options
    "Gemm": ("y = Gemm(x, W, B)", lambda x: x @ W + B),
    "Gemm without a bias": ("y = Gemm(x, W)", lambda x: x @ W),
    "Gemm transposed": ("y = Gemm<transB=1>(x, U, B)", lambda x: x @ W + B, {"U": W.T}),
    "Gemm with factors": (
        "y = Gemm<alpha=0.3, beta=-2.5>(x, W, B)",
        lambda x: np.float64(np.float32(0.3)) * (x @ W) - 2.5 * B,
    ),
    "Gemm, one bias for all": ("y = Gemm(x, W, c)", lambda x: x @ W + 0.25, {"c": [0.25]}),
    "Gemm, a bias that is a number": ("y = Gemm(x, W, c)", lambda x: x @ W + 0.25, {"c": 0.25}),
    "Gemm, a bias that is a row": ("y = Gemm(x, W, c)", lambda x: x @ W + B, {"c": B[None]}),
    "Gemm of a column": ("y = Gemm<transA=1>(x, W, B)", lambda x: x @ W + B, {}, COLUMN),
    "Gemm, weights left": ("y = Gemm(U, x, c)", lambda x: x @ W + B, {"U": W.T, "c": B[:, None]}, COLUMN),
    "Gemm, weights left, all transposed": (
        "y = Gemm<transA=1, transB=1>(W, x, c)",
        lambda x: x @ W + B,
        {"c": B[:, None]},
    ),
    "Gemm after Gemm": ("z = Gemm(x, W, B)  y = Gemm(z, V, C)", lambda x: (x @ W + B) @ V + C),
    "MatMul": ("y = MatMul(x, W)", lambda x: x @ W),
    "MatMul and Add": ("m = MatMul(x, W)  y = Add(m, B)", lambda x: x @ W + B),
    "Add, the other way round": ("m = MatMul(x, W)  y = Add(B, m)", lambda x: x @ W + B),
    "MatMul of one axis": ("m = MatMul(x, W)  y = Add(m, B)", lambda x: x @ W + B, {}, {"inputs": "double[6] x"}),
    "MatMul of three axes": ("y = MatMul(x, W)", lambda x: x @ W, {}, {"inputs": "double[1, 1, 6] x"}),
    "MatMul, weights left of one axis": (
        "m = MatMul(U, x)  y = Add(m, B)",
        lambda x: x @ W + B,
        {"U": W.T},
        {"inputs": "double[6] x"},
    ),
    "MatMul, weights left of a column": (
        "m = MatMul(U, x)  y = Add(m, c)",
        lambda x: x @ W + B,
        {"U": W.T, "c": B[:, None]},
        {"inputs": "double[1, 6, 1] x"},
    ),
    "Relu": ("z = Gemm(x, W, B)  a = Relu(z)  y = Gemm(a, V, C)", lambda x: relu(x @ W + B) @ V + C),
    "Tanh": ("z = Gemm(x, W, B)  a = Tanh(z)  y = Gemm(a, V, C)", lambda x: np.tanh(x @ W + B) @ V + C),
    "Sigmoid": ("z = Gemm(x, W, B)  a = Sigmoid(z)  y = Gemm(a, V, C)", lambda x: sigmoid(x @ W + B) @ V + C),
    "the usual scaling": ("s = Sub(x, S)  t = Div(s, T)  y = Gemm(t, W, B)", lambda x: ((x - S) / T) @ W + B),
    "scaling by numbers": (
        "s = Sub(x, mean)  t = Div(s, std)  f = Flatten(t)  y = Gemm(f, W, B)",
        lambda x: ((x - 0.1307) / 0.3081) @ W + B,
        {"mean": 0.1307, "std": np.full((1, 1, 1, 1), 0.3081)},
        {"inputs": "double[n, 1, 2, 3] x"},
    ),
    "a constant minus the value": ("s = Sub(S, x)  y = Gemm(s, W, B)", lambda x: (S - x) @ W + B),
    "factors, either way round": ("s = Mul(T, x)  t = Mul(s, S)  y = Gemm(t, W)", lambda x: (T * x * S) @ W),
    "scaling behind weights": (
        "z = Gemm(x, W, B)  u = Mul(z, H)  v = Sub(B, u)  a = Relu(v)  y = Gemm(a, V, C)",
        lambda x: relu(B - H * (x @ W + B)) @ V + C,
    ),
    "scaling behind an activation": (
        "z = Gemm(x, W, B)  a = Relu(z)  u = Div(a, H)  v = Add(u, B)  y = Gemm(v, V, C)",
        lambda x: (relu(x @ W + B) / H + B) @ V + C,
    ),
    "scaling at the end": ("z = Gemm(x, W, B)  y = Div(z, H)", lambda x: (x @ W + B) / H),
    "Flatten": (
        "f = Flatten(x)  z = Gemm(f, W, B)  y = Flatten<axis=-1>(z)",
        lambda x: x @ W + B,
        {},
        {"inputs": "double[n, 2, 1, 3] x"},
    ),
    "Flatten in front of all axes": (
        "f = Flatten<axis=0>(x)  y = Gemm(f, W, B)",
        lambda x: x @ W + B,
        {},
        {"inputs": "double[1, 2, 3] x"},
    ),
    "Reshape": (
        "f = Reshape(x, shape)  y = Gemm(f, W, B)",
        lambda x: x @ W + B,
        {"shape": np.array([0, -1])},
        {"inputs": "double[n, 2, 3] x"},
    ),
    "Reshape to a column": (
        "f = Reshape(x, shape)  y = Gemm<transA=1>(f, W, B)",
        lambda x: x @ W + B,
        {"shape": np.array([6, 1])},
    ),
    "Reshape by a Constant": (
        "s = Constant<value_ints=[1, 6]>()  f = Reshape<allowzero=1>(x, s)  y = Gemm(f, W)",
        lambda x: x @ W,
        {},
        {"inputs": "double[1, 3, 2] x", "opset": 14},
    ),
    "Identity and Dropout": (
        "i = Identity(x)  z = Gemm(i, W, B)  d, mask = Dropout(z, r)  a = Relu(d)  e = Gemm(a, V)  y = Identity(e)",
        lambda x: relu(x @ W + B) @ V,
        {"r": np.float32(0.5)},
    ),
    "Constants, one from the other": (
        "t = Transpose<perm=[1, 0]>(U)  i = Identity(t)  b = Constant<value = double {0.5}>()  y = Gemm(x, i, b)",
        lambda x: x @ W + 0.5,
        {"U": W.T},
    ),
    "Constants that are numbers": (
        "s = Constant<value_float=0.1>()  u = Sub(x, s)  t = Constant<value_floats=[2.0, 2.0, 2.0, 2.0, 2.0, 4.0]>()"
        "v = Mul(u, t)  y = Gemm(v, w)",
        lambda x: ((x - np.float64(single(0.1))) * [2, 2, 2, 2, 2, 4]) @ single(W).astype(float),
        {"w": single(W)},
        {"inputs": "float[n, 6] x"},
    ),
    "single precision": (
        "y = Gemm(x, w, b)",
        lambda x: x @ single(W).astype(float) + single(B),
        {"w": single(W), "b": single(B)},
        {"inputs": "float[n, 6] x"},
    ),
    "half precision, then cast": (
        "c = Cast<to=1>(w)  y = Gemm(x, c)",
        lambda x: x @ W.astype(np.float16).astype(float),
        {"w": W.astype(np.float16)},
        {"inputs": "float[n, 6] x"},
    ),
    "weights that are also inputs": (
        "y = Gemm(x, W, B)",
        lambda x: x @ W + B,
        {},
        {"inputs": "double[n, 6] x, double[6, 4] W, double[4] B"},
    ),
    "an old opset": (
        "z = Gemm(x, W, B)  a = Relu(z)  y = Gemm(a, V, C)",
        lambda x: relu(x @ W + B) @ V + C,
        {},
        {"opset": 9},
    ),
}


@pytest.fixture
def write(tmp_path):
    def write(*arguments, **options):
        (tmp_path / "net.onnx").write_bytes(graph_bytes(*arguments, **options))
        return tmp_path / "net.onnx"

    return write


@pytest.mark.parametrize("name", GRAPHS)
def test_every_node(write, name):
    text, function, arrays, options = (*GRAPHS[name], {}, {})[:4]
    net = MLP.from_onnx(write(text, arrays, **options))
    assert net.sizes[0] == 6 and len(net.dense) == 1 + sum(text.count(kind) for kind in ("Relu", "Tanh", "Sigmoid"))
    np.testing.assert_allclose(net.logits(X), function(X), rtol=1e-12, atol=1e-12)


def test_matmul_and_add_keep_the_bits(write):
    net = MLP.from_onnx(write("z = MatMul(x, W)  u = Add(z, B)  y = Identity(u)"))
    assert net.dense[0].W.tobytes() == W.tobytes() and net.dense[0].b.tobytes() == B.tobytes()


# ---------------------------------------------------------------------- what is refused

Z = "z = Gemm(x, W, B)  "
BAD = {
    "Softmax, flattened": (
        f"{Z} s = Softmax(z)  y = Flatten(s)",
        r"got s \(Softmax\) behind them: drop the last layer",
    ),
    "Softmax inside": (f"{Z} s = Softmax(z)  y = Gemm(s, V)", r"s \(Softmax\): expected one of Gemm, .* got Softmax$"),
    "another operator": ("e = Exp(x)  y = Gemm(e, W)", r"e \(Exp\): expected one of Gemm, MatMul, .* got Exp$"),
    "somebody's operator": ("e = ours.Relu(x)  y = Gemm(e, W)", r"an operator of ONNX itself, got one of ours$"),
    "Relu first": ("a = Relu(x)  y = Gemm(a, W)", r"expected weights before .*a \(Relu\), got nothing there$"),
    "Relu twice": (f"{Z} a = Relu(z)  o = Relu(a)  y = Gemm(o, V)", r"expected weights before .*o \(Relu\)"),
    "two kinds": (
        f"{Z} a = Relu(z)  u = Gemm(a, V)  t = Tanh(u)  y = Gemm(t, Q)",
        r"expected one kind of activation, got relu and, at .*, tanh$",
    ),
    "no weights": ("y = Add(x, S)", r"expected weights at the end, .* got .*y \(Add\)$"),
    "nothing behind an activation": (f"{Z} a = Relu(z)  y = Mul(a, H)", "expected weights at the end"),
    "a residual": (
        f"{Z} a = Relu(z)  u = Add(a, z)  y = Gemm(u, V)",
        r"in which 'z' goes to one node, got a \(Relu\), u \(Add\)$",
    ),
    "twice the value": ("u = Add(x, x)  y = Gemm(u, W)", r"goes to one node, got u \(Add\), u \(Add\)$"),
    "a branch": (f"{Z} unused = Relu(z)  y = Gemm(z, V)", "in which 'z' goes to one node"),
    "a node beside it": ("y = Gemm(x, W)  o = Exp(S)", r"expected a chain of nodes, got o \(Exp\) beside it$"),
    "used behind the end": ("y = Gemm(x, W)  more = Gemm(y, V)", "in which 'more' goes to one node, got nothing$"),
    "what another node makes": (
        f"{Z} d, mask = Dropout(z)  u = Add(d, mask)  y = Gemm(u, V)",
        r"u \(Add\): expected a constant as input 1, got 'mask', which is none$",
    ),
    "no output": (f"{Z} y = Gemm(z, empty)", "expected finite weights, got others or none in layer 1$"),
    "a constant over the value": (
        "u = Div(S, x)  y = Gemm(u, W)",
        "by a constant, got a constant divided by the value$",
    ),
    "division by 0": ("u = Div(x, zero)  y = Gemm(u, W)", "expected finite weights"),
    "a constant that makes many of one": (
        "f = Reshape(x, r)  u = Add(f, S)  y = MatMul(u, W)",
        "a constant that broadcasts",
    ),
    "a constant of another size": ("u = Add(x, C)  y = MatMul(u, W)", r"broadcasts to \(1, 6\), got shape \(3,\)$"),
    "weights of three axes": ("y = MatMul(x, cube)", r"a matrix of weights, got shape \(1, 6, 4\)$"),
    "weights of another size": ("y = Gemm(x, V)", r"one image, of shape \(1, 4\), got shape \(1, 6\)$"),
    "weights of another size, left": ("y = MatMul(V, x)", r"one image, of shape \(3, 1\), got shape \(1, 6\)$"),
    "a bias of another size": ("y = Gemm(x, W, C)", r"a bias that broadcasts to \(1, 4\), got shape \(3,\)$"),
    "a bias of several rows": ("y = Gemm(x, W, rows)", r"a bias that broadcasts to \(1, 4\), got shape \(2, 4\)$"),
    "the value as the bias": ("y = Gemm(row, square, x)", "expected constant weights, got a product of two constants$"),
    "a shape of another size": ("f = Reshape(x, five)  y = Gemm(f, W)", r"a shape of 6 entries, got \[1, 5\]$"),
    "an axis too many": ("f = Flatten<axis=3>(x)  y = Gemm(f, W)", "an axis among the 2 of the value, got 3$"),
    "complex weights": ("y = MatMul(x, complex)", r"expected real weights, got complex128$"),
}
MORE = {
    "zero": 0.0, "r": np.array([6, 1]), "cube": W[None], "rows": np.ones((2, 4)), "five": np.array([1, 5]),
    "Q": np.eye(3), "row": S[None], "square": RNG.normal(size=(6, 6)), "complex": 1j * W,
    "empty": np.ones((4, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_perceptron_is_named(write, name):
    text, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        MLP.from_onnx(write(text, MORE))
    assert str(caught.value).isprintable() and "net.onnx" in str(caught.value)


@pytest.mark.parametrize("kind", ["Relu", "Tanh", "Sigmoid", "Softmax", "LogSoftmax"])
def test_what_is_behind_the_logits_is_cut_off_as_the_message_says(write, kind, tmp_path, monkeypatch):
    path = write(f"{Z} y = {kind}(z)")
    sentence = rf"got y \({kind}\) behind them: drop the last layer, as in (onnx\.utils\.extract_model\(.*\]\)) \("
    with pytest.raises(ValueError, match=sentence) as caught:
        MLP.from_onnx(path)
    advice = str(caught.value).split("as in ")[1].split(" (")[0]
    monkeypatch.chdir(tmp_path)
    eval(advice, {"onnx": onnx})
    assert np.array_equal(MLP.from_onnx("logits.onnx").dense[0].W, W)


# ---------------------------------------------------------------------- what is read wrongly


def test_a_graph_that_is_read_wrongly_is_noticed(write, monkeypatch):
    path = write(f"{Z} a = Relu(z)  y = Gemm<alpha=2.0>(a, V, C)")
    assert MLP.from_onnx(path).activation == "relu"
    with monkeypatch.context() as patch:
        patch.setitem(minigrad.io.onnx_nodes.ACTIVATIONS, "Relu", "tanh")
        with pytest.raises(ValueError, match=r"net\.onnx: expected the logits that its layers give"):
            MLP.from_onnx(path)
    arrays = OnnxGraph.arrays

    def without_alpha(graph):
        (first, (second, bias)), kind = arrays(graph)
        return [first, (second / 2, bias)], kind

    monkeypatch.setattr(OnnxGraph, "arrays", without_alpha)
    with pytest.raises(ValueError, match=r"net\.onnx: expected the logits that its layers give"):
        MLP.from_onnx(path)


def test_dropout_that_is_in_training_is_noticed(write):
    path = write(f"{Z} d = Dropout(z, r, t)  y = Gemm(d, V)", {"r": np.float32(0.5), "t": np.array(True)})
    with pytest.raises(ValueError, match="expected the logits that its layers give"):
        MLP.from_onnx(path)


def test_a_graph_that_cannot_be_evaluated(write, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("not\ntoday")

    path = write("y = Gemm(x, W, B)")
    monkeypatch.setattr(onnx.reference.ReferenceEvaluator, "run", broken)
    with pytest.raises(ValueError, match=r"net\.onnx: expected a graph that can be evaluated, got not today$"):
        MLP.from_onnx(path)
