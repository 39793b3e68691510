import numpy as np
import pytest
from derivatives import central
from hypothesis import given
from hypothesis import strategies as st
from strategies import generators

from minigrad.losses import LOSSES, logistic, softmax_cross_entropy, squared_error


def by_the_book(name, N, y):
    """Each loss from its definition, one row at a time."""
    total = 0.0
    for row, label in zip(N, y, strict=True):
        if name == "logistic":
            p = 1 / (1 + np.exp(-row[0]))
            total -= np.log(p if label == 1 else 1 - p)
        elif name == "softmax":
            total -= np.log(np.exp(row[label]) / np.exp(row).sum())
        elif len(row) == 1:
            total += (row[0] - (1 if label == 1 else -1)) ** 2 / 2
        else:
            total += sum((N_j - (1 if j == label else -1)) ** 2 for j, N_j in enumerate(row)) / 2
    return total / len(N)


@st.composite
def cases(draw):
    """`(name, N, y)`: logits of moderate size, so that the book's formulas neither overflow nor cancel."""
    name = draw(st.sampled_from(sorted(LOSSES)))
    k = {"logistic": st.just(1), "softmax": st.integers(2, 5), "squared": st.integers(1, 5)}[name]
    n, k, rng = draw(st.integers(1, 5)), draw(k), draw(generators)
    return name, rng.uniform(-5, 5, (n, k)), rng.integers(0, max(k, 2), n)


@given(cases())
def test_value_is_the_definition(case):
    name, N, y = case
    np.testing.assert_allclose(LOSSES[name](N, y)[0], by_the_book(name, N, y), rtol=1e-12)


@given(cases())
def test_gradient_is_the_derivative_of_the_value(case):
    name, N, y = case
    numeric = central(lambda M: LOSSES[name](M, y)[0], N)
    g = LOSSES[name](N, y)[1]
    assert g.shape == N.shape
    np.testing.assert_allclose(g, numeric, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestHugeLogits:
    """At +-1e4 every loss has a value that can be written down: exp(-1e4) is 0 in either precision."""

    @staticmethod
    def check(loss, N, y, value, g, dtype):
        got, gradient = loss(np.array(N, dtype), np.array(y))
        assert got == pytest.approx(value, rel=1e-7) and gradient.dtype == dtype
        assert gradient.tolist() == g

    def test_logistic(self, dtype):
        for N, y, value, g in ((1e4, 1, 0, 0), (1e4, 0, 1e4, 1), (-1e4, 0, 0, 0), (-1e4, 1, 1e4, -1)):
            self.check(logistic, [[N]], [y], value, [[g]], dtype)
        self.check(logistic, [[1e4], [-1e4]], [0, 1], 1e4, [[0.5], [-0.5]], dtype)

    def test_softmax(self, dtype):
        self.check(softmax_cross_entropy, [[1e4, -1e4, 0]], [0], 0, [[0, 0, 0]], dtype)
        self.check(softmax_cross_entropy, [[1e4, -1e4, 0]], [1], 2e4, [[1, -1, 0]], dtype)
        self.check(
            softmax_cross_entropy, [[1e4, 1e4], [-1e4, -1e4]], [0, 1], np.log(2), [[-0.25, 0.25], [0.25, -0.25]], dtype
        )

    def test_squared(self, dtype):
        self.check(squared_error, [[1e4]], [0], 10001**2 / 2, [[10001]], dtype)
        self.check(squared_error, [[1e4, -1e4]], [0], 9999**2, [[9999, -9999]], dtype)


def test_losses_do_not_write_into_their_arguments():
    for name, k in (("logistic", 1), ("softmax", 3), ("squared", 3)):
        N, y = np.ones((2, k)), np.array([0, 1])
        N.flags.writeable = y.flags.writeable = False
        LOSSES[name](N, y)
