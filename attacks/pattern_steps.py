"""How the pattern of attacks/pattern.py is found: p, the values at the mask's pixels, in steps along

    g_p = sum_i w_i (dm_i/dx)[M_delta]

The pattern maximises

    mean over images and shifts of  -log(1 + exp(-m_i / tau))   -   smoothness * mean |p_a - p_b|  over neighbours a, b

by the steps of `attacks.uap_methods.ascend` on the box, from the middle grey, and from the best plain one where that is
better; where images may become anything of k >= 3 classes, towards the few that look easiest, too.  Its two weights:
`shifts` are the places the glasses may slip to, each as likely as the others (the expectation over transformations of
Athalye et al. 2018); `smoothness` is what a unit of total variation costs, in units of the smooth count: prints and
lenses have no pixel noise (Sharif et al. 2016, eq. 3).  Their third term, printability, is moot here: every grey can be
printed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from attacks.result import Problem
from attacks.uap_methods import BATCH, JUDGES, best_few, smooth_weight, temperature, unit
from minigrad.inputs import Array

GREYS = 6  # plain fillings that are tried, from black to white


def flipped(problem: Problem, spot: Array, p: ArrayLike) -> Array:
    """Which images, not misclassified already, the values `p` at the pixels `spot` flip, (n,) bool."""
    worn = problem.x.copy()
    worn[:, spot] = p
    return (problem.margin.value(worn) > 0) & (problem.start <= 0)


def best_pattern(
    problem: Problem,
    mask: Array,
    spots: list[Array],
    middle: Array,
    smoothness: float,
    steps: int,
    rng: np.random.Generator,
) -> tuple[Array, list[float]]:
    """The pattern with the best objective seen, and the objectives of those measured."""
    rows, (lo, hi) = problem.open, problem.ball.box
    first, second = neighbours(mask)
    seen: list[tuple[float, Array]] = []

    def rate(p: Array) -> float:
        return float(np.mean([flipped(problem, spot, p)[rows].mean() for spot in spots]))

    def measure(p: Array) -> float:
        value = rate(p) - (smoothness * float(np.abs(p[first] - p[second]).mean()) if len(first) else 0.0)
        seen.append((value, p))
        return value

    def best() -> tuple[float, Array]:
        return max(seen, key=lambda each: each[0])

    steps = int(min(steps * len(spots), max(3 * steps, len(spots))))
    _ascend(problem, mask, spots, middle, smoothness, steps, rng, measure)
    if max(value for value, _ in seen) < 1:
        grey = max((np.full_like(middle, v) for v in np.linspace(lo, hi, GREYS)), key=rate)
        if rate(grey) > rate(best()[1]):  # a plain filling does more: it is a better place to begin
            measure(grey)
            _ascend(problem, mask, spots, grey, smoothness, steps, rng, measure)
        for aimed in _aims(problem, spots, middle, rate):
            _ascend(aimed, mask, spots, middle, smoothness, steps, rng, measure)
    return best()[1], [value for value, _ in seen]


def _aims(
    problem: Problem, spots: list[Array], middle: Array, rate: Callable[[Array], float]
) -> list[Problem]:
    """As `attacks.uap_methods.aims`: the problem aimed at the classes that one step moves most images to."""
    lo, hi = problem.ball.box
    promising = []
    for aimed in problem.aimed():
        worn = problem.x[aimed.open[:JUDGES]]  # (r, d), a copy
        worn[:, spots[0]] = middle
        _, g = aimed.margin.rows(aimed.open[:JUDGES]).value_and_gradient(worn)
        promising.append((rate(np.where(g.sum(axis=0)[spots[0]] > 0, hi, lo)), aimed))
    return best_few(promising)


def _ascend(
    problem: Problem,
    mask: Array,
    spots: list[Array],
    p: Array,
    smoothness: float,
    steps: int,
    rng: np.random.Generator,
    measure: Callable[[Array], float],
) -> None:
    """Steps from the pattern `p`; a few of the patterns on the way are measured."""
    rows, (lo, hi) = problem.open, problem.ball.box
    tau = temperature(problem.start[rows])
    first, second = neighbours(mask)
    G = np.zeros_like(p)
    for t in range(steps):
        spot, some = spots[t % len(spots)], rng.permutation(rows)[:BATCH]
        worn = problem.x[some]  # (r, d), a copy
        worn[:, spot] = p
        m, g = problem.margin.rows(some).value_and_gradient(worn)  # (r,), (r, d)
        slope = (smooth_weight(m, tau) @ g)[spot] / len(some) / tau  # of the mean of -log(1 + exp(-m / tau))
        sign = np.sign(p[first] - p[second]) / max(len(first), 1)  # (pairs,) the slope of mean |p_a - p_b|
        np.subtract.at(slope, first, smoothness * sign)
        np.add.at(slope, second, smoothness * sign)
        G = 0.9 * G + unit(slope)  # (pixels of the mask,)
        fade = (1 + np.cos(np.pi * t / steps)) / 2
        end = np.where(G > 0, hi, np.where(G < 0, lo, p))  # the oracle of the box
        p = p + (0.01 + 0.49 * fade) * (end - p)
        if t + 1 in (steps // 2, 3 * steps // 4, steps):
            measure(p)


def neighbours(mask: Array) -> tuple[Array, Array]:
    """The pairs of mask pixels that touch at a side, as two arrays of positions in the pattern."""
    number = np.cumsum(mask.ravel()).reshape(mask.shape) - 1  # (height, width): each mask pixel's place in p
    down, right = mask[:-1] & mask[1:], mask[:, :-1] & mask[:, 1:]
    first = np.concatenate([number[:-1][down], number[:, :-1][right]])
    return first, np.concatenate([number[1:][down], number[:, 1:][right]])
