"""Small networks, claims about them, and rows of multipliers drawn at random, for tests of attacks/checker.py."""

from itertools import pairwise

import numpy as np
from checker_oracle import Row

from attacks import checker
from attacks.proofs.exact_known import Known
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
    with np.errstate(all="ignore"):
        return checker.Prover(checker.Claim(checker.Network(net.to_arrays()), arrays))


def whole(prover):
    """The first part, by name."""
    return Known(prover, prover.whole())


def copied(part):
    return Known(part.prover, part.array.copy())


def mark(part, **names):
    """Pixels that are counted in (`inside`) or out (`outside`), rivals that are refuted (`refuted`): given as masks."""
    margins, pixels = part.prover.at[-1], part.prover.pixels
    for name, mask in names.items():
        end, at, value = {"inside": (0, pixels, 1), "outside": (1, pixels, 0), "refuted": (1, margins, 0)}[name]
        part.array[end, at][np.asarray(mask)] = value


def random_row(rng, prover, part, layer, *, scale=1.0, beta=True, gamma=True):
    """Multipliers drawn at random; at the last layer of one margin, and of others where they are sure."""
    last, r = layer == len(part.l), len(prover.claim.rivals)
    weights, sure = np.zeros(r), np.flatnonzero(part.sure)
    widths = [len(low) for low in part.l]
    neuron = int(rng.choice(np.flatnonzero(part.open))) if last else int(rng.integers(widths[layer]))
    if gamma and len(sure) and rng.random() < 0.5:
        weights[rng.choice(sure)] = rng.choice([0.25, 1.0, 1.375]) * (1.0 if last else scale)
        if rng.random() < 0.7:
            weights[sure] = rng.integers(1, 9, len(sure)) / 8
    if last:
        weights[neuron] = 0
    alpha = rng.choice([0, 1 << 12, 1 << 13, 1 << 14], sum(widths))
    signed = rng.choice([0, 0, 0, 1.0, -1.0, 2.0], sum(widths)) * scale * beta
    return Row(layer, neuron, 1 if last else int(rng.choice([1, -1])), 0.0, weights, alpha, signed)


def pulled(prover, part, layer, neuron, side, price, *lines):
    """(const, h, what h is if a pixel is decided) of rows, as the checker's constants."""
    with np.errstate(all="ignore"):
        const, A, e = prover.pull(part.array, layer, neuron, side, price, *lines)
        h, changed = getattr(prover, prover.claim.norm)(A, e, part.array, price)
        return const, h, changed


def bound(prover, part, row):
    """The checker's bound of a row: (all of it, the part without h), as its constants."""
    const, h, _ = pulled(prover, part, *row.arguments())
    return (const + h)[0], const[0]


def learn(prover, part, row):
    with np.errstate(all="ignore"):
        prover.learn(part.array, *row.arguments())


def written(*steps):
    """The arrays of a proof: a step is a Row, or a split ("neuron", "margin" or "pixel", index, cut)."""
    each = [step for step in steps if isinstance(step, Row)]
    hidden, r = len(each[0].alpha), len(each[0].gamma)
    begin = {"neuron": 0, "margin": hidden, "pixel": hidden + r}
    names = "neuron", "side", "price", "alpha"
    found = {name: np.array([getattr(row, name) for row in each]) for name in names}
    found["beta"] = np.array([np.append(row.beta, row.gamma) for row in each])
    splits = [(0, 0, 0) if isinstance(s, Row) else (*s, 0.5 if s[0] == "pixel" else 0.0)[:3] for s in steps]
    found["steps"] = np.array([(1, s.layer, 0) if isinstance(s, Row) else (0, 0, begin[s[0]] + s[1]) for s in steps])
    found["cut"] = np.array([float(cut) for *_, cut in splits])
    return {f"proof_{name}": value for name, value in found.items()}


def margin_row(prover, *gamma, price=0.0):
    """A row of margins alone, without slopes: that of the largest multiplier, and what share the others have of it."""
    hidden, gamma = sum(prover.net.sizes[1:-1]), np.array(gamma, float)
    largest = int(np.argmax(gamma))
    others = gamma / gamma[largest]
    others[largest] = 0
    none = np.zeros(hidden)
    return Row(len(prover.net.sizes) - 2, largest, 1, price / gamma[largest], others, none, none)
