"""Small networks, claims about them, and rows of multipliers drawn at random, for tests of attacks/checker.py."""

from itertools import pairwise

import numpy as np
from checker_oracle import Row

from attacks import checker
from minigrad import MLP

NORMS = "l0", "l1", "l2", "linf"


def eighths(rng, *shape, most=8):
    return rng.integers(-most, most + 1, shape) / 8


def small_net(rng, sizes, threshold=0.0):
    layers = [(eighths(rng, a, b), eighths(rng, b)) for a, b in pairwise(sizes)]
    return MLP.from_arrays(layers, threshold=threshold)


def claim_for(net, x, y, norm, radius, *, box=(0.0, 1.0), mask=True, target=-1, lower=None, upper=np.inf, x_adv=None):
    """The arrays of a claim, without its proof."""
    at = radius + 1 if norm == "l0" else radius
    arrays = {"network": checker.Network(net.to_arrays()).name, "norm": norm, "y": y, "target": target}
    arrays |= {"lower": float(at if lower is None else lower), "upper": float(upper), "radius": float(radius)}
    arrays |= {"x": x, "lo": np.asarray(box[0], float), "hi": np.asarray(box[1], float), "mask": np.asarray(mask)}
    arrays |= {} if x_adv is None else {"x_adv": x_adv}
    return {name: np.asarray(value) for name, value in arrays.items()}


def prover_for(net, arrays):
    model = checker.Network(net.to_arrays())
    with np.errstate(all="ignore"):
        return checker.Prover(model, checker.claim_of(arrays, net.sizes[0]))


def random_row(rng, prover, part, layer, *, scale=1.0, beta=True, gamma=True):
    """Multipliers drawn at random; at the last layer of one rival, or of several where they must all be beaten."""
    last, r = layer == len(part.l), len(prover.rivals)
    weights = np.zeros(r)
    alone = np.flatnonzero(part.open)
    if last or (gamma and rng.random() < 0.5 and (prover.joint or len(alone) == 1)):
        weights[rng.choice(alone)] = rng.choice([0.25, 1.0, 1.375])
        if prover.joint and rng.random() < 0.7:
            weights[:] = rng.integers(1, 9, r) / 8
        weights *= 1.0 if last else scale
    widths = [len(low) for low in part.l]
    alpha = rng.choice([0, 1 << 12, 1 << 13, 1 << 14], sum(widths))
    signed = rng.choice([0, 0, 0, 1.0, -1.0, 2.0], sum(widths)) * scale * beta
    neuron = 0 if last else int(rng.integers(widths[layer]))
    return Row(layer, neuron, int(rng.choice([1, -1])), 0.0, weights, alpha, signed)


def bound(prover, part, row):
    """The checker's bound of a row: (all of it, the part without h), as its constants."""
    with np.errstate(all="ignore"):
        const, h, *_ = prover.bound(part, *row.arguments())
    return (const + h)[0], const[0]


def learn(prover, part, row):
    with np.errstate(all="ignore"):
        prover.learn(part, *row.arguments())


def written(*steps):
    """The arrays of a proof: a step is a Row, or a split (layer, index) or (layer, index, cut)."""
    each = [step for step in steps if isinstance(step, Row)]
    found = {name: np.array([getattr(row, name) for row in each]) for name in ("neuron", "side", "price", "gamma")}
    found |= {name: np.array([getattr(row, name) for row in each]) for name in ("alpha", "beta")}
    found["steps"] = np.array([(1, s.layer, 0) if isinstance(s, Row) else (0, *s[:2]) for s in steps])
    found["cut"] = np.array([0.0 if isinstance(s, Row) else sum(s[2:]) for s in steps])
    return {f"proof_{name}": value for name, value in found.items()}


def margin_row(prover, *gamma, price=0.0):
    """A row of the rivals alone, without slopes."""
    hidden = sum(prover.net.sizes[1:-1])
    return Row(len(prover.net.sizes) - 2, 0, 1, price, np.array(gamma), np.zeros(hidden), np.zeros(hidden))
