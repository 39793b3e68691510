"""Can one tell attacked images from clean ones, and what does it cost an attack to stay unseen?

Read detectors.py (`FittedDetectors` and the five scores), statistics.py (thresholds, ROC curves, areas, intervals),
combined.py (one score of the five) and adaptive.py (attacks that know the detectors).  All public names can be imported
from here.  This wing may import minigrad, the balls and the modules directly in attacks/.
"""

import warnings
from typing import Any

from attacks.detect.adaptive import blind_spots, neighbourhood
from attacks.detect.combined import Combined
from attacks.detect.detectors import (
    DETECTORS,
    FittedDetectors,
    isolated,
    neighbour,
    scores,
    squeezed,
    subspace,
    unused,
)
from attacks.detect.statistics import FALSE_ALARMS, auc, auc_interval, roc, share_interval, threshold

__all__ = [
    "DETECTORS",
    "FALSE_ALARMS",
    "Combined",
    "FittedDetectors",
    "auc",
    "auc_interval",
    "blind_spots",
    "isolated",
    "neighbour",
    "neighbourhood",
    "roc",
    "scores",
    "share_interval",
    "squeezed",
    "subspace",
    "threshold",
    "unused",
]


def __getattr__(name: str) -> Any:
    if name != "Memory":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn("attacks.detect.Memory is FittedDetectors now; removed in 0.3", DeprecationWarning, stacklevel=2)
    return FittedDetectors
