"""`attacks.campaign` of 0.1; removed in 0.3."""

import warnings

from attacks.proofs.campaign import campaign
from attacks.proofs.task import Progress

__all__ = ["Progress", "campaign"]

warnings.warn(
    "attacks.campaign: import campaign and Progress from attacks.proofs.campaign; removed in 0.3",
    DeprecationWarning,
    stacklevel=2,
)
