"""Networks in files: what `save` wrote comes back, and anything else is named."""

import numpy as np
import pytest
from hypothesis import given
from strategies import networks

from data.loader import MNIST
from minigrad import MLP
from minigrad.io.network import network_bytes
from minigrad.io.npz import npz_bytes, parse_npz

NET = {"activation": np.array("tanh"), "threshold": np.array(0.0), "W1": np.ones((2, 1)), "b1": np.zeros(1)}


@pytest.mark.parametrize(
    "change",
    [
        {"activation": np.array("softplus")},
        {"activation": np.array(3)},
        {"threshold": np.array([0.0, 1.0])},
        {"threshold": np.array("high")},
        {"threshold": np.array(np.nan)},
        {"W1": np.ones((1, 2))},
        {"W1": np.ones(2)},
        {"W1": np.ones((2, 0)), "b1": np.zeros(0)},
        {"W1": np.array([["a"], ["b"]])},
        {"W1": np.full((2, 1), 1j)},
        {"W1": np.full((2, 1), np.datetime64("2020-01-01"))},
        {"b1": np.zeros(2)},
        {"b1": np.array([np.inf])},
        {"W1": None},
        {"b1": None},
        {"activation": None},
        {"threshold": None},
        {"W1": None, "b1": None},
        {"W3": np.ones((1, 1)), "b3": np.zeros(1)},
    ],
)
def test_archives_of_something_else_than_a_network(tmp_path, change):
    path = tmp_path / "other.npz"
    path.write_bytes(npz_bytes(NET))
    assert MLP.load(path).sizes == (2, 1)
    path.write_bytes(npz_bytes({name: array for name, array in (NET | change).items() if array is not None}))
    with pytest.raises(ValueError, match=r"other\.npz: expected a network saved by MLP\.save"):
        MLP.load(path)


@pytest.mark.parametrize(
    ("save", "arrays", "held"),
    [
        (np.savez, {"x": np.ones((9, 4)), "y": np.ones(9)}, "x, y$"),
        (np.savez_compressed, {"x_train": np.zeros((99, 4)), "y_train": np.ones(99)}, "x_train, y_train$"),
        (np.savez, {f"a{k}": np.ones(1) for k in range(9)}, r"a0, a1, a2, a3, a4, a5, \.\.\.$"),
        (np.savez, {"a\nb": np.ones(1)}, "a b$"),
    ],
)
def test_archives_without_a_network_are_named_by_what_they_hold(tmp_path, save, arrays, held):
    save(tmp_path / "mine.npz", **arrays)
    with pytest.raises(ValueError, match=rf"mine\.npz: expected a network .*: no network in it, but {held}"):
        MLP.load(tmp_path / "mine.npz")


def test_mnist_is_no_network():
    with pytest.raises(ValueError, match=r"mnist\.npz: .* no network in it, but x_train, y_train, x_test, y_test$"):
        MLP.load(MNIST)


def test_a_file_of_torch_is_no_network(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed: none of its files was opened")
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "net.pt")
    with pytest.raises(ValueError, match=r"no network in it, but .*MLP\.from_torch\(torch\.load\(\.\.\.\)\)\)$"):
        MLP.load(tmp_path / "net.pt")


@given(networks())
def test_the_bytes_of_a_network_are_its_arrays(net):
    arrays = parse_npz(network_bytes(net), "net")
    assert arrays.keys() == net.to_arrays().keys()
    assert all(np.array_equal(arrays[name], value) for name, value in net.to_arrays().items())
    assert network_bytes(MLP.from_arrays(arrays)) == network_bytes(net)
