"""Training: mini-batches, and one optimiser step on one flat vector that holds every weight and bias.

`fit` checks and repeats `one_epoch`, which repeats a step: the loss of one batch and its gradient, weight decay, the
optimiser.  What the loss is, an `Objective` says (minigrad/objective.py): plain `backprop`, or the batch's images or
loss replaced (attacks/defend/).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_labels, as_number
from minigrad.layers import forward
from minigrad.losses import LOSSES
from minigrad.mlp import MLP, check_layers
from minigrad.objective import Batch, Objective, PlainLoss, Weights, count_right
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
    objective: Objective | None = None,
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
    objective : Objective, optional
        What the loss of a batch and its gradient are; `loss` then only measures what was set aside.

    Returns
    -------
    net : MLP
    history : dict of lists, one entry per epoch
        "loss" and "accuracy" (means over the epoch's batches, each before its step), "lr" (at the last step), and
        "validation_loss", "validation_accuracy" if a share was set aside; and what an objective adds.

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
    epochs, batch = as_count(epochs, "epochs"), as_count(batch, "batch")
    loss = DEFAULT_LOSS[k > 1] if loss is None else loss
    options = Options(k, epochs, batch, lr, optimizer, momentum, schedule, weight_decay, loss, validation)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback: expected a function of the epoch and its record, got {callback!r}")
    objective = PlainLoss(loss) if objective is None else objective
    if not (callable(getattr(objective, "step", None)) and callable(getattr(objective, "after_epoch", None))):
        raise ValueError(f"objective: expected step(...) and after_epoch(...), got {type(objective).__name__}")
    x = as_images(x, net.sizes[0], dtype=kind)
    y, rng = as_labels(y, len(x), max(k, 2)), as_generator(rng)
    rows, held = _set_aside(len(x), validation, rng)
    x_held, y_held = x[held], y[held]
    weights, history = Weights.from_network(net, kind), History()
    rule = Adam(weights.theta) if optimizer == "adam" else SGD(weights.theta, momentum)
    for epoch in range(1, epochs + 1):
        try:
            record = one_epoch(weights, rule, (x, y, rows), options, epoch, rng, objective)
            record |= objective.after_epoch(weights)
        except FloatingPointError as error:
            raise FloatingPointError(f"epoch {epoch}: {error}; a smaller lr than {lr} may help") from error
        if len(x_held):
            N = forward(weights.layers, x_held)[-1] - weights.threshold
            record |= {
                "validation_loss": LOSSES[loss](N, y_held)[0],
                "validation_accuracy": count_right(N, y_held) / len(N),
            }
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


def one_epoch(
    weights: Weights,
    rule: Adam | SGD,
    images: tuple[Array, Array, Array],
    options: Options,
    epoch: int,
    rng: np.random.Generator,
    objective: Objective,
) -> dict[str, float]:
    """A step for each batch, in a new random order; mean loss and accuracy, and the last rate.

    `images` are x (n, d), y (n,) and the rows to train on.
    """
    x, y, rows = images
    n = len(rows)
    order, starts = rng.permutation(n), range(0, n, options.batch)
    summed, right, rate, total = 0.0, 0, options.lr, options.epochs * len(starts)
    for t, start in enumerate(starts, (epoch - 1) * len(starts)):
        index = rows[order[start : start + options.batch]]
        value, hits = objective.step(weights, Batch(x.take(index, axis=0), y[index], index, t / total))
        if not np.isfinite(value):
            raise FloatingPointError(f"the loss is {value}")
        summed, right = summed + value * len(index), right + hits
        rate = options.rate(t, total)
        if options.weight_decay:
            for layer in weights.dense:
                np.multiply(layer.W, x.dtype.type(1 - rate * options.weight_decay), out=layer.W)
        rule.step(weights.gradient, rate)
    return {"loss": summed / n, "accuracy": right / n, "lr": float(rate)}


def _set_aside(n: int, share: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Which of n images to train on, and a random share of them, which may be none, to measure only."""
    held = round(share * n)
    if held == n:
        raise ValueError(f"validation: expected an image left to train on, got a share of {share} of {n}")
    order = rng.permutation(n) if held else np.arange(n)
    return order[held:], order[:held]


def _float_type(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        kind: np.dtype[Any] = np.dtype(dtype) if dtype is not None else np.dtype(object)
    except TypeError as error:
        raise ValueError(f"dtype: expected float32 or float64, got {dtype!r}") from error
    if kind not in (np.float32, np.float64):
        raise ValueError(f"dtype: expected float32 or float64, got {kind}")
    return kind
