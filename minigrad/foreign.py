"""Networks trained elsewhere, layer by layer: their arrays, as `MLP.from_arrays` takes them.

No other library is imported: a module is known by the names of its parts, and a tensor by what it can do.

    torch           y = x A^T + c,  A (d_out, d_in), so  W = A^T, b = c
    scikit-learn    coefs_[k] (d_in, d_out) is W already, intercepts_[k] is b

Layers that follow each other with no activation between them are one layer:  (x W_1 + b_1) W_2 + b_2  =
x (W_1 W_2) + (b_1 W_2 + b_2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minigrad.inputs import Array

TORCH = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}  # class -> activation
NOTHING = {"Flatten", "Identity", "Dropout"}  # what changes no number of a row when a network is used, not trained
HOOKS = "_forward_hooks", "_forward_pre_hooks"  # functions that change what a layer says
SKLEARN = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid", "identity": None}
Pairs = list[tuple[Array, Array]]


def torch_arrays(source: Any, activation: str | None = None) -> tuple[Pairs, str]:
    """`[(W_1, b_1), ...]` and the activation of a torch module, or of its `state_dict()` with `activation` named.

    Raises
    ------
    ValueError
        A layer that is not Linear, ReLU, Tanh, Sigmoid, Flatten, Identity, Dropout or a Sequential of these, by its
        name; two kinds of activation; an activation that is first, last or follows another.
    """
    parts = list(_of_state(source, activation) if isinstance(source, Mapping) else _of_module(source, ""))
    kinds = {part for _, part in parts if isinstance(part, str)}
    if len(kinds) > 1:
        raise ValueError(f"torch: expected one kind of activation, got {', '.join(sorted(kinds))}")
    kind = next(iter(kinds), "relu")
    if activation is not None and kinds and kind != activation:
        raise ValueError(f"activation: the module says {kind}, got {activation!r}")
    pairs: Pairs = []
    after = True  # an activation may not come first, nor twice
    for name, part in parts:
        if isinstance(part, str):
            if after:
                raise ValueError(f"torch: expected a Linear layer before {name}, got {part} there")
            after = True
        else:
            pairs.append(part) if after else pairs.append(_one(name, pairs.pop(), part))
            after = False
    if not pairs or after:
        last = parts[-1][0] if parts else "nothing"
        raise ValueError(f"torch: expected a Linear layer at the end, whose output are the logits, got {last}")
    return pairs, kind


def _of_module(module: Any, name: str) -> Iterator[tuple[str, Any]]:
    """`(name, (W, b))` or `(name, activation)` for each layer that does something, in order."""
    kind = type(module).__name__
    hooked = [kind_of for kind_of in HOOKS if getattr(module, kind_of, None)]
    if hooked:
        raise ValueError(f"torch: expected layers without hooks, got {hooked[0]} on {name or kind}")
    name = f"{name} ({kind})" if name else kind
    if kind == "Sequential":
        for key, child in module.named_children():
            yield from _of_module(child, key if name == kind else f"{name.rpartition(' (')[0]}.{key}")
    elif kind == "Linear":
        yield name, (_numbers(module.weight).T, _bias(module.bias, len(module.weight)))
    elif kind in TORCH:
        yield name, TORCH[kind]
    elif kind not in NOTHING:
        raise ValueError(
            f"torch: expected a Sequential of {', '.join(['Linear', *TORCH, *sorted(NOTHING)])}, got the layer {name}"
        )


def _of_state(state: Mapping[str, Any], activation: str | None) -> Iterator[tuple[str, Any]]:
    """The same of a state dict: its weights, in order, with the activation between them."""
    if "weight" in state:  # of a single Linear
        state = {f"Linear.{key}": value for key, value in state.items()}
    stems = [key.removesuffix(".weight") for key in state if str(key).endswith(".weight")]
    known = {f"{stem}.{part}" for stem in stems for part in ("weight", "bias")}
    other = [str(key) for key in state if key not in known or np.ndim(state[key]) != (2 if "weight" in key else 1)]
    if other or not stems:
        raise ValueError(f"torch: expected weights and biases of Linear layers, got {', '.join(other) or 'nothing'}")
    if activation is None and len(stems) > 1:
        raise ValueError(f"activation: a state dict does not name it, expected one of {', '.join(TORCH.values())}")
    for k, stem in enumerate(stems):
        if k and activation is not None:
            yield f"the activation before {stem}", activation
        weight = state[f"{stem}.weight"]
        yield stem, (_numbers(weight).T, _bias(state.get(f"{stem}.bias"), len(weight)))


def sklearn_arrays(classifier: Any) -> tuple[Pairs, str]:
    """`[(W_1, b_1), ...]` and the activation of a fitted `sklearn.neural_network.MLPClassifier`.

    Its logits are what its softmax, or for two classes its sigmoid, is taken of; class j is `classes_[j]`.

    Raises
    ------
    ValueError
        Something else, not fitted, of several labels an image, or with an activation that is unknown here.
    """
    wanted = ("coefs_", "intercepts_", "activation", "classes_", "out_activation_")
    missing = [name for name in wanted if not hasattr(classifier, name)]
    if missing:
        raise ValueError(
            f"sklearn: expected a fitted MLPClassifier, got {type(classifier).__name__} without {', '.join(missing)}"
        )
    if classifier.activation not in SKLEARN:
        raise ValueError(f"sklearn: expected an activation among {', '.join(SKLEARN)}, got {classifier.activation!r}")
    pairs = [(_numbers(W), _numbers(b)) for W, b in zip(classifier.coefs_, classifier.intercepts_, strict=True)]
    logits = len(pairs[-1][1])
    if logits != (len(classifier.classes_) if len(classifier.classes_) > 2 else 1):
        raise ValueError(f"sklearn: expected one class an image, got {logits} labels an image")
    activation = SKLEARN[classifier.activation]
    if activation is None:  # the identity: all layers are one
        first, *others = pairs
        for other in others:
            first = _one("identity", first, other)
        return [first], "relu"
    return pairs, activation


def _one(name: str, first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
    """The one layer that does the same as both."""
    (W, b), (V, c) = first, then
    if W.shape[1] != len(V):
        raise ValueError(f"{name}: expected {W.shape[1]} inputs, as many as the layer before has outputs, got {len(V)}")
    return W @ V, b @ V + c


def _numbers(tensor: Any) -> Array:
    """A tensor, on whatever device and of whatever precision, as float64."""
    if "complex" in str(getattr(tensor, "dtype", "")):
        raise ValueError(f"expected real weights, got {tensor.dtype}")
    try:
        for step in ("detach", "double", "cpu", "numpy"):
            tensor = getattr(tensor, step)() if hasattr(tensor, step) else tensor
    except (NotImplementedError, RuntimeError) as error:  # a tensor without numbers, on torch's device "meta"
        raise ValueError(f"expected weights that can be read, got {error}") from error
    return np.asarray(tensor, np.float64)


def _bias(tensor: Any, outputs: int) -> Array:
    return np.zeros(outputs) if tensor is None else _numbers(tensor)
