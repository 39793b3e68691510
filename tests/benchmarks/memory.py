"""`make bench-memory`: the most memory that whole sets take, beside the set: resident, each in a process of its own.

    python tests/benchmarks/memory.py [--images 60000] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parents[2])]

from large_sets import ARRAYS, copies, work

from data import load_mnist
from minigrad import MLP


def resident() -> float:
    """The largest resident memory of this process so far, in MiB (Linux counts KiB, macOS bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)


def measure(name: str, n: int) -> None:
    """One line of the table."""
    net = MLP.load(Path(__file__).with_name("nets") / "784-128-64-1.npz")
    _, _, x, y = load_mnist((4, 9))
    x, detectors = copies(net, x[y == 0].astype(float), n)
    work(name, net, x[:400], detectors)()
    before, begun = resident(), time.perf_counter()
    result = work(name, net, x, detectors)()
    seconds, extra, size = time.perf_counter() - begun, resident() - before, x.nbytes / 2**20
    del result
    print(f"{name:14s} {ARRAYS[name]:12d} {extra / size:12.2f} {extra:10.0f} {seconds:10.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=60000)
    parser.add_argument("--only", nargs="+", choices=list(ARRAYS), default=list(ARRAYS))
    parser.add_argument("--measure", action="store_true", help="here, in this process")
    o = parser.parse_args()
    if o.measure:
        measure(o.only[0], o.images)
        return
    size = o.images * 784 * 8 / 2**20
    print(f"{o.images} images of 784 pixels, {size:.0f} MiB; beside them:")
    print(f"{'':14s} {'arrays said':>12s} {'measured':>12s} {'MiB':>10s} {'seconds':>10s}", flush=True)
    for name in o.only:
        subprocess.run([sys.executable, __file__, "--measure", "--images", str(o.images), "--only", name], check=True)


if __name__ == "__main__":
    main()
