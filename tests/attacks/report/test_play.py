"""The page to play with: its JavaScript against Python, real clicks, touch and keys in a browser, its words."""

import re
from dataclasses import replace

import numpy as np
import pytest

from attacks import accessory, certified_minimum, fgsm, glasses_mask, universal
from attacks.balls import LInf
from attacks.proofs.certificate_file import fingerprint
from attacks.report.formats import ceiled, floored
from attacks.report.play import play_page
from attacks.report.records import Interval
from minigrad import MLP
from minigrad.margin import Margin

SIDE, LEAST = 20, 1e-5


def pairs(net):
    return [(layer.W, layer.b) for layer in net.dense]


def story(sizes=(400, 12, 7, 1), activation="relu", threshold=0.0, seed=3):
    """A small network, an image of class 0, and all that the page is given."""
    rng = np.random.default_rng(seed)
    net = MLP.init(sizes, activation=activation, rng=rng)
    if sizes[-1] == 1:
        net = MLP.from_arrays(pairs(net), activation=activation, threshold=threshold)
    x = rng.random((60, 400)) * (rng.random((60, 400)) < 0.5)
    x = x[net.predict(x) == 0][:6]
    y = np.zeros(len(x), int)
    proved = {norm: certified_minimum(net, x[:1], y[:1], norm=norm, time_limit=1)[0] for norm in ("l0", "linf")}
    frame = glasses_mask((SIDE, SIDE))
    worn = accessory(net, x, y, frame, rng=0)
    return net, x[0], {0.1: universal(net, x, y, LInf(0.1)).s, 0.2: universal(net, x, y, LInf(0.2)).s}, proved, worn


@pytest.fixture(scope="module")
def small():
    return story()


def page_of(given, digits=("4", "9")):
    net, x, universals, proved, worn = given
    return play_page(net, x, digits, 17, known(proved), universals, worn)


def known(proved):
    return {norm: Interval.from_certificate(c) for norm, c in proved.items()}


def m_of(net, x):
    return float(Margin.from_labels(net, x[None], [0]).value(x[None])[0])


# ------------------------------------------------------------------ in a browser


def spot(page, pixel, side=SIDE):
    """The point of the screen in the middle of a pixel."""
    page.locator("#picture").scroll_into_view_if_needed()
    area = page.locator("#picture").bounding_box()
    row, column = divmod(pixel, side)
    return area["x"] + (column + 0.5) * area["width"] / side, area["y"] + (row + 0.5) * area["height"] / side


def now(page):
    """The image as the page has it, and the margin that it prints."""
    x = np.array(page.evaluate("Array.from(play.current())"))
    return x, float(re.search(r"margin (-?[\d.]+)", page.inner_text("#margin")).group(1))


NETS = [
    ((400, 12, 7, 1), "relu", 0.25),
    ((400, 9, 2), "relu", 0.0),
    ((400, 9, 5, 1), "tanh", -0.5),
    ((400, 6, 2), "sigmoid", 0.0),
    ((400, 1), "relu", 0.125),
]


@pytest.mark.parametrize(("sizes", "activation", "threshold"), NETS)
def test_logits_and_jacobian_agree_with_python(visit, sizes, activation, threshold):
    given = story(sizes, activation, threshold)
    page, net = visit(page_of(given)), given[0]
    x = np.random.default_rng(1).random((4, 400))
    for v, N, J in zip(x, net.logits(x), net.jacobian(x), strict=True):
        np.testing.assert_allclose(page.evaluate("v => Array.from(play.logits(v))", v.tolist()), N, atol=LEAST)
        rows = page.evaluate("v => play.jacobian(v).map(row => Array.from(row))", v.tolist())
        np.testing.assert_allclose(rows, J, atol=LEAST)
        m, g = Margin.from_labels(net, v[None], [0]).value_and_gradient(v[None])
        assert page.evaluate("v => play.margin(v)", v.tolist()) == pytest.approx(m[0], abs=LEAST)
        np.testing.assert_allclose(page.evaluate("v => Array.from(play.gradient(v))", v.tolist()), g[0], atol=LEAST)


def test_the_reference_network_agrees_and_its_page_is_small(visit, reference, mnist49):
    x = mnist49[2][mnist49[3] == 0][4].astype(float)
    enough = {"l0": 60.0, "linf": 0.5}  # seconds: the pixels are proved in a fraction of one on a free machine
    proved = {n: certified_minimum(reference, x[None], [0], norm=n, time_limit=t)[0] for n, t in enough.items()}
    worn = accessory(reference, x[None], [0], glasses_mask(), rng=0)
    content = play_page(reference, x, ("4", "9"), 4, known(proved), {0.1: np.full(784, 0.1)}, worn)
    assert len(content) < 3_000_000
    page = visit(content)
    N = reference.logits(x[None])[0, 0]
    assert page.evaluate("play.logits(play.current())[0]") == pytest.approx(N, abs=LEAST)
    J = page.evaluate("Array.from(play.jacobian(play.current())[0])")
    np.testing.assert_allclose(J, reference.jacobian(x[None])[0, 0], atol=LEAST)
    assert "Proved: no 4 pixels can do it. Some 5 pixels can." in page.inner_text("#proof")
    changed = np.flatnonzero(proved["l0"].x_adv != x)
    for k, pixel in enumerate(changed):  # beat it: click the very pixels
        assert "says 4" in page.inner_text("#verdict")
        page.mouse.click(*spot(page, int(pixel), side=28))
        assert page.inner_text("#status") == f"{k + 1} pixel{'s' * bool(k)} changed."
    assert "says 9" in page.inner_text("#verdict")


def test_a_click_changes_that_pixel_then_the_other_end_then_back(visit, small):
    page, (net, x, *_) = visit(page_of(small)), small
    _, g = Margin.from_labels(net, x[None], [0]).value_and_gradient(x[None])
    grey = int(np.flatnonzero((x > 0) & (x < 1))[3])
    better = 1.0 if g[0, grey] > 0 else 0.0
    for value in (better, 1 - better, x[grey]):
        page.mouse.click(*spot(page, grey))
        got, shown = now(page)
        want = x.copy()
        want[grey] = value
        assert np.array_equal(got, want)
        assert shown == pytest.approx(m_of(net, want), abs=6e-4)
    assert page.inner_text("#status") == "0 pixels changed."
    for corner in (0, SIDE - 1, SIDE * (SIDE - 1), SIDE**2 - 1):
        page.mouse.click(*spot(page, corner))
        assert now(page)[0][corner] != x[corner]


def test_fingers_and_keys_do_what_the_mouse_does(visit, small):
    net, x, *_ = small
    phone = visit(page_of(small), viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    phone.touchscreen.tap(*spot(phone, 3 * SIDE + 5))
    assert np.flatnonzero(now(phone)[0] != x).tolist() == [3 * SIDE + 5]
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    page = visit(page_of(small))
    page.focus("#picture")
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    first = (SIDE // 2 - 2) * SIDE + SIDE // 2 - 1
    assert np.flatnonzero(now(page)[0] != x).tolist() == [first]
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", " "):
        page.keyboard.press(key)
    got, shown = now(page)
    assert np.flatnonzero(got != x).tolist() == [first, first + SIDE + 2]
    assert shown == pytest.approx(m_of(net, got), abs=6e-4)


def test_hint_solution_and_start_again(visit, small):
    page, (net, x, _, proved, _) = visit(page_of(small)), small
    _, g = Margin.from_labels(net, x[None], [0]).value_and_gradient(x[None])
    page.click("#hint")
    assert np.flatnonzero(now(page)[0] != x).tolist() == [int(np.argmax(np.maximum(g[0] * (1 - x), -g[0] * x)))]
    page.click("#solution")
    assert np.array_equal(now(page)[0], proved["l0"].x_adv) and "says 9" in page.inner_text("#verdict")
    page.click("#reset")
    assert np.array_equal(now(page)[0], x) and "says 4" in page.inner_text("#verdict")


def test_slider_universal_and_glasses(visit, small):
    page, (net, x, universals, proved, worn) = visit(page_of(small)), small
    page.check("[value=sign]")
    page.focus("#eps")
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    eps = float(page.evaluate("Number(document.getElementById('eps').value) / 1000 * top_eps"))
    assert eps > 0 and float(page.inner_text("#shown")) == pytest.approx(eps, abs=6e-5)
    got, shown = now(page)
    np.testing.assert_allclose(got, fgsm(net, x[None], [0], LInf(eps)).x_adv[0], atol=1e-12)
    assert shown == pytest.approx(m_of(net, got), abs=6e-4)
    page.click("#solution")
    assert np.array_equal(now(page)[0], proved["linf"].x_adv)
    page.check("[value=universal]")
    for eps, s in universals.items():
        page.evaluate("e => { const r = document.getElementById('eps'); r.value = 1000 * e / top_eps; draw(); }", eps)
        np.testing.assert_allclose(now(page)[0], np.clip(x + s, 0, 1), atol=1e-12)
        assert f"The s made for eps {eps}" in page.inner_text("#status")
    page.evaluate("() => { const r = document.getElementById('eps'); r.value = 1000 * 0.19 / top_eps; draw(); }")
    np.testing.assert_allclose(now(page)[0], np.clip(x + universals[0.1], 0, 1), atol=1e-12)  # eps allows no more
    page.focus("#eps")
    page.keyboard.press("Home")
    assert np.array_equal(now(page)[0], x) and "No s is that small" in page.inner_text("#status")
    lower = floored(proved["linf"].lower, 5)
    assert f"Proved: no s below eps {lower} fools this 4" in page.inner_text("#proof")
    page.check("[value=glasses]")
    assert np.array_equal(now(page)[0], worn.apply(x[None])[0])
    page.check("#overlay")
    assert "Orange: brighter makes it a 9" in page.inner_text("#legend")


def test_without_javascript_the_page_says_what_is_missing(visit, small):
    page = visit(page_of(small), java_script_enabled=False)
    assert "This page needs JavaScript" in page.inner_text("noscript")


INTERVALS = [
    ({"lower": 5.0, "upper": 5.0}, "Proved: no 4 pixels can do it. Some 5 pixels can."),
    ({"lower": 2.0, "upper": 2.0}, "Proved: no 1 pixel can do it. Some 2 pixels can."),
    ({"lower": 1.0, "upper": 1.0}, "Nothing is proved about one pixel. Some 1 pixel can."),
    ({"lower": 3.0, "upper": 6.0}, "Proved: no 2 pixels can do it. The best known is 6 pixels."),
    ({"lower": 3.0, "upper": np.inf, "x_adv": None}, "Proved: no 2 pixels can do it. No number of pixels is known to."),
    ({"lower": 0.0, "upper": 0.0}, "The network misreads this image as it is."),
    ({"lower": np.inf, "upper": np.inf, "x_adv": None}, "Proved: no number of pixels can do it."),
]


@pytest.mark.parametrize(("ends", "sentence"), INTERVALS)
def test_every_interval_is_worded_as_it_is(visit, small, ends, sentence):
    net, x, universals, proved, worn = small
    page = visit(page_of((net, x, universals, proved | {"l0": replace(proved["l0"], **ends)}, worn)))
    assert page.inner_text("#proof") == sentence
    assert page.is_disabled("#solution") == ("x_adv" in ends)


def test_bounds_are_rounded_as_in_python(visit, small):
    """Also where a product with 1e5 would be a whole number by rounding: next to k / 1e5, on either side."""
    page, rng = visit(page_of(small)), np.random.default_rng(0)
    near = rng.integers(0, 10**5, 200) / 1e5
    values = [0.0, 5e-324, 1e-101, 1e-6, 0.25, 1.0, 0.0401397825, *near, *np.nextafter(near, 0), *np.nextafter(near, 1)]
    values += [*rng.random(100), *(10.0 ** rng.uniform(-12, 2, 100))]
    for digits in (4, 5):
        got = page.evaluate("([v, d]) => v.map(u => [play.floored(u, d), play.ceiled(u, d)])", [values, digits])
        assert got == [[floored(float(v), digits), ceiled(float(v), digits)] for v in values]


# ------------------------------------------------------------------ without one


def test_the_page_is_one_file_that_asks_for_nothing(small):
    content = page_of(small, digits=("3", "8"))
    assert "@" not in content.replace("@media", "") and "make this 3 a 8" in content
    links = set(re.findall(r'(?:href|src)="([^"]*)"', content))
    assert links == {"index.html", "data:,"} and "http" not in content
    given = content.split('id="given">')[1]
    assert "<" not in given[: given.index("</script>")]


def test_weights_that_need_float64_get_it(small):
    net, x, universals, proved, worn = small

    def page(other):
        certificates = {norm: replace(c, network=fingerprint(other)) for norm, c in proved.items()}
        return page_of((other, x, universals, certificates, worn))

    fine = MLP.from_arrays([(W + 1e-12, b) for W, b in pairs(net)])
    coarse = MLP.from_arrays([(W.astype(np.float32), b) for W, b in pairs(net)])
    assert '"bits": 64' in page(fine)
    assert len(page(coarse)) < len(page(fine))


def test_networks_and_images_the_page_cannot_show(small):
    _, x, universals, proved, worn = small
    with pytest.raises(ValueError, match="expected 1 or 2 logits, the two digits of the page, got 3"):
        page_of((MLP.init([400, 3], rng=0), x, universals, proved, worn))
    with pytest.raises(ValueError, match="expected square images"):
        page_of((MLP.init([6, 1], rng=0), np.zeros(6), universals, proved, worn))
    for net, image in ((MLP.init([400, 1], rng=0), x), (small[0], 1 - x)):
        with pytest.raises(ValueError, match="expected certificates of this image and this network"):
            page_of((net, image, universals, proved, worn))
