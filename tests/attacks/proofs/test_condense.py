"""A query about fewer pixels is the same query."""

from dataclasses import replace

import numpy as np
import pytest
from ball_strategies import NORMS, ball_cases
from hypothesis import given
from queries import real_net

from attacks.balls import BALLS
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.condense import columns, normalised, without_inactive
from attacks.proofs.node_bounds import bounded
from attacks.proofs.nodes import Nodes
from attacks.proofs.pixels import undecided
from attacks.proofs.query import Query
from attacks.proofs.tree import PIXEL
from minigrad import MLP
from minigrad.bounds.crown import intervals
from minigrad.bounds.optimised import bound_rows


@pytest.mark.parametrize("norm", NORMS)
def test_condensed_bounds_are_the_whole_images_up_to_rounding_and_never_below(norm):
    """Pixels off the mask, at a box of no room, or out in every node become a constant of the first layer."""
    rng = np.random.default_rng(0)
    net = real_net((12, 6, 4, 1), 1)
    x, mask = rng.random((1, 12)), rng.random(12) < 0.5
    query = Query.from_image(net, x[0], int(net.predict(x)[0]), BALLS[norm](2, mask=mask))
    nodes = Nodes.root(query).take(np.array([0, 0]))
    gone = np.flatnonzero(mask)[:2]
    nodes.outside[:, gone] = True
    free = np.flatnonzero(mask)[2:]
    nodes.outside[0, free[0]] = True  # out in one of them only: it stays
    if norm == "l0":
        nodes.inside[1, free[1]] = True
    small, few = nodes.condense(query)
    assert small.live.tolist() == free.tolist()
    before, after = bounded(query, nodes), bounded(small, few)
    np.testing.assert_allclose(after[2].bound, before[2].bound, rtol=1e-12, atol=1e-12)
    exact = [replace(known, sound=False) for known in (before[0], after[0])]  # what rounding terms there are
    slack = [
        found.bound - bound_rows(known, nodes.c, mult).bound
        for known, (_, mult, found) in zip(exact, (before, after), strict=True)
    ]
    assert (slack[1] > 0).all()
    assert (small.first_error >= 1.4 * before[0].error[0] / 2 - 1e-300).all()  # the constant errs as the layer does
    for k, e in enumerate(after[0].error):
        assert (e >= before[0].error[k] * (1 - 1e-12)).all()
    points = small.whole(small.ball.apply(small.x, few.ball(small).maximize(small.x, after[2].A[:, 0])))
    assert (points[:, ~np.isin(np.arange(12), free)] == np.delete(x[0], free)).all()
    np.testing.assert_allclose(small.net.logits(points[:, free]), net.logits(points), rtol=1e-12, atol=1e-12)
    assert small.on_image(np.array([PIXEL, 0]), np.array([1, 1])).tolist() == [free[1], 1]


@given(ball_cases())
def test_columns_are_the_ball_with_the_other_pixels_held(case):
    ball, x, g = case
    index = np.flatnonzero(np.arange(x.shape[1]) % 2 == 0)
    held = np.ones(x.shape[1], bool)
    held[index] = False
    if ball.norm == "l0":
        ball = ball.restrict(~held & (np.arange(x.shape[1]) < 1))
    part, whole = columns(ball, index, x.shape[1]), ball.restrict(None, held)
    np.testing.assert_allclose(part.support(x[:, index], g[:, index]), whole.support(x, g), rtol=0, atol=1e-14)
    # L2's norms are sums over other columns: they may round differently
    np.testing.assert_allclose(
        part.maximize(x[:, index], g[:, index]), whole.maximize(x, g)[:, index], rtol=1e-14, atol=0
    )
    assert np.array_equal(undecided(part, x[:, index]), undecided(whole, x)[:, index])


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_only_relu_neurons_below_zero_are_left_out(activation):
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(5, 6)), np.array([-9.0, 0, -9, 0, 9, 0])), (rng.normal(size=(6, 3)), np.full(3, -99.0))]
    net = MLP.from_arrays([*pairs, (rng.normal(size=(3, 2)), np.zeros(2))], activation=activation)
    query = Query.from_image(net, rng.random(5), 0, BALLS["linf"](0.1))
    known = intervals(net, query.x, query.ball)
    small, less = without_inactive(query, known)
    points = query.ball.apply(query.x, rng.uniform(-0.1, 0.1, (50, 5)))
    np.testing.assert_allclose(small.net.logits(points), net.logits(points), rtol=1e-12, atol=1e-12)
    if activation != "relu":
        assert small is query and less is known
        return
    assert small.net.sizes == (5, 4, 1, 2)  # of a layer that is off as a whole one neuron stays
    assert small.on_image(np.array([0, 1, PIXEL]), np.array([1, 0, 2])).tolist() == [3, 0, 2]
    assert [small.column(0, j) for j in range(6)] == [None, 0, None, 1, 2, 3] and small.column(PIXEL, 4) == 4
    for kept, all_ in zip((less.l, less.u), (known.l, known.u), strict=True):
        assert all((a == b[:, index]).all() for a, b, index in zip(kept, all_, small.neurons, strict=True))


def scaled(net, power):
    """The same classifier with each layer times 2^power."""
    pairs = [(layer.W * 2.0**power, layer.b * 2.0 ** (power * (k + 1))) for k, layer in enumerate(net.dense)]
    return MLP.from_arrays(pairs, threshold=net.threshold * 2.0 ** (power * len(net.dense)))


@pytest.mark.parametrize("power", [-60, -12, 12, 60])
def test_a_query_in_usual_units_is_the_same_to_the_bit(power):
    net = real_net((5, 4, 3, 1), 2)
    x = np.random.default_rng(3).random((4, 5))
    far = Query.from_image(scaled(net, power), x[0], 0, BALLS["linf"](0.1))
    near = normalised(far)
    sizes = [np.abs(layer.W).max() for layer in near.net.dense]
    assert near is not far and all(0.5 <= size < 1 for size in sizes)
    assert np.array_equal(near.net.logits(x) - near.net.threshold, (far.net.logits(x) - far.net.threshold) * near.scale)


def test_a_network_of_usual_weights_or_one_that_cannot_be_scaled_exactly_is_asked_about_as_it_is():
    net, x = real_net((5, 4, 3, 1), 2), np.full(5, 0.5)
    lost = MLP.from_arrays([([[2.0**60]], [1e-320]), ([[1.0]], [0.0])])  # its bias would underflow
    for one, image in ((net, x), (scaled(net, 300), x), (lost, x[:1])):
        query = Query.from_image(one, image, 0, BALLS["linf"](0.1))
        assert normalised(query) is query


@pytest.mark.parametrize("power", [-30, 30])
def test_the_bound_of_a_search_is_in_the_networks_own_units(power):
    net, x = real_net((5, 4, 3, 1), 5), np.full(5, 0.5)
    y = int(net.predict(x[None])[0])
    bounds = []
    for one in (net, scaled(net, power)):
        answer = Search(Query.from_image(one, x, y, BALLS["linf"](0.4))).run(np.inf, 1)
        assert answer.counterexample is not None or not answer.proved
        bounds.append(answer.bound)
    assert bounds[0] > 0
    assert bounds[1] == pytest.approx(bounds[0] * 2.0 ** (3 * power), rel=0.5)
