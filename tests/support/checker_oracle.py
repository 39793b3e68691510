"""What a row of multipliers proves, in rational numbers: the bound that attacks/checker.py should have, unrounded.

Written from the inequalities alone: it shares no line with the checker but the choice of the upper line's slope and how
many bits gamma has, either of which is a choice of multipliers and no arithmetic.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

ONE = 1 << 14


@dataclass
class Row:
    """+-z_neuron of `layer`, or the margin of rival `neuron`, with multipliers: gamma (r,) of margins that are sure.

    alpha (hidden,) counts 2^-14, beta (hidden,) is signed.
    """

    layer: int
    neuron: int
    side: int
    price: float
    gamma: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray

    def arguments(self):
        """What `Prover.pull` and `Prover.learn` take after the part."""
        each = [np.array([v]) for v in (self.neuron, self.side, self.price)]
        return self.layer, *each, np.asarray(self.alpha, float)[None], np.append(self.beta, self.gamma)[None]


def fractions(values):
    return [Fraction(float(v)) for v in values]


def slope(l, u):  # noqa: E741
    """The upper line's, and whether the neuron may have either sign."""
    if not l < 0 < u:
        return Fraction(int(l >= 0)), False
    return Fraction(int(np.clip(np.rint(ONE * u / (u - l)), 0, ONE)), ONE), True


def floored(gamma, last, bits):
    """Each multiplier rounded down to so many bits of the largest, or of 2."""
    e = (1 if last else int(np.frexp(np.max(gamma))[1])) - bits
    unit = Fraction(2) ** e
    return [min((Fraction(float(g)) / unit).__floor__(), 1 << bits) * unit for g in gamma]


def row_bound(layers, threshold, rivals, x, part, row, bits):
    """(coefficients on the pixels, constant): the row is at most A . (x + s) + constant, so A . s + constant here."""
    K, const, last = len(layers) - 1, Fraction(0), row.layer == len(part.l)
    begin = [Fraction(int(row.side) * (i == row.neuron)) for i in range(len(layers[row.layer][1]))]
    top, A = row.layer, begin
    if np.any(row.gamma) or last:
        top, weights = K, floored(row.gamma, last, bits)
        if last:
            weights[row.neuron] += int(row.side)
        A = [sum(w * int(r[j]) for w, r in zip(weights, rivals, strict=True)) for j in range(len(layers[K][1]))]
        const -= threshold * sum(A)
    first = np.cumsum([0, *(len(b) for _, b in layers[:-1])])
    for k in range(top, -1, -1):
        W, b = layers[k]
        const += sum(a * v for a, v in zip(A, b, strict=True))
        A = [sum(w * a for w, a in zip(weights, A, strict=True)) for weights in W]
        if not k:
            break
        after = []
        for i, a in enumerate(A):
            low, high = part.l[k - 1][i], part.u[k - 1][i]
            sigma, free = slope(low, high)
            L, U = Fraction(float(low)), Fraction(float(high))
            beta, at = Fraction(float(row.beta[first[k - 1] + i])), Fraction(int(row.alpha[first[k - 1] + i]), ONE)
            if a > 0:
                const += a * max(max(L, 0) - sigma * L, max(U, 0) - sigma * U)
            new = a * (sigma if a > 0 or not free else at) + beta
            const -= beta * (L if beta > 0 else U)
            after.append(new + (begin[i] if top > row.layer == k - 1 else 0))
        A = after
    return A, const + sum(a * v for a, v in zip(A, x, strict=True))


def room(claim):
    """lo - x and hi - x, exactly; 0 off the mask."""
    x, free = fractions(claim["x"]), np.broadcast_to(claim["mask"], claim["x"].shape)
    lo, hi = (fractions(np.broadcast_to(claim[end], claim["x"].shape)) for end in ("lo", "hi"))
    return [(a - v, b - v) if f else (Fraction(0), Fraction(0)) for a, b, v, f in zip(lo, hi, x, free, strict=True)]


def caps(claim, A):
    return [down_up[1] if a > 0 else -down_up[0] for a, down_up in zip(A, room(claim), strict=True)]


def support(claim, part, A):
    """The maximum of A . s over S, exactly (L2: nearly, and no more), and the best multiplier of |s|, as a float."""
    gains, r = [(abs(a), cap) for a, cap in zip(A, caps(claim, A), strict=True)], Fraction(float(claim["radius"]))
    if claim["norm"] == "linf":
        return sum(a * min(cap, r) for a, cap in gains), 0.0
    if claim["norm"] == "l0":
        inside = [a * cap for (a, cap), i, o in zip(gains, part.inside, part.outside, strict=True) if i and not o]
        others = [a * cap for (a, cap), i, o in zip(gains, part.inside, part.outside, strict=True) if not (i or o)]
        return sum(inside) + sum(sorted(others, reverse=True)[: max(int(r) - int(part.inside.sum()), 0)]), 0.0
    if claim["norm"] == "l1":
        total, price = Fraction(0), Fraction(0)
        for a, cap in sorted(gains, reverse=True):
            step = min(cap, r)
            price = a if cap > r >= 0 and not price else price
            total, r = total + a * step, r - step
        return total, float(price)
    sizes = _clipped(gains, r)
    q = max((t / a for (a, cap), t in zip(gains, sizes, strict=True) if a and t < cap), default=None)  # t = a / mu
    return sum(a * t for (a, _), t in zip(gains, sizes, strict=True)), float(r / q) if q else 0.0


def _clipped(gains, r):
    """Sizes t_i = min(q a_i, cap_i) that add up in squares to no more than r^2, q by bisection in rational numbers."""
    if sum(cap**2 for _, cap in gains) <= r**2:
        return [cap for _, cap in gains]
    low, high = Fraction(0), max((cap / a for a, cap in gains if a), default=Fraction(0))
    if sum(min(high * a, cap) ** 2 for a, cap in gains) <= r**2:
        return [min(high * a, cap) for a, cap in gains]
    for _ in range(30):
        q = (low + high) / 2
        small = sum(min(q * a, cap) ** 2 for a, cap in gains) <= r**2
        low, high = (q, high) if small else (low, q)
    return [min(low * a, cap) for a, cap in gains]


def exact_number(v):
    """A constant of the checker as a Fraction."""
    return Fraction(int(v), 1 << 1100)
