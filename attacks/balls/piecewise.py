"""The root of a sum of ramps that end at caps: how L2 spends its radius, and how L2 and LInf invert their support."""

from __future__ import annotations

import numpy as np

from minigrad.inputs import Array


def first_root(slope: Array, cap: Array, value: Array) -> Array:
    """The smallest r >= 0 with `H(r) = sum_i min(slope_i r, cap_i) >= value`, or inf; NaN for NaN.

    Newton's steps from 0.  H is concave, so its tangents lie above it and no step goes past the root; a row whose step
    meets no further cap has found it.  Every step but a row's last meets a cap, so it takes d + 1 at most; on images
    of 784 pixels, four steps are the most that were seen.

    Slopes and caps (..., d) >= 0; value (...).  What rounding costs: r may be past the root, but H(r) is value to
    within the rounding of a sum of positive terms.
    """
    r, t, met, active = np.zeros((*cap.shape[:-1], 1)), np.zeros(cap.shape), cap <= 0, np.True_
    while True:
        rest = value[..., None] - np.sum(np.minimum(t, cap), axis=-1, keepdims=True)
        rising = np.sum(slope * ~met, axis=-1, keepdims=True)
        with np.errstate(divide="ignore", over="ignore"):  # nothing rises any more: r = inf
            r = np.where(active, r + rest / np.where(rest > 0, rising, np.inf), r)
            t = slope * np.minimum(r, np.finfo(np.float64).max)  # 0 inf would be NaN
        now = met | (cap <= t)
        active = (now != met).any(axis=-1, keepdims=True)  # the others stay, whatever rows stand beside them
        if not active.any():
            return r[..., 0]
        met = now
