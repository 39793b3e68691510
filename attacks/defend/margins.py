"""The margins that a certified loss bounds from above, and the loss of those bounds.

Every margin is a row of the logits: m_j = R_y[j] . (N - t), with R_y[j] = e_j - e_y for k >= 2 (the row j = y is 0) and
the one row +1 (y = 0) or -1 (y = 1) for one logit.  If B_j >= m_j on all of S, then on all of S

    L(N(x + s), y) = log sum_j exp(m_j) <= log sum_j exp(B_j),        for one logit  log(1 + exp(m)) <= log(1 + exp(B)),

the cross-entropy being a rising function of each margin (Wong and Kolter 2018, theorem 2).  The right side is the
*worst-case loss*; an image is proved robust iff all B_j < 0, j != y.
"""

from __future__ import annotations

import numpy as np

from minigrad.inputs import Array
from minigrad.losses import logistic, softmax_cross_entropy


def margin_rows(k: int, dtype: np.dtype) -> Array:
    """`R`, (classes, m, k): for each class the rows whose product with the logits are its margins; m = k, or 1."""
    if k == 1:
        return np.array([[[1.0]], [[-1.0]]], dtype)
    eye = np.eye(k, dtype=dtype)
    return eye[None, :, :] - eye[:, None, :]


def worst_case_loss(B: Array, y: Array) -> tuple[float, Array]:
    """The mean worst-case loss of the bounds B (n, m) and its derivative by them, (n, m)."""
    if B.shape[1] == 1:
        return logistic(B, np.zeros_like(y))
    return softmax_cross_entropy(B, y)


def count_proved(B: Array, y: Array) -> int:
    """How many images have all their margins bounded below 0."""
    if B.shape[1] == 1:
        return int(np.count_nonzero(B < 0))
    B = B.copy()
    B[np.arange(len(B)), y] = -np.inf
    return int(np.count_nonzero(B.max(axis=1) < 0))
