"""A number that grows evenly from one value to another while a part of the training is done."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attacks.balls.base import Ball
from minigrad.inputs import Array, as_number


@dataclass(frozen=True)
class Ramp:
    """0 up to the share `begin` of the training, 1 from the share `end` on, and a straight line between.

    Examples
    --------
    >>> [Ramp(0.25, 0.75).at(done) for done in (0.0, 0.25, 0.5, 0.75, 1.0)]
    [0.0, 0.0, 0.5, 1.0, 1.0]
    >>> Ramp(0, 0).at(0.0)  # no ramp at all
    1.0
    """

    begin: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= as_number(self.begin, "begin") <= as_number(self.end, "end") <= 1:
            raise ValueError(f"ramp: expected 0 <= begin <= end <= 1, shares of the training, got {self}")

    def at(self, done: float) -> float:
        """The value when the share `done` of all steps lies behind."""
        if done >= self.end:
            return 1.0
        return max(0.0, (done - self.begin) / (self.end - self.begin))


def grown(ball: Ball, rows: Array, n: int, share: float) -> tuple[Ball, float]:
    """The balls of the images `rows` out of n at that share of their radius, and the largest radius: 0 at share 0."""
    ball = ball.take(rows, n)
    ball = ball if share == 1 else ball.scaled(share)
    return ball, float(np.max(ball.radius)) if share else 0.0
