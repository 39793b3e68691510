"""Exchanges of pixels: never more of them, still adversarial, and a case in which greedy alone is one pixel off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import networks_with_images

from attacks import saliency_map
from minigrad import MLP
from minigrad.margin import Margin

# m = 0.5 a + 0.3 b + 0.3 c + 0.2 d + relu(d - 0.5) - 1.05 on images in [0, 1].  From black, the gradient says
# a, b, c, and these three do it; that d earns 0.5 more shows only once it was tried.  {a, d} is the answer.
W1 = np.array([[0.5, 0.0], [0.3, 0.0], [0.3, 0.0], [0.2, 1.0]])
LURE = MLP.from_arrays([(W1, [1.0, -0.5]), ([[1.0], [1.0]], [-2.05])])


def test_an_exchange_finds_the_pair_that_greedy_passes_by():
    x = np.zeros((1, 4))
    greedy, better = (saliency_map(LURE, x, [0], exchanges=rounds) for rounds in (0, 8))
    assert greedy.success[0] and greedy.distance[0] == 3
    assert better.success[0] and better.distance[0] == 2
    assert better.x_adv.tolist() == [[1, 0, 0, 1]]
    assert better.trace.pixel.tolist() == [[0, 1, 2, 3]] and better.trace.kept.tolist() == [[True, False, False, True]]


@given(networks_with_images(), st.data())
def test_exchanges_never_cost_a_pixel_and_the_trace_still_tells_which(case, data):
    net, x = case
    y = net.predict(x)
    plain, better = (saliency_map(net, x, y, exchanges=rounds) for rounds in (0, data.draw(st.integers(1, 6))))
    assert np.array_equal(plain.success, better.success)
    assert (better.distance <= plain.distance).all()
    for i in np.flatnonzero(better.success):
        kept = better.trace.kept[i]
        rebuilt = x[i].astype(float)
        rebuilt[better.trace.pixel[i][kept]] = better.trace.value[i][kept]
        assert np.array_equal(rebuilt, better.x_adv[i])
        for pixel in np.flatnonzero(better.x_adv[i] != x[i]):  # and none of them can be put back
            without = better.x_adv[i].copy()
            without[pixel] = x[i, pixel]
            assert Margin.from_labels(net, without[None], y[i : i + 1]).value(without[None])[0] <= 0


@pytest.mark.parametrize(("logits", "passes"), [(1, 3), (3, 5)])
def test_an_image_whose_exchanges_do_not_pay_is_given_up(logits, passes):
    """Affine, all pixels alike: none can be spared.  One pass at the answer, one that does not pay, and the spare."""
    W = np.zeros((30, logits))
    W[:, -1] = 1.0
    b = np.full(logits, -4.5)
    if logits == 3:
        b = np.array([0.0, -90.0, -4.5])
    net = MLP.from_arrays([(W, b)])
    x = np.zeros((2, 30))
    without, with_rounds = (saliency_map(net, x, [0, 0], exchanges=rounds) for rounds in (0, 8))
    assert with_rounds.distance.tolist() == without.distance.tolist() == [5, 5]
    assert with_rounds.jacobians - without.jacobians == 2 * passes
