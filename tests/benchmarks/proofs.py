"""`make bench-proofs`: the certified minimum on the reference networks, and others on the same queries.

    python tests/benchmarks/proofs.py [--only NAME ...] [--images N] [--workers W]

`table`    how many images are closed within which time; the limit is per image, one BLAS thread a worker
`rivals`   big-M MILP in SciPy's HiGHS (tests/support/milp.py), and Marabou where `maraboupy` is installed, side by side
`queries`  certify a share of the attack's eps, one image at a time: the queries alpha-beta-CROWN was measured on
`smooth`   Tanh and Sigmoid with splits, and without
`cost`     nodes a second, the share of matrix products, and how time grows with k, eps and width
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parents[1])]

from milp import milp_minimum

from attacks import L0, LInf, certified_minimum, saliency_map, smallest_eps
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.campaign import campaign
from attacks.proofs.query import Query
from attacks.report.workers import workers
from data import load_mnist
from minigrad import MLP, fit

# network, norm, images, seconds an image, the times asked about
ROWS = (
    ("784-128-64-1", "l0", 200, 60, (0.05, 0.1, 10, 60)),
    ("784-64-32-1", "l0", 200, 60, (0.05, 0.1, 10)),
    ("784-32-1", "linf", 100, 10, (0.1, 1)),
    ("784-64-32-1", "linf", 100, 60, (10,)),
    ("784-128-64-1", "linf", 100, 60, (30, 60)),
    ("784-32-1", "l1", 100, 20, (10,)),
    ("784-32-1", "l2", 100, 20, (10,)),
    ("784-32-10", "l0", 100, 20, (20,)),
    ("784-32-10", "linf", 100, 20, (20,)),
)


def images(name: str, count: int) -> tuple[MLP, np.ndarray, np.ndarray]:
    """A reference network and the first test fours (or digits) that it gets right, with their classes."""
    net = MLP.load(HERE / "nets" / f"{name}.npz")
    _, _, x, y = load_mnist((4, 9)) if net.sizes[-1] == 1 else load_mnist()
    x, y = (x, y) if net.sizes[-1] > 1 else (x[y == 0], y[y == 0])
    x = x[: 2 * count].astype(np.float64)
    right = np.flatnonzero(net.predict(x) == y[: 2 * count])[:count]
    return net, x[right], y[right]


def table(options: argparse.Namespace) -> None:
    for name, norm, count, limit, times in ROWS:
        net, x, y = images(name, min(count, options.images))
        with tempfile.TemporaryDirectory() as folder, workers(options.workers) as pool:
            start = time.perf_counter()
            path = Path(folder) / "c.jsonl"
            found = campaign(net, x, y, path, executor=pool, norm=norm, time_limit=limit)
            whole = time.perf_counter() - start
        seconds = np.array([c.seconds for c in found])
        closed = np.array([c.optimal for c in found])
        within = ", ".join(f"{100 * np.mean(closed & (seconds <= t)):.0f}% in {t:g} s" for t in times)
        left = [c for c in found if not c.optimal]
        rest = f"; {len(left)} open, least lower/upper {min(c.lower / c.upper for c in left):.3f}" if left else ""
        better = sum(c.upper < c.attack for c in found)
        print(
            f"{name:13s} {norm:4s} {len(x)} images: closed {within}; median {np.median(seconds):.3f} s, largest "
            f"{seconds.max():.1f} s{rest}; attack improved on {better}; all in {whole:.0f} s",
            flush=True,
        )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"peak memory of a worker {peak:.2f} GiB (asked: < 2)")


def rivals(options: argparse.Namespace) -> None:
    """The exact minimum, as a mixed-integer program finds it; and one query, as Marabou answers it."""
    rows = (("784-32-1", "linf", 8), ("784-64-32-1", "linf", 3), ("784-32-1", "l0", 8), ("784-64-32-1", "l0", 3))
    for name, norm, count in rows:
        net, x, y = images(name, count)
        attack = saliency_map(net, x, y) if norm == "l0" else smallest_eps(net, x, y, norm="linf")
        spent: dict[str, list[float]] = {"ours": [], "MILP": [], "our query": [], "Marabou": []}
        notes = []
        certs, whole = clocked(certified_minimum, net, x, y, norm=norm)
        before = (whole - sum(c.seconds for c in certs)) / count  # each image's part of the attack, which is batched
        for i, cert in enumerate(certs):
            spent["ours"].append(before + cert.seconds)
            upper = attack.distance[i] * (1 + 1e-6)
            milp, seconds = clocked(milp_minimum, net, x[i], int(y[i]), norm, upper=upper, time_limit=60)
            spent["MILP"].append(seconds)
            exact = f"[{milp.bound:.5g}, {milp.radius:.5g}]"
            notes.append(f"[{cert.lower:.5g}, {cert.upper:.5g}] {exact}")
            if norm == "linf":
                eps = 0.99 * attack.distance[i]
                query = Query.from_image(net, x[i], int(y[i]), LInf(eps))
                spent["our query"].append(clocked(Search(query).run, time.perf_counter() + 60)[1])
                verdict, seconds = ask_marabou(net, x[i], eps, 60)
                if verdict is not None:
                    spent["Marabou"].append(seconds)
                    notes[-1] += f" {verdict}"
        print(f"{name} {norm}, {count} images, at most 60 s each; median seconds:")
        for mine, other in (("ours", "MILP"), ("our query", "Marabou")):
            if spent[other]:
                ratio = np.median(np.divide(spent[other], spent[mine]))
                mine_s, other_s = np.median(spent[mine]), np.median(spent[other])
                print(f"    {mine} {mine_s:.3f}, {other} {other_s:.2f}: {ratio:.0f} times")
            elif norm == "linf":
                print(f"    {other}: not installed")
        print("    our interval, the MILP's, Marabou's verdict at 0.99: " + "; ".join(notes), flush=True)


def clocked(task: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    return task(*args, **kwargs), time.perf_counter() - start


def ask_marabou(net: MLP, x: np.ndarray, eps: float, limit: int) -> tuple[str | None, float]:
    """Marabou's verdict on "some s with |s|_inf <= eps gives N >= t" and its seconds; None if it is not installed."""
    try:
        from maraboupy import Marabou, MarabouCore
    except ImportError:
        return None, np.nan
    query = MarabouCore.InputQuery()
    count = sum(net.sizes) + sum(net.sizes[1:-1])
    query.setNumberOfVariables(count)
    for i, v in enumerate(x):
        query.setLowerBound(i, float(max(0, v - eps)))
        query.setUpperBound(i, float(min(1, v + eps)))
    a, free = np.arange(len(x)), len(x)
    for k, layer in enumerate(net.dense):
        z = np.arange(free, free + len(layer.b))
        free += len(z)
        for j, row in enumerate(layer.W.T):
            equation = MarabouCore.Equation()
            for w, i in zip(row, a, strict=True):
                equation.addAddend(float(w), int(i))
            equation.addAddend(-1.0, int(z[j]))
            equation.setScalar(-float(layer.b[j]))
            query.addEquation(equation)
        if k + 1 < len(net.dense):
            a = np.arange(free, free + len(z))
            free += len(z)
            for before, after in zip(z, a, strict=True):
                MarabouCore.addReluConstraint(query, int(before), int(after))
        else:
            query.setLowerBound(int(z[0]), float(net.threshold))
    for i in range(len(x)):
        query.markInputVariable(i, i)
    options = Marabou.createOptions(timeoutInSeconds=limit, verbosity=0)
    answer, seconds = clocked(MarabouCore.solve, query, options, "")
    return answer[0], seconds


def queries(options: argparse.Namespace) -> None:
    for name in ("784-32-1", "784-64-32-1", "784-128-64-1"):
        net, x, y = images(name, 10)
        eps = smallest_eps(net, x, y, norm="linf").distance
        for share in (0.90, 0.99):
            seconds, closed = [], 0
            for i in range(10):
                start = time.perf_counter()
                query = Query.from_image(net, x[i], int(y[i]), LInf(share * eps[i]))
                closed += Search(query).run(start + 30).proved
                seconds.append(time.perf_counter() - start)
            middle, whole = np.median(seconds), sum(seconds)
            print(f"{name} at {share:.2f}: {closed} of 10, median {middle:.2f} s, all {whole:.1f} s", flush=True)


def cost(options: argparse.Namespace) -> None:
    net, x, y = images("784-128-64-1", 10)
    eps, pixels = smallest_eps(net, x, y, norm="linf").distance, saliency_map(net, x, y).distance
    profile = cProfile.Profile()
    profile.enable()
    start = time.perf_counter()
    done = [Search(Query.from_image(net, x[i], 0, LInf(0.99 * eps[i]))).run(start + 60) for i in (2, 4)]
    whole = time.perf_counter() - start
    profile.disable()
    rows = pstats.Stats(profile).stats
    shares = sorted(((own / whole, f"{Path(file).name}:{name}") for (file, _, name), (_, _, own, _, _) in rows.items()))
    nodes = sum(len(o.tree) for o in done)
    print(f"linf, two hard images: {nodes / whole:.0f} nodes/s; of the time (matrix products are layers.py:product)")
    print("   " + ", ".join(f"{name} {100 * share:.0f}%" for share, name in shares[::-1][:8]))
    for i, k in ((0, int(pixels[0]) - 1), (9, int(pixels[9]) - 1)):
        spent = []
        for r in range(1, k + 1):
            start = time.perf_counter()
            Search(Query.from_image(net, x[i], 0, L0(r))).run(start + 60)
            spent.append(f"{r}: {time.perf_counter() - start:.2f}")
        print(f"l0, image {i}, seconds by k:  {'  '.join(spent)}")
    spent = []
    for share in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        start = time.perf_counter()
        Search(Query.from_image(net, x[9], 0, LInf(share * eps[9]))).run(start + 60)
        spent.append(f"{share}: {time.perf_counter() - start:.2f}")
    print(f"linf, image 9, seconds by share of the attack's eps:  {'  '.join(spent)}")
    for name in ("784-32-1", "784-64-32-1", "784-128-64-1"):
        net, x, y = images(name, 10)
        start = time.perf_counter()
        for norm in ("l0", "linf"):
            found = certified_minimum(net, x, y, norm=norm, time_limit=30)
            print(f"width {name}, {norm}: median {np.median([c.seconds for c in found]):.3f} s")


def smooth(options: argparse.Namespace) -> None:
    """784-64-32-1 with Tanh and Sigmoid, trained here: with splits, and by the roots alone."""
    x, y, test, digit = load_mnist((4, 9))
    for activation in ("tanh", "sigmoid"):
        net, _ = fit(MLP.init([784, 64, 32, 1], activation=activation, rng=0), x, y, epochs=8, rng=0)
        fours = test[digit == 0][:100].astype(np.float64)
        fours = fours[net.predict(fours) == 0][: min(options.images, 20)]
        for limit in (None, 0):
            found = certified_minimum(
                net, fours, np.zeros(len(fours), int), norm="linf", time_limit=10, node_limit=limit
            )
            share, closed = [c.lower / c.upper for c in found], sum(c.optimal for c in found)
            how = "10 s" if limit is None else "roots alone"
            print(
                f"{activation}, {how}: {closed} of {len(found)} closed, lower / upper median {np.median(share):.3f}, "
                f"least {min(share):.3f}, {np.median([c.seconds for c in found]):.2f} s",
                flush=True,
            )


SECTIONS = {"table": table, "rivals": rivals, "queries": queries, "cost": cost, "smooth": smooth}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--images", type=int, default=200, help="at most this many a row")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for name in options.only:
        print(f"\n{name}", flush=True)
        SECTIONS[name](options)


if __name__ == "__main__":
    main()
