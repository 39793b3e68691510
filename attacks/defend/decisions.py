"""What is known of n images at rising radii: the verdicts are a step, robust up to here, fooled from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigrad.inputs import Array


@dataclass(eq=False)
class Decisions:
    """Two marks an image, which move towards each other.

    Attributes
    ----------
    wrong : (n,) bool
        Misclassified as it is, beyond rounding: nothing is asked of it.
    robust : (n,) int
        At so many of the radii, the smallest, it is proved robust.
    fooled : (n,) int
        From this radius on it is fooled; the number of radii if at none.
    asked : (n, radii) bool
        What has been asked; asked and between the marks is open.
    settled : int
        Images whose job is done.
    """

    wrong: Array
    robust: Array
    fooled: Array
    asked: Array
    settled: int = 0

    @classmethod
    def start(cls, wrong: Array, radii: int) -> Decisions:
        """Nothing is known but which images (n,) are wrong; one whose margin is within rounding of 0 is not, and cannot
        be proved."""
        n = len(wrong)
        return cls(wrong, np.zeros(n, int), np.full(n, radii), np.zeros((n, radii), bool))

    def take(self, rows: Array) -> Decisions:
        """Those of the images `rows`."""
        return Decisions(self.wrong[rows], self.robust[rows], self.fooled[rows], self.asked[rows])

    def take_over(self, rows: Array, states: Decisions) -> None:
        """What a job found out about `rows`."""
        self.robust[rows], self.fooled[rows], self.asked[rows] = states.robust, states.fooled, states.asked
        self.settled += len(rows)

    def undecided(self) -> Array:
        """Images with a radius between the marks that was not asked, (some,)."""
        return np.flatnonzero(self._free().any(axis=1))

    def middle(self) -> Array:
        """For each image the middle one of the radii to ask, (n,); of meaning for the undecided."""
        free = self._free()
        before = np.cumsum(free, axis=1)
        return np.argmax(before >= (before[:, -1:] + 1) // 2, axis=1)

    def learn(self, i: int, j: int, status: str) -> None:
        """The verdict on image `i` at radius `j`."""
        self.asked[i, j] = True
        if status == "robust":
            self.robust[i] = max(self.robust[i], j + 1)
        elif status == "fooled":
            self.fooled[i] = min(self.fooled[i], j)

    def status(self, j: int) -> Array:
        """ "robust", "fooled", "wrong" or "open" of each image at radius `j`, (n,) of str."""
        known = np.where(j < self.robust, "robust", np.where(j >= self.fooled, "fooled", "open"))
        return np.where(self.wrong, "wrong", known)

    def _free(self) -> Array:
        """(n, radii): between the marks, and not asked."""
        at = np.arange(self.asked.shape[1])
        between = (at >= self.robust[:, None]) & (at < self.fooled[:, None])
        return between & ~self.asked & ~self.wrong[:, None]
