"""What a proof is asked: is there an adversarial s in this set?

Adversarial means that one of some linear functions of the logits is positive,

    c . (N(x + s) - t) > 0        c = e_j - e_y for a rival j of class y;  +-1 for a network of one logit,

or, for a target among k >= 3 classes, that all of them are: the target must beat every rival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attacks.images import blocks
from attacks.proofs.tree import PIXEL
from minigrad.bounds.evaluation import forward_error
from minigrad.bounds.relaxation import is_smooth
from minigrad.bounds.rounding import ETA
from minigrad.inputs import Array
from minigrad.mlp import MLP


def beyond_rounding(
    net: MLP, points: Array, y: Array, target: Array | None = None, off: Array | float = 0.0
) -> tuple[Array, Array]:
    """Which points (n, d) are surely adversarial for classes `y` (n,), or reach their `target` (n,), and which surely
    are not, (n,) bool each.  Neither: float64 cannot tell.  `off` as in `Query.adversarial`."""
    fooled, safe = np.zeros(len(points), bool), np.zeros(len(points), bool)
    pairs = np.stack([y, np.full(len(y), -1) if target is None else target], axis=1)
    off = np.broadcast_to(off, points.shape)
    for label, aim in np.unique(pairs, axis=0).tolist():
        for rows in blocks(np.flatnonzero((pairs == (label, aim)).all(axis=1))):
            query = Query.from_image(net, points[rows[0]], label, None, None if aim < 0 else aim)
            fooled[rows], safe[rows] = query.adversarial(points[rows], off[rows]), query.safe(points[rows])
    return fooled, safe


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
    neurons : tuple of (d_k',) int, or None
        Where `net` has fewer neurons, one array for each hidden layer: which of the whole network's they are.
    scale : float
        The margins of `net` are those of the whole network times this power of two.
    """

    net: MLP
    x: Array
    ball: Any
    c: Array
    joint: Array | None = None
    first_error: Array | None = None
    live: Array | None = None
    image: Array | None = None
    neurons: tuple[Array, ...] | None = None
    scale: float = 1.0

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
        return not is_smooth(self.net.layers)

    def adversarial(self, points: Array, off: Array | float = 0.0) -> Array:
        """Which points (n, d) of the whole image are adversarial for any float64 evaluation, (n,) bool: m > E.

        And with each any point that differs from it by no more than `off` in each pixel.

        E is the error bound of one forward pass (minigrad/bounds/rounding.py): a batch and a single image differ in
        their last bits, so m > 0 alone could come out otherwise when it is measured again.
        """
        margins, error = self._margins(points, off)
        beyond = margins > error
        return np.any(beyond, axis=1) if self.joint is None else np.all(beyond, axis=1)

    def safe(self, points: Array) -> Array:
        """Which points (n, d) of the whole image are certainly not adversarial, (n,) bool: m + E <= 0.

        Between `safe` and `adversarial` lie the points whose margin cannot be told from 0 in float64.
        """
        margins, error = self._margins(points)
        below = margins <= -error
        return np.all(below, axis=1) if self.joint is None else np.any(below, axis=1)

    def _margins(self, points: Array, off: Array | float = 0.0) -> tuple[Array, Array]:
        """The margin of each row at the points, and E, (n, r) each.

        The logits' error is counted twice in `forward_error`: that pays for adding up the row's products, but for those
        that underflow here, by eta / 2 at most, and in E itself.
        """
        rows = self.c if self.joint is None else self.joint
        margins = (self.net.logits(points) - self.net.threshold) @ rows.T
        return margins, forward_error(self.net.layers, points, off) @ np.abs(rows).T + 2 * rows.shape[1] * ETA

    def whole(self, points: Array) -> Array:
        """Points (n, d') of the condensed image on the whole one, (n, d)."""
        if self.live is None or self.image is None:
            return points
        full = np.repeat(self.image, len(points), axis=0)
        full[:, self.live] = points
        return full

    @property
    def shares_tree(self) -> bool:
        """Whether all rows are asked about at once (attacks/proofs/shared_nodes.py): several, one of which suffices.

        With one or two hidden layers, whose intervals the output constraint of a single row narrows best, they are not.
        """
        deep = len(self.net.dense) > 3
        return deep and len(self.c) > 1 and self.joint is None and self.piecewise_linear

    def on_image(self, layer: Array, index: Array) -> Array:
        """The indices (r,) of some splits, with pixels and neurons numbered as on the whole image and network."""
        named = index.copy()
        if self.live is not None:
            named[layer == PIXEL] = self.live[index[layer == PIXEL]]
        for k, neurons in enumerate(self.neurons or ()):
            named[layer == k] = neurons[index[layer == k]]
        return named

    def column(self, layer: int, index: int) -> int | None:
        """Which pixel or neuron of this query that of the whole image or network is, or None if it was left out."""
        kept = self.live if layer == PIXEL else None if self.neurons is None else self.neurons[layer]
        if kept is None:
            return index
        place = int(np.searchsorted(kept, index))
        return place if place < len(kept) and kept[place] == index else None
