"""The same network for pixels in another range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, brief

if TYPE_CHECKING:
    from minigrad.mlp import MLP


def rescaled_arrays(net: MLP, lo: ArrayLike, hi: ArrayLike) -> list[tuple[Array, Array]]:
    """`[(W_1, b_1), ...]` of the network of shares v that does what `net` does of pixels  x = lo + (hi - lo) v.

    x W + b = v (diag(hi - lo) W) + (lo W + b), so only the first layer changes.

    Parameters
    ----------
    lo, hi : numbers or (d,)
        The pixels that v = 0 and v = 1 stand for.

    Raises
    ------
    ValueError
        Ends that are neither one number nor d of them, or no range: a pixel may have lo = hi, but not all.
    """
    first, *others = [(layer.W, layer.b) for layer in net.dense]
    given = f"got {brief(lo)}, {brief(hi)}"
    try:
        lo, hi = (np.broadcast_to(np.asarray(end, np.float64), net.sizes[:1]) for end in (lo, hi))
    except (TypeError, ValueError) as error:
        raise ValueError(f"lo, hi: expected numbers or arrays ({net.sizes[0]},), {given}") from error
    if not (np.isfinite([lo, hi]).all() and (lo <= hi).all() and (lo < hi).any()):
        raise ValueError(f"lo, hi: expected finite ends of a range, lo < hi, {given}")
    W, b = first
    return [((hi - lo)[:, None] * W, lo @ W + b), *others]
