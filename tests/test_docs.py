"""README, the guide and the API pages: short, complete, true to the code, and without a link that leads nowhere."""

import ast
import inspect
import re
import sys
from html.parser import HTMLParser
from importlib import import_module

import pytest
from axe import findings
from paths import ROOT

import attacks
import data
import minigrad

sys.path.append(str(ROOT / "docs"))
import accessible
import docstrings
import reading

README = (ROOT / "README.md").read_text("utf-8")
GUIDE = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
PAGES = {
    name: (ROOT / name).read_text("utf-8")
    for name in (
        "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md", "tests/benchmarks/README.md",
        "tests/benchmarks/peers.md", "tests/benchmarks/mutants.md", *(f"docs/{name}" for name in GUIDE),
    )
}  # fmt: skip
SOURCES = [path for room in ("minigrad", "attacks", "data", "docs", "tests") for path in (ROOT / room).rglob("*.py")]
SITE = ROOT / "build" / "docs"
LINK = re.compile(r"\[[^]]*\]\((?!\w+:)([^)#\s]*)(#[^)\s]*)?\)")
ENDINGS = "py|md|html|json|npz|ipynb|png"
NAMED = re.compile(rf"(?<![\w/.*-])(?:minigrad|attacks|data|docs|tests|notebooks)/[\w/.-]*\w\.(?:{ENDINGS})\b")


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {"#" + re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.S)


# ---------------------------------------------------------------------- README and the guide


def test_readme_is_one_page():
    assert len(README.splitlines()) <= 110 and len(README.split()) <= 1050


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page):
    folder = (ROOT / page).parent
    for target, anchor in LINK.findall(PAGES[page]):
        path = (folder / target).resolve() if target else ROOT / page
        assert path.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(path.read_text("utf-8")), f"{page}: {target}{anchor}"


def test_every_page_of_the_guide_is_linked_from_readme_and_from_its_index():
    for page in GUIDE:
        if page != "README.md":
            assert f"(docs/{page})" in README and f"({page})" in GUIDE["README.md"]


def test_every_page_of_the_guide_is_on_the_site():
    (pages,) = re.findall(r"^PAGES = \((.*?)^\)", (ROOT / "docs" / "build.py").read_text("utf-8"), re.M | re.S)
    assert {f"{page}.md" for page in re.findall(r'"([\w-]+)"', pages)} == {*GUIDE} - {"README.md"}


def test_a_file_that_is_named_somewhere_exists():
    texts = {**PAGES, **{path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in SOURCES}}
    gone = {
        (name, where)
        for where, text in texts.items()
        for name in NAMED.findall(text)
        if "yours" not in name and not (ROOT / name).exists()
    }
    assert not gone


def test_the_table_of_attacks_names_what_its_files_define():
    found = [
        (name, path)
        for row in re.findall(r"^\| (\[.*?) \|", README, re.M)
        for names, path in re.findall(r"\[(.+?)\]\((attacks/[\w/]+\.py)\)", row)
        for name in re.findall(r"`([\w.]+)`", names)
    ]
    assert len(found) >= 13
    for name, path in found:
        defined = re.search(rf"^def {name.rpartition('.')[2]}\(", (ROOT / path).read_text("utf-8"), re.M)
        assert defined, f"{path} does not define {name}"


def test_the_page_of_reasons_has_each_with_its_advice():
    assert [f"| {reason} | {reason.advice} |" for reason in attacks.Reason] == [
        line for line in GUIDE["results.md"].split("| reason | advice |\n|---|---|\n")[1].splitlines() if line
    ]


# ---------------------------------------------------------------------- code on the pages


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in GUIDE)])
def test_code_on_a_page_calls_what_there_is_as_it_wants_to_be_called(page):
    for code in blocks(PAGES[page]):
        tree = ast.parse(code)
        known = {name: getattr(room, name) for room in (minigrad, attacks, data) for name in room.__all__}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in ("minigrad", "attacks", "data"):
                for alias in node.names:
                    known[alias.name] = getattr(import_module(node.module), alias.name)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            f = node.func
            if isinstance(f, ast.Name) and f.id in known:
                called = known[f.id]
            elif isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id in known:
                called = getattr(known[f.value.id], f.attr)
            else:
                continue
            if not any(word.arg is None for word in node.keywords):
                inspect.signature(called).bind(*node.args, **{word.arg: None for word in node.keywords})


def test_readmes_fifteen_lines_run(capsys):
    (code,) = blocks(README)
    assert len([line for line in code.splitlines() if line and line[0] != "#"]) == 15
    small = code.replace("epochs=10", "epochs=1").replace("[784, 128, 64, 1]", "[784, 16, 1]")
    small = small.replace("_test[y_test == 0]", "_test[y_test == 0][:20]")
    assert small.count("[:20]") == 2 and small.count("epochs=1,") == small.count("[784, 16, 1]") == 1
    exec(small, {})
    printed = capsys.readouterr().out.split("\n")[:-1]
    promised = [line[2:] for line in code.splitlines() if line.startswith("# ")]
    results = [line for line in printed if line[0].isalpha()]
    assert [line.partition("(")[0] for line in results] == [line.partition("(")[0] for line in promised]
    assert re.fullmatch(r"Certificate\(l0: between \d+ and \d+ pixels, proved, \d+ nodes\)", printed[-1])


# ---------------------------------------------------------------------- the reading order


def rows(page):
    return {match[1]: (int(match[2]), line) for line in page.splitlines() if (match := reading.ROW.match(line))}


def test_the_reading_order_has_every_file_once_with_its_length():
    page = GUIDE["read-the-code.md"]
    there, fresh = rows(page), rows(reading.refreshed(page))
    advice = "make reading brings docs/read-the-code.md up to date"
    assert there.keys() == fresh.keys() == set(reading.files()), advice
    assert len([line for line in page.splitlines() if reading.ROW.match(line)]) == len(there)
    for path, (count, line) in there.items():
        assert abs(count - fresh[path][0]) <= reading.SLACK, advice
        assert line.partition(f"| {count} |")[2] == fresh[path][1].partition(f"| {fresh[path][0]} |")[2], advice


def test_refreshing_adds_removes_and_counts():
    page = "\n".join([
        "# One evening: 7 lines",
        "| [`minigrad/layers.py`](../minigrad/layers.py) | 1 | old |",
        "| [`minigrad/yours.py`](../minigrad/yours.py) | 1 | old |",
        "## Another: 7 lines",
        "| [`attacks/balls/l0.py`](../attacks/balls/l0.py) | 1 | old |",
        "| [`data/idx.py`](../data/idx.py) | 1 | old |",
    ])  # fmt: skip
    fresh = reading.refreshed(page)
    there = rows(fresh)
    assert set(there) == set(reading.files()) and "yours" not in fresh and "| old |" not in fresh
    total = sum(count for count, _ in there.values())
    assert f"# One evening: {total:,} lines" in fresh
    assert there["minigrad/layers.py"][0] == reading.count("minigrad/layers.py")
    paths = list(there)
    assert paths.index("attacks/balls/linf.py") > paths.index("attacks/balls/l0.py") > paths.index("minigrad/mlp.py")


def test_a_new_file_is_put_into_its_own_folder_and_not_into_one_below():
    names = "attacks/saliency.py", "attacks/old/stealth.py", "attacks/balls/l0.py"
    fresh = reading.refreshed("\n".join(f"| [`{name}`](../{name}) | 1 | old |" for name in names))
    paths = list(rows(fresh))
    above = {*paths[: paths.index(names[1])]}
    assert paths[0] == names[0] and {"attacks/problem.py", "attacks/refine/stretch.py"} <= above


def test_no_module_is_forgotten():
    files = {path for room in ("minigrad", "attacks", "data") for path in (ROOT / room).rglob("*.py")}
    assert set(reading.modules().values()) == files - {ROOT / "attacks" / "__main__.py"}
    assert list(reading.modules())[:3] == ["minigrad", "minigrad.layers", "minigrad.mlp"]


def test_every_module_says_in_one_sentence_what_it_is():
    for name, path in reading.modules().items():
        said = reading.sentence(path)
        assert 10 < len(said) < 250 and "TODO" not in said, name


# ---------------------------------------------------------------------- docstrings on the API pages


LINKS = {"saliency_map": "attacks.saliency.saliency_map", "attacks/saliency.py": "attacks.saliency"}


def rst(text):
    return "\n".join(docstrings.to_rst(text.split("\n"), LINKS)).strip()


def test_prose_is_taken_word_for_word_and_code_is_code():
    assert rst("With |s|_1 <= r and W_1, a * b\nstands.") == r"With \|s\|\_1 <= r and W\_1, a \* b stands."
    assert rst("The `x`s of `net.logits(x)`.") == r"The ``x``\ s of ``net.logits(x)``."
    assert rst("A *linear oracle*, 2 * 3 * 4") == r"A *linear oracle*, 2 \* 3 \* 4"


def test_public_names_and_files_become_links():
    assert rst("See `saliency_map` in attacks/saliency.py") == (
        "See :py:obj:`saliency_map <attacks.saliency.saliency_map>` in "
        ":py:mod:`attacks/saliency.py <attacks.saliency>`"
    )


def test_formulas_and_columns_stand_as_they_are():
    assert rst("The piece\n    h(r) = |r|_1 * 2\nends.") == "The piece\n\n::\n\n    h(r) = |r|_1 * 2\n\nends."
    assert rst("Words.\n\njvp   one\n      two") == "Words.\n\n::\n\n    jvp   one\n          two"
    # numpydoc takes the first paragraph out: it cannot be a block
    assert rst("y = x_1.     x (n, d)\n\nMore.") == "| ``y = x_1.     x (n, d)``\n\nMore."


def test_lists_keep_their_items():
    assert rst("* one |s|\n  goes on\n* two") == "* one \\|s\\| goes on\n\n* two"


def test_sections_keep_their_entries():
    found = rst(
        "Title.\n\nParameters\n----------\nx : (n, d), `a`\n    The images,\n        s_i = 1\n\n"
        "Raises\n------\nValueError\n    Bad."
    )
    assert "x : (n, d), ``a``\n    The images,\n\n    ::\n\n        s_i = 1" in found
    assert "Raises\n------\nValueError" in found


# ---------------------------------------------------------------------- the site, where `make docs` has built it


class Requests(HTMLParser):
    """What a browser fetches by itself when it opens a page."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "src" in attrs or (tag == "link" and attrs.get("rel") in ("stylesheet", "preload", "icon", "prefetch")):
            self.found.append(attrs.get("src") or attrs.get("href") or "")


needs_site = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="make docs was not run")


@needs_site
def test_the_site_asks_nobody_for_anything():
    for path in {*SITE.rglob("*.html")} - {*(SITE / "_static").rglob("*.html")}:  # those are the theme's templates
        for address in Requests(path.read_text("utf-8")).found:
            if address.startswith("data:"):
                continue
            assert not re.match(r"(\w+:)?//", address), f"{path}: {address}"
            assert (path.parent / address.partition("?")[0]).exists(), f"{path}: {address}"
    for path in SITE.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(\w+:)?//", path.read_text("utf-8")), path


@needs_site
def test_signatures_on_the_site_can_be_read():
    pages = [*(SITE / "api").glob("*.html")]
    assert len(pages) > 50 and (SITE / "searchindex.js").exists() and (SITE / "_static" / "mathjax.js").exists()
    for path in pages:
        assert not re.search(r"_ArrayLike|_typing|ForwardRef|0x[0-9a-f]{6}", path.read_text("utf-8")), path


REACHABLE = """() => [...document.querySelectorAll("pre")].every(
    block => block.tabIndex >= 0 || block.scrollWidth <= block.clientWidth
)"""  # a block that scrolls is reached with the keyboard


@needs_site
@pytest.mark.parametrize(
    "name",
    ["index", "docs/README", "gallery/index", "gallery/08_defence", "notebooks/companion", "api/attacks.saliency"],
)
def test_a_page_of_the_site_is_for_everybody_and_fits(browser, name):
    page = browser.new_page()
    try:
        page.goto((SITE / f"{name}.html").as_uri())
        for width in (1200, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        for width in (390, 1200):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function(REACHABLE)  # the theme's script sees to it 0.3 s after the width has changed
            assert findings(page) == []
    finally:
        page.close()


@needs_site
def test_gallery_and_notebook_are_on_the_site():
    examples = [path.read_text("utf-8") for path in sorted((ROOT / "docs" / "examples").glob("*.py"))]
    titles = [ast.get_docstring(ast.parse(text)).splitlines()[0] for text in examples]
    index = (SITE / "gallery" / "index.html").read_text("utf-8")
    assert len(titles) == 10 and all(title in index for title in titles)
    assert "data:image" not in index and (SITE / "notebooks" / "companion.html").read_text("utf-8").count("<img") > 10


def test_what_the_theme_writes_is_put_right():
    entries = '<dd><em class="sig-param">x</em>,</dd>\n<dd><em class="sig-param">y</em>,</dd>\n'
    fixed = accessible.accessible(f"f(<dl>\n{entries}</dl>\n)<dl>\n<dt>a</dt>\n<dd>b</dd>\n</dl>")
    assert "<dd><em" not in fixed and fixed.count("<dl>") == fixed.count("</dl>") == 1 and fixed.count("<div") == 3
    assert accessible.accessible("<p>words</p>") == "<p>words</p>"
