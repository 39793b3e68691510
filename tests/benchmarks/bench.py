"""`make bench`: every figure of docs/measured.md, as ratios within one run, beside the peers that are installed.

    python tests/benchmarks/bench.py [--only NAME ...]

The peers live in an environment of their own (peers.md); run this file with that environment's Python to see their
rows.  Times are the best of a few repeats; machines are noisy, so compare ratios, not seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import peers

from attacks import (
    L0,
    LInf,
    accessory,
    certified_minimum,
    fgsm,
    glasses_mask,
    place,
    saliency_map,
    smallest_eps,
    universal,
    universal_minimum,
)
from data import load_mnist
from minigrad import MLP, fit
from minigrad.mlp import CHUNK

NETS = Path(__file__).with_name("nets")
SIZES = [784, 128, 64, 1]


def best_of(work: Callable[[], object], repeats: int = 5) -> float:
    """The fastest of a few runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def fours() -> tuple[MLP, np.ndarray]:
    """The largest reference network, and the test fours that it gets right."""
    net = MLP.load(NETS / "784-128-64-1.npz")
    _, _, x, y = load_mnist((4, 9))
    x = x[y == 0].astype(np.float64)
    return net, x[net.predict(x) == 0]


def training() -> None:
    """Ten epochs against the matrix products they consist of; torch; scikit-learn; accuracy over five seeds."""
    x, y, x_test, y_test = load_mnist((4, 9))

    def products() -> None:
        for start in range(0, len(x), 128):  # one epoch: forward, weight gradients, pullbacks
            a = x[start : start + 128]
            z1 = a @ W1
            z2 = z1 @ W2
            z3 = z2 @ W3
            z2.T @ z3, z1.T @ (g2 := z3 @ W3.T), a.T @ (g2 @ W2.T)

    net = MLP.init(SIZES, rng=0)
    W1, W2, W3 = (layer.W.astype(np.float32) for layer in net.dense)
    ours, bare, accuracy = [], [], []
    for seed in range(5):
        start = time.perf_counter()
        trained, _ = fit(MLP.init(SIZES, rng=seed), x, y, epochs=10, rng=seed)
        ours.append(time.perf_counter() - start)
        bare.append(10 * best_of(products, 3))
        accuracy.append(trained.accuracy(x_test, y_test))
    ratio = np.median(np.divide(ours, bare))
    print(f"10 epochs: {min(ours):.2f} s, {ratio:.2f} times its matrix products alone (asked: <= 1.6)")
    print(
        f"test accuracy of five seeds: {np.round(accuracy, 4).tolist()}, mean {np.mean(accuracy):.4f} (asked: >= 0.988)"
    )
    if {"torch", "scikit-learn"} & set(peers.missing):
        print("skipped: torch and scikit-learn are not installed here (peers.md)")
        return
    for name, seconds in peers.training(x, y, SIZES).items():
        print(f"{name}: {seconds:.2f} s, {seconds / min(ours):.2f} times ours")


def jacobian() -> None:
    """The explicit Jacobian of 10,000 images against its matrix products."""
    net, _ = fours()
    x = np.random.default_rng(0).random((10_000, 784))
    W1, W2 = net.dense[0].W, net.dense[1].W

    def products() -> None:
        J = np.empty((len(x), 784))
        for start in range(0, len(x), CHUNK):
            rows = x[start : start + CHUNK]
            z = rows @ W1 @ W2
            np.matmul(z @ W2.T, W1.T, out=J[start : start + len(rows)])

    pairs = [(best_of(lambda: net.jacobian(x), 1), best_of(products, 1)) for _ in range(9)]
    ratio = np.median([ours / bare for ours, bare in pairs])
    print(
        f"jacobian of 10,000 images: {min(p[0] for p in pairs):.3f} s, {ratio:.2f} times its products (asked: <= 1.3)"
    )


def imports() -> None:
    """Importing both rooms against importing NumPy, each in a new process."""
    code = {"numpy": "import numpy", "minigrad, attacks": "import minigrad, attacks"}
    root = Path(__file__).parents[2]
    times = {
        name: best_of(lambda c=line: subprocess.run([sys.executable, "-c", c], cwd=root, check=True), 9)
        for name, line in code.items()
    }
    ratio = times["minigrad, attacks"] / times["numpy"]
    print(f"import minigrad, attacks: {ratio:.2f} times import numpy (asked: <= 1.5)")


def sparse() -> None:
    """Pixels needed on every test four, beside the peers; memory against batch size."""
    net, x = fours()
    y = np.zeros(len(x), int)
    seconds, result = best_of(lambda: saliency_map(net, x, y), 3), saliency_map(net, x, y)
    print(f"{'saliency_map':34s} flipped {result.rate:7.2%}  mean {result.mean_distance:.4f}  {seconds:7.2f} s")
    for count in (120, 480, 960):
        tracemalloc.start()
        saliency_map(net, x[:count], y[:count])
        print(f"  memory at its peak, {count} images: {tracemalloc.get_traced_memory()[1] / 2**20:.1f} MiB")
        tracemalloc.stop()
    start = time.perf_counter()
    papernot = saliency_map(net, x[:100], y[:100], variant="papernot", exchanges=0)
    taken, same = time.perf_counter() - start, result.distance[:100].mean()
    name = "  papernot, first 100"
    print(f"{name:34s} flipped {papernot.rate:.1%}  mean {papernot.mean_distance:.3f}  {taken:7.2f} s; gain {same:.3f}")
    peers.compare(net, x, y, peers.sparse, result.distance, seconds)


def linf() -> None:
    """The smallest eps on every test four, beside the peers."""
    net, x = fours()
    y = np.zeros(len(x), int)
    seconds, result = best_of(lambda: smallest_eps(net, x, y, norm="linf"), 3), smallest_eps(net, x, y, norm="linf")
    print(f"{'smallest_eps':34s} flipped {result.rate:7.2%}  mean {result.mean_distance:.6f}  {seconds:7.2f} s")
    peers.compare(net, x, y, peers.linf, result.distance, seconds)


def crowd_of_fours(net: MLP) -> np.ndarray:
    """1,000 training fours, without those that the network gets wrong."""
    x, y, _, _ = load_mnist((4, 9))
    x = x[y == 0][:1000].astype(np.float64)
    return x[net.predict(x) == 0]


def universals() -> None:
    """One s from 1,000 training fours, measured on the unseen test fours; ART's within 200 s; the fewest pixels."""
    net, x = fours()
    crowd, y = crowd_of_fours(net), np.zeros(len(x), int)
    zeros = np.zeros(len(crowd), int)
    for eps in (0.10, 0.15):
        start = time.perf_counter()
        found = universal(net, crowd, zeros, LInf(eps))
        seconds = time.perf_counter() - start
        print(f"universal, eps {eps:.2f}: {found.on(net, x, y).rate:.2%} of unseen fours, {seconds:.2f} s", flush=True)
        if set(peers.missing) & {"torch", "ART"}:
            print("    ART UniversalPerturbation: skipped, not installed")
            continue
        start = time.perf_counter()
        s = within(200, peers.universal, net, crowd, eps)
        taken = time.perf_counter() - start
        if s is None:
            print(f"    ART UniversalPerturbation: no answer within 200 s, {taken / seconds:.0f} times ours")
            continue
        rate = np.mean(net.predict(np.clip(x + np.clip(s, -eps, eps), 0, 1)) == 1)
        print(f"    ART UniversalPerturbation: {rate:.2%}, {taken:.1f} s, {taken / seconds:.1f} times ours", flush=True)
    step = fgsm(net, x, y, LInf(0.10))
    print(f"for comparison, one sign step for each image by itself, eps 0.10: {step.rate:.2%}")
    start = time.perf_counter()
    path = universal(net, crowd, zeros, L0(15)).path
    seconds = time.perf_counter() - start
    rates = [np.mean(net.predict(np.where(s == 0, x, np.clip(x + s, 0, 1))) == 1) for s in path]
    curve = "  ".join(f"{k + 1}: {rate:.2%}" for k, rate in enumerate(rates))
    print(f"fixed pixels, rate on unseen fours: {curve}; {seconds:.1f} s")
    own = [c.lower for c in certified_minimum(net, x[:100], y[:100], norm="l0", time_limit=10)]
    most = [f"{k}: {np.mean(np.array(own) <= k):.0%}" for k in range(1, 10)]
    print("    proved, of the first 100: at most  " + "  ".join(most), flush=True)
    for norm in ("linf", "l0"):
        u = universal_minimum(net, x[:20], y[:20], norm=norm, time_limit=60)
        gap = u.upper / u.lower
        print(f"20 fours, {norm}: [{u.lower:.4g}, {u.upper:.4g}], {gap:.2f} apart, {u.seconds:.0f} s", flush=True)
    _, _, x, y = load_mnist((4, 9))
    x = x.astype(np.float64)
    right = np.flatnonzero(net.predict(x) == y)
    both = np.concatenate([right[y[right] == k][:10] for k in (0, 1)])
    rates = [f"{universal(net, x[both], y[both], LInf(eps)).rate:.0%} at {eps}" for eps in (0.1, 0.2, 0.3, 0.5)]
    u = universal_minimum(net, x[both], y[both], norm="linf", mixed=True, time_limit=60)
    print(f"ten fours and ten nines: {', '.join(rates)}; all: [{u.lower:.4g}, {u.upper:.4g}], alone {u.quantile:.4g}")


def ten_classes() -> None:
    """One s for all ten digits (784-32-10): anything but its digit, and everything becomes a 3."""
    net = MLP.load(NETS / "784-32-10.npz")
    x, y, x_test, y_test = (a.astype(np.float64) if a.ndim == 2 else a for a in load_mnist())
    for name, target in (("untargeted", None), ("to a 3", 3)):
        some, seen = (np.flatnonzero(labels != target)[:1000] for labels in (y, y_test))
        for eps in (0.10, 0.20):
            found = universal(net, x[some], y[some], LInf(eps), target=target)
            rate = found.on(net, x_test[seen], y_test[seen], target=target).rate
            print(f"{name}, eps {eps:.2f}: {found.rate:.1%} of the 1,000, {rate:.1%} of 1,000 unseen", flush=True)


def glasses() -> None:
    """One pattern for a frame, on unseen fours; its controls; nine places; other heights."""
    net, x = fours()
    crowd, y = crowd_of_fours(net), np.zeros(len(x), int)
    zeros = np.zeros(len(crowd), int)
    for style in ("round", "square", "aviator", "half"):
        for rows in (0,) if style != "round" else (-3, 0, 3, 5, 12):
            mask = place(glasses_mask(style=style), (rows, 0))
            start = time.perf_counter()
            worn = accessory(net, crowd, zeros, mask).on(net, x, y)
            control = max(float(rates.mean()) for rates in worn.controls.values())
            seconds = time.perf_counter() - start
            print(
                f"{style}, {mask.sum()} pixels, {rows:+d} rows: {worn.rate:.1%} fooled, controls at most "
                f"{control:.1%}; {seconds:.1f} s",
                flush=True,
            )
    nine = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    worn = accessory(net, crowd, zeros, glasses_mask(), shifts=nine).on(net, x, y)
    print(f"round, nine places: {worn.rate:.1%} on average, {worn.rates.min():.1%} to {worn.rates.max():.1%}")


def within(limit: float, work: Callable[..., np.ndarray], *args: object) -> np.ndarray | None:
    """What `work` returns, or None if it takes longer than `limit` seconds: then its process is killed."""
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=lambda: theirs.send(work(*args)))
    process.start()
    try:
        return ours.recv() if ours.poll(limit) else None
    finally:
        process.kill()


SECTIONS = {f.__name__: f for f in (imports, training, jacobian, sparse, linf, universals, ten_classes, glasses)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    for name in parser.parse_args().only:
        print(f"\n## {name}: {SECTIONS[name].__doc__}", flush=True)
        SECTIONS[name]()


if __name__ == "__main__":
    main()
