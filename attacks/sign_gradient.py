"""Small changes, as many pixels as wanted: one step, many steps, and the smallest radius that works.

The linearised network.  m(x + s) = m + g . s with g = dm/dx, and a perturbation of radius r earns at most h_S(r) =
max { g . s }. It flips exactly when h_S(r) > -m, so the smallest radius is the root of h_S(r) = -m.

    box ignored   h_S(eps) = eps |g|_1 for Linf, attained at s = eps sign(g), so eps = -m / |g|_1
    box kept      a black pixel with g_i < 0 cannot move at all: h_S(eps) = sum_i |g_i| min(eps, cap_i), a concave,
    piecewise linear
                  function of eps whose root is exact after sorting the breakpoints cap_i (`LInf.radius_for`)

For an affine network that is the answer.  `smallest_eps` finds it for a curved one by asking again at the answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import BALLS, Ball
from attacks.result import BUDGET, NO_PIXEL, AttackResult, Problem, blocks
from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_number
from minigrad.margin import Margin
from minigrad.model import Model


def fgsm(net: Model, x: ArrayLike, y: ArrayLike, ball: Ball, *, target: ArrayLike | None = None) -> AttackResult:
    """One step: the maximiser over the ball of the network linearised at x.

    s = argmax { g . s : s in S },  g = dm/dx.   For `LInf(eps)` away from the box s = eps sign(g), the fast gradient
    sign method (Goodfellow, Shlens and Szegedy 2015, section 4).  Departures: (1) the margin is differentiated, not
    the loss, whose gradient is a positive multiple of it for two classes; (2) the maximiser knows box and mask; (3)
    any ball: `L0(k)` gives the best k pixels in one shot.

    Parameters
    ----------
    net, x, y, target
        As in `saliency_map`.
    ball : LInf, L0, L1 or L2

    Raises
    ------
    ValueError
        Bad input, before any work.

    Examples
    --------
    >>> import numpy as np
    >>> from attacks import LInf
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [-1.0]], [0.0])])  # N(x) = x_0 - x_1
    >>> fgsm(net, np.array([[0.25, 0.5]]), [0], LInf(0.25)).x_adv  # s = 0.25 sign(g)
    array([[0.5 , 0.25]])
    """
    problem = Problem.of(net, x, y, ball, target)
    x_adv, stuck = np.empty_like(problem.x), np.zeros(len(problem.x), bool)
    for rows in blocks(np.arange(len(x_adv))):
        now, around = problem.x[rows], ball.rows(rows, len(x_adv))
        _, g = problem.margin.rows(rows).value_and_gradient(now)  # (rows, d)
        x_adv[rows] = around.apply(now, around.maximize(now, g))
        stuck[rows] = around.reach(now, g).max(axis=1) == 0  # nothing can move uphill
    return problem.finish(x_adv, np.where(stuck, NO_PIXEL, BUDGET))


def pgd(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    ball: Ball,
    *,
    steps: int = 40,
    restarts: int = 1,
    step: float = 0.5,
    target: ArrayLike | None = None,
    rng: Seed = 0,
) -> AttackResult:
    """Projected ascent of the margin inside the ball (Madry et al. 2018, eq. 2, for any ball).

        v = s_t + a step of radius a_t * radius from x + s_t,    s_{t+1} = project(v)

    The step is the ball's own maximiser from where the image now is: the sign of the gradient for Linf, its direction
    for L2, the pixels of largest slope or gain for L1 and L0.  That is steepest ascent in the norm of the ball.

    Step rule: a_t = step * (1 - t / steps), from half the radius down to nothing.  Long steps first cross the ball
    and the kinks; all together are step (steps + 1) / 2 radii long, so with the default no point of the ball is out of
    reach from steps = 3 on; short ones at the end settle.  An L0 step moves at least one pixel.

    Parameters
    ----------
    net, x, y, target
        As in `saliency_map`.
    ball : LInf, L0, L1 or L2
    steps, restarts : int
        The first run starts at s = 0, the others at random points of the ball.  An image that is flipped is left alone.
    step : float
        The first step as a share of the radius, in (0, 1].
    rng : seed or Generator

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
    >>> from attacks import L2
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [-1.0]], [0.0])])  # N(x) = x_0 - x_1
    >>> pgd(net, np.array([[0.25, 0.5]]), [0], L2(0.5)).success
    array([ True])
    """
    steps, restarts = as_count(steps, "steps"), as_count(restarts, "restarts")
    if not 0 < as_number(step, "step") <= 1:
        raise ValueError(f"step: expected a share of the radius in (0, 1], got {step}")
    problem = Problem.of(net, x, y, ball, target)
    rng = as_generator(rng)
    x_adv, best = problem.x.copy(), problem.start.copy()
    for restart in range(restarts):
        for rows in blocks(np.flatnonzero(best <= 0)):
            around = ball.rows(rows, len(problem.x))
            s = around.sample(problem.x[rows], rng) if restart else np.zeros_like(problem.x[rows])
            m, found = _ascend(problem.margin.rows(rows), problem.x[rows], s, around, steps, step)
            better = m > best[rows]
            best[rows[better]], x_adv[rows[better]] = m[better], found[better]
    still = np.zeros(len(x_adv), bool)  # box and mask leave no pixel any room
    for rows in blocks(np.flatnonzero(best <= 0)):
        down, up = ball.rows(rows, len(x_adv)).room(problem.x[rows])
        still[rows] = np.all((down == 0) & (up == 0), axis=1)
    return problem.finish(x_adv, np.where(still, NO_PIXEL, BUDGET))


def _ascend(margin: Margin, x: Array, s: Array, ball: Ball, steps: int, step: float) -> tuple[Array, Array]:
    """The largest margin seen on the way from `x + s`, (n,), and where, (n, d).  A row stops once it is flipped."""
    best, x_best = np.full(len(x), -np.inf), x.copy()
    rows = np.arange(len(x))
    for t in range(steps + 1):
        around = ball.rows(rows, len(x))
        now = around.apply(x[rows], s)
        m, g = margin.rows(rows).value_and_gradient(now)
        better = m > best[rows]
        best[rows[better]], x_best[rows[better]] = m[better], now[better]
        go = m <= 0
        if t == steps or not go.any():
            break
        rows, around = rows[go], around.rows(np.flatnonzero(go), len(rows))
        move = around.scaled(step * (1 - t / steps)).maximize(now[go], g[go])
        s = around.project(x[rows], s[go] + move)
    return best, x_best


def smallest_eps(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    norm: str = "linf",
    steps: int = 80,
    target: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    mask: ArrayLike | None = None,
) -> AttackResult:
    """The smallest radius found at which each image flips.

    1. The root of h_S(eps) = -m (module docstring) and its maximiser: on an affine network that is the answer, and
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
        As in `saliency_map`.  Untargeted with k >= 3 classes: a short heat of the duels N_j - N_y chooses one for
        each image.
    norm : "linf", "l2" or "l1"
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
    >>> smallest_eps(net, x, [0]).distance.round(6)  # -m / |g|_1
    array([0.125])
    """
    steps = as_count(steps, "steps")
    if norm not in ("linf", "l2", "l1"):
        raise ValueError(f'norm: expected "linf", "l2" or "l1" (for pixels, saliency_map), got {norm!r}')
    x = as_images(x)
    problem = Problem.of(net, x, y, BALLS[norm](np.inf, box, mask), target)
    x_adv, stuck = problem.x.copy(), np.zeros(len(x), bool)
    for rows in blocks(problem.open):
        image, race = problem.margin.rows(rows).against(problem.x[rows])
        image = rows[image]
        if len(image) > len(rows):  # a short heat of all duels chooses one for each image
            _, radius, m, _ = _descend(race, problem.x[image], problem.ball.rows(image, len(x)), -(-steps // 4))
            order = np.lexsort((-m, radius, image))  # first the smallest radius, then the largest margin
            best = order[np.flatnonzero(np.diff(image[order], prepend=-1))]
            image, race = image[best], race.rows(best)
        around = problem.ball.rows(image, len(x))
        s, _, _, stuck[image] = _descend(race, problem.x[image], around, steps)
        x_adv[image] = around.apply(problem.x[image], s)
    return problem.finish(x_adv, np.where(stuck, NO_PIXEL, BUDGET))


def _descend(margin: Margin, x: Array, ball: Ball, steps: int) -> tuple[Array, Array, Array, Array]:
    """Steps 1 to 3 for rows `x` (n, d): the best s (n, d), its radius (n,) or inf, its margin (n,), and who cannot
    move (n,)."""
    m, g = margin.value_and_gradient(x)
    stuck = ball.reach(x, g).max(axis=1) == 0
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

        fade = (1 + np.cos(np.pi * t / steps)) / 2  # 1 to 0
        a, c = 0.01 + 0.49 * fade, 0.001 + 0.049 * fade
        eps = np.minimum(eps, best) * np.where(m > 0, 1 - c, np.where(np.isinf(best), 1.03, 1 + c))
        eps = np.minimum(eps, best)
        G *= 0.9
        G += _normalized(g)  # G <- 0.9 G + g / |g|_inf, (n, d)
        if t == 0:
            s = np.zeros_like(s)  # the root was the first try; the search starts at x
        inner = ball.with_radius(eps)  # each row its own radius
        step = inner.maximize(x, G)
        step -= s
        step *= a
        step += s
        s = inner.project(x, step)  # s + a (maximiser - s), as near as the ball allows
    return best_s, best, top, stuck


def _normalized(g: Array) -> Array:
    """`g / |g|_inf`, row by row; a row of zeros stays."""
    size = np.maximum(g.max(axis=1), -g.min(axis=1))[:, None]  # (n, 1)
    return g * (1 / np.maximum(size, 1e-300))
