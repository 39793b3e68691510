"""What a network says in single precision, in which most networks are run.

A verdict here is float64.  Where the margin is smaller than the rounding of float32, 6e-8 of the terms that are added
up, the caller's own network may say otherwise, so results report both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.inputs import Array
from minigrad.layers import Dense
from minigrad.mlp import MLP, forward
from minigrad.model import Model, ask


def logits_32bit(net: Model, x: Array) -> Any:
    """`N(x)` (n, k) of the float32-rounded images `x` (n, d), in single precision as far as `net` can.

    An `MLP` is run with its weights in float32.  Any other model is handed float32 rows, and what it makes of them is
    its own affair: a model that keeps its weights in float32 answers in float32.  One that takes nothing but float64,
    and so raises, gets the same rounded values in float64.  An overflow gives infinity or NaN.
    """
    most = np.finfo(np.float32).max
    rows = np.clip(x, -most, most).astype(np.float32)  # (n, d) the nearest float32, never infinite
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(net, MLP):
            return forward([_cast(layer) for layer in net.layers], rows)[-1]
        try:
            return ask(net, "logits", rows)
        except Exception:  # whatever a stranger's model raises at another type of number
            return ask(net, "logits", rows.astype(np.float64))


def _cast(layer: Any) -> Any:
    """The layer with float32 weights; an activation takes the type of what comes in."""
    return Dense(layer.W.astype(np.float32), layer.b.astype(np.float32)) if isinstance(layer, Dense) else layer
