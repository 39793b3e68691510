"""A linear program: the s in a polyhedral set that makes the least of some affine functions largest.

    max t   over s in S and t,   with   t <= m_i + G_i . s   and   rows . s <= ends

S = { down <= s <= up, |s|_1 <= budget } is what `Ball.segments` gives.  To bound |s|_1 linearly, s = p - q with
0 <= p <= up and 0 <= q <= -down, so that |s|_1 <= sum p + sum q: the variables are (p, q, t).  Where the budget is
infinite they are (s, t), which takes the solver two thirds of the time.  The functions are the margins of many images,
linearised (attacks/uap/linear_program.py), or in a leaf of a proof those of one image's rivals
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

    None, too, where a number is beyond float64: what the solver says is only a hint to whoever asks.
    Where no s is in all half-spaces they may be violated, too, by as much as t is below 0: max t, t <= ends - rows . s.

    Parameters
    ----------
    segments : down (1, d), up (1, d), budget (may be inf)
    m, G : (r,), (r, d)
    rows, ends : (c, d), (c,)
    """
    from scipy.optimize import linprog

    (down, up, budget), d = segments, G.shape[1]
    rows, ends = (np.zeros((0, d)), np.zeros(0)) if rows is None or ends is None else (rows, ends)
    unit = largest(np.concatenate([down, up]))  # the solver's tolerances are absolute: s is counted in units of it
    with np.errstate(all="ignore"):
        down, up, budget = down / unit, up / unit, float(budget / unit)
        each, all_ = largest(rows * unit, axis=1), largest(G * unit)  # and no row has an entry above 1
        rows, ends, G, m = rows * unit / each[:, None], ends / each, G * unit / all_, m / all_
    if not all(np.isfinite(v).all() for v in (down, up, rows, ends, G, m)):
        return None
    A = np.concatenate([rows, -G])  # (c + r, d)
    t = (np.arange(len(A)) >= len(A) - len(G))[:, None]  # (c + r, 1) bool
    A_ub, b_ub = np.concatenate([A, -A, t], axis=1), np.concatenate([ends, m])
    lower, upper = np.zeros(2 * d), np.append(up, -down)
    if np.isfinite(budget):
        A_ub, b_ub = np.concatenate([A_ub, np.append(np.ones(2 * d), 0)[None]]), np.append(b_ub, budget)
    else:  # then p alone may have either sign
        A_ub, lower, upper = A_ub[:, np.r_[:d, 2 * d]], down[0], up[0]
    bounds = np.stack([np.append(lower, -np.inf), np.append(upper, np.inf)], axis=1)
    cost = np.append(np.zeros(len(lower)), -1)
    with np.errstate(all="ignore"):
        found = linprog(cost, A_ub, b_ub, bounds=bounds, method="highs")
        if found.status == INFEASIBLE and len(rows):
            A_ub[: len(A), -1] = 1
            found = linprog(cost, A_ub, b_ub, bounds=bounds, method="highs")
    if found.status != 0:
        return None
    duals = np.maximum(-found.ineqlin.marginals, 0)[: len(A)]
    with np.errstate(all="ignore"):
        duals[: len(rows)] *= all_ / each
    if not np.isfinite(duals).all():
        return None
    s = found.x[:d] if len(lower) == d else found.x[:d] - found.x[d : 2 * d]
    return s * unit, duals


def largest(v: Array, axis: int | None = None) -> Array:
    """A power of two near the largest |v|, of all or along an axis; 1 where all are 0."""
    size = np.max(np.abs(v), axis=axis, initial=0)
    return np.where(size > 0, np.ldexp(1.0, np.frexp(size)[1]), 1.0)
