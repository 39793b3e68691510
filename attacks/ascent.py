"""What the ascents share: how long a step is, from where a run starts, and the smooth count of the images fooled.

The count of the fooled has no slope, so it is smoothed: image i counts `-log(1 + exp(-m_i / tau))`, whose derivative by
m_i is `1 / (1 + exp(m_i / tau)) / tau`.  An image that is fooled for good has no weight left; one at the edge has half
the weight of one that is hopeless, whose weight is bounded.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from attacks.balls.base import Ball
from minigrad.inputs import Array

BATCH = 250  # images per step: 125 and 500 fool as many of 1,000 fours to 0.1%, and 500 take half as long again
SAMPLE = 400  # images on which candidates are compared: 200 and 800 led to the same results
TARGETS = 2  # target classes that are tried: the first alone, and four, fooled as many of 600 digits; each costs a run
T = TypeVar("T")


def fade(t: int, steps: int) -> float:
    """`(1 + cos(pi t / steps)) / 2`: from 1 at t = 0 down to 0 at t = steps (Loshchilov and Hutter 2017, eq. 5)."""
    return (1 + np.cos(np.pi * t / steps)) / 2


def share_of_way(t: int, steps: int) -> float:
    """How far a Frank-Wolfe step goes towards the maximiser: from 1/2, past every kink on the way, down to 1/100.

    Not critical: half and double of either end change the mean eps of `smallest_eps` by less than 2e-4 of itself.
    """
    return 0.01 + 0.49 * fade(t, steps)


def random_start(ball: Ball, x: Array, rng: np.random.Generator, shared: bool = False) -> Array:
    """A random `s` in S: the best in a random direction, shortened at random (S is star-shaped about 0).

    `shared`: all rows in one direction and by one share, so that an image's start does not depend on the others.
    """
    shape = x.shape[-1:] if shared else x.shape
    direction = np.broadcast_to(rng.normal(size=shape), x.shape)
    return rng.random((*shape[:-1], 1)) * ball.maximize(x, direction)


def common_start(ball: Ball, x: Array, seed: int, turn: int, turns: int) -> Array:
    """A random `s` in S for each row, all in one direction: start `turn` of `turns` where the margin is level.

    All rows go the same way, so an image's start is its own, whatever else is in the batch.  The direction has a common
    part, upwards and downwards in turn: independent signs alone would leave the mean of many pixels where it is.  The
    first starts go all the way to the end of S, the later ones less far.
    """
    rng = np.random.default_rng((seed, turn))
    direction = rng.normal(size=x.shape[-1]) + 2 * (-1) ** turn * abs(rng.normal())
    return (1 - turn // 2 * 2 / turns) * ball.maximize(x, np.broadcast_to(direction, x.shape))


def temperature(m: Array) -> float:
    """tau, a quarter of the mean |m|; 1 where that is too small to divide by."""
    tau = float(np.mean(np.abs(m))) / 4
    return tau if tau > 1e-300 else 1.0


def smooth_weight(m: Array, tau: float) -> Array:
    """`1 / (1 + exp(m / tau))`."""
    return 0.5 * (1 - np.tanh(m / (2 * tau)))


def unit(g: Array) -> Array:
    """`g / |g|_inf`; zeros stay."""
    size = np.abs(g).max()
    return g / size if size > 0 else g


def most_promising(candidates: list[tuple[float, T]]) -> list[T]:
    """Of (rate, candidate) the `TARGETS` candidates of largest rate, the first of equals first."""
    return [candidate for _, candidate in sorted(candidates, key=lambda each: each[0], reverse=True)[:TARGETS]]
