"""Detectors against slow and obvious versions, the area under the curve against all pairs, thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from attacks.detect.adaptive import blind_spots
from attacks.detect.combined import Combined
from attacks.detect.detectors import (
    CACHED,
    DETECTORS,
    FittedDetectors,
    isolated,
    median_of_four,
    median_of_nine,
    neighbour,
    scores,
    squeezed,
    subspace,
    unused,
)
from attacks.detect.statistics import auc, auc_interval, roc, share_interval, threshold
from attacks.report.setup import CALIBRATION, CalibrationSplit
from minigrad import MLP

NET = MLP.init([36, 1], rng=0)
SIX = FittedDetectors.fit(NET, np.random.default_rng(0).random((9, 36)), components=2)
fit, split = FittedDetectors.fit, CalibrationSplit.from_images
values = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12).map(np.array)


@pytest.fixture(scope="module")
def fitted():
    """Sixty pictures of 6 x 6 pixels, whose last column nobody uses."""
    rng = np.random.default_rng(0)
    x = rng.random((60, 36)) * (np.arange(36) % 6 < 5)
    net = MLP.init([36, 5, 1], rng=0)
    return FittedDetectors.fit(net, x, components=8), x


def test_what_training_images_never_do(fitted):
    m, x = fitted
    assert np.array_equal(m.used.reshape(6, 6), np.broadcast_to(np.arange(6) < 5, (6, 6)))
    assert (unused(m, x) == 0).all()
    changed = x.copy()
    changed[:, 5], changed[:, 11] = 0.25, 0.5
    assert unused(m, changed).tolist() == [0.75] * 60


@pytest.mark.parametrize("shape", [(28, 28), (3, 5), (1, 4), (2, 2), (1, 1)])
@pytest.mark.parametrize("levels", [3, 1000])
def test_the_medians_are_those_of_scipy_to_the_last_bit(shape, levels):
    x = np.random.default_rng(0).integers(0, levels, (CACHED + 1, shape[0] * shape[1])) / levels
    for size, median in ((3, median_of_nine), (2, median_of_four)):
        slow = median_filter(x.reshape(-1, *shape), size=(1, size, size), mode="nearest").reshape(x.shape)
        np.testing.assert_array_equal(median(x, shape), slow)


def test_a_single_pixel_is_isolated_and_a_stroke_is_not(fitted):
    m, _ = fitted
    dot, stroke = np.zeros((2, 6, 6))
    dot[2, 3] = 1
    stroke[:, 2:4] = 1
    assert isolated(m, np.stack([dot.ravel(), stroke.ravel()])).tolist() == [1, 0]


def test_the_distance_to_the_subspace_by_least_squares(fitted):
    m, x = fitted
    np.testing.assert_allclose(m.basis.T @ m.basis, np.eye(8), atol=1e-12)
    centred = x - x.mean(axis=0)
    leading = np.linalg.svd(centred, full_matrices=False)[2][:8].T
    slow = [np.linalg.norm(c - leading @ np.linalg.lstsq(leading, c, rcond=None)[0]) for c in centred]
    np.testing.assert_allclose(subspace(m, x), slow, rtol=1e-9)
    inside = m.mean + np.random.default_rng(1).normal(size=(5, 8)) @ m.basis.T
    assert subspace(m, inside).max() < 1e-12


def test_neighbours_by_brute_force(fitted):
    m, x = fitted
    other = np.random.default_rng(2).random((7, 36))
    slow = np.linalg.norm(other[:, None] - x[None], axis=2).min(axis=1)
    np.testing.assert_allclose(neighbour(m, other), slow, rtol=1e-9)
    assert (neighbour(m, x) < 1e-6).all()  # one fitted to is near to itself: no image to read a threshold from


def test_squeezing_moves_the_logits_only_where_there_is_detail(fitted):
    m, _ = fitted
    flat = np.stack([np.zeros(36), np.ones(36)])
    assert squeezed(m, flat).tolist() == [0, 0]
    x = np.random.default_rng(3).random((4, 36))
    one_bit = np.abs(m.net.logits(x) - m.net.logits(np.round(x)))[:, 0]
    assert (squeezed(m, x) >= one_bit).all()


def test_scores_are_the_five_in_order(fitted):
    m, x = fitted
    s = scores(m, x[:3])
    assert s.shape == (3, len(DETECTORS)) == (3, 5)
    for j, detector in enumerate(DETECTORS.values()):
        assert np.array_equal(s[:, j], detector(m, x[:3]))


@given(values, values)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(clean, attacked):
    pairs = np.sign(attacked[:, None] - clean[None])
    assert auc(clean, attacked) == pytest.approx(np.mean((pairs + 1) / 2), abs=1e-12)
    false, found = roc(clean, attacked)
    assert (false[0], found[0], false[-1], found[-1]) == (0, 0, 1, 1)
    assert (np.diff(false) >= 0).all() and (np.diff(found) >= 0).all()
    assert np.trapezoid(found, false) == pytest.approx(auc(clean, attacked), abs=1e-12)


@settings(max_examples=20)
@given(values, values)
def test_the_interval_of_the_area_is_ordered_and_repeatable(clean, attacked):
    low, high = auc_interval(clean, attacked, draws=50, rng=1)
    assert 0 <= low <= high <= 1
    assert (low, high) == auc_interval(clean, attacked, draws=50, rng=1)


def test_the_interval_holds_the_true_area_about_as_often_as_it_says():
    """Normal scores one apart: the area is Phi(1 / sqrt 2) = 0.7602; 95 of 100 intervals hold it, within 3 sigma."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(100):
        low, high = auc_interval(rng.normal(size=80), 1 + rng.normal(size=80), draws=200, rng=rng)
        held += low <= 0.76025 <= high
    assert 88 <= held <= 100


@given(st.integers(100, 400), st.integers(0, 10))
def test_no_more_false_alarms_than_asked_on_the_training_images(n, seed):
    clean = np.random.default_rng(seed).normal(size=n)
    bar = threshold(clean, 0.01)
    assert np.mean(clean > bar) <= 0.01
    assert np.mean(clean >= bar) > 0.01 - 1 / n  # and not many fewer


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_a_share_is_wilsons(case):
    from scipy.stats import binomtest

    k, n = case
    theirs = binomtest(k, n).proportion_ci(method="wilson")
    assert share_interval(k / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-7)
    low, high = share_interval(k / n, n)
    assert 0 <= low <= k / n <= high <= 1


@pytest.mark.parametrize("n", [40, 90, 200, 4 * CALIBRATION + 400])
def test_thresholds_are_read_on_images_that_the_detectors_were_not_fitted_to(n):
    x, y = np.arange(2.0 * n).reshape(n, 2), np.arange(n) % 2
    learned = CalibrationSplit.from_images(x, y, rng=1)
    assert len(learned.apart) == min(CALIBRATION, max(20, n // 4))
    both = np.concatenate([learned.fitting, learned.apart])
    assert np.array_equal(both[np.argsort(both[:, 0])], x)  # each image once
    assert {*learned.first[:, 0]} == {*learned.apart[learned.apart[:, 0] % 4 == 0, 0]}  # x_0 = 2 i, y = i mod 2
    assert not np.array_equal(learned.apart, CalibrationSplit.from_images(x, y, rng=2).apart)


def test_detectors_find_new_images_stranger_than_those_they_were_fitted_to():
    """Why: 150 images of noise and 40 components.  Thresholds from the images fitted to call most new ones attacked."""
    rng = np.random.default_rng(0)
    seen, apart, new = rng.random((150, 36)), rng.random((100, 36)), rng.random((300, 36))
    m = FittedDetectors.fit(NET, seen, components=30)
    assert np.mean(subspace(m, new) > threshold(subspace(m, seen))) > 0.03
    assert np.mean(subspace(m, new) > threshold(subspace(m, apart))) <= 0.03


def test_the_combination_finds_the_detector_that_tells():
    rng = np.random.default_rng(0)
    clean, attacked = rng.random((200, 5)), rng.random((100, 5))
    attacked[:, 3] += 3
    both = Combined.fit(clean, attacked)
    assert auc(both(clean), both(attacked)) == 1
    assert both.w[3] > 5 * np.abs(np.delete(both.w, 3)).max()


def test_both_sets_weigh_the_same_in_the_combination():
    """At the optimum the slope by b is 0: the mean doubt about the clean is the mean doubt about the attacked."""
    rng = np.random.default_rng(1)
    clean, attacked = rng.random((300, 5)), 0.3 + rng.random((30, 5))
    both = Combined.fit(clean, attacked)
    doubts = np.mean(1 / (1 + np.exp(-both(clean)))), np.mean(1 / (1 + np.exp(both(attacked))))
    assert doubts[0] == pytest.approx(doubts[1], abs=1e-4)
    assert 0.05 < doubts[0] < 0.5


def test_a_detector_that_never_moves_is_no_trouble():
    clean, attacked = np.zeros((30, 5)), np.zeros((30, 5))
    attacked[:, 0] = 1
    both = Combined.fit(clean, attacked)
    assert np.isfinite(both(attacked)).all() and (both(attacked) > both(clean)).all()


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (lambda: fit(NET, np.zeros((5, 36))), "expected at least 60 images and pixels, one a component"),
        (lambda: fit(NET, np.zeros((80, 35))), "expected square images, whose pixels have neighbours, got 35"),
        (lambda: Combined.fit(np.zeros((0, 5)), np.zeros((3, 5))), r"clean: expected finite .* got \(0, 5\)"),
        (lambda: Combined.fit(np.ones((2, 5)), np.full((3, 5), np.nan)), r"attacked: expected finite .* got \(3, 5\)"),
        (lambda: Combined.fit(np.ones((2, 5)), -np.ones((3, 5))), r"attacked: expected finite scores >= 0"),
        (lambda: Combined.fit(np.ones((2, 5)), np.ones((3, 5)), weight=-1), "weight: expected a number >= 0, got -1"),
        (lambda: fit(NET, np.linspace(-1, 1, 2880).reshape(80, 36)), r"expected pixels in \[0, 1\].* got -1..1"),
        (lambda: fit(NET, np.ones((80, 36)), components="3"), "components: expected a whole number, got '3'"),
        (lambda: fit(NET, np.ones((80, 36)), shape=6), r"shape: expected \(rows, columns\), .* got 6"),
        (lambda: scores(None, np.zeros((1, 36))), "detectors: expected FittedDetectors"),
        (lambda: scores(SIX, -np.ones((1, 36))), r"expected pixels in \[0, 1\].* got -1..-1"),
        (lambda: blind_spots(None, np.zeros((1, 36))), "detectors: expected FittedDetectors"),
        (lambda: threshold(np.zeros((30, 5))), r"clean_training: expected finite .* got shape \(30, 5\)"),
        (lambda: threshold(np.full(30, np.nan)), "clean_training: expected finite scores"),
        (lambda: threshold(np.zeros(30), 1.5), r"false_alarms: expected a share in \[0, 1\), got 1.5"),
        (lambda: auc(np.zeros(3), np.full(3, np.nan)), "attacked: expected finite scores"),
        (lambda: threshold(np.zeros(3)), "expected at least 20 clean training images, got 3"),
        (lambda: auc(np.zeros(0), np.zeros(3)), r"clean: expected finite scores \(n,\), at least one"),
        (lambda: auc_interval(np.zeros(2), np.zeros(0)), "attacked: expected finite scores"),
        (lambda: roc(np.zeros(0), np.zeros(0)), "clean: expected finite scores"),
        (lambda: scores(SIX, np.zeros(36)), r"expected shape \(n, 36\), one image per row, got \(36,\)"),
        (lambda: scores(SIX, np.zeros((2, 35))), r"expected shape \(n, 36\), one image per row, got \(2, 35\)"),
        (lambda: split(np.eye(39), np.zeros(39), 0), "expected at least 40 training images for the detec"),
        (lambda: split(np.ones((50, 4)), np.zeros(50), 0), "expected training images that differ, got the same"),
    ],
)
def test_bad_input_gets_one_sentence(work, sentence):
    with pytest.raises(ValueError, match=sentence):
        work()
