"""Trees of attacks/checker.py: what a row teaches, what a split says, and which files are no tree."""

from itertools import combinations

import numpy as np
import pytest
from checker_cases import claim_for, learn, margin_row, prover_for, random_row, written

from attacks import checker
from attacks.checker import LEAF, PIXEL, RIVALS
from minigrad import MLP

X1 = np.zeros(1)
# 2 relu(p - 0.5) - 2 relu(p - 0.25) - 0.1 is at most -0.1 in [0, 1]: seen only after a split
BEND = MLP.from_arrays([([[1.0, 1.0]], [-0.25, -0.5]), ([[-2.0], [2.0]], [-0.1])])
ONE = 1 << 14


def refused(words, net, proof):
    with pytest.raises(checker.Refused, match=words):
        checker.check(net.to_arrays(), proof)


def bend(*, rows=None, **edits):
    """The proof that nothing in the box changes the class, by a split of the second neuron."""
    claim = claim_for(BEND, X1, 0, "linf", 1.0)
    prover = prover_for(BEND, claim)
    part = prover.whole()
    rng = np.random.default_rng(0)
    begin = []
    for neuron in (0, 1):
        for side in (1, -1):
            row = random_row(rng, prover, part, 0, gamma=False)
            row.neuron, row.side, row.beta, row.alpha = neuron, side, np.zeros(2), np.zeros(2)
            begin.append((0, row))
    on, off = margin_row(prover, 1.0), margin_row(prover, 1.0)
    on.alpha, off.alpha = np.array([ONE, 0]), np.zeros(2)
    rows = [*begin, (1, on), (2, off)] if rows is None else rows(begin, on, off)
    found = claim | written(rows, tree=((0, 1, 1), (LEAF, 0, 0), (LEAF, 0, 0)))
    return found | edits


def test_a_split_of_a_neuron_proves_what_no_row_does_alone():
    assert checker.check(BEND.to_arrays(), bend())
    refused("part 2 of 3", BEND, bend(rows=lambda begin, on, off: [*begin, (1, on)]))
    refused("part 1 of 3", BEND, bend(rows=lambda begin, on, off: [*begin, (2, off)]))
    refused("part", BEND, bend(rows=lambda begin, on, off: [*begin, (2, on), (1, off)]))  # of the other side
    refused("without an interval", BEND, bend(rows=lambda begin, on, off: [(1, on), (2, off)]))
    together = written([*[(0, row) for row in begin_of(bend)], *((0, row) for row in rows_of_the_parts())])
    refused("part 0 of 1", BEND, bend() | together)


def begin_of(make):
    kept = []
    make(rows=lambda begin, on, off: kept.extend(row for _, row in begin) or begin)
    return kept


def rows_of_the_parts():
    kept = []
    bend(rows=lambda begin, on, off: kept.extend([on, off]) or begin)
    return kept


@pytest.mark.parametrize("side", [1, -1])
def test_beta_brings_in_the_sign_of_a_neuron(side):
    """side p - 0.1 - ... over p <= 0.5, or p >= 0.5, known from a neuron of which nothing else depends."""
    net = MLP.from_arrays([([[1.0, 1.0]], [0.0, -0.5]), ([[side], [0.0]], [-0.6 if side > 0 else 0.4])])
    prover = prover_for(net, claim_for(net, X1, 0, "linf", 1.0))
    for beta, closed in [(0.0, False), (-side, True), (side, False), (-side / 4, False)]:
        part = prover.whole()
        part.l[0][:], part.u[0][:] = [0.0, -0.5], [1.0, 0.5]
        (part.u if side > 0 else part.l)[0][1] = 0.0
        row = margin_row(prover, 1.0)
        row.beta = np.array([0.0, beta])
        learn(prover, part, row)
        assert part.closed(1.0) == closed


@pytest.mark.parametrize(
    "tree",
    [
        [(LEAF, 0, 0)] * 3,  # parts that belong to none
        [(0, 1, 2), (LEAF, 0, 0), (LEAF, 0, 0)],  # a child that is not there
        [(0, 1, 0), (LEAF, 0, 0), (LEAF, 0, 0)],  # its own child
        [(0, 1, 1), (0, 1, 1), (LEAF, 0, 0)],  # children of two
        [(0, 1, 1), (LEAF, 0, 0)],  # a child left out
        [(-4, 0, 1), (LEAF, 0, 0), (LEAF, 0, 0)],  # no such layer
        [(1, 0, 1), (LEAF, 0, 0), (LEAF, 0, 0)],
        [(PIXEL, 0, 1), (LEAF, 0, 0), (LEAF, 0, 0)],  # pixels are counted in L0 only
        [(0, 1, 1), (LEAF, 0, 0), (LEAF, 0, 0), (0, 0, 4), (LEAF, 0, 0), (LEAF, 0, 0)],  # an island
    ],
)
def test_what_is_no_tree_is_refused(tree):
    proof = bend() | {"proof_tree": np.array(tree, np.int32).T, "proof_cut": np.zeros(len(tree))}
    with pytest.raises((checker.Refused, IndexError)):
        checker.check(BEND.to_arrays(), proof)


def test_a_cut_anywhere_covers_both_sides():
    """Split at z >= c and z <= c: with c far from 0 the rows of the honest proof no longer do."""
    proof = bend()
    refused("part", BEND, proof | {"proof_cut": np.array([0.4, 0, 0])})
    assert checker.check(BEND.to_arrays(), proof | {"proof_cut": np.array([1e-9, 0, 0])})
    prover = prover_for(BEND, proof)
    part = prover.whole()
    part.l[0][:], part.u[0][:] = -1.0, 2.0
    high, low = checker.split(prover, part, 0, 1, 0.25)
    assert high.l[0].tolist() == [-1.0, 0.25] and high.u[0].tolist() == [2.0, 2.0]
    assert low.u[0].tolist() == [2.0, 0.25] and low.l[0].tolist() == [-1.0, -1.0]
    high, low = checker.split(prover, part, 0, 1, 5.0)
    assert high.closed(1.0) and low.u[0].tolist() == [2.0, 2.0] and part.u[0].tolist() == [2.0, 2.0]
    high, low = checker.split(prover, part, 0, 0, -5.0)
    assert low.closed(1.0) and high.l[0].tolist() == [-1.0, -1.0] and not high.closed(1.0)


def test_illegal_multipliers_and_shapes_are_refused():
    proof = bend()
    names = {name: proof[f"proof_{name}"] for name in ("alpha", "gamma", "side", "neuron", "price", "tree")}
    wrong = {
        "alpha": [names["alpha"].astype(np.int32) - 1, np.where(names["alpha"] > 0, ONE + 1, 0).astype(np.int32),
                  names["alpha"].astype(float), names["alpha"].astype(np.int64), names["alpha"][:, :, None]],
        "gamma": [-names["gamma"], names["gamma"] + np.nan, names["gamma"] + np.inf, names["gamma"][:, 0],
                  np.repeat(names["gamma"], 2, axis=1), 0 * names["gamma"]],
        "side": [names["side"] * 2, names["side"] * 0, np.stack([names["side"]] * 2, axis=1)],
        "neuron": [np.stack([names["neuron"]] * 2, axis=1), names["neuron"] + 9, names["neuron"].astype(float)],
        "price": [names["price"] + np.nan, np.stack([names["price"]] * 2, axis=1)],
        "tree": [names["tree"].astype(float), names["tree"][:2]],
    }  # fmt: skip
    for name, values in wrong.items():
        for value in values:
            with pytest.raises((checker.Refused, IndexError, ValueError)):
                checker.check(BEND.to_arrays(), proof | {f"proof_{name}": value})


def test_a_row_of_two_neurons_at_once_is_refused():
    """`neuron` of two columns made a row of z_0 + z_1, and an interval of each."""
    net = MLP.from_arrays([([[1.0, 1.0]], [0.0, -100.0]), ([[1.0], [0.0]], [-0.5])])
    claim, i = claim_for(net, X1, 0, "linf", 1.0), np.int32
    proof = {"tree": np.array([[LEAF], [0], [0]], i), "cut": np.zeros(1)}
    proof |= {"groups": np.array([[0, 0], [0, 0], [0, 2]], i), "side": np.array([1, -1, 1, -1], i)}
    proof |= {"neuron": np.array([[0, 0], [0, 0], [0, 0], [1, 1]], i), "price": np.zeros(4), "gamma": np.zeros((4, 1))}
    proof |= {"alpha": np.zeros((4, 2), np.uint16), "beta_place": np.zeros((2, 0), i), "beta": np.zeros(0)}
    with pytest.raises((checker.Refused, ValueError, IndexError)):
        checker.check(net.to_arrays(), claim | {f"proof_{name}": value for name, value in proof.items()})


THREE = MLP.from_arrays([([[0.0, 1.0, 0.1], [0.0, 0.0, 0.2]], [0.5, 0.0, -1.0])])  # rival 1 wins at p > 0.5, 2 never


def test_prices_for_each_pair_of_rows_are_refused():
    """`price` (R, R) in L2 made bounds (R, R): one rival refuted closed all."""
    claim = claim_for(THREE, np.zeros(2), 0, "l2", 1.0)
    prover = prover_for(THREE, claim)
    proof = claim | written([(0, margin_row(prover, 1, 0)), (0, margin_row(prover, 0, 1))])
    proof |= {"proof_groups": np.zeros((3, 1), np.int32), "proof_price": np.ones((2, 2))}
    with pytest.raises((checker.Refused, ValueError, IndexError)):
        checker.check(THREE.to_arrays(), proof)


def test_each_rival_is_refuted_by_its_own_row():
    claim = claim_for(THREE, np.zeros(2), 0, "linf", 1.0)
    prover = prover_for(THREE, claim)
    part = prover.whole()
    learn(prover, part, margin_row(prover, 0.0, 2.0))
    assert part.open.tolist() == [True, False] and not part.closed(1.0)
    learn(prover, part, margin_row(prover, 1.0, 0.0))  # it is not below 0
    assert part.open.tolist() == [True, False]
    for gamma in ([1.0, 1.0], [0.0, 0.0]):
        with pytest.raises(checker.Refused, match="rows not of one rival"):
            learn(prover, part, margin_row(prover, *gamma))
    first, second = checker.split(prover, prover.whole(), RIVALS, 0, 0.0)
    assert first.open.tolist() == [True, False] and second.open.tolist() == [False, True]
    near = claim_for(THREE, np.zeros(2), 0, "linf", 0.4)
    rows = [(i, margin_row(prover, *np.eye(2)[i - 1])) for i in (1, 2)]
    tree = ((RIVALS, 0, 1), (LEAF, 0, 0), (LEAF, 0, 0))
    assert checker.check(THREE.to_arrays(), near | written(rows, tree))
    refused("part 1 of 3", THREE, claim | written(rows, tree))
    refused("part 2 of 3", THREE, near | written(rows[:1], tree))


def test_where_all_rivals_must_be_beaten_one_row_will_do():
    claim = claim_for(THREE, np.zeros(2), 0, "linf", 1.0, target=2)
    prover = prover_for(THREE, claim)
    assert prover.joint
    part = prover.whole()
    learn(prover, part, margin_row(prover, 1.0, 1.0))
    assert part.closed(1.0)
    with pytest.raises(checker.Refused, match="must all be beaten"):
        checker.split(prover, part, RIVALS, 0, 0.0)
    easy = claim_for(THREE, np.zeros(2), 0, "linf", 1.0, target=1)
    refused("part 0", THREE, easy | written([(0, margin_row(prover_for(THREE, easy), 1.0, 1.0))]))


def test_intervals_of_counterexamples_need_the_rival_to_be_the_only_one():
    net = MLP.from_arrays([([[1.0, 1.0]], [0.0, 0.5]), ([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], [0.5, 0.0, -2.0])])
    prover = prover_for(net, claim_for(net, X1, 0, "linf", 1.0))
    part = prover.whole()
    row = random_row(np.random.default_rng(0), prover, part, 0, gamma=False)
    row.gamma = np.array([1.0, 0.0])
    with pytest.raises(checker.Refused, match="not the only one left"):
        learn(prover, part, row)
    part.open[:] = [False, True]
    with pytest.raises(checker.Refused, match="not the only one left"):
        learn(prover, part, row)
    part.open[:] = [True, False]
    with pytest.raises(checker.Refused, match="without an interval"):
        learn(prover, part, row)


def counted(seed):
    """A linear function of five pixels, and its L0 prover."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 5))
    W, b = rng.normal(size=(5, 1)), -rng.random(1) * rng.choice([0.3, 1, 3])
    net = MLP.from_arrays([(W, b)])
    x = rng.random(5)
    prover = prover_for(net, claim_for(net, x, 0, "l0", k))
    gains = np.maximum(W[:, 0] * (1 - x), -W[:, 0] * x)
    return rng, k, gains, (x @ W + b)[0], prover


def test_pixels_are_decided_as_all_subsets_decide_them():
    """Of a linear function the bound is exact: a pixel is known to change iff every set that succeeds holds it."""
    decided = 0
    for seed in range(150):
        rng, k, gains, start, prover = counted(seed)
        part = prover.whole()
        if seed % 3:
            part.inside[int(rng.integers(5))] = True
        if seed % 2:
            part.outside[:] = ~part.inside & (rng.random(5) < 0.3)
        inside, outside = part.inside.copy(), part.outside.copy()
        free = np.flatnonzero(~outside & ~inside)
        sets = [
            {*some, *np.flatnonzero(inside)}
            for n in range(k - inside.sum() + 1)
            for some in combinations(free, n)
        ]  # fmt: skip
        # a pixel counted in may also stay: its gain is not below 0
        good = [s for s in sets if start + sum(gains[list(s)]) > 0]
        learn(prover, part, margin_row(prover, 1.0))
        assert part.closed(k) == (not good)
        if good:
            for i in free:
                assert part.inside[i] == all(i in s for s in good)
                assert part.outside[i] == all(i not in s for s in good)
                decided += part.inside[i] or part.outside[i]
            assert (part.inside >= inside).all() and (part.outside >= outside).all()
    assert decided > 50


def test_a_pixel_is_known_only_if_all_rivals_agree():
    net = MLP.from_arrays([([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.5, 0.0, 0.0])])  # rival i needs pixel i
    prover = prover_for(net, claim_for(net, np.zeros(2), 0, "l0", 1))
    part = prover.whole()
    learn(prover, part, margin_row(prover, 1.0, 0.0))
    assert not part.inside.any() and not part.outside.any()
    part.open[:] = [True, False]
    learn(prover, part, margin_row(prover, 1.0, 0.0))
    assert part.inside.tolist() == [True, False] and part.outside.tolist() == [False, True]
    joint = prover_for(net, claim_for(net, np.zeros(2), 0, "l0", 2, target=1))
    part = joint.whole()
    learn(joint, part, margin_row(joint, 1.0, 0.0))  # it must be above class 0
    assert part.inside.tolist() == [True, False] and not part.outside.any()


def test_a_pixel_is_split_into_what_changes_and_what_does_not():
    _, k, _, _, prover = counted(1)
    part = prover.whole()
    first, second = checker.split(prover, part, PIXEL, 2, 0.0)
    assert first.inside.tolist() == second.outside.tolist() == [i == 2 for i in range(5)]
    assert not (first.outside.any() or second.inside.any() or part.inside.any() or part.outside.any())
    again = checker.split(prover, first, PIXEL, 2, 0.0)
    assert again[1].closed(k) and not again[0].closed(k)
    first.inside[: k + 1] = True
    assert first.closed(k) and not first.closed(k + 1)
    near = MLP.from_arrays([(np.array([[0.6], [0.57]]), [-0.75])])
    claim = claim_for(near, np.zeros(2), 0, "l0", 1)
    rows = [(i, margin_row(prover_for(near, claim), 1.0)) for i in (1, 2)]
    tree = ((PIXEL, 0, 1), (LEAF, 0, 0), (LEAF, 0, 0))
    assert checker.check(near.to_arrays(), claim | written(rows, tree))
    refused("part 2", near, claim | written(rows[:1], tree))


def test_what_is_learnt_only_narrows():
    prover = prover_for(BEND, bend())
    part = prover.whole()
    part.l[0][:], part.u[0][:] = [0.25, -9.0], [0.5, 9.0]
    rng = np.random.default_rng(0)
    for neuron in (0, 1):
        for side in (1, -1):
            row = random_row(rng, prover, part, 0, gamma=False)
            row.neuron, row.side, row.beta = neuron, side, np.zeros(2)
            learn(prover, part, row)
    assert part.l[0][0] == 0.25 and part.u[0][0] == 0.5
    assert -0.5 - 1e-6 < part.l[0][1] < -0.5 < 0.5 < part.u[0][1] < 0.5 + 1e-6
