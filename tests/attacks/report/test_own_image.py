"""prove --image: an image file of one's own gets an interval, a proof and the checker; what does not fit is refused."""

import numpy as np
import pytest

import attacks.checker as checker
from attacks import Certificate
from attacks.report.cli import main
from attacks.report.play_nets import ten_digits
from minigrad import MLP
from minigrad.io.png import write_png

NET = MLP.init([784, 6, 3], rng=0)


@pytest.fixture
def digit(tmp_path, monkeypatch):
    """A folder with digit.png and model.npz; the class that NET sees in it."""
    monkeypatch.chdir(tmp_path)
    ten = ten_digits()
    x = ten.images()[2]
    write_png(tmp_path / "digit.png", x.reshape(28, 28))
    NET.save(tmp_path / "model.npz")
    return ["--image", "digit.png", "--label", str(NET.predict(x[None])[0])]


def test_interval_proof_and_checker_are_written_and_agree(digit, capsys):
    assert main(["prove", *digit, "--model", "model.npz", "--norm", "linf", "--out", "mine"]) == 0
    said = capsys.readouterr().out.splitlines()
    certificate = Certificate.load("mine/proof-digit.npz")
    assert np.array_equal(certificate.x, ten_digits().images()[2]) and certificate.norm == "linf"
    assert said[0] == str(certificate) and said[1].endswith("(checked exactly)")
    assert said[2] == "check it with NumPy alone: cd mine; python checker.py model.npz proof-digit.npz"
    assert checker.main("mine/model.npz", "mine/proof-digit.npz") == 0
    assert main(["check", "mine"]) == 0
    assert main(["prove", *digit, "--model", "model.npz", "--out", "mine"]) == 0  # the same network: the same folder


def test_a_target_and_a_network_of_the_play_page(digit, capsys):
    label = ["--label", str(ten_digits().pictures[2]["digit"])]
    how = ["--target", "8", "--model", "robust", "--time-limit", "0.1", "--out", "mine"]
    assert main(["prove", *digit[:2], *label, *how]) == 0
    assert Certificate.load("mine/proof-digit.npz").target == 8 and main(["check", "mine"]) == 0


def test_what_the_exact_checker_cannot_do_is_said(digit, capsys):
    smooth = MLP.init([784, 6, 3], rng=0, activation="tanh")
    smooth.save("smooth.npz")
    label = str(smooth.predict(ten_digits().images()[2:3])[0])
    assert main(["prove", *digit[:2], "--label", label, "--model", "smooth.npz", "--out", "mine"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].endswith("(replayed in floats)") and "ReLU" in said[2] and "attacks check mine" in said[2]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--label", "0"], "--image: expected --model and --label"),
        (["--model", "model.npz"], "--image: expected --model and --label"),
        (["--model", "model.npz", "--label", "0", "--eps", "0.1"], "neither --eps nor --vnnlib"),
        (["--model", "small.npz", "--label", "0"], "--model: expected a network of 784 pixels"),
        (["--model", "model.npz", "--label", "3"], "--label: "),
        (["--model", "missing.npz", "--label", "0"], "missing.npz"),
        (["--model", "model.npz", "--label", "0", "--out", "campaign"], "--out: expected a folder for proofs"),
        (["--model", "model.npz", "--label", "0", "--out", "other"], "--out: expected a folder of proofs about"),
        (["--model", "model.npz", "--label", "0", "--image", "no.png"], "no.png"),
    ],
)
def test_refusals(digit, tmp_path, capsys, more, says):
    MLP.init([4, 1], rng=0).save("small.npz")
    for folder in ("campaign", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "campaign" / "certificates.jsonl").write_text("")
    MLP.init([784, 2], rng=0).save("other/model.npz")
    before = sorted(tmp_path.rglob("*"))
    assert main(["prove", "--image", "digit.png", *more]) == 2
    error = capsys.readouterr().err
    assert says in error and error.startswith("error: ") and error.count("\n") == 1, error
    assert sorted(tmp_path.rglob("*")) == before
