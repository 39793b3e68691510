"""What an attack returns: built in one place, which believes nothing it is told and measures again.

An attack hands over its best try `x_adv` and, for images it failed on, why.  Distance, box, mask, margin and success
are then recomputed in float64 from `x_adv` itself.

Images go through in `blocks`: beside `x` an attack needs its result and one more array of that size, or the docstring
says how many.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import Ball
from minigrad.inputs import Array, as_images
from minigrad.margin import Margin
from minigrad.mlp import MLP
from minigrad.model import Model

SUCCESS = "success"
MISCLASSIFIED = "already misclassified"
BUDGET = "budget spent"
NO_PIXEL = "no admissible pixel"


@dataclass(frozen=True, eq=False)
class Trace:
    """The steps of a one-pixel-at-a-time attack, one row an image, in order; -1 and NaN after its last step.

    Attributes
    ----------
    pixel : (n, steps) int       which pixel was changed
    value : (n, steps)           to what
    margin : (n, steps + 1)      m before the first step and after each
    kept : (n, steps) bool       False where the step was taken back by pruning (or is no step)
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
    success_8bit : (n,) bool
        Whether it is still adversarial after each changed pixel is rounded to a byte, `float32(round(255 v) / 255)`,
        which takes a pixel up to 1/510 beyond the ball, or beyond a box whose ends are no bytes.
    distance : (n,)
        `|x_adv - x|` in the norm of the ball.
    margin : (n,)
        `m(x_adv)`; positive iff adversarial.
    reason : (n,) str
        "success", "already misclassified", or why it failed.
    norm : str
    forwards, jacobians : int
        Images pushed forward, and images whose margin was differentiated, in all.
    trace : Trace or None
    """

    x: Array
    x_adv: Array
    success: Array
    success_8bit: Array
    distance: Array
    margin: Array
    reason: Array
    norm: str
    forwards: int
    jacobians: int
    trace: Trace | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        many = f"{np.count_nonzero(self.success)} of {len(self.success)} flipped"
        return f"AttackResult({self.norm}, {many}, mean distance {self.mean_distance:.6g})"

    @property
    def rate(self) -> float:
        """The share of successes among the images that were not misclassified already; NaN if there are none."""
        tried = self.reason != MISCLASSIFIED
        return float(self.success[tried].mean()) if tried.any() else float("nan")

    @property
    def mean_distance(self) -> float:
        """The mean distance of the successes; NaN if there are none."""
        return float(self.distance[self.success].mean()) if self.success.any() else float("nan")


@dataclass(frozen=True, eq=False)
class Problem:
    """The checked input of an attack: images (n, d), the margin to raise above 0, and the ball to stay in."""

    x: Array
    margin: Margin
    ball: Ball
    start: Array  # m(x), (n,)

    @classmethod
    def of(cls, net: Model, x: ArrayLike, y: ArrayLike, ball: Ball, target: ArrayLike | None = None) -> Problem:
        """Check everything before any work.  Raises ValueError with one sentence."""
        if not isinstance(ball, Ball):
            raise ValueError(f"ball: expected LInf, L0, L1 or L2, got {type(ball).__name__}")
        x = as_images(x, net.sizes[0] if isinstance(net, MLP) else None)
        ball.check(x)
        margin = Margin.of(net, x, y, target)
        return cls(x, margin, ball, margin.value(x))

    @property
    def open(self) -> Array:
        """The images to attack, as row numbers: those not misclassified already."""
        return np.flatnonzero(self.start <= 0)

    def aimed(self) -> list[Problem]:
        """Where images may become anything of k >= 3 classes: for each class the problem of becoming that one, without
        the images that the network takes for it already.  Else none; and none of classes that all images are in.
        """
        margin, n = self.margin, len(self.x)
        k = np.shape(margin.net.logits(self.x[:1]))[1]
        if k <= 2 or margin.target is not None:
            return []
        ways = []
        for target in range(k):
            at = Margin(margin.net, margin.y, np.full(n, target), margin.count)
            start = np.concatenate([at.rows(rows).value(self.x[rows]) for rows in blocks(np.arange(n))])
            ways.append(replace(self, margin=at, start=start))
        return [way for way in ways if len(way.open)]

    def finish(self, x_adv: Array, reason: ArrayLike = BUDGET, trace: Trace | None = None) -> AttackResult:
        """Measure `x_adv` (n, d) and build the result; `reason` says why, wherever it turns out not to be a success.

        Memory: the result's own images, and a block's at a time.

        Raises
        ------
        AssertionError
            An attack left its ball, box or mask: a bug here, never a result.
        """
        misclassified, n = self.start > 0, len(self.x)
        tried, x_adv = x_adv, np.empty_like(self.x)
        distance, rounded = np.empty(n), np.empty(n)
        for rows in blocks(np.arange(n)):
            x, ball = self.x[rows], self.ball.rows(rows, n)
            now = np.where(misclassified[rows, None], x, tried[rows])
            s = now - x  # (rows, d)
            allowed = ball.contains(x, s)
            if not allowed.all():
                row = int(rows[np.argmin(allowed)])
                raise AssertionError(f"the perturbation of row {row} is outside its {ball.norm} ball, box or mask")
            x_adv[rows], distance[rows] = now, ball.distance(s)
            rounded[rows] = self.margin.rows(rows).value(in_bytes(x, now))
        m = self.margin.value(x_adv)  # (n,)
        success = (m > 0) & ~misclassified
        reasons = np.where(success, SUCCESS, np.where(misclassified, MISCLASSIFIED, np.broadcast_to(reason, m.shape)))
        return AttackResult(
            x=self.x,
            x_adv=x_adv,
            success=success,
            success_8bit=(rounded > 0) & ~misclassified,
            distance=distance,
            margin=m,
            reason=reasons,
            norm=self.ball.norm,
            forwards=self.margin.count.forward,
            jacobians=self.margin.count.jacobian,
            trace=trace,
        )


def blocks(rows: Array, size: int = 384) -> list[Array]:
    """Row numbers in blocks: their images (384 x 784 float64 are 2.4 MB) stay in the cache for a whole run."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def in_bytes(x: Array, x_adv: Array) -> Array:
    """`x_adv` (n, d) with every changed pixel rounded to a byte; untouched pixels stay as they are to the last bit."""
    return np.where(x_adv == x, x, to_8bit(x_adv))


def to_8bit(v: Array) -> Array:
    """The nearest value a PNG can hold: `float32(round(255 v) / 255)`, as float64."""
    return (np.round(255 * v) / 255).astype(np.float32).astype(np.float64)
