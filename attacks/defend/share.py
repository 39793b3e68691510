"""A robust accuracy: of so many images, how many are right and proved robust, and how many at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attacks.balls.base import exactly
from attacks.detect.statistics import share_interval
from minigrad.inputs import Array


@dataclass(frozen=True, eq=False)
class RobustAccuracy:
    """What is known of each image at one radius.

    Attributes
    ----------
    radius : float, or (n,) one an image
    status : (n,) of str
        "robust" (right and proved), "fooled" (a counterexample is known), "wrong" (misclassified as it is), "open".
    rows : (n,)
        Which of the images given they are.
    sampled : bool
        Whether they are a random sample of them.
    seconds : float
        Of all radii together.
    """

    radius: Any
    status: Array
    rows: Array
    sampled: bool
    seconds: float

    def __repr__(self) -> str:
        proved, open_ = self.count("robust"), self.count("open")  # counts, since a share would be rounded
        many = f"{proved} to {proved + open_}" if open_ else f"{proved}"
        of = f"{len(self.status)} images" + (", a sample" if self.sampled else "")
        least, most = exactly(np.min(self.radius)), exactly(np.max(self.radius))
        radius = f"radius {most}" if least == most else f"radii {least} to {most}"
        return f"RobustAccuracy({radius}: {many} of {of})"

    def count(self, status: str) -> int:
        """How many images have it."""
        return int(np.count_nonzero(self.status == status))

    @property
    def lower(self) -> float:
        """The share that is right and proved robust."""
        return self.count("robust") / len(self.status)

    @property
    def upper(self) -> float:
        """The share that is right and was not fooled."""
        return (self.count("robust") + self.count("open")) / len(self.status)

    @property
    def accuracy(self) -> float:
        """The share that is not wrong as it is, beyond rounding."""
        return 1 - self.count("wrong") / len(self.status)

    @property
    def interval(self) -> tuple[float, float]:
        """What the robust accuracy may be: of these images themselves, [lower, upper]; of all that a sample stands for,
        the lower end of lower's 95% interval and the upper end of upper's (Wilson 1927)."""
        if not self.sampled:
            return self.lower, self.upper
        n = len(self.status)
        low, _ = share_interval(self.lower, n)
        _, high = share_interval(self.upper, n)
        return low, high
