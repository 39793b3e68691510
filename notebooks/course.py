"""The homework to hand out, made from companion.ipynb, and its points.

    python notebooks/course.py                       write homework.ipynb: the answers out, the tests in
    python notebooks/course.py --hand-out FOLDER     and copy it to FOLDER, with the source for nbgrader
    python notebooks/course.py --grade FILE          run a homework and print its points

companion.ipynb is the one source.  Its cells carry nbgrader's metadata (schema 3), so that
`nbgrader generate_assignment` makes the same student version, and `nbgrader autograde` the same points; neither is
needed here.  An answer is a cell with `solution`, a test one with `grade`; a question in words is both, and is read by
a person.

`--grade` runs the code of the file in this process: as safe as the person who wrote it.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
SOURCE, HOMEWORK = FOLDER / "companion.ipynb", FOLDER / "homework.ipynb"
# nbgrader's own words and marks, so that both make the same file.
CODE_STUB, TEXT_STUB = "# YOUR CODE HERE\nraise NotImplementedError()", "YOUR ANSWER HERE"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
ANSWER = re.compile(rf"^([ \t]*){BEGIN}\n.*?^[ \t]*{END}$", re.M | re.S)

Cell = dict[str, Any]
Notebook = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """What became of one test."""

    name: str  # its grade_id
    points: int  # that it is worth
    failure: str  # what it said, in one line; empty: passed

    @property
    def earned(self) -> int:
        return 0 if self.failure else self.points


def read(path: Path) -> Notebook:
    """A notebook as JSON."""
    return json.loads(path.read_text("utf-8"))


def text_of(cell: Cell) -> str:
    return "".join(cell["source"])


def role(cell: Cell, name: str) -> bool:
    """Whether nbgrader takes the cell for a "solution" or a "grade"."""
    return bool(cell["metadata"].get("nbgrader", {}).get(name))


def student_version(notebook: Notebook) -> Notebook:
    """The notebook without answers and outputs; its tests cannot be edited, and no graded cell deleted."""
    made = copy.deepcopy(notebook)
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        if role(cell, "solution"):
            cell["source"] = without_answer(text_of(cell), cell["cell_type"]).splitlines(keepends=True)
            cell["metadata"]["deletable"] = False
        elif role(cell, "grade"):
            cell["metadata"] |= {"deletable": False, "editable": False}
    return made


def without_answer(source: str, kind: str) -> str:
    """The cell with a stub for each part between the marks; without marks it is all answer."""
    stub = CODE_STUB if kind == "code" else TEXT_STUB
    if BEGIN not in source:
        return stub

    def replaced(found: re.Match[str]) -> str:
        return "\n".join(found[1] + line for line in stub.split("\n"))

    return ANSWER.sub(replaced, source)


def as_text(notebook: Notebook) -> str:
    """The bytes of the file, as nbformat writes them."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False, separators=(",", ": ")) + "\n"


def run(cells: Iterable[Cell], space: dict[str, Any]) -> Iterator[Mark]:
    """Run code cells in order in one name space, as nbgrader does: one that fails is left, and the next one begins.

    A mark for each test.  What the cells print is not kept, and they draw on no screen (matplotlib's backend is the
    caller's to choose).
    """
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        failure = ""
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                exec(compile(text_of(cell), cell.get("id", "cell"), "exec"), space)
            except Exception as error:  # a student's cell may raise anything
                failure = f"{type(error).__name__}: {error}"
        if role(cell, "grade"):
            meta = cell["metadata"]["nbgrader"]
            yield Mark(meta["grade_id"], meta["points"], failure)


def points_by_hand(notebook: Notebook) -> int:
    """What a person gives: the questions in words."""
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == "markdown" and role(cell, "grade"))
    return sum(cell["metadata"]["nbgrader"]["points"] for cell in cells)


def hand_out(folder: Path) -> None:
    """`homework.ipynb` for students, and `source/homework/` for `nbgrader generate_assignment homework`."""
    source = folder / "source" / "homework"
    source.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HOMEWORK, folder / HOMEWORK.name)
    shutil.copyfile(SOURCE, source / HOMEWORK.name)
    if not list(folder.glob("minigrad_attacks-*.whl")):
        print(f"{folder}: the wheel that the first cell installs is not there yet (make wheel)", file=sys.stderr)


def report(path: Path) -> str:
    """A line for each test of the homework in this file, and the sum."""
    os.environ["MPLBACKEND"] = "agg"
    notebook = read(path)
    marks = list(run(notebook["cells"], {"__name__": "homework"}))
    lines = [f"{m.name:12} {m.earned} of {m.points}  {m.failure.splitlines()[0] if m.failure else ''}" for m in marks]
    total = f"{sum(m.earned for m in marks)} of {sum(m.points for m in marks)} points"
    return "\n".join([*lines, f"{total}, and up to {points_by_hand(notebook)} for the answers in words"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the homework from companion.ipynb, or grade one.")
    parser.add_argument("--hand-out", type=Path, metavar="FOLDER", help="copy what students and nbgrader need there")
    parser.add_argument("--grade", type=Path, metavar="FILE", help="run this homework and print its points")
    options = parser.parse_args(arguments)
    try:
        if options.grade:
            print(report(options.grade))
            return 0
        HOMEWORK.write_text(as_text(student_version(read(SOURCE))), "utf-8")
        if options.hand_out:
            hand_out(options.hand_out)
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{HOMEWORK.name}: made from {SOURCE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
