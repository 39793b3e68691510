"""The API pages: formulas become mathematics or stay code, and no module is forgotten."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
build = module_from_spec(spec)
spec.loader.exec_module(build)


def test_formulas_become_latex():
    assert build.latex("m(x + s) = m(x) + g . s") == r"m ( x + s ) = m ( x ) + g \cdot s"
    assert build.latex("|s_i| <= eps") == r"| s _{i} | \le \varepsilon"
    assert build.latex("x^T g + 0") == "x ^{T} g + 0"


@pytest.mark.parametrize("text", ["k == 1", "(n, d)", "max_pixels=None", "attacks/balls.py", "x", "net.logits(x)"])
def test_all_else_stays_code(text):
    assert build.latex(text) is None


def test_displayed_blocks_keep_their_words():
    block = "    h = max { g . s : s in S }\n    bent  where |g_i| <= eps"
    assert build.lines(block) == [
        r"h = \max \{ g \cdot s : s \in S \}",
        r"\text{bent} \quad \text{ where } | g _{i} | \le \varepsilon",
    ]
    assert build.lines("unused     ink on pixels\nisolated   pixels that differ") is None  # a table of words
    assert build.lines("x = net.logits(x)") is None
    assert build.lines("see minigrad/relax.py: a = b") is None


def test_code_on_a_page_is_not_touched():
    pytest.importorskip("latex2mathml", reason="the extra `docs` renders formulas")
    page = build.with_formulas("<code>a &lt;= b</code> <code>k == 1</code> <pre><code>a + word</code></pre>")
    assert page.startswith("<math") and page.endswith(" <code>k == 1</code> <pre><code>a + word</code></pre>")


def test_no_module_is_forgotten():
    files = {p for room in ("minigrad", "attacks", "data") for p in (ROOT / room).glob("*.py")}
    assert len(build.modules()) == len(files) - 1  # attacks/__main__.py is a command
    assert build.modules()[:3] == ["minigrad", "minigrad.layers", "minigrad.mlp"]
