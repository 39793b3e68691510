"""`universal` on networks it was not tuned on: five of other seeds, and how much any s could reach there.

    python tests/benchmarks/other_seeds.py [--nets FOLDER]

Trains 784-128-64-1 with the seeds 1 to 5, as the report does (kept in FOLDER, if one is given), and prints for each:
`universal` from 1,000 training fours at eps 0.10, on those fours and on the unseen test fours; the plain prototype of
peers.md beside it; the best of several s made *from the test fours themselves*; and the share of them that
`smallest_eps` flips with an s of their own, which no common s can exceed unless that attack missed one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from attacks import LInf, smallest_eps, universal
from data import load_mnist
from minigrad import MLP, fit

EPS = 0.10
SEEDS = range(1, 6)
HEAD = "seed", "seen", "unseen", "prototype", "from the unseen", "each its own", "seconds", "prototype's"


def network(seed: int, folder: Path | None) -> MLP:
    path = folder and folder / f"net{seed}.npz"
    if path and path.exists():
        return MLP.load(path)
    x, y, _, _ = load_mnist((4, 9))
    net, _ = fit(MLP.init([784, 128, 64, 1], rng=seed), x, y, epochs=10, rng=seed)
    if path:
        net.save(path)
    return net


def rate(net: MLP, x: np.ndarray, s: np.ndarray) -> float:
    return float(np.mean(net.predict(np.clip(x + s, 0, 1)) == 1))


def sign_steps(net: MLP, x: np.ndarray, start: np.ndarray, cool: float, steps: int = 200) -> np.ndarray:
    """Momentum sign steps on the smoothed margin, 250 images each; tau falls to `cool` times its first value."""
    rng, s, v = np.random.default_rng(0), start.copy(), np.zeros(x.shape[1])
    tau = np.abs(net.logits(x)).mean() / 4
    for t in range(steps):
        moved = x[rng.permutation(len(x))[:250]] + s
        N, pullback = net.pullback(now := np.clip(moved, 0, 1))
        weight = 0.5 * (1 - np.tanh(N / (2 * tau * cool ** (t / steps))))
        g = (pullback(weight) * (now == moved)).sum(axis=0)
        v = 0.9 * v + g / np.abs(g).max()
        s = np.clip(s + 0.1 * EPS * (1 - t / steps) * np.sign(v), -EPS, EPS)
    return s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", type=Path, help="folder to keep the networks in")
    folder = parser.parse_args().nets
    x, y, x_test, y_test = load_mnist((4, 9))
    fours, unseen_fours = x[y == 0][:1000].astype(np.float64), x_test[y_test == 0].astype(np.float64)
    rows = []
    print(" | ".join(HEAD))
    for seed in SEEDS:
        net = network(seed, folder)
        seen, unseen = (each[net.predict(each) == 0] for each in (fours, unseen_fours))
        zeros, zero = np.zeros(len(seen), int), np.zeros(seen.shape[1])
        start = time.perf_counter()
        found = universal(net, seen, zeros, LInf(EPS))
        middle = time.perf_counter()
        plain = sign_steps(net, seen, zero, 1.0)
        end = time.perf_counter()
        own = universal(net, unseen, np.zeros(len(unseen), int), LInf(EPS))
        tries = [own.s, *(sign_steps(net, unseen, first, 0.1) for first in (zero, found.s, own.s, found.s / 2))]
        alone = smallest_eps(net, unseen, np.zeros(len(unseen), int), norm="linf").distance <= EPS
        shares = found.rate, rate(net, unseen, found.s), rate(net, unseen, plain)
        rows.append([*shares, max(rate(net, unseen, s) for s in tries), alone.mean(), middle - start, end - middle])
        print(seed, *(f"{v:.2%}" for v in rows[-1][:5]), *(f"{v:.2f}" for v in rows[-1][5:]), sep=" | ", flush=True)
    mean = np.mean(rows, axis=0)
    print("mean", *(f"{v:.2%}" for v in mean[:5]), *(f"{v:.2f}" for v in mean[5:]), sep=" | ")


if __name__ == "__main__":
    main()
