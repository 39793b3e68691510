"""Is this derivative right?  Two checks that need nothing but the functions themselves, beside that of `check.py`.

dot_test         jvp and vjp against each other: no step size, nearly machine precision
taylor_rate      the remainder N(x + h dx) - N(x) - h J dx must fall as h^2
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_number
from minigrad.model import Model, check_model, checked_logits


def dot_test(f: Any, x: ArrayLike, *, rng: Seed = 0, tol: float = 1e-12) -> float:
    """Check `<g, J dx> = <g J, dx>` for random `dx` and `g`.

    The two agree for every pair, whatever the linear map J; a wrong transpose or a forgotten factor makes them differ
    for almost every pair.

    Parameters
    ----------
    f : object with `jvp(x, dx)` and `vjp(x, g)`: a network or a layer
    x : (n, d)
    tol : float
        Error allowed, relative to `sum |g| |J dx| + sum |g J| |dx|`.

    Returns
    -------
    error : float

    Raises
    ------
    AssertionError
        The two products differ; the message gives both.
    ValueError
        No such object, bad images, a `tol` that is no number.
    OverflowError
        A product is too large for float64.

    Examples
    --------
    >>> from minigrad import MLP
    >>> dot_test(MLP.init([4, 3, 2], rng=0), np.full((1, 4), 0.5)) < 1e-12
    True
    """
    if not callable(getattr(f, "jvp", None)) or not callable(getattr(f, "vjp", None)):
        raise ValueError(f"f: expected an object with jvp(x, dx) and vjp(x, g), got {type(f).__name__}")
    x, tol = as_images(x), as_number(tol, "tol", 0)
    rng = as_generator(rng)
    dx = rng.normal(size=x.shape)  # (n, d)
    J_dx = f.jvp(x, dx)  # (n, k)
    g = rng.normal(size=J_dx.shape)
    g_J = f.vjp(x, g)  # (n, d)
    if not np.isfinite(J_dx).all() or np.isinf(g_J).any():
        raise OverflowError("expected finite products with the Jacobian, got NaN or infinity")
    pushed, pulled = float(np.sum(g * J_dx)), float(np.sum(g_J * dx))
    scale = float(np.sum(np.abs(g * J_dx)) + np.sum(np.abs(g_J * dx)))
    scale = max(scale, np.finfo(float).tiny / np.finfo(float).eps)  # below, products have no digits left
    error = abs(pushed - pulled) / scale
    if not error <= tol:
        raise AssertionError(
            f"jvp and vjp are not adjoint: <g, J dx> = {pushed:.15g}, <g J, dx> = {pulled:.15g}, "
            f"relative error {error:.2g} > {tol:.2g}"
        )
    return error


def taylor_rate(
    net: Model, x: ArrayLike, dx: ArrayLike | None = None, *, h: float = 1e-2, halvings: int = 5, rng: Seed = 0
) -> float:
    """The power p with which `R(h) = |N(x + h dx) - N(x) - h J dx|` falls as h is halved.

    By Taylor's theorem R(h) = h^2 |N''| / 2 + ..., so p is near 2 where the Jacobian is right and N is curved, and
    near 1 where the Jacobian is wrong.  On a linear piece R(h) is only rounding, and the rate is infinite.

    Parameters
    ----------
    net : Model
    x, dx : (n, d)
        `dx` random of unit length by default.
    h : float
        The largest step; `halvings` smaller ones follow.

    Returns
    -------
    rate : float
        The slope of log R against log h; `inf` if every remainder is rounding, NaN if all but one are.

    Raises
    ------
    ValueError
        Bad images or logits, a `dx` of another shape or of zeros, a step or a number of halvings that is none.

    Examples
    --------
    >>> from minigrad import MLP
    >>> rate = taylor_rate(MLP.init([4, 3, 1], activation="tanh", rng=0), np.full((1, 4), 0.5))
    >>> 1.9 < rate < 2.1
    True
    """
    check_model(net)
    x = as_images(x)
    if dx is None:
        dx = as_generator(rng).normal(size=x.shape)
        dx /= np.linalg.norm(dx)
    dx = as_images(dx, x.shape[1], "dx")
    if dx.shape != x.shape:
        raise ValueError(f"dx: expected the shape of x, {x.shape}, got {dx.shape}")
    if not 0 < as_number(h, "h") < np.inf:
        raise ValueError(f"h: expected a number above 0, got {h}")
    halvings = as_count(halvings, "halvings")
    if not dx.any():
        raise ValueError("dx: expected a direction, got zeros")
    N, J_dx = checked_logits(net, x), np.einsum("nkd,nd->nk", net.jacobian(x), dx)  # (n, k) each
    steps = h * 0.5 ** np.arange(halvings + 1)
    R: Array = np.array([np.linalg.norm(net.logits(x + step * dx) - N - step * J_dx) for step in steps])
    rounding = 64 * np.finfo(float).eps * (np.linalg.norm(N) + h * np.linalg.norm(J_dx))
    if (R <= rounding).all():
        return float("inf")
    clear = R > rounding  # smaller remainders say nothing about the rate
    if clear.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(steps[clear]), np.log(R[clear]), 1)[0])
