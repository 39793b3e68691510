"""The smallest radius that works: the root of the linearised network first, then steps along the curved one.

Near x the margin is m + g . s, and a perturbation of radius eps earns at most h_S(eps) = max { g . s }, so the smallest
eps is the root of h_S(eps) = -m (attacks/sign_gradient.py).  For an affine network that is the answer; for a curved one
`smallest_eps` re-linearises at the current solution, again and again.

The smallest answer lies on the boundary, where rounding decides; attacks/stretch.py then makes it a little longer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from attacks.ascent import common_start, fade, share_of_way
from attacks.balls import BALLS
from attacks.balls.base import Ball
from attacks.images import blocks
from attacks.problem import Problem, why_level, why_still
from attacks.result import AttackResult, Reason
from attacks.stretch import STRETCH, stretched
from minigrad.inputs import Array, as_count, as_images, as_number
from minigrad.margin import Margin
from minigrad.model import Model

STARTS = 8  # random points of the box, where x has no slope: not critical, each costs such an image a step


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
    levels: tuple[ArrayLike, ArrayLike] | None = None,
    stretch: float = STRETCH,
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
    4. The answer s becomes (1 + t) s, inside the box, t = `stretch` or as many doublings of it as it takes to flip in
       single precision as well, with room to spare (attacks/stretch.py).

    Where no free pixel has a slope at x, the search starts at the best of a few random points of the box.

    The answer is re-measured: `distance` is `|x_adv - x|` of an image that does flip.  It is an upper bound of the
    true minimum.

    Parameters
    ----------
    net, x, y, target, box, mask, levels
        As in `saliency_map`.  Untargeted with k >= 3 classes: a short screening run of the pairwise margins
        N_j - N_y picks one rival class j per image.
    norm : "linf", "l2" or "l1"; for "l0", the fewest pixels, there is `saliency_map`
    steps : int
        One forward pass and pullback of every image each.
    stretch : float in [0, 1)
        0: the answer as it was found, on the boundary up to 1e-9.  A proof wants that, a picture does not.

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
    >>> smallest_eps(net, x, [0], norm="linf").distance.round(5)  # -m / |g|_1
    array([0.125])
    """
    steps = as_count(steps, "steps")
    if norm not in ("linf", "l2", "l1"):
        raise ValueError(f'norm: expected "linf", "l2" or "l1" (for "l0", pixels, use saliency_map), got {norm!r}')
    if not 0 <= as_number(stretch, "stretch") < 1:
        raise ValueError(f"stretch: expected a share of the perturbation in [0, 1), got {stretch}")
    x = as_images(x)
    problem = Problem.from_images(net, x, y, BALLS[norm](np.inf, box, mask), target, levels)
    x_adv, why = problem.x.copy(), np.full(len(x), Reason.BUDGET, object)
    for rows in blocks(problem.open_rows):
        image, rivals = problem.margin.take(rows).against(problem.x[rows])
        image = rows[image]
        if len(image) > len(rows):  # a short screening run picks one rival class per image
            _, radius, m, _ = _descend(rivals, problem.x[image], problem.ball.take(image, len(x)), -(-steps // 4))
            order = np.lexsort((-m, radius, image))  # first the smallest radius, then the largest margin
            best = order[np.flatnonzero(np.diff(image[order], prepend=-1))]
            image, rivals = image[best], rivals.take(best)
        around = problem.ball.take(image, len(x))
        s, radius, _, why[image] = _descend(rivals, problem.x[image], around, steps)
        x_adv[image] = around.apply(problem.x[image], s)
        if stretch and (found := np.isfinite(radius)).any():
            rows = image[found]
            x_adv[rows] = stretched(
                problem.margin.take(rows), problem.x[rows], s[found], problem.ball.take(rows, len(x)), stretch
            )
    return problem.finish(x_adv, why)


def _descend(margin: Margin, x: Array, ball: Ball, steps: int) -> tuple[Array, Array, Array, Array]:
    """Steps 1 to 3 for rows `x` (n, d): the best s (n, d), its radius (n,) or inf, its margin (n,), and why nothing
    could be tried, if so (n,)."""
    m, g = margin.value_and_gradient(x)
    why, level = why_still(ball, x, g), why_level(ball, x, g) != Reason.BUDGET
    root = ball.radius_for(x, g, -m)  # (n,) eps with h_S(eps) = -m
    whole = ball.distance(ball.maximize(x, g))  # the radius of ball is inf: as far as the box lets it
    past = np.maximum(root * (1 + 1e-9), 1e-9 * whole)  # past the tie, also where x is on the boundary and the root 0
    eps = np.where(np.isfinite(root), past, whole / 4)  # a first guess where no root exists
    s, G = ball.with_radius(eps).maximize(x, g), _normalized(g)  # (n, d), (n, d)
    best, top, best_s = np.full(len(x), np.inf), np.full(len(x), -np.inf), np.zeros_like(x)
    elsewhere = np.flatnonzero(level & (m <= 0))
    if len(elsewhere):
        top[elsewhere] = m[elsewhere]
        s[elsewhere], tried = _random_point(margin.take(elsewhere), x[elsewhere], ball.take(elsewhere, len(x)))
        elsewhere = elsewhere[tried]
        why[elsewhere], eps[elsewhere] = Reason.BUDGET, ball.distance(s)[elsewhere]
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
            first, s = s[elsewhere], np.zeros_like(s)  # the root was the first try; the search starts at x
            s[elsewhere] = first  # or where there is a slope
        inner = ball.with_radius(eps)  # each row its own radius
        step = inner.maximize(x, G)
        step -= s
        step *= share_of_way(t, steps)
        step += s
        s = inner.project(x, step)  # s + a (maximiser - s), as near as the ball allows
    return best_s, best, top, why


def _random_point(margin: Margin, x: Array, ball: Ball) -> tuple[Array, Array]:
    """For each row the best s (n, d) of a few random points of the box, and whether there is one (n,).

    An adversarial point is better than others, and a near one than a far one; of the others those count that have a
    slope, by their margin.
    """
    s, near, top = np.zeros_like(x), np.full(len(x), np.inf), np.full(len(x), -np.inf)
    for start in range(STARTS):
        v = common_start(ball, x, 0, start, STARTS)  # the radius of ball is inf: towards a corner of the box
        m, g = margin.value_and_gradient(ball.apply(x, v))
        far = np.where(m > 0, ball.distance(v), np.inf)  # (n,)
        sloping = why_level(ball, x, g) == Reason.BUDGET
        better = (far < near) | (np.isinf(near) & sloping & (m > top))
        s[better], near[better], top[better] = v[better], far[better], m[better]
    return s, np.isfinite(top)


def _normalized(g: Array) -> Array:
    """`g / |g|_inf`, row by row; a row of zeros stays."""
    size = np.maximum(g.max(axis=1), -g.min(axis=1))[:, None]  # (n, 1)
    return g * (1 / np.maximum(size, 1e-300))
