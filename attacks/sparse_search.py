"""Fewer pixels: what a sparse answer can still give back.

`prune` puts pixels back that are not needed, `exchange` looks for an answer with one pixel less, `from_elsewhere` walks
back from adversarial points far from x.  An adversarial image is only ever replaced by another with fewer changed
pixels.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from attacks.balls.base import gains
from attacks.images import blocks
from attacks.problem import Problem
from attacks.refine.starts import far_point, known_points
from attacks.refine.walk_back import pixel_by_pixel
from attacks.result import Trace
from minigrad.inputs import Array

Steps: TypeAlias = tuple[Array, Array, Array]  # pixel and value (n, steps), margin (n, steps + 1), as in `Trace`
FAR_OFF = 1.5  # times the pixels that the linearised network asks for, and one more, for small numbers
NEAR_BY = 3.0  # or so many times less: 2.9 at most on our networks, more for nine tenths on three others that mislead
# Rounds whose exchange does not pay, to first order, before an image is given up.  Two classes: with 0 one image in a
# thousand keeps a pixel more, with 1 none of 6,700; 2, or all 8 rounds, only take longer.  Of ten classes, where rounds
# cost little beside nine searches and the rival may change, 2 of 292 images keep a pixel more with 2, none with 3.
SPARE, SPARE_OF_MANY = 1, 3
CANDIDATES = 1 << 21  # numbers in one block of candidates: bounds the memory beyond the batch itself


def prune(problem: Problem, x_adv: Array, rows: Array) -> Array:
    """Put pixels back one at a time, always the one whose loss costs least margin, while the image stays adversarial.

    Returns the images (n, d).  `rows` are the adversarial images to look at.
    """
    x_adv, changed = x_adv.copy(), x_adv != problem.x
    while len(rows):
        image, pixel = np.nonzero(changed[rows])  # a candidate for each pixel still changed
        image = rows[image]
        m = np.empty(len(image))
        for some in blocks(np.arange(len(image)), max(1, CANDIDATES // x_adv.shape[1])):
            at, p = image[some], pixel[some]
            without = x_adv[at]  # (block, d), a copy
            without[np.arange(len(at)), p] = problem.x[at, p]
            m[some] = problem.margin.take(at).value(without)
        order = np.lexsort((m, image))  # the last of each image is its best candidate
        ends = order[np.flatnonzero(np.diff(image[order], append=-1))]
        ends = ends[m[ends] > 0]
        rows, pixel = image[ends], pixel[ends]
        x_adv[rows, pixel], changed[rows, pixel] = problem.x[rows, pixel], False
    return x_adv


def exchange(problem: Problem, x_adv: Array, rows: Array, rounds: int) -> Array:
    """Take back the pixel that costs least of the adversarial images `rows`, then exchange pixels, one a round, in
    search of an answer with one pixel less.

    With g = dm/dx at the image as it is, taking changed pixel i back costs g_i s_i and a pixel j still untouched earns
    |g_j| cap_j, both to first order.  Each round takes back the cheapest and sets the best in its place; what was
    taken back stays out for this image.  An image that is adversarial again has its answer, and tries once more with
    one less.  One whose best exchange costs more than it earns, for the second time (or the fourth: `SPARE`), is given
    up.
    """
    best = x_adv.copy()
    for some in blocks(rows):
        _exchange(problem, best, some, rounds)
    return best


def _exchange(problem: Problem, best: Array, rows: Array, rounds: int) -> None:
    """`exchange` for the images `rows`, written into `best` (n, d)."""
    now, out = best[rows], np.zeros((len(rows), best.shape[1]), bool)  # (r, d) each
    patience = SPARE if problem.margin.classes(problem.x[:1]) <= 2 else SPARE_OF_MANY
    spare = np.full(len(rows), patience)  # (r,)
    for t in range(rounds + 1):
        if not len(rows):
            break
        m, g = problem.margin.take(rows).value_and_gradient(now)
        won = m > 0
        best[rows[won]] = now[won]
        if t == rounds:
            break
        x, at = problem.x[rows], np.arange(len(rows))
        here = problem.ball.take(rows, len(problem.x))
        s = now - x
        cost = np.where(s != 0, g * s, np.inf)  # (r, d)
        cheapest = cost.argmin(axis=1)  # (r,) the pixel whose loss would cost least
        gain = gains(*here.room(x), g)  # (rows, d)
        gain[(s != 0) | out] = 0
        added = gain.argmax(axis=1)
        spare = np.where(won, patience, spare - (gain[at, added] <= cost[at, cheapest]))
        go = (np.count_nonzero(s, axis=1) > 1) & (won | ((gain[at, added] > 0) & (spare >= 0)))
        now[at, cheapest], out[at, cheapest] = x[at, cheapest], True
        lo, hi = (np.broadcast_to(end, x.shape)[at, added] for end in here.box)
        end = np.where(g[at, added] > 0, hi, lo)
        now[at, added] = np.where(won, now[at, added], end)  # after a success the pixel taken back is not replaced
        rows, now, out, spare = rows[go], now[go], out[go], spare[go]


def misled(problem: Problem, x_adv: Array, found: Array, limit: int) -> Array:
    """The images where the linearised network at x was no guide: more pixels than it asks for, by half, or far fewer,
    or a failure although it asks for no more than `limit`.  `found` are those that `x_adv` flips."""
    rows = problem.open_rows
    if not len(rows):
        return rows
    asked = np.empty(len(rows))
    for some in blocks(np.arange(len(rows))):
        x, ball = problem.x[rows[some]], problem.ball.take(rows[some], len(x_adv))
        start, g = problem.margin.take(rows[some]).value_and_gradient(x)
        asked[some] = ball.radius_for(x, g, -start)
    pixels = np.count_nonzero(x_adv[rows] != problem.x[rows], axis=1)
    more = (pixels > FAR_OFF * asked + 1) | (pixels * NEAR_BY <= asked)  # also where it is inf
    return rows[more | (~np.isin(rows, found) & (asked <= limit))]


def _elsewhere(problem: Problem, rows: Array, turns: int, given: Array) -> list[tuple[Array, Array]]:
    """Where to walk back from: `turns` far points of the images `rows`, and the nearest `given` point of each."""
    ball, x = problem.ball.take(rows, len(problem.x)), problem.x[rows]
    parts = [(rows, far_point(ball, x, turn)) for turn in range(turns)] if len(rows) else []
    if len(given) and len(rows):
        at, s = known_points(problem.margin.take(rows), x, ball, given, 1)
        parts.append((rows[at], s))
    return parts


def from_elsewhere(
    problem: Problem, x_adv: Array, rows: Array, turns: int, given: Array, limit: int, rounds: int
) -> Array:
    """From far or `given` points back to x, pixel by pixel: `x_adv` (n, d) is mended in place; which of `rows` were.

    What is adversarial at x + s is walked back (attacks/refine/walk_back.py) and exchanged; it replaces an answer with
    more pixels, or a failure if it has `limit` pixels at most.
    """
    mended = np.zeros(len(x_adv), bool)
    tried = problem.x.copy()
    for image, s in _elsewhere(problem, rows, turns, given):
        for some in blocks(np.arange(len(image))):
            at = image[some]
            points = problem.ball.take(at, len(tried)).apply(problem.x[at], s[some])
            won = problem.margin.take(at).value(points) > 0
            at, back = at[won], s[some[won]]
            if not len(at):
                continue
            x, ball, margin = problem.x[at], problem.ball.take(at, len(tried)), problem.margin.take(at)
            tried[at] = ball.apply(x, pixel_by_pixel(margin, x, back, ball))
            _exchange(problem, tried, at, rounds)
            pixels, before = (np.count_nonzero(now[at] != x, axis=1) for now in (tried, x_adv))
            before[margin.value(x_adv[at]) <= 0] = limit + 1
            better = at[pixels < before]
            x_adv[better], mended[better] = tried[better], True
    return np.flatnonzero(mended)


def trace_to(problem: Problem, x_adv: Array, steps: Steps, anew: Array) -> Trace:
    """The trace of these steps to `x_adv`, with a step for every pixel that came in otherwise (margin NaN).

    Of the rows `anew`, which were found another way, nothing but the pixels themselves is left.
    """
    pixel, value, margin = (each.copy() for each in steps)
    pixel[anew], value[anew], margin[anew, 1:] = -1, np.nan, np.nan
    image, new = np.arange(len(x_adv))[:, None], x_adv != problem.x  # (n, d)
    kept = new[image, pixel] & (x_adv[image, pixel] == value)  # NaN where there is no step
    row, step = np.nonzero(kept)
    new[row, pixel[row, step]] = False
    row, column = np.nonzero(new)
    place = np.arange(len(row)) - np.searchsorted(row, row)  # 0, 1, ... within its image
    shape = len(x_adv), int(place.max(initial=-1)) + 1
    more, its, unknown = np.full(shape, -1), np.full(shape, np.nan), np.full(shape, np.nan)
    more[row, place], its[row, place] = column, x_adv[row, column]
    return Trace(
        pixel=np.hstack([pixel, more]),
        value=np.hstack([value, its]),
        margin=np.hstack([margin, unknown]),
        kept=np.hstack([kept, more >= 0]),
    )


def adversarial(problem: Problem, x_adv: Array) -> Array:
    """The open images that `x_adv` flips, as row numbers."""
    rows = problem.open_rows
    flipped = [problem.margin.take(some).value(x_adv[some]) > 0 for some in blocks(rows)]
    return rows[np.concatenate(flipped)] if len(rows) else rows
