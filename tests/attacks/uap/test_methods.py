"""Images that share one s: where it may be, the optimum where it is known, and sets that no s can fool."""

import numpy as np
import oracles
import pytest
from ball_strategies import NORMS, Row, affine_cases, curved_cases, duels
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import generators

import attacks.uap.attack
import attacks.uap.linear_program
import attacks.uap.methods
from attacks import L0, L1, L2, LInf, universal
from attacks.ascent import smooth_weight
from attacks.balls import BALLS
from attacks.uap.attack import METHODS
from attacks.uap.image_set import ImageSet
from attacks.uap.methods import ascend, visit
from minigrad import MLP
from minigrad.margin import Margin

ULP = np.finfo(float).eps
CONVENTIONS = "clip", "inside"
SUM = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N = x0 + x1 - 1


def methods(norm):
    """The methods that take a ball of this norm."""
    return [method for method in METHODS if method != "lp" or norm in ("l1", "linf")]


def balls(draw, norm, options):
    """A ball with one mask for all images, as `universal` wants it."""
    mask = options["mask"]
    radius = draw(st.integers(1, 3) if norm == "l0" else st.sampled_from([0.0625, 0.25, 0.75, 1.5]))
    return BALLS[norm](radius, options["box"], mask if mask is None or mask.ndim == 1 else mask[0])


def margins(net, x, y, target=None):
    return Margin.from_labels(net, x, y, target).value(x)


def gated(W, b, seen):
    """`(net, x, mask)`: image i has the margin  b_i + W_i . v,  v its free pixels, and a gate that the mask holds fast.

    N = sum_i relu(W_i . v + c - 2 c (1 - gate_i)) - c - 1 with c so large that relu i is on for image i alone, whatever
    the free pixels are: one net, a different slope for every image.  `seen` (n, d): their free pixels; the label is 0.
    """
    W, n = np.asarray(W, float), len(W)
    c = float(2 ** np.ceil(np.log2(4 + np.abs(W).sum(axis=1).max() + np.abs(b).max())))
    first = np.r_[W.T, 2 * c * np.eye(n)]
    net = MLP.from_arrays([(first, np.asarray(b) - c), (np.ones((n, 1)), [-c])])
    return net, np.c_[seen, np.eye(n)], np.arange(first.shape[0]) < W.shape[1]


@st.composite
def gated_cases(draw):
    """`(net, x, y, ball, m, G)`: the margins are  m_i + G_i . s  on the whole of the set, all of them <= 0 at s = 0."""
    rng, n, d = draw(generators), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    W, seen = rng.integers(-8, 9, (n, d)) / 4 + draw(st.sampled_from([0, 1])), rng.integers(0, 9, (n, d)) / 8
    m = -rng.integers(0, 17, n) / 8 * draw(st.sampled_from([0.25, 1.0]))
    net, x, mask = gated(W, m - np.sum(W * seen, axis=1), seen)
    mask[:d] &= rng.random(d) < 0.8
    assume(mask.any())
    norm = draw(st.sampled_from(["linf", "l1"]))
    ball = BALLS[norm](draw(st.sampled_from([0.125, 0.375, 1.0])), mask=mask)
    return net, x, np.zeros(n, int), ball, m, np.c_[W, np.zeros((n, n))]


def optimum(ball, x, m, G):
    """The best worst margin, and what two solvers may differ by.

    HiGHS meets every bound, row and reduced cost within 1e-7: d pixels off by that move a margin by |G|_1 1e-7, and d
    reduced costs earn 1e-7 each a unit of s, which is 2 at most.
    """
    down, up = (np.broadcast_to(end, x.shape) for end in ball.room(x))
    best = oracles.best_worst_margin(ball.norm, float(ball.radius), m, G, down, up)
    return best, 1e-7 * (1 + np.abs(G).sum(axis=1).max() + 2 * x.shape[1])


# ---------------------------------------------------------------- where s may be


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=20)
@given(st.data())
def test_s_is_in_its_ball_its_mask_and_the_box_of_its_convention(norm, convention, data):
    net, x, y, options = data.draw(curved_cases(images=st.integers(1, 4)))
    target, ball = options.pop("target", None), balls(data.draw, norm, options)
    method = data.draw(st.sampled_from(methods(norm)))
    s = universal(net, x, y, ball, method=method, convention=convention, steps=6, passes=2, target=target).s
    assert ball.distance(s) <= ball.radius + 4 * ULP * len(s)
    assert not s[~np.broadcast_to(True if ball.mask is None else ball.mask, s.shape)].any()
    lo, hi = (np.broadcast_to(end, x.shape) for end in ball.box)
    slack = 4 * ULP * max(1, np.abs(lo).max(), np.abs(hi).max())
    inside = (x + s >= lo - slack) & (x + s <= hi + slack)
    assert inside.all() if convention == "inside" else (inside | (s == 0) | (lo == hi)).any(axis=0).all()
    down, up = lo - x, hi - x  # with "clip", no further than some image can follow
    assert ((s >= down.min(axis=0) - slack) & (s <= up.max(axis=0) + slack)).all()


@pytest.mark.parametrize("ball", [LInf(1.0), L1(4.0), L2(2.0), L0(2)], ids=lambda b: b.norm)
def test_the_box_of_inside_is_the_intersection_and_of_clip_the_union(ball):
    x = np.array([[0.25, 0.5], [0.75, 0.0], [0.5, 0.25]])
    for convention, want in (("inside", [0.25, 0.5]), ("clip", [0.75, 1.0])):
        images = ImageSet.from_images(SUM, x, [0, 0, 0], ball, convention=convention)
        up = images.free.maximize(np.zeros(2), np.ones(2))
        assert up.tolist() == want
    images = ImageSet.from_images(SUM, x, [0, 0, 0], ball, convention="inside")
    assert images.free.maximize(np.zeros(2), -np.ones(2)).tolist() == [-0.25, 0.0]


# ---------------------------------------------------------------- the optimum, where it is known


@settings(max_examples=40)
@given(gated_cases())
def test_lp_is_the_best_worst_margin_and_no_method_beats_it(case):
    net, x, y, ball, m, G = case
    assert np.array_equal(margins(net, x, y), m)  # short binary fractions: exact
    best, off = optimum(ball, x, m, G)
    for method in METHODS:
        result = universal(net, x, y, ball, method=method, convention="inside", steps=4, passes=2)
        worst = margins(net, x + result.s, y).min()
        assert worst <= best + off
        if method == "lp":
            assert worst >= best - off
        if method in ("lp", "best") and best > off:
            assert result.reason == "all fooled"
        if best < -off:
            assert result.rate < 1


@settings(max_examples=40)
@given(affine_cases(images=st.integers(1, 4)), st.data())
def test_lp_on_affine_networks_of_two_classes_with_their_boxes_and_masks(case, data):
    net, x, y, options = case
    ball = balls(data.draw, data.draw(st.sampled_from(["linf", "l1"])), options)
    pairs = duels(net, x, y)
    m, G = np.array([m[0] for m, _ in pairs]), np.array([g[0] for _, g in pairs])
    best, off = optimum(ball, x, m, G)
    for method in METHODS:
        s = universal(net, x, y, ball, method=method, convention="inside", steps=2, passes=1).s
        worst = margins(net, x + s, y).min()
        assert worst <= best + off
        assert method != "lp" or worst >= best - off


def test_lp_asks_again_where_the_slope_has_changed():
    """Free pixel v from 0.  m_0 = -1/16 - v,  m_1 = -3/2 + 2 v - 1.5 relu(v - 1/8): they meet at v = 5/6, and at the
    first try, where m_1 is thought to be -3/2 + 2 v, at v = 23/48."""
    c = 8.0
    first = np.array([[-1.0, 2.0, 1.0], [2 * c, 0.0, 0.0], [0.0, 2 * c, 2 * c]])
    net = MLP.from_arrays([(first, [-0.0625 - c, -1.5 - c, -0.125 - 2 * c]), ([[1.0], [1.0], [-1.5]], [-c])])
    x, mask = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.array([True, False, False])
    result = universal(net, x, [0, 0], LInf(1.0, mask=mask), method="lp", convention="inside")
    assert result.s[0] == pytest.approx(5 / 6, abs=1e-6)  # HiGHS's feasibility, 1e-7, over a slope of 1.5
    assert margins(net, x + result.s, [0, 0]).min() == pytest.approx(-0.0625 - 5 / 6, abs=1e-6)


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=15)
@given(st.data())
def test_one_class_of_an_affine_network_is_fooled_exactly_where_one_s_can(norm, data):
    """All margins have the same slope w, so the s inside all boxes that moves w most is best for each of them."""
    net, x, y, options = data.draw(affine_cases(images=st.integers(1, 4)))
    one = np.flatnonzero(y == y[0])
    ball = balls(data.draw, norm, options).take(one, len(x))
    x, y = x[one], y[one]
    pairs = duels(net, x, y)
    down, up = ball.room(x)
    one = Row(norm, float(ball.radius), down.max(axis=0), up.min(axis=0))
    spare = oracles.support(one, pairs[0][1][0]) + min(m[0] for m, _ in pairs)
    assume(abs(spare) > 1e-6)  # HiGHS's feasibility
    for method in methods(norm):
        result = universal(net, x, y, ball, method=method, convention="inside", steps=2, passes=1)
        assert (result.rate == 1) == (spare > 0)
        assert (result.reason == "all fooled") == (spare > 0)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("ball", [L0(1), L1(0.75), L2(0.75), LInf(0.5)], ids=lambda b: b.norm)
def test_what_is_there_for_the_taking_is_taken_by_every_method(ball, convention):
    """Any s >= 0 of sum 0.5 or more fools all, and pixel 0 or both have the room."""
    x = np.array([[0.25, 0.375], [0.25, 0.4375], [0.3125, 0.25]])
    for method in methods(ball.norm):
        result = universal(SUM, x, [0, 0, 0], ball, method=method, convention=convention)
        assert (result.rate, result.reason) == (1.0, "all fooled")


# ---------------------------------------------------------------- mixed sets


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=12)
@given(st.data())
def test_no_s_inside_fools_both_classes_of_an_affine_network(norm, data):
    """N_0 + w . s > t >= N_0 and N_1 + w . s < t < N_1 ask for w . s > 0 and for w . s < 0."""
    net, x, _, options = data.draw(affine_cases(st.just(1), images=st.integers(2, 4)))
    N = net.logits(x)[:, 0]
    assume(N.min() < N.max())
    net = MLP.from_arrays([(net.dense[0].W, net.dense[0].b)], threshold=(N.min() + N.max()) / 2)
    y, ball = net.predict(x), balls(data.draw, norm, options)
    for method in methods(norm):
        result = universal(net, x, y, ball, method=method, convention="inside", mixed=True, steps=4, passes=2)
        assert result.rate < 1
        assert len(set(y[result.fooled])) < 2
        assert result.reason in ("steps spent", "no progress")


@pytest.mark.parametrize("ball", [L0(1), L1(0.5), L2(0.5), LInf(0.25)], ids=lambda b: b.norm)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_one_image_under_both_labels(convention, ball):
    x = np.array([[0.5, 0.5], [0.5, 0.5]])  # N = 0: both labels are open
    for method in methods(ball.norm):
        result = universal(SUM, x, [0, 1], ball, method=method, convention=convention, mixed=True, steps=4)
        assert result.rate in (0.0, 0.5)
    x = np.array([[0.375, 0.5], [0.5, 0.625]])
    result = universal(SUM, x, [0, 1], ball, convention=convention, mixed=True, steps=4)
    assert result.rate == 0.5  # one of them can be had


@pytest.mark.parametrize("norm", ["l0", "linf"])
@pytest.mark.parametrize("method", ["best", "iterative", "margin"])
def test_clipping_can_fool_both_classes(norm, method):
    """N = x0 + x1 + x2 - 1.75: pixel 0 can move in the first image alone, pixel 1 fall in the second alone."""
    net = MLP.from_arrays([(np.ones((3, 1)), [-1.75])])
    x = np.array([[0.5, 0.0, 1.0], [1.0, 1.0, 0.0]])
    box = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), np.array([[1.0, 0.25, 1.0], [1.0, 1.0, 1.0]])
    ball = L0(2, box) if norm == "l0" else LInf(1.0, box)
    result = universal(net, x, [0, 1], ball, method=method, mixed=True)
    assert result.history[:2] == (0.0, 1.0)  # the first s knows who can follow; the slopes themselves cancel
    assert result.s.tolist() == [0.5, -1.0, 0.0]
    assert universal(net, x, [0, 1], ball, method=method, convention="inside", mixed=True).rate < 1


# ---------------------------------------------------------------- three classes and more

THREE = MLP.from_arrays([([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0, -0.5, -0.5])])  # N = (0, x0 - 1/2, x1 - 1/2)
CORNER = np.array([[0.375, 0.125], [0.125, 0.375], [0.25, 0.25]])


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("ball", [L0(2), L1(0.75), L2(0.6), LInf(0.4375)], ids=lambda b: b.norm)
def test_three_classes_any_other_or_one_target(ball, convention):
    """Anything else: s0 > 3/8 alone does it for all.  Class 2: s1 > 3/8, and s0 - s1 < -1/4."""
    for method in methods(ball.norm):
        result = universal(THREE, CORNER, [0, 0, 0], ball, method=method, convention=convention)
        now = THREE.predict(result.apply(CORNER))
        assert np.array_equal(result.fooled, now != 0)
        if method == "best":
            assert result.rate == 1
        result = universal(THREE, CORNER, [0, 0, 0], ball, method=method, convention=convention, target=2)
        now = THREE.predict(result.apply(CORNER))
        assert np.array_equal(result.fooled, now == 2)
        if method == "best":
            assert result.rate == 1


# ---------------------------------------------------------------- pixel by pixel


@pytest.mark.parametrize("method", ["best", "margin"])
@settings(max_examples=25)
@given(st.data())
def test_the_path_of_pixels(method, data):
    net, x, y, options = data.draw(curved_cases(images=st.integers(1, 4)))
    target, ball = options.pop("target", None), balls(data.draw, "l0", options)
    convention = data.draw(st.sampled_from(CONVENTIONS))
    result = universal(net, x, y, ball, method=method, convention=convention, steps=2, target=target)
    assert len(result.path) <= ball.radius
    open_, before = result.tried, np.zeros(x.shape[1])
    rates = []
    for k, s in enumerate(result.path, start=1):
        assert np.count_nonzero(s) == k
        assert np.array_equal(s[before != 0], before[before != 0])  # painted pixels stay as they are
        moved = np.where(s == 0, x, np.clip(x + s, *ball.box))
        rates.append((margins(net, moved, y, target) > 0)[open_].mean())
        before = s
    where = len(result.history) - len(rates)
    places = [i for i in range(1, where + 1) if list(result.history[i : i + len(rates)]) == rates]
    targeted = net.sizes[-1] > 2 and target is None  # then the path may be one towards a class
    assert not rates or (2 if method == "margin" and not targeted else places[-1]) in places
    assert not rates or result.rate >= rates[-1]
    assert all(rate < 1 for rate in rates[:-1])  # no pixel more than it takes


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_of_the_most_promising_pixels_the_one_that_delivers_is_painted(convention):
    """N = 4 x0 - 4 relu(x0 - 1/16) + x1 - 1/2: pixel 0 is steep, for a sixteenth; pixel 1 alone crosses."""
    net = MLP.from_arrays([([[4.0, 1, 0], [0.0, 0, 1]], [1.0, -0.0625, 1]), ([[1.0], [-4.0], [1.0]], [-2.5])])
    result = universal(net, np.zeros((2, 2)), [0, 0], L0(1), method="margin", convention=convention)
    assert [s.tolist() for s in result.path] == [[0.0, 1.0]]
    assert result.history == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_painted_pixel_is_not_painted_again(convention):
    """N = x0 - 1.5 relu(x0 - 1/4) - 2: pixel 0 goes to 1, where the slope asks it back; the others have none."""
    net = MLP.from_arrays([([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]], [1.0, -0.25]), ([[1.0], [-1.5]], [-3.0])])
    result = universal(net, np.zeros((2, 3)), [0, 0], L0(2), method="margin", convention=convention)
    assert [s.tolist() for s in result.path] == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_no_pixel_is_painted_when_all_are_fooled(convention):
    net = MLP.from_arrays([(np.ones((4, 1)), [-0.75])])
    result = universal(net, np.zeros((2, 4)), [0, 0], L0(3), method="margin", convention=convention)
    assert [s.tolist() for s in result.path] == [[1.0, 0.0, 0.0, 0.0]]


def test_a_pixel_is_for_those_that_are_not_fooled_yet():
    """m_0 = -0.1 + 4 v0 + 2 v1,  m_1 = -0.6 + 0.4 v0 - v1 from the middle of the box: v0 up fools the first image for
    good; then v1 must fall, though the sum of the slopes says rise."""
    W, m, seen = np.array([[4.0, 2.0, 0.0], [0.4, -1.0, 0.0]]), np.array([-0.1, -0.6]), np.full((2, 3), 0.5)
    net, x, mask = gated(W, m - np.sum(W * seen, axis=1), seen)
    result = universal(net, x, [0, 0], L0(2, mask=mask), method="margin")
    assert [s[:2].tolist() for s in result.path] == [[0.5, 0.0], [0.5, -0.5]]
    assert result.history == (0.0, 0.5, 0.5, 1.0)


def test_the_path_may_end_below_the_result():
    """N = x0 / 2 + b(x1 + x2) - 1, b(u) = u up to 0.1, flat up to 1.5, then 4 (u - 1.5) more: the slopes choose pixels
    1 and 2, worth 2.1 together; alone each is worth 0.1, less than pixel 0."""
    first = np.array([[0.5, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0], [0.25, 0.0, 0.0, 0.0]])
    net = MLP.from_arrays([(first, [1.0, 1.0, -0.1, -1.5]), ([[1.0], [1.0], [-1.0], [4.0]], [-3.0])])
    result = universal(net, np.zeros((2, 4)), [0, 0], L0(2), method="margin")
    assert [s.tolist() for s in result.path] == [[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
    assert result.history == (0.0, 1.0, 0.0, 0.0)
    assert result.s.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert (result.rate, result.reason) == (1.0, "all fooled")


# ---------------------------------------------------------------- what the first step leaves


@pytest.mark.parametrize(
    ("W", "m"),
    [  # the count alone does it;  only the worst margin's run does: 1/64 above 0 is the best there is
        ([[1.0, -1.5, 2.0], [0.5, -1.0, 2.25], [-1.25, 2.5, 0.25]], [-0.25, -0.3125, -0.5]),
        ([[0.5, 1.25, 0.0], [-1.5, 0.75, -1.5], [-0.5, 2.0, 0.25]], [-0.3125, -0.5, -0.125]),
    ],
)
def test_the_ascent_mends_what_the_mean_gradient_leaves(W, m):
    W, m, seen = np.array(W), np.array(m), np.full((3, 3), 0.5)
    net, x, mask = gated(W, m - np.sum(W * seen, axis=1), seen)
    ball = LInf(0.25, mask=mask)
    best, off = optimum(ball, x, m, np.c_[W, np.zeros((3, 3))])
    assert best > off
    result = universal(net, x, [0, 0, 0], ball, method="margin", convention="inside")
    assert result.history[1] < 1
    assert (result.rate, result.reason) == (1.0, "all fooled")


def test_best_solves_the_program_where_the_others_do_not_reach_it():
    """The optimum is 1/144: s in a corner of the net's making, which the other methods circle."""
    W, m = np.array([[2.0, -0.25], [2.25, -0.5], [2.25, 2.0]]), np.array([-0.5, -0.375, -0.5])
    seen = np.full((3, 2), 0.5)
    net, x, mask = gated(W, m - np.sum(W * seen, axis=1), seen)
    rate = {
        method: universal(net, x, [0, 0, 0], LInf(0.25, mask=mask), method=method, convention="inside").rate
        for method in METHODS
    }
    assert rate["margin"] < 1
    assert rate["best"] == rate["lp"] == 1


def test_best_solves_programs_for_small_sets_alone(monkeypatch):
    solved = []
    monkeypatch.setattr(attacks.uap.attack, "PROGRAM_HELPS", 1)
    monkeypatch.setattr(attacks.uap.attack, "program", lambda *a: solved.append(a))
    x = np.array([[0.25, 0.25], [0.0, 0.0]])
    for few in (2, 1):
        universal(SUM, x[-few:], np.zeros(few), LInf(0.375), steps=2)
        assert len(solved) == 2 - few


def test_of_a_large_set_a_part_is_in_the_program(monkeypatch):
    """m_0 = -0.1 + v,  m_1 = -0.1 - v: for both v = 0 is best, for either alone an end."""
    W, m, seen = np.array([[1.0], [-1.0]]), np.array([-0.1, -0.1]), np.full((2, 1), 0.5)
    net, x, mask = gated(W, m - np.sum(W * seen, axis=1), seen)
    rates = []
    for part in (2, 1):
        monkeypatch.setattr(attacks.uap.linear_program, "PROGRAM_IMAGES", part)
        rates.append(universal(net, x, [0, 0], LInf(0.25, mask=mask), method="lp", convention="inside").rate)
    assert rates == [0, 0.5]


def test_the_ascent_starts_at_the_best_s_and_goes_half_way_at_first():
    """N = x0 + x1 - 1.75 from the best s seen, (1/4, 0), towards the corner (1/2, 1/2) of the ball."""
    net = MLP.from_arrays([(np.ones((2, 1)), [-1.75])])
    images = ImageSet.from_images(net, np.full((2, 2), 0.25), [0, 0], LInf(0.5))
    images.measure(np.array([0.25, 0.0]))
    ascend(images, 1, np.random.default_rng(0))
    assert images.best.tolist() == [0.375, 0.25]


def test_a_hopeless_image_does_not_cost_the_others():
    """m_0 = -1/5 + s0 - s1 / 2,  m_1 = -1/5 + s0 + s1 / 2,  m_2 = -16 - 2 s0: the mean gradient asks for s0 = -1/4."""
    W, m, seen = np.array([[1.0, -0.5], [1.0, 0.5], [-2.0, 0.0]]), np.array([-0.2, -0.2, -16.0]), np.full((3, 2), 0.5)
    net, x, mask = gated(W, m - np.sum(W * seen, axis=1), seen)
    for method in ("iterative", "best"):
        result = universal(net, x, [0, 0, 0], LInf(0.25, mask=mask), method=method, convention="inside")
        assert result.history[1] == 0
        assert result.fooled.tolist() == [True, True, False]


# ---------------------------------------------------------------- what the methods are made of


@pytest.mark.parametrize("norm", NORMS)
@given(st.data())
def test_a_visit_takes_the_smallest_step_across_the_linearised_boundary(norm, data):
    """And none at all for an image that is fooled; s lives in a ball so wide that it is not projected."""
    net, x, y, options = data.draw(affine_cases(st.just(1), images=st.just(1)))
    options["box"] = tuple(end if np.ndim(end) < 2 else end[0] for end in options["box"])
    ball = balls(data.draw, norm, options)
    s = data.draw(generators).choice([-0.5, 0.0, 0.0, 0.125, 0.5], x.shape[1])
    wide, now = BALLS[norm](8.0, (-2.0, 2.0)), ball.apply(x, s)
    margin, room = Margin.from_labels(net, x, y), ball.room(now)
    m, g = margin.value_and_gradient(now)
    after = visit(margin, x, s, ball, wide, 0.02)
    if m[0] > 0:
        assert after is s
        return
    need = oracles.smallest_radius(Row(norm, np.inf, room[0][0], room[1][0]), g[0], -m[0])
    need = float(ball.radius) if np.isinf(need) else need
    step = ball.with_radius(max(need, 1.0) if norm == "l0" else need * 1.02).maximize(now, g)[0]
    if m[0] == 0 and norm != "l0":  # on the boundary: a millionth of the radius
        step = ball.scaled(1.02e-6).maximize(now, g)[0]
    np.testing.assert_allclose(after, s + step, rtol=0, atol=1e-6)  # the oracle's own tolerance
    if np.array_equal(now, x + s) and oracles.reachable(Row(norm, np.inf, room[0][0], room[1][0]), g[0]) > -m[0]:
        assert margin.value(ball.apply(x, after))[0] >= -1e-12  # 0 where the whole room is what it takes


@given(curved_cases(images=st.integers(1, 3), activations=("tanh",)), generators)
def test_slopes_are_the_derivative_by_s(case, rng):
    """One-sided where a pixel is clipped: s moves, the image does not."""
    net, x, y, options = case
    images = ImageSet.from_images(net, x, y, LInf(1.0, options["box"]), options.get("target"))
    assume(len(images.open_rows))
    s = np.where(rng.random(x.shape[1]) < 0.3, 0, rng.integers(-7, 8, x.shape[1]) / 8 + 1 / 64)  # off the ends of boxes
    rows = rng.permutation(images.open_rows)
    m, g, by_s = images.slopes(s, rows)
    margin, h = images.problem.margin.take(rows), 1e-5
    assert np.array_equal(m, margin.value(images.points(s, rows)))
    assert np.array_equal(g, margin.value_and_gradient(images.points(s, rows))[1])
    lo, hi = (np.broadcast_to(end, x.shape)[rows] for end in images.problem.ball.box)
    for j in np.flatnonzero(s):
        step = h * (np.arange(len(s)) == j)
        change = (margin.value(images.points(s + step, rows)) - margin.value(images.points(s - step, rows))) / (2 * h)
        moves = (x[rows, j] + s[j] > lo[:, j]) & (x[rows, j] + s[j] < hi[:, j])
        assert np.array_equal(by_s[:, j], np.where(moves, g[:, j], 0))
        np.testing.assert_allclose(by_s[:, j], change, atol=1e-6)  # h^2 m''' / 6 and ulp / h, each below 1e-8 w^3
    still = s == 0
    assert np.array_equal(by_s[:, still], g[:, still])


def test_the_smooth_weight_is_the_logistic_function_and_does_not_overflow():
    m = np.array([-1e300, -3.0, -0.5, 0.0, 0.25, 40.0, 1e300])
    want = [1.0, 1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(-0.25)), 0.5, 1 / (1 + np.exp(0.125)), 1 / (1 + np.exp(20)), 0]
    np.testing.assert_allclose(smooth_weight(m, 2.0), want, rtol=1e-14, atol=ULP)
