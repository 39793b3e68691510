"""The best multipliers: alpha, beta and gamma by the gradient of the bound, which costs one forward pass.

A row is  e . z_k + gamma m,  with m = c . (N - t) the margin: gamma = 1 and no e for a bound of the margin itself,
a neuron's e and a gamma >= 0 for a bound of the neuron (minigrad/bounds/output_constraint.py).  Its bound is

    max over s of  A_0 . (x + s) + const,        A_0 and const depending on alpha (slopes of free lower lines), beta
                                                 (multipliers of given signs) and gamma.

Only the term of the maximiser s* counts for a small change of a multiplier (Danskin 1966): s* may be held fixed, and
what is left is a linear function of each layer's values.  So hold x + s* fixed and run it forward through the
*relaxed* network: z_k = a_{k-1} W_k + b_k as usual, and a_k not f(z_k) but the line that the substitution took for
neuron i of layer k, the upper where its coefficient on a_k is positive, the lower where it is negative.  By
construction the row's value on these z_k is the bound (plus beta's terms).  Neuron i with a negative coefficient g_i
took the line alpha_i z_i, so it entered the bound as g_i alpha_i z_i, and everything behind it is in g_i; beta_i
entered as  sign_i beta_i z_i; and gamma as  gamma m.  Hence

    d bound / d alpha_i = g_i z_i        where g_i < 0 and the slope is free, else 0
    d bound / d beta_i  = sign_i z_i             smooth: z_i - l_i where beta_i > 0, z_i - u_i where beta_i < 0, and
                                                 at 0 how far z_i is outside [l_i, u_i]
    d bound / d gamma   = m              the relaxed network's margin

That is backprop's mirror image: there values are remembered forward and derivatives flow back; here the coefficients
are remembered backward and the values flow forward.  Every alpha in [0, 1], beta >= 0 and gamma >= 0 gives a sound
bound, so nothing has to converge: the best seen is kept.  Nor does it have to be exact: the steps are taken in single
precision, and only the bound of the final multipliers is computed in double, with its rounding terms.
(Wang et al. 2021, beta-CROWN, optimise alpha and beta by automatic differentiation; gamma is the multiplier of Kotha
et al. 2023.)
"""

from __future__ import annotations

import numpy as np

from minigrad.bounds.crown import Substitution, maximiser, substitute
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.region import Region
from minigrad.inputs import Array
from minigrad.layers import times
from minigrad.optimisers import Adam

# None of these is critical: in proofs about digits (784-64-32-1, Linf) half and double of each change the number of
# nodes by at most a twentieth.
CLEARLY = 1e-5  # a bound counts as lower if it falls by more than this share: sums in single precision keep 5 digits
REFUTED = 0.01  # bounds below 0 by more than this share of the first refute their sets: no need for better ones
# What beta moves by, as a share of alpha.  Signed it is of an end of an interval that may be short, and may grow large:
# with a quarter of it three of seven queries stay open that 1 closes, with four times as much more.
QUARTER, SIGNED = 0.25, 1.0
FALL = 0.1  # the last step of a run, as a share of the first
SMALL = 1e-30  # added to the size of a gradient, where 0 / 0 would be no direction; below any size that matters
MEMORY = 0.9, 0.99  # decay of Adam's moments: the second is shorter than its usual 0.999, since runs have 5 to 20 steps


def bound_rows(known: Region, c: Array | None, mult: Multipliers, at: tuple[int, Array] | None = None) -> Substitution:
    """The substitution of the rows `e . z_k + gamma c . (N - t)`, with `c` as in `optimise_bounds`."""
    rows = None if c is None else mult.gamma[:, :, None] * (c if c.ndim == 3 else c[:, None, :])
    return substitute(known, rows, at, mult.alpha, mult.beta)


def optimise_bounds(
    known: Region,
    c: Array | None,
    mult: Multipliers | None = None,
    at: tuple[int, Array] | None = None,
    *,
    steps: int = 20,
    rate: float = 0.2,
) -> tuple[Substitution, Multipliers]:
    """The substitution with the smallest bounds found of `e . z_k + gamma c . (N - t)`, (n, m), and its multipliers.

    Projected Adam steps, every row by itself.

    Parameters
    ----------
    known, at
        As in `substitute`.
    c : (n, K), (n, m, K) or None
        The margin of each set, `m = c . (N - t)`, or of each row; None for rows that begin at a hidden layer, of which
        `known` is `before`.
    mult : where to begin, default `Multipliers.start`
        Beginning where a parent ended needs few steps.  gamma moves only with `at`.
    steps : int
        Substitutions after the first, at most: with `at` None they end when every bound is clearly below 0.  The bound
        never gets worse than the first.
    rate : float
        The first step, in alpha; it falls to a tenth.  beta steps by a quarter of it, by all of it where it is signed.
    """
    mult = Multipliers.start(known) if mult is None else mult
    if not mult.alpha or not steps or known.huge:
        return bound_rows(known, c, mult, at), mult
    sketch = known.sketch()
    dtype = sketch.x.dtype
    now = mult.astype(dtype)
    margin, begin = None if c is None else c.astype(dtype), None if at is None else (at[0], at[1].astype(dtype))
    best, moves_gamma = [a.copy() for a in now.arrays()], at is not None and c is not None
    descent = Descent(now, moves_gamma=moves_gamma, signed=known.smooth)
    found = bound_rows(sketch, margin, now, begin)
    bound = first = found.bound
    for t in range(steps):
        descent.step(gradient(sketch, margin, now, found), dtype.type(rate * FALL ** (t / steps)))
        found = bound_rows(sketch, margin, now, begin)
        better = found.bound < bound - CLEARLY * np.abs(bound)  # (n, m) bool
        bound = np.where(better, found.bound, bound)  # (n, m)
        for kept, a in zip(best, now.arrays(), strict=True):
            kept[better] = a[better]
        if at is None and (bound < -REFUTED * np.abs(first)).all():
            break
    mult = Multipliers.from_list(best).astype(np.float64)
    return bound_rows(known, c, mult, at), mult


def unit_rows(neurons: Array, width: int, real: Array | bool = True) -> Array:
    """`e`, (p, 2 w, width), for `neurons` (p, w): the rows +z of each set's neurons, then their rows -z.

    Rows of 0 where `real` (p, w) is False.
    """
    p, w = neurons.shape
    e = np.zeros((p, 2, w, width))
    e[np.arange(p)[:, None], 0, np.arange(w), neurons] = real
    e[np.arange(p)[:, None], 1, np.arange(w), neurons] = -1.0 * np.asarray(real)
    return e.reshape(p, 2 * w, width)


class Descent:
    """Projected Adam steps that lower the bound of each row, made in the arrays of `mult`."""

    def __init__(self, mult: Multipliers, *, moves_gamma: bool, signed: bool) -> None:
        self.mult, self.moves_gamma = mult, moves_gamma
        self.least, self.share = (-np.inf, SIGNED) if signed else (0.0, QUARTER)
        self.adam = [Adam(a, *MEMORY, SMALL) for a in mult.arrays()]

    def step(self, gradients: list[Array], size: float) -> None:
        """alpha moves by about `size` and stays in [0, 1], beta by its share of it and stays >= 0, unless it is signed,
        and gamma stays >= 0."""
        moves = [adam.direction(g) for adam, g in zip(self.adam, gradients, strict=True)]
        K = len(self.mult.alpha)
        for alpha, move in zip(self.mult.alpha, moves[:K], strict=True):
            np.clip(alpha - size * move, 0, 1, out=alpha)
        for beta, move in zip(self.mult.beta, moves[K : 2 * K], strict=True):
            np.maximum(beta - size * self.share * move, self.least, out=beta)
        if self.moves_gamma:
            np.maximum(self.mult.gamma - size * moves[-1], 0, out=self.mult.gamma)


def gradient(known: Region, c: Array | None, mult: Multipliers, found: Substitution) -> list[Array]:
    """`d bound / d (alpha, beta, gamma)`, in the order of `Multipliers.arrays`, by the docstring's forward pass."""
    z, a = relaxed_forward(known, mult, found)
    alpha, beta = [], []
    for k, at in enumerate(known.lines):
        alpha.append(np.minimum(found.on_activation[k], 0) * z[k] * at.free[:, None, :])
        beta.append(np.zeros_like(z[k]) if known.sign is None else _beta_slope(known, k, mult.beta[k], z[k]))
    if c is None:
        return [*alpha, *beta, np.zeros_like(mult.gamma)]
    N = times(a, known.net.dense[-1].W) + known.net.dense[-1].b - known.net.threshold  # (n, m, K)
    return [*alpha, *beta, np.sum(N * (c if c.ndim == 3 else c[:, None, :]), axis=-1)]


def _beta_slope(known: Region, k: int, beta: Array, z: Array) -> Array:
    """`d bound / d beta` of hidden layer k, (n, m, d_k)."""
    assert known.sign is not None
    sign = known.sign[k][:, None, :]
    if not known.smooth:
        return np.asarray(sign * z)
    from_l, from_u = z - known.l[k][:, None, :], z - known.u[k][:, None, :]
    outside = np.minimum(from_l, 0) + np.maximum(from_u, 0)
    return np.asarray((sign != 0) * np.where(beta > 0, from_l, np.where(beta < 0, from_u, outside)))


def relaxed_forward(known: Region, mult: Multipliers, found: Substitution) -> tuple[list[Array], Array]:
    """Every hidden `z_k` (n, m, d_k) at the maximiser of `found`, along the lines it took, and the last `a`."""
    a = maximiser(known, found.A) if found.point is None else found.point
    z: list[Array] = []
    for k, at in enumerate(known.lines):
        z.append(times(a, known.net.dense[k].W) + known.net.dense[k].b)
        upper = at.upper_slope[:, None, :] * z[k] + at.upper_offset[:, None, :]
        lower = at.slope_below(mult.alpha[k]) * z[k] + at.lower_offset[:, None, :]
        upper -= lower
        upper *= found.on_activation[k] > 0  # np.where takes five times as long
        a = lower + upper  # (n, m, d_k) the line that each neuron used
    return z, a
