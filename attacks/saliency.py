"""As few pixels as possible: greedy by gain, and the published saliency map of pixel pairs.

Greedy by gain.  The linearised network m(x) + g . s earns |g_i| cap_i from pixel i alone, whatever the others do, so
the best k pixels are the k largest gains, and taking them one after the other is optimal for every k at once
(attacks/balls/l0.py).  The network is only piecewise linear: after each pixel the Jacobian is formed again, and the
next pixel is the best answer to the network as it is now.  That is greedy, not optimal.

Read `saliency_map`, then `_step_by_step` (the attack), `_best_pixel` and `_best_pair` (which pixel); then
attacks/sparse_search.py, which takes pixels back.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball, gains
from attacks.balls.l0 import L0
from attacks.images import blocks
from attacks.problem import Problem, why_still
from attacks.refine.starts import as_starts
from attacks.result import AttackResult, Reason
from attacks.sparse_search import Steps, adversarial, exchange, from_elsewhere, misled, prune, trace_to
from minigrad.inputs import Array, as_count, as_images
from minigrad.margin import Margin
from minigrad.model import Model

PAIRS = 1 << 21  # numbers in one block of pairs: bounds the memory beyond the batch itself
RESTARTS = 8  # corners, where x is no guide: on 256x2 one leaves 5.7 pixels, the best of six walks 4.9
PATIENCE = 40  # steps without a new largest margin, after which a rival is given up: it has been shut off
NONE, FLAT = -1, -2  # in place of a pixel: none is admissible; no pixel has a slope
Choose = Callable[[Margin, Array, Array, Ball], tuple[Array, Array, Array]]  # margin, x, used, ball -> m, pixel, value


def saliency_map(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    max_pixels: int | None = None,
    target: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    mask: ArrayLike | None = None,
    levels: tuple[ArrayLike, ArrayLike] | None = None,
    variant: str = "gain",
    exchanges: int = 8,
    restarts: int | None = None,
    starts: ArrayLike | None = None,
) -> AttackResult:
    """Change pixels until the class flips, then take back those that turn out not to be needed.

    Parameters
    ----------
    net : object with `logits` and `jacobian`
    x : (n, d) inside the box
    y : (n,) the images' classes
    max_pixels : int, optional
        Default: all of them.
    target : int or (n,), optional
        The class to reach.  Default: any other.  With k >= 3 classes the k - 1 pairwise margins N_j - N_y are attacked
        side by side, and the first rival class j to win ends it.
    box, mask
        As in `attacks.balls`.
    levels : (lo, hi), numbers or arrays (d,), optional
        What the bytes 0 and 255 of a picture stand for, for `success_8bit` and `save_png`.  Default: (0, 1) if the box
        lies inside it, else the box; a box given pixel by pixel and beyond [0, 1] does not say it.
    variant : "gain" or "papernot"
        "gain": the pixel of largest box-aware gain max(g_i (hi - x_i), g_i (lo - x_i)), up or down in the same run.
        "papernot": pairs of pixels by the saliency map of Papernot et al. 2016; see `_best_pair`.

    exchanges : int
        Rounds of the search for an answer with one pixel less; see `attacks/sparse_search.py`.  0: none.
    restarts : int, optional
        Corners of the box from which every image is also walked back, pixel by pixel; "gain" only; 0: none.  Default:
        8, for images where x is no guide, or for all where `starts` are given.
    starts : (m, d), optional
        Images that may be adversarial: the nearest that is, as far as box and mask let it, is walked back as well.

    Returns
    -------
    AttackResult
        `distance` counts pixels; `trace` holds every step.

    Raises
    ------
    ValueError
        Bad input, in one sentence, before any work.

    Notes
    -----
    Why the greedy path misses: where one unit carries a class, each pixel lowers it until it is shut off, and then no
    pixel has a slope though the class still wins (62 of 590 images of three networks of others); or hundreds of pixels
    are spent before another unit wakes.  So where more pixels were needed than the network linearised at x asks for, by
    half, or none sufficed, corners of the box, adversarial nearly always, are walked back to x
    (attacks/refine/walk_back.py).  The last resort, for images that still fail: the nearest adversarial image of the
    batch; only then does an answer depend on it.  The trace of an image mended like this is its pixels alone.

    Time: a forward pass and a pullback for each image and step.  Memory: three arrays the size of `x`, k - 1 times
    that with k >= 3 classes and no target.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> result = saliency_map(net, x, [0])
    >>> result.x_adv  # the darker pixel has more room to rise
    array([[1. , 0.5]])
    >>> result.distance
    array([1.])
    """
    choose = _best_pixel if variant == "gain" else _best_pair
    if variant not in ("gain", "papernot"):
        raise ValueError(f'variant: expected "gain" or "papernot", got {variant!r}')
    x = as_images(x)
    exchanges = as_count(exchanges, "exchanges", least=0)
    limit = x.shape[1] if max_pixels is None else min(as_count(max_pixels, "max_pixels"), x.shape[1])
    problem = Problem.from_images(net, x, y, L0(limit, box, mask), target, levels)
    given = as_starts(starts, x.shape[1])
    far = RESTARTS if restarts is None else as_count(restarts, "restarts", least=0)
    x_adv, steps, reason = _step_by_step(problem, choose, limit)
    found, mended = adversarial(problem, x_adv), np.empty(0, int)  # and what follows leaves it so
    x_adv = prune(problem, x_adv, found)
    if exchanges:
        before, x_adv = x_adv, exchange(problem, x_adv, found, exchanges)
        rows = np.flatnonzero((x_adv != before).any(axis=1))
        del before
        x_adv = prune(problem, x_adv, rows)
    if variant == "gain" or len(given):
        rows = problem.open_rows if restarts is not None or len(given) else misled(problem, x_adv, found, limit)
        for turns, points in ((far if variant == "gain" else 0, given), (0, problem.x)):  # the batch: the last resort
            mended = np.union1d(mended, from_elsewhere(problem, x_adv, rows, turns, points, limit, exchanges))
            rows = rows[problem.margin.take(rows).value(x_adv[rows]) <= 0] if len(rows) else rows
        x_adv = prune(problem, x_adv, mended)
    return problem.finish(x_adv, reason, trace_to(problem, x_adv, steps, mended))


def _step_by_step(problem: Problem, choose: Choose, limit: int) -> tuple[Array, Steps, Array]:
    """The best try for each image (n, d), the steps that led to it, and the reason it would have failed (n,)."""
    n, open_rows = len(problem.x), problem.open_rows
    image, rivals = problem.margin.take(open_rows).against(problem.x[open_rows])
    image = open_rows[image]  # row r works on this image, towards one rival; the rows of one image lie side by side
    ball = problem.ball.take(image, n)
    now = problem.x[image]  # (rows, d) the images as they are now: a copy
    used = np.zeros(now.shape, bool)  # (rows, d)
    last, reason = np.full(len(image), -np.inf), np.full(len(image), Reason.BUDGET, object)
    won = np.zeros(n, bool)
    most, patience = np.full(len(image), -np.inf), np.full(len(image), PATIENCE)  # (rows,)
    log: list[tuple[Array, Array, Array]] = []  # per step, for all rows: margin, pixel and value; NaN, -1 where at rest
    active = np.arange(len(image))
    while len(active):
        chosen = [choose(rivals.take(r), now[r], used[r], ball.take(r, len(image))) for r in blocks(active)]
        m, pixel, value = map(np.concatenate, zip(*chosen, strict=True))
        last[active] = m
        won[image[active[m > 0]]] = True
        full = np.count_nonzero(used[active], axis=1) + pixel.shape[1] > limit  # (active,) bool
        stuck = (pixel < 0).any(axis=1)
        reason[active[stuck & ~full]] = Reason.NO_PIXEL
        reason[active[(pixel == FLAT).any(axis=1) & ~full]] = Reason.ZERO_GRADIENT
        patience[active] = np.where(m > most[active], PATIENCE, patience[active] - 1)
        most[active] = np.maximum(m, most[active])
        lost = patience[active] == 0
        reason[active[lost & ~full & ~stuck]] = Reason.NONE_FOUND
        go = ~won[image[active]] & ~full & ~stuck & ~lost
        rest, width = len(image), pixel.shape[1]
        log.append((np.full((rest, 1), np.nan), np.full((rest, width), -1), np.full((rest, width), np.nan)))
        log[-1][0][active, 0] = m
        active, pixel, value = active[go], pixel[go], value[go]
        log[-1][1][active], log[-1][2][active] = pixel, value
        now[active[:, None], pixel] = value
        used[active[:, None], pixel] = True
    ways = len(image) // max(len(open_rows), 1)
    winner = last.reshape(-1, ways).argmax(axis=1) + ways * np.arange(len(open_rows)) if ways else image
    x_adv, why = problem.x.copy(), np.full(n, Reason.BUDGET, object)
    x_adv[open_rows], why[open_rows] = now[winner], reason[winner]
    return x_adv, _steps(problem, log, winner), why


def _steps(problem: Problem, log: list[tuple[Array, Array, Array]], winner: Array) -> Steps:
    """The steps of the winning rows, for all images; a pair becomes two steps, with no margin between them."""
    n, width = len(problem.x), log[0][1].shape[1] if log else 1
    steps = width * max(len(log) - 1, 0)  # the last round moved nothing
    pixel, value, margin = np.full((n, steps), -1), np.full((n, steps), np.nan), np.full((n, steps + 1), np.nan)
    margin[:, 0] = problem.start
    for step, (m, chosen, new) in enumerate(log):
        at = slice(width * step, width * (step + 1))
        margin[problem.open_rows, at.start] = m[winner, 0]
        if at.start < steps:
            pixel[problem.open_rows, at], value[problem.open_rows, at] = chosen[winner], new[winner]
    return pixel, value, margin


def _best_pixel(margin: Margin, x: Array, used: Array, ball: Ball) -> tuple[Array, Array, Array]:
    """`m` (n,), and the pixel of largest gain (NONE or FLAT if none earns anything) with the end that earns it, (n, 1)
    each."""
    m, g = margin.value_and_gradient(x)
    gain = gains(*ball.room(x), g)  # (n, d)
    gain[used] = 0
    pixel = gain.argmax(axis=1)  # (n,)
    rows = np.arange(len(x))
    lo, hi = (np.broadcast_to(end, x.shape)[rows, pixel] for end in ball.box)
    value = np.where(g[rows, pixel] > 0, hi, lo)  # (n,) the end of the box that g points to
    stuck = np.flatnonzero(gain[rows, pixel] <= 0)
    pixel[stuck] = _why_none(ball.take(stuck, len(x)), x[stuck], g[stuck])
    return m, pixel[:, None], value[:, None]


def _best_pair(margin: Margin, x: Array, used: Array, ball: Ball) -> tuple[Array, Array, Array]:
    """`m` (n,), and the pair of pixels of Papernot et al. 2016, algorithm 3, with their new values, (n, 2) each.

    With a_i = dN_target / dx_i and b_i = sum_{j != target} dN_j / dx_i, the pair (p, q) that maximises
        -(a_p + a_q) (b_p + b_q)     among those with  a_p + a_q > 0  and  b_p + b_q < 0
    goes to the upper end of the box.  One logit is read as the two logits (-N/2, N/2).

    Departures: (1) the published map either raises pixels or, with both signs turned, lowers them; here each step takes
    the better of the two, so both directions occur in one run.  (2) Logits, not probabilities (as in their section IV).
    (3) Pixels that no best pair can contain are left out first, and pairs are formed in chunks of bounded memory; the
    answer is the same.
    """
    m = margin.value(x)
    a, b = _target_and_others(margin, x)
    size = np.frexp(np.maximum(np.abs(a), np.abs(b)).max(axis=1, keepdims=True))[1]  # (n, 1)
    a, b = np.ldexp(a, -size), np.ldexp(b, -size)  # by a power of 2: exact, and no product overflows or vanishes
    down, up = ball.room(x)  # lo - x and hi - x, (n, d) each, 0 where masked
    rows = np.arange(len(x))
    best, pixel, rises = np.zeros(len(x)), np.full((len(x), 2), -1), np.zeros(len(x), bool)
    for sign, room in ((1, up > 0), (-1, down < 0)):
        allowed = room & ~used
        score, pair = _pairs(np.where(allowed, sign * a, -np.inf), np.where(allowed, -sign * b, -np.inf))
        better = score > best
        best, rises = np.where(better, score, best), np.where(better, sign > 0, rises)
        pixel = np.where(better[:, None], pair, pixel)
    lo, hi = (np.broadcast_to(end, x.shape)[rows[:, None], pixel] for end in ball.box)
    stuck = np.flatnonzero(pixel[:, 0] < 0)
    slope = np.abs(a[stuck]) + np.abs(b[stuck])
    pixel[stuck] = _why_none(ball.take(stuck, len(x)), x[stuck], slope)[:, None]
    return m, pixel, np.where(rises[:, None], hi, lo)


def _why_none(ball: Ball, x: Array, slope: Array) -> Array:
    """FLAT where no pixel has a slope though there is room, else NONE, (n,)."""
    return np.where(why_still(ball, x, slope) == Reason.ZERO_GRADIENT, FLAT, NONE)


def _target_and_others(margin: Margin, x: Array) -> tuple[Array, Array]:
    """The derivative of the target's logit and of the sum of all others, (n, d) each."""
    J = margin.jacobian(x)  # (n, k, d)
    if J.shape[1] == 1:
        half = np.where(margin.y == 0, 0.5, -0.5)[:, None] * J[:, 0]
        return half, -half
    target = 1 - margin.y if margin.target is None else margin.target  # untargeted with k >= 3 comes here as duels
    a = J[np.arange(len(x)), target]  # (n, d)
    return a, J.sum(axis=1) - a


def _pairs(a: Array, c: Array) -> tuple[Array, Array]:
    """The largest `(a_p + a_q) (c_p + c_q)` with both factors positive and p < q: score (n,) (0 if none), pair (n, 2).

    No pair with p scores more than `most_p = (a_p + max a) (c_p + max c)`.  One good pair is therefore enough to leave
    out most pixels, and the search over the others is still exact.  Pixels with a = -inf take no part.
    """
    n = len(a)
    best, pair = np.zeros(n), np.full((n, 2), -1)
    for i in range(n):
        pixels = np.flatnonzero(np.isfinite(a[i]))
        if len(pixels) < 2:
            continue
        gain, loss = a[i, pixels], c[i, pixels]
        most = _product(gain + gain.max(), loss + loss.max())  # (pixels,) most_p
        first = most.argmax()
        with_first = _product(gain + gain[first], loss + loss[first])  # (pixels,) every pair with `first`
        with_first[first] = 0
        pixels = pixels[most >= with_first.max()]
        gain, loss = a[i, pixels], c[i, pixels]
        rows = max(1, PAIRS // max(len(pixels), 1))
        for start in range(0, len(pixels) - 1, rows):
            p = np.arange(start, min(start + rows, len(pixels) - 1))
            score = _product(gain[p, None] + gain, loss[p, None] + loss)  # (rows, pixels)
            score[np.arange(len(pixels)) <= p[:, None]] = 0
            row, q = np.unravel_index(score.argmax(), score.shape)
            if score[row, q] > best[i]:
                best[i], pair[i] = score[row, q], (pixels[p[row]], pixels[q])
    return best, pair


def _product(gain: Array, loss: Array) -> Array:
    """`gain * loss` where both are positive, else 0."""
    return np.maximum(gain, 0) * np.maximum(loss, 0)
