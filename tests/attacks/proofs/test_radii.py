"""Which radius is asked about next, and what refuting it proves."""

from fractions import Fraction

import numpy as np
import oracles
import pytest
from ball_strategies import NORMS, ball_cases
from hypothesis import given
from hypothesis import strategies as st

from attacks.balls import BALLS
from attacks.proofs.radii import RADII, in_words, inside, size, widest


def test_every_norm_has_its_radii():
    assert set(RADII) == set(BALLS)


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_the_widest_radius_covers_the_box_and_no_smaller_one_does(norm, data):
    ball, x, _ = data.draw(ball_cases((norm,), images=st.just(1)))
    down, up = ball.room(x)
    radius = widest(ball, x)
    assert radius > 0
    farthest = np.where(up > -down, up, down)
    assert oracles.size(norm, farthest[0]) == pytest.approx(radius, rel=1e-14) or (farthest == 0).all()
    assert ball.with_radius(radius).contains(x, farthest).all()


@pytest.mark.parametrize(
    ("upper", "gap", "asked"), [(5, 0, 4), (5, 0.2, 3), (5, 0.19, 4), (5, 0.4, 2), (2, 0, 1), (1, 0, 0), (10, 0.5, 4)]
)
def test_l0_asks_for_the_fewest_pixels_whose_refutation_closes_the_gap(upper, gap, asked):
    assert RADII["l0"].asks(upper, gap) == asked
    assert RADII["l0"].proves(asked) == asked + 1  # refuting k pixels leaves at least k + 1
    assert RADII["l0"].proves(asked) >= (1 - gap) * upper
    assert asked == 0 or RADII["l0"].proves(asked - 1) < (1 - gap) * upper


@pytest.mark.parametrize(("low", "high", "middle"), [(1, 2, None), (1, 3, 2), (1, 4, 2), (0, 9, 4), (5, 5, None)])
def test_between_two_counts_of_pixels_lies_a_whole_one_or_none(low, high, middle):
    assert RADII["l0"].between(low, high, 0.5) == middle


@pytest.mark.parametrize(("radius", "pixels"), [(0, 1), (0.25, 1), (1, 1), (1.5, 2), (3, 3)])
def test_a_count_of_pixels_is_the_next_whole_one_and_at_least_one(radius, pixels):
    assert RADII["l0"].whole(radius) == pixels


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_other_norms_ask_for_the_radius_itself(norm):
    kind = RADII[norm]
    assert kind.asks(2.0, 0.25) == 1.5
    assert kind.proves(1.5) == 1.5
    assert 1.0 < kind.retreat(1.0, 1.5) < 1.5


@given(st.floats(0, 1e300), st.floats(0, 1e300))
def test_an_interval_in_words_is_never_narrower_than_the_interval(a, b):
    lower, upper = min(a, b), max(a, b)
    _, low, _, high = in_words("linf", lower, upper).split()
    assert Fraction(low) <= Fraction(lower) <= Fraction(upper) <= Fraction(high)
    assert float(low) == pytest.approx(lower, rel=2e-5) and float(high) == pytest.approx(upper, rel=2e-5)


@pytest.mark.parametrize(
    ("norm", "lower", "upper", "said"),
    [
        ("l0", 5.0, 5.0, "between 5 and 5 pixels"),
        ("l0", 0.0, 0.0, "between 0 and 0 pixels"),
        ("linf", 0.25, 0.30000001, "between 0.25 and 0.300001"),
        ("l0", 3.0, np.inf, "at least 3 pixels, none found"),
        ("l2", np.inf, np.inf, "nothing works"),
    ],
)
def test_an_interval_in_words(norm, lower, upper, said):
    assert in_words(norm, lower, upper) == said


@pytest.mark.parametrize(
    ("norm", "gap", "reached"), [("l0", 0, False), ("l0", 0.2, True), ("l1", 0.2, True), ("linf", 0.1, False)]
)
def test_an_interval_is_as_narrow_as_asked_or_not(norm, gap, reached):
    assert RADII[norm].reached(4.0, 5.0, gap) == reached
    assert RADII[norm].reached(5.0, 5.0, gap) and RADII[norm].reached(np.inf, np.inf, gap)


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_the_size_of_a_perturbation_is_rounded_up(norm, data):
    ball, _, s = data.draw(ball_cases((norm,), images=st.just(1)))
    got, exact = Fraction(size(ball, s)), [abs(Fraction(float(v))) for v in s[0]]
    if norm == "l2":
        assert got**2 >= sum(v**2 for v in exact)
    else:
        assert got >= oracles.size(norm, exact) and (norm != "l0" or got == np.count_nonzero(s))


@pytest.mark.parametrize("norm", NORMS)
def test_the_ladder_falls_from_below_the_upper_end(norm):
    rungs = RADII[norm].ladder(12.0)
    assert (np.diff(rungs) < 0).all() and rungs[0] < 12
    if norm == "l0":
        assert rungs.tolist() == list(range(11, 0, -1))
    else:
        assert len(rungs) == 40 and rungs[-1] == pytest.approx(0.012) and rungs[0] > 0.8 * 12


@pytest.mark.parametrize("norm", NORMS)
def test_a_point_is_inside_its_box_to_the_bit(norm):
    """`contains` allows for the rounding of x + s; a counterexample has no such excuse."""
    ball, x = BALLS[norm](2), np.array([0.5, 0.75])
    for point, there in (([1.0, 0.75], True), ([np.nextafter(1, 2), 0.75], False), ([0.5, -5e-324], False)):
        s = (np.array(point) - x)[None]
        assert inside(ball, x, np.array(point)) == there and ball.contains(x[None], s)[0]
    assert not inside(BALLS[norm](1 if norm == "l0" else 0.1), x, np.array([0.0, 0.0]))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_a_length_below_all_normal_numbers_is_rounded_up(norm):
    for s in ([1, 1], [1, 2], [3, 4], [1, 0], [5, 7]):
        up = size(BALLS[norm](1.0), np.array([s]) * 5e-324)
        power = {"l1": 1, "l2": 2, "linf": 1}[norm]
        true = max(s) if norm == "linf" else sum(v**power for v in s)
        assert (Fraction(up) / Fraction(5e-324)) ** power >= true
    assert size(BALLS[norm](1.0), np.zeros((1, 2))) == 0


def test_between_two_radii():
    assert RADII["linf"].between(0.25, 0.75, 0.02) == 0.5 and RADII["linf"].between(0.74, 0.75, 0.02) is None
    assert RADII["l0"].between(2, 7, 0.02) == 4 and RADII["l0"].between(2, 3, 0.02) is None
