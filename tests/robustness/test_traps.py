"""The mistakes of other attack libraries, one test each; the library that made it is named.

(Solver counterexamples that are not adversarial concern certificates, and are tested with them.)
"""

from functools import partial

import numpy as np
import pytest

import attacks.uap.methods
from attacks import L0, L1, L2, LInf, fgsm, pgd, saliency_map, smallest_eps, universal
from attacks.problem import Problem
from minigrad import MLP

SUM = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N = x0 + x1 - 1
DEAD = MLP.from_arrays([(np.zeros((3, 4)), -np.ones(4)), (np.ones((4, 1)), [-1.0])])

ALL = {
    "saliency_map": saliency_map,
    "papernot": lambda *a, **o: saliency_map(*a, variant="papernot", **o),
    "fgsm": lambda *a, **o: fgsm(*a, LInf(0.5), **o),
    "fgsm l0": lambda *a, **o: fgsm(*a, L0(2), **o),
    "pgd": lambda *a, **o: pgd(*a, LInf(0.5), **o),
    "pgd l0": lambda *a, **o: pgd(*a, L0(2), **o),
    "smallest_eps": partial(smallest_eps, norm="linf"),
    "smallest l1": lambda *a, **o: smallest_eps(*a, norm="l1", **o),
}
every_attack = pytest.mark.parametrize("attack", ALL.values(), ids=ALL)


@every_attack
def test_cleverhans_torchattacks_with_no_admissible_pixel_none_is_edited(attack):
    """argmax of an all-zero map is pixel 0."""
    x = np.full((2, 3), 0.5)
    result = attack(DEAD, x, [0, 0])
    assert np.array_equal(result.x_adv, x)
    assert not result.success.any()
    assert result.reason.tolist() == ["zero gradient"] * 2


@pytest.mark.parametrize("name", ["saliency_map", "papernot", "fgsm", "fgsm l0", "smallest_eps"])
def test_cleverhans_torchattacks_no_admissible_pixel_is_reported(name):
    """Three white pixels, and the margin rises with each."""
    net = MLP.from_arrays([(np.ones((3, 1)), [-4.0])])
    assert ALL[name](net, np.ones((1, 3)), [0]).reason.tolist() == ["no admissible pixel"]


@pytest.mark.parametrize("name", ["pgd", "pgd l0", "smallest_eps", "smallest l1"])
def test_art_where_the_gradient_is_zero_random_starts_are_tried(name):
    """N = relu(x0 + x1 + x2 - 2) - 0.25 is level at the image; saliency_map and fgsm have one start, and say so."""
    net = MLP.from_arrays([(np.ones((3, 1)), [-2.0]), ([[1.0]], [-0.25])])
    x = np.full((2, 3), 0.5)
    assert ALL[name](net, x, [0, 0]).success.all()
    for single in ("saliency_map", "papernot", "fgsm", "fgsm l0"):
        assert ALL[single](net, x, [0, 0]).reason.tolist() == ["zero gradient"] * 2


def test_cleverhans_torchattacks_not_even_after_some_steps_is_pixel_0_edited():
    """Pixel 1 is used up, pixel 0 has no derivative and pixel 2 no room."""
    net = MLP.from_arrays([([[0.0], [1.0], [1.0]], [-4.0])])
    result = saliency_map(net, np.array([[0.5, 0.5, 1.0]]), [0])
    assert result.trace.pixel.tolist() == [[1]]
    assert result.x_adv.tolist() == [[0.5, 1.0, 1.0]]
    assert result.reason.tolist() == ["no admissible pixel"]


@pytest.mark.parametrize("variant", ["gain", "papernot"])
def test_cleverhans_both_directions_are_right_and_occur_in_one_run(variant):
    """Negative theta made pixels rise.  Here two must rise and two must fall, whichever class it is."""
    w = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    x = np.full((1, 4), 0.5)
    for sign, y in ((1, 0), (-1, 1)):
        net = MLP.from_arrays([(w, [-sign * 1.875])])
        result = saliency_map(net, x, [y], variant=variant)
        assert result.x_adv[0].tolist() == ([1, 1, 0, 0] if sign > 0 else [0, 0, 1, 1])


@every_attack
def test_torchattacks_untargeted_is_not_the_next_label(attack):
    """Class 1 = (0 + 1) % 3 is out of reach, class 2 near; aiming at class 1 is no success."""
    W = np.array([[-1.0, 0, 1], [-1, 0, 1], [-1 / 16, 1 / 8, 0], [-1 / 16, 1 / 8, 0]])
    net = MLP.from_arrays([(W, [1.1875, -5.0, -1.0])])
    x = np.full((1, 4), 0.5)
    result = attack(net, x, [0])
    assert result.success[0]
    assert net.predict(result.x_adv).tolist() == [2]
    assert not attack(net, x, [0], target=1).success[0]


def test_art_the_papernot_map_counts_the_other_classes():
    """Pixels 0 and 1 raise the target most, and the others too (b > 0): only pixels 2 and 3 qualify."""
    target = [4.0, 4.0, 1.0, 1.0]
    W = np.c_[[3.0, 3.0, -1.0, -1.0], target, [3.0, 3.0, 0.0, 0.0]]
    net = MLP.from_arrays([(W, [30.0, 0.0, 0.0])])
    x = np.zeros((1, 4))
    result = saliency_map(net, x, [0], max_pixels=2, target=1, variant="papernot")
    assert sorted(result.trace.pixel[0]) == [2, 3]


@every_attack
def test_sigma_zero_art_updates_reach_the_rows_that_need_them(attack):
    """An in-place write into a fancy-indexed copy is lost.  Rows of a batch finish at different steps, in any order."""
    net = MLP.from_arrays([(np.array([[1.0, -1], [1, 1], [-1, 1], [1, 1]]), [0.0, -0.5]), ([[1.0], [-1.0]], [-0.25])])
    x = np.random.default_rng(0).integers(0, 17, (12, 4)) / 16
    y = np.where(np.arange(12) % 5 == 0, 1 - net.predict(x), net.predict(x))  # some are misclassified from the start
    batch = attack(net, x, y)
    assert batch.success.any()
    for i in range(12):
        alone = attack(net, x[[i]], y[[i]])
        assert np.array_equal(alone.x_adv[0], batch.x_adv[i])
        assert alone.success[0] == batch.success[i]
        assert alone.reason[0] == batch.reason[i]


@every_attack
def test_sigma_zero_art_the_callers_arrays_are_never_written(attack):
    x = np.full((2, 2), 0.25)
    x.flags.writeable = False
    y = np.zeros(2, int)
    y.flags.writeable = False
    assert attack(SUM, x, y).success.all()


@pytest.mark.parametrize("order", [(1.0, 0.0), (0.0, 1.0)])
def test_art_universal_returns_the_best_s_not_the_last(monkeypatch, order):
    x = np.array([[0.25, 0.25]])
    rates = {1.0: [0.5, 0.5], 0.0: [0.0, 0.125]}
    moves = [np.array(rates[rate]) for rate in order]
    monkeypatch.setattr(attacks.uap.methods, "visit", lambda *a: moves.pop(0))
    monkeypatch.setattr(LInf, "maximize", lambda self, x, g: np.zeros_like(g))
    result = universal(SUM, x, [0], LInf(0.5), passes=2, method="iterative")
    assert result.rate == 1.0
    assert result.s.tolist() == rates[1.0]
    assert result.reason == "all fooled"  # also when it was the last pass that succeeded


def test_art_universal_does_not_do_nothing_in_silence():
    result = universal(DEAD, np.full((2, 3), 0.5), [0, 0], LInf(0.5))
    assert not result.s.any()
    assert result.reason == "no progress"
    already = universal(SUM, np.full((2, 2), 0.75), [0, 0], LInf(0.5))
    assert already.reason == "already misclassified"


@every_attack
def test_foolbox_art_distance_is_of_the_perturbation_of_the_same_row(attack):
    """Not of x, not of another point, not of the image beside it."""
    x = np.array([[0.25, 0.25], [0.0, 0.9375], [0.75, 0.75], [0.4375, 0.5]])  # far from 0, each with its own distance
    result = attack(SUM, x, [0, 0, 0, 0])
    norm = {"l0": np.count_nonzero, "l1": lambda s: np.abs(s).sum(), "linf": lambda s: np.abs(s).max()}[result.norm]
    for i in range(4):
        assert result.distance[i] == norm(result.x_adv[i] - x[i])


def test_foolbox_art_eps_of_each_row_is_the_eps_of_that_row():
    x = np.array([[0.25, 0.25], [0.0, 0.9375], [0.4375, 0.5]])
    expected = [0.25, 0.03125, 0.03125]
    for order in ([0, 1, 2], [2, 0, 1]):
        eps = smallest_eps(SUM, x[order], [0, 0, 0], norm="linf", stretch=0).distance
        np.testing.assert_allclose(eps, np.array(expected)[order], rtol=1e-8)


@every_attack
def test_auto_attack_success_is_reported_before_and_after_rounding_to_bytes(attack):
    """x0 + x1 + x2 > t and no more than t: what the attack crosses by 1e-9, rounding can take back."""
    x = np.random.default_rng(0).uniform(0.2, 0.4, (40, 3))
    net = MLP.from_arrays([(np.ones((3, 1)), [-1.3])])
    result = attack(net, x, np.zeros(40))
    png = np.where(result.x_adv == x, x, np.float32(np.round(255 * result.x_adv) / 255))
    assert np.array_equal(result.success_8bit, (png.sum(axis=1) > 1.3) & (x.sum(axis=1) <= 1.3))
    assert result.success.any()


def test_auto_attack_the_two_successes_do_differ():
    x = np.random.default_rng(0).uniform(0.2, 0.4, (40, 3))
    result = smallest_eps(MLP.from_arrays([(np.ones((3, 1)), [-1.3])]), x, np.zeros(40), norm="linf")
    assert result.success.all()
    assert 0 < result.success_8bit.sum() < 40


@every_attack
def test_nn_robust_attacks_marabou_success_is_reported_in_single_precision_too(attack):
    """N = x0 + x1 + x2 - 1 - 2^-26: from just below, float32 rounds half of what double precision calls a flip."""
    x = np.random.default_rng(0).uniform(0.2, 0.333, (40, 3))
    net = MLP.from_arrays([(np.ones((3, 1)), [-1.0 - 2.0**-26])])
    result = attack(net, x, np.zeros(40))
    single = result.x_adv.astype(np.float32) @ np.ones(3, np.float32) + np.float32(-1.0 - 2.0**-26)
    assert np.array_equal(result.success_32bit, (single > 0) & (net.logits(x)[:, 0] <= 0))
    assert result.success_32bit.any()


def test_nn_robust_attacks_a_flip_on_the_boundary_is_none_in_single_precision():
    """What the search finds is 1e-9 past the boundary; what is returned survives."""
    rng = np.random.default_rng(0)
    net = MLP.from_arrays([(rng.normal(size=(30, 1)), [-1.0])])
    x = rng.uniform(size=(60, 30))
    y = net.predict(x)
    found, returned = (smallest_eps(net, x, y, norm="linf", **o) for o in ({"stretch": 0}, {}))
    assert found.success.all() and np.count_nonzero(found.success_32bit) < 50
    assert returned.success_32bit.all() and returned.mean_distance <= found.mean_distance * (1 + 1e-4)


@every_attack
def test_foolbox_already_misclassified_is_neither_success_nor_failure(attack):
    x = np.array([[0.25, 0.25], [0.75, 0.75]])
    result = attack(SUM, x, [0, 0])
    assert result.reason[1] == "already misclassified"
    assert np.array_equal(result.x_adv[1], x[1])
    assert (result.distance[1], result.success[1], result.success_8bit[1]) == (0, False, False)
    assert result.rate == 1.0
    assert result.mean_distance == result.distance[0]


def test_foolbox_already_misclassified_is_left_out_of_the_universal_rate():
    result = universal(SUM, np.array([[0.25, 0.25], [0.75, 0.75]]), [0, 0], LInf(0.3))
    assert (result.rate, result.fooled.tolist(), result.tried.tolist()) == (1.0, [True, False], [True, False])


@pytest.mark.parametrize("kind", [L1, L2, LInf])
def test_skipped_norm_constraint_no_attack_leaves_its_ball(kind):
    """(And one that did could not return: `Problem.finish` refuses, tests/attacks/test_result.py.)"""
    rng = np.random.default_rng(0)
    net, x = MLP.init([9, 8, 3], rng=rng), rng.uniform(size=(20, 9))
    y = net.predict(x)
    for attack in (fgsm, pgd):
        result = attack(net, x, y, kind(0.05))
        assert (kind(0.05).distance(result.x_adv - x) <= 0.05 + 1e-14).all()
        assert result.distance.max() > 0.049
        with pytest.raises(AssertionError):
            Problem.from_images(net, x, y, kind(0.04)).finish(result.x_adv)
