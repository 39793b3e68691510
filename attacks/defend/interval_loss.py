"""Interval bound propagation (Gowal et al. 2018), any ball, and its gradient by hand.

Each layer's values are enclosed by a centre and a radius, mu - r <= value <= mu + r, entry by entry.

    pixels        all x + s lie in an `Enclosure`; z_1 = (x + s) W_1 + b_1 has centre mid W_1 + b_1 and radius
                  reach(W_1), the most that a column of W_1 moves over the set
    activation    f rises, so a = f(z) lies between f(mu - r) = f(l) and f(mu + r) = f(u):
                  centre (f(u) + f(l)) / 2, radius (f(u) - f(l)) / 2
    dense         z = a W + b:  |a W - mu W| <= r |W| entry by entry, so  mu' = mu W + b,  r' = r |W|
    margins       the last layer is multiplied by the margin's row first (attacks/defend/margins.py):
                  T = W R_y^T,   B = mu T + (b - t) R_y^T + r |T|.  Bounds of the logits apart would add up the radii of
                  both, although no point makes one logit largest and the other smallest.

The gradient.  Write G = dL/dB, and a bar for dL/d of anything.  Every step is linear in its radius and centre, so with
<A, B> = sum(A * B) factors move across as in minigrad/layers.py:

    margins       <G, dB> = <G, dmu T + mu dT + dr |T| + r sign(T) dT>
                  mu~ = G T^T,    r~ = G |T|^T,    T~ = mu^T G + sign(T) * (r^T G),    W~ = T~ R_y,  b~ = 1^T G R_y
    activation    l~ = f'(l) * (mu~ - r~) / 2,    u~ = f'(u) * (mu~ + r~) / 2           since f(u) enters both by + 1/2
    l, u          l = mu - r and u = mu + r:    mu~ = u~ + l~,    r~ = u~ - l~
    dense         W~ = mu_in^T mu~ + sign(W) * (r_in^T r~),    b~ = 1^T mu~,    mu_in~ = mu~ W^T,   r_in~ = r~ |W|^T
    pixels        W_1~ = mid^T mu~ + the derivative of reach (Danskin: the point that attains it, held fixed)

|W| has no derivative at 0; sign(0) = 0 is chosen, as in relu'(0) = 0.  The images themselves go through the same
layers, so both go side by side, 2 n rows to a product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attacks.defend.enclosure import Enclosure
from attacks.defend.margins import margin_rows
from minigrad.inputs import Array
from minigrad.objective import Weights

Pair = tuple[Array, Array]
quietly = np.errstate(invalid="ignore")  # as in minigrad.layers.product, once a pass instead of once a product


@dataclass(frozen=True, eq=False)
class IntervalPass:
    """Images and their enclosures, forward through a network.

    Attributes
    ----------
    weights : Weights
    enclosure : Enclosure
    y : (n,)
    values : list of (2 n, d_k)
        What enters each dense layer: the images' own values, and below them the centres; first, live pixels alone.
    radii : list of (n, d_k)
        The radius of what enters each dense layer after the first.
    z : list of (n, d_k), one a hidden layer
        The images' own pre-activations.
    l, u : lists of (n, d_k), one a hidden layer
    N : (n, k)
        The images' own logits, the threshold subtracted.
    """

    weights: Weights
    enclosure: Enclosure
    y: Array
    values: list[Array]
    radii: list[Array]
    z: list[Array]
    l: list[Array]  # noqa: E741
    u: list[Array]
    N: Array

    @classmethod
    @quietly
    def forward(cls, weights: Weights, enclosure: Enclosure, y: Array) -> IntervalPass:
        dense, activations = weights.dense, weights.layers[1::2]
        n = len(y)
        values = [enclosure.both]  # (2 n, p)
        radii: list[Array] = []
        z, l, u = [], [], []  # noqa: E741
        for k, activation in enumerate(activations):
            if k == 0:
                both, r = enclosure.forward(dense[0])  # (2 n, d_1), (n, d_1)
            else:
                both, r = dense[k].forward(values[k]), np.matmul(radii[-1], np.abs(dense[k].W))
            z.append(both[:n])
            l.append(both[n:] - r)
            u.append(both[n:] + r)
            low, high = activation.forward(l[k]), activation.forward(u[k])
            values.append(np.concatenate([activation.forward(z[k]), (high + low) / 2]))
            radii.append((high - low) / 2)
        N = dense[-1].forward(values[-1][:n]) - weights.threshold
        return cls(weights, enclosure, y, values, radii, z, l, u, N)

    @quietly
    def margins(self) -> Array:
        """`B`, (n, m): no margin is above it on the set."""
        T, rows = self._margin_weights(), np.arange(len(self.y))
        mid = np.matmul(self.values[-1][len(rows) :], T) + self._margin_biases()  # (n, classes m)
        far = self.enclosure.reach(T) if not self.radii else np.matmul(self.radii[-1], np.abs(T))
        return (mid + far).reshape(len(rows), len(self.rows), -1)[rows, self.y]

    @property
    def rows(self) -> Array:
        """`R`, (classes, m, k)."""
        W = self.weights.dense[-1].W
        return margin_rows(W.shape[1], W.dtype)

    def _margin_weights(self) -> Array:
        """The T of every class, side by side, (d, classes m): few columns, and no loop over classes."""
        return np.matmul(self.weights.dense[-1].W, self.rows.reshape(-1, self.N.shape[1]).T)

    def _margin_biases(self) -> Array:
        """`(b - t) R^T`, (classes m,)."""
        return np.matmul(self.rows.reshape(-1, self.N.shape[1]), self.weights.dense[-1].b - self.weights.threshold)

    @quietly
    def pull(self, g_N: Array, G: Array | None, g_l: list[Array] | None = None, g_u: list[Array] | None = None) -> None:
        """Leave in `weights.gradient` the derivative of any L with dL/dN = g_N (n, k), dL/dB = G (n, m) or None, and
        dL/dl, dL/du of each hidden layer = g_l, g_u, lists of (n, d_k), where given."""
        dense, n = self.weights.dense, len(self.y)
        activations, slots = self.weights.layers[1::2], self.weights.slots
        dense[-1].gradients(self.values[-1][:n], g_N, out=slots[-1])
        g = dense[-1].vjp(self.values[-1][:n], g_N)  # (n, d) of the images' own values
        g_mid, g_r = np.zeros_like(g), np.zeros_like(g)
        if G is not None:
            g_mid, g_r = self._pull_margins(G)
        for k in range(len(activations) - 1, -1, -1):
            g = activations[k].vjp(self.z[k], g)
            low = activations[k].vjp(self.l[k], (g_mid - g_r) / 2)  # (n, d_k)
            high = activations[k].vjp(self.u[k], (g_mid + g_r) / 2)  # (n, d_k)
            if g_l is not None and g_u is not None:
                low, high = low + g_l[k], high + g_u[k]
            g_mid, g_r = high + low, high - low
            both = np.concatenate([g, g_mid])  # (2 n, d_k)
            if k == 0:
                self.enclosure.gradients(dense[0], both, g_r, out=slots[0])
                break
            dense[k].gradients(self.values[k], both, out=slots[k])
            dW = slots[k][0]
            dW += np.sign(dense[k].W) * np.matmul(self.radii[k - 1].T, g_r)
            below = np.matmul(both, dense[k].W.T)  # (2 n, d_{k-1})
            g, g_mid, g_r = below[:n], below[n:], np.matmul(g_r, np.abs(dense[k].W).T)

    def _pull_margins(self, G: Array) -> Pair:
        """dL/dmu and dL/dr of what enters the last layer, (n, d) each; its own gradient is added to its slot."""
        R, T, n = self.rows, self._margin_weights(), len(self.y)
        spread = np.zeros((n, *R.shape[:2]), G.dtype)
        spread[np.arange(n), self.y] = G
        g, flat = spread.reshape(n, -1), R.reshape(-1, R.shape[2])  # (n, classes m), (classes m, k)
        mid, (dW, db) = self.values[-1][n:], self.weights.slots[-1]
        g_T = np.matmul(mid.T, g)  # (d, classes m)
        if self.radii:
            g_T += np.sign(T) * np.matmul(self.radii[-1].T, g)
        else:
            g_T += self.enclosure.pull(T, g)
        dW += np.matmul(g_T, flat)
        db += np.matmul(g.sum(axis=0), flat)
        return np.matmul(g, T.T), np.matmul(g, np.abs(T).T)
