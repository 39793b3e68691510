"""The slides: ten, 16:9, with every word on the slide, and the same bytes for the same report."""

import json
import re
import shutil

import matplotlib.style
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from attacks.report.cli import main
from attacks.report.slides import SIZE, TEXT, draw, numbers_of, pdf, slides


@pytest.fixture(scope="module")
def deck(written):
    return slides(numbers_of(written.out))


def test_there_are_ten_with_a_title_a_sentence_and_a_question_each(deck, written):
    assert len(deck) == len({slide.title for slide in deck}) == 10
    assert all(slide.asks.endswith("?") and slide.says.endswith(".") for slide in deck)
    named = [name for slide in deck for name in slide.figures]
    assert len(named) == len(set(named)) and all(slide.figures or slide.formulas for slide in deck)
    optional = {"proof.png", "margin_by_pixels.png"}  # what a report without a proof, or without a flip, has not
    assert {name for name in named if not (written.out / name).exists()} <= optional


def test_every_word_stays_on_its_slide_and_none_on_another(deck, written):
    for slide in deck:
        with matplotlib.style.context("default"):  # as `pdf` has it, whatever tests before this one left behind
            figure = draw(slide, written.out, "1 of 10")
            FigureCanvasAgg(figure).draw()
            boxes = [text.get_window_extent() for text in figure.texts]
        for box in boxes:
            assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, slide.title
            assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, slide.title
        assert not any(a.overlaps(b) for i, a in enumerate(boxes[:3]) for b in boxes[:i]), slide.title
        assert all(text.get_fontsize() >= TEXT for text in figure.texts[:3])
        for axes in figure.axes:
            assert not any(axes.get_window_extent().overlaps(box) for box in boxes), slide.title


def test_the_pdf_has_ten_wide_pages_and_is_the_same_again(deck, written):
    content = pdf(deck, written.out)
    sizes = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", content)
    assert len(sizes) == 10
    assert all(float(w) / float(h) == pytest.approx(SIZE[0] / SIZE[1], abs=1e-3) for w, h in sizes)
    assert SIZE[0] / SIZE[1] == pytest.approx(16 / 9, abs=1e-3)
    assert pdf(deck[:2], written.out) == pdf(deck[:2], written.out)


def test_the_command_writes_the_file_it_names(written, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("attacks.report.slides.pdf", lambda deck, folder: b"%PDF")
    out = tmp_path / "new" / "lecture.pdf"
    assert main(["slides", str(written.out), "--out", str(out)]) == 0
    assert out.read_bytes() == b"%PDF" and str(out) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "expected the folder of a report (python -m attacks), got one without results.json"),
        ("{", "expected JSON, got"),
        ("[]", "expected the numbers of a report by name, got list"),
        (json.dumps({"names": ["4", "9"]}), "expected a report of this version, its results.json has no 'shown'"),
    ],
)
def test_what_is_no_report_gets_one_sentence_and_no_file(tmp_path, capsys, content, sentence):
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    assert main(["slides", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and len(said.splitlines()) == 1
    assert not (tmp_path / "slides.pdf").exists()


def test_a_number_that_was_not_measured_is_none(written, tmp_path):
    shutil.copyfile(written.out / "results.json", tmp_path / "results.json")
    numbers = numbers_of(tmp_path)
    numbers["disguised"]["smallest eps"]["used"]["found"]["unused"] = None
    numbers["shown"]["smallest_eps"]["distance"] = numbers["shown"]["sparse"]["distance"] = None
    said = " ".join(slide.says for slide in slides(numbers))
    assert "and none of those" in said and "no pixel moves by more than none" in said.lower()
    assert "none make this" in said
