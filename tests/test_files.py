import io
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import MLP
from minigrad.files import npz_bytes, read_npz, write_whole


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.npz"
    MLP.init([2, 2, 1], rng=0, threshold=0.25).save(path)
    return path


def refused(path, content):
    """Both readers answer with ValueError and nothing else, and name the file."""
    path.write_bytes(content)
    for read in (read_npz, MLP.load):
        with pytest.raises(ValueError, match=f"{path.name}: expected .* got something else"):
            read(path)


def archive(entries, compression=zipfile.ZIP_STORED):
    """A well-formed zip file, checksums and all, with whatever bytes for its entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


def npy(header, content=b"", version=(1, 0)):
    header = header.encode("latin1")
    size = len(header).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + size + header + content


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        hnp.arrays(st.sampled_from(["f8", "f4", "i8", "u1", "?", "U3"]), hnp.array_shapes(min_dims=0)),
    )
)
def test_arrays_come_back_as_they_were(tmp_path_factory, arrays):
    path = tmp_path_factory.getbasetemp() / "arrays.npz"
    path.write_bytes(npz_bytes(arrays))
    again = read_npz(path)
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert again[name].dtype == array.dtype and again[name].shape == array.shape
        assert again[name].tobytes() == array.tobytes()


def test_column_order_is_understood(tmp_path):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    (tmp_path / "f.npz").write_bytes(npz_bytes({"a": array}))
    assert np.array_equal(read_npz(tmp_path / "f.npz")["a"], array)


def test_truncated_anywhere(saved):
    content = saved.read_bytes()
    for size in range(len(content)):
        refused(saved, content[:size])


def test_a_flipped_bit_in_any_byte_is_refused_or_harmless(saved):
    content, net = saved.read_bytes(), MLP.load(saved)
    refusals = 0
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        saved.write_bytes(flipped)
        try:
            again = MLP.load(saved)
        except ValueError:
            refusals += 1
            continue
        assert (again.activation, again.threshold, again.sizes) == (net.activation, net.threshold, net.sizes)
        for a, b in zip(net.dense, again.dense, strict=True):  # a time stamp, say, changes nothing
            assert np.array_equal(a.W, b.W) and np.array_equal(a.b, b.b)
    assert refusals > len(content) / 2


@given(st.binary(max_size=200))
def test_foreign_bytes(tmp_path_factory, content):
    refused(tmp_path_factory.getbasetemp() / "foreign.npz", content)


@given(st.binary(max_size=200))
def test_foreign_bytes_in_a_sound_archive(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "inside.npz"
    refused(path, archive({"W1.npy": content}))
    refused(path, archive({"W1.npy": b"\x93NUMPY" + content}))


HEADER = "{'descr': %r, 'fortran_order': False, 'shape': %s}\n"


@pytest.mark.parametrize(
    "header",
    [
        HEADER % ("<f8", "(1152921504606846976,)"),  # 2^60 numbers
        HEADER % ("<f8", "(1152921504606846976, 0)"),
        HEADER % ("<f8", "(4294967296, 4294967296)"),  # 2^64 is 0 in 64 bits
        HEADER % ("<f8", "(2,)"),
        HEADER % ("<f8", "(-1,)"),
        HEADER % ("<f8", "(-1, -1)"),
        HEADER % ("<f8", "()") + " " * 20_000,
        HEADER % ("<f8", "1"),
        HEADER % ("<f8", "(1.0,)"),
        HEADER % ("|V0", "(1152921504606846976,)"),
        HEADER % ("|O", "(1,)"),
        HEADER % ([("a", "|O")], "(1,)"),
        HEADER % ("nonsense", "(1,)"),
        HEADER % (3, "(1,)"),
        "{'descr': '<f8'}\n",
        "{'descr': '<f8', 'fortran_order': 2, 'shape': (1,)}\n",
        "[" * 300,
        "(" * 9_000,
        "-" * 9_000 + "1",
        "'''",
        "{'descr': \n",
        "__import__('os').abort()",
        "\x00",
        "",
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0), (9, 9)])
def test_headers_that_lie(tmp_path, header, version):
    refused(tmp_path / "lie.npz", archive({"W1.npy": npy(header, bytes(8), version)}))


def test_pickles_are_not_even_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.abort, ()

    np.savez(tmp_path / "pickled", W1=np.array([Trap()], object))
    refused(tmp_path / "pickled.npz", (tmp_path / "pickled.npz").read_bytes())


def test_compressed_archives(tmp_path):
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        refused(tmp_path / "small.npz", archive({"W1.npy": npy(HEADER % ("<f8", "(1,)"), bytes(8))}, compression))


NET = {"activation": np.array("tanh"), "threshold": np.array(0.0), "W1": np.ones((2, 1)), "b1": np.zeros(1)}


@pytest.mark.parametrize(
    "change",
    [
        {"activation": np.array("softplus")},
        {"activation": np.array(3)},
        {"threshold": np.array([0.0, 1.0])},
        {"threshold": np.array("high")},
        {"threshold": np.array(np.nan)},
        {"W1": np.ones((1, 2))},
        {"W1": np.ones(2)},
        {"W1": np.ones((2, 0)), "b1": np.zeros(0)},
        {"W1": np.array([["a"], ["b"]])},
        {"W1": np.full((2, 1), 1j)},
        {"W1": np.full((2, 1), np.datetime64("2020-01-01"))},
        {"b1": np.zeros(2)},
        {"b1": np.array([np.inf])},
        {"W1": None},
        {"b1": None},
        {"activation": None},
        {"threshold": None},
        {"W1": None, "b1": None},
        {"W3": np.ones((1, 1)), "b3": np.zeros(1)},
    ],
)
def test_archives_of_something_else_than_a_network(tmp_path, change):
    path = tmp_path / "other.npz"
    path.write_bytes(npz_bytes(NET))
    assert MLP.load(path).sizes == (2, 1)
    path.write_bytes(npz_bytes({name: array for name, array in (NET | change).items() if array is not None}))
    with pytest.raises(ValueError, match=r"other\.npz: expected a network saved by MLP\.save"):
        MLP.load(path)


def test_a_missing_file_is_an_os_error(tmp_path):
    for act in (read_npz, MLP.load, MLP.init([1, 1]).save):
        with pytest.raises(FileNotFoundError):
            act(tmp_path / "absent" / "net.npz")


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    write_whole(path, b"old")
    for name in ("replace", "chmod", "fdopen"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                write_whole(path, b"new")
        assert os.listdir(tmp_path) == ["net.npz"] and path.read_bytes() == b"old"


def test_the_temporary_file_is_on_the_file_system_of_its_target(tmp_path, monkeypatch):
    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (moved.append(paths), replace(*paths)))
    write_whole(tmp_path / "net.npz", b"1")
    assert [os.path.dirname(path) for path in moved[0]] == [str(tmp_path)] * 2  # elsewhere a rename is not atomic


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "ours", b"1")
        (tmp_path / "plain").write_bytes(b"1")
    finally:
        assert os.umask(before) == umask  # and the process's own mask is put back
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
