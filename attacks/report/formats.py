"""Numbers as the page and the figures print them; what was not measured is "none"."""

from __future__ import annotations

import math

import numpy as np

from attacks.detect.statistics import share_interval


def number(value: float | None, digits: int = 4) -> str:
    """With that many digits after the point."""
    return "none" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share, as 12.3%."""
    return "none" if share is None or math.isnan(share) else f"{100 * share:.{digits}f}%"


def rate(share: float | None, n: int, digits: int = 1) -> str:
    """A share of n images, with its 95% interval."""
    if share is None or math.isnan(share) or not n:
        return "none"
    low, high = share_interval(share, n)
    return f"{100 * share:.{digits}f}% ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def confidence(m: float) -> float:
    """`sigmoid(m)`: how sure the network is of the class that a positive margin m argues for."""
    return float(0.5 * (1 + np.tanh(0.5 * m)))


def pixels(count: float) -> str:
    """1 pixel, 2 pixels."""
    return f"{count:.0f} pixel{'' if count == 1 else 's'}"
