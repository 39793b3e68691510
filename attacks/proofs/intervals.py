"""What is known of the neurons of one set: plain intervals, then slopes of their own for each, before and after splits.

Plain substitution gives all neurons the slopes of smaller area.  A few steps on the slopes of each neuron's own two
rows are cheap, since a row of layer k needs only the layers before it, and in a deep network the gain multiplies from
layer to layer: at the root of 784-256^4-10 (eps 0.03) 241 of 256 neurons of the last layer are unstable by plain
intervals, and 56 after ten steps.  Neurons that turn out to be off are left out of the network.

(Xu et al. 2021, alpha-CROWN, section 3.3; with beta in the rows of a part: Wang et al. 2021, appendix.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from attacks.proofs.condense import condensed, normalised, without_inactive
from attacks.proofs.neuron_rows import NeuronRows, RowsStart
from attacks.proofs.query import Query
from minigrad.bounds.crown import Substitution, intervals, upper_bound
from minigrad.bounds.multipliers import LEAST_GAMMA, Multipliers
from minigrad.bounds.optimised import optimise_bounds, unit_rows
from minigrad.bounds.region import Region
from minigrad.inputs import Array

ROOT_STEPS = 10  # of `optimise_bounds` at the root; with 30 as many neurons are unstable, with 5 a few more
RATE = 0.3  # the first step of the slopes; 0.5 is as good
NOTHING: Mapping[int, RowsStart] = MappingProxyType({})


def plain(query: Query) -> tuple[Query, Region, Array]:
    """The query about what can still move, its whole set with intervals by plain substitution, and its rows' bounds.

    The bounds (r,) are plain, too: what a first look at a ladder of radii refuted is refuted here as well.

    The intervals are of the whole image: what adding up the fixed pixels may lose is charged to a condensed first layer
    by `first_error`, which `intervals` does not know.
    """
    query = normalised(query)
    known = intervals(query.net, query.x, query.ball)
    bound = upper_bound(known, query.c[None])[0]
    found = condensed(query, np.zeros(query.x.shape[1], bool))
    query = query if found is None else found[0]
    sign = tuple(np.zeros_like(a) for a in known.l)
    known = replace(known, net=query.net, x=query.x, ball=query.ball, sign=sign, first_error=query.first_error)
    return *without_inactive(query, known), bound


def at_root(query: Query, known: Region) -> tuple[Query, Region | None]:
    """The same with intervals by the rows' own slopes, and without the neurons that are off; None: the set is empty."""
    new, _, empty = refined(known, ROOT_STEPS)
    return (query, None) if empty[0] else without_inactive(query, new)


def unstable(known: Region, k: int) -> Array:
    """Which neurons of hidden layer `k` may still have either sign on one of the sets, (w,) int."""
    return np.flatnonzero(known.lines[k].free.any(axis=0))


def refined(
    known: Region,
    steps: int,
    *,
    from_pixels: bool = False,
    start: Mapping[int, RowsStart] = NOTHING,
    alone: tuple[Array, Multipliers] | None = None,
) -> tuple[Region, dict[int, NeuronRows], Array]:
    """The n sets with new intervals, the rows that bound them, and which sets are empty, (n,) bool.

    The rows of the first layer are exact for their set, so they are new only where the pixels are.  What is said of an
    empty set is not worth anything.

    Parameters
    ----------
    start : by hidden layer
        Where the rows begin: of a set that holds these.
    alone : c (1, K) and the multipliers of its margin
        The one margin that is left: the intervals need hold over its counterexamples alone.
    """
    rows, empty = dict[int, NeuronRows](), np.zeros(len(known.l[0]), bool)
    for k in range(0 if from_pixels else 1, len(known.l)):
        neurons = unstable(known, k)
        if not len(neurons) or empty.all():
            continue
        part, c, mult = _begun(known, k, neurons, start.get(k), alone)
        at = k, np.repeat(unit_rows(neurons[None], known.l[k].shape[1]), len(empty), axis=0)
        found, mult = optimise_bounds(part, c, mult, at, steps=steps, rate=RATE)
        upper, lower = np.split(found.bound, 2, axis=1)  # (n, w) each
        l, u = known.l[k].copy(), known.u[k].copy()  # noqa: E741
        u[:, neurons] = np.minimum(u[:, neurons], upper)
        l[:, neurons] = np.maximum(l[:, neurons], -lower)
        empty |= (l > u).any(axis=1)
        l[empty], u[empty] = known.l[k][empty], known.u[k][empty]
        known = replace(known, l=(*known.l[:k], l, *known.l[k + 1 :]), u=(*known.u[:k], u, *known.u[k + 1 :]))
        if k:
            found = Substitution(found.bound, found.A, found.on_activation[:k])
            mult = Multipliers(mult.alpha[:k], mult.beta[:k], mult.gamma)
            rows[k] = NeuronRows(neurons, part.before(k), mult, found)
    return known, rows, empty


def _begun(
    known: Region, k: int, neurons: Array, start: RowsStart | None, alone: tuple[Array, Multipliers] | None
) -> tuple[Region, Array | None, Multipliers]:
    """Through what the rows of layer k go, which margin they may add, and where their multipliers begin."""
    before, (n, m) = known.before(k), (len(known.l[0]), 2 * len(neurons))
    mult = Multipliers.start(before, m) if start is None else start.multipliers(before, neurons)
    gamma = np.zeros((n, m)) if start is None else mult.gamma
    if alone is None:
        return before, None, Multipliers(mult.alpha, mult.beta, np.zeros((n, m)))
    c, margin = alone
    gamma = np.maximum(gamma, LEAST_GAMMA)
    alpha = tuple(np.repeat(a, m, axis=1) for a in margin.alpha[k:])
    beta = tuple(b * gamma[:, :, None] for b in margin.beta[k:])
    return known, c, Multipliers((*mult.alpha, *alpha), (*mult.beta, *beta), gamma)
