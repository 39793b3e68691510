"""Pictures in and out: what a PNG holds is what was measured, and a drawing comes in as MNIST was made."""

import numpy as np
import pytest

from attacks import L0, LInf, Reason, fgsm, load_png, saliency_map
from attacks.images import in_bytes, pictures, to_8bit
from minigrad import MLP
from minigrad.io.png import write_png

SUM = MLP.from_arrays([(np.ones((6, 1)), [-3.0])])  # N = sum of six pixels - 3
X = np.array([[0.0, 0.2, 0.4, 0.4, 0.6, 0.8], [0.0, 0.0, 0.0, 0.0, 0.0, 0.2], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]])


def test_changes_are_the_pixels_that_differ_and_nothing_else():
    result = saliency_map(SUM, X, [0, 0, 0])
    assert result.changes(0, (2, 3)) == [(0, 0, 0.0, 1.0)]  # 2.4 + 1 > 3: the darkest pixel has most room
    assert len(result.changes(1, (3, 2))) == result.distance[1] == 3
    assert result.changes(2, (2, 3)) == []  # misclassified already
    assert np.array_equal(result.picture(0, (2, 3)), result.x_adv[0].reshape(2, 3))
    with pytest.raises(ValueError, match=r"i: expected an image among 0..2, got 3"):
        result.picture(3, (2, 3))
    with pytest.raises(ValueError, match="square images"):
        result.changes(0)


def test_a_result_prints_in_one_line_that_counts_what_was_left_out():
    said = repr(saliency_map(SUM, X, [0, 0, 0]))
    assert said == "AttackResult(2 of 2 flipped, 1 misclassified already, mean 2 pixels)"
    assert repr(fgsm(SUM, X[:2], [0, 0], LInf(0.01))) == "AttackResult(0 of 2 flipped)"
    assert repr(fgsm(SUM, X[1:2], [0], LInf(0.625))) == "AttackResult(1 of 1 flipped, mean 0.625 |s| (linf))"


def test_every_reason_says_what_to_do():
    assert all(reason.advice.endswith(".") and reason.advice != reason for reason in Reason)
    result = fgsm(SUM, X, [0, 0, 0], L0(1))
    assert [reason.advice for reason in result.reason[:1]] == [Reason.SUCCESS.advice]
    assert result.reason.tolist() == ["success", "budget spent", "already misclassified"]


def test_what_is_saved_is_what_was_measured_in_bytes(tmp_path):
    result = fgsm(SUM, X[:2], [0, 0], LInf(0.123))
    paths = result.save_png(tmp_path / "new" / "folder", (2, 3))
    assert [path.name for path in paths[:2]] == ["original_0000.png", "adversarial_0000.png"]
    for i, path in enumerate(paths[1::2]):
        read = load_png(path, (2, 3))
        np.testing.assert_allclose(read[0], to_8bit(result.x_adv[i]), atol=1e-7)  # float32 of a byte
        assert (SUM.logits(read)[0, 0] > 0) == result.success_8bit[i]
    with pytest.raises(ValueError, match=r"expected pixels in \[0, 1\], got 0..2"):
        write_png(tmp_path / "x.png", np.array([[0.0, 2.0]]))
    assert not (tmp_path / "x.png").exists()


def test_untouched_pixels_keep_their_last_bit():
    x = np.array([[0.1, 0.1]])
    assert in_bytes(x, np.array([[0.1, 0.2]]))[0, 0] == 0.1 != to_8bit(x)[0, 0]


@pytest.fixture
def drawing(tmp_path):
    """A dark stroke on light paper, 60 x 40 pixels, off the middle."""
    paper = np.ones((60, 40))
    paper[5:25, 4:10] = 0.0
    return write_png(tmp_path / "stroke.png", paper)


def test_a_drawing_is_inverted_scaled_and_centred_as_mnist_is(drawing):
    v = load_png(drawing, invert=True, centre=True).reshape(28, 28)
    rows, columns = (np.flatnonzero(v.sum(axis=axis) > 0.5) for axis in (1, 0))
    assert (len(rows), len(columns)) == (20, 6)  # the ink's box fills 20 of 28 rows, in its proportions
    mass = np.array([(v.sum(axis=axis) @ np.arange(28)) / v.sum() for axis in (1, 0)])
    assert np.abs(mass - 13.5).max() <= 0.5
    assert 0 <= v.min() and v.max() == 1


def test_without_centring_a_picture_keeps_its_proportions_and_its_place(drawing):
    v = load_png(drawing, invert=True).reshape(28, 28)
    assert v[:, :4].sum() == v[:, -5:].sum() == 0  # 60 x 40 becomes 28 x 19, columns 4 to 22, the rest is black
    assert v[2:12, 5:10].mean() > 0.5 and v[14:].sum() < 0.1
    total = load_png(drawing, (60, 40), invert=True)
    assert np.array_equal(np.unique(total), [0, 1]) and total.sum() == 120


@pytest.mark.parametrize("shape", [(28,), (0, 28), "28", (2.5, 3)])
def test_a_shape_that_is_none_is_refused(drawing, shape):
    with pytest.raises(ValueError, match="shape: expected"):
        load_png(drawing, shape)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="expected an image file"):
        load_png(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        load_png(tmp_path / "none.png")
    black = write_png(tmp_path / "black.png", np.zeros((3, 3)))
    with pytest.raises(ValueError, match="expected some ink to centre"):
        load_png(black, centre=True)


def test_rows_become_pictures_of_any_shape():
    assert pictures(np.zeros((3, 6)), (2, 3)).shape == (3, 2, 3)
    assert pictures(np.zeros((3, 4))).shape == (3, 2, 2)
    with pytest.raises(ValueError, match="images of 2 x 2"):
        pictures(np.zeros((3, 6)), (2, 2))


def test_a_range_beyond_float32_keeps_its_values():
    """No float32 holds 1e300, so byte b stands for lo + (hi - lo) b / 255 itself, and nothing warns."""
    low, middle, high = to_8bit(np.array([[-1e300, 0.0, 1e300]]), (-1e300, 1e300))[0]
    assert (low, high) == (-1e300, 1e300)
    assert middle == pytest.approx((2 * 128 / 255 - 1) * 1e300)
