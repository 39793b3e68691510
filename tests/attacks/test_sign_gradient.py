"""fgsm, pgd and smallest_eps: closed forms on affine networks, re-measured claims on curved ones."""

from functools import partial

import numpy as np
import oracles
import pytest
from ball_strategies import CONVEX, NORMS, affine_cases, curved_cases, duels, row
from hypothesis import given, settings
from hypothesis import strategies as st

from attacks import L0, L2, LInf, fgsm, pgd, smallest_eps
from attacks.balls import BALLS
from attacks.images import blocks
from minigrad import MLP

SMALLEST = partial(smallest_eps, norm="linf")
A_LITTLE = 1e-6


def roots(norm, net, x, y, allowed):
    """Per image: the smallest radius of the nearest duel, and whether it can be crossed and not only touched."""
    ball = BALLS[norm](1, **allowed)
    for i, (m, g) in enumerate(duels(net, x, y)):
        one = row(ball, x, i)
        crossed = [(mj, gj) for mj, gj in zip(m, g, strict=True) if mj + oracles.reachable(one, gj) > 0]
        yield min((oracles.smallest_radius(one, gj, -mj) for mj, gj in crossed), default=np.inf), bool(crossed)


# ---------------------------------------------------------------- affine networks


@pytest.mark.parametrize("norm", CONVEX)
@given(st.data())
def test_fgsm_flips_just_beyond_the_closed_form_and_not_just_before(norm, data):
    net, x, y, allowed = data.draw(affine_cases())
    r, crossable = map(np.array, zip(*roots(norm, net, x, y, allowed), strict=True))
    r = np.where(np.isfinite(r), r, 100.0)
    for scale, flips in ((1 - A_LITTLE, False), (1 + A_LITTLE, True)):
        result = fgsm(net, x, y, BALLS[norm](scale * r, **allowed))
        assert np.array_equal(result.success, crossable & (r > 0) & flips)  # r = 0 is a tie, and 0 times anything is 0


@given(affine_cases())
def test_fgsm_flips_with_the_fewest_pixels_and_not_with_one_less(case):
    net, x, y, allowed = case
    for i, ((m,), (g,)) in enumerate(duels(net, x, y)):
        k = oracles.fewest_pixels(row(L0(1, **allowed), x, i), m, g)
        for pixels in range(1, x.shape[1] + 1):
            assert fgsm(net, x, y, L0(pixels, **allowed)).success[i] == (pixels >= k)


@pytest.mark.parametrize("norm", CONVEX)
@given(st.data())
def test_smallest_eps_is_the_closed_form(norm, data):
    """Affine: the root of h_S(eps) = -m with box and mask, for k classes the least over the rivals."""
    net, x, y, allowed = data.draw(affine_cases(logits=st.integers(1, 4)))
    result = smallest_eps(net, x, y, norm=norm, steps=8, stretch=0, **allowed)  # the first is the answer
    for i, (r, crossable) in enumerate(roots(norm, net, x, y, allowed)):
        assert result.success[i] == crossable
        if crossable:
            assert result.distance[i] == pytest.approx(r, rel=A_LITTLE, abs=1e-9)


def test_smallest_eps_away_from_the_box_is_the_margin_by_the_dual_norm():
    net = MLP.from_arrays([([[3.0], [-4.0]], [0.0])])
    x = np.array([[0.5, 0.5]])  # N = -0.5, g = (3, -4)
    for norm, eps in (("linf", 0.5 / 7), ("l2", 0.5 / 5), ("l1", 0.5 / 4)):
        assert smallest_eps(net, x, [0], norm=norm, stretch=0).distance[0] == pytest.approx(eps, rel=1e-8)


def test_the_box_makes_eps_larger():
    net = MLP.from_arrays([([[1.0], [-1.0]], [-0.25])])
    x = np.array([[0.0, 0.0]])  # m = -0.25; the second pixel would have to go below black
    for box, eps in (((0, 1), 0.25), ((-1, 1), 0.125)):
        assert smallest_eps(net, x, [0], box=box, norm="linf", stretch=0).distance[0] == pytest.approx(eps, rel=1e-8)


@pytest.mark.parametrize("norm", CONVEX)
def test_on_the_boundary_the_search_goes_on(norm):
    """m(x) = 0 is not adversarial, and a tiny step is."""
    net, x = MLP.from_arrays([([[1.0], [-2.0]], [0.0])]), np.array([[0.5, 0.25]])
    for y in (0, 1):
        result = smallest_eps(net, x, [y], norm=norm)
        assert result.success[0]
        assert 0 < result.distance[0] < 1e-6


@given(affine_cases(), st.sampled_from([0.125, 0.5]))
def test_pgd_succeeds_exactly_where_fgsm_does_on_affine_networks_for_linf(case, eps):
    """One gradient everywhere: the steps add up to 10 radii, and the projection leaves every pixel at its end.

    (Not so for the other balls, whose projection may take from the best pixel, nor for three classes.)
    """
    net, x, y, allowed = case
    ball = LInf(eps, **allowed)
    assert np.array_equal(pgd(net, x, y, ball).success, fgsm(net, x, y, ball).success)
    r, crossable = map(np.array, zip(*roots("linf", net, x, y, allowed), strict=True))
    near = np.where(np.isfinite(r), r, 1.0) * (1 + A_LITTLE)
    assert np.array_equal(pgd(net, x, y, LInf(near, **allowed)).success, crossable & (r > 0))


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_pgd_never_succeeds_where_the_closed_form_forbids_it(norm, data):
    net, x, y, allowed = data.draw(affine_cases(logits=st.integers(1, 4)))
    radius = 1 if norm == "l0" else 0.25
    result = pgd(net, x, y, BALLS[norm](radius, **allowed), restarts=2, steps=10)
    for i, (r, _) in enumerate(roots(norm, net, x, y, allowed)):
        assert not result.success[i] or r <= radius * (1 + 1e-9)


# ---------------------------------------------------------------- curved networks


@pytest.mark.parametrize("norm", CONVEX)
@settings(max_examples=25)
@given(st.data())
def test_the_answer_of_smallest_eps_is_measured_and_flips(norm, data):
    net, x, y, options = data.draw(curved_cases(activations=("relu", "tanh")))
    result = smallest_eps(net, x, y, norm=norm, steps=20, **options)
    for i in range(len(x)):
        assert result.distance[i] == pytest.approx(oracles.size(norm, result.x_adv[i] - x[i]), rel=1e-14)
    N = net.logits(result.x_adv)
    flipped = net.predict(result.x_adv) != y
    if "target" in options and net.sizes[-1] > 1:
        flipped = N.argmax(axis=1) == options["target"]
    assert flipped[result.success].all()


@pytest.mark.parametrize("norm", CONVEX)
def test_smallest_eps_is_never_above_the_smallest_eps_of_fgsm(norm, reference, mnist49):
    _, _, x, y = mnist49
    x, y = x[:40].astype(np.float64), y[:40]
    result = smallest_eps(reference, x, y, norm=norm)
    tried = result.reason != "already misclassified"
    assert result.success[tried].all()
    scan = {"linf": 0.3, "l2": 4.0, "l1": 30.0}[norm] * np.linspace(0, 1, 61)[1:]
    flips = np.array([fgsm(reference, x, y, BALLS[norm](r)).success for r in scan])  # (60, n)
    best = np.where(flips.any(axis=0), scan[flips.argmax(axis=0)], np.inf)
    assert np.isfinite(best).sum() > 10
    assert (result.distance <= best)[tried].all()


def test_more_than_one_block_and_each_row_its_own_answer(reference, mnist49):
    """430 images are two blocks; the same images one by one, and in another order, give the same eps."""
    _, _, x, y = mnist49
    x, y = x[:430].astype(np.float64), y[:430]
    assert len(blocks(np.arange(430))) > 1
    eps = smallest_eps(reference, x, y, steps=5, norm="linf").distance
    order = np.random.default_rng(0).permutation(430)
    shuffled = smallest_eps(reference, x[order], y[order], steps=5, norm="linf").distance
    np.testing.assert_allclose(shuffled, eps[order], rtol=1e-9)
    for i in (0, 400, 429):
        alone = smallest_eps(reference, x[[i]], y[[i]], steps=5, norm="linf").distance
        np.testing.assert_allclose(alone, eps[[i]], rtol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=25)
@given(st.data())
def test_pgd_keeps_the_best_point_seen(norm, data):
    net, x, y, options = data.draw(curved_cases())
    target = options.pop("target", None)
    ball = BALLS[norm](2 if norm == "l0" else 0.4, **options)
    start = fgsm(net, x, y, ball.scaled(0) if norm == "l0" else ball.with_radius(0.0), target=target).margin
    short, more = (pgd(net, x, y, ball, steps=6, restarts=n, target=target) for n in (1, 3))
    if norm != "l0":
        assert (short.margin >= start).all()
    failed = ~short.success
    assert (more.margin >= short.margin)[failed].all()  # the first run is the same, and restarts can only add
    assert (more.success >= short.success).all()


def test_restarts_find_what_the_first_run_cannot():
    """N = relu(0.5 - x) / 4 + relu(x - 0.75) - 0.15: uphill from 0.375 is towards black, where N < 0 still."""
    W = [[-1.0, 1.0]]
    net = MLP.from_arrays([(W, [0.5, -0.75]), ([[0.25], [1.0]], [-0.15])])
    x = np.array([[0.375]])
    assert not pgd(net, x, [0], LInf(0.6)).success[0]
    assert pgd(net, x, [0], LInf(0.6), restarts=8).success[0]


@pytest.mark.parametrize("objective", ["margin", "loss"])
@settings(max_examples=25)
@given(curved_cases(images=st.integers(2, 4), targeted=False), st.integers(2, 5), st.booleans())
def test_restarts_of_a_batch_are_its_images_one_by_one(objective, case, restarts, stop):
    net, x, y, options = case
    ball = LInf(0.3, **options)
    how = {"steps": 5, "restarts": restarts, "stop": stop, "objective": objective, "rng": 3}
    batch = pgd(net, x, y, ball, **how)
    for i in range(len(x)):
        alone = pgd(net, x[[i]], y[[i]], ball.take(np.array([i]), len(x)), **how)
        np.testing.assert_allclose(alone.x_adv[0], batch.x_adv[i], rtol=0, atol=1e-12)
        assert alone.reason[0] == batch.reason[i]


def test_more_restarts_than_a_block_holds_and_a_block_that_ends_between_images(monkeypatch):
    """Three images of seven rows each, in blocks of 384 rows, of two images, and of less than one."""
    rng = np.random.default_rng(0)
    net = MLP.from_arrays([(rng.normal(size=(4, 6)), rng.normal(size=6)), (rng.normal(size=(6, 3)), [0.0, 0.0, 2.0])])
    x = rng.random((3, 4))
    found = []
    for rows in (384, 14, 5):
        monkeypatch.setattr("attacks.sign_gradient.BLOCK", rows)
        found.append(pgd(net, x, net.predict(x), LInf(0.2), steps=6, restarts=8, stop=False).x_adv)
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[2], found[0], rtol=0, atol=1e-12)


def test_each_restart_climbs_a_rival_of_its_own():
    """N = (0, x - 1, 0.8 - 3 x) at x = 0.5: class 1 is nearest, upwards, and never wins; class 2, downwards,
    does.  Affine, so the second restart gets there from wherever it starts; by the best rival of each step half the
    starts lead to class 1."""
    net = MLP.from_arrays([([[0.0, 1.0, -3.0]], [0.0, -1.0, 0.8])])
    x = np.array([[0.5]])  # N = (0, -0.5, -0.7); 0.35 up (0, -0.15, -1.75), 0.35 down (0, -0.85, 0.35)
    assert not pgd(net, x, [0], LInf(0.35)).success[0]
    for seed in range(12):
        result = pgd(net, x, [0], LInf(0.35), restarts=3, rng=seed)
        assert result.success[0] and net.predict(result.x_adv) == [2]


def test_a_flipped_image_asks_for_no_more_passes():
    """With 9 runs of 2 steps: those that the first flips take one pullback or two, whatever `restarts` is."""
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    x = np.array([[0.375, 0.5], [0.25, 0.25]])
    few, many = (pgd(net, x[:1], [0], LInf(0.25), steps=2, restarts=n) for n in (1, 9))
    assert (few.forwards, few.jacobians) == (many.forwards, many.jacobians)
    hopeless = pgd(net, x[1:], [0], LInf(0.125), steps=2, restarts=9)
    assert hopeless.jacobians == 9 * 3


def test_one_run_draws_nothing_of_the_generator_and_restarts_do():
    net, x = MLP.from_arrays([([[1.0], [1.0]], [-1.0])]), np.array([[0.25, 0.25]])
    states = []
    for restarts in (1, 2):
        rng = np.random.default_rng(0)
        pgd(net, x, [0], LInf(0.125), restarts=restarts, rng=rng)
        states.append(rng.integers(2**62))
    assert states[0] == np.random.default_rng(0).integers(2**62) != states[1]


@pytest.mark.parametrize("d", [3, 30, 784])
@pytest.mark.parametrize("threshold", [0.55, 0.7, 0.8])
def test_from_a_plateau_the_search_starts_elsewhere(d, threshold):
    """N = relu(mean x - t) - 0.02 is level at 0.5; the smallest eps is t + 0.02 - 0.5, in every pixel."""
    net = MLP.from_arrays([(np.full((d, 1), 1 / d), [-threshold]), ([[1.0]], [-0.02])])
    x = np.full((2, d), 0.5)
    x[1] = 0.4
    result = smallest_eps(net, x, [0, 0], norm="linf")
    assert result.success.all()
    np.testing.assert_allclose(result.distance, threshold + 0.02 - x[:, 0], rtol=0.02)
    found = [pgd(net, x, [0, 0], LInf(0.5), rng=seed).success.all() for seed in range(4)]
    assert any(found)  # with one run asked for
    assert fgsm(net, x, [0, 0], LInf(0.5)).reason.tolist() == ["zero gradient"] * 2


def test_a_plateau_of_the_free_pixels_is_left_as_well():
    """Pixel 0 has a slope and is frozen, pixel 1 is level at first: random starts, then "no admissible pixel"."""
    W = np.array([[1.0, 0.0], [0.0, 1.0]])
    x, mask = np.array([[0.5, 0.25]]), np.array([False, True])
    for reward, reasons in (
        (4.0, ["success"] * 2),
        (0.1, ["budget spent", "none found"]),
        (0.0, ["no admissible pixel"] * 2),
    ):
        net = MLP.from_arrays([(W, [0.0, -0.5]), ([[1.0], [reward]], [-1.0])])  # N = x0 + reward relu(x1 - 0.5) - 1
        results = pgd(net, x, [0], LInf(0.75, mask=mask)), smallest_eps(net, x, [0], mask=mask, norm="linf")
        assert [result.reason[0] for result in results] == reasons
        for result in results:
            assert result.x_adv[0, 0] == 0.5 and result.margin[0] >= -0.5
        if reward == 4:
            assert results[1].distance[0] == pytest.approx(0.375, rel=0.02)


# ---------------------------------------------------------------- to the last step


@given(affine_cases(), st.sampled_from([0.125, 0.5]))
def test_without_stopping_pgd_finds_the_worst_case(case, eps):
    """Affine, two classes, Linf: max m = m(x) + h_S(g), and an image that is flipped on the way goes on."""
    net, x, y, allowed = case
    ball = LInf(eps, **allowed)
    result = pgd(net, x, y, ball, stop=False)
    for i, ((m,), (g,)) in enumerate(duels(net, x, y)):
        most = m + oracles.support(row(ball, x, i), g)
        assert m > 0 or result.margin[i] == pytest.approx(most, abs=1e-9)


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=25)
@given(st.data())
def test_going_on_never_loses_margin_or_success(norm, data):
    net, x, y, options = data.draw(curved_cases())
    target = options.pop("target", None)
    ball = BALLS[norm](2 if norm == "l0" else 0.4, **options)
    how = {"steps": 6, "target": target, "restarts": data.draw(st.integers(1, 2))}
    first, last = (pgd(net, x, y, ball, stop=stop, **how) for stop in (True, False))
    assert (last.success >= first.success).all()
    one = {**how, "restarts": 1}
    first, last = (pgd(net, x, y, ball, stop=stop, **one) for stop in (True, False))
    assert (last.margin >= first.margin).all()
    assert ball.contains(x, last.x_adv - x).all()


def test_going_on_takes_every_step(reference, mnist49):
    _, _, x, y = mnist49
    x, y = x[:50].astype(float), y[:50]
    first, last = (pgd(reference, x, y, LInf(0.1), stop=stop) for stop in (True, False))
    assert np.array_equal(first.success, last.success) and first.success.sum() > 40
    assert (last.margin >= first.margin).all() and last.margin.mean() > first.margin.mean() + 1
    assert last.jacobians == 41 * np.count_nonzero(last.reason != "already misclassified") > first.jacobians


@pytest.mark.parametrize("stop", [True, False])
@given(curved_cases(logits=st.integers(1, 2)))
def test_for_two_classes_the_loss_takes_the_steps_of_the_margin(stop, case):
    net, x, y, options = case
    target = options.pop("target", None)
    results = [
        pgd(net, x, y, LInf(0.3, **options), steps=5, stop=stop, objective=objective, target=target)
        for objective in ("margin", "loss")
    ]
    assert results[0].x_adv.tobytes() == results[1].x_adv.tobytes()


@given(curved_cases(logits=st.integers(3, 4)))
def test_for_more_classes_the_loss_is_another_way_up(case):
    net, x, y, options = case
    target = options.pop("target", None)
    result = pgd(net, x, y, LInf(0.4, **options), steps=8, stop=False, objective="loss", target=target)
    start = fgsm(net, x, y, LInf(0.0, **options), target=target).margin
    assert (result.margin >= start).all()
    wrong = net.predict(result.x_adv)
    assert (wrong == target if target is not None else wrong != y)[result.success].all()


def test_the_loss_counts_all_rivals_and_the_margin_the_best_one():
    """N = (0, 10 x0 - 1, 10 x1 - 1, 10 x1 - 1) from (0.5 + 1/64, 0.5): the best rival is 1; two of three want x1."""
    net = MLP.from_arrays([([[0.0, 10, 0, 0], [0.0, 0, 10, 10]], [9.0, -1.0, -1.0, -1.0])])
    x = np.array([[0.5 + 1 / 64, 0.5]])
    for objective, pixel in (("margin", 0), ("loss", 1)):
        result = pgd(net, x, [0], L0(1), steps=1, stop=False, objective=objective)
        assert np.flatnonzero(result.x_adv[0] != x[0]).tolist() == [pixel]


PEAK = MLP.from_arrays([([[1.0, 1.0]], [0, -0.625]), ([[1.0], [-4.0]], [-5.0])])  # N = x - 4 relu(x - 0.625) - 5


def test_pgd_keeps_the_start_where_its_only_step_overshoots():
    x = np.array([[0.5]])
    result = pgd(PEAK, x, [0], LInf(0.5), steps=1)  # 0.75 is beyond the peak, and lower than 0.5
    assert np.array_equal(result.x_adv, x)
    assert result.margin[0] == -4.5


class Seen:
    """A model that remembers the largest logit it returned."""

    def __init__(self, net):
        self.net, self.jacobian, self.most = net, net.jacobian, -np.inf

    def logits(self, x):
        N = self.net.logits(x)
        self.most = max(self.most, N.max())
        return N


@pytest.mark.parametrize("attack", [SMALLEST, lambda *a: pgd(*a, LInf(0.5)), lambda *a: pgd(*a, L2(0.3))])
def test_a_failure_is_the_point_of_largest_margin_seen(attack):
    model = Seen(PEAK)
    result = attack(model, np.array([[0.5]]), [0])
    assert not result.success[0]
    assert result.margin[0] == model.most > -4.5


@given(affine_cases(), st.sampled_from([0.125, 0.5]))
def test_one_whole_step_of_pgd_is_fgsm(case, eps):
    net, x, y, allowed = case
    ball = LInf(eps, **allowed)
    one = pgd(net, x, y, ball, steps=1, step=1.0)
    assert np.array_equal(one.success, fgsm(net, x, y, ball).success)


def test_a_plateau_at_the_threshold_is_crossed():
    """N = relu(x - 0.75) - relu(0.5 - x) is 0 from 0.5 to 0.75: a tie, which is no answer."""
    net = MLP.from_arrays([([[1.0, -1.0]], [-0.75, 0.5]), ([[1.0], [-1.0]], [0.0])])
    result = smallest_eps(net, np.array([[0.25]]), [0], norm="linf")
    assert result.success[0]
    assert 0.5 < result.distance[0] < 0.52


def test_the_search_follows_gradients_that_only_appear_on_the_way():
    """N = min(x0, 0.5) + relu(4 x1 + x0 - 2.5) - 2: at x pixel 1 has no derivative, and without it nothing flips."""
    W = [[1.0, 1.0, 1.0], [0.0, 0.0, 4.0]]
    net = MLP.from_arrays([(W, [0.0, -0.5, -2.5]), ([[1.0], [-1.0], [1.0]], [-2.0])])
    assert smallest_eps(net, np.array([[0.25, 0.5]]), [0], norm="linf").success[0]


@pytest.mark.parametrize("name", ["fgsm", "pgd", "smallest_eps"])
@settings(max_examples=15)
@given(st.data())
def test_a_batch_is_its_images_one_by_one_each_with_its_own_box_and_mask(name, data):
    net, x, y, options = data.draw(curved_cases(images=st.integers(2, 4), logits=st.integers(1, 3), targeted=False))
    y = (y + (np.arange(len(y)) == 0)) % max(net.sizes[-1], 2)  # the first is misclassified, unless on the boundary
    ball = LInf(0.375, **options)

    def attack(x, y, ball):
        if name == "smallest_eps":
            return smallest_eps(net, x, y, steps=8, box=ball.box, mask=ball.mask, norm="linf")
        return fgsm(net, x, y, ball) if name == "fgsm" else pgd(net, x, y, ball, steps=5)

    batch = attack(x, y, ball)
    for i in range(len(x)):
        alone = attack(x[[i]], y[[i]], ball.take(np.array([i]), len(x)))
        np.testing.assert_allclose(alone.x_adv[0], batch.x_adv[i], rtol=0, atol=1e-12)
        assert alone.reason[0] == batch.reason[i]


def test_the_race_of_an_image_is_its_own_whatever_is_misclassified_before_it():
    """N(x) = (0, x_0 - 1, x_1 - 3/4): from 0.5 class 2 is nearest, at 0.25."""
    net = MLP.from_arrays([(np.eye(2, 3, 1), [0, -1, -0.75])])
    for before in range(4):
        labels = [1] * before + [0]
        result = smallest_eps(net, np.full((before + 1, 2), 0.5), labels, norm="linf")
        assert result.reason.tolist() == ["already misclassified"] * before + ["success"]
        assert result.distance[-1] == pytest.approx(0.25, abs=2 * A_LITTLE)


def test_same_seed_same_bytes_and_another_seed_another_start():
    net = MLP.from_arrays([(np.ones((4, 1)), [-2.0]), ([[1.0]], [-4.0])])  # flat at x: only a random start moves
    x = np.full((2, 4), 0.5)
    a, b, c = (pgd(net, x, [0, 0], L2(0.5), steps=3, restarts=4, rng=seed).x_adv for seed in (1, 1, 2))
    assert a.tobytes() == b.tobytes()
    assert (a != c).any()


def test_pgd_beats_fgsm_on_the_reference_network(reference, mnist49):
    _, _, x, y = mnist49
    x, y = x[:100].astype(np.float64), y[:100]
    one, many = fgsm(reference, x, y, LInf(0.08)), pgd(reference, x, y, LInf(0.08))
    assert (many.success >= one.success).all()
    assert many.rate > one.rate


@given(curved_cases(logits=st.integers(3, 4), targeted=True))
def test_targeted_attacks_end_at_the_target(case):
    net, x, y, options = case
    target = options.pop("target")
    for result in (
        fgsm(net, x, y, LInf(0.5, **options), target=target),
        pgd(net, x, y, L2(0.5, **options), target=target, steps=10),
        smallest_eps(net, x, y, target=target, steps=10, **options, norm="linf"),
    ):
        assert (net.predict(result.x_adv) == target)[result.success].all()


# ---------------------------------------------------------------- nothing to do


DEAD = MLP.from_arrays([(np.zeros((3, 2)), np.zeros(2)), ([[1.0], [1.0]], [-1.0])])


@pytest.mark.parametrize("attack", [lambda *a: fgsm(*a, LInf(0.5)), lambda *a: pgd(*a, LInf(0.5)), SMALLEST])
def test_a_dead_network_has_zero_gradient_everywhere(attack):
    x = np.full((2, 3), 0.5)
    result = attack(DEAD, x, [0, 0])
    assert result.reason.tolist() == ["zero gradient"] * 2
    assert np.array_equal(result.x_adv, x)


def test_a_mask_on_pixels_without_gradient_has_no_admissible_pixel():
    net = MLP.from_arrays([([[1.0], [0.0]], [-2.0])])
    x = np.full((1, 2), 0.5)
    for mask, reasons in (
        ([False, True], ["no admissible pixel"] * 2),
        ([True, False], ["budget spent", "none found"]),
    ):
        mask = np.array(mask)
        results = fgsm(net, x, [0], LInf(1, mask=mask)), smallest_eps(net, x, [0], mask=mask, norm="linf")
        assert [result.reason[0] for result in results] == reasons


def test_pgd_has_no_admissible_pixel_exactly_where_none_has_room():
    """No room at all; room up alone; room down alone: the last two could move, though it does not help."""
    x = np.array([[0.5, 0.25], [0.0, 0.0], [1.0, 1.0]])
    lo, hi = np.array([[0.5, 0.25], [0, 0], [0.5, 0.5]]), np.array([[0.5, 0.25], [0.5, 0.5], [1, 1]])
    net = MLP.from_arrays([([[1.0], [1.0]], [-9.0])])
    result = pgd(net, x, [0] * 3, LInf(0.5, (lo, hi)), steps=2)
    assert result.reason.tolist() == ["no admissible pixel", "budget spent", "budget spent"]


@settings(max_examples=25)
@given(curved_cases())
def test_masked_pixels_stay_bit_identical(case):
    net, x, y, options = case
    target = options.pop("target", None)
    free = np.broadcast_to(True if options["mask"] is None else options["mask"], x.shape)
    for result in (
        fgsm(net, x, y, LInf(0.3, **options), target=target),
        pgd(net, x, y, LInf(0.3, **options), target=target, steps=4),
        smallest_eps(net, x, y, target=target, steps=8, **options, norm="linf"),
    ):
        assert np.array_equal(result.x_adv[~free], x[~free])
