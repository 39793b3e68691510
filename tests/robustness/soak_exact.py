"""Certificates against the exact truth, in the regimes where floats break.

    python tests/robustness/soak_exact.py [--count 20000] [--seed 0] [--only INDEX]

A case is a small network made from (seed, index) alone, of weights scaled by 2^+-60, biases that cancel to 1e-16, ties,
duplicate and dead neurons, subnormals, up to 80 layers, in a box from 1e-160 to 3e7 wide, with thresholds, pixels that
cannot move, targets.  `certified_minimum` says lower and upper; tests/support/exact.py says, in rational numbers, how
small an adversarial perturbation can be.  Violated is any of

    lower   above the exact infimum of |s| over adversarial s
    x_adv   not adversarial in exact arithmetic, outside box or mask, or farther than upper
    check   of an honest certificate
    verdict of `certify` close to that infimum: robust beyond it, or fooled by such an x_adv (one case in `VERDICTS`)
    proof   one that attacks/checker.py accepts of a radius beyond the truth

How many lower ends can be proved exactly as well (`with_proof`, of every `PROOFS`-th case) is counted.  A refusal
(OverflowError, ValueError) is an answer, too: it is counted.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]  # as a script

import exact
import numpy as np
from soaks import command

from attacks import certified_minimum, certify
from attacks.balls import BALLS
from attacks.proofs.certificate import CertificateError
from minigrad import MLP

VERDICTS = 4  # one case in so many is decided close to the truth, too
PROOFS = 20  # one case in so many is proved exactly, too, and a claim a little beyond the truth is tried
SECONDS = 2.0  # for a proof of a few parts
NORMS = "l0", "l1", "l2", "linf"
REGIMES = "plain", "scales", "wide", "cancel", "ties", "deep", "tiny", "subnormal", "dead"


@dataclass
class Case:
    net: MLP
    x: np.ndarray
    y: int
    norm: str
    box: tuple
    mask: np.ndarray
    target: int | None
    regime: str
    nodes: int

    @cached_property
    def truth(self):
        """The infimum of |s| over adversarial s (L2: its square), exactly; None if there is none."""
        return exact.least(self.norm, self.net, self.x, self.y, self.box, self.mask, self.target)


def weights(rng, d, m):
    return rng.integers(-8, 9, (d, m)) / 8


def case_of(seed, index):
    """The case, or None where x is misclassified so clearly that nothing is claimed."""
    rng = np.random.default_rng((seed, index))
    norm, regime = NORMS[index % 4], REGIMES[int(rng.integers(len(REGIMES)))]
    d = int(rng.integers(1, 8 if norm == "l0" else 4))
    k = int(rng.choice([1, 1, 1, 2, 3]))
    depth = int(rng.choice([5, 20, 40, 80])) if regime == "deep" else int(rng.integers(0, 4))
    widths = [d, *(int(w) for w in rng.integers(1, 3 if regime == "deep" else 4, depth)), k]
    low, high = 0.0, 1.0
    if regime == "wide":
        low, high = float(rng.choice([0.0, -1.0])), float(rng.choice([1e7, 3e7, 2.0**40]))
    if regime in ("tiny", "subnormal"):
        high = float(rng.choice([1e-160, 2.0**-540, 1e-165, 1e-8]))
    pairs = []
    for before, after in pairwise(widths):
        W, b = weights(rng, before, after), weights(rng, 1, after)[0]
        if regime == "deep":
            W = np.where(rng.random(W.shape) < 0.8, rng.choice([1.0, 0.875, 1 + 2.0**-40], W.shape), W)
            b = b * float(rng.choice([0.0, 2.0**-20, 2.0**-50]))
        if regime == "dead" and rng.random() < 0.5:
            W[:, int(rng.integers(after))] = 0
        if regime in ("ties", "dead") and after > 1:
            W[:, 1], b[1] = W[:, 0], b[0]
        pairs.append([W, b])
    if regime in ("scales", "subnormal"):
        most = 60 if regime == "scales" else 1000
        shift = 0.0
        for pair in pairs:
            few = [-most, most, -500, 0]
            e = float(rng.integers(-most, most + 1)) if regime == "scales" else float(rng.choice(few))
            pair[0] = pair[0] * 2.0**e
            shift += e
            pair[1] = pair[1] * 2.0 ** float(np.clip(shift, -1060, 900))
    if regime in ("wide", "tiny"):
        pairs[0][1] = pairs[0][1] * high  # so that kinks lie in the box
        for pair in pairs[1:]:
            pair[1] = pair[1] * high
    x = low + (high - low) * rng.integers(0, 9, d) / 8 * (1.0 if rng.random() < 0.5 else rng.random(d))
    x = np.clip(x, low, high)
    lo, hi = np.full(d, low), np.full(d, high)
    if rng.random() < 0.2:
        i = int(rng.integers(d))
        lo[i] = hi[i] = x[i]
    mask = np.ones(d, bool)
    if norm != "l0":
        mask[:] = False
        mask[rng.permutation(d)[:2]] = True
    elif rng.random() < 0.2:
        mask = np.arange(d) == int(rng.integers(d))
    try:
        net = MLP.from_arrays([(W, b) for W, b in pairs])
        N = net.logits(x[None])[0]
    except ValueError:
        return None
    size = float(np.abs(N).max()) or 1.0
    gap = float(rng.choice([2.0**-52, 1e-8, 1e-3, 0.1, 0.5])) * size  # how far from a tie the image is
    threshold = 0.0
    if k == 1:
        if rng.random() < 0.5:
            threshold = float(N[0] + gap * rng.choice([-1, 1]))
        else:
            pairs[-1][1] = pairs[-1][1] - (N[0] - gap * rng.choice([-1, 1]))
        if regime == "ties" and rng.random() < 0.3:
            threshold = float(N[0])
    else:
        pairs[-1][1] = pairs[-1][1] - N + gap * (np.arange(k) == int(rng.integers(k)))
    try:
        net = MLP.from_arrays([(W, b) for W, b in pairs], threshold=threshold if k == 1 else 0.0)
        y = int(net.predict(x[None])[0])
    except ValueError:
        return None
    target = (y + 1) % k if k == 3 and rng.random() < 0.5 else None
    return Case(net, x, y, norm, (lo, hi), mask, target, regime, int(rng.choice([0, 1, 5, 40])))


def rivals_of(seed, index):
    """A case of three classes and three hidden layers, whose rivals share one tree; or None.

    In half of them a pixel off the mask is cancelled by the first bias, up to what floats lose of their sum.
    """
    rng = np.random.default_rng((seed, index, 3))
    norm, d = NORMS[index // 10 % 4], 3
    pairs = [[weights(rng, a, b), weights(rng, 1, b)[0]] for a, b in pairwise((d, *rng.integers(2, 4, 3), 3))]
    x, mask = rng.random(d), np.array([False, True, True])
    if rng.random() < 0.5:
        large = float(rng.choice([1e8, 1e14, 1e17]))
        pairs[0][0][0] *= large
        pairs[0][1] = pairs[0][1] - x[0] * pairs[0][0][0]
    net = MLP.from_arrays([(W, b) for W, b in pairs])
    y = int(net.predict(x[None])[0])
    return Case(net, x, y, norm, (np.zeros(d), np.ones(d)), mask, None, "rivals", int(rng.choice([1, 5, 40])))


def certified(case):
    box = case.box[0][None], case.box[1][None]
    options = {"norm": case.norm, "box": box, "mask": case.mask, "target": case.target}
    limits = {"node_limit": case.nodes, "time_limit": 0.1 if case.nodes else 0.0}
    return certified_minimum(case.net, case.x[None], [case.y], **options, **limits)[0]


def violation(case, cert):
    """What is wrong with the certificate, in words, or None."""
    layers, threshold = exact.exactly(case.net), Fraction(float(case.net.threshold))
    x = [Fraction(float(v)) for v in case.x]
    if cert.reason == "already misclassified":
        wrong = exact.adversarial(layers, x, case.y, case.target, threshold)
        return None if wrong else "said to be misclassified"
    truth = case.truth
    if cert.lower > 0 and truth is not None:
        lower = Fraction(cert.lower) if np.isfinite(cert.lower) else None
        power = 2 if case.norm == "l2" else 1
        if lower is None or lower**power > truth:
            return f"lower {cert.lower!r} above the exact {float(truth) ** (1 / power)!r}"
    if cert.x_adv is not None and np.isfinite(cert.upper) and (words := false_point(case, cert.x_adv, cert.upper)):
        return words
    try:
        cert.check(case.net)
    except ValueError as error:
        return f"an honest certificate is refused: {error}"
    return None


def false_point(case, x_adv, most):
    """What is wrong with a counterexample that is said to be at most so far from x, in words, or None."""
    layers, threshold = exact.exactly(case.net), Fraction(float(case.net.threshold))
    point = [Fraction(float(v)) for v in x_adv]
    s = [p - Fraction(float(v)) for p, v in zip(point, case.x, strict=True)]
    if not exact.adversarial(layers, point, case.y, case.target, threshold):
        return "x_adv is not adversarial"
    if any(v and not free for v, free in zip(s, case.mask, strict=True)):
        return "x_adv is off the mask"
    if any(not lo <= p <= hi for lo, p, hi in zip(case.box[0], x_adv, case.box[1], strict=True)):
        return "x_adv is outside the box"
    size = {
        "l0": lambda: sum(1 for v in s if v), "l1": lambda: sum(map(abs, s)),
        "l2": lambda: sum(v * v for v in s), "linf": lambda: max(map(abs, s)),
    }[case.norm]()  # fmt: skip
    return f"x_adv is farther than {most!r}" if size > Fraction(most) ** (2 if case.norm == "l2" else 1) else None


def false_verdict(case):
    """A verdict of `certify` close to the truth, on either side, or at radius 0, that is false, in words, or None."""
    truth = case.truth
    power, counts = 2 if case.norm == "l2" else 1, case.norm == "l0"
    near = float(truth or 1) ** (1 / power)
    for radius in (max(near - 1, 1.0), max(near, 1.0)) if counts else (0.0, near * (1 - 1e-9), near * (1 + 1e-9)):
        if not radius < np.inf:
            continue
        ball = BALLS[case.norm](radius, box=case.box, mask=case.mask)
        how = {"target": case.target, "time_limit": 0.1, "node_limit": case.nodes, "restarts": 1}
        (verdict,) = certify(case.net, case.x[None], [case.y], ball, **how)
        beyond = truth is not None and (Fraction(radius) ** power > truth or (counts and radius == truth))
        if verdict.status == "robust" and beyond:
            return f"robust at {radius!r}, beyond the exact {near!r}"
        if verdict.status == "fooled" and (words := false_point(case, verdict.x_adv, radius)):
            return f"fooled at {radius!r}: {words}"
        verdict.check(case.net)
    return None


def proved(cert, net):
    """Whether the exact checker can be convinced."""
    try:
        with np.errstate(all="ignore"):
            return cert.with_proof(net, time_limit=SECONDS).check(net).startswith("proved")
    except CertificateError:
        return False


def false_proof(case, cert):
    """A claim a little beyond the truth that the exact checker accepts, in words, or None."""
    truth = case.truth
    if truth is None or not 0 < truth < 1e300:
        return None
    power = 2 if case.norm == "l2" else 1
    radius = float(truth) if case.norm == "l0" else float(truth) ** (1 / power) * (1 + 1e-9)
    if Fraction(radius) ** power < truth or not 0 < radius < np.inf:
        return None
    lower = radius + (case.norm == "l0")
    claim = replace(cert, radius=radius, lower=lower, upper=np.inf, x_adv=None, attack=np.inf, optimal=False)
    return f"an exact proof of {lower!r} beyond the exact {float(truth)!r}" if proved(claim, case.net) else None


def soak(count, seed=0, only=None, first=0):
    """(violations, outcomes): each violation as (index, regime, norm, words)."""
    found, outcomes = [], Counter()
    for index in range(first, first + count) if only is None else [only]:
        case = (rivals_of if index % 10 == 9 else case_of)(seed, index)
        if case is None:
            outcomes["no network"] += 1
            continue
        try:
            with np.errstate(all="ignore"):
                cert = certified(case)
        except (OverflowError, ValueError) as error:
            outcomes[f"refused: {type(error).__name__}"] += 1
            continue
        try:
            with np.errstate(all="ignore"):
                words = violation(case, cert) or (index % VERDICTS == 0 and false_verdict(case))
                words = words or (index % PROOFS == 0 and false_proof(case, cert))
        except exact.TooManyPieces:
            outcomes["too many pieces"] += 1
            continue
        outcomes[f"{case.regime}: {'closed' if cert.optimal else 'open'}"] += 1
        if cert.lower > (case.norm == "l0") and index % PROOFS == 0:
            outcomes[f"{case.regime}: {'proved' if proved(cert, case.net) else 'not proved'} exactly"] += 1
        if words:
            found.append((index, case.regime, case.norm, words))
    return found, outcomes


if __name__ == "__main__":
    sys.exit(command(soak, "soak_exact.py", __doc__, 20000))
