"""What an attack needs of a network: two functions of the images.  Yours will do.

    logits(x)      N(x), (n, k), for images x (n, d)
    jacobian(x)    J[i, j, p] = dN_j / dx_p at image i, (n, k, d)

Optional: `threshold`, a number, for one logit that decides elsewhere than at 0; `pullback(x)`, which returns N(x) and
the function g -> g J(x) and saves attacks a second forward pass.  `from_vjp` (minigrad/vjp_model.py) makes a model from
g J(x) alone.  Only a proof needs more, the layers of an `MLP`.

Three rules.  The images belong to the caller, so a model gets read-only rows and works on a copy if it must write.  The
same images get the same logits: Dropout and other randomness are off.  Rows are float64; float32 rows come only where
a result is measured again in single precision, and a model may refuse those (minigrad/single.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from minigrad.inputs import Array, as_array

# By what share of the largest logit two answers to the same question may differ: float32 on a GPU may add up in another
# order each time, which is 1e-7 of the terms; Dropout moves a logit by 1e-2 and more.  A tenth or ten times as much
# tells the two apart as well.
SAME = 1e-4


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


def checked_logits(model: Any, x: Array) -> Array:
    """`model.logits(x)` as an array (n, k) of real numbers, or ValueError."""
    N = as_array(model.logits(x), "logits")
    if N.ndim != 2 or len(N) != len(x) or not N.shape[1] or N.dtype.kind not in "biuf":
        raise ValueError(f"expected the model's logits to be ({len(x)}, k) real numbers, got {N.shape} of {N.dtype}")
    return N


def ask(model: Any, name: str, x: Array) -> Any:
    """`model.logits(x)`, say, on read-only rows.  Raises ValueError, in one sentence, if the model writes into them."""
    with only_reading(model, name):
        return getattr(model, name)(locked(x))


def locked(x: Array) -> Array:
    """The same numbers, read-only."""
    rows = x.view()
    rows.flags.writeable = False
    return rows


@contextmanager
def only_reading(model: Any, name: str) -> Iterator[None]:
    """What NumPy says of an attempt to write into read-only rows, as one sentence."""
    try:
        yield
    except (ValueError, TypeError, BufferError) as error:
        if "read-only" not in str(error) and "not writable" not in str(error):
            raise
        raise ValueError(_writes(model, name)) from error


def first_logits(model: Any, x: Array) -> Any:
    """The logits of the first image, (1, k), asked for twice.

    Raises
    ------
    ValueError
        A model that writes into its images, or answers differently the second time.
    """
    row = x[:1].copy()  # a library that ignores the lock writes here, and not into the caller's images
    N = np.array(ask(model, "logits", row))  # a copy: some models answer in the same memory every time
    again = np.asarray(ask(model, "logits", row))
    if not np.array_equal(row, x[:1]):
        raise ValueError(_writes(model, "logits"))
    if N.shape != again.shape or (N.dtype.kind in "biuf" and not _same(N, again)):
        raise ValueError(
            "expected the same logits when the same image is asked for twice, got others: turn off Dropout and all "
            f"randomness ({type(model).__name__}; eval() of a torch module)"
        )
    return N


def _same(a: Array, b: Array) -> bool:
    """Whether two answers differ by no more than the order of their sums; NaN and infinity are refused elsewhere."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return bool(np.array_equal(np.isfinite(a), np.isfinite(b)))
    return bool(np.max(np.abs(a / 2 - b / 2), initial=0) <= SAME / 2 * np.max(np.abs(a), initial=0))


def _writes(model: Any, name: str) -> str:
    return (
        f"expected a model that only reads its images, got {type(model).__name__}, whose {name} writes into them "
        "(let it work on x.copy())"
    )
