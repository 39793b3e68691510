"""The reader of `.npz`: what is no plain array is refused in one sentence, whatever the bytes say of themselves."""

import io
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import MLP
from minigrad.io.npz import npz_bytes, parse_npz, read_npz


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


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_archives_where_they_are_allowed(compression):
    content = np.arange(8.0)
    raw = archive({"a.npy": npy(HEADER % ("<f8", "(8,)"), content.tobytes())}, compression)
    assert np.array_equal(parse_npz(raw, "mine", compressed=True)["a"], content)


def test_what_no_compression_can_hold_is_not_unpacked():
    entries = {"a.npy": npy(HEADER % ("<f8", "(100000,)"), bytes(800_000))}
    assert not parse_npz(archive(entries, zipfile.ZIP_DEFLATED), "zeros", compressed=True)["a"].any()
    with pytest.raises(ValueError, match=r"zeros: expected an \.npz file .* promise more than the file can hold"):
        parse_npz(archive(entries, zipfile.ZIP_BZIP2), "zeros", compressed=True)


@pytest.mark.parametrize("dtype", ["V8", [("a", "<f8")]])
def test_records_are_no_plain_arrays(dtype):
    raw = archive({"a.npy": npy(HEADER % (dtype, "(1,)"), bytes(8))})
    for compressed in (False, True):
        with pytest.raises(ValueError, match=r"a\.npy holds .*, which is neither numbers nor text"):
            parse_npz(raw, "records", compressed=compressed)
