"""What is known of the neurons of one set before any split: plain intervals, then slopes of their own for each.

Plain substitution gives all neurons the slopes of smaller area.  A few steps on the slopes of each neuron's own two
rows are cheap, since a row of layer k needs only the layers before it, and in a deep network the gain multiplies from
layer to layer: at the root of 784-256^4-10 (eps 0.03) 241 of 256 neurons of the last layer are unstable by plain
intervals, and 56 after ten steps.  Neurons that turn out to be off are left out of the network.

(Xu et al. 2021, alpha-CROWN, section 3.3; with beta in the rows of a part: Wang et al. 2021, appendix.)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from attacks.proofs.condense import condensed, normalised, without_inactive
from attacks.proofs.neuron_rows import NeuronRows
from attacks.proofs.query import Query
from minigrad.bounds.crown import intervals, upper_bound
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import optimise_bounds, unit_rows
from minigrad.bounds.region import Region
from minigrad.inputs import Array

ROOT_STEPS = 10  # of `optimise_bounds` at the root; with 30 as many neurons are unstable, with 5 a few more
RATE = 0.3  # the first step of the slopes; 0.5 is as good


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


def refined(known: Region, steps: int, *, from_pixels: bool = False) -> tuple[Region | None, dict[int, NeuronRows]]:
    """The set with new intervals, None if one is empty; and the rows that bound them.

    Those of the first layer are exact for their set, so they are new only where the pixels are.
    """
    rows: dict[int, NeuronRows] = {}
    for k in range(0 if from_pixels else 1, len(known.l)):
        neurons = unstable(known, k)
        if not len(neurons):
            continue
        part = known.before(k)
        at = k, unit_rows(neurons[None], known.l[k].shape[1])
        start = Multipliers.start(part, 2 * len(neurons))
        found, mult = optimise_bounds(part, None, start, at, steps=steps, rate=RATE)
        upper, lower = np.split(found.bound[0], 2)
        l, u = known.l[k].copy(), known.u[k].copy()  # noqa: E741
        u[0, neurons] = np.minimum(u[0, neurons], upper)
        l[0, neurons] = np.maximum(l[0, neurons], -lower)
        if (l > u).any():
            return None, rows
        known = replace(known, l=(*known.l[:k], l, *known.l[k + 1 :]), u=(*known.u[:k], u, *known.u[k + 1 :]))
        if k:
            rows[k] = NeuronRows(neurons, part, mult, found)
    return known, rows
