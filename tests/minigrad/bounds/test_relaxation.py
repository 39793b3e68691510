"""Lines around an activation: they enclose it, they are tight where they can be, and bad intervals are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad import Dense, ReLU, Sigmoid, Tanh
from minigrad.bounds.relaxation import lines
from minigrad.bounds.rounding import SMOOTH

KINDS = (ReLU(), Tanh(), Sigmoid())
ULPS = 4 * np.finfo(float).eps


@st.composite
def intervals(draw):
    """`l, u` (50,): wide and narrow, points, and ends on 0."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1e-9, 0.1, 1.0, 8.0, 100.0]))
    l = scale * rng.normal(size=50)  # noqa: E741
    u = l + scale * rng.random(50) * rng.choice([0, 1e-12, 1, 3], 50)
    l[rng.random(50) < 0.1] = 0
    u[rng.random(50) < 0.1] = 0
    return np.minimum(l, u), np.maximum(l, u)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@given(case=intervals())
def test_the_activation_lies_between_its_lines(kind, case):
    l, u = case  # noqa: E741
    z = l + (u - l) * np.linspace(0, 1, 201)[:, None]  # (201, 50)
    z = np.clip(np.vstack([z, l, u]), l, u)
    found, f = lines(kind, l, u), kind.forward(z)
    slack = ULPS * np.maximum(1, np.maximum(np.abs(l), np.abs(u)))
    assert (found.upper_slope * z + found.upper_offset >= f - slack).all()
    assert (found.lower_slope * z + found.lower_offset <= f + slack).all()


@given(case=intervals(), alpha=st.floats(0, 1))
def test_an_unstable_relu_may_have_any_lower_slope_between_0_and_1(case, alpha):
    l, u = case  # noqa: E741
    free = lines(ReLU(), l, u).free
    assert np.array_equal(free, (l < 0) & (u > 0))
    z = l + (u - l) * np.linspace(0, 1, 101)[:, None]
    assert (alpha * z <= np.maximum(z, 0))[:, free].all()


def test_relu_by_hand():
    found = lines(ReLU(), np.array([-1.0, -3.0, 1.0, -2.0, 0.0, -2.0]), np.array([3.0, 1.0, 2.0, -1.0, 2.0, 0.0]))
    assert found.upper_slope.tolist() == [0.75, 0.25, 1, 0, 1, 0]
    above = found.upper_offset - [0.75, 0.75, 0, 0, 0, 0]
    assert ((0 <= above) & (above <= 1e-15)).all()  # raised by what computing it may lose
    assert found.lower_slope.tolist() == [1, 0, 1, 0, 1, 0]  # the smaller area: 1 where u > -l
    assert not found.lower_offset.any()


def test_an_interval_of_the_smallest_floats_has_a_line_above():
    """Half of the smallest float is 0, so half of the interval is, too: a dead neuron's bounds rounded outward."""
    least = np.array([5e-324])
    found = lines(ReLU(), -least, least)
    assert 0 <= found.upper_slope[0] <= 1 and found.upper_slope * least + found.upper_offset >= least


@pytest.mark.parametrize("kind", KINDS[1:], ids=lambda kind: type(kind).__name__)
@given(case=intervals())
def test_smooth_lines_touch_what_they_bound(kind, case):
    """A line that nowhere touches the function could be moved closer."""
    l, u = case  # noqa: E741
    z = np.clip(l + (u - l) * np.linspace(0, 1, 2001)[:, None], l, u)
    found, f = lines(kind, l, u), kind.forward(z)
    scale = np.minimum(1, u - l)
    for gap in (found.upper_slope * z + found.upper_offset - f, f - found.lower_slope * z - found.lower_offset):
        raised = 8 * SMOOTH * (1 + u - l)  # what rounding may do to f and its slope
        assert (gap.min(axis=0) <= 1e-5 * scale + raised + ULPS * np.maximum(1, np.abs(l))).all()


@given(case=intervals())
def test_tanh_and_sigmoid_are_the_same_curve(case):
    """sigmoid(z) = (1 + tanh(z / 2)) / 2: so are their lines, where the chord is no quotient of rounding errors."""
    l, u = case  # noqa: E741
    wide = u - l > 1e-3
    tanh, sigmoid = lines(Tanh(), l[wide] / 2, u[wide] / 2), lines(Sigmoid(), l[wide], u[wide])
    for side in ("upper", "lower"):
        slope, offset = getattr(tanh, f"{side}_slope") / 4, (1 + getattr(tanh, f"{side}_offset")) / 2
        assert (np.abs(getattr(sigmoid, f"{side}_slope") - slope) <= 1e-6).all()
        assert (np.abs(getattr(sigmoid, f"{side}_offset") - offset) <= 1e-6 * (1 + np.abs(u[wide]))).all()


def test_bad_intervals_and_layers_without_lines():
    with pytest.raises(ValueError, match="expected l <= u"):
        lines(ReLU(), np.array([1.0]), np.array([0.0]))
    with pytest.raises(ValueError, match="expected l <= u"):
        lines(ReLU(), np.array([np.nan]), np.array([0.0]))
    with pytest.raises(ValueError, match="expected ReLU, Tanh or Sigmoid, got Dense, which has no lines"):
        lines(Dense(np.eye(1), np.zeros(1)), np.array([0.0]), np.array([1.0]))
