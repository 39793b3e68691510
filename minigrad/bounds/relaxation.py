"""Two lines around an activation on an interval: the step that makes a network linear enough to bound.

On l <= z <= u every activation here lies between two lines,

    lower_slope z + lower_offset  <=  f(z)  <=  upper_slope z + upper_offset,

and `lines(activation, l, u)` finds them, entry by entry.  For ReLU the slope of the lower line is free in [0, 1]
where l < 0 < u: that freedom is `alpha`, and the best alpha makes the best bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from minigrad.bounds.rounding import SMOOTH, UNIT
from minigrad.inputs import Array
from minigrad.layers import Layer, ReLU, Sigmoid, Tanh

FINE = 1e-3  # a charge above this makes a line of no use: the constant costs at most 1
BISECTIONS = 60  # to the tangent point: 2^-60 of an interval is below rounding; with 30 lines are looser by about 1e-9


@dataclass(frozen=True, eq=False)
class Lines:
    """Slopes and offsets of the line above and the line below, all of the shape of `l` and `u`.

    Attributes
    ----------
    free : bool array
        Where the lower line may be `alpha z` with any alpha in [0, 1] instead: unstable ReLUs.
    """

    upper_slope: Array
    upper_offset: Array
    lower_slope: Array
    lower_offset: Array
    free: Array

    @cached_property
    def fixed_slope(self) -> Array:
        """The slope of the line below where it is not free, else 0."""
        return self.lower_slope * ~self.free

    def slope_below(self, alpha: Array | None) -> Array:
        """The slope of the line below for each of m rows, (n, m, d_k): alpha (n, m, d_k) where it is free."""
        if alpha is None:
            return self.lower_slope[:, None, :]
        return self.fixed_slope[:, None, :] + self.free[:, None, :] * alpha


def lines(activation: Layer, l: Array, u: Array) -> Lines:  # noqa: E741  (l and u are the field's names)
    """The lines of `activation` on [l, u].

    Raises
    ------
    ValueError
        An activation without lines, or an interval with l > u.
    """
    if not (l <= u).all():
        raise ValueError("lines: expected l <= u everywhere")
    for kind, make in ((ReLU, _relu), (Tanh, _s_shaped), (Sigmoid, _s_shaped)):
        if isinstance(activation, kind):
            return make(activation, l, u)
    raise ValueError(f"lines: expected ReLU, Tanh or Sigmoid, got {type(activation).__name__}, which has no lines")


def is_smooth(layers: Sequence[Layer]) -> bool:
    """Whether the activations are Tanh or Sigmoid (one for all layers): then no number of splits makes a line exact."""
    return len(layers) > 1 and not isinstance(layers[1], ReLU)


def _relu(activation: Layer, l: Array, u: Array) -> Lines:  # noqa: E741
    """max(z, 0) is convex, so on [l, u] it lies below its chord and above every tangent.

    l >= 0        it is z itself                       both lines z
    u <= 0        it is 0                              both lines 0
    l < 0 < u     above: the chord through (l, 0) and (u, u),  u (z - l) / (u - l)
                  below: a line alpha z with alpha in [0, 1], which touches it at 0.  The alpha returned makes the area
                  between the two smallest: 1 if u > -l, else 0.

    Rounding.  The computed slope sigma is not quite u / (u - l), and need not be: whatever sigma in [0, 1] is,
    sigma z + o is above relu on [l, u] if it is at both ends, o >= -sigma l and o >= (1 - sigma) u.  So o is the larger
    of the two, raised by what computing it may have lost: no division is trusted.
    """
    active, unstable = l >= 0, (l < 0) & (u > 0)
    half = np.where(unstable, u / 2 - l / 2, 1)  # (n, d): u - l itself may overflow
    half = np.where(half > 0, half, 1)  # and half of the smallest float is 0: any slope will do there
    chord = np.where(unstable, np.minimum(u / 2 / half, 1), active).astype(l.dtype)  # u / (u - l) where unstable
    return Lines(
        upper_slope=chord,
        upper_offset=np.where(unstable, _raised(np.maximum(-chord * l, (1 - chord) * u)), 0.0).astype(l.dtype),
        lower_slope=np.where(unstable, u > -l, active).astype(l.dtype),
        lower_offset=np.zeros_like(l),
        free=unstable,
    )


def _s_shaped(activation: Layer, l: Array, u: Array) -> Lines:  # noqa: E741
    """f is convex for z <= 0 and concave for z >= 0, and point-symmetric: f(0) - f(-z) = f(z) - f(0).

    The line above:
    u <= 0        the chord, since f is convex there
    l >= 0        the tangent in the middle, since f is concave there and lies below every tangent
    l < 0 < u     the chord if its slope is at most f'(u): on [0, u] f rises at least as fast as at u, so f, which meets
                  the chord at u, is below it; on [l, 0] f is convex and below the chord at both ends.
                  Otherwise the line through (l, f(l)) that touches f at some z > 0, where  f'(z) (z - l) = f(z) - f(l).
                  The bisection keeps the end whose tangent lies above f(l), so rounding can only loosen the line.
    The line below is the line above of the mirrored function  2 f(0) - f(-z),  mirrored back.
    """
    upper_slope, upper_offset = _above(activation, l, u)
    # below f on [l, u]  <=>  above 2 f(0) - f(-z') on [-u, -l], which is f itself by symmetry
    slope, offset = _above(activation, -u, -l)
    twice = 2 * activation.forward(np.zeros_like(l))  # (n, d)
    return Lines(upper_slope, upper_offset, slope, twice - offset, np.zeros(l.shape, bool))


def _above(activation: Layer, l: Array, u: Array) -> tuple[Array, Array]:  # noqa: E741
    """Slope and offset of a line above an S-shaped activation on [l, u]: above f itself, not only its float values.

    The computed f errs by at most `SMOOTH`, its computed slope too (in tanh' = (1 - y) (1 + y) the error of y counts
    twice).  An S-shaped f minus a line whose slope is wrong by delta is off by delta (u - l) at most, so the offset is
    raised by  4 SMOOTH + 2 SMOOTH (u - l)  and by the rounding of its own products.  Where [l, u] is so long that this
    is no longer small, the line is the constant f(u), which errs by SMOOTH.
    """

    def f(z: Array) -> Array:
        return activation.forward(z)

    def slope_at(z: Array) -> Array:
        return activation.jvp(z, np.ones_like(z))

    half = np.where(u > l, u / 2 - l / 2, 1)  # (n, d): u - l itself may overflow
    chord = np.where(u > l, (f(u) - f(l)) / 2 / half, slope_at(u))  # (n, d) the slope of the chord
    chord = np.where(u <= 0, np.clip(chord, slope_at(l), slope_at(u)), chord)  # a tiny width makes the quotient noise
    low, high = np.zeros_like(l), np.maximum(u, 0)  # for l < 0 the tangent at `high` is above (l, f(l)), at `low` below
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        above = f(middle) + slope_at(middle) * (l - middle) >= f(l)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    touch = np.where(l >= 0, l / 2 + u / 2, high)  # (n, d) where the tangent touches
    tangent = slope_at(touch)
    use_chord = (u <= 0) | ((l < 0) & (chord <= slope_at(u)))
    slope = np.where(use_chord, chord, tangent)
    offset = np.where(use_chord, np.maximum(f(u) - chord * u, f(l) - chord * l), f(touch) - tangent * touch)
    most = np.maximum(np.abs(l), np.abs(u))
    charge = SMOOTH * (4 + 4 * half * (u > l)) + UNIT * 8 * (1 + slope * most)
    constant = charge > FINE
    return np.where(constant, 0, slope), np.where(constant, _raised(f(u) + SMOOTH), _raised(offset + charge))


def _raised(v: Array) -> Array:
    """A little more than v: what a few roundings of v may have lost, underflow included."""
    eps = np.finfo(v.dtype)
    return v + 4 * eps.eps * np.abs(v) + 4 * eps.smallest_subnormal
