"""What the converters share: numbers out of foreign arrays, and two layers made one.

Layers that follow each other with no activation between them are one layer:  (x W_1 + b_1) W_2 + b_2  =
x (W_1 W_2) + (b_1 W_2 + b_2).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.inputs import Array
from minigrad.io.npz import briefly

Pair = tuple[Array, Array]  # W (d_in, d_out), b (d_out,)


def merged_layers(name: str, first: Pair, then: Pair) -> Pair:
    """The one layer that computes what `first` and `then`, called `name`, compute one after the other.

    Raises
    ------
    ValueError
        They do not fit each other.
    """
    (W, b), (V, c) = first, then
    if W.shape[1] != len(V):
        raise ValueError(f"{name}: expected {W.shape[1]} inputs, as many as the layer before has outputs, got {len(V)}")
    return W @ V, b @ V + c


def as_numbers(tensor: Any) -> Array:
    """An array or tensor, on whatever device and of whatever precision, as float64.

    Raises
    ------
    ValueError
        Complex numbers, or a tensor without any (torch's device "meta", a sparse one).
    """
    if "complex" in str(getattr(tensor, "dtype", "")):
        raise ValueError(f"expected real weights, got {tensor.dtype}")
    try:
        for step in ("detach", "double", "cpu", "numpy"):
            tensor = getattr(tensor, step)() if hasattr(tensor, step) else tensor
        return np.asarray(tensor, np.float64)
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"expected weights that can be read, got {briefly(error)}") from error
