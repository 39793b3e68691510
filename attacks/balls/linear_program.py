"""A linear program: the s in a polyhedral set that makes the least of some affine functions largest.

    max t   over s in S and t,   with   t <= m_i + G_i . s   and   rows . s <= ends

S = { down <= s <= up, |s|_1 <= budget } is what `Ball.segments` gives.  To bound |s|_1 linearly, s = p - q with
0 <= p <= up and 0 <= q <= -down, so that |s|_1 <= sum p + sum q: the variables are (p, q, t).  The functions are the
margins of many images, linearised (attacks/uap/linear_program.py), or in a leaf of a proof those of one image's rivals
(attacks/proofs/leaf_lp.py).
"""

from __future__ import annotations

import numpy as np

from minigrad.inputs import Array

INFEASIBLE = 2  # SciPy's status: no point satisfies all constraints


def largest_least(
    segments: tuple[Array, Array, float], m: Array, G: Array, rows: Array | None = None, ends: Array | None = None
) -> tuple[Array, Array] | None:
    """s (d,) and the duals >= 0, (c + r,), of the half-spaces first; None where the solver fails.

    Where no s is in all half-spaces they may be violated, too, by as much as t is below 0: max t, t <= ends - rows . s.

    Parameters
    ----------
    segments : down (1, d), up (1, d), budget (may be inf)
    m, G : (r,), (r, d)
    rows, ends : (c, d), (c,)
    """
    from scipy.optimize import linprog

    (down, up, budget), d = segments, G.shape[1]
    A = -G if rows is None else np.concatenate([rows, -G])  # (c + r, d)
    t = (np.arange(len(A)) >= len(A) - len(G))[:, None]  # (c + r, 1) bool
    A_ub, b_ub = np.concatenate([A, -A, t], axis=1), m if ends is None else np.concatenate([ends, m])
    if np.isfinite(budget):
        A_ub, b_ub = np.concatenate([A_ub, np.append(np.ones(2 * d), 0)[None]]), np.append(b_ub, budget)
    bounds = [*((0, v) for v in up[0]), *((0, -v) for v in down[0]), (None, None)]
    cost = np.append(np.zeros(2 * d), -1)
    with np.errstate(all="ignore"):
        found = linprog(cost, A_ub, b_ub, bounds=bounds, method="highs")
        if found.status == INFEASIBLE and rows is not None:
            A_ub[: len(A), -1] = 1
            found = linprog(cost, A_ub, b_ub, bounds=bounds, method="highs")
    if found.status != 0:
        return None
    return found.x[:d] - found.x[d : 2 * d], np.maximum(-found.ineqlin.marginals, 0)[: len(A)]
