"""prove --eps and prove --vnnlib: what they write, print and refuse."""

import csv
import json

import numpy as np
import pytest
from paths import NETS
from queries import real_net

from attacks import Certificate
from attacks.report import decisions
from attacks.report.cli import main
from minigrad import MLP

NET = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
SMALL = str(NETS / "784-32-1.npz")


def vnnlib(path, *boxes, least="0.0"):
    """Is N > least somewhere in one of these boxes, ((lo, hi), (lo, hi)) each?"""
    cases = " ".join(
        "(and " + " ".join(f"(>= X_{i} {lo}) (<= X_{i} {hi})" for i, (lo, hi) in enumerate(box)) + f" (>= Y_0 {least}))"
        for box in boxes
    )
    names = " ".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0"))
    path.write_text(f"{names}\n(assert (or {cases}))\n")
    return str(path)


def asked(tmp_path, capsys, *boxes, least="0.0", model=None):
    """`(exit status, standard output)`."""
    if model is None:
        model = tmp_path / "net.npz"
        NET.save(model)
    status = main(["prove", "--model", str(model), "--vnnlib", vnnlib(tmp_path / "p.vnnlib", *boxes, least=least)])
    return status, capsys.readouterr().out


LOW, HIGH, EDGE = ((0.0, 0.4), (0.0, 0.5)), ((0.5, 1.0), (0.25, 0.75)), ((0.0, 0.5), (0.0, 0.5))


@pytest.mark.parametrize(
    ("boxes", "status", "word"),
    [
        ([LOW], 0, "unsat"), ([HIGH], 10, "sat"), ([EDGE], 20, "unknown"), ([LOW, LOW[::-1]], 0, "unsat"),
        ([LOW, HIGH], 10, "sat"), ([EDGE, HIGH], 10, "sat"), ([EDGE, LOW], 20, "unknown"), ([LOW, EDGE], 20, "unknown"),
    ],
)  # fmt: skip
def test_the_answer_to_a_query_and_the_exit_status(boxes, status, word, tmp_path, capsys):
    code, said = asked(tmp_path, capsys, *boxes)
    assert (code, said.split()[0]) == (status, word)
    if word == "sat":
        pairs = [line.strip("() ").split() for line in said.splitlines()[1:]]
        values = {name: float(value) for name, value in pairs}
        x = np.array([[values["X_0"], values["X_1"]]])
        assert NET.logits(x)[0, 0] == values["Y_0"] > 0 and len(values) == 3
    else:
        assert said == f"{word}\n"


def test_a_network_in_onnx(tmp_path, capsys):
    pytest.importorskip("onnx")
    NET.to_onnx(tmp_path / "net.onnx")
    assert asked(tmp_path, capsys, LOW, model=tmp_path / "net.onnx") == (0, "unsat\n")
    assert asked(tmp_path, capsys, HIGH, model=tmp_path / "net.onnx")[0] == 10


def test_eps_writes_verdicts_and_certificates_that_check(tmp_path, capsys):
    command = ["--count", "3", "--model", SMALL, "--norm", "linf", "--out", str(tmp_path / "p"), "--eps"]
    found = {}
    for eps, only in ((0.001, "robust"), (0.3, "fooled")):  # the second run replaces the first
        assert main(["prove", *command, str(eps)]) == 0
        said = capsys.readouterr()
        assert f"3 test images, linf at {eps:g}: " in said.out and "100%, 3 done, 0 open: prove linf" in said.err
        summary = json.loads((tmp_path / "p" / "summary.json").read_text())
        with (tmp_path / "p" / "table.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert summary[only] == 3 == summary["images"] and [row["status"] for row in rows] == [only] * 3
        files = sorted((tmp_path / "p" / "certificates").iterdir())
        assert {file.stem for file in files} == {row["image"] for row in rows}
        found[only] = [Certificate.load(file) for file in files]
        for certificate in found[only]:
            certificate.check(MLP.load(tmp_path / "p" / "model.npz"))
    assert all(c.lower == 0.001 for c in found["robust"]) and all(c.upper <= 0.3 for c in found["fooled"])
    (tmp_path / "p" / "certificates.jsonl").write_text("")
    assert main(["prove", *command, "0.1"]) == 2 and "certified minima" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--eps", "0.1", "--gap", "0.1"], "--eps or --gap"),
        (["--eps", "-1"], "--eps: "), (["--eps", "nan"], "--eps: "),
        (["--eps", "0.1", "--norm", "l0"], "add --norm linf"), (["--vnnlib", "p.vnnlib"], "--model"),
        (["--vnnlib", "p.vnnlib", "--model", "net.pth"], ".onnx, .nnet, .npz"),
        (["--vnnlib", "p.vnnlib", "--model", "net.npz", "--eps", "1"], "--eps"),
        (["--vnnlib", "none.vnnlib", "--model", SMALL], "none.vnnlib"),
        (["--vnnlib", "none.vnnlib", "--model", SMALL, "--time-limit", "-1"], "--time-limit: "),
        (["--vnnlib", "none.vnnlib", "--model", SMALL, "--proofs"], "--proofs: "),
        (["--vnnlib", "none.vnnlib", "--model", SMALL, "--norm", "l2"], "--norm: "),
        (["--vnnlib", "none.vnnlib", "--model", SMALL, "--image", "x.png"], "--image: "),
        (["--label", "3"], "--label: expected no --label without --image"),
        (["--eps", "0.1", "--target", "3"], "--target: "),
        (["--image", "x.png", "--label", "3", "--model", SMALL, "--count", "7"], "--count: "),
    ],
)  # fmt: skip
def test_bad_options_are_one_sentence_and_nothing_is_written(options, words, tmp_path, capsys):
    norm = [] if {"--norm", "--vnnlib"} & {*options} else ["--norm", "linf"]
    assert main(["prove", *options, *norm, "--out", str(tmp_path / "p")]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and words in said.err and len(said.err.splitlines()) == 1 and not said.out
    assert not (tmp_path / "p").exists()


def in_hand(monkeypatch, *, ends_after=None):
    """The rows that are decided from now on; Ctrl-C comes with the row after `ends_after`."""
    rows, real = [], decisions.decide_one

    def decide(arrays, row, *asked):
        if len(rows) == ends_after:
            raise KeyboardInterrupt
        rows.append(row)
        return real(arrays, row, *asked)

    monkeypatch.setattr(decisions, "decide_one", decide)
    return rows


def table(out):
    """The table without its seconds."""
    with (out / "table.csv").open() as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def test_a_run_that_was_ended_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    options = ["--model", SMALL, "--norm", "linf", "--eps", "0.02", "--quiet"]
    assert main(["prove", *options, "--count", "4", "--out", str(tmp_path / "whole")]) == 0
    out = tmp_path / "ended"
    with monkeypatch.context() as patch:
        assert len(in_hand(patch, ends_after=2)) == 0
        assert main(["prove", *options, "--count", "4", "--out", str(out)]) == 130
    assert "run the same command again to go on" in capsys.readouterr().err and not (out / "table.csv").exists()
    with (out / "verdicts.jsonl").open("ab") as file:
        file.write(b'{"image": 2, "sta')  # torn
    first = json.loads((out / "verdicts.jsonl").read_text().splitlines()[1])["image"]
    damaged = out / "certificates" / f"{first}.npz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with monkeypatch.context() as patch:
        rows = in_hand(patch)
        assert main(["prove", *options, "--count", "4", "--out", str(out)]) == 0
        assert len(rows) == 3  # two that were open, and the one whose certificate is not what was written
    assert table(out) == table(tmp_path / "whole")
    assert main(["check", "--quiet", str(out)]) == 0
    with monkeypatch.context() as patch:
        rows = in_hand(patch)
        assert main(["prove", *options, "--count", "5", "--workers", "1", "--out", str(out)]) == 0 and len(rows) == 1
        assert main(["prove", *options[:-2], "0.03", "--quiet", "--count", "2", "--out", str(out)]) == 0
        assert len(rows) == 3 and len(table(out)) == 2 and len([*(out / "certificates").iterdir()]) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"fooled"', '"robust"'), ('"fooled"', '"banana"'), ('"nodes": ', '"nodes": "x", "more": '),
        ('"seconds": ', '"s": '),
    ],
)
def test_a_line_that_its_certificate_does_not_bear_out_is_decided_again(old, new, tmp_path, monkeypatch):
    command = ["prove", "--model", SMALL, "--norm", "linf", "--eps", "0.3", "--count", "2", "--quiet", "--out"]
    assert main([*command, str(tmp_path)]) == 0
    whole, log = table(tmp_path), tmp_path / "verdicts.jsonl"
    first, line, *others = log.read_text().splitlines(keepends=True)
    assert old in line
    log.write_text("".join([first, line.replace(old, new), *others]))
    with monkeypatch.context() as patch:
        rows = in_hand(patch)
        assert main([*command, str(tmp_path)]) == 0 and len(rows) == 1
    assert table(tmp_path) == whole


def test_workers_say_the_same(tmp_path):
    options = ["--model", SMALL, "--norm", "linf", "--eps", "0.02", "--quiet", "--count", "3"]
    for workers in ("1", "2"):
        assert main(["prove", *options, "--workers", workers, "--out", str(tmp_path / workers)]) == 0
    assert table(tmp_path / "1") == table(tmp_path / "2")


def test_where_there_are_fewer_images_than_workers_they_share_each_search(tmp_path, monkeypatch, capsys):
    """The network has three hidden layers and four classes, so that there are nodes to share."""
    real, shared = decisions.certify, []

    def certify(*given, executor, **options):
        shared.append(executor is not None)
        return real(*given, executor=executor, **options)

    monkeypatch.setattr(decisions, "certify", certify)
    real_net((6, 8, 8, 8, 4), 4).save(tmp_path / "net.npz")
    lines = [f"(declare-const X_{i} Real)" for i in range(6)] + [f"(declare-const Y_{j} Real)" for j in range(4)]
    lines += [f"(assert (>= X_{i} 0.45))\n(assert (<= X_{i} 0.55))" for i in range(6)]
    y = int(MLP.load(tmp_path / "net.npz").predict(np.full((1, 6), 0.5))[0])
    wins = " ".join(f"(and (>= Y_{j} Y_{y}))" for j in range(4) if j != y)
    (tmp_path / "p.vnnlib").write_text("\n".join([*lines, f"(assert (or {wins}))"]))
    query = ["prove", "--model", str(tmp_path / "net.npz"), "--vnnlib", str(tmp_path / "p.vnnlib")]
    assert [main([*query, "--workers", workers]) for workers in "12"] == [0, 0]
    assert capsys.readouterr().out == "unsat\nunsat\n" and shared == [False, True]
    options = ["--model", SMALL, "--norm", "linf", "--eps", "0.02", "--quiet", "--count", "1"]
    for workers in ("1", "2"):
        assert main(["prove", *options, "--workers", workers, "--out", str(tmp_path / workers)]) == 0
    assert table(tmp_path / "1") == table(tmp_path / "2") and shared[2:] == [False, True]
    assert main([*query, "--workers", "0"]) == 2 and "--workers: expected at least 1, got 0" in capsys.readouterr().err
