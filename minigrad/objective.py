"""What a training step minimises: a network's weights in one flat vector, a batch, and the loss with its gradient.

`fit` (minigrad/train.py) asks an `Objective` for each batch's loss and gradient, and does the rest: order, decay, the
optimiser.  `PlainLoss` is `backprop` on the images as they are; attacks/defend/ has others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minigrad.inputs import Array
from minigrad.layers import Dense, Layer, forward
from minigrad.losses import LOSSES
from minigrad.mlp import MLP


@dataclass(frozen=True, eq=False)
class Weights:
    """A network in training: all its weights and biases in one vector, and their gradient in another, cut alike."""

    theta: Array  # (parameters,)
    gradient: Array  # (parameters,)
    layers: list[Layer]  # those of the network, each W and b a view of theta
    slots: list[tuple[Array, Array]]  # dL/dW and dL/db of each dense layer, views of gradient
    threshold: Any

    @classmethod
    def from_network(cls, net: MLP, dtype: np.dtype[Any]) -> Weights:
        """Raises ValueError if a weight is too large for `dtype`."""
        parameters = [array for layer in net.dense for array in (layer.W, layer.b)]
        theta = np.concatenate([array.ravel() for array in parameters])
        if np.abs(theta).max() > np.finfo(dtype).max:
            raise ValueError(f"net: expected weights that {dtype} can hold, got one of size {np.abs(theta).max():.3g}")
        theta = theta.astype(dtype)
        gradient = np.zeros_like(theta)
        ends = np.cumsum([array.size for array in parameters])  # where each array ends in theta

        def cut(vector: Array) -> list[tuple[Array, Array]]:
            views = [vector[end - a.size : end].reshape(a.shape) for end, a in zip(ends, parameters, strict=True)]
            return list(zip(views[::2], views[1::2], strict=True))

        dense = iter(Dense(W, b) for W, b in cut(theta))
        layers = [next(dense) if isinstance(layer, Dense) else layer for layer in net.layers]
        return cls(theta, gradient, layers, cut(gradient), dtype.type(net.threshold))

    @property
    def dense(self) -> list[Dense]:
        return [layer for layer in self.layers if isinstance(layer, Dense)]


@dataclass(frozen=True, eq=False)
class Batch:
    """The images of one step.

    Attributes
    ----------
    x : (n, d), in the dtype of the training
    y : (n,) int64
    rows : (n,)
        Which of the images given to `fit` they are.
    done : float in [0, 1)
        The share of all steps that lies behind.
    """

    x: Array
    y: Array
    rows: Array
    done: float


class Objective(Protocol):
    """What is minimised: `fit` asks this of each batch, and leaves order, decay and optimiser as they are."""

    def step(self, weights: Weights, batch: Batch) -> tuple[float, int]:
        """Leave the gradient of the batch's loss in `weights.gradient`; that loss, and how many images are right."""

    def after_epoch(self, weights: Weights) -> dict[str, float]:
        """What else the history should hold of the epoch that ends."""


@dataclass(frozen=True)
class PlainLoss:
    """The mean loss over the batch as it is."""

    loss: str

    def step(self, weights: Weights, batch: Batch) -> tuple[float, int]:
        return backprop(weights, batch.x, batch.y, self.loss)

    def after_epoch(self, weights: Weights) -> dict[str, float]:
        return {}


def backprop(weights: Weights, x: Array, y: Array, loss: str) -> tuple[float, int]:
    """Leave the gradient of the batch's mean loss in `weights.gradient`; that loss, and how many images are right.

    The derivative g = dL/dN is pulled back layer by layer, and each dense layer leaves dL/dW, dL/db in its slot.
    """
    values = forward(weights.layers, x)
    N = values[-1] - weights.threshold
    value, g = LOSSES[loss](N, y)
    if not np.isfinite(value):
        raise FloatingPointError(f"the loss is {value}")
    remaining = list(weights.slots)
    for layer, entered in zip(reversed(weights.layers), reversed(values[:-1]), strict=True):
        if isinstance(layer, Dense):
            layer.gradients(entered, g, out=remaining.pop())
        if remaining:  # the pixels themselves need no derivative in training
            g = layer.vjp(entered, g)
    return value, count_right(N, y)


def count_right(N: Array, y: Array) -> int:
    """How many rows of the logits, threshold at 0, say y."""
    predicted = N[:, 0] > 0 if N.shape[1] == 1 else N.argmax(axis=1)
    return int(np.count_nonzero(predicted == y))
