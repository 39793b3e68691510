"""kill -9 at any moment: what is on the disk is whole, and the same command again gives the answer it would have given.

    python tests/robustness/killing.py [--count 50] [--seed 0]

Two commands: `python -m attacks prove` on twelve images, and the report on a small subset with its sets made smaller.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]  # as a script

import numpy as np
from paths import NETS, ROOT

from minigrad.io.npz import read_npz

NET = NETS / "784-32-1.npz"
IMAGES = 12
SMALLER = """
import functools, sys
import attacks.proofs.set_minimum as minimum
import attacks.uap.linear_program as program
from attacks.report import detection, figures, glasses, image_sets, proof_jobs, report_command
from attacks.report.cli import main
minimum.universal = functools.partial(minimum.universal, steps=4, passes=1)
detection.ADAPTIVE_IMAGES, image_sets.FEW, image_sets.PIXELS, image_sets.MIXED_EPS = 10, 2, 2, (0.3,)
image_sets.FEW_EPS = image_sets.UNIVERSAL_EPS = (0.05, 0.1)
proof_jobs.FILLING_IMAGES, glasses.HEIGHTS, glasses.SLIPS = 1, (0, 12), ((0, 0), (1, 0))
program.PROGRAM_ROUNDS = 1
blank = open(NAME, "rb").read()  # drawing them all would take half the time
report_command.draw = lambda r, _: {name: blank for name, _ in figures.jobs(r)}
sys.exit(main())
""".replace("NAME", repr(str(ROOT / "notebooks" / "overview.png")))
PROVE = "-m", "attacks", "prove", "--count", str(IMAGES), "--time-limit", "600", "--model", str(NET), "--out"
REPORT = "-c", SMALLER, "--subset", "30", "--proof-seconds", "0", "--workers", "0", "--model", str(NET), "--out"
ENDS = {".png": b"IEND\xaeB`\x82", ".html": b"</html>\n", ".csv": b"\n", ".json": b"}\n", ".jsonl": b"", ".py": b"\n"}


def start(command, out, folder=None, **options):
    """The command as a process, writing to the folder `out`, started in `folder` or beside `out`."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command, str(out)], cwd=folder or out.parent, env=env,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def run(command, out, **options):
    """Its exit status and what it said, once it has ended."""
    process = start(command, out, **options)
    said, complaint = process.communicate()
    return process.returncode, said, complaint


def workers(process):
    """The pool's processes, and not the helper of multiprocessing that looks after semaphores."""
    return [pid for pid in children(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def children(pid):
    """The processes that process `pid` started and that still run."""
    place = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in place.read_text().split()] if place.exists() else []


def runs(pid):
    """Whether that process exists and is more than an entry nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(process):
    """kill -9, and wait until the processes it had started are gone too."""
    left = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gone = time.monotonic() + 30
    while any(map(runs, left)):
        assert time.monotonic() < gone, "the workers outlive the process that was killed"
        time.sleep(0.02)


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def check_whole(folder):
    """Every file but a temporary one is whole; the last line of a campaign may be torn."""
    for name in names(folder):
        path, content = folder / name, (folder / name).read_bytes()
        if name.endswith(".part"):
            continue
        if path.suffix == ".npz":
            read_npz(path, compressed=True)
            continue
        assert content.endswith(ENDS[path.suffix]), name
        if path.suffix == ".json":
            json.loads(content)
        for line in content.splitlines()[:-1] if path.suffix == ".jsonl" else ():
            json.loads(line)


def answer(folder):
    """What a run wrote, but for the seconds it took: everything that must not depend on when it was killed."""
    told = {path.name: path.read_bytes() for path in folder.glob("*.npz")}
    if (folder / "certificates.jsonl").exists():
        first, *rows = map(json.loads, (folder / "certificates.jsonl").read_text().splitlines())
        assert [row["image"] for row in sorted(rows, key=lambda row: row["image"])] == list(range(IMAGES))
        kept = ("image", "norm", "lower", "upper", "attack", "optimal", "reason", "nodes")
        told["first line"] = first
        told["rows"] = sorted(tuple(row[name] for name in kept) for row in rows)
        told["table"] = [line.rpartition(",")[0] for line in (folder / "table.csv").read_text().splitlines()]
        told["summary"] = json.loads((folder / "summary.json").read_text())
        told["summary"] = {name: value for name, value in told["summary"].items() if "seconds" not in name}
    else:
        told |= {path.name: path.read_bytes() for path in folder.glob("*.png")}
        told["results"] = json.loads((folder / "results.json").read_text()) | {"seconds": None}
    return told


class Undisturbed:
    """A run of the command from start to end, for the others to be compared with."""

    def __init__(self, command, out):
        begun = time.monotonic()
        status, _, complaint = run(command, out)
        assert status == 0, complaint
        self.command, self.seconds = command, time.monotonic() - begun
        self.names, self.answer = names(out), answer(out)
        self.writing = 1.0 if command is PROVE else 0.04  # seconds, about, from the first file to the last

    def disturb(self, out, rng, while_writing):
        """Kill the command at a random moment, look, run it again, compare.  Whether the kill came before its end.

        `while_writing`: soon after its first file is there; else anywhere in the whole run.
        """
        process = start(self.command, out)
        while while_writing and not names(out) and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, self.writing if while_writing else self.seconds))
        early = process.poll() is None
        kill(process)
        check_whole(out)
        status, _, complaint = run(self.command, out)
        assert status == 0, complaint
        check_whole(out)
        assert self.same(out)
        return early

    def same(self, out):
        """Whether a folder holds the same files, no other, and the same answer."""
        return names(out) == self.names and answer(out) == self.answer


def kills(folder, count, seed, tell=print):
    """`count` kills of each command, half of them while it writes; how many came before the command had ended."""
    rng, early = np.random.default_rng(seed), [0, 0]
    for k, command in enumerate((PROVE, REPORT)):
        undisturbed = Undisturbed(command, folder / f"whole {k}")
        for i in range(count):
            early[k] += undisturbed.disturb(folder / f"killed {k} {i}", rng, while_writing=i % 2 == 0)
            tell(("prove", "report")[k], i + 1)
    return early


def main():
    parser = argparse.ArgumentParser(prog="python tests/robustness/killing.py", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50, help="kills of each command (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    o, begun = parser.parse_args(), time.monotonic()

    def tell(name, done):
        seconds = time.monotonic() - begun
        print(f"\r{name}: {done} of {o.count} kills, {seconds:.0f} s", end="", flush=True, file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder:
        early = kills(Path(folder), o.count, o.seed, tell)
    print(f"\nseed {o.seed}: {o.count} kills each, {early[0]} of prove and {early[1]} of the report before the end")
    print("each time the same command again gave the undisturbed answer, every file whole, none left over")


if __name__ == "__main__":
    main()
