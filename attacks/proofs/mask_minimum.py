"""What a mask (a pair of glasses) can do to each image: how many of its pixels suffice, and whether any filling does.

Both are certified minima with the change confined to the mask; both answers are proofs, whichever way they go.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.patch.masks import as_mask
from attacks.proofs.certificate import Certificate
from attacks.proofs.minimum import certified_minimum
from minigrad.inputs import Array, as_images
from minigrad.mlp import MLP

WIDE = 0.999  # the gap of `any_filling`: to refute a thousandth of the strength of a known filling takes no search


def smallest_mask(net: MLP, x: ArrayLike, y: ArrayLike, mask: Any, **options: Any) -> list[Certificate]:
    """The fewest pixels of the mask that suffice for each image, as certificates of `certified_minimum`, norm "l0".

    `lower = inf` is the proof that no filling of the whole mask flips the image.

    Parameters
    ----------
    net, x, y
        As in `certified_minimum`.
    mask : (d,) or (rows, columns) bool
        True where the mask is: what `glasses_mask` and `place` give.
    options
        As in `certified_minimum`, as are the errors; but not `norm`.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> smallest_mask(net, x, [0], np.array([[False, True]]))
    [Certificate(l0: between 1 and 1 pixels, proved, 0 nodes)]
    """
    return _certified(net, x, y, mask, options, norm="l0")


def any_filling(net: MLP, x: ArrayLike, y: ArrayLike, mask: Any, **options: Any) -> list[Certificate]:
    """Whether some filling of the mask flips each image, as certificates of `certified_minimum`, norm "linf".

    `upper` finite: `x_adv` is such a filling.  `lower = inf`: proved, there is none.  Neither: the time was too short.
    How strong the filling must be is not asked.  Options and errors: see there; but not `norm` and `gap`.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> (proof,) = any_filling(net, x, [0], np.array([[True, False]]))
    >>> proof.upper < np.inf  # x_0 = 1 works
    True
    """
    return _certified(net, x, y, mask, options, norm="linf", gap=WIDE)


def _certified(
    net: MLP, x: ArrayLike, y: ArrayLike, mask: Any, options: dict[str, Any], **settled: Any
) -> list[Certificate]:
    """`certified_minimum` with what the question settles, and the caller's other options."""
    for name in settled.keys() & options.keys():
        raise ValueError(f"{name}: expected options other than it, for the question settles it, got {options[name]!r}")
    return certified_minimum(net, x, y, mask=_pixels(mask, x), **settled, **options)


def _pixels(mask: Any, x: ArrayLike) -> Array:
    """The mask as (d,): to a proof it is a set of pixels, whatever its shape."""
    if isinstance(mask, np.ndarray) and mask.ndim != 2:
        mask = mask.reshape(1, -1)
    return as_mask(mask, as_images(x).shape[1]).ravel()
