"""Certified training: minimise an upper bound of the worst-case loss, so that what is trained is proved as well.

    L = kappa L(N(x), y) + (1 - kappa) L_worst(B),      B = beta B_linear + (1 - beta) B_interval

"interval" has beta = 0 (Gowal et al. 2018, eq. 12), "linear" beta = 1, and "mixed" lets beta fall from 1 to 0 while the
radius grows (CROWN-IBP: Zhang et al. 2020, section 3.3): linear bounds are tighter while weights are large, intervals
are smoother to train on.  kappa falls from 1 as the radius grows: a network that must first learn the digits cannot do
so through bounds that are loose for every random network.

"small-box" (Mueller, Eckert, Fischer and Vechev 2023, SABR) bounds a part of the ball only: the part of radius
lam * eps around the worst image that an attack finds within (1 - lam) * eps, which lies inside the ball by the triangle
inequality.  The loss is no longer an upper bound of the worst case but close to it from both sides, and the network is
regularised less.  Such a network needs a search to be proved, which `certify` is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from attacks.balls.base import Ball
from attacks.defend.enclosure import Enclosure
from attacks.defend.inner_maximum import FIRST_STEP, falling, worst_images
from attacks.defend.interval_loss import IntervalPass
from attacks.defend.linear_loss import LinearPass
from attacks.defend.margins import count_proved, worst_case_loss
from attacks.defend.ramp import Ramp, grown
from minigrad.inputs import as_count, as_number
from minigrad.losses import LOSSES
from minigrad.objective import Batch, PlainLoss, Weights, count_right

WHILE_GROWING = Ramp(0.05, 0.5)


@dataclass(frozen=True)
class Certified:
    """Options of "interval", "linear" and "mixed".

    Attributes
    ----------
    beta : (float, float) in [0, 1]
        The share of the linear bound before and after the ramp.
    kappa : float in [0, 1]
        The share of the plain loss after the ramp; 1 before it.
    overshoot : float > 0
        Trained against this many radii.
    part : float in (0, 1]
        lam, the share of the radius that is bounded; below 1 the rest is searched, by `steps` steps.
    steps : int
    ramp : Ramp
        When radius, kappa and beta move.
    """

    beta: tuple[float, float] = (0.0, 0.0)
    kappa: float = 0.5
    overshoot: float = 1.0
    part: float = 1.0
    steps: int = 7
    ramp: Ramp = WHILE_GROWING

    def __post_init__(self) -> None:
        shares = (*self.beta, self.kappa)
        if len(self.beta) != 2 or not all(0 <= as_number(v, "beta, kappa") <= 1 for v in shares):
            raise ValueError(f"expected beta (two) and kappa in [0, 1], got {self.beta} and {self.kappa}")
        if not 0 < as_number(self.overshoot, "overshoot") <= 4:
            raise ValueError(f"overshoot: expected a number in (0, 4], got {self.overshoot}")
        if not 0 < as_number(self.part, "part") <= 1:
            raise ValueError(f"part: expected a share in (0, 1], got {self.part}")
        as_count(self.steps, "steps")

    @property
    def linear(self) -> bool:
        """Whether lines of the activation are needed."""
        return max(self.beta) > 0

    def objective(self, loss: str, ball: Ball, n: int, rng: np.random.Generator) -> CertifiedLoss:
        return CertifiedLoss(self, loss, ball, n)


@dataclass(eq=False)
class CertifiedLoss:
    """The objective of `Certified` training on n images."""

    options: Certified
    loss: str
    ball: Ball
    n: int
    radius: float = 0.0
    proved: int = 0
    seen: int = 0

    def step(self, weights: Weights, batch: Batch) -> tuple[float, int]:
        share, o = self.options.ramp.at(batch.done), self.options
        ball, self.radius = grown(self.ball, batch.rows, self.n, share * o.overshoot)
        if not self.radius:
            return PlainLoss(self.loss).step(weights, batch)
        kappa, beta = 1 - share * (1 - o.kappa), o.beta[0] + share * (o.beta[1] - o.beta[0])
        if o.part < 1:
            around = ball.scaled(1 - o.part)
            found = worst_images(
                weights.layers, weights.threshold, (batch.x, batch.y), around, falling(o.steps, FIRST_STEP)
            )
            batch, ball = replace(batch, x=found), ball.scaled(o.part)
        return self.bounded(weights, batch, ball, kappa, beta)

    def bounded(self, weights: Weights, batch: Batch, ball: Ball, kappa: float, beta: float) -> tuple[float, int]:
        """The loss at one kappa and beta, and its gradient; the linear bound first, since it says dL/dl and dL/du."""
        enclosure = Enclosure.from_ball(batch.x, ball, fold=len(weights.dense) > 1)
        intervals = IntervalPass.forward(weights, enclosure, batch.y)
        linear = LinearPass.backward(intervals, ball) if beta else None
        B = np.zeros((), batch.x.dtype)
        if linear is not None:
            B = B + beta * linear.B
        if beta < 1:
            B = B + (1 - beta) * intervals.margins()
        plain, g_N = LOSSES[self.loss](intervals.N, batch.y)
        worst, G = worst_case_loss(B, batch.y)
        G = (1 - kappa) * G
        g_l, g_u, extra = (None, None, []) if linear is None else linear.pull(beta * G)
        intervals.pull(kappa * g_N, (1 - beta) * G if beta < 1 else None, g_l, g_u)
        for (dW, db), (more_W, more_b) in zip(weights.slots, extra, strict=False):
            dW += more_W
            db += more_b
        self.proved, self.seen = self.proved + count_proved(B, batch.y), self.seen + len(batch.y)
        return kappa * plain + (1 - kappa) * worst, count_right(intervals.N, batch.y)

    def after_epoch(self, weights: Weights) -> dict[str, float]:
        record = {"radius": self.radius, "proved": self.proved / self.seen if self.seen else 0.0}
        self.proved = self.seen = 0
        return record
