"""The page as it is seen: at a desk, on a telephone, at night, on paper; and by those who do not see it."""

import re

import axe
import pytest

from attacks.report.panels import TYPE
from attacks.report.plots import DPI

DESK, TELEPHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 800}
WIDTHS = pytest.mark.parametrize("viewport", [DESK, TELEPHONE], ids=["desk", "telephone"])
SMALLEST = 9  # CSS pixels of the type in a figure, as it is shown
PAGES = 12  # of paper, A4


@pytest.fixture(scope="module")
def text(written):
    return (written.out / "index.html").read_text("utf-8")


def open_all(page):
    """Unfold what is folded."""
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")


@WIDTHS
def test_everything_fits_or_says_that_it_scrolls(text, visit, viewport):
    """All pictures, nothing sideways, formulas and tables whole; `visit` listens for errors and for requests."""
    page = visit(text, viewport=viewport)
    open_all(page)
    page.wait_for_timeout(200)
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.locator("math").count() >= 25 and page.locator("a[href='play.html']").count() >= 1
    cut = "[...document.querySelectorAll('.formula, p, li, figcaption')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    assert page.evaluate(f"{cut}.map(e => e.textContent)") == []
    boxes = page.evaluate(
        "[...document.querySelectorAll('.scroll')].map(box => [box.scrollWidth > box.clientWidth + 1, "
        "box.classList.contains('more'), !box.previousElementSibling.hidden, box.tabIndex === 0])"
    )
    assert len(boxes) > 8 and all(wider == fades == hint == reached for wider, fades, hint, reached in boxes)
    assert any(wider for wider, *_ in boxes) == (viewport is TELEPHONE)


@WIDTHS
def test_the_type_in_the_figures_can_be_read(text, visit, viewport):
    page = visit(text, viewport=viewport)
    open_all(page)
    shown = page.evaluate("[...document.images].map(image => [image.alt, image.clientWidth / image.naturalWidth])")
    small = {alt: share * DPI / 72 * TYPE for alt, share in shown if share * DPI / 72 * TYPE < SMALLEST}
    assert shown and not small


@WIDTHS
@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_contents_follow_the_reader(text, visit, viewport, motion):
    page = visit(text, viewport=viewport, reduced_motion=motion)
    assert page.locator("#toc a[aria-current]").count() == 0
    for section in ("glasses", "network", "defend"):
        page.evaluate(f"document.getElementById('{section}').scrollIntoView({{behavior: 'instant'}})")
        page.wait_for_function(f"document.querySelector('#toc a[aria-current]')?.hash === '#{section}'")
        box = page.locator("#toc a[aria-current]").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= viewport["height"]
    smooth = page.evaluate("getComputedStyle(document.documentElement).scrollBehavior")
    assert smooth == ("smooth" if motion == "no-preference" else "auto")


def test_at_night_the_page_is_dark_and_the_figures_stay_white(text, visit):
    page = visit(text, color_scheme="dark")
    ground, ink = (page.evaluate(f"getComputedStyle(document.body).{what}") for what in ("backgroundColor", "color"))
    dark, light = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ground, ink))
    assert dark < 100 and light > 600
    cards = page.evaluate("[...document.images].map(image => getComputedStyle(image).backgroundColor)")
    assert set(cards) == {"rgb(255, 255, 255)"}


@WIDTHS
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(text, visit, viewport, scheme):
    page = visit(text, viewport=viewport, color_scheme=scheme)
    open_all(page)
    page.wait_for_timeout(200)
    assert axe.findings(page) == []


def test_on_paper_it_is_short(text, visit):
    """What is folded stays so; `page` counts the sheets of the PDF that Chromium prints."""
    page = visit(text)
    sheets = page.pdf(prefer_css_page_size=True)
    assert 4 < len(re.findall(rb"/Type\s*/Page\b", sheets)) <= PAGES
    page.emulate_media(media="print")
    whole = "[...document.querySelectorAll('figure, .pair, p, table')].map(e => getComputedStyle(e).breakInside)"
    assert set(page.evaluate(whole)) == {"avoid"}
