"""Queries of small random networks: just below the smallest radius that works, or just above it."""

import time
from itertools import islice, pairwise

import numpy as np
from ball_strategies import row
from pieces import pattern_minimum

from attacks.balls import BALLS
from attacks.proofs.query import Query
from minigrad import MLP


def real_net(sizes, rng, activation="relu"):
    """A network of normal weights; `rng` is a seed or a Generator."""
    rng = np.random.default_rng(rng)
    pairs = [(rng.normal(size=(a, b)) * 1.5, 0.5 * rng.normal(size=b)) for a, b in pairwise(sizes)]
    return MLP.from_arrays(pairs, activation=activation)


def case(norm, seed, sizes=(6, 5, 1), share=0.97):
    """A query just below (`share` < 1) or above the smallest radius that works; None if nothing does."""
    net = real_net(sizes, seed)
    x = 0.2 + 0.6 * np.random.default_rng(seed).random((1, sizes[0]))
    y = int(net.predict(x)[0])
    least = pattern_minimum(net, row(BALLS[norm](1), x, 0), x[0], y, None, 1e-6)
    if not np.isfinite(least):
        return None
    radius = share * least if norm != "l0" else least if share > 1 else least - 1
    return Query.from_image(net, x[0], y, BALLS[norm](radius)) if radius > 0 else None


def cases(norm, share, count=6, **options):
    found = (case(norm, seed, share=share, **options) for seed in range(100))
    return list(islice((query for query in found if query is not None), count))


def soon(seconds=20.0):
    return time.perf_counter() + seconds
