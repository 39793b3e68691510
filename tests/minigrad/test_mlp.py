import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import pytest
from derivatives import central, complex_step, plain_logits
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import ACTIVATIONS, SMOOTH, generators, networks, networks_with_images

from minigrad import MLP, check_jacobian, dot_test
from minigrad.mlp import CHUNK


def scale(J):
    """max |J| of the batch.  Beside a Jacobian that is all cancellation, 1e-7 of it would be rounding: not a test."""
    assume(np.abs(J).max() >= 0.01)
    return np.abs(J).max()


@given(networks_with_images())
def test_logits_are_the_formula(case):
    net, x = case
    np.testing.assert_allclose(net.logits(x), plain_logits(net, x), rtol=0, atol=1e-13)


@given(networks_with_images(activations=["relu"]))
def test_relu_jacobian_is_the_central_difference_to_the_last_bit(case):
    net, x = case  # all binary fractions and away from every kink: with such a step nothing is rounded or truncated
    for x_i, J_i in zip(x, net.jacobian(x), strict=True):
        assert np.array_equal(J_i, central(lambda p: net.logits(p[None])[0], x_i, h=2**-12))


@given(networks_with_images())
def test_jacobian_against_central_differences(case):
    net, x = case
    J = net.jacobian(x)
    numeric = np.array([central(lambda p: net.logits(p[None])[0], x_i) for x_i in x])
    np.testing.assert_allclose(J, numeric, rtol=0, atol=1e-7 * scale(numeric))


@given(networks_with_images(activations=SMOOTH))
def test_smooth_jacobian_against_the_complex_step(case):
    net, x = case
    exact = np.array([complex_step(lambda p: plain_logits(net, p), x_i) for x_i in x])
    np.testing.assert_allclose(net.jacobian(x), exact, rtol=0, atol=1e-12 * scale(exact))


@given(networks_with_images())
def test_rows_and_columns_give_the_same_jacobian(case):
    net, x = case
    np.testing.assert_allclose(net.jacobian(x, by="rows"), net.jacobian(x, by="columns"), rtol=0, atol=1e-13)


@given(networks_with_images(), generators)
def test_vjp_and_jvp_are_adjoint_and_multiply_by_the_jacobian(case, rng):
    net, x = case
    dot_test(net, x, rng=rng, tol=1e-13)
    J, dx, g = net.jacobian(x), rng.normal(size=x.shape), rng.normal(size=(len(x), net.sizes[-1]))
    np.testing.assert_allclose(net.jvp(x, dx), np.einsum("nkd,nd->nk", J, dx), rtol=0, atol=1e-12)
    np.testing.assert_allclose(net.vjp(x, g), np.einsum("nk,nkd->nd", g, J), rtol=0, atol=1e-12)
    N, pull = net.pullback(x)
    assert np.array_equal(pull(g), net.vjp(x, g))
    np.testing.assert_allclose(N, net.logits(x), rtol=0, atol=1e-13)


def test_relu_slope_at_zero_is_zero():
    net = MLP.from_arrays([([[1.0, -1.0]], [0.0, 0.0]), ([[1.0], [3.0]], [0.0])])
    x = np.array([[0.0], [0.5], [-0.5]])  # N = x above 0, -3 x below
    for by in ("rows", "columns"):
        assert net.jacobian(x, by=by).ravel().tolist() == [0, 1, -3]


@given(networks_with_images(images=st.integers(2, 4)))
def test_an_image_is_treated_alike_alone_and_in_a_batch(case):
    net, x = case
    for method in (net.logits, net.jacobian):
        np.testing.assert_allclose(method(x), np.concatenate([method(x_i[None]) for x_i in x]), rtol=0, atol=1e-13)


def test_batches_longer_than_a_chunk():
    net = MLP.init([3, 4, 2], rng=0)
    x = np.random.default_rng(1).random((2 * CHUNK + 5, 3))
    np.testing.assert_allclose(net.logits(x), plain_logits(net, x), rtol=0, atol=1e-13)
    J = net.jacobian(x)
    np.testing.assert_allclose(
        J, np.concatenate([net.jacobian(part) for part in np.array_split(x, 5)]), rtol=0, atol=1e-13
    )
    np.testing.assert_allclose(J, net.jacobian(x, by="columns"), rtol=0, atol=1e-13)


def test_reference_net(reference, mnist49):
    _, _, x, y = mnist49
    assert reference.sizes == (784, 128, 64, 1) and reference.activation == "relu"
    assert reference.accuracy(x, y) == np.mean((plain_logits(reference, x.astype(float))[:, 0] > 0) == y) > 0.985
    check_jacobian(reference, x[:2])
    dot_test(reference, x[:100])


class TestMaking:
    @pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 400), ("tanh", 2 / 700), ("sigmoid", 2 / 700)])
    def test_init_has_the_published_variance(self, activation, variance):
        net = MLP.init([400, 300, 5], activation=activation, rng=0)
        W = net.dense[0].W
        five_sigma = 5 * np.sqrt(2 / W.size)  # relative spread of the variance of that many normal numbers
        assert np.mean(W**2) == pytest.approx(variance, rel=five_sigma)
        assert abs(np.mean(W)) < 5 * np.sqrt(variance / W.size)
        assert (
            net.sizes == (400, 300, 5)
            and net.activation == activation
            and not any(layer.b.any() for layer in net.dense)
        )

    def test_init_takes_a_seed_or_a_generator(self):
        one, two = MLP.init([5, 4, 1], rng=3), MLP.init([5, 4, 1], rng=np.random.default_rng(3))
        other = MLP.init([5, 4, 1], rng=4)
        assert all(np.array_equal(a.W, b.W) for a, b in zip(one.dense, two.dense, strict=True))
        assert not np.array_equal(one.dense[0].W, other.dense[0].W)

    def test_one_dense_layer_has_no_activation_to_remember(self):
        assert MLP.init([3, 1], activation="tanh", rng=0).activation == "relu"

    def test_layers_of_equal_shape_are_not_equal(self):
        net = MLP.init([4, 4, 4], rng=0)
        assert not np.array_equal(net.dense[0].W, net.dense[1].W)

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_lists_float32_and_integers_become_float64(self, activation):
        net = MLP.from_arrays([([[1, 2]], [0, 1]), (np.ones((2, 1), np.float32), [0.5])], activation=activation)
        assert net.activation == activation and net.sizes == (1, 2, 1)
        assert all(a.dtype == np.float64 for layer in net.dense for a in (layer.W, layer.b))


    @given(networks())
    def test_from_arrays_and_to_arrays_are_inverses(self, net):
        arrays = net.to_arrays()
        again = MLP.from_arrays(arrays)
        assert (again.sizes, again.activation, again.threshold) == (net.sizes, net.activation, net.threshold)
        assert all(np.array_equal(a, b) for a, b in zip(again.to_arrays().values(), arrays.values(), strict=True))

    def test_what_is_given_beside_a_dict_counts(self):
        arrays = MLP.init([2, 3, 1], activation="tanh", rng=0, threshold=0.5).to_arrays()
        assert MLP.from_arrays(arrays, threshold=0.25).threshold == 0.25
        assert MLP.from_arrays(arrays, threshold=0.0).threshold == 0
        assert MLP.from_arrays(arrays, activation="sigmoid").activation == "sigmoid"
        assert MLP.from_arrays(arrays, activation="sigmoid").threshold == 0.5

    def test_pairs_may_come_one_by_one(self):
        weights, biases = [np.ones((2, 3)), np.ones((3, 1))], [np.zeros(3), np.zeros(1)]
        assert MLP.from_arrays(zip(weights, biases, strict=True)).sizes == (2, 3, 1)

    @pytest.mark.parametrize(
        ("net", "text"),
        [
            (MLP.init([784, 128, 64, 1], rng=0), "MLP(784-128-64-1, relu, threshold 0, 108,801 weights and biases)"),
            (MLP.init([2, 1, 1], threshold=0.5), "MLP(2-1-1, relu, threshold 0.5, 5 weights and biases)"),
            (MLP.init([2, 10]), "MLP(2-10, affine, argmax, 30 weights and biases)"),
        ],
    )
    def test_a_network_prints_in_one_line(self, net, text):
        assert repr(net) == str(net) == text

    def test_a_layer_prints_its_shape(self):
        assert repr(MLP.init([784, 128, 1]).dense[0]) == "Dense(784 -> 128)"


class TestImmutable:
    @given(networks())
    def test_arrays_and_fields_cannot_be_written(self, net):
        for layer in net.dense:
            for array in (layer.W, layer.b):
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
            with pytest.raises(dataclasses.FrozenInstanceError):
                layer.W = layer.W
        with pytest.raises(dataclasses.FrozenInstanceError):
            net.threshold = 1.0

    def test_the_callers_arrays_are_neither_kept_nor_locked(self):
        W, b = np.ones((2, 1)), np.zeros(1)
        net = MLP.from_arrays([(W, b)])
        W[:], b[:] = 5, 5
        assert net.logits(np.ones((1, 2))).item() == 2

    def test_images_are_not_changed(self, reference, mnist49):
        x = mnist49[2][:3].astype(np.float64)
        before = x.copy()
        reference.jacobian(x), reference.logits(x), reference.vjp(x, np.ones((3, 1)))
        assert np.array_equal(x, before)


class TestPredict:
    def test_one_logit_must_exceed_the_threshold(self):
        net = MLP.from_arrays([([[1.0]], [0.0])], threshold=0.5)
        assert net.predict(np.array([[0.25], [0.5], [0.75]])).tolist() == [0, 0, 1]

    @given(networks_with_images(logits=st.integers(2, 4)))
    def test_many_logits_by_argmax(self, case):
        net, x = case
        assert net.predict(x).tolist() == [int(np.argmax(row)) for row in net.logits(x)]

    @given(networks_with_images(), st.data())
    def test_accuracy_counts_the_hits(self, case, data):
        net, x = case
        y = data.draw(st.lists(st.integers(0, max(net.sizes[-1], 2) - 1), min_size=len(x), max_size=len(x)))
        assert net.accuracy(x, y) == sum(int(p) == t for p, t in zip(net.predict(x), y, strict=True)) / len(x)


class TestFile:
    @given(networks())
    def test_round_trip_is_exact_and_equal_nets_give_equal_bytes(self, net):
        with tempfile.TemporaryDirectory() as folder:
            one, two = Path(folder, "one.npz"), Path(folder, "two.npz")
            net.save(one)
            again = MLP.load(one)
            again.save(two)
            assert one.read_bytes() == two.read_bytes()
        assert (again.sizes, again.threshold, again.activation) == (net.sizes, net.threshold, net.activation)
        for a, b in zip(net.dense, again.dense, strict=True):
            assert np.array_equal(a.W, b.W) and np.array_equal(a.b, b.b)
            assert not b.W.flags.writeable and not b.b.flags.writeable

    def test_the_layout_of_the_callers_array_leaves_no_trace(self, tmp_path):
        W = np.arange(6.0).reshape(2, 3)
        for name, array in (("c", W), ("f", np.asfortranarray(W)), ("view", np.repeat(W, 2, axis=1)[:, ::2])):
            MLP.from_arrays([(array, np.zeros(3))]).save(tmp_path / name)
        assert (tmp_path / "c").read_bytes() == (tmp_path / "f").read_bytes() == (tmp_path / "view").read_bytes()
