"""The root of a sum of ramps that end at caps: how L2 spends its radius, and how L2 and LInf invert their support."""

from __future__ import annotations

import numpy as np

from minigrad.inputs import Array


def first_root(slope: Array, cap: Array, value: Array) -> Array:
    """The smallest r >= 0 with `H(r) = sum_i min(slope_i r, cap_i) >= value`, or inf.

    Newton's steps from 0.  H is concave, so its tangents lie above it and no step goes past the root; a step that meets
    no further cap has found it.  Each step but the last meets a cap, so there are at most d + 1; of MNIST's 784 pixels
    three are the most that were seen.

    Slopes and caps (..., d) >= 0; value (...).  What rounding costs: H(r) is value to within that of a sum of positive
    terms, as no r is taken that falls below the one before it (value - the caps that are met may cancel).
    """
    r, t, met = np.zeros((*cap.shape[:-1], 1)), np.zeros(cap.shape), cap <= 0
    while True:
        rest = value[..., None] - np.sum(np.minimum(t, cap), axis=-1, keepdims=True)
        rising = np.sum(slope * ~met, axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # nothing rises any more: r = inf
            r = np.fmax(r, r + rest / rising)
            t = slope * r
        now = met | (cap <= t)
        if np.array_equal(now, met):
            return r[..., 0]
        met = now
