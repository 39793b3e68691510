"""The truth for tanh and sigmoid networks of one input and one logit, in decimal intervals that hold it for certain.

Every number is a pair (low, high) of `decimal.Decimal`; sums and products are rounded outwards to 80 digits, and the
activations, which rise, are taken at both ends and widened.  Nothing is rounded by the context of whoever calls.  Boxes
are looked at by their distance from x and halved until the sign of the margin on them is certain.
"""

import heapq
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from itertools import count

DIGITS = 80
DOWN, UP, NEAR = (
    Context(prec=DIGITS, rounding=rounding, Emin=-(10**8), Emax=10**8, traps=[])
    for rounding in (ROUND_FLOOR, ROUND_CEILING, None)
)
WIDER = Decimal("1e-74")  # exp is rounded to 80 digits; five operations follow
FAR, SMALL = Decimal(10_000), Decimal("1e-30")
FINEST = Decimal("1e-40")  # of the whole box: a part so small whose sign is not certain is left out
PARTS = 4000  # more are not looked at: the case is left out


class TooManyParts(Exception):
    pass


def add(a, b):
    return DOWN.add(a[0], b[0]), UP.add(a[1], b[1])


def times(w, a):
    """An exact number w times an interval."""
    ends = a if w >= 0 else a[::-1]
    return DOWN.multiply(w, ends[0]), UP.multiply(w, ends[1])


def sigmoid(z):
    """1 / (1 + exp(-z)) at a Decimal, as an interval."""
    if z > FAR:
        return DOWN.subtract(1, WIDER), Decimal(1)
    if z < -FAR:
        return Decimal(0), NEAR.exp(-FAR)
    value = NEAR.divide(1, NEAR.add(1, NEAR.exp(z.copy_negate())))
    return DOWN.multiply(value, DOWN.subtract(1, WIDER)), UP.multiply(value, UP.add(1, WIDER))


def tanh(z):
    """1 - 2 / (1 + exp(2 z)) at a Decimal, as an interval; near 0, where that cancels, between z - z^3 / 3 and z."""
    if z.copy_abs() < SMALL:
        off = UP.divide(UP.power(z.copy_abs(), 3), 3)
        return (DOWN.subtract(z, off), z) if z >= 0 else (z, UP.add(z, off))
    if z.copy_abs() > FAR:
        return (DOWN.subtract(1, WIDER), Decimal(1)) if z > 0 else (Decimal(-1), UP.subtract(WIDER, 1))
    value = NEAR.subtract(1, NEAR.divide(2, NEAR.add(1, NEAR.exp(NEAR.multiply(2, z)))))
    return DOWN.subtract(value, WIDER), UP.add(value, WIDER)


RISING = {"tanh": tanh, "sigmoid": sigmoid}


def margin(net, y, part):
    """m = +-(N - t) on the part (a, b) of the input, as an interval."""
    values = [part]
    for k, layer in enumerate(net.dense):
        if k:
            values = [(RISING[net.activation](a)[0], RISING[net.activation](b)[1]) for a, b in values]
        sums = [(Decimal(float(v)),) * 2 for v in layer.b]
        for j in range(len(sums)):
            for value, w in zip(values, layer.W[:, j], strict=True):
                sums[j] = add(sums[j], times(Decimal(float(w)), value))
        values = sums
    return times(Decimal(1 if y == 0 else -1), add(values[0], (Decimal(-float(net.threshold)),) * 2))


def adversarial(net, y, point):
    """Whether m > 0 at a float for certain."""
    return margin(net, y, (Decimal(float(point)),) * 2)[0] > 0


def least(net, x, y, lo, hi):
    """(low, high) around the infimum of |s| over adversarial s, x + s in [lo, hi]; (None, None): there is none.

    No s with |s| < low is adversarial, unless its margin is 0 to 40 digits; one with |s| <= high is for certain.
    """
    x, lo, hi = (Decimal(float(v)) for v in (x, lo, hi))
    order, waiting, undecided = count(), [], []

    def wait(near, far):
        """The part between two distances from x, to the right (or, both negative, to the left)."""
        heapq.heappush(waiting, (near.copy_abs(), next(order), near, far))

    for end in (hi, lo):
        wait(Decimal(0), NEAR.subtract(end, x))
    finest = NEAR.multiply(FINEST, max(NEAR.subtract(hi, lo), Decimal("1e-400")))
    while waiting:
        if next(order) > PARTS:
            raise TooManyParts
        distance, _, near, far = heapq.heappop(waiting)
        low, high = margin(net, y, (DOWN.add(x, min(near, far)), UP.add(x, max(near, far))))
        if high <= 0:
            continue
        if low > 0:
            return min([distance, *undecided]), distance
        if NEAR.subtract(far, near).copy_abs() <= finest:
            undecided.append(distance)
            continue
        middle = NEAR.divide(NEAR.add(near, far), 2)
        wait(near, middle)
        wait(middle, far)
    return (min(undecided), None) if undecided else (None, None)
