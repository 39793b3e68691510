"""The smallest radius that works: the root of the linearised network first, then steps along the curved one.

Near x the margin is m + g . s, and a perturbation of radius eps earns at most h_S(eps) = max { g . s }, so the smallest
eps is the root of h_S(eps) = -m (attacks/sign_gradient.py).  For an affine network that is the answer; for a curved one
`smallest_eps` re-linearises at the current solution, again and again.

The smallest answer lies on the boundary, where rounding decides; attacks/refine/stretch.py makes it a little longer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls import BALLS
from attacks.images import blocks
from attacks.problem import Problem, why_level, why_still
from attacks.refine.descent import Tries, descend, down, joined, rounds, walked
from attacks.refine.starts import as_starts, far_point, known_points
from attacks.refine.stretch import STRETCH, stretched
from attacks.result import AttackResult, Reason
from minigrad.inputs import Array, as_count, as_images, as_number, brief
from minigrad.model import Model

RIVALS = 3  # tries of an image that survive the screening run: with 1 mean eps is up to 3% larger on nets of others
WIDE = 9  # the same where there are far points, one of each rival first: 6 and 18 end at the same mean eps
LAST = 5  # of these, the ones that go on to the end: with 3 one image of 60 ends 8% larger, with 9 none is smaller
RESTARTS = 4  # far points: with 2 mean eps is up to 3e-4 larger on nets of others, with 8 it is the same
TOWARDS = 2  # of these, from which every rival is climbed to: 1 finds what 0 does, 4 gain 0.3% and take 1.4 times
FAR_HASTE = 0.3  # how much a success far from x shortens eps at first: with 0.05, as near x, up to 6% larger
KNOWN = 3  # known adversarial points that are walked back, the nearest of each image; not critical
SHARES = 0.125, 0.25, 0.5, 1.0  # of the whole box: the radii of the maximisers that are tried
# Is x a guide?  On our four networks the answer is 0.43 to 1.29 times the root, on five of others 0.23 to 2.8 times;
# on the three where a search from x fails, most images have no root.  An eps of a fifth of the box may be a plateau's.
NEAR_BY, FAR_OFF, LARGE = 2.5, 1.5, 0.2


def smallest_eps(
    net: Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    norm: str | None = None,
    steps: int = 80,
    target: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    mask: ArrayLike | None = None,
    levels: tuple[ArrayLike, ArrayLike] | None = None,
    stretch: float = STRETCH,
    restarts: int | None = None,
    starts: ArrayLike | None = None,
) -> AttackResult:
    """The smallest radius found at which each image flips.

    1. The root of h_S(eps) = -m and its maximiser: on an affine network that is the answer, and
       everything below fails to better it.
    2. On a curved one, `steps` Frank-Wolfe steps s <- project(s + a_t (argmax { G . v : |v| <= eps } - s)), a_t
       falling from 0.5 to 0.01.  At the optimum several linear pieces of the network meet, and the best s belongs to
       a mixture of their gradients: G is a running sum, G <- 0.9 G + g / |g|_inf, and the average of maximisers may
       stop between corners.
    3. After each step eps moves (as in Pintor et al. 2021, algorithm 1): below the best radius by a factor 1 - c_t
       after a success, up by 1 + c_t after a failure, c_t falling from 0.05 (from far points: 0.3) to 0.001; by 1.03
       while nothing has worked yet.
    4. The answer s becomes (1 + t) s, inside the box, t = `stretch` or as many doublings of it as it takes to flip in
       single precision as well, with room to spare (attacks/refine/stretch.py).

    Of k >= 3 classes every rival j has a screening run of its own, the 3 best go on for a quarter of the steps, the
    best of them for three quarters.  Where x is no guide (see Notes) the search starts elsewhere, too.

    The answer is re-measured: `distance` is `|x_adv - x|` of an image that does flip.  It is an upper bound of the
    true minimum.

    Parameters
    ----------
    net, x, y, target, box, mask, levels
        As in `saliency_map`.
    norm : "linf", "l2" or "l1"; for "l0", the fewest pixels, there is `saliency_map`
    steps : int
        One forward pass and pullback of every try each: of two classes one try an image; of ten classes 300 pullbacks
        an image by default, and 2,400 where x is no guide.
    stretch : float in [0, 1)
        0: the answer as it was found, on the boundary up to 1e-9.  A proof wants that, a picture does not.
    restarts : int, optional
        Far points from which every image starts as well; 0: none.  Default: 4, for images where x is no guide, or for
        all where `starts` are given.
    starts : (m, d), optional
        Images that may be adversarial; the 3 nearest that are, as far as box and mask let them, are starts.

    Notes
    -----
    Why a search from x alone misses.  On networks of 2 to 6 layers of 256 units, trained by others, a class is carried
    by very few units, in one late layer by a single one.  (1) Uphill from x shuts it off, and behind that lies a
    plateau where the class still wins: the climb ends without a slope, at any eps (46 of 590 images).  (2) The rivals'
    units are off at x, so the linearised network has no root, or says ten times the true eps, and the rival that a
    screening run from x picks is not the near one.  (3) An eps that grows by 3% a step from there passes over sets
    nearer to x.  So where the answer is far from the root (above 1.5 times it, below 1/2.5, or a fifth of the whole box
    and more), the search also starts at far points and at each rival's maximisers at four radii
    (attacks/refine/starts.py), most of which are adversarial: walked back along the line they end at the boundary,
    where there is a slope, and the descent goes on from there.  From two far points it climbs to every rival, also to
    one that has not won there, and of each rival the best try goes on: the nearest boundary often belongs to a class
    that neither x nor a far point points to (without, mean eps was 1% to 5% larger, one image's three times as large).
    None of this looks at other images.

    The last resort, for images that all else failed on, is the batch itself, as `starts`.  Only then does an answer
    depend on it.  Success is certain only where an adversarial point is known; a failure says "none found", or "zero
    gradient" or "no admissible pixel" where no point tried had a slope to follow.

    Memory: for a block of 384 images all its tries at once, up to 3 k + 10 arrays of its size where x is no guide.

    Returns
    -------
    AttackResult
        For a failure, `x_adv` is the point of largest margin seen.

    Raises
    ------
    ValueError
        Bad input, before any work.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> smallest_eps(net, x, [0], norm="linf").distance.round(5)  # -m / |g|_1
    array([0.125])
    """
    steps = as_count(steps, "steps")
    if not isinstance(norm, str) or norm not in BALLS or BALLS[norm].counts:
        known = ", ".join(f'"{name}"' for name in BALLS if not BALLS[name].counts)
        raise ValueError(f'norm: expected one of {known} (for "l0", pixels, use saliency_map), got {brief(norm)}')
    if not 0 <= as_number(stretch, "stretch") < 1:
        raise ValueError(f"stretch: expected a share of the perturbation in [0, 1), got {stretch}")
    x = as_images(x)
    given = as_starts(starts, x.shape[1])
    far = None if restarts is None else as_count(restarts, "restarts", least=0)
    problem = Problem.from_images(net, x, y, BALLS[norm](np.inf, box, mask), target, levels)
    x_adv, why = problem.x.copy(), np.full(len(x), Reason.NONE_FOUND, object)

    def keep(best: Tries) -> None:
        rows, found = best.image[np.isfinite(best.radius)], best.take(np.isfinite(best.radius))
        x_adv[best.image] = problem.ball.take(best.image, len(x)).apply(problem.x[best.image], best.s)
        if stretch and len(rows):
            around = problem.ball.take(rows, len(x))
            x_adv[rows] = stretched(problem.margin.take(rows), problem.x[rows], found.s, around, stretch)

    failed = list[Array]()
    for rows in blocks(problem.open_rows):
        best, why[rows] = _search(problem, rows, steps, far, given)
        keep(best)
        failed.append(best.image[np.isinf(best.radius)])
    rows = np.concatenate([np.empty(0, int), *failed])
    if len(rows) and len((tries := _known(problem, rows, problem.x)).image):  # the last resort
        keep(rounds(problem, tries, steps, KNOWN))
    return problem.finish(x_adv, why)


def _search(problem: Problem, rows: Array, steps: int, restarts: int | None, given: Array) -> tuple[Tries, Array]:
    """The best try of each image `rows`, in order, and why it would have failed (rows,)."""
    first, root, whole, why = _from_x(problem, rows, steps)
    best = first if len(first.image) == len(rows) else rounds(problem, first, steps, RIVALS)
    astray = (best.radius > FAR_OFF * root) | (best.radius * NEAR_BY < root)  # (rows,)
    misled = astray | ~(best.radius < LARGE * whole)  # also where it is inf
    again = rows if restarts is not None or len(given) else rows[misled]
    turns = RESTARTS if restarts is None else restarts
    parts = []
    if len(again) and turns:
        far, level = _from_far(problem, again, turns, why[np.isin(rows, again)] == Reason.NO_PIXEL)
        why[np.isin(rows, again[~level])] = Reason.NONE_FOUND
        parts += [far, _from_maximisers(problem, again)]
    if len(again) and len(given):
        parts.append(_known(problem, again, given))
    if parts:
        old = [part.take(np.isin(part.image, again)) for part in (first, best)]
        tries = down(problem, joined([old[0], *parts]), -(-steps // 2), FAR_HASTE)
        best = joined([best, rounds(problem, joined([old[1], tries]), steps, WIDE, LAST)]).best(1)
    return best, why


def _from_x(problem: Problem, rows: Array, steps: int) -> tuple[Tries, Array, Array, Array]:
    """Every rival of each image from the root of the linearised network: tries, the least root (rows,), the radius of
    the whole box (rows,), and why nothing can be tried from x, if so (rows,)."""
    at, margin = problem.margin.take(rows).against(problem.x[rows])
    image = rows[at]
    x, ball = problem.x[image], problem.ball.take(image, len(problem.x))
    m, g = margin.value_and_gradient(x)
    root = ball.radius_for(x, g, -m)  # eps with h_S(eps) = -m
    whole = ball.distance(ball.maximize(x, g))  # the radius of ball is inf: as far as the box lets it
    past = np.maximum(root * (1 + 1e-9), 1e-9 * whole)  # past the tie, also where x is on the boundary and the root 0
    eps = np.where(np.isfinite(root), past, whole / 4)  # a first guess where no root exists
    s, zero = ball.with_radius(eps).maximize(x, g), np.zeros_like(x)
    steps = steps if len(x) == len(rows) else -(-steps // 4)  # one rival: that is the search; several: a screening run
    tries = descend(Tries(image, margin, zero, np.full(len(x), np.inf), m), x, ball, s, eps, steps, from_x=g)
    still, order = why_still(ball, x, g), np.searchsorted(at, np.arange(len(rows)))
    least = np.minimum.reduceat(root, order)
    moving = np.logical_or.reduceat(still == Reason.BUDGET, order)
    return tries, least, np.maximum.reduceat(whole, order), np.where(moving, Reason.NONE_FOUND, still[order])


def _from_far(problem: Problem, rows: Array, turns: int, blocked: Array) -> tuple[Tries, Array]:
    """Each image at `turns` far points, walked back where they are adversarial, at the first few towards every rival;
    and where all are level (rows,), or, of images that are `blocked` by the box at x, none is above m(x): a slope that
    leads back to x is none to follow."""
    parts, level = [], np.ones(len(rows), bool)
    x, ball, margin = problem.x[rows], problem.ball.take(rows, len(problem.x)), problem.margin.take(rows)
    at, rivals = margin.against(x)
    for turn in range(turns):
        s = far_point(ball, x, turn)
        m, g = margin.value_and_gradient(ball.apply(x, s))
        flat = (why_level(ball, x, g) != Reason.BUDGET) | (blocked & (m <= problem.start[rows]))
        level &= flat & (m <= 0)
        if turn < TOWARDS and len(at) > len(rows):  # one rival: that is the try below
            parts.append(walked(problem, rows[at], s[at], rivals))
        parts.append(walked(problem, rows, s))
    return joined(parts), level


def _known(problem: Problem, rows: Array, starts: Array) -> Tries:
    """Each image at the nearest few of the `starts` that are adversarial for it, walked back."""
    ball = problem.ball.take(rows, len(problem.x))
    at, s = known_points(problem.margin.take(rows), problem.x[rows], ball, starts, KNOWN)
    return walked(problem, rows[at], s)


def _from_maximisers(problem: Problem, rows: Array) -> Tries:
    """Each image at the maximisers argmax { g_j . s : |s| <= r } of its rivals j, r from an eighth of the whole box to
    all of it, where they are adversarial, walked back: the nearest, one of each rival first."""
    at, margin = problem.margin.take(rows).against(problem.x[rows])
    x, ball = problem.x[rows[at]], problem.ball.take(rows[at], len(problem.x))
    _, g = margin.value_and_gradient(x)
    whole, parts = ball.distance(ball.maximize(x, g)), list[Tries]()
    for share in SHARES:
        s = ball.with_radius(share * whole).maximize(x, g)
        won = margin.value(ball.apply(x, s)) > 0
        parts.append(walked(problem, rows[at[won]], s[won]))
    return joined(parts).best(WIDE)
