"""Networks trained by scikit-learn, which is not imported:  coefs_[k] (d_in, d_out) is W, intercepts_[k] is b."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.inputs import Array
from minigrad.io.agreement import random_rows
from minigrad.io.npz import briefly
from minigrad.io.pairs import Pair, as_numbers, merged_layers

if TYPE_CHECKING:
    from minigrad.mlp import MLP

SKLEARN = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid", "identity": None}  # theirs -> ours
CLOSE = 1e-8  # of probabilities in float64, which agree to 1e-13; another output activation moves them by 1e-3 and more


def sklearn_arrays(classifier: Any) -> tuple[list[Pair], str]:
    """`[(W_1, b_1), ...]` and the activation of a fitted `sklearn.neural_network.MLPClassifier`.

    Its logits are what its softmax, or for two classes its sigmoid, is applied to; class j is `classes_[j]`.

    Raises
    ------
    ValueError
        Something else, not fitted, fitted to several labels per image or to one class, or with an activation that is
        unknown here.
    """
    wanted = ("coefs_", "intercepts_", "activation", "classes_", "out_activation_", "predict_proba")
    missing = [name for name in wanted if not hasattr(classifier, name)]
    if missing or hasattr(classifier, "steps"):
        raise ValueError(f"sklearn: expected a fitted MLPClassifier, got {_advice(classifier, missing)}")
    activation = classifier.activation
    if not isinstance(activation, str) or activation not in SKLEARN:
        raise ValueError(f"sklearn: expected an activation among {', '.join(SKLEARN)}, got {activation!r}")
    pairs = [(as_numbers(W), as_numbers(b)) for W, b in zip(classifier.coefs_, classifier.intercepts_, strict=True)]
    logits, classes = len(pairs[-1][1]), len(classifier.classes_)
    if classes < 2:
        raise ValueError(f"sklearn: expected a classifier of two classes or more, got {classes}")
    expected = (classes, "softmax") if classes > 2 else (1, "logistic")
    if (logits, classifier.out_activation_) != expected:
        raise ValueError(f"sklearn: expected one class per image, got {logits} labels per image")
    if SKLEARN[activation] is None:  # the identity: all layers are one
        first, *others = pairs
        for other in others:
            first = merged_layers("identity", first, other)
        return [first], "relu"
    return pairs, SKLEARN[activation] or ""


def check_classifier(net: MLP, classifier: Any) -> None:
    """Raise ValueError unless the classifier gives random rows the probabilities that follow from the logits of `net`.

    They are softmax(N), and for one logit 1 - p and p with p = 1 / (1 + exp(-N)): the softmax of (0, N).
    """
    x = random_rows(net.sizes[0])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # fitted to a table with named columns, it warns of rows without names
        try:
            theirs: Array = np.asarray(classifier.predict_proba(x), np.float64)  # (n, classes)
        except Exception as error:  # whatever a foreign classifier raises
            raise ValueError(f"sklearn: expected a classifier that can be evaluated, got {briefly(error)}") from error
        N = net.logits(x)
        N = N if N.shape[1] > 1 else np.hstack([0 * N, N])
        share = np.exp(N - N.max(axis=1, keepdims=True))
        ours = share / share.sum(axis=1, keepdims=True)  # (n, classes)
    if theirs.shape != ours.shape or not (np.abs(ours - theirs) <= CLOSE).all():
        raise ValueError(
            f"sklearn: expected the probabilities that its layers give, got others from {type(classifier).__name__}: "
            "it computes something else than a plain MLPClassifier"
        )


def _advice(classifier: Any, missing: list[str]) -> str:
    """What came, and what to pass instead."""
    name = type(classifier).__name__
    if hasattr(classifier, "steps"):
        return (
            f"a {name}: pass its last step and, where the others shift and scale each pixel, as a StandardScaler does, "
            "say so: lo, hi = pipe[:-1].transform([[0] * d, [1] * d]); MLP.from_sklearn(pipe[-1]).rescaled(lo, hi)"
        )
    if hasattr(classifier, "best_estimator_"):
        return f"{name}: pass its best_estimator_"
    return f"{name} without {', '.join(missing)}"
