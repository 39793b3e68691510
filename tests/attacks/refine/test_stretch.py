"""A flip survives single precision: measured for every attack, and made to for the smallest eps."""

import warnings

import numpy as np
import pytest
from ball_strategies import CONVEX, affine_cases, curved_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import NETS
from strategies import networks_with_images

from attacks import L0, L2, LInf, certified_minimum, fgsm, pgd, saliency_map, smallest_eps
from attacks.balls import BALLS
from attacks.refine.stretch import DOUBLINGS, STRETCH
from data import load_mnist
from minigrad import MLP, from_vjp
from minigrad.margin import Margin
from minigrad.single import logits_32bit, variances_32bit

MOST = STRETCH * 2**DOUBLINGS


def single(net, x, order=None):
    """The logits in float32, by hand, image by image, the pixels in any order."""
    rows = []
    for image in x.astype(np.float32):
        a = image
        for i, layer in enumerate(net.dense):
            W, b = layer.W.astype(np.float32), layer.b.astype(np.float32)
            if i == 0 and order is not None:
                a, W = a[order], W[order]
            a = a @ W + b
            if i < len(net.dense) - 1:
                half = np.float32(0.5)
                a = {
                    "relu": lambda z: np.maximum(z, 0),
                    "tanh": np.tanh,
                    "sigmoid": lambda z, half=half: half * (1 + np.tanh(half * z)),
                }[net.activation](a)
        assert a.dtype == np.float32
        rows.append(a)
    return np.array(rows)


def flips(net, N, y):
    """Whether the float32 logits (n, k) say another class; a tie does not."""
    if N.shape[1] == 1:
        t = np.float32(net.threshold)
        return np.where(y == 0, N[:, 0] > t, N[:, 0] < t)
    return np.array([np.delete(row, label).max() > row[label] for row, label in zip(N, y, strict=True)])


ATTACKS = {
    "fgsm": lambda net, x, y: fgsm(net, x, y, LInf(0.3)),
    "pgd": lambda net, x, y: pgd(net, x, y, L2(0.5), steps=4),
    "pgd l0": lambda net, x, y: pgd(net, x, y, L0(2), steps=4),
    "sparse": lambda net, x, y: saliency_map(net, x, y),
    "smallest": lambda net, x, y: smallest_eps(net, x, y, norm="linf", steps=8),
    "boundary": lambda net, x, y: smallest_eps(net, x, y, norm="l1", steps=8, stretch=0),
}


@pytest.mark.parametrize("attack", ATTACKS)
@settings(max_examples=25)
@given(networks_with_images())
def test_success_in_single_precision_is_measured(attack, case):
    """Where float32 is told from a tie (the hand's sums are in another order), the result says what it says."""
    net, x = case
    y = net.predict(x)
    result = ATTACKS[attack](net, x, y)
    open_ = result.reason != "already misclassified"
    N = single(net, result.x_adv)
    clear = np.abs(result.margin) > 1e-5
    assert np.array_equal(result.success_32bit[clear], (flips(net, N, y) & open_)[clear])
    assert not result.success_32bit[~open_].any()


@pytest.mark.parametrize("norm", CONVEX)
@settings(max_examples=25)
@given(st.data())
def test_the_stretched_answer_is_the_answer_a_little_longer(norm, data):
    """In the same direction, inside box and mask, by at most 1%, and it flips wherever the other does."""
    net, x, y, allowed = data.draw(affine_cases(logits=st.integers(1, 4)))
    exact, longer = (smallest_eps(net, x, y, norm=norm, steps=5, stretch=t, **allowed) for t in (0, STRETCH))
    assert np.array_equal(exact.success, longer.success)
    for i in np.flatnonzero(exact.success):
        s, v = exact.x_adv[i] - x[i], longer.x_adv[i] - x[i]
        moved = s != 0
        assert np.array_equal(moved, v != 0) or exact.distance[i] < 1e-8
        assert (np.abs(v) >= np.abs(s) - 1e-15).all() and (np.abs(v) <= np.abs(s) * (1 + MOST) + 1e-15).all()
        assert exact.distance[i] <= longer.distance[i] * (1 + 1e-15) <= exact.distance[i] * (1 + MOST) + 1e-14


@pytest.mark.parametrize("norm", CONVEX)
@settings(max_examples=25)
@given(st.data())
def test_on_curved_networks_a_flip_stays_one(norm, data):
    net, x, y, options = data.draw(curved_cases(activations=("relu", "tanh")))
    exact, longer = (smallest_eps(net, x, y, norm=norm, steps=10, stretch=t, **options) for t in (0, STRETCH))
    assert np.array_equal(exact.success, longer.success)
    assert (longer.success_32bit >= exact.success_32bit).all()
    assert (longer.distance <= exact.distance * (1 + MOST) + 1e-14).all()
    far = exact.distance > 1e-3
    assert longer.success_32bit[longer.success & far].all()


@pytest.mark.parametrize("norm", ["linf", "l1"])
@pytest.mark.parametrize("name", ["784-32-1", "784-32-10"])
def test_on_mnist_every_flip_survives_in_any_order_of_summation(name, norm):
    net = MLP.load(NETS / f"{name}.npz")
    _, _, x, y = load_mnist((4, 9)) if name.endswith("-1") else load_mnist()
    x, y = x[:80].astype(float), y[:80]
    exact, longer = (smallest_eps(net, x, y, norm=norm, steps=40, stretch=t) for t in (0, STRETCH))
    tried = longer.reason != "already misclassified"
    assert longer.success[tried].all() and np.array_equal(longer.success_32bit, tried)
    assert not exact.success_32bit[tried].all()  # what the stretch is for
    assert 1 < longer.mean_distance / exact.mean_distance < 1 + 1e-5
    for order in (None, slice(None, None, -1), np.random.default_rng(0).permutation(784)):
        assert flips(net, single(net, longer.x_adv, order), y)[tried].all()


@pytest.mark.parametrize("name", ["784-32-1", "784-32-10", "784-64-32-1"])
def test_the_estimate_of_the_rounding_is_of_its_size(name):
    net = MLP.load(NETS / f"{name}.npz")
    _, _, x, _ = load_mnist()
    x = x[:100].astype(float)
    N, variance = variances_32bit(net.layers, x)
    assert np.array_equal(N, net.logits(x))
    error = np.abs(single(net, x).astype(float) - N) / np.sqrt(variance)
    assert error.max() < 3 and np.sqrt(np.mean(error**2)) > 0.05


@given(networks_with_images(), st.integers(0, 2**32 - 1))
def test_the_estimate_is_never_far_below_what_is_seen(case, seed):
    net, x = case
    shift = np.random.default_rng(seed).uniform(0.9, 1, x.shape)  # pixels that are no short fractions
    N, variance = variances_32bit(net.layers, x * shift)
    error = np.abs(single(net, x * shift).astype(float) - N)
    assert (error <= 8 * np.sqrt(variance)).all()


def test_what_single_precision_cannot_hold_is_no_success():
    """Overflow: infinity minus infinity, infinity, a huge threshold.  No warning, no error, and no success."""
    x = np.full((1, 2), 0.5)
    for net in (
        MLP.from_arrays([([[1e300], [1e300]], [-1.1e300])]),
        MLP.from_arrays([([[1e30, 1e30], [1e30, 1e30]], [-1.1e30, -1e30]), ([[1e30], [-1.0]], [-1.0])]),
        MLP.from_arrays([([[0.0, 1e300], [0.0, 1e300]], [0.0, -1.1e300])]),
        MLP.from_arrays([([[1e39], [1e39]], [0.0])], threshold=1.1e39),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = smallest_eps(net, x, [0], norm="linf")
        assert result.success[0] and not result.success_32bit[0]
        assert result.distance[0] < 0.5


def test_a_certificate_is_not_stretched():
    net = MLP.from_arrays([([[3.0], [-4.0]], [0.0])])
    x = np.array([[0.5, 0.5]])  # N = -0.5, g = (3, -4)
    for norm, r in (("linf", 0.5 / 7), ("l2", 0.5 / 5), ("l1", 0.5 / 4)):
        (proof,) = certified_minimum(net, x, [0], norm=norm, gap=1e-7)
        assert proof.lower <= r <= proof.upper * (1 + 1e-12) <= r * (1 + 3e-7)
        assert smallest_eps(net, x, [0], norm=norm).distance[0] > r * (1 + STRETCH / 2)


@pytest.mark.parametrize("stretch", [-1e-9, 1, np.nan, np.inf, "much", None, [1e-5]])
def test_a_stretch_that_is_none_is_refused(stretch):
    net = MLP.from_arrays([([[1.0]], [-1.0])])
    with pytest.raises(ValueError, match=r"stretch: expected a (share|number)"):
        smallest_eps(net, np.array([[0.5]]), [0], norm="linf", stretch=stretch)


# ---------------------------------------------------------------- strangers' models, each in its own type of number

RNG = np.random.default_rng(3)
W1, W2 = RNG.normal(size=(16, 6)), RNG.normal(size=(6, 3))
NET = MLP.from_arrays([(W1, np.zeros(6)), (W2, np.zeros(3))])
X = RNG.random((12, 16))
Y = NET.predict(X)


class Typed:
    """A model whose weights are of one type of number, and which may insist that images are, too; it notes them."""

    def __init__(self, dtype, strict):
        self.weights = [W.astype(dtype) for W in (W1, W2)]
        self.dtype, self.strict, self.seen = np.dtype(dtype), strict, []

    def logits(self, x):
        self.seen.append(x.dtype)
        if self.strict and x.dtype != self.dtype:
            raise RuntimeError(f"mat1 and mat2 must have the same dtype, but got {x.dtype} and {self.dtype}")
        return np.maximum(x @ self.weights[0], 0) @ self.weights[1]

    def jacobian(self, x):
        assert x.dtype == np.float64
        on = (x @ W1 > 0)[:, :, None]  # (n, 6, 1)
        return np.einsum("dm,nmk->nkd", W1, on * W2)


class Casting(Typed):
    """The usual adapter around a float32 network: whatever comes in is cast to it, and so is what goes out."""

    def logits(self, x):
        self.seen.append(x.dtype)
        x = x.astype(np.float32)
        return np.maximum(x @ self.weights[0], 0) @ self.weights[1]


@pytest.mark.parametrize(
    ("model", "evaluated"),
    [
        (Typed(np.float32, strict=False), np.float32),  # NumPy: float64 images make it float64, float32 ones do not
        (Typed(np.float64, strict=True), np.float64),  # torch in double: takes nothing else
        (Typed(np.float64, strict=False), np.float64),
        (Casting(np.float32, strict=False), np.float32),
    ],
    ids=["float32 weights", "float64 and nothing else", "float64 weights", "casts to float32"],
)
def test_a_strangers_model_is_asked_in_what_it_takes(model, evaluated):
    result = smallest_eps(model, X, Y, norm="linf")
    rounded = result.x_adv.astype(np.float32).astype(evaluated)
    N = np.maximum(rounded @ W1.astype(evaluated), 0) @ W2.astype(evaluated)
    own = np.take_along_axis(N, Y[:, None], 1)[:, 0]
    best = np.where(np.eye(3, dtype=bool)[Y], -np.inf, N).max(axis=1)
    assert result.success.all()
    assert np.array_equal(result.success_32bit, best > own)
    assert result.success_32bit.all()
    assert model.seen[0] == np.float64 and np.dtype(np.float32) in model.seen


def test_an_error_of_the_model_itself_is_not_swallowed():
    class Broken(Typed):
        def logits(self, x):
            if len(self.seen) > 3:
                raise OSError("the device is gone")
            return super().logits(x)

    with pytest.raises(OSError, match="the device is gone"):
        fgsm(Broken(np.float64, strict=False), X, Y, LInf(0.1))


def test_float32_rows_are_read_only_too():
    def greedy(x):
        if x.dtype == np.float32:
            x -= np.float32(0.5)
        return NET.logits(x)

    result = fgsm(from_vjp(greedy, NET.vjp), X, Y, LInf(0.1))
    plain = fgsm(NET, X, Y, LInf(0.1))
    assert np.array_equal(result.success_32bit, plain.success_32bit)  # asked again in float64


def test_rounding_is_of_float32_and_images_stay_in_its_range():
    net = MLP.from_arrays([([[1.0]], [0.0])])
    assert logits_32bit(net, np.array([[1e300]]), net.layers)[0, 0] == np.finfo(np.float32).max
    assert logits_32bit(net, np.array([[0.1]]), net.layers)[0, 0] == np.float32(0.1)
    margin = Margin.from_labels(net, np.array([[0.1]]), [0])
    assert margin.value_32bit(np.array([[0.1]]))[0] == float(np.float32(0.1))
    assert margin.rounding_32bit(np.array([[0.1]]))[0] == pytest.approx(2**-24 * 0.1 * 2**0.5)
    assert Margin.from_labels(Typed(np.float64, strict=False), X, Y).rounding_32bit(X) is None


def test_the_same_images_in_any_batch_are_stretched_alike():
    together = smallest_eps(NET, X, Y, norm="linf")
    for i in range(len(X)):
        alone = smallest_eps(NET, X[[i]], Y[[i]], norm="linf")
        np.testing.assert_allclose(alone.distance[0], together.distance[i], rtol=1e-12)


def test_norms_know_their_own_distance_after_the_stretch():
    for norm in CONVEX:
        result = smallest_eps(NET, X, Y, norm=norm)
        np.testing.assert_array_equal(result.distance, BALLS[norm](1).distance(result.x_adv - X))
