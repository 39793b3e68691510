"""The best lower slopes: alpha by the gradient of the bound, which costs one forward pass.

The bound of `c . z_K` is  max over s of  A_0(alpha) . (x + s) + const(alpha).  Only the term of the maximiser s*
counts for a small change of alpha (Danskin 1966): s* may be held fixed, and what is left is a linear function of each
layer's values.

Hold x + s* fixed and run it forward through the *relaxed* network: z_k = a_{k-1} W_k + b_k as usual, and a_k not
f(z_k) but the line that the substitution took for neuron i of layer k, the upper where its coefficient on a_k is
positive, the lower where it is negative.  By construction the value that comes out is the bound.  Neuron i with a
negative coefficient g_i took the line alpha_i z_i, so it entered the bound as g_i alpha_i z_i, and everything behind
it is in g_i: hence

    d bound / d alpha_i = g_i z_i        where g_i < 0 and the slope is free, else 0.

That is backprop's mirror image: there values are remembered forward and derivatives flow back; here the coefficients
are remembered backward and the values flow forward.  A sound bound comes of every alpha in [0, 1], so nothing has to
converge: the best one seen is kept.  (Xu et al. 2021 optimise the same slopes by automatic differentiation.)
"""

from __future__ import annotations

import numpy as np

from minigrad.bounds import Intervals, Oracle, Substitution, substitute
from minigrad.inputs import Array
from minigrad.mlp import MLP


def tighten(
    net: MLP, c: Array, x: Array, ball: Oracle, known: Intervals, *, steps: int = 20, rate: float = 0.2
) -> tuple[Array, tuple[Array, ...]]:
    """The smallest upper bound of `c . N` found over alpha, (n, m), and its alpha, one (n, m, d_k) array a layer.

    Adam's direction with a step that falls from `rate` to a tenth of it, projected to [0, 1]; every row by itself.

    Parameters
    ----------
    c, x, ball, known
        As in `substitute`.
    steps : int
        Substitutions after the first.  The bound never gets worse: step 0 is the alpha of `known.lines`.
    """
    shapes = [(*c.shape[:2], at.free.shape[1]) for at in known.lines]
    alpha = [
        np.broadcast_to(at.lower_slope[:, None, :], shape).copy() for at, shape in zip(known.lines, shapes, strict=True)
    ]
    M, V = [np.zeros(shape) for shape in shapes], [np.zeros(shape) for shape in shapes]
    best, best_alpha = np.full(c.shape[:2], np.inf), [a.copy() for a in alpha]
    for t in range(steps + 1):
        found = substitute(net, c, x, ball, known, alpha=alpha)
        better = found.bound < best
        best = np.where(better, found.bound, best)
        for kept, a in zip(best_alpha, alpha, strict=True):
            kept[better] = a[better]
        if t == steps or not alpha:
            break
        gradient = slope_gradient(net, x, ball, known, found, alpha)
        step = rate * 0.1 ** (t / steps)
        for a, m, v, g in zip(alpha, M, V, gradient, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            size = np.sqrt(v / (1 - 0.999 ** (t + 1)))
            move = np.divide(m / (1 - 0.9 ** (t + 1)), size, out=np.zeros_like(m), where=size > 0)
            np.clip(a - step * move, 0, 1, out=a)
    return best, tuple(best_alpha)


def slope_gradient(
    net: MLP, x: Array, ball: Oracle, known: Intervals, found: Substitution, alpha: list[Array]
) -> list[Array]:
    """`d bound / d alpha`, one (n, m, d_k) array a hidden layer, by the forward pass of the module's docstring."""
    rows = x[:, None, :]
    a = rows + ball.spread().maximize(rows, found.A)  # (n, m, d) x + s*
    gradient = []
    for k, at in enumerate(known.lines):
        z = net.dense[k].jvp(a, a) + net.dense[k].b  # (n, m, d_k)
        coefficient = found.on_activation[k]
        upper = at.upper_slope[:, None, :] * z + at.upper_offset[:, None, :]
        slope = np.where(at.free[:, None, :], alpha[k], at.lower_slope[:, None, :])
        lower = slope * z + at.lower_offset[:, None, :]
        gradient.append(np.where(at.free[:, None, :], np.minimum(coefficient, 0) * z, 0.0))
        a = np.where(coefficient > 0, upper, lower)
    return gradient
