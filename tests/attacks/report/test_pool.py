"""Processes to work in, and who works when somebody waits."""

import os
import time

import pytest

from attacks.report.pool import Pool


@pytest.fixture
def pool():
    with Pool(1, helped=True) as made:
        yield made
        made.kill()


def busy(pool):
    """Its only process is at this job until the test is over."""
    job = pool.submit(time.sleep, 600)
    while not job.running():
        time.sleep(0.01)
    return job


def test_whoever_waits_works_on_what_nobody_has_begun(pool):
    """The only process is at its first job until we are gone: the others, the last of them asked for, are done here."""
    first = busy(pool)
    others = [pool.submit(os.getpid) for _ in range(5)]
    assert others[-1].result() == os.getpid()
    assert all(other.done() and other.result() == os.getpid() for other in others)
    assert not first.done()


def test_nobody_helps_who_asks_for_what_is_done(pool):
    elsewhere = pool.submit(os.getpid)
    while not elsewhere.done():
        time.sleep(0.01)
    sleeper, waiting = busy(pool), pool.submit(os.getpid)
    assert elsewhere.result() != os.getpid()
    assert not waiting.done() and not sleeper.done()


def test_an_error_of_a_job_done_here_is_raised_where_its_result_is_asked_for(pool):
    busy(pool)
    wrong, right = pool.submit(int, "seven"), pool.submit(int, "7")
    assert right.result() == 7
    with pytest.raises(ValueError, match="seven"):
        wrong.result()


def test_with_a_limit_one_only_waits(pool):
    busy(pool)
    waiting = pool.submit(os.getpid)
    with pytest.raises(TimeoutError):
        waiting.result(timeout=0.01)


def test_without_being_asked_to_one_only_waits():
    with Pool(1) as pool:
        assert os.getpid() not in {pool.submit(os.getpid).result() for _ in range(3)}


def test_a_pool_that_has_ended_gets_no_help_and_ends():
    pool = Pool(1, helped=True)
    jobs = [pool.submit(os.getpid) for _ in range(3)]
    pool.shutdown(wait=False)
    assert os.getpid() not in {job.result() for job in jobs}
    pool.shutdown()
