"""Docstrings for the API pages: prose flows, and ASCII formulas and tables stay exactly as they stand in the code.

Our docstrings are written to be read in the source: `code` between single backticks, |s| and W_1 and a * b as they are,
a formula or a table on indented lines. reStructuredText would take half of that for markup. `to_rst` says which is
which, before numpydoc reads the sections.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

from reading import ROOMS, ROOT, modules

ITEM = re.compile(r"([*-]|\d+\.) +")
PATH = re.compile(r"(?:minigrad|attacks|data)(?:/\w+)*/\w+\.py")
CODE = re.compile(r"(``.+?``|`[^`]+`)")
COLUMNS = re.compile(r"\S {3,}\S")  # two blanks separate sentences, or set off a formula
BEGIN, END = "\ue000", "\ue001"  # private characters around markup, until it is known what stands beside it
FREE = ("Notes", "References", "See Also", "Warnings", "Warns")

Links = dict[str, str]  # public name, or path of a module: its full dotted name


def links() -> Links:
    """What prose may name: public names and files, with their full dotted names."""
    found = {path.relative_to(ROOT).as_posix(): name for name, path in modules().items()}
    for room in ROOMS:
        package = importlib.import_module(room)
        for name in package.__all__:
            module = getattr(getattr(package, name), "__module__", None)
            if module and hasattr(importlib.import_module(module), name):
                found[name] = f"{module}.{name}"
    return found


def to_rst(lines: list[str], links: Links) -> list[str]:
    """The lines of a docstring, as reStructuredText with numpydoc's sections left where they are."""
    out: list[str] = []
    for title, body in sections(lines):
        if title:
            out += [title, "-" * len(title)]
        if not title or title in FREE:
            text = prose(body, links)
            if not title and text[:1] == ["::"]:  # numpydoc takes the first paragraph out: it cannot be a block
                end = text.index("", 2)
                text = [*(f"| ``{line.strip()}``" for line in text[2:end]), *text[end:]]
            out += text
        elif title == "Examples":
            out += body
        else:
            out += entries(body, links)
        out.append("")
    return out


def sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(title, lines) of each section; the first has no title."""
    marks = [i for i in range(len(lines) - 1) if lines[i].strip() and re.fullmatch(r"-{3,}", lines[i + 1].strip())]
    yield "", lines[: marks[0] if marks else None]
    for here, there in zip(marks, [*marks, None][1:], strict=True):
        yield lines[here].strip(), lines[here + 2 : there]


def entries(lines: list[str], links: Links) -> list[str]:
    """`name : type` and an indented description each."""
    out: list[str] = []
    described: list[str] = []

    def describe() -> None:
        out.extend(f"    {line}".rstrip() for line in prose(dedent(described), links))
        described.clear()

    for line in lines:
        if line[:1] in (" ", ""):
            described.append(line)
        else:
            describe()
            name, colon, kind = line.partition(" : ")
            out.append(name + colon + inline(kind, links) if colon else inline(line, links))
    describe()
    return out


def dedent(lines: list[str]) -> list[str]:
    least = min((indentation(line) for line in lines if line.strip()), default=0)
    return [line[least:] for line in lines]


def prose(lines: list[str], links: Links) -> list[str]:
    """Paragraphs, lists, and what stands as it is: indented lines, and paragraphs in columns."""
    out: list[str] = []
    for block in paragraphs(lines):
        if ITEM.match(block[0]):
            out += items(block, links)
        elif any(COLUMNS.search(line) for line in block):
            out += literal(block)
        else:
            for inside, part in runs(block):
                out += literal(part) if inside else [inline(" ".join(part), links), ""]
    return out


def items(block: list[str], links: Links) -> list[str]:
    """A list; an item goes on where it hangs, and what is indented further stays as it is."""
    out: list[str] = []
    starts = [i for i, line in enumerate(block) if ITEM.match(line)]
    for here, there in zip(starts, [*starts, None][1:], strict=True):
        bullet = ITEM.match(block[here])[0]
        body = [block[here][len(bullet) :], *dedent(block[here + 1 : there])]
        text = prose(body, links)
        mark = bullet.rstrip() + " "
        out += [mark + text[0], *(" " * len(mark) + line if line else "" for line in text[1:])]
    return out


def paragraphs(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def runs(block: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Neighbouring lines that are indented (True) or not."""
    part = [block[0]]
    for line in block[1:]:
        if (indentation(line) > 0) != (indentation(part[0]) > 0):
            yield indentation(part[0]) > 0, part
            part = []
        part.append(line)
    yield indentation(part[0]) > 0, part


def literal(block: list[str]) -> list[str]:
    return ["::", "", *(f"    {line}" for line in dedent(block)), ""]


def indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def inline(text: str, links: Links) -> str:
    """One paragraph: code between backticks, the rest taken word for word; public names and files become links."""
    out = []
    for part in CODE.split(text):
        code = part.strip("`").strip()
        name = code.removesuffix("()")
        if part.startswith("`"):
            out.append(marked(link(code, links[name]) if name in links else f"``{code}``"))
            continue
        at = 0
        for match in PATH.finditer(part):
            if match[0] in links:
                out += [escaped(part[at : match.start()]), marked(link(match[0], links[match[0]]))]
                at = match.end()
        out.append(escaped(part[at:]))
    joined = re.sub(rf"""(^|[\s([{{"'</:-]){BEGIN}""", r"\1", "".join(out))  # there markup may stand as it is
    joined = re.sub(rf"""{END}($|[\s)\]}}"'>/:.,;!?-])""", r"\1", joined)
    return joined.replace(BEGIN, "\\ ").replace(END, "\\ ")


def link(text: str, target: str) -> str:
    return f":py:{'mod' if text.endswith('.py') else 'obj'}:`{text} <{target}>`"


def marked(markup: str) -> str:
    return BEGIN + markup + END


def escaped(text: str) -> str:
    text = re.sub(r"([\\*|_])", r"\\\1", text)
    text = re.sub(r"(?<!\S)\\\*(?=[a-zA-Z])([^*|]+\w)\\\*(?!\w)", r"*\1*", text)  # *stressed*, as opposed to a * b
    return re.sub(r"^(\(?\w{1,3}[.)])(\s)", r"\\\1\2", text)  # "i) ..." begins no list
