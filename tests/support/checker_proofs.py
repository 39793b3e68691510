"""Honest proofs of small networks, and the truth of what a file claims (attacks/checker.py), in rational numbers."""

from fractions import Fraction
from functools import cache

import exact
import numpy as np
from checker_cases import small_net

from attacks import certified_minimum, checker
from attacks.proofs.certificate_file import arrays_of
from attacks.proofs.exact_proof import exact_proof
from minigrad import MLP

# norm, classes, target, pixels that may change, seed, gap: by seed the trees have splits of neurons, pixels, rivals.
HONEST = [
    ("linf", 1, None, None, 17, 1e-3),
    ("linf", 3, 1, None, 109, 1e-3),
    ("l1", 3, None, (0, 2), 34, 1e-3),
    ("l2", 3, None, None, 3, 0.05),
    ("l0", 1, None, None, 106, 1e-3),
    ("l0", 3, 2, (0, 1, 2, 3), 7, 1e-3),
]


def problem(norm, classes, target, free, seed):
    """(net, x, y, mask, target) with a counterexample and none in x itself, the first from the seed on."""
    rng = np.random.default_rng(seed)
    d = 5 if norm == "l0" else 2 if free is None else 3
    mask = np.ones(d, bool) if free is None else np.isin(np.arange(d), free)
    for _ in range(400):
        net, x = small_net(rng, [d, 4, 3, classes]), rng.integers(1, 8, d) / 8
        y = int(net.predict(x[None])[0])
        aim = None if target is None else (y + target) % classes
        size = exact.least(norm, net, x, y, (np.zeros(d), np.ones(d)), mask, aim)
        if size is not None and size >= (2 if norm == "l0" else 0.04):
            return net, x, y, mask, aim
    raise AssertionError("no such problem")


@cache
def certified(norm, classes, target, free, seed, gap):
    """(net, its certificate of the problem)."""
    net, x, y, mask, aim = problem(norm, classes, target, free, seed)
    target = None if aim is None else [aim]
    (certificate,) = certified_minimum(net, x[None], [y], norm=norm, mask=mask, target=target, gap=gap, node_limit=60)
    return net, certificate


@cache
def honest(*case):
    """(net, the arrays of its proof)."""
    net, certificate = certified(*case)
    return net, arrays_of(vars(certificate)) | exact_proof(net, certificate)


def verdict(net, arrays):
    """What the checker says, or None."""
    try:
        return checker.check(net.to_arrays(), arrays)
    except Exception:  # as its `main` has it: whatever it is, nothing was shown
        return None


def holds(net, arrays):
    """Whether what the file claims is so: `lower`, and `x_adv` with its distance."""
    claim = checker.Claim(checker.Network(net.to_arrays()), arrays)
    norm, x, lower, upper, (lo, hi) = claim.norm, claim.x, claim.lower, claim.upper, claim.ends
    y, target = int(arrays["y"]), int(arrays["target"])
    aim, power = None if target < 0 or net.sizes[-1] < 3 else target, 2 if norm == "l2" else 1
    least = exact.least(norm, net, x, y, (lo, hi), lo < hi, aim)
    good = least is None or (lower < np.inf and Fraction(lower) ** power <= least)
    if not claim.point:
        return good and upper == np.inf
    (point,) = claim.point
    s = [Fraction(float(a)) - Fraction(float(b)) for a, b in zip(point, x, strict=True)]
    sizes = {"l0": sum(map(bool, s)), "linf": max(map(abs, s)), "l1": sum(map(abs, s)), "l2": sum(v * v for v in s)}
    near = upper == np.inf or sizes[norm] <= Fraction(upper) ** power
    inside = ((lo <= point) & (point <= hi)).all()
    threshold, points = Fraction(float(net.threshold)), [Fraction(float(v)) for v in point]
    return good and near and inside and exact.adversarial(exact.exactly(net), points, y, aim, threshold)


def truth(net, arrays):
    """The least |s| of a counterexample as a float not below it (L0: a count); inf if there is none."""
    claim = checker.Claim(checker.Network(net.to_arrays()), arrays)
    (lo, hi), target = claim.ends, None if arrays["target"] < 0 else int(arrays["target"])
    least = exact.least(claim.norm, net, claim.x, int(arrays["y"]), (lo, hi), lo < hi, target)
    size = np.inf if least is None else float(least)
    return np.nextafter(np.sqrt(size) if claim.norm == "l2" else size, np.inf)


def other_weights(rng, net):
    """The network with one weight or bias changed."""
    layers = [(each.W.copy(), each.b.copy()) for each in net.dense]
    array = layers[int(rng.integers(len(layers)))][int(rng.integers(2))]
    place = tuple(int(rng.integers(n)) for n in array.shape)
    array[place] = rng.choice([array[place] + 0.5, -array[place], np.nextafter(array[place], np.inf)])
    return MLP.from_arrays(layers, threshold=float(net.threshold))
