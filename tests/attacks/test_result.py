"""An AttackResult is measured from x_adv, whatever the attack believed."""

import dataclasses
from functools import partial

import numpy as np
import oracles
import pytest
from ball_strategies import NORMS, row
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import generators, networks_with_images

from attacks import L0, L1, L2, LInf, Reason, fgsm, pgd, saliency_map, smallest_eps
from attacks.balls import BALLS
from attacks.images import blocks, to_8bit
from attacks.problem import Problem
from minigrad import MLP

RIGHT = MLP.from_arrays([([[1.0], [-1.0]], [0.0])])  # N = x0 - x1


@st.composite
def finished(draw, norms=NORMS):
    """`(net, x, y, ball, x_adv)`: any point of the ball handed over as somebody's best try."""
    net, x = draw(networks_with_images(logits=st.integers(1, 3)))
    rng = draw(generators)
    y = rng.integers(0, max(net.sizes[-1], 2), len(x))
    norm = draw(st.sampled_from(norms))
    ball = BALLS[norm](int(rng.integers(1, 4)) if norm == "l0" else rng.uniform(0, 1))
    return net, x, y, ball, ball.apply(x, ball.maximize(x, rng.normal(size=x.shape)))


def verdict(net, x, y):
    """Success by the definition: no tie, and the class is another one."""
    N = net.logits(x)
    if N.shape[1] == 1:
        return np.where(y == 0, N[:, 0] > net.threshold, N[:, 0] < net.threshold)
    own = N[np.arange(len(x)), y]
    return np.array([max(np.delete(N[i], y[i])) > own[i] for i in range(len(x))])


@given(finished())
def test_everything_is_measured_from_x_adv(case):
    net, x, y, ball, x_adv = case
    result = Problem.from_images(net, x, y, ball).finish(x_adv)
    wrong = verdict(net, x, y)
    kept = np.where(wrong[:, None], x, x_adv)
    assert np.array_equal(result.x, x)
    assert np.array_equal(result.x_adv, kept)
    assert np.array_equal(result.success, verdict(net, kept, y) & ~wrong)
    assert np.array_equal(result.margin > 0, verdict(net, kept, y))
    assert result.norm == ball.norm
    for i in range(len(x)):
        assert result.distance[i] == pytest.approx(oracles.size(ball.norm, kept[i] - x[i]), rel=1e-14)
        assert result.distance[i] <= row(ball, x, i).radius + 1e-14


@given(finished())
def test_already_misclassified_is_named_and_left_alone(case):
    net, x, y, ball, x_adv = case
    wrong = verdict(net, x, y)
    assume(wrong.any())
    result = Problem.from_images(net, x, y, ball).finish(x_adv, Reason.STEPS)
    assert np.array_equal(result.reason == "already misclassified", wrong)
    assert np.array_equal(result.x_adv[wrong], x[wrong])
    assert not result.distance[wrong].any()
    assert not result.success[wrong].any()
    assert not result.success_8bit[wrong].any()
    assert (result.reason[result.success] == "success").all()
    assert (result.reason[~result.success & ~wrong] == Reason.STEPS).all()


def test_rates_leave_out_what_was_misclassified():
    x = np.array([[0.5, 0.75], [0.25, 1.0], [0.75, 0.5]])  # the last is already a one
    result = Problem.from_images(RIGHT, x, [0, 0, 0], LInf(1)).finish(np.array([[1.0, 0.75], [0.25, 1.0], [0.0, 1.0]]))
    assert result.success.tolist() == [True, False, False]
    assert result.rate == 0.5
    assert result.mean_distance == 0.5
    none = Problem.from_images(RIGHT, x[2:], [0], LInf(1)).finish(x[2:])
    assert np.isnan(none.rate)
    assert np.isnan(none.mean_distance)


@pytest.mark.parametrize("ball", [LInf(0.25), L2(0.3), L1(0.4), L0(1)])
def test_a_tampered_x_adv_is_an_error_not_a_result(ball):
    x = np.array([[0.5, 0.75], [0.25, 0.75]])
    problem = Problem.from_images(RIGHT, x, [0, 0], ball)
    x_adv = x.copy()
    x_adv[1] += [0.26, -0.25]
    with pytest.raises(AssertionError, match=f"row 1 is outside its {ball.norm} ball"):
        problem.finish(x_adv)


def test_x_adv_outside_box_or_mask_is_an_error():
    x = np.array([[0.5, 0.75]])
    with pytest.raises(AssertionError, match="row 0 is outside"):
        Problem.from_images(RIGHT, x, [0], LInf(1)).finish(np.array([[0.5, 1 + 1e-14]]))
    masked = Problem.from_images(RIGHT, x, [0], LInf(1, mask=np.array([True, False])))
    with pytest.raises(AssertionError, match="row 0 is outside"):
        masked.finish(np.array([[0.5, np.nextafter(0.75, 1)]]))


def test_a_tie_is_no_success_and_not_misclassified():
    tie = np.array([[0.5, 0.5]])
    for net in (RIGHT, MLP.from_arrays([(np.eye(2), np.zeros(2))])):
        for y in (0, 1):
            result = Problem.from_images(net, tie, [y], LInf(1)).finish(tie)
            assert not result.success[0]
            assert result.reason[0] == "budget spent"
            assert result.margin[0] == 0


@given(finished())
def test_bytes_change_only_pixels_that_changed(case):
    """Success in bytes by the definition: untouched pixels bit for bit, others float32(round(255 v) / 255)."""
    net, x, y, ball, x_adv = case
    x = 0.95 * x + 0.01  # pixels that are no bytes: rounding them all would be another image
    x_adv = ball.apply(x, ball.maximize(x, x_adv - 0.5))
    result = Problem.from_images(net, x, y, ball).finish(x_adv)
    png = np.array(
        [
            [v if v == u else float(np.float32(round(255 * v) / 255)) for u, v in zip(*pair, strict=True)]
            for pair in zip(x, result.x_adv, strict=True)
        ]
    )
    assert np.array_equal(result.success_8bit, verdict(net, png, y) & ~verdict(net, x, y))


def test_8_bit_success_can_differ_from_success():
    x = np.array([[0.5, 0.75]])  # 0.7501 becomes 191 / 255 = 0.749: no longer above 0.75
    result = Problem.from_images(RIGHT, x, [0], LInf(1)).finish(np.array([[0.7501, 0.75]]))
    assert (result.success[0], result.success_8bit[0]) == (True, False)
    result = Problem.from_images(RIGHT, x, [0], LInf(1)).finish(np.array([[0.7499, 0.75]]))  # 191.2 rounds down
    assert (result.success[0], result.success_8bit[0]) == (False, False)
    other = Problem.from_images(RIGHT, np.array([[0.5, 0.7]]), [0], LInf(1))
    result = other.finish(np.array([[0.6999, 0.7]]))  # 178.47 down
    assert not result.success_8bit[0]
    result = other.finish(np.array([[0.69998, 0.6999]]))  # both 178
    assert (result.success[0], result.success_8bit[0]) == (True, False)


def test_an_untouched_pixel_is_not_rounded():
    x = np.array([[0.5, 0.7486]])  # 190.89 / 255: rounded too, it would tie with 191 / 255
    result = Problem.from_images(RIGHT, x, [0], LInf(1)).finish(np.array([[191 / 255, 0.7486]]))
    assert result.success_8bit[0]


def test_every_byte_survives_the_round_trip():
    pixels = (np.arange(256, dtype=np.float32) / 255).astype(np.float64)  # as the loader makes them
    assert np.array_equal(to_8bit(pixels), pixels)
    assert np.array_equal(to_8bit(pixels[:-1] + 0.49 / 255), pixels[:-1])
    assert np.array_equal(to_8bit(pixels[:-1] + 0.51 / 255), pixels[1:])


def test_a_result_is_frozen():
    result = Problem.from_images(RIGHT, np.array([[0.5, 0.75]]), [0], LInf(1)).finish(np.array([[0.5, 0.75]]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.success = np.array([True])


@pytest.mark.parametrize("n", [1, 95, 96, 97, 200])
def test_blocks_cover_every_row_once(n):
    cut = blocks(np.arange(n), 96)
    assert np.concatenate(cut).tolist() == list(range(n))
    assert max(map(len, cut)) <= 96


class Counting:
    """A model that counts the images it is shown."""

    def __init__(self, net):
        self.net, self.forwards, self.jacobians = net, 0, 0

    def logits(self, x):
        self.forwards += len(x)
        return self.net.logits(x)

    def jacobian(self, x):
        self.jacobians += len(x)
        return self.net.jacobian(x)


@pytest.mark.parametrize("k", [1, 3])
def test_counts_are_the_evaluations_the_model_saw(k):
    net = MLP.init([5, 4, k], rng=np.random.default_rng(3))
    x = np.random.default_rng(0).uniform(size=(4, 5))
    for attack, options in (
        (fgsm, [LInf(0.3)]),
        (pgd, [L2(0.5)]),
        (saliency_map, []),
        (partial(smallest_eps, norm="linf"), []),
    ):
        model = Counting(net)
        result = attack(model, x, net.predict(x), *options)
        assert model.jacobians == result.jacobians > 0
        probes = model.forwards - result.forwards  # one image: twice at the start, later for the number of logits
        assert 2 <= probes <= 3


# ---------------------------------------------------------------- bad input, the same for every attack

X, Y = np.full((2, 3), 0.5), [0, 1]
NET = MLP.from_arrays([(np.eye(3), np.zeros(3))])

ATTACKS = {
    "saliency_map": lambda net, x, y, box=(0, 1), mask=None, **o: saliency_map(net, x, y, box=box, mask=mask, **o),
    "papernot": lambda net, x, y, box=(0, 1), mask=None, **o: saliency_map(
        net, x, y, box=box, mask=mask, variant="papernot", **o
    ),
    "fgsm": lambda net, x, y, box=(0, 1), mask=None, **o: fgsm(net, x, y, LInf(0.1, box, mask), **o),
    "pgd": lambda net, x, y, box=(0, 1), mask=None, **o: pgd(net, x, y, L2(0.1, box, mask), **o),
    "smallest_eps": partial(smallest_eps, norm="linf"),
}

BAD = [
    ({"x": X[0]}, r"x: expected shape \(n, [3d]\), one image per row, got \(3,\)"),
    ({"x": np.full((2, 4), 0.5)}, r"x: expected shape \(n, 3\).*got \(2, 4\)"),
    ({"x": X[:0], "y": []}, r"x: expected at least one image and one pixel, got shape \(0, 3\)"),
    ({"x": np.ones((2, 3), np.uint8)}, "x: expected floating-point pixels, got uint8"),
    ({"x": np.where(np.eye(2, 3), np.nan, 0.5)}, "x: expected finite pixels, got nan in row 0, column 0"),
    ({"x": np.where(np.eye(2, 3), 0.5, np.inf)}, "x: expected finite pixels, got inf in row 0, column 1"),
    ({"x": X + np.array([[0, 0, 0], [0, 0, 0.75]])}, "x: expected pixels inside the box .*got 1.25 in row 1, pixel 2"),
    ({"x": X - 0.75}, "x: expected pixels inside the box .*got -0.25 in row 0, pixel 0"),
    ({"y": [0]}, r"y: expected 2 labels, one per image, got shape \(1,\)"),
    ({"y": [0, 3]}, r"y: expected whole numbers in 0..2, got \[3\]"),
    ({"y": [-1, 0]}, r"y: expected whole numbers in 0..2, got \[-1\]"),
    ({"y": [0.5, 1]}, r"y: expected whole numbers in 0..2, got \[0.5"),
    ({"target": [0, 2]}, "target: expected a class other than the label, got 0 for both in row 0"),
    ({"target": 1}, "target: expected a class other than the label, got 1 for both in row 1"),
    ({"target": 3}, r"target: expected whole numbers in 0..2, got \[3, 3\]"),
    ({"mask": np.zeros(3, bool)}, "mask: expected booleans with at least one pixel free.*0 of 3 free"),
    ({"mask": np.ones(3)}, "mask: expected booleans.*got float64"),
    ({"mask": np.ones(2, bool)}, r"mask: expected a shape that broadcasts to \(2, 3\), got \(2,\)"),
    ({"levels": (1, 0)}, "levels: expected"),
    ({"levels": (0.5, 1)}, "levels: expected a range that holds the box"),
    ({"box": (1, 0)}, "box: expected"),
    ({"box": (0, np.inf)}, "box: expected"),
    ({"box": (0.6, 1)}, "x: expected pixels inside the box .*got 0.5 in row 0, pixel 0"),
    ({"net": object()}, r"model with logits\(x\) and jacobian\(x\), got object without logits\(x\) and jacobian\(x\)"),
]


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize(("bad", "message"), BAD)
def test_bad_input_gets_one_sentence(name, bad, message):
    with pytest.raises(ValueError, match=message) as error:
        ATTACKS[name](**{"net": NET, "x": X, "y": Y, **bad})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: saliency_map(NET, X, Y, max_pixels=0), "max_pixels: expected at least 1, got 0"),
        (lambda: saliency_map(NET, X, Y, max_pixels=1.5), "max_pixels: expected a whole number, got 1.5"),
        (lambda: saliency_map(NET, X, Y, variant="jsma"), 'variant: expected "gain" or "papernot", got \'jsma\''),
        (lambda: smallest_eps(NET, X, Y, norm="l0"), 'norm: expected one of "l1", "l2", "linf" .*got \'l0\''),
        (lambda: smallest_eps(NET, X, Y, norm="max"), 'norm: expected one of "l1", "l2", "linf" .*got \'max\''),
        (lambda: smallest_eps(NET, X, Y, steps=0, norm="linf"), "steps: expected at least 1, got 0"),
        (lambda: fgsm(NET, X, Y, 0.1), "ball: expected one of L0, L1, L2, LInf, got float"),
        (lambda: fgsm(NET, X, Y, LInf([0.1, 0.2, 0.3])), r"radius: expected a shape that broadcasts to \(2,\)"),
        (lambda: pgd(NET, X, Y, LInf), "ball: expected one of L0, L1, L2, LInf, got type"),
        (lambda: pgd(NET, X, Y, LInf(0.1), steps=0), "steps: expected at least 1, got 0"),
        (lambda: pgd(NET, X, Y, LInf(0.1), restarts=0), "restarts: expected at least 1, got 0"),
        (lambda: pgd(NET, X, Y, LInf(0.1), step=0), r"step: expected a share of the radius in \(0, 1\], got 0"),
        (lambda: pgd(NET, X, Y, LInf(0.1), step=1.5), r"step: expected a share of the radius in \(0, 1\], got 1.5"),
        (lambda: pgd(NET, X, Y, LInf(0.1), step=np.nan), "step: expected a share of the radius"),
        (lambda: pgd(NET, X, Y, LInf(0.1), stop=1), "stop: expected True or False, got 1"),
        (lambda: pgd(NET, X, Y, LInf(0.1), objective="ce"), 'objective: expected "margin" or "loss", got \'ce\''),
        (lambda: fgsm(NET, X, Y, LInf(0.1), levels=(0.2, 1)), r"levels: expected a range that holds the box \[0, 1\]"),
    ],
)
def test_bad_options_get_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nothing_is_attacked_before_the_input_is_checked():
    model = Counting(NET)
    for attack in ATTACKS.values():
        with pytest.raises(ValueError, match="target"):
            attack(model, X, Y, target=1)
    assert model.jacobians == 0
