"""The hook of `fit`: what stands in for the mean loss sees every image once an epoch, and nothing else changes."""

import numpy as np
import pytest

from minigrad import MLP, fit
from minigrad.objective import PlainLoss


class Recorder:
    """The plain loss, and a note of what was asked."""

    def __init__(self):
        self.batches, self.epochs = [], 0

    def step(self, weights, batch):
        self.batches.append(batch)
        return PlainLoss("logistic").step(weights, batch)

    def after_epoch(self, weights):
        self.epochs += 1
        return {"epochs so far": float(self.epochs)}


def data(n=23, d=4):
    rng = np.random.default_rng(0)
    return rng.random((n, d)), rng.integers(0, 2, n)


@pytest.mark.parametrize("validation", [0.0, 0.3])
def test_an_objective_changes_what_it_says_and_no_bit_else(validation):
    x, y = data()
    options = {"epochs": 3, "batch": 5, "validation": validation, "weight_decay": 0.1, "schedule": "cosine", "rng": 1}
    recorder, net = Recorder(), MLP.init([4, 3, 1], rng=0)
    plain, history = fit(net, x, y, **options)
    hooked, more = fit(net, x, y, objective=recorder, **options)
    assert more.pop("epochs so far") == [1.0, 2.0, 3.0] and more == history
    for a, b in zip(plain.dense, hooked.dense, strict=True):
        np.testing.assert_array_equal(a.W, b.W)
        np.testing.assert_array_equal(a.b, b.b)
    rows = np.concatenate([batch.rows for batch in recorder.batches])
    each = len(rows) // 3
    assert len(set(rows[:each])) == each == len(x) - round(validation * len(x))  # each image once, those held never
    assert set(rows[:each]) == set(rows[each : 2 * each])
    done = [batch.done for batch in recorder.batches]
    np.testing.assert_allclose(done, np.arange(len(done)) / len(done))
    for batch in recorder.batches:
        np.testing.assert_array_equal(batch.x, x[batch.rows].astype(np.float32))
        np.testing.assert_array_equal(batch.y, y[batch.rows])


def test_a_loss_that_is_not_finite_is_named():
    class Broken(Recorder):
        def step(self, weights, batch):
            return float("nan"), 0

    x, y = data()
    with pytest.raises(FloatingPointError, match="epoch 1: the loss is nan"):
        fit(MLP.init([4, 1], rng=0), x, y, objective=Broken())


def test_an_objective_is_checked_before_any_work():
    x, y = data()
    with pytest.raises(ValueError, match="objective: expected step"):
        fit(MLP.init([4, 1], rng=0), x, y, objective="adversarial")
