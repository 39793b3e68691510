"""A linear program: the s in a polyhedral set that makes the least of some affine functions largest.

    max t   over s in S and t,   with   t <= m_i + G_i . s   and   rows . s <= ends

S = { down <= s <= up, |s|_1 <= budget } is what `Ball.segments` gives.  To bound |s|_1 linearly, s = p - q with
0 <= p <= up and 0 <= q <= -down, so that |s|_1 <= sum p + sum q: the variables are (p, q, t).  Here the functions are
the margins of many images, linearised; in a leaf of a proof (attacks/proofs/leaf_lp.py) those of one image's rivals.
"""

from __future__ import annotations

import numpy as np

from attacks.uap.image_set import ImageSet
from minigrad.inputs import Array

PROGRAM_IMAGES = 200  # of 1,000 fours 100 images in the program fool 0.5% fewer, 400 no more in over twice the time
PROGRAM_ROUNDS = 4  # re-linearisations: of 100 fours 2 rounds fool one fewer, 8 one more in twice the time
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


def program(images: ImageSet, rng: np.random.Generator) -> None:
    """The largest worst margin of the network linearised at s_0, re-linearised at each answer, from the best s seen:

        max t   over s in the set,   t <= m_i + J_i (s - s_0).

    On an affine network of two classes, with the convention "inside" and at most `PROGRAM_IMAGES` images, the first
    answer is the optimum.  Otherwise clipped pixels count as fixed, and only a random part of the images takes part.
    """
    zero = np.zeros_like(images.best)
    segments = images.free.segments(zero[None])
    if segments is None:
        return
    rows = rng.permutation(images.open_rows)[:PROGRAM_IMAGES]
    s = images.best
    for _ in range(PROGRAM_ROUNDS):
        m, _, J = images.slopes(s, rows)  # (rows,), (rows, d)
        found = largest_least(segments, m - J @ s, J)
        if found is None:
            return
        before, s = s, images.free.project(zero, found[0])
        images.measure(s)
        if np.abs(s - before).max() <= 1e-9 * max(np.abs(s).max(), 1e-300):
            return
