"""Attacks on a network's input: which allowed perturbation moves the margin above zero?

Every attack is a pure function `attack(net, x, y, ...) -> AttackResult`, and every perturbation set is a ball of
`attacks/balls.py`.  Conventions: see `minigrad/__init__.py`.  This room knows minigrad and not the data.
"""

from attacks.balls import L0, L1, L2, LInf
from attacks.certificate import Certificate, CertificateError
from attacks.glasses import glasses_mask, place
from attacks.minimum import certified_minimum
from attacks.pattern import Accessory, accessory, any_filling, smallest_mask
from attacks.result import AttackResult, Trace
from attacks.saliency import saliency_map
from attacks.sign_gradient import fgsm, pgd, smallest_eps
from attacks.uap import UniversalResult, universal
from attacks.uap_minimum import UniversalMinimum, universal_minimum

__all__ = [
    "L0",
    "L1",
    "L2",
    "Accessory",
    "AttackResult",
    "Certificate",
    "CertificateError",
    "LInf",
    "Trace",
    "UniversalMinimum",
    "UniversalResult",
    "accessory",
    "any_filling",
    "certified_minimum",
    "fgsm",
    "glasses_mask",
    "pgd",
    "place",
    "saliency_map",
    "smallest_eps",
    "smallest_mask",
    "universal",
    "universal_minimum",
]
