"""`fit_robust`: what each method does to training, and what it leaves alone."""

import numpy as np
import pytest
from defences import D, balls, images, network

from attacks import L0, L1, L2, LInf
from attacks.defend.adversarial import Adversarial, AdversarialLoss, CatastrophicOverfitting, single_step
from attacks.defend.certified import Certified
from attacks.defend.gradient_penalty import GradientPenalty
from attacks.defend.inner_maximum import falling, rival_direction, worst_images
from attacks.defend.ramp import Ramp
from attacks.defend.training import METHODS, fit_robust
from minigrad import MLP, fit
from minigrad.losses import softmax_cross_entropy
from minigrad.objective import Batch, Weights

FAST = {"epochs": 2, "batch": 8, "lr": 0.01}


def two_blobs(n=48, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    return np.clip(0.3 + 0.4 * y[:, None] + rng.normal(0, 0.1, (n, D)), 0, 1), y


def same(a, b):
    pairs = zip(a.dense, b.dense, strict=True)
    return all(np.array_equal(p.W, q.W) and np.array_equal(p.b, q.b) for p, q in pairs)


# ---------------------------------------------------------------------- every method


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ball", [LInf(0.0), L2(0.0), L1(0.0)], ids=lambda ball: ball.norm)
def test_against_nothing_it_is_fit_to_the_bit(method, ball):
    x, y = two_blobs()
    net = network((D, 5, 4, 1))
    robust, history = fit_robust(net, x, y, ball, method=method, rng=3, schedule="constant", weight_decay=0.0, **FAST)
    plain, expected = fit(net, x, y, rng=3, **FAST)
    assert same(robust, plain)
    assert {name: history[name] for name in expected} == expected and not any(history["radius"])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["linf", "l2, mask", "l0"])
def test_a_seed_is_a_network(method, name):
    x, y = two_blobs()
    ball = balls(len(x))[name]
    runs = [fit_robust(network((D, 5, 4, 1)), x, y, ball, method=method, rng=seed, **FAST)[0] for seed in (1, 1, 2)]
    assert same(runs[0], runs[1]) and not same(runs[0], runs[2])


@pytest.mark.parametrize("method", METHODS)
def test_a_radius_an_image_follows_its_image(method):
    """Radius 0 for all images but those of class 1, whatever order training draws: so class 0 is trained as it is."""
    x, y = two_blobs()
    own = LInf(np.where(y == 1, 0.2, 1e-12))
    _, history = fit_robust(network((D, 5, 1)), x, y, own, method=method, rng=0, validation=0.25, **FAST)
    assert history["radius"][-1] == pytest.approx(0.2)


def test_the_radius_grows_as_the_ramp_says():
    x, y = two_blobs(64)
    method = Certified(ramp=Ramp(0.25, 0.75))
    _, history = fit_robust(network((D, 5, 1)), x, y, LInf(0.2), method=method, rng=0, epochs=8, batch=8)
    done = [(8 * epoch + 7) / 64 for epoch in range(8)]  # at the last step of each epoch
    np.testing.assert_allclose(history["radius"], [0.2 * np.clip((t - 0.25) / 0.5, 0, 1) for t in done], atol=1e-15)
    method = Adversarial(ramp=Ramp(0.25, 0.75))
    _, history = fit_robust(network((D, 5, 1)), x, y, L0(4), method=method, rng=0, epochs=8, batch=8)
    assert history["radius"] == [0, 0, 1, 1, 2, 3, 4, 4]  # whole pixels, at least one as soon as the ramp begins


def test_training_defends():
    """On two classes that differ in every pixel by 0.4, and are 0.1 wide: robust at 0.1, and proved where it says."""
    x, y = two_blobs(80)
    for method in ("adversarial", "interval", "linear", "mixed", "gradient", "single-step"):
        net, history = fit_robust(
            MLP.init([D, 8, 1], rng=0), x, y, LInf(0.1), method=method, rng=0, epochs=30, batch=16, lr=0.02
        )
        worst = worst_images(net.layers, net.threshold, (x, y), LInf(0.1), falling(10, 0.5))
        assert net.accuracy(worst, y) > 0.95, method
        if "proved" in history:
            assert history["proved"][-1] > 0.95, method


def test_divergence_is_named():
    x, y = two_blobs()
    for method in METHODS:
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="a smaller lr"):
            fit_robust(network((D, 5, 1)), 1e3 * x, y, LInf(1.0, box=(0, 1e3)), method=method, lr=1e30, rng=0, epochs=3)


# ---------------------------------------------------------------------- the inner maximum


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", balls())
@pytest.mark.parametrize("sizes", [(D, 5, 4, 1), (D, 5, 3)])
def test_the_inner_maximum_stays_in_the_ball(dtype, name, sizes):
    net, ball = network(sizes), balls()[name]
    x, y = (a.astype(kind) for a, kind in zip(images(2, max(sizes[-1], 2)), (dtype, int), strict=True))
    weights = Weights.from_network(net, np.dtype(dtype))
    for steps, step in ((1, 2.0), (7, 0.5), (3, 1.25)):
        worst = worst_images(weights.layers, weights.threshold, (x, y), ball, falling(steps, step))
        s = worst - x
        assert worst.dtype == dtype and (s != 0).any()
        free = np.broadcast_to(True if ball.mask is None else ball.mask, x.shape)
        assert not s[~free].any() and worst.min() >= 0 and worst.max() <= 1
        if dtype == np.float64:
            assert ball.contains(x, s).all()
        assert (ball.distance(s) <= ball.radius * (1 + 1e-5)).all()


@pytest.mark.parametrize("name", balls())
def test_of_an_affine_network_the_inner_maximum_is_the_true_one(name):
    net, ball = network((D, 1)), balls()[name]
    x, y = images(3)
    g = np.where(y == 0, 1, -1)[:, None] * net.dense[0].W[:, 0]
    s = worst_images(net.layers, net.threshold, (x, y), ball, falling(20, 1.0)) - x
    loss = 0.05 if ball.norm in ("l1", "l2") else 1e-6  # projecting takes a little of every pixel, the best ones too
    np.testing.assert_allclose(np.sum(g * s, axis=1), ball.support(x, g), rtol=loss)


def test_the_direction_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    N, y = rng.normal(size=(9, 4)), rng.integers(0, 4, 9)
    g = softmax_cross_entropy(N, y)[1]
    c = rival_direction(N, y)
    np.testing.assert_allclose(c / np.abs(c).max(axis=1, keepdims=True), g / np.abs(g).max(axis=1, keepdims=True))
    sure = rival_direction(np.array([[300.0, 1.0, 0.0]], np.float32), np.array([0]))
    assert sure[0, 0] == -1 and sure[0, 1] > sure[0, 2] > 0  # where the loss's own slope is 0 in float32


def test_a_collapse_is_named_once():
    """A network that one step cannot flip and many can: a step in the margin away from x along the gradient's sign."""
    x, y = np.full((8, 1), 0.5), np.zeros(8, int)
    bump = MLP.from_arrays([([[-1.0, 1.0, 1.0]], [0.5, -0.5, -0.52]), ([[-0.1], [300.0], [-900.0]], [-1.0])])
    weights = Weights.from_network(bump, np.dtype(float))
    watch = AdversarialLoss(single_step(), "logistic", LInf(0.1), 8, np.random.default_rng(0))
    watch.best, watch.radius = 1.0, 0.1
    batch = Batch(x, y, np.arange(8), 0.9)
    watch.step(weights, batch)
    steep = MLP.from_arrays([([[1.0]], [-0.55])])  # flipped by one step as by many
    with pytest.warns(CatastrophicOverfitting, match="0% resist 10 steps, 100% did before"):
        record = watch.after_epoch(Weights.from_network(steep, np.dtype(float)))
    assert record["resist_many_steps"] == 0.0
    watch.step(weights, batch)
    watch.after_epoch(Weights.from_network(steep, np.dtype(float)))  # no second warning: warnings are errors here


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ball": LInf(1.0)}, "ball: expected a radius below 1"),
        ({"ball": L0(D)}, "ball: expected a radius below 6"),
        ({"ball": 0.1}, "ball: expected one of L0, L1, L2, LInf"),
        ({"ball": LInf(0.1, mask=np.ones(D + 1, bool))}, "mask: expected a shape"),
        ({"ball": LInf(0.1, box=(0.4, 0.6))}, "x: expected pixels inside the box"),
        ({"y": np.zeros(12, int)}, "at least two classes, got only class 0"),
        ({"y": np.arange(12) % 10}, "y: expected whole numbers in 0..1"),
        ({"method": "trades"}, "method: expected one of adversarial"),
        ({"method": 3}, "method: expected a name or one of the method objects, got int"),
        ({"loss": "squared"}, "loss: expected options of fit other than"),
        ({"net": network((D, 4, 1), "tanh"), "method": "mixed"}, "expected a ReLU network for linear bounds, got tanh"),
        ({"epochs": 0}, "epochs: expected at least 1"),
    ],
)
def test_bad_input_is_one_sentence(change, sentence):
    x, y = two_blobs(12)
    call = {"net": network((D, 4, 1)), "x": x, "y": y, "ball": LInf(0.1)} | change
    with pytest.raises(ValueError, match=sentence):
        fit_robust(call.pop("net"), call.pop("x"), call.pop("y"), call.pop("ball"), **call)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ramp(0.5, 0.2),
        lambda: Ramp(0, 1.5),
        lambda: Adversarial(steps=0),
        lambda: Adversarial(step=3),
        lambda: Certified(kappa=2),
        lambda: Certified(beta=(0, 2)),
        lambda: Certified(overshoot=0),
        lambda: GradientPenalty(kind="l2"),
        lambda: GradientPenalty(weight=-1),
    ],
)
def test_options_that_make_no_sense_are_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()
