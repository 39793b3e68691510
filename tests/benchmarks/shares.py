"""How long five functions take, and which share of that is their matrix products: `make bench-shares`.

A product is timed where it is made: `Dense` (forward, pullback, weight gradients) and `layers.times`.  What is left is
passes over arrays, sorting, and Python.  One BLAS thread; the best of three.
"""

from __future__ import annotations

import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import minigrad.bounds.crown
import minigrad.bounds.optimised
import minigrad.layers
from attacks import LInf, certified_minimum, saliency_map, smallest_eps, universal
from data import load_mnist
from minigrad import MLP, fit

NETS = Path(__file__).with_name("nets")
spent = [0.0]


def timed(product: Callable) -> Callable:
    def work(*arrays: object, **more: object) -> object:
        start = time.perf_counter()
        answer = product(*arrays, **more)
        spent[0] += time.perf_counter() - start
        return answer

    return work


def main() -> None:
    dense = minigrad.layers.Dense
    dense.forward, dense.gradients = timed(dense.forward), timed(dense.gradients)
    for module in (minigrad.layers, minigrad.bounds.crown, minigrad.bounds.optimised):
        module.times = timed(module.times)

    x_train, y_train, x_test, y_test = load_mnist((4, 9))
    net, small = MLP.load(NETS / "784-128-64-1.npz"), MLP.load(NETS / "784-64-32-1.npz")
    x, crowd = (a[y == 0].astype(np.float64) for a, y in ((x_test, y_test), (x_train, y_train)))
    x, crowd = x[(net.predict(x) == 0) & (small.predict(x) == 0)], crowd[:1000]
    y, zeros = np.zeros(len(x), int), np.zeros(len(crowd), int)
    work = {
        "fit, ten epochs": lambda: fit(MLP.init([784, 128, 64, 1], rng=0), x_train, y_train, epochs=10, rng=0),
        "saliency_map": lambda: saliency_map(net, x, y),
        "smallest_eps": lambda: smallest_eps(net, x, y, norm="linf"),
        "universal, eps 0.1": lambda: universal(net, crowd, zeros, LInf(0.1)),
        "certified_minimum, l0, 20 images": lambda: certified_minimum(net, x[:20], y[:20], norm="l0"),
        "certified_minimum, linf, 784-64-32-1": lambda: certified_minimum(small, x[:20], y[:20], norm="linf"),
    }
    for name, function in work.items():
        runs = []
        for _ in range(3):
            spent[0], start = 0.0, time.perf_counter()
            function()
            seconds = time.perf_counter() - start
            runs.append((seconds, spent[0] / seconds))
        seconds, share = min(runs)
        print(f"{name:50s} {seconds:6.2f} s, {100 * share:3.0f}% of it matrix products", flush=True)


if __name__ == "__main__":
    main()
