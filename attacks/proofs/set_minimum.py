"""The smallest radius at which one s fools a share of a set, as an interval: found above, proved below.

    upper    `universal` at radii that halve the gap between one that is enough and one that was not
    lower    the quantile bound of the images' own minima (attacks/proofs/set_quantile.py), for any share; then, where
             all are to be fooled, the weighted bound (attacks/proofs/set_bound.py) at radii between that and `upper`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball
from attacks.proofs.radii import RADII, in_words, widest
from attacks.proofs.set_bound import applies, refuted
from attacks.proofs.set_quantile import own_minima
from attacks.proofs.task import Limits, Task
from attacks.uap.attack import UniversalResult, universal
from attacks.uap.image_set import ImageSet
from minigrad.inputs import Array, Seed, as_generator
from minigrad.mlp import MLP

TRIES = 12  # radii from the largest own minimum on, each half as large again (up to 58 times), then the whole box
REACH = 2.0  # times the quantile bound, the largest radius asked about; of 40 fours and nines 1.7 times is refuted
HARDEST = 16  # images of largest own minimum that take part in the weighted bound; 8 and 32 of 40 prove the same
FINE = 0.02  # radii nearer than this share count as one; halving it takes one more search an end
QUANTILE = 0.7  # of the time goes to the images' own minima, which are most of the bound: not critical


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
    share : float
        Asked for.
    norm : str
    seconds : float
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
        what = in_words(self.norm, self.lower, self.upper)
        return f"UniversalMinimum({self.norm}, share {self.share:g}: {what})"


def universal_minimum(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    *,
    norm: str | None = None,
    share: float = 1.0,
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
    norm : "l0", "l1", "l2" or "linf", required
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
    >>> x = np.array([[0.25, 0.5], [0.5, 0.375]])
    >>> both = universal_minimum(net, x, [0, 0], norm="linf", time_limit=5)
    >>> 0.98 * 0.125 <= both.lower <= 0.125 <= both.upper <= 1.01 * 0.125
    True
    """
    begun = time.perf_counter()
    if np.ndim(share) or np.asarray(share).dtype.kind not in "iuf" or not 0 < share <= 1:
        raise ValueError(f"share: expected a number in (0, 1], got {share!r}")
    limits = Limits.from_options(norm, time_limit=time_limit)
    task = Task.from_images(net, x, y, norm=str(norm), limits=limits, mask=mask, box=box, target=target)
    images = ImageSet.from_images(net, task.x, task.y, task.ball, target, convention, mixed)
    rows = images.open_rows
    if not len(rows):
        raise ValueError("x: expected images that one s can still fool, got a set that is misclassified already")
    as_generator(rng)  # refuses what is none
    need = max(1, int(np.ceil(share * len(rows) - 1e-9)))

    own = own_minima(task, rows, need, time.perf_counter() + QUANTILE * time_limit)
    quantile = float(np.sort(own[rows])[need - 1])

    def find(ball: Ball) -> UniversalResult:
        return universal(net, task.x, task.y, ball, target=target, rng=rng, convention=convention)

    reach = np.where(task.attack.success, task.attack.distance, np.inf)[rows]
    upper, result = smallest_found(images, find, (need - 0.5) / len(rows), float(np.sort(reach)[need - 1]))
    lower, weights = quantile, None
    if need == len(rows):
        lower, weights = largest_refuted(task, images, own, (lower, upper), begun + time_limit)
    seconds = time.perf_counter() - begun
    return UniversalMinimum(lower, upper, quantile, weights, result, own, float(share), task.ball.norm, seconds)


def smallest_found(
    images: ImageSet, find: Callable[[Ball], UniversalResult], at_least: float, start: float
) -> tuple[float, UniversalResult | None]:
    """The smallest radius, from `start` on, at which `find(ball)` fools a share of `at_least`, and its result.

    (inf, None) if there is none.
    """
    ball = images.problem.ball
    whole_box, radii = widest(images.free, np.zeros((1, len(images.best)))), RADII[ball.norm]
    radius, failed, result = min(start, whole_box), 0.0, None
    for left in reversed(range(TRIES)):
        tried = find(ball.with_radius(radii.whole(radius)))
        if tried.rate >= at_least:
            result = tried
            break
        failed = radius
        if radius >= whole_box:
            break
        radius = min(1.5 * radius, whole_box) if left > 1 else whole_box
    if result is None:
        return np.inf, None
    while (middle := radii.between(failed, result.radius, FINE)) is not None:
        tried = find(ball.with_radius(middle))
        if tried.rate >= at_least:
            result = tried
        else:
            failed = middle
    return result.radius, result


def largest_refuted(
    task: Task, images: ImageSet, own: Array, ends: tuple[float, float], deadline: float
) -> tuple[float, Array | None]:
    """What the largest radius between `ends` (lower, upper) proves that the weighted bound refutes; and the weights.

    As far as the time goes.  The lower end itself and None where it refutes none.
    """
    rows, (lower, upper), weights = _rows(task, images, own), ends, None
    if rows is None:
        return lower, None
    ball = images.problem.ball
    radii = RADII[ball.norm]
    refuted_at, high = lower - radii.proves(0.0), min(upper, REACH * lower)  # the radius below which all is proved
    step = 2 * FINE
    while time.perf_counter() < deadline and (middle := radii.between(refuted_at, high, FINE)) is not None:
        radius, step = min(middle, radii.whole(refuted_at * (1 + step))), 3 * step  # a little more at first
        found = refuted(task.net, images, radius, *rows, deadline)
        if found is None:
            high = radius
        else:
            refuted_at, lower, weights = radius, radii.proves(radius), found
            if radius >= widest(images.free, np.zeros((1, len(images.best)))):
                return np.inf, weights
    return lower, weights


def _rows(task: Task, images: ImageSet, own: Array) -> tuple[Array, Array] | None:
    """The image and row `c` of each margin that must be positive, or None where the weighted bound does not apply."""
    rows = np.sort(images.open_rows[np.argsort(-own[images.open_rows], kind="stable")[:HARDEST]])
    k, y = task.net.sizes[-1], task.y[rows]
    if not applies(images):
        return None
    if k == 1:
        return rows, np.where(y == 0, 1.0, -1.0)[:, None]
    eye = np.eye(k)
    if task.target is None and k > 2:
        return None
    winner = 1 - y if task.target is None else task.target[rows]
    pairs = [(i, eye[t] - eye[j]) for i, t in zip(rows, winner, strict=True) for j in range(k) if j != t]
    return np.array([i for i, _ in pairs]), np.array([c for _, c in pairs])
