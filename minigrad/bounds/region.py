"""n perturbation sets, and what is known of the network on each of them: intervals, signs, lines, rounding errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from minigrad.bounds.relaxation import Lines, is_smooth, lines
from minigrad.bounds.rounding import ETA, SMOOTH, TINY, gamma_n, product_error
from minigrad.inputs import Array
from minigrad.layers import Dense, Layer, ReLU

# When a sketch stays in double precision.  Single has 7 digits: beside a weight above 1e6 those near 1 would be lost.
# Squares of gradients, themselves products of two products of all weights, must lie within 1e+-38: 4 times 9 is 36.
# Twice either value risks useless multipliers or an overflow; half of it costs time where weights are unusual.
LARGEST = 1e6  # weight
RANGE = 9  # powers of ten of the product of the largest weights of all layers, and of biases, pixels and intervals
# Powers of ten beyond which, in double precision too, squares of gradients overflow (1e308), so that multipliers keep
# their first values.  Half and double of it concern only weights that no training leaves.
HUGE = 140


class Network(Protocol):
    """Dense layers with one activation between them, a dataclass: all that bounds need to know of a network."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def layers(self) -> tuple[Layer, ...]: ...
    @property
    def dense(self) -> tuple[Dense, ...]: ...
    @property
    def threshold(self) -> float: ...


class LinearMaximisation(Protocol):
    """A linear maximisation oracle for n perturbation sets S: all that bounds need to know of them.

    An oracle answers one question about a set, here: which s in S makes a linear function g . s largest?  Nothing else
    is asked, so every norm, box and mask is bounded alike.  The balls of `attacks` are such oracles.
    """

    def support(self, x: Array, g: Array) -> Array:
        """`h_S(g) = max { g . s : s in S }`, (n,)."""

    def maximize(self, x: Array, g: Array) -> Array:
        """The s at which that maximum is attained, (n, d)."""

    def room(self, x: Array) -> tuple[Array, Array]:
        """How far each pixel may fall, <= 0, and rise, >= 0, over the whole set: (n, d) each."""

    def spread(self) -> LinearMaximisation:
        """The same sets, ready for m rows g of each: x (n, 1, d), g (n, m, d)."""

    def take(self, index: Array, n: int) -> LinearMaximisation:
        """The sets `index` of these n."""


@dataclass(frozen=True, eq=False)
class Region:
    """n perturbation sets, and what is known of the network on each.

    Attributes
    ----------
    net : Network, such as an MLP
    x : (n, d), or (1, d) for one image in all n
    ball : LinearMaximisation
    l, u : tuples, one (n, d_k) array for each hidden layer bounded so far
        Bounds of the pre-activations.
    sign : tuple of (n, d_k) or None
        +1 where z >= 0 is given, -1 where z <= 0 is given, else 0.  Of a smooth activation: not 0 where an end of the
        interval, z >= l or z <= u, may be used with a beta.
    first_error : (1, d_1), optional
        `e_1`, where the first layer stands for a wider one.
    sound : bool
        False in a `sketch`: no rounding terms, so no proof.
    """

    net: Network
    x: Array
    ball: LinearMaximisation
    l: tuple[Array, ...] = ()  # noqa: E741
    u: tuple[Array, ...] = ()
    sign: tuple[Array, ...] | None = None
    first_error: Array | None = None
    sound: bool = True

    def take(self, index: Array) -> Region:
        """The sets `index` of these."""
        l, u = tuple(a[index] for a in self.l), tuple(a[index] for a in self.u)  # noqa: E741
        sign = None if self.sign is None else tuple(a[index] for a in self.sign)
        x = self.x if len(self.x) == 1 else self.x[index]
        ball = self.ball.take(index, len(self.l[0]) if self.l else len(self.x))
        return replace(self, x=x, ball=ball, l=l, u=u, sign=sign)

    def before(self, k: int) -> Region:
        """The same sets, and of the network what comes before hidden layer `k`: enough for rows that begin there."""
        return replace(self, l=self.l[:k], u=self.u[:k], sign=None if self.sign is None else self.sign[:k])

    def sketch(self) -> Region:
        """The same in single precision, without rounding terms: to look for good multipliers at half the cost."""
        sizes = [max(np.abs(layer.W).max(), TINY) for layer in self.net.dense]
        others = [self.reach, *(layer.b for layer in self.net.dense), *self.l, *self.u]
        most = max(max(v.max(initial=0), -v.min(initial=0)) for v in others)
        if max(sizes) > LARGEST or abs(np.log10(sizes).sum()) > RANGE or most > 10.0**RANGE:
            return replace(self, sound=False)
        l, u = tuple(map(single, self.l)), tuple(map(single, self.u))  # noqa: E741
        sign = None if self.sign is None else tuple(map(single, self.sign))
        return Region(single_network(self.net), single(self.x), self.ball, l, u, sign, sound=False)

    @property
    def smooth(self) -> bool:
        """Whether the activations are Tanh or Sigmoid."""
        return is_smooth(self.net.layers)

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

    @cached_property
    def rows_ball(self) -> LinearMaximisation:
        """The sets, for rows (n, m, d)."""
        return self.ball.spread()

    @cached_property
    def reach(self) -> Array:
        """`X_0`, (n, d)."""
        return reach(self.x, self.ball)

    @cached_property
    def error(self) -> tuple[Array, ...]:
        """`e_k`, (n, d_k), of every layer whose input is bounded (minigrad/bounds/crown.py)."""
        return tuple(self._error(k) for k in range(len(self.l) + 1))

    def _error(self, k: int) -> Array:
        layer = self.net.dense[k]
        return product_error(layer.W, layer.b, self.entering(k)) if k or self.first_error is None else self.first_error

    def entering(self, k: int) -> Array:
        """`X_k`, (n, d_k): at least the largest |a| that enters dense layer k over each set."""
        if k == 0:
            return self.reach
        activation, l, u = self.net.layers[2 * k - 1], self.l[k - 1], self.u[k - 1]  # noqa: E741
        smooth = 0.0 if isinstance(activation, ReLU) else SMOOTH
        return np.maximum(np.abs(activation.forward(l)), np.abs(activation.forward(u))) + smooth  # f is monotone

    @cached_property
    def size(self) -> tuple[Array, ...]:
        """`max(|l_k|, |u_k|)`, (n, d_k), of every bounded hidden layer."""
        return tuple(np.maximum(np.abs(l), np.abs(u)) for l, u in zip(self.l, self.u, strict=True))  # noqa: E741

    @cached_property
    def underflow(self) -> Array:
        """What all underflows of one substitution may cost, (n,): each loses eta at most, times what it multiplies.

        The rows themselves may be products (gamma c): of those the output is a multiple, which `error` bounds.
        """
        output = self.net.dense[len(self.l)].W
        with np.errstate(over="ignore"):  # infinite: then so is the bound, which is refused
            total = self.error[-1].sum(axis=-1) / gamma_n(max(output.shape) + 4)
            for k in range(len(self.l) + 1):
                d, m = self.net.dense[k].W.shape
                total = total + (m + 8) * self.entering(k).sum(axis=-1) + 8 * (d + m)
                total = total + (8 * self.size[k].sum(axis=-1) if k < len(self.l) else 0)
        return ETA * total


def reach(x: Array, ball: LinearMaximisation) -> Array:
    """max |x + s| over the set and at s = 0, pixel by pixel, (n, d)."""
    down, up = ball.room(x)
    return np.maximum(np.abs(x), np.maximum(np.abs(x + down), np.abs(x + up)))


def single(array: Array) -> Array:
    """The array in single precision; what is beyond its range becomes infinite, and nothing is claimed of it."""
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def single_network(net: Network) -> Network:
    """The network in single precision."""
    layers = [Dense(single(f.W), single(f.b)) if isinstance(f, Dense) else f for f in net.layers]
    return replace(net, layers=tuple(layers))
