"""How far the logits that float64 computes may be from their true values: a counterexample must win by more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.bounds.rounding import ETA, SMOOTH, TINY, product_error
from minigrad.inputs import Array
from minigrad.layers import Dense, Layer, ReLU


def forward_error(layers: Sequence[Layer], x: Array, off: Array | float = 0.0) -> Array:
    """`E`, (n, K): a float64 evaluation of the logits of `x` (n, d) is at most this far from their true values, also
    those of images that differ from `x` by no more than `off` in each pixel.

    Each layer adds `gamma_n (|a| |W| + |b|)` and passes on the error of its input times |W| (no activation here is
    steeper than 1), the whole doubled for second-order terms.
    """
    a, E, smooth = x, np.broadcast_to(off, x.shape), 0.0  # a, E (n, width): a value on the way, and its error so far
    for layer in layers:
        if isinstance(layer, Dense):
            E = product_error(layer.W, layer.b, np.abs(a)) + (E + smooth) @ np.abs(layer.W) + len(layer.W) * ETA
        else:
            smooth = 0.0 if isinstance(layer, ReLU) else SMOOTH
        a = layer.forward(a)
    return 2 * E + TINY
