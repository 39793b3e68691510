"""`make soak`, second part: `universal_minimum` of small random sets against the exact minimum over all their images.

    python tests/robustness/soak_sets.py [--count 200] [--seed 0] [--only INDEX]

The sets are those of test_set_minimum.py whose minimum is known: image i has the margin  m_i + W_i . s  with a slope of
its own, so the least |s| that lifts a share of them above 0 is a linear program for each choice of images (for L0 and
each support).  Its solver is good to NOISE; ties make the truth an interval, [margin 0, margin NOISE].
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]  # as a script

import numpy as np
from ball_strategies import NORMS
from gated import NOISE, gated, least_radius

import attacks.proofs.set_minimum
from attacks import universal, universal_minimum


def set_of(seed, index):
    """`(W, m, seen, norm, share)`, in short binary fractions, made from (seed, index) alone."""
    rng = np.random.default_rng((seed, index))
    n, d = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    W = rng.integers(-8, 9, (n, d)) / 8 + rng.integers(0, 2)
    seen = rng.integers(0, 9, (n, d)) / 8
    room = np.maximum(W * (1 - seen), -W * seen).sum(axis=1)
    m = -np.ceil(16 * room * rng.uniform(0.02, rng.choice([0.3, 0.7]), n)) / 16 - 1 / 128
    return W, m, seen, NORMS[index % 4], float(rng.choice([1.0, 1.0, 0.5]))


def compare(seed, index, seconds):
    """(least, most) of the truth and the interval claimed.  Raises AssertionError where they contradict each other."""
    W, m, seen, norm, share = set_of(seed, index)
    net, x, mask = gated(W, m, seen)
    least, most = least_radius(norm, W, m, (-seen).max(axis=0), (1 - seen).min(axis=0), share)
    options = {"convention": "inside", "mask": mask, "time_limit": seconds}
    got = universal_minimum(net, x, np.zeros(len(x)), norm=norm, share=share, **options)
    said = f"seed {seed}, set {index} ({norm}, share {share}): [{got.lower!r}, {got.upper!r}], truth [{least}, {most}]"
    assert got.lower <= most * (1 + NOISE) + NOISE, said
    assert got.upper >= least * (1 - NOISE) - NOISE, said
    return most, got


def soak(count, seed=0, only=None, tell=lambda done: None, seconds=0.5):
    """How many sets had an s, in how many the images together proved more than alone, the worst relative slacks.

    `seconds` a set; how often the images together prove more depends on them.
    """
    known, together, slack = 0, 0, [0.0, 0.0]
    search = attacks.proofs.set_minimum.universal
    attacks.proofs.set_minimum.universal = partial(universal, steps=4, passes=1)  # short: the proofs are on trial
    try:
        for index in range(count) if only is None else [only]:
            most, got = compare(seed, index, seconds)
            together += got.weights is not None
            if most < np.inf:
                known += 1
                slack[0] = max(slack[0], (most - got.lower) / most)
                slack[1] = max(slack[1], (got.upper - most) / most) if got.upper < np.inf else slack[1]
            tell(index + 1)
    finally:
        attacks.proofs.set_minimum.universal = search
    return known, together, slack


def main():
    parser = argparse.ArgumentParser(prog="python tests/robustness/soak_sets.py", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="sets (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of all sets (default: 0)")
    parser.add_argument("--only", type=int, metavar="INDEX", help="this set alone")
    o, begun = parser.parse_args(), time.perf_counter()

    def tell(done):
        if sys.stderr.isatty():
            print(f"\r{done} of {o.count}", end="", file=sys.stderr, flush=True)

    try:
        known, together, slack = soak(o.count, o.seed, o.only, tell)
    except AssertionError as violation:
        print(f"\nviolated: {violation}", file=sys.stderr)
        return 1
    print(f"\nseed {o.seed}, {time.perf_counter() - begun:.0f} s, no violation: {o.count} sets")
    print(f"  {known} with an s that works, {together} where the images together proved more than each alone")
    print(f"  worst (truth - lower) / truth {slack[0]:.3g}, (upper - truth) / truth {slack[1]:.3g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
