"""What an attack returns, and why it failed where it did.  Built by attacks/problem.py, which measures it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from attacks.images import UNKNOWN, Levels, pictures, to_share
from minigrad.inputs import Array, as_count


class Reason(StrEnum):
    """How a search ended, in the words that are printed and stored; `advice` says what to do about it."""

    advice: str

    def __new__(cls, words: str, advice: str = "") -> Reason:
        member = str.__new__(cls, words)
        member._value_, member.advice = words, advice
        return member

    SUCCESS = "success", "Nothing: the image is adversarial."
    MISCLASSIFIED = "already misclassified", "Leave the image out of rates: it needs no perturbation."
    BUDGET = "budget spent", "Allow a larger radius, more pixels or more steps; x_adv is the best try."
    NONE_FOUND = "none found", "Raise restarts, or give starts= adversarial images; that there is none is not proved."
    NO_PIXEL = "no admissible pixel", "Widen the mask or the box: no pixel can move in a direction that helps."
    ZERO_GRADIENT = "zero gradient", "Start elsewhere, where the attack can (restarts=, starts=): no pixel has a slope."
    ALL_FOOLED = "all fooled", "Nothing: every image is fooled; a smaller radius may do."
    STEPS = "steps spent", "Allow more steps or a larger radius; the result is the best that was seen."
    NO_PROGRESS = "no progress", "Allow a larger radius or another method: a whole pass changed nothing."
    PROVED = "proved", "Nothing: the interval is as narrow as asked."
    COUNTEREXAMPLE = "counterexample", "Nothing: the set holds an adversarial image."
    TIME = "time limit", "Raise time_limit: the interval holds as it is, and more time narrows it."
    NODES = "node limit", "Raise node_limit: the interval holds as it is, and more nodes narrow it."
    RADIUS = "radius asked", "Nothing: one radius was asked about; certified_minimum narrows the interval."
    TIE = "tie within rounding", "Accept the interval: in float64 this margin cannot be told from 0."
    BOUNDARY = "on the boundary", "Leave the image out: its margin is 0, within rounding, and any change may flip it."
    SMOOTH = "no line of this activation is exact", "Accept the interval: what is left open is as small as rounding."


@dataclass(frozen=True, eq=False)
class Trace:
    """The steps of a one-pixel-at-a-time attack, one row an image, in order; -1 and NaN where there is none.

    After the steps that were taken, and a gap where other images took more, stand the pixels that came in otherwise: by
    exchanges, or on the way back from a far point.

    Attributes
    ----------
    pixel : (n, steps) int       which pixel was changed
    value : (n, steps)           to what
    margin : (n, steps + 1)      m before the first step and after each; NaN where it was not measured
    kept : (n, steps) bool       whether `x_adv` still has it: False where it was taken back, or is no step
    """

    pixel: Array
    value: Array
    margin: Array
    kept: Array


@dataclass(frozen=True, eq=False)
class AttackResult:
    """The outcome for n images.  Every array was measured from `x_adv`.

    Attributes
    ----------
    x, x_adv : (n, d)
        The images, and the best try for each, adversarial or not; `x_adv = x` where the image is already misclassified.
    success : (n,) bool
        `margin > 0` and the perturbation is allowed.  False for images already misclassified.
    success_32bit : (n,) bool
        Whether it is still adversarial in single precision: the image rounded to float32, the network in float32
        (minigrad/single.py).
    levels : (lo, hi) or None
        What the bytes 0 and 255 stand for (attacks/images.py).  None: the box did not say it.
    rounded : (n,) bool or None
        What `success_8bit` returns; None where the levels are.
    distance : (n,)
        `|x_adv - x|` in the norm of the ball.
    margin : (n,)
        `m(x_adv)`; positive iff adversarial.
    reason : (n,) of Reason
        Each is a string, "success", "already misclassified" or why it failed, with an `advice`.
    norm : str
    forwards, jacobians : int
        Images pushed forward, and images whose margin was differentiated, in all.
    trace : Trace or None
    """

    x: Array
    x_adv: Array
    success: Array
    success_32bit: Array
    distance: Array
    margin: Array
    reason: Array
    norm: str
    forwards: int
    jacobians: int
    levels: Levels | None
    rounded: Array | None
    trace: Trace | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        tried, unit = self.reason != Reason.MISCLASSIFIED, "pixels" if self.norm == "l0" else f"|s| ({self.norm})"
        many = f"{np.count_nonzero(self.success)} of {np.count_nonzero(tried)} flipped"
        wrong = f", {np.count_nonzero(~tried)} misclassified already" if not tried.all() else ""
        mean = f", mean {self.mean_distance:.6g} {unit}" if self.success.any() else ""
        return f"AttackResult({many}{wrong}{mean})"

    @property
    def success_8bit(self) -> Array:
        """Whether each image is still adversarial after every changed pixel is rounded to a byte, (n,) bool.

        In [0, 1] a byte is `float32(round(255 v) / 255)`.  That takes a pixel up to half a byte beyond the ball, or
        beyond a box whose ends are no bytes.  Raises ValueError where the levels are not known.
        """
        return known(self.rounded)

    @property
    def rate(self) -> float:
        """The share of successes among the images that were not misclassified already; NaN if there are none."""
        tried = self.reason != Reason.MISCLASSIFIED
        return float(self.success[tried].mean()) if tried.any() else float("nan")

    @property
    def mean_distance(self) -> float:
        """The mean distance of the successes; NaN if there are none."""
        return float(self.distance[self.success].mean()) if self.success.any() else float("nan")

    def changes(self, i: int, shape: tuple[int, int] | None = None) -> list[tuple[int, int, float, float]]:
        """`(row, column, old, new)` of each changed pixel of image `i`; `shape` (rows, columns), by default square."""
        old, new = self.picture(i, shape, adversarial=False), self.picture(i, shape)
        return [(int(r), int(c), float(old[r, c]), float(new[r, c])) for r, c in np.argwhere(old != new)]

    def picture(self, i: int, shape: tuple[int, int] | None = None, *, adversarial: bool = True) -> Array:
        """Image `i` after the attack (or before it) as (rows, columns), by default square."""
        row = as_count(i, "i", least=0)
        if row >= len(self.x):
            raise ValueError(f"i: expected an image among 0..{len(self.x) - 1}, got {i}")
        return pictures((self.x_adv if adversarial else self.x)[row : row + 1], shape)[0]

    def save_png(self, folder: str | Path, shape: tuple[int, int] | None = None) -> list[Path]:
        """Write `original_0000.png` and `adversarial_0000.png` of each image to `folder`, made if absent; their paths.

        The lower level becomes black, the upper white, so what is written is what `success_8bit` speaks of.

        Raises
        ------
        ValueError, OSError
            Levels that are not known, images that are not of that shape; a folder that cannot be written.
        """
        from minigrad.io.png import write_png

        if self.levels is None:
            raise ValueError(UNKNOWN)
        names: Sequence[tuple[str, Array]] = (("original", self.x), ("adversarial", self.x_adv))
        return [
            write_png(Path(folder) / f"{name}_{i:04d}.png", pictures(to_share(rows[i : i + 1], self.levels), shape)[0])
            for i in range(len(self.x))
            for name, rows in names
        ]


def known(rounded: Array | None) -> Array:
    """What was measured in bytes, or ValueError where nobody could say which values bytes stand for."""
    if rounded is None:
        raise ValueError(UNKNOWN)
    return rounded
