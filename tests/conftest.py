"""Every test runs with NumPy's floating-point errors turned into failures; setup.cfg does so for warnings."""

import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from paths import NETS

from data import load_mnist
from minigrad import MLP

# `make test` tries the same examples every time; `make soak` tries new ones.
settings.register_profile("tests", deadline=None, max_examples=20, derandomize=True)
settings.register_profile("new", deadline=None, max_examples=200, print_blob=True)
settings.register_profile(  # `make mutants`: the first failure will do, and a test is run twice in one process
    "mutants", deadline=None, max_examples=20, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))



@pytest.fixture(autouse=True)
def floating_point_errors():
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture(scope="session")
def mnist49():
    """`x_train, y_train, x_test, y_test`, fours 0 and nines 1; read-only, so no test changes another's data."""
    arrays = load_mnist((4, 9))
    for array in arrays:
        array.flags.writeable = False
    return arrays


@pytest.fixture(scope="session")
def reference():
    """784-128-64-1, the net behind every published figure."""
    return MLP.load(NETS / "784-128-64-1.npz")


@pytest.fixture(scope="session")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="no playwright: the extra `browser` has it")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium on this machine: the page was not tried in a browser")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, tmp_path):
    """Open a page as a file; afterwards: no error on the console, and nothing was asked of any network."""
    contexts, complaints = [], []

    def go(content, **options):
        path = tmp_path / "page.html"
        path.write_text(content, encoding="utf-8")
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda line: complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url))
        page.goto(path.as_uri())
        return page

    yield go
    for context in contexts:
        context.close()
    assert not complaints
