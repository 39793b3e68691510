"""Ways to look for one s, each a function that hands every candidate to the image set, which keeps the best.

first_step      the linear maximisation oracle at the mean gradient of all images
iterate         image by image, the smallest step that mends it (Moosavi-Dezfooli et al. 2017)
ascend          stochastic ascent of a smooth count of the fooled, then of the worst margin
pixels          one pixel at a time, where pixels are counted
target_classes  the classes that all images are moved to most easily
climb           the first step, then `ascend` or `pixels`, towards those classes and away from each image's own
"""

from __future__ import annotations

import numpy as np

from attacks.ascent import BATCH, SAMPLE, most_promising, share_of_way, smooth_weight, temperature, unit
from attacks.balls.base import Ball
from attacks.uap.image_set import ImageSet
from minigrad.inputs import Array
from minigrad.margin import Margin

TRIED = 4  # pixels of largest predicted gain that `pixels` measures: 2 and 8 fooled as many fours with 8 pixels


def first_step(images: ImageSet) -> Array:
    """The maximiser of the mean gradient: the best answer to the averaged linearised network."""
    x = images.problem.x[images.open_rows]
    _, g = images.problem.margin.take(images.open_rows).value_and_gradient(x)
    g = g / len(g)  # under the same name, so that the old array is freed: it is as large as x
    s = images.oracle(g, x, images.open_rows)
    images.measure(s)
    return s


def target_classes(images: ImageSet) -> list[ImageSet]:
    """Of k >= 3 classes that images may become: the set, targeted at the few classes that look easiest.

    The rival class that is nearest to an image changes from image to image and from step to step, so their gradients
    pull different ways; towards one class they pull together.  Ranked by the rate after `first_step`.
    """
    candidates = []
    for towards in images.targeted():
        first_step(towards)
        candidates.append((images.history[-1], towards))
    return most_promising(candidates)


def iterate(images: ImageSet, s: Array, passes: int, overshoot: float, rng: np.random.Generator) -> bool:
    """Passes over the images in random order, from s; whether the last of them still moved it.

    Where clip(x_i + s) is not fooled yet, add the smallest step d that crosses the linearised boundary there,
    m + g . d = 0 (that is `ball.radius_for`, the step of DeepFool), and project s + d back to the set.
    """
    n, x, ball = len(images.problem.x), images.problem.x, images.problem.ball
    for _ in range(passes):
        if images.done:
            break
        before = s
        for i in rng.permutation(images.open_rows):
            row = np.array([i])
            s = visit(images.problem.margin.take(row), x[row], s, ball.take(row, n), images.free, overshoot)
        if np.array_equal(s, before):
            return False
        images.measure(s)
    return True


def visit(margin: Margin, x: Array, s: Array, ball: Ball, free: Ball, overshoot: float) -> Array:
    """`s` after processing one image `x` (1, d)."""
    now = ball.apply(x, s)
    m, g = margin.value_and_gradient(now)
    if m[0] > 0:
        return s
    needed = ball.radius_for(now, g, -m)  # (1,)
    length = np.where(np.isfinite(needed), needed, ball.radius)
    length = np.where(needed > 0, length, ball.scaled(1e-6).radius)  # on the boundary: any step, or one pixel
    d = ball.with_radius(length).scaled(1 + overshoot).maximize(now, g)[0]
    return free.project(np.zeros_like(s), s + d)


def climb(images: ImageSet, steps: int, rng: np.random.Generator) -> list[Array]:
    """`first_step`, then `ascend`, or `pixels` where they are counted; the path of the `pixels` that did most."""
    zero = np.zeros_like(images.best)
    counted = images.free.counts and images.free.segments(zero[None]) is None
    path: list[Array] = []
    if not images.done:
        first_step(images)
    for one in [*([] if images.done else target_classes(images)), images]:
        before = max(images.history)
        if counted and not (path and images.done):
            now = pixels(one)
            path = now if max(images.history) > before or not path else path
        elif not images.done:
            ascend(one, steps, rng)
    return path


def ascend(images: ImageSet, steps: int, rng: np.random.Generator) -> None:
    """Two runs of Frank-Wolfe steps s <- project(s + a_t (argmax { G . v } - s)), G a running sum of batch gradients.

    With tau a quarter of the mean |m| at the start (attacks/ascent.py), the runs maximise

        smooth count   sum_i -tau log(1 + exp(-m_i / tau)),    weight of image i:  1 / (1 + exp(m_i / tau))
        worst margin   -tau log sum_i exp(-m_i / tau),         weight of image i:  exp(-m_i / tau), up to a factor

    each from the best s seen, the second with a quarter of tau.  a_t falls from 1/2 to 1/100.
    """
    tau = temperature(images.problem.start[images.open_rows])
    zero = np.zeros_like(images.best)
    for part, smooth in ((steps, True), (steps // 2, False)):
        s, G = images.best, zero
        for t in range(part):
            rows = rng.permutation(images.open_rows)[:BATCH]
            m, _, g = images.slopes(s, rows)  # (rows,), (rows, d)
            weight = smooth_weight(m, tau) if smooth else np.exp(-(m - m.min()) / (tau / 4))
            G = 0.9 * G + unit(weight @ g)  # (d,) = sum_i weight_i g_i, of unit size
            s = images.free.project(zero, s + share_of_way(t, part) * (images.free.maximize(zero, G) - s))
            if t + 1 in (part // 2, 3 * part // 4, part):
                images.measure(s)
                if images.done:
                    return


def pixels(images: ImageSet) -> list[Array]:
    """One pixel at a time, up to the radius: s after each of them.

    The smooth count, linearised where the images now are, predicts what each pixel earns at its best value for all of
    them (`Ball.maximize_jointly`); of the best few, the one that raises the true smooth count most is changed.
    """
    problem, rows, s = images.problem, images.open_rows, np.zeros_like(images.best)
    tau, some = temperature(problem.start[rows]), rows[:SAMPLE]
    margin = problem.margin.take(some)
    path: list[Array] = []
    for _ in range(int(min(images.free.radius, len(s)))):
        m, g, _ = images.slopes(s, rows)
        A = smooth_weight(m, tau)[:, None] * g  # (rows, d) slopes of the smooth count
        move = images.oracle(A, images.points(s, rows), rows, TRIED, outside=s != 0)  # (d,)
        tries = [s + move * (np.arange(len(s)) == j) for j in np.flatnonzero(move)]
        if not tries:
            break
        s = max(tries, key=lambda v: -np.mean(np.logaddexp(0, -margin.value(images.points(v, some)) / tau)))
        path.append(s)
        if images.measure(s) == 1:
            break
    return path
