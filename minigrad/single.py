"""What a network says in single precision, in which most networks are run.

A verdict here is float64.  Where the margin is smaller than the rounding of float32, u = 6e-8 of the terms that are
added up, the caller's own network may say otherwise, so results report both.

How much that may be.  The sum z = sum_i a_i W_i + b of d products, added one after the other, is rounded d times, each
time by up to u times the partial sum.  Rounding errors are about independent, so they grow like sqrt(d) and not like d
(Higham and Mary 2019, theorem 2.4).  With partial sums that are random walks themselves, the variance of one sum is
u^2 d (sum_i a_i^2 W_i^2 + b^2), and on the way through the network variances v add up as

    Dense        v <- W^2 v + u^2 d (W^2 a^2 + b^2)          W^2, a^2: entry by entry
    activation   v <- f'(z)^2 v + u^2 f(z)^2

An estimate, not a bound: on four networks of MNIST, in eight orders of summation, errors were 0.1 to 0.5 of the
standard deviation in the mean and 1.6 at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.inputs import Array
from minigrad.layers import Dense, Layer, forward, product
from minigrad.model import Model, ask


def logits_32bit(net: Model, x: Array, layers: Sequence[Layer] | None) -> Any:
    """`N(x)` (n, k) of the float32-rounded images `x` (n, d), in single precision as far as `net` can.

    An `MLP`, whose `layers` are given, is run with its weights in float32.  Any other model is handed float32 rows, and
    what it makes of them is its own affair: a model that keeps its weights in float32 answers in float32.  One that
    takes nothing but float64, and so raises, gets the same rounded values in float64.  An overflow gives infinity or
    NaN.
    """
    most = np.finfo(np.float32).max
    rows = np.clip(x, -most, most).astype(np.float32)  # (n, d) the nearest float32, never infinite
    with np.errstate(over="ignore", invalid="ignore"):
        if layers is not None:
            return forward([_cast(layer) for layer in layers], rows)[-1]
        try:
            return ask(net, "logits", rows)
        except Exception:  # whatever a stranger's model raises at another type of number
            return ask(net, "logits", rows.astype(np.float64))


def variances_32bit(layers: Sequence[Layer], x: Array) -> tuple[Array, Array]:
    """`N(x)` (n, k), and the estimated variance of what float32 makes of it, (n, k); infinite or NaN on overflow."""
    unit = 2.0**-24
    with np.errstate(over="ignore", invalid="ignore"):
        a, v = x, (unit * x) ** 2  # (n, d): the image is rounded, too
        for layer in layers:
            if isinstance(layer, Dense):
                squares = layer.W**2
                v = product(v + unit**2 * len(squares) * a**2, squares) + unit**2 * len(squares) * layer.b**2
                a = layer.forward(a)
            else:
                v = layer.jvp(a, np.sqrt(v)) ** 2
                a = layer.forward(a)
                v += (unit * a) ** 2
    return a, v


def _cast(layer: Any) -> Any:
    """The layer with float32 weights; an activation takes the type of what comes in."""
    return Dense(layer.W.astype(np.float32), layer.b.astype(np.float32)) if isinstance(layer, Dense) else layer
