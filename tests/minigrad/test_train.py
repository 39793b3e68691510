import itertools

import numpy as np
import pytest
from derivatives import central
from hypothesis import given
from hypothesis import strategies as st
from strategies import ACTIVATIONS, generators, labels, networks_with_images

from minigrad import MLP, fit
from minigrad.losses import LOSSES
from minigrad.optimisers import SGD, Adam

STILL = 1e-300  # a learning rate that moves nothing: what is then reported is the loss of the net given


def parameters(net):
    return np.concatenate([array.ravel() for layer in net.dense for array in (layer.W, layer.b)])


def with_parameters(net, theta):
    arrays = [array for layer in net.dense for array in (layer.W, layer.b)]
    cuts = np.cumsum([array.size for array in arrays])[:-1]
    parts = [part.reshape(array.shape) for part, array in zip(np.split(theta, cuts), arrays, strict=True)]
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    return MLP.from_arrays(pairs, activation=net.activation, threshold=net.threshold)


def loss_of(net, x, y, name):
    return LOSSES[name](net.logits(x) - net.threshold, y)[0]


def data(n=40, d=3, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, d)), rng.integers(0, classes, n)


@st.composite
def problems(draw):
    """`(net, x, y, loss)` for every architecture and each loss that fits it."""
    net, x = draw(networks_with_images())
    name = draw(st.sampled_from(["logistic" if net.sizes[-1] == 1 else "softmax", "squared"]))
    return net, x, draw(labels(net, len(x))), name


@given(problems())
def test_a_step_follows_the_derivative_of_the_loss(problem):
    net, x, y, name = problem
    after, _ = fit(net, x, y, epochs=1, batch=len(x), lr=1, optimizer="sgd", loss=name, dtype=np.float64, rng=0)
    theta = parameters(net)
    numeric = central(lambda t: loss_of(with_parameters(net, t), x, y, name), theta)
    np.testing.assert_allclose(theta - parameters(after), numeric, rtol=0, atol=1e-7 * max(1, np.abs(numeric).max()))


@given(problems(), st.integers(1, 5))
def test_history_holds_loss_and_accuracy_of_every_image_once(problem, batch):
    net, x, y, name = problem
    _, history = fit(net, x, y, epochs=2, batch=batch, lr=STILL, loss=name, dtype=np.float64, rng=0)
    np.testing.assert_allclose(history["loss"], loss_of(net, x, y, name), rtol=1e-12)
    assert history["accuracy"] == [net.accuracy(x, y)] * 2


@given(generators, st.integers(1, 20), st.floats(1e-4, 1))
def test_adam_is_the_textbook(rng, steps, lr):
    theta, m, v = rng.normal(size=7), np.zeros(7), np.zeros(7)
    moved = theta.copy()
    adam = Adam(moved)
    for t in range(1, steps + 1):
        g = rng.normal(size=7) * 10 ** rng.uniform(-9, 3, 7)  # down to where the 1e-8 matters
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        adam.step(g.copy(), lr)
    np.testing.assert_allclose(moved, theta, rtol=0, atol=1e-12)


@given(generators, st.integers(1, 20))
def test_adams_direction_is_the_textbook(rng, steps):
    m, v = np.zeros(7), np.zeros(7)
    adam = Adam(np.zeros(7), 0.9, 0.99, 1e-30)
    for t in range(1, steps + 1):
        g = rng.normal(size=7) * 10 ** rng.uniform(-9, 3, 7) * np.array([1, 1, 1, 1, 1, 1, 0])
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        expected = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-30)
        np.testing.assert_allclose(adam.direction(g), expected, rtol=1e-9, atol=1e-12)
    assert not adam.theta.any()


@given(generators, st.integers(1, 20), st.floats(0, 0.99), st.floats(1e-4, 1))
def test_sgd_with_momentum_is_the_textbook(rng, steps, momentum, lr):
    theta, velocity = rng.normal(size=7), np.zeros(7)
    moved = theta.copy()
    sgd = SGD(moved, momentum)
    for _ in range(steps):
        g = rng.normal(size=7)
        velocity = momentum * velocity + g
        theta = theta - lr * velocity
        sgd.step(g.copy(), lr)
    np.testing.assert_allclose(moved, theta, rtol=0, atol=1e-11)


def naive_training(x, y, orders, lr, momentum, weight_decay):
    """Logistic regression, one image a step, cosine schedule, decoupled decay: every formula spelt out."""
    w, b, u_w, u_b = np.array([0.5, -0.25]), 0.125, np.zeros(2), 0.0
    T = sum(len(order) for order in orders)
    for t, i in enumerate(itertools.chain.from_iterable(orders)):
        rate = lr * (1 + np.cos(np.pi * t / T)) / 2
        error = 1 / (1 + np.exp(-(x[i] @ w + b))) - y[i]
        u_w, u_b = momentum * u_w + error * x[i], momentum * u_b + error
        w, b = w - rate * weight_decay * w - rate * u_w, b - rate * u_b
    return [*w, b]


def test_fit_is_naive_training_in_an_order_drawn_anew_each_epoch():
    x, y = data(n=3, d=2)
    options = {"lr": 0.5, "momentum": 0.75, "weight_decay": 0.125}
    orders = list(itertools.product(itertools.permutations(range(3)), repeat=2))
    naive = np.array([naive_training(x, y, order, **options) for order in orders])  # (36, 3)
    net = MLP.from_arrays([([[0.5], [-0.25]], [0.125])])
    seen = set()
    for seed in range(20):
        after, _ = fit(
            net, x, y, epochs=2, batch=1, optimizer="sgd", schedule="cosine", dtype=np.float64, rng=seed, **options
        )
        (match,) = np.flatnonzero(np.abs(naive - parameters(after)).max(axis=1) < 1e-14)
        seen.add(orders[match])
    assert len(seen) > 1 and any(first != second for first, second in seen)


def test_adam_with_decay_through_fit():
    x, y = data()
    theta, m, v = parameters(MLP.init([3, 1], rng=0)), np.zeros(4), np.zeros(4)
    after, _ = fit(MLP.init([3, 1], rng=0), x, y, epochs=5, batch=40, lr=0.1, weight_decay=0.5, dtype=np.float64, rng=1)
    for t in range(1, 6):
        error = (1 / (1 + np.exp(-(x @ theta[:3] + theta[3]))) - y) / 40
        g = np.append(error @ x, error.sum())
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        decay = 0.1 * 0.5 * theta * [1, 1, 1, 0]  # not the bias
        theta = theta - decay - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(parameters(after), theta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_same_seed_same_bits(dtype, optimizer):
    x, y = data()
    runs = [
        fit(MLP.init([3, 5, 1], rng=0), x, y, epochs=3, batch=7, optimizer=optimizer, dtype=dtype, rng=rng)
        for rng in (1, np.random.default_rng(1), 2)
    ]
    (one, history), (two, again), (other, _) = runs
    assert parameters(one).tobytes() == parameters(two).tobytes() != parameters(other).tobytes()
    assert history == again


def test_the_arithmetic_is_of_the_dtype_asked_for_and_the_net_float64():
    x, y = data()
    net = MLP.init([3, 5, 1], rng=0)
    single, double = (parameters(fit(net, x, y, epochs=3, dtype=dtype, rng=1)[0]) for dtype in (np.float32, np.float64))
    assert single.dtype == double.dtype == np.float64
    assert np.array_equal(single, single.astype(np.float32)) and not np.array_equal(double, double.astype(np.float32))
    np.testing.assert_allclose(single, double, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_it_learns(activation, optimizer):
    x, _ = data(n=200, d=2)
    y = x[:, 0] > x[:, 1]
    _, history = fit(
        MLP.init([2, 16, 1], activation=activation, rng=0),
        x,
        y,
        epochs=60,
        batch=20,
        lr=0.05,
        optimizer=optimizer,
        rng=0,
    )
    assert history["loss"][-1] < history["loss"][0] / 2 and history["accuracy"][-1] > 0.95


def test_it_learns_digits(mnist49):
    x_train, y_train, x, y = mnist49
    net, _ = fit(MLP.init([784, 32, 1], rng=0), x_train[:3000], y_train[:3000], epochs=5, rng=0)
    assert net.accuracy(x, y) > 0.95


def test_the_net_and_the_images_passed_in_stay_as_they_were():
    x, y = data()
    net = MLP.init([3, 5, 1], rng=0)
    before = parameters(net).copy(), x.copy(), y.copy()
    after, _ = fit(net, x, y, epochs=1, dtype=np.float64, rng=0)
    assert not np.array_equal(parameters(after), before[0])
    assert all(np.array_equal(a, b) for a, b in zip((parameters(net), x, y), before, strict=True))
    assert not any(layer.W.flags.writeable for layer in after.dense)


@pytest.mark.parametrize(("activation", "loss"), [("tanh", "logistic"), ("relu", "squared")])
def test_a_threshold_is_a_shift_of_the_last_bias(activation, loss):
    x, y = data()
    plain = MLP.init([3, 5, 1], activation=activation, rng=0)
    pairs = [(layer.W, layer.b) for layer in plain.dense]
    pairs[-1] = (pairs[-1][0], pairs[-1][1] + 2)
    shifted = MLP.from_arrays(pairs, activation=activation, threshold=2.0)
    (one, h1), (two, h2) = (
        fit(net, x, y, epochs=3, batch=8, loss=loss, validation=0.25, dtype=np.float64, rng=0)
        for net in (plain, shifted)
    )
    assert two.threshold == 2 and two.activation == activation
    np.testing.assert_allclose(two.logits(x) - 2, one.logits(x), rtol=0, atol=1e-10)
    for name in h1:
        np.testing.assert_allclose(h1[name], h2[name], rtol=1e-10)


def test_callback_gets_each_epochs_entries():
    x, y = data()
    calls = []
    _, history = fit(
        MLP.init([3, 1], rng=0), x, y, epochs=3, validation=0.25, rng=0, callback=lambda *call: calls.append(call)
    )
    assert [epoch for epoch, _ in calls] == [1, 2, 3]
    assert history.keys() == {"loss", "accuracy", "lr", "validation_loss", "validation_accuracy"}
    assert {name: [record[name] for _, record in calls] for name in history} == history


def test_without_validation_there_is_no_entry():
    x, y = data()
    assert fit(MLP.init([3, 1], rng=0), x, y, epochs=1)[1].keys() == {"loss", "accuracy", "lr"}


def test_learning_rates():
    x, y = data(n=40)
    cosine, constant = (
        fit(MLP.init([3, 1], rng=0), x, y, epochs=4, batch=16, lr=0.25, schedule=schedule)[1]["lr"]
        for schedule in ("cosine", "constant")
    )
    last = np.array([2, 5, 8, 11])  # three steps an epoch, the last one short
    np.testing.assert_allclose(cosine, 0.125 * (1 + np.cos(np.pi * last / 12)), rtol=1e-12)
    assert constant == [0.25] * 4


@pytest.mark.parametrize(("share", "held"), [(0.25, 10), (0.1, 4), (0.01, 0)])
def test_validation_and_training_images_are_a_partition(share, held):
    x, y = data(n=40)
    net = MLP.init([3, 4, 1], rng=0)
    _, history = fit(net, x, y, epochs=1, lr=STILL, validation=share, dtype=np.float64, rng=0)
    for name, of_all in (("loss", loss_of(net, x, y, "logistic")), ("accuracy", net.accuracy(x, y))):
        held_out = history["validation_" + name][0] if held else 0
        assert (40 - held) * history[name][0] + held * held_out == pytest.approx(40 * of_all, rel=1e-12)


def test_validation_images_do_not_train():
    x, y = np.eye(8), np.arange(8) % 2  # image i alone moves weight i
    net = MLP.from_arrays([(np.zeros((8, 1)), [0.0])])
    after, _ = fit(net, x, y, epochs=2, batch=3, optimizer="sgd", validation=0.25, rng=0)
    assert np.count_nonzero(after.dense[0].W) == 6


def test_validation_is_measured_after_the_epoch_and_training_before_each_step():
    x, y = np.full((8, 3), 0.5), np.ones(8, int)  # all alike: it does not matter which are set aside
    net = MLP.init([3, 1], rng=0)
    after, history = fit(net, x, y, epochs=1, batch=4, lr=0.1, validation=0.5, dtype=np.float64, rng=0)
    assert history["loss"][0] == pytest.approx(loss_of(net, x, y, "logistic"), rel=1e-12)
    assert history["validation_loss"][0] == pytest.approx(loss_of(after, x, y, "logistic"), rel=1e-12)


def test_a_learning_rate_far_too_high_is_said():
    x, y = data()
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"epoch \d+: the loss is (inf|nan); a smaller lr than 1e\+30"),
    ):
        fit(MLP.init([3, 5, 1], rng=0), x, y, lr=1e30, optimizer="sgd", loss="squared", epochs=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"epochs": 1.5}, "epochs: expected a whole number, got 1.5"),
        ({"batch": 0}, "batch: expected at least 1, got 0"),
        ({"lr": 0}, "expected lr > 0.* got 0,"),
        ({"lr": np.nan}, "expected lr > 0.* got nan,"),
        ({"weight_decay": -1}, "weight_decay >= 0.* got 0.001, -1,"),
        ({"momentum": 1}, "momentum < 1.* got 0.001, 0.0, 1,"),
        ({"validation": 1}, "validation < 1, got .* 1$"),
        ({"validation": 0.99}, "validation: expected an image left to train on, got a share of 0.99 of 4"),
        ({"optimizer": "rmsprop"}, "optimizer: expected one of adam, sgd, got 'rmsprop'"),
        ({"schedule": "linear"}, "schedule: expected one of constant, cosine, got 'linear'"),
        ({"loss": "hinge"}, "loss: expected one of logistic, softmax, squared, got 'hinge'"),
        ({"loss": "softmax"}, "loss: logistic is for one logit, softmax for more, got 'softmax' for 1"),
        ({"dtype": np.float16}, "dtype: expected float32 or float64, got float16"),
        ({"dtype": int}, "dtype: expected float32 or float64, got int64"),
        ({"x": np.ones((4, 2))}, r"x: expected shape \(n, 3\).* got \(4, 2\)"),
        ({"x": np.ones((0, 3)), "y": []}, r"x: expected at least one image and one pixel, got shape \(0, 3\)"),
        ({"x": np.ones((4, 3), np.uint8)}, "x: expected floating-point pixels, got uint8"),
        ({"x": np.full((4, 3), np.nan)}, "x: expected finite pixels, got nan in row 0, column 0"),
        ({"y": [0, 1]}, r"y: expected 4 labels, one per image, got shape \(2,\)"),
        ({"y": [0, 1, 2, 0]}, r"y: expected whole numbers in 0..1, got \[2\]"),
    ],
)
def test_bad_input(options, message):
    def never(*_):
        raise AssertionError("work was done before the input was checked")

    arguments = {"x": np.ones((4, 3)), "y": [0, 1, 0, 1], "callback": never} | options
    with pytest.raises(ValueError, match=message):
        fit(MLP.init([3, 1], rng=0), **arguments)


def test_logistic_is_refused_for_two_logits():
    with pytest.raises(ValueError, match="got 'logistic' for 2"):
        fit(MLP.init([3, 2], rng=0), np.ones((1, 3)), [0], loss="logistic")
