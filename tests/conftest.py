"""Every test runs with NumPy's floating-point errors turned into failures; setup.cfg does so for warnings."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from data import load_mnist
from minigrad import MLP

settings.register_profile("tests", deadline=None, max_examples=50)
settings.load_profile("tests")

NETS = Path(__file__).parent / "benchmarks" / "nets"


@pytest.fixture(autouse=True)
def floating_point_errors():
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture(scope="session")
def mnist49():
    """`x_train, y_train, x_test, y_test`, fours 0 and nines 1; read-only, so no test changes another's data."""
    arrays = load_mnist((4, 9))
    for array in arrays:
        array.flags.writeable = False
    return arrays


@pytest.fixture(scope="session")
def reference():
    """784-128-64-1, the net behind every published figure."""
    return MLP.load(NETS / "784-128-64-1.npz")
