"""What counts as a counterexample, and a query about fewer pixels seen from the whole image."""

from dataclasses import replace

import numpy as np
import pytest
from queries import real_net

from attacks.balls import BALLS
from attacks.proofs.query import Query, beyond_rounding
from attacks.proofs.tree import PIXEL
from minigrad import MLP
from minigrad.margin import Margin


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("targeted", [False, True])
def test_a_point_is_adversarial_where_the_margin_is_clearly_positive(k, targeted):
    rng = np.random.default_rng(k)
    net, points = real_net((5, 4, k), rng), rng.normal(size=(200, 5))
    *first, last = [(f.W, f.b) for f in net.dense]
    net = MLP.from_arrays([*first, (last[0], last[1] - np.median(net.logits(points), axis=0))])  # every class occurs
    y = int(net.predict(points[:1])[0])
    target = (y + 1) % max(k, 2) if targeted else None
    query = Query.from_image(net, points[0], y, BALLS["linf"](1), target)
    each = None if target is None else np.full(200, target)
    margin = Margin.from_labels(net, points, np.full(200, y), each).value(points)
    clear = np.abs(margin) > 1e-12
    assert np.array_equal(query.adversarial(points)[clear], margin[clear] > 0)
    assert query.adversarial(points).any() and not query.adversarial(points).all()
    assert (query.joint is None) == (k < 3 or not targeted)


def test_a_margin_within_rounding_is_not_adversarial():
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    query = Query.from_image(net, np.array([0.25, 0.25]), 0, BALLS["linf"](1))
    points = np.array([[0.5, 0.5], [0.5, 0.5 + 1e-16], [0.5, 0.5 + 1e-12]])
    assert query.adversarial(points).tolist() == [False, False, True]


def test_points_and_splits_of_fewer_pixels_on_the_whole_image():
    net, x = real_net((4, 3, 1), 0), np.arange(4.0)
    whole = Query.from_image(net, x, 0, BALLS["l0"](1))
    assert whole.whole(x[None]) is not None and whole.on_image(np.array([PIXEL]), np.array([2])).tolist() == [2]
    few = replace(whole, live=np.array([1, 3]), image=x[None])
    assert few.whole(np.array([[7.0, 9.0]])).tolist() == [[0.0, 7.0, 2.0, 9.0]]
    assert few.on_image(np.array([PIXEL, 0]), np.array([1, 1])).tolist() == [3, 1]


@pytest.mark.parametrize(("activation", "linear"), [("relu", True), ("tanh", False), ("sigmoid", False)])
def test_which_networks_are_piecewise_linear(activation, linear):
    net = real_net((3, 2, 1), 0, activation)
    assert Query.from_image(net, np.zeros(3), 0, None).piecewise_linear == linear
    assert Query.from_image(real_net((3, 1), 0), np.zeros(3), 0, None).piecewise_linear


def test_each_point_is_judged_by_its_own_class_and_target():
    """N = (0, 1, 0.5) + (0, 0, x): class 1 wins, up to x = 0.5, and there nobody can tell."""
    net = MLP.from_arrays([([[0.0, 0.0, 1.0]], [0.0, 1.0, 0.5])])
    points, y = np.array([[0.25], [0.25], [0.25], [0.5], [0.75]]), np.array([0, 0, 1, 1, 1])
    fooled, safe = beyond_rounding(net, points, y)
    assert fooled.tolist() == [True, True, False, False, True] and safe.tolist() == [False, False, True, False, False]
    fooled, safe = beyond_rounding(net, points, y, np.array([1, 2, 2, 2, 0]))
    assert fooled.tolist() == [True, False, False, False, False] and safe.tolist() == [False, True, True, False, True]


def test_what_a_point_is_off_by_is_taken_off_its_margin():
    net = MLP.from_arrays([([[2.0]], [-1.0])])  # the margin at 0.75 is 0.5, and falls by 2 a unit
    points, y = np.array([[0.75], [0.75]]), np.array([0, 0])
    fooled, _ = beyond_rounding(net, points, y, off=np.array([[0.1], [0.26]]))
    assert fooled.tolist() == [True, False]
