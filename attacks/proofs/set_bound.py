"""No s of this radius fools them all: what each image's own bounds say of s, then the weighted sum of all bounds.

Since every image must be fooled, each image's neurons may be bounded over its own counterexamples
(minigrad/bounds/output_constraint.py), a pixel that one of them cannot do without is paid for by all, and one that
ruins one of them is left alone by s.  Where one image contradicts itself already, it alone is the proof.  Otherwise the
bounds are weighed (attacks/proofs/set_weights.py).
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from attacks.balls.base import Ball
from attacks.proofs.pixels import decide_pixels, undecided
from attacks.proofs.set_weights import Rows, weigh
from attacks.uap.image_set import ImageSet
from minigrad.bounds.crown import intervals
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.optimised import bound_rows, optimise_bounds
from minigrad.bounds.output_constraint import constrain_layer
from minigrad.bounds.region import Region
from minigrad.inputs import Array
from minigrad.mlp import MLP

# What half and double change is the largest refuted radius of nine sets: 12 fours and nines, or 6 images of a tiny net.
ROUNDS = 4  # in which bounds and intervals make each other smaller; 2: 3% less, 8: 2% more in twice the time
STEPS = 8  # of `optimise_bounds` for an image's margin; half and double change nothing
NEURON_STEPS = 5  # for its neurons; 2: 3% less, 10: 2% more in half as much time again


def refuted(
    net: MLP, images: ImageSet, radius: float, image: Array, c: Array, deadline: float = np.inf
) -> Array | None:
    """Weights (r,) that prove that no s of `radius` fools all the images, or None.

    Parameters
    ----------
    image : (r,) int
        The image of each row.
    c : (r, K)
        Its margin, `m = c . (N - t)`: an s that fools all images makes all of these positive.
    deadline : of `time.perf_counter`
        Returns None once it has passed.
    """
    if not applies(images):
        return None
    known = intervals(net, images.problem.x[image], _own_balls(images, radius, image))
    known = replace(known, sign=tuple(np.zeros_like(low) for low in known.l))
    mult, gamma = Multipliers.start(known), tuple(np.ones((len(image), 2, low.shape[1])) for low in known.l)
    for _ in range(ROUNDS):
        found, mult = optimise_bounds(known, c, mult, steps=STEPS)
        if (found.bound < 0).any():
            return _alone(int(np.argmin(found.bound[:, 0])), len(image))
        known, contradiction = _share_pixels(known, c, mult)
        if contradiction is not None:
            return _alone(contradiction, len(image))
        for k in range(len(known.l)):
            if time.perf_counter() > deadline:
                return None
            known, gamma, empty = constrain_layer(known, gamma, k, c, mult, steps=NEURON_STEPS)
            if empty.any():
                return _alone(int(np.argmax(empty)), len(image))
    weighed = weigh(Rows(images, known, radius, image, c), mult)
    return None if weighed is None else weighed[0]


def applies(images: ImageSet) -> bool:
    """Whether the s that is best for a weighted sum is known exactly."""
    x = images.problem.x
    return images.inside or images.problem.ball.maximize_jointly(x, np.zeros_like(x)) is not None


def _own_balls(images: ImageSet, radius: float, image: Array) -> Ball:
    """The set of each row's image; with the convention "inside" in the box that all images leave to s."""
    ball = images.problem.ball.with_radius(radius).take(image, len(images.problem.x))
    if not images.inside:
        return ball
    low, high = (images.problem.x[image] + end for end in images.free.box)
    return ball.restrict(None, None, np.nextafter(low, -np.inf), np.nextafter(high, np.inf))


def _alone(row: int, n: int) -> Array:
    """Weight 1 for one row: its image alone is the proof."""
    return np.eye(n)[row]


def _share_pixels(known: Region, c: Array, mult: Multipliers) -> tuple[Region, int | None]:
    """The sets after each image's own bound decided pixels; and the row in which that is a contradiction, or None.

    Every s that fools all images fools each, so what one row says of its pixels holds for all.  If more pixels are in
    than may change, no other pixel can, and the bound soon falls below 0 by itself.
    """
    ball = known.ball
    assert isinstance(ball, Ball)
    if not undecided(ball, known.x).any():
        return known, None
    found = bound_rows(known, c, mult)
    inside, outside = decide_pixels(known, found.bound[:, 0], found.A[:, 0])
    if (inside & outside).any():
        return known, int(np.argmax((inside & outside).any(axis=1)))
    inside, outside = (np.broadcast_to(some.any(axis=0), some.shape) for some in (inside, outside))
    return replace(known, ball=ball.restrict(inside, outside)), None
