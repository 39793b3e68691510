"""One bar for whatever takes long: on a terminal, in a log, and not at all."""

import os

import numpy as np
import pytest

from attacks import LInf, certified_minimum, compare, robust_accuracy
from attacks.proofs.campaign import campaign
from attacks.proofs.task import Progress
from attacks.report import report_command
from attacks.report.cli import main
from attacks.report.progress import Bar, Clock, StatusLine
from minigrad import MLP

NET = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
X, Y = np.array([[0.25, 0.5], [0.125, 0.5], [0.5, 0.125]]), np.zeros(3, int)


def percents(said):
    return [int(text.partition("%")[0]) for text in said]


@pytest.mark.parametrize(
    "run",
    [
        lambda path, bar: campaign(NET, X, Y, path, norm="linf", on_progress=bar),
        lambda path, bar: robust_accuracy(NET, X, Y, LInf(0.1), on_progress=bar),
        lambda path, bar: compare({"a": NET, "b": NET}, X, Y, sample=2, count=3, on_progress=bar),
        lambda path, bar: compare({"a": NET}, X, Y, count=0, on_progress=bar),
    ],
    ids=["campaign", "robust_accuracy", "compare", "compare without minima"],
)
def test_all_that_take_long_end_at_a_hundred_percent(tmp_path, run):
    said = []
    run(tmp_path / "c.jsonl", Bar("all", said.append))
    assert percents(said) == sorted({*percents(said)}) and percents(said)[-1] == 100
    assert said[-1].endswith("done, 0 open: all")


def test_a_log_has_one_line_a_percent_and_a_terminal_a_bar(monkeypatch):
    said = []
    bar = Bar("all", said.append)
    for done in range(1001):
        bar(Progress(done, 1000 - done, 60.0))
    assert percents(said) == list(range(101)) and said[50] == " 50%, 500 done, 500 open, about 60 s left: all"
    line = StatusLine()
    line.terminal = True
    monkeypatch.setattr(StatusLine, "__call__", lambda _, text: said.append(text))
    said.clear()
    for done in (0, 1, 2):
        Bar("all", line)(Progress(done, 2 - done, np.nan))
    assert [text.partition("]")[0] for text in said] == ["[" + "#" * n + "-" * (20 - n) for n in (0, 10, 20)]
    assert said[1] == "[##########----------]  50%, 1 done, 1 open: all"


def test_the_reports_steps_are_those_that_were_measured(written):
    """In their order; the others are the sum and what the checks of proofs took beside."""
    steps = [step for step in written.numbers["seconds"] if step != "all" and not step.startswith("check ")]
    assert steps == list(report_command.SECONDS)


def test_a_step_that_does_not_come_is_passed_over():
    said = []
    clock = Clock(said.append, {"load": 1.0, "train": 5.0, "attack": 4.0})
    for step in ("load", "attack"):
        with clock(step):
            pass
    assert percents(said) == [0, 60] and " 2 done, 1 open" in said[1]


def test_quiet_is_silent(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng, y = np.random.default_rng(0), np.arange(80) % 2
    np.savez("own.npz", x=np.clip(rng.uniform(0, 0.6, (80, 4)) + 0.4 * y[:, None], 0, 1), y=y)
    own = ["--quiet", "--data", "own.npz", "--digits", "0", "1"]
    limits = ["--norm", "linf", "--eps", "0.001", "--count", "2", "--epochs", "40"]
    assert main(["prove", *own, *limits]) == 0 and os.path.exists("proofs/table.csv")
    assert main(["compare", "proofs/model.npz", *own, "--count", "1"]) == 0 and os.path.exists("comparison")
    assert main(["check", "--quiet", "proofs"]) == 0
    assert capsys.readouterr() == ("", "")


def test_certified_minimum_itself_says_nothing(capsys):
    certified_minimum(NET, X, Y, norm="linf")
    assert capsys.readouterr() == ("", "")
