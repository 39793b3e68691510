"""Losses, each with its gradient by the logits, computed so that large logits neither overflow nor cancel.

A loss takes logits `N` (n, k) and labels `y` (n,) and returns the mean over the batch and `dL/dN` (n, k).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.inputs import Array

Loss = Callable[[Array, Array], tuple[float, Array]]


def logistic(N: Array, y: Array) -> tuple[float, Array]:
    """Binary cross-entropy of `p = sigmoid(N)`.     N (n, 1), y (n,) in {0, 1}

    With the sign t = 2 y - 1 the likelihood of the label is sigmoid(t N), so
        L = mean log(1 + exp(-t N)),      dL/dN = -t sigmoid(-t N) / n = (sigmoid(N) - y) / n.
    With v = -t N: np.logaddexp(0, v) is log(1 + exp(v)) without the overflow, and sigmoid(v) = (1 + tanh(v/2)) / 2.
    """
    t = (2.0 * y - 1).astype(N.dtype)  # (n,)
    v = -t * N[:, 0]  # (n,)
    g = t * (1 + np.tanh(v / 2)) / (-2 * len(N))  # (n,)
    return float(np.logaddexp(0, v).sum()) / len(N), g[:, None]


def softmax_cross_entropy(N: Array, y: Array) -> tuple[float, Array]:
    """Cross-entropy of `p = softmax(N)`.     N (n, k), y (n,) in 0..k-1

    L = mean log sum_j exp(N_j - N_y).  Its derivative by N_j is p_j - [j = y], divided by n.
    Subtracting the largest logit of the row changes neither and keeps every exponent <= 0.
    """
    rows = np.arange(len(N))
    shifted = N - N.max(axis=1, keepdims=True)  # (n, k), <= 0
    e = np.exp(shifted)  # (n, k)
    total = e.sum(axis=1, keepdims=True)  # (n, 1), in [1, k]
    value = np.mean(np.log(total[:, 0]) - shifted[rows, y])
    g = e / total  # (n, k)
    g[rows, y] -= 1
    return float(value), g / len(N)


def squared_error(N: Array, y: Array) -> tuple[float, Array]:
    """The regression model: the logits should be +1 for the label and -1 for anything else.

    With targets t (n, k) in {-1, +1}:  L = mean over rows of sum_j (N_j - t_j)^2 / 2,  dL/dN = (N - t) / n.
    One logit: t = 2 y - 1.  k logits: t_j = +1 for j = y, -1 otherwise.
    """
    k = N.shape[1]
    classes = np.arange(k) if k > 1 else np.ones(1, int)
    t = np.where(y[:, None] == classes, 1, -1).astype(N.dtype)  # (n, k)
    residual = N - t  # (n, k)
    return float(np.mean(np.sum(residual**2, axis=1)) / 2), residual / len(N)


LOSSES: dict[str, Loss] = {
    "logistic": logistic,
    "softmax": softmax_cross_entropy,
    "squared": squared_error,
}
