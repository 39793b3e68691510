"""The smallest eps among the images that a PNG can hold: every changed pixel is a byte.

A PNG of what `smallest_eps` finds is another image: rounding moves each changed pixel by up to half a byte, which
undoes half of the flips of the reference network and takes some pixels beyond eps.  So the search is repeated among
eps = j bytes with whole j, near the eps that was found in floats.  A byte is 1/255 of the range of the picture
(attacks/images.py): 1/255 in [0, 1], 2/255 in [-1, 1], 1 in [0, 255].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.linf import LInf
from attacks.images import UNIT, UNKNOWN, Levels, from_bytes, to_share
from attacks.minimum_norm import smallest_eps
from attacks.problem import Problem
from attacks.refine.stretch import STRETCH
from attacks.result import AttackResult
from minigrad.inputs import Array
from minigrad.model import Model

TRIES = 32  # values of j, not critical: on MNIST the first was enough, where pixels of x are no bytes the second
FLOAT32 = 255 * 2.0**-24  # what float32 can add to an eps, in bytes of [0, 1]: half an ulp of each of two pixels


def smallest_eps_8bit(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    mask: ArrayLike | None = None,
    levels: tuple[ArrayLike, ArrayLike] | None = None,
    found: AttackResult | None = None,
) -> AttackResult:
    """The smallest eps of j bytes found at which each image flips with every changed pixel a byte.

    In floats nothing below `smallest_eps` was found, so j starts at its eps, rounded up, and rises by one until one of
    two candidates flips, b = (hi - lo) / 255 being one byte:

        longer     x + t s, the float answer s lengthened to j b
        corner     x + argmax { g . v : |v| <= j b }, g = dm/dx at the float answer

    each with every changed pixel at the nearest byte in the box that is within j b of x and on the same side of it; a
    pixel that has none stays as it is.

    Parameters
    ----------
    net, x, y, box, mask
        As in `smallest_eps`.  Pixels of x that are no bytes are changed to some only where the attack changes them.
    levels : (lo, hi), two numbers, optional
        What the bytes 0 and 255 stand for.  Default: (0, 1) if the box lies inside it, else the box.
    found : AttackResult, optional
        What `smallest_eps` found for these images with the same options.  Default: it is called.

    Returns
    -------
    AttackResult
        `distance` is measured from `x_adv`; `success_8bit` equals `success`.  A failure keeps its best try.

    Raises
    ------
    ValueError
        Bad input, before any work; a box given pixel by pixel and beyond [0, 1] without `levels`; `found` for other
        images, in another norm, or outside the box or mask.
    """
    problem = Problem.from_images(net, x, y, LInf(np.inf, box, mask), levels=levels)
    width, slack = _range(problem.levels)
    longer = 1 + STRETCH  # than needed is what smallest_eps returns by default
    if found is None:
        found, longer = smallest_eps(net, x, y, box=box, mask=mask, norm="linf", stretch=0), 1.0
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
    j = np.maximum(np.ceil(255 * eps / longer / width - slack), 1)  # (rows,)
    for _ in range(TRIES):
        if not len(rows):
            break
        reach = j * width / 255  # (rows,)
        ball = problem.ball.take(rows, len(x)).with_radius(reach)
        lengthened = s * np.divide(reach, eps, out=np.zeros_like(eps), where=eps > 0)[:, None]
        for candidate in (ball.project(x[rows], lengthened), ball.maximize(x[rows], g)):
            lo, hi = (np.broadcast_to(end, x[rows].shape) for end in ball.box)
            most = ((j[:, None] + slack) * width) / 255  # (rows, 1)
            low = np.where(candidate > 0, x[rows], np.maximum(lo, x[rows] - most))  # not to the other side of x
            high = np.where(candidate < 0, x[rows], np.minimum(hi, x[rows] + most))
            tried = nearest_byte(x[rows] + candidate, low, high, problem.levels or UNIT)
            tried = np.where((candidate == 0) | np.isnan(tried), x[rows], tried)
            m = problem.margin.take(rows).value(tried)
            better = m > best[rows]
            best[rows[better]], x_adv[rows[better]] = m[better], tried[better]
        go = best[rows] <= 0
        rows, s, eps, g, j = rows[go], s[go], eps[go], g[go], j[go] + 1
    return problem.finish(x_adv)


def _range(levels: Levels | None) -> tuple[float, float]:
    """`hi - lo` of two numbers, and what float32 can add to an eps, in bytes.  Raises ValueError for anything else."""
    if levels is None:
        raise ValueError(UNKNOWN)
    lo, hi = levels
    if np.ndim(lo) or np.ndim(hi):
        raise ValueError(
            f"levels: expected two numbers, for one eps in bytes, got shapes {np.shape(lo)} and {np.shape(hi)}"
        )
    width = float(hi - lo)
    return width, FLOAT32 * max(abs(float(lo)), abs(float(hi))) / (width or 1.0)


def nearest_byte(v: Array, lo: Array, hi: Array, levels: Levels = UNIT) -> Array:
    """Of the values a PNG can hold in [lo, hi] the one nearest to `v`, entry by entry; NaN where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> v = nearest_byte(np.array([0.5, 0.5, 0.001]), np.array([0.0, 0.5, 0.001]), np.array([1.0, 0.501, 0.002]))
    >>> (255 * v).round(3)
    array([128.,  nan,  nan])
    """
    held = from_bytes(np.arange(256), levels)  # (256,) rising
    first, last = np.searchsorted(held, lo), np.searchsorted(held, hi, side="right") - 1
    byte = np.clip(np.round(255 * to_share(v, levels)), first, last).astype(int)
    return np.where(first <= last, held[np.clip(byte, 0, 255)], np.nan)
