# mypy: ignore-errors
"""Check a proof about a neural network in exact arithmetic:  python checker.py model.npz proof.npz

This file needs NumPy and nothing else of this project, so that a mistake there cannot hide here.  It can be read in one
sitting, and its docstring is the whole theory.

What is claimed.  Of one image x, a ReLU network N (z_0 = x W_0 + b_0, a_k = max(z_k, 0), z_{k+1} = a_k W_{k+1} +
b_{k+1}) and the set  S = { s : |s| <= radius,  lo <= x + s <= hi,  s = 0 off the mask }:  no s in S has m_j(x + s) > 0
for a rival j; m_j is the rival's logit minus that of the image's class (one logit: +-(N - threshold)).  With a target
among three classes or more, no s has all m_j > 0, the m_j being the target's logit minus each other one.  And of
`x_adv`: it is such a point, in the box, and |x_adv - x| <= upper.

What a proof is.  Steps that leave no part of S open.  A part is an interval for each of three kinds of numbers, in
which they lie at all its counterexamples: the neurons z_i, the margins m_j, and the pixels' counts n_p, which are 0 or
1, 0 where the pixel stays (L0: they add up to at most `radius`).  The first part is S itself.  Each step is about the
last part that is still open: it learns from some rows of multipliers, or it is split in two at one of the numbers, v >=
c and v <= c.  A part is closed once an interval is empty, too many pixels are counted in, or no rival's margin may be
above 0 (where all must be: once one may not).

What a row proves.  Any of  +-z_i, +-m_j,  plus  sum_j beta_j m_j  of margins known not to be negative, beta >= 0, is at
most  A . v + const  where v are the logits or the neurons of a layer, and is pushed down layer by layer by inequalities
that hold for all multipliers:

    dense     A . z = (A W^T) . a + A . b
    ReLU      a <= sigma z + max(max(l, 0) - sigma l, max(u, 0) - sigma u)     for any sigma in [0, 1]: convexity
              a >= alpha z                                                     for any alpha in [0, 1]
    interval  0 <= beta (z - l),  0 <= beta (u - z)                            for any beta >= 0
    pixels    A . (x + s) <= A . x + h,   h >= max A . s over S, with a_i = |A_i| and cap_i the room in that direction:
              Linf  sum a_i min(cap_i, r)
              L1    r max B_i + sum (a_i - B_i) cap_i                 for any 0 <= B <= a:  B . t <= (max B_i) sum t_i
              L2    r |B|     + sum (a_i - B_i) cap_i                 for any 0 <= B <= a:  B . t <= |B| |t|
              L0    the a_i cap_i of the pixels known to change, and the largest of the others as far as `radius` goes

So the row bounds its neuron or its margin at the part's counterexamples.  Where pixels are counted, the row of a margin
that falls below 0 once a pixel is kept out shows that every counterexample counts it; once it is counted in, that none
does.  Multipliers need not be the best, so they are rounded as it suits the sums.

Of a set of images (x with rows) it is claimed that no one s with |s| <= radius fools them all, each clipping x_i + s to
its own box.  Such an s gives a counterexample of each image, delta_i(s) = clip(x_i + s) - x_i; so each has a part and
rows of its own, one that is closed closes all, and pixels counted in or out for one are so for all (counted in, a pixel
may as well stay: its gain is not below 0).  Or a sum of margins of several images, all above 0 at s, is at most const +
sum_i A_i . delta_i(s), which in each pixel is linear in s between the ends of the images' rooms: its maximum is at one
of them (L0: the largest gains, as far as `radius` goes).  Below 0, there is no such s.

Why the sums are exact.  A row is A 2^e, with whole numbers |A| <= 2^b; a weight is (8192 high + low) 2^w with whole
numbers |high| <= 2^14, |low| <= 2^12; the end of an interval is a whole number of at most 2^27 times a power of two.
For each layer b is at most 27 and so small that n 2^b <= 2^35 for its n numbers; a row of margins begins with numbers
that add up to no more.  So the sums of A @ high and A @ low in float64 stay below 2^53, and every product and every
partial sum is exact, in whatever order they are added; the sums of A . l, of gains and of squares stay below 2^63, in
int64.  Constants, and what the witness x_adv is measured by, are Python's integers, which are exact at any size.
Rounding is done on purpose and paid for: constants and the ends of intervals are rounded outward; an entry of A that is
rounded moves by at most 1, which costs at most |v|, and a weight by half, times |A|.  Where a difference, a quotient or
a root of floats is rounded, IEEE 754 says to which float, and the next one, or one a little beyond, is taken. No
tolerance is granted.
"""

import hashlib
import sys

import numpy as np

SLOPE, LIMB, ENDS = 14, 13, 27  # bits of alpha and sigma, of half a weight, of weights and ends of intervals
POINT = 1100  # constants are Python's integers, times 2^-POINT: below the smallest float there is


class Refused(Exception):
    """The proof does not show what it claims; the message says where."""


def require(fact, words):
    if not fact:
        raise Refused(words)


# ---------------------------------------------------------------------------- whole numbers times powers of two


def up(v, shift):
    """The smallest whole numbers at or above v 2^shift."""
    return np.maximum(np.ceil(np.ldexp(v, shift)), np.where(v > 0, 1, -np.inf))  # ldexp may underflow


def exponent(v, axis=None):
    """E with |v| < 2^E for all of v, or along an axis."""
    return np.frexp(np.max(np.abs(v), axis))[1]


# whole numbers v times 2^s as constants, rounded up, and a float above a constant; int / int is the nearest float
lift = np.frompyfunc(lambda v, s: -(-int(v) << s + POINT if s > -POINT else -int(v) >> -s - POINT), 2, 1)
above = np.frompyfunc(lambda c: np.nextafter(c / (1 << POINT), np.inf) if c else 0.0, 1, 1)


class Box:
    """low <= v <= high, rounded outward: whole numbers of at most 2^ENDS, times 2^unit."""

    def __init__(self, low, high):
        require(np.isfinite([low, high]).all(), "a row goes through an interval without ends")
        self.unit = int(exponent([low, high])) - ENDS
        self.low, self.high = -up(-low, -self.unit).astype(int), up(high, -self.unit).astype(int)
        self.size = int(np.maximum(-self.low, self.high).sum())

    def most(self, A, e):
        """The maximum of A . v 2^e over the box as constants (R,), for whole numbers A (R, d)."""
        rise = np.maximum(A, 0)
        return lift((A - rise) @ self.low + rise @ self.high, self.unit + e)


def fit(const, A, e, box, bits, least):
    """A row const + A . v 2^e, v in the box, with |A| <= 2^bits and e >= least; an entry moved by up to 1 costs |v|."""
    shift = np.maximum(np.maximum(exponent(A, 1) - bits, least - e), 0)
    by = np.minimum(shift, 62).astype(int)[:, None]
    whole = A + (1 << by >> 1) >> by
    return const + lift((whole << by != A).any(axis=1), e + shift + box.unit) * box.size, whole, e + shift


def integers(v):
    """A float array as Python's integers times 2^-q: (integers, q)."""
    mantissa, power = np.frexp(v)
    q = max(53 - int(np.min(power)), 0)
    return (mantissa * 2.0**53).astype(int).astype(object) << (power - 53 + q).astype(object), q


def numbers(arrays, name):
    """An array of finite numbers as float64."""
    given = np.asarray(arrays[name])
    require(given.dtype.char in "?bBhHiIlLqQefd", f"{name}: not the kind of numbers expected")
    value, beyond = np.array(given, "<f8", order="C"), np.inf if given.dtype.kind == "f" else 2.0**53
    require((np.abs(value) < beyond).all(), f"{name}: not finite, or beyond float64")
    return value


# ---------------------------------------------------------------------------- network and claim


class Network:
    """The network of a model.npz: the SHA-256 of its numbers, and its weights as whole numbers."""

    def __init__(self, arrays):
        depth = sum(name.startswith("W") for name in arrays)
        require(str(arrays["activation"]) == "relu" or depth == 1, "model: only ReLU is checked exactly")
        names = ["threshold", *(f"{kind}{k}" for k in range(1, depth + 1) for kind in "Wb")]
        values = {"activation": np.array(str(arrays["activation"]))} | {name: numbers(arrays, name) for name in names}
        each = [f"{name} {v.shape} {v.dtype.str}".encode() + v.tobytes() for name, v in values.items()]
        self.name, (_, threshold, *rest) = hashlib.sha256(b"".join(each)).hexdigest(), values.values()
        self.layers, self.threshold, self.W = list(zip(rest[::2], rest[1::2], strict=True)), integers(threshold), []
        self.sizes = [len(W) for W, _ in self.layers] + [len(rest[-1])]
        shapes = [(), *(shape for d, m in zip(self.sizes, self.sizes[1:], strict=False) for shape in ((d, m), (m,)))]
        require(shapes == [v.shape for v in (threshold, *rest)] and max(self.sizes) <= 1 << 14, "model: no such shapes")
        for W, b in self.layers:
            unit = int(exponent(W)) - ENDS
            v = np.rint(np.ldexp(W, -unit)).T.copy()
            high = np.rint(np.ldexp(v, -LIMB))
            self.W.append((high, v - np.ldexp(high, LIMB), unit, (np.ldexp(v, unit) != W.T).any(), Box(b, b)))

    def logits(self, x):
        """N(x) - threshold as Python's integers, times a power of two."""
        (a, q), (t, r) = integers(x), self.threshold
        for W, b in self.layers:
            both, p = integers(np.vstack([W[a.astype(bool)], b]))
            z, q = np.append(a[a.astype(bool)], 1 << q) @ both, q + p
            a = np.maximum(z, 0)
        return (z << r) - (t << q)


class Claim:
    """What a file claims of one image; `ends` are box and mask as one interval for each pixel, and `rivals` the margins
    as rows (r, classes) on the logits: a counterexample has one of them above 0, or all of them (`fooled`)."""

    def __init__(self, net, arrays):
        self.net, self.norm, self.x = net, str(arrays["norm"]), numbers(arrays, "x")
        require(self.norm in ("l0", "l1", "l2", "linf"), f"norm: expected l0, l1, l2 or linf, got {self.norm[:9]!a}")
        self.lower, self.upper, self.radius = (float(arrays[name]) for name in ("lower", "upper", "radius"))
        k, y, target = max(net.sizes[-1], 2), *(numbers(arrays, name).item() for name in ("y", "target"))
        require(y in range(k) and target in range(-1, k) and y != target, "y, target: no such class")
        (y, target), eye = (int(y), int(target)), np.eye(k, dtype=np.int8)
        rivals = np.delete(eye, y, 0) - eye[y] if target < 0 else eye[target] - np.delete(eye, target, 0)
        # one logit is that of class 1, beside 0
        self.rivals, self.fooled = rivals[:, k - net.sizes[-1] :], any if target < 0 and k > 2 else all
        self.aim = f"class {target}" if target >= 0 else f"anything but class {y}"
        lo, hi, mask = (numbers(arrays, name) if name in arrays else True for name in ("lo", "hi", "mask"))
        box = "its own box" if lo.shape or hi.shape else f"pixels in [{lo}, {hi}]"
        self.box, self.ends = box + " and its mask" * (not np.all(mask)), [np.where(mask, v, self.x) for v in (lo, hi)]
        self.point = [numbers(arrays, "x_adv")] if "x_adv" in arrays else []
        lo, hi, *_ = each = np.stack([*self.ends, self.x, *self.point])
        require(lo.shape == (net.sizes[0],) and ((lo <= each) & (each <= hi)).all(), "x, x_adv: outside box or mask")

    def adversarial(self, point):
        """Whether a rival's margin is positive there (for a joint target: all are), exactly."""
        return self.fooled(self.rivals.astype(object) @ self.net.logits(point) > 0)

    def within(self, points, radius):
        """Whether |p - x| <= radius, exactly, where each pixel of p is the farthest from x among the points."""
        (every, q), (r, p) = integers(np.stack([*points, self.x])), integers(radius)
        s, power = np.max(np.abs(every[:-1] - every[-1]), axis=0), 2 if self.norm == "l2" else 1
        size = {"l0": int(np.count_nonzero(s)) << q, "linf": max(s)}.get(self.norm, sum(s**power))
        return size << (p * power) <= int(r) ** power << (q * power)

    def needs_proof(self):
        """Whether `lower` needs `radius` refuted; that it follows then, and that `x_adv` is what it should be."""
        lower, upper, nothing = self.lower, self.upper, int(self.norm == "l0")  # nothing: what no radius proves
        require(0 <= lower <= upper, f"expected 0 <= lower <= upper, got [{lower}, {upper}]")
        require(all(map(self.adversarial, self.point)), "x_adv: not adversarial")
        require(upper == np.inf or (self.point and self.within(self.point, upper)), "upper: no counterexample so near")
        enough = lower <= self.radius + nothing or (lower == np.inf and self.within(self.ends, self.radius))
        require(enough if lower > nothing else lower == 0 or not self.adversarial(self.x), "lower: above what is shown")
        return lower > nothing


# ---------------------------------------------------------------------------- parts of the set, and rows


class Prover:
    """What follows about parts of one set S.  A part (2, n): between what each hidden neuron, each margin, and each
    pixel's count, 0 or 1, lies at all its counterexamples."""

    def __init__(self, claim):
        self.net, self.claim, self.radius, x, (lo, hi) = claim.net, claim, claim.radius, claim.x, claim.ends
        self.counts, first = claim.norm == "l0", np.cumsum([0, *self.net.sizes[1:-1], len(claim.rivals)])
        require(0 < self.radius < np.inf and not (self.counts and self.radius % 1), "radius: no such radius")
        self.at, self.pixels = [*map(slice, first[:-1], first[1:])], slice(first[-1], first[-1] + len(x))
        # a difference of two floats is rounded to the nearest, so the next one is above it
        room = np.where([x - lo, hi - x], np.nextafter([x - lo, hi - x], np.inf), 0.0)
        self.fall, self.rise = room if self.counts else np.minimum(room, self.radius)
        self.x, self.room = Box(x, x), Box(-self.fall, self.rise)
        self.around = Box(np.nextafter(x - self.fall, -np.inf), np.nextafter(x + self.rise, np.inf))  # x + s

    def whole(self):
        """S itself."""
        hidden, r, d = self.at[-1].start, len(self.claim.rivals), len(self.claim.x)
        known = 0.0 if self.claim.fooled is all else -np.inf
        return np.array([[-np.inf] * hidden + [known] * r + [0.0] * d, [np.inf] * (hidden + r) + [1.0] * d])

    def closed(self, part):
        """Whether it holds no counterexample."""
        none = (part[0] > part[1]).any() or not self.claim.fooled(part[1, self.at[-1]] > 0)
        return none or (self.counts and np.count_nonzero(part[0, self.pixels]) > self.radius)

    def learn(self, part, layer, neuron, side, price, *lines):
        """What R rows, of +-v of neurons of a hidden layer, or of margins one layer on, show of the part."""
        const, A, e = self.pull(part, layer, neuron, side, price, *lines)
        h, changed = getattr(self, self.claim.norm)(A, e, part, price)
        (l, u), value, neuron = part[:, self.at[layer]], above(const + h).astype(float), neuron.astype(int)  # noqa: E741
        sure = (l[neuron] >= 0) & (side == 1)
        np.minimum.at(u, neuron[side == 1], value[side == 1])
        np.maximum.at(l, neuron[side == -1], -value[side == -1])
        if self.counts and layer == len(self.at) - 1:
            # nothing is below 0, but where no pixel is left to count in: 0 says nothing of margins that are not sure
            rest = np.clip(lift(-const, -self.room.unit - e - 2 * POINT), 0, 2**62 * sure).astype(int)[:, None]
            for end, other, count in zip(part[:, self.pixels], changed(), (1, 0), strict=True):
                end[((part[0, self.pixels] <= 0) & (other < rest)).any(axis=0)] = count

    def pull(self, part, layer, neuron, side, price, alpha, beta):
        """The rows at the pixels: at most const + A . s 2^e."""
        net, one, margins, R = self.net, 1 << SLOPE, self.at[-1], len(side)
        shapes, last = [each.shape for each in (neuron, side, price, alpha, beta)], len(self.at) - 1
        require(shapes == [(R,)] * 3 + [(R, margins.start), (R, margins.stop)], "rows of other shapes")
        require(0 <= layer <= last and (np.abs(side) == 1).all(), "no such row")
        require((alpha >= 0).all() and (alpha <= one).all() and (price >= 0).all(), "a multiplier out of its range")
        begin = np.eye(len(part.T[self.at[layer]]), dtype=np.int8)[neuron.astype(int)] * side.astype(int)[:, None]
        e = (exponent(beta[:, margins], 1) if layer < last else np.ones(R, int)) - 16
        A = np.minimum(np.floor(np.ldexp(beta[:, margins], -e[:, None])), 1 << 16).astype(int)
        require((A >= 0).all() and (part[0, margins] >= 0)[A.any(axis=0)].all(), "a margin that may be below 0")
        A, (t, q) = (A + (begin << 15 if layer == last else 0)) @ self.claim.rivals, net.threshold
        const, far = lift(-A.sum(axis=1).astype(object) * int(t), e - q), layer == last or A.any()
        A, e = (A, e) if far else (begin, 0 * e)  # without margins the rows begin at their neurons
        for k in range(last if far else layer, -1, -1):  # through dense layer k, and the ReLU before it
            (high, low, unit, rough, bias), span, some = net.W[k], self.at[k - 1], A.any(axis=0)  # that are not 0
            z, bits = Box(*part[:, span]) if k else self.around, min(35 - (net.sizes[k] - 1).bit_length(), 27)
            const += bias.most(A, e) + lift(np.abs(A).sum(1) * rough, z.unit + e + unit - 1) * z.size
            A = A[:, some].astype(float)
            A = ((A @ high[some]).astype(int) << LIMB) + (A @ low[some]).astype(int)
            least = exponent(np.maximum(np.abs(beta[:, span]), 5e-324), 1) - bits if k else (e + unit).min()
            const, A, e = fit(const, A, e + unit, z, bits, least)  # so that beta fits, too
            if k:
                (l, u), rise = part[:, span], np.maximum(A, 0)  # noqa: E741
                free = (l < 0) & (u > 0)
                sigma = np.rint(one * np.where(free, u / (u - l), l >= 0)).astype(int)
                over = np.maximum(*(np.maximum(end, 0) * one - sigma * end for end in (z.low, z.high)))
                given = np.rint(np.ldexp(beta[:, span], -e[:, None])).astype(int)
                const += z.most(-given, e) + lift(rise @ -(-over >> SLOPE), z.unit + e)
                A = rise * sigma + (A - rise) * np.where(free, np.rint(alpha[:, span]), sigma).astype(int)
                least = 1 - bits if k - 1 == layer else (e - SLOPE).min()
                const, A, e = fit(const, A + given * one, e - SLOPE, z, bits - 1, least)
            if k - 1 == layer:
                e = e * A.any(axis=1)  # a row without margins begins here
                require((e <= 0).all(), "a margin's multiplier: too large")  # 1 is a whole number of units
                A = A + (begin << -e[:, None])
        return const + self.x.most(A, e), A, e

    def linf(self, A, e, part, price):
        return self.room.most(A, e), None

    def l1(self, A, e, part, price):
        return self.spent(A, e, np.ldexp(price, -e)[:, None], lambda B: B.max(axis=1))

    def l2(self, A, e, part, price):
        mu, cap = np.ldexp(price / self.radius, self.room.unit - e), np.where(A > 0, self.room.high, -self.room.low)
        # a root of whole numbers below 2^62, rounded up: in float64 it is off by less than 2^-51 of it
        return self.spent(A, e, mu[:, None] * cap, lambda B: np.ceil(np.sqrt((B * B).sum(axis=1)) * (1 + 2.0**-50)))

    def spent(self, A, e, level, size):
        """h, where B with |B| <= size pays for the radius, and the rest of A for the room."""
        (r, q), B = integers(self.radius), np.fmin(np.abs(A), np.rint(level)).astype(int)
        h = lift(size(B).astype(int).astype(object) * r, e - q)
        return h + self.room.most(np.sign(A) * (np.abs(A) - B), e), None

    def l0(self, A, e, part, price):
        """h, and a function: what it is with a pixel kept out, and with it counted in, (R, d), as whole numbers."""
        inside, outside, unit = part[0, self.pixels] > 0, part[1, self.pixels] < 1, self.room.unit + e
        gain = np.maximum(A * self.room.low, A * self.room.high) * ~outside
        k = int(min(self.radius, A.shape[1])) - np.count_nonzero(inside)
        free = np.where(inside, 0, gain)
        order = -np.partition(np.append(-free, np.zeros((len(A), 1), int), axis=1), [k - 1, k], axis=1)
        h = np.sum(gain - free, axis=1, keepdims=True) + np.sum(order[:, :k], axis=1, keepdims=True)
        last, after = order[:, k - 1 : k] if k else 1 << 62, order[:, k : k + 1]
        return lift(h.ravel(), unit), lambda: (h - (free - after) * (free >= last), h - np.maximum(last - free, 0))


# ---------------------------------------------------------------------------- the steps


def check_steps(provers, proof):
    """That the steps leave no part open.  A part of a set of images is one of each, and closed if one of them is."""
    names, at = ("steps", "cut", "neuron", "side", "price", "alpha", "beta"), 0
    steps, cut, *rows = (numbers(proof, f"proof_{name}") for name in names)
    parts, (first, *_) = [np.array([prover.whole() for prover in provers])], provers
    for (count, layer, index), c in zip(steps.astype(int).tolist(), cut, strict=True):
        require(parts, "steps after the last part is closed")
        (*parts, part), some, at = parts, [each[at : at + count] for each in rows], at + count
        if not count:
            parts += split(part, index, c)
        elif index < len(part):
            provers[index].learn(part[index], layer, *some)
            part[:, :, first.pixels] = part[index][:, first.pixels]  # of s: known of one, known of all
            parts.append(part)
        elif together(first, provers, part, *some) >= 0:
            parts.append(part)
        while parts and any(map(Prover.closed, provers, parts[-1])):
            parts.pop()
    require(not parts, f"{len(parts)} of the parts left open")


def split(part, index, cut):
    """The two parts that together are the part: v >= cut and v <= cut, of a neuron, a margin, a pixel's count."""
    require(len(part) == 1, "a split of several images")
    first, second = part.copy(), part.copy()
    first[:, 0, index], second[:, 1, index] = np.maximum(part[:, 0, index], cut), np.minimum(part[:, 1, index], cut)
    return [first, second]


def together(first, provers, part, row, side, weight, *lines):
    """The maximum over s of a sum of margins, row image * rivals + j with its weight, as a constant."""
    (l, u), (image, margin) = part.swapaxes(0, 1), np.divmod(row.astype(int), len(first.claim.rivals))  # noqa: E741
    require((l[image, first.at[-1].start + margin] >= 0).all(), "a margin that may be below 0")
    given = [[line[r : r + 1] for line in (margin, abs(side), weight, *lines)] for r in range(len(image))]
    each = [provers[i].pull(part[i], len(first.at) - 1, *given[r]) for r, i in enumerate(image)]
    weight, those = np.rint(np.ldexp(weight, 20 - exponent(weight))).astype(int), [provers[i] for i in image]
    const, A, e = (np.concatenate([row[j] for row in each]) for j in range(3))
    room = Box(np.concatenate([-one.fall for one in those]), np.concatenate([one.rise for one in those]))
    low, high, A = room.low.reshape(A.shape), room.high.reshape(A.shape), A * weight[:, None]
    unit = max(e + exponent(A, 1)) + len(A).bit_length() - 34  # so that products and their sums are below 2^62
    A = np.rint(np.ldexp(A.astype(float), (e - unit)[:, None])).astype(int)  # moved by 1 at most, and a room by 2
    # between two of the ends the sum is linear in s, pixel by pixel
    gain = (A * np.clip(np.concatenate([low, high])[:, None], low, high)).sum(axis=1).max(axis=0)
    (inside, *_), (outside, *_) = l[:, first.pixels] > 0, u[:, first.pixels] < 1  # the same for all
    k = int(min(first.radius, len(gain))) - np.count_nonzero(inside) if first.counts else len(gain)
    chosen = sorted(gain[~(inside | outside)].tolist(), reverse=True)[:k] + gain[inside].tolist()
    return sum(const * weight) + lift(sum(chosen) + room.size + 2 * int(np.abs(A).sum()), room.unit + unit)


# ---------------------------------------------------------------------------- a file's proof, and what it says


def check(model, proof):
    """Check the arrays of a proof against those of a model.  Returns what was proved, in a sentence; raises Refused."""
    require((np.full(2, 5e-324) * 1.0 > 0).all(), "this process takes small floats for 0")
    with np.errstate(all="ignore"):
        net, alone = Network(model), np.ndim(proof["x"]) != 2
        require(str(proof["network"]) == net.name, "another network: the SHA-256 of its numbers differs")
        require(alone or "x_adv" not in proof, "a set: a point is no perturbation of all")
        images = zip(np.atleast_2d(proof["x"]), *(np.atleast_1d(proof[name]) for name in ("y", "target")), strict=True)
        claims = [Claim(net, proof | {"x": x, "y": y, "target": target}) for x, y, target in images]
        if all(list(map(Claim.needs_proof, claims))):
            check_steps([Prover(claim) for claim in claims], proof)
        return sentence(claims, alone)


def sentence(claims, alone):
    """What was proved, and what was found."""
    what, where = ("change", "this image") if alone else ("one perturbation", f"all {len(claims)} images")
    (c, *_), aims = claims, ", ".join(dict.fromkeys(claim.aim for claim in claims))
    of = {"l0": "fewer than {:.0f} pixels", "linf": "less than {!r} in each pixel"}.get(c.norm, c.norm + " below {!r}")
    how = "of " + of.format(abs(c.lower)) if c.lower < np.inf else "at all"
    found = f"; one of {c.upper:{'.0f' * (c.norm == 'l0')}} does" if c.upper < np.inf else ""
    said = f"proved: with {c.box}, no {what} {how} makes the network see {aims} in {where}{found}"
    return said if c.upper > 0 else f"found: the network sees {aims} in {where} as it is"


def main(model, *proofs):
    status = 0
    for proof in proofs:
        try:
            with np.load(model) as weights, np.load(proof) as arrays:
                require(all(len({*n}) == len(n) for n in (weights.files, arrays.files)), "two arrays of one name")
                print(f"{proof}: {check(dict(weights), dict(arrays))}")
        except Exception as error:  # whatever it is, nothing was shown
            why = error if isinstance(error, Refused) else ascii(error)[:60]  # a file's words might pass for ours
            status = print(f"{proof}: refused: {why}") or 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else "usage: python checker.py model.npz proof.npz ...")
