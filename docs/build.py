"""`python docs/build.py`: an API page for each module in build/docs, by pdoc, formulas as MathML (extra `docs`)."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = {
    **{name: rf"\{name}" for name in ("alpha", "beta", "gamma", "exp", "log", "tanh", "cosh", "sinh", "max", "min")},
    "eps": r"\varepsilon", "sum": r"\sum", "in": r"\in", "inf": r"\infty", "lo": r"\mathrm{lo}", "hi": r"\mathrm{hi}",
    **{name: rf"\operatorname{{{name}}}" for name in ("sign", "argmax", "argmin", "mean", "clip", "diag")},
    **{name: rf"\mathrm{{{name}}}" for name in ("up", "down", "cap", "radius", "margin", "step", "relu")},
    **{name: rf"\text{{ {name} }}" for name in ("if", "for", "and", "or", "where", "over", "at", "else", "with", "so")},
}  # fmt: skip
SIGNS = {
    "<=": r"\le", ">=": r"\ge", "!=": r"\ne", "<-": r"\leftarrow", "->": r"\to", "+-": r"\pm", "*": r"\cdot",
    ".": r"\cdot", "{": r"\{", "}": r"\}",
}  # fmt: skip
TOKEN = re.compile(
    r" *(<=|>=|!=|<-|->|\+-|(?<= )\.(?= )|[A-Za-z]+'?|\d+(?:\.\d+)?(?:e-?\d+)?"
    r"|[\^_]\{[^{}]*\}|[\^_][A-Za-z0-9]+|[-+*/=<>(),|{}:;\[\]])"
)
WORDS = re.compile(r"[A-Za-z0-9 ,:.'()-]+")


def latex(text: str, words: bool = False) -> str | None:
    """LaTeX of a one-line ASCII formula; None where a sign, or unless `words` a word, is not surely mathematics."""
    if "==" in text or "**" in text or not (words or re.search(r"[=<>+^]| [-./*] |\|.+\|", text)):
        return None
    out, at = [], 0
    text = text.removesuffix(".")
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            return None
        token, at = match[1], match.end()
        if token[0] in "^_":
            inner = latex(token[1:].strip("{}"), words=True)
            if inner is None:
                return None
            out.append(f"{token[0]}{{{inner}}}")
        elif token[0].isalpha() and len(token.rstrip("'")) > 1 and token not in NAMES:
            if not words:
                return None
            out.append(rf"\text{{ {token} }}")
        else:
            out.append(NAMES.get(token, SIGNS.get(token, token)))
    return " ".join(out)


def lines(block: str) -> list[str] | None:
    """LaTeX of a displayed block, line by line; words beside a formula stay words."""
    found, formulas = [], 0
    for line in filter(None, map(str.strip, block.splitlines())):
        parts, here = [], 0
        for part in re.split(r" {2,}", line):
            formula = latex(part, words=True) if re.search(r"[=<>]|<-|->", part) else latex(part)
            if formula is None and not WORDS.fullmatch(part):
                return None
            here |= formula is not None
            parts.append(rf"\text{{{part}}}" if formula is None else formula)
        formulas += here
        found.append(r" \quad ".join(parts))
    return found if formulas >= len(found) / 2 else None


def with_formulas(page: str) -> str:
    """`<code>formula</code>` becomes MathML; all other code stays as it is."""
    from latex2mathml.converter import convert

    def one(match: re.Match[str]) -> str:
        formula = latex(html.unescape(match[1]).strip())
        return match[0] if formula is None else convert(formula)

    def block(match: re.Match[str]) -> str:
        found = lines(html.unescape(match[1]))
        if found is None:
            return match[0]
        return '<div style="margin: 1em 0; overflow-x: auto">' + "<br>".join(map(convert, found)) + "</div>"

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
