"""What a proof is asked: is there an adversarial s in this set?

Adversarial means that one of some linear functions of the logits is positive,

    c . (N(x + s) - t) > 0        c = e_j - e_y for a rival j of class y;  +-1 for a network of one logit,

or, for a target among k >= 3 classes, that all of them are: the target must beat every rival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attacks.proofs.tree import PIXEL
from minigrad.bounds.evaluation import forward_error
from minigrad.inputs import Array
from minigrad.layers import ReLU
from minigrad.mlp import MLP


@dataclass(frozen=True, eq=False)
class Query:
    """Is there an s in the ball about `x` (1, d) with  c . (N(x + s) - t) > 0  for one of the rows of `c` (r, K)?

    Attributes
    ----------
    joint : (r, K) or None
        If given, an adversarial s has m > 0 for all of these rows (a target among k >= 3 classes).
    first_error : as in `Region`
    live : (d',) int or None
        Where `net` and `x` are condensed to fewer pixels (attacks/proofs/condense.py): which of the image they are.
    image : (1, d) or None
        Then: the whole image.
    """

    net: MLP
    x: Array
    ball: Any
    c: Array
    joint: Array | None = None
    first_error: Array | None = None
    live: Array | None = None
    image: Array | None = None

    @classmethod
    def from_image(cls, net: MLP, x: Array, y: int, ball: Any, target: int | None = None) -> Query:
        """About image `x` (d,) of class `y`: one row a rival, or the rivals that `target` must all beat."""
        k = net.sizes[-1]
        if k == 1:
            return cls(net, x[None], ball, np.array([[1.0 if y == 0 else -1.0]]))
        eye = np.eye(k)
        if target is None or k == 2:
            return cls(net, x[None], ball, np.delete(eye, y, axis=0) - eye[y])
        rows = eye[target] - np.delete(eye, target, axis=0)
        return cls(net, x[None], ball, rows, joint=rows)

    @property
    def piecewise_linear(self) -> bool:
        """Whether the network is (ReLU, or no hidden layer): then enough splits make every line exact."""
        return len(self.net.layers) == 1 or isinstance(self.net.layers[1], ReLU)

    def adversarial(self, points: Array) -> Array:
        """Which points (n, d) of the whole image are adversarial for any float64 evaluation, (n,) bool: m > E.

        E is the error bound of one forward pass (minigrad/bounds/rounding.py): a batch and a single image differ in
        their last bits, so m > 0 alone could come out otherwise when it is measured again.
        """
        margins, error = self._margins(points)
        beyond = margins > error
        return np.any(beyond, axis=1) if self.joint is None else np.all(beyond, axis=1)

    def safe(self, points: Array) -> Array:
        """Which points (n, d) of the whole image are certainly not adversarial, (n,) bool: m + E <= 0.

        Between `safe` and `adversarial` lie the points whose margin cannot be told from 0 in float64.
        """
        margins, error = self._margins(points)
        below = margins <= -error
        return np.all(below, axis=1) if self.joint is None else np.any(below, axis=1)

    def _margins(self, points: Array) -> tuple[Array, Array]:
        """The margin of each row at the points, and E, (n, r) each."""
        rows = self.c if self.joint is None else self.joint
        margins = (self.net.logits(points) - self.net.threshold) @ rows.T
        return margins, forward_error(self.net.layers, points) @ np.abs(rows).T

    def whole(self, points: Array) -> Array:
        """Points (n, d') of the condensed image on the whole one, (n, d)."""
        if self.live is None or self.image is None:
            return points
        full = np.repeat(self.image, len(points), axis=0)
        full[:, self.live] = points
        return full

    def on_image(self, layer: Array, index: Array) -> Array:
        """The indices (r,) of some splits, with pixels numbered as on the whole image."""
        if self.live is None:
            return index
        return np.where(layer == PIXEL, self.live[np.minimum(index, len(self.live) - 1)], index)
