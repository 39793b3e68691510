"""The formulas of the report: all rendered, none stale, all used."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from xml.etree import ElementTree

import pytest
from paths import ROOT

from attacks.report.formulas import LATEX, math, mathml

BUILDER = ROOT / "docs" / "formulas.py"


def test_every_formula_is_rendered_well_formed_and_on_the_page():
    assert set(mathml()) == set(LATEX)
    for name, pieces in LATEX.items():
        rendered = ElementTree.fromstring(math(name))
        assert len(rendered) == len(pieces) and all(piece.tag.endswith("math") for piece in rendered)
    template = (ROOT / "attacks" / "report" / "template.html").read_text("utf-8")
    assert sorted(re.findall(r"\$\{formula_(\w+)\}", template)) == sorted(LATEX)


def test_the_rendering_is_that_of_the_latex():
    pytest.importorskip("latex2mathml", reason="the extra `docs` renders formulas")
    spec = spec_from_file_location("docs_formulas", BUILDER)
    builder = module_from_spec(spec)
    spec.loader.exec_module(builder)
    assert builder.rendered() == mathml()
