"""The input of the proofs, checked once: images, their margins, the perturbation set, limits, the attack's answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import BALLS
from attacks.balls.base import Ball, check_images
from attacks.minimum_norm import smallest_eps
from attacks.proofs.certificate_file import fingerprint
from attacks.result import AttackResult
from attacks.saliency import saliency_map
from minigrad.bounds.relaxation import lines
from minigrad.inputs import Array, as_images, as_number
from minigrad.margin import Margin
from minigrad.mlp import MLP, check_layers

LEAST_GAP = 1e-9  # of a continuous norm: in 5 s some digits reach it, none a tenth of it, which rounding leaves open
# What a search that is not over soon is worth: the attack again, with more steps, then with more far points, too.  On
# networks of others one image of twenty ends 3% to 28% nearer, on the reference networks one of a hundred 0.3% to 2%.
LONGER: dict[bool, tuple[dict[str, int], ...]] = {
    False: ({"steps": 160}, {"steps": 320, "restarts": 16}),
    True: ({"restarts": 16},),
}
LONGER_BY = 4  # how many times as long the next of these takes as the one before, about


@dataclass(frozen=True)
class Limits:
    """When a proof may stop.

    Attributes
    ----------
    gap : float in [0, 1)
        At `lower >= (1 - gap) upper`.
    time_limit : float >= 0, seconds an image
    node_limit : float >= 0, nodes a search
    """

    gap: float
    time_limit: float
    node_limit: float

    @classmethod
    def from_options(
        cls, norm: Any, gap: Any = None, time_limit: Any = 60.0, node_limit: Any = None
    ) -> Limits:
        """As numbers, with the defaults of `norm` filled in: gap 0 for "l0", else 0.01; no limit of nodes.

        Raises
        ------
        ValueError
            No norm, or an unknown one; a gap or limit that is negative or no number; a gap of 1 or more, or below 1e-9
            where the norm is continuous.
        """
        if norm is None:
            raise ValueError(f"norm: expected one of {', '.join(BALLS)}, got none: say how a change is measured")
        if not isinstance(norm, str) or norm not in BALLS:
            raise ValueError(f"norm: expected one of {', '.join(BALLS)}, got {norm!r}")
        least, usual = (0.0, 0.0) if BALLS[norm].counts else (LEAST_GAP, 0.01)
        gap = usual if gap is None else as_number(gap, "gap", least)
        if gap >= 1:
            raise ValueError(f"gap: expected a number below 1, got {gap}")
        time_limit = as_number(time_limit, "time_limit", 0.0)
        nodes = np.inf if node_limit is None else as_number(node_limit, "node_limit", 0.0)
        if nodes != np.floor(nodes):
            raise ValueError(f"node_limit: expected a whole number, got {nodes}")
        return cls(gap, time_limit, nodes)


@dataclass(frozen=True)
class Progress:
    """Where a long run stands: how much is done (some of it in an earlier run) and open, and the seconds left.

    `left` goes by the pace so far; it is NaN until something was done in this run.
    """

    done: int
    open: int
    left: float

    @classmethod
    def at_pace(cls, done: int, open: int, begun: float, new: int) -> Progress:
        """With the seconds left, if what is open takes as long as the `new` ones since `begun` (`time.perf_counter()`).

        >>> Progress.at_pace(3, 0, 0.0, 3)
        Progress(done=3, open=0, left=0.0)
        >>> Progress.at_pace(3, 2, 0.0, 0)
        Progress(done=3, open=2, left=nan)
        """
        pace = (time.perf_counter() - begun) / new if new else np.nan
        return cls(done, open, pace * open if open else 0.0)


@dataclass(frozen=True, eq=False)
class Task:
    """n images with their margins `start` (n,), and what is asked of each.

    Attributes
    ----------
    net : MLP
    x : (n, d)
    y, target : (n,) int, or None for no target
    ball : Ball
        The norm, box and mask; its radius is of no meaning.
    limits : Limits
    start : (n,)
        m(x), of each image alone, as whoever checks its certificate will judge it: a batch differs in its last bits.
    network : str
        SHA-256 of the network.
    """

    net: MLP
    x: Array
    y: Array
    target: Array | None
    ball: Ball
    limits: Limits
    start: Array
    network: str

    @classmethod
    def from_images(
        cls,
        net: MLP,
        x: ArrayLike,
        y: ArrayLike,
        *,
        norm: str,
        limits: Limits,
        mask: ArrayLike | None = None,
        box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
        target: ArrayLike | None = None,
    ) -> Task:
        """Check everything before any work.  Arguments and errors as in `certified_minimum`."""
        check_provable(net)
        x = as_images(x, net.sizes[0])
        ball = BALLS[norm](1, box=box, mask=mask)
        check_images(ball, x)
        margin = Margin.from_labels(net, x, y, target)
        alone = [margin.take(np.array([i])).value(x[i : i + 1]) for i in range(len(x))]
        return cls(net, x, margin.y, margin.target, ball, limits, np.concatenate(alone), fingerprint(net))

    @property
    def attack(self) -> AttackResult:
        """What the best attack finds, for all images."""
        return self.timed_attack[0]

    @cached_property
    def timed_attack(self) -> tuple[AttackResult, float]:
        """The same, with its seconds an image."""
        begun = time.perf_counter()
        return self._attacked(np.arange(len(self.x))), (time.perf_counter() - begun) / len(self.x)

    def attacked_again(self, i: int, seconds: float) -> Iterator[Array]:
        """Adversarial points (d,) of image `i` from longer attacks, while the next is likely to end in `seconds`."""
        took, end = self.timed_attack[1], time.perf_counter() + seconds
        for how in LONGER[self.ball.counts]:
            begun = time.perf_counter()
            if begun + LONGER_BY * took > end:
                return
            result = self._attacked(np.array([i]), **how)
            took = time.perf_counter() - begun
            if result.success[0]:
                yield result.x_adv[0]

    def _attacked(self, rows: Array, **how: Any) -> AttackResult:
        ball = self.ball.take(rows, len(self.x))
        target = None if self.target is None else self.target[rows]
        how |= {"target": target, "box": ball.box, "mask": ball.mask}
        if self.ball.counts:
            return saliency_map(self.net, self.x[rows], self.y[rows], **how)
        how |= {"norm": self.ball.norm, "stretch": 0}  # on the boundary itself
        return smallest_eps(self.net, self.x[rows], self.y[rows], **how)

    def limited(self, gap: float, time_limit: float) -> Task:
        """The same task, its attack included, with another gap and time limit."""
        part = replace(self, limits=replace(self.limits, gap=gap, time_limit=time_limit))
        part.__dict__["timed_attack"] = self.timed_attack  # where cached_property keeps it
        return part


def check_provable(net: Any) -> None:
    """Raise ValueError unless `net` is an MLP whose activations have lines."""
    check_layers(net)
    for layer in net.layers[1::2]:
        lines(layer, np.zeros(1), np.zeros(1))


def check_executor(executor: Any) -> None:
    """Raise ValueError unless it is None or takes jobs."""
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor: expected a concurrent.futures.Executor, got {type(executor).__name__}")


def check_callback(value: Any, name: str) -> None:
    """Raise ValueError unless `value` is None or can be called."""
    if value is not None and not callable(value):
        raise ValueError(f"{name}: expected a function, got {type(value).__name__}")
