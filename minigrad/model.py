"""What an attack needs of a network: two functions of the images.  Yours will do.

    logits(x)      N(x), (n, k), for images x (n, d)
    jacobian(x)    J[i, j, p] = dN_j / dx_p at image i, (n, k, d)

Optional: `threshold`, a number, for one logit that decides elsewhere than at 0; `pullback(x)`, which gives N(x) and
the function g -> g J(x) and saves attacks a second forward pass.  Only a proof needs more, the layers of an `MLP`.

Automatic differentiation offers rows of the Jacobian, g J(x), and not the whole: `from_vjp` builds it from those, as
`MLP.jacobian` does, by pulling the k unit rows of logit space back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minigrad.inputs import Array, as_number


class Model(Protocol):
    """Any object with these two methods can be attacked; it need not inherit from this class."""

    def logits(self, x: Array, /) -> Array:
        """`N(x)`, (n, k), for images `x` (n, d) in float64."""

    def jacobian(self, x: Array, /) -> Array:
        """`dN / dx`, (n, k, d)."""


@dataclass(frozen=True, eq=False)
class FromVJP:
    """A `Model` made by `from_vjp`."""

    f: Callable[[Array], Any]
    vjp: Callable[[Array, Array], Any]
    threshold: float = 0.0

    def logits(self, x: Array) -> Array:
        return np.asarray(self.f(x), np.float64)

    def pullback(self, x: Array) -> tuple[Array, Callable[[Array], Array]]:
        """`N(x)`, and `g -> g J(x)`, (n, d), for `g` (n, k)."""
        return self.logits(x), lambda g: np.asarray(self.vjp(x, g), np.float64)

    def jacobian(self, x: Array) -> Array:
        """Row j of J is `e_j J`: k pullbacks."""
        N, pull = self.pullback(x)
        return np.stack([pull(np.tile(e, (len(x), 1))) for e in np.eye(N.shape[1])], axis=1)


def from_vjp(
    logits: Callable[[Array], Any], vjp: Callable[[Array, Array], Any], *, threshold: float = 0.0
) -> FromVJP:
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
    >>> import numpy as np
    >>> w = np.array([1.0, 2.0])
    >>> model = from_vjp(lambda x: np.tanh(x @ w)[:, None], lambda x, g: g * (1 - np.tanh(x @ w)[:, None] ** 2) * w)
    >>> model.jacobian(np.zeros((1, 2)))
    array([[[1., 2.]]])
    """
    for name, function in (("logits", logits), ("vjp", vjp)):
        if not callable(function):
            raise ValueError(f"{name}: expected a function, got {type(function).__name__}")
    threshold = as_number(threshold, "threshold")
    return FromVJP(logits, vjp, threshold)


def check_model(model: Any) -> None:
    """Raise ValueError, saying what is missing, unless `model` has the two methods of `Model`."""
    missing = [f"{name}(x)" for name in ("logits", "jacobian") if not callable(getattr(model, name, None))]
    if missing:
        hint = "; minigrad.from_vjp makes a jacobian from a vjp" if missing == ["jacobian(x)"] else ""
        raise ValueError(
            f"expected a model with logits(x) and jacobian(x), got {type(model).__name__} without "
            f"{' and '.join(missing)}{hint}"
        )
