"""The stored notebook: plain, run in order, complete, and quiet.  `make notebook` runs it from scratch."""

import ast
import json
import re

import pytest
from paths import ROOT

PATH = ROOT / "notebooks" / "companion.ipynb"
NOTEBOOK = json.loads(PATH.read_text("utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
SECTIONS = (
    "two pixels", "Train", "Jacobian", "Sparse", "Small", "Universal", "Glasses", "Proof", "Detection", "leaf", "Beat",
    "Defence",
)  # fmt: skip


def text(cell):
    return "".join(cell["source"])


def sections():
    """title: its cells."""
    found = {}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "markdown" and text(cell).startswith("## "):
            found[text(cell).splitlines()[0]] = []
        if found:
            found[list(found)[-1]].append(cell)
    return found


def test_it_was_run_from_top_to_bottom_without_a_complaint():
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    for output in (output for cell in CODE for output in cell["outputs"]):
        assert output["output_type"] != "error" and output.get("name") != "stderr"
    assert PATH.stat().st_size < 1_500_000
    assert "/home/" not in json.dumps(NOTEBOOK) and "/tmp" not in json.dumps(NOTEBOOK)


def test_every_cell_compiles_and_calls_the_library_alone():
    allowed = {"matplotlib", "numpy", "attacks", "minigrad", "data"}
    allowed |= {"subprocess", "sys", "pathlib", "tempfile"}  # to have a proof checked by another process
    allowed |= {"importlib", "os"}  # to install the library where it is missing
    for cell in CODE:
        for node in ast.walk(ast.parse(text(cell))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed
            if isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in allowed


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_has_derivation_figure_exercise_answer_and_tests(name):
    (cells,) = (cells for title, cells in sections().items() if name in title)
    assert "$" in text(cells[0]) and ".py`" in text(cells[0])
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    tags = [cell["metadata"].get("tags", []) for cell in cells]
    exercises = [i for i, tag in enumerate(tags) if "exercise" in tag]
    assert exercises
    for i in exercises:
        assert "<details>" in text(cells[i]) and "solution" in tags[i + 1]
        assert "test" in tags[i + 2] and "assert" in text(cells[i + 2])


def test_the_two_questions_in_words_have_a_rubric_and_an_answer():
    asked = [i for i, cell in enumerate(NOTEBOOK["cells"]) if "question" in cell["metadata"].get("tags", [])]
    assert [re.match(r"\*\*In words: ([^*]+)\*\*", text(NOTEBOOK["cells"][i]))[1] for i in asked] == [
        "Why glasses?", "Can one tell?",
    ]  # fmt: skip
    for i in asked:
        question, answer = NOTEBOOK["cells"][i : i + 2]
        rows = re.findall(r"^\| (\d) \|", text(question), re.M)
        assert sum(map(int, rows)) == answer["metadata"]["nbgrader"]["points"]
        assert "solution" in answer["metadata"]["tags"] and len(text(answer).split()) <= 150  # as many as it asks for


def test_exercises_are_numbered_in_order():
    found = [re.match(r"\*\*Exercise (\d+)\*\* \(", text(cell)) for cell in NOTEBOOK["cells"]]
    assert [int(match[1]) for match in found if match] == list(range(14))
