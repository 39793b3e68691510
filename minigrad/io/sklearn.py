"""Networks trained by scikit-learn, which is not imported:  coefs_[k] (d_in, d_out) is W, intercepts_[k] is b."""

from __future__ import annotations

from typing import Any

from minigrad.io.pairs import Pair, as_numbers, merged_layers

SKLEARN = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid", "identity": None}  # theirs -> ours


def sklearn_arrays(classifier: Any) -> tuple[list[Pair], str]:
    """`[(W_1, b_1), ...]` and the activation of a fitted `sklearn.neural_network.MLPClassifier`.

    Its logits are what its softmax, or for two classes its sigmoid, is applied to; class j is `classes_[j]`.

    Raises
    ------
    ValueError
        Something else, not fitted, fitted to several labels per image, or with an activation that is unknown here.
    """
    wanted = ("coefs_", "intercepts_", "activation", "classes_", "out_activation_")
    missing = [name for name in wanted if not hasattr(classifier, name)]
    if missing:
        raise ValueError(
            f"sklearn: expected a fitted MLPClassifier, got {type(classifier).__name__} without {', '.join(missing)}"
        )
    if classifier.activation not in SKLEARN:
        raise ValueError(f"sklearn: expected an activation among {', '.join(SKLEARN)}, got {classifier.activation!r}")
    pairs = [(as_numbers(W), as_numbers(b)) for W, b in zip(classifier.coefs_, classifier.intercepts_, strict=True)]
    logits = len(pairs[-1][1])
    if logits != (len(classifier.classes_) if len(classifier.classes_) > 2 else 1):
        raise ValueError(f"sklearn: expected one class per image, got {logits} labels per image")
    activation = SKLEARN[classifier.activation]
    if activation is None:  # the identity: all layers are one
        first, *others = pairs
        for other in others:
            first = merged_layers("identity", first, other)
        return [first], "relu"
    return pairs, activation
