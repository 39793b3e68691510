"""Is this Jacobian right?  Every entry against a central difference.  Two other checks: `consistency.py`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import as_images, as_number
from minigrad.model import Model, check_model, checked_logits

LEAST_STEP = 2.0**-26  # sqrt(u): below, rounding, 64 u |N| / h, is as large as what it would have to show
SUMS = 64  # roundings of size u |N| allowed in a logit: 2 to 6 are seen, 28 in sigmoids with weights 30 times as large


def check_jacobian(net: Model, x: ArrayLike, *, h: float = 1e-5, tol: float = 1e-7) -> float:
    """Compare every entry of `net.jacobian(x)` with `(N(x + h e_p) - N(x - h e_p)) / 2h`.

    The step balances two errors (the argument of the Python package fdm): cutting off the Taylor series costs h^2
    |N'''| / 6, rounding costs u |N| / h with u = 1.1e-16; both are small near h = u^(1/3). A ReLU network has N'''
    = 0 between its kinks, and there only rounding is left. Where |J| is smaller than that, as in a saturated
    network, the quotient is noise: so the tolerance has a term 64 u max |N| / h, 64 for the lengths of the sums
    behind N and for what cancels in them. A kink closer to x than h makes the two one-sided slopes differ, and the
    message says so: then test at another x.

    Parameters
    ----------
    net : Model
    x : (n, d)
    h : float
        Step, > 0.
    tol : float
        Error allowed beside that term, relative to the largest |J| (or difference quotient) of the same image.

    Returns
    -------
    error : float
        The largest error found, relative to that |J| + 64 u max |N| / (h tol): at most `tol`.

    Raises
    ------
    AssertionError
        An entry is wrong; the message names the worst one.
    ValueError
        Bad `x` or `h`, logits that are no real numbers (n, k), or a Jacobian of the wrong shape.

    Examples
    --------
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> check_jacobian(net, x) < 1e-9
    True
    """
    check_model(net)
    x = as_images(x)
    for name, value, what in (("h", h, "step"), ("tol", tol, "tolerance")):
        if not 0 < as_number(value, name) < np.inf:
            raise ValueError(f"{name}: expected a positive {what}, got {value}")
    if h < LEAST_STEP * max(1.0, float(np.abs(x).max())):
        raise ValueError(f"h: expected a step of at least {LEAST_STEP:.2g} of the largest pixel, or 1, got {h}")
    N, J = checked_logits(net, x), np.asarray(net.jacobian(x))  # (n, k), (n, k, d)
    if J.shape != (*N.shape, x.shape[1]):
        raise ValueError(f"expected a Jacobian of shape {(*N.shape, x.shape[1])}, got {J.shape}")
    if not np.isfinite(N).all():
        raise ValueError("expected finite logits of the model, got NaN or infinity")
    worst, rounding = 0.0, SUMS * np.finfo(float).eps / 2 * np.abs(N).max() / h
    for i in range(len(x)):
        step = h * np.eye(x.shape[1])  # (d, d): all pixels of one image in one batch
        right = (net.logits(x[i] + step) - N[i]).T / h  # (k, d)
        left = (N[i] - net.logits(x[i] - step)).T / h  # (k, d)
        central = right / 2 + left / 2
        scale = max(np.abs(J[i]).max(), np.abs(central).max(), np.finfo(float).tiny) + rounding / tol
        error = np.abs(J[i] - central) / scale  # (k, d)
        error[np.isnan(error)] = np.inf
        worst = max(worst, float(error.max()))
        if not worst <= tol:
            j, p = np.unravel_index(error.argmax(), error.shape)
            raise AssertionError(
                f"image {i}, logit {j}, pixel {p}: the Jacobian says {J[i, j, p]:.9g}, "
                f"the central difference {central[j, p]:.9g} "
                f"(left slope {left[j, p]:.9g}, right slope {right[j, p]:.9g}: a kink is near if they differ); "
                f"relative error {worst:.2g} > {tol:.2g}"
            )
    return worst
