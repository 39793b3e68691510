import gzip
import hashlib
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data import build, load_collection, load_folder, load_idx, load_mnist
from data.idx import read_idx
from data.loader import PARTS

TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # LeCun's training and test set
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="module")
def mnist():
    return load_mnist()


def idx(array):
    """The bytes of an IDX file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_pair(folder, pixels, y, images="images", labels="labels", pack=bytes):
    (folder / images).write_bytes(pack(idx(pixels)))
    (folder / labels).write_bytes(pack(idx(y)))
    return folder / images, folder / labels


PIXELS = np.arange(24, dtype=np.uint8).reshape(4, 2, 3) * 11
LABELS = np.array([7, 2, 7, 9], np.uint8)


def test_every_byte_of_mnist_is_the_published_one(mnist):
    for part, array in zip(PARTS, mnist, strict=True):
        if "images" in part:
            array = np.round(255 * array).astype(np.uint8).reshape(-1, 28, 28)
        assert hashlib.sha256(idx(array)).hexdigest() == build.SHA256[part]


def test_counts_shapes_types_and_range(mnist):
    x_train, y_train, x_test, y_test = mnist
    assert np.bincount(y_train).tolist() == TRAIN_COUNTS and np.bincount(y_test).tolist() == TEST_COUNTS
    assert x_train.shape == (60000, 784) and x_test.shape == (10000, 784)
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert x.dtype == np.float32 and y.dtype == np.int64
        assert x.min() == 0 and x.max() == 1
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    assert np.isin(x_test, levels).all()


@pytest.mark.parametrize("digits", [(4, 9), (9, 4), [0, 1, 8], (5,)])
def test_digits_are_labelled_in_the_order_given(mnist, digits):
    for x_all, y_all, x, y in zip(mnist[::2], mnist[1::2], *[iter(load_mnist(digits))] * 2, strict=True):
        keep = np.isin(y_all, digits)
        assert np.array_equal(x, x_all[keep]) and y.dtype == np.int64
        assert [digits[label] for label in y] == y_all[keep].tolist()


def test_the_homeworks_pair(mnist49):
    assert [a.shape for a in mnist49] == [(11791, 784), (11791,), (1991, 784), (1991,)]
    assert np.bincount(mnist49[3]).tolist() == [982, 1009]


@pytest.mark.parametrize(
    "digits", [(4, 10), (-1,), (4, 4), (), (4.5,), ("4",), "49", [[4, 9]], [4, None], (True, False)]
)
def test_unknown_digits(digits):
    with pytest.raises(ValueError, match=r"digits: expected distinct labels among \[0, 1, 2, .* got \["):
        load_mnist(digits)


@pytest.mark.parametrize("digits", [4, 4.0, np.int64(4), {4, 9}, frozenset({4}), {4: "four"}])
def test_digits_without_an_order(digits):
    with pytest.raises(ValueError, match=r"digits: expected distinct .* in the order of the classes, as \(4, 9\), got"):
        load_mnist(digits)


@pytest.mark.parametrize("digits", [np.array([9, 4]), (9.0, 4.0), range(9, 3, -5)])
def test_digits_of_other_types(mnist, digits):
    x, y = load_mnist(digits)[2:]
    assert np.array_equal(y, (mnist[3][np.isin(mnist[3], (4, 9))] == 4).astype(int)) and x.shape == (1991, 784)


@given(
    st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(1, 4)).flatmap(
        lambda shape: hnp.arrays(np.uint8, shape)
    ),
    st.sampled_from([bytes, gzip.compress]),
)
def test_idx_round_trip(tmp_path_factory, pixels, pack):
    y = np.arange(len(pixels)) % 10
    x, labels = load_idx(*write_pair(tmp_path_factory.getbasetemp(), pixels, y, pack=pack))
    assert x.dtype == np.float32 and labels.dtype == np.int64
    assert x.shape == (len(pixels), pixels.shape[1] * pixels.shape[2])
    assert np.array_equal(x, pixels.reshape(x.shape) / np.float32(255)) and labels.tolist() == y.tolist()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_truncated_anywhere(tmp_path, pack):
    content = pack(idx(PIXELS))
    for size in range(len(content)):
        (tmp_path / "short").write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"short: (an IDX header|the header promises|not a complete gzip file)"):
            read_idx(tmp_path / "short", ndim=3)


def test_idx_damaged_gzip(tmp_path):
    content = gzip.compress(idx(PIXELS), mtime=0)
    for position in range(10, len(content)):  # behind the gzip header, whose name and time are nobody's business
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"damaged: (expected the IDX|the header prom|not a complete gzip)"):
            read_idx(tmp_path / "damaged", ndim=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(LABELS) + bytes(12), "expected the IDX magic number 00000803, got 00000801"),
        (b"\0\0\x0d\3" + idx(PIXELS)[4:], "expected the IDX magic number 00000803, got 00000d03"),
        (b"\x89PNG" + bytes(20), "expected the IDX magic number 00000803, got 89504e47"),
        (idx(PIXELS) + b"\0", r"promises 24 bytes for shape \(4, 2, 3\), the file holds 25"),
        (
            struct.pack(">4I", 0x803, *[2**32 - 1] * 3),
            "promises 79228162458924105385300197375 bytes .* the file holds 0",
        ),
        (b"", "an IDX header of 3 dimensions has 16 bytes, the file has 0"),
    ],
)
def test_idx_of_something_else(tmp_path, content, message):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "other", ndim=3)


@pytest.mark.parametrize("count", [0, 3, 5])
def test_as_many_labels_as_images(tmp_path, count):
    with pytest.raises(ValueError, match=rf"got 4 images in .*images and {count} labels in .*labels"):
        load_idx(*write_pair(tmp_path, PIXELS, np.zeros(count)))


def test_images_and_labels_swapped(tmp_path):
    with pytest.raises(ValueError, match="magic number 00000803, got 00000801"):
        load_idx(*write_pair(tmp_path, PIXELS, np.zeros(12))[::-1])


@pytest.fixture
def folder(tmp_path):
    """The four canonical files, one pair gzipped; 9 occurs in the training set alone."""
    write_pair(tmp_path, PIXELS, LABELS, *PARTS[:2])
    write_pair(tmp_path, PIXELS[:2], LABELS[:2], PARTS[2] + ".gz", PARTS[3] + ".gz", pack=gzip.compress)
    return tmp_path


def test_folder(folder):
    x_train, y_train, x_test, y_test = load_folder(folder)
    assert np.array_equal(x_train, PIXELS.reshape(4, 6) / np.float32(255)) and np.array_equal(x_test, x_train[:2])
    assert y_train.tolist() == [7, 2, 7, 9] and y_test.tolist() == [7, 2]
    x_two, y_two, _, y_test = load_folder(folder, digits=(2, 7))
    assert np.array_equal(x_two, x_train[:3]) and y_two.tolist() == [1, 0, 1] and y_test.tolist() == [1, 0]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_folder_of_unpacked_names(folder, ending):
    """Some programs write `train-images.idx3-ubyte`, and leave folders of the other name behind."""
    expected = load_folder(folder)
    for part in PARTS:
        old = next(path for path in (folder / part, folder / (part + ".gz")) if path.exists())
        content = gzip.decompress(old.read_bytes()) if old.suffix == ".gz" else old.read_bytes()
        old.unlink()
        (folder / part).mkdir()
        (folder / (part.replace("-idx", ".idx") + ending)).write_bytes(gzip.compress(content) if ending else content)
    assert (folder / f"train-images.idx3-ubyte{ending}").is_file()
    for one, other in zip(load_folder(folder), expected, strict=True):
        assert np.array_equal(one, other)
    assert load_collection(folder).shape == (2, 3)


def test_folder_with_a_class_that_is_not_tested(folder):
    with pytest.raises(ValueError, match=r"digits: expected distinct labels among \[2, 7\] .*got \[7, 9\]"):
        load_folder(folder, digits=(7, 9))


def test_folder_with_a_file_missing(folder):
    (folder / PARTS[1]).unlink()
    with pytest.raises(FileNotFoundError, match=f"{PARTS[1]} is missing"):
        load_folder(folder)


def test_folder_with_images_of_two_sizes(folder):
    write_pair(folder, PIXELS[:2, :1], LABELS[:2], *PARTS[2:])
    with pytest.raises(ValueError, match="training images have 6 pixels, test images 3"):
        load_folder(folder)


def test_build_refuses_anything_but_mnist(folder, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["build", str(folder), "--out", str(folder / "out.npz")])
    with pytest.raises(ValueError, match=r"expected SHA-256 ba891046.*, got "):
        build.main()
    assert not (folder / "out.npz").exists()


def test_build_gives_the_same_archive_every_time(folder, monkeypatch):
    files = [PIXELS, LABELS, PIXELS[:2], LABELS[:2]]
    sums = {part: hashlib.sha256(idx(array)).hexdigest() for part, array in zip(PARTS, files, strict=True)}
    monkeypatch.setattr(build, "SHA256", sums)
    for name in ("one.npz", "two.npz"):
        monkeypatch.setattr(sys, "argv", ["build", str(folder), "--out", str(folder / name)])
        build.main()
    assert (folder / "one.npz").read_bytes() == (folder / "two.npz").read_bytes()
    with np.load(folder / "one.npz") as archive:
        for name, array in zip(("x_train", "y_train", "x_test", "y_test"), files, strict=True):
            assert np.array_equal(archive[name], array)
