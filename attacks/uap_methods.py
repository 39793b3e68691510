"""Four ways to look for one s, each a function that hands every candidate to the crowd, which keeps the best.

    first step    the oracle applied to the mean gradient of all images
    iterate       image by image, the smallest step that mends it (Moosavi-Dezfooli et al. 2017)
    ascend        stochastic ascent of a smooth count of the fooled, then of the worst margin
    aims          the classes that all images are moved to most easily
    pixels        one pixel at a time, where pixels are counted
    program       sequential linear programs: the best worst margin of the linearised network
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from attacks.balls import Ball
from attacks.crowd import Crowd
from minigrad.inputs import Array
from minigrad.margin import Margin

BATCH = 250  # images a step of `ascend`
Aim = TypeVar("Aim")  # a crowd, or a problem
AIMS = 2  # classes that all images are moved to, where they may become anything
PROGRAM_IMAGES, PROGRAM_ROUNDS = 200, 4  # a linear program of 200 rows takes some tenths of a second
TRIED, JUDGES = 4, 400  # pixels of largest gain that `pixels` measures, and on how many images


def first_step(crowd: Crowd) -> Array:
    """The maximiser of the mean gradient: the best answer to the averaged linearised network."""
    x = crowd.problem.x[crowd.rows]
    _, g = crowd.problem.margin.rows(crowd.rows).value_and_gradient(x)
    g = g / len(g)
    s = crowd.oracle(g, x, crowd.rows)
    crowd.measure(s)
    return s


def aims(crowd: Crowd) -> list[Crowd]:
    """Where images of k >= 3 classes may become anything: the crowd, aimed at the few classes that look easiest.

    The rival that is nearest to an image changes from image to image and from step to step, so their gradients pull
    different ways; towards one class they pull together.  Judged by the `first_step` towards each class.
    """
    promising = []
    for one in crowd.aimed():
        first_step(one)
        promising.append((crowd.history[-1], one))
    return best_few(promising)


def best_few(promising: list[tuple[float, Aim]]) -> list[Aim]:
    """Of (rate, aim) the `AIMS` aims of largest rate, the first of equals first."""
    return [aim for _, aim in sorted(promising, key=lambda each: each[0], reverse=True)[:AIMS]]


def iterate(crowd: Crowd, s: Array, passes: int, overshoot: float, rng: np.random.Generator) -> bool:
    """Passes over the images in random order, from s; whether the last of them still moved it.

    Where clip(x_i + s) is not fooled yet, add the smallest step d that crosses the linearised boundary there,
    m + g . d = 0 (that is `ball.radius_for`, the step of DeepFool), and project s + d back to the set.
    """
    n, x, ball = len(crowd.problem.x), crowd.problem.x, crowd.problem.ball
    for _ in range(passes):
        if crowd.done:
            break
        before = s
        for i in rng.permutation(crowd.rows):
            row = np.array([i])
            s = visit(crowd.problem.margin.rows(row), x[row], s, ball.rows(row, n), crowd.free, overshoot)
        if np.array_equal(s, before):
            return False
        crowd.measure(s)
    return True


def visit(margin: Margin, x: Array, s: Array, ball: Ball, free: Ball, overshoot: float) -> Array:
    """`s` after one image `x` (1, d) had its say."""
    now = ball.apply(x, s)
    m, g = margin.value_and_gradient(now)
    if m[0] > 0:
        return s
    needed = ball.radius_for(now, g, -m)  # (1,)
    length = np.where(np.isfinite(needed), needed, ball.radius)
    length = np.where(needed > 0, length, ball.scaled(1e-6).radius)  # on the boundary: any step, or one pixel
    d = ball.with_radius(length).scaled(1 + overshoot).maximize(now, g)[0]
    return free.project(np.zeros_like(s), s + d)


def ascend(crowd: Crowd, steps: int, rng: np.random.Generator) -> None:
    """Two runs of Frank-Wolfe steps s <- project(s + a_t (argmax { G . v } - s)), G a running sum of batch gradients.

    The count of the fooled has no slope, so it is smoothed.  With tau a quarter of the mean |m| at the start,

        smooth count   sum_i -tau log(1 + exp(-m_i / tau)),    weight of image i:  1 / (1 + exp(m_i / tau))
        worst margin   -tau log sum_i exp(-m_i / tau),         weight of image i:  exp(-m_i / tau), to sum 1

    An image that is fooled for good has no weight left, one that is hopeless a bounded one (in the first).  Each run
    starts at the best s seen, the second with a quarter of tau.  a_t falls from 1/2 to 1/100 as in `smallest_eps`.
    """
    tau = temperature(crowd.problem.start[crowd.rows])
    zero = np.zeros_like(crowd.best)
    for part, smooth in ((steps, True), (steps // 2, False)):
        s, G = crowd.best, zero
        for t in range(part):
            rows = rng.permutation(crowd.rows)[:BATCH]
            m, _, g = crowd.slopes(s, rows)  # (rows,), (rows, d)
            weight = smooth_weight(m, tau) if smooth else np.exp(-(m - m.min()) / (tau / 4))
            G = 0.9 * G + unit(weight @ g)  # (d,) = sum_i weight_i g_i, of unit size
            fade = (1 + np.cos(np.pi * t / part)) / 2
            s = crowd.free.project(zero, s + (0.01 + 0.49 * fade) * (crowd.free.maximize(zero, G) - s))
            if t + 1 in (part // 2, 3 * part // 4, part):
                crowd.measure(s)
                if crowd.done:
                    return


def pixels(crowd: Crowd) -> list[Array]:
    """One pixel at a time, up to the radius: s after each of them.

    The smooth count of `ascend`, linearised where the images now are, says what each pixel earns at its best value for
    all of them (`Ball.together`); of the best few the one that truly raises it most is painted.
    """
    problem, rows, s = crowd.problem, crowd.rows, np.zeros_like(crowd.best)
    tau = temperature(problem.start[rows])
    path: list[Array] = []
    for _ in range(int(min(crowd.free.radius, len(s)))):
        m, g, _ = crowd.slopes(s, rows)
        now = crowd.points(s, rows)  # (rows, d)
        A = smooth_weight(m, tau)[:, None] * g  # (rows, d) slopes of the smooth count
        move = crowd.oracle(A, now, rows, TRIED, outside=s != 0)  # (d,)
        tries = [s + move * (np.arange(len(s)) == j) for j in np.flatnonzero(move)]
        if not tries:
            break
        some = rows[:JUDGES]
        margin = problem.margin.rows(some)
        s = max(tries, key=lambda v: -np.mean(np.logaddexp(0, -margin.value(crowd.points(v, some)) / tau)))
        path.append(s)
        if crowd.measure(s) == 1:
            break
    return path


def program(crowd: Crowd, rng: np.random.Generator) -> None:
    """max t  over s in the set and t <= m_i + J_i (s - s_0): the largest worst margin of the network linearised at s_0.

    Asked again at the answer, from the best s seen.  On an affine network of two classes, with the convention "inside"
    and at most `PROGRAM_IMAGES` images, the first answer is the optimum.  Otherwise clipped pixels count as fixed, and
    only a random part of the images takes part.
    """
    from scipy.optimize import linprog

    zero = np.zeros_like(crowd.best)
    ends = crowd.free.segments(zero[None])
    if ends is None:
        return
    down, up, budget = ends
    d = len(zero)
    rows = rng.permutation(crowd.rows)[:PROGRAM_IMAGES]
    bounds = [*((0, v) for v in up[0]), *((0, -v) for v in down[0]), (None, None)]  # s = p - q, and t
    s = crowd.best
    for _ in range(PROGRAM_ROUNDS):
        m, _, J = crowd.slopes(s, rows)  # (rows,), (rows, d)
        A, b = np.concatenate([-J, J, np.ones((len(J), 1))], axis=1), m - J @ s
        if np.isfinite(budget):
            A, b = np.concatenate([A, np.append(np.ones(2 * d), 0)[None]]), np.append(b, budget)
        with np.errstate(all="ignore"):
            found = linprog(np.append(np.zeros(2 * d), -1), A, b, bounds=bounds, method="highs")
        if found.status != 0:
            return
        before, s = s, crowd.free.project(zero, found.x[:d] - found.x[d : 2 * d])
        crowd.measure(s)
        if np.abs(s - before).max() <= 1e-9 * max(np.abs(s).max(), 1e-300):
            return


def temperature(m: Array) -> float:
    """A quarter of the mean |m|; 1 where that is too small to divide by."""
    tau = float(np.mean(np.abs(m))) / 4
    return tau if tau > 1e-300 else 1.0


def smooth_weight(m: Array, tau: float) -> Array:
    """`1 / (1 + exp(m / tau))`."""
    return 0.5 * (1 - np.tanh(m / (2 * tau)))


def unit(g: Array) -> Array:
    """`g / |g|_inf`; zeros stay."""
    size = np.abs(g).max()
    return g / size if size > 0 else g
