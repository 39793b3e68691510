"""The page to play with: its JavaScript against Python, its words, and what it is made of."""

import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from play_pages import SIDE, changed, mnist_page, now, own_image, page_of, pairs, small_image, small_net, spot

from attacks.proofs.certificate_file import fingerprint
from attacks.report.formats import ceiled, floored
from attacks.report.play import SCRIPTS, packed
from attacks.report.play_nets import ten_digits
from attacks.saliency import saliency_map
from minigrad import MLP
from minigrad.margin import Margin

LEAST = 1e-5


@pytest.fixture(scope="module")
def small():
    return small_image()


@pytest.fixture(scope="module")
def mnist():
    return mnist_page()


# ------------------------------------------------------------------ in a browser

NETS = [
    ((400, 12, 7, 1), "relu", 0.25),
    ((400, 9, 2), "relu", 0.0),
    ((400, 9, 5, 1), "tanh", -0.5),
    ((400, 6, 2), "sigmoid", 0.0),
    ((400, 1), "relu", 0.125),
]


@pytest.mark.parametrize(("sizes", "activation", "threshold"), NETS)
def test_logits_and_jacobian_agree_with_python(visit, small, sizes, activation, threshold):
    net = small_net(sizes, activation, threshold)
    page = visit(page_of(small, net=net, proved={}, exact={}))
    x = np.random.default_rng(1).random((4, 400))
    for v, N, J in zip(x, net.logits(x), net.jacobian(x), strict=True):
        np.testing.assert_allclose(page.evaluate("v => Array.from(play.logits(v))", v.tolist()), N, atol=LEAST)
        rows = page.evaluate("v => play.jacobian(v).map(row => Array.from(row))", v.tolist())
        np.testing.assert_allclose(rows, J, atol=LEAST)
        assert_margin_agrees(page, net, v, 0, None)


def assert_margin_agrees(page, net, v, y, target):
    m, g = Margin.from_labels(net, v[None], [y], target).value_and_gradient(v[None])
    assert page.evaluate("v => play.margin(v)", v.tolist()) == pytest.approx(m[0], abs=LEAST)
    np.testing.assert_allclose(page.evaluate("v => Array.from(play.gradient(v))", v.tolist()), g[0], atol=LEAST)


def test_both_ten_class_networks_agree_for_every_goal(visit, mnist):
    page, ten = visit(mnist), ten_digits()
    for k, (name, net) in enumerate(ten.networks.items()):
        page.check(f"[value={name}]")
        assert_network_agrees(page, net, ten.pictures[7 + k], ten.images()[7 + k])


def assert_network_agrees(page, net, picture, x):
    page.check(f"[value=test-{picture['number']}]")
    assert np.array_equal(now(page)[0], x)  # bytes become the loader's float32, to the last bit
    noise = np.clip(x + np.random.default_rng(2).normal(0, 0.2, 784), 0, 1)
    for goal in ["any", *(str(j) for j in range(10) if j != picture["digit"])]:
        page.select_option("#goal", goal)
        for v in (x, noise):
            assert_margin_agrees(page, net, v, picture["digit"], None if goal == "any" else int(goal))
    N = page.evaluate("v => Array.from(play.logits(v))", noise.tolist())
    np.testing.assert_allclose(N, net.logits(noise[None])[0], atol=LEAST)
    rows = page.evaluate("v => play.jacobian(v).map(row => Array.from(row))", noise.tolist())
    np.testing.assert_allclose(rows, net.jacobian(noise[None])[0], atol=LEAST)


def test_the_reference_network_agrees_and_its_page_is_small(visit, reference, mnist49):
    x = mnist49[2][mnist49[3] == 0][4:8].astype(float)
    own = own_image(reference, x, universals={0.1: np.full(784, 0.1)}, number=4)
    content = page_of(own, ten_digits())
    assert len(content.encode()) < 2_000_000
    page = visit(content)
    N = reference.logits(x[:1])[0, 0]
    assert page.evaluate("play.logits(play.current())[0]") == pytest.approx(N, abs=LEAST)
    J = page.evaluate("Array.from(play.jacobian(play.current())[0])")
    np.testing.assert_allclose(J, reference.jacobian(x[:1])[0, 0], atol=LEAST)
    assert "Proved: no 4 pixels can do it. Some 5 pixels can." in page.inner_text("#proof")
    size = f"{len(own.exact['l0'].content) / 1000:.1f} kB"
    checked = f"The proof: 1 case, {size}, checked without rounding (in whole numbers) by attacks/checker.py."
    assert page.inner_text("#checked") == checked
    pixels = np.flatnonzero(own.proved["l0"].x_adv != x[0])
    for k, pixel in enumerate(pixels):  # beat it: click the very pixels
        assert "says 4" in page.inner_text("#verdict") and not page.inner_text("#win")
        page.mouse.click(*spot(page, int(pixel), side=28))
        assert page.inner_text("#status") == f"{k + 1} pixel{'s' * bool(k)} changed."
    assert "says 9" in page.inner_text("#verdict")
    by = f"({size} of proof, checked exactly by attacks/checker.py)"
    assert page.inner_text("#win") == f"5 pixels. Nobody can do better: 4 is proved impossible {by}."
    assert page.inner_text("#best") == "Your best here: 5 pixels."
    page.mouse.click(*spot(page, 0, side=28))
    assert page.inner_text("#win") == "6 pixels. 5 are known to suffice, and 4 is proved impossible."
    assert page.inner_text("#best") == "Your best here: 5 pixels."


def test_greedy_is_the_saliency_attack_and_takes_pixels_back(visit, small):
    page, net, x = visit(page_of(small)), small.net, small.x
    page.click("#greedy")
    got = now(page)[0]
    assert net.predict(got[None])[0] == 1
    for i in np.flatnonzero(got != x):  # each of them is needed
        less = got.copy()
        less[i] = x[i]
        assert net.predict(less[None])[0] == 0
    assert (got != x).sum() <= saliency_map(net, x[None], [0]).distance[0] + 2


def test_best_pixel_solution_and_start_again(visit, small):
    page, net, x = visit(page_of(small)), small.net, small.x
    _, g = Margin.from_labels(net, x[None], [0]).value_and_gradient(x[None])
    page.click("#hint")
    assert changed(page, x) == [int(np.argmax(np.maximum(g[0] * (1 - x), -g[0] * x)))]
    page.click("#solution")
    assert np.array_equal(now(page)[0], small.proved["l0"].x_adv) and "says 9" in page.inner_text("#verdict")
    assert not page.inner_text("#best")  # shown, not found
    page.click("#reset")
    assert np.array_equal(now(page)[0], x) and "says 4" in page.inner_text("#verdict")


INTERVALS = [
    (5, 5, "Proved: no 4 pixels can do it. Some 5 pixels can."),
    (2, 2, "Proved: no 1 pixel can do it. Some 2 pixels can."),
    (1, 1, "Nothing is proved about one pixel. Some 1 pixel can."),
    (3, 6, "Proved: no 2 pixels can do it. The best known is 6 pixels."),
    (3, None, "Proved: no 2 pixels can do it. No number of pixels is known to."),
    (0, 0, "The network misreads this image as it is."),
    (None, None, "Proved: no number of pixels can do it."),
]


def test_every_interval_is_worded_as_it_is(visit, small):
    page = visit(page_of(small))
    for lower, upper, sentence in INTERVALS:
        assert page.evaluate("pixelProof", {"lower": lower, "upper": upper}) == sentence


def test_what_is_unknown_is_not_offered(visit, small):
    unknown = replace(small.proved["l0"], lower=3.0, upper=np.inf, x_adv=None)
    page = visit(page_of(small, proved=small.proved | {"l0": unknown}, exact={}))
    assert page.inner_text("#proof") == "Proved: no 2 pixels can do it. No number of pixels is known to."
    assert page.is_disabled("#solution")
    assert page.inner_text("#checked").endswith("the exact checker has not seen it.")


WINS = [  # interval, pixels used, what is said of it; the proof has no file
    ((5, 5), 5, "5 pixels. Nobody can do better: 4 is proved impossible."),
    ((5, 5), 6, "6 pixels. 5 are known to suffice, and 4 is proved impossible."),
    ((1, 1), 1, "1 pixel. Nobody can do better."),
    ((3, 6), 4, "4 pixels: a record! Nobody knew so few; 2 is proved impossible."),
    ((3, 6), 6, "6 pixels, as few as anybody knows; 2 is proved impossible, and whether 3 to 5 are enough is open."),
    ((3, 4), 9, "9 pixels. 4 are known to suffice; 2 is proved impossible, and whether 3 are enough is open."),
    ((3, None), 7, "7 pixels: a record! Nobody knew so few; 2 is proved impossible."),
    ((5, 5), 4, "4 pixels: a tie within rounding, which does not count."),
    (None, 4, "4 pixels: found, not proved. Fewer may do."),
]
EPS_WINS = [
    ((0.1, 0.102), 0.1015625, "eps 0.1016. Nobody can do better by 2%: below 0.1000 is proved impossible."),
    ((0.0625, 0.125), 0.1, "eps 0.1001: a record! Nobody knew so little; below 0.0625 is proved impossible."),
    ((0.0625, 0.125), 0.125, "eps 0.1250, as little as anybody knows; below 0.0625 is proved impossible."),
    ((0.0625, 0.125), 0.25, "eps 0.2500. 0.1250 is known to suffice; below 0.0625 is proved impossible."),
    (None, 0.25, "eps 0.2500: found, not proved. Less may do."),
]


def test_every_win_is_worded_as_it_is(visit, small):
    page = visit(page_of(small))
    for function, cases in (("pixelWin", WINS), ("epsWin", EPS_WINS)):
        for ends, used, sentence in cases:
            known = ends and {"lower": ends[0], "upper": ends[1], "bytes": None}
            assert page.evaluate(f"([n, p]) => {function}(n, p)", [used, known]) == sentence


def test_bounds_are_rounded_as_in_python(visit, small):
    """Also where a product with 1e5 would be a whole number by rounding: next to k / 1e5, on either side."""
    page, rng = visit(page_of(small)), np.random.default_rng(0)
    near = rng.integers(0, 10**5, 200) / 1e5
    values = [0.0, 5e-324, 1e-101, 1e-6, 0.25, 1.0, 0.0401397825, *near, *np.nextafter(near, 0), *np.nextafter(near, 1)]
    values += [*rng.random(100), *(10.0 ** rng.uniform(-12, 2, 100))]
    for digits in (4, 5):
        got = page.evaluate("([v, d]) => v.map(u => [play.floored(u, d), play.ceiled(u, d)])", [values, digits])
        assert got == [[floored(float(v), digits), ceiled(float(v), digits)] for v in values]


def test_numbers_of_every_width_arrive_to_the_last_bit(visit, small):
    page, rng = visit(page_of(small)), np.random.default_rng(0)
    for kind in (np.float16, np.float32, np.float64):
        tiny = np.array([0, np.finfo(kind).tiny, np.finfo(kind).smallest_subnormal, -1.5], kind)
        v = np.concatenate([rng.normal(size=50).astype(kind), tiny]).astype(np.float64)
        assert packed(v)["bits"] == 8 * np.dtype(kind).itemsize
        assert page.evaluate("v => Array.from(unpack(v))", packed(v)) == v.tolist()


def test_without_javascript_the_page_says_what_is_missing(visit, small):
    page = visit(page_of(small), java_script_enabled=False)
    assert "This page needs JavaScript" in page.inner_text("noscript")


# ------------------------------------------------------------------ without one


@pytest.mark.parametrize("with_ten", [False, True])
def test_the_page_is_one_file_that_asks_for_nothing(small, mnist, with_ten):
    content = mnist if with_ten else page_of(small, names=("3", "8"))
    assert not re.search(r"@[A-Z]+@", content) and f"make this {'4 a 9' if with_ten else '3 a 8'}" in content
    links = set(re.findall(r'(?:href|src)="([^"]*)"', content))
    assert links == {"index.html", "data:,"} and "http" not in content
    given = content.split('id="given">')[1]
    assert "<" not in given[: given.index("</script>")]


def test_other_images_do_without_the_ten_digits_and_say_so(small, mnist):
    assert "Drawing a digit, and the networks of ten digits, are for MNIST" in page_of(small)
    assert 'value="drawn"' not in page_of(small) and 'value="drawn"' in mnist


def test_the_report_writes_it_with_the_ten_digits(written):
    content = (written.out / "play.html").read_text("utf-8")
    given = given_of(content)
    assert given["drawing"] and [n["id"] for n in given["networks"]] == ["own", "plain", "robust"]
    assert len(given["pictures"]) == 21 and 'value="drawn"' in content


def given_of(content):
    return json.loads(content.split('id="given">')[1].split("</script>")[0])


def test_a_file_that_proves_less_than_the_page_says_is_not_named(small):
    """An interval may be narrower than its certificate, by what other proofs say; the checker has not seen those."""
    for norm in ("l0", "linf"):
        narrower = replace(small.proved[norm], lower=np.nextafter(small.proved[norm].lower, np.inf))
        for interval, size in ((small.proved[norm], len(small.exact[norm].content)), (narrower, None)):
            page = page_of(small, proved=small.proved | {norm: interval})
            assert given_of(page)["proved"]["own"]["own"]["any"][norm]["bytes"] == size


def test_each_script_is_read_in_one_sitting():
    folder = files("attacks.report") / "play"
    lines = {f"{name}.js": len((folder / f"{name}.js").read_text("utf-8").splitlines()) for name in SCRIPTS}
    assert {path.name for path in folder.iterdir() if path.name.endswith(".js")} == set(lines)
    assert max(lines.values()) <= 200


def test_weights_that_need_float64_get_it(small):
    def page(other):
        return page_of(small, net=other, proved={n: about(other, i) for n, i in small.proved.items()})

    def about(other, interval):
        return replace(interval, certificate=replace(interval.certificate, network=fingerprint(other)))

    fine = MLP.from_arrays([(W + 1e-12, b) for W, b in pairs(small.net)])
    coarse = MLP.from_arrays([(W.astype(np.float32), b) for W, b in pairs(small.net)])
    assert '"bits": 64' in page(fine)
    assert len(page(coarse)) < len(page(fine))


def test_networks_and_images_the_page_cannot_show(small):
    with pytest.raises(ValueError, match="expected 1 or 2 logits, the two digits of the page, got 3"):
        page_of(small, net=MLP.init([400, 3], rng=0))
    with pytest.raises(ValueError, match="expected square images"):
        page_of(small, net=MLP.init([6, 1], rng=0), x=np.zeros(6))
    for net, image in ((MLP.init([400, 1], rng=0), small.x), (small.net, 1 - small.x)):
        with pytest.raises(ValueError, match="expected certificates of this image and this network"):
            page_of(small, net=net, x=image)
    with pytest.raises(ValueError, match="expected images of 28 x 28 beside the ten digits, got 20 x 20"):
        page_of(small, ten=ten_digits())
    assert SIDE == 20
