"""Tanh and Sigmoid in a search: splits anywhere, so that queries without a tie are decided."""

from itertools import count, islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks import L1, LInf, certified_minimum, certify
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.branching import cuts
from attacks.proofs.certificate import Certificate
from attacks.proofs.leaf_lp import solve_lines
from attacks.proofs.nodes import Nodes
from attacks.proofs.query import Query
from attacks.proofs.tree import Tree
from attacks.result import Reason
from minigrad import MLP
from minigrad.bounds.optimised import optimise_bounds
from minigrad.layers import forward

SMOOTH = st.sampled_from(["tanh", "sigmoid"])
SEEDS = st.integers(0, 2**32 - 1)
GRID = np.linspace(0, 1, 2001)


def curved(rng, d, k=1, activation="tanh", width=4):
    """Two layers with weights that bend: one pass of bounds is far from enough."""
    sizes = [d, width, width, k]
    pairs = [(3 * rng.normal(size=(a, b)), rng.normal(size=b)) for a, b in pairwise(sizes)]
    return MLP.from_arrays(pairs, activation=activation)


@settings(max_examples=15, deadline=None)
@given(SMOOTH, SEEDS)
def test_networks_of_one_pixel_are_closed_about_the_true_minimum(activation, seed):
    """To a gap of 1%, in at most 400 nodes a search; the truth by trying 2,001 values."""
    rng = np.random.default_rng(seed)
    net, x = curved(rng, 1, activation=activation), rng.choice(GRID, (1, 1))
    y = net.predict(x)
    other = np.abs(GRID[net.predict(GRID[:, None]) != y[0]] - x[0, 0])
    (proof,) = certified_minimum(net, x, y, norm="linf", time_limit=600, node_limit=400)
    assert proof.lower <= other.min(initial=np.inf)
    assert proof.upper <= other.min(initial=np.inf) * (1 + 1e-6) + 1e-9
    assert proof.optimal or net.logits(x)[0, 0] == 0
    assert proof.check(net)


def test_what_one_pass_leaves_open_is_closed_by_splits():
    """The first four random networks of two pixels that are open without a split: at most 300 nodes a search."""

    def asked():
        for seed in count():
            rng = np.random.default_rng(seed)
            yield curved(rng, 2, 1 + 2 * (seed % 2), ["tanh", "sigmoid"][seed // 2 % 2]), rng.random((1, 2))

    def proof(net, x, limit):
        return certified_minimum(net, x, net.predict(x), norm="linf", time_limit=600, node_limit=limit)[0]

    open_ = list(islice(((net, x) for net, x in asked() if not proof(net, x, 0).optimal), 4))
    proofs = [proof(net, x, 300) for net, x in open_]
    assert all(one.check(net) for one, (net, _) in zip(proofs, open_, strict=True))
    assert sum(one.optimal for one in proofs) >= 3


@pytest.mark.parametrize("ball", [LInf, L1])
def test_just_inside_and_just_outside_are_both_decided(ball):
    """About the certified minimum of a network of three pixels and three classes."""
    rng = np.random.default_rng(5)
    net, x = curved(rng, 3, 3), rng.random((1, 3))
    y = net.predict(x)
    (proof,) = certified_minimum(net, x, y, norm=ball.norm, time_limit=600, node_limit=2000)
    assert proof.optimal
    (below,) = certify(net, x, y, ball(0.97 * proof.lower), time_limit=600)
    (above,) = certify(net, x, y, ball(1.01 * proof.upper), time_limit=600)
    assert (below.status, above.status) == ("robust", "fooled")
    assert below.check(net)


@given(SMOOTH, SEEDS)
def test_the_two_sides_of_a_cut_are_the_whole_interval(activation, seed):
    """Every point of the set is in a child, and the cut is strictly between the ends of the interval."""
    rng = np.random.default_rng(seed)
    net = curved(rng, 2, activation=activation)
    x = rng.random(2)
    query = Query.from_image(net, x, int(net.predict(x[None])[0]), LInf(0.5))
    root = Nodes.root(query)
    for _ in range(8):
        layer, index = rng.integers(0, 2, 1), rng.integers(0, 4, 1)
        known = root.region(query)
        low, up = known.l[layer[0]][0, index[0]], known.u[layer[0]][0, index[0]]
        cut = cuts(known, np.zeros(1, int), layer, index)
        assert low < cut[0] < up
        kids = root.split(np.zeros(2, int), layer.repeat(2), index.repeat(2), np.array([1, -1]), cut.repeat(2))
        k, i = layer[0], index[0]
        assert (kids.l[k][:, i].tolist(), kids.u[k][:, i].tolist()) == ([cut[0], low], [up, cut[0]])
        assert (kids.bound >= 0).all()
        root = kids.take(rng.integers(0, 2, 1))


def test_the_cut_halves_what_the_neuron_puts_out():
    """From -20, where tanh is flat, to 4: half way is near 0, not at -8."""
    net = MLP.from_arrays([([[12.0]], [-8.0]), ([[1.0]], [0.0])], activation="tanh")
    query = Query.from_image(net, np.zeros(1), 0, LInf(1.0, box=(-1, 1)))
    known = Nodes.root(query).region(query)
    assert known.l[0][0, 0] == pytest.approx(-20) and known.u[0][0, 0] == pytest.approx(4)
    assert cuts(known, *np.zeros((3, 1), int))[0] == pytest.approx(np.arctanh((np.tanh(4) - 1) / 2), abs=1e-3)


@settings(max_examples=30)
@given(SMOOTH, st.sampled_from([LInf, L1]), SEEDS)
def test_the_programs_beta_only_ever_helps_and_no_point_is_above(activation, ball, seed):
    rng = np.random.default_rng(seed)
    net, x = curved(rng, 3, activation=activation), rng.random(3)
    query = Query.from_image(net, x, int(net.predict(x[None])[0]), ball(0.5))
    node = Nodes.root(query)
    for _ in range(4):
        layer, index = rng.integers(0, 2, 1), rng.integers(0, 4, 1)
        cut = cuts(node.region(query), np.zeros(1, int), layer, index)
        node = node.split(np.zeros(1, int), layer, index, rng.choice([-1, 1], 1), cut)
    found, mult = optimise_bounds(node.region(query), node.c, node.multipliers(), steps=8)
    node = node.with_multipliers(found.bound[:, 0], mult)
    better = solve_lines(query, node)
    assert better.bound[0] <= node.bound[0]
    for _ in range(20):
        point = query.ball.apply(x[None], query.ball.project(x[None], rng.normal(size=(1, 3))))
        values = forward(net.layers, point)
        given_ = zip(values[1:-1:2], node.l, node.u, strict=True)
        if all(((low <= z) & (z <= up)).all() for z, low, up in given_):
            assert (values[-1] - net.threshold) @ query.c.T <= better.bound[0]


def test_the_program_closes_a_part_that_is_empty():
    """z_0 = x_0 >= 0.4 and z_1 = -x_0 >= -0.3 at once: no step length is right for all such beta, the program's is."""
    net = MLP.from_arrays([([[1.0, -1.0]], [0.0, 0.0]), ([[1.0], [1.0]], [5.0])], activation="tanh")
    query = Query.from_image(net, np.array([0.5]), 0, LInf(0.5))
    node = Nodes.root(query)
    for i, cut in ((0, 0.4), (1, -0.3)):
        node = node.split(np.zeros(1, int), np.zeros(1, int), np.array([i]), np.array([1]), np.array([cut]))
    assert solve_lines(query, node).bound[0] < 0


def test_a_tie_stays_open_and_says_so():
    """tanh(x_0 - 0.5) reaches 0 at the end of the set and nowhere else: no bound below 0 is true."""
    net = MLP.from_arrays([([[1.0]], [-0.5]), ([[1.0]], [0.0])], activation="tanh")
    query = Query.from_image(net, np.array([0.25]), 0, LInf(0.25))
    outcome = Search(query).run(np.inf, 300)
    assert not outcome.proved and outcome.counterexample is None
    assert outcome.reason in (Reason.SMOOTH, Reason.NODES)


def searched(activation):
    """The first query that needs splits, and the tree that answers it."""
    for seed in count():
        net = curved(np.random.default_rng(seed), 2, activation=activation)
        x = np.full((1, 2), 0.4)
        y = net.predict(x)
        (cert,) = certified_minimum(net, x, y, norm="linf", gap=0.05, time_limit=1e6, node_limit=400)
        query = Query.from_image(net, x[0], int(y[0]), LInf(cert.radius))
        search = Search(query)
        if search.run(np.inf, 1000).proved and min(len(search.tree), len(cert.tree)) > 4:
            return net, cert, query, search.tree


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_a_replay_cuts_where_the_tree_says(activation, tmp_path):
    net, cert, query, tree = searched(activation)
    assert any(tree.cut)
    moved = Tree(tree.roots, tree.layer, tree.index, tree.child, [c + 1e-3 * (c != 0) for c in tree.cut])
    replay = Search(query, moved)
    assert replay.run(np.inf, 1000).proved
    ours = [c for c, layer in zip(replay.tree.cut, replay.tree.layer, strict=True) if layer >= 0]
    assert set(ours) & set(moved.cut) and not set(ours) & set(tree.cut)  # but for splits of its own
    cert.save(tmp_path / "c.npz")
    back = Certificate.load(tmp_path / "c.npz")
    assert back.tree.cut == cert.tree.cut and any(cert.tree.cut)
    back.check(net)


def test_what_a_tree_says_of_where_a_relu_is_cut_is_not_believed():
    """z >= -5 is no sign, and a beta on it would prove anything."""
    _, _, query, tree = searched("relu")
    assert not any(tree.cut)
    forged = Tree(tree.roots, tree.layer, tree.index, tree.child, [-5.0] * len(tree))
    replay = Search(query, forged)
    replay.run(np.inf, 1000)
    assert len(replay.tree) > 1 and not any(replay.tree.cut)


@pytest.mark.parametrize("cut", [np.array([np.nan]), np.array([np.inf]), np.zeros(2), np.zeros(1, int)])
def test_cuts_that_are_none_are_no_tree(cut):
    with pytest.raises(ValueError, match="cuts"):
        Tree.from_rows(1, np.array([[-2], [0], [0]], np.int32), cut)
