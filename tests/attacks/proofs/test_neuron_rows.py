"""The rows of the intervals in the parts of a set: where they begin, and what a last rival adds to them."""

import numpy as np
from queries import real_net

from attacks.balls import BALLS
from attacks.proofs.intervals import plain, refined
from attacks.proofs.neuron_rows import LEVELS
from attacks.proofs.query import Query
from attacks.proofs.shared_nodes import children, shared_root
from minigrad.bounds.multipliers import Multipliers
from minigrad.layers import forward

SIZES = 6, 12, 12, 12, 3


def query(seed, radius=0.2):
    x = 0.2 + 0.6 * np.random.default_rng(seed).random(SIZES[0])
    net = real_net(SIZES, seed)
    return Query.from_image(net, x, int(net.predict(x[None])[0]), BALLS["linf"](radius))


def total(known):
    """The lengths of all intervals added up."""
    return sum(float((u - l).sum()) for l, u in zip(known.l, known.u, strict=True))  # noqa: E741


def test_rows_begin_where_they_ended():
    """Without a step they bound as they did, but for what half precision rounds; other slopes bound less."""
    for seed in range(8):
        _, known, _ = plain(query(seed))
        best, rows, _ = refined(known, 20)
        start = {k: layer.start() for k, layer in rows.items()}
        again, _, _ = refined(known, 0, start=start)
        fresh, _, _ = refined(known, 0)
        assert total(fresh) > 1.02 * total(best)
        assert total(again) < total(best) + 0.02 * (total(fresh) - total(best))


def test_multipliers_keep_their_places():
    """alpha where a line is free, beta where a sign is given, each for the rows of the neurons asked for."""
    checked = 0
    for seed in range(8):
        small, node = shared_root(query(seed, 0.1))
        kid = node and next((kid for kid in children(small, node, node.candidates(small)[0]) if kid), None)
        if kid is None:
            continue
        _, rows, _ = refined(kid.known, 3, start=kid.start)
        for k, layer in rows.items():
            neurons = layer.neurons[::2]
            mult = layer.start().multipliers(kid.known.before(k), neurons)
            place = np.flatnonzero(np.isin(layer.neurons, neurons))
            both = np.concatenate([place, place + len(layer.neurons)])
            for j, at in enumerate(layer.known.lines):
                free, given = at.free[0], kid.known.sign[j][0] != 0
                alpha, beta = layer.mult.alpha[j][0][both], layer.mult.beta[j][0][both]
                np.testing.assert_allclose(mult.alpha[j][0][:, free], alpha[:, free], atol=1 / LEVELS)
                np.testing.assert_allclose(mult.beta[j][0][:, given], beta[:, given], rtol=1e-6)
                assert not mult.beta[j][0][:, ~given].any()
                checked += given.sum()
    assert checked > 5


def test_sets_side_by_side_are_bounded_as_they_are_alone():
    for seed in range(6):
        _, known, _ = plain(query(seed))
        two = known.take(np.array([0, 0]))
        k, i = next((k, i) for k, at in enumerate(known.lines) for i in np.flatnonzero(at.free[0]))
        two.l[k][0, i] = two.u[k][1, i] = 0.0
        both, _, empty = refined(two, 5)
        assert not empty.any()
        for j in range(2):
            one, _, _ = refined(two.take(np.array([j])), 5)
            for mine, its in zip(one.l + one.u, both.l + both.u, strict=True):
                np.testing.assert_allclose(mine[0], its[j], rtol=1e-3, atol=1e-3)


def test_the_last_rivals_counterexamples_leave_shorter_intervals():
    """Just above the radius that plain bounds refute, there is little left where the rival wins."""
    shorter = 0
    for seed in range(8):
        for radius in np.geomspace(0.02, 0.5, 12):
            asked = query(seed, radius)
            _, known, bound = plain(asked)
            if (bound >= 0).sum() == 1:
                c = asked.c[bound >= 0]
                start = Multipliers.start(known)
                free, _, _ = refined(known, 20)
                over, _, empty = refined(known, 20, alone=(c, start))
                shorter += bool(empty[0]) or total(over) < 0.9 * total(free)
    assert shorter >= 5


def test_an_empty_set_is_told_from_its_sibling():
    """Where the rival cannot win, its counterexamples have no interval; where it can, they have."""
    told = won = 0
    for seed in range(8):
        small, known, bound = plain(query(seed, 0.3))
        two, c = known.take(np.array([0, 0])), small.c[[int(np.argmax(bound))]]
        for each, slack in ((two.l, -1e-6), (two.u, 1e-6)):  # the first set is one point, and there the rival loses
            a = small.x
            for k, z in enumerate(each):
                z[0] = (a @ small.net.dense[k].W + small.net.dense[k].b)[0] + slack
                a = np.maximum(z[:1] - slack, 0)
        start = Multipliers.start(known).take(np.array([0, 0]))
        _, _, empty = refined(two, 10, alone=(c, start))
        points = small.ball.apply(small.x, np.random.default_rng(0).uniform(-0.3, 0.3, (500, small.x.shape[1])))
        wins = (forward(small.net.layers, points)[-1] @ c[0] >= 0).any()
        assert not (wins and empty[1])
        told, won = told + bool(empty[0]), won + bool(wins)
    assert told >= 4 and won >= 2
