"""How the pattern of attacks/patch/attack.py is found: by steps on p, the values at the mask's pixels.

They go along

    g_p = sum_i w_i (dm_i/dx)[M_delta]

The pattern maximises

    mean over images and shifts of  -log(1 + exp(-m_i / tau))   -   smoothness * mean |p_a - p_b|  over neighbours a, b

by Frank-Wolfe steps on the box, as `attacks.uap.methods.ascend` takes them, from the middle grey, and from the best
plain filling where that is better; where images may become anything of k >= 3 classes, towards the few that look
easiest, too.  Its two weights: `shifts` are the places the glasses may slip to, each as likely as the others (the
expectation over transformations of Athalye et al. 2018); `smoothness` is what a unit of total variation costs, in units
of the smooth count: prints and lenses have no pixel noise (Sharif et al. 2016, eq. 3).  Their third term, printability,
is moot here: every grey can be printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from attacks.ascent import BATCH, SAMPLE, most_promising, share_of_way, smooth_weight, temperature, unit
from attacks.patch.masks import apply_patch
from attacks.problem import Problem
from minigrad.inputs import Array

GREYS = 6  # plain fillings that are tried, from black to white: from the best of 3 or 12 the result was the same


@dataclass(frozen=True, eq=False)
class PatternSearch:
    """What a pattern is for, and every pattern that was measured.

    Attributes
    ----------
    problem : Problem
    masks : list of (height, width) bool
        The mask at each of its places.
    smoothness : float
    first, second : (pairs,) int
        Pixels of the mask that touch at a side, as positions in the pattern.
    seen : list of (value, pattern)
    """

    problem: Problem
    masks: list[Array]
    smoothness: float
    first: Array
    second: Array
    seen: list[tuple[float, Array]] = field(default_factory=list)

    @property
    def best(self) -> Array:
        """The pattern of largest value, the first of equals."""
        return max(self.seen, key=lambda each: each[0])[1]

    def rate(self, p: Array) -> float:
        """The share of images that `p` flips, averaged over the places."""
        rows = self.problem.open_rows
        return float(np.mean([flipped(self.problem, mask, p)[rows].mean() for mask in self.masks]))

    def measure(self, p: Array) -> None:
        """Note the value of `p`: its rate less the price of its roughness."""
        rough = float(np.abs(p[self.first] - p[self.second]).mean()) if len(self.first) else 0.0
        self.seen.append((self.rate(p) - self.smoothness * rough, p))

    def target_classes(self, start: Array) -> list[Problem]:
        """As `attacks.uap.methods.target_classes`: those that one step from `start` moves most images to."""
        (lo, hi), mask = self.problem.ball.box, self.masks[0]
        candidates = []
        for towards in self.problem.targeted():
            rows = towards.open_rows[:SAMPLE]
            _, g = towards.margin.take(rows).value_and_gradient(apply_patch(towards.x[rows], mask, start))
            candidates.append((self.rate(np.where(g.sum(axis=0)[mask.ravel()] > 0, hi, lo)), towards))
        return most_promising(candidates)

    def ascend(self, problem: Problem, p: Array, steps: int, rng: np.random.Generator) -> None:
        """Steps from the pattern `p` for `problem`, which may have a target; three patterns on the way are measured."""
        rows, (lo, hi) = problem.open_rows, problem.ball.box
        tau, G = temperature(problem.start[rows]), np.zeros_like(p)  # G: a running sum of slopes, (pixels of the mask,)
        for t in range(steps):
            mask, some = self.masks[t % len(self.masks)], rng.permutation(rows)[:BATCH]
            m, g = problem.margin.take(some).value_and_gradient(apply_patch(problem.x[some], mask, p))  # (r,), (r, d)
            slope = (smooth_weight(m, tau) @ g)[mask.ravel()] / len(some) / tau  # of mean -log(1 + exp(-m / tau))
            sign = np.sign(p[self.first] - p[self.second]) / max(len(self.first), 1)  # the slope of mean |p_a - p_b|
            np.subtract.at(slope, self.first, self.smoothness * sign)
            np.add.at(slope, self.second, self.smoothness * sign)
            G = 0.9 * G + unit(slope)
            end = np.where(G > 0, hi, np.where(G < 0, lo, p))  # the maximiser of G . p in the box
            p = p + share_of_way(t, steps) * (end - p)
            if t + 1 in (steps // 2, 3 * steps // 4, steps):
                self.measure(p)


def find_pattern(
    problem: Problem, masks: list[Array], start: Array, smoothness: float, steps: int, rng: np.random.Generator
) -> tuple[Array, list[float]]:
    """The pattern of the best value seen, searched from `start`, and the values of those measured.

    `masks` are the mask at each of its places; `steps` are per place, at most three times as many in all.
    """
    search, (lo, hi) = PatternSearch(problem, masks, smoothness, *neighbours(masks[0])), problem.ball.box
    steps = int(min(steps * len(masks), max(3 * steps, len(masks))))
    search.ascend(problem, start, steps, rng)
    if max(value for value, _ in search.seen) < 1:
        grey = max((np.full_like(start, v) for v in np.linspace(lo, hi, GREYS)), key=search.rate)
        if search.rate(grey) > search.rate(search.best):  # a plain filling does more: it is a better place to begin
            search.measure(grey)
            search.ascend(problem, grey, steps, rng)
        for towards in search.target_classes(start):
            search.ascend(towards, start, steps, rng)
    return search.best, [value for value, _ in search.seen]


def flipped(problem: Problem, mask: Array, p: ArrayLike) -> Array:
    """Which images, not misclassified already, the values `p` at the pixels of `mask` flip, (n,) bool."""
    return (problem.margin.value(apply_patch(problem.x, mask, p)) > 0) & (problem.start <= 0)


def neighbours(mask: Array) -> tuple[Array, Array]:
    """The pairs of mask pixels that touch at a side, as two arrays of positions in the pattern."""
    number = np.cumsum(mask.ravel()).reshape(mask.shape) - 1  # (height, width): each mask pixel's place in p
    down, right = mask[:-1] & mask[1:], mask[:, :-1] & mask[:, 1:]
    first = np.concatenate([number[:-1][down], number[:, :-1][right]])
    return first, np.concatenate([number[1:][down], number[:, 1:][right]])
