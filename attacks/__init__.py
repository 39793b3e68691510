"""Attacks on a network's input: which allowed perturbation moves the margin above zero?

The files of this folder are the homework: `saliency.py` (few pixels; `sparse_search.py` takes pixels back),
`sign_gradient.py` (small changes), `minimum_norm.py` (the smallest), `eight_bit.py` (among the bytes).  They stand on
`balls/` (the perturbation sets), `problem.py` and `result.py` (what goes in, what comes out), `images.py` and
`ascent.py` (blocks, bytes, steps), and on `refine/`, which betters an answer: other starts, the way back towards x.
The wings go beyond, each standing on those before it: `uap/` (one perturbation for all images), `patch/` (glasses),
`detect/` (can one tell?), `proofs/` (nothing smaller works: proved), `defend/` (training against them), `report/` (all
as a page).
Conventions: `minigrad/__init__.py`.

One rule for all calls: what has a radius takes a ball, what looks for a radius takes `norm=`; every option is
keyword-only.  A name below is imported when it is first used, so `import attacks` costs little more than NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attacks.balls.l0 import L0
    from attacks.balls.l1 import L1
    from attacks.balls.l2 import L2
    from attacks.balls.linf import LInf
    from attacks.defend.accuracy import robust_accuracy, robust_curve
    from attacks.defend.comparison import Comparison, compare
    from attacks.defend.share import RobustAccuracy
    from attacks.defend.training import fit_robust
    from attacks.minimum_norm import smallest_eps
    from attacks.patch.attack import Accessory, accessory
    from attacks.patch.masks import glasses_mask, place
    from attacks.proofs.certificate import Certificate
    from attacks.proofs.certificate_file import CertificateError
    from attacks.proofs.decide import certify
    from attacks.proofs.mask_minimum import any_filling, smallest_mask
    from attacks.proofs.minimum import certified_minimum
    from attacks.proofs.set_minimum import UniversalMinimum, universal_minimum
    from attacks.proofs.verdict import Verdict
    from attacks.result import AttackResult, Reason, Trace
    from attacks.saliency import saliency_map
    from attacks.sign_gradient import fgsm, pgd
    from attacks.uap.attack import UniversalResult, universal
    from minigrad.io.png import load_png

HOME = {  # where each public name lives
    **dict.fromkeys(("L0", "L1", "L2", "LInf"), "attacks.balls"),
    **dict.fromkeys(("AttackResult", "Reason", "Trace"), "attacks.result"),
    **dict.fromkeys(("fgsm", "pgd"), "attacks.sign_gradient"),
    "saliency_map": "attacks.saliency",
    "smallest_eps": "attacks.minimum_norm",
    "load_png": "minigrad.io.png",
    **dict.fromkeys(("UniversalResult", "universal"), "attacks.uap.attack"),
    **dict.fromkeys(("Accessory", "accessory"), "attacks.patch.attack"),
    **dict.fromkeys(("glasses_mask", "place"), "attacks.patch.masks"),
    "Certificate": "attacks.proofs.certificate",
    "CertificateError": "attacks.proofs.certificate_file",
    "certify": "attacks.proofs.decide",
    "Verdict": "attacks.proofs.verdict",
    **dict.fromkeys(("any_filling", "smallest_mask"), "attacks.proofs.mask_minimum"),
    "certified_minimum": "attacks.proofs.minimum",
    **dict.fromkeys(("robust_accuracy", "robust_curve"), "attacks.defend.accuracy"),
    "RobustAccuracy": "attacks.defend.share",
    **dict.fromkeys(("Comparison", "compare"), "attacks.defend.comparison"),
    "fit_robust": "attacks.defend.training",
    **dict.fromkeys(("UniversalMinimum", "universal_minimum"), "attacks.proofs.set_minimum"),
}

__all__ = [
    "L0",
    "L1",
    "L2",
    "Accessory",
    "AttackResult",
    "Certificate",
    "CertificateError",
    "Comparison",
    "LInf",
    "Reason",
    "RobustAccuracy",
    "Trace",
    "UniversalMinimum",
    "UniversalResult",
    "Verdict",
    "accessory",
    "any_filling",
    "certified_minimum",
    "certify",
    "compare",
    "fgsm",
    "fit_robust",
    "glasses_mask",
    "load_png",
    "pgd",
    "place",
    "robust_accuracy",
    "robust_curve",
    "saliency_map",
    "smallest_eps",
    "smallest_mask",
    "universal",
    "universal_minimum",
]

__path__.append(f"{__path__[0]}/old")  # attacks.stealth and attacks.campaign, as they were called before 0.2


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'attacks' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
