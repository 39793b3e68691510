"""The linear bound of minigrad/bounds/crown.py as a loss, with its gradient by hand (CROWN-IBP: Zhang et al. 2020).

Intervals l, u of the hidden layers come from attacks/defend/interval_loss.py; then each margin's row R is pushed down,
once, to a linear function of the pixels (the backward substitution of minigrad/bounds/crown.py, without rounding terms:
training needs no proof), and the ball's own support function says what it may reach:

    A_K = R,   c = (b_K - t) R^T;       for k = K - 1 .. 1, with a_k's coefficient  a = A_{k+1} W_{k+1}^T:
        A_k = max(a, 0) * s_k + min(a, 0) * q_k,      c += max(a, 0) . o_k + A_k . b_k
    B = (A_1 W_1^T) . x + h_S(A_1 W_1^T) + c

with the chord of an unstable ReLU above, s = u / (u - l), o = -l s, and below the slope of smaller area, q = [u > -l].

The gradient is the mirror image of backprop (minigrad/bounds/optimised.py).  By Danskin's theorem dh_S(A)/dA = s*, the
maximiser.  Run v_0 = x + s* forward along the lines that were used: z_k = v_{k-1} W_k + b_k, and v_k = s_k z_k + o_k
where a > 0, q_k z_k where a < 0.  Then v_k is the derivative of B by the coefficient a = A_{k+1} W_{k+1}^T of a_k, and
z_k that by A_k, so with G = dL/dB

    dense         dB = <v_{k-1}, A_k dW_k^T> + <A_k, db_k>:    W_k~ = v_{k-1}^T (G A_k),    b_k~ = 1^T (G A_k)
    chord         B depends on s, o by  a s (z - l),  a > 0.  With w = u - l,
                      d/du  s (z - l) = -l (z - l) / w^2          since ds/du = -l / w^2
                      d/dl  s (z - l) =  u (z - u) / w^2          since ds/dl =  u / w^2, and u (z - l) / w^2 - u / w
                  so  u~ += G a (-l) (z - l) / w^2,   l~ += G a u (z - u) / w^2,  summed over the rows

and q is constant but for a jump.  l~ and u~ go on through the interval bounds that made l and u.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attacks.balls.base import Ball
from attacks.defend.interval_loss import IntervalPass
from attacks.defend.margins import margin_rows
from minigrad.inputs import Array
from minigrad.layers import times


@dataclass(frozen=True, eq=False)
class Chords:
    """The lines of a ReLU layer on [l, u], (n, d_k) each: slope and offset above, slope below, and what is unstable."""

    above: Array
    offset: Array
    below: Array
    width: Array  # u - l where unstable, else 1

    @classmethod
    def on(cls, l: Array, u: Array) -> Chords:  # noqa: E741
        unstable = (l < 0) & (u > 0)
        width = np.where(unstable, u - l, 1)
        above = np.where(unstable, u / width, l >= 0).astype(l.dtype)
        return cls(above, np.where(unstable, -l * above, 0), np.where(unstable, u > -l, l >= 0).astype(l.dtype), width)


@dataclass(frozen=True, eq=False)
class LinearPass:
    """One backward substitution for the margins of n images, m rows each.

    Attributes
    ----------
    intervals : IntervalPass
    chords : list of Chords, one a hidden layer
    A : list of (n, m, d_k), one a dense layer
        The coefficient on z_k; of the last layer, the margin's row.
    on_activation : list of (n, m, d_k), one a hidden layer
        The coefficient on a_k, whose sign chose the line.
    point : (n, m, d)
        `x + s*`.
    B : (n, m)
        No margin is above it on the set, but for rounding.
    """

    intervals: IntervalPass
    chords: list[Chords]
    A: list[Array]
    on_activation: list[Array]
    point: Array
    B: Array

    @classmethod
    def backward(cls, intervals: IntervalPass, ball: Ball) -> LinearPass:
        weights, x = intervals.weights, intervals.enclosure.x
        dense, K = weights.dense, len(weights.dense)
        chords = [Chords.on(l, u) for l, u in zip(intervals.l, intervals.u, strict=True)]  # noqa: E741
        coefficient = margin_rows(dense[-1].W.shape[1], x.dtype)[intervals.y]  # (n, m, k)
        const = times(coefficient, (dense[-1].b - weights.threshold)[:, None])[..., 0]  # (n, m)
        A, on_activation = [coefficient], list[Array]()
        for k in range(K - 2, -1, -1):
            a = times(A[0], dense[k + 1].W.T)  # (n, m, d_k)
            on_activation.insert(0, a)
            upper = np.maximum(a, 0)  # (n, m, d_k)
            lines = chords[k]
            const = const + np.einsum("nmd,nd->nm", upper, lines.offset)
            A.insert(0, upper * lines.above[:, None] + (a - upper) * lines.below[:, None])
            const = const + times(A[0], dense[k].b[:, None])[..., 0]
        pixels = times(A[0], dense[0].W.T)  # (n, m, d)
        point = ball.spread().maximize(x[:, None], pixels).astype(x.dtype, copy=False) + x[:, None]  # (n, m, d)
        return cls(intervals, chords, A, on_activation, point, np.einsum("nmd,nmd->nm", pixels, point) + const)

    def pull(self, G: Array) -> tuple[list[Array], list[Array], list[tuple[Array, Array]]]:
        """dL/dl, dL/du of each hidden layer, (n, d_k), and dL/dW, dL/db of each dense layer, for dL/dB = G (n, m)."""
        dense = self.intervals.weights.dense
        g_l, g_u, slots = list[Array](), list[Array](), list[tuple[Array, Array]]()
        v = self.point  # (n, m, d)
        for k, layer in enumerate(dense):
            weighted = (self.A[k] * G[..., None]).reshape(-1, layer.W.shape[1])  # (n m, d_k)
            slots.append(layer.gradients(v.reshape(len(weighted), -1), weighted))
            if k == len(self.chords):
                break
            lines, l, u = self.chords[k], self.intervals.l[k], self.intervals.u[k]  # noqa: E741
            z, a = layer.forward(v), self.on_activation[k]  # (n, m, d_k)
            upper = np.maximum(a, 0) * G[..., None]  # (n, m, d_k)
            unstable = lines.offset / lines.width  # (n, d_k): -l u / w^2 where unstable, else 0
            mass, moment = upper.sum(axis=1), (upper * z).sum(axis=1)  # (n, d_k)
            curved = unstable > 0
            g_u.append(np.where(curved, -l * (moment - l * mass) / lines.width**2, 0))
            g_l.append(np.where(curved, u * (moment - u * mass) / lines.width**2, 0))
            v = np.where(a > 0, lines.above[:, None] * z + lines.offset[:, None], lines.below[:, None] * z)
        return g_l, g_u, slots
