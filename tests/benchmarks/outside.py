"""Networks that other people trained and published: attacks, decisions and certified minima, row by row.

    make bench-outside OUTSIDE=folder ARGS='--row queries --net mnistfc_256x2 --time-limit 120'

The folder holds networks as `MLP.save` writes them (mnistfc_256x2.npz, ...), and for the row `queries` a file
mnistfc_2021.npz (name, test_index, y, eps) with the answers of the tools beside it, mnistfc_2021_answers.csv.  Images
are MNIST's test set in its order.  What is done is kept in build/outside.json, so a run goes on where it was cut off;
`--fresh` forgets it.  With `--workers 2` two processes share each search.

    attacks   smallest eps and fewest pixels of the first COUNT test images that the network gets right, in one batch;
              with --peers beside the other libraries' (peers.md says how to install them)
    queries   `certify` on each query: none may contradict a published answer
    decisions `certify` on COUNT test images from --first on at --eps, the misclassified ones too: robust and fooled
    linf, l0  `certified_minimum` of the first COUNT images that the network gets right
    growth    what `certify` takes for the image --first of these at rising radii of --norm, until it takes too long
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import peers

from attacks import L0, LInf, certified_minimum, certify, saliency_map, smallest_eps
from attacks.report.workers import together
from data import load_mnist
from minigrad import MLP, one_thread
from minigrad.io.files import write_whole

DONE = Path("build/outside.json")


class Kept:
    """What earlier runs measured, by row, network and item."""

    def __init__(self, fresh):
        self.items = {} if fresh or not DONE.exists() else json.loads(DONE.read_text())

    def get(self, key, measure):
        if key not in self.items:
            self.items[key] = measure()
            DONE.parent.mkdir(exist_ok=True)
            write_whole(DONE, json.dumps(self.items, indent=1).encode())
        return self.items[key]


def right(net, count):
    """The first `count` test images that the network gets right, and their classes."""
    _, _, x, y = load_mnist()
    index = np.flatnonzero(net.predict(x.astype(float)) == y)
    return x[index[:count]].astype(float), y[index[:count]]


def attacks(o, net, kept):
    x, y = right(net, o.count)

    def measure():
        begun = time.perf_counter()
        eps = smallest_eps(net, x, y, norm="linf")
        between = time.perf_counter()
        pixels = saliency_map(net, x, y)
        seconds = [between - begun, time.perf_counter() - between]
        found = [np.where(result.success, result.distance, np.inf).tolist() for result in (eps, pixels)]
        return [*found, *seconds]

    *found, for_eps, for_pixels = kept.get(f"attacks {o.net} {o.count}", measure)
    rows = ("smallest_eps", for_eps, peers.linf), ("saliency_map", for_pixels, peers.sparse)
    for (name, seconds, others), distance in zip(rows, map(np.array, found), strict=True):
        flipped = np.isfinite(distance)
        mean = distance[flipped].mean()
        print(f"{name:34s} flipped {flipped.mean():7.2%}  mean {mean:.6g}  {seconds:7.2f} s, {o.net}, {len(x)} images")
        if o.peers:
            peers.compare(net, x, y, others, distance, seconds)


def queries(o, net, kept):
    asked = np.load(o.folder / "mnistfc_2021.npz")
    with (o.folder / "mnistfc_2021_answers.csv").open() as file:
        answers = {row["prop"]: row["answer"] for row in csv.DictReader(file) if f"mnistfc_{row['net']}" == o.net}
    _, _, images, _ = load_mnist()
    decided, total, wrong = 0, 0.0, 0
    for name, index, y, eps in zip(*(asked[n] for n in ("name", "test_index", "y", "eps")), strict=True):

        def measure(index=index, y=y, eps=eps):
            begun = time.perf_counter()
            how = {"time_limit": o.time_limit, "executor": o.executor}
            (v,) = certify(net, images[index][None].astype(float), [int(y)], LInf(float(eps)), **how)
            return [v.status, str(v.reason), v.nodes, time.perf_counter() - begun]

        status, reason, nodes, seconds = kept.get(f"queries {o.net} {o.time_limit:g}{by(o)} {name}", measure)
        decided, total = decided + (status != "open"), total + seconds
        wrong += {"robust": "sat", "fooled": "unsat"}.get(status) == answers[str(name)]
        print(f"{name:16s} {answers[str(name)]:6s} {status:7s} {reason}, {nodes} nodes, {seconds:.1f} s", flush=True)
    print(f"{o.net}: {decided} of {len(asked['name'])} decided in {total:.0f} s, {wrong} against the published answers")


def by(o):
    return f" by {o.workers}" if o.workers > 1 else ""


def decisions(o, net, kept):
    _, _, x, y = load_mnist()
    counts = {"robust": 0, "fooled": 0, "open": 0}
    for i in range(o.first, o.first + o.count):

        def measure(i=i):
            begun = time.perf_counter()
            how = {"time_limit": o.time_limit, "executor": o.executor}
            (v,) = certify(net, x[i : i + 1].astype(float), y[i : i + 1], LInf(o.eps), **how)
            return [v.status, v.nodes, time.perf_counter() - begun]

        status, nodes, seconds = kept.get(f"decisions {o.net} {o.eps:g} {o.time_limit:g}{by(o)} {i}", measure)
        counts[status] += 1
        print(f"image {i}: {status}, {nodes} nodes, {seconds:.1f} s", flush=True)
    print(f"{o.net}, eps {o.eps:g}: " + ", ".join(f"{count} {status}" for status, count in counts.items()))


def minima(o, net, kept):
    x, y = right(net, o.count)
    rows = []
    for i in range(len(x)):

        def measure(i=i):
            how = {"norm": o.row, "time_limit": o.time_limit, "executor": o.executor}
            (c,) = certified_minimum(net, x[i : i + 1], y[i : i + 1], **how)
            return [c.lower, c.upper if np.isfinite(c.upper) else None, bool(c.optimal), c.seconds, c.nodes]

        rows.append(kept.get(f"{o.row} {o.net} {o.time_limit:g}{by(o)} {i}", measure))
        lower, upper, optimal, seconds, nodes = rows[-1]
        word = "closed" if optimal else "open"
        print(f"image {i}: [{lower}, {upper}] {word}, {nodes} nodes, {seconds:.1f} s", flush=True)
    ratio = [lower / upper if upper else 0.0 for lower, upper, *_ in rows]
    closed = sum(row[2] for row in rows)
    print(f"{o.net}, {o.row}: {closed} of {len(rows)} closed;", end=" ")
    print(f"lower / upper median {np.median(ratio):.3f}, least {min(ratio):.3f}")


def growth(o, net, kept):
    x, y = (rows[o.first :] for rows in right(net, o.first + 1))
    if o.norm == "l0":
        balls = [L0(k) for k in range(1, int(saliency_map(net, x, y).distance[0]))]
    else:
        upper = smallest_eps(net, x, y, norm="linf").distance[0]
        print(f"smallest eps found {upper:.4g}; radii 0.02 of it apart")
        balls = [LInf(share * upper) for share in np.arange(0.3, 1, 0.02)]
    for ball in balls:

        def measure(ball=ball):
            begun = time.perf_counter()
            (v,) = certify(net, x, y, ball, time_limit=o.time_limit, executor=o.executor)
            return [v.status, v.nodes, time.perf_counter() - begun]

        key = f"growth {o.net} {o.norm} {o.time_limit:g}{by(o)} {o.first} {float(ball.radius):.17g}"
        status, nodes, seconds = kept.get(key, measure)
        print(f"radius {float(ball.radius):.4g}: {status}, {nodes} nodes, {seconds:.1f} s", flush=True)
        if status == "open":
            break


ROWS = {"attacks": attacks, "queries": queries, "decisions": decisions, "linf": minima, "l0": minima, "growth": growth}


def main():
    p = argparse.ArgumentParser(prog="python tests/benchmarks/outside.py", description=__doc__.splitlines()[0])
    p.add_argument("folder", type=Path)
    p.add_argument("--row", choices=list(ROWS), default="attacks")
    p.add_argument("--net", default="mnistfc_256x2", help="the network's file, without .npz")
    p.add_argument("--count", type=int, default=50)
    p.add_argument("--eps", type=float, default=0.026, help="of the row `decisions`")
    p.add_argument("--time-limit", type=float, default=30.0)
    p.add_argument("--workers", type=int, default=1, help="processes that share each search")
    p.add_argument("--first", type=int, default=0, help="of the rows `decisions` and `growth`")
    p.add_argument("--norm", choices=("linf", "l0"), default="linf", help="of the row `growth`")
    p.add_argument("--peers", action="store_true", help="beside the row `attacks`, those that are installed (peers.md)")
    p.add_argument("--fresh", action="store_true")
    o = p.parse_args()
    net = MLP.load(o.folder / f"{o.net}.npz")
    with one_thread(), together(o.workers) as o.executor:
        ROWS[o.row](o, net, Kept(o.fresh))
    return 0


if __name__ == "__main__":
    sys.exit(main())
