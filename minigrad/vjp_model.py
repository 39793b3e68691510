"""A model made of two functions: its logits, and a vector-Jacobian product of them.

Automatic differentiation offers rows of the Jacobian, g J(x), and not the whole.  The whole is built from those, as
`MLP.jacobian` does, by pulling the k unit rows of logit space back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.inputs import Array, as_number


@dataclass(frozen=True, eq=False)
class FromVJP:
    """A `Model` made by `from_vjp`."""

    f: Callable[[Array], Any]
    vjp: Callable[[Array, Array], Any]
    threshold: float = 0.0

    def logits(self, x: Array) -> Array:
        N = np.asarray(self.f(x), np.float64)
        if N.ndim != 2 or len(N) != len(x):
            raise ValueError(f"logits: expected a function that returns ({len(x)}, k), got {N.shape}")
        return N

    def pullback(self, x: Array) -> tuple[Array, Callable[[Array], Array]]:
        """`N(x)`, and `g -> g J(x)`, (n, d), for `g` (n, k)."""
        return self.logits(x), lambda g: np.asarray(self.vjp(x, g), np.float64)

    def jacobian(self, x: Array) -> Array:
        """Row j of J is `e_j J`: k pullbacks."""
        N, pull = self.pullback(x)
        return np.stack([pull(np.tile(e, (len(x), 1))) for e in np.eye(N.shape[1])], axis=1)


def from_vjp(logits: Callable[[Array], Any], vjp: Callable[[Array, Array], Any], *, threshold: float = 0.0) -> FromVJP:
    """A model from a function and its vector-Jacobian product.

    Parameters
    ----------
    logits : x (n, d) -> N(x) (n, k)
    vjp : x (n, d), g (n, k) -> g J(x) (n, d)
        The derivative by the pixels of any L with dL/dN = g: what `backward` of an automatic differentiation gives.
        That it is right, `check_jacobian` tells.
    threshold : float
        For one logit: class 1 iff it is above.

    Returns
    -------
    model : object with `logits`, `jacobian`, `pullback`, `threshold`

    Raises
    ------
    ValueError
        One of the two is no function, or the threshold no number.

    Examples
    --------
    >>> w = np.array([1.0, 2.0])
    >>> model = from_vjp(lambda x: np.tanh(x @ w)[:, None], lambda x, g: g * (1 - np.tanh(x @ w)[:, None] ** 2) * w)
    >>> model.jacobian(np.zeros((1, 2)))
    array([[[1., 2.]]])
    """
    for name, function in (("logits", logits), ("vjp", vjp)):
        if not callable(function):
            raise ValueError(f"{name}: expected a function, got {type(function).__name__}")
    if not np.isfinite(threshold := as_number(threshold, "threshold")):
        raise ValueError(f"threshold: expected a finite number, got {threshold}")
    return FromVJP(logits, vjp, threshold)
