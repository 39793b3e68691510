"""The smallest universal radius: below everything that can be found, and close to exact minima where they are known.

The exact ones are of *gated* nets, whose margins are  m_i + W_i . s  with a slope of its own for every image: linear
programs over all images, for L0 one for each support.
"""

from fractions import Fraction
from functools import partial
from itertools import product

import numpy as np
import oracles
import pytest
from ball_strategies import NORMS, Row, curved_cases
from gated import NOISE, gated, least_radius, needed
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st
from pieces import pattern_minimum
from strategies import SMOOTH, affine_networks, generators

import attacks.proofs.set_minimum
import attacks.proofs.set_weights
import attacks.proofs.task
from attacks import universal, universal_minimum
from attacks.balls import BALLS
from attacks.proofs.radii import RADII, widest
from attacks.proofs.set_bound import refuted
from attacks.proofs.set_minimum import FINE, REACH
from attacks.proofs.set_quantile import GAPS
from attacks.uap.image_set import ImageSet
from minigrad import MLP
from minigrad.margin import Margin

CONVENTIONS = "clip", "inside"
GAP = GAPS[1]
AMPLE = 600.0  # seconds: no case here takes five, unless the machine is busy
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
quick = settings(suppress_health_check=list(HealthCheck), phases=PHASES)
SUM = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N = x0 + x1 - 1
PAIR = np.array([[0.25, 0.5], [0.625, 0.5]])  # N = -1/4 and 1/8: a nought and a one, which need opposite moves


@pytest.fixture
def hasty(monkeypatch):
    """A short search: the proofs are on trial, and are asked the same questions."""
    monkeypatch.setattr(attacks.proofs.set_minimum, "universal", partial(universal, steps=4, passes=1))


@pytest.fixture
def brief(monkeypatch):
    """A short look for weights: what is claimed is on trial, not how much."""
    monkeypatch.setattr(attacks.proofs.set_weights, "ROUNDS", 5)


@st.composite
def gated_cases(draw, images=st.integers(1, 3), pixels=st.integers(2, 4)):
    """`(W, m, seen)` in short binary fractions, m < 0: some within easy reach, some only just, none by a tie."""
    rng, n, d = draw(generators), draw(images), draw(pixels)
    W = rng.integers(-8, 9, (n, d)) / 8 + draw(st.sampled_from([0, 1]))
    seen = rng.integers(0, 9, (n, d)) / 8
    room = np.maximum(W * (1 - seen), -W * seen).sum(axis=1)  # what an image alone can gain
    needed = np.ceil(16 * room * rng.uniform(0.02, draw(st.sampled_from([0.3, 0.7])), n)) / 16
    m = -needed - 1 / 128  # gains are of 1/64
    return W, m, seen


def candidates(images, rng, count=60):
    """s (count, d) of all sizes, in the set of the widest ball that makes sense: where the pixels meet their ends, and
    anywhere."""
    zero = np.zeros(len(images.best))
    wide = images.free.with_radius(len(zero) if images.free.norm == "l0" else widest(images.free, zero[None]))
    s = wide.maximize(zero, rng.normal(size=(count, len(zero))))
    s[::2] *= rng.random((len(s[::2]), 1))
    return np.where(rng.random(s.shape) < rng.random((count, 1)), s, 0.0)


def flipped(net, x, y, target, box, s):
    """How many images each s (count, d) flips, clipping them to the box."""
    moved = np.where(s[:, None] == 0, x, np.clip(x + s[:, None], *box))  # (count, n, d)
    return np.array([(Margin.from_labels(net, p, y, target).value(p) > 0) for p in moved])


def shared(options):
    """One mask for all images."""
    mask = options["mask"]
    return {**options, "mask": mask if mask is None or mask.ndim == 1 else mask[0]}


def rows_of(net, y, target=None):
    """`(image, c)`, one for each margin that must be positive: two classes, or a target."""
    k = net.sizes[-1]
    if k == 1:
        return np.arange(len(y)), np.where(y == 0, 1.0, -1.0)[:, None]
    eye = np.eye(k)
    winner = 1 - y if target is None else np.broadcast_to(target, y.shape)
    pairs = [(i, eye[t] - eye[j]) for i, t in enumerate(winner) for j in range(k) if j != t]
    return np.array([i for i, _ in pairs]), np.array([c for _, c in pairs])


def check_claims(result, tried, share):
    """What holds of every result."""
    need = needed(share, tried.sum())
    assert 0 <= result.lower <= result.upper * (1 + 1e-12)  # x + s rounds
    assert result.quantile <= result.lower
    assert (result.share, np.isnan(result.own).tolist()) == (share, (~tried).tolist())
    assert result.quantile == np.sort(result.own[tried])[need - 1]
    assert (result.result is None) == (result.upper == np.inf)
    if result.result is not None:
        assert result.result.radius <= result.upper <= result.result.radius * (1 + 1e-12)  # rounded up
        assert result.result.rate >= share - 1e-9
    if result.weights is None:
        assert result.lower == result.quantile
    else:
        assert need == tried.sum() and result.lower > result.quantile
        assert (result.weights >= 0).all() and result.weights.sum() == pytest.approx(1, abs=1e-12)


# ---------------------------------------------------------------- nothing is found below


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.usefixtures("hasty", "brief")
@settings(quick, max_examples=5)
@given(st.data())
def test_nothing_that_fools_the_share_is_below_lower(norm, convention, data):
    """ReLU and tanh nets, mixed sets, targets, boxes, masks and shares, some images misclassified as they are."""
    net, x, y, options = data.draw(curved_cases(st.integers(1, 3), st.integers(1, 4), ("relu", "relu", "tanh")))
    target, options, rng = options.pop("target", None), shared(options), data.draw(generators)
    if target is None and len(y) > 1:
        y = np.where(rng.random(len(y)) < 0.8, y, (y + 1) % max(net.sizes[-1], 2))
    tried = Margin.from_labels(net, x, y, target).value(x) <= 0
    assume(tried.any())
    share = data.draw(st.sampled_from([1.0, 1.0, 0.5, 0.7, 1e-12]))
    more = {"convention": convention, "target": target, "rng": 1, "time_limit": 0.3}
    got = universal_minimum(net, x, y, norm=norm, share=share, **more, **options)
    check_claims(got, tried, share)
    ball = BALLS[norm](1, **options)
    images = ImageSet.from_images(net, x, y, ball, target, convention)
    s = candidates(images, rng)
    if got.result is not None:  # and on the way to it
        s = np.r_[s, np.arange(1, 20)[:, None] / 20 * got.result.s, got.result.s * (rng.random((40, len(s[0]))) < 0.8)]
    enough = (flipped(net, x, y, target, ball.box, s) & tried).sum(axis=1) >= needed(share, tried.sum())
    assert (ball.distance(s)[enough] >= got.lower * (1 - 1e-12)).all()
    below = np.ceil(got.lower) - 1 if norm == "l0" else got.lower * (1 - 1e-9)
    if 0 < below < np.inf:
        one = ball.with_radius(below)
        found = universal(net, x, y, one, steps=8, convention=convention, target=target)
        assert found.fooled.sum() < needed(share, tried.sum())


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("norm", NORMS)
@settings(quick, max_examples=5)
@given(gated_cases(), st.sampled_from([1.0, 1.0, 0.5]))
def test_the_interval_holds_the_exact_minimum_and_is_narrow_where_it_can_be(norm, case, share):
    """In a convex set there are weights for every radius below the minimum, so `lower` comes near it, up to REACH."""
    W, m, seen = case
    net, x, mask = gated(W, m, seen)
    least, most = least_radius(norm, W, m, (-seen).max(axis=0), (1 - seen).min(axis=0), share)
    options = {"convention": "inside", "mask": mask, "time_limit": AMPLE}
    got = universal_minimum(net, x, np.zeros(len(x)), norm=norm, share=share, **options)
    check_claims(got, np.full(len(x), True), share)
    assert got.lower <= most * (1 + NOISE) + NOISE
    assert got.upper >= least * (1 - NOISE) - NOISE
    alone = [least_radius(norm, W[[i]], m[[i]], -seen[i], 1 - seen[i]) for i in range(len(m))]
    low, high = np.sort(alone, axis=0)[needed(share, len(m)) - 1]
    assert (1 - GAP) * low * (1 - NOISE) <= got.quantile <= high * (1 + NOISE)
    if share == 1 and norm != "l0":
        assert got.lower >= (1 - 3 * FINE) * min(least, REACH * got.quantile)


@pytest.mark.usefixtures("hasty", "brief")
@pytest.mark.parametrize("norm", ["l0", "linf"])
@settings(quick, max_examples=6)
@given(gated_cases(), generators)
def test_where_images_clip_no_combination_of_breakpoints_is_below_lower(norm, case, rng):
    W, m, seen = case
    net, x, mask = gated(W, m, seen)
    got = universal_minimum(net, x, np.zeros(len(x)), norm=norm, mask=mask, time_limit=AMPLE)
    check_claims(got, np.full(len(x), True), 1.0)
    s = np.zeros((20000, W.shape[1]))
    for j in range(W.shape[1]):
        ends = np.r_[0, 0, 1 - seen[:, j], -seen[:, j]]
        s[:, j] = rng.choice(ends, len(s))
    if norm == "linf":
        s[::2] = np.clip(s[::2], -1, 1) * rng.random((len(s[::2]), 1))
        r = rng.random((len(s[1::2]), 1))
        s[1::2] = np.clip(s[1::2], -r, r)
    margins = m + np.einsum("snj,nj->sn", np.clip(s[:, None], -seen, 1 - seen), W)
    fools = (margins > 1e-12).all(axis=1)
    assert (BALLS[norm](1).distance(s)[fools] >= got.lower * (1 - 1e-9)).all()


# ---------------------------------------------------------------- the weighted bound


def best_sum(norm, w, A, const, down, up, radius, convention):
    """max over s of  sum_i w_i (const_i + A_i . delta_i(s)),  in fractions: every breakpoint of every pixel."""
    w, A, down, up = (np.vectorize(Fraction, otypes=[object])(v) for v in (w, A, down, up))
    r = Fraction(float(radius)) if norm == "linf" else None
    gains = []
    for j in range(A.shape[1]):
        low, high = down[:, j], up[:, j]
        if convention == "inside":
            low, high = [max(low)] * len(low), [min(high)] * len(high)
        ends = [v if r is None else max(min(v, r), -r) for v in (*low, *high)]
        gains.append(max(sum(w[i] * A[i, j] * max(min(t, high[i]), low[i]) for i in range(len(w))) for t in ends))
    gains = sorted((max(gain, Fraction(0)) for gain in gains), reverse=True)
    chosen = gains if norm == "linf" else gains[: int(radius)]
    return sum(w[i] * Fraction(float(const[i])) for i in range(len(w))) + sum(chosen)


@settings(quick, max_examples=25)
@given(affine_networks(st.just(1), st.integers(1, 5), st.integers(2, 4)), st.data())
def test_weights_of_affine_networks_prove_it_in_exact_arithmetic(case, data):
    """N = w . x - t.  Linf, where no pixel is ever decided: the weights alone are the proof."""
    net, x, y = case
    W = net.dense[0].W[:, 0]
    rng, convention = data.draw(generators), data.draw(st.sampled_from(CONVENTIONS))
    y = rng.integers(0, 2, len(x))  # right or wrong: a margin above 0 has its weight too
    sign = np.where(y == 0, 1.0, -1.0)
    const, A = Margin.from_labels(net, x, y).value(x), sign[:, None] * W
    radius = data.draw(st.sampled_from([1 / 16, 1 / 4, 5 / 8]))
    images = ImageSet.from_images(net, x, y, BALLS["linf"](1), None, convention)
    rounds = data.draw(st.sampled_from([1, 24]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attacks.proofs.set_weights, "ROUNDS", rounds)
        weights = refuted(net, images, radius, np.arange(len(x)), sign[:, None])
    if weights is None and rounds > 1:
        free = (-x).max(axis=0)[None], (1 - x).min(axis=0)[None]
        if convention == "inside":  # a bilinear game over convex sets: where all lose, some weights say so
            assert oracles.best_worst_margin("linf", radius, const, A, *free) > -1e-4  # single precision, and 72 cuts
    if weights is None:
        return
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1, abs=1e-12)
    assert best_sum("linf", weights, A, const, -x, 1 - x, radius, convention) < 0


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_opposite_interests_refute_radii_that_each_alone_allows(norm, convention):
    """N = -1/4 and 1/8: the sum of the margins is  -3/8 + w . (delta_0 - delta_1),  and inside both boxes delta_0 is
    delta_1.  With "clip" they differ by what the box cuts off."""
    y, ball = np.array([0, 1]), BALLS[norm](2 if norm == "l0" else 0.26)
    image, c = rows_of(SUM, y)
    assert pgd_flips_each_alone(ball)
    images = ImageSet.from_images(SUM, PAIR, y, ball, None, convention)
    weights = refuted(SUM, images, ball.radius, image, c)
    if convention == "clip" and norm in ("l1", "l2"):
        assert weights is None  # no closed form for the sum
        return
    if convention == "clip" and norm == "l0":
        assert weights is None  # s0 = 3/4 makes pixel 0 white in both, so their margins sum up to 0
        return
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights > 0).all()
    if norm in ("l0", "linf"):
        A, const = np.array([[1, 1], [-1, -1]]), [-0.25, -0.125]
        assert best_sum(norm, weights, A, const, -PAIR, 1 - PAIR, ball.radius, convention) < 0


def pgd_flips_each_alone(ball):
    return all(universal(SUM, PAIR[[i]], [i], ball).rate == 1 for i in (0, 1))


@pytest.mark.parametrize("norm", NORMS)
def test_sets_of_both_classes_that_no_s_can_fool(norm, hasty):
    """Inside all boxes, an affine net moves both by the same amount: nothing is found, more is proved than alone."""
    rng = np.random.default_rng(0)
    W, x = rng.integers(-8, 9, (5, 1)) / 8 + 1 / 16, rng.integers(4, 13, (6, 5)) / 16
    N = x @ W
    net = MLP.from_arrays([(W, [0.0])], threshold=(N.min() + N.max()) / 2)
    got = universal_minimum(net, x, net.predict(x), norm=norm, convention="inside", mixed=True, time_limit=AMPLE)
    assert (got.upper, got.result) == (np.inf, None)
    check_claims(got, np.full(6, True), 1.0)
    assert got.weights is not None
    assert got.lower >= (1 - 2 * FINE) * REACH * got.quantile


@pytest.mark.parametrize("two_logits", [False, True])
def test_a_set_that_no_s_in_the_whole_box_can_fool(two_logits, hasty):
    """Each image alone needs 0.1 a pixel, and has it; both have 0.1 together, up and down: no radius is left."""
    net = MLP.from_arrays([([[0.0, 1.0], [0.0, 1.0]], [1.0, 0.0])]) if two_logits else SUM
    x = np.array([[0.40625, 0.40625], [0.59375, 0.59375]])
    box = {"box": (0.3125, 0.6875), "convention": "inside", "mixed": True}
    got = universal_minimum(net, x, [0, 1], norm="linf", time_limit=AMPLE, **box)
    assert (got.lower, got.upper) == (np.inf, np.inf)
    assert 0.9 * 0.09375 <= got.quantile <= 0.09375
    assert got.weights.tolist() == pytest.approx([0.5, 0.5], abs=0.1)


def test_two_logits_are_the_same_as_their_difference(hasty):
    two = MLP.from_arrays([([[0.25, 1.25], [0.5, 1.5]], [1.0, 0.0])])
    x = np.array([[0.25, 0.5], [0.5, 0.375], [0.4375, 0.5]])
    one, other = (universal_minimum(net, x, [0, 0, 0], norm="linf", time_limit=AMPLE) for net in (SUM, two))
    assert one.lower == pytest.approx(other.lower, rel=3 * FINE)
    assert 0.12 <= other.lower <= 0.125 <= other.upper


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_any_of_three_classes_will_do_so_no_one_sum_must_be_positive(convention, hasty):
    """N = (0, x0 - 1/2, x1 - 1/2): one image becomes a 1 most easily, the other a 2; 1/8 for both."""
    net = MLP.from_arrays([([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0, -0.5, -0.5])])
    for x in ([[0.375, 0.125], [0.125, 0.375]], [[0.375, 0.375], [0.5, 0.375]]):
        got = universal_minimum(net, np.array(x), [0, 0], norm="linf", convention=convention, time_limit=AMPLE)
        assert got.weights is None
        assert (1 - GAP) * 0.125 <= got.lower <= 0.125 <= got.upper <= 0.125 * (1 + 3 * FINE)


def test_an_image_misclassified_already_has_no_say(hasty):
    """It would have to stay what it is, 1/4 away, while the others need 1/16 down."""
    x, y = np.array([[0.53125, 0.5], [0.625, 0.5], [0.5625, 0.5]]), [0, 1, 1]
    got = universal_minimum(SUM, x, y, norm="linf", mixed=True, time_limit=AMPLE)
    check_claims(got, np.array([False, True, True]), 1.0)
    assert (1 - GAP) * 0.0625 <= got.lower <= 0.0625 <= got.upper <= 0.0625 * (1 + 3 * FINE)


@pytest.mark.parametrize(("norm", "limit"), [("linf", 0.17), ("linf", 0.126), ("linf", 1.0), ("l0", 3), ("l0", 2)])
def test_lower_is_the_largest_radius_that_was_refuted(norm, limit, hasty, monkeypatch):
    """Of those asked about: between the quantile and `upper`, not beyond twice the quantile."""
    asked = {}

    def answer(net, images, radius, image, c, deadline):
        asked[radius] = radius < limit if norm == "linf" else radius <= limit
        return np.eye(len(image))[0] if asked[radius] else None

    monkeypatch.setattr(attacks.proofs.set_minimum, "refuted", answer)
    x = np.array([[0.25, 0.5], [0.5, 0.25], [0.25, 0.625]]) if norm == "linf" else np.full((2, 4), 0.25)
    net = SUM if norm == "linf" else MLP.from_arrays([(np.ones((4, 1)), [-3.125])])  # three pixels of 3/4, and 1/8
    found = [0.24, 4.0][norm == "l0"]
    monkeypatch.setattr(attacks.proofs.set_minimum, "smallest_found", lambda *a: (found, None))
    got = universal_minimum(net, x, np.zeros(len(x)), norm=norm, time_limit=AMPLE)
    yes = [radius for radius, refuted in asked.items() if refuted]
    assert got.lower == max([got.quantile, *(RADII[norm].proves(radius) for radius in yes)])
    assert (got.weights is not None) == bool(yes)
    for radius in asked:
        assert RADII[norm].proves(radius) > got.quantile and radius < min(found, REACH * got.quantile)
    if norm == "l0":
        assert got.lower == limit + 1
    else:
        assert asked and got.lower >= (1 - 2 * FINE) * min(limit, found, REACH * got.quantile)


@pytest.mark.parametrize(("seed", "radius"), [(4, 0.13), (8, 0.17), (11, 0.165)])
def test_the_slopes_of_the_lines_are_sought_for_the_sum(seed, radius):
    """Two images that pull apart, in a net of bends: with the slopes that are best for each alone, 0.11 at most."""
    rng = np.random.default_rng(seed)
    pairs = [(rng.normal(size=(a, b)), 0.3 * rng.normal(size=b)) for a, b in ((4, 6), (6, 5))]
    pairs.append((rng.normal(size=(5, 1)), np.zeros(1)))
    x = 0.3 + 0.4 * rng.random((2, 4))
    net = MLP.from_arrays(pairs, threshold=MLP.from_arrays(pairs).logits(x).mean())
    y = net.predict(x)
    images = ImageSet.from_images(net, x, y, BALLS["linf"](1), None, "inside", mixed=True)
    weights = refuted(net, images, radius, *rows_of(net, y))
    assert (weights > 0).all() and weights.sum() == pytest.approx(1, abs=1e-12)


def tight(net, x, y, target, ball, s):
    """s made as small as it can be along the way, as long as it fools all."""
    fools = partial(flipped, net, x, y, target, ball.box)
    if ball.norm == "l0":
        for j in np.flatnonzero(s):
            fewer = s * (np.arange(len(s)) != j)
            s = fewer if fools(fewer[None]).all() else s
        return s
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if fools((middle * s)[None]).all() else (middle, high)
    return high * s


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("norm", ["l0", "linf"])
@pytest.mark.usefixtures("brief")
@settings(quick, max_examples=8)
@given(generators, st.sampled_from([1, 2, 3]), st.booleans())
def test_no_radius_is_refuted_at_which_an_s_fools_all(norm, convention, rng, k, mixed):
    """Two hidden layers, two classes of images or one, a target among three classes: at the smallest s found."""
    net = MLP.init([6, 5, 4, k], rng=rng)
    x = rng.uniform(size=(40, 6))
    net = MLP.from_arrays([*((f.W, f.b + 0.1 * rng.normal(size=f.b.shape)) for f in net.dense)])
    y, target = net.predict(x), int(rng.integers(3)) if k == 3 else None
    margin = Margin.from_labels(net, x, np.where(y == target, (y + 1) % 3, y) if k == 3 else y, target).value(x)
    near = np.flatnonzero((margin < 0) & (y != target))
    assume(len(near))
    near = near[np.argsort(-margin[near])][: 3 if mixed else 12]  # those nearest to the boundary, of any class
    near = near if mixed else near[y[near] == y[near[0]]][:3]
    x, y = x[near], y[near]
    ball = BALLS[norm](3 if norm == "l0" else 0.3)
    found = universal(net, x, y, ball, convention=convention, target=target, steps=4, passes=1)
    assume(found.rate == 1)
    s = tight(net, x, y, target, ball, found.s)
    images = ImageSet.from_images(net, x, y, ball, target, convention)
    assert refuted(net, images, ball.distance(s) * (1 + 1e-9 * (norm != "l0")), *rows_of(net, y, target)) is None


@st.composite
def rivals(draw):
    """`(W, m, seen, k)`: images that k pixels flip, but only just, and by some of the pixels alone."""
    rng, n, d, k = draw(generators), draw(st.integers(2, 3)), draw(st.integers(2, 4)), draw(st.integers(1, 2))
    W = rng.integers(24, 33, (n, d)) / 32 * rng.choice([-1, 1], draw(st.sampled_from([1, d, (n, d)])))
    seen = rng.integers(0, 2, (n, d)) * draw(st.integers(0, 1)) * 1.0
    gains = np.sort(np.maximum(W * (1 - seen), -W * seen), axis=1)[:, ::-1][:, :k].sum(axis=1)
    return W, -np.floor(32 * gains * rng.uniform(0.8, 1, n)) / 32 - 1 / 64, seen, k


def can_be_fooled(W, m, seen, convention, k):
    """Whether k pixels clearly fool all these images of noughts and ones: every support, by linear program.

    Clipped, a nought follows s up and a one down: for each sign of s the margins are linear in it.
    """
    if convention == "inside":
        cases = [(W, (-seen).max(axis=0), (1 - seen).min(axis=0))]
    else:
        signs = map(np.array, product((-1, 1), repeat=W.shape[1]))
        cases = [(W * (seen == (s < 0)), np.minimum(s, 0), np.maximum(s, 0)) for s in signs]
    return any(least_radius("l0", W, m, *ends, best=k + 1)[1] <= k for W, *ends in cases)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.usefixtures("brief")
@settings(quick, max_examples=15)
@given(rivals())
@example((np.array([[0.75, 0.84375], [0.9375, 0.84375]]), np.full(2, -0.8125), np.zeros((2, 2)), 1))
def test_refuted_pixel_counts_against_every_support(convention, case):
    """Bug of its day, in the example: s = (0, 1) fools both.  Pixel 0 is the better one for the sum, but ruled out by
    the first image; it was cut off after the choice instead of before, and what was left was too little."""
    W, m, seen, k = case
    net, x, mask = gated(W, m, seen)
    images = ImageSet.from_images(net, x, np.zeros(len(x)), BALLS["l0"](1, mask=mask), None, convention)
    weights = refuted(net, images, k, *rows_of(net, np.zeros(len(x))))
    if weights is not None:
        assert not can_be_fooled(W, m, seen, convention, k)
        assert (weights >= 0).all() and weights.sum() == pytest.approx(1, abs=1e-12)


# ---------------------------------------------------------------- images with boxes of their own, and the search


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_a_box_for_every_image(norm, convention, hasty):
    """Bug of its day: the question whether the weighted bound applies was asked with one image and n boxes."""
    box = np.zeros((2, 2)), np.array([[1.0, 0.75], [0.75, 1.0]])
    options = {"norm": norm, "convention": convention, "box": box, "time_limit": AMPLE}
    got = universal_minimum(SUM, PAIR - [[0, 0], [0.25, 0]], [0, 0], **options)
    check_claims(got, np.full(2, True), 1.0)
    truth = {"l0": 1, "l1": 0.25, "l2": 0.125 * 2**0.5, "linf": 0.125}[norm]
    assert got.lower <= truth * (1 + 1e-9)
    assert got.lower >= 0.9 * truth
    assert truth * (1 - 1e-9) <= got.upper <= 1.1 * truth


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("norm", ["l0", "linf"])
def test_boxes_of_their_own_for_several_rivals_and_a_set_with_one_misclassified(norm, convention, hasty):
    """N = (0, x0 - 1/2, x1 - 1/2), to class 2: the last image is there already; x1 must rise by 1/4, x0 be below x1."""
    net = MLP.from_arrays([([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0, -0.5, -0.5])])
    x = np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75]])
    box = np.array([[0.25, 0.0], [0.5, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [1.0, 0.75], [1.0, 1.0]])
    got = universal_minimum(net, x, [0, 1, 0], norm=norm, convention=convention, box=box, target=2, time_limit=AMPLE)
    check_claims(got, np.array([True, True, False]), 1.0)
    if convention == "clip":  # s = (-1/4 -, 1/4 +): only the second image follows down
        assert got.lower <= (2 if norm == "l0" else 0.25) <= got.upper * (1 + 1e-9)
        assert got.upper <= (2 if norm == "l0" else 0.27)
        assert got.lower >= (1 if norm == "l0" else 0.23)
    else:  # no image may move x0 down, and x1 may rise by 1/4 at most
        assert got.upper == np.inf
        assert got.lower >= (2 if norm == "l0" else 0.23)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_set_whose_images_are_near_but_pull_apart_is_still_found(norm, hasty):
    """Each alone needs s0 = +-1e-5, both together s1 = 0.1: ten thousand times as much, and 1.5^12 is 130."""
    net, x, mask = gated([[1, 1e-4], [-1, 1e-4]], [-1e-5, -1e-5], np.full((2, 2), 0.5))
    got = universal_minimum(net, x, [0, 0], norm=norm, mask=mask, time_limit=0)
    assert got.upper == pytest.approx(0.1, rel=0.03)
    assert got.result.rate == 1


def test_upper_comes_down_to_what_is_there():
    """One class of an affine net: 1/8 for the hardest, found within FINE, and proved within GAP."""
    x = np.array([[0.375, 0.5], [0.5, 0.375], [0.25, 0.5], [0.4375, 0.5]])
    got = universal_minimum(SUM, x, [0, 0, 0, 0], norm="linf", time_limit=AMPLE)
    assert 0.125 <= got.upper <= 0.125 * (1 + 2 * FINE)
    assert (1 - GAP) * 0.125 <= got.lower <= 0.125
    half = universal_minimum(SUM, x, [0, 0, 0, 0], norm="linf", share=0.5, time_limit=AMPLE)
    assert 0.0625 <= half.upper <= 0.0625 * (1 + 2 * FINE)
    assert half.lower <= 0.0625
    some = universal_minimum(SUM, x, [0, 0, 0, 0], norm="linf", share=0.75, time_limit=AMPLE)
    assert (1 - GAP) * 0.0625 <= some.lower <= 0.0625


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_quantile_is_of_the_images_own_minima(norm, share):
    """Of four images the largest and the second smallest."""
    rng = np.random.default_rng(1)
    net = MLP.from_arrays([(rng.normal(size=(4, 3)), rng.normal(size=3)), (rng.normal(size=(3, 1)), [0.0])])
    x = rng.random((16, 4))
    net = MLP.from_arrays([(f.W, f.b) for f in net.dense], threshold=np.median(net.logits(x)))
    x = x[np.argsort(np.abs(net.logits(x)[:, 0] - net.threshold))][[3, 7, 11, 15]]
    y = net.predict(x)
    rows = [Row(norm, 1, -v, 1 - v) for v in x]
    exact = np.sort([pattern_minimum(net, one, v, c) for one, v, c in zip(rows, x, y, strict=True)])
    got = universal_minimum(net, x, y, norm=norm, share=share, convention="inside", time_limit=AMPLE)
    least = exact[int(4 * share) - 1]
    assert (1 - GAP) * least * (1 - NOISE) <= got.quantile <= least * (1 + NOISE)
    assert (got.lower == got.quantile) == (got.weights is None)
    assert share == 1 or got.weights is None


def test_the_attack_is_made_once(monkeypatch):
    """It is the same for every image's own minimum."""
    calls = []
    plain = attacks.proofs.task.smallest_eps
    monkeypatch.setattr(attacks.proofs.task, "smallest_eps", lambda *a, **k: calls.append(1) or plain(*a, **k))
    universal_minimum(SUM, PAIR, [0, 1], norm="linf", time_limit=0.1)
    assert len(calls) == 1


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_no_time_is_still_a_true_interval(norm, convention, hasty):
    rng = np.random.default_rng(3)
    net, x = MLP.init([5, 6, 1], rng=rng), rng.random((3, 5))
    y = net.predict(x)
    got = universal_minimum(net, x, y, norm=norm, convention=convention, time_limit=0)
    check_claims(got, np.full(3, True), 1.0)
    assert got.weights is None
    plain = attacks.certified_minimum(net, x, y, norm=norm, time_limit=0)
    assert got.own.tolist() == [cert.lower for cert in plain]


def test_images_on_the_boundary_prove_nothing():
    got = universal_minimum(SUM, np.array([[0.5, 0.5], [0.25, 0.75]]), [0, 0], norm="linf", time_limit=AMPLE)
    assert (got.lower, got.quantile, got.weights) == (0, 0, None)
    assert 0 < got.upper < 1e-6


@pytest.mark.parametrize("norm", NORMS)
def test_a_set_with_an_image_that_nothing_flips(norm, hasty):
    """All: impossible, and that is proved.  Half of them: as far as the other."""
    net, x = MLP.from_arrays([([[1.0], [1.0]], [-1.125])]), np.array([[0.5, 0.25], [0.25, 0.0]])
    got = universal_minimum(net, x, [0, 0], norm=norm, mask=np.array([True, False]), time_limit=AMPLE)
    assert (got.lower, got.upper, got.quantile, got.result, got.weights) == (np.inf, np.inf, np.inf, None, None)
    half = universal_minimum(net, x, [0, 0], norm=norm, share=0.5, mask=np.array([True, False]), time_limit=AMPLE)
    assert half.lower <= (1 if norm == "l0" else 0.375) * (1 + 1e-9) <= half.upper * (1 + 1e-6)
    assert half.upper <= 1


@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("norm", ["l0", "linf"])
def test_smooth_activations_give_true_intervals(norm, activation, hasty):
    rng = np.random.default_rng(5)
    net = MLP.init([4, 4, 1], activation=activation, rng=rng)
    x = rng.random((3, 4))
    N = net.logits(x)[:, 0]
    net = MLP.from_arrays([(f.W, f.b) for f in net.dense], activation=activation, threshold=np.median(N) + 0.01)
    y = net.predict(x)
    got = universal_minimum(net, x, y, norm=norm, mixed=True, time_limit=1)
    check_claims(got, np.full(3, True), 1.0)
    s = candidates(ImageSet.from_images(net, x, y, BALLS[norm](1)), rng, 3000)
    fools = flipped(net, x, y, None, (0.0, 1.0), s).all(axis=1)
    assert (BALLS[norm](1).distance(s)[fools] >= got.lower).all()


def test_the_weighted_bound_of_a_target_names_a_weight_for_every_rival():
    """N = (x0, x1, 1/2): class 1 needs x1 > x0 and x1 > 1/2.  Of two images, one has x0 to bring down."""
    net = MLP.from_arrays([([[1.0, 0, 0], [0.0, 1, 0]], [0.0, 0, 0.5])])
    x = np.array([[0.75, 0.25], [0.25, 0.375]])
    got = universal_minimum(net, x, [0, 2], norm="linf", target=[1, 1], mixed=True, time_limit=AMPLE)
    check_claims(got, np.full(2, True), 1.0)
    assert got.lower <= 0.25 <= got.upper <= 0.25 * (1 + 2 * FINE)
    rows = rows_of(net, np.array([0, 2]), np.array([1, 1]))
    images = ImageSet.from_images(net, x, [0, 2], BALLS["linf"](1), [1, 1])
    for radius in (0.1, 0.2, 0.24):
        weights = refuted(net, images, radius, *rows)
        assert weights.shape == (4,) and (weights >= 0).all()
    for radius in (0.25001, 0.3, 1.0):
        assert refuted(net, images, radius, *rows) is None


def test_without_time_the_weighted_bound_gives_up(monkeypatch):
    net, x, mask = gated([[1.0, 0.5], [-1.0, 0.5]], [-0.25, -0.25], np.full((2, 2), 0.5))
    images = ImageSet.from_images(net, x, [0, 0], BALLS["linf"](1, mask=mask))
    assert refuted(net, images, 0.3, *rows_of(net, np.zeros(2))) is not None
    assert refuted(net, images, 0.3, *rows_of(net, np.zeros(2)), deadline=0.0) is None


# ---------------------------------------------------------------- bad input


class Foreign:
    """Enough for an attack, not for a proof."""

    def logits(self, x):
        return x[:, :1]

    def jacobian(self, x):
        return np.ones((len(x), 1, x.shape[1]))


REFUSED = [
    *(({"share": share}, r"share: expected a number in \(0, 1\], got") for share in (0, -0.5, 1.01, np.nan, np.inf)),
    *(({"share": share}, r"share: expected a number in \(0, 1\], got") for share in (True, None, "all", 0.5j, [0.5])),
    ({"share": np.bool_(True)}, r"share: expected a number in \(0, 1\]"),
    ({"share": np.complex128(0.5)}, r"share: expected a number in \(0, 1\]"),
    ({"x": PAIR[1:], "y": [0]}, "x: expected images that one s can still fool, got a set .* misclassified already"),
    ({"x": PAIR[:0], "y": []}, "x: expected at least one image"),
    ({"net": Foreign()}, "net: a proof needs the layers of a minigrad MLP, got Foreign"),
    ({"y": [0, 0], "x": PAIR[[0, 0]], "mixed": True}, "y: expected images of at least two classes .* only class 0"),
    ({"norm": "l3"}, "norm: expected one of l0, l1, l2, linf, got 'l3'"),
    ({"norm": None}, "norm: expected one of l0, l1, l2, linf, got none: say how a change is measured"),
    ({"convention": "both"}, "convention: expected \"clip\" or \"inside\", got 'both'"),
    ({"time_limit": -1}, "time_limit: expected a number of at least 0, got -1"),
    ({"time_limit": np.nan}, "time_limit: expected a number of at least 0, got nan"),
    ({"mask": np.zeros(2, bool)}, "mask: expected booleans with at least one pixel free"),
    ({"mask": np.ones((2, 2), bool)}, "ball: one s for all images needs one radius and one mask, got shapes"),
    ({"mask": np.ones(3, bool)}, "mask: expected a shape that broadcasts"),
    ({"box": (0.5, 1.0)}, "x: expected pixels inside the box"),
    ({"y": [0, 2]}, "y: expected whole numbers in 0..1"),
    ({"target": 0}, "target: expected a class other than the label"),
    ({"rng": "seed"}, "rng: expected a whole number >= 0 or a numpy Generator, got 'seed'"),
]


@pytest.mark.parametrize(("bad", "message"), REFUSED)
def test_bad_input_is_refused_in_one_sentence_before_any_work(bad, message, monkeypatch):
    monkeypatch.setattr(attacks.proofs.set_minimum, "own_minima", None)
    with pytest.raises(ValueError, match=message) as refusal:
        universal_minimum(**{"net": SUM, "x": PAIR, "y": [0, 1], "norm": "linf", **bad})
    assert "\n" not in str(refusal.value)


# ---------------------------------------------------------------- where floats lose everything


def test_weights_that_make_slopes_vanish_are_charged_for():
    """The rival's margin is A (relu(z - c + w) - 2 relu(z - c) + relu(z - c - w)) eta - A w eta / 2, z = sum x / 64:
    s = 64 c / 50 in each of 50 pixels fools every image.  A weight of 1/16 or less on 400 eta rounds by a hundredth.
    """
    n, d, k, A, c, w, eta = 16, 50, 40, 50000, 0.39, 0.1, 5e-324
    rival = np.eye(k)[1]
    net = MLP.from_arrays(
        [
            (np.full((d, 3), 1 / 64), [w - c, -c, -c - w]),
            (np.outer([A, -2 * A, A], rival) * eta, -round(0.5 * w * A) * eta * rival),
        ]
    )
    fools = Fraction(c) * 64 / 50
    z = 50 * fools / 64
    bent = sum(a * max(z + Fraction(b), 0) for a, b in zip((A, -2 * A, A), net.dense[0].b, strict=True))
    assert bent > round(0.5 * w * A)
    images = ImageSet.from_images(net, np.zeros((n, d)), np.zeros(n, int), BALLS["linf"](1), np.ones(n, int))
    pairs = [(i, rival - np.eye(k)[j]) for i in range(n) for j in range(k) if j != 1]
    rows = np.array([i for i, _ in pairs]), np.array([c for _, c in pairs])
    for radius in (1.001 * float(fools), 1.1 * float(fools)):
        assert refuted(net, images, radius, *rows) is None


def test_pixels_whose_slope_vanishes_beside_another_are_charged_for():
    """A pixel of room 1e-200 has a slope 2^560 times as large as the others, whose squares vanish beside it.

    Of the others s = (0.34375, 0.34375) with |s|_2 = 0.4861 fools both images:  W s + m >= 0, both with equality.
    """
    W, m, seen = np.array([[5, 0], [2, 2]]) / 8, np.array([-10, -22]) / 128, np.array([[5, 3], [4, 3]]) / 8
    s = np.array([0.34375, 0.34375])
    assert (W @ s + m >= 0).all()
    net, x, mask = gated(W, m, seen)
    (first, second), tiny = net.dense, 2.0**-560
    W1 = np.vstack([np.ones((1, first.W.shape[1])), tiny * first.W])
    net = MLP.from_arrays([(W1, tiny * first.b), (second.W, tiny * second.b)])
    high = np.append(1e-200, np.ones(x.shape[1]))
    ball = BALLS["l2"](1, box=(0 * high, high), mask=np.append(True, mask))
    images = ImageSet.from_images(net, np.insert(x, 0, 0.0, axis=1), [0, 0], ball, None, "inside")
    for radius in (0.487, 0.65):
        assert refuted(net, images, radius, np.arange(2), np.ones((2, 1))) is None


def test_an_image_that_rounding_alone_calls_misclassified_is_not_left_out_of_the_share():
    """It is of class 0 and next to the boundary: 1e-15 fools 1 of 2, whatever the other image takes.  And the other way
    round: one that is misclassified, exactly, and is not in floats."""
    rng, refused = np.random.default_rng(0), dict.fromkeys((True, False), 0)
    for _ in range(400):
        W, x = rng.integers(-99, 99, (5, 1)) / 100, rng.integers(0, 100, (1, 5)) / 100
        net = MLP.from_arrays([(W, -np.round(x @ W, 4)[0])])
        x = np.vstack([x, np.clip(x - 0.3 * np.sign(W.T), 0, 1)])
        terms = zip(x[0].tolist(), W[:, 0].tolist(), strict=True)
        exact = sum(Fraction(a) * Fraction(w) for a, w in terms) + Fraction(net.dense[0].b[0])
        above = bool(net.logits(x)[0, 0] > 0)
        if not exact or above == (exact > 0):
            continue
        with pytest.raises(ValueError, match=r"x: expected images whose margin float64 can tell from 0, .* in row 0"):
            universal_minimum(net, x, [0, 0], norm="linf", share=0.5, time_limit=1)
        refused[above] += 1
    assert all(refused.values())


def test_an_upper_end_fools_beyond_rounding():
    """Sums of 1e15 that cancel: in floats N > 0 where it is below 0, with s = 0.8 in the only free pixel as well."""
    rng = np.random.default_rng(3236)
    a, w = rng.random(4), 1e15 * rng.normal(size=4)
    b = float(-sum(Fraction(p) * Fraction(q) for p, q in zip(a, w, strict=True))) - rng.random() * 0.3
    net = MLP.from_arrays([(np.append(w, 0.3)[:, None], [b])])
    x, mask = np.array([[*a, 0.2], [*a, 0.3]]), np.arange(5) == 4
    most = sum(Fraction(p) * Fraction(q) for p, q in zip(a, w, strict=True)) + Fraction(0.3) + Fraction(b)
    assert most < 0 < net.logits(np.array([[*a, 1.0]]))[0, 0]
    assert universal_minimum(net, x, [0, 0], norm="linf", mask=mask, time_limit=1).upper == np.inf


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_an_upper_end_is_rounded_up(norm):
    rng, power = np.random.default_rng(0), 2 if norm == "l2" else 1
    for _ in range(20):
        net = MLP.from_arrays([(rng.normal(size=(4, 1)), [0.0])])
        x = rng.random((1, 4))
        found = universal_minimum(net, x, net.predict(x), norm=norm, time_limit=0)
        if found.result is not None:
            s = [Fraction(v) for v in found.result.s.tolist()]
            assert sum(abs(v) ** power for v in s) <= Fraction(found.upper) ** power
