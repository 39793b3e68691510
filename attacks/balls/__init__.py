"""Perturbation sets, one norm a file, and the one question asked of them: which `s` moves a linear function most?

Read `base.py` (the question, the box, the mask), then `linf.py`, `l0.py`, `l1.py`, `l2.py`; `piecewise.py` has the root
finding that three of them share, `joint.py` the same question for several images at once,
`linear_program.py` the one in which a linear program takes the part of the closed forms.  Imports `minigrad.inputs`.
"""

from attacks.balls.base import Ball
from attacks.balls.l0 import L0
from attacks.balls.l1 import L1
from attacks.balls.l2 import L2
from attacks.balls.linf import LInf

BALLS: dict[str, type[Ball]] = {kind.norm: kind for kind in (L0, L1, L2, LInf)}

__all__ = ["BALLS", "L0", "L1", "L2", "Ball", "LInf"]
