"""Anybody's images: every shape, range and way to store them, and what does not fit is named."""

import io
import math
import zipfile

import numpy as np
import pytest
from damage import OFTEN, Outcomes, damaged
from hypothesis import given
from hypothesis import strategies as st

from data import load_collection, load_mnist, load_npz
from data.npz import EVERY, picture_shape

RNG = np.random.default_rng(3)
Y = np.repeat([3, 5, 8], 10)[RNG.permutation(30)]


def saved(tmp_path, save=np.savez, **arrays):
    path = tmp_path / "mine.npz"
    save(path, **arrays)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("shape", [(6,), (4, 4), (2, 3), (3, 2, 5)])
def test_images_of_any_shape_are_rows(tmp_path, save, shape):
    x = RNG.random((30, *shape))
    x_train, y_train, x_test, y_test = load_npz(saved(tmp_path, save, x=x, y=Y), digits=(8, 3))
    flat = x.reshape(30, -1).astype(np.float32)
    test = np.zeros(30, bool)
    for label in (3, 8):  # by hand: the fifth, tenth, ... image of each class
        test[[i for k, i in enumerate(np.flatnonzero(Y == label)) if k % EVERY == EVERY - 1]] = True
    wanted = Y != 5
    assert np.array_equal(x_train, flat[wanted & ~test]) and np.array_equal(x_test, flat[test])
    assert np.array_equal(y_train, (Y[wanted & ~test] == 3).astype(int))
    assert np.array_equal(y_test, (Y[test] == 3).astype(int))
    assert x_train.dtype == np.float32 and y_train.dtype == np.int64


def test_mnist_saved_and_read_again_is_mnist(tmp_path):
    x_train, y_train, x_test, y_test = (a[:500] for a in load_mnist())
    bytes_train, bytes_test = (np.round(255 * x).astype(np.uint8).reshape(-1, 28, 28) for x in (x_train, x_test))
    path = saved(tmp_path, x_train=bytes_train, y_train=y_train, x_test=bytes_test, y_test=y_test.astype(float))
    c = load_collection(path)
    for mine, original in ((c.x_train, x_train), (c.y_train, y_train), (c.x_test, x_test), (c.y_test, y_test)):
        assert np.array_equal(mine, original)
    assert c.shape == (28, 28) and not c.scaled


@given(st.data())
def test_pixels_are_shares_of_their_range(tmp_path_factory, data):
    """Numbers are short binary fractions, so the round trip through float32 is exact."""
    d = data.draw(st.integers(1, 4))
    lo = np.array(data.draw(st.lists(st.integers(-4, 4), min_size=d, max_size=d)), float)
    hi = lo + 2.0 ** np.array(data.draw(st.lists(st.integers(-2, 3), min_size=d, max_size=d)))
    share = np.array(data.draw(st.lists(st.integers(0, 16), min_size=10 * d, max_size=10 * d))).reshape(10, d) / 16
    path = tmp_path_factory.mktemp("npz") / "mine.npz"
    np.savez(path, x=lo + (hi - lo) * share, y=np.zeros(10), lo=lo, hi=hi)
    c = load_collection(path)
    assert np.array_equal(np.r_[c.x_train, c.x_test], np.r_[share[[0, 1, 2, 3, 5, 6, 7, 8]], share[[4, 9]]])
    assert np.array_equal(c.lo, lo) and np.array_equal(c.hi, hi)
    assert c.scaled == bool((lo != 0).any() or (hi != 1).any())


def test_a_range_of_one_number_and_of_one_row(tmp_path):
    x = RNG.uniform(-1, 1, (30, 2, 3))
    assert (load_collection(saved(tmp_path, x=x, y=Y, lo=-1, hi=np.full(3, 1.0))).lo == -np.ones(6)).all()


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [
        ((28, 28), (28, 28)), ((3, 8, 6), (24, 6)), ((49,), (7, 7)), ((12,), (1, 12)), ((8, 6, 3), (8, 18)),
        ((28, 28, 1), (28, 28)), ((1, 28, 28), (28, 28)), ((3, 3, 3), (9, 3)), ((4, 5, 4), (20, 4)),
        ((5, 5, 5), (25, 5)),
    ],
)
def test_how_an_image_is_drawn(shape, drawn):
    assert picture_shape(shape) == drawn


GOOD = RNG.random((30, 4, 4))
BYTES = RNG.integers(0, 256, (30, 4, 4)).astype(np.uint8)
BAD = {
    "nothing": ({"z": GOOD}, "expected x and y, or x_train, .* got z$"),
    "no labels": ({"x": GOOD}, "expected x and y"),
    "half of the parts": ({"x_train": GOOD, "y_train": Y}, "expected x and y, or"),
    "words": ({"x": GOOD, "y": np.array(["a"] * 30)}, "mine.npz: y: expected whole numbers, got <U1$"),
    "fractions": ({"x": GOOD, "y": Y + 0.5}, "y: expected whole numbers"),
    "NaN labels": ({"x": GOOD, "y": np.full(30, np.nan)}, "y: expected whole numbers"),
    "too few labels": ({"x": GOOD, "y": Y[:29]}, r"y: expected 30 labels, one an image, got shape \(29,\)"),
    "no images": ({"x": GOOD[:0], "y": Y[:0]}, r"x: expected images, .* got \(0, 4, 4\)"),
    "five dimensions": ({"x": GOOD.reshape(30, 2, 2, 2, 2), "y": Y}, "x: expected images"),
    "complex": ({"x": GOOD + 1j, "y": Y}, "x: expected images, .* of complex128"),
    "one-hot labels": ({"x": GOOD, "y": np.eye(9)[Y]}, r"one an image, got shape \(30, 9\) \(.*y.argmax\(axis=1\)\)$"),
    "labels in a row": ({"x": GOOD, "y": Y[None]}, r"expected 30 labels, one an image, got shape \(1, 30\)$"),
    "bytes and shares": (
        {"x_train": GOOD, "y_train": Y, "x_test": BYTES, "y_test": Y}, "of one range, got float64 and uint8: bytes"
    ),
    "shares and bytes": (
        {"x_train": BYTES, "y_train": Y, "x_test": GOOD.astype("f4"), "y_test": Y}, "one range, got uint8 and float32"
    ),
    "bytes and their numbers": (
        {"x_train": BYTES, "y_train": Y, "x_test": BYTES.astype(int), "y_test": Y}, "of one range, got uint8 and int64"
    ),
    "bytes and numbers from -1": (
        {"x_train": 2 * GOOD - 1, "y_train": Y, "x_test": BYTES, "y_test": Y, "lo": -1}, "of one range, got float64 and"
    ),
    "0/1 bytes": ({"x": BYTES // 128, "y": Y}, "expected bytes 0..255, got none above 1: add hi=1 .*, hi=255 if"),
    "0..16 bytes": ({"x": BYTES // 16, "y": Y}, "expected bytes 0..255, got none above 15: add hi=15 to the file"),
    "black bytes": ({"x": 0 * BYTES, "y": Y}, "expected bytes 0..255, got none above 0"),
    "0/1 test bytes": (
        {"x_train": BYTES, "y_train": Y, "x_test": BYTES // 128, "y_test": Y}, "test images: expected bytes 0..255"
    ),
    "0..255 in floats": ({"x": 255 * GOOD, "y": Y}, r"0\.\.1, got .*\(divide pixels of 0\.\.255 by 255, or say"),
    "0..16 in floats": ({"x": 16 * GOOD, "y": Y}, r"0\.\.1, got .*\(another range with arrays lo and hi"),
    "0..255 in whole numbers": ({"x": BYTES.astype(int), "y": Y}, r"divide pixels of 0\.\.255 by 255"),
    "0..255 in the test only": (
        {"x_train": GOOD, "y_train": Y, "x_test": 255 * GOOD, "y_test": Y}, r"x of the test images: .* \(divide pixels"
    ),
    "a few images": ({"x": GOOD[:8], "y": np.arange(8) % 2}, "at least 5 images of a class, .* got 4"),
    "one image": ({"x": GOOD[:1], "y": Y[:1]}, "at least 5 images of a class, .* got 1 .*x_train, y_train, x_test"),
    "all labels of a few images": ({"x": GOOD[:8], "y": Y}, r"y: expected 8 labels, one an image, got shape \(30,\)$"),
    "two shapes": (
        {"x_train": GOOD, "y_train": Y, "x_test": GOOD[:, 1:], "y_test": Y}, r"of one shape, got \(4, 4\) and \(3, 4\)"
    ),
    "outside": ({"x": 2 * GOOD - 1, "y": Y}, r"expected pixels between lo and hi, 0\.\.1, got -.*another range"),
    "NaN": ({"x": np.where(GOOD > 0.9, np.nan, GOOD), "y": Y}, r"expected pixels between lo and hi, 0\.\.1, got nan"),
    "ends that cross": ({"x": GOOD, "y": Y, "lo": 1, "hi": 0}, "expected finite lo < hi, got 1"),
    "infinite end": ({"x": GOOD, "y": Y, "lo": -np.inf}, "expected finite lo < hi"),
    "ends that do not fit": ({"x": GOOD, "y": Y, "lo": np.zeros(3)}, r"expected lo to broadcast to \(4, 4\), got \(3"),
    "ends of words": ({"x": GOOD, "y": Y, "hi": np.array("a")}, "expected hi to be numbers, got <U1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_named(tmp_path, name):
    arrays, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        load_npz(saved(tmp_path, **arrays))
    assert "mine.npz" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_last_keep_their_order(tmp_path, channels):
    """So that a network trained on `x.reshape(len(x), -1)` sees the same pixels."""
    x = RNG.random((30, 8, 6, channels)).astype(np.float32)
    lo = np.zeros(channels) - np.arange(channels)  # one a channel
    c = load_collection(saved(tmp_path, x=x, y=Y, lo=lo, hi=1))
    rows = ((x - lo) / (1 - lo)).reshape(30, -1).astype(np.float32)
    assert {row.tobytes() for row in np.r_[c.x_train, c.x_test]} == {row.tobytes() for row in rows}
    assert c.shape == (8, 6 * channels) and np.array_equal(c.lo, np.tile(lo, 48))


def test_labels_in_a_column(tmp_path):
    for one, other in zip(
        load_npz(saved(tmp_path, x=GOOD, y=Y[:, None])), load_npz(saved(tmp_path, x=GOOD, y=Y)), strict=True
    ):
        assert np.array_equal(one, other)
    parts = {"x_train": GOOD, "x_test": GOOD, "y_train": Y[:, None], "y_test": Y.astype(float)[:, None]}
    found = load_npz(saved(tmp_path, **parts))
    assert np.array_equal(found[1], Y) and np.array_equal(found[3], Y)


@pytest.mark.parametrize(
    ("bytes_", "hi"), [(BYTES // 128, 1), (BYTES // 16, 15), (BYTES // 16, 16), (BYTES // 16, 255), (BYTES // 2, 127)]
)
def test_bytes_in_another_range_are_read_when_the_file_says_so(tmp_path, bytes_, hi):
    c = load_collection(saved(tmp_path, x=bytes_, y=Y, hi=hi))
    assert np.allclose(np.sort(np.r_[c.x_train, c.x_test].ravel()), np.sort(bytes_.ravel() / hi), rtol=1e-7, atol=0)
    assert (c.hi == hi).all() and c.scaled == (hi != 1)


def test_two_types_in_one_range_are_read_when_the_file_says_so(tmp_path):
    parts = {"x_train": BYTES.astype(float), "y_train": Y, "x_test": BYTES, "y_test": Y, "hi": 255}
    x_train, _, x_test, _ = load_npz(saved(tmp_path, **parts))
    assert np.array_equal(x_train, x_test) and x_train.max() <= 1 and x_train.max() > 0.9
    parts = {"x_train": GOOD, "y_train": Y, "x_test": GOOD.astype(np.float32), "y_test": Y}
    assert np.allclose(*load_npz(saved(tmp_path, **parts))[::2], rtol=1e-6, atol=0)


def test_a_class_too_small_to_have_a_test_image_is_trained_on(tmp_path):
    y = np.r_[np.zeros(26, int), np.ones(4, int)]
    _, y_train, _, y_test = load_npz(saved(tmp_path, x=GOOD, y=y))
    assert np.bincount(y_train).tolist() == [21, 4] and y_test.tolist() == [0] * 5
    with pytest.raises(ValueError, match=r"expected distinct labels among \[0\] .*, got \[0, 1\]"):
        load_npz(saved(tmp_path, x=GOOD, y=y), digits=(0, 1))


def test_pixels_in_float32_may_be_out_by_their_own_rounding(tmp_path):
    """Normalised as torchvision does it: the ends in float64, the pixels in float32."""
    lo, hi = -0.1307 / 0.3081, (1 - 0.1307) / 0.3081
    x = ((np.round(GOOD) - np.float32(0.1307)) / np.float32(0.3081)).astype(np.float32)
    assert x.min() < lo or x.max() > hi
    x_train, _, x_test, _ = load_npz(saved(tmp_path, x=x, y=Y, lo=lo, hi=hi))
    assert {*np.unique(x_train), *np.unique(x_test)} == {0, 1}
    with pytest.raises(ValueError, match="expected pixels between lo and hi"):
        load_npz(saved(tmp_path, x=x.astype(float) - 1e-6, y=Y, lo=lo, hi=hi))


def test_an_unknown_class_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"expected distinct labels among \[3, 5, 8\] .*, got \[4, 9\]"):
        load_npz(saved(tmp_path, x=GOOD, y=Y), digits=(4, 9))


def archive(entries, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


def npy(array, shape=None):
    """The bytes of an .npy file, whose header may promise another shape."""
    buffer = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(buffer, header | ({} if shape is None else {"shape": shape}))
    return buffer.getvalue() + array.tobytes()


FOREIGN = {
    "a promise of 2^60": archive({"x.npy": npy(np.zeros(3), (2**30, 2**30))}),
    "a promise of a little more": archive({"x.npy": npy(np.zeros(3), (4,))}),
    "a compressed promise": archive({"x.npy": npy(np.zeros(999), (998,))}, zipfile.ZIP_DEFLATED),
    "text": b"x, y\n1, 2\n",
    "empty": b"",
    "an archive of text": archive({"x.npy": b"hello", "y.npy": b""}),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(tmp_path, name):
    path = tmp_path / "mine.npz"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(ValueError, match=r"expected an \.npz file of plain arrays, got something else"):
        load_npz(path)


def test_pickles_are_not_read(tmp_path):
    path = saved(tmp_path, x=np.array([{}, []], object), y=[0, 1])
    with pytest.raises(ValueError, match=r"expected an \.npz file of plain arrays"):
        load_npz(path)


def test_a_missing_file_is_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the files"):
        load_collection(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz"):
        load_collection(tmp_path / "nowhere.npz")


def test_an_archive_of_many_names_for_the_same_bytes_is_refused(tmp_path):
    """A few kilobytes that unpack to gigabytes: each entry is allowed by itself."""
    whole = bytearray(archive({"x.npy": npy(np.zeros(10**6))}, zipfile.ZIP_DEFLATED))
    end, start = whole.rindex(b"PK\x05\x06"), whole.rindex(b"PK\x01\x02")
    entry, count = bytes(whole[start:end]), 200
    tail = bytearray(whole[end:])
    tail[8:12] = 2 * count.to_bytes(2, "little")
    tail[12:16] = (count * len(entry)).to_bytes(4, "little")
    path = tmp_path / "mine.npz"
    path.write_bytes(whole[:start] + count * entry + tail)
    with zipfile.ZipFile(path) as file:
        assert len(file.infolist()) == count
    with pytest.raises(ValueError, match="its entries promise more than the file can hold"):
        load_npz(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_damage_is_named_or_harmless(tmp_path, save):
    """What is read of a damaged file has the arrays of the sound one: every entry has its check sum."""
    x = RNG.random((12, 2, 3)).astype(np.float32)
    y = np.arange(12) % 2
    path = saved(tmp_path, save, x=x, y=y, lo=np.zeros(3), hi=1.0)
    content, outcomes = path.read_bytes(), Outcomes()
    sound = load_collection(path)

    @OFTEN
    @given(damaged(content))
    def once(other):
        path.write_bytes(other)
        c = outcomes.read("mine.npz", load_collection, path)
        if c is not None and c.x_train.shape == sound.x_train.shape:
            assert np.array_equal(np.sort(c.x_train.ravel()), np.sort(sound.x_train.ravel()))

    once()
    assert outcomes.refused > 50


DTYPES = ("f8", ">f4", "f2", "f16", "c16", "i1", ">u8", "?", "S3", "U3", "M8[s]", "m8[s]", "V8", "f8,i4")


@given(st.data())
def test_any_array_in_any_place_is_named_or_read(tmp_path_factory, data):
    arrays = {"x": GOOD, "y": Y, "lo": np.zeros(4), "hi": np.ones(4)}
    name = data.draw(st.sampled_from(sorted(arrays)))
    shape = data.draw(st.sampled_from([(), (0,), (30,), (4,), (30, 4, 4), (30, 0), (1, 4)]))
    dtype = np.dtype(data.draw(st.sampled_from(DTYPES)))
    raw = data.draw(st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize))
    path = tmp_path_factory.mktemp("npz") / "mine.npz"
    other = np.frombuffer(raw * math.prod(shape), dtype).reshape(shape)
    np.savez(path, **(arrays | {name: other}))
    with np.errstate(all="ignore"):
        c = Outcomes().read("mine.npz", load_collection, path)
    if c is not None:
        assert ((c.x_train >= 0) & (c.x_train <= 1)).all() and np.isfinite(c.lo).all()
