"""Text files `.nnet`, against an evaluator written from the format's description."""

from itertools import pairwise

import numpy as np
import pytest
from damage import OFTEN, Outcomes, damaged
from hypothesis import given

from minigrad import MLP
from minigrad.io.nnet import Nnet

RNG = np.random.default_rng(4)
SIZES = (3, 4, 5, 2)
LO, HI = np.array([0.0, -3.25, 100.0]), np.array([60760.0, 3.25, 1200.0])
MEAN, RANGE = np.array([19791.0, 0.5, 650.0, 7.5]), np.array([60261.0, 6.5, 1100.0, 373.5])
LAYERS = [(RNG.normal(size=(m, n)), RNG.normal(size=m)) for n, m in pairwise(SIZES)]


def row(numbers, end=",\n"):
    return ",".join(map(repr, np.asarray(numbers).tolist())) + end


def written(layers=LAYERS, lo=LO, hi=HI, mean=MEAN, scale=RANGE, end=",\n", **changed):
    """The lines of a file; `changed`: a name of one of the first lines, and what is there instead."""
    sizes = [layers[0][0].shape[1], *(len(b) for _, b in layers)]
    head = {
        "comment": "// a network\n// of two comment lines\n",
        "counts": row([len(layers), sizes[0], sizes[-1], 50], end), "sizes": row(sizes, end), "flag": f"0{end}",
        "lo": row(lo, end), "hi": row(hi, end), "mean": row(mean, end), "range": row(scale, end),
    } | changed  # fmt: skip
    body = [row(line, end) for A, b in layers for line in [*A, *b[:, None]]]
    return "".join([*head.values(), *body])


def evaluated(x, layers=LAYERS, mean=MEAN, scale=RANGE):
    """One image x (d,), number by number, as the description says."""
    a = [(v - m) / r for v, m, r in zip(x, mean, scale, strict=False)]
    for k, (A, b) in enumerate(layers):
        a = [sum(w * v for w, v in zip(line, a, strict=True)) + c for line, c in zip(A, b, strict=True)]
        a = [max(v, 0.0) for v in a] if k < len(layers) - 1 else a
    return [v * scale[-1] + mean[-1] for v in a]


@pytest.mark.parametrize("end", [",\n", "\n", ",\r\n"])
def test_the_scaling_is_folded_in(tmp_path, end):
    path = tmp_path / "net.nnet"
    path.write_text(written(end=end), newline="")
    net, nnet = MLP.from_nnet(path), Nnet.read(path)
    x = LO + (HI - LO) * RNG.random((20, 3))
    assert net.sizes == SIZES and net.activation == "relu" and net.threshold == 0
    assert np.array_equal(nnet.box, (LO, HI))
    theirs = [evaluated(point) for point in x]
    np.testing.assert_allclose(net.logits(x), theirs, rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(nnet.logits(x), theirs, rtol=1e-11, atol=1e-9)


def test_without_scaling_the_weights_are_those_of_the_file(tmp_path):
    path = tmp_path / "net.nnet"
    path.write_text(written(mean=np.zeros(4), scale=np.ones(4)))
    for layer, (A, b) in zip(MLP.from_nnet(path).dense, LAYERS, strict=True):
        assert np.array_equal(layer.W, A.T) and np.array_equal(layer.b, b)


BAD = {
    "nothing": ("", r"expected 4 numbers \(layers, .*\) in line 1, got 0$"),
    "counts": (written(counts="3,3,2,\n"), r"expected 4 numbers \(layers, .*\) in line 3, got 3$"),
    "no whole number": (written(counts="3.0,3,2,50,\n"), "in line 3, got invalid literal for int"),
    "no layer": (written(counts="0,3,2,50,\n", sizes="3,\n"), "expected 0 layers from 3 inputs to 2 outputs"),
    "less than no layer": (written(counts="-1,3,2,50,\n", sizes="\n"), "expected -?[0-9]+ layers|in line 4"),
    "other inputs": (written(counts="3,4,2,50,\n"), r"3 layers from 4 inputs to 2 outputs, got sizes \[3, 4, 5, 2\]$"),
    "an empty layer": (written(sizes="3,0,5,2,\n"), r"got sizes \[3, 0, 5, 2\]$"),
    "as many as no file holds": (written(sizes=f"3,{10**18},5,2,\n"), r"expected 3 numbers \(weights of layer 1\) in"),
    "few means": (written(mean=MEAN[:3]), r"expected 4 numbers \(means\) in line 8, got 3$"),
    "range 0": (written(scale=[1, 0, 1, 1.0]), "expected ranges other than 0"),
    "lo above hi": (written(lo=HI, hi=LO), "the least inputs below the greatest$"),
    "no number": (written(lo=LO, hi=HI, flag="zero,\n"), r"\(the unused flag\) in line 5, got could not convert"),
    "NaN": (written(mean=[0, 0, np.nan, 0]), r"\(means\) in line 8, got a number that is not finite$"),
    "too large": (written(mean="1e999,0,0,0,\n"), r"\(means\) in line 8, got"),
    "more": (written() + "1.0,\n2.0,\n", "expected the end after line [0-9]+, got 2 more lines$"),
    "overflow": (written(scale=[1e-320, 1, 1, 1]), r"bad\.nnet: expected finite weights"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_such_file_is_named(tmp_path, name):
    text, sentence = BAD[name]
    path = tmp_path / "bad.nnet"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence) as caught:
        MLP.from_nnet(path)
    assert str(caught.value).isprintable()


def test_every_beginning_of_a_file_is_refused(tmp_path):
    layers = [(RNG.normal(size=(2, 1)), RNG.normal(size=2)), (RNG.normal(size=(1, 2)), RNG.normal(size=1))]
    whole = written(layers, LO[:1], HI[:1], MEAN[:2], RANGE[:2])
    path, outcomes = tmp_path / "net.nnet", Outcomes()
    for end in range(len(whole) - 1):  # without its last new line a file is whole: the comma is there
        path.write_text(whole[:end])
        assert outcomes.read(path.name, MLP.from_nnet, path) is None, whole[:end]
    path.write_text(whole[:-1])
    assert MLP.from_nnet(path).sizes == (1, 2, 1)


def test_damaged_files_are_refused_or_other_networks(tmp_path_factory):
    path, outcomes = tmp_path_factory.mktemp("nnet") / "net.nnet", Outcomes()

    @OFTEN
    @given(damaged(written().encode(), b"\xff\xfe,nan,1e400,-,9999999999\n" * 9))
    def check(content):
        path.write_bytes(content)
        net = outcomes.read(path.name, MLP.from_nnet, path)
        assert net is None or isinstance(net, MLP)

    check()
    assert outcomes.refused > 50


def test_a_file_that_is_read_wrongly_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "net.nnet"
    path.write_text(written())
    monkeypatch.setattr(Nnet, "arrays", lambda nnet: ([(W, b) for W, b in nnet.layers], "relu"))
    with pytest.raises(ValueError, match=r"net\.nnet: expected the logits that its layers give"):
        MLP.from_nnet(path)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        MLP.from_nnet(tmp_path / "none.nnet")
