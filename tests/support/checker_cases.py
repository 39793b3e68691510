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


def written(rows, tree=((checker.LEAF, 0, 0),), cut=None):
    """The arrays of a proof: `rows` are (part, Row) in the order of learning, each a group of its own."""
    rows = sorted(rows, key=lambda row: row[0])
    each, i = [row for _, row in rows], np.int32
    beta = np.array([row.beta for row in each])
    place = np.array(np.nonzero(beta), i)
    found = {"tree": np.array(tree, i).T, "cut": np.zeros(len(tree)) if cut is None else np.asarray(cut, float)}
    found |= {"groups": np.array([[at for at, _ in rows], [r.layer for r in each], np.arange(len(each))], i)}
    found |= {"neuron": np.array([r.neuron for r in each], i), "side": np.array([r.side for r in each], np.int8)}
    found |= {"price": np.array([r.price for r in each]), "gamma": np.array([r.gamma for r in each], float)}
    found |= {"alpha": np.array([r.alpha for r in each], np.uint16), "beta_place": place, "beta": beta[tuple(place)]}
    return {f"proof_{name}": value for name, value in found.items()}


def margin_row(prover, *gamma, price=0.0):
    """A row of the rivals alone, without slopes."""
    hidden = sum(prover.net.sizes[1:-1])
    return Row(len(prover.net.sizes) - 2, 0, 1, price, np.array(gamma), np.zeros(hidden), np.zeros(hidden))
