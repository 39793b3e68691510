"""Bounds of the neurons over the counterexamples alone, which is what makes the proofs short (INVPROP).

A proof wants to show that m(x + s) >= 0 is impossible.  So it may assume m >= 0 and look for a contradiction: a bound
of neuron z_k,i need hold only at the points of the set with m >= 0.  For every gamma >= 0

    z  <=  z + gamma m        wherever m >= 0,

and the right hand side is one more row for backward substitution, e_i on layer k and gamma c on the logits; the best
gamma is found with alpha (minigrad/bounds/optimised.py).  The counterexamples are few when the set is hardly large
enough to hold one, and that is exactly where a certified minimum asks: just below the smallest perturbation known.
Smaller intervals make tighter lines, tighter lines a smaller bound of m, a smaller bound of m smaller intervals: most
neurons become stable, and if an interval turns out empty there is no counterexample, which is the proof.

Source: Kotha et al. 2023 (INVPROP), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import LEAST_GAMMA, Multipliers
from minigrad.bounds.optimised import optimise_bounds, unit_rows
from minigrad.bounds.region import Region
from minigrad.inputs import Array

ROWS = 1024  # rows per batch: their arrays (rows, 784) take 3 MB in single precision; half and double are as fast


@dataclass(frozen=True, eq=False)
class ConstrainedIntervals:
    """Smaller intervals of one hidden layer.

    Attributes
    ----------
    l, u : (n, d_k)
    gamma : (n, 2, d_k)
        The multipliers that gave them, for the upper and the lower bounds.
    empty : (n,) bool
        Sets in which an interval is empty: they hold no counterexample.
    """

    l: Array  # noqa: E741
    u: Array
    gamma: Array
    empty: Array


def constrain_layer(
    known: Region, gamma: tuple[Array, ...], k: int, c: Array, mult: Multipliers, *, steps: int = 6
) -> tuple[Region, tuple[Array, ...], Array]:
    """The region and the gammas with those of hidden layer `k` from `constrain_intervals`, and which sets are empty.

    A neuron that all counterexamples hold to one side of 0 is as good as split: its sign counts as given from now on,
    and it may use a beta.

    Parameters
    ----------
    known : Region
        n sets, with signs.
    gamma : tuple, one (n, 2, d_k) array for each hidden layer
    k, c, mult, steps
        As in `constrain_intervals`.

    Returns
    -------
    known : Region
    gamma : tuple
    empty : (n,) bool
        Sets that hold no counterexample.  An interval of theirs has l > u, so they have no lines: take them out.
    """
    assert known.sign is not None
    found = constrain_intervals(known, k, c, mult, gamma[k], steps=steps)
    sign = np.where(known.sign[k] == 0, 1.0 * (found.l >= 0) - (found.u <= 0), known.sign[k])
    old_and_new = ((known.l, found.l), (known.u, found.u), (known.sign, sign), (gamma, found.gamma))
    l, u, signs, gamma = ((*old[:k], new, *old[k + 1 :]) for old, new in old_and_new)  # noqa: E741
    return replace(known, l=l, u=u, sign=signs), gamma, found.empty


def constrain_intervals(
    known: Region, k: int, c: Array, mult: Multipliers, gamma: Array, *, steps: int = 6
) -> ConstrainedIntervals:
    """Bound the neurons of hidden layer `k` that are not yet linear, over the points of each set with m >= 0.

    Parameters
    ----------
    known : Region
        n sets.
    k : int
    c : (n, K)
        `m = c . (N - t)`.
    mult : Multipliers for one row per set
        Those of the margin: where every row begins.
    gamma : (n, 2, d_k)
        Where gamma begins for the upper and the lower bound of each neuron.
    steps : int
        As in `optimise_bounds`.
    """
    l, u, best = known.l[k].copy(), known.u[k].copy(), gamma.copy()  # noqa: E741
    for part, found, multipliers in constrained_rows(known, k, c, mult, gamma, steps=steps):
        upper, lower = np.split(found.bound, 2, axis=1)  # (p, w) each, the second of -z
        where = part.where
        u[where] = np.minimum(u[where], upper[part.real])
        l[where] = np.maximum(l[where], -lower[part.real])
        best[part.rows] = np.maximum(multipliers.gamma.reshape(len(part.sets), 2, -1), LEAST_GAMMA)
    return ConstrainedIntervals(l, u, best, np.any(l > u, axis=1))


def constrained_rows(
    known: Region, k: int, c: Array, mult: Multipliers, gamma: Array, *, steps: int = 6
) -> Iterator[tuple[Part, Substitution, Multipliers]]:
    """The same neurons in parts, with the substitution of their rows and its multipliers."""
    curved = known.lines[k].upper_slope != known.lines[k].lower_slope
    curved |= known.lines[k].free
    for part in parts_of(curved):
        e = unit_rows(part.neurons, curved.shape[1], part.real)
        start = part.multipliers(mult, gamma)
        yield part, *optimise_bounds(known.take(part.sets), c[part.sets], start, (k, e), steps=steps)


@dataclass(frozen=True, eq=False)
class Part:
    """w neurons of one layer for each of p sets: 2 w rows each, w upper bounds and then w lower ones.

    Attributes
    ----------
    sets : (p,) int
    neurons : (p, w) int
    real : (p, w) bool
        False for neurons that only pad a set with fewer of them.
    """

    sets: Array
    neurons: Array
    real: Array

    @property
    def where(self) -> tuple[Array, Array]:
        """The real neurons as an index of an (n, d_k) array."""
        return np.broadcast_to(self.sets[:, None], self.neurons.shape)[self.real], self.neurons[self.real]

    @property
    def rows(self) -> tuple[Array, Array, Array]:
        """The rows as an index, of shape (p, 2, w), of an (n, 2, d_k) array."""
        return self.sets[:, None, None], np.arange(2)[:, None], self.neurons[:, None, :]

    def multipliers(self, mult: Multipliers, gamma: Array) -> Multipliers:
        """Where the rows begin: the margin's alpha, `gamma` (n, 2, d_k), and gamma times the margin's beta."""
        rows = gamma[self.rows].reshape(len(self.sets), -1)  # (p, 2 w)
        alpha = tuple(np.repeat(a[self.sets], rows.shape[1], axis=1) for a in mult.alpha)
        return Multipliers(alpha, tuple(b[self.sets] * rows[:, :, None] for b in mult.beta), rows)


def parts_of(curved: Array) -> Iterator[Part]:
    """The neurons `curved` (n, d_k) in parts of about `ROWS` rows, sets with about as many neurons together."""
    count = np.count_nonzero(curved, axis=1)  # (n,)
    order = np.argsort(count, kind="stable")
    order = order[count[order] > 0]
    while len(order):
        most = count[order[-1]]
        size = int(max(1, ROWS // (2 * most)))
        sets, order = order[-size:], order[:-size]
        neurons = np.argsort(~curved[sets], axis=1, kind="stable")[:, :most]  # (p, w), the curved ones first
        yield Part(sets, neurons, np.take_along_axis(curved[sets], neurons, 1))
