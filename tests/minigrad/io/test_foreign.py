"""Networks of other libraries, against the libraries where they are installed, and duck-typed where they are not."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import networks

from minigrad import MLP

NO_TORCH = "torch is not installed: only duck-typed modules were converted"
NO_SKLEARN = "scikit-learn is not installed: only a duck-typed classifier was converted"
RNG = np.random.default_rng(2)
X = RNG.random((7, 5))


class Tensor:
    """As little of a tensor as is needed, so that nothing more is asked of one."""

    def __init__(self, v):
        v = v.v if isinstance(v, Tensor) else v
        self.v, self.ndim, self.shape, self.dtype = np.asarray(v), np.ndim(v), np.shape(v), np.asarray(v).dtype

    def __len__(self):
        return len(self.v)

    def detach(self):
        return self

    def double(self):
        return Tensor64(self.v)


class Tensor64(Tensor):
    def __init__(self, v):
        self.v = np.asarray(v, np.float64)

    def cpu(self):
        return self

    def numpy(self):
        return self.v


class Linear:
    def __init__(self, A, c):
        self.weight, self.bias = A if isinstance(A, Tensor) else Tensor(A), None if c is None else Tensor(c)


class Sequential:
    def __init__(self, *parts):
        self.parts = parts

    def named_children(self):
        return [(str(k), part) for k, part in enumerate(self.parts)]


def layer(name):
    return type(name, (), {})()


KIND = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def module_of(net):
    parts = []
    for k, dense in enumerate(net.dense):
        parts += [layer(KIND[net.activation])] if k else [layer("Flatten")]
        parts += [Linear(dense.W.T, dense.b), layer("Dropout")]
    return Sequential(*parts[:2], Sequential(*parts[2:-1]), layer("Identity"))


@given(networks())
def test_a_module_and_its_state_give_the_network_back(net):
    module = module_of(net)
    state = {}
    for k, dense in enumerate(net.dense):
        state |= {f"fc{k}.weight": Tensor(dense.W.T), f"fc{k}.bias": Tensor(dense.b)}
    expected = net.to_arrays()
    for found in (
        MLP.from_torch(module, threshold=net.threshold),
        MLP.from_torch(state, activation=net.activation, threshold=net.threshold),
    ):
        arrays = found.to_arrays()
        assert arrays.keys() == expected.keys()
        assert all(np.array_equal(arrays[name], expected[name]) for name in arrays)


@given(networks(hidden=st.integers(1, 2)))
def test_layers_without_an_activation_between_them_are_one(net):
    A, c = RNG.normal(size=(3, net.sizes[-1])), RNG.normal(size=3)
    longer = MLP.from_torch(Sequential(module_of(net), Linear(A, None), Linear(np.eye(3), c)))
    x = RNG.random((4, net.sizes[0]))
    assert longer.sizes == (*net.sizes[:-1], 3)
    np.testing.assert_allclose(longer.logits(x), net.logits(x) @ A.T + c, rtol=0, atol=1e-12)


class Unreadable(Tensor):
    def double(self):
        raise NotImplementedError("no numbers here")


def hooked(part):
    part._forward_hooks = {0: print}
    return part


def test_the_state_of_a_single_layer():
    net = MLP.from_torch({"weight": Tensor(np.arange(6.0).reshape(2, 3)), "bias": Tensor([1.0, 2.0])})
    assert np.array_equal(net.dense[0].W, np.arange(6.0).reshape(2, 3).T) and net.dense[0].b.tolist() == [1, 2]


A, C = np.eye(3, 5), np.zeros(3)
BAD = {
    "unknown": (Sequential(Linear(A, C), layer("GELU"), Linear(A, C)), r"got the layer 1 \(GELU\)$"),
    "unknown inside": (Sequential(Sequential(layer("BatchNorm1d")), Linear(A, C)), r"layer 0\.0 \(BatchNorm1d\)$"),
    "own class": (layer("Net"), r"a Sequential of Linear, ReLU, .* got the layer Net$"),
    "two kinds": (
        Sequential(Linear(A, C), layer("ReLU"), Linear(np.eye(3), C), layer("Tanh"), Linear(np.eye(3), C)),
        "one kind of activation, got relu, tanh$",
    ),
    "activation first": (Sequential(layer("ReLU"), Linear(A, C)), r"a Linear layer before 0 \(ReLU\)"),
    "activation twice": (
        Sequential(Linear(A, C), layer("ReLU"), layer("ReLU"), Linear(np.eye(3), C)), r"before 2 \(ReLU\)"
    ),
    "activation last": (Sequential(Linear(A, C), layer("Sigmoid")), r"at the end, .* got 1 \(Sigmoid\)$"),
    "nothing": (Sequential(), "at the end, .* got nothing$"),
    "shapes": (Sequential(Linear(A, C), layer("ReLU"), Linear(A, C)), r"layer 2: expected W \(3, d_out\)"),
    "shapes of two in one": (Sequential(Linear(A, C), Linear(A, C)), r"1 \(Linear\): expected 3 inputs, .* got 5"),
    "a convolution's state": ({"0.weight": Tensor(np.zeros((2, 1, 3, 3)))}, "Linear layers, got 0.weight$"),
    "a running mean": (
        {"0.weight": Tensor(A), "0.bias": Tensor(C), "1.running_mean": Tensor(C)}, "Linear layers, got 1.running_mean$"
    ),
    "an empty state": ({}, "Linear layers, got nothing$"),
    "a hook": (Sequential(hooked(Linear(A, C))), "layers without hooks, got _forward_hooks on 0$"),
    "complex": (Linear(A + 1j, C), "expected real weights, got complex128$"),
    "without numbers": (Linear(Unreadable(A), C), "expected weights that can be read, got no numbers here$"),
    "a state alone": (
        {"0.weight": Tensor(A), "2.weight": Tensor(np.eye(3))}, "a state dict does not name it, expected one of relu"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_unknown_is_named(name):
    source, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence):
        MLP.from_torch(source)


def test_an_activation_that_the_module_does_not_have():
    module = Sequential(Linear(A, C), layer("ReLU"), Linear(np.eye(3), C))
    with pytest.raises(ValueError, match="the module says relu, got 'tanh'"):
        MLP.from_torch(module, activation="tanh")
    with pytest.raises(ValueError, match="activation: expected one of relu, tanh, sigmoid, got 'gelu'"):
        MLP.from_torch({"0.weight": Tensor(A), "1.weight": Tensor(np.eye(3))}, activation="gelu")


class Classifier:
    """What a fitted MLPClassifier has."""

    def __init__(self, sizes, classes, activation="relu"):
        self.coefs_ = [RNG.normal(size=shape) for shape in pairwise(sizes)]
        self.intercepts_ = [RNG.normal(size=size) for size in sizes[1:]]
        self.activation, self.classes_ = activation, np.arange(classes)
        self.out_activation_ = "softmax" if classes > 2 else "logistic"


def test_the_identity_makes_one_layer():
    classifier = Classifier([5, 4, 3, 1], 2, "identity")
    net = MLP.from_sklearn(classifier)
    expected = X
    for W, b in zip(classifier.coefs_, classifier.intercepts_, strict=True):
        expected = expected @ W + b
    assert net.sizes == (5, 1)
    np.testing.assert_allclose(net.logits(X), expected, rtol=0, atol=1e-12)


def test_foreign_classifiers_are_refused():
    with pytest.raises(ValueError, match="a fitted MLPClassifier, got dict without coefs_, intercepts_"):
        MLP.from_sklearn({})
    with pytest.raises(ValueError, match="expected one class per image, got 2 labels per image"):
        MLP.from_sklearn(Classifier([5, 2], 2))
    with pytest.raises(ValueError, match=r"expected an activation among relu, .* got 'swish'"):
        MLP.from_sklearn(Classifier([5, 1], 2, "swish"))


@pytest.mark.parametrize("kind", ["ReLU", "Tanh", "Sigmoid"])
def test_torch(kind):
    torch = pytest.importorskip("torch", reason=NO_TORCH)
    torch.manual_seed(0)
    nn = torch.nn
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 32), getattr(nn, kind)(), nn.Dropout(), nn.Sequential(nn.Linear(32, 16)),
        getattr(nn, kind)(), nn.Linear(16, 10, bias=False),
    ).eval()  # fmt: skip
    x = RNG.random((50, 784))
    with torch.no_grad():
        original = module(torch.tensor(x, dtype=torch.float32).reshape(50, 28, 28)).numpy()
    for net in (MLP.from_torch(module), MLP.from_torch(module.state_dict(), activation=kind.lower())):
        assert np.abs(net.logits(x) - original).max() < 1e-6


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("classes", [2, 4])
def test_sklearn(activation, classes):
    neural = pytest.importorskip("sklearn.neural_network", reason=NO_SKLEARN)
    x, y = RNG.random((200, 5)), RNG.integers(0, classes, 200)
    names = np.array(["ant", "bee", "cat", "dog"])
    with np.errstate(all="ignore"):
        fitted = neural.MLPClassifier((8, 6), activation=activation, max_iter=5, random_state=0, tol=0)
        fitted.n_iter_no_change = 10**6
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that five epochs are few
            fitted.fit(x, names[y])
        share = fitted.predict_proba(x)
    N = MLP.from_sklearn(fitted).logits(x)
    original = np.log(share[:, 1:] / share[:, :1]) if classes == 2 else np.log(share)
    ours = N if classes == 2 else N - np.log(np.exp(N).sum(axis=1, keepdims=True))
    assert np.abs(ours - original).max() < 1e-6
    assert np.array_equal(fitted.predict(x), fitted.classes_[MLP.from_sklearn(fitted).predict(x)])
