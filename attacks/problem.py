"""What goes into an attack, checked once, and what comes out, measured again from the image itself.

An attack hands over its best try `x_adv` and, for images it failed on, why.  Distance, box, mask, margin and success
are then recomputed in float64 from `x_adv`: nothing that an attack says of itself is believed.  Images go through in
`blocks`: beside `x` an attack needs its result and one more array of that size, or its docstring says how many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import CLASS
from attacks.balls.base import Ball, caps, check_images
from attacks.images import Levels, as_levels, blocks, in_bytes
from attacks.result import AttackResult, Reason, Trace
from minigrad.inputs import Array, as_images
from minigrad.margin import Margin
from minigrad.mlp import MLP
from minigrad.model import Model


@dataclass(frozen=True, eq=False)
class Problem:
    """The checked input of an attack: images (n, d), the margin to raise above 0, and the ball to stay in."""

    x: Array
    margin: Margin
    ball: Ball
    start: Array  # m(x), (n,)
    levels: Levels | None  # what the bytes 0 and 255 stand for: attacks/images.py

    @classmethod
    def from_images(
        cls,
        net: Model,
        x: ArrayLike,
        y: ArrayLike,
        ball: Ball,
        target: ArrayLike | None = None,
        levels: Levels | None = None,
    ) -> Problem:
        """Check everything before any work.  Raises ValueError with one sentence."""
        check_ball(ball)
        x = as_images(x, net.sizes[0] if isinstance(net, MLP) else None)
        check_images(ball, x)
        levels = as_levels(levels, ball.box, x.shape[1])
        margin = Margin.from_labels(net, x, y, target)
        return cls(x, margin, ball, margin.value(x), levels)

    @property
    def open_rows(self) -> Array:
        """The images to attack, as row numbers: those not misclassified already."""
        return np.flatnonzero(self.start <= 0)

    def targeted(self) -> list[Problem]:
        """For each class that images of k >= 3 classes may become, the problem of becoming that one.

        None where there are two classes, or a target; none of a class that the network takes all images for already.
        """
        margin, n = self.margin, len(self.x)
        k = margin.classes(self.x)
        if k <= 2 or margin.target is not None:
            return []
        ways = []
        for target in range(k):
            at = Margin(margin.net, margin.y, np.full(n, target), margin.count)
            start = np.concatenate([at.take(rows).value(self.x[rows]) for rows in blocks(np.arange(n))])
            ways.append(replace(self, margin=at, start=start))
        return [way for way in ways if len(way.open_rows)]

    def finish(self, x_adv: Array, reason: ArrayLike = Reason.BUDGET, trace: Trace | None = None) -> AttackResult:
        """Measure `x_adv` (n, d) and build the result; `reason` says why, wherever it turns out not to be a success.

        Memory: the result's own images, and a block's at a time.

        Raises
        ------
        AssertionError
            An attack left its ball, box or mask: a bug here, never a result.
        """
        misclassified, n = self.start > 0, len(self.x)
        tried, x_adv = x_adv, np.empty_like(self.x)
        distance, single, rounded = np.empty(n), np.empty(n, bool), np.empty(n, bool)
        for rows in blocks(np.arange(n)):
            x, ball = self.x[rows], self.ball.take(rows, n)
            now = np.where(misclassified[rows, None], x, tried[rows])
            s = now - x  # (rows, d)
            allowed = ball.contains(x, s)
            if not allowed.all():
                row = int(rows[np.argmin(allowed)])
                raise AssertionError(f"the perturbation of row {row} is outside its {ball.norm} ball, box or mask")
            x_adv[rows], distance[rows] = now, ball.distance(s)
            margin, tried_here = self.margin.take(rows), ~misclassified[rows]
            single[rows] = (margin.value_32bit(now) > 0) & tried_here
            if self.levels is not None:
                rounded[rows] = (margin.value(in_bytes(x, now, self.levels)) > 0) & tried_here
        m = self.margin.value(x_adv)  # (n,)
        success = (m > 0) & ~misclassified
        reasons = np.array([Reason(why) for why in np.broadcast_to(reason, n)], object)
        reasons[misclassified], reasons[success] = Reason.MISCLASSIFIED, Reason.SUCCESS
        return AttackResult(
            x=self.x,
            x_adv=x_adv,
            success=success,
            success_32bit=single,
            distance=distance,
            margin=m,
            reason=reasons,
            norm=self.ball.norm,
            forwards=self.margin.count.forward,
            jacobians=self.margin.count.jacobian,
            levels=self.levels,
            rounded=None if self.levels is None else rounded,
            trace=trace,
        )


def check_ball(ball: object) -> None:
    """Raise ValueError unless `ball` is one."""
    if not isinstance(ball, Ball):
        raise ValueError(f"ball: expected one of {', '.join(CLASS.values())}, got {type(ball).__name__}")


def why_level(ball: Ball, x: Array, g: Array) -> Array:
    """Why the margin is level around `x` (n, d), where its gradient is `g` (n, d), as Reasons (n,); BUDGET where not.

    NO_PIXEL: box and mask leave no pixel any room, or none that has a slope.  ZERO_GRADIENT: there is room, and no
    pixel has a slope, free or not.
    """
    down, up = ball.room(x)
    free, why = (down < 0) | (up > 0), np.full(len(x), Reason.BUDGET, object)
    why[~(free & (g != 0)).any(axis=1)] = Reason.NO_PIXEL
    why[free.any(axis=1) & ~g.any(axis=1)] = Reason.ZERO_GRADIENT
    return why


def why_still(ball: Ball, x: Array, g: Array) -> Array:
    """The same, and NO_PIXEL also where every free pixel with a slope is at the end of the box that it points to."""
    why = why_level(ball, x, g)
    why[(why == Reason.BUDGET) & (caps(*ball.room(x), g).max(axis=1) == 0)] = Reason.NO_PIXEL
    return why
