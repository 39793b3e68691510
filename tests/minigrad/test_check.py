import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import SMOOTH, affine_networks, generators, networks_with_images

from minigrad import MLP, Dense, check_jacobian, dot_test, from_vjp, taylor_rate


class Model:
    """Any function with any matrix for its Jacobian."""

    def __init__(self, logits, jacobian):
        self.logits, self.jacobian = logits, jacobian


def powers(p, factor=1.0):
    """N(x) = sum x^p, and `factor` times its Jacobian: the remainder at 0 and elsewhere is known."""
    return Model(lambda x: np.sum(x**p, axis=1, keepdims=True), lambda x: factor * p * x[:, None, :] ** (p - 1))


@given(networks_with_images(), st.data())
def test_a_jacobian_wrong_in_one_entry_is_rejected_and_the_entry_named(case, data):
    net, x = case
    J = net.jacobian(x)
    i, j, p = (data.draw(st.integers(0, size - 1)) for size in J.shape)
    assume((np.abs(J).max(axis=(1, 2)) >= 0.01).all())  # a Jacobian that is all rounding is rejected anyway
    assert check_jacobian(net, x) <= 1e-7
    wrong = J.copy()
    wrong[i, j, p] += data.draw(st.sampled_from([-1, 1])) * 1e-5 * np.abs(J[i]).max()
    with pytest.raises(AssertionError, match=f"image {i}, logit {j}, pixel {p}: "):
        check_jacobian(Model(net.logits, lambda _: wrong), x)


def test_wrong_jacobians_of_every_kind_are_rejected():
    net, x = MLP.init([3, 5, 3], activation="tanh", rng=0), np.full((2, 3), 0.5)
    for spoil in (
        np.negative,
        np.zeros_like,
        lambda J: J.swapaxes(1, 2),
        lambda J: J[::-1] * [[[2]], [[1]]],
        lambda J: J * np.nan,
    ):
        with pytest.raises(AssertionError):
            check_jacobian(Model(net.logits, lambda x, spoil=spoil: spoil(net.jacobian(x))), x)


def test_a_zero_jacobian_of_a_constant_is_right():
    constant = MLP.from_arrays([(np.zeros((2, 1)), [3.0])])
    assert check_jacobian(constant, np.zeros((1, 2))) == 0


def test_the_message_shows_a_kink():
    absolute = MLP.from_arrays([([[1.0, -1.0]], [0.0, 0.0]), ([[1.0], [1.0]], [0.0])])
    with pytest.raises(AssertionError, match=r"left slope 0, right slope 1: a kink"):
        check_jacobian(absolute, np.array([[2.0**-18]]), h=2.0**-17)  # |x| half a step right of its kink


@given(generators, st.integers(2, 5))
def test_dot_test_rejects_what_is_not_an_adjoint(rng, d):
    layer = Dense(rng.normal(size=(d, d)), np.zeros(d))
    x = rng.normal(size=(2, d))
    assert dot_test(layer, x, rng=rng) <= 1e-12

    class Wrong:
        jvp = staticmethod(layer.jvp)

    for vjp in (
        lambda x, g: g @ layer.W,
        lambda x, g: 1.001 * layer.vjp(x, g),
        lambda x, g: -layer.vjp(x, g),
        lambda x, g: np.nan * g,
    ):
        Wrong.vjp = staticmethod(vjp)
        with pytest.raises(AssertionError, match="not adjoint: <g, J dx> = "):
            dot_test(Wrong, x, rng=rng)


def test_dot_test_of_the_zero_map():
    zero = Dense(np.zeros((2, 3)), np.zeros(3))
    assert dot_test(zero, np.ones((1, 2))) == 0


@given(generators, st.integers(1, 5))
def test_taylor_rate_of_a_square_is_two(rng, d):
    x = rng.uniform(-1, 1, (2, d))
    assert taylor_rate(powers(2), x, rng=rng) == pytest.approx(2, abs=1e-6)  # R(h) = h^2 |dx|^2


@given(generators, st.integers(1, 5))
def test_taylor_rate_of_a_cube_at_its_inflection_is_three(rng, d):
    assert taylor_rate(powers(3), np.zeros((1, d)), np.ones((1, d))) == pytest.approx(3, abs=1e-6)


@given(generators, st.integers(1, 5))
def test_taylor_rate_of_a_wrong_jacobian_is_one(rng, d):
    x = rng.uniform(0.5, 1, (2, d))
    for factor in (0.0, 1.1, -1.0):  # R(h) is h |1 - factor| |J dx| to first order
        assert taylor_rate(powers(2, factor), x, np.ones_like(x), h=1e-4) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("activation", SMOOTH)
def test_taylor_rate_of_a_smooth_network_is_two(activation):
    net = MLP.from_arrays([([[2.0], [-1.0]], [0.5]), ([[1.0]], [0.0])], activation=activation)
    x, dx = np.array([[0.25, 0.5]]), np.array([[1.0, 0.0]])  # z = 0.5, where both activations are curved
    assert taylor_rate(net, x, dx, h=1e-3) == pytest.approx(2, abs=0.01)


def test_the_direction_drawn_has_unit_length():
    seen = []
    square = powers(2)
    taylor_rate(Model(lambda x: (seen.append(x), square.logits(x))[1], square.jacobian), np.zeros((2, 3)), h=0.5)
    assert max(np.linalg.norm(x) for x in seen) == pytest.approx(0.5, rel=1e-12)


@given(affine_networks())
def test_taylor_rate_of_an_affine_network_is_infinite(case):
    net, x, _ = case
    assert taylor_rate(net, x) == np.inf


@given(networks_with_images(activations=["relu"]))
def test_taylor_rate_within_a_linear_piece_is_infinite(case):
    net, x = case
    assert taylor_rate(net, x, h=1e-3) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, x: check_jacobian(net, x, h=0.0), "h: expected a positive step, got 0.0"),
        (lambda net, x: check_jacobian(net, x[:, :2]), r"expected shape \(n, 3\).* got \(1, 2\)"),
        (
            lambda net, x: check_jacobian(Model(net.logits, lambda x: np.ones((1, 3))), x),
            r"expected a Jacobian of shape \(1, 2, 3\), got \(1, 3\)",
        ),
        (
            lambda net, x: check_jacobian(object(), x),
            r"expected a model with logits\(x\) and jacobian\(x\), got object",
        ),
        (lambda net, x: taylor_rate(net, x, h=-1.0), "h: expected a number above 0, got -1.0"),
        (lambda net, x: taylor_rate(net, x, halvings=0), "halvings: expected at least 1, got 0"),
        (lambda net, x: taylor_rate(net, x, x[:, :2]), r"dx: expected shape \(n, 3\).* got \(1, 2\)"),
        (lambda net, x: taylor_rate(net, x, np.repeat(x, 2, 0)), r"dx: expected the shape of x, .*, got \(2, 3\)"),
        (lambda net, x: taylor_rate(net, x, halvings=2.5), "halvings: expected a whole number, got 2.5"),
        (lambda net, x: taylor_rate(net, x, h="a"), "h: expected a number, got 'a'"),
        (lambda net, x: dot_test(None, x), r"f: expected an object with jvp\(x, dx\) and vjp\(x, g\), got NoneType"),
        (lambda net, x: dot_test(net, x, tol="a"), "tol: expected a number of at least 0, got 'a'"),
        (lambda net, x: net.vjp(x, 1j * np.ones((1, 2))), "g: expected real numbers, got complex128"),
        (lambda net, x: net.jvp(x, np.full((1, 3), "a")), "dx: expected real numbers, got <U1"),
        (lambda net, x: net.rescaled(1, 0), "lo, hi: expected finite ends of a range, lo < hi, got 1, 0"),
        (lambda net, x: net.rescaled(0, 0), "lo, hi: expected finite ends of a range, lo < hi, got 0, 0"),
        (lambda net, x: net.rescaled(0, np.nan), "lo, hi: expected finite ends of a range, lo < hi, got 0, nan"),
        (lambda net, x: from_vjp(lambda x: x[:, 0], net.vjp).jacobian(x), r"returns \(1, k\), got \(1,\)"),
        (lambda net, x: from_vjp(net.logits, net.vjp, threshold=np.nan), "threshold: expected a finite number"),
        (lambda net, x: dot_test(net, x * np.inf), "expected finite pixels, got inf in row 0, column 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(MLP.init([3, 2], rng=0), np.full((1, 3), 0.5))


@pytest.mark.parametrize("check", [check_jacobian, taylor_rate])
def test_logits_without_a_second_axis_are_refused(check):
    """Every attack refuses such a model, so a check must not call it right."""
    model = Model(lambda x: x.sum(axis=1), lambda x: np.ones_like(x))
    with pytest.raises(ValueError, match=r"expected the model's logits to be \(2, k\) real numbers, got \(2,\)"):
        check(model, np.full((2, 3), 0.5))


def test_a_step_in_which_rounding_hides_everything_is_refused():
    wrong = powers(1, -5.0)
    with pytest.raises(ValueError, match="h: expected a step of at least"):
        check_jacobian(wrong, np.full((1, 3), 0.5), h=1e-20)
    with pytest.raises(AssertionError):
        check_jacobian(wrong, np.full((1, 3), 0.5), h=2e-8)


def test_a_direction_of_zeros_has_no_rate():
    with pytest.raises(ValueError, match="dx: expected a direction, got zeros"):
        taylor_rate(powers(2), np.ones((1, 2)), np.zeros((1, 2)))
