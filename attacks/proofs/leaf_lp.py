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

from dataclasses import replace

import numpy as np

from attacks.balls.linear_program import largest_least
from attacks.proofs.nodes import Nodes
from attacks.proofs.query import Query
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import bound_rows, optimise_bounds
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
    # multiples of 2^-30: a sum of them is exact, so c is a combination of the rivals' rows and of nothing else
    c = leaf.c if query.joint is None else np.ldexp(np.round(np.ldexp(weights, 30)), -30) @ query.joint
    mult = Multipliers(leaf.multipliers().alpha, tuple(b[None, None, :] for b in beta), np.ones((1, 1)))
    bound = bound_rows(known, c, mult).bound[0, 0]
    point = query.ball.apply(query.x, s[None])[0]
    if bound < leaf.bound[0]:
        leaf = replace(leaf, c=c, bound=np.array([bound]), beta=tuple(b[None] for b in beta))
    return leaf, point


def solve_lines(query: Query, node: Nodes) -> Nodes:
    """A node of a smooth network, with beta of the program where that makes its bound smaller."""
    known, ends = node.region(query), node.ball(query).segments(query.x)
    for _ in range(0 if ends is None else TURNS):
        found = bound_rows(known, node.c, node.multipliers())
        Z, z, rows, room, given = np.eye(query.x.shape[1]), query.x[0], [], [], []  # a_k(s) = z + s Z
        for k, (at, g) in enumerate(zip(known.lines, found.on_activation, strict=True)):
            Z, z = Z @ query.net.dense[k].W, z @ query.net.dense[k].W + query.net.dense[k].b
            i = np.flatnonzero(node.sign[k][0])
            rows += [-Z[:, i].T, Z[:, i].T]
            room += [z[i] - node.l[k][0, i], node.u[k][0, i] - z[i]]
            given.append(i)
            above = g[0, 0] > 0
            slope = np.where(above, at.upper_slope[0], at.lower_slope[0])
            Z, z = Z * slope, z * slope + np.where(above, at.upper_offset[0], at.lower_offset[0])
        last, c = query.net.dense[-1], node.c
        m, g = (z @ last.W + last.b - query.net.threshold) @ c.T, (Z @ last.W @ c.T).T
        solved = largest_least(ends, m, g, np.concatenate(rows), np.concatenate(room))
        if solved is None:
            break
        mult = Multipliers(node.multipliers().alpha, _signed(solved[1], given, node.l), np.ones((1, 1)))
        bound, before = bound_rows(known, c, mult).bound[:, 0], node.bound
        node = node.with_multipliers(bound, mult) if bound[0] < before[0] else node
        if bound[0] < 0 or bound[0] >= before[0]:
            break
    return node


def _signed(duals: Array, given: list[Array], like: tuple[Array, ...]) -> tuple[Array, ...]:
    """beta, one (1, 1, d_k) array a layer, of the duals of z >= l and z <= u of the neurons `given`, margin last."""
    beta, start, total = [], 0, max(float(duals[-1]), LEAST_WEIGHT)
    for i, a in zip(given, like, strict=True):
        low, up = np.split(duals[start : start + 2 * len(i)], 2)
        beta.append(np.zeros((1, *a.shape)))
        beta[-1][0, 0, i] = (low - up) / total
        start += 2 * len(i)
    return tuple(beta)


def _program(
    query: Query, leaf: Nodes, segments: tuple[Array, Array, float]
) -> tuple[Array, list[Array], Array] | None:
    """`max t` over s in the ball with  t <= m_j(s)  and  sign z >= 0  (attacks/balls/linear_program.py).

    Returns s (d,), beta (one (d_k,) array a layer) and the rivals' weights (1, r), or None if the solver found none.
    Where no s has these signs the duals of  max t,  t <= sign z,  t <= m_j  prove it.
    """
    net = query.net
    Z, z = np.eye(query.x.shape[1]), query.x[0]  # a_k(s) = z + s Z
    rows, ends, where = [], [], []
    for k in range(len(leaf.l)):
        Z, z = Z @ net.dense[k].W, z @ net.dense[k].W + net.dense[k].b
        sign = leaf.sign[k][0]
        split = np.flatnonzero(sign)
        rows.append(-(Z[:, split] * sign[split]).T)  # -sign Z s <= sign z
        ends.append(z[split] * sign[split])
        where.append(split)
        active = leaf.l[k][0] >= 0
        Z, z = Z * active, z * active
    joint = leaf.c if query.joint is None else query.joint
    W, b = net.dense[-1].W, net.dense[-1].b - net.threshold
    g, m = (Z @ W @ joint.T).T, (z @ W + b) @ joint.T  # (r, d), (r,)
    given = (np.concatenate(rows), np.concatenate(ends)) if rows else (None, None)
    found = largest_least(segments, m, g, *given)
    if found is None:
        return None
    s, duals = found
    beta, start = [], 0
    for k, split in enumerate(where):
        beta.append(np.zeros(leaf.l[k].shape[1]))
        beta[k][split] = duals[start : start + len(split)]
        start += len(split)
    weights = duals[start:]
    total = max(weights.sum(), LEAST_WEIGHT)
    return s, [b / total for b in beta], weights[None] / total
