"""Each row of attacks/checker.py against the same row in rational numbers (tests/support/checker_oracle.py)."""

from fractions import Fraction
from itertools import pairwise

import checker_oracle as oracle
import exact
import numpy as np
import pytest
import soak_exact
from checker_cases import (
    NORMS,
    bound,
    claim_for,
    copied,
    eighths,
    learn,
    mark,
    prover_for,
    pulled,
    random_row,
    small_net,
    whole,
)
from repeats import repeats

from attacks import checker
from minigrad import MLP


def layers_of(net):
    return exact.exactly(net), Fraction(float(net.threshold))


def exact_bound(net, prover, claim, part, row):
    """(A, constant, constant + the maximum of A . s) exactly; `row` gets the best price for A."""
    layers, threshold = layers_of(net)
    x = oracle.fractions(claim["x"])
    A, const = oracle.row_bound(layers, threshold, prover.claim.rivals, x, part, row, 16)
    h, row.price = oracle.support(claim, part, A)
    return A, const, const + h


def random_part(rng, prover):
    """Intervals in eighths: curved, fixed in sign, empty of width."""
    part = whole(prover)
    for low, high in zip(part.l, part.u, strict=True):
        ends = np.sort(rng.integers(-24, 25, (2, len(low))) / 8, axis=0)
        low[:], high[:] = ends[0] - (rng.random(len(low)) < 0.5), ends[1]
    if prover.claim.norm == "l0":
        n = len(part.inside)
        mark(part, inside=(np.arange(n) == rng.integers(n)) & (rng.random() < 0.3))
        mark(part, outside=~part.inside & (rng.random(n) < 0.3))
    if rng.random() < 0.5 and not part.sure.any():
        part = part.split(part.neuron(len(part.l), int(rng.integers(len(part.sure)))))[0]
    return part


@pytest.mark.parametrize("norm", NORMS)
def test_on_the_grid_a_row_is_exact(norm):
    """Weights, intervals and multipliers of few bits: nothing is rounded but the room of a pixel, and mu of L2.

    With margins or a second hidden layer a row may have more bits than it keeps: rounded, and charged for.
    """
    rng, exactly = np.random.default_rng(NORMS.index(norm)), 0
    for i in range(30):
        d, k = int(rng.integers(1, 5)), int(rng.choice([1, 2, 3, 4]))
        net = small_net(rng, [d, *rng.integers(1, 4, rng.integers(0, 3)), k], 0.375 if k == 1 and i % 2 else 0.0)
        target = 1 if k > 2 and i % 2 else -1
        x, radius = (eighths(rng, d) + 1) / 2, float(rng.integers(1, 3) if norm == "l0" else rng.choice([0.0625, 0.5]))
        mask = rng.random(d) < 0.8
        claim = claim_for(net, x, 0, norm, radius, box=(-1.0, 2.0), mask=mask, target=target)
        prover = prover_for(net, claim)
        for layer in [*range(len(net.sizes) - 1), len(net.sizes) - 2]:
            part = random_part(rng, prover)
            row = random_row(rng, prover, part, layer, scale=2.0**-6)
            short = layer <= 1 and not (row.gamma.any() and len(part.l)) and all(each.W.any() for each in net.dense)
            full = short and (prover.claim.rivals @ net.dense[-1].W.T).all()
            row.beta = row.beta * full  # it is cut at 2^bits units of its row, which may be small
            A, const, truth = exact_bound(net, prover, claim, part, row)
            found, without_h = (oracle.exact_number(v) for v in bound(prover, part, row))
            exactly += short  # else charges of 2^-27 for each of a few rows, times |v|
            slack = max(1, *map(abs, A)) * Fraction(0 if short else 2.0**-16)
            assert const - slack <= without_h <= const + slack
            assert truth <= found
            if norm != "l2":  # a room below 4 is rounded up to 2^-25
                room = sum(map(abs, A)) * Fraction(2.0**-24)
                assert found <= truth + room + 2 * slack
    assert exactly > 25


def test_l2_is_as_good_as_its_multiplier():
    """The sum is flat at its minimum, so h is too large by the square of what the multiplier is rounded by."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        d = int(rng.integers(1, 7))
        net = MLP.from_arrays([(rng.normal(size=(d, 2)), rng.normal(size=2)), (rng.normal(size=(2, 1)), [0.1])])
        claim = claim_for(net, rng.random(d), 0, "l2", float(rng.choice([1e-6, 0.3, 1.1])))
        prover = prover_for(net, claim)
        part = random_part(rng, prover)
        row = random_row(rng, prover, part, 0, beta=False, gamma=False)
        A, const, truth = exact_bound(net, prover, claim, part, row)
        found = oracle.exact_number(bound(prover, part, row)[0])
        assert truth <= found <= truth + (truth - const) / 2**20 + sum(map(abs, A)) / 2**20


@pytest.mark.parametrize("norm", NORMS)
def test_where_floats_break_a_row_is_never_below(norm):
    """Scales of 2^+-60, subnormals, biases that cancel, wide boxes, depth; intervals from the rows before."""
    seen = finite = 0
    for index in range(NORMS.index(norm), repeats(100, 1600), 4):
        try:
            case = soak_exact.case_of(15, index)
        except FloatingPointError:
            continue
        if case is None or len(case.net.sizes) > 8:
            continue
        rng = np.random.default_rng((index, 1))
        d, target = len(case.x), -1 if case.target is None else case.target
        width = float(np.max(case.box[1] - case.box[0]))
        radius = float(rng.integers(1, d + 1)) if norm == "l0" else width * float(rng.choice([1e-8, 0.1, 0.6]))
        claim = claim_for(case.net, case.x, case.y, norm, radius, box=case.box, mask=case.mask, target=target)
        values = [all_values(case.net, point) for point in allowed(rng, claim, 2)]
        try:
            prover = prover_for(case.net, claim)
            part = whole(prover)
            for layer, (low, high) in enumerate(zip(part.l, part.u, strict=True)):
                for neuron in range(len(low)):
                    for side in (1, -1):
                        row = random_row(rng, prover, part, layer, beta=False, gamma=False)
                        row.neuron, row.side = neuron, side
                        _, _, truth = exact_bound(case.net, prover, claim, part, row)
                        assert oracle.exact_number(bound(prover, part, row)[0]) >= truth
                        learn(prover, part, row)
                        seen += 1
                low, high = oracle.fractions(low), oracle.fractions(high)
                for z in values:
                    assert all(a <= v <= b for a, v, b in zip(low, z[layer], high, strict=True))
            row = random_row(rng, prover, part, len(part.l), beta=False)
            _, _, truth = exact_bound(case.net, prover, claim, part, row)
            assert oracle.exact_number(bound(prover, part, row)[0]) >= truth
            finite += 1
        except (ArithmeticError, checker.Refused):  # too large for a float, or a radius of 0: nothing is shown
            continue
    assert seen > 25 and finite > 8


def allowed(rng, claim, count):
    """Points of the set, exactly: x and a share of the way to a corner of what is allowed."""
    room, x, r = oracle.room(claim), oracle.fractions(claim["x"]), Fraction(float(claim["radius"]))
    points = [x]
    for _ in range(count):
        ends = [room[i][int(rng.integers(2))] for i in range(len(x))]
        if claim["norm"] == "l0":
            moved = rng.permutation(len(x))[: int(r)]
            s = [v if i in moved else Fraction(0) for i, v in enumerate(ends)]
        elif claim["norm"] == "linf":
            s = [max(min(v, r), -r) for v in ends]
        else:
            size = sum(map(abs, ends))  # at least the length
            share = min(Fraction(1), r / size) if size else Fraction(0)
            s = [v * share for v in ends]
        points.append([a + b for a, b in zip(x, s, strict=True)])
    return points


def all_values(net, point):
    """z of every layer, exactly."""
    a, found = point, []
    for W, b in exact.exactly(net):
        columns = zip(zip(*W, strict=True), b, strict=True)
        z = [sum((w * v for w, v in zip(column, a, strict=True)), c) for column, c in columns]
        found.append(z)
        a = [max(v, Fraction(0)) for v in z]
    return found


@pytest.mark.parametrize("norm", NORMS)
def test_rows_together_are_each_row_alone(norm):
    rng = np.random.default_rng(NORMS.index(norm))
    for _ in range(6):
        net = small_net(rng, [4, 3, 3, 1])
        prover = prover_for(net, claim_for(net, rng.integers(0, 9, 4) / 8, 0, norm, 2.0 if norm == "l0" else 0.3))
        part = random_part(rng, prover)
        for layer in (1, 2):
            rows = [random_row(rng, prover, part, layer, gamma=False) for _ in range(5)]
            for row in rows:
                row.price = rng.choice([0.0, 0.5, 2.0])
            each = [np.concatenate(columns) for columns in zip(*(row.arguments()[1:] for row in rows), strict=True)]
            const, h, _ = pulled(prover, part, layer, *each)
            assert [*zip(const + h, const, strict=True)] == [bound(prover, part, row) for row in rows]


def test_a_set_reaches_as_far_as_its_pixels():
    """What is charged for is never less than |x + s|: from 0 it only rises, from 1 it only falls."""
    net = small_net(np.random.default_rng(0), [3, 1])
    for norm in NORMS:
        claim = claim_for(net, np.array([0.0, 1.0, 0.25]), 0, norm, 2.0, box=(-0.5, 4.0))
        every, room = prover_for(net, claim).around, oracle.room(claim)
        reach = 9 if norm == "l0" else 2
        most = [max(abs(v + max(min(end, reach), -reach)) for end in ends)
                for v, ends in zip(oracle.fractions(claim["x"]), room, strict=True)]  # fmt: skip
        unit = Fraction(2) ** every.unit
        assert all(int(high) * unit >= v for high, v in zip(every.high, most, strict=True))
        assert every.size * unit >= sum(most)


def test_what_pixels_do_to_the_bound_is_exact():
    """h with a pixel kept out, and with it counted in, against h of the sets in which it is so."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        d, k = 5, int(rng.integers(1, 6))
        net = small_net(rng, [d, 1])
        prover = prover_for(net, claim_for(net, rng.integers(0, 9, d) / 8, 0, "l0", float(k)))
        part, A, e = whole(prover), rng.integers(-4, 5, (2, d)), np.zeros(2, int)
        first = np.arange(d) == 0
        mark(part, inside=first & (k > 1) & (rng.random() < 0.5), outside=(np.arange(d) == 1) & (rng.random() < 0.5))
        _, changed = prover.l0(A, e, part.array, None)
        for i in np.flatnonzero(~(part.inside | part.outside)):
            for known, found in zip(("outside", "inside"), changed(), strict=True):
                other = copied(part)
                mark(other, **{known: np.arange(d) == i})
                h, _ = prover.l0(A, e, other.array, None)
                said = [Fraction(int(v)) * Fraction(2) ** prover.room.unit for v in found[:, i]]
                assert [oracle.exact_number(v) for v in h] == said


@pytest.mark.parametrize("sizes", [(3, 4, 3000), (700, 90, 3), (5, 1200, 700, 2), (16000, 3), (200, 3), (3, 100, 1)])
def test_no_sum_is_longer_than_its_numbers(sizes, monkeypatch):
    """Whatever the widths: 2^53 in float64, 2^63 in int64, whatever the signs."""
    rng, seen, most = np.random.default_rng(len(sizes)), [], checker.Box.most

    def spied(box, A, e):
        assert A.dtype == np.int64 and max(np.abs(box.low).max(), np.abs(box.high).max()) <= 2**27
        seen.append(max(sum(map(abs, row)) for row in A.tolist()))
        return most(box, A, e)

    monkeypatch.setattr(checker.Box, "most", spied)
    layers = [(rng.normal(size=shape), rng.normal(size=shape[1])) for shape in pairwise(sizes)]
    net, x = MLP.from_arrays(layers), rng.random(sizes[0])
    for norm in NORMS:
        for target in (-1, 1) if sizes[-1] > 2 else (-1,):
            claim = claim_for(net, x, 0, norm, 2.0, target=target)
            prover = prover_for(net, claim)
            part = random_part(rng, prover)
            row = random_row(rng, prover, part, len(part.l))
            row.price = 1e9
            bound(prover, part, row)
    assert max(seen) * 2**14 <= 2**53 and max(seen) * 2**27 <= 2**62
