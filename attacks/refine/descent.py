"""Descents to the smallest radius: many tries side by side, several of an image, and the best of them go on.

A try is a point with the pairwise margin it climbs.  `walked` makes tries of adversarial points anywhere in the box,
`descend` shortens them, `rounds` leaves the best.  Who asks is attacks/minimum_norm.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from attacks.ascent import fade, share_of_way
from attacks.balls.base import Ball
from attacks.images import blocks
from attacks.problem import Problem
from attacks.refine.walk_back import along_line
from minigrad.inputs import Array
from minigrad.margin import Margin

HASTE = 0.05  # what a success takes off eps, or a failure adds to it, at first; minimum_norm.py has another far from x


@dataclass(frozen=True, eq=False)
class Tries:
    """Points that a search has come to, one a row: several rows for an image, each with the margin it climbs.

    Attributes
    ----------
    image : (r,) int
    margin : Margin of the r rows
    s : (r, d)
        The shortest adversarial s of this row, or that of largest margin.
    radius : (r,)
        |s|, or inf where s is not adversarial.
    top : (r,)
        m at s.
    """

    image: Array
    margin: Margin
    s: Array
    radius: Array
    top: Array

    def take(self, index: Array) -> Tries:
        return Tries(self.image[index], self.margin.take(index), self.s[index], self.radius[index], self.top[index])

    def best(self, most: int) -> Tries:
        """The `most` best rows of each image, images in order: the shortest, then those of largest margin, but of each
        rival its best before any other's second."""
        rival = np.zeros(len(self.image), int) if self.margin.target is None else np.asarray(self.margin.target)
        pair = self.image * (rival.max(initial=0) + 1) + rival
        place = places(self.image, places(pair, self.radius, -self.top), self.radius, -self.top)
        rows = np.lexsort((place, self.image))
        return self.take(rows[place[rows] < most])


def places(group: Array, *keys: Array) -> Array:
    """The place 0, 1, ... of each row in its group, by rising keys, the first of which counts most."""
    order = np.lexsort((*keys[::-1], group))
    place = np.empty(len(group), int)
    place[order] = np.arange(len(group)) - np.searchsorted(group[order], group[order])
    return place


def joined(parts: list[Tries]) -> Tries:
    """The rows of all parts, one below the other; they are of one kind of margin."""
    first, margins = parts[0].margin, [part.margin for part in parts]
    y = np.concatenate([margin.y for margin in margins])
    target = None if first.target is None else np.concatenate([np.asarray(margin.target) for margin in margins])
    image, s, radius, top = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("image", "s", "radius", "top")
    )
    return Tries(image, replace(first, y=y, target=target), s, radius, top)


def walked(problem: Problem, image: Array, s: Array, margin: Margin | None = None) -> Tries:
    """From `x + s` back along the line, where it is adversarial; each row then climbs the rival that is best there, or
    its `margin`, if given.  The rows of `s` are shortened in place."""
    x, ball = problem.x[image], problem.ball.take(image, len(problem.x))
    margin = problem.margin.take(image) if margin is None else margin
    if not len(image):
        return Tries(image, problem.margin.against(problem.x[:1])[1].take(image), s, np.zeros(0), np.zeros(0))
    won = margin.value(ball.apply(x, s)) > 0
    if won.any():
        s[won] = along_line(margin.take(won), x[won], s[won], ball.take(np.flatnonzero(won), len(x)))
    at, rivals = margin.against(x)
    m = rivals.value(ball.apply(x, s)[at])
    first = np.lexsort((-m, at))[np.searchsorted(at, np.arange(len(x)))]
    return Tries(image, rivals.take(first), s, np.where(won, ball.distance(s), np.inf), m[first])


def rounds(problem: Problem, tries: Tries, steps: int, wide: int, last: int = 1) -> Tries:
    """The best try of each image, after a quarter of the steps for the `wide` best and three for the `last` of them."""
    tries = down(problem, tries.best(wide), -(-steps // 4))
    return down(problem, tries.best(last), -(-3 * steps // 4)).best(1)


def down(problem: Problem, tries: Tries, steps: int, haste: float = HASTE) -> Tries:
    """`descend` from where each try is, a block at a time."""
    parts = []
    for some in blocks(np.arange(len(tries.image))):
        part = tries.take(some)
        x, ball = problem.x[part.image], problem.ball.take(part.image, len(problem.x))
        parts.append(descend(part, x, ball, part.s, ball.distance(part.s), steps, haste))
    return joined(parts) if parts else tries


def descend(
    tries: Tries,
    x: Array,
    ball: Ball,
    s: Array,
    eps: Array,
    steps: int,
    haste: float = HASTE,
    from_x: Array | None = None,
) -> Tries:
    """Steps 2 and 3 of `smallest_eps`, from `s` (r, d) with first radii `eps` (r,); c_t begins at `haste`.

    `from_x` is the gradient at x: the first s is then the root, after which the search starts at x itself.
    """
    best, top, best_s = tries.radius.copy(), tries.top.copy(), tries.s.copy()
    G = np.zeros_like(s) if from_x is None else _normalized(from_x)  # (r, d)
    for t in range(steps):
        m, g = tries.margin.value_and_gradient(ball.apply(x, s))
        radius = ball.distance(s)  # (r,)
        shorter = (m > 0) & (radius < best)
        keep = shorter | (np.isinf(best) & (m > top))
        best[shorter] = radius[shorter]
        best_s[keep], top[keep] = s[keep], m[keep]

        c = 0.001 + (haste - 0.001) * fade(t, steps)
        eps = np.minimum(eps, best) * np.where(m > 0, 1 - c, np.where(np.isinf(best), 1.03, 1 + c))
        eps = np.minimum(eps, best)
        G *= 0.9
        G += _normalized(g)  # G <- 0.9 G + g / |g|_inf, (r, d)
        if t == 0 and from_x is not None:
            s = np.zeros_like(s)
        inner = ball.with_radius(eps)  # each row its own radius
        step = inner.maximize(x, G)
        step -= s
        step *= share_of_way(t, steps)
        step += s
        s = inner.project(x, step)  # s + a (maximiser - s), as near as the ball allows
    return replace(tries, s=best_s, radius=best, top=top)


def _normalized(g: Array) -> Array:
    """`g / |g|_inf`, row by row; a row of zeros stays."""
    size = np.maximum(g.max(axis=1), -g.min(axis=1))[:, None]  # (n, 1)
    return g * (1 / np.maximum(size, 1e-300))
