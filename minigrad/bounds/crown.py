"""Linear bounds of the network on a whole set, by backward substitution (CROWN: Zhang et al. 2018, theorem 3.2).

For a row `c` the number `c . z_K` (z_K the logits, or any pre-activation before them) is bounded from above on all of
S = x + (the ball) by writing it as `A_k . z_k + const` and pushing A down, layer by layer, to the pixels:

    activation    a_k = f(z_k) lies between two lines on [l_k, u_k] (minigrad/bounds/relaxation.py).  Where the
                  coefficient on a_k is positive the line above bounds from above, where it is negative the line below:
                  const += pos . upper_offset + neg . lower_offset,   A_k = pos * upper_slope + neg * lower_slope
    a split       where z_k >= 0 is given (a branch of a proof), adding beta z_k, beta >= 0, can only raise the value;
                  where z_k <= 0 is given, adding -beta z_k:   A_k += +-beta
    dense         z_k = a_{k-1} W_k + b_k exactly:   const += A_k . b_k,   coefficient on a_{k-1} = A_k W_k^T

At the pixels `A_0 . (x + s) + const` is largest at the s that the linear maximisation oracle returns for A_0 (see
`LinearMaximisation`): bound = A_0 . x + h_S(A_0) + const.  The set is known by that oracle alone, so every norm, box
and mask is bounded the same way; for L0 the sum of the k largest gains is the support function of the convex hull too,
hence as tight as any linear argument can be.

Rounding.  The bound must hold for the network in real arithmetic with these float64 weights, and for any float64
evaluation of it.  With gamma_n = n u / (1 - n u), u = 2^-53, and X_k >= max |a_{k-1}| over S, one evaluation of layer k
errs by at most (minigrad/bounds/rounding.py)

    e_k = gamma_{n_k} (X_k |W_k| + |b_k|)  +  gamma_{m_k + 8} max(|l_k|, |u_k|)

whatever the order of its sums, with n_k = max(d_k, m_k) + 4 for a W_k of shape (d_k, m_k); the second part stands for
the activation and its lines.  A forward pass sums over d_k, the substitution over m_k; the errors of both reach the
result through the same coefficients A_k (after slope and beta), so the bound is raised by

    2 ( sum_k |A_k| e_k  +  2 gamma_{d + 4} |A_0| X_0 )  +  tiny.        (|x| <= X_0 and |s| <= 2 X_0)

The tempting term gamma_n (|A_0| |x| + |const|) misses the cancellation inside A W^T; a test shows it failing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from minigrad.bounds.region import LinearMaximisation, Region
from minigrad.bounds.rounding import TINY, gamma_n
from minigrad.inputs import Array
from minigrad.layers import product, times

if TYPE_CHECKING:
    from minigrad.mlp import MLP


@dataclass(frozen=True, eq=False)
class Substitution:
    """One pass of backward substitution for m rows of each set.

    Attributes
    ----------
    bound : (n, m)
    A : (n, m, d)
        The coefficient on the pixels: the linear function whose maximiser over the set attains the bound.
    on_activation : tuple, one (n, m, d_k) array for each hidden layer passed
        The coefficient on a_k, before a line was chosen; its sign chose the line.
    point : (n, m, d) or None
        Of a sketch: the maximiser `x + s*`.
    """

    bound: Array
    A: Array
    on_activation: tuple[Array, ...]
    point: Array | None = None


def substitute(
    known: Region,
    c: Array | None,
    at: tuple[int, Array] | None = None,
    alpha: Sequence[Array] | None = None,
    beta: Sequence[Array] | None = None,
) -> Substitution:
    """Bound  `c . (N - t) + e . z_k`  from above over the sets, for m rows of each.

    Parameters
    ----------
    known : Region
        With every hidden layer bounded that the rows go through.
    c : (n, m, K), or None for rows that begin at a hidden layer
        `t` is the network's threshold.
    at : (k, e), optional
        e (n, m, d_k), on the pre-activations of hidden layer k = 0, 1, ...
    alpha : one (n, m, d_k) array in [0, 1] for each hidden layer, optional
        Slopes of the lower lines, used where the lines are free.
    beta : one (n, m, d_k) array >= 0 for each hidden layer, optional
        Multipliers of the given signs.

    Raises
    ------
    OverflowError
        The bound is not finite.
    """
    dense = known.net.dense
    if c is None:
        assert at is not None
        top, A = at
        const, error = np.zeros(A.shape[:2], A.dtype), np.zeros(A.shape[:2])  # (n, m)
    else:
        top, A = len(dense) - 1, c
        const = -known.net.threshold * c.sum(-1)  # (n, m)
        error = gamma_n(4) * np.abs(const) if known.sound else 0 * const
    on_activation: list[Array] = []
    for k in range(top, -1, -1):
        if k < top:
            lines = known.lines[k]
            on_activation.insert(0, A)
            upper = np.maximum(A, 0)  # (n, m, d_k) the positive coefficients
            lower = A - upper  # (n, m, d_k) the negative part
            const = const + _dot(upper, lines.upper_offset) + _dot(lower, lines.lower_offset)
            upper *= lines.upper_slope[:, None, :]
            lower *= lines.slope_below(None if alpha is None else alpha[k])
            A = upper + lower
            if beta is not None and known.sign is not None:
                A += known.sign[k][:, None, :] * beta[k]
            if at is not None and at[0] == k:
                A += at[1]
        if known.sound:
            error = error + _dot(np.abs(A), known.error[k])
        const = const + _dot(A, dense[k].b[None])  # (n, m)
        A = times(A, dense[k].W.T)
    point = None
    if known.sound:
        bound = _dot(A, known.x) + known.rows_ball.support(known.x[:, None, :], A) + const
        error = error + 2 * gamma_n(known.x.shape[1] + 4) * _dot(np.abs(A), known.reach)
        bound = bound + 2 * error + known.x.shape[1] * TINY
    else:  # whoever sketches needs the maximiser too, and it gives the support
        point = maximiser(known, A)
        bound = np.einsum("nmd,nmd->nm", A, point) + const  # (n, m)
    if not np.isfinite(bound).all():
        raise OverflowError("expected finite bounds, got infinity: the weights are too large to bound in float64")
    return Substitution(bound, A, tuple(on_activation), point)


def maximiser(known: Region, A: Array) -> Array:
    """`x + s*`, (n, m, d): where `A . (x + s)` is largest in each set."""
    rows = known.x[:, None, :]
    point = known.rows_ball.maximize(rows, A)
    point += rows
    return point.astype(rows.dtype, copy=False)


def intervals(net: MLP, x: Array, ball: LinearMaximisation) -> Region:
    """Bounds of all hidden pre-activations for images `x` (n, d), each layer by substitution through those before it.

    The first layer is linear, so its bounds are exact up to rounding: x W + b +- h_S(+-W).

    Raises
    ------
    OverflowError
        A bound is not finite: the weights are too large to bound in float64.
    """
    known = Region(net, x, ball)
    for k in range(len(net.dense) - 1):
        eye = np.eye(net.dense[k].W.shape[1])
        rows = np.broadcast_to(np.concatenate([eye, -eye]), (len(x), 2 * len(eye), len(eye)))
        upper, lower = np.split(substitute(known, None, (k, rows)).bound, 2, axis=1)
        known = Region(net, x, ball, (*known.l, np.minimum(-lower, upper)), (*known.u, upper))
    return known


def upper_bound(known: Region, c: Array) -> Array:
    """An upper bound of `c . (N - t)` over the sets, (n, m)."""
    return substitute(known, c).bound


def _dot(A: Array, v: Array) -> Array:
    """`A v` for `A` (n, m, w) and `v` (n, w) or (1, w): (n, m)."""
    if len(v) == 1:
        return product(A.reshape(-1, A.shape[-1]), v[0]).reshape(A.shape[:2])
    return np.einsum("nmw,nw->nm", A, v)
