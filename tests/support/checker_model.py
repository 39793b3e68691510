"""The arithmetic of attacks/checker.py once more, one number at a time in Python's integers: it must agree to the bit.

Where checker_oracle.py says what a row proves, this says what is rounded, when, and by how much: weights to 27 bits of
the largest of their layer, ends of intervals outward to 27 bits, a row to at most 27 bits of its largest entry or beta,
sigma and alpha to 2^-14, constants up to 2^-1100.  So a bit more or less, a charge left out or made twice, is seen.
"""

import math
from fractions import Fraction

import numpy as np

POINT, ONE = 1100, 1 << 14


def exponent(values):
    return math.frexp(float(max(map(abs, values))))[1]


def scaled(v, shift):
    """v 2^shift, exactly."""
    return Fraction(v) * Fraction(2) ** int(shift)


def constant(v, shift):
    """v 2^shift rounded up to a constant."""
    return math.ceil(scaled(v, shift + POINT))


def box(low, high):
    """(lower ends, upper ends, unit)."""
    unit = exponent([*map(float, low), *map(float, high)]) - 27
    low, high = ([Fraction(float(v)) for v in ends] for ends in (low, high))
    return [math.floor(scaled(v, -unit)) for v in low], [math.ceil(scaled(v, -unit)) for v in high], unit


def size(ends):
    return sum(max(-low, high) for low, high in zip(*ends[:2], strict=True))


def most(A, e, ends):
    """The maximum of A . v 2^e over the box."""
    return constant(sum(a * (high if a > 0 else low) for a, low, high in zip(A, *ends[:2], strict=True)), ends[2] + e)


def fit(const, A, e, ends, bits, least=None):
    """The row rounded to the nearest (up, half way), and charged for if it was."""
    shift = max(exponent(A) - bits, 0 if least is None else least - e, 0)
    by = min(shift, 62)
    whole = [math.floor(Fraction(a, 1 << by) + Fraction(1 if by else 0, 2)) for a in A]
    moved = any(w << by != a for w, a in zip(whole, A, strict=True))
    return const + constant(int(moved), e + shift + ends[2]) * size(ends), whole, e + shift


def weights(W):
    """(whole numbers, unit, whether any was rounded)."""
    unit = exponent(W.ravel().tolist()) - 27
    whole = [[round(scaled(float(w), -unit)) for w in row] for row in W]
    exactly = all(scaled(v, unit) == w for row, each in zip(whole, W.tolist(), strict=True)
                  for v, w in zip(row, each, strict=True))  # fmt: skip
    return whole, unit, not exactly


def widths(prover):
    return prover.net.sizes


def bits_of(n):
    """n 2^bits <= 2^35, and a square fits."""
    return min(35 - math.ceil(math.log2(n)), 27)


def around(prover):
    """What x + s may be, pixel by pixel."""
    x = prover.claim.x
    return box(np.nextafter(x - prover.fall, -np.inf), np.nextafter(x + prover.rise, np.inf))


def pull(prover, part, row):
    """(const, A, e): the row is at most const + A . s 2^e."""
    claim, layers = prover.claim, prover.net.layers
    last, count = len(layers) - 1, 16
    begin = [int(row.side) * (i == row.neuron) for i in range(len(claim.rivals) if row.layer == last else
                                                             widths(prover)[row.layer + 1])]  # fmt: skip
    e = (1 if row.layer == last else exponent(row.gamma)) - count
    A = [min(math.floor(scaled(float(g), -e)), 1 << count) for g in row.gamma]
    if row.layer == last:
        A = [a + (b << count - 1) for a, b in zip(A, begin, strict=True)]
    A = [sum(a * int(r) for a, r in zip(A, column, strict=True)) for column in claim.rivals.T]
    t, q = prover.net.threshold
    const, top = constant(-sum(A) * t, e - q), last
    if not any(A) and row.layer < last:
        A, e, top = begin, 0, row.layer
    first = np.cumsum([0, *widths(prover)[1:-1]])
    for k in range(top, -1, -1):
        W, b = layers[k]
        whole, unit, rough = weights(W)
        ends = box(part.l[k - 1], part.u[k - 1]) if k else around(prover)
        const += most(A, e, box(b, b))
        const += constant(sum(map(abs, A)) * rough, ends[2] + e + unit - 1) * size(ends)
        A = [sum(w * a for w, a in zip(each, A, strict=True)) for each in whole]
        bits, least = bits_of(widths(prover)[k]), None
        if k:
            betas = row.beta[first[k - 1] : first[k]].tolist()
            least = max(exponent([*betas, 5e-324]), -1073) - bits
        const, A, e = fit(const, A, e + unit, ends, bits, least)
        if k:
            const, A, e = relu(prover, part, row, (const, A, e), k - 1, ends, int(first[k - 1]))
        if k - 1 == row.layer:
            e = e if any(A) else 0
            if e > 0:
                raise OverflowError("a margin's multiplier: too large")
            A = [a + (b << -e) for a, b in zip(A, begin, strict=True)]
    return const + most(A, e, box(claim.x, claim.x)), A, e


def relu(prover, part, row, pulled, k, ends, first):
    """Through the ReLU of a hidden layer."""
    (const, A, e), bits, after, offsets, given = pulled, bits_of(widths(prover)[k + 1]), [], 0, []
    for i, (a, low, high) in enumerate(zip(A, *ends[:2], strict=True)):
        l, u = float(part.l[k][i]), float(part.u[k][i])  # noqa: E741
        free = l < 0 < u
        sigma = round(ONE * (u / (u - l))) if free else ONE * (l >= 0)
        over = max(max(low, 0) * ONE - sigma * low, max(high, 0) * ONE - sigma * high)
        given.append(round(scaled(float(row.beta[first + i]), -e)))
        offsets += max(a, 0) * math.ceil(Fraction(over, ONE))
        slope = sigma if a > 0 or not free else round(float(row.alpha[first + i]))
        after.append(a * slope + given[-1] * ONE)
    const += most([-g for g in given], e, ends) + constant(offsets, ends[2] + e)
    return fit(const, after, e - 14, ends, bits - 1, 1 - bits if k == row.layer else None)


def gains(prover, A):
    low, high, unit = box(-prover.fall, prover.rise)
    return [(abs(a), ends[1] if a > 0 else -ends[0]) for a, *ends in zip(A, low, high, strict=True)], unit


def support(prover, part, row, A, e):
    """h, the maximum of A . s over S."""
    each, unit = gains(prover, A)
    norm, radius = prover.claim.norm, Fraction(prover.radius)
    if norm == "l0":
        k = int(min(radius, len(A))) - int(part.inside.sum())
        known = sum(a * cap for (a, cap), i, o in zip(each, part.inside, part.outside, strict=True) if i and not o)
        free = [a * cap for (a, cap), i, o in zip(each, part.inside, part.outside, strict=True) if not (i or o)]
        return constant(known + sum(sorted(free, reverse=True)[:k]), unit + e)
    if norm == "linf":
        B, paid = [0] * len(A), 0
    elif norm == "l1":
        B = [min(a, round(scaled(float(row.price), -e))) for a, _ in each]
        paid = max(B)
    else:
        mu = float(np.ldexp(row.price / prover.radius, unit - e))
        B = [min(a, round(mu * cap)) for a, cap in each]
        paid = math.ceil(math.sqrt(sum(v * v for v in B)) * (1 + 2.0**-50))
    rest = sum((a - v) * cap for v, (a, cap) in zip(B, each, strict=True))
    return constant(paid * radius, e) + constant(rest, unit + e)


def together(provers, parts, image, rows, weights):
    """The maximum over s of the weighted sum of the images' rows, and of the last 20 bits of the weights."""
    each = [pull(provers[i], parts[i], row) for i, row in zip(image, rows, strict=True)]
    weights = [round(scaled(float(w), 20 - exponent(weights))) for w in weights]
    scaled_rows = [([w * a for a in A], e) for w, (_, A, e) in zip(weights, each, strict=True)]
    unit = max(e + exponent(A) for A, e in scaled_rows) + len(rows).bit_length() - 34
    A = [[round(scaled(a, e - unit)) for a in row] for row, e in scaled_rows]
    d, first = len(A[0]), provers[0]
    ends = box(*(np.concatenate([some(provers[i]) for i in image]) for some in (lambda p: -p.fall, lambda p: p.rise)))
    low, high = ([side[r * d : (r + 1) * d] for r in range(len(rows))] for side in ends[:2])
    gain = []
    for p in range(d):
        at = [side[r][p] for side in (low, high) for r in range(len(rows))]
        sums = [sum(A[r][p] * min(max(s, low[r][p]), high[r][p]) for r in range(len(rows))) for s in at]
        gain.append(max(sums))
    inside, outside = parts[0].inside, parts[0].outside
    free = sorted((g for g, i, o in zip(gain, inside, outside, strict=True) if not (i or o)), reverse=True)
    k = int(min(first.radius, d)) - int(inside.sum()) if first.claim.norm == "l0" else d
    total = sum(free[:k]) + sum(g for g, i in zip(gain, inside, strict=True) if i)
    charge = size(ends) + 2 * sum(abs(a) for row in A for a in row)
    constants = sum(w * const for w, (const, _, _) in zip(weights, each, strict=True))
    return constants + constant(total + charge, ends[2] + unit)
