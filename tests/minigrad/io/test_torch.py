"""Modules of torch, against torch where it is installed, and against a small double of it everywhere."""

import copy
import random

import numpy as np
import pytest
import torch_double as double
from hypothesis import given
from hypothesis import strategies as st
from strategies import networks
from torch_double import KIND, BatchNorm1d, Dropout, Flatten, Identity, Linear, Module, Sequential, Tensor

from minigrad import MLP

NO_TORCH = "torch is not installed: only a double of it was converted"
RNG = np.random.default_rng(2)
X = RNG.random((7, 5))
ReLU, Tanh, Sigmoid, Softmax = double.ReLU, double.Tanh, double.Sigmoid, double.Softmax


def converted(source, **options):
    with double.loaded():
        return MLP.from_torch(source, **options)


def module_of(net):
    parts = []
    for k, dense in enumerate(net.dense):
        parts += [KIND[net.activation]()] if k else [Flatten()]
        parts += [Linear(dense.W.T, dense.b), Dropout()]
    return Sequential(*parts[:2], Sequential(*parts[2:-1]), Identity())


@given(networks())
def test_a_module_and_its_state_give_the_network_back(net):
    state = {}
    for k, dense in enumerate(net.dense):
        state |= {f"fc{k}.weight": Tensor(dense.W.T), f"fc{k}.bias": Tensor(dense.b)}
    expected = net.to_arrays()
    for found in (
        converted(module_of(net), threshold=net.threshold),
        MLP.from_torch(state, activation=net.activation, threshold=net.threshold),
    ):
        arrays = found.to_arrays()
        assert arrays.keys() == expected.keys()
        assert all(np.array_equal(arrays[name], expected[name]) for name in arrays)


@given(networks(hidden=st.integers(1, 2)))
def test_layers_without_an_activation_between_them_are_one(net):
    A, c = RNG.normal(size=(3, net.sizes[-1])), RNG.normal(size=3)
    longer = converted(Sequential(module_of(net), Linear(A), Linear(np.eye(3), c)))
    x = RNG.random((4, net.sizes[0]))
    assert longer.sizes == (*net.sizes[:-1], 3)
    np.testing.assert_allclose(longer.logits(x), net.logits(x) @ A.T + c, rtol=0, atol=1e-12)


# ---------------------------------------------------------------------- what is called twice


def twice():
    """One object at two places: an activation, a block, a layer."""
    a, block = ReLU(), Sequential(linear(5, 5), ReLU())
    tied = linear(5, 5)
    return {
        "one ReLU": (Sequential(linear(5, 5), a, linear(5, 5), a, linear(5, 2)), (5, 5, 5, 2)),
        "a block": (Sequential(block, block, linear(5, 2)), (5, 5, 5, 2)),
        "a tied layer": (Sequential(tied, Tanh(), tied, Tanh(), linear(5, 2)), (5, 5, 5, 2)),
        "a tied layer without an activation": (Sequential(tied, tied), (5, 5)),
        "one Dropout": (Sequential(d := Dropout(), linear(5, 5), ReLU(), d, linear(5, 2), d), (5, 5, 2)),
        "a block in itself": (Sequential(Sequential(block, block), block, linear(5, 2)), (5, 5, 5, 5, 2)),
    }


def linear(d, m):
    return Linear(RNG.normal(size=(m, d)), RNG.normal(size=m))


@pytest.mark.parametrize("name", twice())
def test_layers_are_read_as_they_are_called(name):
    module, sizes = twice()[name]
    net = converted(module)
    assert net.sizes == sizes
    np.testing.assert_allclose(net.logits(X), module.eval().forward(X), rtol=0, atol=1e-9)


@pytest.mark.parametrize("place", ["behind a Linear", "first", "behind an activation", "last", "plain"])
def test_batch_normalisation_is_folded_in(place):
    def norm(d, plain=False):
        extra = () if plain else (RNG.normal(size=d), RNG.normal(size=d))
        return BatchNorm1d(RNG.normal(size=d), RNG.random(d), *extra)

    parts, sizes = {
        "behind a Linear": ([linear(5, 4), norm(4), ReLU(), linear(4, 2)], (5, 4, 2)),
        "first": ([norm(5), linear(5, 4), ReLU(), linear(4, 2)], (5, 4, 2)),
        "behind an activation": ([linear(5, 4), ReLU(), norm(4), linear(4, 2)], (5, 4, 2)),
        "last": ([linear(5, 4), ReLU(), linear(4, 2), norm(2)], (5, 4, 2)),
        "plain": ([linear(5, 4), norm(4, plain=True), Tanh(), linear(4, 2)], (5, 4, 2)),
    }[place]
    module = Sequential(*parts)
    net = converted(module)
    assert net.sizes == sizes and module.training
    np.testing.assert_allclose(net.logits(X), module.eval().forward(X), rtol=0, atol=1e-9)


# ---------------------------------------------------------------------- what is refused


class Unreadable(Tensor):
    def double(self):
        raise NotImplementedError("no numbers here")


class Sparse(Tensor):
    def double(self):
        raise TypeError("can't convert Sparse layout tensor to numpy")


def changed(part, **attributes):
    vars(part).update(attributes)
    return part


Adapter = type("Linear", (Linear,), {})  # as LoRA and quantised networks name theirs
Box = type("Sequential", (Sequential,), {"forward": lambda self, x: -super(Box, self).forward(x)})
Residual = type("Net", (Module,), {})
Alone = type("Alone", (), {})
DataParallel = type("DataParallel", (Module,), {})
GELU = type("GELU", (Module,), {"__module__": "torch.nn.modules.activation"})
A, C = np.eye(3, 5), np.zeros(3)
BAD = {
    "unknown": (Sequential(Linear(A, C), GELU(), Linear(A, C)), r"got the layer 1: GELU \(it can be attacked"),
    "unknown inside": (Sequential(Sequential(GELU()), Linear(A, C)), r"the layer 0\.0: GELU"),
    "own class": (Residual(), "got Net, a module of your own: make a Sequential .* net.rescaled.* minigrad.from_vjp$"),
    "own class inside": (Sequential(Linear(A, C), Residual()), "got the layer 1: Net, a module of your own"),
    "a class of the same name": (Sequential(Adapter(A, C)), "the layer 0: Linear of .*, which is not torch's own"),
    "a Sequential of the same name": (Box(Linear(A, C)), "got Sequential of .*, which is not torch's own"),
    "a wrapper": (DataParallel(), "got DataParallel: pass its .module$"),
    "a list": ([Linear(A, C)], r"got list, .*: torch.nn.Sequential\(\*layers\) does$"),
    "a path": ("net.pt", "got 'net.pt': torch.load it first$"),
    "nothing known": (Alone(), r"or its state_dict\(\), got Alone$"),
    "two kinds": (
        Sequential(Linear(A, C), ReLU(), Linear(np.eye(3), C), Tanh(), Linear(np.eye(3), C)),
        "one kind of activation, got relu, tanh$",
    ),
    "activation first": (Sequential(ReLU(), Linear(A, C)), r"a Linear layer before 0 \(ReLU\)"),
    "activation twice": (
        Sequential(Linear(A, C), ReLU(), ReLU(), Linear(np.eye(3), C)), r"before 2 \(ReLU\)"
    ),
    "ReLU last": (Sequential(Linear(A, C), ReLU()), r"at the end, .* got 1 \(ReLU\)$"),
    "Sigmoid last": (Sequential(Linear(A, C), Sigmoid()), r"at the end, .* got 1 \(Sigmoid\): drop that layer"),
    "Tanh last": (Sequential(Linear(A, C), Tanh(), Dropout()), r"got 1 \(Tanh\): drop that layer"),
    "Softmax last": (Sequential(Linear(A, C), Softmax()), r"got 1 \(Softmax\): drop .*module\[:-1\]"),
    "Softmax over the images": (Sequential(Linear(A, C), changed(Softmax(), dim=0)), "got the layer 1: Softmax"),
    "Softmax inside": (Sequential(Linear(A, C), Softmax(), Linear(np.eye(3), C)), "expected one of relu, .*'softmax'"),
    "nothing": (Sequential(), "at the end, .* got nothing$"),
    "shapes": (Sequential(Linear(A, C), ReLU(), Linear(A, C)), r"layer 2: expected W \(3, d_out\)"),
    "shapes of two in one": (Sequential(Linear(A, C), Linear(A, C)), r"1 \(Linear\): expected 3 inputs, .* got 5"),
    "no running statistics": (
        Sequential(Linear(A, C), BatchNorm1d(None, None)), r"expected running statistics, got 1 \(BatchNorm1d\)"
    ),
    "a hook": (Sequential(changed(Linear(A, C), _forward_hooks={0: print})), "without hooks, got _forward_hooks on 0$"),
    "another forward": (Sequential(changed(Linear(A, C), forward=abs)), "layers without hooks, got forward on 0$"),
    "complex": (Linear(A + 1j, C), "expected real weights, got complex128$"),
    "without numbers": (Linear(Unreadable(A), C), "expected weights that can be read, got no numbers here$"),
    "sparse": (Linear(Sparse(A), C), "expected weights that can be read, got can't convert Sparse"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_unknown_is_named(name):
    source, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        converted(source)
    assert "\n" not in str(caught.value)


def test_an_activation_that_the_module_does_not_have():
    module = Sequential(Linear(A, C), ReLU(), Linear(np.eye(3), C))
    assert converted(module, activation="relu").activation == "relu"
    with pytest.raises(ValueError, match="the module says relu, got 'tanh'"):
        converted(module, activation="tanh")
    with pytest.raises(ValueError, match="activation: expected one of relu, tanh, sigmoid, got 'gelu'"):
        converted(module, activation="gelu")
    for kind in (ReLU, ReLU()):
        with pytest.raises(ValueError, match=r'expected one of relu, tanh, sigmoid, got .*: say "relu"$'):
            converted(module, activation=kind)


# ---------------------------------------------------------------------- what computes something else than its parts say


@pytest.mark.parametrize("change", [lambda x: x + 1e-3, lambda x: x[:, ::-1], lambda x: 2 * x, lambda x: np.nan * x])
@pytest.mark.parametrize("kind", [Linear, ReLU, Sequential, Identity])
def test_a_class_that_was_changed_is_noticed(monkeypatch, kind, change):
    module = Sequential(linear(5, 4), ReLU(), linear(4, 2), Identity())
    plain = kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, x: change(plain(self, x)))
    with pytest.raises(ValueError, match=r"torch: expected the logits that its layers give .* got .*something else"):
        converted(module)


def broken(*_):
    raise RuntimeError("none\ntoday")


@pytest.mark.parametrize(
    ("kind", "name", "other", "sentence"),
    [
        (Sequential, "forward", broken, "that can be copied and evaluated, got none today$"),
        (Sequential, "eval", broken, "that can be copied and evaluated, got none today$"),
        (ReLU, "__deepcopy__", broken, "that can be copied and evaluated, got none today$"),
        (Linear, "forward", lambda self, x: x[:1, :2], r"2 logits for each of 32 rows, got shape \(1, 2\)$"),
    ],
)
def test_a_module_that_cannot_be_asked_is_refused(monkeypatch, kind, name, other, sentence):
    module = Sequential(linear(5, 4), ReLU(), linear(4, 2))
    monkeypatch.setattr(kind, name, other, raising=False)
    with pytest.raises(ValueError, match=sentence):
        converted(module)


def test_a_module_in_training_mode_is_asked_as_a_copy():
    module = Sequential(linear(5, 4), Dropout(), ReLU(), linear(4, 2))
    weights = copy.deepcopy(module)
    converted(module)
    assert module.training and all(part.training for part in module.parts)
    assert np.array_equal(module.parts[0].weight.v, weights.parts[0].weight.v)


@pytest.mark.parametrize("depth", [1, 20, 80])
@pytest.mark.parametrize("kind", ["relu", "tanh", "sigmoid"])
def test_rounding_is_no_difference(depth, kind):
    """The double sums in another order: from behind."""
    net = MLP.init([12, *[12] * depth, 3], activation=kind, rng=depth)
    module = module_of(net)
    for part in [*module.parts, *module.parts[2].parts]:
        if isinstance(part, Linear):
            reverse(part)
    np.testing.assert_array_equal(converted(module).dense[-1].W, net.dense[-1].W)


def reverse(part):
    A, c = part.weight.v, part.bias.v
    order = np.arange(A.shape[1])[::-1]

    class Reversed(np.ndarray):
        def __rmatmul__(self, x):
            return np.asarray(x)[:, order] @ np.asarray(self)[order]

        @property
        def T(self):
            return np.asarray(self).T.view(Reversed)

    part.weight.v = A.view(Reversed)
    assert part.forward(np.ones((1, A.shape[1]))).shape == (1, len(c))


# ---------------------------------------------------------------------- torch itself


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch", reason=NO_TORCH)
    torch.manual_seed(0)
    return torch


def theirs(torch, module, x):
    with torch.no_grad():
        return copy.deepcopy(module).double().eval()(torch.tensor(x)).numpy()


def test_torch_gives_its_own_generator_and_the_callers_module_back(torch):
    nn = torch.nn
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.ReLU(), nn.Linear(4, 2))
    module(torch.rand(9, 5))  # in training mode, so the statistics move
    before = {name: value.clone() for name, value in module.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    net = MLP.from_torch(module)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2]  # noqa: NPY002
    assert all(part.training for part in module.modules())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]) and value.dtype == before[name].dtype
    assert next(module.parameters()).requires_grad
    np.testing.assert_allclose(net.logits(X), theirs(torch, module, X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["ReLU", "Tanh", "Sigmoid"])
def test_torch(torch, kind):
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
    np.testing.assert_allclose(MLP.from_torch(module).logits(x), theirs(torch, module, x), rtol=0, atol=1e-12)


def shared(nn):
    a, line, norm = nn.ReLU(), nn.Linear(5, 5), nn.BatchNorm1d(5)
    block = nn.Sequential(line, nn.ReLU(inplace=True))
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    lazy = nn.Sequential(nn.LazyLinear(4), a, nn.LazyLinear(2))
    lazy(norm.running_mean[None])
    return {
        "one ReLU": (nn.Sequential(nn.Linear(5, 2), a, nn.Linear(2, 2), a, nn.Linear(2, 2)), (5, 2, 2, 2)),
        "a block": (nn.Sequential(block, block, nn.Linear(5, 2)), (5, 5, 5, 2)),
        "a tied layer": (nn.Sequential(line, a, line, a, line), (5, 5, 5, 5)),
        "one BatchNorm": (
            nn.Sequential(norm, line, norm, a, nn.Linear(5, 2), nn.BatchNorm1d(2, affine=False)),
            (5, 5, 2),
        ),
        "half": (nn.Sequential(nn.Linear(5, 3), a, nn.Linear(3, 2)).half(), (5, 3, 2)),
        "bfloat16": (nn.Sequential(nn.Linear(5, 3), a, nn.Linear(3, 2)).bfloat16(), (5, 3, 2)),
        "once lazy": (lazy, (5, 4, 2)),
        "a single layer": (line, (5, 5)),
    }


def test_torch_modules_that_share(torch):
    for name, (module, sizes) in shared(torch.nn).items():
        net = MLP.from_torch(module)
        assert net.sizes == sizes, name
        np.testing.assert_allclose(net.logits(X), theirs(torch, module, X), rtol=0, atol=1e-12, err_msg=name)
        assert net.activation == "relu"


def test_torch_state_dicts_with_sorted_keys(torch):
    nn = torch.nn
    module = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(5, 5), nn.Tanh())], nn.Linear(5, 2))
    state = dict(sorted(module.state_dict().items()))
    assert [*state][2:4] == ["10.bias", "10.weight"]
    net = MLP.from_torch(state, activation="tanh")
    np.testing.assert_allclose(net.logits(X), theirs(torch, module, X), rtol=0, atol=1e-12)


def test_torch_modules_that_are_refused(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(5, 2)

        def forward(self, x):
            return self.fc(x)

    adapter = type("Linear", (nn.Linear,), {})
    hooked, replaced = nn.Linear(5, 2), nn.Linear(5, 2)
    hooked.register_forward_hook(lambda module, args, out: -out)
    replaced.forward = lambda x: x[:, :2]
    cases = (
        (Net(), "got Net, a module of your own"),
        (nn.Sequential(adapter(5, 2)), "the layer 0: Linear of .*, which is not torch's own"),
        (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(5, 2))), "got the layer 0: ParametrizedLinear"),
        (nn.Sequential(hooked), "layers without hooks, got _forward_hooks on 0$"),
        (nn.Sequential(replaced), "layers without hooks, got forward on 0$"),
        (nn.Sequential(nn.Flatten(0), nn.Linear(5 * 32, 2)), r"torch: expected .* evaluated|for each of 32 rows"),
        (nn.Sequential(nn.LazyLinear(2)), "got the layer 0: LazyLinear"),
        (nn.Sequential(nn.Linear(5, 2, device="meta")), "expected weights that can be read, got "),
        (nn.Sequential(nn.Linear(5, 2, dtype=torch.complex64)), "expected real weights, got torch.complex64"),
        (nn.Sequential(nn.Linear(5, 2), nn.LogSoftmax(dim=1)), r"got 1 \(LogSoftmax\): drop that layer"),
        (nn.Sequential(nn.Linear(5, 2), nn.Softmax(dim=0)), "got the layer 1: Softmax"),
        (nn.Sequential(nn.Linear(5, 2), nn.BatchNorm1d(2, track_running_stats=False)), "expected running statistics"),
        (nn.ModuleList([nn.Linear(5, 2)]), r"got ModuleList, .*Sequential\(\*layers\)"),
        (nn.DataParallel(nn.Linear(5, 2)), "got DataParallel: pass its .module$"),
        (nn.Sequential(nn.Conv1d(1, 1, 1)), r"got the layer 0: Conv1d \(it can be attacked"),
        ({"state_dict": nn.Linear(5, 2).state_dict(), "epoch": 3}, r"pass checkpoint\['state_dict'\]$"),
        (nn.Sequential(nn.Linear(5, 2), nn.BatchNorm1d(2)).state_dict(), "a BatchNorm, .* pass the module itself$"),
        (torch.optim.Adam(nn.Linear(5, 2).parameters()).state_dict(), "got state, param_groups$"),
    )
    for source, sentence in cases:
        with pytest.raises(ValueError, match=sentence) as caught:
            MLP.from_torch(source)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r'expected one of relu, tanh, sigmoid, got .*: say "relu"$'):
        MLP.from_torch(nn.Sequential(nn.Linear(5, 2)).state_dict(), activation=nn.ReLU)


def test_torch_with_a_hook_for_all_modules(torch):
    nn = torch.nn
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, out: out + 1)
    try:
        with pytest.raises(ValueError, match="expected the logits that its layers give"):
            MLP.from_torch(nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2)))
    finally:
        handle.remove()
