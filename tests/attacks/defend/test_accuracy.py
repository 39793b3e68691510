"""Robust accuracy against closed forms and a grid, over one radius and several, here and in an executor."""

import multiprocessing
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from defences import D, images, network

from attacks import L0, L1, L2, LInf, robust_accuracy, robust_curve, smallest_eps
from attacks.defend.decisions import Decisions
from attacks.detect.statistics import share_interval
from minigrad import MLP

NODES = {"node_limit": 200, "time_limit": 1e6, "restarts": 1}  # nothing depends on the clock


def affine(n=12):
    x, _ = images(4, n=n)
    net = network((D, 1))
    y = net.predict(x)
    y[:2] = 1 - y[:2]  # two are wrong
    m = np.where(y == 0, 1, -1) * (net.logits(x)[:, 0] - net.threshold)
    g = np.where(y == 0, 1, -1)[:, None] * net.dense[0].W[:, 0]
    return net, x, y, m, g


@pytest.mark.parametrize("ball", [LInf(0.1), L2(0.2), L1(0.3), L0(1)], ids=lambda ball: ball.norm)
def test_of_an_affine_network_both_ends_are_the_truth(ball):
    net, x, y, m, g = affine()
    found = robust_accuracy(net, x, y, ball, **NODES)
    truth = np.where(m > 0, "wrong", np.where(m + ball.support(x, g) > 0, "fooled", "robust"))
    np.testing.assert_array_equal(found.status, truth)
    assert found.lower == found.upper == np.mean(truth == "robust") and found.accuracy == pytest.approx(np.mean(m <= 0))
    assert found.interval == (found.lower, found.upper) and 0 < found.lower < 1


def test_of_a_tiny_network_a_grid_agrees():
    rng = np.random.default_rng(0)
    net = MLP.from_arrays([(rng.normal(size=(2, 4)), rng.normal(size=4)), (rng.normal(size=(4, 1)), [0.1])])
    x = rng.random((20, 2))
    y = net.predict(x)
    found = robust_accuracy(net, x, y, LInf(0.08), **NODES)
    side = np.linspace(-0.08, 0.08, 81)
    s = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    flips = np.array([(net.predict(np.clip(v + s, 0, 1)) != label).any() for v, label in zip(x, y, strict=True)])
    assert not flips[found.status == "robust"].any() and found.count("open") == 0
    assert flips.any() and (found.status[flips] == "fooled").all()


def test_a_curve_is_each_of_its_points_in_the_order_asked():
    net, x, y, _, _ = affine(6)
    radii = [0.2, 0.02, 0.1]
    curve = robust_curve(net, x, y, LInf(1), radii, **NODES)
    for radius, found in zip(radii, curve, strict=True):
        alone = robust_accuracy(net, x, y, LInf(radius), **NODES)
        assert found.radius == radius and (found.status == alone.status).all()


def test_a_radius_and_a_mask_an_image():
    net, x, y, m, g = affine()
    mask = np.random.default_rng(1).random(x.shape) < 0.5
    mask[:, 0] = True
    ball = LInf(np.linspace(0.01, 0.3, len(x)), mask=mask)
    found = robust_accuracy(net, x, y, ball, **NODES)
    truth = np.where(m > 0, "wrong", np.where(m + ball.support(x, g) > 0, "fooled", "robust"))
    np.testing.assert_array_equal(found.status, truth)


def test_a_sample_says_what_it_stands_for():
    net, x, y, _, _ = affine(24)
    whole = robust_accuracy(net, x, y, LInf(0.05), **NODES)
    part = robust_accuracy(net, x, y, LInf(0.05), sample=15, rng=3, **NODES)
    assert part.sampled and len(set(part.rows)) == 15 and (part.status == whole.status[part.rows]).all()
    assert part.interval == (share_interval(part.lower, 15)[0], share_interval(part.upper, 15)[1])
    assert part.interval[0] < whole.lower < part.interval[1]
    again = robust_accuracy(net, x, y, LInf(0.05), sample=15, rng=3, **NODES)
    np.testing.assert_array_equal(part.rows, again.rows)


def test_without_time_images_are_open_and_the_interval_is_wide():
    net, (x, _) = network((D, 5, 4, 1)), images(1)
    y = net.predict(x)
    radius = 0.9 * smallest_eps(net, x, y, norm="linf").distance.max()  # some are fooled, and not all
    found = robust_accuracy(net, x, y, LInf(radius), time_limit=0.0)
    assert found.count("open") > 0 and found.lower < found.upper


def test_on_the_boundary_is_open():
    net = MLP.from_arrays([([[1.0]], [-0.5])])
    found = robust_accuracy(net, np.array([[0.5], [0.9]]), [0, 1], LInf(0.1), **NODES)
    assert list(found.status) == ["open", "robust"] or list(found.status) == ["fooled", "robust"]
    assert found.lower == 0.5


PROCESSES = partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn"))  # calls are pickled


@pytest.mark.parametrize("make", [ThreadPoolExecutor, PROCESSES], ids=["threads", "processes"])
def test_an_executor_says_the_same_and_progress_counts(make):
    net, x, y, _, _ = affine(17)
    seen = []
    here = robust_curve(net, x, y, LInf(1), [0.05, 0.1], **NODES)
    with make(2) as executor:
        there = robust_curve(net, x, y, LInf(1), [0.05, 0.1], executor=executor, on_progress=seen.append, **NODES)
    assert all((a.status == b.status).all() for a, b in zip(here, there, strict=True))
    assert [p.done + p.open for p in seen] == [17] * len(seen)
    assert seen[-1].open == 0 and seen[-1].left == 0 and np.isnan(seen[0].left)
    assert [p.done for p in seen] == sorted(p.done for p in seen)


def test_a_worker_that_dies_is_named():
    class Dying(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.set_exception(BrokenPipeError("gone"))
            return future

    net, x, y, _, _ = affine()
    with pytest.raises(RuntimeError, match=r"a worker failed on image \d+ \(BrokenPipeError: gone\)"):
        robust_accuracy(net, x, y, LInf(0.1), executor=Dying())


def test_decisions_ask_the_middle_and_take_steps():
    known = Decisions.start(np.array([False, True, False]), 5)
    assert list(known.undecided()) == [0, 2] and known.middle()[0] == 2
    known.learn(0, 2, "robust")
    assert list(known.status(1)) == ["robust", "wrong", "open"] and known.middle()[0] in (3, 4)
    known.learn(0, 3, "fooled")
    assert [known.status(j)[0] for j in range(5)] == ["robust"] * 3 + ["fooled"] * 2
    for j in range(5):
        known.learn(2, j, "open")
    assert not len(known.undecided()) and known.status(4)[2] == "open"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ball": 0.1}, "ball: expected one of"),
        ({"ball": LInf(0.1, mask=np.ones(D + 1, bool))}, "mask: expected a shape"),
        ({"y": np.full(12, 3)}, "y: expected whole numbers in 0..1"),
        ({"sample": 13}, "sample: expected at most the 12 images"),
        ({"time_limit": -1}, "time_limit: expected"),
        ({"executor": 3}, "executor: expected"),
        ({"on_progress": 3}, "on_progress: expected a function"),
        ({"net": "mlp"}, "net: a proof needs the layers"),
    ],
)
def test_bad_input_is_one_sentence(change, sentence):
    net, x, y, _, _ = affine()
    call = {"net": net, "x": x, "y": y, "ball": LInf(0.1)} | change
    with pytest.raises(ValueError, match=sentence):
        robust_accuracy(call.pop("net"), call.pop("x"), call.pop("y"), call.pop("ball"), **call)
    with pytest.raises(ValueError, match="radii: expected"):
        robust_curve(net, x, y, LInf(0.1), [])


def test_an_image_that_rounding_alone_calls_wrong_is_open():
    """0.1 + 0.2 - 0.3 - 3e-17 is 3e-17 in floats, and -2e-18 for the numbers that these floats are."""
    net = MLP.from_arrays([([[1.0], [1.0], [-1.0]], [-3e-17])])
    x = np.array([[0.1, 0.2, 0.3]])
    assert net.logits(x)[0, 0] > 0 > sum(map(Fraction, [0.1, 0.2, -0.3, -3e-17]))
    found = robust_accuracy(net, x, [0], LInf(0.0), time_limit=1)
    assert (found.lower, found.upper) == (0, 1)
