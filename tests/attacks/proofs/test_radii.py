"""Which radius is asked about next, and what refuting it proves."""

import numpy as np
import oracles
import pytest
from ball_strategies import NORMS, ball_cases
from hypothesis import given
from hypothesis import strategies as st

from attacks.balls import BALLS
from attacks.proofs.radii import RADII, widest


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
