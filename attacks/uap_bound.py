"""No s of this radius fools them all: one linear bound for many images, weighed so that their interests collide.

If s fools every image of a set, then m_i(x_i + s) > 0 for all i, and so is every weighted sum with weights w >= 0.
Hence

    max over s of  sum_i w_i m_i(x_i + s)  <  0   for some w >= 0   proves that no s of the set fools them all.

With a linear bound  m_i(x_i + delta) <= const_i + A_i . (x_i + delta)  for each image (minigrad/bounds.py) the left
side is at most  sum_i w_i (const_i + A_i . x_i)  +  max_s sum_i w_i A_i . delta_i(s),  and that maximum is exact: pixel
by pixel over its breakpoints (attacks/together.py), or h_S of the weighted sum where s acts on all images alike.  One
image alone is the case w = (1, 0, 0, ...): its own proof.  Two that need opposite moves of the same pixels are where
the sum is stronger.

    w       the bound is a maximum of functions linear in w, one for each s: a linear program over the s seen so far, to
            which the maximiser at the new w is added (Kelley 1960).  Its duals p mix those s.
    alpha   by the same gradient as in minigrad/tighten.py, at the mixture of the answers delta_i(s): by Danskin's
            theorem that mixture is where the bound's slope is taken.

Since every image must be fooled, each image's neurons may be bounded over its own counterexamples
(minigrad/contract.py), a pixel that one of them cannot do without is paid for by all, and one that ruins one of them is
left alone by s.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from attacks.balls import Ball
from attacks.crowd import Crowd
from minigrad.bounds import Region, gamma, intervals
from minigrad.contract import contract, decide_pixels
from minigrad.inputs import Array
from minigrad.mlp import MLP
from minigrad.tighten import Adam, Multipliers, bound_rows, gradient, tighten

ROUNDS, STEPS, CONTRACT_STEPS = 4, 8, 5
CUTS, ALPHA_STEPS = 24, 3
RATE = 0.1  # of the steps in alpha


def refuted(
    net: MLP, crowd: Crowd, radius: float, image: Array, c: Array, deadline: float = np.inf
) -> Array | None:
    """Weights (r,) that prove that no s of `radius` fools all the images, or None.

    Parameters
    ----------
    image : (r,) int
        The image of each row.
    c : (r, K)
        Its margin, `m = c . (N - t)`: an s that fools all images makes all of these positive.
    deadline : of `time.perf_counter`
        None soon after it.
    """
    if not applies(crowd):
        return None
    n = len(crowd.problem.x)
    x = crowd.problem.x[image]
    ball = crowd.problem.ball.with_radius(radius).rows(image, n)
    if crowd.inside:
        low, high = (x + end for end in crowd.free.box)
        ball = ball.restrict(None, None, np.nextafter(low, -np.inf), np.nextafter(high, np.inf))
    known = intervals(net, x, ball)
    mult = Multipliers.start(known)
    more = tuple(np.ones((len(x), 2, low.shape[1])) for low in known.l)
    known = replace(known, sign=tuple(np.zeros_like(low) for low in known.l))
    for _ in range(ROUNDS):
        bound, mult = tighten(known, c, mult, steps=STEPS)
        if (bound < 0).any():
            return _only(int(np.argmin(bound[:, 0])), len(x))
        ball, closed = _pixels(known, ball, c, mult)
        known = replace(known, ball=ball)
        if closed is not None:
            return _only(closed, len(x))
        for k in range(len(known.l)):
            if time.perf_counter() > deadline:
                return None
            smaller = contract(known, k, c, mult, more[k], steps=CONTRACT_STEPS)
            if smaller.empty.any():
                return _only(int(np.argmax(smaller.empty)), len(x))
            more = (*more[:k], smaller.gamma, *more[k + 1 :])
            assert known.sign is not None
            sign = np.where(known.sign[k] == 0, 1.0 * (smaller.l >= 0) - (smaller.u <= 0), known.sign[k])
            known = replace(
                known,
                l=(*known.l[:k], smaller.l, *known.l[k + 1 :]),
                u=(*known.u[:k], smaller.u, *known.u[k + 1 :]),
                sign=(*known.sign[:k], sign, *known.sign[k + 1 :]),
            )
    return _weigh(crowd, known, radius, image, c, mult)


def applies(crowd: Crowd) -> bool:
    """Whether the s that is best for a weighted sum is known exactly."""
    x = crowd.problem.x
    return crowd.inside or crowd.problem.ball.together(x, np.zeros_like(x)) is not None


def _only(row: int, n: int) -> Array:
    return np.eye(n)[row]


def _pixels(known: Region, ball: Ball, c: Array, mult: Multipliers) -> tuple[Ball, int | None]:
    """The sets after each image's own bound decided pixels; or the row in which that is a contradiction.

    Every s that fools all images fools each, so what one row says of its pixels holds for all.  If more pixels are in
    than may change, no other pixel can, and the bound soon falls below 0 by itself.
    """
    if not ball.undecided(known.x).any():
        return ball, None
    found = bound_rows(known, c, mult)
    inside, outside = decide_pixels(known, found.bound[:, 0], found.A[:, 0])
    if (inside & outside).any():
        return ball, int(np.argmax((inside & outside).any(axis=1)))
    inside, outside = (np.broadcast_to(some.any(axis=0), some.shape) for some in (inside, outside))
    return ball.restrict(inside, outside), None


def _weigh(crowd: Crowd, known: Region, radius: float, image: Array, c: Array, mult: Multipliers) -> Array | None:
    """Weights under which the summed bound is below 0, or None: the docstring's two steps in turn."""
    from scipy.optimize import linprog

    if known.huge:
        return None
    sketch, r = known.sketch(), len(image)
    now = Multipliers.of([a.astype(sketch.x.dtype) for a in mult.arrays()])
    margin, adam = c.astype(sketch.x.dtype), Adam(now.arrays()[:-1])  # gamma stays 1
    w, answers = np.full(r, 1 / r), list[Array]()  # each (r, d): delta_i(s) of one s
    best, best_w, best_mult = np.inf, w, mult
    for _ in range(CUTS):
        found = bound_rows(sketch, margin, now)
        assert found.point is not None
        A = found.A[:, 0].astype(np.float64)
        base = found.bound[:, 0] - np.sum(found.A[:, 0] * (found.point[:, 0] - sketch.x), axis=1)  # (r,) at s = 0
        for _ in range(3):
            answers.append(_answer(crowd, known, radius, image, w[:, None] * A))
            values = base + np.einsum("sid,id->si", np.stack(answers), A)  # (cuts, r)
            total = float(w @ values[-1])
            if total < best:
                best, best_w = total, w
                best_mult = Multipliers.of([a.astype(np.float64) for a in now.arrays()])
            with np.errstate(all="ignore"):  # min t over the simplex,  t >= values . w
                lp = linprog(
                    np.append(np.zeros(r), 1.0),
                    np.concatenate([values, -np.ones((len(values), 1))], axis=1),
                    np.zeros(len(values)),
                    np.append(np.ones(r), 0.0)[None],
                    [1.0],
                    bounds=[(0, None)] * r + [(None, None)],
                    method="highs",
                )
            if lp.status != 0:
                break
            w, p = np.maximum(lp.x[:r], 0), -lp.ineqlin.marginals  # a solver's 0 may be -1e-9, which proves nothing
            w /= w.sum()
        if best < 0 or lp.status != 0:
            break
        mixed = (known.x + np.einsum("s,sid->id", p / max(p.sum(), 1e-300), np.stack(answers))).astype(sketch.x.dtype)
        for _ in range(ALPHA_STEPS):
            moves = adam.direction(gradient(sketch, margin, now, replace(found, point=mixed[:, None]))[:-1])
            K = len(now.alpha)
            for k in range(K):
                np.clip(now.alpha[k] - RATE * moves[k], 0, 1, out=now.alpha[k])
                np.maximum(now.beta[k] - RATE / 4 * moves[K + k], 0, out=now.beta[k])
            found = bound_rows(sketch, margin, now)
    return best_w if _sound(crowd, known, radius, image, c, best_mult, best_w) < 0 else None


def _answer(crowd: Crowd, known: Region, radius: float, image: Array, A: Array) -> Array:
    """`delta_i(s)`, (r, d), of the s that maximises `sum_i A_i . delta_i(s)`.

    s itself leaves the pixels alone that were ruled out: the best s of the larger set, with those cut off afterwards,
    earns less than others do.
    """
    assert isinstance(known.ball, Ball)
    mask = known.ball.mask
    ruled_out = None if mask is None else np.logical_not(np.all(np.atleast_2d(mask), axis=0))
    s = crowd.oracle(A, known.x, image, radius, ruled_out)
    down, up = known.ball.room(known.x)
    return np.clip(s, down, up)


def _sound(crowd: Crowd, known: Region, radius: float, image: Array, c: Array, mult: Multipliers, w: Array) -> float:
    """The weighted bound with everything that rounding may have hidden.

    Each row's bound is sound; what is done with it here is 3 r + d products and sums of numbers not above w |A| reach.
    """
    found = bound_rows(known, c, mult)
    A = found.A[:, 0]
    own = known.ball.support(known.x, A)
    delta = _answer(crowd, known, radius, image, w[:, None] * A)
    size = w @ (np.abs(found.bound[:, 0]) + np.abs(own) + np.sum(np.abs(A) * 2 * known.reach, axis=1))
    value = w @ (found.bound[:, 0] - own) + np.sum(w[:, None] * A * delta)
    return float(value + 4 * gamma(3 * len(w) + A.shape[1] + 8) * size)
