"""Processes that share one search: the same answer as without them, and nothing is lost at a deadline."""

import pickle
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from queries import real_net, soon

from attacks import LInf, certified_minimum, certify
from attacks.proofs import branch_and_bound
from attacks.proofs.branch_and_bound import SHARED_BATCH, Search
from attacks.proofs.query import Query
from attacks.proofs.shared_nodes import divided, shared_root, side_by_side
from attacks.report.workers import workers
from attacks.result import Reason

NET = real_net((6, 8, 8, 8, 4), 4)
X = np.random.default_rng(4).random((1, 6))
Y = NET.predict(X)


class Pickled(Executor):
    """What another process would be handed, and what it would hand back."""

    def __init__(self):
        self.sent = []

    def submit(self, fn, /, *args):
        self.sent.append(pickle.dumps((fn, args)))
        work, given = pickle.loads(self.sent[-1])
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(work(*given))))
        return future


def asked(radius):
    return Query.from_image(NET, X[0], int(Y[0]), LInf(radius))


@pytest.fixture(scope="module")
def radius():
    """Just below the smallest flip, where many nodes are needed."""
    (c,) = certified_minimum(NET, X, Y, norm="linf", time_limit=600, gap=0.02)
    assert c.optimal
    return c.radius


@pytest.fixture(scope="module")
def alone(radius):
    outcome = Search(asked(radius)).run(soon())
    assert outcome.proved and len(outcome.tree) > 2 * SHARED_BATCH
    return outcome


def test_the_tree_does_not_depend_on_who_helps(radius, alone):
    kind = Pickled()
    with ThreadPoolExecutor(2) as threads, workers(1, helped=True) as process:
        for executor in (kind, threads, process):
            found = Search(asked(radius), executor=executor).run(soon())
            assert found.proved and vars(found.tree) == vars(alone.tree)
    assert len(kind.sent) > 2 * SHARED_BATCH


def test_a_node_goes_out_with_one_network_and_comes_back_without(radius):
    query, node = shared_root(asked(radius))
    kind, network = Pickled(), len(pickle.dumps(query))
    ((split, kids),) = side_by_side(query, [node], [None], kind)
    here, expected = divided(query, node)
    assert split == here and len(kind.sent[0]) < 2 * network + len(pickle.dumps(node.with_network(None, None, None)))
    for kid, other in zip(kids, expected, strict=True):
        assert (kid is None) == (other is None)
        if kid is not None:
            assert kid.known.net is query.net and kid.known.x is query.x
            assert np.array_equal(kid.bound, other.bound) and np.array_equal(kid.known.u[2], other.known.u[2])


def test_a_deadline_in_the_middle_of_a_batch_loses_no_node(radius, alone, monkeypatch):
    """Every look at the clock is past the deadline, so each run ends after one node; the last proves it all."""
    search, runs = Search(asked(radius)), 0
    outcome = search.run(soon(), 1)
    while outcome.reason != Reason.PROVED:
        before = len(search.tree)
        with monkeypatch.context() as patch:
            now = iter([0.0])
            patch.setattr(branch_and_bound.time, "perf_counter", lambda now=now: next(now, np.inf))
            outcome = search.run(1.0)
        runs += 1
        assert len(search.tree) - before <= 2
        assert runs < 10 * len(alone.tree)
    assert runs > 2 * SHARED_BATCH and len(search.tree) == len(alone.tree)  # each node's split is its own affair


def test_verdicts_and_minima_take_an_executor():
    with ThreadPoolExecutor(2) as threads:
        for eps in (0.02, 0.2):
            (a,), (b,) = (certify(NET, X, Y, LInf(eps), node_limit=200, executor=e) for e in (None, threads))
            assert (a.status, a.nodes, a.bound) == (b.status, b.nodes, b.bound)
        how = {"norm": "linf", "node_limit": 40, "time_limit": 600}
        (a,), (b,) = (certified_minimum(NET, X, Y, **how, executor=e) for e in (None, threads))
        assert (a.lower, a.upper, a.nodes) == (b.lower, b.upper, b.nodes)
    for call in (certify, certified_minimum):
        how = {"norm": "linf"} if call is certified_minimum else {"ball": LInf(0.1)}
        with pytest.raises(ValueError, match=r"^executor: expected a concurrent.futures.Executor, got int$"):
            call(NET, X, Y, **how, executor=2)


def test_a_helper_that_dies_ends_the_search(radius):
    class Dead(Executor):
        def submit(self, fn, /, *args):
            future = Future()
            future.set_exception(BrokenExecutor("a process of the pool died"))
            return future

    with pytest.raises(BrokenExecutor):
        Search(asked(radius), executor=Dead()).run(time.perf_counter() + 600)
