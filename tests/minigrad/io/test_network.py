"""Networks in files: what `save` wrote comes back, and anything else is named."""

import numpy as np
import pytest
from hypothesis import given
from strategies import networks

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


@given(networks())
def test_the_bytes_of_a_network_are_its_arrays(net):
    arrays = parse_npz(network_bytes(net), "net")
    assert arrays.keys() == net.to_arrays().keys()
    assert all(np.array_equal(arrays[name], value) for name, value in net.to_arrays().items())
    assert network_bytes(MLP.from_arrays(arrays)) == network_bytes(net)
