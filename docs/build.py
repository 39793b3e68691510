"""`python docs/build.py`: this folder's pages and an API page for each module, by Sphinx, in build/docs (extra `docs`).

The sources are assembled in build/docs-source, in the places they have in the repository, so that a link between two
pages works there as it does here.  A link to a module's file becomes one to its API page; a link to a file that is no
page keeps its text only.  Warnings are errors.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from docstrings import inline, links
from reading import ROOT, modules, sentence, wings

SOURCE, TARGET = ROOT / "build" / "docs-source", ROOT / "build" / "docs"
PAGES = (
    "read-the-code", "theory", "results", "sets-and-glasses", "proofs", "how-to-trust-a-proof", "detection", "defend",
    "your-network", "lecture", "trust", "measured",
)  # fmt: skip
BESIDE = ("data/README.md", "tests/benchmarks/README.md", "tests/benchmarks/peers.md")
COPIED = ("docs/README.md", "CONTRIBUTING.md", "CHANGELOG.md", *BESIDE)
PICTURE, NOTEBOOK = "notebooks/overview.png", "notebooks/companion.ipynb"
REPORT = """
<p>What <code>make report</code> writes: <a href="report/index.html">the homework, from end to end</a>, and the network
itself in the browser: <a href="report/play.html">play, and try to beat the proof</a>.</p>

"""
LINK = re.compile(r"(!?)\[([^]]+)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def assemble(whole: bool = False) -> None:
    """All that Sphinx reads, in SOURCE; `whole`: with links to the report, which is not one of its pages."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for path in (*COPIED, *(f"docs/{page}.md" for page in PAGES)):
        put(path, relinked(path))
    for module in modules():
        put(f"api/{module}.rst", api_page(module))
    guide = [*PAGES, *(f"../{path}" for path in BESIDE)]
    put("docs/README.md", relinked("docs/README.md") + toctree(guide))
    put("api/index.md", "# The modules\n\n" + wing_map("") + toctree(wings()))
    put("index.md", front_page(REPORT if whole else ""))
    put(NOTEBOOK, notebook())
    shutil.copyfile(ROOT / PICTURE, SOURCE / PICTURE)


def put(path: str, text: str) -> None:
    target = SOURCE / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")


def relinked(path: str) -> str:
    """A page of the repository, with links that hold in the assembled tree."""
    return with_links((ROOT / path).read_text("utf-8"), Path(path).parent)


def with_links(text: str, folder: Path) -> str:
    """The text of a page in `folder`, with such links."""
    pages = {f"docs/{page}.md" for page in PAGES} | set(COPIED) | {PICTURE, NOTEBOOK}
    pages_of = {file.relative_to(ROOT).as_posix(): f"api/{module}.rst" for module, file in modules().items()}
    pages_of |= {page: page for page in pages}
    pages_of |= {"README.md": "index.md", "docs/examples/README.rst": "gallery/index.rst"}

    def one(match: re.Match[str]) -> str:
        picture, text, target, anchor = match.groups()
        page = pages_of.get(os.path.normpath(folder / target))
        return f"{picture}[{text}]({os.path.relpath(page, folder)}{anchor or ''})" if page else text

    return LINK.sub(one, text)


def notebook() -> str:
    """The solved notebook with its outputs, and with links that hold."""
    cells = json.loads((ROOT / NOTEBOOK).read_text("utf-8"))
    for cell in cells["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = with_links("".join(cell["source"]), Path(NOTEBOOK).parent)
    return json.dumps(cells)


def front_page(report: str) -> str:
    """README up to its attacks, where to read on, and the map."""
    readme = relinked("README.md")
    opening, rest = readme.split("\n## The attacks\n")
    read_on = rest.split("\n## Read on\n")[1]
    top = ["Guide <docs/README>", "Gallery <gallery/index>", "Notebook <notebooks/companion>", "Modules <api/index>"]
    top += ["Contributing <CONTRIBUTING>", "Changelog <CHANGELOG>"]
    return f"{opening}\n{report}## Read on\n{read_on}\n## The map\n\n{wing_map('api/', '###')}" + toctree(top)


def wing_map(folder: str, mark: str = "##") -> str:
    """For each wing what it is for, and a table: module, and the sentence that its docstring begins with."""
    parts = []
    for wing in wings():
        parts += [f"{mark} [{wing}]({folder}{wing}.rst)", "", sentence(modules()[wing]), ""]
        parts += ["| module | what it is |", "|---|---|"]
        for name in below(wing):
            text = sentence(modules()[name]).replace("|", r"\|")
            parts.append(f"| [{name.removeprefix(wing + '.')}]({folder}{name}.rst) | {text} |")
        parts.append("")
    return "\n".join(parts)


def below(wing: str) -> list[str]:
    """The modules in a wing, without the wings in it."""
    return [name for name in modules() if name.rpartition(".")[0] == wing and name not in wings()]


def api_page(module: str) -> str:
    """A heading and the module; for a wing its modules too."""
    title = module.replace("_", r"\_")
    lines = [title, "=" * len(title), "", f".. automodule:: {module}"]
    if module in wings():
        public = [f":py:obj:`{name} <{full}>`" for name, full in links().items() if name in public_names(module)]
        lines += ["   :no-members:", "", *([f"Public names: {', '.join(public)}.", ""] if public else [])]
        lines += ["Modules", "-------", ""]
        lines += [f"* :doc:`{name}`: {inline(sentence(modules()[name]), {})}" for name in below(module)]
        short = [f"   {name.rpartition('.')[2]} <{name}>" for name in below(module)]
        lines += ["", ".. toctree::", "   :hidden:", "", *short, ""]
    return "\n".join(lines)


def public_names(package: str) -> list[str]:
    return getattr(importlib.import_module(package), "__all__", [])


def toctree(names: list[str]) -> str:
    return "\n```{toctree}\n:hidden:\n:maxdepth: 1\n\n" + "\n".join(n.removesuffix(".md") for n in names) + "\n```\n"


def main() -> int:
    from sphinx.cmd.build import main as sphinx

    given = sys.argv[1:]
    if whole := "--site" in given:
        given.remove("--site")
    assemble(whole)
    shutil.rmtree(TARGET, ignore_errors=True)
    doctrees = str(SOURCE.with_name("doctrees"))
    options = ["-b", "html", "-q", "-W", "--keep-going", "-j", "auto", "-c", str(ROOT / "docs"), "-d", doctrees]
    options += ["-D", f"plot_gallery={int(whole)}"]
    status = sphinx([*options, *given, str(SOURCE), str(TARGET)])
    if whole and not status:
        (TARGET / ".nojekyll").touch()  # or GitHub would leave out folders that begin with an underscore
        status = subprocess.run([sys.executable, "-m", "attacks", "--out", str(TARGET / "report")], cwd=ROOT).returncode
    return status


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
