"""What the theme and Sphinx write that a screen reader stumbles over, put right in the pages that they wrote.

Found by axe-core, which tests/test_docs.py runs on the site where there is one: a button and a summary whose labels are
not the words on them, arrows without a name, and parameters that are list entries of no list.
"""

from __future__ import annotations

import re
from pathlib import Path

SIGNATURE = re.compile(r'<dl>\n((?:<dd><em class="sig-param">.*</dd>\n)+)</dl>')
ARROW = '<summary><span class="toctree-toggle" role="presentation">'
PLAIN = (
    ('title="Search" aria-label="Search" ', 'title="Search" aria-label="Search Ctrl+K" '),
    ('<summary aria-label="Toggle hidden content">', "<summary>"),
    (ARROW, ARROW.replace("<summary", '<summary aria-label="Show or hide the pages below"')),
)


def repair(folder: Path) -> None:
    """All pages in the folder."""
    for path in folder.rglob("*.html"):
        text = path.read_text("utf-8")
        if (repaired := accessible(text)) != text:
            path.write_text(repaired, "utf-8")


def accessible(page: str) -> str:
    """
    >>> accessible('<summary aria-label="Toggle hidden content">Show')
    '<summary>Show'
    """
    for old, new in PLAIN:
        page = page.replace(old, new)
    return SIGNATURE.sub(lambda match: f'<div class="sig-lines">{in_lines(match[1])}</div>', page)


def in_lines(entries: str) -> str:
    return entries.replace("<dd>", "<div>").replace("</dd>", "</div>")
