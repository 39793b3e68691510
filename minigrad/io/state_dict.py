"""Weights of torch without their module: a `state_dict()`, which does not say in which order its layers are called.

The order in the dict is not it: some files sort their keys ("0", "10", "2"), and a module lists its layers as they were
defined.  So the order is deduced, from shapes and numbers, and where they leave a doubt the dict is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.io.pairs import Pair, as_numbers
from minigrad.layers import ACTIVATIONS

Shape = tuple[str, int, int]  # name, d_in, d_out
STEPS = 10_000  # orders begun before we give up; the shapes of a real network leave a few
SHOWN = 6  # layers named in a message: two lines of a terminal


def state_pairs(state: Mapping[str, Any], activation: str | None) -> list[tuple[str, Pair]]:
    """`[(name, (W, b)), ...]` of a state dict, in the order in which the layers are called.

    The order is one in which
    1. the shapes fit: each layer has as many inputs as the one before has outputs;
    2. names that differ in their numbers only, as "fc1" and "fc2" or "net.0" and "net.10", come by their numbers.
    It must be the only one.

    What no state dict says is believed: that there is the activation between all layers, and nothing else that
    computes.  Keys "0" and "1" of a Sequential, which leave no place for it, are refused.  Pass the module where you
    have it: then the logits are compared.

    Raises
    ------
    ValueError
        Other weights than those of Linear layers; no activation named; no such order, or several.
    """
    if "weight" in state:  # of a single Linear
        state = {f"Linear.{key}": value for key, value in state.items()}
    _check_keys(state)
    names = [key.removesuffix(".weight") for key in state if key.endswith(".weight")]
    if activation is None and len(names) > 1:
        raise ValueError(f"activation: a state dict does not name it, expected one of {', '.join(ACTIVATIONS)}")
    order = _order([(name, *np.shape(state[f"{name}.weight"])[::-1]) for name in names])
    _check_gaps(order)
    pairs = []
    for name in order:
        W, bias = as_numbers(state[f"{name}.weight"]).T, state.get(f"{name}.bias")
        pairs.append((name, (W, np.zeros(W.shape[1]) if bias is None else as_numbers(bias))))
    return pairs


def _check_keys(state: Mapping[str, Any]) -> None:
    """Raise ValueError, with advice, unless all are weights (d_out, d_in) and biases (d_out,)."""
    for key, value in state.items():
        if hasattr(value, "named_modules") or (
            isinstance(value, Mapping) and any(str(name).endswith("weight") for name in value)
        ):
            raise ValueError(
                f"torch: expected the state dict itself, got a checkpoint that holds it: pass checkpoint[{key!r}]"
            )
    keys = [str(key) for key in state]
    if any(key.endswith(("running_mean", "running_var")) for key in keys):
        raise ValueError(
            "torch: expected weights and biases of Linear layers, got those of a BatchNorm, whose place and eps a "
            "state dict does not say: pass the module itself"
        )
    stems = [key.removesuffix(".weight") for key in keys if key.endswith(".weight")]
    known = {f"{stem}.{part}" for stem in stems for part in ("weight", "bias")}
    axes = {key: np.ndim(value) for key, value in zip(keys, state.values(), strict=True)}
    other = [key for key in keys if key not in known or axes[key] != 1 + key.endswith(".weight")]
    if other or not stems:
        raise ValueError(f"torch: expected weights and biases of Linear layers, got {', '.join(other) or 'nothing'}")


def _order(layers: list[Shape]) -> list[str]:
    """The names of the layers in the one order that fits, or ValueError."""
    alike: dict[str, list[Shape]] = {}
    for layer in layers:
        alike.setdefault(re.sub(r"\d+", "#", layer[0]), []).append(layer)
    groups = [sorted(group, key=lambda layer: _numbers(layer[0])) for group in alike.values()]
    found: list[tuple[str, ...]] = []
    todo: list[tuple[tuple[int, ...], int, tuple[str, ...]]] = [((0,) * len(groups), -1, ())]
    steps = 0
    while todo and len(found) < 2 and steps < STEPS:  # depth first; of each group the next by number
        taken, width, names = todo.pop()
        steps += 1
        if len(names) == len(layers):
            found.append(names)
        for g, (group, count) in enumerate(zip(groups, taken, strict=True)):
            if count < len(group) and width in (-1, group[count][1]):
                name, _, outputs = group[count]
                todo.append(((*taken[:g], count + 1, *taken[g + 1 :]), outputs, (*names, name)))
    if len(found) == 1 and not todo:
        return list(found[0])
    shown = ", ".join(f"{name} ({d} -> {m})" for name, d, m in layers[:SHOWN])
    shown += ", ..." if len(layers) > SHOWN else ""
    if not found and not todo:
        raise ValueError(f"torch: expected layers that fit each other in the order of their numbers, got {shown}")
    raise ValueError(
        "torch: expected names whose numbers say the order of the layers, as fc1, fc2, ..., or the module itself, got "
        f"{shown}, which fit each other in several orders"
    )


def _numbers(name: str) -> tuple[int, ...]:
    """Those in a name: "block1.fc10" -> (1, 10)."""
    return tuple(int(number) for number in re.findall(r"\d+", name))


def _check_gaps(order: list[str]) -> None:
    """Raise ValueError if neighbours of a Sequential leave no place for the activation between them.

    Numbers "0", "1" are those of a Sequential, which calls nothing in between.  "layers.0", "layers.1" may be of a list
    whose owner calls an activation himself; but then no number is left out.
    """
    gaps: dict[str, list[int]] = {}
    for name, after in pairwise(order):
        stem = name.rstrip("0123456789")
        numbers = name[len(stem) :], after.removeprefix(stem)
        if all(number.isdecimal() for number in numbers):
            gaps.setdefault(stem, []).append(int(numbers[1]) - int(numbers[0]))
    for stem, found in gaps.items():
        if 1 in found and (not stem or (stem.endswith(".") and set(found) != {1})):
            raise ValueError(
                f"torch: expected a place for the activation between the layers, got {', '.join(order[:SHOWN])}, of "
                "which some follow each other directly: pass the module itself"
            )
