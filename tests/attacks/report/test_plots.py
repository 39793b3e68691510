"""The figures: one call for a result, proofs above what was found, and matplotlib only where something is drawn."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.text import Text
from paths import ROOT

from attacks import L0, LInf, fgsm, saliency_map
from attacks.report import figures, panels, picture_plots, plots
from attacks.report.curves import proof_curve, rate_curves
from attacks.report.panels import SIGNED, TYPE
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


@pytest.fixture
def drawn(written, monkeypatch):
    """`file name -> figure` of the report, laid out."""
    found = {}
    for module in (plots, picture_plots):
        monkeypatch.setattr(module, "png", lambda figure: found.setdefault("last", figure) and b"")
    made = {}
    for name, job in figures.jobs(written.results):
        job()
        made[name] = found.pop("last")
        made[name].draw_without_rendering()
    return made


def test_type_is_large_and_no_legend_hides_a_line(drawn):
    """`TYPE` points or more, which test_page_shown.py measures on the page; legends stand outside the axes."""
    for name, figure in drawn.items():
        words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
        assert words and min(text.get_fontsize() for text in words) >= TYPE, name
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes), name
        assert not any(axes.get_legend() for axes in figure.axes), name


def test_what_is_written_stays_in_the_figure(drawn):
    """Ticks aside, of which matplotlib draws those in sight."""
    for name, figure in drawn.items():
        ticks = [tick for axes in figure.axes for tick in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        for text in set(figure.findobj(Text)) - set(ticks):
            if text.get_visible() and text.get_text().strip():
                box = text.get_window_extent()
                assert -1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, (name, text.get_text())
                assert -1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, (name, text.get_text())


def test_epochs_and_pixels_are_whole_numbers(drawn):
    for name in ("training.png", "pixels_histogram.png", "margin_by_pixels.png", "universal_pixels.png"):
        for axes in drawn[name].axes:
            ticks = axes.get_xticks()
            assert (ticks == np.round(ticks)).all(), name


def test_no_picture_is_shown_twice(written, monkeypatch):
    seen = []
    for name, images in (("picture", lambda v: v[None]), ("signed", lambda v: v[None]), ("strip", None)):
        real = getattr(panels, name)

        def record(axes, *given, real=real, images=images, **options):
            seen.extend(np.round(given[1], 9) if images is None else np.round(images(given[0]), 9))
            return real(axes, *given, **options)

        monkeypatch.setattr(panels, name, record)
    for _, job in figures.jobs(written.results):
        job()
    assert len(seen) > 60 and len({v.tobytes() for v in seen}) == len(seen)


def test_the_report_loads_matplotlib_only_to_draw():
    code = "import sys, attacks.report, attacks.report.report_command; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
