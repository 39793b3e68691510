"""A `data.py` of the user's own, beside the script or where the command starts, is left alone and not in the way."""

import os
import subprocess
import sys

import pytest
from paths import ROOT

SCRIPT = """
import sys
{first}
from attacks.report.mnist import load_mnist, load_collection
import data
assert data.mine == 5 and not hasattr(data, "load_mnist"), data
x, y, _, _ = load_mnist((4, 9))
assert x.shape == (11791, 784) and load_collection(None, (4, 9)).shape == (28, 28)
import data.loader as theirs
assert theirs.__file__.startswith({folder!r})
"""


def run(folder, *command):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.py").write_text("mine = 5\n")
    return tmp_path


@pytest.mark.parametrize("first", ["import data", "", "import data.loader"])
def test_ours_and_theirs_live_side_by_side(tmp_path, first):
    """Theirs is a package here, with a module of the same name as one of ours; whichever is imported first."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("mine = 5\n")
    (tmp_path / "data" / "loader.py").write_text("")
    (tmp_path / "script.py").write_text(SCRIPT.format(first=first, folder=str(tmp_path)))
    done = run(tmp_path, "script.py")
    assert done.returncode == 0, done.stderr


def test_the_command_loads_ours(folder):
    """So far that it complains of what was asked, of MNIST's ten labels."""
    done = run(folder, "-m", "attacks", "--digits", "4", "12")
    assert done.returncode == 2 and "expected distinct labels among [0, 1, 2, 3, 4, 5" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_where_nobody_else_has_the_name_there_is_one_copy(tmp_path):
    code = "from attacks.report import mnist; import data; assert data.load_mnist is mnist.load_mnist"
    done = run(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
