"""One pattern for all images: where it may be, what it does, measured by hand, and what no filling can do."""

from itertools import product

import numpy as np
import oracles
import pytest
from ball_strategies import row
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import affine_networks, generators, networks_with_images

from attacks import accessory, any_filling, glasses_mask, place, smallest_mask
from attacks.balls import L0
from attacks.patch.ascent import neighbours
from attacks.result import Reason
from minigrad import MLP
from minigrad.margin import Margin

FACE = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)  # 4 x 5, one step of room
PLACES = ((0, 0), (0, -1), (1, 1))
TREE = MLP.from_arrays([(np.array([[1.0], [1.0], [0.0], [0.0]]), [-1.75])])  # N = x0 + x1 - 1.75, a 2 x 2 picture
TWO = np.array([[True, True], [False, False]])


def margins(net, x, y, target=None):
    return Margin.from_labels(net, x, y, target).value(x)


def patched(x, mask, shift, p):
    """Every image with the pattern at the mask's place, pixel by pixel in row order."""
    pictures = np.array(x, float).reshape(len(x), *mask.shape)
    for (down, right), value in zip(np.argwhere(mask), p, strict=True):
        pictures[:, down + shift[0], right + shift[1]] = value
    return pictures.reshape(len(x), -1)


def rates(net, x, y, mask, places, p, target=None):
    """The share flipped at each place, of the images that are not misclassified as they are."""
    tried = margins(net, x, y, target) <= 0
    return [(margins(net, patched(x, mask, shift, p), y, target) > 0)[tried].mean() for shift in places]


def to_bytes(p):
    return (np.round(255 * np.asarray(p)) / 255).astype(np.float32).astype(float)


@st.composite
def masks(draw, height, width):
    """`(mask, shifts)`: a mask that is not empty, and at least one place it may sit."""
    rng = draw(generators)
    mask = rng.random((height, width)) < 0.5
    mask[rng.integers(height), rng.integers(width)] = True
    spots = np.argwhere(mask)
    low, high = -spots.min(axis=0), [height - 1, width - 1] - spots.max(axis=0)
    return mask, [tuple(int(v) for v in rng.integers(low, high + 1)) for _ in range(draw(st.integers(1, 3)))]


@st.composite
def cases(draw, images=st.integers(1, 5)):
    """`(net, x, y, target, box, mask, shifts)`: pictures of 2 x 3, some of them misclassified as they are."""
    net, x = draw(networks_with_images(("relu", "tanh"), st.integers(1, 3), st.integers(0, 1), st.just(6), images))
    rng, k = draw(generators), max(net.sizes[-1], 2)
    y = np.where(rng.random(len(x)) < 0.8, net.predict(x), rng.integers(0, k, len(x)))
    target = (y + rng.integers(1, k, len(x))) % k if draw(st.booleans()) else None
    return net, x, y, target, draw(st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0, 1.5)])), *draw(masks(2, 3))


# ---------------------------------------------------------------- every number follows from the pattern


@settings(max_examples=60)
@given(cases(), st.sampled_from([0.0, 0.25]))
def test_every_number_is_what_the_pattern_does(case, smoothness):
    net, x, y, target, box, mask, shifts = case
    got = accessory(net, x, y, mask, shifts=shifts, smoothness=smoothness, steps=8, target=target, box=box)
    p, tried = got.pattern, margins(net, x, y, target) <= 0
    assert p.shape == (mask.sum(),)
    assert ((box[0] <= p) & (p <= box[1])).all()
    assert np.array_equal(got.tried, tried)
    assert got.shifts == tuple(shifts)
    for j, shift in enumerate(shifts):
        now = got.apply(x, shift)
        assert np.array_equal(now, patched(x, mask, shift, p))
        free = place(mask, shift).ravel()
        assert now[:, ~free].tobytes() == x[:, ~free].tobytes()
        assert np.array_equal(got.fooled[:, j], (margins(net, now, y, target) > 0) & tried)
        in_bytes = margins(net, patched(x, mask, shift, to_bytes(p)), y, target) > 0
        assert np.array_equal(got.fooled_8bit[:, j], in_bytes & tried)
    if not tried.any():
        assert got.reason == "already misclassified"
        return
    assert np.array_equal(got.rates, rates(net, x, y, mask, shifts, p, target))
    assert got.rate == np.mean(got.rates)
    assert got.rate_8bit == pytest.approx(np.mean(rates(net, x, y, mask, shifts, to_bytes(p), target)), abs=1e-15)
    assert got.reason == ("all fooled" if got.fooled[tried].all() else "steps spent")
    first, second = neighbours(mask)
    rough = np.abs(p[first] - p[second]).mean() if len(first) else 0.0
    assert max(got.history) == pytest.approx(got.rate - smoothness * rough, abs=1e-12)
    assert len(got.history) >= 3
    assert smoothness or got.rate >= max(control.mean() for name, control in got.controls.items() if name != "random")


@settings(max_examples=30)
@given(cases())
def test_controls_are_the_same_mask_without_an_idea(case):
    net, x, y, target, box, mask, shifts = case
    got = accessory(net, x, y, mask, shifts=shifts, steps=1, target=target, box=box)
    assume(got.tried.any())

    def each(p):
        return np.array(rates(net, x, y, mask, shifts, p, target))

    size = mask.sum()
    assert list(got.controls) == ["black", "white", "random", "constant"]
    assert np.array_equal(got.controls["black"], each(np.full(size, box[0])))
    assert np.array_equal(got.controls["white"], each(np.full(size, box[1])))
    rng = np.random.default_rng(0)
    noise = np.mean([each(rng.uniform(*box, size)) for _ in range(3)], axis=0)
    np.testing.assert_allclose(got.controls["random"], noise, atol=1e-15)
    constants = [each(np.full(size, grey)) for grey in np.linspace(*box, 6)]
    best = max(constants, key=np.mean)  # the first of them, as argmax takes it
    assert np.array_equal(got.controls["constant"], best)


def test_the_best_constant_is_one_for_all_places():
    """N = x0 - x2: white is best above, black below, and grey does both; wherever it sits, the mask is one pixel."""
    net = MLP.from_arrays([([[1.0], [0.0], [-1.0], [0.0]], [0.0])])
    mask = np.array([[True, False], [False, False]])
    x = np.array([[0.25, 0.0, 0.75, 0.0], [0.5, 0.0, 0.5, 0.0]])
    got = accessory(net, x, [0, 0], mask, shifts=[(0, 0), (1, 0)], steps=1)
    assert got.controls["white"].tolist() == [1.0, 0.0]
    assert got.controls["black"].tolist() == [0.0, 1.0]
    assert got.controls["constant"].tolist() == [0.0, 1.0]  # the darkest of those with a mean of 1/2


def test_the_order_of_the_pixels_is_the_same_everywhere():
    rng = np.random.default_rng(0)
    net = MLP.init([20, 4, 1], rng=rng)
    x = rng.random((3, 20))
    got = accessory(net, x, net.predict(x), FACE, shifts=PLACES, steps=3)
    assert len(set(got.pattern)) > 1
    for shift in PLACES:
        pictures = got.apply(x, shift).reshape(3, 4, 5)
        moved = np.roll(FACE, shift, axis=(0, 1))
        assert np.array_equal(pictures[:, moved], np.tile(got.pattern, (3, 1)))
    assert np.array_equal(got.apply(x), got.apply(x, (0, 0)))


def test_what_is_printed_cannot_be_misread():
    x = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.75, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])  # the last one is misclassified
    assert repr(accessory(TREE, x[:2], [0, 0], TWO)) == "Accessory(2 pixels: 2 of 2 fooled, all fooled)"
    got = accessory(TREE, x, [0, 0, 0], TWO, shifts=[(0, 0), (1, 0)])
    says = "Accessory(2 pixels: 2 of 4 fooled (2 images at 2 places), 1 misclassified already, steps spent)"
    assert repr(got) == says
    assert got.reason is Reason.STEPS


def test_images_are_not_written_to():
    x = np.full((2, 4), 0.25)
    x.flags.writeable = False
    got = accessory(TREE, x, [0, 0], TWO, steps=4)
    got.apply(x)
    assert (x == 0.25).all()


def test_bytes_are_measured_apart():
    """0.3 is 76.5 bytes: 77, or 0.302 (76 is even, and 76.5 rounds to it)."""
    net = MLP.from_arrays([([[1.0], [0.0], [0.0], [0.0]], [-0.2985])])
    got = accessory(net, np.zeros((1, 4)), [0], TWO, box=(0.0, 0.3))
    assert got.pattern[0] == pytest.approx(0.3, abs=1e-12)
    assert (got.rate, got.rate_8bit) == (1.0, 0.0)
    net = MLP.from_arrays([([[1.0], [0.0], [0.0], [0.0]], [-0.202])])
    got = accessory(net, np.zeros((1, 4)), [0], TWO, box=(0.0, 0.2015))  # 51.4 bytes: 51
    assert (got.rate, got.rate_8bit) == (0.0, 0.0)
    got = accessory(net, np.zeros((1, 4)), [0], TWO, box=(0.0, 0.2019608))  # 51.5000004 bytes: 52
    assert (got.rate, got.rate_8bit) == (0.0, 1.0)


# ---------------------------------------------------------------- is it a good one?


@settings(max_examples=40)
@given(affine_networks(st.just(1), st.just(6), st.just(1)), masks(2, 3), st.sampled_from([(0.0, 1.0), (-1.0, 1.0)]))
def test_on_affine_networks_an_image_is_flipped_exactly_where_some_filling_flips_it(case, spots, box):
    net, x, y = case
    mask, (shift, *_) = spots
    c = np.where(y == 0, 1, -1)[0]
    free = place(mask, shift).ravel()
    w = c * net.dense[0].W[free, 0]
    best = margins(net, np.where(free, 0.0, x), y)[0] + np.maximum(w * box[0], w * box[1]).sum()
    assume(best != 0)  # a tie is no success, and rounding may break it
    got = accessory(net, x, y, mask, shifts=[shift], box=box)
    assert got.fooled[0, 0] == (best > 0)
    if margins(net, patched(x, mask, shift, np.full(len(w), sum(box) / 2)), y)[0] <= 0:  # the grey start is not enough
        want = np.where(w > 0, box[1], np.where(w < 0, box[0], sum(box) / 2))  # nothing moves what makes no difference
        np.testing.assert_allclose(got.pattern, want, atol=1e-12)  # 60 steps of 1/2 to 1/4 of the way: 8e-15 is left


def test_every_place_counts():
    """N = x0 - x3: at the upper place the left pixel must be above 0.875; at the lower, the right one below 0.125."""
    net = MLP.from_arrays([([[1.0], [0.0], [0.0], [-1.0]], [0.0])])
    x, y = np.tile([0.125, 0.0, 0.0, 0.875], (3, 1)), [0, 0, 0]
    for shifts, want in (([(0, 0)], [1, 0.5]), ([(1, 0)], [0.5, 0]), ([(0, 0), (1, 0)], [1, 0])):
        got = accessory(net, x, y, TWO, shifts=shifts)
        np.testing.assert_allclose(got.pattern, want, atol=1e-6)
        assert got.reason == "all fooled"
        assert got.rates.tolist() == [1.0] * len(shifts)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_steps_are_a_place_and_at_most_three_times_as_many(steps, monkeypatch):
    seen = []
    plain = Margin.value_and_gradient

    def counted(self, x):
        seen.append(len(x))
        return plain(self, x)

    monkeypatch.setattr(Margin, "value_and_gradient", counted)
    x = np.full((300, 4), 0.25)
    for shifts, total in (([(0, 0)], steps), ([(0, 0), (1, 0)], 2 * steps), ([(0, 0), (1, 0)] * 4, max(3 * steps, 8))):
        seen.clear()
        accessory(TREE, x, np.zeros(300), TWO, shifts=shifts, steps=steps)
        run = min(total, steps * len(shifts))
        assert seen in ([250] * run, [250] * 2 * run)  # a second one from the best plain filling, where that does more


def test_the_best_pattern_measured_is_kept(monkeypatch):
    """The rates of the three that are measured are 1/2, 1 and 0: the second is returned."""
    seen = iter([0.5, 1.0, 0.0])
    patterns = []

    def flipped(problem, spot, p):
        patterns.append(np.array(p))
        return np.full((2,), True) if (rate := next(seen, 0.0)) == 1 else np.array([rate == 0.5, False])

    monkeypatch.setattr("attacks.patch.ascent.flipped", flipped)
    got = accessory(TREE, np.full((2, 4), 0.25), [0, 0], TWO, steps=8)
    assert got.history == (0.5, 1.0, 0.0)
    assert np.array_equal(got.pattern, patterns[1])
    assert not np.array_equal(patterns[0], patterns[1])


# ---------------------------------------------------------------- smoothness


@pytest.mark.parametrize(("price", "want"), [(0.0, (1, 0)), (0.4, (1, 0)), (0.6, (1, 1))])
def test_what_a_unit_of_difference_costs(price, want):
    """m = p0 - p1 / 2 - 100: one unit of m is worth 1 / (tau (1 + exp(-100 / tau))), which is 0.982 / tau.

    tau = 25; so beyond a price of 0.982 / 2 / tau, p1 is better off beside p0 than at 0.
    """
    net = MLP.from_arrays([([[1.0], [-0.5], [0.0], [0.0]], [-100.25])])
    x = np.tile([0.5, 0.5, 0.0, 0.0], (2, 1))
    tau = 25.0
    got = accessory(net, x, [0, 0], TWO, smoothness=price / tau)
    assert margins(net, x, [0, 0]).tolist() == [-100, -100]
    np.testing.assert_allclose(got.pattern, want, atol=0.02)  # the last steps are of 1/100


def rough_case():
    """Weights of both signs beside each other on the rims of a pair of glasses."""
    rng = np.random.default_rng(0)
    mask = glasses_mask((20, 20))
    net = MLP.init([400, 12, 1], rng=rng)
    x = rng.random((40, 400))
    return net, x, net.predict(x), mask


def test_the_dearer_roughness_is_the_less_of_it():
    net, x, y, mask = rough_case()
    first, second = neighbours(mask)
    rough = []
    for price in (0.0, 1.0, 3.0, 8.0, 20.0):
        p = accessory(net, x, y, mask, smoothness=price, steps=60).pattern
        rough.append(np.abs(p[first] - p[second]).mean())
    assert rough == sorted(rough, reverse=True)
    assert rough[0] > 0.4
    assert 0 < rough[1] < 0.9 * rough[0]
    assert rough[-1] < 0.02


@given(masks(3, 4))
def test_neighbours_against_a_double_loop(case):
    mask, _ = case
    spots = list(enumerate(map(tuple, np.argwhere(mask))))
    want = {(i, j) for (i, (a, b)), (j, (c, d)) in product(spots, spots) if (c - a, d - b) in ((1, 0), (0, 1))}
    first, second = neighbours(mask)
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == want
    assert len(first) == len(want)


# ---------------------------------------------------------------- sets, seeds, targets


@pytest.mark.parametrize("target", [None, 1])
def test_a_set_that_is_misclassified_already_is_named(target):
    got = accessory(TREE, np.ones((2, 4)), [0, 0], TWO, target=target, shifts=[(0, 0), (1, 0)])
    assert got.reason == "already misclassified"
    assert not got.tried.any() and not got.fooled.any() and not got.fooled_8bit.any()
    assert got.history == ()
    assert np.isnan(got.rates).tolist() == [True, True]
    assert np.isnan(got.rate) and np.isnan(got.rate_8bit)
    assert all(np.isnan(rate).all() and rate.shape == (2,) for rate in got.controls.values())


def test_same_seed_same_bytes():
    rng = np.random.default_rng(0)
    net = MLP.init([400, 12, 1], rng=rng)
    x = rng.random((300, 400))  # more than a batch, so there is something to draw
    y, mask = net.predict(x), glasses_mask((20, 20))
    a, b, c, d = (
        accessory(net, x, y, mask, shifts=[(0, 0), (1, 1)], steps=9, rng=seed).pattern.tobytes()
        for seed in (7, 7, np.random.default_rng(7), 8)
    )
    assert a == b == c
    assert a != d


def test_three_classes_any_other_or_one_target():
    """N = (0, p0 - 1/2, p1 - p0 / 2 - 1/4): white on p0 alone makes a 1; class 2 asks for p0 = 0 and p1 = 1."""
    W = np.zeros((4, 3))
    W[0], W[1] = [0.0, 1.0, -0.5], [0.0, 0.0, 1.0]
    net, x = MLP.from_arrays([(W, [0.0, -0.5, -0.25])]), np.zeros((3, 4))
    for target in (1, 2, [1, 1, 1], [2, 2, 2]):
        got = accessory(net, x, [0, 0, 0], TWO, target=target)
        assert got.rate == 1
        assert (net.predict(got.apply(x)) == target).all()
    mixed = accessory(net, x, [0, 0, 0], TWO, target=[1, 2, 2])
    assert np.array_equal(mixed.fooled[:, 0], net.predict(mixed.apply(x)) == [1, 2, 2])
    assert mixed.rate == 2 / 3
    away = accessory(net, x, [0, 0, 0], TWO)
    assert (net.predict(away.apply(x)) != 0).all()


def test_on_measures_the_same_pattern_elsewhere():
    x = np.array([[0.0, 0.0, 0.5, 0.5], [1.0, 0.5, 0.0, 0.0]])
    got = accessory(TREE, x, [0, 0], TWO, shifts=[(0, 0), (1, 0)])
    assert got.rates.tolist() == [1.0, 0.0]  # the lower row does not matter
    other = np.array([[0.25, 0.25, 0.0, 0.0], [0.875, 0.75, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    held = got.on(TREE, other, [0, 0, 0])
    assert held.pattern is got.pattern
    assert held.shifts == got.shifts
    assert held.tried.tolist() == [True, True, False]
    assert held.fooled.tolist() == [[True, False], [True, False], [False, False]]
    assert held.fooled_8bit.tolist() == held.fooled.tolist()
    assert held.rates.tolist() == [1.0, 0.0]
    assert (held.rate, held.rate_8bit) == (0.5, 0.5)
    assert {name: rate.tolist() for name, rate in held.controls.items()}["white"] == [1.0, 0.0]
    assert held.controls["black"].tolist() == [0.0, 0.0]
    ones = got.on(TREE, np.ones((2, 4)), [1, 1], target=0)  # white glasses make no nought
    assert ones.fooled.tolist() == [[False, False], [False, False]]
    assert ones.controls["black"].tolist() == [1.0, 0.0]
    done = got.on(TREE, np.ones((1, 4)), [0])
    assert np.isnan(done.rate) and not done.tried.any()


@settings(max_examples=20)
@given(cases(), st.data())
def test_on_the_same_images_is_the_same_result(case, data):
    net, x, y, target, box, mask, shifts = case
    got = accessory(net, x, y, mask, shifts=shifts, steps=2, target=target, box=box)
    some = data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1, max_size=4))
    again = got.on(net, x[some], y[some], target=None if target is None else target[some])
    for name in ("fooled", "fooled_8bit", "tried"):
        assert np.array_equal(getattr(again, name), getattr(got, name)[some])


class Foreign:
    """The least a model may have."""

    def __init__(self, net):
        self.logits, self.jacobian = net.logits, net.jacobian


def test_a_model_with_logits_and_a_jacobian_is_enough():
    net = MLP.init([20, 4, 1], rng=3)
    x = np.random.default_rng(0).random((5, 20))
    y = net.predict(x)
    a, b = (accessory(model, x, y, FACE, steps=5) for model in (net, Foreign(net)))
    np.testing.assert_allclose(a.pattern, b.pattern, atol=1e-12)


# ---------------------------------------------------------------- what a mask can do, proved


@st.composite
def covered(draw):
    """`(net, x, y, box, mask)` of affine networks without a target, pictures of 2 x 3."""
    net, x, y = draw(affine_networks(st.integers(1, 3), st.just(6), st.integers(1, 2)))
    mask, _ = draw(masks(2, 3))
    return net, x, y, draw(st.sampled_from([(0.0, 1.0), (-0.5, 1.0)])), mask


def corner_fillings(net, x, y, box, mask):
    """The largest margin of one image (1, d) over the fillings with every pixel at an end: its maximum if affine."""
    ends = list(product(box, repeat=int(mask.sum())))
    return max(margins(net, patched(x, mask, (0, 0), p), y)[0] for p in ends)


@pytest.mark.parametrize(("question", "name"), [(smallest_mask, "norm"), (any_filling, "norm"), (any_filling, "gap")])
def test_what_the_question_settles_is_no_option(question, name):
    net = MLP.from_arrays([(np.ones((6, 1)), [-1.0])])
    with pytest.raises(ValueError, match=f"{name}: expected options other than it"):
        question(net, np.zeros((1, 6)), [0], np.ones((2, 3), bool), **{name: "l1"})


@settings(max_examples=40)
@given(covered())
def test_any_filling_against_every_corner(case):
    net, x, y, box, mask = case
    certs = any_filling(net, x, y, mask, box=box, time_limit=600)
    assert len(certs) == len(x)
    for i, cert in enumerate(certs):
        best = corner_fillings(net, x[i : i + 1], y[i : i + 1], box, mask)
        if best < 0:
            assert cert.lower == np.inf
        if best > 0:
            assert np.isfinite(cert.upper) and margins(net, cert.x_adv[None], y[i : i + 1])[0] > 0
            assert np.array_equal(cert.x_adv[~mask.ravel()], x[i][~mask.ravel()])
        if best == 0:  # a tie: neither a success nor a proof
            assert cert.upper == np.inf > cert.lower
        assert cert.gap > 0.99  # how strong the filling must be is not asked
        cert.check(net)


@settings(max_examples=40)
@given(covered())
def test_smallest_mask_against_every_corner_and_the_fewest_pixels(case):
    net, x, y, box, mask = case
    W, b = net.dense[0].W, net.dense[0].b
    for i, cert in enumerate(smallest_mask(net, x, y, mask, box=box, time_limit=600)):
        best = corner_fillings(net, x[i : i + 1], y[i : i + 1], box, mask)
        one = row(L0(1, box, mask.ravel()), x, i)
        if len(b) == 1:
            c = 1 if y[i] == 0 else -1
            duels = [(c * (x[i] @ W[:, 0] + b[0] - net.threshold), c * W[:, 0])]
        else:
            N, own = x[i] @ W + b, y[i]
            duels = [(N[j] - N[own], W[:, j] - W[:, own]) for j in range(len(b)) if j != own]
        want = min(oracles.fewest_pixels(one, m, g) for m, g in duels)
        assert (want == np.inf) == (best <= 0)
        assert cert.upper == want
        assert cert.lower <= want
        if best != 0 and max(m for m, _ in duels) < 0:
            assert (cert.lower == np.inf) == (best < 0)
        cert.check(net)


@pytest.mark.parametrize("prove", [any_filling, smallest_mask])
def test_limits_and_masks_from_files_go_through(prove, tmp_path):
    from matplotlib.image import imsave

    imsave(tmp_path / "two.png", TWO.astype(float), cmap="gray")
    x = np.array([[0.5, 0.25, 0.0, 0.0]])
    for mask in (TWO, TWO.ravel(), tmp_path / "two.png"):
        (cert,) = prove(TREE, x, [0], mask, time_limit=600, target=[1])
        assert cert.upper == (2 if prove is smallest_mask else pytest.approx(cert.upper))
        assert np.isfinite(cert.upper) and cert.target == 1
    (none,) = prove(TREE, x, [0], np.array([[False, True], [True, True]]))
    assert (none.lower, none.upper) == (np.inf, np.inf)  # x0 = 1/2 stays, and 1.25 is missing
    seen = []
    certs = prove(TREE, x, [0], TWO, on_image=seen.append)
    assert seen == certs


# ---------------------------------------------------------------- bad input

NET, X = MLP.init([20, 3, 1], rng=0), np.full((2, 20), 0.5)
REFUSED = [
    ({"mask": np.ones((4, 4), bool)}, r"mask: expected 20 pixels as the images have, got 16 of shape \(4, 4\)"),
    ({"mask": FACE.astype(int)}, "mask: expected a picture .* int64"),
    ({"mask": np.zeros((4, 5), bool)}, "mask: expected a picture .* at least one True"),
    ({"mask": FACE.ravel()}, r"mask: expected a picture .* got shape \(20,\)"),
    ({"shifts": [(0, 0), (2, 0)]}, "shift: expected -1..1 down and -1..1 right, so that .* got \\(2, 0\\)"),
    ({"shifts": [(0, -2)]}, "shift: expected -1..1 down and -1..1 right"),
    ({"shifts": (0, 0)}, r"shifts: expected pairs of whole numbers \(down, right\), at least one, got \(0, 0\)"),
    ({"shifts": []}, "shifts: expected pairs .* got \\[\\]"),
    ({"shifts": np.zeros((0, 2), int)}, "shifts: expected pairs"),
    ({"shifts": [(0, 0, 0)]}, "shifts: expected pairs"),
    ({"shifts": [(0.0, 0.0)]}, "shifts: expected pairs"),
    ({"shifts": [(True, False)]}, "shifts: expected pairs"),
    ({"shifts": [(0, 0), (1,)]}, "shifts: expected pairs .* got \\[\\(0, 0\\), \\(1,\\)\\]"),
    ({"shifts": None}, "shifts: expected pairs .* got None"),
    ({"shifts": "ab"}, "shifts: expected pairs"),
    ({"smoothness": -0.5}, "smoothness: expected a number of at least 0, got -0.5"),
    ({"smoothness": np.nan}, "smoothness: expected a number of at least 0, got nan"),
    ({"smoothness": np.inf}, "smoothness: expected a finite number, got inf"),
    ({"smoothness": "much"}, "smoothness: expected a number of at least 0, got 'much'"),
    ({"smoothness": None}, "smoothness: expected a number of at least 0, got None"),
    ({"smoothness": np.ones(2)}, "smoothness: expected a number of at least 0"),
    ({"steps": 0}, "steps: expected at least 1, got 0"),
    ({"steps": 1.5}, "steps: expected a whole number, got 1.5"),
    ({"box": (np.zeros(20), np.ones(20))}, r"box: one pattern .* needs two numbers \(lo, hi\), got arrays"),
    ({"box": (0.0, np.ones(20))}, "box: one pattern .* got arrays"),
    ({"box": (0.75, 1.0)}, "x: expected pixels inside the box .*got 0.5 in row 0, pixel 0"),
    ({"box": (1.0, 0.0)}, r"box: expected \(lo, hi\), finite, with lo <= hi"),
    ({"box": None}, "box: expected"),
    ({"box": 1.0}, "box: expected"),
    ({"box": (0.0,)}, "box: expected"),
    ({"target": NET.predict(X)}, "target: expected a class other than the label"),
    ({"y": [0, 2]}, "y: expected whole numbers in 0..1"),
    ({"x": X[:0], "y": []}, "x: expected at least one image"),
    ({"x": X[:, :9]}, r"x: expected shape \(n, 20\)"),
    ({"net": object()}, "expected a model with logits"),
    ({"rng": "seed"}, "rng: expected a whole number"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED)
def test_bad_input_is_refused_in_one_sentence(bad, message):
    y = NET.predict(X)
    with pytest.raises(ValueError, match=message) as refusal:
        accessory(**{"net": NET, "x": X, "y": y, "mask": FACE, **bad})
    assert "\n" not in str(refusal.value)


def test_a_mask_file_that_is_not_there():
    with pytest.raises(OSError, match="No such file"):
        accessory(NET, X, NET.predict(X), "no/such/mask.png")


def test_what_is_applied_is_checked_too():
    got = accessory(NET, X, NET.predict(X), FACE, steps=1)
    for call, message in (
        (lambda: got.apply(X, (0, 2)), "shift: expected -1..1 down and -1..1 right"),
        (lambda: got.apply(np.zeros((1, 25))), r"x: expected shape \(n, 20\)"),
        (lambda: got.apply(X[0]), r"x: expected shape \(n, 20\), one image per row, got \(20,\)"),
        (lambda: got.on(NET, X, [0]), "y: expected 2 labels"),
        (lambda: got.on(NET, X + 1, [0, 0]), "x: expected pixels inside the box"),
        (lambda: any_filling(NET, X, [0, 0], np.ones((3, 3), bool)), "mask: expected 20 pixels"),
        (lambda: any_filling(NET, 0.5, [0, 0], FACE), "x: expected shape"),
        (lambda: smallest_mask(NET, X, [0, 0], np.ones((3, 3), bool)), "mask: expected 20 pixels"),
        (lambda: smallest_mask(NET, [[0.5], [0.5, 0.5]], [0, 0], FACE), "x: expected an array"),
        (lambda: smallest_mask(Foreign(NET), X, [0, 0], FACE), "net: a proof needs the layers"),
    ):
        with pytest.raises(ValueError, match=message) as refusal:
            call()
        assert "\n" not in str(refusal.value)
