"""For whom the page is: who reads only the page, a phone, keys alone, a screen reader, little motion, much contrast."""

import re

import pytest
from axe import findings
from play_pages import DESK, PHONE, mnist_page, page_of, small_image

SIZES = {"desk": DESK, "phone": PHONE}
EVERY = "critical", "serious", "moderate", "minor"


@pytest.fixture(scope="module")
def mnist():
    return mnist_page()


@pytest.mark.parametrize("size", SIZES)
def test_who_does_only_what_the_page_says_flips_it(visit, mnist, size):
    """The first instruction names a button in bold: press it, and look at the verdict, until that changes."""
    page = visit(mnist, **SIZES[size])
    button = re.match(r"Press (.+?) until the network changes its mind", page.inner_text("#first")).group(1)
    assert page.inner_text("#first strong >> nth=0") == button
    before = re.search("says (.)", page.inner_text("#verdict")).group(1)
    presses = 0
    while f"says {before}" in page.inner_text("#verdict"):
        found = page.get_by_role("button", name=button, exact=True)
        area = found.bounding_box()
        assert area["y"] + area["height"] <= page.viewport_size["height"]  # seen without scrolling
        found.click()
        presses += 1
        assert presses <= 10  # at two seconds a press, for someone who reads each verdict: 20 seconds
    assert page.inner_text("#win")
    for mode in ("sign", "glasses"):  # whatever the page says to press can be pressed
        page.check(f"[value={mode}]")
        for named in page.locator("#first strong").all_inner_texts():
            assert page.get_by_role("button", name=named, exact=True).is_enabled()


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing(visit, mnist, size):
    page = visit(mnist, **SIZES[size])
    assert findings(page, EVERY) == []
    for _ in range(8):
        page.click("#hint")
    page.click("#share")
    page.check("[value=drawn]")
    assert findings(page, EVERY) == []
    page.check("[value=own][name=picture]")
    page.check("[value=sign]")
    page.check("#overlay")
    page.emulate_media(color_scheme="dark")
    assert findings(page, EVERY) == []


def test_the_page_about_other_images_has_nothing_either(visit):
    assert findings(visit(page_of(small_image())), EVERY) == []


@pytest.mark.parametrize("size", SIZES)
def test_verdict_and_picture_are_seen_together(visit, mnist, size):
    page = visit(mnist, **SIZES[size])
    verdict, picture, screen = (page.locator(e).bounding_box() for e in ("#verdict", "#picture", "html"))
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert screen["width"] <= page.viewport_size["width"]
    assert picture["y"] + picture["height"] <= page.viewport_size["height"]
    if size == "phone":
        assert verdict["y"] + verdict["height"] <= picture["y"]
    page.evaluate("scrollTo(0, 600)")
    assert page.locator("#verdict").bounding_box()["y"] >= 0  # it stays


def test_keys_alone_lead_from_the_address_bar_to_a_flip(visit, mnist):
    page = visit(mnist)
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "hint":
            break
    assert page.evaluate("document.activeElement.id") == "hint"
    before = page.inner_text("#verdict")
    for _ in range(10):
        page.keyboard.press("Enter")
        if page.inner_text("#win"):
            break
    assert page.inner_text("#win") and page.inner_text("#verdict") != before
    page.check("[value=sign]")  # where the slider is in use
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"undo", "reset", "zoom", "picture", "network", "mode", "eps", "solution", "overlay", "share"} <= reached


def test_what_a_screen_reader_is_told(visit, mnist):
    """Verdict and result are live regions, and every control and picture has a name."""
    page = visit(mnist)
    for live in ("#verdict", "#said"):
        assert page.get_attribute(live, "aria-live") == "polite"
    tree = page.locator("body").aria_snapshot()
    for named in (
        'button "Best pixel"',
        'radio "a 0, test image',
        'combobox "It shall say"',
        'slider "eps, the',
        "application",
    ):
        assert named in tree, named
    assert page.evaluate("[...document.querySelectorAll('canvas')].every(c => c.getAttribute('aria-label'))")
    page.focus("#picture")
    page.keyboard.press("ArrowUp")
    assert re.search(r"Cursor: row 13, column 14, grey \d\.\d\d\.", page.inner_text("#said"))


def test_little_motion_and_much_contrast_are_respected(visit):
    page = visit(page_of(small_image()))
    moving = "getComputedStyle(document.getElementById('fill')).transitionDuration"
    border = "getComputedStyle(document.getElementById('undo')).borderTopWidth"
    soft, ink = (f"getComputedStyle({e}).color" for e in ("document.getElementById('intro')", "document.body"))
    assert page.evaluate(moving) != "0s" and page.evaluate(border) == "1px" and page.evaluate(f"{soft} !== {ink}")
    page.emulate_media(reduced_motion="reduce", contrast="more")
    assert page.evaluate(moving) == "0s" and page.evaluate(border) == "2px" and page.evaluate(f"{soft} === {ink}")


# The least ratio of (lighter + 0.05) / (darker + 0.05) over every element with text of its own that is not disabled.
CONTRAST = """() => {
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    const colour = getComputedStyle(e).backgroundColor;
    return / 0\\)$/.test(colour) ? ground(e.parentElement) : colour;
  };
  const has = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const texts = [...document.querySelectorAll("body *")].filter((e) => has(e) && e.checkVisibility());
  return texts.filter((e) => !e.matches(":disabled, :disabled *")).map((e) => {
    const pair = [luminance(getComputedStyle(e).color), luminance(ground(e))];
    return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), e.outerHTML.slice(0, 80)];
  }).sort((p, q) => p[0] - q[0])[0];
}"""


def test_text_stands_out(visit, mnist):
    """WCAG 2.2, 1.4.3: a ratio of at least 4.5."""
    page = visit(mnist)
    page.click("#greedy")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        worst, where = page.evaluate(CONTRAST)
        assert worst >= 4.5, where
