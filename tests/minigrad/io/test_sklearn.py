"""Classifiers of scikit-learn, against it where it is installed, and against a small double everywhere."""

import warnings
from itertools import pairwise

import numpy as np
import pytest

from minigrad import MLP

NO_SKLEARN = "scikit-learn is not installed: only a double of its classifier was converted"
RNG = np.random.default_rng(2)
X = RNG.random((7, 5))
FUNCTIONS = {
    "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "logistic": lambda z: (1 + np.tanh(z / 2)) / 2,
    "identity": lambda z: z,
}  # fmt: skip


class Classifier:
    """What a fitted MLPClassifier has."""

    def __init__(self, sizes, classes, activation="relu", out=None):
        self.coefs_ = [RNG.normal(size=shape) for shape in pairwise(sizes)]
        self.intercepts_ = [RNG.normal(size=size) for size in sizes[1:]]
        self.activation, self.classes_ = activation, np.arange(classes)
        self.out_activation_ = out or ("softmax" if classes > 2 else "logistic")

    def scores(self, x):
        for k, (W, b) in enumerate(zip(self.coefs_, self.intercepts_, strict=True)):
            x = x @ W + b if k == 0 else FUNCTIONS[self.activation](x) @ W + b
        return x

    def predict_proba(self, x):
        warnings.warn("these rows have no names", stacklevel=1)
        N = self.scores(x)
        if self.out_activation_ == "logistic":
            share = FUNCTIONS["logistic"](N)
            return np.hstack([1 - share, share]) if N.shape[1] == 1 else share
        share = np.exp(N - N.max(axis=1, keepdims=True))
        return share / share.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize(("sizes", "classes"), [([5, 4, 1], 2), ([5, 4, 4, 3], 3), ([5, 6], 6)])
def test_a_classifier_is_read(activation, sizes, classes):
    classifier = Classifier(sizes, classes, activation)
    net = MLP.from_sklearn(classifier)
    assert net.sizes == ((5, sizes[-1]) if activation == "identity" else tuple(sizes))
    np.testing.assert_allclose(net.logits(X), classifier.scores(X), rtol=0, atol=1e-12)


class Wrapped(Classifier):
    def predict_proba(self, x):
        return self.change(super().predict_proba(x))


@pytest.mark.parametrize(
    "change", [lambda p: p[:, ::-1], lambda p: p[:, :1], lambda p: np.sqrt(p), lambda p: p + 1e-3, lambda p: np.nan * p]
)
def test_a_classifier_that_computes_something_else_is_refused(change):
    classifier = Wrapped([5, 4, 3], 3)
    classifier.change = change
    with pytest.raises(ValueError, match="expected the probabilities that its layers give, got others from Wrapped"):
        MLP.from_sklearn(classifier)
    classifier.change = lambda p: p.no
    with pytest.raises(ValueError, match=r"sklearn: expected a classifier that can be evaluated, got .*no"):
        MLP.from_sklearn(classifier)


class Pipe:
    def __init__(self, *steps):
        self.steps, self.classes_ = [(str(k), step) for k, step in enumerate(steps)], np.arange(2)


class Search:
    best_estimator_ = Classifier([5, 1], 2)


BAD = {
    "something else": ({}, "a fitted MLPClassifier, got dict without coefs_, intercepts_"),
    "two labels an image": (Classifier([5, 2], 2), "expected one class per image, got 2 labels per image"),
    "three labels an image": (Classifier([5, 3], 3, out="logistic"), "one class per image, got 3 labels per image"),
    "a regression": (Classifier([5, 3], 3, out="identity"), "expected one class per image"),
    "one class": (Classifier([5, 1], 1), "a classifier of two classes or more, got 1"),
    "another activation": (Classifier([5, 1], 2, "swish"), r"expected an activation among relu, .* got 'swish'"),
    "an activation of torch": (Classifier([5, 1], 2, np.tanh), "expected an activation among relu, .* got <ufunc"),
    "an activation that is a list": (Classifier([5, 1], 2, ["relu"]), r"among relu, .* got \['relu'\]"),
    "a pipeline": (Pipe(None), r"got a Pipe: pass its last step .*StandardScaler.*\.rescaled\(lo, hi\)$"),
    "a search": (Search(), "got Search: pass its best_estimator_$"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_foreign_classifiers_are_refused(name):
    classifier, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        MLP.from_sklearn(classifier)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------- scikit-learn itself


def fitted(x, y, *before, **options):
    neural = pytest.importorskip("sklearn.neural_network", reason=NO_SKLEARN)
    from sklearn.pipeline import make_pipeline

    classifier = neural.MLPClassifier((8, 6), max_iter=5, random_state=0, tol=0, n_iter_no_change=10**6, **options)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # it says that five epochs are few
        return make_pipeline(*before, classifier).fit(x, y) if before else classifier.fit(x, y)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sklearn(activation, classes, dtype):
    x, y = RNG.random((200, 5)).astype(dtype), RNG.integers(0, classes, 200)
    names = np.array(["ant", "bee", "cat", "dog"])
    classifier = fitted(x, names[y], activation=activation)
    with np.errstate(all="ignore"):
        share = classifier.predict_proba(x.astype(float))
    net = MLP.from_sklearn(classifier)
    N = net.logits(x)
    original = np.log(share[:, 1:] / share[:, :1]) if classes == 2 else np.log(share)
    ours = N if classes == 2 else N - np.log(np.exp(N).sum(axis=1, keepdims=True))
    assert np.abs(ours - original).max() < 1e-6
    assert np.array_equal(classifier.predict(x), classifier.classes_[net.predict(x)])


@pytest.mark.parametrize("labels", [2, 3])
def test_sklearn_with_several_labels_an_image(labels):
    classifier = fitted(RNG.random((60, 5)), RNG.integers(0, 2, (60, labels)))
    with pytest.raises(ValueError, match=f"expected one class per image, got {labels} labels per image"):
        MLP.from_sklearn(classifier)


@pytest.mark.parametrize("scaler", ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"])
def test_sklearn_the_advice_for_a_pipeline_is_right(scaler):
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason=NO_SKLEARN)
    x, y, d = RNG.normal(3, 2, (90, 5)), RNG.integers(0, 3, 90), 5
    pipe = fitted(x, y, getattr(preprocessing, scaler)())
    with pytest.raises(ValueError, match="got a Pipeline: pass its last step") as caught:
        MLP.from_sklearn(pipe)
    names = {"pipe": pipe, "MLP": MLP, "d": d}
    first, last = str(caught.value).partition("say so: ")[2].split("; ")
    exec(first, names)
    net = eval(last, names)
    share = np.exp(net.logits(x))
    np.testing.assert_allclose(share / share.sum(axis=1, keepdims=True), pipe.predict_proba(x), rtol=0, atol=1e-9)


def test_sklearn_fitted_to_a_table_and_unfitted():
    neural = pytest.importorskip("sklearn.neural_network", reason=NO_SKLEARN)
    classifier = fitted(RNG.random((60, 5)), RNG.integers(0, 2, 60))
    classifier.feature_names_in_ = np.array(list("abcde"), object)  # what a table leaves behind
    assert MLP.from_sklearn(classifier).sizes == (5, 8, 6, 1)
    with pytest.raises(ValueError, match="got MLPClassifier without coefs_, intercepts_"):
        MLP.from_sklearn(neural.MLPClassifier())
    regressor = neural.MLPRegressor(max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regressor.fit(X, X[:, 0])
    with pytest.raises(ValueError, match="got MLPRegressor without classes_, predict_proba"):
        MLP.from_sklearn(regressor)
