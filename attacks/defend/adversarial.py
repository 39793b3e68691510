"""Adversarial training: each batch is replaced by the worst images that an attack finds (Madry et al. 2018, eq. 2.1).

    min over theta of  mean over images of  max over s in S of  L(N_theta(x + s), y)

By Danskin's theorem the gradient of the inner maximum is the gradient at the maximiser, s held fixed: so a step is an
ordinary step on other images.  It is exact only for the true maximum; PGD finds a good one, and what the network then
resists is what PGD finds.  A proof is another matter: attacks/defend/accuracy.py.

One step from a random start (`single_step`; Wong, Rice and Kolter 2020) is cheaper.  It can fail suddenly: the loss
learns to be steep at x and at the end of the one step and to rise between, so that one step finds nothing and many
steps find everything.  That is *catastrophic overfitting*.  It is noticed by what they watched, too: after each epoch
many steps are tried on some training images, and when the share that resists them has dropped, it is said.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from attacks.ascent import random_start
from attacks.balls.base import Ball
from attacks.defend.inner_maximum import falling, worst_images
from attacks.defend.ramp import Ramp, grown
from minigrad.inputs import Array, as_count, as_number
from minigrad.layers import forward
from minigrad.objective import Batch, PlainLoss, Weights, backprop, count_right

WATCHED = 512  # images on which overfitting is looked for: their share is known within 4%, and it falls by half
MANY = 10  # steps of that look: a choice, many more than the one that is trained against
WARM_UP = Ramp(0.0, 0.1)  # a choice: the full radius for all but the first tenth
COLLAPSE = 0.1  # of the images, and half of the best share: it falls to nothing; 4% is the noise of the look


class CatastrophicOverfitting(UserWarning):
    """Training on one step has taught the network to hide from one step: many steps flip it again."""


@dataclass(frozen=True)
class Adversarial:
    """The inner maximum by `steps` steps from x, the first `step` radii long.

    Attributes
    ----------
    steps : int
        Madry et al. took 40 for MNIST and 7 for CIFAR; of 4 against 9, trained with 4, 94.7% resist 100 steps from 10
        starts (docs/defend.md).
    step : float in (0, 2]
    random_start : bool
        Start at a random point of the ball.
    ramp : Ramp
        The radius grows from 0 to the ball's while this share of the training is done.
    """

    steps: int = 4
    step: float = 0.5
    random_start: bool = False
    ramp: Ramp = WARM_UP

    def __post_init__(self) -> None:
        as_count(self.steps, "steps")
        if not 0 < as_number(self.step, "step") <= 2:
            raise ValueError(f"step: expected a length in (0, 2] radii, got {self.step}")

    def objective(self, loss: str, ball: Ball, n: int, rng: np.random.Generator) -> AdversarialLoss:
        return AdversarialLoss(self, loss, ball, n, rng)


def single_step(step: float = 1.25) -> Adversarial:
    """One step of 1.25 radii from a random start: FGSM training as Wong, Rice and Kolter (2020) mended it."""
    return Adversarial(steps=1, step=step, random_start=True)


@dataclass(eq=False)
class AdversarialLoss:
    """The objective of `Adversarial` training on n images."""

    options: Adversarial
    loss: str
    ball: Ball
    n: int
    rng: np.random.Generator
    watched: list[tuple[Array, Array, Ball]] = field(default_factory=list)
    best: float = 0.0
    radius: float = 0.0
    collapsed: bool = False

    def step(self, weights: Weights, batch: Batch) -> tuple[float, int]:
        self._watch(batch)
        ball, self.radius = grown(self.ball, batch.rows, self.n, self.options.ramp.at(batch.done))
        if not self.radius:
            return PlainLoss(self.loss).step(weights, batch)
        shares = falling(self.options.steps, self.options.step)
        worst = worst_images(
            weights.layers, weights.threshold, (batch.x, batch.y), ball, shares, self._start(batch.x, ball)
        )
        return backprop(weights, worst, batch.y, self.loss)

    def after_epoch(self, weights: Weights) -> dict[str, float]:
        record = {"radius": self.radius}
        if self.options.steps == 1 and self.radius:
            one, many = self._resist(weights, 1), self._resist(weights, MANY)
            record |= {"resist_one_step": one, "resist_many_steps": many}
            if self.best - many > max(COLLAPSE, self.best / 2) and not self.collapsed:
                self.collapsed = True
                warnings.warn(
                    f"catastrophic overfitting: {one:.0%} of the training images resist one step, {many:.0%} resist "
                    f"{MANY} steps, {self.best:.0%} did before; more steps, or a smaller radius, avoid it",
                    CatastrophicOverfitting,
                    stacklevel=2,
                )
            self.best = max(self.best, many)
        self.watched.clear()
        return record

    def _start(self, x: Array, ball: Ball) -> Array | None:
        """A random point of each ball, (n, d)."""
        if not self.options.random_start:
            return None
        return ball.apply(x, random_start(ball, x, self.rng).astype(x.dtype))

    def _watch(self, batch: Batch) -> None:
        if self.options.steps == 1 and sum(len(y) for _, y, _ in self.watched) < WATCHED:
            self.watched.append((batch.x, batch.y, self.ball.take(batch.rows, self.n)))

    def _resist(self, weights: Weights, steps: int) -> float:
        """The share of the watched images that are right after so many steps."""
        right, shares = 0, falling(steps, 1.0 if steps == 1 else 0.5)
        for x, y, ball in self.watched:
            worst = worst_images(weights.layers, weights.threshold, (x, y), ball, shares)
            right += count_right(forward(weights.layers, worst)[-1] - weights.threshold, y)
        return right / sum(len(y) for _, y, _ in self.watched)
