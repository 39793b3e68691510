import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks import L0, LInf, accessory, certify, pgd, robust_accuracy, saliency_map, smallest_eps, universal
from attacks.detect.statistics import share_interval
from minigrad import MLP, fit
from minigrad.inputs import as_count, as_images, as_labels
from minigrad.margin import Margin

NET, NET3 = MLP.init([3, 4, 1], rng=0), MLP.init([3, 4, 3], rng=0)
X = np.full((2, 3), 0.5)

BAD_IMAGES = [
    (np.ones(3), r"expected shape \(n, 3\), one image per row, got \(3,\)"),
    (np.ones((2, 4)), r"expected shape \(n, 3\), one image per row, got \(2, 4\)"),
    (np.ones((2, 1, 3)), r"expected shape \(n, 3\), one image per row, got \(2, 1, 3\)"),
    (np.ones((0, 3)), r"expected at least one image and one pixel, got shape \(0, 3\)"),
    (np.ones((2, 3), int), "expected floating-point pixels, got int64"),
    (np.ones((2, 3), bool), "expected floating-point pixels, got bool"),
    (np.ones((2, 3), complex), "expected floating-point pixels, got complex128"),
    (np.ones((2, 3), object), "expected floating-point pixels, got object"),
    (np.array([[0, 0, 0], [0, np.nan, 0]]), "expected finite pixels, got nan in row 1, column 1"),
    (np.array([[0, 0, -np.inf]]), "expected finite pixels, got -inf in row 0, column 2"),
    ([[0.0, 1.0], [0.0]], "expected an array, got rows of different lengths"),
    (None, "expected floating-point pixels, got object"),
    ("x", "expected floating-point pixels, got <U1"),
]


@pytest.mark.parametrize(("x", "message"), BAD_IMAGES)
@pytest.mark.parametrize(
    "method",
    [
        NET.logits,
        NET.predict,
        NET.jacobian,
        NET.pullback,
        lambda x: NET.accuracy(x, [0, 1]),
        lambda x: NET.vjp(x, np.ones((2, 1))),
        lambda x: NET.jvp(x, np.ones((2, 3))),
    ],
)
def test_bad_images(method, x, message):
    with pytest.raises(ValueError, match="x: " + message):
        method(x)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0], r"expected 2 labels, one per image, got shape \(1,\)"),
        (0, r"expected 2 labels, one per image, got shape \(\)"),
        ([[0], [1]], r"expected 2 labels, one per image, got shape \(2, 1\)"),
        ([0, 2], r"expected whole numbers in 0..1, got \[2\]"),
        ([0, -1], r"expected whole numbers in 0..1, got \[-1\]"),
        ([0, 0.5], r"expected whole numbers in 0..1, got \[0.5\]"),
        ([0, np.nan], r"expected whole numbers in 0..1, got \[nan\]"),
        ([0, np.inf], r"expected whole numbers in 0..1, got \[inf\]"),
        (["four", "nine"], r"expected whole numbers in 0..1, got \['four', 'nine'\]"),
        ([None, 1], r"expected whole numbers in 0..1, got \[None, 1\]"),
        ([[0], [1, 1]], "expected an array, got rows of different lengths"),
    ],
)
@pytest.mark.parametrize("method", [lambda y: NET.accuracy(X, y), lambda y: Margin.from_labels(NET, X, y)])
def test_bad_labels(method, y, message):
    with pytest.raises(ValueError, match="y: " + message):
        method(y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NET.vjp(X, np.ones(2)), r"g: expected shape \(2, 1\).* got \(2,\)"),
        (lambda: NET.vjp(X, np.ones((1, 1))), r"g: expected shape \(2, 1\).* got \(1, 1\)"),
        (lambda: NET.jvp(X, np.ones((1, 3))), r"dx: expected the shape of x, \(2, 3\), got \(1, 3\)"),
        (lambda: NET.jacobian(X, by="pixels"), "by: expected .* got 'pixels'"),
        (lambda: MLP.init([3]), r"sizes: expected at least an input and an output size, got \[3\]"),
        (lambda: MLP.init([3, 0]), "sizes: expected at least 1, got 0"),
        (lambda: MLP.init([3, 1.0]), "sizes: expected a whole number, got 1.0"),
        (lambda: MLP.init([3, 1], activation="gelu"), "activation: expected one of relu, tanh, sigmoid, got 'gelu'"),
        (lambda: MLP.init([3, 1], threshold=np.nan), "threshold: expected a finite number, .* got nan"),
        (lambda: MLP.init([3, 2], threshold=0.5), "threshold: expected .* 0 for more than one logit, got 0.5 for 2"),
        (lambda: MLP.from_arrays([]), r"arrays: expected at least one \(W, b\), got none"),
        (lambda: MLP.from_arrays([np.ones((3, 2)), np.ones(2)]), r"layer 1: expected a pair .* got ndarray \(3, 2\)"),
        (lambda: MLP.from_arrays([np.ones((2, 2)), np.ones(2)]), r"layer 1: expected a pair .* got ndarray \(2, 2\)"),
        (lambda: MLP.from_arrays([[[1.0], [2.0], [3.0]], [0.0]]), r"layer 1: expected a pair \(W, b\), .* got list"),
        (lambda: MLP.from_arrays([3.0]), r"layer 1: expected a pair \(W, b\), .* got float"),
        (lambda: MLP.from_arrays({}), "arrays: expected activation, threshold, W1, b1, got nothing"),
        (lambda: MLP.from_arrays({"W1": np.eye(1), "b1": [0]}), "arrays: expected activation, .* got W1, b1"),
        (lambda: MLP.from_arrays([([[1.0]], [0.0, 0.0])]), r"layer 1: expected .* got \(1, 1\) and \(2,\)"),
        (lambda: MLP.from_arrays([([1.0], [0.0])]), r"layer 1: expected .* got \(1,\) and \(1,\)"),
        (
            lambda: MLP.from_arrays([([[1.0]], [0.0]), ([[1.0], [1.0]], [0.0])]),
            r"layer 2: expected W \(1, d_out\).* got \(2, 1\)",
        ),
        (lambda: MLP.from_arrays([([[np.nan]], [0.0])]), "layer 1: expected finite weights, got NaN or infinity"),
        (lambda: MLP.from_arrays([([[1.0]], [-np.inf])]), "layer 1: expected finite weights, got NaN or infinity"),
        (lambda: MLP.from_arrays([([[1j]], [0.0])]), "layer 1: expected real numbers, got complex128 and float64"),
        (lambda: Margin.from_labels(NET3, X, [0, 1], [2, 3]), r"target: expected whole numbers in 0..2, got \[3\]"),
        (
            lambda: Margin.from_labels(NET3, X, [0, 1], 1),
            "target: expected a class other than the label, got 1 for both in row 1",
        ),
        (lambda: Margin.from_labels(NET3, X, [0, 1], [2, 2, 2]), r"target: expected .* got shape \(3,\)"),
        (
            lambda: Margin.from_labels(NET.logits, X, [0, 1]),
            r"expected a model with logits\(x\) and jacobian\(x\), got method without",
        ),
    ],
)
def test_bad_calls(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 1, 1), ()])
def test_a_strangers_logits_of_the_wrong_shape(shape):
    class Stranger:
        logits = staticmethod(lambda x: np.zeros(shape))
        jacobian = None

    with pytest.raises(ValueError, match="without jacobian"):
        Margin.from_labels(Stranger, X, [0, 1])
    Stranger.jacobian = staticmethod(lambda x: np.zeros((2, 1, 3)))
    with pytest.raises(ValueError, match=r"expected the model's logits to be \(n, k\), got "):
        Margin.from_labels(Stranger, X, [0, 1])


def test_images_that_already_are_right_are_not_copied():
    assert as_images(X) is X
    assert as_images(X.astype(np.float32)).dtype == np.float64
    assert as_images([[0.25, 0.5]]).tolist() == [[0.25, 0.5]]
    assert as_images(X, name="dx", dtype=np.float32).dtype == np.float32


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.sampled_from([int, float, np.uint8, np.float32, list]))
def test_whole_numbers_of_any_type_are_labels(y, kind):
    got = as_labels(y if kind is list else np.array(y, kind), len(y), 5)
    assert got.dtype == np.int64 and got.tolist() == y


def test_booleans_are_labels():
    assert as_labels(np.array([True, False]), 2, 2).tolist() == [1, 0]


def test_counts():
    assert as_count(np.int64(3), "k") == 3 and type(as_count(np.uint8(3), "k")) is int
    assert as_count(0, "k", least=0) == 0
    for value in (2.0, "2", None, [2]):
        with pytest.raises(ValueError, match="k: expected a whole number, got"):
            as_count(value, "k")
    with pytest.raises(ValueError, match="k: expected at least 1, got 0"):
        as_count(0, "k")


ODD = {
    "rng": (lambda: MLP.init([2, 1], rng="a"), "rng: expected a whole number >= 0 or a numpy Generator, got 'a'"),
    "negative seed": (lambda: pgd(NET, X, [0, 0], LInf(0.1), rng=-1), "rng: expected a whole number >= 0"),
    "sizes": (lambda: MLP.init(5), "sizes: expected a sequence such as .* got 5"),
    "threshold": (lambda: MLP.from_arrays([(np.eye(1), [0])], threshold="a"), "threshold: expected a number, got 'a'"),
    "dtype": (lambda: fit(NET, X, [0, 1], dtype="foo"), "dtype: expected float32 or float64, got 'foo'"),
    "box": (lambda: LInf(0.1, box=3), "box: expected \\(lo, hi\\), two numbers or arrays, got 3"),
    "box of words": (lambda: LInf(0.1, box=("a", "b")), "box: expected .* got \\('a', 'b'\\)"),
    "norm": (lambda: smallest_eps(NET, X, [0, 0], norm=["l2"]), "norm: expected .* got \\['l2'\\]"),
    "no dtype": (lambda: fit(NET, X, [0, 1], dtype=None), "dtype: expected float32 or float64"),
    "loss": (lambda: fit(NET, X, [0, 1], loss=""), "loss: expected one of logistic, .* got ''"),
    "ragged lr": (lambda: fit(NET, X, [0, 1], lr=[1, [2]]), "lr: expected an array, got rows of different lengths"),
    "ragged sizes": (lambda: MLP.init([4, [1]]), "sizes: expected an array, got rows of different lengths"),
    "ragged target": (lambda: pgd(NET, X, [0, 0], LInf(0.1), target=[1, [0]]), "target: expected an array, got rows"),
    "unused rng": (lambda: robust_accuracy(NET, X, [0, 0], LInf(0.1), rng="a"), "rng: expected a whole number >= 0"),
    "half a node": (lambda: certify(NET, X, [0, 0], LInf(0.1), node_limit=1.5), "node_limit: expected a whole number"),
    "half a pixel": (lambda: L0(0.5), "radius: expected a whole number of pixels, at least 1, got 0.5$"),
    "no images": (lambda: pgd(NET, None, [0, 0], LInf(0.1)), "x: expected floating-point pixels, got object$"),
    "bytes": (lambda: pgd(NET, X.astype(int), [0, 0], LInf(0.1)), "got int64 \\(bytes 0..255 are divided by 255"),
    "smoothness": (lambda: accessory(NET, X, [0, 0], np.ones((1, 3), bool), smoothness=np.inf), "smoothness: "),
    "share": (lambda: share_interval(2, 3), "share: expected a number in \\[0, 1\\], got 2"),
    "of none": (lambda: share_interval(0.5, 0), "n: expected at least 1, got 0"),
    "width": (lambda: universal(NET, X, [0, 0], LInf(0.1)).apply(np.zeros((1, 2))), "x: expected shape \\(n, 3\\)"),
    "range": (lambda: universal(NET, X, [0, 0], LInf(0.1)).apply(np.full((1, 3), 2.0)), "x: expected pixels inside"),
    "variant": (lambda: saliency_map(NET, X, [0, 0], variant=[1]), "variant: expected .* got \\[1\\]"),
}


@pytest.mark.parametrize("name", ODD)
def test_options_of_the_wrong_type_get_the_librarys_own_sentence(name):
    call, message = ODD[name]
    with pytest.raises(ValueError, match=message):
        call()
