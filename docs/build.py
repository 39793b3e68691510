"""`python docs/build.py`: an API page for each module in build/docs, by pdoc, formulas as MathML (extra `docs`)."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = {
    **{name: rf"\{name}" for name in ("alpha", "beta", "gamma", "exp", "log", "tanh", "cosh", "sinh", "max", "min")},
    "eps": r"\varepsilon", "sum": r"\sum", "lo": r"\mathrm{lo}", "hi": r"\mathrm{hi}", "sign": r"\operatorname{sign}",
    **{name: rf"\mathrm{{{name}}}" for name in ("up", "down", "cap", "radius", "clip", "margin")},
}
SIGNS = {"<=": r"\le", ">=": r"\ge", "*": r"\cdot", ".": r"\cdot"}
TOKEN = re.compile(
    r" *(<=|>=|(?<= )\.(?= )|[A-Za-z]+'?|\d+(?:\.\d+)?|\^(?:[A-Za-z]|\d+)|_(?:[A-Za-z]|\d+)|[-+*/=<>(),|])"
)


def latex(text: str) -> str | None:
    """LaTeX of a one-line ASCII formula; None where a word or a sign is not surely mathematics."""
    if "==" in text or "**" in text or not re.search(r"[=<>+^]| [-./*] ", text):
        return None
    out, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            return None
        token, at = match[1], match.end()
        if token[0].isalpha() and len(token.rstrip("'")) > 1 and token not in NAMES:
            return None
        out.append("^{" + token[1:] + "}" if token[0] == "^" else "_{" + token[1:] + "}" if token[0] == "_"
                   else NAMES.get(token, SIGNS.get(token, token)))
    return " ".join(out)


def with_formulas(page: str) -> str:
    """`<code>formula</code>` becomes MathML; all other code stays as it is."""
    from latex2mathml.converter import convert

    def one(match: re.Match[str]) -> str:
        formula = latex(html.unescape(match[1]).strip())
        return match[0] if formula is None else convert(formula)

    def block(match: re.Match[str]) -> str:
        lines = [latex(html.unescape(line).strip()) for line in match[1].splitlines() if line.strip()]
        return match[0] if None in lines else "".join(convert(line, display="block") for line in lines if line)

    page = re.sub(r"(?<!<pre>)<code>([^<\n]+)</code>", one, page)
    return re.sub(r"<pre><code>([^<]+)</code></pre>", block, page)


def modules() -> list[str]:
    """Every module, those of the README's reading order first, in that order."""
    rooms = ("minigrad", "attacks", "data")
    found = sorted(str(p.relative_to(ROOT)) for room in rooms for p in (ROOT / room).glob("*.py"))
    text = (ROOT / "README.md").read_text("utf-8").split("## Read it in this order")[1]
    order = {path: i for i, path in reversed(list(enumerate(re.findall(r"`(\w+/\w+\.py)`", text))))}
    found.sort(key=lambda path: order.get(path, len(order)))
    return [path[:-3].replace("/", ".").removesuffix(".__init__") for path in found if not path.endswith("__main__.py")]


if __name__ == "__main__":
    import pdoc
    import pdoc.render

    sys.path.insert(0, str(ROOT))
    pdoc.render.configure(docformat="numpy", math=False, mermaid=False, search=False)
    to_html = pdoc.render.env.filters["to_html"]
    pdoc.render.env.filters["to_html"] = lambda text: type(page := to_html(text))(with_formulas(page))
    target = ROOT / "build" / "docs"
    pdoc.pdoc(*modules(), output_directory=target)
    links = "\n".join(f'<li><a href="{name.replace(".", "/")}.html">{name}</a></li>' for name in modules())
    head = "<!doctype html><meta charset=utf-8><title>minigrad-attacks</title><h1>In reading order</h1>"
    (target / "index.html").write_text(f"{head}<ol>\n{links}\n</ol>\n", "utf-8")
