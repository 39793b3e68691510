"""A leaf without a split left: the margin is affine there, and a linear program is its exact answer.

Every ReLU is decided, so with s the perturbation every pre-activation and the margin are affine,

    z_k(s) = z_k(0) + s Z_k,        m(s) = m(0) + s g,

and the leaf asks for  max m(s)  over the ball and the half-spaces  sign z >= 0  of the splits.  The duals of those
half-spaces are the best beta there is.  The solver is not believed: its beta goes into one more backward substitution,
whose bound counts rounding, and its s is measured as a witness.  If the rivals must all be beaten (a target among k
classes), the program maximises the smallest of their margins, and its duals weigh the rivals.

A ball that is not polyhedral (L2) has no program: many steps of `tighten` are the dual ascent.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from attacks.nodes import Nodes, Question
from minigrad.inputs import Array
from minigrad.layers import ReLU
from minigrad.tighten import Multipliers, bound_rows, tighten

ASCENT, RATES = 150, (0.2, 2.0, 20.0)  # steps where there is no program, and their sizes
LEAST_WEIGHT = 1e-9  # of the margin, where the signs alone contradict each other


def solve_leaf(question: Question, leaf: Nodes) -> tuple[Nodes, Array | None]:
    """The leaf (one node) with the best bound found, and the maximiser as a point (d,) worth measuring, or None."""
    if len(question.net.layers) > 1 and not isinstance(question.net.layers[1], ReLU):
        return leaf, None
    known = leaf.region(question)
    ends = leaf.ball(question).segments(question.x)
    if ends is None:
        for rate in RATES:  # where no point has these signs the best beta is endless: it must be able to get far
            bound, mult = tighten(known, leaf.c, leaf.multipliers(), steps=ASCENT, rate=rate)
            leaf = leaf.with_multipliers(bound[:, 0], mult)
            if leaf.bound[0] < 0:
                break
        return leaf, None
    solved = _program(question, leaf, *ends)
    if solved is None:
        return leaf, None
    s, beta, weights = solved
    c = leaf.c if question.joint is None else weights @ question.joint
    mult = Multipliers(leaf.multipliers().alpha, tuple(b[None, None, :] for b in beta), np.ones((1, 1)))
    bound = bound_rows(known, c, mult).bound[0, 0]
    point = question.ball.apply(question.x, s[None])[0]
    if bound < leaf.bound[0]:
        leaf = replace(leaf, c=c, bound=np.array([bound]), beta=tuple(b[None] for b in beta))
    return leaf, point


def _program(
    question: Question, leaf: Nodes, down: Array, up: Array, budget: float
) -> tuple[Array, list[Array], Array] | None:
    """`max t` over s = p - q and t, with  t <= m_j(s),  sign z >= 0,  0 <= p <= up,  0 <= q <= -down,  sum <= budget.

    Returns s (d,), beta (one (d_k,) array a layer) and the rivals' weights (1, r), or None if the solver found none.
    """
    from scipy.optimize import linprog

    net, d = question.net, question.x.shape[1]
    Z, z = np.eye(d), question.x[0]  # a_k(s) = z + s Z
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
    joint = leaf.c if question.joint is None else question.joint
    W, b = net.dense[-1].W, net.dense[-1].b - net.threshold
    g, m = (Z @ W @ joint.T).T, (z @ W + b) @ joint.T  # (r, d), (r,)
    A = np.concatenate([*rows, -g])  # (constraints, d)
    t = np.concatenate([np.zeros(len(A) - len(g)), np.ones(len(g))])[:, None]  # (rows, 1)
    A_ub, b_ub = np.concatenate([A, -A, t], axis=1), np.concatenate([*ends, m])
    if np.isfinite(budget):
        A_ub = np.concatenate([A_ub, np.append(np.ones(2 * d), 0)[None]])
        b_ub = np.append(b_ub, budget)
    bounds = [*((0, v) for v in up[0]), *((0, -v) for v in down[0]), (None, None)]
    cost = np.append(np.zeros(2 * d), -1)
    result = linprog(cost, A_ub, b_ub, bounds=bounds, method="highs")
    if result.status == 2:  # no s has these signs: the duals of  max t,  t <= sign z,  t <= m_j  prove it
        A_ub[: len(A), -1] = 1
        result = linprog(cost, A_ub, b_ub, bounds=bounds, method="highs")
    if result.status != 0:
        return None
    duals = np.maximum(-result.ineqlin.marginals, 0)
    beta, start = [], 0
    for k, split in enumerate(where):
        beta.append(np.zeros(leaf.l[k].shape[1]))
        beta[k][split] = duals[start : start + len(split)]
        start += len(split)
    weights = duals[start : start + len(joint)]
    total = max(weights.sum(), LEAST_WEIGHT)
    return result.x[:d] - result.x[d : 2 * d], [b / total for b in beta], weights[None] / total
