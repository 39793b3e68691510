"""The last question: measured.json is about the networks that come along, and the page says what it holds, no more."""

import json
import re
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks.defend.jacobians import alignment, gradients, ink_share
from attacks.defend.nets import MEASURED, NAMES, load_defended
from attacks.detect.statistics import share_interval
from attacks.proofs.certificate_file import fingerprint
from attacks.report.defence import defence_of, robust_shares
from attacks.report.defence_words import SHOWN, between, interval
from attacks.report.page import page
from attacks.report.setup import Options
from data import load_mnist

D = json.loads(MEASURED.read_text("utf-8"))
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def test_what_was_measured_is_of_the_networks_that_come_along():
    _, _, x, y = load_mnist(digits=(4, 9))
    assert list(D["nets"]) == list(NAMES)
    for name, found in D["nets"].items():
        net = load_defended(name)
        assert found["network"] == fingerprint(net), f"{name} was trained anew: make defend ARGS='--only measured'"
        assert found["accuracy"] == {"right": int((net.predict(x) == y).sum()), "images": len(y)}
        g, rival = gradients(net, x, y)
        assert found["ink_share"] == pytest.approx(ink_share(g, x), rel=1e-9)
        assert found["alignment"] == pytest.approx(alignment(g, x, y, rival), rel=1e-9)


def test_what_was_measured_hangs_together():
    for found in D["nets"].values():
        states = list(found["robust"].values())
        assert len({(sum(s.values()), s["wrong"]) for s in states}) == 1
        radii = [float(eps) for eps in found["robust"]]
        assert radii == sorted(radii) and set(SHOWN) <= set(found["robust"])
        eps, shares = robust_shares(D)
        assert eps[0] == 0 and eps[1:].tolist() == radii
        for proved, unfooled in shares.values():
            assert proved[0] == unfooled[0] and (proved <= unfooled).all()
            assert (np.diff(proved) <= 0).all() and (np.diff(unfooled) <= 0).all()
        assert all(0 < ends["sum_lower"] <= ends["sum_upper"] for ends in found["minima"].values())
        assert all(0 <= found[name]["flipped"] <= found[name]["images"] for name in ("universal", "glasses"))


def test_each_defence_is_one_against_its_own_ball():
    """The sentences of the template that no number decides: who resists what, and whose Jacobian looks like strokes."""
    plain, adversarial, certified, few = D["nets"].values()
    for robust in (adversarial, certified):
        assert means(robust, "linf")[0] > 2 * means(plain, "linf")[1]
        assert means(robust, "l0")[1] < 2 * means(plain, "l0")[0]
        assert robust["ink_share"] > 0.9 > 0.5 > plain["ink_share"] and robust["alignment"] > few["alignment"]
    assert means(few, "l0")[0] > 2 * means(plain, "l0")[1]
    assert means(few, "linf")[1] < 2 * means(plain, "linf")[0]


def means(found, norm):
    """Of the certified minima of one network: of the lower and of the upper ends."""
    ends = found["minima"][norm]
    return Fraction(ends["sum_lower"]) / ends["images"], Fraction(ends["sum_upper"]) / ends["images"]


def cells(text):
    """What each row of the section's table says, a cell a network."""
    table = re.search(r'id="defend".*?<table>(.*?)</table>', text, re.DOTALL).group(1)
    assert re.findall("<th>([a-z-]+)", table) == ["measure", *NAMES]
    rows = [row.split("<td>")[1:] for row in table.split("<tr>")[2:]]
    return {name: dict(zip(NAMES, found, strict=True)) for name, *found in rows}


def outwards(said, lower, upper, digits):
    """Whether `said`, one number or two, holds [lower, upper] and is as narrow as its digits allow."""
    low, *rest = (Fraction(n) for n in NUMBER.findall(said))
    high, unit = rest[0] if rest else low, Fraction(1, 10**digits)
    return low <= lower < low + unit and high - unit < upper <= high


def test_the_table_on_the_page_is_what_was_measured_rounded_outwards(written):
    assert written.numbers["defence"] == D == json.loads((written.out / "results.json").read_text())["defence"]
    said = cells((written.out / "index.html").read_text())
    for name, found in D["nets"].items():
        right, n = found["accuracy"].values()
        assert said["accuracy"][name].startswith(f"{100 * right / n:.1f}%<br>(")
        for eps in SHOWN:
            states = found["robust"][eps]
            n, proved, unfooled = sum(states.values()), states["robust"], states["robust"] + states["open"]
            share, brackets = re.fullmatch(
                r"(.*)<br>\((.*)\)", said[f"right on the whole ball, eps {eps}"][name]
            ).groups()
            assert outwards(share, Fraction(100 * proved, n), Fraction(100 * unfooled, n), 1)
            least, most = share_interval(proved / n, n)[0], share_interval(unfooled / n, n)[1]
            assert outwards(brackets, 100 * least, 100 * most, 1)
        for row, norm, digits in (("smallest eps, mean", "linf", 4), ("fewest pixels, mean", "l0", 2)):
            assert outwards(said[row][name], *means(found, norm), digits)
        for row, counted in (("one s for all, eps 0.2, flips", "universal"), ("glasses flip", "glasses")):
            flipped, n = found[counted].values()
            assert said[row][name].startswith(f"{100 * flipped / n:.1f}%<br>(")


def test_the_sentences_are_what_was_measured(written):
    text = (written.out / "index.html").read_text()
    (times,) = re.findall(r"resists at least <strong>([\d.]+) times the eps", text)
    plain, adversarial, certified, _ = D["nets"].values()
    ratio = means(certified, "linf")[0] / means(plain, "linf")[1]
    assert Fraction(times) <= ratio < Fraction(times) + Fraction(1, 10)
    near, far = adversarial["robust"]["0.1"], adversarial["robust"]["0.2"]
    assert f"<em>adversarial</em> is proved right on {near['robust']} images" in text
    assert f"<em>adversarial</em> on {far['robust'] + far['open']} images; proved: {far['robust']}." in text
    assert f"<em>plain</em> gets {plain['accuracy']['images'] - plain['accuracy']['right']} wrong" in text


@given(st.lists(st.integers(0, 400), min_size=4, max_size=4).filter(any))
def test_a_robust_accuracy_is_never_printed_narrower_than_it_is(counts):
    states = dict(zip(("robust", "open", "fooled", "wrong"), counts, strict=True))
    n, proved, unfooled = sum(counts), counts[0], counts[0] + counts[1]
    share, _ = between(states).split("<br>")
    low, *rest = (Fraction(number) for number in NUMBER.findall(share))
    assert low <= Fraction(100 * proved, n) and (rest[0] if rest else low) >= Fraction(100 * unfooled, n)


def test_an_interval_of_one_point_is_one_number():
    assert interval({"sum_lower": 48.0, "sum_upper": 48.0, "images": 10}, 2) == "4.80"
    assert interval({"sum_lower": 0.04, "sum_upper": 0.04, "images": 1}, 4) == "0.0400 to 0.0401"  # the float is above


def test_the_jacobians_are_those_of_the_image_shown(written):
    x = written.results.images.image_shown
    for name, g in written.results.defence.jacobians.items():
        np.testing.assert_allclose(g, load_defended(name).vjp(x, np.ones((1, 1)))[0], rtol=1e-12)


@pytest.mark.parametrize("options", [Options(digits=(9, 4)), Options(digits=(3, 8)), Options(data="folder")])
def test_of_other_images_nothing_is_said(written, options):
    assert defence_of(SimpleNamespace(options=options), written.results.images.image_shown) is None
    text = page(written.numbers | {"defence": None}, {"defence_curves.png": b"", "defence_jacobians.png": b""})
    assert "<section" not in text and "docs/defend.md" in text and "defence_curves" not in text
    assert "Of other images" not in text and "right on the whole ball" not in text and 'id="defend"' in text
