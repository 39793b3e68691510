"""What an attack needs of a network: two functions of the images.  Yours will do.

    logits(x)      N(x), (n, k), for images x (n, d)
    jacobian(x)    J[i, j, p] = dN_j / dx_p at image i, (n, k, d)

Optional: `threshold`, a number, for one logit that decides elsewhere than at 0; `pullback(x)`, which returns N(x) and
the function g -> g J(x) and saves attacks a second forward pass.  `from_vjp` (minigrad/vjp_model.py) makes a model from
g J(x) alone.  Only a proof needs more, the layers of an `MLP`.
"""

from __future__ import annotations

from typing import Any, Protocol

from minigrad.inputs import Array


class Model(Protocol):
    """Any object with these two methods can be attacked; it need not inherit from this class."""

    def logits(self, x: Array, /) -> Array:
        """`N(x)`, (n, k), for images `x` (n, d) in float64."""

    def jacobian(self, x: Array, /) -> Array:
        """`dN / dx`, (n, k, d)."""


def check_model(model: Any) -> None:
    """Raise ValueError, saying what is missing, unless `model` has the two methods of `Model`."""
    missing = [f"{name}(x)" for name in ("logits", "jacobian") if not callable(getattr(model, name, None))]
    if missing:
        hint = "; minigrad.from_vjp makes a jacobian from a vjp" if missing == ["jacobian(x)"] else ""
        raise ValueError(
            f"expected a model with logits(x) and jacobian(x), got {type(model).__name__} without "
            f"{' and '.join(missing)}{hint}"
        )
