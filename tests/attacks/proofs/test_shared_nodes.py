"""One tree for all rivals: traps that its first version fell into, and its answers against the truth."""

import itertools
from dataclasses import replace
from fractions import Fraction

import exact
import numpy as np
import pytest
from ball_strategies import NORMS, row
from pieces import pattern_minimum
from queries import real_net, soon
from regions import has_signs

from attacks import CertificateError, certified_minimum
from attacks.balls import BALLS
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.query import Query
from attacks.proofs.shared_node import SharedNode
from attacks.proofs.shared_nodes import children, shared_root
from attacks.proofs.tree import LEAF, Tree
from attacks.result import Reason
from minigrad import MLP
from minigrad.layers import forward


@pytest.mark.parametrize("more", [(), ((np.eye(2), np.zeros(2)),) * 2], ids=["one row at a time", "shared"])
@pytest.mark.parametrize("norm", NORMS)
def test_what_fixed_pixels_round_to_is_charged_to_the_intervals_too(norm, more):
    """0.1 * 1e17 - 1e16 is 0.555 in truth and 0 in floats; pixel 0 is off the mask, so it is condensed away."""
    W = np.array([[1e17, 0.0], [-0.5, 1.0], [-0.5, 1.0]])
    pairs = [(W, [-1e16, 0.0]), *more, ([[0.0, 10.0, 10.0], [0.0] * 3], [1.0, 0.0, 0.0])]
    net = MLP.from_arrays(pairs)
    x, mask, box = np.array([0.1, 0.5, 0.5]), np.array([False, True, True]), (np.zeros(3), np.ones(3))
    assert exact.logits(exact.exactly(net), [Fraction(v) for v in x])[1] > Fraction(1, 2)
    truth = float(exact.least(norm, net, x, 0, box, mask, None))
    radius = truth if norm == "l0" else 1.01 * (truth**0.5 if norm == "l2" else truth)
    ball = BALLS[norm](radius, mask=mask)
    assert not Search(Query.from_image(net, x, 0, ball)).run(soon(), 20).proved


def random_query(seed, share=0.3):
    rng = np.random.default_rng((7, seed))
    depth, k, d = int(rng.integers(3, 5)), int(rng.integers(3, 6)), int(rng.integers(2, 5))
    net = real_net((d, *rng.integers(2, 6, depth).tolist(), k), seed)
    x = 0.2 + 0.6 * rng.random(d)
    return Query.from_image(net, x, int(net.predict(x[None])[0]), BALLS["linf"](share))


def test_a_leaf_left_to_the_rivals_has_nothing_to_split(monkeypatch):
    """Else its rivals would all write their splits down under one number, and the tree would be none."""
    left, real = [], SharedNode.alone

    def alone(self, query, ident):
        left.append(any(at.free.any() for at in self.known.lines))
        return real(self, query, ident)

    monkeypatch.setattr(SharedNode, "alone", alone)
    for seed in range(20):
        tree = Search(random_query(seed)).run(soon(), 80).tree
        Tree.from_rows(tree.roots, np.array([tree.layer, tree.index, tree.child], np.int32))
    assert left and not any(left)


def test_a_split_of_a_stable_neuron_leaves_one_child():
    """A replay elsewhere may bound a little better than the search did: the empty side is refuted, not an error."""
    seen = 0
    for seed in range(20):
        query, node = shared_root(random_query(seed))
        for k, (l, u) in enumerate(zip(node.known.l, node.known.u, strict=True) if node else ()):  # noqa: E741
            for i in np.flatnonzero((l[0] > 0) | (u[0] < 0))[:1]:
                kids = children(query, node, (k, int(i)))
                assert kids[1 if l[0, i] > 0 else 0] is None
                seen += 1
    assert seen > 5


def test_a_tree_that_names_a_neuron_that_there_is_none_of_is_refused():
    seen = 0
    for seed in range(5):
        net = real_net((6, 10, 8, 4), seed)
        x = 0.2 + 0.6 * np.random.default_rng(seed).random((1, 6))
        (cert,) = certified_minimum(net, x, net.predict(x), norm="linf", node_limit=60, time_limit=60)
        if not cert.radius > 0:
            continue
        seen += 1
        for layer, index in ((0, 10), (1, 8), (2, 0), (0, 10**6)):
            tree = Tree(1, [layer, LEAF, LEAF], [index, 0, 0], [1, 0, 0])
            forged = replace(cert, tree=tree, nodes=max(cert.nodes, 3))
            with pytest.raises(CertificateError, match="does not have"):
                forged.check(net)
    assert seen


def test_answers_are_true_at_radii_below_and_above_the_smallest():
    """The truth by every pattern of signs (tests/support/pieces.py)."""
    proved = found = 0
    for seed, norm in itertools.product(range(6), NORMS):
        net, x = real_net((3, 3, 2, 3, 3), seed), 0.2 + 0.6 * np.random.default_rng(seed).random((1, 3))
        y = int(net.predict(x)[0])
        least = pattern_minimum(net, row(BALLS[norm](1), x, 0), x[0], y, None, 1e-6)
        if not np.isfinite(least):
            continue
        for share in (0.97, 1.03):
            radius = share * least if norm != "l0" else least - (share < 1)
            if radius <= 0:
                continue
            query = Query.from_image(net, x[0], y, BALLS[norm](radius))
            assert query.shares_tree
            answer = Search(query).run(soon(), 300)
            assert not (answer.proved and share > 1) and not (answer.counterexample is not None and share < 1)
            proved, found = proved + answer.proved, found + (answer.counterexample is not None)
            again = Search(query, answer.tree).run(soon(), len(answer.tree) + 100)
            assert again.proved == answer.proved
    assert proved > 5 and found > 10


def test_a_node_bounds_what_it_holds():
    """Bounds hold the margins of every point with the node's signs, and intervals the pre-activations of the points
    among them where a rival that is open wins; of all, while there are several."""
    rng, checked, winners = np.random.default_rng(0), 0, 0
    for seed in range(15):
        query, node = shared_root(random_query(seed))
        for _ in range(6):
            if node is None or not node.candidates(query):
                break
            kids = children(query, node, node.candidates(query)[0])
            points = query.ball.apply(query.x, rng.uniform(-0.3, 0.3, (300, query.x.shape[1])))
            values = forward(query.net.layers, points)
            for kid in (kid for kid in kids if kid is not None):
                here = has_signs(values[1:-1:2], kid.known.sign)
                checked += here.sum()
                margins = values[-1][here] @ query.c.T
                wins = margins[:, kid.rows].max(axis=1) >= 0 if len(node.rows) == 1 else np.ones(len(margins), bool)
                winners += np.count_nonzero(wins) * (len(node.rows) == 1)
                for z, l, u in zip(values[1:-1:2], kid.known.l, kid.known.u, strict=True):  # noqa: E741
                    assert ((l <= z[here][wins]) & (z[here][wins] <= u)).all()
                assert (margins[:, kid.rows] <= kid.bound).all()
                assert (np.delete(margins, kid.rows, axis=1) < 0).all()
            if None in kids:
                empty = children_signs(node, node.candidates(query)[0], kids)
                assert (values[-1][has_signs(values[1:-1:2], empty)] @ query.c.T < 0).all()
            node = next((kid for kid in kids if kid is not None), None)
    assert checked > 500 and winners > 100


def children_signs(node, split, kids):
    """The signs of the child that was refuted."""
    layer, index = split
    sign = [a.copy() for a in node.known.sign]
    sign[layer][0, index] = 1 if kids[0] is None else -1
    return sign


@pytest.mark.parametrize(("norm", "radius"), [("linf", 0.1828125), ("l1", 0.40625)])
def test_the_program_of_a_leaf_keeps_to_the_signs_of_its_counterexamples(norm, radius):
    """The last rival's intervals hold over its counterexamples alone: elsewhere the leaf's program uses wrong pieces.

    It ended in a tie, for its best point was one where a neuron that was taken to be on is off.
    """
    rng = np.random.default_rng(4)
    sizes = (int(rng.integers(2, 5)), *rng.integers(2, 5, int(rng.integers(3, 5))).tolist(), int(rng.integers(3, 5)))
    net, x = real_net(sizes, 4), 0.2 + 0.6 * rng.random((1, sizes[0]))
    query = Query.from_image(net, x[0], int(net.predict(x)[0]), BALLS[norm](radius))
    assert query.shares_tree and Search(query).run(soon(), 200).proved


def test_no_leaf_is_a_tie_where_one_rival_at_a_time_is_proved():
    tried = 0
    for seed, share in itertools.product(range(6), (0.05, 0.1, 0.15, 0.2)):
        query = random_query(seed, share)
        if Search(query, Tree(len(query.c))).run(soon(), 200).proved:
            tried += 1
            assert Search(query).run(soon(), 100).reason in (Reason.PROVED, Reason.NODES)
    assert tried > 10


def test_a_tree_with_one_root_is_replayed_by_a_search_that_shares():
    query = random_query(0)
    assert query.shares_tree and Search(query, Tree(1)).shares and not Search(query, Tree(len(query.c))).shares


def test_a_part_of_a_region_keeps_its_signs():
    query = random_query(0)
    _, node = shared_root(query)
    assert node is not None
    twice = replace(node.known, sign=tuple(np.full_like(s, 1.0) for s in node.known.sign)).take(np.array([0, 0]))
    assert all((s == 1).all() and len(s) == 2 for s in twice.sign)
