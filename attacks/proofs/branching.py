"""Which split: a shortlist by score, then every candidate on it is tried.

A good split is worth more than a cheap node: each level of the tree doubles the work, so a split that moves the bound
twice as far halves the exponent.  The score looks for the neurons whose lines cost the bound most.  At the maximiser s*
of the node's bound, run forward along the lines taken, neuron i puts out `line(z_i)` where it should put out
`relu(z_i)`.  The bound counts this relaxation gap with the neuron's coefficient,

    gap_i = |g_i| |line(z_i) - relu(z_i)|,       room_i = max(g_i, 0) * (the chord's offset).

Splitting a neuron removes its own gap; its room is the largest that gap can be for the chord.  A smooth neuron is split
where its output is half way between those at the ends of its interval: both children have lines that lie closer, and
after enough splits the interval is a point.  (Cuts other than 0: Shi et al. 2024, GenBaB, who look for the best in a
table.)  The cut is written down, for a search that a deadline interrupted has had other intervals than its replay.
Pixels (L0) are scored by what they earn in h_S(A): the pixel that the bound depends on most is either in, and spends,
or out.

Scores ignore how the bound re-arranges itself after a split.  So the best few of either kind are tried: both
children of each get a few steps of `optimise_bounds`, and the split whose children fall furthest, in the product of the
two falls, is taken.  (Strong branching: Achterberg et al. 2005; for networks De Palma et al. 2021, FSB; the gap is the
score of Bunel et al. 2020, section 4, evaluated at the maximiser.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attacks.balls.base import gains
from attacks.proofs.nodes import Nodes
from attacks.proofs.pixels import undecided
from attacks.proofs.query import Query
from attacks.proofs.tree import PIXEL
from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import optimise_bounds, relaxed_forward
from minigrad.bounds.region import Region
from minigrad.bounds.relaxation import Lines
from minigrad.inputs import Array
from minigrad.layers import Layer

# None of these is critical: half and double of each change the number of nodes by less than a twentieth.
NEURONS, PIXELS = 6, 4  # tried of each kind
TRIES = 2  # steps of `optimise_bounds` for each child that is tried
SMOOTH_TRIES = 6  # the same where activations are smooth; with 2 one of seven queries stays open
TRY_RATE = 0.1  # the first of those steps: half of the usual one, since the parent's multipliers are nearly right
ROOM = 0.3  # weight of the room beside the gap
LEAST = 1e-6  # a fall of nothing on one side must not hide the fall on the other
POINT = 1e-9  # of its size: an interval as short is not split, for its lines are charged with about as much
HALVINGS = 20  # of the interval, to where it is cut; half and double of it cut at about the same place
NONE = np.zeros(0, int)

Split = tuple[int, int]  # a layer (or PIXEL) and an index


@dataclass(frozen=True, eq=False)
class Branching:
    """One split for each of r nodes, and the children, two a split in that order: in or z >= cut, out or z <= cut."""

    node: Array
    layer: Array
    index: Array
    cut: Array
    children: Nodes


def branch(
    query: Query,
    nodes: Nodes,
    known: Region,
    mult: Multipliers,
    found: Substitution,
    given: Sequence[Split | None],
    given_cut: Array | None = None,
) -> Branching:
    """The best split of each node that has one, and its two children after the trial.

    Parameters
    ----------
    known, mult, found
        The nodes' sets, multipliers and substitution, as of `bounded`.
    given : one a node
        A split that is decided already is the node's whole shortlist.
    given_cut : (nodes,), optional
        Where that cuts a smooth neuron; else NaN.
    """
    candidates = shortlist(neuron_scores(known, mult, found), pixel_scores(query, known, found))
    node, layer, index = _with_given(*candidates, given)
    twice = np.repeat(np.arange(len(node)), 2)
    cut, tries = cuts(known, node, layer, index), SMOOTH_TRIES if known.smooth else TRIES
    if given_cut is not None and known.smooth:  # what a tree says of a ReLU is not believed
        cut = np.where((layer != PIXEL) & np.isfinite(given_cut[node]), given_cut[node], cut)
    kids = nodes.split(node[twice], layer[twice], index[twice], np.tile([1, -1], len(node)), cut[twice])
    tried, trial = optimise_bounds(kids.region(query), kids.c, kids.multipliers(), steps=tries, rate=TRY_RATE)
    kids = kids.with_multipliers(tried.bound[:, 0], trial)
    fall = np.maximum(nodes.bound[node][:, None] - np.maximum(kids.bound.reshape(-1, 2), 0), LEAST)  # (r, 2)
    with np.errstate(over="ignore"):  # beyond 1e308 all are as good
        order = np.lexsort((-fall.prod(axis=1), node))  # by node, the best first
    _, first = np.unique(node[order], return_index=True)
    chosen = order[first]
    children = kids.take((2 * chosen[:, None] + [0, 1]).ravel())
    return Branching(node[chosen], layer[chosen], index[chosen], cut[chosen], children)


def neuron_scores(known: Region, mult: Multipliers, found: Substitution) -> list[Array]:
    """`gap + ROOM room` of each unstable neuron, (n, d_k) a layer; 0 for the others.

    Smooth neurons: the gaps at the nearest point of the interval and in its middle, which matters where z is outside:
    at the nearest end the gap is 0, however long the interval.  0 where it is a point.
    """
    z, _ = relaxed_forward(known, mult, found)
    tiny, scores = np.finfo(float).tiny, []
    for k, at in enumerate(known.lines):
        g, value, low, up = found.on_activation[k][:, 0], z[k][:, 0], known.l[k], known.u[k]  # (n, d_k) each
        alpha, activation = mult.alpha[k][:, 0], known.net.layers[2 * k + 1]
        if known.smooth:
            gaps = [_gap(at, activation, alpha, g, point) for point in (np.clip(value, low, up), low / 2 + up / 2)]
            scores.append((gaps[0] + gaps[1] + tiny) * (up - low > POINT * (1 + np.abs(low) + np.abs(up))))
        else:
            gap = _gap(at, activation, alpha, g, value)
            scores.append(at.free * (gap + ROOM * np.maximum(g, 0) * at.upper_offset + tiny))
    return scores


def _gap(at: Lines, activation: Layer, alpha: Array, g: Array, z: Array) -> Array:
    """`|g| |line(z) - f(z)|`, (n, d_k), with the line above where g is positive, else the line below."""
    upper = at.upper_slope * z + at.upper_offset
    lower = (at.fixed_slope + at.free * alpha) * z + at.lower_offset
    return np.asarray(np.abs(g) * np.abs(np.where(g > 0, upper, lower) - activation.forward(z)))


def cuts(known: Region, node: Array, layer: Array, index: Array) -> Array:
    """Where to split, (r,): at 0, but a smooth neuron where f(z) is half way between f(l) and f(u)."""
    cut = np.zeros(len(node))
    for k in range(len(known.l) if known.smooth else 0):
        rows, f = np.flatnonzero(layer == k), known.net.layers[2 * k + 1].forward
        low, high = (each[k][node[rows], index[rows]] for each in (known.l, known.u))
        middle, half = low / 2 + high / 2, f(low) / 2 + f(high) / 2
        left, right = low, high
        for _ in range(HALVINGS):
            below = f(middle) < half
            left, right = np.where(below, middle, left), np.where(below, right, middle)
            middle = left / 2 + right / 2
        cut[rows] = middle
    return cut


def pixel_scores(query: Query, known: Region, found: Substitution) -> Array:
    """What each undecided pixel earns in the bound, (n, d); 0 for the others."""
    A = found.A[:, 0]
    down, up = known.ball.room(query.x)
    return undecided(known.ball, query.x) * (gains(down, up, A) + np.finfo(float).tiny)


def shortlist(scores: list[Array], pixels: Array) -> tuple[Array, Array, Array]:
    """The candidates of all nodes: node, layer (or PIXEL) and index, (r,) each."""
    n = len(pixels)
    layer = np.concatenate([np.full(s.shape[1], k) for k, s in enumerate(scores)] or [NONE])
    index = np.concatenate([np.arange(s.shape[1]) for s in scores] or [NONE])
    flat = np.concatenate(scores, axis=1) if scores else np.zeros((n, 0))  # (n, all neurons)
    rows = []
    for values, layers, indices, count in (
        (flat, layer, index, NEURONS),
        (pixels, np.full(pixels.shape[1], PIXEL), np.arange(pixels.shape[1]), PIXELS),
    ):
        best = np.argsort(-values, axis=1, kind="stable")[:, :count]  # (n, count)
        node, column = np.nonzero(np.take_along_axis(values, best, 1) > 0)
        place = best[node, column]
        rows.append((node, layers[place], indices[place]))
    node, layer, index = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    order = np.argsort(node, kind="stable")
    return node[order], layer[order], index[order]


def _with_given(node: Array, layer: Array, index: Array, given: Sequence[Split | None]) -> tuple[Array, Array, Array]:
    """The candidates, where a node whose split is given has that one alone."""
    decided = np.flatnonzero([split is not None for split in given])
    if not len(decided):
        return node, layer, index
    own = ~np.isin(node, decided)
    layers, indices = np.array([given[int(i)] for i in decided]).T
    return (
        np.concatenate([node[own], decided]),
        np.concatenate([layer[own], layers]),
        np.concatenate([index[own], indices]),
    )
