"""Is the network that was read the one that was given?  Both are asked about the same random rows.

Whoever reads a foreign network reads its parts, and parts do not say how they are used: a layer may be called twice, a
class may only share its name with another, a function may have been replaced.  Only the outputs tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.inputs import Array
from minigrad.layers import Dense

if TYPE_CHECKING:
    from minigrad.mlp import MLP

ROWS = 8  # of each kind; networks that differ anywhere differ on almost every row, so the number is not critical
SCALES = (0.1, 1.0, 10.0)  # of the normal rows: near 0, where nothing is saturated, and far away, where all is
SIGNS = 4  # random roundings of each layer; with one, an error may vanish by chance
# Times the rounding expected.  Equal networks need 5, chaotic ones (80 layers of tanh, weights 30 times the usual) 200;
# a BatchNorm with another eps makes 1e9, layers in another order 1e12.
SLACK = 1e4


def random_rows(d: int) -> Array:
    """Rows (n, d) of several sizes, the same every time; nobody's generator is touched."""
    rng = np.random.default_rng(0)
    normal = [scale * rng.normal(size=(ROWS, d)) for scale in SCALES]
    return np.concatenate([rng.random((ROWS, d)), *normal])


def check_same_logits(net: MLP, x: Array, theirs: Any, source: str) -> None:
    """Raise ValueError unless `net` gives the logits `theirs` (n, k) of the rows x (n, d), up to rounding.

    Parameters
    ----------
    net : MLP
    x : (n, d)
    theirs : (n, k)
    source : str
        Whose logits they are, for the message.

    Raises
    ------
    ValueError
        Logits of another shape, or other logits.
    """
    theirs = np.asarray(theirs)
    with np.errstate(all="ignore"):  # weights of 1e300 give infinities on both sides
        ours, rounding = _logits(net, x)
        if theirs.shape != ours.shape:
            raise ValueError(
                f"{source}: expected {ours.shape[1]} logits for each of {len(x)} rows, got shape {theirs.shape}"
            )
        same = (np.abs(ours - theirs) <= SLACK * rounding) | (ours == theirs)
        same |= ~np.isfinite(ours) & ~np.isfinite(theirs)  # inf, or inf - inf: which, the order of the sum decides
    if not same.all():
        i, j = np.argwhere(~same)[0]
        raise ValueError(
            f"{source}: expected the logits that its layers give one after the other, {ours[i, j]:.6g} for logit {j} "
            f"of a random row, got {theirs[i, j]:.6g}: it computes something else than a plain sequence of its layers"
        )


def _logits(net: MLP, x: Array) -> tuple[Array, Array]:
    """`N(x)` (n, k), and how far from it another order of summation leads, (n, k).

    A sum  z_j = sum_i a_i W_ij + b_j  is rounded in proportion to its terms,  t_j = sum_i |a_i W_ij| + |b_j|.  An error
    of +-u t in each layer, with random signs and carried to the logits by the jvp of the layers, shows whether the
    network magnifies its rounding or forgets it; a bound from |W| alone would grow with every layer and hide anything.
    """
    rng, u = np.random.default_rng(1), np.finfo(float).eps / 2
    a, error, terms = x, np.zeros((SIGNS, *x.shape)), np.zeros(0)
    for layer in net.layers:
        error = layer.jvp(a, error)  # (SIGNS, n, width)
        if isinstance(layer, Dense):
            terms = np.abs(a) @ np.abs(layer.W) + np.abs(layer.b)  # (n, width)
            error += u * terms * rng.choice([-1.0, 1.0], error.shape)
        a = layer.forward(a)
    return a, np.abs(error).max(axis=0) + u * terms
