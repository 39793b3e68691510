"""State dicts: the order of the layers is deduced, or the dict is refused."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch_double import Linear, Module, Tensor

from minigrad import MLP
from minigrad.io.state_dict import state_pairs

RNG = np.random.default_rng(5)


def state(**shapes):
    """`fc1=(3, 5)` is a layer from 3 to 5; the keys are in the order given."""
    found = {}
    for name, (d, m) in shapes.items():
        found |= {f"{name}.weight": Tensor(RNG.normal(size=(m, d))), f"{name}.bias": Tensor(RNG.normal(size=m))}
    return found


def order(shapes):
    return [name for name, _ in state_pairs(state(**shapes), "relu")]


def shuffled(shapes, seed):
    return {list(shapes)[i]: list(shapes.values())[i] for i in np.random.default_rng(seed).permutation(len(shapes))}


FIT = [
    {f"{k}": (4, 4) for k in (0, 2, 4, 6, 8, 10, 12)},
    {f"net.{k}": (4, 4) for k in (1, 4, 7, 11)},
    {f"layers.{k}": (4, 4) for k in range(12)},  # of a list whose owner calls the activation
    {f"fc{k}": (4, 4) for k in range(1, 12)},
    {f"block{i}.fc{k}": (4, 4) for i in (1, 2, 10) for k in (1, 2)},
    {"first": (5, 4), "hidden": (4, 3), "last": (3, 2)},
    {"z": (5, 4), "fc1": (4, 4), "fc2": (4, 4), "fc10": (4, 4), "a": (4, 2)},
    {"body.0": (5, 4), "body.2": (4, 4), "head.0": (4, 3), "head.2": (3, 2)},
    {"module.0": (5, 4), "module.2": (4, 4), "module.4": (4, 1)},
    {"down": (4, 2), "up": (2, 5)},
    {"only": (3, 3)},
]  # fmt: skip


@pytest.mark.parametrize("shapes", FIT, ids=lambda shapes: "-".join(shapes)[:40])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_keys_does_not_matter(shapes, seed):
    assert order(shapes) == order(shuffled(shapes, seed)) == order(dict(sorted(shapes.items()))) == list(shapes)


DOUBT = [
    {"a": (4, 4), "b": (4, 4)},
    {"hidden_a": (4, 4), "hidden_b": (4, 4), "out": (4, 2)},
    {"base": (4, 4), "lora_A": (4, 2), "lora_B": (2, 4)},
    {"encoder.0": (4, 3), "encoder.2": (3, 4), "decoder.0": (4, 3), "decoder.2": (3, 4)},
    dict.fromkeys("abcdefghijklmnopqrstuvwxyz", (4, 4)),
]
NO_FIT = [
    {"fc1": (5, 4), "fc2": (3, 2)},
    {"fc2": (5, 4), "fc1": (4, 3)},  # the numbers say otherwise
    {"base": (6, 4), "lora_A": (6, 2), "lora_B": (2, 4)},
    {"0": (4, 3), "2": (4, 3)},
]
NO_PLACE = [
    {"0": (4, 4), "1": (4, 4)},
    {"0": (4, 4), "2": (4, 4), "3": (4, 2)},
    {"net.0": (4, 4), "net.1": (4, 4), "net.3": (4, 2)},
]


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [(shapes, r"names whose numbers say the order .* got \w.*, which fit each other in several") for shapes in DOUBT]
    + [(shapes, r"fit each other in the order of their numbers, got \w+ \(") for shapes in NO_FIT]
    + [(shapes, "expected a place for the activation .*: pass the module itself$") for shapes in NO_PLACE],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("seed", range(2))
def test_a_doubt_is_refused(shapes, sentence, seed):
    with pytest.raises(ValueError, match=sentence) as caught:
        MLP.from_torch(state(**shuffled(shapes, seed)), activation="tanh")
    assert len(str(caught.value)) < 400


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "fc1", "fc2", "fc10"]), st.integers(1, 2), st.integers(1, 2)),
                min_size=1, max_size=5, unique_by=lambda layer: layer[0]))  # fmt: skip
def test_an_order_is_found_exactly_where_there_is_one(layers):
    """Every permutation, one after the other."""
    shapes, numbers = {name: (d, m) for name, d, m in layers}, {"fc1": 1, "fc2": 2, "fc10": 10}
    fit = [
        names
        for names in permutations(shapes)
        if all(shapes[a][1] == shapes[b][0] for a, b in pairwise(names))
        and sorted(found := [numbers[name] for name in names if name in numbers]) == found
    ]
    if len(fit) == 1:
        assert order(shapes) == list(fit[0])
    else:
        with pytest.raises(ValueError, match="several orders" if fit else "in the order of their numbers"):
            order(shapes)


def test_what_cannot_be_ordered_in_reasonable_time_is_refused():
    """Twelve from 3 to 4, twelve back, and one that fits nowhere: 2 * 12!^2 orders come to nothing."""
    names = "abcdefghijklmnopqrstuvwx"
    shapes = {name: (4, 3) if k % 2 else (3, 4) for k, name in enumerate(names)} | {"y": (9, 8)}
    with pytest.raises(ValueError, match="several orders"):
        order(shapes)


def test_the_weights_go_with_their_names():
    found = state(**{"0": (5, 4), "10": (4, 2), "2": (4, 4), "4": (4, 4)})
    del found["2.bias"]
    net = MLP.from_torch(found, activation="sigmoid")
    for name, dense in zip(("0", "2", "4", "10"), net.dense, strict=True):
        assert np.array_equal(dense.W, found[f"{name}.weight"].v.T)
        assert np.array_equal(dense.b, found[f"{name}.bias"].v if name != "2" else np.zeros(4))


def test_the_state_of_a_single_layer():
    net = MLP.from_torch({"weight": Tensor(np.arange(6.0).reshape(2, 3)), "bias": Tensor([1.0, 2.0])})
    assert np.array_equal(net.dense[0].W, np.arange(6.0).reshape(2, 3).T) and net.dense[0].b.tolist() == [1, 2]


A, C = np.eye(3, 5), np.zeros(3)
WEIGHTS = {"0.weight": Tensor(A), "0.bias": Tensor(C)}
BAD = {
    "a convolution's state": ({"0.weight": Tensor(np.zeros((2, 1, 3, 3)))}, "Linear layers, got 0.weight$"),
    "a running mean": (WEIGHTS | {"1.running_mean": Tensor(C)}, "of a BatchNorm, .*: pass the module itself$"),
    "a norm's weight": (WEIGHTS | {"1.weight": Tensor(C), "1.bias": Tensor(C)}, "Linear layers, got 1.weight$"),
    "a checkpoint": ({"epoch": 3, "state_dict": WEIGHTS}, r"a checkpoint .*: pass checkpoint\['state_dict'\]$"),
    "a checkpoint of another name": ({"model": WEIGHTS, "loss": 0.5}, r"pass checkpoint\['model'\]$"),
    "a checkpoint of a module": ({"net": Module()}, r"pass checkpoint\['net'\]$"),
    "a checkpoint of a layer": ({"net": {"weight": Tensor(A)}}, r"pass checkpoint\['net'\]$"),
    "an optimiser's state": ({"state": {0: {"step": 1}}, "param_groups": []}, "got state, param_groups$"),
    "weights and more": (WEIGHTS | {"epoch": 3}, "Linear layers, got epoch$"),
    "numbers for names": ({0: Tensor(A)}, "Linear layers, got 0$"),
    "an empty state": ({}, "Linear layers, got nothing$"),
    "words": ({"0.weight": np.array([["a"]])}, "expected weights that can be read, got could not convert"),
    "a state alone": (
        WEIGHTS | {"2.weight": Tensor(np.eye(3))}, "a state dict does not name it, expected one of relu, tanh, sigmoid$"
    ),
    "a bias that does not fit": ({"0.weight": Tensor(A), "0.bias": Tensor(np.zeros(4))}, r"layer 1: expected W"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_state_of_linear_layers_is_named(name):
    source, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        MLP.from_torch(source)
    assert "\n" not in str(caught.value)


def test_an_activation_must_be_named():
    for activation in ("gelu", Linear, Linear(A), 3, None):
        with pytest.raises(ValueError, match=r"activation: .*expected one of relu, tanh, sigmoid"):
            MLP.from_torch(WEIGHTS | {"2.weight": Tensor(np.eye(3))}, activation=activation)
