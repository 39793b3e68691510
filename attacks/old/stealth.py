"""`attacks.stealth` of 0.1; removed in 0.3."""

import warnings

from attacks.detect.adaptive import blind_spots as disguises
from attacks.detect.adaptive import neighbourhood
from attacks.eight_bit import nearest_byte, smallest_eps_8bit

__all__ = ["disguises", "nearest_byte", "neighbourhood", "smallest_eps_8bit"]

warnings.warn(
    "attacks.stealth: import blind_spots (once disguises) and neighbourhood from attacks.detect, "
    "smallest_eps_8bit and nearest_byte from attacks.eight_bit; removed in 0.3",
    DeprecationWarning,
    stacklevel=2,
)
