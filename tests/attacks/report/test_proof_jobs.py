"""What the report says of one image does not depend on the clock: nodes decide, seconds only stop."""

import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from itertools import count

import pytest

from attacks.patch.masks import glasses_mask
from attacks.report import proof_jobs
from attacks.report.proof_jobs import IMAGE_NODES, ProofJobs


class Kept(Executor):
    """Does the work at once, and keeps the certificates, the verdicts and the options that were given."""

    def __init__(self):
        self.done, self.exact, self.options = [], [], []

    def work(self, fn, *args, **kwargs):
        return fn(*args, **kwargs)

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(self.work(fn, *args, **kwargs))
        certificates, *exact = future.result() if isinstance(future.result(), tuple) else (future.result(),)
        self.done += certificates
        self.exact += exact
        self.options.append(kwargs)
        return future


@pytest.fixture
def setup(written, reference):
    """The images and detectors of the small report, and a network worth proving something of."""
    found = written.results.setup
    return replace(found, network=replace(found.network, net=reference))


def proofs(setup, monkeypatch, tick, seconds=1.0):
    """All proofs of one image and of the glasses, by a clock that goes on by `tick` seconds whenever it is read."""
    setup = replace(setup, options=replace(setup.options, proof_seconds=seconds))
    ticks, kept, mask = count(), Kept(), glasses_mask()
    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: tick * next(ticks))
        patch.setattr(proof_jobs, "FILLING_IMAGES", 2)
        jobs = ProofJobs(kept, setup)
        jobs.certify_image(setup.images.test[:1])
        jobs.certify_frame(setup.images.test[:1], mask)
        jobs.judge_mask(0, mask)
    return kept, tick * next(ticks)


def test_a_clock_that_runs_faster_changes_nothing(setup, monkeypatch):
    kept, _ = proofs(setup, monkeypatch, 0.0)
    faster, passed = proofs(setup, monkeypatch, 2e-3)
    certificates = len(IMAGE_NODES) + 1
    assert len(kept.done) == certificates + 2 and passed > 0
    for a, b in zip(kept.done[certificates:], faster.done[certificates:], strict=True):
        assert (a.status, a.nodes, a.bound) == (b.status, b.nodes, b.bound)
    for a, b in zip(kept.done[:certificates], faster.done[:certificates], strict=True):
        assert [ends for _, *ends in a.history] == [ends for _, *ends in b.history]
        assert replace(a, seconds=0.0, history=()).to_bytes() == replace(b, seconds=0.0, history=()).to_bytes()
    free = kept.done[0]
    assert free.norm == "l0" and free.optimal  # the headline, "exactly so many pixels"


def test_more_seconds_are_more_nodes_and_none_are_none(setup, monkeypatch):
    monkeypatch.setattr(Kept, "work", lambda *_, **__: [])
    none, some, twice = (proofs(setup, monkeypatch, 0.0, seconds)[0].options for seconds in (0, 3, 6))
    for a, b, c in zip(none[:-1], some[:-1], twice[:-1], strict=True):
        assert a["node_limit"] == a["time_limit"] == 0
        assert 0 < b["node_limit"] < c["node_limit"] and 0 < b["time_limit"] < c["time_limit"]
