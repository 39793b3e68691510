"""attacks/checker.py and its arithmetic written down once more (tests/support/checker_model.py) agree to the bit."""

from copy import copy
from itertools import pairwise

import checker_model as model
import numpy as np
import pytest
from checker_cases import NORMS, claim_for, learn, mark, prover_for, pulled, whole
from checker_oracle import Row
from repeats import repeats

from attacks import checker
from minigrad import MLP

SHAPES = (3,), (2, 3), (4, 3, 2), (2, 1, 3, 2), (3, 2)


def case(rng, norm, size=None):
    """(prover, part) of a network of floats of any size, weights rounded or not, and intervals of all kinds."""
    d, *hidden = SHAPES[rng.integers(len(SHAPES))] if size is None else size
    k = int(rng.choice([1, 2, 3]))
    large = 2.0 ** rng.integers(-40, 41)
    layers = [(rng.normal(size=shape) * large, rng.normal(size=shape[1])) for shape in pairwise([d, *hidden, k])]
    if rng.random() < 0.3:
        layers = [(np.rint(W / large * 8) * large / 8, b) for W, b in layers]
    net = MLP.from_arrays(layers, threshold=0.3 * (k == 1) * (rng.random() < 0.5))
    radius = float(rng.integers(1, d + 1)) if norm == "l0" else float(rng.choice([0.01, 0.3, 2.0]))
    box, mask = (-rng.random(d), 1 + rng.random(d)), rng.random(d) < 0.9
    target = int(rng.choice([-1, 1])) if k == 3 else -1
    claim = claim_for(net, rng.random(d), 0, norm, radius, box=box, mask=mask, target=target)
    prover = prover_for(net, claim)
    part = whole(prover)
    for low, high in zip(part.l, part.u, strict=True):
        ends = np.sort(rng.normal(size=(2, len(low))) * 2.0 ** rng.integers(-3, 20), axis=0)
        low[:], high[:] = np.where(rng.random(len(low)) < 0.2, np.abs(ends), ends) * (1, -1)[rng.integers(2)]
        low[:], high[:] = np.minimum(low, high), np.maximum(low, high)
    if norm == "l0" and radius > 1:
        mark(part, inside=np.arange(d) == 0, outside=np.arange(d) == d - 1)
    if not part.sure.any():
        part.array[0, prover.at[-1]] = [0.0, -np.inf]
    return prover, part


def drawn(rng, prover, part, layer):
    """A row of floats."""
    last, sure = layer == len(part.l), part.sure
    neuron = int(rng.integers(len(sure) if last else len(part.l[layer])))
    gamma = sure * rng.random(len(sure)) * (rng.random(len(sure)) < 0.5) * 2.0 ** rng.integers(-3 if last else -20, 4)
    if last:
        gamma[neuron] = 0
    hidden = sum(map(len, part.l))
    alpha = rng.choice([0, 1, 5000, 16383, 16384, 777.5], hidden)
    beta = rng.normal(size=hidden) * (rng.random(hidden) < 0.4) * 2.0 ** rng.integers(-30, 30)
    price = float(rng.choice([0, 1e-3, 0.7, 1e6])) * 2.0 ** rng.integers(-40, 41)
    return Row(layer, neuron, int(rng.choice([1, -1])), price, gamma, alpha, beta)


def compare(prover, part, row):
    try:
        const, A, e = model.pull(prover, part, row)
    except OverflowError:
        with pytest.raises(checker.Refused, match="too large"):
            pulled(prover, part, *row.arguments())
        return
    h = model.support(prover, part, row, A, e)
    found, reached, _ = pulled(prover, part, *row.arguments())
    with np.errstate(all="ignore"):
        _, rows, unit = prover.pull(part.array, *row.arguments())
    assert (rows[0].tolist(), int(unit[0])) == (A, e)
    assert (found[0], reached[0]) == (const, h)


def cases(norm, count):
    """(rng, prover, part, layer) for each layer of so many cases."""
    for seed in range(count):
        rng = np.random.default_rng((seed, NORMS.index(norm)))
        prover, part = case(rng, norm)
        for layer in range(len(part.l) + 1):
            yield rng, prover, part, layer


@pytest.mark.parametrize("norm", NORMS)
def test_every_number_of_a_row_is_that_of_the_model(norm):
    for rng, prover, part, layer in cases(norm, repeats(60, 1000)):
        compare(prover, part, drawn(rng, prover, part, layer))
    rng = np.random.default_rng(NORMS.index(norm))
    for width in (256, 257):
        wide = case(rng, norm, (width, 2))
        compare(*wide, drawn(rng, *wide, 1))
    compare(*(wide := case(rng, norm, (3, 200, 2))), drawn(rng, *wide, 2))


@pytest.mark.parametrize("norm", NORMS)
def test_rows_of_one_step_are_each_as_if_alone(norm):
    """Also where their units differ by far, and where some count margins and others do not."""
    for rng, prover, part, layer in cases(norm, repeats(20, 300)):
        rows = [drawn(rng, prover, part, layer) for _ in range(4)]
        for row in rows:  # what is above it counts with the margins alone
            row.beta[prover.at[layer].start :] *= row.gamma.any() or layer == len(part.l)
        try:
            each = [model.pull(prover, part, row) for row in rows]
        except OverflowError:
            continue
        columns = [np.concatenate(some) for some in zip(*(row.arguments()[1:] for row in rows), strict=True)]
        with np.errstate(all="ignore"):
            const, A, e = prover.pull(part.array, layer, *columns)
            h, _ = getattr(prover, norm)(A, e, part.array, columns[2])
        assert [*zip(const, A.tolist(), e.tolist(), strict=True)] == each
        rest = zip(rows, A.tolist(), e.tolist(), strict=True)
        assert h.tolist() == [model.support(prover, part, row, a, int(u)) for row, a, u in rest]


@pytest.mark.parametrize("norm", NORMS)
def test_what_is_learnt_is_the_next_float(norm):
    for rng, prover, part, layer in cases(norm, 20):
        row = drawn(rng, prover, part, layer)
        row.gamma = 0 * row.gamma
        span = prover.at[layer]
        before = part.array[:, span].copy()
        const, A, e = model.pull(prover, part, row)
        value = (const + model.support(prover, part, row, A, e)) / (1 << model.POINT)
        value = float(np.nextafter(value, np.inf)) if value else 0.0
        learn(prover, part, row)
        if row.side > 0:
            before[1, row.neuron] = min(before[1, row.neuron], value)
        else:
            before[0, row.neuron] = max(before[0, row.neuron], -value)
        assert np.array_equal(part.array[:, span], before)


@pytest.mark.parametrize("norm", ["l0", "linf", "l2"])
def test_the_sum_of_rows_of_a_set_is_that_of_the_model(norm):
    for seed in range(repeats(25, 300)):
        rng = np.random.default_rng((seed, NORMS.index(norm)))
        first, _ = case(rng, norm)
        net, d, n = first.net, len(first.claim.x), int(rng.integers(1, 4))
        provers, parts = [], []
        for _ in range(n):
            claim = copy(first.claim)
            claim.x = rng.random(d)
            claim.ends = [claim.x - rng.random(d) * (rng.random() < 0.8), claim.x + rng.random(d)]
            provers.append(checker.Prover(claim))
            parts.append(whole(provers[-1]))
            for low, high in zip(parts[-1].l, parts[-1].u, strict=True):
                low[:], high[:] = np.sort(rng.normal(size=(2, len(low))), axis=0)
            parts[-1].array[0, provers[-1].at[-1]] = 0.0
            if norm == "l0" and first.radius > 1:
                mark(parts[-1], inside=np.arange(d) == 0, outside=(np.arange(d) == d - 1) & (seed % 2 == 0))
        image = rng.integers(0, n, int(rng.integers(1, 6)))
        rows = [drawn(rng, provers[i], parts[i], len(net.sizes) - 2) for i in image]
        for row in rows:
            row.side = 1
        weights = rng.random(len(image)) * 2.0 ** rng.integers(-30, 30)
        index = np.array([i * len(first.claim.rivals) + row.neuron for i, row in zip(image, rows, strict=True)])
        lines = [np.array([row.alpha for row in rows]), np.array([np.append(row.beta, row.gamma) for row in rows])]
        with np.errstate(all="ignore"):
            array, side = np.stack([part.array for part in parts]), np.ones(len(rows))
            found = checker.together(provers[0], provers, array, index, side, weights, *lines)
        assert found == model.together(provers, parts, image, rows, weights.tolist())
