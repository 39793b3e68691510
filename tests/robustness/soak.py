"""`make soak`: the proofs of thousands of random tiny networks against the truth.

    python tests/robustness/soak.py [--count 10000] [--seed 0] [--only INDEX]

Each case is a random ReLU network and a random query, made from (seed, index) alone.  `certified_minimum` claims
`lower <= truth <= upper`, the least size of an adversarial s.  No tolerance is in what decides it:

    upper   `x_adv` itself is pushed forward in fractions (`exact`): adversarial, in its box and mask, |s| <= upper
    lower   every linear piece of the network is searched for an s with a margin of at least BEYOND
            (tests/support/pieces.py); the point found is drawn back to where it only just works, then pushed forward in
            fractions as well: adversarial, and |s| < lower would contradict the proof

So the solvers behind the pieces may be as wrong as they like: a point either is a counterexample or is not.  What they
miss is about BEYOND, so a bound that is too large by more than that is seen.  The other way round, the pieces with ties
counted as adversarial (a margin of 0) say how small the truth can be; an `upper` below that is a contradiction between
the solvers, which are good to NOISE, and the fractions.  And `check(net)` must pass.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]  # as a script

import numpy as np
import oracles
from ball_strategies import NORMS, row
from pieces import pattern_point

from attacks import certified_minimum
from attacks.balls import BALLS
from attacks.result import Reason
from minigrad import MLP

BEYOND = 1e-6  # of the margin
NOISE = 1e-6  # of the solvers' radii (HiGHS's feasibility is 1e-7)
ROUNDING = 1e-12  # m(x) itself is read in floats
HALVINGS = 30
LIMITS = 0, 1, 3, 10, 40, 200, 200, 200  # nodes a search
BOXES = (0.0, 1.0), (-1.0, 1.0), (-0.5, 2.0), (10.0, 12.0)


# ---------------------------------------------------------------- a case


@dataclass(frozen=True)
class Case:
    """A network, one image (1, d) of class y, and what is asked."""

    net: MLP
    x: np.ndarray
    y: int
    norm: str
    options: dict

    def __str__(self):
        sizes, asked = "-".join(map(str, self.net.sizes)), {k: v for k, v in self.options.items() if v is not None}
        return f"{self.norm}, {sizes}, class {self.y}, {asked}"

    @property
    def target(self):
        return None if self.options["target"] is None else int(self.options["target"][0])


def case_of(seed, index):
    """Half of all cases in short binary fractions, where ties and flat pieces really occur."""
    rng = np.random.default_rng((seed, index))
    binary = bool(rng.random() < 0.5)

    def numbers(shape, scale):
        v = scale * rng.normal(size=shape)
        return np.round(8 * v) / 8 if binary else v

    d, k, depth = int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(0, 4))
    sizes = [d, *rng.integers(1, 4 if depth == 3 else 5, depth).tolist(), k]  # so many pieces take seconds at most
    lo, hi = BOXES[rng.integers(len(BOXES))]
    if rng.random() < 0.4:
        shape = (d,) if rng.random() < 0.5 else (1, d)
        ends = lo + (hi - lo) * np.sort(rng.integers(0, 9, (2, *shape)), axis=0) / 8  # some pixels have no room at all
        lo, hi = ends[0], ends[1]
    share = rng.integers(0, 17, (1, d)) / 16 if binary else rng.random((1, d))
    x = np.clip(lo + share * (np.asarray(hi) - lo), lo, hi)
    mask = None
    if rng.random() < 0.4:
        mask = rng.random((d,) if rng.random() < 0.5 else (1, d)) < 0.7
        mask[..., rng.integers(d)] = True
    pairs = [(numbers((a, b), 1.5 / np.sqrt(a)), numbers(b, 0.5)) for a, b in pairwise(sizes)]
    middle = (np.asarray(lo) + hi) / 2 + np.zeros((1, d))
    pairs[0] = pairs[0][0], pairs[0][1] - (middle @ pairs[0][0])[0]  # whatever the box, kinks run through it
    net = MLP.from_arrays(pairs, threshold=float(numbers((), 0.3)) if k == 1 else 0.0)
    classes = max(k, 2)
    if rng.random() < 0.8:  # all logits tie somewhere between x and another point: most images can be flipped
        other = np.where(True if mask is None else mask, lo + rng.random((1, d)) * (np.asarray(hi) - lo), x)
        (there,), (elsewhere,), share = net.logits(x), net.logits(other), rng.random()
        level = share * there + (1 - share) * elsewhere - net.threshold
        level = np.round(64 * level) / 64 if binary else level
        pairs[-1] = pairs[-1][0], pairs[-1][1] - np.where(there == elsewhere, 0.0, level)
        net = MLP.from_arrays(pairs, threshold=net.threshold)
    y = int(net.predict(x)[0] if rng.random() < 0.95 else rng.integers(classes))
    norm = NORMS[index % 4]
    gaps = [None, 0.0, 0.3] if norm == "l0" else [None, 0.5, 1e-3, 1e-6]
    options = {
        "box": (lo, hi),
        "mask": mask,
        "target": [(y + int(rng.integers(1, classes))) % classes] if rng.random() < 0.4 else None,
        "gap": gaps[rng.integers(len(gaps))],
        "node_limit": int(LIMITS[rng.integers(len(LIMITS))]),
        "time_limit": 0.0 if rng.random() < 0.05 else 1.0,  # only ties and steep queries take so long
    }
    return Case(net, x, y, norm, options)


# ---------------------------------------------------------------- the truth


def exact(net, point, y, target):
    """The margin of one point (d,) of a ReLU network, in fractions."""
    a = [Fraction(float(v)) for v in point]
    for k, layer in enumerate(net.dense):
        columns = zip(layer.W.T.tolist(), layer.b.tolist(), strict=True)
        a = [sum((v * Fraction(w) for v, w in zip(a, column, strict=True)), Fraction(b)) for column, b in columns]
        a = a if k == len(net.dense) - 1 else [max(v, Fraction(0)) for v in a]
    if len(a) == 1:
        m = a[0] - Fraction(net.threshold)
        return m if y == 0 else -m
    if target is not None:
        return min(a[target] - v for j, v in enumerate(a) if j != target)
    return max(v - a[y] for j, v in enumerate(a) if j != y)


def allowed(case, point):
    """Whether a point (d,) is in the box, and x off the mask."""
    lo, hi = case.options["box"]
    free = np.broadcast_to(True if case.options["mask"] is None else case.options["mask"], case.x.shape)[0]
    return bool(((lo <= point) & (point <= hi)).all() and (free | (point == case.x[0])).all())


def inside(case, point):
    """The point (d,) of the box nearest to one that rounding may have put outside."""
    return np.clip(point, *case.options["box"]).reshape(-1)


def larger(norm, case, point, bound):
    """The sign of `|point - x| - bound`, in fractions: -1, 0 or 1."""
    if bound == np.inf:
        return -1
    s = [abs(Fraction(a) - Fraction(b)) for a, b in zip(point.tolist(), case.x[0].tolist(), strict=True)]
    bound = Fraction(bound)
    if norm == "l2":
        size, bound = sum(v * v for v in s), bound * bound
    else:
        size = {"l0": sum(v != 0 for v in s), "l1": sum(s), "linf": max(s)}[norm]
    return (size > bound) - (size < bound)


def smallest(case, known=None):
    """`(least, point)`: nothing adversarial is smaller than `least`, up to NOISE; `point` (d,) is adversarial, or None.

    `known`: an adversarial point; only smaller ones are looked for.
    """
    x, ball = case.x, BALLS[case.norm](1, box=case.options["box"], mask=case.options["mask"])
    one, best = row(ball, x, 0), np.inf
    if known is not None:
        best = oracles.size(case.norm, known - x[0])
        if case.norm != "l0":  # no pixel of a smaller one moves further than that
            far = best * (1 + NOISE)
            one = type(one)(one.norm, one.radius, np.maximum(one.down, -far), np.minimum(one.up, far))
    margins, ends = (0.0, BEYOND), []
    for margin in margins:
        ends.append(pattern_point(case.net, one, x[0], case.y, case.target, margin, best))
    (least, _), (_, s) = ends
    return least, None if s is None else drawn_back(case, inside(case, x[0] + s))


def drawn_back(case, point):
    """The adversarial point nearest to x on the way to `point` (d,), by bisection; None if not even that is one."""
    x = case.x[0]
    if exact(case.net, point, case.y, case.target) <= 0 or not allowed(case, point):
        return None
    low, high, best = 0.0, 1.0, point
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        there = inside(case, x + middle * (point - x))
        if not allowed(case, there) or exact(case.net, there, case.y, case.target) <= 0:
            low = middle
        else:
            high, best = middle, there
    return best


# ---------------------------------------------------------------- the comparison


class Violation(AssertionError):
    """A claim that is false."""


@dataclass
class Tally:
    """What was seen."""

    cases: dict = field(default_factory=lambda: dict.fromkeys(NORMS, 0))
    kinds: dict = field(default_factory=dict)
    slack: dict = field(default_factory=dict)  # (norm, end, closed or open): the worst

    def add(self, case, cert, least, point):
        closed = "open" if not cert.optimal else "wide" if cert.gap > 0.01 else "closed"
        self.cases[case.norm] += 1
        kind = cert.reason if not cert.optimal or cert.reason == Reason.MISCLASSIFIED else "closed"
        kind = "closed: nothing works" if cert.lower == np.inf else kind
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        most = np.inf if point is None else oracles.size(case.norm, point - case.x[0])
        slack = {
            "lower": (most - cert.lower) / most if 0 < most < np.inf else 0.0,
            "upper": (cert.upper - least) / least if 0 < least and cert.upper < np.inf else 0.0,
        }
        for end, v in slack.items():
            key = case.norm, end, closed
            self.slack[key] = max(self.slack.get(key, -np.inf), v)

    def __str__(self):
        lines = [f"{sum(self.cases.values())} cases: " + ", ".join(f"{n} {norm}" for norm, n in self.cases.items())]
        lines += [f"  {n:6d} {kind}" for kind, n in sorted(self.kinds.items(), key=lambda item: -item[1])]
        lines.append("worst relative slack      (truth - lower) / truth    (upper - truth) / truth")
        for norm in NORMS:
            for closed in ("closed", "wide", "open"):
                ends = [self.slack.get((norm, end, closed), 0.0) for end in ("lower", "upper")]
                lines.append(f"  {norm:4s} {closed:6s} {ends[0]:33.3g} {ends[1]:26.3g}")
        return "\n".join(lines)


def compare(case, cert, least, point):
    """Raise Violation unless the certificate and the truth go together."""
    start = exact(case.net, case.x[0], case.y, case.target)
    side = 1 if cert.reason == Reason.MISCLASSIFIED else 0 if cert.reason == Reason.BOUNDARY else -1
    if (start > 0) - (start < 0) != side and abs(start) > ROUNDING:
        raise Violation(f"m(x) = {float(start)}, but the reason is {cert.reason!r}")
    if side == 1:
        return  # lower = upper = 0, which check(net) has seen
    if not 0 <= cert.lower <= cert.upper:
        raise Violation(f"expected 0 <= lower <= upper, got [{cert.lower!r}, {cert.upper!r}]")
    if (cert.x_adv is None) != (cert.upper == np.inf):
        raise Violation(f"upper {cert.upper!r}, but x_adv {cert.x_adv}")
    if cert.x_adv is not None:
        if not allowed(case, cert.x_adv):
            raise Violation(f"x_adv {cert.x_adv.tolist()} is outside its box or mask")
        if exact(case.net, cert.x_adv, case.y, case.target) <= 0:
            raise Violation(f"x_adv {cert.x_adv.tolist()} is not adversarial")
        if larger(case.norm, case, cert.x_adv, cert.upper) > 0:
            raise Violation(f"x_adv {cert.x_adv.tolist()} is further away than upper {cert.upper!r}")
    if point is not None and larger(case.norm, case, point, cert.lower) < 0:
        size = oracles.size(case.norm, point - case.x[0])
        raise Violation(f"{point.tolist()} is adversarial at {size!r}, below lower {cert.lower!r}")
    if cert.upper < least * (1 - NOISE) - NOISE:
        raise Violation(f"upper {cert.upper!r} is below every linear piece's {least!r}")


def soak(count, seed=0, only=None, tell=lambda done: None):
    """Compare `count` cases, or case `only`; returns the tally.  Raises Violation with seed and index."""
    tally = Tally()
    for index in range(count) if only is None else [only]:
        try:
            with np.errstate(all="raise", under="ignore"):
                case = case_of(seed, index)
                (cert,) = certified_minimum(case.net, case.x, [case.y], norm=case.norm, **case.options)
                cert.check(case.net)
            least, point = (0.0, case.x[0]) if cert.reason == Reason.MISCLASSIFIED else smallest(case, cert.x_adv)
            if point is None and cert.x_adv is not None:
                point = drawn_back(case, cert.x_adv)
            compare(case, cert, least, point)
            tally.add(case, cert, least, point)
        except Exception as error:
            name = "" if isinstance(error, Violation) else f"{type(error).__name__}: "
            raise Violation(f"seed {seed}, case {index} ({case_of(seed, index)}): {name}{error}") from error
        tell(index + 1)
    return tally


def main(arguments=None):
    """Exit status 0, or 1 at the first violation, with the seed and the index that repeat it."""
    parser = argparse.ArgumentParser(prog="python tests/robustness/soak.py", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10000, help="cases (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of all cases (default: 0)")
    parser.add_argument("--only", type=int, metavar="INDEX", help="this case alone")
    o = parser.parse_args(arguments)
    begun = time.perf_counter()

    def tell(done):
        if sys.stderr.isatty() or done % 1000 == 0:
            print(f"\r{done} of {o.count}, {time.perf_counter() - begun:.0f} s", end="", file=sys.stderr, flush=True)

    try:
        tally = soak(o.count, o.seed, o.only, tell)
    except Violation as violation:
        again = "once more: python tests/robustness/soak.py --seed S --only CASE"
        print(f"\nviolated: {violation}\n{again}", file=sys.stderr)
        return 1
    print(file=sys.stderr)
    print(f"seed {o.seed}, {time.perf_counter() - begun:.0f} s, no violation\n{tally}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
