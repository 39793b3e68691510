"""The smallest radius at which one s fools a share of a set, as an interval: found above, proved below.

    upper    `universal` at radii that halve the gap between one that is enough and one that was not
    lower    the quantile bound of the images' own minima (attacks/proofs/set_quantile.py), for any share; then, where
             all are to be fooled, the weighted bound (attacks/proofs/set_bound.py) at radii between that and `upper`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball
from attacks.proofs.exact_proof import Unproved
from attacks.proofs.exact_set import Refutation, exact_set_proof
from attacks.proofs.query import beyond_rounding
from attacks.proofs.radii import RADII, in_words, size, widest
from attacks.proofs.set_bound import applies, refuted
from attacks.proofs.set_quantile import own_minima
from attacks.proofs.task import Limits, Task
from attacks.uap.attack import UniversalResult, universal
from attacks.uap.image_set import ImageSet
from minigrad.bounds.rounding import UNIT
from minigrad.inputs import Array, Seed, as_generator, as_number, brief
from minigrad.io.files import write_whole
from minigrad.io.npz import npz_bytes
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
    refuted : Refutation or None
        Where the weighted bound proved more: the images that took part, and the radius.
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
    refuted: Refutation | None = None

    def __repr__(self) -> str:
        what = in_words(self.norm, self.lower, self.upper)
        return f"UniversalMinimum({self.norm}, share {self.share:g}: {what})"

    def save(self, path: str | Path, *, proof: MLP, time_limit: float = 600.0) -> None:
        """Write what was proved of `lower` as an `.npz` file for `python checker.py model.npz path`.

        Parameters
        ----------
        path : str or Path
        proof : MLP
            The network.
        time_limit : float >= 0, seconds

        Raises
        ------
        CertificateError
            The bound is the images' own minima (each certificate is saved by itself: `certified_minimum`), or the exact
            checker could not be convinced; nothing is written then.
        """
        if self.refuted is None:
            raise Unproved("not proved exactly: the bound is that of the images' own certificates; save those")
        limit = as_number(time_limit, "time_limit", 0)
        write_whole(path, npz_bytes(exact_set_proof(proof, self.refuted, time_limit=limit)))


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
        j = ceil(share n - 1e-9) images are to be fooled: 0.07 of 100 are 7, whatever 0.07 is in float64.
    convention, mixed, rng
        As in `universal`.  With "clip", L1, L2 and untargeted k >= 3 classes have the quantile bound alone.
    time_limit : float, seconds
        About: a proof or a search that has begun is not cut off.  0: what plain bounds prove.

    Raises
    ------
    ValueError
        Bad input, before any work: as in `certified_minimum` and `universal`; a share outside (0, 1]; a set in which
        every image is misclassified already, or one is by no more than rounding.

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
        raise ValueError(f"share: expected a number in (0, 1], got {brief(share)}")
    limits = Limits.from_options(norm, time_limit=time_limit)
    task = Task.from_images(net, x, y, norm=str(norm), limits=limits, mask=mask, box=box, target=target)
    images = ImageSet.from_images(net, task.x, task.y, task.ball, target, convention, mixed)
    rows = images.open_rows
    if not len(rows):
        raise ValueError("x: expected images that one s can still fool, got a set that is misclassified already")
    _check_clear(task, share)
    as_generator(rng)  # refuses what is none
    need = max(1, int(np.ceil(share * len(rows) - 1e-9)))

    own = own_minima(task, rows, need, time.perf_counter() + QUANTILE * time_limit)
    quantile = float(np.sort(own[rows])[need - 1])

    def find(ball: Ball) -> UniversalResult:
        return universal(net, task.x, task.y, ball, target=target, rng=rng, convention=convention)

    reach = np.where(task.attack.success, task.attack.distance, np.inf)[rows]

    def enough(s: Array) -> bool:
        points, aim = images.points(s, rows), None if task.target is None else task.target[rows]
        fooled, _ = beyond_rounding(net, points, task.y[rows], aim, UNIT * np.abs(points))  # x + s is rounded, too
        return int(np.count_nonzero(fooled)) >= need

    upper, result = smallest_found(images, find, enough, float(np.sort(reach)[need - 1]))
    lower, weights, refuted = quantile, None, None
    if need == len(rows):
        lower, weights, refuted = largest_refuted(task, images, own, (lower, upper), begun + time_limit)
    seconds = time.perf_counter() - begun
    norm = task.ball.norm
    return UniversalMinimum(lower, upper, quantile, weights, result, own, float(share), norm, seconds, refuted)


def smallest_found(
    images: ImageSet, find: Callable[[Ball], UniversalResult], enough: Callable[[Array], bool], start: float
) -> tuple[float, UniversalResult | None]:
    """The smallest radius, from `start` on, at which `find(ball)` has an s that is `enough`: its size, and the result.

    (inf, None) if there is none.
    """
    ball = images.problem.ball
    whole_box, radii = widest(images.free, np.zeros((1, len(images.best)))), RADII[ball.norm]
    radius, failed, result = min(start, whole_box), 0.0, None
    for left in reversed(range(TRIES)):
        tried = find(ball.with_radius(radii.whole(radius)))
        if enough(tried.s):
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
        if enough(tried.s):
            result = tried
        else:
            failed = middle
    return size(ball, result.s[None]), result


def _check_clear(task: Task, share: float) -> None:
    """ValueError where rounding alone decides which images are left out of the share: those misclassified already.

    If all are to be fooled, an image that is counted and need not be changes nothing.
    """
    wrong, safe = beyond_rounding(task.net, task.x, task.y, task.target)
    for i in np.flatnonzero(~wrong & ~safe & ((task.start > 0) | (share < 1))):
        raise ValueError(f"x: expected images whose margin float64 can tell from 0, got {task.start[i]:.3g} in row {i}")


def largest_refuted(
    task: Task, images: ImageSet, own: Array, ends: tuple[float, float], deadline: float
) -> tuple[float, Array | None, Refutation | None]:
    """What the largest radius between `ends` (lower, upper) proves that the weighted bound refutes; weights; of what.

    As far as the time goes.  The lower end itself and None where it refutes none.
    """
    rows, (lower, upper), weights, refuted_at = _rows(task, images, own), ends, None, 0.0
    if rows is None:
        return lower, None, None
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
                lower = np.inf
                break
    return lower, weights, None if weights is None else _refutation(task, rows, lower, refuted_at)


def _refutation(task: Task, rows: tuple[Array, Array], lower: float, radius: float) -> Refutation:
    """What was refuted, about the images of the rows alone."""
    which, image = np.unique(rows[0], return_inverse=True)
    target = None if task.target is None else task.target[which]
    mask = task.ball.mask if task.ball.mask is None else np.ravel(task.ball.mask)
    images = task.x[which], task.y[which], target, task.ball.box, mask
    return Refutation(task.ball.norm, lower, radius, task.network, *images, image, rows[1])


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
