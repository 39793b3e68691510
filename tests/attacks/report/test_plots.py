"""The figures: one call for a result, proofs above what was found, and matplotlib only where something is drawn."""

import subprocess
import sys

import numpy as np
import pytest
from paths import ROOT

from attacks import L0, LInf, fgsm, saliency_map
from attacks.report.curves import proof_curve, rate_curves
from attacks.report.panels import SIGNED
from attacks.report.plots import attack_figure
from minigrad import MLP

NET = MLP.from_arrays([(np.array([[1.0], [-2.0], [1.0], [0.5], [0.0], [1.0]]), [-1.5])])  # images of 2 x 3
X = np.array([[0.25, 0.5, 0.25, 0.5, 0.5, 0.25], [0.0, 1.0, 0.0, 0.0, 0.5, 0.0]])


def shown(axes):
    (image,) = axes.images
    return np.asarray(image.get_array())


def test_one_call_shows_original_adversarial_and_difference():
    result = saliency_map(NET, X, [0, 0])
    for i, row in ((0, 0), (-1, 1), (np.int64(1), 1)):
        figure = attack_figure(result, i, shape=(2, 3))
        left, middle, right = figure.axes[:3]
        np.testing.assert_array_equal(shown(left), X[row].reshape(2, 3))
        np.testing.assert_array_equal(shown(middle), result.x_adv[row].reshape(2, 3))
        np.testing.assert_allclose(shown(right), (result.x_adv - X)[row].reshape(2, 3))
        assert left.get_title() == "original" and middle.get_title() == "adversarial"
        assert left.images[0].get_clim() == middle.images[0].get_clim() == (0, 1)
        assert right.images[0].cmap.name == SIGNED
        assert middle.get_xlabel() == f"l0 distance {result.distance[row]:.4g}"
        circles = middle.collections[0].get_offsets()  # (column, row) of each changed pixel
        changed = np.argwhere((result.x_adv != X)[row].reshape(2, 3))
        np.testing.assert_array_equal(circles, changed[:, ::-1])


def test_what_did_not_flip_says_why():
    result = fgsm(NET, X[:1], [0], LInf(0.001))
    assert attack_figure(result, shape=(2, 3)).axes[1].get_title() == f"not flipped: {result.reason[0]}"
    misread = fgsm(NET, X[:1], [1], L0(1))  # x_adv = x: nothing is circled, and nothing is divided by 0
    figure = attack_figure(misread, shape=(2, 3))
    assert not figure.axes[1].collections and figure.axes[2].get_title() == "difference, on its own scale"


@pytest.mark.parametrize("i", [2, -3, 0.0, True, "0", None])
def test_an_image_that_is_not_there(i):
    with pytest.raises(ValueError, match=r"i: expected an image of the result, 0\.\.1, got "):
        attack_figure(saliency_map(NET, X, [0, 0]), i, shape=(2, 3))


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="expected square images"):
        attack_figure(saliency_map(NET, X, [0, 0]))


def test_the_proofs_picture_bounds_what_was_found(written):
    curve = proof_curve(written.results)
    assert (curve.bound >= curve.found).all() and (np.diff(curve.found) >= 0).all()
    assert (curve.found[curve.eps < curve.lower] < 0).all() and curve.found[curve.eps > curve.upper].max() > 0
    assert curve.lower <= curve.upper


@pytest.mark.parametrize("norm", ["linf", "l0"])
def test_no_rate_found_on_the_few_is_above_what_is_proved_of_them(written, norm):
    curves = rate_curves(written.results, norm)
    assert (np.diff(curves.most) >= 0).all()
    (name,) = set(curves.rates) - {"all unseen images"}
    for radius, rate in zip(*curves.rates[name], strict=True):
        assert rate <= curves.most[np.searchsorted(curves.radius, radius)]


def test_the_report_loads_matplotlib_only_to_draw():
    code = "import sys, attacks.report, attacks.report.cli; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
