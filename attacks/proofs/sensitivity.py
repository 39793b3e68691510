"""Which neuron to split: how far the margins' bounds would fall, to first order, through all layers behind it.

A split makes the lines of one neuron exact.  It helps a bound in two ways.  The row's own relaxation gap goes: at the
maximiser s* of the row, run forward along the lines taken, neuron i puts out `chord(z_i)` where it should put out
`relu(z_i)`, and the row counts the difference with its coefficient g_i,

    gap_i = max(g_i, 0) (chord(z_i) - relu(z_i)).

(Where g_i < 0 the line is alpha z_i, and the best alpha leaves no gap: z_i = 0 there, or alpha is 0 or 1 and the line
is relu.  A gap that shows is alpha's to close, and counting it had useless splits made.)

And the intervals of the layers behind become narrower, which makes *their* lines tighter.  Every end of an interval is
the bound of a row as well (+-z_k, minigrad/bounds/crown.py), with gaps of its own in the layers before it, so the
second way is the first one again, weighted by how much a margin depends on that end.  Of the chord u (z - l) / (u - l),

    d chord / d u    =  -l (z - l) / (u - l)^2,          d chord / d (-l)  =  u (u - z) / (u - l)^2,

each times max(g, 0).  The weights of a layer's ends are what the margins give them plus what the ends of later layers
do, each with its own weight: backprop over the bounds in place of the values.  Without this second way no neuron of an
early layer is ever chosen in a deep network: 784-256^6-10 stayed open after 2,300 nodes, and was proved with 63.

(The gap is the score of Bunel et al. 2020, section 4, at the maximiser; the weights are ours.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attacks.proofs.neuron_rows import NeuronRows
from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import relaxed_forward
from minigrad.bounds.region import Region
from minigrad.inputs import Array

# A layer counts for half of the one before it.  To first order a late neuron looks as good as an early one, but its gap
# is what the multipliers of the rows have not closed yet, and closing it narrows little: with 1 two queries that take
# 17 and 51 nodes (784-256^4-10) take 259 and more than 2,000, most of them on the last two layers.
EARLY = 0.5


def split_scores(known: Region, rows: Mapping[int, NeuronRows], mult: Multipliers, found: Substitution) -> list[Array]:
    """The estimated fall of the margins' bounds, summed over the margins, by a split of each neuron: (d_k,) a layer.

    Parameters
    ----------
    known : Region
        One set.
    rows : by hidden layer
        Of every layer but the first that has unstable neurons.
    mult, found
        The m margins' multipliers and substitution.
    """
    score: list[Array] = []
    ends: list[tuple[Array, Array]] = []  # how much the margins depend on u and on -l, (d_k,) each
    for gap, up, low in _effects(known, mult, found):
        score.append(gap.sum(axis=0))
        ends.append((up.sum(axis=0), low.sum(axis=0)))
    for k, layer in sorted(rows.items(), reverse=True):
        up, low = ends[k]
        weight = np.concatenate([up[layer.neurons], low[layer.neurons]])  # (2 w,)
        for j, (gap, up, low) in enumerate(_effects(layer.known, layer.mult, layer.found)):
            score[j] = score[j] + weight @ gap
            ends[j] = ends[j][0] + weight @ up, ends[j][1] + weight @ low
    # any unstable neuron can be split, whatever its score: only a leaf without one is left to the rivals alone
    least = np.finfo(float).tiny
    return [at.free[0] * (EARLY**k * s + least) for k, (at, s) in enumerate(zip(known.lines, score, strict=True))]


def _effects(known: Region, mult: Multipliers, found: Substitution) -> list[tuple[Array, Array, Array]]:
    """Of each layer: `gap`, and the row's derivative by u and by -l, for the m rows: (m, d_k) each."""
    z, _ = relaxed_forward(known, mult, found)
    effects = []
    for k, at in enumerate(known.lines):
        l, u = known.l[k], known.u[k]  # noqa: E741
        g, value = found.on_activation[k][0], np.clip(z[k][0], l, u)  # (m, d_k) each; the forward pass may leave [l, u]
        positive = np.maximum(g, 0) * at.free
        upper = at.upper_slope * value + at.upper_offset
        gap = positive * (upper - np.maximum(value, 0))
        half = np.where(at.free, u / 2 - l / 2, 1)  # u - l itself may overflow
        up = positive * (-l / half) * ((value - l) / half) / 4
        low = positive * (u / half) * ((u - value) / half) / 4
        effects.append((gap, up, low))
    return effects
