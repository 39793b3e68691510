"""Every reader against damaged and hostile files: one sentence that names the file, or the true content; nothing else.

A reader is given bytes that were flipped, cut, doubled, spliced or inserted, at three depths: the file, the parts of a
sound container, and the values in sound parts.  What it accepts must be right, so each test has an oracle for that.
The counters at the ends of the tests see to it that both outcomes occurred.
"""

import base64
import gzip
import io
import json
import math
import tracemalloc
import zipfile
from functools import partial

import numpy as np
import pytest
from ball_strategies import NORMS, row
from damage import OFTEN, Outcomes, damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import pattern_minimum

import attacks.report.decisions
import attacks.report.prove
import attacks.report.report_command
import attacks.report.setup
import data.loader
from attacks import Certificate, certified_minimum
from attacks.proofs.campaign import campaign
from attacks.report.cli import main
from data import load_folder, load_idx
from data.idx import read_idx
from data.loader import PARTS
from minigrad import MLP
from minigrad.io.npz import npz_bytes, parse_npz

BEYOND, NOISE = 1e-6, 1e-6  # as in test_minimum.py: what the oracle's own solver leaves open






# ---------------------------------------------------------------- networks


KINDS = ("f8", ">f8", "f4", "f2", "f16", "c16", "i1", "u8", "?", "S3", "U3", "M8[s]", "m8[s]", "V8", "(2,)f8", "f8,i4")
SHAPES = ((), (0,), (1,), (3,), (2, 0), (1, 2), (3, 2), (2, 2, 2), (1,) * 40)


@st.composite
def arrays(draw):
    """Any array that a header without pickle can describe, its bytes at random."""
    dtype, shape = np.dtype(draw(st.sampled_from(KINDS))), draw(st.sampled_from(SHAPES))
    size = math.prod(shape) * dtype.itemsize
    content = draw(st.sampled_from([bytes(size), b"\xff" * size]) | st.binary(min_size=size, max_size=size))
    base = dtype.base if dtype.subdtype else dtype
    return np.frombuffer(content, base).reshape((*shape, *dtype.shape)) if size else np.zeros(shape, base)


def swapped(fields):
    """`fields` with one to three of them changed, dropped or renamed."""
    change = st.none() | arrays() | st.sampled_from(list(fields.values()))
    return st.dictionaries(st.sampled_from([*fields, "W3", ""]), change, min_size=1, max_size=3).map(
        lambda new: {name: value for name, value in (fields | new).items() if value is not None}
    )


def sound_archive(entries):
    """A zip file with right checksums around whatever bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in entries:
            file.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def entries_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return [(name, file.read(name)) for name in file.namelist()]


def damaged_inside(content, other=b""):
    """The archive `content` with one entry damaged, and the checksums of the damaged one."""
    entries = entries_of(content)
    return st.integers(0, len(entries) - 1).flatmap(
        lambda i: damaged(entries[i][1], other).map(
            lambda bad: sound_archive([(name, bad if j == i else good) for j, (name, good) in enumerate(entries)])
        )
    )


NET = MLP.init([3, 2, 1], rng=0, threshold=0.25, activation="tanh")
SAVED = npz_bytes(NET.to_arrays())
OTHER = npz_bytes(MLP.init([2, 4, 3], rng=1).to_arrays())


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # of writing such an archive
def test_networks(tmp_path):
    path, outcomes = tmp_path / "net.npz", Outcomes()

    @OFTEN
    @given(damaged(SAVED, OTHER) | damaged_inside(SAVED, OTHER) | swapped(NET.to_arrays()).map(npz_bytes))
    def run(content):
        path.write_bytes(content)
        net = outcomes.read(path.name, MLP.load, path)
        if net is None:
            return
        assert all(np.isfinite(v).all() and v.dtype == np.float64 for f in net.dense for v in (f.W, f.b))
        again = npz_bytes(net.to_arrays())  # what was read is a network that can be saved, and is what the file says
        said = {name: np.lib.format.read_array(io.BytesIO(entry)) for name, entry in entries_of(content)}
        for name, value in parse_npz(again, "again").items():
            assert np.array_equal(value, said[name + ".npy"])

    run()
    assert outcomes.accepted > 3 and outcomes.refused > 50


@given(st.text(max_size=300), st.binary(max_size=20))
def test_names_of_entries_are_shown_in_one_line(tmp_path_factory, name, content):
    """An entry may have any name: line ends, terminal controls, a megabyte of it."""
    path = tmp_path_factory.getbasetemp() / "names.npz"
    for entries in ([(name + ".npy", content)], [(name, npz_header((), 8) + bytes(8))] * 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *_, **__: None)  # zipfile's, of writing a name twice
            path.write_bytes(sound_archive(entries))
        assert Outcomes().read(path.name, MLP.load, path) is None


def test_fields_of_every_type(tmp_path):
    """Each field of a network and of a certificate as every type and a few shapes of array."""
    path, outcomes = tmp_path / "types.npz", Outcomes()
    nothing = [np.zeros(shape, kind) for kind in KINDS for shape in ((), (2, 1))]
    proof = parse_npz(CERTIFICATES["linf"], "linf")
    for fields, reader in ((NET.to_arrays(), MLP.load), (proof, Certificate.load)):
        for name in fields:
            for array in nothing:
                path.write_bytes(npz_bytes(fields | {name: array}))
                outcomes.read(path.name, reader, path)
    assert outcomes.refused > 600 and outcomes.accepted > 30
    for name in ("y", "nodes", "target", "roots"):
        path.write_bytes(npz_bytes(proof | {name: np.array(0.5)}))
        with pytest.raises(ValueError, match=r"expected a whole number, got 0\.5"):
            Certificate.load(path)


@pytest.mark.parametrize("order", "<>")
def test_text_beyond_unicode(tmp_path, order):
    """NumPy makes a string of any 32 bits, and Python fails on its characters much later, with a SystemError."""
    path, number = tmp_path / "text.npz", np.array([0x110000], order + "u4")
    for arrays, reader in ((NET.to_arrays(), MLP.load), (parse_npz(CERTIFICATES["l2"], "l2"), Certificate.load)):
        for name in ("activation", "norm", "network"):
            path.write_bytes(npz_bytes(arrays | {name: number.view(order + "U1")}))
            assert Outcomes().read(path.name, reader, path) is None


def npz_header(shape, size):
    """The head of a `.npy` of that shape, 1 + 2 + 2 + header bytes long."""
    text = f"{{'descr': '|V{size}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


# ---------------------------------------------------------------- IDX


PIXELS, LABELS = np.arange(24, dtype=np.uint8).reshape(4, 2, 3), np.array([7, 2, 7, 9], np.uint8)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def idx_by_hand(content, ndim):
    """The shape and the bytes of a right file, else None."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except Exception:
            return None
    shape = [int.from_bytes(content[4 * i : 4 * i + 4], "big") for i in range(1, ndim + 1)]
    size = math.prod(shape)
    if content[:4] != bytes([0, 0, 8, ndim]) or len(content) != 4 + 4 * ndim + size:
        return None
    return tuple(shape), content[4 + 4 * ndim :]


@pytest.mark.parametrize("pack", [bytes, lambda content: gzip.compress(content, mtime=0)], ids=["plain", "gzip"])
def test_idx(tmp_path, pack):
    path, outcomes = tmp_path / "images", Outcomes()
    pixels, labels = idx(PIXELS), idx(LABELS)
    folder = dict(zip(PARTS, (pixels, labels) * 2, strict=True))
    for part, content in folder.items():
        (tmp_path / part).write_bytes(pack(content))

    @OFTEN
    @given(damaged(pack(pixels), pack(labels)) | damaged(pixels, labels).map(pack))
    def run(content):
        path.write_bytes(content)
        found, truth = outcomes.read(path.name, read_idx, path, 3), idx_by_hand(content, 3)
        assert (found is None) == (truth is None)
        if found is not None:
            assert (found.shape, found.tobytes()) == truth and not found.flags.writeable
        pair = outcomes.read(path.name, load_idx, path, tmp_path / PARTS[1])
        assert (pair is not None) == (truth is not None and truth[0][0] == len(LABELS))
        pair = outcomes.read(path.name, load_idx, tmp_path / PARTS[0], path)
        labels = idx_by_hand(content, 1)
        assert (pair is not None) == (labels is not None and labels[0] == (len(PIXELS),))
        if pair is not None:
            assert pair[1].tolist() == list(labels[1])
        (tmp_path / PARTS[2]).write_bytes(content)
        whole = outcomes.read(tmp_path.name, load_folder, tmp_path)
        assert whole is None or (whole[2].shape == (4, 6) and truth[0][0] == 4)

    run()
    assert outcomes.accepted > 3 and outcomes.refused > 50


@pytest.mark.parametrize("shape", [(0, 2**32 - 1, 2**32 - 1), (2**32 - 1, 2**31, 0), (2**32 - 1, 0, 0), (0, 5, 7)])
def test_idx_without_a_byte_of_data(tmp_path, shape):
    """Empty, and yet a shape that no array can have, or more labels than the other file holds."""
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in shape)
    (tmp_path / "images").write_bytes(header)
    (tmp_path / "labels").write_bytes(idx(LABELS))
    assert Outcomes().read("images", load_idx, tmp_path / "images", tmp_path / "labels") is None


# ---------------------------------------------------------------- certificates


TINY = MLP.from_arrays([([[1.5, -1.0], [1.0, 0.75]], [-0.5, 0.25]), ([[1.0], [-0.75]], [-0.75])])
POINT = np.array([[0.25, 0.5]])
CERTIFICATES = {norm: certified_minimum(TINY, POINT, TINY.predict(POINT), norm=norm)[0].to_bytes() for norm in NORMS}
ODD = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 1e-300, 1e300, 2.0**62, np.inf, -np.inf, np.nan)


@st.composite
def nearly(draw, fields, other):
    """The fields of a certificate, a few of them from another one, of another type, or a little off."""
    fields = dict(fields)
    for name in draw(st.lists(st.sampled_from(list(fields)), min_size=1, max_size=3, unique=True)):
        how, value = draw(st.sampled_from(["other", "odd", "scaled", "any", "gone"])), fields[name]
        if how == "other":
            fields[name] = other.get(name, value)
        elif how == "odd" and value.dtype.kind in "fi":
            fields[name] = np.full(value.shape, draw(st.sampled_from(ODD)))
        elif how == "scaled" and value.dtype.kind == "f":
            fields[name] = value * draw(st.floats(0.9, 1.1))
        elif how == "any":
            fields[name] = draw(arrays())
        elif how == "gone":
            del fields[name]
    return npz_bytes(fields)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_certificates(tmp_path, norm):
    """Whatever passes `check` is true: every linear piece of the network says so."""
    path, outcomes = tmp_path / "proof.npz", Outcomes()
    content, other = CERTIFICATES[norm], CERTIFICATES["l1" if norm == "linf" else "linf"]
    fields, foreign = (parse_npz(c, "certificate") for c in (content, other))

    @OFTEN
    @given(damaged(content, other) | damaged_inside(content, other) | nearly(fields, foreign) | nearly(fields, foreign))
    def run(content):
        path.write_bytes(content)
        proof = outcomes.read(path.name, Certificate.load, path)
        if proof is None:
            return
        if outcomes.read("certificate: ", lambda: (proof.check(TINY, time_limit=5), "checked")) is None:
            return
        one, box = row(proof.ball(1), proof.x[None], 0), np.array(np.broadcast_arrays(*proof.box, proof.x)[:2])
        assert ((box[0] <= proof.x) & (proof.x <= box[1])).all()
        if np.ptp(box) > 1e3:
            return  # too wide for the linear programs; the claim stands on `check` alone
        least, most = (
            pattern_minimum(TINY, one, proof.x, proof.y, proof.target, m) for m in (0.0, BEYOND)
        )
        if proof.lower or proof.upper:  # both 0: misclassified
            assert proof.lower <= most * (1 + NOISE) + NOISE and proof.upper >= least * (1 - NOISE) - NOISE
        else:
            assert TINY.predict(proof.x[None])[0] != proof.y or least == 0

    run()
    assert outcomes.accepted > 5 and outcomes.refused > 50


# ---------------------------------------------------------------- campaigns


IMAGES = np.array([[0.25, 0.5], [0.125, 0.75], [0.5, 0.25]])
NODES = {"norm": "l0", "node_limit": 50, "time_limit": 60.0}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)
DEEP = (b"[" * 100_000, b'{"a":' * 100_000)
HOSTILE = (*DEEP, b"9" * 10_000, b'"\\ud800"', b"NaN", b"-Infinity", b"1e999", b"\xff\xfe[\0")


@st.composite
def lines(draw, content):
    """The lines with some of them dropped, doubled, exchanged, or with another value in one place."""
    rows = [json.loads(line) for line in content.splitlines()]
    first, rest = rows[0], draw(st.lists(st.sampled_from(rows[1:]), max_size=4))
    rows = [dict(r) for r in [first, *rest]]
    place = draw(st.integers(0, len(rows) - 1))
    name = draw(st.sampled_from(list(rows[place])))
    value = draw(JSON | st.sampled_from([base64.b64encode(b"x").decode(), "%", "A", 0, 1, 2, 3, -1, True, 1.0]))
    changed = draw(st.booleans())
    if changed:
        rows[place][name] = value
    written = [json.dumps(r).encode() for r in rows]
    if draw(st.integers(0, 4)) == 0:
        written[place] = draw(st.sampled_from(HOSTILE))
    return b"\n".join(written) + b"\n"


def test_campaigns(tmp_path):
    """What a resumed campaign returns is what an undisturbed one does; a file it refuses it leaves alone."""
    y, outcomes = TINY.predict(IMAGES), Outcomes()
    path, other = tmp_path / "lines.jsonl", tmp_path / "other.jsonl"
    whole = campaign(TINY, IMAGES, y, path, **NODES)
    campaign(TINY, IMAGES[::-1], y[::-1], other, **NODES)
    assert len({(c.lower, *c.x) for c in whole}) == 3
    content, foreign = path.read_bytes(), other.read_bytes()

    @OFTEN
    @given(damaged(content, foreign) | lines(content) | lines(content + foreign.split(b"\n", 1)[1]))
    def run(content):
        path.write_bytes(content)
        again = outcomes.read(path.name, lambda: campaign(TINY, IMAGES, y, path, **NODES))
        if again is None:
            assert path.read_bytes() == content
            return
        for a, b in zip(again, whole, strict=True):
            assert np.array_equal(a.x, b.x) and np.array_equal(a.x_adv, b.x_adv)
            assert (a.lower, a.upper, a.y, a.network) == (b.lower, b.upper, b.y, b.network)
        assert {json.loads(line).get("image") for line in path.read_bytes().splitlines()} == {None, 0, 1, 2}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)  # a disk may take its time, a hundred times
        run()
    assert outcomes.accepted > 5 and outcomes.refused > 50


# ---------------------------------------------------------------- the command line


class Reached(Exception):
    """Real work would begin here."""


def reached(*_, **__):
    raise Reached


NUMBERS = st.sampled_from(
    ["0", "1", "2", "4", "9", "-1", "10", "1e3", "0.5", "nan", "inf", "-inf", "1e400", "", " ", "0x10", "9" * 5000]
)
FILES = ("net.npz", "other.npz", "broken.npz", "missing.npz", "folder", "empty", "plain/below", "-", "net.npz/")
WORDS = st.text(st.characters(exclude_categories=("C",), exclude_characters="/."), max_size=6)
COUNTS = ["--seed", "--epochs", "--image", "--proof-seconds", "--workers", "--subset"]
COUNTS += ["--count", "--time-limit", "--gap"]
PLACES = ["--model", "--data", "--out"]
FLAGS = [*COUNTS, *PLACES, "--digits", "--norm", "--o", "--m", "-h", "--", "prove", "--prove"]


def test_arguments(tmp_path, monkeypatch, capsys):
    """Exit status 2 and a last line that says why, or real work begins; --help aside, nothing else."""
    x, y = np.random.default_rng(0).integers(0, 256, (80, 784), np.uint8), np.tile([4, 9, 0, 1], 20).astype(np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    monkeypatch.setattr(data.loader, "MNIST", tmp_path / "mnist.npz")
    monkeypatch.setattr(attacks.report.setup, "fit", reached)
    for module in (attacks.report.report_command, attacks.report.prove, attacks.report.decisions):
        monkeypatch.setattr(module, "workers", reached)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.npz").write_bytes(npz_bytes(MLP.init([784, 2, 1], rng=0).to_arrays()))
    (tmp_path / "other.npz").write_bytes(SAVED)
    (tmp_path / "broken.npz").write_bytes(SAVED[:-1])
    (tmp_path / "plain").write_bytes(b"")
    for name in ("folder", "empty"):
        (tmp_path / name).mkdir()
    for part in PARTS:
        (tmp_path / "folder" / part).write_bytes(idx(PIXELS if "images" in part else LABELS))
    seen = {"work": 0, "refused": 0, "usage": 0, "help": 0}
    value = NUMBERS | st.sampled_from(FILES) | WORDS | st.sampled_from(["l0", "linf", "l3"])
    option = st.tuples(st.sampled_from(FLAGS), st.lists(value, max_size=2)).map(lambda pair: [pair[0], *pair[1]])
    sensible = st.sampled_from(
        [
            *([flag, number] for flag in COUNTS for number in ("0", "3", "nan", "1e9")),
            *([flag, name] for flag in PLACES for name in FILES),
            *(["--digits", a, b] for a in "49" for b in "49"),
        ]
    )

    @settings(OFTEN, max_examples=300)
    @given(st.booleans(), st.lists(option | WORDS.map(lambda word: [word]), max_size=1), st.lists(sensible, max_size=3))
    def run(prove, odd, usual):
        arguments = [*["prove"] * prove, *(part for group in usual + odd for part in group)]
        try:
            status = main(arguments)
        except Reached:
            seen["work"] += 1
            return
        except SystemExit as stop:
            status = stop.code
        said = capsys.readouterr().err
        usage = "usage: python -m attacks" in said
        seen["usage" if usage else "refused" if status else "help"] += 1
        if status:
            last = said.splitlines()[-1]
            assert status == 2 and ("error: " in last if usage else last.startswith("error: ")), last
            assert 20 < len(last) and (usage or len(last) < 400 + max(map(len, arguments))), last

    run()
    assert min(seen["work"], seen["refused"], seen["usage"]) > 3, seen


# ---------------------------------------------------------------- memory


def peak(reader, *arguments):
    """Bytes allocated at most while the reader refuses its file."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"expected|promises"):
            reader(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


SLACK = 4_000_000  # the interpreter's own, a piece of gzip's, and a few copies of a small file


@pytest.mark.parametrize("shape", [(4, 2, 3), (2**32 - 1,) * 3, (1, 2**16, 2**16)])
def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_promises(tmp_path, shape):
    """100 MB of zeros in 100 kB behind a header of 24 bytes; and headers that promise more than is there."""
    header = bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in shape)
    held = 100_000_000 if math.prod(shape) < 1000 else 100_000
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(header + bytes(held), 9))
    assert path.stat().st_size < 200_000
    assert peak(read_idx, path, 3) < SLACK
    path.write_bytes(header + bytes(100_000))
    assert peak(read_idx, path, 3) < SLACK


def test_a_bomb_of_many_gzip_members(tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(idx(PIXELS)) + 300 * gzip.compress(bytes(1_000_000)))
    assert peak(read_idx, path, 3) < SLACK


def lying(content, size):
    """The archive with `size` in the place of every size that zip writes down."""
    content, end = bytearray(content), content.rfind(b"PK\5\6")
    at = int.from_bytes(content[end + 16 : end + 20], "little")
    while content[at : at + 4] == b"PK\1\2":
        local = int.from_bytes(content[at + 42 : at + 46], "little")
        for place in (at + 20, at + 24, local + 18, local + 22):
            content[place : place + 4] = size.to_bytes(4, "little")
        at += 46 + sum(int.from_bytes(content[at + k : at + k + 2], "little") for k in (28, 30, 32))
    return bytes(content)


@pytest.mark.parametrize("reader", [MLP.load, Certificate.load])
def test_zip_entries_take_no_more_than_the_file(tmp_path, reader):
    """Sizes that lie; 2000 entries that all are the same 100 kB (quoting zip bombs); arrays of 2^60 numbers."""
    path = tmp_path / "bomb.npz"
    for size in (2**32 - 2, 2**31, 10**6):
        path.write_bytes(lying(SAVED, size))
        assert peak(reader, path) < SLACK
    entry = npz_header((100_000,), 1) + bytes(100_000)
    one = sound_archive([("a.npy", entry)])
    end = one.rfind(b"PK\5\6")
    start = int.from_bytes(one[end + 16 : end + 20], "little")
    directory = one[start:end] * 2000
    tail = bytearray(one[end:])
    tail[8:12] = 2 * (2000).to_bytes(2, "little")
    tail[12:16] = len(directory).to_bytes(4, "little")
    path.write_bytes(one[:start] + directory + tail)
    assert peak(reader, path) < SLACK
    path.write_bytes(sound_archive([("a.npy", npz_header((2**60,), 8) + bytes(8))]))
    assert peak(reader, path) < SLACK
    for name in ("ZIP_DEFLATED", "ZIP_LZMA", "ZIP_BZIP2"):
        with zipfile.ZipFile(path, "w", getattr(zipfile, name)) as file:
            file.writestr("a.npy", bytes(20_000_000))
        assert path.stat().st_size < 200_000 and peak(reader, path) < SLACK


@pytest.mark.parametrize("hostile", [*HOSTILE, b'{"certified_minimum":' + b"[" * 10**6])
@pytest.mark.parametrize("place", ["first", "second"])
def test_hostile_lines(tmp_path, hostile, place):
    path, y = tmp_path / "lines.jsonl", TINY.predict(IMAGES)
    campaign(TINY, IMAGES[:1], y[:1], path, norm="l0")
    first = path.read_bytes().splitlines()[0]
    content = b"\n".join([hostile] if place == "first" else [first, hostile]) + b"\n"
    path.write_bytes(content)
    assert peak(partial(campaign, norm="l0"), TINY, IMAGES[:1], y[:1], path) < SLACK + 20 * len(content)
    assert path.read_bytes() == content
