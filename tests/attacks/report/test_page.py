"""The page: one file, every figure, the words that the numbers ask for, and where it says that things are done.

How it looks in a browser and on paper is in test_page_shown.py.
"""

import ast
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from paths import ROOT

from attacks.report.formulas import LATEX
from attacks.report.page import page
from attacks.report.proof_words import (
    eps_proved,
    open_notes,
    pixels_proved,
    price_note,
    set_proved,
    which_bound,
    why_open,
)
from attacks.report.summary import table
from attacks.report.tables import MIDDLE, dearer, luminance, shade, tables
from attacks.report.wording import bend_note, detection_verdict, jacobian_check, sure_note, words
from attacks.result import Reason
from minigrad.io.png import write_png

TEMPLATE = (ROOT / "attacks" / "report" / "template.html").read_text("utf-8")


ODD = (  # English that was stumbled over
    "Whoever only looks", "your network can be", "wishes", "of which those count", "dearer", "no s can be",
    "Nobody can repaint",
)  # fmt: skip
INLINE = {"em", "strong", "sub", "code", "a", "span"}  # inside a word or a sentence: no word ends at them
MAIN_STORY = 1600  # words at most; a reader of 200 words a minute has eight minutes


class Page(HTMLParser):
    """Tags that stay open, sources and links, pictures, and what stands outside <details>: words and rows of tables."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.images, self.folded, self.story, self.rows = [], [], [], [], "", 0

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag in ("h1", "h2", "p", "figure", "figcaption", "table", "style", "title", "details", "div", "main"):
            self.open.append(tag)
        if tag in ("details", "style", "script", "math", "title"):
            self.folded.append(tag)
        if tag == "img":
            self.images.append(dict(attributes))
        self.rows += tag == "tr" and not self.folded
        self.story += "" if tag in INLINE else " "

    def handle_endtag(self, tag):
        if tag in self.open:
            assert self.open.pop() == tag
        if self.folded and self.folded[-1] == tag:
            self.folded.pop()
        self.story += "" if tag in INLINE else " "

    def handle_data(self, data):
        self.story += "" if self.folded else data


def parsed(text):
    seen = Page()
    seen.feed(text)
    return seen


@pytest.fixture(scope="module")
def text(written):
    return (written.out / "index.html").read_text("utf-8")


def test_page_is_self_contained_and_has_every_figure(written, text):
    seen = parsed(text)
    assert not seen.open and not seen.folded
    pictures = [source for source in seen.sources if source.startswith("data:image/png;base64,")]
    assert len(pictures) == len(list(written.out.glob("*.png")))
    anchors = {source for source in seen.sources if source.startswith("#")}
    assert set(seen.sources) - set(pictures) - anchors == {"play.html", "data:,"}
    assert all(f'id="{anchor[1:]}"' in text for anchor in anchors)
    assert len(text) < 3_000_000
    visible = re.sub(r'src="[^"]*"', "", text).replace("http://www.w3.org/1998/Math/MathML", "")
    assert "http" not in visible and not re.search(r"\b(nan|inf|None)\b|\$", visible)


def test_the_story_is_short_and_its_tables_are_folded(text):
    seen = parsed(text)
    words_of_story = [word for word in seen.story.split() if re.search(r"\w", word)]
    assert 1000 < len(words_of_story) <= MAIN_STORY and seen.rows == 0
    assert not [phrase for phrase in ODD if phrase in text]


def test_every_symbol_is_defined_before_it_is_used(text):
    """In the line of notation; and the set of perturbations is not called as the homework calls the set of images."""
    story = parsed(text).story
    notation = story[story.index("Notation.") : story.index("Network")]
    for symbol in ("x:", "S:", "s:", "B:", "box", "eps (ε):", "f(x):", "Found", "Proved"):
        assert symbol in notation
    assert story.index("Let roomi be") < story.index("every roomi")
    perturbed = re.findall(r"\\in ([A-Z])", "".join("".join(pieces) for pieces in LATEX.values()))
    assert set(perturbed) == {"B", "S"} and perturbed.count("S") == 1


def test_every_figure_says_what_one_sees_and_what_it_means(text):
    seen = parsed(text)
    captions = re.findall("<figcaption>(.*?)</figcaption>", text, re.DOTALL)
    alts = [image["alt"] for image in seen.images]
    assert len(set(alts)) == len(alts) and all(len(alt) > 20 and "<" not in alt for alt in alts)
    assert not set(alts) & set(captions)
    assert all(int(image["width"]) > 0 and int(image["height"]) > 0 for image in seen.images)


def test_who_links_to_it_gets_a_title_a_sentence_and_a_picture(written, text):
    meta = dict(re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)">', text))
    assert meta["og:title"] == "How a 4 becomes a 9" and meta["og:description"] == meta["description"]
    assert 50 < len(meta["description"]) < 200 and (written.out / meta["og:image"]).exists()


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


def test_a_figure_that_was_not_drawn_is_left_out(written, tmp_path):
    drawn = write_png(tmp_path / "picture.png", np.zeros((30, 50))).read_bytes()
    text = page(written.numbers, {"smallest_eps.png": drawn})
    assert text.count("<img") == 1 and "data-png" not in text and "data-alt" not in text
    assert 'width="30" height="18"' in text and "<figcaption>The smallest change found" in text


def test_the_page_says_what_is_proved_and_what_is_only_known(written):
    r = written.numbers
    closed = {"lower": 5.0, "upper": 5.0, "attack": 6.0, "optimal": True, "gap": 0.0, "reason": "proved", "nodes": 1}
    open_ = closed | {"lower": 0.040139, "upper": 0.062501, "optimal": False, "reason": "time limit"}
    shown = r["shown"] | {"proved": {"l0": closed, "linf": open_}}
    text = page(r | {"shown": shown}, {})
    assert "at least 5 pixels: proved</strong>; 5 can do it (the attack had needed 6)" in text
    assert "eps = 0.06251 works; <strong>nothing below 0.04013 does: proved</strong>. What lies between is not" in text
    assert "ran out of time, and a larger <code>--proof-seconds</code> gives it more" in text
    assert "time limit" not in text
    nothing = closed | {"lower": None, "upper": None, "attack": None}
    text = page(r | {"shown": r["shown"] | {"proved": {"l0": nothing, "linf": nothing}}}, {})
    assert "no number of pixels turns this 4" in text and "no eps works" in text


@pytest.mark.parametrize(
    ("hidden", "free", "said"),
    [
        ((0.076, 0.2), (0.046, 0.051), "at least 0.0250 more, proved"),
        ((0.07599, 0.2), (0.046, 0.051), "at least 0.0249 more, proved"),
        ((0.049, 0.055), (0.046, 0.051), "not proved (the intervals overlap)"),
        ((0.051, 0.055), (0.046, 0.051), "not proved (the intervals overlap)"),
        ((None, None), (0.046, 0.051), "nothing works, proved"),
        ((0.076, 0.2), (0.046, None), ""),
    ],
)
def test_a_price_is_proved_where_the_intervals_do_not_overlap(hidden, free, said):
    hidden, free = (dict(zip(("lower", "upper"), ends, strict=True)) for ends in (hidden, free))
    assert dearer(hidden, free) == said
    sentence = price_note({"free": {"linf": free}, "used": {"linf": hidden}})
    assert sentence == (f"The price of hiding at the image shown, in eps: on used pixels, {said}." if said else "")


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
    assert set_proved(u, "an eps of ", 4) == "takes <strong>an eps of at least 0.0382, proved</strong> (0.0626 found)"
    assert "(none found)" in set_proved(u | {"upper": None}, "an eps of ", 4)
    assert "impossible, proved" in set_proved(u | {"lower": None}, "an eps of ", 4)
    assert "adds nothing" in which_bound({"linf": u, "l0": u | {"lower": None}})
    assert "raises the bound for eps;" in which_bound({"linf": u | {"quantile": 0.03}, "l0": u})


def test_sentences_that_depend_on_how_the_numbers_came_out():
    assert "smaller" in bend_note(0.05, 0.1) and "upwards" in bend_note(0.05, 0.1)
    assert "hardly bends" in bend_note(0.0501, 0.05) and "hardly bends" in bend_note(0.05, 0.0501)
    assert "larger" in bend_note(0.1, 0.05) and bend_note(None, 0.1) == bend_note(0.1, None) == ""
    assert "All 784 entries agree" in jacobian_check(2e-10, 784) and "kink" in jacobian_check(None, 784)
    sure, smallest = {"sure": 0.99, "success": True, "distance": 0.06}, {"success": True, "distance": 0.05}
    assert sure_note(sure, smallest) == "with 20% more it is 99% sure"
    assert "no eps was found" in sure_note(sure | {"success": False}, smallest)


@pytest.mark.parametrize("share", np.linspace(0, 1, 101))
def test_shares_can_be_read_on_theirshade(share):
    """Contrast as WCAG 2 defines it: 4.5 to 1 at least."""
    back, ink = re.search(r"rgb\(([\d,]+)\);color:(\w+)", shade(share)).groups()
    light = luminance(map(int, back.split(",")))
    low, high = sorted((light, {"white": 1.0, "black": 0.0}[ink]))
    assert (high + 0.05) / (low + 0.05) >= 4.5 and MIDDLE == pytest.approx(0.179, abs=1e-3)


@pytest.mark.parametrize("reason", [Reason.TIME, Reason.NODES, Reason.TIE, Reason.SMOOTH, Reason.BOUNDARY])
@pytest.mark.parametrize("upper", [6.0, None])
def test_an_open_interval_says_why_and_what_narrows_it(written, reason, upper):
    """On the page and in the printed table, for pixels and for eps."""
    p = {"lower": 4.0, "upper": upper, "attack": upper, "optimal": False, "gap": 0.0, "reason": reason, "nodes": 1}
    on_page = pixels_proved(p, "4") + open_notes({"l0": p}), eps_proved(p) + open_notes({"linf": p})
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
