"""Numbers as the page and the figures print them; what was not measured is "none".

A bound is never rounded to the nearest: what is proved impossible below 0.04014 need not be impossible below 0.0402.
So every lower end is printed by `floored` and every upper end by `ceiled`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from attacks.detect.statistics import share_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# No rounding: a float64 has at most 309 digits before the point and 1074 after it, and a difference of two one more.
EXACT = Context(prec=1400)


def floored(value: float | Decimal | None, digits: int = 4) -> str:
    """The largest number with that many digits after the point that is not above `value`; "none" if it is not finite.

    `value` is taken exactly: the float64 next to 0.3 lies below it.

    >>> floored(0.0401397825), floored(0.3), floored(5, 0)
    ('0.0401', '0.2999', '5')
    """
    return _rounded(value, digits, ROUND_FLOOR)


def ceiled(value: float | Decimal | None, digits: int = 4) -> str:
    """The smallest number with that many digits after the point that is not below `value`; "none" if it is not finite.

    >>> ceiled(0.0401397825), ceiled(0.25), ceiled(5, 0)
    ('0.0402', '0.2500', '5')
    """
    return _rounded(value, digits, ROUND_CEILING)


def _rounded(value: float | Decimal | None, digits: int, direction: str) -> str:
    if value is None or not math.isfinite(value):
        return "none"
    return f"{EXACT.plus(Decimal(value).quantize(Decimal(1).scaleb(-digits), direction, EXACT)):f}"  # plus: no "-0"


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


def json_bytes(numbers: dict[str, Any]) -> bytes:
    """A file of numbers that people read, too."""
    return (json.dumps(numbers, indent=1, allow_nan=False) + "\n").encode()


def csv_bytes(images: Iterable[Any], results: Iterable[Any], names: Sequence[str]) -> bytes:
    """A table: a row for each of the test images, with these attributes of its result."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["image", *names])
    writer.writerows([i, *(getattr(result, name) for name in names)] for i, result in zip(images, results, strict=True))
    return table.getvalue().encode()
