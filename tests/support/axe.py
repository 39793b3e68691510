"""axe-core, the accessibility checker, in the browser: where it is found, and what it says.

It is no part of the project, and no test fetches it.  `npm install axe-core` beside the checkout or above it, or
AXE_CORE=/path/to/axe.min.js.
"""

import os

import pytest
from paths import ROOT

PLACES = [folder / "node_modules" / "axe-core" / "axe.min.js" for folder in (ROOT, *ROOT.parents)]


def source():
    """The script; skips the test where there is none."""
    given = os.environ.get("AXE_CORE")
    if given:
        with open(given, encoding="utf-8") as file:
            return file.read()
    found = next((place for place in PLACES if place.exists()), None)
    if found is None:
        pytest.skip("no axe-core on this machine (npm install axe-core): the page was not checked for accessibility")
    return found.read_text("utf-8")


def findings(page, impacts=("minor", "moderate", "serious", "critical")):
    """What axe-core finds on a page of playwright: rule and elements, of these impacts."""
    page.evaluate(source())
    found = page.evaluate("axe.run().then(result => result.violations)")
    return [
        (broken["id"], [node["html"][:120] for node in broken["nodes"]])
        for broken in found
        if broken["impact"] in impacts
    ]
