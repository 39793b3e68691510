"""The truth in rational numbers: where a small ReLU network is adversarial, and how near to x, with no rounding at all.

In two coordinates a convex polygon is cut by every neuron's line z = 0, layer by layer; on each piece the network is
affine, so the adversarial part is the piece cut once more, by m >= 0, and the nearest point of it is a corner, or lies
on a line on which the norm has a kink.  Everything is `fractions.Fraction`: a float64 is one.
"""

from fractions import Fraction
from itertools import combinations

PIECES = 3000  # more are not looked at: the case is left out


class TooManyPieces(Exception):
    pass


def cut(polygon, line):
    """The part of a convex polygon (a list of corners, perhaps only one or two) with  a u + b v + c >= 0."""
    a, b, c = line
    side = [a * u + b * v + c for u, v in polygon]
    if all(s >= 0 for s in side):
        return polygon
    kept = []
    for i, (p, s) in enumerate(zip(polygon, side, strict=True)):
        q, t = polygon[(i + 1) % len(polygon)], side[(i + 1) % len(polygon)]
        if s >= 0:
            kept.append(p)
        if (s > 0 > t) or (s < 0 < t):
            w = s / (s - t)
            kept.append((p[0] + w * (q[0] - p[0]), p[1] + w * (q[1] - p[1])))
    return list(dict.fromkeys(kept))


def minus(line):
    return tuple(-v for v in line)


def combine(weights, lines, constant):
    """`constant + sum of weight * line`, a line too."""
    a = sum((w * line[0] for w, line in zip(weights, lines, strict=True)), Fraction(0))
    b = sum((w * line[1] for w, line in zip(weights, lines, strict=True)), Fraction(0))
    c = sum((w * line[2] for w, line in zip(weights, lines, strict=True)), constant)
    return a, b, c


def pieces(layers, polygon, inputs):
    """`(polygon, logits)` of every linear piece: the logits as lines.  `layers`: [(W, b), ...] of Fractions."""
    found = [(polygon, inputs)]
    for k, (W, b) in enumerate(layers):
        last, split = k == len(layers) - 1, []
        for part, values in found:
            z = [combine([row[j] for row in W], values, b[j]) for j in range(len(b))]
            parts = [(part, [])]
            for line in z:
                if last:
                    parts = [(p, [*signs, line]) for p, signs in parts]
                    continue
                halves = []
                for p, signs in parts:
                    side = [line[0] * u + line[1] * v + line[2] for u, v in p]
                    if max(side) > 0:
                        halves.append((cut(p, line), [*signs, line]))
                    if max(side) <= 0 or min(side) < 0:
                        halves.append((cut(p, minus(line)), [*signs, (Fraction(0),) * 3]))
                parts = halves
            split += parts
            if len(split) > PIECES:
                raise TooManyPieces
        found = split
    return found


def logits(layers, x):
    """N(x), exactly."""
    for k, (W, b) in enumerate(layers):
        z = [sum((v * row[j] for v, row in zip(x, W, strict=True)), b[j]) for j in range(len(b))]
        x = [max(v, Fraction(0)) for v in z] if k < len(layers) - 1 else z
    return x


def exactly(net):
    """The network's weights as Fractions."""
    return [
        ([[Fraction(float(w)) for w in row] for row in layer.W], [Fraction(float(b)) for b in layer.b])
        for layer in net.dense
    ]


def margins(outputs, y, target, threshold):
    """The numbers (or lines) that must all be positive, one list a way to succeed."""
    def less(p, q):
        return tuple(a - b for a, b in zip(p, q, strict=True)) if isinstance(p, tuple) else p - q

    if len(outputs) == 1:
        t = (Fraction(0), Fraction(0), threshold) if isinstance(outputs[0], tuple) else threshold
        return [[less(outputs[0], t) if y == 0 else less(t, outputs[0])]]
    others = [j for j in range(len(outputs)) if j != y]
    if target is None:
        return [[less(outputs[j], outputs[y])] for j in others]
    return [[less(outputs[target], outputs[j]) for j in range(len(outputs)) if j != target]]


def adversarial(layers, x, y, target, threshold):
    return any(all(m > 0 for m in way) for way in margins(logits(layers, x), y, target, threshold))


def nearest(norm, polygon):
    """The least |s| over a polygon of perturbations; for L2 its square."""
    if norm == "l2":
        return min(_to_segment(p, polygon[(i + 1) % len(polygon)]) for i, p in enumerate(polygon)) if not _holds_0(
            polygon
        ) else Fraction(0)
    kinks = [(1, 0, 0), (0, 1, 0)] if norm == "l1" else [(1, 0, 0), (0, 1, 0), (1, 1, 0), (1, -1, 0)]
    parts = [polygon]
    for line in kinks:
        line = tuple(map(Fraction, line))
        parts = [q for p in parts for q in (cut(p, line), cut(p, minus(line))) if q]
    size = (lambda u, v: abs(u) + abs(v)) if norm == "l1" else (lambda u, v: max(abs(u), abs(v)))
    return min(size(u, v) for p in parts for u, v in p)


def _to_segment(p, q):
    (a, b), (c, d) = p, q
    length = (c - a) ** 2 + (d - b) ** 2
    w = Fraction(0) if not length else min(max(-(a * (c - a) + b * (d - b)) / length, Fraction(0)), Fraction(1))
    return (a + w * (c - a)) ** 2 + (b + w * (d - b)) ** 2


def _holds_0(polygon):
    """Whether 0 is inside, by the signs of the edges' cross products."""
    signs = {(a * (d - b) - b * (c - a) > 0) - (a * (d - b) - b * (c - a) < 0)
             for (a, b), (c, d) in zip(polygon, polygon[1:] + polygon[:1], strict=True)}
    return len(polygon) > 2 and not {1, -1} <= signs and signs != {0}


def least(norm, net, x, y, box, mask, target):
    """The infimum of |s| over adversarial s (for L2 its square), None if there is none; at most two pixels can move.

    An s is adversarial where m > 0; the infimum itself may belong to m = 0.
    """
    layers, threshold = exactly(net), Fraction(float(net.threshold))
    x = [Fraction(float(v)) for v in x]
    room = [(Fraction(float(lo)) - v, Fraction(float(hi)) - v) for lo, hi, v in zip(*box, x, strict=True)]
    free = [i for i in range(len(x)) if mask[i] and room[i] != (0, 0)]
    if norm == "l0":
        for k in range(len(free) + 1):
            if any(_reach(layers, x, room, some, y, target, threshold) for some in combinations(free, k)):
                return k
        return None
    assert len(free) <= 2
    ends = [nearest(norm, part) for part in _reach(layers, x, room, free, y, target, threshold)]
    return min(ends, default=None)


def _reach(layers, x, room, free, y, target, threshold):
    """The polygons (closed) of perturbations of the pixels `free` (at most two) inside which m > 0."""
    i, j = (*free, None, None)[:2]
    (a, b), (c, d) = (room[p] if p is not None else (Fraction(0),) * 2 for p in (i, j))
    polygon = list(dict.fromkeys([(a, c), (b, c), (b, d), (a, d)]))
    inputs = [(Fraction(p == i), Fraction(p == j), v) for p, v in enumerate(x)]
    found = []
    for part, outputs in pieces(layers, polygon, inputs):
        for way in margins(outputs, y, target, threshold):
            inside = part
            for line in way:
                inside = cut(inside, line) if inside else inside
            if inside:  # some point has all m > 0: the mean of the corners does, unless a line is 0 on all of it
                u, v = (sum(p[axis] for p in inside) / len(inside) for axis in (0, 1))
                if all(line[0] * u + line[1] * v + line[2] > 0 for line in way):
                    found.append(inside)
    return found
