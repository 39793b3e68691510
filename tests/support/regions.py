"""Random networks with splits, and the points that satisfy them."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from attacks.ascent import random_start
from minigrad import MLP
from minigrad.layers import forward


def random_net(d, k, activation, rng, depth=2):
    sizes = [d, *rng.integers(1, 6, depth), k]
    pairs = [(rng.normal(size=(a, b)) * 1.5, rng.normal(size=b)) for a, b in pairwise(sizes)]
    return MLP.from_arrays(pairs, activation=activation, threshold=rng.normal() if k == 1 else 0.0)


def feasible(ball, x, rng, count=60):
    """Random points of the set and its corners, (count, n, d)."""
    inside = [ball.apply(x, random_start(ball, x, rng)) for _ in range(count // 2)]
    corners = [ball.apply(x, ball.maximize(x, rng.normal(size=x.shape))) for _ in range(count // 2)]
    return np.array([x, *inside, *corners])


def with_signs(known, points, rng):
    """`known` with some of the signs that the pre-activations of `points` (n, d) have given, as a search gives them."""
    values = forward(known.net.layers, points)[1:-1:2]
    sign = tuple(np.where(rng.random(z.shape) < 0.5, np.where(z >= 0, 1.0, -1.0), 0.0) for z in values)
    l = tuple(np.where(s > 0, np.maximum(low, 0), low) for s, low in zip(sign, known.l, strict=True))  # noqa: E741
    u = tuple(np.where(s < 0, np.minimum(up, 0), up) for s, up in zip(sign, known.u, strict=True))
    return replace(known, l=l, u=u, sign=sign)


def has_signs(values, sign):
    """(n,) bool: whether the pre-activations `values`, one (n, d_k) a layer, have the signs."""
    return np.all([(z * s >= 0).all(axis=1) for z, s in zip(values, sign, strict=True)], axis=0)

