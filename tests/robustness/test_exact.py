"""No proof is false where floats break: exact truth for random networks, and each trap that a proof once fell into."""

from dataclasses import replace
from decimal import Decimal, getcontext
from fractions import Fraction

import exact
import exact_smooth
import numpy as np
import pytest
import soak_exact
import soak_smooth
from ball_strategies import NORMS
from repeats import repeats

from attacks import L1, L2, certified_minimum
from attacks.proofs.query import Query
from attacks.result import Reason
from minigrad import MLP
from minigrad.bounds.crown import intervals, upper_bound
from minigrad.bounds.evaluation import forward_error

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow on the way to a refusal


@pytest.fixture(autouse=True)
def overflow_is_allowed():
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_three_hundred_cases_hold_in_rational_numbers(first):
    found, outcomes = soak_exact.soak(50, first=first)
    assert not found
    assert sum(n for name, n in outcomes.items() if name.endswith(("closed", "open"))) > 30


@pytest.mark.parametrize("index", [4180, 5629])
def test_what_the_long_soak_found(index):
    """4180: `with_proof` of a target ended in IndexError.  5629: a radius refuted beside others, and not alone."""
    found, _ = soak_exact.soak(1, only=index)
    assert not found


def test_forty_smooth_networks_hold_in_decimal_intervals():
    """tanh and sigmoid, in their tails too.  Not vacuous: answers of every kind, most of them with a minimum."""
    found, outcomes = soak_smooth.soak(40)
    assert not found
    assert sum(n for name, n in outcomes.items() if name.endswith(("closed", "open"))) > 35


def test_a_smooth_bound_that_is_a_little_too_large_is_seen():
    """In each case that the oracle decides to the last digit; in the others it has too many parts, or nothing flips."""
    seen = 0
    for index in range(0, 40, 3):
        case = soak_smooth.case_of(0, index)
        try:
            low, high = exact_smooth.least(case.net, case.x, case.y, *case.box)
        except exact_smooth.TooManyParts:
            continue
        if not high:
            continue
        seen += 1
        assert low == high or float(low) == float(high)
        (cert,) = certified_minimum(case.net, [[case.x]], [case.y], norm=case.norm, box=case.box, time_limit=0)
        more = 2.0 if case.norm == "l0" else float(high) * (1 + 1e-12)
        forged = replace(cert, reason=Reason.TIME, lower=more, upper=np.inf)
        assert "above the true" in soak_smooth.violation(case, forged)
    assert seen > 6


def test_the_interval_of_an_activation_holds_its_value(monkeypatch):
    """Against another precision, and against NumPy's float where that is good enough to tell."""
    monkeypatch.setattr(getcontext(), "prec", 120)
    for z in (*np.random.default_rng(0).normal(0, 20, 60), 0.0, 5e-324, -1e-40, 1e-29, 1e-31, -1e5, 1e5, 800.0):
        z, value = Decimal(float(z)), np.tanh(float(z))
        low, high = exact_smooth.tanh(z)
        assert low <= high and high - low <= Decimal("1e-70")
        assert abs(Decimal(float(value)) - low) <= Decimal("3e-16")
        if abs(z) < 1000:
            e = (2 * z).exp()
            assert low <= 1 - 2 / (e + 1) <= high or abs(z) < Decimal("1e-28")  # there the formula itself cancels
            low, high = exact_smooth.sigmoid(z)
            assert low <= 1 / (1 + (-z).exp()) <= high


@pytest.mark.parametrize("kind", [L1, L2])
@pytest.mark.parametrize("seed", range(3))
def test_the_support_is_not_below_the_truth_where_sums_of_squares_cancel(kind, seed):
    """Boxes up to 3e7 wide, radii near 1e-8 of the width: any point of the set, in rational numbers, is a witness."""
    rng = np.random.default_rng(seed)
    for _ in range(300):
        d = int(rng.integers(2, 6))
        width = np.array([float(rng.choice([1.0, 1e3, 3e7])) for _ in range(d)])
        x = width * rng.random(d) * (rng.random(d) < 0.7)
        g = rng.normal(size=d) * 10.0 ** rng.integers(-9, 1, d)
        radius = float(rng.choice([1.2e-8 * width.max(), rng.random(), 1e-165]))
        ball = kind(radius, (np.zeros(d), width))
        h = Fraction(float(ball.support(x[None], g[None])[0]))
        s = [Fraction(float(v)) for v in ball.maximize(x[None], g[None])[0]]
        norm = sum(abs(v) for v in s) if kind is L1 else sum(v * v for v in s)
        most = Fraction(radius) if kind is L1 else Fraction(radius) ** 2
        if norm > most:  # bring the float maximiser inside, exactly
            shrink = most / norm if kind is L1 else (most / norm + 1) / 2 * Fraction(1 - 2.0**-40)
            s = [v * min(shrink, Fraction(1) - Fraction(1, 2**40)) for v in s]
        earned = sum(Fraction(float(a)) * b for a, b in zip(g, s, strict=True))
        slack = Fraction(2.0**-40) * sum(abs(Fraction(float(a)) * b) for a, b in zip(g, s, strict=True))
        assert h >= earned - slack


def test_the_two_supports_that_collapsed():
    assert L2(1.4e-8).support(np.array([[1.1e-8, 0.0]]), np.array([[-1.0, 0.5]]))[0] >= 1.1e-8
    x = np.array([[8685244.58843188, 0.5261710645757461, 0, 0]])
    g = np.array([[1.4328713878854067e-09, 1.3956279755566339, 0.43103149773497673, 0.7721084143772569]])
    assert L2(1.494, ([0] * 4, [3e7, 1, 1, 1])).support(x, g)[0] == pytest.approx(1.864, abs=1e-3)


def test_a_radius_whose_tau_underflows():
    """r = 5e-324: tau = r / |slope| rounds to 0, and 5e-324 times a gradient of 1e300 is still 5e-24."""
    g, x = np.full((1, 5), 1e300), np.full((1, 5), 0.5)
    assert L2(5e-324).support(x, g)[0] >= 5e-324 * 1e300
    assert L2(0.0).support(x, g)[0] == 0


def claims(net, norm, box=(0.0, 1.0), x=0.0):
    """lower, or 0 where the network is refused."""
    try:
        (cert,) = certified_minimum(net, np.array([[x]]), [0], norm=norm, box=box, node_limit=20, time_limit=0.5)
    except OverflowError:
        return 0.0
    cert.check(net)
    return cert.lower


UNDERFLOW = MLP.from_arrays([([[1e300]], [0.0]), ([[1e-200]], [0.0]), ([[1e-200]], [-1e-101])])  # N(1) = 9e-101
OVERFLOW = MLP.from_arrays([([[1.2e308]], [0.0]), ([[1e-308]], [-0.5])])  # N(1) = 0.7, and u - l is beyond 1e308
TAIL = MLP.from_arrays([([[7.0]], [-45.0]), ([[1e17]], [-1.0])], activation="sigmoid")  # flips at 0.8366
MANY_UNDERFLOWS = MLP.from_arrays([([[1e250]], [0.0]), ([[1e-150]], [0.0]), ([[1e-150]], [0.0]), ([[1e60]], [-1e-1])])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("net", [UNDERFLOW, MANY_UNDERFLOWS], ids=["underflow", "more of them"])
def test_what_underflows_is_multiplied_by_the_layers_behind_it(norm, net):
    at_1 = exact.logits(exact.exactly(net), [Fraction(1)])[0]
    assert at_1 > 0  # s = 1 is adversarial
    assert claims(net, norm) <= 1


def test_an_interval_longer_than_the_largest_float():
    assert claims(OVERFLOW, "linf", (-1.0, 1.0)) <= 0.72
    assert claims(MLP.from_arrays([([[1.7e308]], [0.0]), ([[1e-308]], [-0.5])]), "l2", (-1.0, 1.0)) <= 0.3


def test_the_tail_of_a_smooth_activation_is_charged_before_its_slope(monkeypatch):
    monkeypatch.setattr(getcontext(), "prec", 60)
    ones = (float(v) for v in np.linspace(0.8, 0.9, 1001))
    flips = next(v for v in ones if 10**17 / (1 + (Decimal(45) - 7 * Decimal(v)).exp()) > 1)
    assert claims(TAIL, "linf") <= flips <= 0.84
    tanh = MLP.from_arrays([([[7.0]], [-25.0]), ([[1e17]], [1e17 - 16.0])], activation="tanh")
    assert claims(tanh, "linf") <= 1


@pytest.mark.parametrize("depth", [2, 20, 80])
@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30])
def test_the_bound_of_a_deep_chain_is_not_below_its_exact_value(depth, scale):
    """Biases that cancel, layer by layer: const is rounded once a layer, and the charge grows with them."""
    rng = np.random.default_rng(depth)
    for _ in range(repeats({2: 20, 20: 5, 80: 2}[depth], 20)):  # the time grows with the square of the depth
        pairs = [([[float(1 + rng.integers(-4, 5) * 2.0**-30)]], [float(scale * rng.normal())]) for _ in range(depth)]
        net = MLP.from_arrays([*pairs, ([[1.0]], [0.0])])
        x = np.array([[0.5]])
        known = intervals(net, x, L2(0.0, (0.5, 0.5)))
        bound = Fraction(float(upper_bound(known, np.ones((1, 1, 1)))[0, 0]))
        exactly = exact.logits(exact.exactly(net), [Fraction(1, 2)])[0]
        assert bound >= exactly
        error = Fraction(float(forward_error(net.layers, x)[0, 0]))
        assert abs(Fraction(float(net.logits(x)[0, 0])) - exactly) <= error


def test_zero_pixels_are_refuted_only_beyond_rounding():
    """m(x) is -1e-17 in floats and +1e-17 in truth: the image itself is adversarial."""
    found = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        W = rng.normal(size=(3, 1))
        x = rng.random((1, 3))
        truth = sum(Fraction(float(w)) * Fraction(float(v)) for w, v in zip(W[:, 0], x[0], strict=True))
        net = MLP.from_arrays([(W, [-float(truth)])])
        if net.logits(x)[0, 0] >= 0 or exact.logits(exact.exactly(net), [Fraction(float(v)) for v in x[0]])[0] <= 0:
            continue
        found += 1
        (cert,) = certified_minimum(net, x, [0], norm="l0", node_limit=5)
        assert cert.lower == 0 and not Query.from_image(net, x[0], 0, cert.ball(1)).safe(x)[0]
    assert found >= 3


@pytest.mark.parametrize("norm", ["l0", "linf"])
def test_a_backdoor_of_cancelling_weights_is_not_proved_away(norm):
    """After Zombori et al. (2021): weights of 1e17 hide a neuron that switches the answer where x_1 is large.

    N = relu(1e17 x_0 + x_1 + b) - relu(1e17 x_0 + b) is x_1 in truth and 0 in floats.
    """
    net = MLP.from_arrays([([[1e17, 1e17], [1.0, 0.0]], [1e17, 1e17]), ([[1.0], [-1.0]], [-0.5])])
    x = np.array([[0.5, 0.25]])
    (cert,) = certified_minimum(net, x, [0], norm=norm, node_limit=50, time_limit=1)
    truth = exact.least(norm, net, x[0], 0, (np.zeros(2), np.ones(2)), np.ones(2, bool), None)
    assert cert.lower <= truth
    cert.check(net)


def test_bounds_hold_for_every_order_of_summation():
    """After Jia and Rinard (2021): the same sum in other orders differs, and all of them are below the bound."""
    rng = np.random.default_rng(0)
    d = 64
    W = rng.normal(size=(d, 1)) * 10.0 ** rng.integers(0, 16, (d, 1))
    net = MLP.from_arrays([(W, [0.0])])
    x = rng.random((1, d))
    bound = upper_bound(intervals(net, x, L1(0.0)), np.ones((1, 1, 1)))[0, 0]
    terms = x[0] * W[:, 0]
    assert all(float(np.cumsum(terms[rng.permutation(d)])[-1]) <= bound for _ in range(200))
