"""The page: one file, every figure, the words that the numbers ask for, and where it says that things are done."""

import ast
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from paths import ROOT

from attacks.report.page import page
from attacks.report.summary import table
from attacks.report.tables import dearer, tables
from attacks.report.wording import (
    detection_verdict,
    eps_proved,
    pixels_proved,
    set_proved,
    which_bound,
    why_open,
    words,
)
from attacks.result import Reason

PICTURES = "proof.png", "sparse.png"  # whose captions hold what is proved
TEMPLATE = (ROOT / "attacks" / "report" / "template.html").read_text("utf-8")


class Page(HTMLParser):
    """Tags that stay open, sources and links of a page."""

    def __init__(self):
        super().__init__()
        self.open, self.sources = [], []

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag in ("h1", "h2", "p", "figure", "figcaption", "table", "style", "title"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag


def test_page_is_self_contained_and_has_every_figure(written):
    text = (written.out / "index.html").read_text()
    seen = Page()
    seen.feed(text)
    assert not seen.open
    pictures = [source for source in seen.sources if source.startswith("data:image/png;base64,")]
    assert len(pictures) == len(list(written.out.glob("*.png")))
    anchors = {source for source in seen.sources if source.startswith("#")}
    assert set(seen.sources) - set(pictures) - anchors == {"play.html", "data:,"}
    assert all(f'id="{anchor[1:]}"' in text for anchor in anchors)
    assert len(text) < 3_000_000
    visible = re.sub(r'src="[^"]*"', "", text).replace("http://www.w3.org/1998/Math/MathML", "")
    assert "http" not in visible and not re.search(r"\b(nan|inf|None)\b|\$", visible)


@pytest.mark.parametrize("width", [1200, 390])
def test_the_page_in_a_browser(written, visit, width):
    """At a desk and on a phone: all pictures, nothing sideways, a link to play.html; `visit` listens for errors."""
    shown = visit((written.out / "index.html").read_text("utf-8"), viewport={"width": width, "height": 800})
    assert shown.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert shown.locator("math").count() >= 13 and shown.locator("a[href='play.html']").count() >= 1


def test_the_template_and_its_values_belong_together(written):
    """No value is made that the template does not ask for, and every figure that is drawn has its place."""
    asked = {name for name in re.findall(r"\$\{(\w+)\}", TEMPLATE) if not name.startswith("formula_")}
    assert asked == set(words(written.numbers)) | set(tables(written.numbers))
    places = re.findall(r'data-png="([\w.]+)"', TEMPLATE)
    assert sorted(places) == sorted(path.name for path in written.out.glob("*.png"))


def test_what_is_named_as_done_somewhere_is_there():
    named = re.findall(r"<code>((?:minigrad|attacks)/[\w/]+\.py)(?:: ([\w., ]+))?</code>", TEMPLATE)
    assert len(named) > 25
    for path, names in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        for name in names.split(", ") if names else ():
            inside = tree
            for part in name.split("."):
                defined = {node.name: node for node in inside.body if hasattr(node, "name")}
                assert part in defined, f"{path} has no {name}"
                inside = defined[part]


def test_a_figure_that_was_not_drawn_is_left_out_and_captions_are_plain(written):
    text = page(written.numbers, {"smallest_eps.png": b"a picture"})
    assert text.count("<img") == 1 and "data-png" not in text
    caption = re.search("<figcaption>(Smallest eps.*?)</figcaption>", text).group(1)
    assert "proved" in caption and "<" not in caption and f'alt="{caption}"' in text


def test_the_page_says_what_is_proved_and_what_is_only_known(written):
    r = written.numbers
    closed = {"lower": 5.0, "upper": 5.0, "attack": 6.0, "optimal": True, "gap": 0.0, "reason": "proved", "nodes": 1}
    open_ = closed | {"lower": 0.040139, "upper": 0.062501, "optimal": False, "reason": "time limit"}
    shown = r["shown"] | {"proved": {"l0": closed, "linf": open_}}
    text = page(r | {"shown": shown}, {})
    assert "at least 5 pixels: proved</strong>; 5 can do it (the attack had needed 6)" in text
    assert "eps = 0.06251 works; <strong>nothing below 0.04013 does: proved</strong>. What lies between is not" in text
    assert "ran out of time, and a larger <code>--proof-seconds</code> gives it more" in text
    assert "time limit" not in re.sub("<figcaption>.*?</figcaption>", "", text)
    captions = re.findall("<figcaption>(.*?)</figcaption>", page(r | {"shown": shown}, dict.fromkeys(PICTURES, b"")))
    assert captions and all("<" not in caption and "&lt;" not in caption for caption in captions)
    nothing = closed | {"lower": None, "upper": None, "attack": None}
    text = page(r | {"shown": r["shown"] | {"proved": {"l0": nothing, "linf": nothing}}}, {})
    assert "no number of pixels turns this 4" in text and "no eps works" in text


@pytest.mark.parametrize(
    ("hidden", "free", "said"),
    [
        ((0.076, 0.2), (0.046, 0.051), "by 0.0250 at least: proved"),
        ((0.07599, 0.2), (0.046, 0.051), "by 0.0249 at least: proved"),
        ((0.049, 0.055), (0.046, 0.051), "not proved: the intervals overlap"),
        ((0.051, 0.055), (0.046, 0.051), "not proved: the intervals overlap"),
        ((None, None), (0.046, 0.051), "impossible: proved"),
        ((0.076, 0.2), (0.046, None), ""),
    ],
)
def test_a_price_is_proved_where_the_intervals_do_not_overlap(hidden, free, said):
    hidden, free = (dict(zip(("lower", "upper"), ends, strict=True)) for ends in (hidden, free))
    assert dearer(hidden, free) == said


def test_the_free_attack_has_no_price(written):
    rows = tables(written.numbers)["adaptive_proof_rows"].split("<tr>")[1:]
    assert [row.split("<td>")[1] for row in rows] == ["free", "used", "smooth"]
    assert rows[0].endswith("<td>") and not rows[1].endswith("<td>")


@pytest.mark.parametrize(
    ("share", "alarms", "said"),
    [
        (0.9, 0.01, "Yes"),
        (0.3, 0.01, "Mostly not"),
        (0.9, 0.2, "Not reliably: .* 20.0% of"),
        (None, 0.01, "Here nothing"),
    ],
)
def test_one_can_tell_only_where_clean_images_pass(share, alarms, said):
    assert re.match(said, detection_verdict(share, alarms))


def test_bounds_of_sets_are_worded_as_they_are():
    u = {"images": 20, "lower": 0.03829, "upper": 0.06251, "quantile": 0.03829}
    said = set_proved(u, "eps {}", 4)
    assert "no s with less than eps 0.0382 fools them all: proved</strong>; eps 0.0626 found" in said
    assert "none was found" in set_proved(u | {"upper": None}, "eps {}", 4)
    assert "no s of any size" in set_proved(u | {"lower": None}, "eps {}", 4)
    assert "adds nothing" in which_bound({"linf": u, "l0": u | {"lower": None}})
    assert "raises the bound for eps;" in which_bound({"linf": u | {"quantile": 0.03}, "l0": u})


@pytest.mark.parametrize("reason", [Reason.TIME, Reason.NODES, Reason.TIE, Reason.SMOOTH, Reason.BOUNDARY])
@pytest.mark.parametrize("upper", [6.0, None])
def test_an_open_interval_says_why_and_what_narrows_it(written, reason, upper):
    """On the page and in the printed table, for pixels and for eps."""
    p = {"lower": 4.0, "upper": upper, "attack": upper, "optimal": False, "gap": 0.0, "reason": reason, "nodes": 1}
    on_page = pixels_proved(p, "4"), eps_proved(p)
    printed = table(written.numbers | {"shown": written.numbers["shown"] | {"proved": {"l0": p, "linf": p}}})
    for said in (*on_page, printed):
        assert why_open(reason, "--proof-seconds") in re.sub("</?code>", "", said) and f"({reason})" not in said
        assert ("--proof-seconds" in said) == (reason in (Reason.TIME, Reason.NODES))
    assert "at least 4 pixels" in on_page[0] and "at least 4 pixels" in printed
    assert "{" not in printed + "".join(on_page)


def test_the_printed_table_rounds_outwards(written):
    p = {"lower": 0.0401397825, "upper": 0.0401397825, "attack": 1, "optimal": True, "reason": "proved", "nodes": 1}
    shown = written.numbers["shown"] | {"proved": {"l0": p | {"lower": 3.0, "upper": 3.0}, "linf": p}}
    said = table(written.numbers | {"shown": shown})
    assert "eps 0.04014 works, nothing below 0.04013 does\n" in said and "3 pixels: nothing below works\n" in said


def test_no_part_is_bounded_below_the_whole(written):
    shown = written.numbers["shown"]
    for norm in ("l0", "linf"):
        chain = [shown["proved"][norm], *(shown["proved_in_disguise"][spot][norm] for spot in ("used", "smooth"))]
        for whole, part in pairwise([(p["lower"] or float("inf"), p["upper"] or float("inf")) for p in chain]):
            assert part[0] >= whole[0] and part[1] >= whole[1]
    assert shown["frame_pixels_proved"]["lower"] is None or (
        shown["frame_pixels_proved"]["lower"] >= shown["proved"]["l0"]["lower"]
    )
