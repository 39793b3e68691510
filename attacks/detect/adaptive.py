"""Attacks that know the detectors (adaptive attacks: Carlini and Wagner 2017, Athalye et al. 2018), and what it costs.

Nothing new attacks here.  A detector's blind spot is a mask or a box of the ball, so every attack, and every proof,
runs under it unchanged, and the price of staying unseen comes as an interval like everything else:

    used      a mask: only pixels that some training image uses; `unused` then sees nothing
    smooth    in addition a box for each image: a pixel takes no value outside what its 3 x 3 neighbourhood has already,

                  lo_i = min of x over the neighbourhood of i,    hi_i = max of x over it

              so strokes grow and shrink at their edges, and no pixel stands alone

`blind_spots` gives both as options of an attack.  Together with `smallest_eps_8bit` (attacks/eight_bit.py) nothing is
lost when the image is saved, either.
"""

from __future__ import annotations

import warnings
from typing import Any

from numpy.typing import ArrayLike

from attacks.detect.detectors import FittedDetectors, as_seen
from attacks.images import pictures
from minigrad.inputs import Array, as_count, as_images


def neighbourhood(x: ArrayLike, size: int = 3, shape: tuple[int, int] | None = None) -> tuple[Array, Array]:
    """The smallest and the largest value around each pixel, `lo` (n, d) and `hi` (n, d); `lo <= x <= hi`.

    A greyscale erosion and dilation of pictures of `shape` (rows, columns), by default square, over `size` x `size`
    pixels.  Neighbours outside the picture are left out.

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


def blind_spots(detectors: FittedDetectors, x: ArrayLike) -> dict[str, dict[str, Any]]:
    """The options `mask=` and `box=` under which an attack on images (n, d) stays unseen: free (none), used, smooth.

    Raises
    ------
    ValueError
        No fitted detectors, images that are not of their size, pixels outside [0, 1].
    """
    x = as_seen(detectors, x)
    smooth = {"mask": detectors.used, "box": neighbourhood(x, shape=detectors.shape)}
    return {"free": {}, "used": {"mask": detectors.used}, "smooth": smooth}


def __getattr__(name: str) -> Any:
    if name != "disguises":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("disguises is blind_spots now; removed in 0.3", DeprecationWarning, stacklevel=2)
    return blind_spots
