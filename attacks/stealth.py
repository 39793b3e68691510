"""The other side: hiding from the detectors of detect.py, and what it costs.

Nothing new attacks here.  A detector's blind spot is a mask or a box of the ball, so every attack, and every proof,
runs under it unchanged, and the price of hiding comes as an interval like everything else:

    used      a mask: only pixels that some training image uses; `unused` then sees nothing
    smooth    in addition a box for each image: a pixel takes no value outside what its 3 x 3 neighbourhood has already,

                  lo_i = min of x over the neighbourhood of i,    hi_i = max of x over it

              so strokes grow and shrink at their edges, and no pixel stands alone
    bytes     the values a PNG can hold, multiples of 1/255: nothing is lost when the image is saved

`disguises` gives the first two as options of an attack; `smallest_eps_8bit` finds the smallest eps among the bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import LInf
from attacks.detect import Memory, as_seen, pictures
from attacks.result import AttackResult, Problem, to_8bit
from attacks.sign_gradient import smallest_eps
from minigrad.inputs import Array, as_count, as_images
from minigrad.model import Model

TRIES = 32  # bytes beyond the smallest eps in floats that are tried
BYTES = to_8bit(np.arange(256) / 255)  # (256,) rising
FLOAT32 = 255 * 2.0**-24  # what storing bytes / 255 in float32 can add to an eps, in bytes: twice half an ulp of 1


def neighbourhood(
    x: ArrayLike, size: int = 3, shape: tuple[int, int] | None = None
) -> tuple[Array, Array]:
    """The smallest and the largest value around each pixel, `lo` (n, d) and `hi` (n, d); `lo <= x <= hi`.

    A greyscale erosion and dilation of pictures of `shape` (rows, columns), by default square.  What leaves the
    picture is left out.

    Raises
    ------
    ValueError
        Images that are not of that shape, a size that is no whole number of at least 1.

    Examples
    --------
    >>> import numpy as np
    >>> lo, hi = neighbourhood(np.array([[0.0, 0.5, 0.25, 1.0]]))  # a picture of 2 x 2
    >>> lo, hi
    (array([[0., 0., 0., 0.]]), array([[1., 1., 1., 1.]]))
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    x, size = as_images(x), as_count(size, "size")
    options: dict[str, Any] = {"size": (1, size, size), "mode": "nearest"}
    lo, hi = (f(pictures(x, shape), **options).reshape(x.shape) for f in (minimum_filter, maximum_filter))
    return lo, hi


def disguises(memory: Memory, x: ArrayLike) -> dict[str, dict[str, Any]]:
    """The options `mask=` and `box=` of each disguise for images (n, d): free, used, smooth.

    Raises
    ------
    ValueError
        No memory, images that are not of its size, pixels outside [0, 1].
    """
    x = as_seen(memory, x)
    smooth = {"mask": memory.used, "box": neighbourhood(x, shape=memory.shape)}
    return {"free": {}, "used": {"mask": memory.used}, "smooth": smooth}


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
        What `smallest_eps` found for these images with the same options; else it is asked.

    Returns
    -------
    AttackResult
        `distance` is measured again; `success_8bit` equals `success`.  A failure keeps its best try.

    Raises
    ------
    ValueError
        Bad input, before any work; `found` for other images, in another norm, or outside the box or mask.
    """
    problem = Problem.of(net, x, y, LInf(np.inf, box, mask), None)
    if found is None:
        found = smallest_eps(net, x, y, box=box, mask=mask)
    elif not isinstance(found, AttackResult) or found.norm != "linf" or not np.array_equal(found.x, problem.x):
        raise ValueError("found: expected what smallest_eps found for these images, norm linf, got something else")
    elif not problem.ball.contains(problem.x, found.x_adv - problem.x).all():
        raise ValueError("found: expected perturbations inside this box and mask, got some outside")
    x, x_adv, best = problem.x, problem.x.copy(), problem.start.copy()
    rows = problem.open[found.success[problem.open]]
    if not len(rows):
        return problem.finish(x_adv)
    s, eps = found.x_adv[rows] - x[rows], found.distance[rows]  # (rows, d), (rows,)
    _, g = problem.margin.rows(rows).value_and_gradient(found.x_adv[rows])
    j = np.maximum(np.ceil(255 * eps - FLOAT32), 1)  # (rows,)
    for _ in range(TRIES):
        if not len(rows):
            break
        ball = problem.ball.rows(rows, len(x)).with_radius(j / 255)
        stretched = s * np.divide(j / 255, eps, out=np.zeros_like(eps), where=eps > 0)[:, None]
        for candidate in (ball.project(x[rows], stretched), ball.maximize(x[rows], g)):
            lo, hi = (np.broadcast_to(end, x[rows].shape) for end in ball.box)
            most = (j[:, None] + FLOAT32) / 255  # (rows, 1)
            low = np.where(candidate > 0, x[rows], np.maximum(lo, x[rows] - most))  # not to the other side of x
            high = np.where(candidate < 0, x[rows], np.minimum(hi, x[rows] + most))
            tried = nearest_byte(x[rows] + candidate, low, high)
            tried = np.where((candidate == 0) | np.isnan(tried), x[rows], tried)
            m = problem.margin.rows(rows).value(tried)
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
