# mypy: ignore-errors
"""Check a proof about a neural network in exact arithmetic:  python checker.py model.npz proof.npz

This file needs NumPy and nothing else of this project, so that a mistake there cannot hide here.  It can be read in one
sitting, and its docstring is the whole theory.

What is claimed.  Of one image x, a ReLU network N (z_0 = x W_0 + b_0, a_k = max(z_k, 0), z_{k+1} = a_k W_{k+1} +
b_{k+1}) and the set  S = { s : |s| <= radius,  lo <= x + s <= hi,  s = 0 off the mask }:  no s in S has m_j(x + s) > 0
for a rival j; m_j is the rival's logit minus that of the image's class (one logit: +-(N - threshold)).  With a target
among three classes or more, no s has all m_j > 0, the m_j being the target's logit minus each other one.  And of
`x_adv`: it is such a point, in the box, and |x_adv - x| <= upper.

What a proof is.  Steps that leave no part of S open.  A part knows intervals l <= z <= u of all neurons, which hold at
all its counterexamples, and, where pixels are counted (L0), pixels that all of them change and pixels that none
changes.  It is closed once all its rivals are refuted, or an interval is empty.  The first part is S itself, and each
step is about the last part that is still open: it learns from some rows of multipliers, or it is split in two, at
z_i <= c and z_i >= c or at a pixel that changes or does not, or by the rivals.

What a row proves.  Any of  +z_i, -z_i, 0  plus  sum_j gamma_j m_j,  gamma >= 0, is at most  A . v + const  where v are
the logits or the neurons of a layer, and is pushed down layer by layer by inequalities that hold for all multipliers:

    dense     A . z = (A W^T) . a + A . b
    ReLU      a <= sigma z + max(max(l, 0) - sigma l, max(u, 0) - sigma u)     for any sigma in [0, 1]: convexity
              a >= alpha z                                                     for any alpha in [0, 1]
    interval  0 <= beta (z - l),  0 <= beta (u - z)                            for any beta >= 0
    pixels    A . (x + s) <= A . x + h,   h >= max A . s over S, with a_i = |A_i| and cap_i the room in that direction:
              Linf  each pixel at the end of its interval (of x + s at once)
              L0    the a_i cap_i of the pixels known to change, and the largest of the others as far as `radius` goes
              L1    lambda r + sum max(0, a_i - lambda) cap_i                             for any lambda >= 0
              L2    mu r^2 / 2 + sum of  a_i^2 / (2 mu)  or  mu tau^2 / 2 + max(0, a_i - mu tau) cap_i,  any mu, tau:
                    the t_i^2 add up to at most r^2, and  a t - mu t^2 / 2  is at most either, for all t in [0, cap]

At a counterexample m_j > 0, so the row bounds +-z_i there; a row of the m_j alone with a bound below 0 refutes them;
and so, where pixels are counted, does one whose bound falls below 0 once a pixel is kept out (then every counterexample
changes it) or counted in (none does).  Multipliers need not be the best, so they are rounded as it suits the sums.

Of a set of images (x with rows) it is claimed that no one s with |s| <= radius fools them all, each clipping x_i + s to
its own box.  Such an s gives a counterexample of each image, delta_i(s) = clip(x_i + s) - x_i; so each learns rows of
its own, and pixels that one of them knows are known of s (counted in, a pixel may as well stay: its gain is not below
0).  At last a sum of margins of several images is above 0 at s, and at most const + sum_i A_i . delta_i(s), which in
each pixel is linear in s between the ends of the images' rooms: its maximum is at one of them (L0: the largest gains,
as far as `radius` goes).  Below 0, there is no such s.

Why the sums are exact.  A row is A 2^e, with whole numbers |A| <= 2^b held in float64; a weight is (65536 high + low)
2^w with whole numbers |high|, |low| <= 2^15.  So the products A @ high and A @ low add n numbers of at most 2^(b + 15);
b is chosen so that n 2^(b + 15) <= 2^53 (a row of rivals begins with few numbers of up to 2^37), and up to 2^53 every
product and every partial sum in float64 is exact, in whatever order they are added.  Constants, and what the witness
x_adv is measured by, are Python's integers, which are exact at any size.  Rounding is done on purpose and paid for:
constants and the ends of intervals are rounded outward; an entry of A that is rounded moves by at most 1, which costs
at most |v|, and a weight by half, times |A|.  Multiplying by a power of two is exact, and where it underflows `up`
still rounds up.  No float sum that may be rounded is trusted, no division, and no tolerance is granted.
"""

import hashlib
import sys

import numpy as np

SLOPE = 14  # bits of alpha and sigma
PIXEL, RIVALS = -1, -3  # instead of the layer of a split
NEVER = -(10**6)
POINT = 1100  # constants are Python's integers, times 2^-POINT: below the smallest float there is
FINE = 44  # bits of A where its squares count (L2)


class Refused(Exception):
    """The proof does not show what it claims; the message says where."""


def require(fact, words):
    if not fact:
        raise Refused(words)


# ---------------------------------------------------------------------------- whole numbers times powers of two


def up(v, shift):
    """The smallest whole numbers at or above v 2^shift."""
    moved = np.ldexp(v, shift)
    return np.ceil(moved) + ((moved == 0) & (v > 0))


def lift(v, shift):
    """Whole numbers v, times 2^shift, as constants; rounded up."""
    v, shift = np.asarray(v), np.asarray(shift) + POINT
    left, right = (np.maximum(s, 0).astype(object) for s in (shift, -shift))
    return -(-(v if v.dtype == object else v.astype(np.int64).astype(object)) << left >> right)


above = np.frompyfunc(lambda c: np.nextafter(c / (1 << POINT), np.inf) if c else 0.0, 1, 1)  # int / int: the nearest


def exponent(v, axis=None):
    """E with |v| < 2^E for all of v, or along an axis."""
    return np.frexp(np.maximum(np.max(v, axis, initial=0), -np.min(v, axis, initial=0)))[1].astype(int)


def limbs(v):
    """Whole numbers of at most 2^30, (d,) or (d, n), as two limbs side by side."""
    high = np.rint(v / 65536)
    return np.stack([high, v - 65536 * high], axis=1).reshape(len(v), -1)


def total(sums, shift):
    """65536 high + low of sums over limbs (R, 2), times 2^shift, as constants."""
    high, low = sums.T
    if np.max(np.abs(high), initial=0) < 2.0**46:  # then both fit into one int64
        return lift(65536 * high.astype(np.int64) + low.astype(np.int64), shift)
    return lift(high, shift + 16) + lift(low, shift)


class Box:
    """low <= v <= high, rounded outward: whole numbers of at most 2^30, times 2^unit."""

    def __init__(self, low, high):
        require(np.isfinite(low).all() and np.isfinite(high).all(), "an interval without ends")
        self.unit = int(exponent(np.concatenate([low, high]))) - 29
        self.low, self.high = -up(-low, -self.unit), up(high, -self.unit)
        self.limbs, self.size = (limbs(self.low), limbs(self.high)), int(np.maximum(-self.low, self.high).sum())

    def most(self, A, e):
        """The maximum of A . v 2^e over the box as constants (R,), for whole numbers A (R, d)."""
        rise = np.maximum(A, 0)
        return total((A - rise) @ self.limbs[0] + rise @ self.limbs[1], self.unit + e)


def fit(A, e, bits, least=NEVER):
    """A 2^e in units in which |A| <= 2^bits: A and e, and by how much an entry may have moved, 0 or 1."""
    shift = np.maximum(np.maximum(exponent(A, 1) - bits, least - e), 0)
    return np.rint(A * np.ldexp(1.0, -shift)[:, None]), e + shift, 1 * (shift > 0)


def integers(v):
    """A float array as Python's integers times 2^-q: (integers, q)."""
    mantissa, power = np.frexp(v)
    power = np.where(mantissa == 0, 0, power - 53)
    q = max(-int(np.min(power, initial=0)), 0)
    return (mantissa * 2.0**53).astype(np.int64).astype(object) << (power + q).astype(object), q


def numbers(arrays, name):
    """An array of finite numbers as float64."""
    value = np.asarray(arrays[name])
    require(value.dtype.kind in "iufb" and value.dtype.itemsize <= 8, f"{name}: not the kind of numbers expected")
    require(np.isfinite(value).all(), f"{name}: expected finite numbers")
    ends = (int(value.min(initial=0)), int(value.max(initial=0))) if value.dtype.kind in "iu" else (0, 0)
    require(max(-ends[0], ends[1]) <= 1 << 53, f"{name}: whole numbers that no float64 may hold")
    return np.array(value, "<f8", order="C")


# ---------------------------------------------------------------------------- network and set


class Network:
    """The network of a model.npz: the SHA-256 of its numbers, and its weights as whole numbers."""

    def __init__(self, arrays):
        depth = sum(name.startswith("W") for name in arrays)
        require(str(arrays["activation"]) == "relu" or depth == 1, "model: only ReLU is checked exactly")
        names = ["threshold", *(f"{kind}{k}" for k in range(1, depth + 1) for kind in "Wb")]
        values, digest = [arrays["activation"], *(numbers(arrays, name) for name in names)], hashlib.sha256()
        for name, value in zip(["activation", *names], values, strict=True):
            digest.update(f"{name} {value.shape} {value.dtype.str}".encode() + value.tobytes())
        self.name, self.threshold = digest.hexdigest(), values[1]
        self.layers = list(zip(values[2::2], values[3::2], strict=True))
        self.sizes = [len(W) for W, _ in self.layers] + [len(values[-1])]
        shapes = [((d, m), (m,)) for d, m in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        require([(W.shape, b.shape) for W, b in self.layers] == shapes, "model: shapes that do not follow each other")
        require(self.threshold.shape == () and max(self.sizes) <= 1 << 20, "model: threshold no number, or too wide")
        self.bits = min(38 - (max(self.sizes) - 1).bit_length(), 30)
        self.W, self.rough, self.b = [], [], [Box(b, b) for _, b in self.layers]
        self.t = Box(np.full(self.sizes[-1], self.threshold), np.full(self.sizes[-1], self.threshold))
        for W, _ in self.layers:
            unit = int(exponent(W)) - 30
            scaled, whole = np.ldexp(W, -unit), np.rint(np.ldexp(W, -unit))
            self.rough.append(((whole != scaled) | ((whole == 0) & (W != 0))).any())  # by half a unit
            bits = int(np.bitwise_or.reduce(np.abs(whole).astype(np.int64), axis=None)) | int(self.rough[-1])
            even = max((bits & -bits).bit_length() - 1, 0)  # all are multiples of 2^even: a coarser unit will do
            self.W.append((np.hsplit(limbs(np.ldexp(whole, -even).T), 2), unit + even))

    def logits(self, x):
        """N(x) - threshold as Python's integers, times a power of two."""
        a, q = integers(x)
        for W, b in self.layers:
            some = np.flatnonzero(a)
            (W, p), (b, r) = integers(W[some]), integers(b)
            z, q = (a[some] @ W << max(r - q - p, 0)) + (b << max(q + p - r, 0)), max(q + p, r)
            a = np.maximum(z, 0)
        t, r = integers(self.threshold)
        return (z << max(r - q, 0)) - (t << max(q - r, 0))


class Set:
    """The perturbations of one image; for each norm the most that A . (x + s) can be over them, as A . x + h."""

    def __init__(self, claim, bits):
        self.norm, self.radius, x, (lo, hi) = claim["norm"], claim["radius"], claim["x"], ends(claim)
        require(0 < self.radius < np.inf and (self.norm != "l0" or self.radius % 1 == 0), "radius: no such radius")
        require(((lo <= x) & (x <= hi)).all(), "x: expected pixels inside the box")
        # a difference of two floats is rounded to the nearest, so the next one is above it
        room = np.where([lo < x, x < hi], np.nextafter([x - lo, hi - x], np.inf), 0.0)
        fall, rise = room if self.norm == "l0" else np.minimum(room, self.radius)
        require(np.isfinite([fall, rise]).all(), "box: expected ends whose difference is finite")
        self.bits, self.x, self.room = bits, Box(x, x), Box(-fall, rise)
        self.all = Box(np.nextafter(x - fall, -np.inf), np.nextafter(x + rise, np.inf))  # of x + s, pixel by pixel
        self.length = Box(np.zeros(1), np.array([self.radius]))

    def linf(self, A, part, price, e):
        return 0, self.all.most(A, e), None

    def l1(self, A, part, price, e):
        price = np.clip(np.rint(np.ldexp(price, -e)), 0, 2.0**38)[:, None]
        h = self.length.most(price, e) + self.room.most(np.sign(A) * np.maximum(np.abs(A) - price, 0), e)
        return self.x.most(A, e), h, None

    def l2(self, A, part, price, e):
        fine = (62 - A.shape[1].bit_length()) // 2  # bits of tau: the sum of its squares fits in int64
        at_x, grow, step = self.x.most(A, e), FINE - exponent(A, 1), int(exponent(self.radius)) - fine
        a, e = (np.abs(A) * np.ldexp(1.0, grow)[:, None]).astype(np.int64), e - grow  # mu is a multiple of 2^(e - step)
        mu = np.clip(np.rint(np.ldexp(price / self.radius, step - e)), 0, 2.0 ** (62 - fine)).astype(np.int64)
        cap = np.floor(np.ldexp(np.where(A > 0, self.room.high, -self.room.low), self.room.unit - step))
        tau = np.minimum(np.ceil(a / np.maximum(mu, 1)[:, None]), cap).astype(np.int64)
        left = np.sign(A) * up(np.maximum(a - mu[:, None] * tau, 0), self.bits - FINE)
        bent, square = np.sum(tau * tau, axis=1).astype(object), int(self.length.high[0]) ** 2
        h = lift(mu, step - 1 + e) * bent + lift(mu, 2 * self.length.unit - step - 1 + e) * square
        return at_x, h + self.room.most(left, e + FINE - self.bits), None

    def l0(self, A, part, price, e):
        """h, and a function: what h is once a pixel is kept out, and once it is counted in, (R, d), times 2^unit."""
        coarse = max(self.bits + int(min(self.radius, A.shape[1])).bit_length() - 22, 0)  # so that gains add up exactly
        cap = np.where(A > 0, up(self.room.high, -coarse), up(-self.room.low, -coarse)) * ~part.outside
        gain, unit, k = np.abs(A) * cap, self.room.unit + coarse + e, int(min(self.radius, A.shape[1]))
        undecided, k = np.where(part.inside, 0, gain), k - np.count_nonzero(part.inside)
        order = -np.partition(np.append(-undecided, np.zeros((len(A), 1)), axis=1), [max(k - 1, 0), k], axis=1)
        h = np.sum(gain - undecided, axis=1, keepdims=True) + np.sum(order[:, :k], axis=1, keepdims=True)
        last, after = order[:, k - 1 : k] if k else np.inf, order[:, k : k + 1]

        def changed():
            return h - np.where(undecided >= last, undecided - after, 0), h - np.maximum(last - undecided, 0), unit

        return self.x.most(A, e), lift(h[:, 0], unit), changed


def ends(claim):
    """Box and mask as one interval for each pixel."""
    free = np.broadcast_to(claim["mask"], claim["x"].shape)
    return [np.where(free, claim[end], claim["x"]) for end in ("lo", "hi")]


def rivals(claim, classes):
    """The rivals' margins as rows (r, classes) on the logits, and whether a counterexample has them all positive."""
    y, target, eye = claim["y"], claim["target"], np.eye(classes)
    require(0 <= y < max(classes, 2) and -1 <= target < max(classes, 2) and target != y, "y, target: no such class")
    if classes == 1:
        return np.array([[1.0 if y == 0 else -1.0]]), False
    if target < 0 or classes == 2:
        return np.delete(eye, y, axis=0) - eye[y], False
    return eye[target] - np.delete(eye, target, axis=0), True


# ---------------------------------------------------------------------------- parts of the set, and rows


class Part:
    """A part of the set: intervals of the neurons, pixels that change, pixels that do not, rivals not yet refuted."""

    def __init__(self, l, u, inside, outside, alive):  # noqa: E741
        self.l, self.u, self.inside, self.outside, self.open = l, u, inside, outside, alive

    def copy(self):
        l, u = [a.copy() for a in self.l], [a.copy() for a in self.u]  # noqa: E741
        return Part(l, u, self.inside.copy(), self.outside.copy(), self.open.copy())

    def closed(self, radius):
        """Whether it holds no counterexample."""
        empty = any((low > high).any() for low, high in zip(self.l, self.u, strict=True))
        crossed = (self.inside & self.outside).any() or np.count_nonzero(self.inside) > radius
        return bool(empty or crossed or not self.open.any())


class Prover:
    """What follows about the parts of one set."""

    def __init__(self, net, claim):
        self.net, self.set, (self.rivals, self.joint) = net, Set(claim, net.bits), rivals(claim, net.sizes[-1])
        self.first = np.cumsum([0, *net.sizes[1:-1]])  # of each hidden layer's columns in alpha and beta

    def whole(self):
        d, *widths, _ = self.net.sizes
        l, u = [np.full(m, -np.inf) for m in widths], [np.full(m, np.inf) for m in widths]  # noqa: E741
        return Part(l, u, np.zeros(d, bool), np.zeros(d, bool), np.ones(len(self.rivals), bool))

    def legal(self, part, layer, neuron, side, price, gamma, alpha, beta):
        """Whether R rows are of +-z_neuron of hidden layer `layer`, or, one layer on, of rivals that are open."""
        shape, each = (len(side),), (len(side), self.first[-1])
        shapes = [neuron.shape, side.shape, price.shape, gamma.shape, alpha.shape, beta.shape]
        require(shapes == [shape] * 3 + [(*shape, len(self.rivals)), each, each], "rows of other shapes")
        require(0 <= layer <= len(part.l) and (np.abs(side) == 1).all(), "no such row")
        require((gamma >= 0).all() and (price >= 0).all(), "a multiplier below 0")
        require(((alpha >= 0) & (alpha <= 1 << SLOPE)).all(), "alpha: expected slopes between 0 and 1")
        last, used = layer == len(part.l), gamma > 0
        if last:
            require(used.any(axis=1).all() and (self.joint or used.sum() == len(used)), "rows not of one rival")
        elif used.any():
            alone = self.joint or np.count_nonzero(part.open) == 1
            require(alone and not used[:, ~part.open].any(), "a row uses a rival that is not the only one left")
        return neuron.astype(int), side, price, gamma, np.rint(alpha), beta

    def learn(self, part, layer, *rows):
        """What the rows show of the part."""
        rows = self.legal(part, layer, *rows)
        const, h, changed = self.bound(part, layer, *rows)
        neuron, side, used = rows[0], rows[1], rows[3] > 0
        if layer < len(part.l):
            value = above(const + h).astype(float)
            np.minimum.at(part.u[layer], neuron[side > 0], value[side > 0])
            np.maximum.at(part.l[layer], neuron[side < 0], -value[side < 0])
            return
        refuted = used[(const + h < 0).astype(bool)].any(axis=0)
        part.open &= ~(refuted.any() if self.joint else refuted)
        if changed is not None and part.open.any():  # (R, rivals, d): it must hold for all that are open
            *changed, unit = changed()
            rest = np.ldexp(-above(const).astype(float), -unit)[:, None]
            whose, free = (used | self.joint)[:, :, None], ~(part.inside | part.outside)
            for known, other in zip((part.inside, part.outside), changed, strict=True):
                known |= (whose & (free & (other < rest))[:, None]).any(axis=0)[part.open].all(axis=0)

    def bound(self, part, layer, neuron, side, price, *multipliers):
        """The bounds of the rows as const + h, (R,) each, and what h is if a pixel is decided."""
        const, A, e = self.pull(part, layer, neuron, side, *multipliers)
        at_x, h, changed = getattr(self.set, self.set.norm)(A, part, price, e)
        return const + at_x, h, changed

    def pull(self, part, layer, neuron, side, gamma, alpha, beta):
        """The rows at the pixels: at most const + A . (x + s) 2^e."""
        bits, top, A, e = self.net.bits, layer, np.zeros((len(side), self.net.sizes[layer + 1])), 0 * side.astype(int)
        A[np.arange(len(side)), neuron] = side
        const, begin, one = 0 * e.astype(object), A, 1 << SLOPE
        if gamma.any():
            top, e = len(part.l), exponent(gamma, 1) - 16  # adds up to 2^17 for each rival: no more than 2^37
            A = np.floor(np.ldexp(gamma, -e[:, None])) @ self.rivals
            const = const + (self.net.t.most(-A, e) if self.net.threshold else 0)
        for k in range(top, -1, -1):  # through dense layer k, and the ReLU before it
            (W, unit), joins = self.net.W[k], top > layer == k - 1
            if k:
                l, u = part.l[k - 1], part.u[k - 1]  # noqa: E741
                require(np.isfinite([l, u]).all(), "a row goes through neurons without an interval")
            z = Box(l, u) if k else self.set.all  # what enters is no larger
            const += self.net.b[k].most(A, e)
            if self.net.rough[k]:
                const += lift(np.abs(A).sum(1), unit - 1 + z.unit + e) * z.size
            A, low = (A @ limb for limb in W)
            A *= 65536
            A += low
            A, e, moved = fit(A, e + unit, bits, -bits if joins else NEVER)
            const += lift(moved, z.unit + e) * z.size
            if k == 0:
                break
            free, columns = (l < 0) & (u > 0), slice(self.first[k - 1], self.first[k])
            sigma = np.where(free, np.clip(np.rint(one * u / np.where(free, u - l, 1)), 0, one), one * (l >= 0))
            offset = np.maximum(*(np.maximum(end, 0) * one - sigma * end for end in (z.low, z.high)))
            given = np.clip(np.rint(np.ldexp(beta[:, columns], -e[:, None])), -(2.0**bits), 2.0**bits)
            const += z.most(-given, e) if given.any() else 0
            rise = np.maximum(A, 0)
            const += total(rise @ limbs(up(offset, -SLOPE)), z.unit + e)
            A = rise * sigma + (A - rise) * np.where(free, alpha[:, columns], sigma) + given * one
            if joins:
                require((e <= SLOPE).all(), "gamma: too large beside its neuron")  # 1 is a whole number of units
                A += begin * np.ldexp(1.0, SLOPE - e)[:, None]
            A, e, moved = fit(A, e - SLOPE, bits)
            const += lift(moved, z.unit + e) * z.size
        return const, A, e


# ---------------------------------------------------------------------------- the steps, the witness, the claim


def steps_of(proof):
    """(count, layer, index, cut, rows) of each step of a proof."""
    names = "steps", "cut", "neuron", "side", "price", "gamma", "alpha", "beta"
    (steps, cut, *rows), at = (numbers(proof, f"proof_{name}") for name in names), 0
    for (count, layer, index), c in zip(steps.astype(int).tolist(), cut, strict=True):
        yield count, layer, index, c, [each[at : at + count] for each in rows]
        at += count


def check_image(prover, steps):
    """That the steps leave no part open."""
    parts = [prover.whole()]
    for count, layer, index, c, rows in steps:
        require(parts, "steps after the last part is closed")
        if count:
            prover.learn(parts[-1], layer, *rows)
        else:
            parts += split(prover, parts.pop(), layer, index, c)
        while parts and parts[-1].closed(prover.set.radius):
            parts.pop()
    require(not parts, f"{len(parts)} of the parts left open")


def check_set(provers, steps):
    """That no s fools all images: image `index` learns of its own counterexamples; last, rows of all are added up."""
    parts = [prover.whole() for prover in provers]
    for part in parts:  # what an s that fools all must change, it must change for each
        part.inside, part.outside = parts[0].inside, parts[0].outside
    for _, layer, index, _, rows in steps:
        if index < len(parts):
            provers[index].learn(parts[index], layer, *rows)
        elif together(provers, parts, *rows) < 0:
            return
        if any(part.closed(provers[0].set.radius) for part in parts):
            return
    raise Refused("an s that fools all images is not refuted")


def together(provers, parts, image, *rows):
    """The maximum over s of the sum of the rows, row r of the margins of image[r], as a constant."""
    image, each = image.astype(int).tolist(), []
    for r, i in enumerate(image):
        require(provers[i].joint or len(provers[i].rivals) == 1, "an image with several rivals")
        one = provers[i].legal(parts[i], len(parts[i].l), np.zeros(1), *(row[r : r + 1] for row in rows))
        constant, A, e = provers[i].pull(parts[i], len(parts[i].l), *one[:2], *one[3:])
        each.append((constant + provers[i].set.x.most(A, e), A, e))
    const, A, e = (np.concatenate(some) for some in zip(*each, strict=True))
    first, rooms, bits = provers[0].set, [provers[i].set.room for i in image], 33 - len(image).bit_length()
    unit, top = max(room.unit for room in rooms), max(e + exponent(A, 1) - bits)
    A = np.rint(A * np.ldexp(1.0, e - top)[:, None]).astype(np.int64)  # moved by 1 at most, and the ends by less than 2
    low = np.stack([-up(-room.low, room.unit - unit) for room in rooms]).astype(np.int64)
    high = np.stack([up(room.high, room.unit - unit) for room in rooms]).astype(np.int64)
    ends = np.concatenate([low, high])[:, None]  # between two of them the sum is linear in s, pixel by pixel
    gain = np.max(np.sum(A * np.clip(ends, low, high), axis=1), axis=0).astype(object)
    free, k = ~(parts[0].inside | parts[0].outside), first.radius if first.norm == "l0" else len(gain)
    chosen = sorted(gain[free], reverse=True)[: int(min(k, len(gain))) - np.count_nonzero(parts[0].inside)]
    h = sum(chosen) + sum(gain[parts[0].inside]) + int(np.sum(2 * np.abs(A) + np.maximum(-low, high)))
    return sum(const) + lift(np.array(h, object), unit + top)


def split(prover, part, layer, index, cut):
    """The parts that together are the part."""
    parts = [part.copy() for _ in (prover.rivals if layer == RIVALS else "12")]
    if layer == RIVALS:
        require(not prover.joint, "a split by rivals that must all be beaten")
        for j, one in enumerate(parts):
            one.open &= np.arange(len(parts)) == j
    elif layer == PIXEL:
        require(prover.set.norm == "l0", "a split at a pixel where none are counted")
        parts[0].inside[index] = parts[1].outside[index] = True
    else:
        require(0 <= layer < len(part.l), "a split at no neuron")
        parts[0].l[layer][index] = max(part.l[layer][index], cut)
        parts[1].u[layer][index] = min(part.u[layer][index], cut)
    return parts


def claim_of(arrays, d):
    """What a proof's file claims of an image of d pixels."""
    claim = {name: np.asarray(arrays[name])[()] for name in ("norm", "lower", "upper", "radius", "y", "target")}
    claim |= {name: numbers(arrays, name) for name in ("x", "lo", "hi", "x_adv") if name in arrays}
    require(all(isinstance(claim[name], np.integer) for name in ("y", "target")), "y, target: expected whole numbers")
    claim |= {"mask": np.asarray(arrays.get("mask", True)), "y": int(claim["y"]), "target": int(claim["target"])}
    ends, points = [claim[name].shape for name in ("lo", "hi", "mask")], [claim["x"], claim.get("x_adv", claim["x"])]
    require(all(point.shape == (d,) for point in points), f"x, x_adv: expected {d} pixels")
    require(claim["mask"].dtype == bool and {*ends} <= {(), (d,)}, "box, mask: expected one for all or each pixel")
    require(all(isinstance(claim[name], np.float64) for name in ("lower", "upper", "radius")), "expected numbers")
    known = isinstance(claim["norm"], str) and claim["norm"] in ("l0", "l1", "l2", "linf")
    require(known, f"norm: expected l0, l1, l2 or linf, got {claim['norm']!r}")
    return claim


def check_claim(net, claim):
    """That `x_adv` is what it should be, and that `lower` follows once `radius` is refuted; whether that is needed."""
    lower, upper, norm, x = claim["lower"], claim["upper"], claim["norm"], claim["x"]
    require(0 <= lower <= upper, f"expected 0 <= lower <= upper, got [{lower}, {upper}]")
    (lo, hi), point, nothing = ends(claim), claim.get("x_adv"), int(norm == "l0")  # nothing: what no radius proves
    require(point is not None or upper == np.inf, "an upper bound without a counterexample")
    if point is not None:
        require(((lo <= point) & (point <= hi)).all(), "x_adv: outside the box, or changed off the mask")
        require(adversarial(net, claim, point), "x_adv: not adversarial")
        require(at_most(norm, [point], x, upper), "x_adv: farther than upper")
    if lower <= nothing:
        require(lower == 0 or not adversarial(net, claim, x), "x: adversarial itself")
    elif lower == np.inf:
        require(at_most(norm, [lo, hi], x, claim["radius"]), "lower: inf, for a set that is not all")
    else:
        require(lower <= claim["radius"] + nothing, "lower: above what the refuted radius shows")
    return lower > nothing


def adversarial(net, claim, point):
    """Whether a rival's margin is positive there (for a joint target: all are), exactly."""
    rows, joint = rivals(claim, net.sizes[-1])
    margins = rows.astype(int).astype(object) @ net.logits(point)
    return all(margins > 0) if joint else any(margins > 0)


def at_most(norm, points, x, radius):
    """Whether |p - x| <= radius, exactly, where each pixel of p is the farthest from x among the points."""
    if norm == "l0":
        return np.count_nonzero(np.any([p != x for p in points], axis=0)) <= radius
    (all_, q), (r, p) = integers(np.stack([*points, x])), integers(np.array([min(radius, 1e308)]))
    s, power = np.max(np.abs(all_[:-1] - all_[-1]), axis=0), 2 if norm == "l2" else 1
    size = max(s) if norm == "linf" else sum(s**power)
    return radius == np.inf or size << (p * power) <= r[0] ** power << (q * power)


def check(model, proof):
    """Check the arrays of a proof against those of a model.  Returns what was proved, in a sentence; raises Refused."""
    require((np.full(2, 5e-324) * 1.0 > 0).all(), "this process takes small floats for 0")
    with np.errstate(all="ignore"):
        net = Network(model)
        require(str(proof["network"]) == net.name, "another network: the SHA-256 of its numbers differs")
        if np.ndim(proof["x"]) == 2:
            each = zip(*(proof[name] for name in ("x", "y", "target")), strict=True)
            claims = [claim_of({**proof, "x": x, "y": y, "target": target}, net.sizes[0]) for x, y, target in each]
            require(claims and claims[0]["norm"] in ("linf", "l0"), "a set: expected images, and linf or l0")
            require("x_adv" not in proof, "a set: a point is no perturbation of all")
            require(all(check_claim(net, claim) for claim in claims), "a set: of which nothing is claimed")
            check_set([Prover(net, claim) for claim in claims], steps_of(proof))
            aims = [*map(aim, claims)]
            what = ", ".join(aims if len({*aims}) > 1 else aims[:1]) + f" in all {len(claims)} images"
            return sentence(claims[0], "no one perturbation {} makes the network see " + what)
        claim = claim_of(proof, net.sizes[0])
        if check_claim(net, claim):
            check_image(Prover(net, claim), steps_of(proof))
    return sentence(claim)


def aim(claim):
    """What a counterexample is seen as."""
    return f"class {claim['target']}" if claim["target"] >= 0 else f"anything but class {claim['y']}"


def sentence(claim, fact="no change {} makes the network see {} in this image"):
    """What was proved, and what was found."""
    norm, lower, upper = claim["norm"], float(claim["lower"]) + 0.0, float(claim["upper"])
    if upper == 0:
        return f"found: the network sees {aim(claim)} in this image as it is"
    form = {"l0": "fewer than {:.0f} pixels", "linf": "less than {!r} in each pixel"}.get(norm, f"{norm} below {{!r}}")
    how = "at all" if lower == np.inf else "of " + form.format(lower)
    found = "" if upper == np.inf else f"; one of {upper:.0f} does" if norm == "l0" else f"; one of {upper!r} does"
    box = f"pixels in [{claim['lo']}, {claim['hi']}]" if claim["lo"].shape == claim["hi"].shape == () else "its own box"
    where = f"with {box}" + ("" if claim["mask"].all() else " and its mask")
    return f"proved: {where}, {fact.format(how, aim(claim))}{found}"


def main(model, *proofs):
    status = 0
    for proof in proofs:
        try:
            with np.load(model) as weights, np.load(proof) as arrays:
                twice = [file for file in (weights, arrays) if len({*file.files}) < len(file.files)]
                require(not twice, "a file that holds two arrays of one name")
                print(f"{proof}: {check(dict(weights), dict(arrays))}")
        except Exception as error:  # whatever it is, nothing was shown
            why = error if isinstance(error, Refused) else ascii(error)  # a file's own words might pass for ours
            status = print(f"{proof}: refused: {why}") or 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 2 else "usage: python checker.py model.npz proof.npz ...")
