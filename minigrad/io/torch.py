"""Networks trained by torch:  y = x A^T + c  with A (d_out, d_in), so  W = A^T,  b = c.

torch is not imported: a module is known by the names of its parts, and a tensor by what it can do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minigrad.inputs import Array
from minigrad.io.pairs import Pair, as_numbers, merged_layers

TORCH = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}  # class -> activation
NOTHING = {"Flatten", "Identity", "Dropout"}  # leave a row of numbers as it is in evaluation mode
HOOKS = "_forward_hooks", "_forward_pre_hooks"  # where torch keeps functions that may change a layer's output


def torch_arrays(source: Any, activation: str | None = None) -> tuple[list[Pair], str]:
    """`[(W_1, b_1), ...]` and the activation of a torch module, or of its `state_dict()`.

    Parameters
    ----------
    source : a `Sequential` of Linear, ReLU, Tanh, Sigmoid (and Flatten, Identity, Dropout), or a `state_dict()`
        Of a state dict the weights are taken in their order.
    activation : str, optional
        What is between them: "relu", "tanh" or "sigmoid".  Needed for a state dict, which does not say.

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
    pairs: list[Pair] = []
    after = True  # an activation may not come first, nor twice
    for name, part in parts:
        if isinstance(part, str):
            if after:
                raise ValueError(f"torch: expected a Linear layer before {name}, got {part} there")
            after = True
        else:
            pairs.append(part) if after else pairs.append(merged_layers(name, pairs.pop(), part))
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
        yield name, (as_numbers(module.weight).T, _bias(module.bias, len(module.weight)))
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
        yield stem, (as_numbers(weight).T, _bias(state.get(f"{stem}.bias"), len(weight)))


def _bias(tensor: Any, outputs: int) -> Array:
    return np.zeros(outputs) if tensor is None else as_numbers(tensor)
