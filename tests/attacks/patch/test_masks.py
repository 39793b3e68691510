"""Spectacles as masks: what they look like, where they fit, and what is taken for a mask."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import generators

from attacks import glasses_mask, place
from attacks.patch.masks import STYLES, as_mask

SHAPES = (28, 28), (56, 56), (28, 40)


def pieces(mask):
    """How many 8-connected pieces the mask has, by flooding them one after the other."""
    left, count = set(map(tuple, np.argwhere(mask))), 0
    while left:
        count, queue = count + 1, [left.pop()]
        while queue:
            y, x = queue.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            queue += near
    return count


def moved(mask, down, right):
    """`place` pixel by pixel."""
    out = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        out[y + down, x + right] = True
    return out


# ---------------------------------------------------------------- what they look like


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shape", SHAPES)
def test_spectacles_cover_a_few_percent(style, shape):
    mask = glasses_mask(shape, style)
    assert (mask.dtype, mask.shape) == (bool, shape)
    assert 0.05 <= mask.mean() <= 0.12
    assert abs(mask.mean() - glasses_mask(style=style).mean()) < 0.025


@pytest.mark.parametrize("style", STYLES)
def test_the_picture_is_28_by_28_unless_another_is_asked_for(style):
    assert glasses_mask(style=style).shape == (28, 28)
    assert np.array_equal(glasses_mask(), glasses_mask((28, 28), "round"))
    others = [glasses_mask(style=other) for other in STYLES if other != style]
    assert not any(np.array_equal(glasses_mask(style=style), other) for other in others)


@pytest.mark.parametrize("style", STYLES)
def test_two_pixels_of_room_on_all_sides(style):
    """Exactly two at the sides, where the temples end."""
    mask = glasses_mask(style=style)
    for down in range(-2, 3):
        for right in range(-2, 3):
            assert place(mask, (down, right)).sum() == mask.sum()
    assert np.flatnonzero(mask.any(axis=0))[[0, -1]].tolist() == [2, 25]


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=60)
@given(st.tuples(st.integers(20, 64), st.integers(20, 64)))
def test_in_one_piece_and_mirrored_whatever_the_picture(style, shape):
    """Bugs of their day: gaps in lines thinner than a pixel, and pixels that rounding put on one side alone."""
    mask = glasses_mask(shape, style)
    assert pieces(mask) == 1
    assert np.array_equal(mask, mask[:, ::-1])
    assert not mask[:, :2].any()
    assert not mask[:2].any() and not mask[-2:].any()


def test_the_40_by_40_square_pair_was_lopsided_and_the_20_by_20_half_pair_in_five_pieces():
    lopsided = glasses_mask((40, 40), "square")
    assert np.array_equal(lopsided, lopsided[:, ::-1])
    assert pieces(glasses_mask((20, 20), "half")) == pieces(glasses_mask((27, 28), "aviator")) == 1


@pytest.mark.parametrize("style", STYLES)
def test_two_rims_a_bridge_and_two_temples(style):
    """The line of the bridge runs from rim to rim and on to both temples; between, a lens is open."""
    mask = glasses_mask(style=style)
    line = mask[8].astype(int)
    runs = np.flatnonzero(np.diff(np.r_[0, line, 0]))  # starts and ends
    assert len(runs) == 6  # temple and rim, rim - bridge - rim, rim and temple
    assert line[[13, 14]].all()
    assert line[[2, 25]].all()
    assert not line[[8, 19]].any()


# ---------------------------------------------------------------- where they fit


@given(st.data())
def test_place_moves_every_pixel_and_back(data):
    rng, shape = data.draw(generators), data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    mask = rng.random(shape) < 0.3
    assume(mask.any())
    spots = np.argwhere(mask)
    low, high = -spots.min(axis=0), np.array(shape) - 1 - spots.max(axis=0)
    shift = tuple(int(data.draw(st.integers(a, b))) for a, b in zip(low, high, strict=True))
    there = place(mask, shift)
    assert np.array_equal(there, moved(mask, *shift))
    assert np.array_equal(place(there, (-shift[0], -shift[1])), mask)
    for wrong in ((low[0] - 1, shift[1]), (high[0] + 1, shift[1]), (shift[0], low[1] - 1), (shift[0], high[1] + 1)):
        wrong = tuple(map(int, wrong))
        says = f"shift: expected {low[0]}..{high[0]} down and {low[1]}..{high[1]} right, .* got {re.escape(str(wrong))}"
        with pytest.raises(ValueError, match=says):
            place(mask, wrong)


def test_place_takes_whole_numbers_of_any_type_and_leaves_its_mask_alone():
    mask = glasses_mask()
    before = mask.copy()
    for kind in (int, np.int8, np.uint8, np.uint64):
        assert np.array_equal(place(mask, (kind(3), kind(1))), moved(before, 3, 1))
    assert np.array_equal(place(mask, np.array([3, 1], np.uint64)), moved(before, 3, 1))
    assert np.array_equal(mask, before)


# ---------------------------------------------------------------- what is a mask


def test_masks_from_arrays(tmp_path):
    mask = np.zeros((4, 6), bool)
    mask[1, 2:5] = True
    assert as_mask(mask, 24) is mask
    assert np.array_equal(as_mask(mask.tolist()), mask)
    square = np.eye(5, dtype=bool) | (np.arange(5) > 3)  # not symmetric
    assert np.array_equal(as_mask(square.ravel(), 25), square)
    assert np.array_equal(place(square.ravel(), (0, 0)), square)


def test_masks_from_image_files(tmp_path):
    """Light pixels; grey, colour and transparency; a path or its name."""
    from matplotlib.image import imsave

    mask = glasses_mask((20, 30), "half")
    imsave(tmp_path / "grey.png", mask.astype(float), cmap="gray")
    assert np.array_equal(as_mask(tmp_path / "grey.png", 600), mask)
    assert np.array_equal(as_mask(str(tmp_path / "grey.png")), mask)
    clear = np.ones((20, 30, 4))
    clear[..., 3] = mask
    imsave(tmp_path / "clear.png", clear)
    assert np.array_equal(as_mask(tmp_path / "clear.png"), mask)
    tint = np.zeros((20, 30, 3))
    tint[~mask] = [1.0, 0.2, 0.2]  # a mean of 0.47: dark
    tint[mask] = [1.0, 0.4, 0.2]  # 0.53
    imsave(tmp_path / "tint.png", tint)
    assert np.array_equal(as_mask(tmp_path / "tint.png"), mask)


def refused(call, error, message):
    with pytest.raises(error, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


def test_files_that_are_no_mask(tmp_path):
    from matplotlib.image import imsave

    refused(lambda: as_mask(tmp_path / "none.png"), OSError, "No such file.*none.png")
    text = tmp_path / "text.png"
    text.write_text("a mask, honestly\n")
    refused(lambda: as_mask(text), ValueError, "text.png: expected an image file, such as a PNG, that can be read")
    imsave(tmp_path / "dark.png", np.full((3, 4), 0.25), cmap="gray", vmin=0, vmax=1)
    refused(lambda: as_mask(tmp_path / "dark.png"), ValueError, r"mask: .* at least one True, got shape \(3, 4\)")
    imsave(tmp_path / "light.png", np.full((3, 4), 0.75), cmap="gray", vmin=0, vmax=1)
    says = r"mask: expected 10 pixels as the images have, got 12 of shape \(3, 4\)"
    refused(lambda: as_mask(tmp_path / "light.png", 10), ValueError, says)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((3, 3), int), r"mask: expected a picture .* got shape \(3, 3\) of int64 with 9 not zero"),
        (np.ones((3, 3)), r"got shape \(3, 3\) of float64"),
        (np.zeros((3, 3), bool), r"at least one True, got shape \(3, 3\) of bool with 0 not zero"),
        (np.ones(8, bool), r"mask: expected a picture \(height, width\) .* got shape \(8,\) of bool"),
        ([[True], [True, False]], "mask: expected an array, got rows of different lengths"),
        (np.ones((2, 2, 2), bool), r"got shape \(2, 2, 2\)"),
        (np.zeros(0, bool), r"got shape \(0, 0\)"),
        (True, r"got shape \(\)"),
        (None, r"got shape \(\) of object"),
    ],
)
def test_arrays_that_are_no_mask(mask, message):
    refused(lambda: as_mask(mask), ValueError, message)
    refused(lambda: place(mask, (0, 0)), ValueError, message)


@pytest.mark.parametrize("d", [8, 10])
def test_a_mask_of_another_size(d):
    says = rf"mask: expected {d} pixels as the images have, got 9 of shape \(3, 3\)"
    refused(lambda: as_mask(np.eye(3, dtype=bool), d), ValueError, says)


@pytest.mark.parametrize("shift", [3, (3,), (0, 0, 0), (1.0, 2.0), (True, False), "ab", None, (2**70, 0)])
def test_shifts_that_are_none(shift):
    refused(lambda: place(glasses_mask(), shift), ValueError, r"shift: expected two whole numbers \(down, right\), got")


@pytest.mark.parametrize("style", ["oval", "", None, ["round"], 3])
def test_styles_that_are_none(style):
    refused(lambda: glasses_mask(style=style), ValueError, "style: expected one of round, square, aviator, half, got")


@pytest.mark.parametrize("shape", [28, (28,), (28, 28, 1), (19, 40), (40, 19), (28.0, 28.0), (np.nan, 28), "ab", None])
def test_shapes_that_are_none(shape):
    refused(lambda: glasses_mask(shape), ValueError, "shape: expected a height and a width of at least 20 pixels, got")
