"""numpy -> minigrad -> attacks -> tests, and data beside them: read from the imports themselves.

`MAY` is the plan of the house: a wing imports from itself and from the wings named beside it, never up, never sideways.
"""

import ast
import subprocess
import sys

import pytest
from paths import ROOT

import attacks
import data
import minigrad

ROOMS = {"minigrad": minigrad, "attacks": attacks, "data": data}
MINIGRAD = {"minigrad", "minigrad.bounds", "minigrad.io"}
ATTACKS = {"attacks", "attacks.balls"}
MAY = {  # wing: the wings it may import from, beside itself
    "minigrad": {"minigrad.io"},  # inside the methods that save, load and convert
    "minigrad.io": {"minigrad"},
    "minigrad.bounds": {"minigrad"},
    "attacks.balls": {"minigrad"},
    "attacks.refine": {"minigrad", *ATTACKS},
    "attacks": {"minigrad", "minigrad.io", "attacks.balls", "attacks.refine"},
    "attacks.uap": {"minigrad", *ATTACKS},
    "attacks.patch": {"minigrad", "minigrad.io", *ATTACKS},
    "attacks.detect": {"minigrad", *ATTACKS},
    "attacks.proofs": {*MINIGRAD, *ATTACKS, "attacks.refine", "attacks.uap", "attacks.patch"},
    "attacks.defend": {*MINIGRAD, *ATTACKS, "attacks.uap", "attacks.patch", "attacks.detect", "attacks.proofs"},
    "attacks.old": {"attacks.detect", "attacks.proofs", "attacks"},
    "attacks.report": {
        *MINIGRAD,
        *ATTACKS,
        "attacks.uap",
        "attacks.patch",
        "attacks.detect",
        "attacks.proofs",
        "attacks.defend",
        "data",
    },
    "data": {"minigrad.io"},  # the one reader of `.npz`, inside the function that reads anybody's images
}
OPTIONAL = {
    "minigrad.threads": {"threadpoolctl"},
    "minigrad.io.onnx": {"onnx"},
}  # inside its function, which says so where it is missing
PLOTS = {"attacks.report.plots", "attacks.report.picture_plots"}  # import it themselves
MATPLOTLIB = PLOTS | {"attacks.report.slides", "minigrad.io.png"}


def module_of(path, root=ROOT):
    """`attacks/balls/l0.py` -> `attacks.balls.l0`."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_of(path): path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}


def wing_of(module, files=FILES):
    """The package that a module is in; a package is its own wing."""
    path = files.get(module)
    if module == "attacks.__main__":
        return "attacks.report"  # the command is its front door
    return module if path is None or path.name == "__init__.py" else module.rpartition(".")[0]


def guarded(node):
    """Whether this is `if TYPE_CHECKING:`, whose body never runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def nodes_of(tree, inside_functions=True):
    """Every node that may run; without functions: those that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if guarded(node) or (
            not inside_functions and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        ):
            continue
        yield node
        yield from nodes_of(node, inside_functions)


def imported(path, inside_functions=True, files=FILES):
    """`(module, name)` of each import of a file; the name is "" for `import module`."""
    found = set()
    for node in nodes_of(ast.parse(path.read_text(encoding="utf-8")), inside_functions):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where they lead"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add((whole, "") if whole in files else (node.module, alias.name))
    return found


def complaints(module, path, files=FILES, may=None):
    """What is wrong with the imports of one file, in words."""
    may = MAY if may is None else may
    wing, found = wing_of(module, files), []
    for name, what in imported(path, files=files):
        top = name.partition(".")[0]
        if top in ROOMS:
            other = wing_of(name, files)
            if other not in may[wing] | {wing}:
                found.append(f"{module} imports {name}: {wing} may not know {other}")
            if what.startswith("_"):
                found.append(f"{module} imports the private name {what} of {name}")
        elif top == "matplotlib" and module not in MATPLOTLIB:
            found.append(f"{module} imports matplotlib")
        elif top not in {"numpy", "scipy", "matplotlib", *sys.stdlib_module_names, *OPTIONAL.get(module, ())}:
            found.append(f"{module} imports {name}")
    for name, _ in imported(path, inside_functions=False, files=files):
        top = name.partition(".")[0]
        if top in {"scipy", "threadpoolctl", "onnx"} or (top == "matplotlib" and module not in PLOTS):
            found.append(f"{module} imports {name} when it is imported itself")
    return found


@pytest.mark.parametrize("module", FILES)
def test_imports_run_down_only(module):
    assert not complaints(module, FILES[module])


def test_one_file_of_the_library_imports_the_images():
    """The one that finds ours, whatever else is called `data`."""
    users = {m for m, path in FILES.items() for name, _ in imported(path) if name.partition(".")[0] == "data"}
    assert {name for name in users if wing_of(name) != "data"} == {"attacks.report.mnist"}


def test_every_wing_is_in_the_plan_and_says_what_it_is_for():
    wings = {wing_of(module) for module in FILES}
    assert wings == set(MAY)
    for wing in wings:
        assert len(ast.get_docstring(ast.parse(FILES[wing].read_text("utf-8"))) or "") > 100, wing


def test_no_module_imports_itself_by_a_detour():
    graph = {m: {name for name, _ in imported(path) if name in FILES} - {m} for m, path in FILES.items()}
    for module in FILES:  # what must be loaded first, read to the end
        seen, todo = set(), [name for name in graph[module] if wing_of(name) != name or "." in name]
        while todo:
            name = todo.pop()
            if name not in seen and name not in ("minigrad", "attacks", "data"):
                seen.add(name)
                todo += graph[name]
        assert module not in seen, f"{module} needs itself"


def test_the_rule_sees_what_is_wrong(tmp_path):
    lines = {
        "a/__init__.py": "",
        "a/low.py": "import a.high.top",
        "a/high/__init__.py": "",
        "a/high/top.py": "from a.low import _secret\ndef f():\n    from a.side import thing\nimport pandas",
        "a/side/__init__.py": "if TYPE_CHECKING:\n    import a.high",
    }
    files = {}
    for name, text in lines.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
        files[module_of(tmp_path / name, tmp_path)] = tmp_path / name
    may = {"a": set(), "a.high": {"a"}, "a.side": set()}
    ROOMS["a"] = None
    try:
        said = {m: complaints(m, path, files, may) for m, path in files.items()}
    finally:
        del ROOMS["a"]
    assert said["a.low"] == ["a.low imports a.high.top: a may not know a.high"]
    assert sorted(said["a.high.top"]) == [
        "a.high.top imports a.side: a.high may not know a.side",
        "a.high.top imports pandas",
        "a.high.top imports the private name _secret of a.low",
    ]
    assert not said["a.side"] and not said["a"]


def test_no_module_has_the_name_of_a_public_function():
    modules = {path.stem for path in FILES.values()}
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
