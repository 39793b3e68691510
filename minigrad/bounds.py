"""Linear bounds of the network on a whole set, by backward substitution (CROWN: Zhang et al. 2018, theorem 3.2).

For a row `c` the number `c . z_K` (z_K the logits, or any pre-activation before them) is bounded from above on all of
S = x + (the ball) by writing it as `A_k . z_k + const` and pushing A down, layer by layer, to the pixels:

    activation    a_k = f(z_k) lies between two lines on [l_k, u_k] (minigrad/relax.py).  Where the coefficient on a_k
    is
                  positive the line above bounds from above, where it is negative the line below does:
                  const += pos . upper_offset + neg . lower_offset,   A_k = pos * upper_slope + neg * lower_slope
    dense         z_k = a_{k-1} W_k + b_k exactly:   const += A_k . b_k,   coefficient on a_{k-1} = A_k W_k^T

At the pixels `A_0 . (x + s) + const` is largest at the maximiser of the ball's own oracle: bound = A_0 . x + h_S(A_0)
+ const. The set is known by that oracle alone, so every norm, box and mask is bounded the same way; for L0 the oracle's
sum of the k largest gains is the support function of the convex hull too, hence as tight as any linear argument can be.

Rounding.  The bound must hold for the network in real arithmetic with these float64 weights, and for any float64
evaluation of it.  With u = 2^-53, gamma_n = n u / (1 - n u), and X_k >= max |a_{k-1}| over S, one evaluation of layer
k errs by at most

    e_k = gamma_{n_k} (X_k |W_k| + |b_k|)  +  gamma_{m_k + 8} max(|l_k|, |u_k|)         (Higham 2002, section 3.1)

whatever the order of its sums, with n_k = max(d_k, m_k) + 4 for a W_k of shape (d_k, m_k); the second part stands for
the activation and its lines.  A forward pass sums over d_k, the substitution over m_k; the errors of both reach the
result through the same coefficients, so the bound is raised by

    2 ( sum_k |A_k| e_k  +  2 gamma_{d + 4} |A_0| X_0 )  +  tiny.        (|x| <= X_0 and |s| <= 2 X_0)

The tempting term gamma (|A_0| |x| + |const|) misses the cancellation inside A W^T; a test shows it failing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minigrad.inputs import Array
from minigrad.layers import Dense, Layer, ReLU
from minigrad.mlp import MLP
from minigrad.relax import Lines, lines

UNIT = 2.0**-53
TINY = np.finfo(float).tiny


class Oracle(Protocol):
    """What is asked of a perturbation set: the most it adds to a linear function, and the room of each pixel."""

    def support(self, x: Array, g: Array) -> Array: ...
    def maximize(self, x: Array, g: Array) -> Array: ...
    def room(self, x: Array) -> tuple[Array, Array]: ...
    def spread(self) -> Any: ...


@dataclass(frozen=True, eq=False)
class Intervals:
    """Bounds of every pre-activation over the set.

    Attributes
    ----------
    l, u : tuples, one (n, d_k) array for each dense layer but the last
    lines : the lines of the activation behind each, on these intervals
    """

    l: tuple[Array, ...]  # noqa: E741
    u: tuple[Array, ...]
    lines: tuple[Lines, ...]


def intervals(net: MLP, x: Array, ball: Oracle) -> Intervals:
    """Bounds of all hidden pre-activations for images `x` (n, d), each layer by substitution through those before it.

    The first layer is linear, so its bounds are exact up to rounding: x W + b +- h_S(+-W).

    Raises
    ------
    OverflowError
        A bound is not finite: the weights are too large to bound in float64.
    """
    dense, activation = net.dense, net.layers[1 % len(net.layers)]
    found = Intervals((), (), ())
    for k in range(len(dense) - 1):
        eye = np.broadcast_to(np.eye(dense[k].W.shape[1]), (len(x), *(dense[k].W.shape[1],) * 2))
        u = upper_bound(net, eye, x, ball, found, depth=k + 1)
        l = -upper_bound(net, -eye, x, ball, found, depth=k + 1)  # noqa: E741
        l = np.minimum(l, u)  # noqa: E741  (a point interval may cross by rounding)
        found = Intervals((*found.l, l), (*found.u, u), (*found.lines, lines(activation, l, u)))
    return found


@dataclass(frozen=True, eq=False)
class Substitution:
    """One pass of backward substitution for m rows of each image.

    Attributes
    ----------
    bound : (n, m)
    A : (n, m, d)
        The coefficient on the pixels: the linear function whose maximiser over the set attains the bound.
    on_activation : tuple, one (n, m, d_k) array for each hidden layer
        The coefficient on a_k, before a line was chosen; its sign chose the line.
    """

    bound: Array
    A: Array
    on_activation: tuple[Array, ...]


def upper_bound(net: MLP, c: Array, x: Array, ball: Oracle, known: Intervals, depth: int | None = None) -> Array:
    """An upper bound of `c . z` over the set, (n, m); the arguments are those of `substitute`."""
    return substitute(net, c, x, ball, known, depth).bound


def substitute(
    net: MLP,
    c: Array,
    x: Array,
    ball: Oracle,
    known: Intervals,
    depth: int | None = None,
    alpha: Sequence[Array] | None = None,
) -> Substitution:
    """Bound `c . z` from above over the set, z the output of dense layer `depth` (default: the logits).

    Parameters
    ----------
    c : (n, m, d_depth)
        m rows for each image.
    x : (n, d)
    ball : the perturbation set of each image
    known : Intervals
        Of all layers below `depth`.
    alpha : one (n, m, d_k) array in [0, 1] for each hidden layer, optional
        Slopes of the lower lines, used where `known.lines` says they are free.

    Raises
    ------
    OverflowError
        The bound is not finite.
    """
    dense = net.dense[:depth]
    set_of_rows, rows = ball.spread(), x[:, None, :]  # m rows share one image: (n, 1, d)
    down, up = ball.room(x)
    reach = np.maximum(np.abs(x), np.maximum(np.abs(x + down), np.abs(x + up)))  # (n, d) X_0
    A, const, error = c, np.zeros(c.shape[:2]), np.zeros(c.shape[:2])  # (n, m, width), (n, m), (n, m)
    on_activation: list[Array] = []
    for k in range(len(dense) - 1, -1, -1):
        if k < len(dense) - 1:
            at = known.lines[k]
            on_activation.insert(0, A)
            positive, negative = np.maximum(A, 0), np.minimum(A, 0)
            const = const + _dot(positive, at.upper_offset) + _dot(negative, at.lower_offset)
            lower_slope = at.lower_slope[:, None, :]
            if alpha is not None:
                lower_slope = np.where(at.free[:, None, :], alpha[k], lower_slope)  # (n, m, d_k)
            A = positive * at.upper_slope[:, None, :] + negative * lower_slope
        error += _dot(np.abs(A), _layer_error(net, k, dense[k], reach, known, last=k == len(dense) - 1))
        const = const + A @ dense[k].b
        A = dense[k].vjp(x, A)
    error += 2 * gamma(x.shape[1] + 4) * _dot(np.abs(A), reach)
    bound = _dot(A, x) + set_of_rows.support(rows, A) + const + 2 * error + x.shape[1] * TINY
    if not np.isfinite(bound).all():
        raise OverflowError("expected finite bounds, got infinity: the weights are too large to bound in float64")
    return Substitution(bound, A, tuple(on_activation))


def gamma(n: int) -> float:
    """`n u / (1 - n u)`: the relative error of a sum of n products, in any order."""
    return n * UNIT / (1 - n * UNIT)


def _layer_error(net: MLP, k: int, layer: Dense, reach: Array, known: Intervals, last: bool) -> Array:
    """`e_k`, (n, d_k)."""
    X = reach if k == 0 else _largest(net.layers[2 * k - 1], known.l[k - 1], known.u[k - 1])
    e = gamma(max(layer.W.shape) + 4) * (X @ np.abs(layer.W) + np.abs(layer.b))
    if last:
        return e
    size = np.maximum(np.abs(known.l[k]), np.abs(known.u[k]))
    smooth = 0.0 if isinstance(net.layers[2 * k + 1], ReLU) else 4 * np.finfo(float).eps
    return e + gamma(size.shape[1] + 8) * size + smooth


def _largest(activation: Layer, l: Array, u: Array) -> Array:  # noqa: E741
    """max |f| on [l, u]: f is monotone."""
    return np.maximum(np.abs(activation.forward(l)), np.abs(activation.forward(u)))


def _dot(A: Array, v: Array) -> Array:
    """`A v` for `A` (n, m, w) and `v` (n, w): (n, m)."""
    return np.einsum("nmw,nw->nm", A, v)
