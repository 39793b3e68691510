"""Which split: a shortlist by score, then every candidate on it is tried.

A good split is worth more than a cheap node: each level of the tree doubles the work, so a split that moves the bound
twice as far halves the exponent.  The score looks at the relaxation where it is wrong.  At the maximiser s* of the
node's bound, run forward along the lines taken, neuron i pretends to output `line(z_i)` where it really gives
`relu(z_i)`; the bound counts that lie with the neuron's coefficient,

    lie_i = |g_i| |line(z_i) - relu(z_i)|,       room_i = max(g_i, 0) * (the chord's offset).

Splitting a neuron removes its own lie; its room is what the chord could lie at most.  Pixels (L0) are scored by what
they earn in h_S(A): the pixel that the bound leans on most is either in, and spends, or out.

Scores ignore how the bound re-arranges itself after a split.  So the best few of either kind are tried: both
children of each get a few steps of `tighten`, and the split whose children fall furthest, in the product of the two
falls, is taken.  (Strong branching: Achterberg et al. 2005; for networks De Palma et al. 2021, FSB; the lie is the
score of Bunel et al. 2020, section 4, evaluated at the maximiser.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attacks.nodes import PIXEL, Nodes, Question
from minigrad.bounds import Region, Substitution
from minigrad.inputs import Array
from minigrad.tighten import Multipliers, relaxed_forward, tighten

NEURONS, PIXELS = 6, 4  # tried of each kind
TRIES = 2  # steps of `tighten` for each child that is tried
ROOM = 0.3  # weight of the room beside the lie
NONE = np.zeros(0, int)
LEAST = 1e-6  # a fall of nothing on one side must not hide the fall on the other


@dataclass(frozen=True, eq=False)
class Branching:
    """One split for each of r nodes, and the children, two a split in that order: in or z >= 0, out or z <= 0."""

    node: Array
    layer: Array
    index: Array
    children: Nodes


def neuron_scores(known: Region, mult: Multipliers, found: Substitution) -> list[Array]:
    """`lie + ROOM room` of each unstable neuron, (n, d_k) a layer; 0 for the others."""
    z, _ = relaxed_forward(known, mult, found)
    scores = []
    for k, at in enumerate(known.lines):
        g = found.on_activation[k][:, 0]  # (n, d_k)
        positive, value = np.maximum(g, 0), z[k][:, 0]  # (n, d_k) each
        upper = at.upper_slope * value + at.upper_offset
        lower = (at.fixed_slope + at.free * mult.alpha[k][:, 0]) * value
        lie = np.abs(g) * np.abs(np.where(g > 0, upper, lower) - np.maximum(value, 0))  # (n, d_k)
        scores.append(at.free * (lie + ROOM * positive * at.upper_offset + np.finfo(float).tiny))
    return scores


def pixel_scores(question: Question, known: Region, found: Substitution) -> Array:
    """What each undecided pixel earns in the bound, (n, d)."""
    A = found.A[:, 0]
    down, up = known.ball.room(question.x)
    return known.ball.undecided(question.x) * (np.maximum(A * up, A * down) + np.finfo(float).tiny)


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


def branch(
    question: Question,
    nodes: Nodes,
    known: Region,
    mult: Multipliers,
    found: Substitution,
    told: list[tuple[int, int] | None],
) -> Branching:
    """The best split of each node that has one, and its two children after the trial.

    `told` holds a layer and index for nodes whose split is already decided: it is their whole shortlist.
    """
    node, layer, index = shortlist(neuron_scores(known, mult, found), pixel_scores(question, known, found))
    decided = np.flatnonzero([step is not None for step in told])
    if len(decided):
        own = ~np.isin(node, decided)
        written = np.array([told[i] for i in decided]).T
        node = np.concatenate([node[own], decided])
        layer, index = np.concatenate([layer[own], written[0]]), np.concatenate([index[own], written[1]])
    twice = np.repeat(np.arange(len(node)), 2)
    kids = nodes.split(node[twice], layer[twice], index[twice], np.tile([1, -1], len(node)))
    bound, trial = tighten(kids.region(question), kids.c, kids.multipliers(), steps=TRIES, rate=0.1)
    kids = kids.with_multipliers(bound[:, 0], trial)
    fall = np.maximum(nodes.bound[node][:, None] - np.maximum(kids.bound.reshape(-1, 2), 0), LEAST)  # (r, 2)
    order = np.lexsort((-fall.prod(axis=1), node))  # by node, the best first
    _, first = np.unique(node[order], return_index=True)
    chosen = order[first]
    return Branching(node[chosen], layer[chosen], index[chosen], kids.take((2 * chosen[:, None] + [0, 1]).ravel()))
