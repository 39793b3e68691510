"""Training: mini-batches, and one optimiser step on one flat vector that holds every weight and bias.

`fit` checks and repeats `one_epoch`, which repeats a step: `backprop` on one batch, weight decay, the optimiser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_labels, as_number
from minigrad.layers import Dense, Layer, forward
from minigrad.losses import LOSSES
from minigrad.mlp import MLP, check_layers
from minigrad.optimisers import SGD, Adam

History = dict[str, list[float]]
CHOICES = {"optimizer": ("adam", "sgd"), "schedule": ("constant", "cosine"), "loss": tuple(LOSSES)}
DEFAULT_LOSS = "logistic", "softmax"  # for one logit, and for more


def fit(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int = 10,
    batch: int = 128,
    lr: float = 1e-3,
    optimizer: str = "adam",
    momentum: float = 0.9,
    schedule: str = "constant",
    weight_decay: float = 0.0,
    loss: str | None = None,
    validation: float = 0.0,
    dtype: DTypeLike = np.float32,
    rng: Seed = None,
    callback: Callable[[int, dict[str, float]], Any] | None = None,
) -> tuple[MLP, History]:
    """Minimise the mean loss over the images; returns a new network and the history of training.

    Parameters
    ----------
    net : MLP
        Where to start.  It is not changed.
    x : (n, d) floating point
    y : (n,) labels, 0..k-1 (0 and 1 for one logit)
    epochs, batch : int
        Passes over the data; images per step.
    lr : float
        Learning rate, > 0.
    optimizer : "adam" or "sgd" (with `momentum`)
    schedule : "constant" or "cosine"
        Cosine: lr (1 + cos(pi t / T)) / 2 at step t of T (Loshchilov and Hutter 2017, eq. 5, one period).
    weight_decay : float
        W <- W - lr * weight_decay * W beside each step (decoupled: Loshchilov and Hutter 2019, eq. 12); not on biases.
    loss : "logistic", "softmax" or "squared"
        Default: logistic for one logit, softmax for more.  A threshold is subtracted from the logit first.
    validation : float
        Share of the images, in [0, 1), set aside at random and only measured.
    dtype : float32 or float64
        Arithmetic of the training; the network returned is float64.
    rng : seed or Generator
    callback : f(epoch, record)
        Called after each epoch, counted from 1, with that epoch's entries of the history.

    Returns
    -------
    net : MLP
    history : dict of lists, one entry per epoch
        "loss" and "accuracy" (means over the epoch's batches, each before its step), "lr" (at the last step), and
        "validation_loss", "validation_accuracy" if a share was set aside.

    Raises
    ------
    ValueError
        A network that is no MLP, bad shapes, labels or options, before any work.
    FloatingPointError
        The loss or a weight is no longer finite (the learning rate is too high).

    Examples
    --------
    >>> from minigrad import MLP
    >>> x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1])
    >>> net, history = fit(MLP.init([2, 1], rng=0), x, y, epochs=200, rng=0)
    >>> net.predict(x)
    array([0, 1])
    >>> len(history["loss"])
    200
    """
    check_layers(net, "training moves the weights of")
    net.to_arrays()  # raises for layers that the network returned could not have
    k, kind = net.sizes[-1], _float_type(dtype)
    epochs, batch, loss = as_count(epochs, "epochs"), as_count(batch, "batch"), loss or DEFAULT_LOSS[k > 1]
    options = Options(k, epochs, batch, lr, optimizer, momentum, schedule, weight_decay, loss, validation)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function of the epoch and its record, got {callback!r}")
    x = as_images(x, net.sizes[0], dtype=kind)
    y, rng = as_labels(y, len(x), max(k, 2)), as_generator(rng)
    (x, y), (x_held, y_held) = _set_aside(x, y, validation, rng)
    weights, history = Weights.from_network(net, kind), History()
    rule = Adam(weights.theta) if optimizer == "adam" else SGD(weights.theta, momentum)
    for epoch in range(1, epochs + 1):
        try:
            record = one_epoch(weights, rule, x, y, options, epoch, rng)
        except FloatingPointError as error:
            raise FloatingPointError(f"epoch {epoch}: {error}; a smaller lr than {lr} may help") from error
        if len(x_held):
            N = forward(weights.layers, x_held)[-1] - weights.threshold
            record |= {"validation_loss": LOSSES[loss](N, y_held)[0], "validation_accuracy": _hits(N, y_held) / len(N)}
        for name, value in record.items():
            history.setdefault(name, []).append(value)
        if callback:
            callback(epoch, record)
    if not np.isfinite(weights.theta).all():
        raise FloatingPointError(f"epoch {epochs}: the weights are no longer finite; a smaller lr than {lr} may help")
    pairs = [(layer.W, layer.b) for layer in weights.dense]
    return MLP.from_arrays(pairs, activation=net.activation, threshold=net.threshold), history


@dataclass(frozen=True, eq=False)
class Options:
    """The options of `fit`, under its names, for a network of k logits.  Raises ValueError for what makes no sense."""

    k: int
    epochs: int
    batch: int
    lr: float
    optimizer: str
    momentum: float
    schedule: str
    weight_decay: float
    loss: str
    validation: float

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.loss in DEFAULT_LOSS and self.loss != DEFAULT_LOSS[self.k > 1]:
            raise ValueError(f"loss: logistic is for one logit, softmax for more, got {self.loss!r} for {self.k}")
        names = "lr", "weight_decay", "momentum", "validation"
        lr, decay, momentum, share = (as_number(getattr(self, name), name) for name in names)
        if not (0 < lr < np.inf and 0 <= decay < np.inf and 0 <= momentum < 1 and 0 <= share < 1):
            raise ValueError(
                "expected lr > 0, weight_decay >= 0, 0 <= momentum < 1 and 0 <= validation < 1, "
                f"got {self.lr}, {self.weight_decay}, {self.momentum}, {self.validation}"
            )

    def rate(self, t: int, total: int) -> float:
        """The learning rate at step t of `total`."""
        return self.lr * (1 + np.cos(np.pi * t / total)) / 2 if self.schedule == "cosine" else self.lr


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


def one_epoch(
    weights: Weights, rule: Adam | SGD, x: Array, y: Array, options: Options, epoch: int, rng: np.random.Generator
) -> dict[str, float]:
    """A step for each batch of the images, in a new random order; mean loss and accuracy, and the last rate."""
    order, starts = rng.permutation(len(x)), range(0, len(x), options.batch)
    summed, right, rate = 0.0, 0, options.lr
    for t, start in enumerate(starts, (epoch - 1) * len(starts)):
        index = order[start : start + options.batch]
        value, hits = backprop(weights, x.take(index, axis=0), y[index], options.loss)
        summed, right = summed + value * len(index), right + hits
        rate = options.rate(t, options.epochs * len(starts))
        if options.weight_decay:
            for layer in weights.dense:
                np.multiply(layer.W, x.dtype.type(1 - rate * options.weight_decay), out=layer.W)
        rule.step(weights.gradient, rate)
    return {"loss": summed / len(x), "accuracy": right / len(x), "lr": float(rate)}


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
    return value, _hits(N, y)


def _hits(N: Array, y: Array) -> int:
    """How many rows of the logits, threshold at 0, say y."""
    predicted = N[:, 0] > 0 if N.shape[1] == 1 else N.argmax(axis=1)
    return int(np.count_nonzero(predicted == y))


def _set_aside(
    x: Array, y: Array, share: float, rng: np.random.Generator
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Images and labels to train on, and a random share of them, which may be none, to measure only."""
    held = round(share * len(x))
    if held == len(x):
        raise ValueError(f"validation: expected an image left to train on, got a share of {share} of {len(x)}")
    if not held:
        return (x, y), (x[:0], y[:0])
    order = rng.permutation(len(x))
    return (x[order[held:]], y[order[held:]]), (x[order[:held]], y[order[:held]])


def _float_type(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except TypeError as error:
        raise ValueError(f"dtype: expected float32 or float64, got {dtype!r}") from error
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype: expected float32 or float64, got {kind}")
    return kind
