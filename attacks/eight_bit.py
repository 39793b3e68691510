"""The smallest eps among the images that a PNG can hold: every changed pixel is a byte, a multiple of 1/255.

A PNG of what `smallest_eps` finds is another image: rounding moves each changed pixel by up to 1/510, which undoes half
of the flips of the reference network and takes some pixels beyond eps.  So the search is repeated among eps = j / 255
with whole j, near the eps that was found in floats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import LInf
from attacks.images import to_8bit
from attacks.minimum_norm import smallest_eps
from attacks.problem import Problem
from attacks.result import AttackResult
from minigrad.inputs import Array
from minigrad.model import Model

TRIES = 32  # values of j, not critical: on MNIST the first was enough, where pixels of x are no bytes the second
BYTES = to_8bit(np.arange(256) / 255)  # (256,) rising
FLOAT32 = 255 * 2.0**-24  # what float32 can add to an eps, in bytes: half an ulp of each of two pixels just below 1


def smallest_eps_8bit(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    mask: ArrayLike | None = None,
    found: AttackResult | None = None,
) -> AttackResult:
    """The smallest eps = j / 255 found at which each image flips with every changed pixel a byte.

    In floats nothing below `smallest_eps` was found, so j starts at its eps, rounded up, and rises by one until one of
    two candidates flips:

        stretched  x + t s, the float answer stretched to j / 255
        corner     x + argmax { g . v : |v| <= j / 255 }, g = dm/dx at the float answer

    each with every changed pixel at the nearest byte in the box that is within j / 255 of x and on the same side of it;
    a pixel that has none stays as it is.

    Parameters
    ----------
    net, x, y, box, mask
        As in `smallest_eps`.  Pixels of x that are no bytes are changed to some only where the attack changes them.
    found : AttackResult, optional
        What `smallest_eps` found for these images with the same options.  Default: it is called.

    Returns
    -------
    AttackResult
        `distance` is measured from `x_adv`; `success_8bit` equals `success`.  A failure keeps its best try.

    Raises
    ------
    ValueError
        Bad input, before any work; `found` for other images, in another norm, or outside the box or mask.
    """
    problem = Problem.from_images(net, x, y, LInf(np.inf, box, mask))
    if found is None:
        found = smallest_eps(net, x, y, box=box, mask=mask, norm="linf")
    elif not isinstance(found, AttackResult) or found.norm != "linf" or not np.array_equal(found.x, problem.x):
        raise ValueError("found: expected what smallest_eps found for these images, norm linf, got something else")
    elif not problem.ball.contains(problem.x, found.x_adv - problem.x).all():
        raise ValueError("found: expected perturbations inside this box and mask, got some outside")
    x, x_adv, best = problem.x, problem.x.copy(), problem.start.copy()
    rows = problem.open_rows[found.success[problem.open_rows]]
    if not len(rows):
        return problem.finish(x_adv)
    s, eps = found.x_adv[rows] - x[rows], found.distance[rows]  # (rows, d), (rows,)
    _, g = problem.margin.take(rows).value_and_gradient(found.x_adv[rows])
    j = np.maximum(np.ceil(255 * eps - FLOAT32), 1)  # (rows,)
    for _ in range(TRIES):
        if not len(rows):
            break
        ball = problem.ball.take(rows, len(x)).with_radius(j / 255)
        stretched = s * np.divide(j / 255, eps, out=np.zeros_like(eps), where=eps > 0)[:, None]
        for candidate in (ball.project(x[rows], stretched), ball.maximize(x[rows], g)):
            lo, hi = (np.broadcast_to(end, x[rows].shape) for end in ball.box)
            most = (j[:, None] + FLOAT32) / 255  # (rows, 1)
            low = np.where(candidate > 0, x[rows], np.maximum(lo, x[rows] - most))  # not to the other side of x
            high = np.where(candidate < 0, x[rows], np.minimum(hi, x[rows] + most))
            tried = nearest_byte(x[rows] + candidate, low, high)
            tried = np.where((candidate == 0) | np.isnan(tried), x[rows], tried)
            m = problem.margin.take(rows).value(tried)
            better = m > best[rows]
            best[rows[better]], x_adv[rows[better]] = m[better], tried[better]
        go = best[rows] <= 0
        rows, s, eps, g, j = rows[go], s[go], eps[go], g[go], j[go] + 1
    return problem.finish(x_adv)


def nearest_byte(v: Array, lo: Array, hi: Array) -> Array:
    """Of the values a PNG can hold in [lo, hi] the one nearest to `v`, entry by entry; NaN where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> v = nearest_byte(np.array([0.5, 0.5, 0.001]), np.array([0.0, 0.5, 0.001]), np.array([1.0, 0.501, 0.002]))
    >>> (255 * v).round(3)
    array([128.,  nan,  nan])
    """
    first, last = np.searchsorted(BYTES, lo), np.searchsorted(BYTES, hi, side="right") - 1
    byte = np.clip(np.round(255 * v), first, last).astype(int)
    return np.where(first <= last, BYTES[np.clip(byte, 0, 255)], np.nan)
