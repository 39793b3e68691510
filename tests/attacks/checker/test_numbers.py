"""The arithmetic of attacks/checker.py against rational numbers: exact, or rounded to the side that is said."""

from fractions import Fraction

import checker_oracle as oracle
import numpy as np
import pytest

from attacks import checker
from minigrad import MLP

POINT = 1100


def floats(rng, n, most=1000):
    return rng.choice([-1, 1], n) * rng.random(n) * 2.0 ** rng.integers(-most, most, n)


def value(whole, unit):
    return [Fraction(float(v)) * Fraction(2) ** int(unit) for v in np.ravel(whole)]


def test_up_is_the_next_whole_number():
    rng = np.random.default_rng(0)
    for v in [*floats(rng, 300, 60), 0.0, 1.0, -1.0, 5e-324, -5e-324, 2.0**-1070, 3.0]:
        for shift in (-2000, -60, -1, 0, 3):
            found = checker.up(np.array([v]), shift)[0]
            exactly = Fraction(float(v)) * Fraction(2) ** shift
            assert found == exactly.__ceil__()


@pytest.mark.parametrize("shift", [-1200, -1101, -1100, -1099, -3, 0, 5])
def test_lift_is_rounded_up_to_the_point(shift):
    v = np.array([0.0, 1.0, -1.0, 3.0, -7.0, 2.0**52 - 1, -(2.0**62)])
    for whole, found in zip(v, checker.lift(v, shift), strict=True):
        assert found == (Fraction(int(whole)) * Fraction(2) ** (shift + POINT)).__ceil__()
    assert np.array_equal(checker.lift(v, np.full(7, shift)), checker.lift(v, shift))
    large = np.array([3**500, -(3**500)], object)  # beyond any float
    found = checker.lift(large, np.array([shift, -2 * POINT]))
    assert found[0] == (Fraction(3**500) * Fraction(2) ** (shift + POINT)).__ceil__()
    assert found[1] == (-Fraction(3**500) * Fraction(2) ** -POINT).__ceil__()


def test_above_is_a_float_above():
    rng = np.random.default_rng(1)
    for v in [*floats(rng, 100), 0.0, 5e-324, 1.0]:
        for more in (-1, 0, 1):
            c = int(Fraction(float(v)) * 2**POINT) + more
            (found,) = checker.above(np.array([c], object))
            exactly, near = Fraction(c, 2**POINT), Fraction(float(found))
            assert exactly < near or c == 0 == near
            assert near <= exactly + abs(exactly) * Fraction(2) ** -51 + Fraction(2) ** -1073


def test_exponent_bounds():
    for v in [0.0, 1.0, 0.99, -1.0, 5e-324, -1e300, 2.0**30]:
        e = int(checker.exponent(np.array([v, 0.0])))
        assert abs(Fraction(v)) < Fraction(2) ** e and (v == 0 or abs(Fraction(v)) * 2 >= Fraction(2) ** e)
    rows = np.array([[1.0, -4.0], [0.25, 0.0]])
    assert checker.exponent(rows, 1).tolist() == [3, -1]


def test_halves_of_a_weight_are_the_weight():
    rng = np.random.default_rng(2)
    whole = np.array([*rng.integers(-(2**27), 2**27, 50), 2**27 - 1, 1 - 2**27, 4096, -4096, 4095, 0], float)
    model = {"activation": np.array("relu"), "threshold": np.array(0.0), "W1": whole.reshape(7, -1), "b1": np.zeros(8)}
    high, low, unit, rough, *_ = checker.Network(model).W[0]
    assert unit == 0 and not rough and np.array_equal(8192 * high + low, whole.reshape(7, -1).T)
    assert np.abs(high).max() <= 2**14 and np.abs(low).max() <= 2**12
    assert np.array_equal(high, np.rint(high)) and np.array_equal(low, np.rint(low))


def test_a_box_is_rounded_outward_by_little():
    """By a share of its largest end, whichever side that is on; an end of 0 says nothing of the other's size."""
    rng = np.random.default_rng(3)
    ends = [(low, low + np.abs(floats(rng, 5, most))) for most in (3, 30, 1000) for low in [floats(rng, 5, most)]]
    sides = [(-share * rng.random(5), other * rng.random(5)) for share, other in ((0, 1e-5), (1e-5, 0), (1e9, 1e-9))]
    for low, high in [*ends, *sides, (-sides[-1][1], -sides[-1][0]), (np.zeros(1), np.full(1, 1e-200))]:
        box = checker.Box(low, high)
        size = max(map(abs, (*oracle.fractions(low), *oracle.fractions(high))))
        for a, b, v, w in zip(value(box.low, box.unit), value(box.high, box.unit), low, high, strict=True):
            assert 0 <= Fraction(float(v)) - a <= size / 2**26 and 0 <= b - Fraction(float(w)) <= size / 2**26
            assert max(abs(a), abs(b)) <= Fraction(box.size) * Fraction(2) ** box.unit
        assert 2**26 <= max(np.abs(box.low).max(), np.abs(box.high).max()) <= 2**27
        assert box.size == sum(max(abs(int(a)), abs(int(b))) for a, b in zip(box.low, box.high, strict=True))


def test_most_is_exact():
    rng = np.random.default_rng(4)
    A = rng.integers(-(2**27), 2**27, (4, 6))
    box = checker.Box(-rng.random(6), rng.random(6))
    e = np.array([-40, 0, 3, -1000])
    a, b = value(box.low, box.unit), value(box.high, box.unit)
    for row, unit, m in zip(A, e, box.most(A, e), strict=True):
        scale = Fraction(2) ** int(unit)
        best = sum(int(v) * (w if v > 0 else z) for v, w, z in zip(row, b, a, strict=True))
        assert oracle.exact_number(m) == scale * best


def test_whole_numbers_that_no_float_holds_are_refused():
    model = {"activation": np.array("relu"), "threshold": np.array(0.0), "b1": np.array([-(2.0**53)])}
    assert checker.Network(model | {"W1": np.array([[2**53 - 1]])}).sizes == [1, 1]
    for W in (np.array([[2**53 + 1]]), np.array([[2**64 - 1]], np.uint64), np.array([[-(2**62)]])):
        with pytest.raises(checker.Refused, match="beyond float64"):
            checker.Network(model | {"W1": W})


@pytest.mark.parametrize("W", [[1e300, 1e-20], [1e300, 1e-30], [1.0, 1e-10], [1.0, 5e-324], [2.0**40, 1.0], [3.0, 1.0]])
def test_a_weight_that_is_rounded_is_charged_for(W):
    """Also one that vanishes beside the largest: its share of the unit underflows."""
    model = {"activation": np.array("relu"), "threshold": np.array(0.0), "W1": np.array([W]), "b1": np.zeros(2)}
    high, low, unit, rough, *_ = checker.Network(model).W[0]
    held = [Fraction(int(v)) * Fraction(2) ** unit for v in (8192 * high + low)[:, 0]]
    exactly = [Fraction(v) for v in W]
    assert rough == (held != exactly)
    assert all(abs(a - b) <= Fraction(2) ** (unit - 1) for a, b in zip(held, exactly, strict=True))


def test_an_interval_without_ends_is_refused():
    one = ([-np.inf], [0.0]), ([0.0], [np.inf]), ([np.nan], [1.0])
    for low, high in *one, ([0.0, -np.inf], [1.0, 1.0]), ([0.0, 0.0], [1.0, np.inf]):
        with pytest.raises(checker.Refused, match="without ends"):
            checker.Box(np.array(low), np.array(high))


def test_fit_rounds_to_the_nearest_and_charges_one_where_it_does():
    rng = np.random.default_rng(6)
    A = np.rint(floats(rng, (6, 5), 60)).astype(int)
    A[0], A[1] = [1, -2, 3, 0, 2**27 - 1], 0
    A[2] = [2**40, -(2**50), 3 * 2**35, 0, 2**44]  # coarser, and nothing is lost
    A[3] = [2**61, 2**33 - 1, 2**33, 0, -1]  # by 34 bits or more
    e, box = np.arange(6, dtype=np.int32), checker.Box(-rng.random(5), rng.random(5) * 100)
    const = np.array([7] * 6, object)
    after, new, unit = checker.fit(const, A, e, box, 27, 0)
    assert np.abs(new).max() <= 2**27 and np.array_equal(new[0], A[0]) and after[0] == after[1] == after[2] == 7
    for row, old, k, u, c in zip(new.tolist(), A.tolist(), e, unit, after, strict=True):
        moved = False
        for v, w in zip(row, old, strict=True):
            off = abs(Fraction(v) * Fraction(2) ** int(u) - Fraction(w) * 2 ** int(k))
            assert off <= Fraction(2) ** (int(u) - 1)
            moved |= off > 0
        assert c - 7 == moved * box.size * (1 << POINT + int(u) + box.unit)
        assert max(map(abs, row)) >= 2**26 or u == k  # no coarser than it must be
    _, coarse, unit = checker.fit(const[:1], np.array([[3, 5]]), np.array([-40]), box, 27, -38)
    assert unit[0] == -38 and coarse.tolist() == [[1, 1]]
    after, gone, unit = checker.fit(const[:1], np.array([[3, -(2**60)]]), np.array([-900]), box, 27, -38)
    assert unit[0] == -38 and not gone.any() and after[0] > 7


def test_integers_are_the_floats():
    rng = np.random.default_rng(7)
    for v in (
        floats(rng, 20),
        np.zeros(3),
        np.array([5e-324, 1e308, 0.0, -1.5]),
        np.array([3.0, 2.0**80]),
        np.array(0.1),
    ):
        found, q = checker.integers(v)
        assert q >= 0
        for a, b in zip(np.ravel(found), np.ravel(v), strict=True):
            assert Fraction(int(a), 2**q) == Fraction(float(b))


def test_a_network_too_wide_for_its_sums_is_refused():
    model = {"activation": np.array("relu"), "threshold": np.array(0.0), "b1": np.zeros(1)}
    assert checker.Network(model | {"W1": np.ones((2**14, 1))}).sizes == [2**14, 1]
    with pytest.raises(checker.Refused, match="no such shapes"):
        checker.Network(model | {"W1": np.ones((2**14 + 1, 1))})


def test_a_neuron_that_is_off_adds_nothing_to_the_logits():
    net = MLP.from_arrays([([[-1.0, 2.0]], [0.0, 0.0]), ([[-1.0], [1.0]], [-2.0])])
    assert checker.Network(net.to_arrays()).logits(np.array([1.0])) == [0]


def test_logits_add_biases_and_threshold_of_any_fineness():
    """The last digit of each layer's bias, or of the threshold, is far below those of the products, or far above."""
    for small in (2.0**-60, 2.0**-300, 2.0**60):
        layers = [(np.array([[3.0]]), np.array([small])), (np.array([[1.0]]), np.array([-small]))]
        for threshold in (0.0, small):
            net = MLP.from_arrays(layers, threshold=threshold)
            for x in (0.0, 0.25, 1.0):
                found = checker.Network(net.to_arrays()).logits(np.array([x]))[0]
                truth = Fraction(3) * Fraction(x) - Fraction(threshold)
                assert (found > 0, found < 0) == (truth > 0, truth < 0)
