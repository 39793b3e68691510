"""The homework: made from the companion; full points with the answers, none without; and mistakes are told why.

All of the solved notebook runs in `make notebook`, where a test of it that fails is an error; here its first exercises
run.
"""

import importlib.util
import re
import subprocess
import symtable
import sys

import matplotlib.pyplot as plt
import pytest
from paths import ROOT

sys.path.append(str(ROOT / "notebooks"))
import course

COMPANION, HOMEWORK = course.read(course.SOURCE), course.read(course.HOMEWORK)
LAST = "test-3"  # the last of the exercises that run here: two seconds in all, the attacks behind it take twenty
WRONG = {  # answer: its cell, a typical mistake, the test that fails and a part of what it says
    "shortest instead of the corner": (
        "answer-0",
        "def exact_step(w, b, x):\n    s = -(w @ x + b) * w / (w @ w)\n    return np.abs(s).max(), s",
        ("test-0", "the shortest step in the Euclidean sense"),
    ),
    "the sign of the loss's derivative": (
        "answer-1",
        "by_hand = np.mean(y - 1 / (1 + np.exp(-start.logits(x)[:, 0])))",
        ("test-1b", "the sign is wrong"),
    ),
    "the sum instead of the mean": (
        "answer-1",
        "by_hand = np.sum(1 / (1 + np.exp(-start.logits(x)[:, 0])) - y)",
        ("test-1b", "the loss is their mean"),
    ),
    "no ReLU": (
        "answer-2",
        "def jacobian_by_rows(x):\n    a, b, c = net.dense\n    return (a.W @ b.W @ c.W).T",
        ("test-2", "a ReLU passes g on only where z > 0"),
    ),
    "no box": (
        "answer-3",
        "def one_shot(net, x):\n"
        "    m, g = Margin.from_labels(net, x, np.zeros(len(x), int)).value_and_gradient(x)\n"
        "    total = np.cumsum(-np.sort(-np.abs(g), axis=1), axis=1)\n"
        "    return 1 + np.count_nonzero(total <= -m[:, None], axis=1)",
        ("test-3", "no more than its room in [0, 1] allows"),
    ),
}


def meta(cell):
    return cell["metadata"].get("nbgrader", {})


def named(notebook):
    """grade_id: cell."""
    return {meta(cell)["grade_id"]: cell for cell in notebook["cells"] if meta(cell)}


def tables(table):
    """A symbol table and those of the functions in it."""
    return [table, *(inner for child in table.get_children() for inner in tables(child))]


def bound_by(cell):
    """The names that stay when the cell has run."""
    top = symtable.symtable(course.text_of(cell), "cell", "exec")
    return {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


def asked_by(cell):
    """The names that it reads, in its functions, too, and that are not their own."""
    top, *inner = tables(symtable.symtable(course.text_of(cell), "cell", "exec"))
    symbols = [*top.get_symbols(), *(symbol for table in inner for symbol in table.get_symbols() if symbol.is_global())]
    return {symbol.get_name() for symbol in symbols if symbol.is_referenced()}


@pytest.fixture(scope="module")
def given():
    """The name space after every cell of the homework, up to the last test, that is neither an answer nor a test."""
    space = {"__name__": "homework"}
    cells = [cell for cell in beginning() if cell["cell_type"] == "code"]
    for cell in cells:
        # Figures cost most of the time and are not what is tested; the setup sets what all of them look like.
        if not meta(cell) and ("plt.show()" not in course.text_of(cell) or "import" in course.text_of(cell)):
            exec(course.text_of(cell), space)
    plt.close("all")
    return space


def beginning():
    """The cells of the companion up to the last exercise that runs here."""
    cells = COMPANION["cells"]
    return cells[: 1 + next(i for i, cell in enumerate(cells) if meta(cell).get("grade_id") == LAST)]


def marks(notebook, given, changes=None):
    """grade_id: what became of the tests up to `LAST`, with other texts in some answers."""
    cells = [named(notebook)[meta(cell)["grade_id"]] for cell in beginning() if meta(cell)]
    cells = [cell | {"source": (changes or {}).get(meta(cell)["grade_id"], course.text_of(cell))} for cell in cells]
    return {mark.name: mark for mark in course.run(cells, dict(given))}


def test_the_homework_is_what_the_script_makes_of_the_companion():
    made = course.as_text(course.student_version(COMPANION))
    assert course.HOMEWORK.read_text("utf-8") == made, "make course brings notebooks/homework.ipynb up to date"
    assert course.as_text(course.student_version(COMPANION)) == made


def test_the_homework_has_no_answers_and_no_outputs():
    assert not any(cell.get("outputs") for cell in HOMEWORK["cells"])
    text = course.as_text(HOMEWORK)
    assert "SOLUTION" not in text
    answers = [cell for cell in HOMEWORK["cells"] if course.role(cell, "solution")]
    assert len(answers) == 14 + 2  # exercises, and questions in words
    for cell in answers:
        stub = course.CODE_STUB if cell["cell_type"] == "code" else course.TEXT_STUB
        assert all(line in course.text_of(cell) for line in stub.splitlines())
    for cell in HOMEWORK["cells"]:
        if cell["cell_type"] == "code":
            compile(course.text_of(cell), cell["id"], "exec")


def test_points_and_minutes_stand_at_each_exercise_and_add_up():
    total, minutes = 0, 0
    texts = [cell for cell in COMPANION["cells"] if {"exercise", "question"} & set(cell["metadata"].get("tags", []))]
    graded = [cell for cell in COMPANION["cells"] if course.role(cell, "grade")]
    for cell in texts:
        points, time = map(int, re.search(r"\((\d+) points, (\d+) minutes\)", course.text_of(cell)).groups())
        number = cell["id"].partition("-")[2]
        tests = [meta(c) for c in graded if re.fullmatch(rf"(test|answer)-{number}[a-c]?", meta(c)["grade_id"])]
        assert points == sum(m["points"] for m in tests)
        total, minutes = total + points, minutes + time
    assert total == sum(meta(cell)["points"] for cell in graded)
    head, by_hand = course.text_of(COMPANION["cells"][0]), course.points_by_hand(COMPANION)
    assert f"are {total} points: {total - by_hand} by the tests below, {by_hand} by a person" in head.replace("\n", " ")
    assert f"about\n{round(minutes / 60)} hours" in head


def test_the_metadata_are_nbgraders():
    ids = [meta(cell)["grade_id"] for cell in COMPANION["cells"] if meta(cell)]
    assert len(ids) == len(set(ids))
    for cell in named(COMPANION).values():
        m = meta(cell)
        assert m["schema_version"] == 3 and m["task"] is False
        assert m["locked"] == (m["grade"] and not m["solution"]) and ("points" in m) == m["grade"]
        assert m["solution"] or m["grade"]
        assert cell["cell_type"] == "code" or (m["solution"] and m["grade"])  # what nbgrader asks of markdown


def test_every_test_asks_for_what_only_its_own_answer_defines():
    """So an empty answer fails them all, also those that do not run here; and no other cell needs an answer."""
    given, answers, mine = set(), set(), set()
    for cell in (cell for cell in COMPANION["cells"] if cell["cell_type"] == "code"):
        if course.role(cell, "solution"):
            mine = bound_by(cell) - given - answers
            answers |= mine
        elif course.role(cell, "grade"):
            assert asked_by(cell) & mine, meta(cell)["grade_id"]
            assert not asked_by(cell) & (answers - mine - bound_by(cell)), meta(cell)["grade_id"]
        else:
            given |= bound_by(cell)
            assert not asked_by(cell) & (answers - given), cell["id"]


def test_the_answers_get_full_points(given):
    found = marks(COMPANION, given)
    assert list(found) == ["test-0", "test-1a", "test-1b", "test-2", "test-3"]
    assert {mark.failure for mark in found.values()} == {""}
    assert [mark.earned for mark in found.values()] == [3, 2, 3, 5, 5]


def test_an_empty_homework_gets_none(given):
    found = marks(HOMEWORK, given)
    assert len(found) == 5 and sum(mark.earned for mark in found.values()) == 0


@pytest.mark.parametrize("mistake", WRONG)
def test_a_typical_mistake_fails_one_test_that_says_why(mistake, given):
    answer, text, (test, why) = WRONG[mistake]
    if answer == "answer-1":
        solved = course.text_of(named(COMPANION)[answer])
        text = f"{solved}\n{text}"  # the other half is right
    found = marks(COMPANION, given, {answer: text})
    assert {name for name, mark in found.items() if mark.failure} == {test}
    assert why in found[test].failure


@pytest.fixture
def first_cell():
    (cell,) = (cell for cell in HOMEWORK["cells"] if "setup" in cell["metadata"].get("tags", []))
    assert HOMEWORK["cells"].index(cell) == 1  # behind the words, before all other code
    return course.text_of(cell)


def test_where_there_is_no_library_the_first_cell_installs_the_wheel_beside_it(first_cell, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "check_call", asked.append)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="expected the library's wheel beside this notebook"):
        exec(first_cell, {})
    assert not asked
    wheel = tmp_path / "minigrad_attacks-0.2.0-py3-none-any.whl"
    wheel.touch()
    exec(first_cell, {})
    assert asked == [[sys.executable, "-m", "pip", "install", "--quiet", str(wheel)]]


def test_where_the_library_is_the_first_cell_leaves_it_alone(first_cell, monkeypatch):
    monkeypatch.setattr(subprocess, "check_call", lambda command: pytest.fail(str(command)))
    exec(first_cell, {})


def test_the_folder_to_hand_out(tmp_path, capsys):
    course.hand_out(tmp_path)
    assert "the wheel" in capsys.readouterr().err
    assert (tmp_path / "homework.ipynb").read_bytes() == course.HOMEWORK.read_bytes()
    assert (tmp_path / "source" / "homework" / "homework.ipynb").read_bytes() == course.SOURCE.read_bytes()


def test_grading_a_file_prints_each_test_and_the_sum(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = [cell for cell in beginning() if meta(cell).get("grade_id") == "test-0"]
    path = tmp_path / "mine.ipynb"
    path.write_text(course.as_text(HOMEWORK | {"cells": cells}), "utf-8")
    assert course.main(["--grade", str(path)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"test-0 +0 of 3 +NameError", out) and "0 of 3 points" in out
    assert course.main(["--grade", str(tmp_path / "none.ipynb")]) == 2
