"""Roots of nondecreasing piecewise linear functions: how three norms invert their support function."""

from __future__ import annotations

import numpy as np

from minigrad.inputs import Array


def sums_before(v: Array) -> Array:
    """`sum_{j < i} v_j` (..., d).  (cumsum(v) - v would lose what is small beside v_i.)"""
    out = np.zeros_like(v)
    np.cumsum(v[..., :-1], axis=-1, out=out[..., 1:])
    return out


def first_root(start: Array, slope: Array, knot: Array, value: Array) -> Array:
    """The smallest r >= 0 with H(r) >= value, or inf.

    H is nondecreasing, and on piece i, up to knot_i, it is `start_i + slope_i r`.  All (..., d), pieces in order of
    their knots; value (...).
    """
    with np.errstate(invalid="ignore"):  # 0 * inf: a flat piece without end
        at_knot = start + np.where(slope > 0, slope * knot, 0.0)
    reached = at_knot >= value[..., None]
    piece = np.argmax(reached, axis=-1)[..., None]
    start, slope = np.take_along_axis(start, piece, -1)[..., 0], np.take_along_axis(slope, piece, -1)[..., 0]
    end = np.take_along_axis(knot, piece, -1)[..., 0]
    with np.errstate(over="ignore"):  # a slope of 1e-310: the end of its piece comes first
        root = np.where(slope > 0, (value - start) / np.where(slope > 0, slope, 1), 0.0)
    before = np.concatenate([np.zeros_like(knot[..., :1]), knot[..., :-1]], axis=-1)
    root = np.minimum(np.maximum(root, np.take_along_axis(before, piece, -1)[..., 0]), end)  # value - start may cancel
    return np.where(reached.any(-1), root, np.inf)


def sorted_by_knot(slope: Array, cap: Array) -> tuple[Array, Array, Array]:
    """`cap / slope` ascending (0 where the pixel cannot earn), and slope and cap in that order."""
    slope = np.where(cap > 0, slope, 0)
    with np.errstate(over="ignore"):  # a slope of 1e-310 never brings its pixel to the cap
        knot = np.divide(cap, slope, out=np.zeros_like(cap), where=slope > 0)  # (..., d)
    order = np.argsort(knot, axis=-1)  # rising
    knot, slope, cap = (np.take_along_axis(a, order, -1) for a in (knot, slope, np.where(slope > 0, cap, 0)))
    return knot, slope, cap
