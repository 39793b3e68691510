"""A leaf without a split left: the margin is affine there, and a linear program is its exact answer.

Every ReLU is decided, so with s the perturbation every pre-activation and the margin are affine,

    z_k(s) = z_k(0) + s Z_k,        m(s) = m(0) + s g,

and the leaf asks for  max m(s)  over the ball and the half-spaces  sign z >= 0  of the splits.  The duals of those
half-spaces are the best beta there is.  The solver is not believed: its beta goes into one more backward substitution,
whose bound counts rounding, and its s is measured as a counterexample.  If the target must beat all rivals (k >= 3
classes), the program maximises the smallest of their margins, and its duals weigh the rivals.

With smooth activations no leaf is affine, but a node is once every neuron keeps to the line that its bound took: the
same program over the ends of the intervals, l <= z_k(s) <= u, finds the signed beta that many steps would.  With them
other lines may be taken, so it is asked again as long as that pays.

A ball that is not polyhedral (L2) has no linear program; there many steps of `optimise_bounds` minimise the same dual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from attacks.balls.linear_program import largest_least
from attacks.proofs.nodes import Nodes
from attacks.proofs.query import Query
from minigrad.bounds.crown import SLACK
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import bound_rows, optimise_bounds
from minigrad.bounds.region import Region
from minigrad.bounds.rounding import ETA, gamma_n
from minigrad.inputs import Array

STEPS = 150  # where there is no program; half and double change nothing on digits, where such leaves are rare
RATES = 0.2, 2.0, 20.0  # of the steps, one after the other until the leaf is closed
TURNS = 2  # of the program of a smooth node; most of its gain is in the first
LEAST_WEIGHT = 1e-9  # of the margins together: where the signs alone contradict each other it is 0, and beta unbounded


def solve_leaf(query: Query, leaf: Nodes) -> tuple[Nodes, Array | None]:
    """The leaf (one node) with the best bound found, and the maximiser as a point (d,) worth measuring, or None."""
    if not query.piecewise_linear:
        return leaf, None
    known = leaf.region(query)
    ends = leaf.ball(query).segments(query.x)
    if ends is None:
        for rate in RATES:  # where no point has these signs beta is unbounded: it must be able to get far
            found, mult = optimise_bounds(known, leaf.c, leaf.multipliers(), steps=STEPS, rate=rate)
            leaf = leaf.with_multipliers(found.bound[:, 0], mult)
            if leaf.bound[0] < 0:
                break
        return leaf, None
    solved = _program(query, leaf, ends)
    if solved is None:
        return leaf, None
    s, beta, weights = solved
    c, lost = (leaf.c, 0.0) if query.joint is None else _combined(query.joint, weights, known)
    bound = _bounded(known, c, leaf, beta) + lost
    point = query.ball.apply(query.x, s[None])[0]
    if bound < leaf.bound[0] and lost:
        leaf = replace(leaf, bound=np.array([bound]))  # c, to within what is lost, is for no other bound
    elif bound < leaf.bound[0]:
        leaf = replace(leaf, c=c, bound=np.array([bound]), beta=tuple(b[None] for b in beta))
    return leaf, point


def solve_lines(query: Query, node: Nodes) -> Nodes:
    """A node of a smooth network, with beta of the program where that makes its bound smaller."""
    known, ends, c = node.region(query), node.ball(query).segments(query.x), node.c
    given = [np.flatnonzero(sign[0]) for sign in node.sign]
    n = sum(map(len, given))
    for _ in range(0 if ends is None else TURNS):
        found, lines = bound_rows(known, c, node.multipliers()), []
        for at, g in zip(known.lines, found.on_activation, strict=True):
            above = g[0, 0] > 0
            slope = np.where(above, at.upper_slope[0], at.lower_slope[0])
            lines.append((slope, np.where(above, at.upper_offset[0], at.lower_offset[0])))
        *hidden, (Z, z) = _affine(query, lines)
        rows = np.concatenate([Z[:, i].T for (Z, _), i in zip(hidden, given, strict=True)])
        from_l = np.concatenate([z[i] - low[0, i] for (_, z), i, low in zip(hidden, given, node.l, strict=True)])
        to_u = np.concatenate([up[0, i] - z[i] for (_, z), i, up in zip(hidden, given, node.u, strict=True)])
        both = np.concatenate([-rows, rows]), np.concatenate([from_l, to_u])
        solved = largest_least(ends, z @ c.T, (Z @ c.T).T, *both)
        if solved is None:
            break
        duals = solved[1]
        beta, _ = _beta(np.append(duals[:n] - duals[n : 2 * n], duals[2 * n :]), given, node.l)
        bound, before = _bounded(known, c, node, beta), node.bound[0]
        if bound < before:
            node = node.with_multipliers(np.array([bound]), _with_beta(node, beta))
        if bound < 0 or bound >= before:
            break
    return node


def _combined(joint: Array, weights: Array, known: Region) -> tuple[Array, float]:
    """The rivals' rows (r, K) added up with the weights (1, r), as c (1, K), and what  c . (N - t)  may fall short by.

    A sum of rows of 0 and +-1 is exact with weights that are multiples of 2^-30.  Any other sum is c to within
    gamma_n sum_j w_j |row_j|, which is charged times |N| + |t| <= X |W| + |b| + |t| of the last layer.
    """
    if np.isin(joint, (-1, 0, 1)).all():
        return np.ldexp(np.round(np.ldexp(weights, 30)), -30) @ joint, 0.0
    c = weights @ joint
    last, n = known.net.dense[-1], len(known.net.dense)
    size = known.entering(n - 1) @ np.abs(last.W) + np.abs(last.b) + abs(known.net.threshold)  # (1, K)
    charge = gamma_n(len(joint) + 2) * (weights @ np.abs(joint)) + joint.size * ETA
    return c, float(SLACK * np.sum(charge * size))


def _with_beta(node: Nodes, beta: list[Array]) -> Multipliers:
    return Multipliers(node.multipliers().alpha, tuple(b[None, None, :] for b in beta), np.ones((1, 1)))


def _bounded(known: Region, c: Array, node: Nodes, beta: list[Array]) -> float:
    """The bound with the solver's beta; inf where that is too large to bound anything."""
    if not all(np.isfinite(b).all() for b in beta):
        return np.inf
    try:
        return float(bound_rows(known, c, _with_beta(node, beta)).bound[0, 0])
    except OverflowError:
        return np.inf


def _affine(query: Query, lines: Sequence[tuple[Array, Array | float]]) -> list[tuple[Array, Array]]:
    """Every hidden z_k, and last N - t, as `z + s Z`: pairs Z (d, d_k), z (d_k,), along lines (slope, offset)."""
    Z, z, planes = np.eye(query.x.shape[1]), query.x[0], []
    for k, dense in enumerate(query.net.dense):
        last = k == len(lines)
        Z, z = Z @ dense.W, z @ dense.W + (dense.b - query.net.threshold if last else dense.b)
        planes.append((Z, z))
        if not last:
            slope, offset = lines[k]
            Z, z = Z * slope, z * slope + offset
    return planes


def _beta(duals: Array, given: list[Array], like: tuple[Array, ...]) -> tuple[list[Array], Array]:
    """beta, one (d_k,) array a layer, of the duals of the neurons `given`, layer by layer, and the margins' weights,
    which are the last of the duals: each divided by the sum of these."""
    *parts, weights = np.split(duals, np.cumsum([len(i) for i in given], dtype=int))
    total, beta = max(weights.sum(), LEAST_WEIGHT), [np.zeros(a.shape[1]) for a in like]
    for b, i, part in zip(beta, given, parts, strict=True):
        with np.errstate(over="ignore"):
            b[i] = part / total
    return beta, weights / total


def _program(
    query: Query, leaf: Nodes, segments: tuple[Array, Array, float]
) -> tuple[Array, list[Array], Array] | None:
    """`max t` over s in the ball with  t <= m_j(s)  and  sign z >= 0  (attacks/balls/linear_program.py).

    Returns s (d,), beta (one (d_k,) array a layer) and the rivals' weights (1, r), or None if the solver found none.
    Where no s has these signs the duals of  max t,  t <= sign z,  t <= m_j  prove it.
    """
    given = [np.flatnonzero(sign[0]) for sign in leaf.sign]
    *hidden, (Z, z) = _affine(query, [(low[0] >= 0, 0.0) for low in leaf.l])
    joint, rows, ends = leaf.c if query.joint is None else query.joint, [], []
    for (Z_k, z_k), sign, split in zip(hidden, leaf.sign, given, strict=True):
        rows.append(-(Z_k[:, split] * sign[0, split]).T)  # -sign Z s <= sign z
        ends.append(z_k[split] * sign[0, split])
    bounds = (np.concatenate(rows), np.concatenate(ends)) if rows else (None, None)
    found = largest_least(segments, z @ joint.T, (Z @ joint.T).T, *bounds)
    if found is None:
        return None
    s, duals = found
    beta, weights = _beta(duals, given, leaf.l)
    return s, beta, weights[None]
