"""The linear program of many images: the s in the set that makes the least of their linearised margins largest."""

from __future__ import annotations

import numpy as np

from attacks.balls.linear_program import largest_least
from attacks.uap.image_set import ImageSet

PROGRAM_IMAGES = 200  # of 1,000 fours 100 images in the program fool 0.5% fewer, 400 no more in over twice the time
PROGRAM_ROUNDS = 4  # re-linearisations: of 100 fours 2 rounds fool one fewer, 8 one more in twice the time


def program(images: ImageSet, rng: np.random.Generator) -> None:
    """The largest worst margin of the network linearised at s_0, re-linearised at each answer, from the best s seen:

        max t   over s in the set,   t <= m_i + J_i (s - s_0).

    On an affine network of two classes, with the convention "inside" and at most `PROGRAM_IMAGES` images, the first
    answer is the optimum.  Otherwise clipped pixels count as fixed, and only a random part of the images takes part.
    """
    zero = np.zeros_like(images.best)
    segments = images.free.segments(zero[None])
    if segments is None:
        return
    rows = rng.permutation(images.open_rows)[:PROGRAM_IMAGES]
    s = images.best
    for _ in range(PROGRAM_ROUNDS):
        m, _, J = images.slopes(s, rows)  # (rows,), (rows, d)
        found = largest_least(segments, m - J @ s, J)
        if found is None:
            return
        before, s = s, images.free.project(zero, found[0])
        images.measure(s)
        if np.abs(s - before).max() <= 1e-9 * max(np.abs(s).max(), 1e-300):
            return
