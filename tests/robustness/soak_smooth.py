"""Certificates of tanh and sigmoid networks against decimal intervals (tests/support/exact_smooth.py), in their tails.

    python tests/robustness/soak_smooth.py [--count 2000] [--seed 0] [--only INDEX]

A case is a network of one input, made from (seed, index) alone: saturated neurons behind weights of up to 1e17, slopes
of 2^+-12, weights of 2^+-200, images at 1e-16 of the boundary, up to four layers.  Violated is what soak_exact.py calls
so.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]  # as a script

import exact_smooth
import numpy as np
from soaks import command

from attacks import certified_minimum
from minigrad import MLP

NORMS = "l0", "l1", "l2", "linf"
REGIMES = "plain", "steep", "tail", "scales", "wide"


@dataclass
class Case:
    net: MLP
    x: float
    y: int
    norm: str
    box: tuple
    regime: str
    nodes: int


def case_of(seed, index):
    rng = np.random.default_rng((seed, index))
    norm, regime = NORMS[index % 4], REGIMES[int(rng.integers(len(REGIMES)))]
    activation = str(rng.choice(["tanh", "sigmoid"]))
    widths = [1, *(int(w) for w in rng.integers(1, 4, int(rng.integers(1, 4)))), 1]
    lo, hi = (-1.0, float(rng.choice([1e3, 1e7]))) if regime == "wide" else (0.0, 1.0)
    pairs = [[rng.integers(-16, 17, shape) / 8, rng.integers(-8, 9, shape[1]) / 8] for shape in pairwise(widths)]
    if regime == "steep":
        pairs[0][0] = pairs[0][0] * 2.0 ** rng.integers(-12, 13)
    if regime == "tail":  # 1 - tanh is 1e-15 there, and the next weight makes something of it
        pairs[0][1] = pairs[0][1] - rng.choice([-1, 1]) * rng.uniform(15, 45)
        pairs[1][0] = pairs[1][0] * 10.0 ** rng.integers(6, 18)
    if regime == "scales":
        e = float(rng.integers(-200, 201))
        pairs[-1][0], pairs[-1][1] = pairs[-1][0] * 2.0**e, pairs[-1][1] * 2.0**e
    if regime == "wide":
        pairs[0][0] = pairs[0][0] / hi
    x = lo + (hi - lo) * float(rng.choice([0.0, 0.25, rng.random(), 1.0]))
    some = np.append(x, np.linspace(lo, hi, 9))[:, None]
    N = MLP.from_arrays([(W, b) for W, b in pairs], activation=activation).logits(some)[:, 0]
    gap = float(rng.choice([1e-8, 1e-3, 0.1, 0.5])) * np.ptp(N) * rng.choice([-1, 1])  # from the boundary
    pairs[-1][1] = pairs[-1][1] - N[0] + (gap if rng.random() < 0.8 else 2.0**-52 * abs(N[0]))
    net = MLP.from_arrays([(W, b) for W, b in pairs], activation=activation)
    return Case(net, x, int(net.predict([[x]])[0]), norm, (lo, hi), regime, int(rng.choice([0, 1, 3])))


def violation(case, cert):
    """What is wrong with the certificate, in words, or None."""
    if cert.reason == "already misclassified":  # y is what the network says
        return "said to be misclassified"
    _, high = exact_smooth.least(case.net, case.x, case.y, *case.box)
    if high is not None and cert.lower > (high > 0 if case.norm == "l0" else high):
        return f"lower {cert.lower!r} above the true {float(high)!r}"
    if cert.x_adv is not None:
        (point,) = cert.x_adv
        if not exact_smooth.adversarial(case.net, case.y, point):
            return "x_adv is not adversarial"
        away = exact_smooth.NEAR.subtract(exact_smooth.Decimal(float(point)), exact_smooth.Decimal(case.x)).copy_abs()
        if not case.box[0] <= point <= case.box[1] or (away > 0 if case.norm == "l0" else away) > cert.upper:
            return f"x_adv is outside its box, or farther than upper, {cert.upper!r}"
    try:
        cert.check(case.net)
    except ValueError as error:
        return f"an honest certificate is refused: {error}"
    return None


def soak(count, seed=0, only=None, first=0):
    """(violations, outcomes): each violation as (index, regime, norm, words)."""
    found, outcomes = [], Counter()
    for index in range(first, first + count) if only is None else [only]:
        case = case_of(seed, index)
        options = {"norm": case.norm, "box": case.box, "node_limit": case.nodes, "time_limit": 0.2 * (case.nodes > 0)}
        try:
            (cert,) = certified_minimum(case.net, [[case.x]], [case.y], **options)
            words = violation(case, cert)
        except (OverflowError, exact_smooth.TooManyParts) as error:
            outcomes[type(error).__name__] += 1
            continue
        outcomes[f"{case.regime}: {'closed' if cert.optimal else 'open'}"] += 1
        if words:
            found.append((index, case.regime, case.norm, words))
    return found, outcomes


if __name__ == "__main__":
    sys.exit(command(soak, "soak_smooth.py", __doc__, 2000))
