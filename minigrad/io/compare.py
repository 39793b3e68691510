"""Is the network that was read the one that was given?  Both are asked about the same random rows.

Whoever reads a foreign network reads its parts, and parts do not say how they are used: a layer may be called twice, a
class may only share its name with another, a function may have been replaced.  Only the outputs tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.inputs import Array

if TYPE_CHECKING:
    from minigrad.mlp import MLP

ROWS = 8  # of each kind; networks that differ anywhere differ on almost every row, so the number is not critical
SCALES = (0.1, 1.0, 10.0)  # of the normal rows: near 0, where nothing is saturated, and far away, where all is
DIGITS = 1e-6  # of the terms that a logit is summed from: 1e-13 is seen at 20 layers, 1e-2 with a layer misread


def random_rows(d: int) -> Array:
    """Rows (n, d) of several sizes, the same every time; nobody's generator is touched."""
    rng = np.random.default_rng(0)
    normal = [scale * rng.normal(size=(ROWS, d)) for scale in SCALES]
    return np.concatenate([rng.random((ROWS, d)), *normal])


def check_same_logits(net: MLP, x: Array, theirs: Any, source: str) -> None:
    """Raise ValueError unless `net` gives the logits `theirs` (n, k) of the rows x (n, d), to six digits.

    A logit is a sum,  N_j = sum_i a_i W_ij + b_j,  and rounding is measured by the size of its terms:

        |N_j - theirs_j| <= DIGITS (sum_i |a_i W_ij| + |b_j|).

    A network that magnifies the rounding of its first layers a thousand million times is refused too: its logits depend
    on the order in which sums are taken, so nobody can say that two networks are the same.

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
        a = x
        for layer in net.layers[:-1]:
            a = layer.forward(a)
        last = net.dense[-1]
        ours, terms = last.forward(a), np.abs(a) @ np.abs(last.W) + np.abs(last.b)  # (n, k) each
        if theirs.shape != ours.shape:
            raise ValueError(
                f"{source}: expected {ours.shape[1]} logits for each of {len(x)} rows, got shape {theirs.shape}"
            )
        same = (np.abs(ours - theirs) <= DIGITS * terms) | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if not same.all():
        i, j = np.argwhere(~same)[0]
        raise ValueError(
            f"{source}: expected the logits that its layers give one after the other, {ours[i, j]:.6g} for logit {j} "
            f"of a random row, got {theirs[i, j]:.6g}: it computes something else than a plain sequence of its layers"
        )
