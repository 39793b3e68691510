"""The quantile bound: an s that fools j images of a set fools each of them alone.

So |s| is at least as large as the j-th smallest of the images' own certified minima, whatever the share j / n.
"""

from __future__ import annotations

import time

import numpy as np

from attacks.proofs.task import Task
from attacks.proofs.turns import narrowed
from minigrad.inputs import Array

GAPS = 0.2, 0.05, 0.0  # to which own minima are wanted, one after the other while there is time; the last for L0 alone


def own_minima(task: Task, rows: Array, need: int, deadline: float) -> Array:
    """Certified lower bounds of the images `rows` by themselves, (n,), NaN for the others.

    For a quantile bound of q it takes n - need + 1 images whose own bounds are q, so the time goes to those with the
    largest upper bounds, as long as there are some that can still raise it; the others get what plain bounds prove.
    Upper bounds fall on the way, where the proof comes across what the attack missed.

    Parameters
    ----------
    rows : (m,) int
    need : int
        How many of them are to be fooled.
    deadline : of `time.perf_counter`
    """
    own, upper = np.full(len(task.x), np.nan), np.where(task.attack.success, task.attack.distance, np.inf)
    own[rows] = [narrowed(task.limited(task.limits.gap, 0.0), int(i)).known.lower for i in rows]
    gaps = GAPS if task.ball.counts else GAPS[:-1]
    for later, gap in zip(range(len(gaps) - 1, -1, -1), gaps, strict=True):
        seen = np.zeros(len(own), bool)
        while True:
            open_ = rows[~seen[rows] & ((1 - gap) * upper[rows] > np.maximum(own[rows], np.sort(own[rows])[need - 1]))]
            now = time.perf_counter()
            if not len(open_) or now >= deadline:
                break
            i, number = int(open_[np.argmax(upper[open_])]), min(len(open_), len(rows) - need + 1)
            known = narrowed(task.limited(gap, (deadline - now) / (number + later)), i).known
            own[i], upper[i], seen[i] = max(own[i], known.lower), known.upper, True
    return own
