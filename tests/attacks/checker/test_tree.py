"""Steps of attacks/checker.py: what a row teaches, what a split says, and which steps are none."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from checker_cases import bound, claim_for, copied, learn, margin_row, mark, prover_for, random_row, whole, written

from attacks import checker
from attacks.proofs.exact_known import Known
from minigrad import MLP

X1 = np.zeros(1)
# 2 relu(p - 0.5) - 2 relu(p - 0.25) - 0.1 is at most -0.1 in [0, 1]: seen only after a split
BEND = MLP.from_arrays([([[1.0, 1.0]], [-0.25, -0.5]), ([[-2.0], [2.0]], [-0.1])])
ONE = 1 << 14


def split(part, index, cut=0.0):
    """The two parts, by name."""
    return [Known(part.prover, parts[0]) for parts in checker.split(part.array[None], index, cut)]


def refused(words, net, proof):
    with pytest.raises(checker.Refused, match=words):
        checker.check(net.to_arrays(), proof)


def rows_of_bend():
    """Those of all four intervals, and those of the margin where the second neuron is on and where it is off."""
    prover = prover_for(BEND, claim_for(BEND, X1, 0, "linf", 1.0))
    part, rng, begin = whole(prover), np.random.default_rng(0), []
    for neuron in (0, 1):
        for side in (1, -1):
            row = random_row(rng, prover, part, 0, gamma=False)
            row.neuron, row.side, row.beta, row.alpha = neuron, side, np.zeros(2), np.zeros(2)
            begin.append(row)
    on, off = margin_row(prover, 1.0), margin_row(prover, 1.0)
    on.alpha, off.alpha = np.array([ONE, 0]), np.zeros(2)
    return begin, on, off


def bend(*steps):
    """The claim that nothing in the box changes the class, with its proof; by default the honest one.

    It splits the second neuron; the part where it is off comes first.
    """
    begin, on, off = rows_of_bend()
    return claim_for(BEND, X1, 0, "linf", 1.0) | written(*(steps or (*begin, ("neuron", 1), off, on)))


def test_a_split_of_a_neuron_proves_what_no_row_does_alone():
    begin, on, off = rows_of_bend()
    assert checker.check(BEND.to_arrays(), bend())
    for steps in [
        [*begin, on, off],  # without the split
        [*begin, on, off, ("neuron", 1)],
        [*begin, ("neuron", 1)],
        [*begin, ("neuron", 1), off],
        [*begin, ("neuron", 1), on],
        [*begin, ("neuron", 1), on, on],  # each row of the other side
        [("neuron", 1), off, on],
    ]:
        with pytest.raises(checker.Refused, match=r"left open|without ends"):
            checker.check(BEND.to_arrays(), bend(*steps))
    assert checker.check(BEND.to_arrays(), bend(*begin, ("neuron", 1), on, off, on))  # a row that teaches nothing
    refused("after the last part", BEND, bend(*begin, ("neuron", 1), off, on, on))
    refused("after the last part", BEND, bend(*begin, ("neuron", 1), off, on, ("neuron", 0)))


@pytest.mark.parametrize("side", [1, -1])
def test_beta_brings_in_the_sign_of_a_neuron(side):
    """side p - 0.1 - ... over p <= 0.5, or p >= 0.5, known from a neuron of which nothing else depends."""
    net = MLP.from_arrays([([[1.0, 1.0]], [0.0, -0.5]), ([[side], [0.0]], [-0.6 if side > 0 else 0.4])])
    prover = prover_for(net, claim_for(net, X1, 0, "linf", 1.0))
    for beta, closed in [(0.0, False), (-side, True), (side, False), (-side / 4, False)]:
        part = whole(prover)
        part.l[0][:], part.u[0][:] = [0.0, -0.5], [1.0, 0.5]
        (part.u if side > 0 else part.l)[0][1] = 0.0
        row = margin_row(prover, 1.0)
        row.beta = np.array([0.0, beta])
        learn(prover, part, row)
        assert part.closed == closed


@pytest.mark.parametrize(
    "split",
    [("neuron", 4), ("neuron", -5), ("margin", 2), ("pixel", 1), ("pixel", 9), ("pixel", 0)],
)
def test_a_split_at_nothing_is_refused_or_proves_nothing(split):
    """Of four numbers: two neurons, a margin, a pixel, of which only L0 counts."""
    begin, on, off = rows_of_bend()
    with pytest.raises((checker.Refused, IndexError)):
        checker.check(BEND.to_arrays(), bend(*begin, split, off, on, off, on))


def test_steps_that_are_none_are_refused():
    proof = bend()
    steps, cut = proof["proof_steps"], proof["proof_cut"]
    for wrong in [
        {"proof_steps": steps[:, :2]},
        {"proof_steps": steps[:0], "proof_cut": cut[:0]},
        {"proof_steps": steps * [[0, 1, 1]]},
        {"proof_cut": cut[:-1]},
        {"proof_cut": cut + np.nan},
    ]:
        with pytest.raises((checker.Refused, IndexError, ValueError)):
            checker.check(BEND.to_arrays(), proof | wrong)


def test_a_bound_of_0_is_enough():
    """A counterexample has a margin above 0."""
    nothing = MLP.from_arrays([([[0.0]], [0.0])])  # its margin is 0 everywhere, and so is the bound
    claim = claim_for(nothing, X1, 0, "linf", 1.0)
    assert checker.check(nothing.to_arrays(), claim | written(margin_row(prover_for(nothing, claim), 1.0)))
    more = MLP.from_arrays([([[0.0]], [5e-324])])
    claim = claim_for(more, X1, 1, "linf", 1.0)
    assert checker.check(more.to_arrays(), claim | written(margin_row(prover_for(more, claim), 1.0)))
    claim = claim_for(more, X1, 0, "linf", 1.0)
    refused("left open", more, claim | written(margin_row(prover_for(more, claim), 1.0)))


def test_a_cut_anywhere_covers_both_sides():
    """Split at z >= c and z <= c: with c far from 0 the rows of the honest proof no longer do."""
    proof = bend()
    at = (proof["proof_steps"][:, 0] == 0).astype(float)
    refused("left open", BEND, proof | {"proof_cut": 0.4 * at})
    assert checker.check(BEND.to_arrays(), proof | {"proof_cut": 1e-9 * at})
    prover = prover_for(BEND, proof)
    part = whole(prover)
    part.l[0][:], part.u[0][:] = -1.0, 2.0
    high, low = split(part, 1, 0.25)
    assert high.l[0].tolist() == [-1.0, 0.25] and high.u[0].tolist() == [2.0, 2.0]
    assert low.u[0].tolist() == [2.0, 0.25] and low.l[0].tolist() == [-1.0, -1.0]
    high, low = split(part, 1, 5.0)
    assert high.closed and low.u[0].tolist() == [2.0, 2.0] and part.u[0].tolist() == [2.0, 2.0]
    high, low = split(part, 0, -5.0)
    assert low.closed and high.l[0].tolist() == [-1.0, -1.0] and not high.closed
    with pytest.raises(checker.Refused, match="several images"):
        checker.split(np.stack([part.array] * 2), 1, 0.0)


def test_illegal_multipliers_and_shapes_are_refused():
    proof = bend()
    names = {name: proof[f"proof_{name}"] for name in ("alpha", "beta", "side", "neuron", "price")}
    wrong = {
        "alpha": [names["alpha"].astype(np.int32) - 1, np.where(names["alpha"] > 0, ONE + 1, 0).astype(np.int32),
                  names["alpha"] + np.nan, names["alpha"].astype(complex), names["alpha"].astype(str),
                  names["alpha"][:, :, None]],
        "beta": [names["beta"] - [0, 0, 1], names["beta"] + np.nan, names["beta"] + np.inf, names["beta"][:, 0],
                 names["beta"][:, :2], np.repeat(names["beta"], 2, axis=1)],
        "side": [names["side"] * 2, names["side"] * 0, np.stack([names["side"]] * 2, axis=1)],
        "neuron": [np.stack([names["neuron"]] * 2, axis=1), names["neuron"] + 9, names["neuron"] + 1e300],
        "price": [names["price"] + np.nan, np.stack([names["price"]] * 2, axis=1), names["price"] - 1],
    }  # fmt: skip
    for name, values in wrong.items():
        for value in values:
            with pytest.raises((checker.Refused, IndexError, ValueError)):
                checker.check(BEND.to_arrays(), proof | {f"proof_{name}": value})


def test_a_row_of_two_neurons_at_once_is_refused():
    """`neuron` of two columns made a row of z_0 + z_1, and an interval of each."""
    net = MLP.from_arrays([([[1.0, 1.0]], [0.0, -100.0]), ([[1.0], [0.0]], [-0.5])])
    claim, i = claim_for(net, X1, 0, "linf", 1.0), np.int32
    proof = {"steps": np.array([[2, 0, 0], [2, 0, 0]], i), "cut": np.zeros(2), "side": np.array([1, -1, 1, -1], i)}
    proof |= {"neuron": np.array([[0, 0], [0, 0], [0, 0], [1, 1]], i), "price": np.zeros(4)}
    proof |= {"alpha": np.zeros((4, 2)), "beta": np.zeros((4, 3))}
    with pytest.raises((checker.Refused, ValueError, IndexError)):
        checker.check(net.to_arrays(), claim | {f"proof_{name}": value for name, value in proof.items()})


THREE = MLP.from_arrays([([[0.0, 1.0, 0.1], [0.0, 0.0, 0.2]], [0.5, 0.0, -1.0])])  # rival 1 wins at p > 0.5, 2 never


def test_prices_for_each_pair_of_rows_are_refused():
    """`price` (R, R) in L2 made bounds (R, R): one rival refuted closed all."""
    claim = claim_for(THREE, np.zeros(2), 0, "l2", 1.0)
    prover = prover_for(THREE, claim)
    proof = claim | written(margin_row(prover, 1, 0), margin_row(prover, 0, 1))
    proof |= {"proof_steps": np.array([[2, 0, 0]]), "proof_cut": np.zeros(1), "proof_price": np.ones((2, 2))}
    with pytest.raises((checker.Refused, ValueError, IndexError)):
        checker.check(THREE.to_arrays(), proof)


def test_each_rival_is_refuted_by_its_own_row():
    claim = claim_for(THREE, np.zeros(2), 0, "linf", 1.0)
    prover = prover_for(THREE, claim)
    part = whole(prover)
    assert part.open.tolist() == [True, True] and not part.sure.any()
    learn(prover, part, margin_row(prover, 0.0, 2.0))
    assert part.open.tolist() == [True, False] and not part.closed
    learn(prover, part, margin_row(prover, 1.0, 0.0))  # it is not below 0
    assert part.open.tolist() == [True, False] and not part.closed
    with pytest.raises(checker.Refused, match="a margin that may be below 0"):
        learn(prover, part, margin_row(prover, 1.0, 1.0))
    first, second = split(whole(prover), 0)
    assert first.sure.tolist() == [True, False] and second.array[1].tolist() == [0, np.inf, 1, 1]
    near = claim_for(THREE, np.zeros(2), 0, "linf", 0.4)
    second, first = (margin_row(prover, *row) for row in np.eye(2)[::-1])  # the last part is the other rivals'
    assert checker.check(THREE.to_arrays(), near | written(("margin", 0), second, first))
    assert checker.check(THREE.to_arrays(), near | written(first, second))
    refused("left open", THREE, claim | written(("margin", 0), second, first))
    refused("left open", THREE, near | written(("margin", 0), second))
    refused("left open", THREE, near | written(("margin", 0), first, first))
    refused("left open", THREE, near | written(first))


def test_where_all_rivals_must_be_beaten_one_row_will_do():
    claim = claim_for(THREE, np.zeros(2), 0, "linf", 1.0, target=2)
    prover = prover_for(THREE, claim)
    part = whole(prover)
    assert part.sure.all() and len(part.sure) == 2
    learn(prover, part, margin_row(prover, 1.0, 1.0))
    assert part.closed
    for rival in range(2):  # class 2 is below each of the others everywhere
        part = whole(prover)
        learn(prover, part, margin_row(prover, *np.eye(2)[rival]))
        assert part.closed
    easy = claim_for(THREE, np.zeros(2), 0, "linf", 1.0, target=1)
    refused("left open", THREE, easy | written(margin_row(prover_for(THREE, easy), 1.0, 1.0)))


def test_a_margin_counts_where_it_is_known_not_to_be_negative():
    net = MLP.from_arrays([([[1.0, 1.0]], [0.0, 0.5]), ([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], [0.5, 0.0, -2.0])])
    prover = prover_for(net, claim_for(net, X1, 0, "linf", 1.0))
    part = whole(prover)
    row = random_row(np.random.default_rng(0), prover, part, 0, gamma=False)
    row.gamma = np.array([1.0, 0.0])
    with pytest.raises(checker.Refused, match="may be below 0"):
        learn(prover, part, row)
    other, only = split(part, part.neuron(1, 1))
    with pytest.raises(checker.Refused, match="may be below 0"):
        learn(prover, other, row)
    with pytest.raises(checker.Refused, match="may be below 0"):  # the other is not positive, so this one is: not yet
        learn(prover, only, row)
    sure, none = split(only, part.neuron(1, 0))
    assert none.closed and not sure.closed
    with pytest.raises(checker.Refused, match="without ends"):
        learn(prover, sure, row)
    sure.l[0][:], sure.u[0][:] = 0.0, 1.5
    row.neuron, row.side, row.beta, row.alpha = 0, -1, np.zeros(2), np.zeros(2)
    learn(prover, sure, row)  # m_1 = z_1 - 1/2 >= 0: -z_1 + m_1 = -1/2
    assert 0.5 - 1e-6 < sure.l[0][0] <= 0.5


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
        part = whole(prover)
        if seed % 3:
            mark(part, inside=np.arange(5) == rng.integers(5))
        if seed % 2:
            mark(part, outside=~part.inside & (rng.random(5) < 0.3))
        inside, outside = part.inside, part.outside
        free = np.flatnonzero(~outside & ~inside)
        sets = [
            {*some, *np.flatnonzero(inside)}
            for n in range(k - inside.sum() + 1)
            for some in combinations(free, n)
        ]  # fmt: skip
        # a pixel counted in may also stay: its gain is not below 0
        good = [s for s in sets if start + sum(gains[list(s)]) > 0]
        learn(prover, part, margin_row(prover, 1.0))
        assert part.closed == (not good)
        if good:
            for i in free:
                assert part.inside[i] == all(i in s for s in good)
                assert part.outside[i] == all(i not in s for s in good)
                decided += part.inside[i] or part.outside[i]
            assert (part.inside >= inside).all() and (part.outside >= outside).all()
    assert decided > 50


def test_a_pixel_is_known_where_a_margin_is_sure():
    net = MLP.from_arrays([([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.5, 0.0, 0.0])])  # rival i needs pixel i
    prover = prover_for(net, claim_for(net, np.zeros(2), 0, "l0", 1))
    part = whole(prover)
    for gamma in np.eye(2):
        learn(prover, part, margin_row(prover, *gamma))
        assert not part.inside.any() and not part.outside.any()
    first, second = split(part, 0)
    learn(prover, second, margin_row(prover, 1.0, 0.0))
    assert not second.inside.any() and not second.outside.any()
    learn(prover, first, margin_row(prover, 1.0, 0.0))
    assert first.inside.tolist() == [True, False] and first.outside.tolist() == [False, True]
    joint = prover_for(net, claim_for(net, np.zeros(2), 0, "l0", 2, target=1))
    part = whole(joint)
    learn(joint, part, margin_row(joint, 1.0, 0.0))  # it must be above class 0
    assert part.inside.tolist() == [True, False] and not part.outside.any()


def test_a_margin_that_may_be_a_little_below_0_says_nothing_of_pixels():
    net = MLP.from_arrays([(np.array([[0.6], [0.57]]), [-0.75])])  # it takes both pixels
    prover = prover_for(net, claim_for(net, np.zeros(2), 0, "l0", 2))
    for low, known in ((-0.5, False), (-5e-324, False), (0.0, True), (0.5, True)):
        part = whole(prover)
        part.array[0, prover.at[-1]] = low
        learn(prover, part, margin_row(prover, 1.0))
        assert (part.inside.any() or part.outside.any()) == known


def test_minus_a_margin_says_nothing_of_pixels():
    _, _, _, _, prover = counted(1)
    part = whole(prover)
    row = margin_row(prover, 1.0)
    row.side = -1
    learn(prover, part, row)
    assert not part.inside.any() and not part.outside.any()


def test_a_pixel_is_split_into_what_changes_and_what_does_not():
    _, k, _, _, prover = counted(1)
    part = whole(prover)
    first, second = part.split(part.pixel(2))
    assert first.inside.tolist() == second.outside.tolist() == [i == 2 for i in range(5)]
    assert not (first.outside.any() or second.inside.any() or part.inside.any() or part.outside.any())
    mark(first, inside=np.arange(5) <= k - 1)
    assert np.count_nonzero(first.inside) > k - 1 and first.closed == (np.count_nonzero(first.inside) > k)
    mark(first, inside=np.arange(5) <= k)
    assert first.closed
    both = copied(part)
    mark(both, inside=np.arange(5) == 2, outside=np.arange(5) == 2)
    assert both.closed
    near = MLP.from_arrays([(np.array([[0.6], [0.57]]), [-0.75])])
    claim = claim_for(near, np.zeros(2), 0, "l0", 1)
    row = margin_row(prover_for(near, claim), 1.0)
    assert checker.check(near.to_arrays(), claim | written(("pixel", 0), row, row))
    refused("left open", near, claim | written(("pixel", 0), row))


def test_what_is_learnt_only_narrows():
    prover = prover_for(BEND, bend())
    part = whole(prover)
    part.l[0][:], part.u[0][:] = [0.25, -9.0], [0.5, 9.0]
    rng = np.random.default_rng(0)
    for neuron in (0, 1):
        for side in (1, -1):
            row = random_row(rng, prover, part, 0, gamma=False)
            row.neuron, row.side, row.beta = neuron, side, np.zeros(2)
            learn(prover, part, row)
    assert part.l[0][0] == 0.25 and part.u[0][0] == 0.5
    assert -0.5 - 1e-6 < part.l[0][1] < -0.5 < 0.5 < part.u[0][1] < 0.5 + 1e-6


def test_a_row_of_no_layer_is_refused():
    """Layer -1 would be the pixels, and what it proves would be kept as an interval of the last neurons."""
    proof = bend()
    steps = proof["proof_steps"]
    for layer in (-1, -2, 5):
        changed = np.where(steps[:, :1] > 0, [[1, layer, 0]], steps)
        refused("no such row", BEND, proof | {"proof_steps": changed})


@pytest.mark.parametrize("name", ["beta", "price"])
@pytest.mark.parametrize("by", [2.0**-30, 0.25, 0.999])
def test_a_multiplier_just_below_0_is_refused(name, by):
    """Of a margin, or of the radius."""
    proof = bend()
    value = proof[f"proof_{name}"].astype(float)
    value[(3, -1) if name == "beta" else 3] -= by
    refused("may be below 0" if name == "beta" else "out of its range", BEND, proof | {f"proof_{name}": value})


def test_what_rounding_takes_from_the_weights_is_charged():
    """Each of 200 small weights is rounded down by nearly half a unit, which the largest says: more than the pixels'
    ends are rounded by."""
    d = 200
    W = np.full((d + 1, 1), 2.0**-20 + 0.45 * 2.0**-26)
    W[0] = 1.0
    net = MLP.from_arrays([(W, [0.0]), ([[1.0]], [0.0])])
    x = np.full(d + 1, 0.5)
    for radius in (0.25, 0.5):
        prover = prover_for(net, claim_for(net, x, 0, "linf", radius))
        part = whole(prover)
        row = random_row(np.random.default_rng(0), prover, part, 0, gamma=False)
        row.side = 1
        found, _ = bound(prover, part, row)
        truth = (1 + d * Fraction(W[1, 0])) * (Fraction(1, 2) + Fraction(radius))
        assert truth <= Fraction(int(found), 1 << checker.POINT) <= truth * (1 + Fraction(1, 2**16))


@pytest.mark.parametrize("low", [-0.5, -5e-324, 0.0])
def test_a_margin_that_may_be_a_little_below_0_does_not_count(low):
    prover = prover_for(THREE, claim_for(THREE, np.zeros(2), 0, "linf", 1.0, target=2))
    part = whole(prover)
    part.array[0, part.neuron(0, 1)] = low
    if low < 0:
        with pytest.raises(checker.Refused, match="may be below 0"):
            learn(prover, part, margin_row(prover, 1.0, 0.25))
    else:
        learn(prover, part, margin_row(prover, 1.0, 0.25))
    part, beta = whole(prover), np.array([[0.0, 0.25], [0.0, 0.0]])
    part.array[0, part.neuron(0, 1)] = low
    for order in ([0, 1], [1, 0]):  # one row of two
        rows = np.zeros(2), np.ones(2), np.zeros(2), np.zeros((2, 0)), beta[order]
        if low < 0:
            with pytest.raises(checker.Refused, match="may be below 0"):
                prover.pull(part.array, 0, *rows)
        else:
            prover.pull(part.array, 0, *rows)
    row = margin_row(prover, 1.0, 0.0)
    row.gamma = np.array([0.0, -(2.0**-30)])  # less than a unit of the row
    with pytest.raises(checker.Refused, match="may be below 0"):
        learn(prover, whole(prover), row)


def test_one_row_of_several_is_enough_to_know_a_pixel_and_one_too_large_to_refuse_all():
    net = MLP.from_arrays([(np.array([[0.6], [0.57]]), [-0.75])])  # it takes both pixels
    prover = prover_for(net, claim_for(net, np.zeros(2), 0, "l0", 2))
    known, unknown = margin_row(prover, 1.0), margin_row(prover, 1.0)
    part, unknown.side = whole(prover), -1
    rows = [np.concatenate(each) for each in zip(known.arguments()[1:], unknown.arguments()[1:], strict=True)]
    with np.errstate(all="ignore"):
        prover.learn(part.array, 0, *rows)
    assert part.inside.all()
    prover = prover_for(BEND, bend())
    part, beta = whole(prover), np.zeros((2, 3))
    part.l[0][:], part.u[0][:] = -0.5, 0.75
    for large in (0, 1):
        beta[:, 2] = np.where(np.arange(2) == large, 2.0**60, 0.5)
        with pytest.raises(checker.Refused, match="too large"), np.errstate(all="ignore"):
            prover.learn(part.array, 0, np.zeros(2), np.ones(2), np.zeros(2), np.zeros((2, 2)), beta)


def test_a_margins_multiplier_far_above_its_neuron_is_refused():
    """The neuron's 1 would be no whole number of the row's units."""
    proof = bend()
    steps, beta = proof["proof_steps"], proof["proof_beta"].astype(float)
    of_a_neuron = np.flatnonzero(steps[steps[:, 0] > 0, 1] == 0)
    for large in (2.0**60, 2.0**200):
        beta[of_a_neuron[0], -1] = large
        with pytest.raises(checker.Refused, match=r"too large|left open|without ends"):
            checker.check(BEND.to_arrays(), proof | {"proof_beta": beta})
    prover = prover_for(BEND, proof)
    part = whole(prover)
    part.l[0][:], part.u[0][:] = -0.5, 0.75
    row = random_row(np.random.default_rng(0), prover, part, 0, gamma=False)
    row.gamma = np.array([2.0**60])
    with pytest.raises(checker.Refused, match="too large"):
        learn(prover, part, row)


@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_margin_taken_from_itself_proves_nothing(y, hidden):
    """Its row is 0 everywhere: it passed for one of the logit, without the threshold and its sign."""
    layers = [([[1.0]], [0.0])] * (1 + hidden)
    net = MLP.from_arrays(layers, threshold=10.0)  # it sees 1 above 10
    claim = claim_for(net, np.array([9.5 + y]), y, "linf", 4.0, box=(0.0, 20.0))
    prover = prover_for(net, claim)
    none = margin_row(prover, 1.0)
    none.side, none.gamma = -1, np.array([1.0])
    rows = [random_row(np.random.default_rng(0), prover, whole(prover), 0, gamma=False) for _ in range(2 * hidden)]
    for side, row in zip((1, -1), rows, strict=False):
        row.side, row.alpha, row.beta = side, np.zeros(1), np.zeros(1)
    part = whole(prover)
    for row in (*rows, margin_row(prover, 1.0), none):
        learn(prover, part, row)
    assert part.array[0, prover.at[-1]] == 0 and not part.closed
    refused("left open", net, claim | written(*rows, margin_row(prover, 1.0), none))


def test_a_row_without_margins_among_rows_with_them_begins_at_its_neuron():
    """Its unit grew with the large weights above it, as if it counted them."""
    net = MLP.from_arrays([([[1.0, -1.0]], [0.0, 0.5]), ([[2.0**60], [2.0**60]], [-(2.0**62)])])
    prover = prover_for(net, claim_for(net, np.array([0.5]), 0, "linf", 0.4))
    part, beta = whole(prover), np.zeros((2, 3))
    part.l[0][:], part.u[0][:] = -1.0, 1.0
    beta[0, 2] = 2.0**-62
    alone, both = copied(part), part
    zero, one = np.zeros(2), np.ones(2)
    for known, some in ((alone, slice(0, 1)), (alone, slice(1, 2)), (both, slice(0, 2))):
        rows = [v[some] for v in (np.arange(2.0), one, zero, np.zeros((2, 2)), beta)]
        with np.errstate(all="ignore"):
            prover.learn(known.array, 0, *rows)
    assert 0.2 < both.u[0][0] < 0.22 and 0.4 < both.u[0][1] < 0.41 and np.array_equal(alone.u[0][1], both.u[0][1])


def test_an_interval_that_is_a_point_is_not_empty():
    prover = prover_for(BEND, bend())
    part = whole(prover)
    part.l[0][:], part.u[0][:] = 0.25, 0.25
    assert not part.closed
    part.l[0][1] = np.nextafter(0.25, 1)
    assert part.closed


@pytest.mark.parametrize("side", [0.5, 2.0, 0.0, -0.999])
def test_a_side_of_one_row_that_is_none_is_refused(side):
    """A row of half a neuron would pass for one of all of it."""
    proof = bend()
    for row in range(len(proof["proof_side"])):
        sides = proof["proof_side"].astype(float)
        sides[row] = side
        refused("no such row", BEND, proof | {"proof_side": sides})


@pytest.mark.parametrize("name", ["side", "price", "beta", "alpha"])
def test_one_illegal_row_among_others_is_refused(name):
    proof = bend()
    prover = prover_for(BEND, proof)
    names = "neuron", "side", "price", "alpha", "beta"
    rows = {each: proof[f"proof_{each}"][:2].astype(float) for each in names}
    prover.pull(prover.whole(), 0, *rows.values())
    for row in range(2):
        wrong = {each: value.copy() for each, value in rows.items()}
        wrong[name][row, ...] = -0.5
        with pytest.raises(checker.Refused, match=r"no such row|may be below 0|out of its range"):
            prover.pull(prover.whole(), 0, *wrong.values())
