"""The work on a node of the tree that all rivals share (attacks/proofs/shared_node.py).

A node bounds its intervals once, and then the margin of every rival that is still open, from the layer of its last
split on:

    intervals    of the neurons that are still unstable, each bound with slopes (alpha) and multipliers of the given
                 signs (beta) of its own, layer by layer, from where its parent's ended.  A few steps are enough, and
                 they are what makes deep networks provable: at the root of 784-256^4-10 (eps 0.03) the margins' bound
                 falls from 7.9 to 0.35.  With one rival left, over its counterexamples alone (gamma)
    margins      of the open rivals; a negative bound closes its rival
    pixels       (L0) decided if every open rival decides them

Nodes do not know of each other, so an executor may work on several side by side, in processes of its own.

(Intervals optimised neuron by neuron: Xu et al. 2021, alpha-CROWN; beta in them: Wang et al. 2021, appendix.)
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from attacks.proofs.intervals import ROOT_STEPS, at_root, plain, refined
from attacks.proofs.neuron_rows import NeuronRows
from attacks.proofs.pixels import decide_pixels, undecided
from attacks.proofs.query import Query
from attacks.proofs.sensitivity import split_scores
from attacks.proofs.shared_node import SharedNode, Split
from attacks.proofs.tree import PIXEL
from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import optimise_bounds
from minigrad.bounds.region import Region
from minigrad.inputs import Array

STEPS = 4  # of `optimise_bounds` for the intervals of a part; with 2 a fifth more nodes in as much time
MARGIN_STEPS = 4  # for its margins, which begin where its parent's ended; with 8 as many nodes
ROOT_MARGIN_STEPS = 20
LEAST = 1e-6  # a fall of nothing on one side must not hide the fall on the other

Divided = tuple[Split, list[SharedNode | None]] | None  # a split and its children


def shared_root(query: Query) -> tuple[Query, SharedNode | None]:
    """The whole set as one node, None where it is refuted at once; and the query about what can still move.

    Neurons that are off on all of the set are left out of the network (attacks/proofs/condense.py).
    """
    query, known, bound = plain(query)
    left = np.flatnonzero(bound >= 0)
    if not len(left):
        return query, None
    nothing = np.zeros((1, query.x.shape[1]), bool)
    (node,) = _evaluated(query, known, left, Multipliers.start(known, len(left)), (nothing, nothing), {})
    if node is None:
        return query, None
    query, better = at_root(query, known)
    if better is None:
        return query, None
    new, rows, empty = refined(better, ROOT_STEPS)  # again, for the rows of what is left
    if empty[0]:
        return query, None
    start = Multipliers.start(new, len(node.rows))
    (node,) = _evaluated(query, new, node.rows, start, (node.inside, node.outside), rows)
    return query, node


def children(query: Query, node: SharedNode, split: Split) -> list[SharedNode | None]:
    """The two parts of a split: z >= 0, or the pixel in the support; z <= 0, or the pixel out.  None: refuted."""
    known, pixels, nothing = _halves(query, node, split)
    margin = node.mult.astype(np.float64).take(np.array([0, 0]))
    alone = (query.c[node.rows], margin) if len(node.rows) == 1 else None
    new, rows, empty = refined(known, STEPS, from_pixels=split[0] == PIXEL, start=node.start, alone=alone)
    if (empty | nothing).all():
        return [None, None]
    kids = _evaluated(query, new, node.rows, margin, pixels, rows, steps=MARGIN_STEPS)
    gone = (empty | nothing).tolist()
    return [None if kid is None or none else _no_worse(node, kid) for kid, none in zip(kids, gone, strict=True)]


def fall(node: SharedNode, kids: list[SharedNode | None]) -> float:
    """How far a split's two children fall, as the product of the two; at least `LEAST` each."""
    falls = [node.total - (0.0 if kid is None else kid.total) for kid in kids]
    return float(np.prod(np.maximum(falls, LEAST)))


def divided(query: Query, node: SharedNode, given: Split | None = None) -> Divided:
    """The best split and its children, or None where nothing is left to split; `given` is the one that is tried.

    Of the candidates the one whose children leave least to be refuted, in the product of the two falls, is the best.
    """
    candidates = node.candidates(query) if given is None else [given]
    tried = [(split, children(query, node, split)) for split in candidates]
    return max(tried, key=lambda one: fall(node, one[1])) if tried else None


def side_by_side(
    query: Query, nodes: Sequence[SharedNode], given: Sequence[Split | None], executor: Executor | None
) -> Generator[Divided]:
    """Each node `divided`, in order: here, one when it is asked for, or all of them by the executor from the first on.

    Networks are sent once with each node and not back: they are most of a node.
    """
    if executor is None:
        yield from (divided(query, node, split) for node, split in zip(nodes, given, strict=True))
        return
    bare = [node.with_network(None, None, None) for node in nodes]
    jobs = [executor.submit(_sent, query, node, split) for node, split in zip(bare, given, strict=True)]
    try:
        for job in jobs:
            found = job.result()
            yield found if found is None else (found[0], [kid and _dressed(query, kid) for kid in found[1]])
    finally:
        for job in jobs:
            job.cancel()


def _sent(query: Query, node: SharedNode, given: Split | None) -> Divided:
    """What another process does."""
    found = divided(query, _dressed(query, node), given)
    return found if found is None else (found[0], [kid and kid.with_network(None, None, None) for kid in found[1]])


def _dressed(query: Query, node: SharedNode) -> SharedNode:
    """The node with the network and image of the query."""
    return node.with_network(query.net, query.x, query.first_error)


def _halves(query: Query, node: SharedNode, split: Split) -> tuple[Region, tuple[Array, Array], Array]:
    """The two parts as one region, the pixels in and out, and which part the intervals contradict already, (2,)."""
    (layer, index), nothing = split, np.zeros(2, bool)
    assert node.known.sign is not None
    pair = (node.known.l, node.known.u, node.known.sign, (node.inside, node.outside))
    l, u, sign, (inside, outside) = (tuple(np.repeat(a, 2, axis=0) for a in each) for each in pair)  # noqa: E741
    ball = node.known.ball
    if layer == PIXEL:
        inside[0, index] = outside[1, index] = True
    else:
        nothing = np.array([u[layer][0, index] < 0, l[layer][0, index] > 0])
        l[layer][0, index] = u[layer][1, index] = 0.0
        l[layer][nothing], u[layer][nothing] = node.known.l[layer], node.known.u[layer]
        sign[layer][:, index] = 1, -1
    if inside.any() or outside.any():
        ball = query.ball.restrict(inside, outside)
    return replace(node.known, ball=ball, l=l, u=u, sign=sign), (inside, outside), nothing


def _no_worse(parent: SharedNode, child: SharedNode) -> SharedNode:
    """The child, with its parent's bounds where those are smaller."""
    old = parent.bound[np.searchsorted(parent.rows, child.rows)]
    return replace(child, bound=np.minimum(child.bound, old))


def _evaluated(
    query: Query,
    known: Region,
    rows: Array,
    mult: Multipliers,
    pixels: tuple[Array, Array],
    layers: dict[int, NeuronRows],
    steps: int = ROOT_MARGIN_STEPS,
) -> list[SharedNode | None]:
    """The n nodes with the margins of `rows` bounded, None where all are refuted.  `layers`: of their intervals."""
    found, mult = optimise_bounds(known, query.c[None, rows], mult, steps=steps)
    nodes = list[SharedNode | None]()
    for i in range(len(found.bound)):
        one = np.array([i])
        its, own = (pixels[0][one], pixels[1][one]), {k: layer.take(one) for k, layer in layers.items()}
        nodes.append(_node(query, known.take(one), rows, found.take(one), mult.take(one), its, own))
    return nodes


def _node(
    query: Query,
    known: Region,
    rows: Array,
    found: Substitution,
    mult: Multipliers,
    pixels: tuple[Array, Array],
    layers: dict[int, NeuronRows],
) -> SharedNode | None:
    """The node with those of the margins that are not refuted, None if all are."""
    left = np.flatnonzero(found.bound[0] >= 0)
    if undecided(known.ball, query.x).any():
        left, pixels = _decided(query, known, found, left, pixels)
        known = replace(known, ball=query.ball.restrict(*pixels))
    if not len(left):
        return None
    found = Substitution(found.bound[:, left], found.A[:, left], tuple(g[:, left] for g in found.on_activation))
    mult = Multipliers.from_list([a[:, left] for a in mult.arrays()])
    scores = tuple(split_scores(known, layers, mult, found))
    start = {k: layer.start() for k, layer in layers.items()}
    return SharedNode(known, rows[left], found.bound[0], mult.astype(np.float32), found.A[0], *pixels, scores, start)


def _decided(
    query: Query, known: Region, found: Substitution, left: Array, pixels: tuple[Array, Array]
) -> tuple[Array, tuple[Array, Array]]:
    """The rivals that stay open, and the pixels in and out: those that every open rival decides alike."""
    inside, outside = np.ones_like(pixels[0]), np.ones_like(pixels[1])
    stay = []
    for i in left:
        more, less = decide_pixels(known, found.bound[0, i : i + 1], found.A[:, i])
        more, less = more | pixels[0], less | pixels[1]
        if np.count_nonzero(more) <= query.ball.radius and not (more & less).any():
            stay.append(i)
            inside, outside = inside & more, outside & less
    return np.array(stay, int), (inside, outside) if stay else pixels
