"""What a command says, wherever it says it: full disks, readers who have gone, narrow terminals, slips."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from importlib import metadata

import numpy as np
import pytest
from paths import NETS, ROOT

from attacks.report.cli import main
from attacks.report.command_line import COMMANDS, CommandParser
from attacks.report.pool import Pool
from attacks.report.workers import one_thread_each, workers
from minigrad.threads import VARIABLES

PROVE = "-m", "attacks", "prove", "--count", "1", "--model", str(NETS / "784-32-1.npz"), "--out", "p"
FILES = {"certificates.jsonl", "table.csv", "summary.json", "histogram.png", "attack_against_proof.png", "model.npz"}
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")


def run(folder, *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **variables):
    env = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run([sys.executable, *command], cwd=folder, env=env, stdout=stdout, stderr=stderr, check=False)


def test_a_matplotlibrc_and_a_reader_who_has_gone(tmp_path):
    """Figures are drawn without LaTeX, the pipe that nobody reads is no error, and every file is there."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.family: serif\nfigure.dpi: 31\n")
    reading, writing = os.pipe()
    os.close(reading)
    done = run(tmp_path, *PROVE, stdout=writing)
    os.close(writing)
    assert done.returncode == 0, done.stderr.decode()
    assert {path.name for path in (tmp_path / "p").iterdir()} == FILES
    assert not re.search(b"Traceback|Exception|rror", done.stderr), done.stderr.decode()


@FULL
def test_a_full_disk_behind_standard_output_or_standard_error(tmp_path):
    with open("/dev/full", "wb") as full:
        done = run(tmp_path, *PROVE, stdout=full)
        assert done.returncode == 2 and {path.name for path in (tmp_path / "p").iterdir()} == FILES
        last = done.stderr.decode().splitlines()[-1]
        assert last.startswith("error: ") and last.endswith("the table cannot be printed; everything else is done")
        assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
        done = run(tmp_path, *PROVE, stderr=full)
        assert done.returncode == 0 and b"closed" in done.stdout


def test_letters_that_the_terminal_lacks_are_escaped(tmp_path):
    code = "from attacks.report.progress import StatusLine, say; StatusLine()('käse'); say('käse \u2192 b')"
    done = run(tmp_path, "-c", code, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == rb"k\xe4se \u2192 b" + b"\n" and rb"k\xe4se" in done.stderr
    assert run(tmp_path, "-c", code, PYTHONIOENCODING="utf-8").stdout.decode() == "käse \u2192 b\n"


@pytest.mark.parametrize("columns", [40, 200, 0])
def test_a_terminal_gets_one_line_a_step(tmp_path, columns):
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    text = "a long step, " * 9
    code = f"from attacks.report.progress import StatusLine; s = StatusLine(); s({text!r}); s({text!r}); s.end()"
    done = run(tmp_path, "-c", code, stderr=theirs)
    os.close(theirs)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    assert done.returncode == 0 and "\n" not in said
    first, one, two, last = said.split("\r\x1b[K")
    assert first == last == "" and len(one) == len(two) <= (columns or 80) - 1
    assert one.startswith("[  0.0 s] a long step, a") and (columns != 200 or one.endswith(text))


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("porve", "got 'porve'; prove?"),
        ("Prove", "got 'Prove'; prove?"),
        ("Report", "got 'Report'; report?"),
        ("frobnicate", "got 'frobnicate'"),
        ("comapre", "got 'comapre'; compare?"),
        ("slide", "got 'slide'; slides?"),
    ],
)
def test_a_word_that_is_no_command(capsys, word, end):
    with pytest.raises(SystemExit) as stop:
        main([word, "--count", "3"])
    assert stop.value.code == 2
    expected = f"expected options, or one of the commands report, prove, check, compare, slides, {end}"
    assert capsys.readouterr().err.rstrip().endswith(expected)


def test_the_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    said = capsys.readouterr().out
    assert stop.value.code == 0 and len(said.splitlines()) == 1
    assert said.startswith(f"minigrad-attacks {metadata.version('minigrad-attacks')}, Python ")
    assert said.endswith(f"NumPy {np.__version__}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_that_is_one(name, capsys, monkeypatch):
    """And every command is quiet when told so, and found when its module is loaded."""
    parsers = []
    monkeypatch.setattr(CommandParser, "parse", lambda parser, given: parsers.append(parser) or sys.exit())
    with pytest.raises(SystemExit):
        main([name])
    (parser,) = parsers
    monkeypatch.undo()
    example = COMMANDS[name].example
    found = parser.parse([*example.split(), "--quiet"])
    assert found.quiet
    text = parser.format_help()
    assert f"example:\n  python -m attacks {name} {example}\n" in text
    if name == "report":
        assert all(f"python -m attacks {other} {command.example}\n" in text for other, command in COMMANDS.items())


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (["--ouut", "r"], "got --ouut; --out?"),
        (["prove", "--esp=0.1"], "got --esp; --eps?"),
        (["prove", "--zzz"], "got --zzz"),
        (["prove", "r"], "expected options, got the word 'r'"),
        (["prove", "--norm", "L0"], "; l0?"),
        (["prove", "--norm", "xyz"], "'linf')"),
        (["compare", "a.npz", "--qqq", "1"], "got --qqq"),
        (["check"], "required: MODEL, PROOF"),
    ],
)
def test_a_slip_in_an_option_gets_a_suggestion(capsys, arguments, end):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    said = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and len(said) == 2 and said[0].startswith("usage: python -m attacks")
    assert said[1].endswith(end)


@pytest.mark.parametrize(
    ("arguments", "begin"),
    [
        (["--epochs", "0"], "--epochs: expected at least 1, got 0"),
        (["--proof-seconds", "-1"], "--proof-seconds: expected"),
        (["--data", "nowhere"], "--data: nowhere: "),
        (["prove", "--time-limit", "-1"], "--time-limit: expected"),
        (["prove", "--eps", "-1", "--norm", "linf"], "--eps: expected a number"),
        (["prove", "--model", "nowhere.npz"], "--model: nowhere.npz: No such file"),
        (["compare", "nowhere.npz"], "MODEL: nowhere.npz: No such file"),
        (["compare", "nowhere.npz", "--eps", "0"], "--eps: expected radii above 0"),
        (["check", "nowhere.npz", "p.npz"], "MODEL: nowhere.npz: No such file"),
        (["slides", "nowhere"], "REPORT: nowhere: expected the folder of a report"),
    ],
)
def test_an_error_names_the_option_that_it_is_about(tmp_path, monkeypatch, capsys, arguments, begin):
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--quiet"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {begin}") and not [*tmp_path.iterdir()]


@pytest.mark.parametrize("command", [[], ["prove"]], ids=["report", "prove"])
def test_a_file_of_images_is_no_network(tmp_path, capsys, command):
    assert main([*command, "--model", str(ROOT / "data" / "mnist.npz"), "--out", str(tmp_path / "r")]) == 2
    assert "no network in it, but x_train, y_train, x_test, y_test" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "r").exists()


def test_a_pool_answers_and_passes_on_what_is_raised():
    with workers(2) as pool:
        asked = [pool.submit(pow, 2, i) for i in range(20)]
        assert [future.result() for future in asked] == [2**i for i in range(20)]
        assert pool.submit(os.getenv, VARIABLES[0]).result() == "1"
        with pytest.raises(ZeroDivisionError) as raised:
            pool.submit(divmod, 1, 0).result()
        assert "Traceback" in raised.value.__notes__[0]
        assert pool.submit(pow, 3, 2).result() == 9  # it lives on
    with pytest.raises(RuntimeError, match="the pool has ended"):
        pool.submit(pow, 2, 2)


def test_a_process_that_dies_breaks_the_pool_and_nobody_waits_for_ever():
    pool = Pool(1)
    try:
        asked = [pool.submit(os._exit, 1), pool.submit(pow, 2, 2)]
        for future in asked:
            with pytest.raises(BrokenExecutor):
                future.result(timeout=120)
        with pytest.raises(BrokenExecutor):
            pool.submit(pow, 2, 2).result(timeout=120)
    finally:
        pool.kill()


def test_a_block_that_fails_ends_its_processes_in_the_middle_of_their_work():
    begun, asked = time.monotonic(), []

    def fail():
        with workers(2) as pool:
            asked.extend(pool.submit(time.sleep, 600) for _ in range(4))
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail()
    for future in asked:
        with pytest.raises(BrokenExecutor):
            future.result(timeout=120)
    assert time.monotonic() - begun < 120


@pytest.mark.skipif(os.name != "posix", reason="no exec on Windows")
def test_the_command_starts_again_with_one_thread_unless_a_number_is_chosen(monkeypatch):
    started = []
    monkeypatch.setattr(os, "execv", lambda *given: started.append(given))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-X", "utf8", "-m", "attacks", "--seed", "3"])
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    one_thread_each()
    assert not started
    monkeypatch.delenv("OMP_NUM_THREADS")
    one_thread_each()
    assert started == [(sys.executable, [sys.executable, "-X", "utf8", "-m", "attacks", "--seed", "3"])]
    assert all(os.environ[name] == "1" for name in VARIABLES)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no masks on Windows")
def test_a_worker_does_not_hear_ctrl_c():
    with workers(1) as pool:
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
        assert signal.SIGINT in pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
