"""numpy -> minigrad -> attacks -> tests, and data beside them: read from the imports themselves."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import attacks
import data
import minigrad

ROOT = Path(minigrad.__file__).parents[1]
ROOMS = {"minigrad": minigrad, "attacks": attacks, "data": data}
FILES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
DATA_READERS = {"report.py", "__main__.py"}


def imported(path, nodes=ast.walk):
    """Top-level names of what a file imports; relative imports are its own room's."""
    names = set()
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(path.parent.name if node.level else str(node.module).split(".")[0])
    return names


def at_import_time(tree):
    """Every node that runs when the module is imported: functions are not entered."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
            yield from at_import_time(node)


def allowed(path):
    room = path.parent.name
    names = {"numpy", room} | ({"scipy"} if room != "data" else set())
    if room == "attacks":
        names |= {"minigrad"} | ({"data"} if path.name in DATA_READERS else set())
        names |= {"matplotlib"} if path.name == "plots.py" else set()
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_file_imports_upwards(path):
    foreign = imported(path) - set(sys.stdlib_module_names)
    assert foreign <= allowed(path)
    assert "scipy" not in imported(path, at_import_time)


def test_the_rule_sees_imports_wherever_they_are(tmp_path):
    (tmp_path / "room").mkdir()
    path = tmp_path / "room" / "file.py"
    lines = [
        "import a.b, c",
        "from d.e import f",
        "from . import g",
        "if 1:",
        "    import h",
        "def f():",
        "    import i.j",
    ]
    path.write_text("\n".join(lines))
    assert imported(path) == {"a", "c", "d", "room", "h", "i"}
    assert imported(path, at_import_time) == {"a", "c", "d", "room", "h"}


def test_no_module_has_the_name_of_a_public_function():
    modules = {path.stem for path in FILES}
    public = {name for room in ROOMS.values() for name in room.__all__}
    assert not modules & public


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_public_names_exist_and_are_sorted_once(room):
    assert all(hasattr(room, name) for name in room.__all__) and len(set(room.__all__)) == len(room.__all__)


def test_importing_the_library_loads_numpy_only():
    code = "import sys, minigrad, attacks; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert {"minigrad", "attacks", "numpy"} <= loaded
    assert not loaded & {"scipy", "matplotlib", "data", "pytest", "hypothesis"}
