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
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import optimise_bounds, unit_rows
from minigrad.bounds.output_constraint import LEAST_GAMMA
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
    new, _ = refined(known, ROOT_STEPS)
    return (query, None) if new is None else without_inactive(query, new)


def unstable(known: Region, k: int) -> Array:
    """Which neurons of hidden layer `k` of one set may still have either sign, (w,) int."""
    return np.flatnonzero(known.lines[k].free[0])


def refined(
    known: Region,
    steps: int,
    *,
    from_pixels: bool = False,
    start: Mapping[int, RowsStart] = NOTHING,
    alone: tuple[Array, Multipliers] | None = None,
) -> tuple[Region | None, dict[int, NeuronRows]]:
    """The set with new intervals, None if one is empty; and the rows that bound them.

    Those of the first layer are exact for their set, so they are new only where the pixels are.

    Parameters
    ----------
    start : by hidden layer
        Where the rows begin: of a set that holds this one.
    alone : c (1, K) and the multipliers of its margin
        The one margin that is left: the intervals need hold over its counterexamples alone.
    """
    rows: dict[int, NeuronRows] = {}
    for k in range(0 if from_pixels else 1, len(known.l)):
        neurons = unstable(known, k)
        if not len(neurons):
            continue
        part, c, mult = _begun(known, k, neurons, start.get(k), alone)
        at = k, unit_rows(neurons[None], known.l[k].shape[1])
        found, mult = optimise_bounds(part, c, mult, at, steps=steps, rate=RATE)
        upper, lower = np.split(found.bound[0], 2)
        l, u = known.l[k].copy(), known.u[k].copy()  # noqa: E741
        u[0, neurons] = np.minimum(u[0, neurons], upper)
        l[0, neurons] = np.maximum(l[0, neurons], -lower)
        if (l > u).any():
            return None, rows
        known = replace(known, l=(*known.l[:k], l, *known.l[k + 1 :]), u=(*known.u[:k], u, *known.u[k + 1 :]))
        if k:
            found = Substitution(found.bound, found.A, found.on_activation[:k])
            mult = Multipliers(mult.alpha[:k], mult.beta[:k], mult.gamma)
            rows[k] = NeuronRows(neurons, part.before(k), mult, found)
    return known, rows


def _begun(
    known: Region, k: int, neurons: Array, start: RowsStart | None, alone: tuple[Array, Multipliers] | None
) -> tuple[Region, Array | None, Multipliers]:
    """Through what the rows of layer k go, which margin they may add, and where their multipliers begin."""
    before = known.before(k)
    mult = Multipliers.start(before, 2 * len(neurons)) if start is None else start.multipliers(before, neurons)
    gamma = np.zeros_like(mult.gamma) if start is None else mult.gamma
    if alone is None:
        return before, None, Multipliers(mult.alpha, mult.beta, np.zeros_like(gamma))
    c, margin = alone
    gamma = np.maximum(gamma, LEAST_GAMMA)
    alpha = tuple(np.repeat(a, gamma.shape[1], axis=1) for a in margin.alpha[k:])
    beta = tuple(b * gamma[:, :, None] for b in margin.beta[k:])
    return known, c, Multipliers((*mult.alpha, *alpha), (*mult.beta, *beta), gamma)
