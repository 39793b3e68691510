"""`index.html`: one file with its pictures inside, made of `template.html` and the numbers of `results.json`.

The template is HTML in which `${name}` stands for a value of wording.py, tables.py or formulas.py, and

    <figure data-png="overview.png" data-alt="What one sees.">The caption.</figure>

for a figure, which is left out if its file was not drawn.  Class "wide" is for many small pictures: on a phone they
scroll instead of shrinking.  A part that needs some of the numbers, or stands where they are missing, is

    <section data-with="defence"> or <section data-without="defence">
"""

from __future__ import annotations

import base64
import re
from html import escape, unescape
from importlib.resources import files
from string import Template
from typing import Any

from attacks.report.formulas import LATEX, math
from attacks.report.tables import tables
from attacks.report.wording import words

FIGURE = re.compile(r'<figure( class="wide")? data-png="([\w.]+)" data-alt="(.*?)">(.*?)</figure>', re.DOTALL)
SECTION = re.compile(r'<section data-(with|without)="(\w+)">\n(.*?)</section>\n', re.DOTALL)
# CSS pixels for a dot of a figure, which has 144 to the inch: a point of type is 1.2 pixels, so 10 points are 12 where
# the column is wide enough, and a figure of 4.6 inches is as wide as half a column or as a telephone.
SCALE = 0.6


def page(r: dict[str, Any], figures: dict[str, bytes]) -> str:
    """The report as one self-contained HTML page: nothing is fetched from anywhere.

    Parameters
    ----------
    r : what results.json holds
    figures : file name: PNG
    """

    def figure(found: re.Match[str]) -> str:
        kind, name, alt, caption = found.groups(default="")
        if name not in figures:
            return ""
        return f"<figure{kind}>{picture(figures[name], alt, bool(kind))}<figcaption>{caption}</figcaption></figure>"

    def section(found: re.Match[str]) -> str:
        kind, name, text = found.groups()
        return text if (r[name] is not None) == (kind == "with") else ""

    text = (files("attacks.report") / "template.html").read_text("utf-8")
    template = Template(SECTION.sub(section, text))
    formulas = {f"formula_{name}": math(name) for name in LATEX}
    return FIGURE.sub(figure, template.substitute(words(r) | tables(r) | formulas))


def picture(png: bytes, alt: str, wide: bool) -> str:
    """A PNG inside the page.  Its header says how large it is, so that the text does not move when it is there."""
    width, height = (round(SCALE * int.from_bytes(png[at : at + 4], "big")) for at in (16, 20))
    data, alt = base64.b64encode(png).decode(), escape(unescape(alt))
    size = f'width="{width}" height="{height}" style="--wide:{width}px"'
    image = f'<img alt="{alt}" {size} src="data:image/png;base64,{data}">'
    return f'<div class="scroll">{image}</div>' if wide else image
