"""Attacks on a network's input: which allowed perturbation moves the margin above zero?

Every attack is a pure function `attack(net, x, y, ...) -> AttackResult`, and every perturbation set is a ball of
`attacks/balls.py`.  Conventions: see `minigrad/__init__.py`.  This room knows minigrad and not the data.
"""

from attacks.balls import L0, L1, L2, LInf
from attacks.certificate import Certificate, CertificateError
from attacks.minimum import certified_minimum
from attacks.result import AttackResult, Trace
from attacks.saliency import saliency_map
from attacks.sign_gradient import fgsm, pgd, smallest_eps
from attacks.uap import UniversalResult, universal

__all__ = [
    "L0",
    "L1",
    "L2",
    "AttackResult",
    "Certificate",
    "CertificateError",
    "LInf",
    "Trace",
    "UniversalResult",
    "certified_minimum",
    "fgsm",
    "pgd",
    "saliency_map",
    "smallest_eps",
    "universal",
]
