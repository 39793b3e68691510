"""Trying the splits is worth its time."""

from itertools import islice

import numpy as np
from paths import NETS
from queries import soon

from attacks import smallest_eps
from attacks.balls import BALLS
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.query import Query
from attacks.result import Reason
from minigrad import MLP


def test_trying_the_splits_takes_fewer_nodes_than_the_best_score(mnist49, monkeypatch):
    """Linf 0.97 of what an attack needs, the first images whose root is not enough; a shortlist of 1 is the score."""
    net = MLP.load(NETS / "784-64-32-1.npz")
    _, _, x, y = mnist49
    x = x[(y == 0) & (net.predict(x) == 0)][:200].astype(float)
    eps = smallest_eps(net, x, np.zeros(len(x), int), norm="linf").distance
    asked = (Query.from_image(net, x[i], 0, BALLS["linf"](0.97 * eps[i])) for i in range(len(x)))
    hard = list(islice((query for query in asked if Search(query).run(soon(), 0).reason == Reason.NODES), 2))
    tried = [Search(query).run(soon(), 400) for query in hard]
    monkeypatch.setattr("attacks.proofs.branching.NEURONS", 1)
    scored = [Search(query).run(soon(), 400) for query in hard]
    assert all(answer.proved for answer in tried)
    assert sum(len(answer.tree) for answer in tried) < sum(len(answer.tree) for answer in scored)
