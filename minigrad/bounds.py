"""Linear bounds of the network on a whole set, by backward substitution (CROWN: Zhang et al. 2018, theorem 3.2).

For a row `c` the number `c . z_K` (z_K the logits, or any pre-activation before them) is bounded from above on all of
S = x + (the ball) by writing it as `A_k . z_k + const` and pushing A down, layer by layer, to the pixels:

    activation    a_k = f(z_k) lies between two lines on [l_k, u_k] (minigrad/relax.py).  Where the coefficient on
                  a_k is positive the line above bounds from above, where it is negative the line below does:
                  const += pos . upper_offset + neg . lower_offset,   A_k = pos * upper_slope + neg * lower_slope
    a split       where z_k >= 0 is given (a branch of a proof), adding beta z_k, beta >= 0, can only raise the value;
                  where z_k <= 0 is given, adding -beta z_k:   A_k += +-beta
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
result through the same coefficients A_k (after slope and beta), so the bound is raised by

    2 ( sum_k |A_k| e_k  +  2 gamma_{d + 4} |A_0| X_0 )  +  tiny.        (|x| <= X_0 and |s| <= 2 X_0)

The tempting term gamma (|A_0| |x| + |const|) misses the cancellation inside A W^T; a test shows it failing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from minigrad.inputs import Array
from minigrad.layers import Dense, ReLU, product
from minigrad.mlp import MLP, forward
from minigrad.relax import Lines, lines

UNIT = 2.0**-53
LARGEST = 1e6  # weights above this are sketched in double precision: single has 7 digits
RANGE = 9  # and so are layers whose product is beyond 10^+-RANGE: squares of gradients must fit, below 1e38
HUGE = 140  # powers of ten of all weights together, or of a bias: squares of what they make stay below 1e308
TINY = np.finfo(float).tiny


class Oracle(Protocol):
    """What is asked of a perturbation set: the most it adds to a linear function, and the room of each pixel.

    `undecided` and `forced` are for sets that count their pixels (attacks/balls.py, L0).
    """

    def support(self, x: Array, g: Array) -> Array: ...
    def maximize(self, x: Array, g: Array) -> Array: ...
    def room(self, x: Array) -> tuple[Array, Array]: ...
    def spread(self) -> Any: ...
    def rows(self, index: Array, n: int) -> Any: ...
    def undecided(self, x: Array) -> Array: ...
    def forced(self, x: Array, g: Array) -> tuple[Array, Array]: ...


@dataclass(frozen=True, eq=False)
class Region:
    """n perturbation sets, and what is known of the network on each.

    Attributes
    ----------
    net : MLP
    x : (n, d), or (1, d) for one image in all n
    ball : Oracle
    l, u : tuples, one (n, d_k) array for each hidden layer bounded so far
        Bounds of the pre-activations.
    sign : tuple of (n, d_k) or None
        +1 where z >= 0 is given, -1 where z <= 0 is given, else 0.
    first_error : (1, d_1), optional
        `e_1`, where the first layer stands for a wider one.
    sound : bool
        False in a `sketch`: no rounding terms, so no proof.
    """

    net: MLP
    x: Array
    ball: Oracle
    l: tuple[Array, ...] = ()  # noqa: E741
    u: tuple[Array, ...] = ()
    sign: tuple[Array, ...] | None = None
    first_error: Array | None = None
    sound: bool = True

    @cached_property
    def lines(self) -> tuple[Lines, ...]:
        """The lines of the activation behind each bounded layer."""
        activations = self.net.layers[1::2]
        return tuple(lines(f, low, up) for f, low, up in zip(activations, self.l, self.u, strict=False))

    @cached_property
    def huge(self) -> bool:
        """Whether squares of the multipliers' derivatives may overflow: then better ones are not looked for."""
        weights = np.log10([max(np.abs(layer.W).max(), 1) for layer in self.net.dense]).sum()
        bias = np.log10(max(1, *(np.abs(layer.b).max() for layer in self.net.dense)))
        return bool(max(weights, bias) > HUGE)

    def sketch(self) -> Region:
        """The same in single precision, without rounding terms: to look for good multipliers at half the cost."""
        sizes = [max(np.abs(layer.W).max(), TINY) for layer in self.net.dense]
        if max(sizes) > LARGEST or abs(np.log10(sizes).sum()) > RANGE:
            return replace(self, sound=False)
        sign = None if self.sign is None else _single(self.sign)
        net, x = single(self.net), self.x.astype(np.float32)
        return Region(net, x, self.ball, _single(self.l), _single(self.u), sign, sound=False)

    @cached_property
    def oracle(self) -> Any:
        """The sets, for rows (n, m, d)."""
        return self.ball.spread()

    @cached_property
    def reach(self) -> Array:
        """`X_0`, (n, d)."""
        return reach(self.x, self.ball)

    @cached_property
    def error(self) -> tuple[Array, ...]:
        """`e_k`, (n, d_k), of every layer whose input is bounded."""
        return tuple(self._error(k) for k in range(len(self.l) + 1))

    def _error(self, k: int) -> Array:
        layer = self.net.dense[k]
        X = self.reach if k == 0 else _largest(self.net, k, self.l[k - 1], self.u[k - 1])
        e = product_error(layer.W, layer.b, X) if k or self.first_error is None else self.first_error
        if k == len(self.l):  # the last one: no activation behind it yet
            return e
        size = np.maximum(np.abs(self.l[k]), np.abs(self.u[k]))  # (n, d_k)
        smooth = 0.0 if isinstance(self.net.layers[2 * k + 1], ReLU) else 4 * np.finfo(float).eps
        return e + gamma(size.shape[1] + 8) * size + smooth


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
        error = gamma(4) * np.abs(const) if known.sound else 0 * const
    on_activation: list[Array] = []
    for k in range(top, -1, -1):
        if k < top:
            lines = known.lines[k]
            on_activation.insert(0, A)
            upper = np.maximum(A, 0)  # (n, m, d_k) the positive coefficients
            lower = A - upper  # (n, m, d_k) the negative part
            const = const + _dot(upper, lines.upper_offset) + _dot(lower, lines.lower_offset)
            upper *= lines.upper_slope[:, None, :]
            lower *= lower_slope(lines, None if alpha is None else alpha[k])
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
        bound = _dot(A, known.x) + known.oracle.support(known.x[:, None, :], A) + const
        error = error + 2 * gamma(known.x.shape[1] + 4) * _dot(np.abs(A), known.reach)
        bound = bound + 2 * error + known.x.shape[1] * TINY
    else:  # the maximiser will be asked for anyway
        point = maximiser(known, A)
        bound = np.einsum("nmd,nmd->nm", A, point) + const  # (n, m)
    if not np.isfinite(bound).all():
        raise OverflowError("expected finite bounds, got infinity: the weights are too large to bound in float64")
    return Substitution(bound, A, tuple(on_activation), point)


def maximiser(known: Region, A: Array) -> Array:
    """`x + s*`, (n, m, d): where `A . (x + s)` is largest in each set."""
    rows = known.x[:, None, :]
    point = known.oracle.maximize(rows, A)
    point += rows
    return point.astype(rows.dtype, copy=False)


def lower_slope(lines: Lines, alpha: Array | None) -> Array:
    """The slope of each lower line, (n, m, d_k): alpha where it is free."""
    if alpha is None:
        return lines.lower_slope[:, None, :]
    return lines.fixed_slope[:, None, :] + lines.free[:, None, :] * alpha


def intervals(net: MLP, x: Array, ball: Oracle) -> Region:
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


def forward_error(net: MLP, x: Array) -> Array:
    """`E`, (n, K): a float64 evaluation of the logits of `x` (n, d) is at most this far from their true values.

    Each layer adds `gamma (|a| |W| + |b|)` and passes on the error of its input times |W| (no activation here is
    steeper than 1), the whole doubled for second-order terms.
    """
    values, E = forward(net.layers, x), np.zeros(x.shape)  # E (n, width): what rounding may have done so far
    for k, layer in enumerate(net.dense):
        smooth = 0.0 if k == 0 or isinstance(net.layers[1], ReLU) else 4 * np.finfo(float).eps
        E = product_error(layer.W, layer.b, np.abs(values[2 * k])) + (E + smooth) @ np.abs(layer.W)
    return 2 * E + TINY


def gamma(n: int) -> float:
    """`n u / (1 - n u)`: the relative error of a sum of n products, in any order."""
    return n * UNIT / (1 - n * UNIT)


def product_error(W: Array, b: Array, X: Array) -> Array:
    """`gamma_n (X |W| + |b|)`, (n, m): what a product with W errs by, in either direction, for |input| <= X (n, d)."""
    return gamma(max(W.shape) + 4) * (X @ np.abs(W) + np.abs(b))


def reach(x: Array, ball: Oracle) -> Array:
    """max |x + s| over the set and at s = 0, pixel by pixel, (n, d)."""
    down, up = ball.room(x)
    return np.maximum(np.abs(x), np.maximum(np.abs(x + down), np.abs(x + up)))


def times(A: Array, W: Array) -> Array:
    """`A W` for A (n, m, d): one matrix product, not n."""
    return product(A.reshape(-1, A.shape[-1]), W).reshape(*A.shape[:2], W.shape[1])


def single(net: MLP) -> MLP:
    """The network in single precision."""
    kind = np.float32
    layers = [type(f)(f.W.astype(kind), f.b.astype(kind)) if isinstance(f, Dense) else f for f in net.layers]
    return replace(net, layers=tuple(layers))


def _single(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(a.astype(np.float32) for a in arrays)


def _largest(net: MLP, k: int, l: Array, u: Array) -> Array:  # noqa: E741
    """max |f| on [l, u] behind layer k - 1: f is monotone."""
    activation = net.layers[2 * k - 1]
    return np.maximum(np.abs(activation.forward(l)), np.abs(activation.forward(u)))


def _dot(A: Array, v: Array) -> Array:
    """`A v` for `A` (n, m, w) and `v` (n, w) or (1, w): (n, m)."""
    if len(v) == 1:
        return product(A.reshape(-1, A.shape[-1]), v[0]).reshape(A.shape[:2])
    return np.einsum("nmw,nw->nm", A, v)
