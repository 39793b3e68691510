"""From logits to one real number per image: positive iff the image is adversarial.

Every classifier becomes the homework's real-valued network.  With `t` the threshold:

    one logit      m(x) = N(x) - t  for class y = 0,     m(x) = t - N(x)  for class y = 1
    k logits       m_j(x) = N_j(x) - N_y(x):  class j beats class y
    untargeted     m(x) = max_{j != y} m_j(x):  some class beats y
    targeted       m(x) = min_{j != target} (N_target(x) - N_j(x)):  the target beats all others

A tie, m(x) = 0, is never a success.  Each value is `c . N(x) - c . t` for a row `c` of +1, -1 and 0 chosen by the
logits (t = 0 for k >= 2), so its gradient is `c J(x)`: one row pulled back through the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, as_labels
from minigrad.model import Model, check_model


@dataclass
class Count:
    """Images pushed forward through the network, and images whose Jacobian was formed."""

    forward: int = 0
    jacobian: int = 0


@dataclass(frozen=True, eq=False)
class Margin:
    """The margin of a batch of images.

    Attributes
    ----------
    net : Model
    y : (n,) int64
    target : (n,) int64 or None
    count : Count
        Shared with every margin that `take` or `against` makes of this one.
    """

    net: Model
    y: Array
    target: Array | None = None
    count: Count = field(default_factory=Count)

    @classmethod
    def from_labels(cls, net: Model, x: Array, y: ArrayLike, target: ArrayLike | None = None) -> Margin:
        """Check model, labels and target against the images `x` (n, d), and build the margin.

        Raises
        ------
        ValueError
            A model without `logits` or `jacobian`, logits not (n, k), labels out of range, a target equal to its label.
        """
        check_model(net)
        N, threshold = np.asarray(net.logits(x[:1])), getattr(net, "threshold", 0.0)
        if N.ndim != 2 or len(N) != 1 or N.shape[1] == 0:
            raise ValueError(f"expected the model's logits to be (n, k), got {N.shape} for one image")
        if N.dtype.kind not in "biuf" or np.asarray(threshold).dtype.kind not in "biuf" or np.ndim(threshold):
            raise ValueError(f"expected real logits and threshold of the model, got {N.dtype} and {threshold!r}")
        if not (np.isfinite(N).all() and np.isfinite(threshold)):
            raise ValueError("expected finite logits and threshold of the model, got NaN or infinity")
        if N.shape[1] > 1 and threshold != 0:
            raise ValueError(f"expected threshold 0 of a model with {N.shape[1]} logits, got {threshold}")
        n, classes = len(x), max(N.shape[1], 2)
        y = as_labels(y, n, classes)
        if target is not None:
            target = as_labels(np.full(n, target) if np.ndim(target) == 0 else target, n, classes, "target")
            if (target == y).any():
                row = int(np.argmax(target == y))
                raise ValueError(f"target: expected a class other than the label, got {y[row]} for both in row {row}")
        return cls(net, y, target)

    def take(self, index: Array) -> Margin:
        """The margin of the images `index` alone; evaluations go on the same count."""
        return replace(self, y=self.y[index], target=None if self.target is None else self.target[index])

    def against(self, x: Array) -> tuple[Array, Margin]:
        """One row per rival class: `(index, margin)`, row r being image index[r] with one class that may beat y.

        Two classes, or a target, leave one row per image.  Of k classes, untargeted, k - 1 are rivals: their rows are
        the pairwise margins m_j, and as soon as one of them is positive the image is adversarial.
        """
        n = len(x)
        k = np.shape(self.net.logits(x[:1]))[1] if n else 2  # a model need not take an empty batch
        if k <= 2 or self.target is not None:
            return np.arange(n), self
        index, rival = np.nonzero(np.arange(k) != self.y[:, None])  # (n (k-1),) each
        return index, PairwiseMargin(self.net, self.y[index], rival, self.count)

    def value(self, x: Array) -> Array:
        """`m(x)`, (n,)."""
        self.count.forward += len(x)
        return self._read(self.net.logits(x))[0]

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """`m(x)` (n,) and `dm/dx` (n, d)."""
        self.count.forward += len(x)
        self.count.jacobian += len(x)
        if pullback := getattr(self.net, "pullback", None):
            N, pull = pullback(x)
            m, c = self._read(N)
            return m, _expected("pullback", pull(c), x.shape)
        m, c = self._read(self.net.logits(x))
        return m, np.einsum("nk,nkd->nd", c, self._jacobian(x, c.shape[1]))

    def jacobian(self, x: Array) -> Array:
        """The network's Jacobian at `x`, (n, k, d)."""
        self.count.jacobian += len(x)
        return self._jacobian(x, np.shape(self.net.logits(x[:1]))[1])

    def _jacobian(self, x: Array, k: int) -> Array:
        return _expected("jacobian", self.net.jacobian(x), (len(x), k, x.shape[1]))

    def _read(self, N: Array) -> tuple[Array, Array]:
        """The margins (n,) and the rows `c` (n, k) with `m = c . N - c . t`."""
        N = _expected("logits", N, (len(self.y), *np.shape(N)[1:2]))
        n, k = N.shape
        if k == 1:
            c = np.where(self.y == 0, 1.0, -1.0)  # (n,)
            return c * (N[:, 0] - getattr(self.net, "threshold", 0.0)), c[:, None]
        plus, minus = self._pair(N)
        rows = np.arange(n)
        c = np.zeros((n, k))  # one row over the logits for each image
        c[rows, plus], c[rows, minus] = 1, -1
        return N[rows, plus] - N[rows, minus], c

    def _pair(self, N: Array) -> tuple[Array, Array]:
        """The class that should win and the one to beat, (n,) each."""
        own = self.y if self.target is None else self.target
        others = N.copy()
        others[np.arange(len(N)), own] = -np.inf
        best = others.argmax(axis=1)
        return (best, own) if self.target is None else (own, best)


def _expected(name: str, value: Any, shape: tuple[int, ...]) -> Array:
    """What a model returned, as float64, or ValueError unless it is finite and of that shape."""
    value = np.asarray(value)
    if value.dtype.kind not in "biuf":
        raise ValueError(f"expected the model's {name} to be real numbers, got {value.dtype}")
    value = value.astype(np.float64, copy=False)
    if value.shape != shape or not np.isfinite(value).all():
        what = f"an array {value.shape}" if value.shape != shape else "NaN or infinity"
        raise ValueError(f"expected the model's {name} to be finite, of shape {shape}, got {what}")
    return value


@dataclass(frozen=True, eq=False)
class PairwiseMargin(Margin):
    """`m_j(x) = N_j(x) - N_y(x)` for one rival `j` per row (kept in `target`), whatever the other classes do."""

    def _pair(self, N: Array) -> tuple[Array, Array]:
        assert self.target is not None
        return self.target, self.y
