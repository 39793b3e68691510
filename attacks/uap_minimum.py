"""The smallest radius at which one s fools a share of a set, as an interval: found above, proved below.

    upper    `universal` at radii that halve the gap between one that is enough and one that was not
    lower    an s that fools j images fools each of them alone, so it is at least as large as the j-th smallest of their
             own certified minima (the *quantile bound*, for any share); then, where all are to be fooled, the weighted
             bound of `attacks/uap_bound.py` at radii between that and `upper`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import BALLS, Ball
from attacks.crowd import Crowd
from attacks.minimum import Task
from attacks.uap import UniversalResult, universal
from attacks.uap_bound import applies, refuted
from minigrad.inputs import Array, Seed, as_generator
from minigrad.mlp import MLP

QUANTILE = 0.7  # of the time goes to the images' own minima
GAPS = 0.2, 0.05, 0.0  # to which those are wanted, one after the other while there is time
TRIES = 12  # radii from the largest own minimum on, each half as large again, but the last is the whole box
REACH = 2.0  # times the quantile bound: no larger radius is asked about
HARDEST = 16  # images of largest own minimum that take part in the weighted bound
FINE = 0.02  # radii nearer than this share are not told apart


@dataclass(frozen=True, eq=False)
class UniversalMinimum:
    """No s with |s| < lower fools `share` of the images; `result.s` does at |s| <= upper.

    Attributes
    ----------
    lower, upper : float
        upper = inf where no such s was found; lower = inf where there is none at all.
    quantile : float
        The quantile bound: what the images' own minima prove.
    weights : (r,) or None
        Where the weighted bound proved more: of each image that took part (for a target: against each rival).
    result : UniversalResult or None
        The s found, None where none was.
    own : (n,)
        The images' own certified lower bounds; NaN for those misclassified already.
    share, norm, seconds
    """

    lower: float
    upper: float
    quantile: float
    weights: Array | None
    result: UniversalResult | None
    own: Array
    share: float
    norm: str
    seconds: float

    def __repr__(self) -> str:
        return f"UniversalMinimum({self.norm}, share {self.share:g}, [{self.lower:.6g}, {self.upper:.6g}])"


def universal_minimum(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    norm: str = "linf",
    share: float = 1.0,
    *,
    convention: str = "clip",
    mixed: bool = False,
    time_limit: float = 60.0,
    mask: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    target: ArrayLike | None = None,
    rng: Seed = 0,
) -> UniversalMinimum:
    """The smallest radius at which one s fools `share` of the images that are not misclassified already.

    Parameters
    ----------
    net : MLP
        The proof reads its layers.
    x, y, mask, box, target
        As in `certified_minimum`; one mask for all.
    norm : "linf", "l0", "l2" or "l1"
    share : float in (0, 1]
        j = ceil(share n) images are to be fooled.
    convention, mixed, rng
        As in `universal`.  With "clip", L1, L2 and untargeted k >= 3 classes have the quantile bound alone.
    time_limit : float, seconds
        About: a proof or a search that has begun is not cut off.  0: what plain bounds prove.

    Raises
    ------
    ValueError
        Bad input, before any work: as in `certified_minimum` and `universal`; a share outside (0, 1]; a set in which
        every image is misclassified already.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> both = universal_minimum(net, np.array([[0.25, 0.5], [0.5, 0.375]]), [0, 0], "linf", time_limit=5)
    >>> 0.98 * 0.125 <= both.lower <= 0.125 <= both.upper <= 1.01 * 0.125
    True
    """
    begun = time.perf_counter()
    if np.ndim(share) or np.asarray(share).dtype.kind not in "iuf" or not 0 < share <= 1:
        raise ValueError(f"share: expected a number in (0, 1], got {share!r}")
    task = Task.of(net, x, y, norm, None, time_limit, None, mask, box, target)
    kind = BALLS[norm]
    crowd = Crowd.of(net, task.x, task.y, kind(1, box=box, mask=mask), target, convention, mixed)
    if not len(crowd.rows):
        raise ValueError("x: expected images that one s can still fool, got a set that is misclassified already")
    as_generator(rng)  # refuses what is none
    need = max(1, int(np.ceil(share * len(crowd.rows) - 1e-9)))
    at_least = (need - 0.5) / len(crowd.rows)

    own = _own_minima(task, crowd.rows, need)
    quantile = float(np.sort(own[crowd.rows])[need - 1])

    def find(ball: Ball) -> UniversalResult:
        return universal(net, task.x, task.y, ball, target=target, rng=rng, convention=convention)

    reach = np.where(task.attack.success, task.attack.distance, np.inf)[crowd.rows]
    start = float(np.sort(reach)[need - 1])
    upper, result = _found(crowd, find, at_least, start)

    lower, weights = quantile, None
    if need == len(crowd.rows):
        lower, weights = _weighted(task, crowd, own, lower, upper, begun + time_limit)
    return UniversalMinimum(
        lower, upper, quantile, weights, result, own, float(share), norm, time.perf_counter() - begun
    )


def _own_minima(task: Task, rows: Array, need: int) -> Array:
    """Certified lower bounds of the images `rows` by themselves, (n,).

    For a quantile bound of q it takes n - need + 1 images whose own bounds are q, so the time goes to those with the
    largest upper bounds, as long as there are some that can still raise it; the others get what plain bounds prove.
    Upper bounds fall on the way, where the proof comes across what the attack missed.
    """
    deadline = time.perf_counter() + QUANTILE * task.time_limit
    own, upper = np.full(len(task.x), np.nan), np.where(task.attack.success, task.attack.distance, np.inf)
    own[rows] = [task.limited(task.gap, 0.0).solve(int(i)).lower for i in rows]
    gaps = GAPS if task.ball.norm == "l0" else GAPS[:-1]
    for later, gap in zip(range(len(gaps) - 1, -1, -1), gaps, strict=True):
        seen = np.zeros(len(own), bool)
        while True:
            open_ = rows[~seen[rows] & ((1 - gap) * upper[rows] > np.maximum(own[rows], np.sort(own[rows])[need - 1]))]
            now = time.perf_counter()
            if not len(open_) or now >= deadline:
                break
            i, number = int(open_[np.argmax(upper[open_])]), min(len(open_), len(rows) - need + 1)
            certificate = task.limited(gap, (deadline - now) / (number + later)).solve(i)
            own[i], upper[i], seen[i] = max(own[i], certificate.lower), certificate.upper, True
    return own


def _found(
    crowd: Crowd, find: Callable[[Ball], UniversalResult], at_least: float, start: float
) -> tuple[float, UniversalResult | None]:
    """The smallest radius at which `find(ball)` fools enough, and its result; (inf, None) if none does."""
    ball = crowd.problem.ball
    widest = crowd.free.widest(np.zeros((1, len(crowd.best))))
    radius, failed, result = min(start, widest), 0.0, None
    for left in reversed(range(TRIES)):
        tried = find(ball.with_radius(ball.whole(radius)))
        if tried.rate >= at_least:
            result = tried
            break
        failed = radius
        if radius >= widest:
            break
        radius = min(1.5 * radius, widest) if left > 1 else widest
    if result is None:
        return np.inf, None
    while (middle := ball.between(failed, result.radius, FINE)) is not None:
        tried = find(ball.with_radius(middle))
        if tried.rate >= at_least:
            result = tried
        else:
            failed = middle
    return result.radius, result


def _weighted(
    task: Task, crowd: Crowd, own: Array, lower: float, upper: float, deadline: float
) -> tuple[float, Array | None]:
    """The largest radius between the two, as far as the time goes, that the weighted bound refutes."""
    rows = _rows(task, crowd, own)
    if rows is None:
        return lower, None
    ball, weights = crowd.problem.ball, None
    refuted_at, high = lower - ball.proves(0.0), min(upper, REACH * lower)  # the radius below which all is proved
    step = 2 * FINE
    while time.perf_counter() < deadline and (middle := ball.between(refuted_at, high, FINE)) is not None:
        radius, step = min(middle, ball.whole(refuted_at * (1 + step))), 3 * step  # a little more at first
        found = refuted(task.net, crowd, radius, *rows, deadline)
        if found is None:
            high = radius
        else:
            refuted_at, lower, weights = radius, ball.proves(radius), found
            if radius >= crowd.free.widest(np.zeros((1, len(crowd.best)))):
                return np.inf, weights
    return lower, weights


def _rows(task: Task, crowd: Crowd, own: Array) -> tuple[Array, Array] | None:
    """The image and row `c` of each margin that must be positive, or None where the weighted bound does not apply."""
    rows = np.sort(crowd.rows[np.argsort(-own[crowd.rows], kind="stable")[:HARDEST]])
    k, y = task.net.sizes[-1], task.y[rows]
    if not applies(crowd):
        return None
    if k == 1:
        return rows, np.where(y == 0, 1.0, -1.0)[:, None]
    eye = np.eye(k)
    if task.target is None and k > 2:
        return None
    winner = 1 - y if task.target is None else task.target[rows]
    pairs = [(i, eye[t] - eye[j]) for i, t in zip(rows, winner, strict=True) for j in range(k) if j != t]
    return np.array([i for i, _ in pairs]), np.array([c for _, c in pairs])
