"""The search: its answers, and that it can be stopped, gone on with and repeated."""

import numpy as np
import pytest
from ball_strategies import NORMS
from queries import cases, real_net, soon

import attacks.proofs.branch_and_bound as searching
from attacks.balls import BALLS
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.query import Query
from attacks.proofs.tree import Tree
from attacks.result import Reason


@pytest.mark.parametrize("norm", NORMS)
def test_below_the_minimum_it_proves(norm):
    for query in cases(norm, 0.97):
        answer = Search(query).run(soon())
        assert (answer.proved, answer.reason) == (True, Reason.PROVED)
        assert (answer.counterexample, answer.bound) == (None, -np.inf)


@pytest.mark.parametrize("norm", NORMS)
def test_above_the_minimum_it_finds_a_counterexample_in_the_ball(norm):
    for query in cases(norm, 1.03):
        answer = Search(query).run(soon())
        assert (answer.proved, answer.reason) == (False, Reason.COUNTEREXAMPLE)
        s = answer.counterexample - query.x[0]
        assert query.ball.contains(query.x, s[None])[0]
        assert query.adversarial(answer.counterexample[None])[0]
        assert query.c[0, 0] * query.net.logits(answer.counterexample[None])[0, 0] > 0


def hard_query(sizes=(10, 16, 12, 1), norm="linf"):
    """The first query that needs a tree of at least 9 nodes, and is proved."""
    for seed in range(60):
        net = real_net(sizes, seed)
        x = 0.3 + 0.4 * np.random.default_rng(seed).random((1, sizes[0]))
        y = int(net.predict(x)[0])
        for radius in (0.1, 0.2, 0.3) if norm == "linf" else (2, 3):
            query = Query.from_image(net, x[0], y, BALLS[norm](radius))
            answer = Search(query).run(soon(2), 200)
            if answer.proved and len(answer.tree) >= 9:
                return query, answer
    raise AssertionError("no seed makes such a query")


@pytest.fixture(scope="module")
def hard():
    with np.errstate(all="raise", under="ignore"):
        return hard_query()


def test_depth_first_beyond_the_pool_proves_too(hard, monkeypatch):
    query, _ = hard
    monkeypatch.setattr(searching, "POOL", 1)
    monkeypatch.setattr(searching, "BATCH", 1)
    answer = Search(query).run(soon())
    assert answer.proved and len(answer.tree) >= 5


def test_a_search_that_was_stopped_goes_on_and_limits_are_named(hard):
    query, whole = hard
    search = Search(query)
    first = search.run(soon(), 0)
    assert (first.proved, first.reason) == (False, Reason.NODES)
    assert first.bound >= 0
    assert search.run(soon(-1)).reason == Reason.TIME
    last = search.run(soon())
    assert last.proved
    assert len(last.tree) == len(whole.tree)


def test_an_earlier_tree_repeats_its_splits(hard):
    query, whole = hard
    again = Search(query, whole.tree).run(soon(), len(whole.tree) + 1)
    assert again.proved
    written = dict(zip(range(len(whole.tree)), zip(whole.tree.layer, whole.tree.index, strict=True), strict=True))
    assert (again.tree.layer[0], again.tree.index[0]) == written[0]


def test_the_tree_of_a_proof_is_one(hard):
    _, answer = hard
    tree = answer.tree
    rows = np.array([tree.layer, tree.index, tree.child], np.int32)
    again = Tree.from_rows(tree.roots, rows)
    assert (again.layer, again.index, again.child) == (tree.layer, tree.index, tree.child)
