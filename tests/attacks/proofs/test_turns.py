"""Which radius is asked about next: by searches that take as long as they are told, on a clock that they move."""

import time
from fractions import Fraction

import numpy as np
import pytest
from ball_strategies import NORMS

from attacks import certified_minimum
from attacks.proofs import turns
from attacks.proofs.branch_and_bound import Outcome
from attacks.proofs.interval import Interval
from attacks.proofs.task import Limits, Task
from attacks.proofs.tree import Tree
from attacks.proofs.turns import Turns
from attacks.result import Reason
from minigrad import MLP

LIMIT = 30.0
NET = MLP.from_arrays([(np.ones((16, 1)), [-8.5])])  # L0: 9 of the 16 pixels; the others: 8.5 / 16 in each of them


def turned(monkeypatch, norm, cost):
    """The turns of an image where plain bounds prove a quarter, and a search of `cost(share of upper)` seconds more."""
    clock, made, asked = [0.0], [], []

    class Timed:
        def __init__(self, query, executor=None):
            self.radius, self.work, self.tree = float(query.ball.radius), 0.0, Tree(1)
            made.append(self.radius)

        def run(self, deadline, node_limit):
            need = cost(self.radius / upper) - self.work
            asked.append(self.radius)
            spent = min(need, max(deadline - clock[0], 0.0))
            self.work, clock[0] = self.work + spent, clock[0] + spent
            return Outcome(spent == need, None, Reason.PROVED if spent == need else Reason.TIME, self.tree, 1.0)

    limits = Limits.from_options(norm, None, LIMIT)
    known = Interval(Task.from_images(NET, np.zeros((1, 16)), [0], norm=norm, limits=limits), 0)
    upper = known.upper
    monkeypatch.setattr(known, "first_look", lambda: known.refuted(known.radii.whole(0.25 * upper), Tree(1)))
    monkeypatch.setattr(known, "attack_again", lambda seconds: None)  # not what is timed here
    monkeypatch.setattr(turns, "Search", Timed)
    monkeypatch.setattr(turns.time, "perf_counter", lambda: clock[0])
    found = Turns(known, limits, LIMIT)
    found.run()
    assert clock[0] <= LIMIT * (1 + 1e-12)
    return known, made, asked


@pytest.mark.parametrize("norm", NORMS)
def test_what_was_too_hard_goes_on_once_nothing_is_left_below_it(monkeypatch, norm):
    """Only the goal is hard, and half the time is enough for it if what its first look did is kept."""
    hard = 0.88 if norm == "l0" else 0.95
    known, made, asked = turned(monkeypatch, norm, lambda share: LIMIT / 2 if share > hard else 0.1)
    assert known.reached(Limits.from_options(norm).gap)
    assert made.count(max(made)) == 1 and asked.count(max(made)) > 1


def test_it_need_not_be_the_goal_that_goes_on(monkeypatch):
    """8 pixels are out of reach; 7 take half the time, and the first turn about them has less."""
    seconds = {8: 10 * LIMIT, 7: LIMIT / 2}
    known, made, asked = turned(monkeypatch, "l0", lambda share: seconds.get(round(9 * share), 0.1))
    assert (known.upper, known.radius) == (9, 7) and made.count(7) == 1 and asked.count(7) == 2


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("power", [4, 8, 16, 32])
def test_most_of_what_the_time_allows_is_proved(monkeypatch, norm, power):
    """Each radius is a search of its own, whose time rises steeply: all of it would do for two thirds of `upper`."""
    known, _, _ = turned(monkeypatch, norm, lambda share: LIMIT * (1.5 * share) ** power)
    assert 0.65 * known.upper / 1.5 <= known.radius < known.lower + 1e-12 < known.upper


@pytest.mark.parametrize("norm", NORMS)
def test_a_radius_that_no_time_would_do_for_ends_the_search_in_time(monkeypatch, norm):
    known, made, _ = turned(monkeypatch, norm, lambda _: 10 * LIMIT)
    assert known.radius == known.radii.whole(0.25 * known.upper) and len(made) > 1


def test_a_counterexample_that_is_no_nearer_ends_the_search_with_a_tie():
    """A minimum of 1.25 eta: no gap can be reached, and the same point is found again and again."""
    eta, W = 5e-324, 2.0**1000
    net = MLP.from_arrays([([[W], [W]], [-2.5 * 2.0**-74])])  # m(s) = W (s_0 + s_1 - 2.5 eta)
    for norm in ("linf", "l2", "l1"):
        limits = {"time_limit": 1e6, "node_limit": 50}
        (cert,) = certified_minimum(net, [[0.0, 0.0]], [0], norm=norm, box=(0, 4 * eta), **limits)
        true = {"linf": Fraction(5, 4) ** 2, "l2": Fraction(25, 8), "l1": Fraction(5, 2) ** 2}[norm]
        lower, upper = (Fraction(end) / Fraction(eta) for end in (cert.lower, cert.upper))
        assert lower**2 <= true <= upper**2
        cert.check(net)


@pytest.mark.parametrize("norm", NORMS)
def test_a_search_that_is_too_hard_is_worth_longer_attacks_once(monkeypatch, norm):
    """What they find is the upper end; an interval that the first search closes does not pay for them."""
    made = []

    def again(task, i, seconds):
        made.append(seconds)
        yield np.concatenate([np.ones(9), np.zeros(7)]) if norm == "l0" else np.full(16, 0.55)

    monkeypatch.setattr(Task, "attacked_again", again)
    net = MLP.from_arrays([(np.ones((16, 1)), [-8.5])])
    for hard in (False, True):
        limits = Limits.from_options(norm, None, LIMIT)
        known = Interval(Task.from_images(net, np.zeros((1, 16)), [0], norm=norm, limits=limits), 0)
        known.upper, known.x_adv = 2 * known.upper, np.ones(16)
        outcomes = iter([Outcome(not hard, None, Reason.TIME if hard else Reason.PROVED, Tree(1), 1.0)])

        class Once:
            def __init__(self, query, executor=None):
                self.tree = Tree(1)

            def run(self, deadline, node_limit, outcomes=outcomes):
                return next(outcomes, Outcome(True, None, Reason.PROVED, self.tree, -1.0))

        monkeypatch.setattr(turns, "Search", Once)
        before = known.upper
        Turns(known, limits, time.perf_counter() + LIMIT).run()
        assert (known.upper < before) == hard and len(made) == hard


def test_longer_attacks_end_where_the_next_would_take_too_long(monkeypatch):
    limits = Limits.from_options("linf", None, LIMIT)
    task = Task.from_images(NET, np.zeros((1, 16)), [0], norm="linf", limits=limits)
    assert len(list(task.attacked_again(0, np.inf))) == 2 and not list(task.attacked_again(0, 0.0))
