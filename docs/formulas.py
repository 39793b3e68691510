"""Rebuild attacks/report/formulas.json, the MathML of formulas.py: `python docs/formulas.py` (extra `docs`)."""

from __future__ import annotations

import json
from pathlib import Path

import attacks.report.formulas


def rendered() -> dict[str, list[str]]:
    """name: MathML of each piece of every formula."""
    from latex2mathml.converter import convert

    formulas = attacks.report.formulas.LATEX.items()
    return {name: [convert(latex, display="block") for latex in pieces] for name, pieces in formulas}


if __name__ == "__main__":
    target = Path(attacks.report.formulas.__file__).with_suffix(".json")
    target.write_text(json.dumps(rendered(), indent=1, ensure_ascii=True) + "\n", "utf-8")
