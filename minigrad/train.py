"""Training: mini-batches, and one optimiser step on one flat vector that holds every weight and bias."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_labels, as_number
from minigrad.layers import Dense, Layer
from minigrad.losses import LOSSES
from minigrad.mlp import MLP, check_layers, forward

History = dict[str, list[float]]


class Adam:
    """theta <- theta - lr mhat / (sqrt(vhat) + 1e-8)   (Kingma and Ba 2015, algorithm 1)

        m <- b1 m + (1 - b1) g      v <- b2 v + (1 - b2) g^2      mhat = m / (1 - b1^t)      vhat = v / (1 - b2^t)

    Departure: kept are M = m / (1 - b1) and V = v / (1 - b2), which saves two passes over memory a step:
        M <- b1 M + g,   V <- b2 V + g^2,   lr mhat = a M,   sqrt(vhat) = sqrt(V) / c, so
        theta <- theta - a c M / (sqrt(V) + 1e-8 c),   a = lr (1 - b1) / (1 - b1^t),  c = sqrt((1 - b2^t) / (1 - b2)).
    """

    def __init__(self, theta: Array, b1: float = 0.9, b2: float = 0.999) -> None:
        self.theta, self.b1, self.b2, self.t = theta, b1, b2, 0
        self.M, self.V, self.work = np.zeros_like(theta), np.zeros_like(theta), np.empty_like(theta)

    def step(self, gradient: Array, lr: float) -> None:
        """Change theta in place.  `gradient` is overwritten."""
        self.t += 1
        c = np.sqrt((1 - self.b2**self.t) / (1 - self.b2)).item()
        self.M *= self.b1
        self.M += gradient
        gradient *= gradient
        self.V *= self.b2
        self.V += gradient
        np.sqrt(self.V, out=self.work)
        self.work += 1e-8 * c
        np.divide(self.M, self.work, out=self.work)
        self.work *= lr * (1 - self.b1) / (1 - self.b1**self.t) * c
        self.theta -= self.work


class SGD:
    """u <- momentum u + g,   theta <- theta - lr u   (Polyak 1964; Sutskever et al. 2013, eq. 1-2)"""

    def __init__(self, theta: Array, momentum: float = 0.9) -> None:
        self.theta, self.u, self.momentum = theta, np.zeros_like(theta), momentum

    def step(self, gradient: Array, lr: float) -> None:
        """Change theta in place.  `gradient` is overwritten."""
        self.u *= self.momentum
        self.u += gradient
        np.multiply(self.u, lr, out=gradient)
        self.theta -= gradient


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
        Passes over the data; images a step.
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
    history : dict of lists, one entry an epoch
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
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> x, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1])
    >>> net, history = fit(MLP.init([2, 1], rng=0), x, y, epochs=200, rng=0)
    >>> net.predict(x)
    array([0, 1])
    >>> len(history["loss"])
    200
    """
    check_layers(net, "training moves the weights of")
    try:
        number: np.dtype[Any] = np.dtype(dtype)
    except TypeError as error:
        raise ValueError(f"dtype: expected float32 or float64, got {dtype!r}") from error
    if number not in (np.float32, np.float64):
        raise ValueError(f"dtype: expected float32 or float64, got {number}")
    k = net.sizes[-1]
    loss = loss or ("logistic" if k == 1 else "softmax")
    epochs, batch = as_count(epochs, "epochs"), as_count(batch, "batch")
    for name, given, choices in (
        ("optimizer", optimizer, ("adam", "sgd")),
        ("schedule", schedule, ("constant", "cosine")),
        ("loss", loss, tuple(LOSSES)),
    ):
        if given not in choices:
            raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {given!r}")
    if (loss == "logistic" and k != 1) or (loss == "softmax" and k == 1):
        raise ValueError(f"loss: logistic is for one logit, softmax for two or more, got {loss!r} for {k}")
    for name, share in (("lr", lr), ("weight_decay", weight_decay), ("momentum", momentum), ("validation", validation)):
        as_number(share, name)
    if not (0 < lr < np.inf and 0 <= weight_decay < np.inf and 0 <= momentum < 1 and 0 <= validation < 1):
        raise ValueError(
            "expected lr > 0, weight_decay >= 0, 0 <= momentum < 1 and 0 <= validation < 1, "
            f"got {lr}, {weight_decay}, {momentum}, {validation}"
        )
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function of the epoch and its record, got {callback!r}")
    x = as_images(x, net.sizes[0], dtype=number)
    y = as_labels(y, len(x), max(k, 2))
    rng = as_generator(rng)
    held = round(validation * len(x))
    if held == len(x):
        raise ValueError(
            f"validation: expected at least one image left to train on, got a share of {validation} of {len(x)}"
        )
    x_held = x[:0]
    if held:
        order = rng.permutation(len(x))
        x_held, y_held, x, y = x[order[:held]], y[order[:held]], x[order[held:]], y[order[held:]]

    measure, threshold = LOSSES[loss], number.type(net.threshold)
    layers, theta, gradient, slots = _flatten(net, number)
    rule = Adam(theta) if optimizer == "adam" else SGD(theta, momentum)
    decayed = [layer.W for layer in layers if isinstance(layer, Dense)] if weight_decay else []
    total, t = epochs * -(-len(x) // batch), 0
    history: History = {"loss": [], "accuracy": [], "lr": []}
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(x))
        summed, right, rate = 0.0, 0, lr
        for start in range(0, len(x), batch):
            index = order[start : start + batch]
            labels = y[index]
            values = forward(layers, x.take(index, axis=0))
            N = values[-1] - threshold
            value, g = measure(N, labels)
            if not np.isfinite(value):
                raise FloatingPointError(f"epoch {epoch}: the loss is {value}; a smaller lr than {lr} may help")
            summed += value * len(index)
            right += _count_right(N, labels)
            _backward(layers, values, g, slots)
            rate = lr * (1 + np.cos(np.pi * t / total)) / 2 if schedule == "cosine" else lr
            for W in decayed:
                W *= number.type(1 - rate * weight_decay)
            rule.step(gradient, rate)
            t += 1
        history["loss"].append(summed / len(x))
        history["accuracy"].append(right / len(x))
        history["lr"].append(float(rate))
        if held:
            N = forward(layers, x_held)[-1] - threshold
            history.setdefault("validation_loss", []).append(measure(N, y_held)[0])
            history.setdefault("validation_accuracy", []).append(_count_right(N, y_held) / held)
        if callback:
            callback(epoch, {name: entries[-1] for name, entries in history.items()})
    if not np.isfinite(theta).all():
        raise FloatingPointError(f"epoch {epochs}: the weights are no longer finite; a smaller lr than {lr} may help")
    pairs = [(layer.W, layer.b) for layer in layers if isinstance(layer, Dense)]
    return MLP.from_arrays(pairs, activation=net.activation, threshold=net.threshold), history


def _flatten(net: MLP, dtype: np.dtype[Any]) -> tuple[list[Layer], Array, Array, list[tuple[Array, Array]]]:
    """The same layers with their parameters as views into one vector `theta`, and views of a gradient vector."""
    parameters = [array for layer in net.dense for array in (layer.W, layer.b)]
    theta = np.concatenate([array.ravel() for array in parameters])  # (parameters,)
    if np.abs(theta).max() > np.finfo(dtype).max:
        raise ValueError(f"net: expected weights that {dtype} can hold, got one of size {np.abs(theta).max():.3g}")
    theta = theta.astype(dtype)
    gradient = np.zeros_like(theta)  # (parameters,)
    ends = np.cumsum([array.size for array in parameters])  # where each array ends in theta
    cut = [slice(end - array.size, end) for end, array in zip(ends, parameters, strict=True)]
    views = [theta[c].reshape(array.shape) for c, array in zip(cut, parameters, strict=True)]
    slots = [gradient[c].reshape(array.shape) for c, array in zip(cut, parameters, strict=True)]
    dense = iter(Dense(W, b) for W, b in zip(views[::2], views[1::2], strict=True))
    layers = [next(dense) if isinstance(layer, Dense) else layer for layer in net.layers]
    return layers, theta, gradient, list(zip(slots[::2], slots[1::2], strict=True))


def _backward(layers: list[Layer], values: list[Array], g: Array, slots: list[tuple[Array, Array]]) -> None:
    """Backprop: pull `g = dL/dN` back, and at each dense layer leave `dL/dW, dL/db` in its slot."""
    remaining = list(slots)
    for layer, value in zip(reversed(layers), reversed(values[:-1]), strict=True):
        if isinstance(layer, Dense):
            layer.gradients(value, g, out=remaining.pop())
        if remaining:  # the pixels themselves need no derivative in training
            g = layer.vjp(value, g)


def _count_right(N: Array, y: Array) -> int:
    """How many rows of the logits, threshold at 0, say y."""
    predicted = N[:, 0] > 0 if N.shape[1] == 1 else N.argmax(axis=1)
    return int(np.count_nonzero(predicted == y))
