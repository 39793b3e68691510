"""The greedy sparse attack: optimal on affine networks, its trace replayed, its pruning checked by trying."""

import numpy as np
import oracles
import pytest
from ball_strategies import affine_cases, curved_cases, duels, row
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import networks

import attacks.saliency
import attacks.sparse_search
from attacks import L0, saliency_map
from minigrad import MLP

VARIANTS = ("gain", "papernot")


def margins(net, x, y, target=None):
    """(n,) by the definition: the class that does best against y, or the target against the class that does best."""
    N = net.logits(x)
    if N.shape[1] == 1:
        return np.where(y == 0, 1, -1) * (N[:, 0] - net.threshold)
    rows = np.arange(len(x))
    own = y if target is None else target
    others = N.copy()
    others[rows, own] = -np.inf
    m = others.max(axis=1) - N[rows, own]
    return m if target is None else -m


def replay(result, i, kept_only=False):
    """The images on the way, from the trace alone."""
    now = result.x[i].copy()
    for pixel, value, kept in zip(result.trace.pixel[i], result.trace.value[i], result.trace.kept[i], strict=True):
        if pixel >= 0 and (kept or not kept_only):
            now[pixel] = value
            yield now.copy()


# ---------------------------------------------------------------- affine networks


@given(affine_cases(logits=st.integers(1, 4)))
def test_affine_networks_flip_with_the_fewest_pixels_there_are(case):
    """Sorted gains; for k classes the least over the rivals.  All sums are exact, so ties count as ties."""
    net, x, y, allowed = case
    result = saliency_map(net, x, y, **allowed)
    for i, (m, g) in enumerate(duels(net, x, y)):
        one = row(L0(1, **allowed), x, i)
        fewest = min(oracles.fewest_pixels(one, mj, gj) for mj, gj in zip(m, g, strict=True))
        assert result.success[i] == np.isfinite(fewest)
        if result.success[i]:
            assert result.distance[i] == fewest


@given(affine_cases(logits=st.integers(3, 4), images=st.just(1)))
def test_untargeted_is_never_worse_than_the_best_duel(case):
    """Each rival alone against y is a two-class network of its own."""
    net, x, y, allowed = case
    W, b = net.dense[0].W, net.dense[0].b
    each = []
    for j in range(len(b)):
        if j != y[0]:
            pair = [y[0], j]
            duel = saliency_map(MLP.from_arrays([(W[:, pair], b[pair])]), x, [0], **allowed)
            each.append(duel.distance[0] if duel.success[0] else np.inf)
    result = saliency_map(net, x, y, **allowed)
    assert (result.distance[0] if result.success[0] else np.inf) == min(each)


@given(affine_cases(), st.integers(1, 6))
def test_the_budget_is_kept_and_spent(case, limit):
    net, x, y, allowed = case
    result = saliency_map(net, x, y, max_pixels=limit, **allowed)
    assert (result.distance <= limit).all()
    for i, ((m,), (g,)) in enumerate(duels(net, x, y)):
        one = row(L0(1, **allowed), x, i)
        k = oracles.fewest_pixels(one, m, g)
        useful = np.count_nonzero(np.maximum(g * one.down, g * one.up))
        assert result.success[i] == (k <= limit)
        if k > limit:
            assert result.distance[i] == min(limit, useful)
            full = min(limit, x.shape[1]) == useful
            assert result.reason[i] == ("budget spent" if limit < useful or full else "no admissible pixel")


# ---------------------------------------------------------------- the trace


@pytest.mark.parametrize("variant", VARIANTS)
@given(st.data())
def test_the_trace_replays(variant, data):
    """Step by step it reproduces the margins; the kept steps alone reproduce x_adv."""
    net, x, y, options = data.draw(curved_cases())
    result = saliency_map(net, x, y, variant=variant, **options)
    target = options.get("target")
    two = target is not None or net.sizes[-1] <= 2
    for i in range(len(x)):
        images = [x[i], *replay(result, i)]
        recorded = result.trace.margin[i]
        for step, image in enumerate(images):
            goal = None if target is None else target[[i]]
            m = margins(net, image[None], y[[i]], goal)[0]
            if not np.isnan(recorded[step]):
                # untargeted with k >= 3 the trace is of the winning duel: the best margin at its end at least
                assert recorded[step] == m if two else recorded[step] <= m
        assert np.isnan(recorded[len(images) :]).all()
        last = [x[i], *replay(result, i, kept_only=True)][-1]
        assert np.array_equal(last, result.x_adv[i])
        pixels = result.trace.pixel[i][result.trace.pixel[i] >= 0]
        assert len(set(pixels)) == len(pixels)
        mended = len(images) > 1 and np.isnan(recorded[1:]).all()  # walked back from a far point
        assert not (two and result.success[i]) or mended or recorded[~np.isnan(recorded)][-1] > 0  # NaN: by exchanges


@given(curved_cases(logits=st.integers(1, 2)))
def test_each_step_is_the_pixel_of_largest_gain_at_that_moment(case):
    net, x, y, options = case
    options.pop("target", None)
    result = saliency_map(net, x, y, restarts=0, **options)
    for i in range(len(x)):
        if np.isnan(result.trace.margin[i, 1:]).all():
            continue  # mended by another image of the batch, the last resort
        one = row(L0(1, **options), x, i)
        now, used = x[i].copy(), set()
        for pixel, value in zip(result.trace.pixel[i], result.trace.value[i], strict=True):
            if pixel < 0:
                break
            J = net.jacobian(now[None])[0]
            g = (1 - 2 * y[i]) * (J[0] if len(J) == 1 else J[1] - J[0])
            gain = [0 if p in used else max(g[p] * one.down[p], g[p] * one.up[p]) for p in range(len(g))]
            assert gain[pixel] == max(gain) > 0
            assert value == x[i, pixel] + (one.up if g[pixel] > 0 else one.down)[pixel]
            now[pixel] = value
            used.add(pixel)


def test_a_pixel_is_changed_once_even_where_going_back_would_earn_more():
    """N = x0 - 3 relu(x0 - 0.5) + x1 / 4 - 5: at white, the derivative of pixel 0 is -2."""
    net = MLP.from_arrays([([[1.0, 1, 0], [0, 0, 1]], [0, -0.5, 0]), ([[1.0], [-3.0], [0.25]], [-5.0])])
    result = saliency_map(net, np.full((1, 2), 0.25), [0])
    assert result.trace.pixel.tolist() == [[0, 1]]
    assert result.x_adv.tolist() == [[1.0, 1.0]]


def test_the_margin_between_the_pixels_of_a_pair_is_not_known():
    net = MLP.from_arrays([(np.ones((4, 1)), [-3.0])])
    result = saliency_map(net, np.zeros((1, 4)), [0], variant="papernot")
    assert np.array_equal(result.trace.margin[0], [-3, np.nan, -1, np.nan, 1], equal_nan=True)


# ---------------------------------------------------------------- pruning


def without(result, net, y, target, i):
    """The margin of image i with each of its changed pixels put back, one at a time."""
    for pixel in np.flatnonzero(result.x_adv[i] != result.x[i]):
        image = result.x_adv[[i]].copy()
        image[0, pixel] = result.x[i, pixel]
        yield margins(net, image, y[[i]], None if target is None else target[[i]])[0]


@pytest.mark.parametrize("variant", VARIANTS)
@given(st.data())
def test_no_pixel_of_a_success_can_be_put_back(variant, data):
    net, x, y, options = data.draw(curved_cases())
    result = saliency_map(net, x, y, variant=variant, **options)
    for i in np.flatnonzero(result.success):
        assert max(without(result, net, y, options.get("target"), i)) <= 0


# m = x0 + 0.75 x1 + 3 relu(x1 - 0.5) - 1.5: the first pixel earns most at first, the second alone is enough
OVERTAKEN = MLP.from_arrays([([[1.0, 0, 0], [0, 1, 1]], [0, 0, -0.5]), ([[1.0], [0.75], [3.0]], [-1.5])])


@pytest.mark.parametrize("exchanges", [0, 8])
def test_pruning_takes_back_a_pixel_no_longer_needed(exchanges):
    result = saliency_map(OVERTAKEN, np.array([[0.125, 0.125]]), [0], exchanges=exchanges)
    assert result.trace.pixel.tolist() == [[0, 1]]
    assert result.trace.kept.tolist() == [[False, True]]
    assert result.x_adv.tolist() == [[0.125, 1.0]]
    assert result.distance[0] == 1


def test_pruning_takes_back_the_pixel_that_costs_least_first():
    """m = x0 + x1 / 2 + x2 / 8 + x3 / 16 + 1.375 relu(x3 - 0.5) - 1.6875: 0.6875 after all four.

    Taken back are 0.125, then 0.5.  The other order of the two is as good; the pixel worth 0.75 first would be worse.
    """
    W = np.array([[1.0, 0, 0, 0, 0], [0, 0.5, 0, 0, 0], [0, 0, 0.125, 0, 0], [0, 0, 0, 0.0625, 1]])
    net = MLP.from_arrays([(W, [0.5] * 4 + [-0.5]), ([[1.0], [1.0], [1.0], [1.0], [1.375]], [-3.6875])])
    result = saliency_map(net, np.zeros((1, 4)), [0])
    assert result.trace.pixel.tolist() == [[0, 1, 2, 3]]
    assert result.trace.margin.tolist() == [[-1.6875, -0.6875, -0.1875, -0.0625, 0.6875]]
    assert result.trace.kept.tolist() == [[True, False, False, True]]


def test_failures_are_not_pruned():
    net = MLP.from_arrays([(np.ones((3, 1)), [-9.0])])
    result = saliency_map(net, np.zeros((1, 3)), [0])
    assert result.trace.kept.tolist() == [[True] * 3]
    assert result.x_adv.tolist() == [[1.0] * 3]


# ---------------------------------------------------------------- papernot


@given(curved_cases(logits=st.integers(2, 4), targeted=True))
def test_every_papernot_pair_is_the_one_of_the_double_loop(case):
    net, x, y, options = case
    target = options.pop("target")
    result = saliency_map(net, x, y, target=target, variant="papernot", **options)
    for i in range(len(x)):
        one = row(L0(1, **options), x, i)
        now, used = x[i].copy(), np.zeros(len(x[i]), bool)
        for p, q in result.trace.pixel[i].reshape(-1, 2):
            if margins(net, now[None], y[[i]], target[[i]])[0] > 0:
                assert (p, q) == (-1, -1)
                break
            room = one.down + x[i] - now, one.up + x[i] - now
            expected = oracles.papernot_pair(net.jacobian(now[None])[0], target[i], *room, used)
            if p < 0:
                assert expected is None or used.sum() + 2 > len(used)
                break
            assert expected[:2] == (p, q)
            for pixel in (p, q):
                now[pixel] += room[1][pixel] if expected[2] > 0 else room[0][pixel]
                used[pixel] = True


@given(networks(activations=("relu",), logits=st.just(1), pixels=st.integers(2, 6)), st.data())
def test_papernot_reads_one_logit_as_two(net, data):
    d = net.sizes[0]
    x = np.array(data.draw(st.lists(st.integers(0, 8), min_size=2 * d, max_size=2 * d))).reshape(2, d) / 8
    last = net.dense[-1]
    halves = np.c_[-last.W / 2, last.W / 2], np.r_[-1, 1] * (last.b - net.threshold) / 2
    pairs = [(layer.W, layer.b) for layer in net.dense[:-1]]
    two = MLP.from_arrays([*pairs, halves], activation="relu")
    y = net.predict(x)
    a, b = (saliency_map(model, x, y, variant="papernot") for model in (net, two))
    assert np.array_equal(a.trace.pixel, b.trace.pixel)
    assert np.array_equal(a.x_adv, b.x_adv)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=25)
@given(st.data())
def test_the_size_of_a_memory_block_does_not_change_the_answer(variant, data):
    net, x, y, options = data.draw(curved_cases())
    whole = saliency_map(net, x, y, variant=variant, **options)
    for block in (1, 7, 40):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attacks.saliency, "PAIRS", block)
            patch.setattr(attacks.sparse_search, "CANDIDATES", block)
            small = saliency_map(net, x, y, variant=variant, **options)
        assert np.array_equal(small.trace.pixel, whole.trace.pixel)
        assert np.array_equal(small.x_adv, whole.x_adv)


@given(curved_cases(logits=st.integers(1, 2)), st.integers(1, 5))
def test_papernot_keeps_the_budget_in_whole_pairs(case, limit):
    net, x, y, options = case
    steps = (saliency_map(net, x, y, max_pixels=limit, variant="papernot", **options).trace.pixel >= 0).sum(axis=1)
    assert (steps <= limit).all()
    assert (steps % 2 == 0).all()


# ---------------------------------------------------------------- classes, strangers, batches


@pytest.mark.parametrize("variant", VARIANTS)
@given(st.data())
def test_targeted_successes_end_at_the_target_and_untargeted_ones_elsewhere(variant, data):
    net, x, y, options = data.draw(curved_cases(logits=st.integers(3, 4)))
    result = saliency_map(net, x, y, variant=variant, **options)
    predicted = net.predict(result.x_adv)[result.success]
    if "target" in options:
        assert np.array_equal(predicted, options["target"][result.success])
    else:
        assert (predicted != y[result.success]).all()


class Stranger:
    """No MLP: logits and jacobian alone."""

    def __init__(self, net):
        self.logits, self.jacobian, self.threshold = net.logits, net.jacobian, net.threshold


@pytest.mark.parametrize("variant", VARIANTS)
@given(st.data())
def test_a_strangers_model_gives_the_same_pixels(variant, data):
    net, x, y, options = data.draw(curved_cases())
    own, foreign = (saliency_map(model, x, y, variant=variant, **options) for model in (net, Stranger(net)))
    assert np.array_equal(own.trace.pixel, foreign.trace.pixel)
    assert np.array_equal(own.x_adv, foreign.x_adv)
    assert (own.forwards, own.jacobians) == (foreign.forwards, foreign.jacobians)


class Cliff:
    """x_0 + x_1 - 1 times 1e150 where x_2 is high, and 1e-150 where it is low."""

    def logits(self, x):
        return (self.scale(x) * (x[:, 0] + x[:, 1] - 1))[:, None]

    def jacobian(self, x):
        return self.scale(x)[:, None, None] * np.array([1.0, 1, 0])

    def scale(self, x):
        return np.where(x[:, 2] > 0.5, 1e150, 1e-150)


@pytest.mark.parametrize("variant", VARIANTS)
def test_steep_images_beside_flat_ones_leave_them_their_pixels(variant):
    x = np.array([[0.25, 0.25, 0], [0.25, 0.25, 1]])
    assert saliency_map(Cliff(), x, [0, 0], variant=variant).success.all()


def test_papernot_counts_the_jacobians_it_asks_for():
    net, asked = MLP.init([4, 6, 3], rng=0), []

    class Counted:
        logits = staticmethod(net.logits)

        def jacobian(self, x):
            asked.append(len(x))
            return net.jacobian(x)

    result = saliency_map(Counted(), np.full((3, 4), 0.5), [0, 1, 2], variant="papernot")
    assert result.jacobians == sum(asked) > 0


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=25)
@given(st.data())
def test_a_batch_is_its_images_one_by_one(variant, data):
    net, x, y, options = data.draw(curved_cases(images=st.integers(2, 4)))
    y = (y + data.draw(st.integers(0, 1)) * (np.arange(len(y)) == 0)) % max(net.sizes[-1], 2)  # some misclassified
    if "target" in options:
        options["target"] = (y + 1) % max(net.sizes[-1], 2)
    batch = saliency_map(net, x, y, max_pixels=3, variant=variant, **options)
    per_image = L0(1, options["box"], options["mask"])
    for i in range(len(x)):
        one = per_image.take(np.array([i]), len(x))
        goal = None if "target" not in options else options["target"][[i]]
        same = {"variant": variant, "box": one.box, "mask": one.mask, "target": goal}
        alone = saliency_map(net, x[[i]], y[[i]], max_pixels=3, **same)
        assert np.array_equal(alone.x_adv[0], batch.x_adv[i])
        assert alone.reason[0] == batch.reason[i]
        steps = alone.trace.pixel.shape[1]
        assert np.array_equal(alone.trace.pixel[0], batch.trace.pixel[i, :steps])
        assert (batch.trace.pixel[i, steps:] == -1).all()


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=25)
@given(st.data())
def test_masked_pixels_stay_bit_identical_and_inputs_unchanged(variant, data):
    net, x, y, options = data.draw(curved_cases())
    before = x.copy()
    result = saliency_map(net, x, y, variant=variant, **options)
    free = np.broadcast_to(True if options["mask"] is None else options["mask"], x.shape)
    assert np.array_equal(result.x_adv[~free], x[~free])
    assert np.array_equal(x, before)


def test_the_reference_fours_all_flip_with_few_pixels(reference, mnist49):
    _, _, x, y = mnist49
    four = (y == 0) & (reference.predict(x) == 0)
    result = saliency_map(reference, x[four], y[four])
    assert result.success.all()
    assert result.mean_distance < 6  # 4.91 was reached on another training of this network
    assert np.isin(result.x_adv[result.x_adv != result.x], (0, 1)).all()


# ---------------------------------------------------------------- nothing to do


@pytest.mark.parametrize("variant", VARIANTS)
def test_nobody_to_attack(variant):
    net, x = MLP.from_arrays([([[1.0], [1.0]], [0.0])]), np.array([[0.5, 0.5]])
    result = saliency_map(net, x, [0], variant=variant)  # a one already
    assert result.reason.tolist() == ["already misclassified"]
    assert result.trace.pixel.shape == (1, 0)
    assert result.trace.margin.tolist() == [[1.0]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_pixel_images(variant):
    net, x = MLP.from_arrays([([[1.0]], [-0.5])]), np.array([[0.25]])
    result = saliency_map(net, x, [0], variant=variant)
    assert result.success[0] == (variant == "gain")  # there is no pair
    assert variant == "gain" or result.reason[0] == "budget spent"


def test_on_the_boundary_one_pixel_is_enough():
    net, x = MLP.from_arrays([([[1.0], [-2.0]], [0.0])]), np.array([[0.5, 0.25], [0.5, 0.25]])
    result = saliency_map(net, x, [0, 1])
    assert result.success.all()
    assert result.distance.tolist() == [1, 1]
