"""Interval training in torch and here, beside each other: same network, schedule, batches a step and one thread.

    .venv-peers/bin/python tests/benchmarks/defend_torch.py

Seconds are CPU seconds of one process; "proved" is the share of the test images that intervals alone prove at eps 0.1.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time

import numpy as np
import torch
from torch.nn import functional as F

from attacks import LInf, fit_robust
from attacks.defend.certified import Certified
from attacks.defend.ramp import Ramp
from data import load_mnist
from minigrad import MLP

EPS, RAMP, BATCH, LR = 0.1, (0.05, 0.5), 128, 1e-3
torch.set_num_threads(1)


def bounds(layers, x, eps):
    """Centre and radius of the logit, the last layer's threshold being 0."""
    low, high = (x - eps).clamp(0, 1), (x + eps).clamp(0, 1)
    mid, radius = (low + high) / 2, (high - low) / 2
    for k, layer in enumerate(layers):
        mid, radius = layer(mid), F.linear(radius, layer.weight.abs())
        if k < len(layers) - 1:
            low, high = F.relu(mid - radius), F.relu(mid + radius)
            mid, radius = (low + high) / 2, (high - low) / 2
    return mid[:, 0], radius[:, 0]


def in_torch(first: MLP, x, y, epochs: int) -> MLP:
    layers = torch.nn.ModuleList(torch.nn.Linear(*layer.W.shape) for layer in first.dense)
    with torch.no_grad():
        for ours, theirs in zip(first.dense, layers, strict=True):
            theirs.weight.copy_(torch.tensor(ours.W.T))
            theirs.bias.copy_(torch.tensor(ours.b))
    adam = torch.optim.Adam(layers.parameters(), LR)
    x, sign, rng, t = torch.tensor(x), torch.tensor(2.0 * y - 1), np.random.default_rng(0), 0
    total = epochs * -(-len(x) // BATCH)
    for _ in range(epochs):
        order = torch.tensor(rng.permutation(len(x)))
        for index in order.split(BATCH):
            share = float(np.clip((t / total - RAMP[0]) / (RAMP[1] - RAMP[0]), 0, 1))
            v, s = x[index], sign[index]
            N = v
            for k, layer in enumerate(layers):
                N = F.relu(layer(N)) if k < len(layers) - 1 else layer(N)
            loss = F.softplus(-s * N[:, 0]).mean()
            if share:
                mid, radius = bounds(layers, v, share * EPS)
                loss = (1 - 0.5 * share) * loss + 0.5 * share * F.softplus(radius - s * mid).mean()
            for group in adam.param_groups:
                group["lr"] = LR * (1 + np.cos(np.pi * t / total)) / 2
            adam.zero_grad()
            loss.backward()
            adam.step()
            t += 1
    pairs = [(layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in layers]
    return MLP.from_arrays(pairs)


def proved(net: MLP, x, y) -> float:
    layers = [torch.nn.Linear(*layer.W.shape, dtype=torch.float64) for layer in net.dense]
    with torch.no_grad():
        for ours, theirs in zip(net.dense, layers, strict=True):
            theirs.weight.copy_(torch.tensor(ours.W.T))
            theirs.bias.copy_(torch.tensor(ours.b))
        mid, radius = bounds(layers, torch.tensor(x.astype(np.float64)), EPS)
    return float(((2 * y - 1) * mid.numpy() > radius.numpy()).mean())


def main(epochs: int) -> None:
    x, y, x_test, y_test = load_mnist(digits=(4, 9))
    ours = Certified(kappa=0.5, ramp=Ramp(*RAMP))
    for seed in range(2):
        first = MLP.init([784, 128, 64, 1], rng=seed)
        for name in ("here", "torch"):
            begun = time.process_time()
            if name == "here":
                net, _ = fit_robust(first, x, y, LInf(EPS), method=ours, epochs=epochs, lr=LR, batch=BATCH, rng=seed)
            else:
                net = in_torch(first, x, y, epochs)
            took = time.process_time() - begun
            right = net.accuracy(x_test, y_test)
            print(f"seed {seed}, {name:6s} {took / epochs:.3f} s an epoch, accuracy {right:.4f}, ", end="")
            print(f"proved by intervals {proved(net, x_test, y_test):.4f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 20)
