"""The smallest radius that works: the root of the linearised network first, then steps along the curved one.

Near x the margin is m + g . s, and a perturbation of radius eps earns at most h_S(eps) = max { g . s }, so the smallest
eps is the root of h_S(eps) = -m (attacks/sign_gradient.py).  For an affine network that is the answer; for a curved one
`smallest_eps` re-linearises at the current solution, again and again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from attacks.ascent import fade, share_of_way
from attacks.balls import BALLS
from attacks.balls.base import Ball, caps
from attacks.images import blocks
from attacks.problem import Problem
from attacks.result import AttackResult, Reason
from minigrad.inputs import Array, as_count, as_images
from minigrad.margin import Margin
from minigrad.model import Model


def smallest_eps(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    norm: str | None = None,
    steps: int = 80,
    target: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    mask: ArrayLike | None = None,
) -> AttackResult:
    """The smallest radius found at which each image flips.

    1. The root of h_S(eps) = -m and its maximiser: on an affine network that is the answer, and
       everything below fails to better it.
    2. On a curved one, `steps` Frank-Wolfe steps s <- project(s + a_t (argmax { G . v : |v| <= eps } - s)), a_t
       falling from 0.5 to 0.01.  At the optimum several linear pieces of the network meet, and the best s belongs to
       a mixture of their gradients: G is a running sum, G <- 0.9 G + g / |g|_inf, and the average of maximisers may
       stop between corners.
    3. After each step eps moves (as in Pintor et al. 2021, algorithm 1): below the best radius by a factor 1 - c_t
       after a success, up by 1 + c_t after a failure, c_t falling from 0.05 to 0.001; by 1.03 while nothing has
       worked yet.

    The answer is re-measured: `distance` is `|x_adv - x|` of an image that does flip.  It is an upper bound of the
    true minimum.

    Parameters
    ----------
    net, x, y, target, box, mask
        As in `saliency_map`.  Untargeted with k >= 3 classes: a short screening run of the pairwise margins
        N_j - N_y picks one rival class j per image.
    norm : "linf", "l2" or "l1"; for "l0", the fewest pixels, there is `saliency_map`
    steps : int
        One forward pass and pullback of every image each.

    Returns
    -------
    AttackResult
        For a failure, `x_adv` is the point of largest margin seen.

    Raises
    ------
    ValueError
        Bad input, before any work.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> smallest_eps(net, x, [0], norm="linf").distance.round(6)  # -m / |g|_1
    array([0.125])
    """
    steps = as_count(steps, "steps")
    if norm not in ("linf", "l2", "l1"):
        raise ValueError(f'norm: expected "linf", "l2" or "l1" (for "l0", pixels, use saliency_map), got {norm!r}')
    x = as_images(x)
    problem = Problem.from_images(net, x, y, BALLS[norm](np.inf, box, mask), target)
    x_adv, stuck = problem.x.copy(), np.zeros(len(x), bool)
    for rows in blocks(problem.open_rows):
        image, rivals = problem.margin.take(rows).against(problem.x[rows])
        image = rows[image]
        if len(image) > len(rows):  # a short screening run picks one rival class per image
            _, radius, m, _ = _descend(rivals, problem.x[image], problem.ball.take(image, len(x)), -(-steps // 4))
            order = np.lexsort((-m, radius, image))  # first the smallest radius, then the largest margin
            best = order[np.flatnonzero(np.diff(image[order], prepend=-1))]
            image, rivals = image[best], rivals.take(best)
        around = problem.ball.take(image, len(x))
        s, _, _, stuck[image] = _descend(rivals, problem.x[image], around, steps)
        x_adv[image] = around.apply(problem.x[image], s)
    return problem.finish(x_adv, np.where(stuck, Reason.NO_PIXEL, Reason.BUDGET))


def _descend(margin: Margin, x: Array, ball: Ball, steps: int) -> tuple[Array, Array, Array, Array]:
    """Steps 1 to 3 for rows `x` (n, d): the best s (n, d), its radius (n,) or inf, its margin (n,), and who cannot
    move (n,)."""
    m, g = margin.value_and_gradient(x)
    stuck = caps(*ball.room(x), g).max(axis=1) == 0
    root = ball.radius_for(x, g, -m)  # (n,) eps with h_S(eps) = -m
    whole = ball.distance(ball.maximize(x, g))  # the radius of ball is inf: as far as the box lets it
    past = np.maximum(root * (1 + 1e-9), 1e-9 * whole)  # past the tie, also where x is on the boundary and the root 0
    eps = np.where(np.isfinite(root), past, whole / 4)  # a first guess where no root exists
    s, G = ball.with_radius(eps).maximize(x, g), _normalized(g)  # (n, d), (n, d)
    best, top, best_s = np.full(len(x), np.inf), np.full(len(x), -np.inf), np.zeros_like(x)
    for t in range(steps):
        m, g = margin.value_and_gradient(ball.apply(x, s))
        radius = ball.distance(s)  # (n,)
        shorter = (m > 0) & (radius < best)
        keep = shorter | (np.isinf(best) & (m > top))
        best[shorter] = radius[shorter]
        best_s[keep], top[keep] = s[keep], m[keep]

        c = 0.001 + 0.049 * fade(t, steps)
        eps = np.minimum(eps, best) * np.where(m > 0, 1 - c, np.where(np.isinf(best), 1.03, 1 + c))
        eps = np.minimum(eps, best)
        G *= 0.9
        G += _normalized(g)  # G <- 0.9 G + g / |g|_inf, (n, d)
        if t == 0:
            s = np.zeros_like(s)  # the root was the first try; the search starts at x
        inner = ball.with_radius(eps)  # each row its own radius
        step = inner.maximize(x, G)
        step -= s
        step *= share_of_way(t, steps)
        step += s
        s = inner.project(x, step)  # s + a (maximiser - s), as near as the ball allows
    return best_s, best, top, stuck


def _normalized(g: Array) -> Array:
    """`g / |g|_inf`, row by row; a row of zeros stays."""
    size = np.maximum(g.max(axis=1), -g.min(axis=1))[:, None]  # (n, 1)
    return g * (1 / np.maximum(size, 1e-300))
