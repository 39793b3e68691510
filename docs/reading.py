"""`python docs/reading.py`: the tables of docs/read-the-code.md anew, line counts and sentences from the files.

The order of the rows and the headings are written by hand and kept.  A file that is in no table joins the last one that
has a file of its folder; a row whose file is gone goes.  Headings that name a number of lines get the sum of the tables
below them.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "read-the-code.md"
ROOMS = ("minigrad", "attacks", "data")
ROW = re.compile(r"^\| \[`([\w/.]+)`\]\(\.\./\1\) \| (\d+) \|")
SLACK = 10  # lines: a reader's evening is no shorter for less, and not every edit should touch the page


def files() -> list[str]:
    """Every file of the library that one reads, as paths from the root."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for kind in ("py", "html", "js")
        for path in (ROOT / room).rglob(f"*.{kind}")
    )


def modules() -> dict[str, Path]:
    """dotted name: file of each module that can be imported without running a command, in the order of the page."""
    order = {match[1]: i for i, match in enumerate(map(ROW.match, PAGE.read_text("utf-8").splitlines())) if match}
    paths = [path for path in files() if path.endswith(".py") and not path.endswith("__main__.py")]
    paths.sort(key=lambda path: order.get(path, len(order) * 1000))
    return {path[:-3].replace("/", ".").removesuffix(".__init__"): ROOT / path for path in paths}


def wings() -> list[str]:
    """The packages, in the order of the page."""
    return [name for name, path in modules().items() if path.name == "__init__.py"]


@cache
def docstring(path: Path) -> str:
    text = path.read_text("utf-8")
    if path.suffix == ".js":  # the comment that it begins with
        return "\n".join(line[2:].strip() for line in takewhile(lambda line: line.startswith("//"), text.splitlines()))
    return ast.get_docstring(ast.parse(text)) or "" if path.suffix == ".py" else ""


def sentence(path: Path) -> str:
    """What a file says first: its docstring up to the first full stop that ends a sentence, or the first blank line."""
    first = " ".join(docstring(path).split("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`])", first)[0]


def count(path: str) -> int:
    return len((ROOT / path).read_text("utf-8").splitlines())


def row(path: str) -> str:
    page = "a page" if "<html" in (ROOT / path).read_text("utf-8") else "a part of a page"
    text = sentence(ROOT / path).replace("|", r"\|") or page
    return f"| [`{path}`](../{path}) | {count(path)} | {text} |"


def refreshed(page: str) -> str:
    """The page with today's rows, and with a row for every file."""
    there = files()
    lines = [line for line in page.splitlines() if not (match := ROW.match(line)) or match[1] in there]
    listed = {match[1] for line in lines if (match := ROW.match(line))}
    for path in there:
        if path not in listed:
            at = next(  # behind the last file of its own folder, or of the nearest one above that has some
                i for folder in Path(path).parents for i in reversed(range(len(lines)))
                if (match := ROW.match(lines[i])) and (Path(match[1]).parent == folder or folder == Path())
            )
            lines.insert(at + 1, row(path))
    lines = [row(match[1]) if (match := ROW.match(line)) else line for line in lines]
    for i, line in enumerate(lines):
        if line.startswith("#"):
            level = line.split()[0]
            end = next((j for j in range(i + 1, len(lines)) if re.match(rf"#{{1,{len(level)}}} ", lines[j])), None)
            total = sum(int(match[2]) for match in map(ROW.match, lines[i:end]) if match)
            lines[i] = re.sub(r"[\d,]+ lines", f"{total:,} lines", line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text("utf-8")), "utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {sum(map(count, files())):,} lines in {len(files())} files")
    sys.exit()
