"""The smallest eps among the bytes against trying every byte; and bytes of pictures that are not in [0, 1]."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attacks import L0, LInf, fgsm, load_png, pgd, saliency_map, smallest_eps, universal
from attacks.eight_bit import smallest_eps_8bit
from attacks.images import as_levels, from_bytes, in_bytes, to_8bit, to_share
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
    result = smallest_eps_8bit(net, x, y, found=smallest_eps(net, x, y, norm="linf", steps=8))
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
    floats = smallest_eps(net, x, y, box=(lo, hi), norm="linf", steps=8)  # affine: the first is the answer
    result = smallest_eps_8bit(net, x, y, box=(lo, hi), found=floats)
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


# ---------------------------------------------------------------- pictures in another range

RANGES = [(-1.0, 1.0), (0.0, 255.0), (-0.42421296, 2.82148653), (100.0, 101.0)]  # the third is MNIST's usual scaling
every_range = pytest.mark.parametrize("levels", RANGES, ids=str)


def in_range(net, x, levels):
    """The same problem: a network for pixels in `levels`, and the images as they are there."""
    lo, hi = levels
    return net.rescaled(-lo / (hi - lo), (1 - lo) / (hi - lo)), from_bytes(np.round(255 * x), levels)


@every_range
def test_the_same_problem_in_another_range_flips_with_the_same_bytes(levels, mnist49, reference):
    _, _, x, y = mnist49
    x, y = x[:60].astype(float), y[:60]
    net, v = in_range(reference, x, levels)
    lo, hi = levels
    one, other = smallest_eps_8bit(reference, x, y), smallest_eps_8bit(net, v, y, box=levels)
    assert np.array_equal(one.success, other.success) and one.rate == 1
    assert np.array_equal(other.success_8bit, other.success)
    byte = 255 * (other.x_adv - lo) / (hi - lo)
    assert np.abs(byte - np.round(byte)).max() < 1e-3
    j, k = np.round(255 * one.distance), np.round(255 * other.distance / (hi - lo))
    assert np.abs(j - k).max() <= 1 and (j == k).mean() >= 0.9  # the search in floats takes its own way in each range
    if levels == (-1.0, 1.0):  # but here, where nothing is rounded
        assert np.array_equal(np.round(255 * one.x_adv), np.round(byte))


@every_range
@pytest.mark.parametrize("kind", ["fgsm", "pgd", "smallest", "sparse", "universal"])
def test_success_in_bytes_is_what_a_png_of_the_picture_says(levels, kind, mnist49, reference, tmp_path):
    _, _, x, y = mnist49
    x, y = x[:25].astype(float), y[:25]
    net, v = in_range(reference, x, levels)
    lo, hi = levels
    result = {
        "fgsm": lambda: fgsm(net, v, y, LInf(0.06 * (hi - lo), box=levels)),
        "pgd": lambda: pgd(net, v, y, LInf(0.04 * (hi - lo), box=levels)),
        "smallest": lambda: smallest_eps(net, v, y, norm="linf", box=levels),
        "sparse": lambda: saliency_map(net, v, y, box=levels),
        "universal": lambda: universal(net, v, y, LInf(0.1 * (hi - lo), box=levels), steps=4, passes=1, mixed=True),
    }[kind]()
    x_adv = result.apply(v) if kind == "universal" else result.x_adv
    wrong = net.predict(v) != y
    if kind == "universal":
        read = np.array([np.round(255 * (row - lo) / (hi - lo)) / 255 for row in x_adv])
    else:
        paths = [path for path in result.save_png(tmp_path) if path.name.startswith("adversarial")]
        read = np.concatenate([load_png(path) for path in paths])
    png = lo + (hi - lo) * read.astype(float)
    np.testing.assert_allclose(in_bytes(v, x_adv, levels), png, rtol=0, atol=2e-7 * max(abs(lo), abs(hi)))
    flips = net.predict(png) != y
    assert np.array_equal(result.success_8bit, flips & ~wrong)
    assert kind == "sparse" or 0 < result.success_8bit.sum() < 25 or kind == "universal"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_in_the_unit_range_bytes_are_what_they_were(values):
    v = np.array([*values, 0.0, 1.0, 0.5, 1 / 510, 3 / 510])
    assert np.array_equal(to_8bit(v), (np.round(255 * v) / 255).astype(np.float32).astype(np.float64))
    assert np.array_equal(to_share(v, (0.0, 1.0)), v)


@every_range
def test_every_byte_of_every_range_survives_the_round_trip(levels):
    held = from_bytes(np.arange(256), levels)
    assert (np.diff(held) > 0).all() and (held >= levels[0]).all() and (held <= levels[1]).all()
    assert np.array_equal(to_8bit(held, levels), held)
    arrays = np.array([levels[0], 0.0]), np.array([levels[1], 1.0])  # a range for each pixel
    pairs = np.stack([held, from_bytes(np.arange(256), (0.0, 1.0))], axis=1)
    assert np.array_equal(to_8bit(pairs, arrays), pairs)


NARROW = np.zeros(4), np.full(4, 0.75)
WIDE = np.full(4, -1.0), np.array([1.0, 2.0, 1.0, 1.0])


def test_levels_are_the_box_or_asked_for():
    box = lambda *ends: tuple(np.asarray(end, float) for end in ends)  # noqa: E731
    assert as_levels(None, box(0, 1), 4) == as_levels(None, box(0.25, 0.5), 4) == (0.0, 1.0)
    assert as_levels(None, NARROW, 4) == (0.0, 1.0)  # a narrower box does not stretch the picture
    assert as_levels(None, box(-1, 1), 4) == (-1.0, 1.0)
    assert as_levels(None, WIDE, 4) is None
    assert as_levels((-1, 2), WIDE, 4) == (-1, 2)
    assert as_levels((0, 0.9999999), box(0, 1), 4) == (0, 0.9999999)  # rounded to float32, perhaps
    for wrong in ((0, 1), (1, 0), (0, np.inf), (0,), 3, "ab", (0, [1, 2]), (-1, 2, 3), (-1, None)):
        with pytest.raises(ValueError, match=r"^levels: expected") as error:
            as_levels(wrong, WIDE, 4)
        assert "\n" not in str(error.value)


def test_where_nobody_knows_the_levels_bytes_are_refused_and_nothing_else(tmp_path):
    net, x = MLP.from_arrays([(np.ones((4, 1)), [-1.5])]), np.full((2, 4), 0.25)
    for attack in (
        lambda **o: fgsm(net, x, [0, 0], LInf(0.3, WIDE), **o),
        lambda **o: pgd(net, x, [0, 0], L0(2, WIDE), **o),
        lambda **o: saliency_map(net, x, [0, 0], box=WIDE, **o),
        lambda **o: smallest_eps(net, x, [0, 0], norm="l2", box=WIDE, **o),
        lambda **o: universal(net, x, [0, 0], LInf(0.3, WIDE), steps=5, **o),
    ):
        result = attack()
        assert result.success.all()
        with pytest.raises(ValueError, match=r"levels: expected \(lo, hi\), the values that the bytes 0 and 255"):
            result.success_8bit  # noqa: B018
        if hasattr(result, "save_png"):
            with pytest.raises(ValueError, match="levels: expected"):
                result.save_png(tmp_path)
        told = attack(levels=(-1, 2))
        assert told.success_8bit.shape == (2,) and told.success.all()
        assert attack(levels=WIDE).success_8bit.shape == (2,)
    assert not list(tmp_path.iterdir())
    for levels, sentence in ((None, "levels: expected"), (WIDE, "levels: expected two numbers")):
        with pytest.raises(ValueError, match=sentence):
            smallest_eps_8bit(net, x, [0, 0], box=WIDE, levels=levels)
    assert smallest_eps_8bit(net, x, [0, 0], box=WIDE, levels=(-1, 2)).success_8bit.all()


def test_levels_wider_than_the_box_are_the_pictures():
    """Pixels may only move in [0.2, 0.8] of a picture in [-1, 1]: bytes are those of the picture."""
    net, x = MLP.from_arrays([(np.ones((3, 1)), [-1.5])]), np.full((1, 3), 0.4)
    for levels in ((-1, 1), (0, 1), (0, 255)):
        result = smallest_eps_8bit(net, x, [0], box=(0.2, 0.8), levels=levels)
        changed = result.x_adv[result.x_adv != x]
        assert np.isin(changed, from_bytes(np.arange(256), levels)).all()
        assert result.success[0] == (levels[1] < 255)  # in [0, 255] there is no byte between 0.2 and 0.8
