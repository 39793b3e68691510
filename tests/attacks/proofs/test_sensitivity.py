"""Which neuron a shared node splits: unstable ones alone, by the fall they promise, and early ones before late ones."""

import numpy as np
import pytest
from queries import real_net

from attacks.balls import BALLS
from attacks.proofs import sensitivity
from attacks.proofs.intervals import plain, refined
from attacks.proofs.query import Query
from attacks.proofs.sensitivity import split_scores
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import optimise_bounds

SIZES = 6, 10, 10, 10, 3


def scores(seed):
    """The set, and the scores of its neurons, (d_k,) a layer."""
    net, x = real_net(SIZES, seed), 0.2 + 0.6 * np.random.default_rng(seed).random(SIZES[0])
    query, known, _ = plain(Query.from_image(net, x, int(net.predict(x[None])[0]), BALLS["linf"](0.15)))
    known, rows, _ = refined(known, 5)
    found, mult = optimise_bounds(known, query.c[None], Multipliers.start(known, len(query.c)))
    return query, known, split_scores(known, rows, mult, found)


@pytest.mark.parametrize("seed", range(6))
def test_only_unstable_neurons_can_be_split_and_all_of_them_can(seed):
    _, known, found = scores(seed)
    for at, score in zip(known.lines, found, strict=True):
        assert np.array_equal(score > 0, at.free[0])


def test_a_layer_counts_for_half_of_the_one_before(monkeypatch):
    for seed in range(3):
        _, _, found = scores(seed)
        with monkeypatch.context() as patch:
            patch.setattr(sensitivity, "EARLY", 1.0)
            _, _, alike = scores(seed)
        for k, (score, full) in enumerate(zip(found, alike, strict=True)):
            np.testing.assert_allclose(score, full / 2**k, atol=1e-300)


def test_the_score_tells_which_splits_lower_the_bounds_most():
    """Of the first layer, where every score counts whole: the better half of its neurons lowers the margins' bounds
    more than the other half, split by split, with intervals and multipliers looked for anew."""
    better = worse = 0.0
    for seed in range(12):
        query, known, found = scores(seed)
        order = np.argsort(-found[0])[: np.count_nonzero(found[0])]
        falls = []
        for i in order:
            two = known.take(np.array([0, 0]))
            two.l[0][0, i] = two.u[0][1, i] = 0.0
            two.sign[0][:, i] = 1, -1
            parts, _, _ = refined(two, 5)
            start = Multipliers.start(known, len(query.c))
            whole, _ = optimise_bounds(known, query.c[None], start)
            twice = start.take(np.array([0, 0]))
            after, _ = optimise_bounds(parts, query.c[None], twice)
            falls.append(float((whole.bound.sum() - after.bound.sum(axis=1)).mean()))
        half = len(falls) // 2
        better, worse = better + sum(falls[:half]), worse + sum(falls[len(falls) - half :])
    assert better > 2 * worse > 0
