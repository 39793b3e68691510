"""The four layers.  Each is a function with two linear maps beside it.

For a layer `z = f(x)` and a small change `dx` the output changes, to first order, by `dz = f'(x) dx`:

    jvp(x, dx)   pushes a change forward:        dx -> dz                 (Jacobian times vector)
    vjp(x, g)    pulls a derivative back:   g = dL/dz -> dL/dx            (vector times Jacobian)

One is the adjoint of the other.  With `<a, b> = sum(a * b)`, the change of any `L(z)` is `<g, dz>`, and
the vjp is found, not looked up, by moving factors across until `dx` stands alone:

    <g, dz> = <g, jvp(x, dx)> = <vjp(x, g), dx>.

All arrays are batches: n rows, one sample each.  `dx` and `g` may carry further axes, (n, k, m) or (1, k, m),
against an `x` of (n, 1, m): k vectors for each sample in one pass, which is how the Jacobian is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Layer(Protocol):
    """What the network needs of a layer."""

    def forward(self, x: Array) -> Array: ...
    def jvp(self, x: Array, dx: Array) -> Array: ...
    def vjp(self, x: Array, g: Array) -> Array: ...


def forward(layers: Sequence[Layer], x: Array) -> list[Array]:
    """`[x, z_1, a_1, z_2, ..., N]`: the input of each layer, and at the end the output of the network."""
    values = [x]
    for layer in layers:
        values.append(layer.forward(values[-1]))
    return values


def pull_back(layers: Sequence[Layer], values: list[Array], g: Array) -> Array:
    """`g J_L ... J_1`, multiplied from the left; `values[i]` is the input of `layers[i]`."""
    for layer, value in zip(reversed(layers), reversed(values), strict=True):
        g = layer.vjp(value, g)
    return g


@dataclass(frozen=True, eq=False)
class Dense:
    """z = x W + b.     x (n, d), W (d, m), b (m,), z (n, m)

    jvp   to first order  dz = dx W + x dW + 1 db
    vjp   with <A, B> = sum(A * B) and g = dL/dz, move the factors across:
          <g, dz> = <g W^T, dx> + <x^T g, dW> + <1^T g, db>
    so dL/dx = g W^T (n, d), dL/dW = x^T g (d, m), dL/db = 1^T g (m,).

    Examples
    --------
    >>> layer = Dense(np.array([[1.0], [2.0]]), np.array([3.0]))
    >>> x = np.array([[10.0, 20.0]])
    >>> layer.forward(x).tolist()  # 10 * 1 + 20 * 2 + 3
    [[53.0]]
    >>> layer.vjp(x, np.array([[1.0]])).tolist()  # the row W^T
    [[1.0, 2.0]]
    """

    W: Array
    b: Array

    def __repr__(self) -> str:
        return f"Dense({self.W.shape[0]} -> {self.W.shape[1]})"

    def forward(self, x: Array) -> Array:
        z = product(x, self.W)  # (n, m)
        z += self.b
        return z

    def jvp(self, x: Array, dx: Array) -> Array:
        return times(dx, self.W)  # (n, m); the x of a linear map does not matter

    def vjp(self, x: Array, g: Array) -> Array:
        return times(g, self.W.T)  # (n, d)

    def gradients(self, x: Array, g: Array, out: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
        """`dL/dW = x^T g` (d, m) and `dL/db = 1^T g` (m,), written into `out` where given."""
        dW, db = out or (np.empty_like(self.W), np.empty_like(self.b))
        product(x.T, g, out=dW)
        np.sum(g, axis=0, out=db)
        return dW, db


def product(a: Array, W: Array, out: Array | None = None) -> Array:
    """`a W`, without the warning "invalid value".

    In single precision some BLAS libraries also compute on the unused ends of their registers, whose contents may be
    invalid; the entries of the product are right.  A truly invalid entry is NaN and is caught where it is used: `fit`
    and every bound insist on finite numbers.
    """
    with np.errstate(invalid="ignore"):
        return np.matmul(a, W, out=out)


def times(a: Array, W: Array) -> Array:
    """`a W` for `a` (..., d) as one matrix product, where NumPy would make a small one for each leading index."""
    return product(a.reshape(-1, W.shape[0]), W).reshape(*a.shape[:-1], W.shape[1])


class ReLU:
    """y = max(z, 0), entry by entry.     z (n, m), y (n, m)

    jvp   dy = [z > 0] dz.  At z = 0 the two one-sided slopes are 0 and 1; the value 0 is chosen.
    vjp   <g, [z > 0] dz> = <[z > 0] g, dz>: a diagonal map is its own adjoint.

    Examples
    --------
    >>> z = np.array([[-1.0, 0.0, 2.0]])
    >>> ReLU().forward(z).tolist(), ReLU().vjp(z, np.ones((1, 3))).tolist()
    ([[0.0, 0.0, 2.0]], [[0.0, 0.0, 1.0]])
    """

    def forward(self, z: Array) -> Array:
        return np.maximum(z, 0)  # (n, m)

    def jvp(self, z: Array, dz: Array) -> Array:
        return dz * (z > 0)  # (n, m)

    vjp = jvp


class Tanh:
    """y = tanh(z), entry by entry.     z (n, m), y (n, m)

    From tanh = sinh / cosh and cosh^2 - sinh^2 = 1:  dy = (cosh^2 - sinh^2) / cosh^2 dz = (1 - y^2) dz.
    vjp   diagonal, hence its own adjoint: <g, (1 - y^2) dz> = <(1 - y^2) g, dz>.
    """

    def forward(self, z: Array) -> Array:
        return np.tanh(z)  # (n, m)

    def jvp(self, z: Array, dz: Array) -> Array:
        y = np.tanh(z)  # (n, m)
        return dz * ((1 - y) * (1 + y))  # 1 - y^2 without its cancellation near |y| = 1

    vjp = jvp


class Sigmoid:
    """y = 1 / (1 + exp(-z)), entry by entry.     z (n, m), y (n, m)

    dy = exp(-z) / (1 + exp(-z))^2 dz = y (1 - y) dz, and 1 - y(z) = y(-z).
    vjp   diagonal, hence its own adjoint: <g, y (1 - y) dz> = <y (1 - y) g, dz>.

    Computed as y = (1 + tanh(z / 2)) / 2, the same function, which cannot overflow:
    tanh(z/2) = (exp(z) - 1) / (exp(z) + 1), so 1 + tanh(z/2) = 2 exp(z) / (exp(z) + 1) = 2 y.
    """

    def forward(self, z: Array) -> Array:
        return 0.5 * (1 + np.tanh(0.5 * z))  # (n, m)

    def jvp(self, z: Array, dz: Array) -> Array:
        t = np.tanh(0.5 * z)  # (n, m); y (1 - y) = (1 + t) (1 - t) / 4
        return dz * (0.25 * (1 - t) * (1 + t))  # (n, m)

    vjp = jvp


ACTIVATIONS: dict[str, type[ReLU] | type[Tanh] | type[Sigmoid]] = {"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid}
