"""One linear bound for many images, weighed so that no s is good for all of them.

If s fools every image of a set, then m_i(x_i + s) > 0 for all i, and so is every weighted sum with weights w >= 0.
Hence

    max over s of  sum_i w_i m_i(x_i + s)  <  0   for some w >= 0   proves that no s of the set fools them all.

With a linear bound  m_i(x_i + delta) <= const_i + A_i . (x_i + delta)  for each image (minigrad/bounds/crown.py) the
left side is at most  sum_i w_i (const_i + A_i . x_i)  +  max_s sum_i w_i A_i . delta_i(s),  and that maximum is exact:
pixel by pixel over its breakpoints (attacks/balls/joint.py), or h_S of the weighted sum where s acts on all images
alike.  One image alone is the case w = (1, 0, 0, ...): its own proof.  The sum proves more where two images need
opposite moves of the same pixels.

    w       the bound is a maximum of functions linear in w, one for each s: a linear program over the s seen so far, to
            which the maximiser at the new w is added (Kelley 1960).  Its duals p mix those s.
    alpha   by the same gradient as in minigrad/bounds/optimised.py, at the mixture of the answers delta_i(s): by
            Danskin's theorem that mixture is where the bound's slope is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from attacks.balls.base import Ball
from attacks.uap.image_set import ImageSet
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import Descent, bound_rows, gradient
from minigrad.bounds.region import Region
from minigrad.bounds.rounding import ETA, gamma_n
from minigrad.inputs import Array

# Half and double of each change the largest refuted radius by less than 3% (the nine sets of set_bound.py); those of
# ROUNDS and CUTS change the time by half.  Without steps in alpha less is proved where two images pull apart.
ROUNDS = 24
CUTS, ALPHA_STEPS = 3, 3  # in each round: maximisers added to the program, then steps in alpha
RATE = 0.1  # of the steps in alpha
LEAST_SUM = 1e-300  # of the duals: where the solver gives none, 0 / 0 is no mixture


@dataclass(frozen=True, eq=False)
class Rows:
    """r margins that one s of `radius` is to make positive.

    Attributes
    ----------
    images : ImageSet
    known : Region
        The set of each row's image, and what is known of the network on it.
    radius : float
    image : (r,) int
    c : (r, K)
        The margins, `m = c . (N - t)`.
    """

    images: ImageSet
    known: Region
    radius: float
    image: Array
    c: Array

    def answer(self, A: Array) -> Array:
        """`delta_i(s)`, (r, d), of the s that maximises `sum_i A_i . delta_i(s)`.

        s itself leaves the pixels alone that were ruled out: the best s of the larger set, with those cut off
        afterwards, earns less than others do.
        """
        known = self.known
        s = self.images.oracle(A, known.x, self.image, self.radius, self._ruled_out())
        down, up = known.ball.room(known.x)
        return np.clip(s, down, up)

    def earned(self, A: Array) -> float:
        """`max over s of sum_i A_i . delta_i(s)`: what the answer earns where it is the best but for rounding, and
        where s moves all images alike the support function, which holds for answers that rounding makes worse, too."""
        if not self.images.inside:
            return float(np.sum(A * self.answer(A)))
        ball = self.images.free.with_radius(self.radius).restrict(outside=self._ruled_out())
        return float(ball.support(np.zeros(A.shape[1]), A.sum(axis=0)))

    def _ruled_out(self) -> Array | None:
        """The pixels (d,) that one of the images leaves alone."""
        assert isinstance(self.known.ball, Ball)
        mask = self.known.ball.mask
        return None if mask is None else np.logical_not(np.all(np.atleast_2d(mask), axis=0))

    def weighted_bound(self, mult: Multipliers, w: Array) -> float:
        """The weighted sum's bound, with everything that rounding may have hidden.

        Each row's bound is sound; what is done with it here is 3 r + d products and sums of numbers not above
        w |A| reach.  That s is the best one is known only as far as the sums it was chosen by: in the joint
        maximisation an image with little room is summed beside one with much, so those err by gamma_n w |A| times the
        *largest* room of a pixel.  A product that underflows loses eta / 2: w A, once in the choice and once in what it
        earns, times a move; and each of 3 r + 2 r d others.
        """
        known = self.known
        found = bound_rows(known, self.c, mult)
        A = found.A[:, 0]
        own = known.ball.support(known.x, A)
        size = w @ (np.abs(found.bound[:, 0]) + np.abs(own) + np.sum(np.abs(A) * 2 * known.reach, axis=1))
        widest = np.max([np.max(np.abs(room), axis=0) for room in known.ball.room(known.x)], axis=0)  # (d,)
        size = size + (w @ np.abs(A)) @ widest
        value = w @ (found.bound[:, 0] - own) + self.earned(w[:, None] * A)
        lost = 4 * ETA * (3 * len(w) + np.sum(2 + widest) * len(w))
        return float(value + 4 * gamma_n(3 * len(w) + A.shape[1] + 8) * size + lost)


def weigh(rows: Rows, mult: Multipliers, *, thorough: bool = False) -> tuple[Array, Multipliers] | None:
    """Weights (r,) and multipliers under which the summed bound is below 0, or None: the docstring's two steps in turn.

    `mult` are the multipliers of each margin for itself, where alpha and beta begin.  `thorough` goes on below 0: what
    is rounded afterwards needs room.
    """
    known = rows.known
    if known.huge:
        return None
    search = _Sketch(rows, mult)
    for _ in range(ROUNDS):
        mixture = search.cut()
        if (search.least < 0 and not thorough) or mixture is None:
            break
        search.move(mixture)
    found = search.best_w, search.best_mult
    return found if rows.weighted_bound(search.best_mult, search.best_w) < 0 else None


class _Sketch:
    """The search for weights and multipliers, in single precision: only what it ends in is bounded soundly.

    Attributes
    ----------
    answers : list of (r, d)
        `delta_i(s)` of each s seen.
    least, best_w, best_mult
        The smallest summed bound seen, and what gave it.
    """

    def __init__(self, rows: Rows, mult: Multipliers) -> None:
        self.rows, self.known = rows, rows.known.sketch()
        self.c, self.mult = rows.c.astype(self.known.x.dtype), mult.astype(self.known.x.dtype)
        self.descent = Descent(self.mult, moves_gamma=False, signed=self.known.smooth)
        self.w, self.answers = np.full(len(rows.image), 1 / len(rows.image)), list[Array]()
        self.least, self.best_w, self.best_mult = np.inf, self.w, mult
        self.found = bound_rows(self.known, self.c, self.mult)

    def cut(self) -> Array | None:
        """A few maximisers more and the best weights for all of them; the mixture of the answers, (r, d), or None."""
        found = self.found
        assert found.point is not None
        A = found.A[:, 0].astype(np.float64)
        base = found.bound[:, 0] - np.sum(found.A[:, 0] * (found.point[:, 0] - self.known.x), axis=1)  # (r,) at s = 0
        for _ in range(CUTS):
            self.answers.append(self.rows.answer(self.w[:, None] * A))
            values = base + np.einsum("sid,id->si", np.stack(self.answers), A)  # (cuts, r)
            total = float(self.w @ values[-1])
            if total < self.least:
                self.least, self.best_w = total, self.w
                self.best_mult = self.mult.astype(np.float64)
            solved = least_maximum(values)
            if solved is None:
                return None
            self.w, p = solved
        return np.einsum("s,sid->id", p / max(p.sum(), LEAST_SUM), np.stack(self.answers))

    def move(self, mixture: Array) -> None:
        """A few steps in alpha and beta, where all images move by the mixture."""
        mixed = (self.rows.known.x + mixture).astype(self.known.x.dtype)
        for _ in range(ALPHA_STEPS):
            at = replace(self.found, point=mixed[:, None])
            self.descent.step(gradient(self.known, self.c, self.mult, at), RATE)
            self.found = bound_rows(self.known, self.c, self.mult)


def least_maximum(values: Array) -> tuple[Array, Array] | None:
    """The linear program  min t,  t >= values . w,  w >= 0,  sum w = 1:  w (r,) and its duals (cuts,), or None."""
    from scipy.optimize import linprog

    r = values.shape[1]
    with np.errstate(all="ignore"):
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
        return None
    w, p = np.maximum(lp.x[:r], 0), -lp.ineqlin.marginals  # a solver's 0 may be -1e-9, which proves nothing
    return w / w.sum(), p
