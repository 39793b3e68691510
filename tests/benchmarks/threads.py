"""What BLAS threads do to training, attacks and proofs, on a free machine and beside busy loops.

    python tests/benchmarks/threads.py [--busy 4]

Each number of threads has a process of its own, because BLAS reads it when NumPy is first imported.  The processes take
turns, one task after the other, three times; each task's best counts, as a ratio to one thread.  Seconds are printed
for one thread alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from minigrad.threads import VARIABLES

THREADS = 1, 2, 8
ROUNDS = 3
LOOP = "while True: pass"


def tasks() -> dict[str, Callable[[], object]]:
    """Name: work.  Called in a process that has its number of threads."""
    import numpy as np

    from attacks import certified_minimum, saliency_map, smallest_eps
    from data import load_mnist
    from minigrad import MLP, fit

    x_train, y_train, x, y = load_mnist((4, 9))
    net = MLP.load(ROOT / "tests" / "benchmarks" / "nets" / "784-64-32-1.npz")
    x = x[y == 0].astype(np.float64)
    x = x[net.predict(x) == 0]
    zeros = np.zeros(len(x), int)
    return {
        "fit, 5 epochs": lambda: fit(MLP.init([784, 128, 64, 1], rng=0), x_train, y_train, epochs=5, rng=0),
        "saliency_map, all fours": lambda: saliency_map(net, x, zeros),
        "smallest_eps, all fours": lambda: smallest_eps(net, x, zeros, norm="linf"),
        "certified_minimum, linf, 5": lambda: certified_minimum(net, x[:5], zeros[:5], norm="linf", node_limit=60),
        "certified_minimum, l0, 10": lambda: certified_minimum(net, x[:10], zeros[:10], norm="l0", node_limit=60),
    }


def serve() -> None:
    """Say what the tasks are; then do the one named on each line of standard input and answer with its seconds."""
    work = tasks()
    print(*work, sep="; ", flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        work[line.rstrip("\n")]()
        print(time.perf_counter() - begun, flush=True)


@contextmanager
def processes(commands: dict):
    """key: a running process; all are ended with the block."""
    started = {}
    try:
        for key, (command, threads) in commands.items():
            variables = dict.fromkeys(VARIABLES, str(threads))
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            started[key] = subprocess.Popen([sys.executable, *command], env=os.environ | variables, **pipes)
        yield started
    finally:
        for process in started.values():
            process.kill()
            process.communicate()


def seconds(process: subprocess.Popen, task: str) -> float:
    process.stdin.write(f"{task}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="loops that keep a core busy beside it")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    loops = {f"loop {i}": (["-c", LOOP], 1) for i in range(options.busy)}
    workers = {threads: ([__file__, "--serve"], threads) for threads in THREADS}
    with processes(loops), processes(workers) as of:
        names, *_ = (worker.stdout.readline().rstrip("\n").split("; ") for worker in of.values())  # all are ready
        best = dict.fromkeys(((name, threads) for name in names for threads in THREADS), float("inf"))
        for _ in range(ROUNDS):
            for name, threads in best:
                best[name, threads] = min(best[name, threads], seconds(of[threads], name))
    print(f"{os.cpu_count()} cores, {options.busy} busy loops; times one thread's")
    print(f"{'':28}{'1, seconds':>12}" + "".join(f"{threads:>10}" for threads in THREADS[1:]))
    for name in names:
        one = best[name, 1]
        ratios = "".join(f"{best[name, threads] / one:>10.2f}" for threads in THREADS[1:])
        print(f"{name:28}{one:>12.2f}{ratios}", flush=True)


if __name__ == "__main__":
    main()
