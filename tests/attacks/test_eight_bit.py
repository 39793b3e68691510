"""The smallest eps among the bytes against trying every byte."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attacks import fgsm, smallest_eps
from attacks.balls import LInf
from attacks.eight_bit import smallest_eps_8bit
from attacks.images import to_8bit
from minigrad import MLP
from minigrad.margin import Margin

ALL_BYTES = (np.arange(256) / 255).astype(np.float32).astype(float)
bytes_ = st.integers(0, 255).map(lambda v: float(np.float32(v / 255)))


@st.composite
def byte_cases(draw):
    d = 3
    weights = draw(st.lists(st.integers(-8, 8), min_size=d, max_size=d).filter(any))
    bias = draw(st.integers(-12, 12))
    x = draw(st.lists(bytes_, min_size=d, max_size=d))
    return MLP.from_arrays([(np.array(weights)[:, None] / 4, [bias / 8])]), np.array([x])


@given(byte_cases())
@example((MLP.from_arrays([([[0.0], [0.75], [-0.25]], [-0.5])]), np.array([[0, 0, np.float32(170 / 255)]], float)))
@settings(max_examples=100)
def test_on_an_affine_network_the_smallest_byte_is_the_first_whose_corner_flips(case):
    net, x = case
    y = net.predict(x)
    margin = Margin.from_labels(net, x, y)
    if margin.value(x)[0] == 0:
        return  # on the boundary, which side a rounded sum falls is chance
    result = smallest_eps_8bit(net, x, y)
    every = np.arange(1, 256)
    corners = fgsm(net, np.repeat(x, 255, axis=0), np.repeat(y, 255), LInf(every / 255))
    flips = every[corners.success_8bit]
    assert result.success[0] == bool(len(flips)) == result.success_8bit[0]
    if len(flips):
        assert round(255 * result.distance[0]) == flips[0]
        changed = result.x_adv != result.x
        assert np.array_equal(result.x_adv[changed], to_8bit(result.x_adv[changed]))


@settings(max_examples=100)
@given(byte_cases(), st.lists(st.floats(0, 1), min_size=9, max_size=9))
@example(  # the first pixel cannot fall to a byte: it must not rise to one
    (MLP.from_arrays([([[0.25], [0.0], [-0.25]], [0.0])]), np.zeros((1, 3))), [1 / 256, 0, 0, 1, 0, 1, 0.5, 0, 0]
)
@example(  # nor rise to one: it must not fall
    (MLP.from_arrays([([[0.25], [0.0], [0.25]], [-0.2501])]), np.zeros((1, 3))), [0.9999, 0, 0, 0, 0, 0, 0.50195, 0, 1]
)
def test_in_a_box_whose_ends_are_no_bytes_every_pixel_takes_the_last_byte_inside(case, numbers):
    """Affine: within j / 255 each pixel of the best image is at the best byte in the box, or stays."""
    net, _ = case
    inside, *ends = np.reshape(numbers, (3, 3))
    lo, hi = np.sort(ends, axis=0)
    x = np.clip(lo + inside * (hi - lo), lo, hi)[None]
    y = net.predict(x)
    result = smallest_eps_8bit(net, x, y, box=(lo, hi))
    changed = result.x_adv != x
    assert np.isin(result.x_adv[changed], ALL_BYTES).all()
    assert ((result.x_adv >= lo) & (result.x_adv <= hi)).all()
    (m,), g = Margin.from_labels(net, x, y).value_and_gradient(x)

    def best(j):
        reach = (j + 1e-5) / 255
        byte = ALL_BYTES[:, None]
        allowed = (byte >= np.maximum(lo, x[0] - reach)) & (byte <= np.minimum(hi, x[0] + reach))
        return m + np.where(allowed, g[0] * (byte - x[0]), 0).max(axis=0).sum()  # 0: a pixel may stay

    if m < 0 and (flips := [j for j in range(1, 256) if best(j) > 1e-9]):
        floats = smallest_eps(net, x, y, box=(lo, hi), norm="linf")
        assert result.success[0] == (flips[0] < 255 * floats.distance[0] + 31) or not floats.success[0]
        assert not result.success[0] or 255 * result.distance[0] <= flips[0] + 1e-4
    if result.success[0]:
        assert best(np.ceil(255 * result.distance[0] - 1e-4)) > -1e-9


def test_answers_to_another_question_are_refused():
    net, x = MLP.from_arrays([(np.ones((4, 1)), [-1.5])]), np.full((2, 4), 0.25)
    found = smallest_eps(net, x, [0, 0], norm="linf")
    for wrong, sentence in (
        (smallest_eps(net, x, [0, 0], norm="l2"), "found: expected what smallest_eps found"),
        (smallest_eps(net, x[:1], [0], norm="linf"), "found: expected what smallest_eps found"),
        (smallest_eps(net, x + 0.01, [0, 0], norm="linf"), "found: expected what smallest_eps found"),
        ([], "found: expected what smallest_eps found"),
    ):
        with pytest.raises(ValueError, match=sentence):
            smallest_eps_8bit(net, x, [0, 0], found=wrong)
    with pytest.raises(ValueError, match="found: expected perturbations inside this box and mask"):
        smallest_eps_8bit(net, x, [0, 0], found=found, mask=np.array([True, True, True, False]))


def test_bytes_cost_at_most_a_little_more_and_survive(mnist49, reference):
    _, _, x, y = mnist49
    fours = x[y == 0][:100].astype(float)
    zeros = np.zeros(len(fours), int)
    floats = smallest_eps(reference, fours, zeros, norm="linf")
    bytes_only = smallest_eps_8bit(reference, fours, zeros, found=floats)
    assert floats.success_8bit.mean() < 0.8  # what rounding undoes
    assert np.array_equal(bytes_only.success_8bit, floats.success)
    assert (bytes_only.distance >= floats.distance - 1e-7).all()
    assert (bytes_only.distance <= floats.distance + 3 / 255).all()


def test_images_that_nothing_flips_are_kept_as_failures():
    net = MLP.from_arrays([(np.zeros((4, 1)), [-1.0])])
    result = smallest_eps_8bit(net, np.zeros((2, 4)), [0, 1])
    assert result.success.tolist() == [False, False] and result.reason[1] == "already misclassified"
