"""The inner maximum of robust training: the worst image that a few steps find, in the dtype of the training.

    max over s in S of  L(N(x + s), y)                                      Madry et al. 2018, eq. 2.1

It is climbed as `pgd` climbs (attacks/sign_gradient.py): x_{t+1} = `ball.ascend(x, x_t, dL/dx, a_t)`, with steps of
a_t = step (1 - t / T) radii.  Departures from `pgd`: the loss is climbed and not the margin; all T steps are taken and
the last point is kept, flipped or not, since training wants a hard image and not a record; nothing is measured again;
and the arithmetic is the training's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attacks.balls.base import Ball
from minigrad.inputs import Array
from minigrad.layers import Layer, forward, pull_back

FIRST_STEP = 0.5  # radii, as in `pgd`: long steps first cross the ball


def worst_images(
    layers: Sequence[Layer],
    threshold: float,
    images: tuple[Array, Array],
    ball: Ball,
    shares: Sequence[float],
    now: Array | None = None,
) -> Array:
    """The images after a step of each share of the radius, (n, d), inside the ball.

    Parameters
    ----------
    layers, threshold
        The network as it is now.
    images : x (n, d), y (n,)
    ball : Ball
    shares : the length of each step, in radii
    now : (n, d), optional
        Where to start, inside the ball; default x.
    """
    x, y = images
    now = x if now is None else now
    for share in shares:
        values = forward(layers, now)
        g = pull_back(layers, values[:-1], rival_direction(values[-1] - threshold, y))
        now = ball.ascend(x, now, g, share).astype(x.dtype, copy=False)
    return now


def rival_direction(N: Array, y: Array) -> Array:
    """A positive multiple of each image's dL/dN, (n, k), that does not vanish where the image is sure of its class.

    With p = softmax(N):  dL/dN = p - e_y = (1 - p_y) (q - e_y),  q the softmax over the other classes.  q - e_y is
    returned; for one logit +1 or -1.  A ball's maximiser asks for the direction alone, and 1 - p_y is 0 in single
    precision as soon as the margin is below -17.
    """
    if N.shape[1] == 1:
        return np.where(y == 0, 1, -1).astype(N.dtype)[:, None]
    rows = np.arange(len(N))
    rival = N.copy()
    rival[rows, y] = -np.inf
    rival -= rival.max(axis=1, keepdims=True)
    q = np.exp(rival, out=rival)  # (n, k), 0 at y
    q /= q.sum(axis=1, keepdims=True)
    q[rows, y] = -1
    return q


def falling(steps: int, step: float) -> tuple[float, ...]:
    """The shares of `pgd`: step (1 - t / steps)."""
    return tuple(step * (1 - t / steps) for t in range(steps))
