"""`make check-proofs`: proofs on the reference networks, checked by the stand-alone checker in a process of its own.

    python tests/benchmarks/check_proofs.py [--count 100] [--row "784-128-64-1 linf"] [--time-limit 30] [--keep FOLDER]

For each network and norm: how many images close in floats, how many of those close exactly, what making, writing and
checking take (processor time; the checker's own start is measured apart), and how large a proof is.  The checker runs
as `python -I checker.py` in a folder that holds nothing of this project.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from proofs import images

import attacks.checker as checker
from attacks import certified_minimum
from attacks.proofs.certificate import Certificate, CertificateError

ROWS = (  # the networks and norms of the table, and how many images it asks for
    ("784-128-64-1", "linf", 50),
    ("784-128-64-1", "l0", 200),
    ("784-32-1", "linf", 100),
    ("784-32-1", "l0", 100),
    ("784-32-1", "l1", 100),
    ("784-32-1", "l2", 100),
    ("784-32-10", "linf", 100),
    ("784-32-10", "l0", 100),
)


def child(command: list[str], folder: Path) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Processor seconds of a process in an empty environment, and what it said."""
    before = os.times()
    path = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=False)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, done


def row(name: str, norm: str, count: int, limit: float, folder: Path) -> str:
    """One line of the table."""
    net, x, y = images(name, count)
    net.save(folder / "model.npz")
    shutil.copy(checker.__file__, folder / "checker.py")
    (start, _), table, refused, open_ = child([sys.executable, "-Ic", "import numpy"], folder), [], [], 0
    for i in range(len(x)):
        (made,) = certified_minimum(net, x[i : i + 1], y[i : i + 1], norm=norm, time_limit=limit)
        if not made.optimal:
            open_ += 1
            continue
        path, begun = folder / f"image-{i}.npz", time.process_time()
        try:
            made.save(path, proof=net)
        except CertificateError as error:
            refused.append(f"image {i}: {error}")
            continue
        written = time.process_time() - begun
        seconds, said = child([sys.executable, "-I", "checker.py", "model.npz", path.name], folder)
        begun = time.process_time()
        Certificate.load(path).check(net)
        within = time.process_time() - begun
        if said.returncode:
            refused.append(f"image {i}: {said.stdout.strip()}")
            continue
        table.append((made.seconds, written, seconds - start, within, path.stat().st_size / 1e6))
    seconds, write, check, within, size = np.median(np.array(table), axis=0)
    quick = np.array([r[0] < 1 for r in table])
    ratio = np.median([r[3] / r[0] for r in table])
    slow = max([r[3] for r, q in zip(table, quick, strict=True) if q], default=0.0)
    lines = [
        f"{name} {norm}: {len(x)} images, {len(x) - open_} closed in floats, {len(table)} exactly, checked "
        f"({open_} open at {limit:g} s)",
        f"    medians: made {seconds:.2f} s, written {write:.2f} s, checked {within:.3f} s ({ratio:.2f} of making; "
        f"alone, {check:.2f} s after its start), {size:.3f} MB",
        f"    slowest check of those made in under 1 s: {slow:.2f} s; largest proof {max(r[4] for r in table):.2f} MB",
    ]
    return "\n".join([*lines, *(f"    {words}" for words in refused)])


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--count", type=int, default=100, help="images a row, at most (default: 100)")
    p.add_argument("--row", help="only rows that begin with this, such as '784-32-1 l1'")
    p.add_argument("--time-limit", type=float, default=30.0, help="seconds an image (default: 30)")
    p.add_argument("--keep", type=Path, help="keep the proofs in this folder")
    o = p.parse_args()
    for name, norm, asked in ROWS:
        if o.row and not f"{name} {norm}".startswith(o.row):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) if o.keep is None else o.keep / f"{name}-{norm}"
            folder.mkdir(parents=True, exist_ok=True)
            print(row(name, norm, min(asked, o.count), o.time_limit, folder), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
