"""The search: its trees, its witnesses, its leaves, and that trying a split is worth it."""

import time
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import oracles
import pytest
from ball_strategies import NORMS, row

import attacks.search as searching
from attacks import smallest_eps
from attacks.balls import BALLS
from attacks.leaf import solve_leaf
from attacks.nodes import LEAF, PIXEL, Nodes, Question, Tree, condense
from attacks.search import NODES, PROVED, TIME, WITNESS, Search, bounded, tightened, work
from minigrad import MLP
from minigrad.bounds import intervals
from minigrad.tighten import tighten

NETS = Path(__file__).parent / "benchmarks" / "nets"


def real_net(sizes, seed):
    rng = np.random.default_rng(seed)
    pairs = [(rng.normal(size=(a, b)) * 1.5, 0.5 * rng.normal(size=b)) for a, b in pairwise(sizes)]
    return MLP.from_arrays(pairs)


def case(norm, seed, sizes=(6, 5, 1), share=0.97):
    """A question just below (`share` < 1) or above the smallest radius that works; None if nothing does."""
    net = real_net(sizes, seed)
    x = 0.2 + 0.6 * np.random.default_rng(seed).random((1, sizes[0]))
    y = int(net.predict(x)[0])
    least = oracles.pattern_minimum(net, row(BALLS[norm](1), x, 0), x[0], y, None, 1e-6)
    if not np.isfinite(least):
        return None
    radius = share * least if norm != "l0" else least if share > 1 else least - 1
    return Question.of(net, x[0], y, BALLS[norm](radius)) if radius > 0 else None


def cases(norm, share, count=6, **options):
    found = (case(norm, seed, share=share, **options) for seed in range(100))
    return list(islice((question for question in found if question is not None), count))


def soon(seconds=20.0):
    return time.perf_counter() + seconds


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("norm", NORMS)
def test_below_the_minimum_it_proves(norm):
    for question in cases(norm, 0.97):
        answer = Search(question).run(soon())
        assert (answer.proved, answer.witness, answer.reason, answer.bound) == (True, None, PROVED, -np.inf)


@pytest.mark.parametrize("norm", NORMS)
def test_above_the_minimum_it_finds_a_witness_in_the_ball(norm):
    for question in cases(norm, 1.03):
        answer = Search(question).run(soon())
        assert (answer.proved, answer.reason) == (False, WITNESS)
        s = answer.witness - question.x[0]
        assert question.ball.contains(question.x, s[None])[0]
        assert question.adversarial(answer.witness[None])[0]
        assert question.c[0, 0] * question.net.logits(answer.witness[None])[0, 0] > 0


def hard_question(sizes=(10, 16, 12, 1), norm="linf"):
    """The first question that needs a tree of at least 9 nodes, and is proved."""
    for seed in range(60):
        net = real_net(sizes, seed)
        x = 0.3 + 0.4 * np.random.default_rng(seed).random((1, sizes[0]))
        y = int(net.predict(x)[0])
        for radius in (0.1, 0.2, 0.3) if norm == "linf" else (2, 3):
            question = Question.of(net, x[0], y, BALLS[norm](radius))
            answer = Search(question).run(soon(2), 200)
            if answer.proved and len(answer.tree) >= 9:
                return question, answer
    raise AssertionError("no seed makes such a question")


@pytest.fixture(scope="module")
def hard():
    with np.errstate(all="raise", under="ignore"):
        return hard_question()


def test_depth_first_beyond_the_pool_proves_too(hard, monkeypatch):
    question, _ = hard
    monkeypatch.setattr(searching, "POOL", 1)
    monkeypatch.setattr(searching, "BATCH", 1)
    answer = Search(question).run(soon())
    assert answer.proved and len(answer.tree) >= 5


def test_a_search_that_was_stopped_goes_on_and_limits_are_named(hard):
    question, whole = hard
    search = Search(question)
    first = search.run(soon(), 0)
    assert (first.proved, first.reason) == (False, NODES)
    assert first.bound >= 0
    assert search.run(soon(-1)).reason == TIME
    last = search.run(soon())
    assert last.proved
    assert len(last.tree) == len(whole.tree)


def test_a_script_repeats_the_splits(hard):
    question, whole = hard
    again = Search(question, whole.tree).run(soon(), len(whole.tree) + 1)
    assert again.proved
    written = dict(zip(range(len(whole.tree)), zip(whole.tree.layer, whole.tree.index, strict=True), strict=True))
    assert (again.tree.layer[0], again.tree.index[0]) == written[0]


def test_the_tree_of_a_proof_is_one(hard):
    _, answer = hard
    tree = answer.tree
    rows = np.array([tree.layer, tree.index, tree.child], np.int32)
    again = Tree.of(tree.roots, rows)
    assert (again.layer, again.index, again.child) == (tree.layer, tree.index, tree.child)


# ---------------------------------------------------------------- trees


def test_trees_number_children_as_they_come():
    tree = Tree(2)
    assert tree.split(np.array([1, 0]), np.array([0, PIXEL]), np.array([3, 7])).tolist() == [2, 3, 4, 5]
    assert (tree.layer, tree.index, tree.child) == (
        [PIXEL, 0, LEAF, LEAF, LEAF, LEAF],
        [7, 3, 0, 0, 0, 0],
        [4, 2, 0, 0, 0, 0],
    )


GOOD = [[0, LEAF, LEAF], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("roots", "rows", "message"),
    [
        (1, [[0, LEAF, LEAF], [0, 0, 0], [0, 0, 0]], "one child of an earlier node"),
        (1, [[0, LEAF, LEAF], [0, 0, 0], [2, 0, 0]], "one child of an earlier node"),
        (1, [[LEAF, LEAF, LEAF], [0, 0, 0], [0, 0, 0]], "one child of an earlier node"),
        (1, [[0, 0, LEAF, LEAF], [0, 0, 0, 0], [2, 2, 0, 0]], "one child of an earlier node"),
        (2, GOOD, "one child of an earlier node"),
        (0, GOOD, "out of range"),
        (4, GOOD, "out of range"),
        (1, [[-3, LEAF, LEAF], [0, 0, 0], [1, 0, 0]], "out of range"),
        (1, [[0, LEAF, LEAF], [-1, 0, 0], [1, 0, 0]], "out of range"),
        (1, np.array(GOOD, float), "out of range"),
        (1, [[LEAF, LEAF, 0], [0, 0, 0], [0, 0, 0]], "one child of an earlier node"),  # a node above its parent
    ],
)
def test_what_is_no_tree_is_refused(roots, rows, message):
    assert len(Tree.of(1, np.array(GOOD))) == 3
    with pytest.raises(ValueError, match=message):
        Tree.of(roots, np.asarray(rows))


# ---------------------------------------------------------------- condense


@pytest.mark.parametrize("norm", NORMS)
def test_condensed_bounds_are_the_whole_images_up_to_rounding_and_never_below(norm):
    """Pixels off the mask, at a box of no room, or out in every node become a constant of the first layer."""
    rng = np.random.default_rng(0)
    net = real_net((12, 6, 4, 1), 1)
    x, mask = rng.random((1, 12)), rng.random(12) < 0.5
    question = Question.of(net, x[0], int(net.predict(x)[0]), BALLS[norm](2, mask=mask))
    nodes = Nodes.root(question).take(np.array([0, 0]))
    gone = np.flatnonzero(mask)[:2]
    nodes.outside[:, gone] = True
    free = np.flatnonzero(mask)[2:]
    nodes.outside[0, free[0]] = True  # out in one of them only: it stays
    if norm == "l0":
        nodes.inside[1, free[1]] = True
    small, few = condense(question, nodes)
    assert small.live.tolist() == free.tolist()
    before, after = bounded(question, nodes), bounded(small, few)
    np.testing.assert_allclose(after[2].bound, before[2].bound, rtol=1e-12, atol=1e-12)
    exact = [replace(known, sound=False) for known in (before[0], after[0])]  # what rounding terms there are
    slack = [
        found.bound - searching.bound_rows(known, nodes.c, mult).bound
        for known, (_, mult, found) in zip(exact, (before, after), strict=True)
    ]
    assert (slack[1] > 0).all()
    assert (small.first_error >= 1.4 * before[0].error[0] / 2 - 1e-300).all()  # the constant errs as the layer does
    for k, e in enumerate(after[0].error):
        assert (e >= before[0].error[k] * (1 - 1e-12)).all()
    points = small.whole(small.ball.apply(small.x, few.ball(small).maximize(small.x, after[2].A[:, 0])))
    assert (points[:, ~np.isin(np.arange(12), free)] == np.delete(x[0], free)).all()
    np.testing.assert_allclose(small.net.logits(points[:, free]), net.logits(points), rtol=1e-12, atol=1e-12)
    assert small.on_image(np.array([PIXEL, 0]), np.array([1, 1])).tolist() == [free[1], 1]


# ---------------------------------------------------------------- leaves


def leaf_of(net, x, radius, sign, norm="linf", box=(-9.0, 9.0)):
    """One node with every neuron's sign given."""
    question = Question.of(net, x, 0, BALLS[norm](radius, box=box))
    nodes = Nodes.root(question)
    for i, side in enumerate(sign):
        nodes = nodes.split(np.array([0]), np.array([0]), np.array([i]), np.array([side]))
    return question, nodes


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_the_programs_beta_closes_a_leaf_that_tighten_leaves_open(norm):
    """m = relu(s0 + s1) + relu(s0 - s1) - 2.1 on both active: 2 s0 - 2.1 < 0 for s0 <= 1.

    With the first inactive, s0 + s1 <= 0, the second alone earns s0 - s1 <= 2: m <= -0.1 at best on Linf.  A net with a
    negative weight needs the half-space: m = relu(a) - 3 relu(b) + 0.5 with a = s0 + s1 >= 0, b = s0 + s1 - 0.1 <= 0.
    """
    net = MLP.from_arrays([([[1.0, 100.0], [1.0, 100.0]], [0.0, -10.0]), ([[1.0], [0.0]], [-0.11])])
    question, leaf = leaf_of(net, np.zeros(2), 1.0, (1, -1), norm)  # a <= 0.1 where b <= 0: m <= -0.01
    bound, _ = tighten(leaf.region(question), leaf.c, leaf.multipliers(), steps=0)
    assert bound[0, 0] > 0.5
    closed, point = solve_leaf(question, leaf)
    assert -0.01 - 1e-9 <= closed.bound[0] < 0
    assert closed.beta[0][0, 1] > 0
    assert not question.adversarial(point[None])[0]
    open_, point = solve_leaf(replace(question, c=question.c), replace(leaf, c=-leaf.c))
    assert open_.bound[0] >= 0.11  # the other way round: m = 0.11 - a is reached at a = 0


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_a_leaf_whose_signs_contradict_each_other_is_closed(norm):
    """a = s0 >= 0 and b = -s0 - 0.1 >= 0 at once: no such point, whatever the margin says."""
    net = MLP.from_arrays([([[1.0, -1.0], [0.0, 0.0]], [0.0, -0.1]), ([[0.0], [0.0]], [1.0])])
    question, leaf = leaf_of(net, np.zeros(2), 1.0, (1, 1), norm)
    leaf = replace(leaf, bound=np.array([np.inf]))
    closed, _ = solve_leaf(question, leaf)
    assert closed.bound[0] < 0


def test_a_batch_of_nodes_is_tightened_one_by_one():
    """The children of all pixels: those that close, and the pixels that the bounds decide, are each node's own."""
    for question in cases("l0", 1.03):
        d = question.x.shape[1]
        index, side = np.repeat(np.arange(d), 2), np.tile([1, -1], d)
        nodes = Nodes.root(question).split(np.zeros(2 * d, int), np.full(2 * d, PIXEL), index, side)
        nodes = replace(nodes, ident=np.arange(2 * d))
        together = tightened(question, nodes, 4)
        alone = Nodes.join([tightened(question, nodes.take(np.array([i])), 4) for i in range(2 * d)])
        assert together.ident.tolist() == alone.ident.tolist()
        assert np.array_equal(together.inside, alone.inside) and np.array_equal(together.outside, alone.outside)
        assert len(together) > 0


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_neurons_that_contraction_decides_get_their_multipliers(norm):
    """Such a neuron is linear over the counterexamples alone: its half-space must count as a sign that is given."""
    decided = 0
    for question in cases(norm, 1.02, 12, sizes=(5, 4, 1)):
        nodes = work(question, work(question, Nodes.root(question)))
        plain = intervals(question.net, question.x, question.ball)
        for k in range(len(nodes.l)):
            for r in range(len(nodes)):
                one_sided = (nodes.l[k][r] >= 0) | (nodes.u[k][r] <= 0)
                was = (plain.l[k][0] >= 0) | (plain.u[k][0] <= 0)
                new = one_sided & ~was
                assert (nodes.sign[k][r][new] != 0).all()
                assert (nodes.sign[k][r] * nodes.l[k][r] >= 0)[nodes.sign[k][r] > 0].all()
                assert (nodes.sign[k][r] * nodes.u[k][r] >= 0)[nodes.sign[k][r] < 0].all()
                decided += new.sum()
    assert decided > 0


# ---------------------------------------------------------------- branching


def test_trying_the_splits_takes_fewer_nodes_than_the_best_score(mnist49, monkeypatch):
    """Linf 0.9 of what an attack needs, the first images whose root is not enough; a shortlist of 1 is the score."""
    net = MLP.load(NETS / "784-64-32-1.npz")
    _, _, x, y = mnist49
    x = x[(y == 0) & (net.predict(x) == 0)][:200].astype(float)
    eps = smallest_eps(net, x, np.zeros(len(x), int)).distance
    asked = (Question.of(net, x[i], 0, BALLS["linf"](0.9 * eps[i])) for i in range(len(x)))
    hard = list(islice((question for question in asked if Search(question).run(soon(), 0).reason == NODES), 2))
    tried = [Search(question).run(soon(), 400) for question in hard]
    monkeypatch.setattr("attacks.branching.NEURONS", 1)
    scored = [Search(question).run(soon(), 400) for question in hard]
    assert all(answer.proved for answer in tried)
    assert sum(len(answer.tree) for answer in tried) < sum(len(answer.tree) for answer in scored)
