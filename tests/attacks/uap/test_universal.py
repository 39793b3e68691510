"""One s for all: inside its ball, the best one seen, and measured from s itself."""

import numpy as np
import pytest
from ball_strategies import NORMS, affine_cases, curved_cases
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import NETS

import attacks.uap.attack
import attacks.uap.methods
from attacks import L0, L1, L2, LInf, fgsm, pgd, universal
from attacks.balls import BALLS
from attacks.result import Reason
from attacks.uap.attack import METHODS
from data import load_mnist
from minigrad import MLP

SUM = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N = x0 + x1 - 1
LOW = np.array([[0.25, 0.25], [0.375, 0.375], [0.125, 0.75], [0.75, 0.75]])  # three noughts and a one


def methods(norm):
    """The methods that take a ball of this norm."""
    return [method for method in METHODS if method != "lp" or norm in ("l1", "linf")]


def shared(options):
    """One mask for all images, as `universal` wants it."""
    mask = options["mask"]
    return {**options, "mask": mask if mask is None or mask.ndim == 1 else mask[0]}


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=20)
@given(st.data())
def test_s_is_in_the_ball_and_every_number_follows_from_it(norm, data):
    net, x, y, options = data.draw(curved_cases())
    target = options.pop("target", None)
    options = shared(options)
    ball = BALLS[norm](2 if norm == "l0" else data.draw(st.sampled_from([0.0, 0.25, 1.0])), **options)
    method, convention = data.draw(st.sampled_from(methods(norm))), data.draw(st.sampled_from(["clip", "inside"]))
    result = universal(net, x, y, ball, method=method, convention=convention, steps=8, passes=2, target=target)
    assert ball.distance(result.s) <= ball.radius + 1e-12
    assert result.radius == ball.distance(result.s)
    assert not result.s[~np.broadcast_to(True if ball.mask is None else ball.mask, result.s.shape)].any()
    moved = np.where(result.s == 0, x, np.clip(x + result.s, *ball.box))
    assert np.array_equal(result.apply(x), moved)
    fooled = fgsm(net, moved, y, LInf(0.0, ball.box), target=target).reason == "already misclassified"
    tried = fgsm(net, x, y, LInf(0.0, ball.box), target=target).reason != "already misclassified"
    assert np.array_equal(result.tried, tried)
    assert np.array_equal(result.fooled, fooled & tried)
    assert not tried.any() or result.rate == max(result.history) == (fooled & tried).sum() / tried.sum()
    assert not tried.any() or result.history[0] == 0
    assert (result.reason == "all fooled") == (tried.any() and (fooled | ~tried).all())


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=20)
@given(st.data())
def test_one_image_of_an_affine_net_is_fooled_exactly_where_some_s_of_the_ball_fools_it(norm, data):
    net, x, y, options = data.draw(affine_cases(images=st.just(1)))
    ball = BALLS[norm](1 if norm == "l0" else data.draw(st.sampled_from([0.0625, 0.375, 1.0])), **shared(options))
    method, convention = data.draw(st.sampled_from(METHODS[:3])), data.draw(st.sampled_from(["clip", "inside"]))
    result = universal(net, x, y, ball, method=method, convention=convention, steps=4)
    assert result.fooled[0] == fgsm(net, x, y, ball).success[0]  # exact on an affine network


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=15)
@given(st.data())
def test_one_image_is_fooled_wherever_pgd_fools_it(norm, data):
    net, x, y, options = data.draw(curved_cases(images=st.just(1), activations=("relu", "tanh")))
    target, options = options.pop("target", None), shared(options)
    ball = BALLS[norm](1 if norm == "l0" else data.draw(st.sampled_from([0.25, 0.5])), **options)
    convention = data.draw(st.sampled_from(["clip", "inside"]))
    result = universal(net, x, y, ball, convention=convention, steps=1, target=target)
    assert result.fooled[0] >= pgd(net, x, y, ball, target=target).success[0]


HARD = [  # nothing but pgd fools them
    (
        L0(2),
        (
            [[0.5, 0.25, -2.0, 1.25], [0.5, -1.5, 1.0, 0.0], [-0.5, -0.25, -2.0, -1.25]],
            [0.40625, 0.15625, 0.53125, 0.03125],
        ),
        ([[1.5], [1.0], [0.25], [-0.75]], [-1.421875]),
        [[0.75, 1.0, 1.0]],
    ),
    (
        L1(0.8),
        (
            [[-0.5, 1.5, 0.25, 1.75], [-0.5, 0.75, 1.25, 0.5], [1.25, 1.5, -0.25, 1.5]],
            [0.40625, -0.59375, -0.34375, 0.28125],
        ),
        ([[-0.75], [1.75], [-0.5], [-1.75]], [0.9453125]),
        [[0.25, 0.5, 0.25]],
    ),
    (
        L2(0.6),
        (
            [[-1.25, -0.5, 1.0, 0.5], [0.5, -1.75, -0.75, -1.5], [-1.0, 0.75, 0.0, 1.5]],
            [0.15625, -0.21875, 0.15625, -0.96875],
        ),
        ([[1.25], [2.0], [-1.25], [0.5]], [0.0078125]),
        [[0.75, 0.25, 1.0]],
    ),
]


@pytest.mark.parametrize(("ball", "first", "last", "x"), HARD, ids=lambda v: getattr(v, "norm", ""))
def test_one_image_is_given_to_pgd(ball, first, last, x):
    net, x = MLP.from_arrays([first, last]), np.array(x)
    assert pgd(net, x, [0], ball).success[0]
    assert universal(net, x, [0], ball, method="margin").rate == 0
    result = universal(net, x, [0], ball)
    assert (result.rate, result.reason, len(result.history)) == (1.0, "all fooled", 2 + len(result.path))


def test_pgd_is_given_the_target(monkeypatch):
    targets = []

    def watched(*given, target):
        targets.append(target)
        return pgd(*given, target=target)

    monkeypatch.setattr(attacks.uap.attack, "pgd", watched)
    net = MLP.from_arrays([([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0, -0.5, -0.5])])  # N = (0, x0 - 1/2, x1 - 1/2)
    for target in (1, 2):
        result = universal(net, LOW[:1], [0], LInf(0.375), target=target)
        assert (result.rate, targets.pop().tolist()) == (1.0, [target])
    universal(net, LOW[:1], [0], LInf(0.375))
    assert targets == [None]


@pytest.mark.parametrize("ball", [L0(1), L1(0.75), L2(0.55), LInf(0.4)])
def test_affine_sets_that_one_s_can_fool_are_fooled(ball):
    """Each of the three has room, and 0.5 in all is missing at most."""
    result = universal(SUM, LOW, [0, 0, 0, 0], ball)
    assert result.fooled.tolist() == [True, True, True, False]
    assert result.tried.tolist() == [True, True, True, False]
    assert (result.rate, result.reason) == (1.0, "all fooled")


@pytest.mark.parametrize("ball", [L0(1), L1(0.5), L2(0.5), LInf(0.25)])
def test_images_on_the_boundary_are_pushed_over_it(ball):
    """At the start the mean gradient is 0 (one image of each class), and both margins are 0."""
    net = MLP.from_arrays([([[1.0]], [-0.5]), ([[1.0]], [0.0])])  # N = relu(x - 0.5)
    edge = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    result = universal(edge, np.array([[0.5, 0.5], [0.5, 0.5]]), [0, 1], ball)
    assert result.rate == 0.5  # one s cannot do both
    alone = universal(edge, np.array([[0.5, 0.5], [0.5, 0.5]]), [0, 1], ball, method="iterative")
    assert alone.rate == 0.5
    flat = universal(net, np.array([[0.5]]), [0], ball, method="iterative")  # where nothing has a slope, nothing moves
    assert flat.reason == "no progress"


def test_a_pass_mends_what_the_mean_gradient_leaves():
    """N = relu(4 x0 - 3.25) + relu(x1 - 0.25) - 0.5: the first image needs s0 > 0.0625, the second s1 > 0.25.

    The mean gradient (2, 0.5) gives s = (0.485, 0.121): enough for the first alone, though one s does both.
    """
    net = MLP.from_arrays([(np.diag([4.0, 1]), [-3.25, -0.25]), ([[1.0], [1.0]], [-0.5])])
    x = np.array([[0.875, 0.0], [0.0, 0.5]])
    result = universal(net, x, [0, 0], L2(0.5), method="iterative", overshoot=1.0)
    assert result.history == (0.0, 0.5, 1.0)
    assert result.reason == "all fooled"


def test_the_first_s_is_the_best_answer_to_the_mean_gradient():
    """N = relu(4 x0 - 3.25) + relu(4 x1 - 1.75) - 0.5: each image sees one pixel, the mean sees both."""
    net = MLP.from_arrays([(np.diag([4.0, 4]), [-3.25, -1.75]), ([[1.0], [1.0]], [-0.5])])
    result = universal(net, np.array([[0.875, 0.0], [0.0, 0.5]]), [0, 0], L2(0.5))
    assert result.history == (0.0, 1.0)
    np.testing.assert_allclose(result.s, [0.125**0.5] * 2, rtol=1e-14)


def test_each_image_moves_in_its_own_box():
    """N = relu(4 x0 - 3.25) + relu(x1 - 0.125) - 0.5: the second image needs pixel 1, which the first holds fast."""
    net = MLP.from_arrays([(np.diag([4.0, 1]), [-3.25, -0.125]), ([[1.0], [1.0]], [-0.5])])
    x, hi = np.array([[0.875, 0.0], [0.0, 0.375]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    result = universal(net, x, [0, 0], L1(0.5, (0.0, hi)), method="iterative", overshoot=1.5)
    assert result.history == (0.0, 0.5, 1.0)


# ---------------------------------------------------------------- which s is returned


def passes(monkeypatch, *moves):
    """Replace the visits: the k-th visit sets s to the k-th of `moves`."""
    left = list(moves)
    monkeypatch.setattr(attacks.uap.methods, "visit", lambda *a: np.asarray(left.pop(0)))


def idle(monkeypatch):
    """The first s, the answer to the mean gradient, is 0 and fools nobody."""
    monkeypatch.setattr(LInf, "maximize_jointly", lambda self, x, A: (np.zeros(A.shape[1]), np.zeros(A.shape[1])))


ONE = np.array([[0.25, 0.25], [0.0, 0.0]])  # 0.5 and 1 are missing


def test_an_s_outside_its_ball_is_an_error_not_a_result(monkeypatch):
    passes(monkeypatch, [0.3125, 0.3125], [0.3125, 0.3125])
    with pytest.raises(AssertionError, match="s is outside its linf ball"):
        universal(SUM, ONE, [0, 0], LInf(0.125), method="iterative", passes=1)


def test_the_best_s_seen_is_returned_not_the_last(monkeypatch):
    good, bad = [0.3125, 0.3125], [-0.125, 0.0]
    passes(monkeypatch, good, good, bad, bad)
    idle(monkeypatch)
    result = universal(SUM, ONE, [0, 0], LInf(0.3125), method="iterative", passes=2)
    assert result.history == (0.0, 0.0, 0.5, 0.0)
    assert result.s.tolist() == good
    assert (result.rate, result.reason) == (0.5, "steps spent")
    assert result.fooled.tolist() == [True, False]


def test_of_two_equal_rates_the_first_s_stays(monkeypatch):
    passes(monkeypatch, [0.25, 0.5], [0.25, 0.5], [0.5, 0.25], [0.5, 0.25])
    idle(monkeypatch)
    assert universal(SUM, ONE, [0, 0], LInf(0.5), method="iterative", passes=2).s.tolist() == [0.25, 0.5]


def test_of_two_equal_rates_the_larger_worst_margin_wins(monkeypatch):
    passes(monkeypatch, [0.25, 0.375], [0.25, 0.375], [0.5, 0.25], [0.5, 0.25], [0.25, 0.375], [0.25, 0.375])
    idle(monkeypatch)
    result = universal(SUM, ONE, [0, 0], LInf(0.5), method="iterative", passes=3)
    assert result.history == (0.0, 0.0, 0.5, 0.5, 0.5)
    assert result.s.tolist() == [0.5, 0.25]


def test_a_better_rate_wins_over_a_larger_worst_margin(monkeypatch):
    """N = x0 - x1: the first s leaves the images at -0.125 both, the second at -0.5 and 0.25."""
    net, x = MLP.from_arrays([([[1.0], [-1.0]], [0.0])]), np.array([[0.0, 0.25], [0.0, 0.25]])
    hi = np.array([[1.0, 1.0], [0.0, 1.0]])
    passes(monkeypatch, [0.0, -0.125], [0.0, -0.125], [0.75, 0.25], [0.75, 0.25])
    idle(monkeypatch)
    result = universal(net, x, [0, 0], LInf(0.75, (0.0, hi)), method="iterative", passes=2)
    assert result.history == (0.0, 0.0, 0.0, 0.5)
    assert result.s.tolist() == [0.75, 0.25]


def test_an_image_misclassified_already_does_not_count(monkeypatch):
    passes(monkeypatch, [0.25, 0.5], [0.25, 0.5])  # a third visit would find the list empty
    idle(monkeypatch)
    result = universal(SUM, np.array([*ONE, [0.75, 0.75]]), [0, 0, 0], LInf(0.5), method="iterative", passes=1)
    assert result.rate == 0.5


def test_success_in_the_last_pass_is_reported(monkeypatch):
    passes(monkeypatch, [0.5, 0.5], [0.5, 0.5625])
    idle(monkeypatch)
    result = universal(SUM, ONE, [0, 0], LInf(0.5625), method="iterative", passes=1)
    assert result.history == (0.0, 0.0, 1.0)
    assert (result.rate, result.reason) == (1.0, "all fooled")


def test_a_pass_that_changes_nothing_says_so():
    dead = MLP.from_arrays([(np.zeros((2, 1)), [-1.0])])
    result = universal(dead, ONE, [0, 0], LInf(0.5), method="iterative")
    assert (result.rate, result.reason) == (0.0, "no progress")
    assert not result.s.any()


def test_impossible_sets_end_with_their_passes_or_without_progress():
    result = universal(SUM, ONE, [0, 0], LInf(0.125), method="iterative", passes=2)
    assert result.rate == 0
    assert result.reason in ("steps spent", "no progress")
    assert universal(SUM, ONE, [0, 0], LInf(0.125), steps=4).reason == "steps spent"


@pytest.mark.parametrize("method", METHODS)
def test_a_set_that_is_misclassified_already_is_named(method):
    result = universal(SUM, LOW[3:], [0], LInf(0.5), method=method)
    assert result.reason == "already misclassified"
    assert np.isnan(result.rate)
    assert np.isnan(result.rate_8bit)
    assert not result.fooled.any()
    assert not result.tried.any()
    assert not result.s.any()


def test_what_is_printed_cannot_be_misread():
    result = universal(SUM, LOW, [0, 0, 0, 0], LInf(0.25))
    assert repr(result) == "UniversalResult(linf: 2 of 3 fooled, 1 misclassified already, |s| = 0.25, steps spent)"
    assert result.reason is Reason.STEPS
    result = universal(SUM, LOW[:3], [0, 0, 0], L0(1))
    assert repr(result) == "UniversalResult(l0: 3 of 3 fooled, |s| = 1, all fooled)"


def test_bytes_are_measured_apart():
    x = np.array([[0.25, 0.25]])
    result = universal(SUM, x, [0], LInf(0.2501))  # 0.5001 -> 128 / 255 = 0.50196: still a one
    assert (result.fooled[0], result.fooled_8bit[0]) == (True, True)
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.03])])
    result = universal(net, x, [0], LInf(0.2651))  # 0.5151 each -> 131 / 255 = 0.5137: 1.0275 is not above 1.03
    assert (result.fooled[0], result.fooled_8bit[0]) == (True, False)
    assert (result.rate, result.rate_8bit) == (1.0, 0.0)


def test_an_untouched_pixel_is_not_rounded():
    net = MLP.from_arrays([([[1.0], [-1.0]], [0.0])])
    x = np.array([[0.5, 0.7486]])  # 190.89 / 255: rounded too, it would tie with 191 / 255
    result = universal(net, x, [0], LInf(191 / 255 - 0.5, mask=np.array([True, False])))
    assert result.fooled_8bit[0]


# ---------------------------------------------------------------- other images


def test_on_measures_the_same_s_elsewhere():
    result = universal(SUM, LOW[:3], [0, 0, 0], LInf(0.3))
    other = np.array([[0.0, 0.125], [0.375, 0.125], [0.75, 0.75]])
    held = result.on(SUM, other, [0, 0, 0])
    assert held.s is result.s
    assert held.tried.tolist() == [True, True, False]
    assert held.fooled.tolist() == [False, True, False]
    assert held.rate == 0.5
    assert result.rate == 1.0


def test_on_checks_its_input():
    result = universal(SUM, LOW[:3], [0, 0, 0], LInf(0.3))
    with pytest.raises(ValueError, match="y: expected 1 labels"):
        result.on(SUM, LOW[:1], [0, 0])
    with pytest.raises(ValueError, match="x: expected floating-point pixels"):
        result.on(SUM, [[0, 1]], [0])


def test_one_s_flips_most_unseen_fours(reference, mnist49):
    x_train, y_train, x_test, y_test = mnist49
    four, unseen = x_train[y_train == 0][:500], x_test[y_test == 0][:200]
    result = universal(reference, four, np.zeros(500), LInf(0.15), rng=0)
    held = result.on(reference, unseen, np.zeros(200))
    assert result.rate > 0.9
    assert held.rate > 0.9
    assert np.abs(result.s).max() <= 0.15


@pytest.mark.parametrize("convention", ["clip", "inside"])
@pytest.mark.parametrize(
    ("method", "ball"),
    [(m, b) for b in (L2(0.4), L0(2), LInf(0.1), L1(0.5)) for m in methods(b.norm)],
    ids=lambda v: getattr(v, "norm", v),
)
def test_same_seed_same_bytes(method, ball, convention):
    rng = np.random.default_rng(0)
    net = MLP.init([6, 5, 1], rng=rng)
    x = rng.uniform(size=(20, 6))
    y = net.predict(x)
    a, b = (universal(net, x, y, ball, method=method, convention=convention, steps=8, rng=7) for _ in range(2))
    assert a.s.tobytes() == b.s.tobytes()
    assert a.history == b.history
    assert [s.tobytes() for s in a.path] == [s.tobytes() for s in b.path]


def test_the_rate_with_passes_is_never_below_the_start():
    rng = np.random.default_rng(1)
    net = MLP.init([6, 8, 3], rng=rng)
    x = rng.uniform(size=(30, 6))
    y = net.predict(x)
    for norm, radius in (("l0", 2), ("l1", 0.8), ("l2", 0.5), ("linf", 0.3)):
        result = universal(net, x, y, BALLS[norm](radius), method="iterative", passes=4)
        assert result.rate >= result.history[1] >= 0
        assert result.rate > 0


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": LOW[:0], "y": []}, "x: expected at least one image"),
        ({"x": LOW.astype(int)}, "x: expected floating-point pixels, got int64"),
        ({"x": LOW + np.nan}, "x: expected finite pixels, got nan"),
        ({"x": LOW + 1}, "x: expected pixels inside the box .*got 1.25 in row 0, pixel 0"),
        ({"x": LOW[:, :1]}, r"x: expected shape \(n, 2\).*got \(4, 1\)"),
        ({"y": [0, 0, 0, 2]}, r"y: expected whole numbers in 0..1, got \[2\]"),
        ({"target": 0}, "target: expected a class other than the label"),
        ({"ball": 0.1}, "ball: expected one of L0, L1, L2, LInf, got float"),
        ({"ball": LInf(np.full(4, 0.1))}, r"ball: one s for all images needs one radius and one mask, got shapes"),
        ({"ball": LInf(0.1, mask=np.ones((4, 2), bool))}, r"ball: one s .* got shapes .*\(4, 2\)"),
        ({"ball": LInf(0.1, mask=np.ones(3, bool))}, r"mask: expected a shape that broadcasts to \(4, 2\), got \(3,\)"),
        ({"method": "svd"}, "method: expected one of best, iterative, margin, lp, got 'svd'"),
        ({"convention": "both"}, 'convention: expected "clip" or "inside", got \'both\''),
        ({"method": "lp", "ball": L2(0.1)}, 'method: "lp" is for Linf and L1, got a ball of norm l2'),
        ({"method": "lp", "ball": L0(1)}, 'method: "lp" is for Linf and L1, got a ball of norm l0'),
        ({"mixed": True}, "y: expected images of at least two classes in a mixed set, got only class 0"),
        ({"steps": 0}, "steps: expected at least 1, got 0"),
        ({"passes": 0}, "passes: expected at least 1, got 0"),
        ({"passes": 2.0}, "passes: expected a whole number, got 2.0"),
        ({"overshoot": -0.1}, "overshoot: expected a number >= 0, got -0.1"),
        ({"overshoot": np.nan}, "overshoot: expected a number >= 0, got nan"),
        ({"net": object()}, "expected a model with logits"),
    ],
)
def test_bad_input_gets_one_sentence(change, message):
    arguments = {"net": SUM, "x": LOW, "y": [0, 0, 0, 0], "ball": LInf(0.1), **change}
    with pytest.raises(ValueError, match=message) as error:
        universal(**arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ball", [LInf(0.15), L0(6)])
def test_what_fools_by_moving_all_to_one_class_is_not_missed(ball):
    """Ten digits, each to become anything else: as good as the best of all to become a 3."""
    net = MLP.load(NETS / "784-32-10.npz")
    x, y, _, _ = load_mnist()
    x, y = x[:200].astype(float), y[:200]
    right = net.predict(x) == y
    x, y = x[right], y[right]
    others = y != 3
    towards = universal(net, x[others], y[others], ball, target=3, method="margin")
    anything = universal(net, x, y, ball)
    assert anything.fooled.sum() >= towards.fooled.sum() > 0.2 * len(x)
    assert anything.fooled.sum() == (net.predict(anything.apply(x)) != y)[anything.tried].sum()


def test_other_images_have_the_size_of_s():
    s = universal(SUM, LOW, [0, 0, 0, 0], LInf(0.1))
    with pytest.raises(ValueError, match=r"x: expected shape \(n, 2\), one image per row, got \(4, 3\)"):
        s.on(SUM, np.ones((4, 3)), [0, 0, 0, 0])


@pytest.mark.parametrize("kind", [LInf, L2, L1, L0])
def test_one_open_image_among_others_is_attacked_inside_all_of_their_boxes(kind):
    """0.25 is a nought, 0.875 is misclassified: s may move by 0.125 at most, or 0.875 would leave the box."""
    net = MLP.from_arrays([([[1.0]], [-0.5])])
    result = universal(net, np.array([[0.25], [0.875]]), [0, 0], kind(1), convention="inside")
    assert 0 < result.s[0] <= 0.125 and not result.success.any()


@pytest.mark.parametrize("low", [100.0, 1e6])
def test_one_image_far_from_0_has_an_s_inside_its_ball(low):
    """x_adv - x rounds by an ulp of x, which is more than the ball about s = 0 allows."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        net = MLP.from_arrays([(rng.normal(size=(6, 1)), [0.0])])
        x = low + rng.random((1, 6))
        y = net.predict(x)
        result = universal(net, x, y, L2(0.3, box=(low, low + 1)))
        assert result.radius <= 0.3 * (1 + 1e-12)
