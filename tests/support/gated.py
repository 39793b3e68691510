"""Networks whose margins on a set of images are affine in one s, with the exact smallest radius."""

from itertools import combinations

import numpy as np
from oracles import quiet
from pieces import LEAST

from minigrad import MLP

NOISE = 1e-6  # of the oracles' linear programs (HiGHS's feasibility is 1e-7), as in test_minimum.py


def gated(W, m, seen):
    """`(net, x, mask)`: image i has the margin  m_i + W_i . s  for its label 0, s on its free pixels, now at `seen_i`.

    N = sum_i relu(W_i . v + b_i + c - 2 c (1 - gate_i)) - c with c so large that relu i is on for image i alone,
    whatever the free pixels v are; the mask holds the gates fast.
    """
    W, n = np.asarray(W, float), len(W)
    b = np.asarray(m, float) - np.sum(W * seen, axis=1)
    c = float(2 ** np.ceil(np.log2(4 + np.abs(W).sum(axis=1).max() + np.abs(b).max())))
    net = MLP.from_arrays([(np.r_[W.T, 2 * c * np.eye(n)], b - c), (np.ones((n, 1)), [-c])])
    return net, np.c_[seen, np.eye(n)], np.arange(W.shape[1] + n) < W.shape[1]


@quiet
def least_radius(norm, W, m, down, up, share=1.0, best=np.inf):
    """The least radius at which one s in [down, up] lifts a share of  m + W s  above 0, as (at most, at least).

    For L0 nothing from `best` on is looked for.
    """
    j = needed(share, len(m))
    ends = []
    for beyond in (0.0, NOISE):
        sets = [list(some) for some in combinations(range(len(m)), j)]
        ends.append(min(LEAST[norm](W[some], beyond - m[some], down, up, best)[0] for some in sets))
    return ends


def needed(share, n):
    """How many of n images a share is."""
    return max(1, int(np.ceil(share * n - 1e-9)))

