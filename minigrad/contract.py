"""Bounds of the neurons over the counterexamples alone: what makes the proofs short.

A proof wants to show that m(x + s) >= 0 is impossible.  So it may assume m >= 0 and look for a contradiction: a bound
of neuron z_k,i need hold only at the points of the set with m >= 0.  For every gamma >= 0

    z  <=  z + gamma m        wherever m >= 0,

and the right hand side is one more row for backward substitution, e_i on layer k and gamma c on the logits; the best
gamma is found with alpha (minigrad/tighten.py).  The counterexamples are few when the set is hardly large enough to
hold one, and that is exactly where a certified minimum asks: just below the smallest perturbation known.  Smaller
intervals make tighter lines, tighter lines a smaller bound of m, a smaller bound of m smaller intervals: most neurons
become stable, and if an interval turns out empty there is no counterexample, which is the proof.

For L0 the same argument decides pixels.  If the bound of m with pixel i forced into the support is negative, every
counterexample leaves i alone; if it is negative with i forced out, every counterexample uses i (`decide_pixels`).

Sources: Kotha et al. 2023 (INVPROP), section 3, for intermediate bounds under an output constraint; reduced-cost
fixing of mixed-integer programming for the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from minigrad.bounds import Region
from minigrad.inputs import Array
from minigrad.tighten import Multipliers, tighten

LEAST_GAMMA = 0.05  # a gamma of 0 would have no size to grow from
ROWS = 1024  # rows a batch: their arrays (n, m, d) stay small


@dataclass(frozen=True, eq=False)
class Contracted:
    """Smaller intervals of one layer, the gammas that gave them (n, 2, d_k), and which sets are empty, (n,) bool."""

    l: Array  # noqa: E741
    u: Array
    gamma: Array
    empty: Array


def contract(known: Region, k: int, c: Array, mult: Multipliers, gamma: Array, *, steps: int = 6) -> Contracted:
    """Bound the neurons of hidden layer `k` that are not yet linear, over the points of each set with m >= 0.

    Parameters
    ----------
    known : Region
        n sets.
    c : (n, K)
        `m = c . (N - t)`.
    mult : Multipliers for one row a set
        Those of the margin: where every row begins.
    gamma : (n, 2, d_k)
        Where gamma begins for the upper and the lower bound of each neuron.
    steps : int
    """
    l, u, gamma = known.l[k].copy(), known.u[k].copy(), gamma.copy()  # noqa: E741
    curved = known.lines[k].upper_slope != known.lines[k].lower_slope
    curved |= known.lines[k].free
    count = np.count_nonzero(curved, axis=1)  # (n,)
    order = np.argsort(count, kind="stable")
    order = order[count[order] > 0]
    while len(order):
        most = count[order[-1]]  # sets with about as many neurons together: those with fewer are padded
        size = int(max(1, ROWS // (2 * most)))
        part, order = order[-size:], order[:-size]
        neuron = np.argsort(~curved[part], axis=1, kind="stable")[:, :most]  # (p, most), the curved ones first
        real = np.take_along_axis(curved[part], neuron, 1)  # (p, w) bool
        upper, lower, gamma_part = _bound_neurons(known, k, c, mult, gamma, part, neuron, real, steps)
        row = np.broadcast_to(part[:, None], neuron.shape)[real]
        where = row, neuron[real]
        u[where] = np.minimum(u[where], upper[real])
        l[where] = np.maximum(l[where], lower[real])
        gamma[part[:, None, None], np.arange(2)[:, None], neuron[:, None, :]] = gamma_part
    return Contracted(l, u, gamma, np.any(l > u, axis=1))


def _bound_neurons(
    known: Region,
    k: int,
    c: Array,
    mult: Multipliers,
    gamma: Array,
    part: Array,
    neuron: Array,
    real: Array,
    steps: int,
) -> tuple[Array, Array, Array]:
    """Upper and lower bounds (p, w) of the neurons (p, w) of the sets `part` (p,), and their gammas (p, 2, w)."""
    p, w = neuron.shape
    few = take(known, part)
    e = np.zeros((p, 2, w, known.l[k].shape[1]))  # (p, 2, w, d_k)
    e[np.arange(p)[:, None], 0, np.arange(w), neuron] = real
    e[np.arange(p)[:, None], 1, np.arange(w), neuron] = -1.0 * real
    start = np.take_along_axis(gamma[part], np.broadcast_to(neuron[:, None, :], (p, 2, w)), axis=2)  # (p, 2, w)
    start_rows = start.reshape(p, 2 * w)
    rows = Multipliers(
        tuple(np.repeat(a[part], 2 * w, axis=1) for a in mult.alpha),
        tuple(b[part] * start_rows[:, :, None] for b in mult.beta),
        start_rows,
    )
    bound, mult = tighten(few, c[part], rows, (k, e.reshape(p, 2 * w, -1)), steps=steps)
    bound = bound.reshape(p, 2, w)
    return bound[:, 0], -bound[:, 1], np.maximum(mult.gamma.reshape(p, 2, w), LEAST_GAMMA)


def take(known: Region, index: Array) -> Region:
    """The sets `index` of a region."""
    n = len(known.l[0]) if known.l else len(known.x)

    def pick(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(a[index] for a in arrays)

    ball = known.ball.rows(index, n)
    sign = None if known.sign is None else pick(known.sign)
    x = known.x if len(known.x) == 1 else known.x[index]
    return replace(known, x=x, ball=ball, l=pick(known.l), u=pick(known.u), sign=sign)


def decide_pixels(known: Region, bound: Array, A: Array) -> tuple[Array, Array]:
    """Pixels that every counterexample uses, and pixels that none uses, (n, d) bool each.

    `A` (n, d) and `bound` (n,) are of one substitution of the margin: bound = const + A . x + h(A), so forcing pixel i
    changes it by the change of h alone.
    """
    pixels = known.ball.undecided(known.x) & np.ones(A.shape, bool)
    h = known.ball.support(known.x, A)[:, None]
    inside, outside = known.ball.forced(known.x, A)
    bound = bound[:, None] - h
    return pixels & (bound + outside < 0), pixels & (bound + inside < 0)
