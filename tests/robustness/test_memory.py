"""Memory grows with the number of images only by the arrays that are stated (tracemalloc sees what NumPy allocates)."""

import tracemalloc

import numpy as np
import pytest
from large_sets import ARRAYS, MASKS, copies, work

import attacks.sparse_search
from minigrad import MLP

FEW, MANY, PIXELS = 1200, 3600, 196


@pytest.fixture(scope="module")
def net():
    return MLP.init([PIXELS, 16, 1], rng=1)


def peak(name, net, n):
    """The most memory in use at a time while `name` works on n images, in bytes, beside the images."""
    x, detectors = copies(net, np.random.default_rng(0).random((800, PIXELS)), n)
    job = work(name, net, x, detectors)
    tracemalloc.start()
    try:
        result = job()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ARRAYS)
def test_memory_beyond_what_is_stated_does_not_grow(net, name, monkeypatch):
    monkeypatch.setattr(attacks.sparse_search, "CANDIDATES", 1 << 16)  # so that the few fill a block as the many do
    work(name, net, *copies(net, np.random.default_rng(0).random((800, PIXELS)), 50))()  # imports are not counted
    (few, _), (many, result) = (peak(name, net, n) for n in (FEW, MANY))
    assert result is not None
    grown = (many - few) / (8 * PIXELS * (MANY - FEW))  # arrays of the size of x
    assert ARRAYS[name] - 1.5 <= grown <= ARRAYS[name] + MASKS
