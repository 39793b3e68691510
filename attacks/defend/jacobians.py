"""What the Jacobian of a network looks at, as two numbers beside the picture, because pictures persuade too easily.

    ink share    the share of |dm/dx| that falls on pixels which digits use: where the mean image is above `USED`
    alignment    the cosine between dm/dx and the way from the image's class to its rival,  mean(rival) - mean(own)

The margin's gradient says how to change the image so that the rival wins.  A network whose answer is "draw the rival"
has both near 1, one whose answer is noise has the share of pixels that digits use, and 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, as_images
from minigrad.margin import Margin
from minigrad.mlp import MLP

USED = 0.05  # of the box [0, 1]: 38% of the pixels of fours and nines; half and double of it take 43% and 31%


def gradients(net: MLP, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """`dm/dx` (n, d) of each image's margin, and the class that is its best rival, (n,)."""
    x = as_images(x, net.sizes[0])
    margin = Margin.from_labels(net, x, y)
    _, g = margin.value_and_gradient(x)
    N = net.logits(x)
    if N.shape[1] == 1:
        return g, 1 - margin.y
    N[np.arange(len(N)), margin.y] = -np.inf
    return g, N.argmax(axis=1)


def ink_share(g: Array, x: Array) -> float:
    """The mean share of |g| (n, d) on the pixels that the images `x` (m, d) use; NaN where every gradient is 0."""
    used, size = np.mean(x, axis=0) > USED, np.abs(g)
    total = size.sum(axis=1)
    slopes = total > 0
    return float(np.mean(size[slopes][:, used].sum(axis=1) / total[slopes])) if slopes.any() else float("nan")


def alignment(g: Array, x: Array, y: Array, rival: Array) -> float:
    """The mean cosine of g (n, d) with  mean(x of the rival's class) - mean(x of the own class);  y, rival (n,).

    NaN where every gradient is 0, or no rival is among the images.
    """
    means = {int(label): x[y == label].mean(axis=0) for label in np.unique(y)}
    cosines = []
    for row, own, other in zip(g, y, rival, strict=True):
        if int(other) not in means:
            continue
        way = means[int(other)] - means[int(own)]
        length = np.linalg.norm(row) * np.linalg.norm(way)
        if length > 0:
            cosines.append(float(row @ way) / length)
    return float(np.mean(cosines)) if cosines else float("nan")
