"""Robust accuracy: the share of images that are right and stay right on their whole ball, as an interval.

    lower    right, and proved robust by `certify`
    upper    right, and not fooled by anything that was tried

Between them are the images that time left open.  Over several radii one image needs few searches: proved at one radius
it is proved at all smaller ones, fooled at one it is fooled at all larger ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball, check_images
from attacks.defend.decisions import Decisions
from attacks.defend.share import RobustAccuracy
from attacks.problem import check_ball
from attacks.proofs.decide import RESTARTS, certify
from attacks.proofs.query import beyond_rounding
from attacks.proofs.task import Limits, Progress, check_callback, check_executor, check_provable
from minigrad.inputs import Array, Seed, as_array, as_count, as_generator, as_images, brief
from minigrad.margin import Margin
from minigrad.mlp import MLP

TOGETHER = 16  # images a job: they share one quick attack, and a pool still has work for all; a choice


def robust_accuracy(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    ball: Ball,
    **options: Any,
) -> RobustAccuracy:
    """The robust accuracy of `net` on the images inside the ball.

    Parameters
    ----------
    net, x, y, ball
        As in `certify`.
    options
        Those of `robust_curve`, which takes several radii: time_limit, node_limit, sample, restarts, rng, executor,
        on_progress.

    Returns
    -------
    RobustAccuracy

    Raises
    ------
    ValueError
        Bad input, before any work.
    RuntimeError
        A worker died.

    Examples
    --------
    >>> from attacks import LInf
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5], [0.75, 0.75], [0.25, 0.25]])  # 0.125, 0.25 and 0.25 from the boundary
    >>> robust_accuracy(net, x, [0, 1, 0], LInf(0.2))
    RobustAccuracy(radius 0.2: 2 of 3 images)
    """
    return _robust(net, x, y, ball, None, Options.from_names(options))[0]


def robust_curve(
    net: MLP, x: ArrayLike, y: ArrayLike, ball: Ball, radii: Sequence[float], **options: Any
) -> list[RobustAccuracy]:
    """The robust accuracy at each of the radii, in their order.

    Parameters
    ----------
    net, x, y, ball
        As in `certify`; the ball says norm, box and mask, its own radius does not count.
    radii : numbers
    time_limit : float, seconds an image and radius
        Default 1.  What a search has not settled by then is open.
    node_limit : int, optional
        Nodes a search, for numbers that must not depend on the clock.
    sample : int, optional
        Only so many of the images, drawn at random by `rng`.
    restarts : int
        Random starts of `pgd` for an image that the root leaves open.
    rng : seed or Generator
    executor : any `concurrent.futures.Executor`
        As in `attacks.proofs.campaign`.  Default: here, one job after the other.
    on_progress : called with a `Progress` at the start and after each job

    Returns
    -------
    list of RobustAccuracy

    Raises
    ------
    ValueError
        Bad input, before any work.
    RuntimeError
        A worker died.
    """
    if np.ndim(radii) != 1 or not len(radii):
        raise ValueError(f"radii: expected a sequence of numbers, got {brief(radii)}")
    return _robust(net, x, y, ball, radii, Options.from_names(options))


@dataclass(frozen=True)
class Options:
    """The options of `robust_curve`, under its names."""

    time_limit: float = 1.0
    node_limit: int | None = None
    sample: int | None = None
    restarts: int = RESTARTS
    rng: Seed = 0
    executor: Executor | None = None
    on_progress: Callable[[Progress], None] | None = None

    @classmethod
    def from_names(cls, options: dict[str, Any]) -> Options:
        """Those given; TypeError for a name that is none of them."""
        names = [field.name for field in fields(cls)]
        if unknown := [name for name in options if name not in names]:
            raise TypeError(f"expected options among {', '.join(names)}, got {', '.join(unknown)}")
        return cls(**options)

    def for_certify(self, norm: str) -> dict[str, Any]:
        """Those of `certify`.  Raises ValueError for what makes no sense."""
        limits = Limits.from_options(norm, None, self.time_limit, self.node_limit)
        check_callback(self.on_progress, "on_progress")
        check_executor(self.executor)
        restarts = as_count(self.restarts, "restarts")
        return {"time_limit": limits.time_limit, "node_limit": self.node_limit, "restarts": restarts}


def _robust(
    net: MLP, x: ArrayLike, y: ArrayLike, ball: Ball, radii: Sequence[float] | None, o: Options
) -> list[RobustAccuracy]:
    """`radii` None: the ball's own."""
    check_provable(net)
    check_ball(ball)
    balls = [ball] if radii is None else [ball.with_radius(r) for r in radii]
    how = o.for_certify(ball.norm)
    x = as_images(x, net.sizes[0])
    for one in balls:
        check_images(one, x)
    rows = _drawn(len(x), o.sample, o.rng)
    margin = Margin.from_labels(net, x, as_array(y, "y"))
    order = np.argsort([float(np.max(one.radius)) for one in balls], kind="stable")
    begun = time.perf_counter()
    wrong, _ = beyond_rounding(net, x[rows], margin.y[rows])
    known = Decisions.start(wrong, len(balls))
    rising = [balls[i].take(rows, len(x)) for i in order]
    question = Question(net.to_arrays(), x[rows], margin.y[rows], rising, how)
    _tell(known, begun, o.on_progress)
    for some, states in _run(question, known, o.executor):
        known.take_over(some, states)
        _tell(known, begun, o.on_progress)
    seconds = time.perf_counter() - begun
    place = np.argsort(order)
    return [
        RobustAccuracy(one.take(rows, len(x)).radius, known.status(int(place[j])), rows, o.sample is not None, seconds)
        for j, one in enumerate(balls)
    ]


@dataclass(frozen=True, eq=False)
class Question:
    """All that a worker needs, in plain arrays: a network, images (n, d) with labels, and their balls, radii rising."""

    arrays: dict[str, Array]
    x: Array
    y: Array
    balls: list[Ball]
    options: dict[str, Any]

    def take(self, rows: Array) -> Question:
        balls = [ball.take(rows, len(self.x)) for ball in self.balls]
        return Question(self.arrays, self.x[rows], self.y[rows], balls, self.options)


def settle(question: Question, known: Decisions) -> Decisions:
    """What `certify` says of images that are right: the work of one job.  Each asks the middle of what is left."""
    net = MLP.from_arrays(question.arrays)
    while len(rows := known.undecided()):
        at = known.middle()
        for j in np.unique(at[rows]):
            some = rows[at[rows] == j]
            part = question.take(some)
            for i, verdict in zip(some, certify(net, part.x, part.y, part.balls[j], **question.options), strict=True):
                known.learn(int(i), int(j), verdict.status)
    return known


def _run(question: Question, known: Decisions, executor: Executor | None) -> Iterator[tuple[Array, Decisions]]:
    """Rows and what became known of them, job by job as they finish."""
    rows = known.undecided()
    jobs = [rows[i : i + TOGETHER] for i in range(0, len(rows), TOGETHER)]
    if executor is None:
        yield from ((some, settle(question.take(some), known.take(some))) for some in jobs)
        return
    futures = {executor.submit(settle, question.take(some), known.take(some)): some for some in jobs}
    try:
        for future in as_completed(futures):
            try:
                states = future.result()
            except Exception as error:  # whatever an executor raises when it loses a worker
                first = int(futures[future][0])
                raise RuntimeError(f"a worker failed on image {first} ({type(error).__name__}: {error})") from error
            yield futures[future], states
    finally:
        for future in futures:
            future.cancel()


def _drawn(n: int, sample: int | None, rng: Seed) -> Array:
    """Which images: all, or a random sample of them, rising."""
    rng = as_generator(rng)  # refuses what is none
    if sample is None:
        return np.arange(n)
    sample = as_count(sample, "sample")
    if sample > n:
        raise ValueError(f"sample: expected at most the {n} images there are, got {sample}")
    return np.sort(rng.permutation(n)[:sample])


def _tell(known: Decisions, begun: float, on_progress: Callable[[Progress], None] | None) -> None:
    if on_progress is not None:
        left = len(known.undecided())
        on_progress(Progress.at_pace(len(known.wrong) - left, left, begun, known.settled))
