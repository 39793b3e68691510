"""The gallery's programs: short, with a title and a figure each, and they run as they stand, warnings and all."""

import ast
import os
import runpy
from importlib.util import find_spec

import matplotlib.pyplot as plt
import pytest
from paths import ROOT

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    """Figures of nobody else, and a folder that nothing may be written to but on purpose."""
    monkeypatch.chdir(tmp_path)
    with plt.rc_context({"backend": "agg"}):
        plt.close("all")
        yield
        plt.close("all")
    assert not os.listdir(tmp_path)


def test_there_is_one_for_each_question():
    topics = "attack", "png", "classes", "torch", "all", "glasses", "proof", "defence", "compare", "tell"
    assert [topic in path.stem for topic, path in zip(topics, EXAMPLES, strict=True)] == [True] * 10


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_it_shows(path):
    text = path.read_text("utf-8")
    title, line, _, *words = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    assert len(text.splitlines()) < 40 and line == "=" * len(title) and 10 < len(" ".join(words).split()) < 60


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_draws_one_figure_whose_parts_have_titles(path, capsys):
    if "torch" in path.stem and not find_spec("torch"):
        runpy.run_path(str(path))
        assert "torch is not installed here: pip install torch" in capsys.readouterr().out
        pytest.skip("torch is not installed: the example said so")
    with plt.rc_context():
        plt.rcdefaults()  # not as a notebook left it that was run in this process
        runpy.run_path(str(path))
    (number,) = plt.get_fignums()
    figure = plt.figure(number)
    assert any(axes.get_title() for axes in figure.axes)  # the gallery's text for those who cannot see it
    assert capsys.readouterr().out.strip()
