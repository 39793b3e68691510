import numpy as np
import pytest
from derivatives import complex_step
from hypothesis import given
from hypothesis import strategies as st
from strategies import generators

from minigrad import Dense, ReLU, Sigmoid, Tanh, dot_test
from minigrad.layers import product

numbers = st.lists(st.floats(-5, 5), min_size=1, max_size=6).map(np.array)


@given(generators, st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_dense_is_affine(rng, n, d, m):
    W, b, x = rng.normal(size=(d, m)), rng.normal(size=m), rng.normal(size=(n, d))
    by_entry = [[sum(x[i, p] * W[p, j] for p in range(d)) + b[j] for j in range(m)] for i in range(n)]
    np.testing.assert_allclose(Dense(W, b).forward(x), by_entry, rtol=0, atol=1e-13)


@given(generators, st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_vjp_is_the_adjoint_of_jvp(rng, n, d, m):
    dense = Dense(rng.normal(size=(d, m)), rng.normal(size=m))
    for layer in (dense, ReLU(), Tanh(), Sigmoid()):
        dot_test(layer, rng.normal(size=(n, d)), rng=rng, tol=1e-13)


@given(generators, st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_dense_jvp_is_the_change_of_the_output(rng, n, d, m):
    dense = Dense(rng.normal(size=(d, m)), rng.normal(size=m))
    x, dx = rng.normal(size=(2, n, d))
    np.testing.assert_allclose(dense.jvp(x, dx), dense.forward(x + dx) - dense.forward(x), rtol=0, atol=1e-13)


@given(generators, st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_dense_gradients_are_the_adjoint_of_a_change_of_the_parameters(rng, n, d, m):
    x, g, dW, db = rng.normal(size=(n, d)), rng.normal(size=(n, m)), rng.normal(size=(d, m)), rng.normal(size=m)
    gW, gb = Dense(dW, db).gradients(x, g)
    assert (gW.shape, gb.shape) == (dW.shape, db.shape)
    np.testing.assert_allclose(np.sum(gW * dW) + np.sum(gb * db), np.sum(g * (x @ dW + db)), rtol=0, atol=1e-11)
    out = (np.full_like(dW, np.nan), np.full_like(db, np.nan))
    Dense(dW, db).gradients(x, g, out=out)
    assert np.array_equal(out[0], gW) and np.array_equal(out[1], gb)


@given(generators, st.integers(1, 4), st.integers(1, 3), st.integers(1, 5))
def test_many_vectors_at_once_are_one_after_the_other(rng, n, k, m):
    x, G = rng.normal(size=(n, 1, m)), rng.normal(size=(n, k, m))
    for layer in (Dense(rng.normal(size=(m, m)), np.zeros(m)), ReLU(), Tanh(), Sigmoid()):
        for method in (layer.jvp, layer.vjp):
            one_by_one = np.stack([method(x[:, 0], G[:, j]) for j in range(k)], axis=1)
            np.testing.assert_allclose(method(x, G), one_by_one, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("layer", "book"), [(Tanh(), lambda z: np.sinh(z) / np.cosh(z)), (Sigmoid(), lambda z: 1 / (1 + np.exp(-z)))]
)
@given(z=numbers)
def test_smooth_activations_by_the_book_and_by_the_complex_step(layer, book, z):
    np.testing.assert_allclose(layer.forward(z), book(z), rtol=0, atol=1e-15)
    slope = layer.jvp(z, np.ones_like(z))
    np.testing.assert_allclose(slope, np.diag(complex_step(book, z)), rtol=0, atol=1e-15)


def test_smooth_activations_saturate_without_overflow():
    z = np.array([-1e4, -800.0, 800.0, 1e4])
    assert np.array_equal(Sigmoid().forward(z), [0, 0, 1, 1])
    assert np.array_equal(Tanh().forward(z), [-1, -1, 1, 1])
    assert not Sigmoid().jvp(z, np.ones(4)).any() and not Tanh().jvp(z, np.ones(4)).any()


def test_relu_slope_on_both_sides_of_the_kink_and_at_it():
    z = np.array([-1.0, -1e-300, -0.0, 0.0, 1e-300, 1.0])
    assert np.array_equal(ReLU().forward(z), [0, 0, 0, 0, 1e-300, 1])
    assert np.array_equal(ReLU().jvp(z, np.full(6, 3.0)), [0, 0, 0, 0, 3, 3])
    assert np.array_equal(ReLU().vjp(z, np.full(6, 3.0)), [0, 0, 0, 0, 3, 3])


def test_a_product_does_not_complain_of_what_is_invalid():
    """Some BLAS raise that flag for entries that are none; a NaN is found where results have to be finite."""
    assert np.isnan(product(np.array([[np.inf, 1.0]]), np.array([[0.0], [1.0]]))).all()
    with pytest.raises(FloatingPointError, match="overflow"):
        product(np.array([[1e300]]), np.array([[1e300]]))
