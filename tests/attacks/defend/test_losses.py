"""The gradient of each loss, and that each bound is one."""

import numpy as np
import pytest
from defences import ROWS, SIZES, D, LossOfWeights, balls, images, network, steps
from derivatives import central

from attacks import LInf
from attacks.ascent import random_start
from attacks.defend.certified import Certified, CertifiedLoss
from attacks.defend.enclosure import Enclosure
from attacks.defend.gradient_penalty import GradientPenalty, PenalisedLoss
from attacks.defend.interval_loss import IntervalPass
from attacks.defend.linear_loss import LinearPass
from attacks.defend.margins import count_proved, margin_rows, worst_case_loss
from attacks.defend.ramp import Ramp
from minigrad import MLP, taylor_rate
from minigrad.bounds.crown import upper_bound
from minigrad.bounds.region import Region
from minigrad.layers import forward
from minigrad.objective import Batch, Weights
from minigrad.train import DEFAULT_LOSS

CASES = [(sizes, "relu") for sizes in SIZES] + [((D, 5, 4, 1), "tanh"), ((D, 5, 3), "sigmoid")]


def problem(sizes, activation="relu", seed=0):
    net = network(sizes, activation)
    return net, *images(seed, max(sizes[-1], 2))


def passes(net, x, y, ball):
    intervals = IntervalPass.forward(Weights.from_network(net, np.dtype(float)), Enclosure.from_ball(x, ball), y)
    return intervals, LinearPass.backward(intervals, ball) if net.activation == "relu" else None


@pytest.mark.parametrize(("sizes", "activation"), CASES)
@pytest.mark.parametrize("name", ["linf, masks", "l2, mask", "l1", "l0, masks"])
def test_each_gradient_is_the_slope_of_its_loss(sizes, activation, name):
    net, x, y = problem(sizes, activation)
    ball = balls()[name]
    ways = np.random.default_rng(5).normal(size=(2, Weights.from_network(net, np.dtype(float)).theta.size))
    for which, step in steps(net, x, y, ball).items():
        model = LossOfWeights(net, x, y, step)
        slopes = ways @ model.at(model.theta)[1]
        numeric = central(lambda t, model=model: model.at(model.theta + t @ ways)[0], np.zeros(len(ways)))
        np.testing.assert_allclose(slopes, numeric, rtol=0, atol=1e-6 * max(1, np.abs(numeric).max()), err_msg=which)


@pytest.mark.parametrize(("sizes", "activation"), CASES)
def test_what_a_gradient_leaves_over_falls_as_the_square(sizes, activation):
    net, x, y = problem(sizes, activation)
    for which, step in steps(net, x, y, balls()["linf"]).items():
        model = LossOfWeights(net, x, y, step)
        assert 1.9 < taylor_rate(model, model.theta[None], h=2e-4, halvings=4) < 2.1, which


def test_the_rate_tells_a_wrong_gradient():
    net, x, y = problem((D, 5, 4, 1))
    model = LossOfWeights(net, x, y, steps(net, x, y, balls()["linf"])["mixed"])
    right = model.jacobian
    model.jacobian = lambda theta: 1.01 * right(theta)
    assert taylor_rate(model, model.theta[None], h=2e-4, halvings=4) < 1.1


@pytest.mark.parametrize(("sizes", "activation"), CASES)
@pytest.mark.parametrize("name", ["linf, masks", "l2, mask", "l1", "l0, masks"])
def test_bounds_hold_on_the_whole_set(sizes, activation, name):
    net, x, y = problem(sizes, activation)
    ball, rng = balls()[name], np.random.default_rng(3)
    intervals, linear = passes(net, x, y, ball)
    R = margin_rows(sizes[-1], np.dtype(float))[y]
    starts = [random_start(ball, x, rng) for _ in range(12)]
    ends = [ball.maximize(x, rng.normal(size=x.shape)) for _ in range(12)]
    for s in [*starts, *ends, *([] if linear is None else np.moveaxis(linear.point - x[:, None], 1, 0))]:
        values = forward(net.layers, x + s)
        for k, z in enumerate(values[1:-1:2]):
            assert (z >= intervals.l[k] - 1e-12).all() and (z <= intervals.u[k] + 1e-12).all()
        m = np.einsum("nmk,nk->nm", R, values[-1] - net.threshold)
        for B in (intervals.margins(), *([] if linear is None else [linear.B])):
            assert (m <= B + 1e-12).all()


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", ["linf", "l2, mask", "l1, masks", "l0"])
def test_where_no_neuron_bends_the_linear_bound_is_attained_and_inside_the_intervals(sizes, name):
    net, x, y = problem(sizes)
    *hidden, last = net.dense
    pairs = [(layer.W, layer.b + 10 ** (k + 2)) for k, layer in enumerate(hidden)]
    net = MLP.from_arrays([*pairs, (last.W, last.b)], threshold=net.threshold)
    intervals, linear = passes(net, x, y, balls()[name])
    assert all((l > 0).all() for l in intervals.l)  # noqa: E741
    R = margin_rows(sizes[-1], np.dtype(float))[y]
    for j in range(R.shape[1]):
        m = np.einsum("nk,nk->n", R[:, j], net.logits(linear.point[:, j]) - net.threshold)
        np.testing.assert_allclose(linear.B[:, j], m, atol=1e-9)
    assert (linear.B <= intervals.margins() + 1e-9).all()


@pytest.mark.parametrize("sizes", SIZES[1:])
@pytest.mark.parametrize("name", ["linf", "l2, mask", "l1, masks", "l0"])
def test_the_linear_bound_is_the_one_that_proofs_begin_with(sizes, name):
    net, x, y = problem(sizes)
    ball = balls()[name]
    intervals, linear = passes(net, x, y, ball)
    known = Region(net, x, ball, tuple(intervals.l), tuple(intervals.u))
    np.testing.assert_allclose(linear.B, upper_bound(known, margin_rows(sizes[-1], np.dtype(float))[y]), atol=1e-9)


def test_interval_bounds_of_an_affine_network_are_exact():
    net, x, y = problem((D, 1))
    ball = LInf(0.2)
    m = np.where(y == 0, 1, -1) * (net.logits(x)[:, 0] - net.threshold)
    g = np.where(y == 0, 1, -1)[:, None] * net.dense[0].W[:, 0]
    np.testing.assert_allclose(passes(net, x, y, ball)[0].margins()[:, 0], m + ball.support(x, g), atol=1e-12)


def test_the_worst_case_loss_is_that_of_the_bounds():
    for k in (1, 4):
        rng = np.random.default_rng(k)
        y = rng.integers(0, max(k, 2), 5)
        B = rng.normal(size=(5, k))
        B[np.arange(5) if k > 1 else [], y if k > 1 else []] = 0
        total = np.exp(B).sum(axis=1) + (k == 1)
        assert worst_case_loss(B, y)[0] == pytest.approx(np.log(total).mean())
        others = B if k == 1 else np.where(np.arange(k) == y[:, None], -np.inf, B)
        assert count_proved(B, y) == (others.max(axis=1) < 0).sum()


@pytest.mark.parametrize("name", balls())
def test_the_penalty_is_the_support_of_the_slope(name):
    net, x, y = problem((D, 5, 4, 1))
    ball = balls()[name]
    p = 1 / (1 + np.exp(-(net.logits(x) - net.threshold))) - y[:, None]
    g = net.vjp(x, p)
    plain = np.logaddexp(0, np.where(y == 1, -1, 1) * (net.logits(x)[:, 0] - net.threshold)).mean()
    expected = {"support": ball.support(x, g).mean()}
    if name == "linf":
        expected["squared"] = 0.1 * 0.5 * np.mean(np.sum(g * g, axis=1))
    for which, value in expected.items():
        model = LossOfWeights(net, x, y, steps(net, x, y, ball)[which])
        assert model.at(model.theta)[0] == pytest.approx(plain + value, rel=1e-12)


def test_pixels_off_the_mask_cannot_move_an_enclosure():
    x, _ = images()
    for name, ball in balls().items():
        if "mask" in name:
            W = np.where(np.broadcast_to(ball.mask, x.shape).any(axis=0), 0.0, 5.0)[:, None] * np.ones((1, 3))
            assert not Enclosure.from_ball(x, ball).reach(W).any()


@pytest.mark.parametrize("which", ["interval", "linear", "mixed"])
def test_pixels_that_no_image_changes_are_added_once(which):
    """Black, grey and white in every image: as a ball with one radius an image, which folds none."""
    net, x, y = problem((D, 5, 4, 1))
    x[:, :3] = 0.0, 0.37, 1.0
    folded, whole = (LossOfWeights(net, x, y, steps(net, x, y, LInf(r))[which]) for r in (0.1, np.full(ROWS, 0.1)))
    assert len(Enclosure.from_ball(x, LInf(0.1), fold=True).still) == 3
    (value, gradient), (expected, slope) = (model.at(model.theta) for model in (folded, whole))
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-14)
    assert np.abs(gradient.reshape(-1)[: 3 * 5]).max() > 1e-3  # the weights of those three pixels


@pytest.mark.parametrize("name", ["linf", "l2", "l1", "l0"])
@pytest.mark.parametrize("constant", [[], [0, 3], list(range(D))])
@pytest.mark.parametrize("n", [1, 5])
def test_to_fold_changes_nothing(name, constant, n):
    """Whatever the norm, also with one image, with no pixel constant, and with all."""
    net = network((D, 5, 4, 1))
    x, y = images(n=n)
    x[:, constant] = x[0, constant]
    weights = Weights.from_network(net, np.dtype(float))
    found = []
    for fold in (False, True):
        one = IntervalPass.forward(weights, Enclosure.from_ball(x, balls()[name], fold=fold), y)
        one.pull(np.ones((n, 1)), np.full((n, 1), 0.5))
        found.append([one.N, one.margins(), *one.l, *one.u, weights.gradient.copy()])
    for whole, folded in zip(*found, strict=True):
        np.testing.assert_allclose(folded, whole, rtol=0, atol=1e-13)


def test_kappa_and_beta_weigh_the_losses():
    net, x, y = problem((D, 5, 4, 1))
    ball, loss = LInf(0.1), DEFAULT_LOSS[False]
    certified = CertifiedLoss(Certified(), loss, ball, ROWS)
    weights, batch = Weights.from_network(net, np.dtype(float)), Batch(x, y, np.arange(ROWS), 0.0)
    intervals, linear = passes(net, x, y, ball)
    plain = np.logaddexp(0, np.where(y == 1, -1, 1) * (net.logits(x)[:, 0] - net.threshold)).mean()
    assert certified.bounded(weights, batch, ball, 1.0, 0.3)[0] == pytest.approx(plain)
    for beta in (0.0, 0.25, 1.0):
        B = beta * linear.B + (1 - beta) * intervals.margins()
        expected = 0.6 * plain + 0.4 * np.logaddexp(0, B).mean()
        assert certified.bounded(weights, batch, ball, 0.6, beta)[0] == pytest.approx(expected)


def test_kappa_beta_and_radius_move_together():
    net, x, y = problem((D, 5, 4, 1))
    options = Certified(beta=(1.0, 0.2), kappa=0.4, overshoot=1.2, ramp=Ramp(0.0, 1.0))
    certified = CertifiedLoss(options, "logistic", LInf(0.1), ROWS)
    weights, batch = Weights.from_network(net, np.dtype(float)), Batch(x, y, np.arange(ROWS), 0.25)
    value = certified.step(weights, batch)[0]
    assert certified.radius == pytest.approx(0.03)
    assert value == pytest.approx(certified.bounded(weights, batch, LInf(0.03), 0.85, 0.8)[0], rel=1e-12)


@pytest.mark.parametrize("name", balls())
def test_a_small_box_lies_inside_its_ball(name):
    net, x, y = problem((D, 5, 4, 1))
    ball, asked = balls()[name], []

    class Spy(CertifiedLoss):
        def bounded(self, weights, batch, ball, kappa, beta):
            asked.append((batch.x, ball))
            return super().bounded(weights, batch, ball, kappa, beta)

    spy = Spy(Certified(part=0.5, ramp=Ramp(0, 0)), "logistic", ball, ROWS)
    spy.step(Weights.from_network(net, np.dtype(float)), Batch(x, y, np.arange(ROWS), 0.5))
    ((around, small),) = asked
    moved = ball.distance(around - x)
    assert (moved > 0).all() and (moved + small.radius <= ball.radius * (1 + 1e-12)).all()
    assert ball.contains(x, around - x).all()


def test_a_penalty_of_weight_0_is_the_plain_loss():
    net, x, y = problem((D, 5, 3))
    penalised = PenalisedLoss(GradientPenalty(weight=0.0), "softmax", LInf(0.1), ROWS)
    weights, batch = Weights.from_network(net, np.dtype(float)), Batch(x, y, np.arange(ROWS), 0.5)
    N = net.logits(x)
    expected = np.mean(np.log(np.exp(N).sum(axis=1)) - N[np.arange(ROWS), y])
    assert penalised.step(weights, batch)[0] == pytest.approx(expected)
