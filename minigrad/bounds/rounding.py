"""How far rounding may take a float64 evaluation from the real number it stands for.

With u = 2^-53, a sum of n products of float64 numbers is computed with a relative error of at most

    gamma_n = n u / (1 - n u)

of the sum of their absolute values, whatever the order of the sum (Higham 2002, section 3.1).  For z = x W + b with
|x| <= X and W of shape (d, m) that is an error of at most gamma_n (X |W| + |b|), n = d + 1.  Here n = max(d, m) + 4:
the same bound then holds for a product with W^T, which sums over m, and for a few operations more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

UNIT = 2.0**-53  # u: half the distance from 1 to the next float64
TINY = np.finfo(float).tiny  # the smallest normal float64
SMOOTH = 2.0**-49  # error of a computed tanh or sigmoid and of its slope: 8 ulp of 1 (NumPy promises 4)
ETA = 2.0**-1074  # the smallest float64 above 0: a product that underflows loses at most half of it, a sum nothing


def gamma_n(n: int) -> float:
    """`n u / (1 - n u)`: the relative error of a sum of n products, in any order."""
    return n * UNIT / (1 - n * UNIT)


def product_error(W: Array, b: Array, X: Array) -> Array:
    """`gamma_n (X |W| + |b|) + n eta`, (n, m): the error of a product with W, either way, for |input| <= X (n, d)."""
    n = max(W.shape) + 4
    return gamma_n(n) * (X @ np.abs(W) + np.abs(b)) + n * ETA
