"""Linear bounds of the network on a whole set, by backward substitution (CROWN: Zhang et al. 2018, theorem 3.2).

For a row `c` the number `c . z_K` (z_K the logits, or any pre-activation before them) is bounded from above on all of
S = x + (the ball) by writing it as `A_k . z_k + const` and pushing A down, layer by layer, to the pixels:

    activation    a_k = f(z_k) lies between two lines on [l_k, u_k] (minigrad/bounds/relaxation.py).  Where the
                  coefficient on a_k is positive the line above bounds from above, where it is negative the line below:
                  const += pos . upper_offset + neg . lower_offset,   A_k = pos * upper_slope + neg * lower_slope
    a split       where z_k >= 0 is given (a branch of a proof), adding beta z_k, beta >= 0, can only raise the value;
                  where z_k <= 0 is given, adding -beta z_k:   A_k += +-beta
                  Of a smooth activation z_k >= l or z_k <= u, the ends of its interval, wherever it was split: adding
                  beta (z_k - l) or beta (u - z_k), of which only one can pay.  Written with one signed beta b:
                  A_k += b,   const -= b l where b > 0,   b u where b < 0
    dense         z_k = a_{k-1} W_k + b_k exactly:   const += A_k . b_k,   coefficient on a_{k-1} = A_k W_k^T

At the pixels `A_0 . (x + s) + const` is largest at the s that the linear maximisation oracle returns for A_0 (see
`LinearMaximisation`): bound = A_0 . x + h_S(A_0) + const.  The set is known by that oracle alone, so every norm, box
and mask is bounded the same way; for L0 the sum of the k largest gains is the support function of the convex hull too,
hence as tight as any linear argument can be.

Rounding.  The bound must hold for the network in real arithmetic with these float64 weights, and for any float64
evaluation of it.  Write u = 2^-53, gamma_n = n u / (1 - n u), eta = 2^-1074, and X_k >= max |a_{k-1}|, size_k >= max
|z_k| over S.  Every operation is charged where it is done (minigrad/bounds/rounding.py):

    dense         a float evaluation of z_k = a W + b errs by e_k = gamma_n (X |W| + |b|) + n eta, whatever the order of
                  its sums; so does A W^T in effect: its entries times X.  Together  2 |A| e_k.
    lines         hold for the computed slopes and offsets in real arithmetic (minigrad/bounds/relaxation.py); the float
                  value of a smooth f errs by SMOOTH, at the coefficient on a_k, *before* the slope, which may vanish.
    slopes, beta  A' = pos * upper_slope + neg * lower_slope and A = A' +- beta round:  gamma_4 (|A'| + |A|) size_k
    const         gamma_n of the absolute values of all that is added to it, layer by layer
    pixels        |x| <= X_0, |s| <= 2 X_0, and a ball's `support` errs by gamma_{2 d + 16} |A_0| 2 X_0 at most
    underflow     every product may lose eta/2, which is multiplied by what the product is multiplied with later: by
                  X_k or size_k, not by the layers behind it, since A is pushed down and not the values up

The tempting term gamma_n (|A_0| |x| + |const|) misses the cancellation inside A W^T, and inside A' - beta; a test shows
it failing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigrad.bounds.region import LinearMaximisation, Network, Region
from minigrad.bounds.rounding import ETA, SMOOTH, gamma_n
from minigrad.inputs import Array
from minigrad.layers import ReLU, product, times

SLACK = 1.01  # the charges are sums of positive floats, each right to a few hundred roundings: far within a percent


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

    def take(self, index: Array) -> Substitution:
        """That of the sets `index`, without the maximiser of a sketch."""
        return Substitution(self.bound[index], self.A[index], tuple(a[index] for a in self.on_activation))


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
    beta : one (n, m, d_k) array for each hidden layer, optional
        Multipliers of the given signs, >= 0; of a smooth activation signed.

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
        error = gamma_n(c.shape[-1] + 4) * np.abs(known.net.threshold) * np.abs(c).sum(-1)  # (n, m)
    on_activation: list[Array] = []
    for k in range(top, -1, -1):
        if k < top:
            lines = known.lines[k]
            on_activation.insert(0, A)
            upper = np.maximum(A, 0)  # (n, m, d_k) the positive coefficients
            lower = A - upper  # (n, m, d_k) the negative part
            if known.sound:
                error = error + _charge_lines(known, k, const, upper, lower)
            const = const + _dot(upper, lines.upper_offset) + _dot(lower, lines.lower_offset)
            upper *= lines.upper_slope[:, None, :]
            lower *= lines.slope_below(None if alpha is None else alpha[k])
            A = upper + lower
            if known.sound:
                error = error + gamma_n(4) * _dot(np.abs(A), known.size[k])
            if beta is not None and known.sign is not None and known.smooth:
                given = beta[k] * (known.sign[k] != 0)[:, None, :]  # (n, m, d_k) signed
                A += given
                error = error + _charge_ends(known, k, const, given) if known.sound else error
                const = const - _dot(np.maximum(given, 0), known.l[k]) - _dot(np.minimum(given, 0), known.u[k])
            elif beta is not None and known.sign is not None:
                A += known.sign[k][:, None, :] * beta[k]
            if at is not None and at[0] == k:
                A += at[1]
                error = error + gamma_n(4) * _dot(np.abs(at[1]), known.size[k]) if known.sound else error
        if known.sound:
            error = error + _charge_dense(known, k, const, np.abs(A))
        const = const + _dot(A, dense[k].b[None])  # (n, m)
        A = times(A, dense[k].W.T)
    point = None
    if known.sound:
        d = known.x.shape[1]
        bound = _dot(A, known.x) + known.rows_ball.support(known.x[:, None, :], A) + const
        size = np.abs(A)
        error = error + gamma_n(2 * d + 20) * (3 * _dot(size, known.reach) + np.abs(const))
        error = error + 4 * d * ETA * size.max(axis=-1, initial=0)  # a move of subnormal size is rounded, too
        bound = bound + SLACK * (error + gamma_n(4) * np.abs(bound) + known.underflow[:, None])
    else:  # whoever sketches needs the maximiser too, and it gives the support
        point = maximiser(known, A)
        bound = np.einsum("nmd,nmd->nm", A, point) + const  # (n, m)
    if not np.isfinite(bound).all():
        raise OverflowError("expected finite bounds, got infinity: the weights are too large to bound in float64")
    return Substitution(bound, A, tuple(on_activation), point)


def _charge_lines(known: Region, k: int, const: Array, upper: Array, lower: Array) -> Array:
    """What adding the offsets of layer k to const may lose, and what the float activation may differ by, (n, m)."""
    lines, w = known.lines[k], upper.shape[-1]
    size = np.abs(const) + _dot(upper, np.abs(lines.upper_offset)) - _dot(lower, np.abs(lines.lower_offset))
    smooth = 0.0 if isinstance(known.net.layers[2 * k + 1], ReLU) else SMOOTH
    return gamma_n(2 * w + 4) * size + smooth * (upper - lower).sum(-1)


def _charge_ends(known: Region, k: int, const: Array, given: Array) -> Array:
    """What taking the ends of the given intervals of layer k off const may lose, (n, m)."""
    return gamma_n(2 * given.shape[-1] + 4) * (np.abs(const) + _dot(np.abs(given), known.size[k]))


def _charge_dense(known: Region, k: int, const: Array, size: Array) -> Array:
    """What dense layer k may lose, forwards and backwards, with |A| = `size` (n, m, d_k): (n, m)."""
    b, w = np.abs(known.net.dense[k].b)[None], size.shape[-1]
    charge = 2 * _dot(size, known.error[k]) + gamma_n(w + 4) * (np.abs(const) + _dot(size, b))
    return charge if k == len(known.l) else charge + gamma_n(4) * _dot(size, known.size[k])


def maximiser(known: Region, A: Array) -> Array:
    """`x + s*`, (n, m, d): where `A . (x + s)` is largest in each set."""
    rows = known.x[:, None, :]
    point = known.rows_ball.maximize(rows, A)
    point += rows
    return point.astype(rows.dtype, copy=False)


def intervals(net: Network, x: Array, ball: LinearMaximisation) -> Region:
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
