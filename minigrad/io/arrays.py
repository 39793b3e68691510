"""A network as arrays: layers from weights and biases, each checked, and the dict that says all of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.inputs import Array, as_array, as_number
from minigrad.layers import ACTIVATIONS, Dense, Layer

if TYPE_CHECKING:
    from minigrad.mlp import MLP


def network_layers(
    arrays: Iterable[Any] | Mapping[str, Any], activation: Any = None, threshold: Any = None
) -> tuple[tuple[Layer, ...], float]:
    """The layers and the threshold of a network from `[(W_1, b_1), ...]`, or from the dict of `network_arrays`.

    `activation` and `threshold` count before what the dict says; without either they are "relu" and 0.

    Raises
    ------
    ValueError
        As `MLP.from_arrays` says.
    """
    defaults: list[Any] = ["relu", 0.0]
    if isinstance(arrays, Mapping):
        arrays, *defaults = _pairs(arrays)
    activation = check_activation(defaults[0] if activation is None else activation)
    threshold = as_number(defaults[1] if threshold is None else threshold, "threshold")
    layers: list[Layer] = []
    width = None
    for k, pair in enumerate(_listed(arrays), start=1):
        dense = _dense(k, pair, width)
        width = dense.W.shape[1]
        layers += [dense, ACTIVATIONS[activation]()]
    if not layers:
        raise ValueError("arrays: expected at least one (W, b), got none")
    if not np.isfinite(threshold) or (width != 1 and threshold != 0):
        raise ValueError(f"threshold: expected a finite number, 0 for more than one logit, got {threshold} for {width}")
    return tuple(layers[:-1]), threshold


def network_arrays(net: MLP) -> dict[str, Array]:
    """`{"activation", "threshold", "W1", "b1", "W2", ...}`: all that defines the network.

    Raises
    ------
    ValueError
        Layers that these arrays cannot tell apart from others: `dataclasses.replace` puts any into a network.
    """
    kinds = [type(layer) for layer in net.layers]
    if set(kinds[::2]) != {Dense} or len(kinds) % 2 == 0 or not {*kinds[1::2]} <= {ACTIVATIONS.get(net.activation)}:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"net: expected Dense layers with one of {', '.join(ACTIVATIONS)} between them, got {names}")
    if any(array.dtype != np.float64 for layer in net.dense for array in (layer.W, layer.b)):
        raise ValueError("net: expected weights in float64: MLP.from_arrays makes them so")
    arrays = {"activation": np.array(net.activation), "threshold": np.array(net.threshold)}
    for k, layer in enumerate(net.dense, start=1):
        arrays |= {f"W{k}": layer.W, f"b{k}": layer.b}
    return arrays


def check_activation(activation: Any) -> str:
    """Its name, or ValueError."""
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        name = getattr(activation, "__name__", type(activation).__name__).lower()  # of torch.nn.ReLU, an object of it
        hint = f': say "{name}"' if not isinstance(activation, str) and name in ACTIVATIONS else ""
        raise ValueError(f"activation: expected one of {', '.join(ACTIVATIONS)}, got {activation!r}{hint}")
    return activation


def _pairs(arrays: Mapping[str, Any]) -> tuple[list[tuple[Any, Any]], str, Any]:
    """The pairs, the activation and the threshold in a dict of `network_arrays`."""
    depth = max(len(arrays) // 2 - 1, 1)
    wanted = ["activation", "threshold", *(f"{part}{k}" for k in range(1, depth + 1) for part in "Wb")]
    if set(arrays) != set(wanted):
        raise ValueError(f"arrays: expected {', '.join(wanted)}, got {', '.join(map(str, arrays)) or 'nothing'}")
    pairs = [(arrays[f"W{k}"], arrays[f"b{k}"]) for k in range(1, depth + 1)]
    return pairs, str(arrays["activation"]), arrays["threshold"]


def _listed(arrays: Any) -> list[Any]:
    """What is in `arrays`, or ValueError for what is no list."""
    try:
        return list(arrays)
    except TypeError as error:
        what = f"expected [(W_1, b_1), (W_2, b_2), ...] or the dict of to_arrays, got {type(arrays).__name__}"
        raise ValueError(f"arrays: {what}") from error


def _dense(k: int, pair: Any, width: int | None) -> Dense:
    """Layer k of `(W, b)`; W must have `width` rows, as many as the layer before has outputs."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        what = f"{type(pair).__name__} {getattr(pair, 'shape', '')}".rstrip()
        hint = " (of [W_1, b_1, W_2, b_2]: zip(arrays[::2], arrays[1::2]))" if np.ndim(pair) else ""
        raise ValueError(f"layer {k}: expected a pair (W, b), as in [(W_1, b_1), (W_2, b_2), ...], got {what}{hint}")
    W, b = as_array(pair[0], f"layer {k}"), as_array(pair[1], f"layer {k}")
    if W.dtype.kind not in "biuf" or b.dtype.kind not in "biuf":
        raise ValueError(f"layer {k}: expected real numbers, got {W.dtype} and {b.dtype}")
    W, b = np.array(W, np.float64, order="C"), np.array(b, np.float64)
    if W.ndim != 2 or 0 in W.shape or b.shape != W.shape[1:] or width not in (None, W.shape[0]):
        wanted = f"W ({width or 'd_in'}, d_out) and b (d_out,)"
        turned = W.ndim == 2 and b.shape == W.shape[:1] != W.shape[1:]
        hint = ": W is transposed, as torch keeps it" if turned else ""
        raise ValueError(f"layer {k}: expected {wanted}, got {W.shape} and {b.shape}{hint}")
    if not (np.isfinite(W).all() and np.isfinite(b).all()):
        raise ValueError(f"layer {k}: expected finite weights, got NaN or infinity")
    W.flags.writeable = b.flags.writeable = False
    return Dense(W, b)
