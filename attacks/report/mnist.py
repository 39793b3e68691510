"""The library's own images, whatever else is called `data`.

    from attacks.report.mnist import load_mnist

A script with a `data.py` of its own beside it gets that one from `import data`, and so does `python -m attacks` started
in such a folder: Python looks there first.  This file loads the package that lies beside `attacks`, and leaves the name
`data` to whoever had it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data import Collection, load_collection, load_folder, load_idx, load_mnist, load_npz

__all__ = ["Collection", "load_collection", "load_folder", "load_idx", "load_mnist", "load_npz"]

ROOT = Path(__file__).resolve().parents[2]  # the folder that `attacks` and `data` lie in


def _named_data() -> dict[str, ModuleType]:
    """What is loaded under the name of the package, its modules included."""
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "data"}


@contextmanager
def _ours_first() -> Iterator[None]:
    """Within the block, and not after it, `import data` finds the package in ROOT."""
    theirs = _named_data()
    for name in theirs:
        del sys.modules[name]
    sys.path.insert(0, str(ROOT))
    try:
        yield
    finally:
        sys.path.remove(str(ROOT))
        for name in _named_data():
            del sys.modules[name]
        sys.modules.update(theirs)


def _found() -> str | None:
    """The file that `import data` gives, or would give."""
    if "data" in sys.modules:
        return getattr(sys.modules["data"], "__file__", None)
    spec = find_spec("data")
    return None if spec is None else spec.origin


def _own_data() -> ModuleType:
    found = _found()
    ours = found is not None and Path(found).resolve() == ROOT / "data" / "__init__.py"
    with nullcontext() if ours else _ours_first():
        import data
    return data


_data = _own_data()
globals().update({_name: getattr(_data, _name) for _name in __all__})
