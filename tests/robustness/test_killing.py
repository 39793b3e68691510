"""Killed, out of disk, not allowed: one sentence at most, no half file, and the same command goes on (killing.py)."""

import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from killing import NET, PROVE, REPORT, Undisturbed, check_whole, names, run, runs, start, workers
from paths import NETS, ROOT

from minigrad.io.files import write_whole


@pytest.fixture(scope="module")
def prove(tmp_path_factory):
    return Undisturbed(PROVE, tmp_path_factory.mktemp("prove") / "whole")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return Undisturbed(REPORT, tmp_path_factory.mktemp("report") / "whole")


def test_proofs_killed_go_on(prove, tmp_path):
    assert prove.disturb(tmp_path / "out", np.random.default_rng(0), while_writing=True)


def test_a_report_killed_while_it_writes_is_written_again(report, tmp_path):
    report.disturb(tmp_path / "out", np.random.default_rng(1), while_writing=True)


def test_a_worker_killed_is_said_and_the_rest_goes_on(prove, tmp_path):
    log = tmp_path / "out" / "certificates.jsonl"
    process = start([*PROVE[:-1], "--workers", "2", PROVE[-1]], tmp_path / "out")
    while process.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") >= 2):
        time.sleep(0.002)
    os.kill(workers(process)[0], signal.SIGKILL)
    _, complaint = process.communicate()
    assert process.returncode == 1
    sentence = complaint.splitlines()[-1]
    assert sentence.startswith("error: a worker failed on image ") and sentence.endswith("run again to go on")
    assert "Traceback" not in complaint
    check_whole(tmp_path / "out")
    status, _, complaint = run(PROVE, tmp_path / "out")
    assert status == 0, complaint
    assert prove.same(tmp_path / "out")


@pytest.mark.parametrize("wait", [0, 1.0])
def test_the_reports_prover_killed_is_said_and_nothing_is_written(tmp_path, wait):
    options = [word if word != "0" or REPORT[i - 1] != "--workers" else "1" for i, word in enumerate(REPORT)]
    process = start(options, tmp_path / "out")
    while process.poll() is None and not workers(process):
        time.sleep(0.002)
    time.sleep(wait)
    os.kill(workers(process)[0], signal.SIGKILL)
    _, complaint = process.communicate()
    assert process.returncode == 1
    said = complaint.splitlines()[-1]
    assert said == "error: the process that proves died; no file is half-written (fewer --workers need less memory)"
    assert "Traceback" not in complaint and not (tmp_path / "out").exists()


PATIENCE = 300  # a busy machine needs seconds; a deadlock is for ever, and the proofs that go on take 600


def listening():
    """In the new process: Ctrl-C as at a terminal, whatever those who started the tests have made of it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def interrupted(command, out, ready, waits):
    """The command with Ctrl-C, as a terminal sends it: to all its processes, when `ready`, and again after `waits`."""
    process = start(command, out, preexec_fn=listening, start_new_session=True)
    try:
        while process.poll() is None and not ready(process):
            time.sleep(0.005)
        beside = workers(process)
        for wait in (0, *waits):
            time.sleep(wait)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        said, complaint = process.communicate(timeout=PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not any(map(runs, beside)), "workers outlive the command"
    assert process.returncode == 130, complaint
    assert "Traceback" not in complaint and "Exception" not in complaint, complaint
    return complaint.splitlines()[-1], said


def worked(pid):
    """Seconds of a processor that process `pid` has had: to import all it needs takes less than one."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


LONG = "-m", "attacks", "prove", "--count", "40", "--workers", "2", "--norm", "linf", "--gap", "1e-9"
LONG = *LONG, "--time-limit", "600", "--model", str(NETS / "784-128-64-1.npz"), "--out"  # hours
MOMENTS = {
    "while the workers start": lambda out, process: len(workers(process)) == 2,
    "among the proofs": lambda out, process: len(workers(process)) == 2 and min(map(worked, workers(process))) > 2,
}


@pytest.mark.parametrize("waits", [(), (0.01,), (0.1, 0.1)], ids=["once", "twice", "three times"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_ends_the_proofs_and_their_workers(tmp_path, moment, waits):
    out = tmp_path / "out"
    last, said = interrupted(LONG, out, partial(MOMENTS[moment], out), waits)
    assert last == "interrupted: run the same command again to go on" and not said
    check_whole(out)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
@pytest.mark.parametrize("again", [False, True], ids=["the process", "the one that replaces it"])
def test_ctrl_c_while_the_command_is_still_imported(tmp_path, again):
    """It is held back before NumPy is loaded, and is said in one line when the command can say it."""
    variables = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} if again else {}
    env = {k: v for k, v in os.environ.items() if "THREADS" not in k} | {"PYTHONPATH": str(ROOT)} | variables
    begin = [sys.executable, "-m", "attacks", "--subset", "60", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(
        begin, cwd=tmp_path, env=env, preexec_fn=listening, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    status = Path(f"/proc/{process.pid}/status")
    while not int(status.read_text().partition("SigBlk:")[2].split()[0], 16) & 1 << signal.SIGINT - 1:
        assert process.poll() is None
    early = "numpy" not in Path(f"/proc/{process.pid}/maps").read_text()
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and early
    assert complaint.splitlines()[-1].startswith("interrupted") and "Traceback" not in complaint
    assert not (tmp_path / "out").exists()


def test_after_ctrl_c_the_same_command_goes_on(prove, tmp_path):
    out = tmp_path / "out"
    log = out / "certificates.jsonl"
    command = [*PROVE[:-1], "--workers", "2", PROVE[-1]]
    interrupted(command, out, lambda _: log.exists() and log.read_bytes().count(b"\n") >= 2, ())
    check_whole(out)
    status, _, complaint = run(PROVE, out)
    assert status == 0 and prove.same(out), complaint


@pytest.mark.parametrize("waits", [(), (0.1,)], ids=["once", "twice"])
def test_ctrl_c_ends_the_report_and_writes_nothing(tmp_path, waits):
    command = "-m", "attacks", "--subset", "60", "--epochs", "2", "--proof-seconds", "600", "--workers", "2", "--out"
    last, said = interrupted(command, tmp_path / "out", workers, waits)
    assert last == "interrupted: no file is half-written" and not said
    assert not (tmp_path / "out").exists()


def limited(size):
    """Files can grow to `size` bytes and no further, as on a disk that is full (Python ignores the signal)."""
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}


def test_a_disk_that_fills_up_among_the_proofs(prove, tmp_path):
    """Room for the network and for eight lines or so; then room for all."""
    size = NET.stat().st_size + 2000
    log = tmp_path / "out" / "certificates.jsonl"
    status, _, complaint = run(PROVE, tmp_path / "out", **limited(size))
    assert status == 2
    assert complaint.splitlines()[-1] == f"error: --out: {log}: File too large"
    assert "Traceback" not in complaint
    check_whole(tmp_path / "out")
    before = log.read_bytes()
    lines = before[: before.rfind(b"\n") + 1]
    assert 3 <= lines.count(b"\n") < 13
    status, _, complaint = run(PROVE, tmp_path / "out")
    assert status == 0, complaint
    assert log.read_bytes().startswith(lines) and prove.same(tmp_path / "out")


def test_a_disk_that_fills_up_under_the_report(report, tmp_path):
    """A file that no longer fits is named and left as it was; those before it are whole."""
    there = tmp_path / "out"
    there.mkdir()
    (there / "index.html").write_text("the old page</html>\n")
    status, _, complaint = run(REPORT, there, **limited(30_000))
    assert status == 2
    sentence = complaint.splitlines()[-1]
    assert sentence.startswith(f"error: --out: {there}{os.sep}") and sentence.endswith(": File too large")
    assert "Traceback" not in complaint
    check_whole(there)
    assert (there / "index.html").read_text() == "the old page</html>\n"
    assert not any(name.endswith(".part") for name in names(there)) and set(names(there)) < set(report.names)


@pytest.mark.parametrize("command", [PROVE, REPORT], ids=["prove", "report"])
@pytest.mark.parametrize("kind", ["no permission", "pseudo file system"])
def test_a_folder_that_cannot_be_written(tmp_path, command, kind):
    if kind == "no permission" and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    if kind == "pseudo file system" and not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    out = Path("/proc/proofs") if kind == "pseudo file system" else tmp_path / "out"
    if kind == "no permission":
        out.mkdir()
        out.chmod(0o555)
    status, _, complaint = run(command, out, folder=tmp_path)
    assert status == 2
    (sentence,) = complaint.splitlines()
    assert sentence.startswith(f"error: --out: {out}: ")


def test_what_a_killed_writer_left_is_swept_and_a_living_ones_file_is_not(tmp_path):
    """Killed between making its temporary file and renaming it; then one that is still at it."""
    path = tmp_path / "r.json"
    code = f"""
import os, sys, time
os.replace = lambda *_: (print(flush=True), time.sleep(600))
from minigrad.io.files import write_whole
write_whole({str(path)!r}, b"new")
"""
    busy = start(["-c", code], tmp_path / "out")
    killed = start(["-c", code], tmp_path / "out")
    try:
        for process in (busy, killed):
            assert process.stdout.readline() == "\n"
        killed.kill()
        killed.wait()
        mine = [".r.json.bak", ".r.json.original", "r.json.part", ".r.jsonl.abcdefgh.part"]
        for name in mine:
            (tmp_path / name).write_bytes(b"mine")
        assert len(names(tmp_path)) == 2 + len(mine)
        write_whole(path, b"newer")
        (left,) = set(names(tmp_path)) - {*mine, "r.json"}
        assert left.startswith(".r.json.") and (tmp_path / left).read_bytes() == b"new"
        assert path.read_bytes() == b"newer"
    finally:
        for process in (busy, killed):
            process.kill()
            process.communicate()
    write_whole(path, b"newest")
    assert names(tmp_path) == sorted([*mine, "r.json"])
