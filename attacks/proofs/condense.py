"""Fewer pixels and neurons: a query about those that can still change, so that every matrix product is smaller.

And weights of usual size: a ReLU network whose layers are far from 1 is asked about in other units (`normalised`).

A pixel that has no room, is off the mask, or is out in every node adds a constant to the first layer,

    z_1 = x W + b = x_live W_live + b',        b' = b + x_fixed W_fixed.

Rounding b' errs by no more than the whole layer does, so each time the query is condensed the first layer's error
counts half as much again (`Region.error` is counted twice in a bound).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from attacks.balls.base import Ball, changed
from attacks.proofs.query import Query
from minigrad.bounds.region import Region, reach
from minigrad.bounds.rounding import product_error
from minigrad.inputs import Array
from minigrad.layers import ReLU

# Powers of two that the largest weight of a layer may be from 1.  Trained networks stay within half of it, so they are
# searched as they are; with twice it a search among weights of 2^16 takes 4 times as many nodes.
USUAL = 8
FAR = 200  # beyond it a network's floats may underflow (2^-1074) where those in other units do not; half is as good
WORTH = 0.8  # condense when at most this share of the pixels is left; half of it, or always, is as fast


def condensed(query: Query, outside: Array) -> tuple[Query, Array] | None:
    """The query about the pixels that can still move, and which those are, (d',) int; None where that is no gain.

    `outside` (d,) bool: pixels that stay put.
    """
    down, up = query.ball.room(query.x)
    live = np.flatnonzero(((down != 0) | (up != 0))[0] & ~outside)
    d = query.x.shape[1]
    if not 0 < len(live) <= WORTH * d:
        return None
    first, x = query.net.dense[0], query.x
    error = product_error(first.W, first.b, reach(x, query.ball))
    fixed = np.delete(np.arange(d), live)
    layer = type(first)(first.W[live], first.b + x[0, fixed] @ first.W[fixed])
    small = replace(
        query,
        net=replace(query.net, layers=(layer, *query.net.layers[1:])),
        x=x[:, live],
        ball=columns(query.ball, live, d),
        first_error=(error if query.first_error is None else query.first_error) + error / 2,
        live=live if query.live is None else query.live[live],
        image=x if query.image is None else query.image,
    )
    return small, live


def without_inactive(query: Query, known: Region) -> tuple[Query, Region]:
    """The query and what is known of its whole set without the neurons that are off on all of it, u <= 0.

    Such a ReLU puts out 0 exactly, in real numbers and in floats (u counts the rounding of z), so the sums of the next
    layer are the same sums with fewer terms, and fewer roundings.  Tanh and Sigmoid are never off.
    """
    off = [isinstance(query.net.layers[2 * k + 1], ReLU) & (u <= 0) for k, u in enumerate(known.u)]
    keep = [np.flatnonzero(~each.all(axis=0)) for each in off]
    keep = [index if len(index) else np.zeros(1, int) for index in keep]  # a layer of no neurons is none
    if all(len(index) == u.shape[1] for index, u in zip(keep, known.u, strict=True)):
        return query, known
    dense, kept = query.net.dense, [np.arange(query.x.shape[1]), *keep, np.arange(query.net.dense[-1].W.shape[1])]
    layers = list(query.net.layers)
    for k, layer in enumerate(dense):
        layers[2 * k] = type(layer)(np.ascontiguousarray(layer.W[np.ix_(kept[k], kept[k + 1])]), layer.b[kept[k + 1]])
    first_error = None if query.first_error is None else query.first_error[:, keep[0]]
    net = replace(query.net, layers=tuple(layers))
    neurons = tuple(keep) if query.neurons is None else tuple(a[b] for a, b in zip(query.neurons, keep, strict=True))
    small = replace(query, net=net, first_error=first_error, neurons=neurons)

    def pick(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(a[:, index] for a, index in zip(arrays, keep, strict=True))

    sign = None if known.sign is None else pick(known.sign)
    return small, replace(known, net=net, l=pick(known.l), u=pick(known.u), sign=sign, first_error=first_error)


def normalised(query: Query) -> Query:
    """The query about the same set with weights near 1, where they are far from it.

    relu(c z) = c relu(z) for c > 0: dividing layer k by 2^(p_k), and its biases by 2^(p_0 + ... + p_k), divides the
    margins by 2^(sum of all p), exactly, unless something underflows; then the query stays as it is.  The steps of
    `optimise_bounds` and its first gamma suit weights near 1.
    """
    dense = query.net.dense
    powers = [int(np.frexp(np.max(np.abs(layer.W), initial=0))[1]) for layer in dense]
    far, behind = max(map(abs, powers)), np.max(np.abs(np.cumsum(powers)))
    if far <= USUAL or max(far, behind) > FAR or not query.piecewise_linear or query.first_error is not None:
        return query
    layers, total = list(query.net.layers), 0
    with np.errstate(over="ignore", under="ignore"):
        for k, (layer, power) in enumerate(zip(dense, powers, strict=True)):
            total += power
            W, b = np.ldexp(layer.W, -power), np.ldexp(layer.b, -total)
            if not (np.array_equal(np.ldexp(W, power), layer.W) and np.array_equal(np.ldexp(b, total), layer.b)):
                return query
            layers[2 * k] = type(layer)(W, b)
        threshold = float(np.ldexp(query.net.threshold, -total))
        if np.ldexp(threshold, total) != query.net.threshold:
            return query
    net = replace(query.net, layers=tuple(layers), threshold=threshold)
    return replace(query, net=net, scale=float(np.ldexp(1.0, -total)))


def columns(ball: Ball, index: Array, d: int) -> Ball:
    """The ball on the pixels `index` out of `d`, the others held still."""

    def pick(value: Array, axes: int) -> Array:
        return value[..., index] if axes == 2 and np.ndim(value) and value.shape[-1] == d else value

    return changed(ball, pick)
