"""One BLAS thread inside a block, the old number after it, and a sentence where threadpoolctl is missing."""

import sys

import numpy as np
import pytest

import minigrad


def test_one_thread_inside_and_the_old_number_after_it():
    control = pytest.importorskip("threadpoolctl", reason="threadpoolctl is the optional extra 'threads'")

    def threads():
        return {lib["num_threads"] for lib in control.threadpool_info() if lib["user_api"] == "blas"}

    with control.threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with minigrad.one_thread():
            assert threads() <= {1}  # none where BLAS is one that threadpoolctl does not know
        assert threads() == before


def test_without_threadpoolctl_it_says_so_and_the_block_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    missing = pytest.warns(RuntimeWarning, match="expected the package threadpoolctl, which is not installed")
    with missing as said, minigrad.one_thread():
        assert np.eye(2).sum() == 2
    assert said[0].filename == __file__
