"""Perturbation sets, one norm a file, and the one question asked of them: which `s` moves a linear function most?

Read `base.py` (the question, the box, the mask), then `linf.py`, `l0.py`, `l1.py`, `l2.py`; `piecewise.py` has the root
finding that L2 and LInf share, `joint.py` the same question for several images at once, `linear_program.py` the one
that a linear program answers.  Imports `minigrad.inputs`.  The file of a norm is loaded when it is asked for.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from attacks.balls.base import Ball

CLASS = {"l0": "L0", "l1": "L1", "l2": "L2", "linf": "LInf"}  # file, which is also the norm: class

__all__ = ["BALLS", "L0", "L1", "L2", "Ball", "LInf"]


class Norms(Mapping[str, type[Ball]]):
    """The class of each norm's balls: `BALLS["linf"]` is `LInf`."""

    def __getitem__(self, norm: str) -> type[Ball]:
        name = CLASS[norm]
        kind: type[Ball] = getattr(import_module(f"attacks.balls.{norm}"), name)
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(CLASS)

    def __len__(self) -> int:
        return len(CLASS)


BALLS = Norms()


def __getattr__(name: str) -> Any:
    if name not in CLASS.values():
        raise AttributeError(f"module 'attacks.balls' has no attribute {name!r}")
    return BALLS[name.lower()]
