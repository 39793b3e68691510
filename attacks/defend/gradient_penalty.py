"""The oldest defence: make the loss flat where the images are.  Double backprop (Drucker and LeCun 1992), written out.

    L + mean_i P(g_i),     g_i = dL_i/dx_i, the derivative of image i's own loss

    "support"   P(g) = h_S(g): what the linearised loss gains on the ball; eps |g|_1 for Linf away from the box, so that
                L + P is the worst-case loss to first order (Goodfellow, Shlens and Szegedy 2015, section 5;
                Simon-Gabriel et al. 2019), and a radius of 0 is plain training
    "squared"   P(g) = weight |g|_2^2     (Ross and Doshi-Velez 2018, eq. 3); the ball only says which pixels count

The gradient.  P is differentiated through g: dP = v . dg with v = dP/dg, which is the maximiser s* for the support
(Danskin) and 2 weight g for the square.  So with v held fixed, dP/dtheta is the derivative by theta of the number

    D = sum_i v_i . g_i = sum_i  d/dt L_i(x_i + t v_i)  at t = 0,

a *directional derivative*, which one pass forward gives: write a dot for d/dt along v,

    z'_k = a'_{k-1} W_k,     a'_k = f'(z_k) z'_k,     a'_0 = v,      D = <dL/dN, N'>.

Now D and L are pulled back together through z and z'.  With p = dL/dN and H = d p/dN (for one logit sigma'(N), for more
diag(p) - p p^T of each softmax p), bars for derivatives of L + D, and q for those by a dotted value:

    logits        q = p,      N~ = p + H N'
    dense         W~ = a^T z~ + a'^T q,   b~ = 1^T z~,     a~ = z~ W^T,      q <- q W^T     (b is in z only)
    activation    z~ = f'(z) a~ + f''(z) z' q,             q <- f'(z) q

f'' is 0 for ReLU off its kink, -2 y (1 - y^2) for tanh, y (1 - y) (1 - 2 y) for sigmoid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attacks.balls.base import Ball
from attacks.defend.ramp import Ramp, grown
from minigrad.inputs import Array, as_number
from minigrad.layers import Layer, Sigmoid, Tanh, forward, pull_back
from minigrad.losses import LOSSES
from minigrad.objective import Batch, PlainLoss, Weights, count_right

WARM_UP = Ramp(0.0, 0.1)  # as of adversarial training


@dataclass(frozen=True)
class GradientPenalty:
    """Options of "gradient".

    Attributes
    ----------
    kind : "support" or "squared"
    weight : float >= 0
        Of the penalty; 1 makes "support" the linearised worst case.
    ramp : Ramp
        The radius (or, of "squared", the weight) grows while this share of the training is done.
    """

    kind: str = "support"
    weight: float = 1.0
    ramp: Ramp = WARM_UP

    def __post_init__(self) -> None:
        if self.kind not in ("support", "squared"):
            raise ValueError(f'kind: expected "support" or "squared", got {self.kind!r}')
        as_number(self.weight, "weight", 0)

    def objective(self, loss: str, ball: Ball, n: int, rng: np.random.Generator) -> PenalisedLoss:
        return PenalisedLoss(self, loss, ball, n)


@dataclass(eq=False)
class PenalisedLoss:
    """The objective of `GradientPenalty` training on n images."""

    options: GradientPenalty
    loss: str
    ball: Ball
    n: int
    radius: float = 0.0
    penalty: float = 0.0
    seen: int = 0

    def step(self, weights: Weights, batch: Batch) -> tuple[float, int]:
        share = self.options.ramp.at(batch.done)
        ball, self.radius = grown(self.ball, batch.rows, self.n, share)
        if not self.radius or not self.options.weight:
            return PlainLoss(self.loss).step(weights, batch)
        return self.penalised(weights, batch, ball, share)

    def penalised(self, weights: Weights, batch: Batch, ball: Ball, share: float = 1.0) -> tuple[float, int]:
        """Loss and penalty, and their gradient."""
        values = forward(weights.layers, batch.x)
        N = values[-1] - weights.threshold
        loss, p = LOSSES[self.loss](N, batch.y)  # p (n, k), of the mean
        g = pull_back(weights.layers, values[:-1], p * len(p))  # (n, d), of each image's own loss
        v, penalty = self._direction(batch.x, g, ball, share)
        dots = [v]  # what enters each layer, differentiated along v
        for layer, entered in zip(weights.layers, values[:-1], strict=True):
            dots.append(layer.jvp(entered, dots[-1]))
        _pull(weights, values, dots, p)
        self.penalty, self.seen = self.penalty + penalty * len(g), self.seen + len(g)
        return loss + penalty, count_right(N, batch.y)

    def _direction(self, x: Array, g: Array, ball: Ball, share: float) -> tuple[Array, float]:
        """v = dP/dg (n, d) and the mean penalty."""
        weight = self.options.weight
        if self.options.kind == "support":
            v = weight * ball.maximize(x, g).astype(x.dtype, copy=False)
            return v, float(np.sum(v * g)) / len(g)
        g = g if ball.mask is None else g * ball.mask
        return 2 * share * weight * g, share * weight * float(np.sum(g * g)) / len(g)

    def after_epoch(self, weights: Weights) -> dict[str, float]:
        record = {"radius": self.radius, "penalty": self.penalty / self.seen if self.seen else 0.0}
        self.penalty, self.seen = 0.0, 0
        return record


def _pull(weights: Weights, values: list[Array], dots: list[Array], p: Array) -> None:
    """Leave the gradient of L + D in the weights' slots."""
    g, q = p + curvature(values[-1] - weights.threshold, dots[-1]), p
    dense = iter(reversed(weights.slots))
    layers = list(weights.layers)
    for i in range(len(layers) - 1, -1, -1):
        layer, entered, dot = layers[i], values[i], dots[i]
        if i % 2:  # an activation
            g, q = layer.vjp(entered, g) + second(layer, entered) * dot * q, layer.vjp(entered, q)
            continue
        dW, db = next(dense)
        np.matmul(np.concatenate([entered, dot]).T, np.concatenate([g, q]), out=dW)
        np.sum(g, axis=0, out=db)
        if i:
            g, q = layer.vjp(entered, g), layer.vjp(entered, q)


def curvature(N: Array, dN: Array) -> Array:
    """`H dN` (n, k), H the second derivative of the mean cross-entropy by the logits N (n, k)."""
    if N.shape[1] == 1:
        y = (1 + np.tanh(N / 2)) / 2
        return y * (1 - y) * dN / len(N)
    e = np.exp(N - N.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p * (dN - np.sum(p * dN, axis=1, keepdims=True)) / len(N)


def second(layer: Layer, z: Array) -> Array:
    """`f''(z)`, (n, d_k), of an activation."""
    if isinstance(layer, Tanh):
        y = np.tanh(z)
        return -2 * y * (1 - y) * (1 + y)
    if isinstance(layer, Sigmoid):
        t = np.tanh(0.5 * z)  # y = (1 + t) / 2: y (1 - y) (1 - 2 y) = (1 - t) (1 + t) / 4 * -t
        return -t * (1 - t) * (1 + t) / 4
    return np.zeros((), z.dtype)
