"""What hands do with a ball: numbers for arrays, pictures for rows, bytes for shares."""

import numpy as np
import pytest

from attacks import L0, L1, L2, LInf, fgsm, glasses_mask
from attacks.balls.base import check_images
from minigrad import MLP

RNG = np.random.default_rng(6)
NET = MLP.init([784, 4, 1], rng=0)
X = RNG.random((3, 784))
G = NET.jacobian(X)[:, 0]
BALLS = [L0(3), L1(0.5), L2(0.5), LInf(0.5)]


@pytest.mark.parametrize("ball", BALLS, ids=lambda ball: ball.norm)
def test_radius_for_takes_numbers_and_lists(ball):
    expected = [ball.radius_for(x[None], g[None], np.array([0.25]))[0] for x, g in zip(X, G, strict=True)]
    for gain in (0.25, [0.25] * 3, (0.25,) * 3, np.full(3, 0.25), np.float32(0.25), np.array(0.25)):
        assert ball.radius_for(X, G, gain).tolist() == expected
    assert ball.radius_for(X[:1], G[:1], [0.25]).tolist() == expected[:1]
    assert ball.radius_for(X[0], G[0], 0.25) == expected[0]
    assert ball.radius_for(X[:, None], G[:, None], [[0.25]] * 3).tolist() == [[r] for r in expected]
    assert ball.radius_for(X, G, [1, 0, 2]).tolist() == ball.radius_for(X, G, np.array([1.0, 0, 2])).tolist()


@pytest.mark.parametrize("ball", BALLS, ids=lambda ball: ball.norm)
@pytest.mark.parametrize(
    ("gain", "got"),
    [
        ([0.25] * 2, r"float64 \(2,\)$"), ([[0.25] * 3], r"float64 \(1, 3\)$"), ("much", r"<U4 \(\)$"),
        (None, r"object \(\)$"), ([], r"float64 \(0,\)$"), ([[1], [1, 2]], "got rows of different lengths$"),
    ],
)  # fmt: skip
def test_radius_for_refuses_other_gains(ball, gain, got):
    with pytest.raises(ValueError, match=rf"gain: expected .*{got}"):
        ball.radius_for(X, G, gain)
    with pytest.raises(ValueError, match=r"gain: expected a number, or one per image \(\), got float64 \(1,\)$"):
        ball.radius_for(X[0], G[0], [0.25])


MASKS = {  # the picture, and one that has a free pixel in each of its rows
    "glasses": glasses_mask(), "full": np.ones((28, 28), bool), "tall": np.ones((98, 8), bool),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("kind", [L1, L2, LInf])
def test_a_picture_is_no_mask_but_its_row_is(name, kind):
    mask, y = MASKS[name], NET.predict(X)
    with pytest.raises(ValueError, match=r"^mask: .*; a picture \(height, width\) is one row .*mask\.ravel\(\)$"):
        fgsm(NET, X, y, kind(0.1, mask=mask))
    s = fgsm(NET, X, y, kind(0.1, mask=mask.ravel())).x_adv - X
    assert (s[:, ~mask.ravel()] == 0).all() and s.any()


def test_a_mask_with_nothing_free_is_no_picture():
    for mask in (np.zeros((28, 28), bool), np.zeros(784, bool)):
        with pytest.raises(ValueError, match=r"at least one pixel free.*, got bool \(.*\) with 0 of 784 free$"):
            LInf(0.1, mask=mask)
    with pytest.raises(ValueError, match=r"mask: expected a shape that broadcasts to \(3, 784\), got \(5,\)$"):
        fgsm(NET, X, NET.predict(X), LInf(0.1, mask=np.ones(5, bool)))


ROUNDED, SCALED, RANGE = (
    r"\(np\.clip\(x, lo, hi\) mends what rounding did\)$",
    r"\(pixels of 0\.\.255 are divided by 255, and box=\(lo, hi\) says another range\)$",
    r"\(box=\(lo, hi\) says another range\)$",
)


@pytest.mark.parametrize(
    ("x", "box", "cure"),
    [
        (X + 1e-9, (0, X.max()), ROUNDED),
        (X.astype(np.float32) - np.float32(6e-8), (X.min().astype(np.float32), 1), ROUNDED),
        ((X - 0.1307) / 0.3081 - 1e-7, (np.full(784, -0.1307 / 0.3081 + X.min() / 0.3081), 3.0), ROUNDED),
        (255 * X, (0, 1), SCALED),
        (16 * X, (0, 1), SCALED),
        (X + 1, (0, 1), SCALED),
        (2 * X - 1, (0, 1), RANGE),
        (65535 * X, (0, 1), RANGE),
        (255 * X, (-1, 2), RANGE),
        (X - 1e-3, (0, 1), RANGE),
    ],
)
def test_the_cure_for_pixels_outside_the_box(x, box, cure):
    with pytest.raises(ValueError, match=rf"x: expected pixels inside the box .* in row \d, pixel \d+ {cure}"):
        check_images(LInf(0.1, box), x)
