"""From logits to one real number per image: positive iff the image is adversarial.

Every classifier becomes the homework's real-valued network.  With `t` the threshold:

    one logit      m(x) = N(x) - t  for class y = 0,     m(x) = t - N(x)  for class y = 1
    k logits       m_j(x) = N_j(x) - N_y(x):  class j beats class y
    untargeted     m(x) = max_{j != y} m_j(x):  some class beats y
    targeted       m(x) = min_{j != target} (N_target(x) - N_j(x)):  the target beats all others

A tie, m(x) = 0, is never a success.  Each value is `c . N(x) - c . t` for a row `c` of +1, -1 and 0 chosen by the
logits (t = 0 for k >= 2), so its gradient is `c J(x)`: one row pulled back through the network.

A network is asked through `minigrad.model.ask` alone: it can read the images, and not write into them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, as_array, as_labels
from minigrad.mlp import MLP
from minigrad.model import Model, ask, check_model, first_logits, locked, only_reading
from minigrad.single import logits_32bit, variances_32bit


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
            A model without `logits` or `jacobian`, one that writes into its images or answers differently when asked
            again; logits not (n, k), labels out of range, a target equal to its label.
        """
        check_model(net)
        N, threshold = first_logits(net, x), getattr(net, "threshold", 0.0)
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
            target = as_array(target, "target")
            target = as_labels(np.full(n, target) if target.ndim == 0 else target, n, classes, "target")
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
        k = self.classes(x) if n else 2  # a model need not take an empty batch
        if k <= 2 or self.target is not None:
            return np.arange(n), self
        index, rival = np.nonzero(np.arange(k) != self.y[:, None])  # (n (k-1),) each
        return index, PairwiseMargin(self.net, self.y[index], rival, self.count)

    def by_loss(self) -> Margin:
        """The same margin with the gradient of the cross-entropy loss in place of its own: see `LossMargin`."""
        return LossMargin(self.net, self.y, self.target, self.count)

    def classes(self, x: Array) -> int:
        """How many logits there are."""
        self.count.forward += 1
        return int(np.shape(ask(self.net, "logits", x[:1]))[1])

    def value(self, x: Array) -> Array:
        """`m(x)`, (n,)."""
        self.count.forward += len(x)
        return self._read(ask(self.net, "logits", x))[0]

    def value_32bit(self, x: Array) -> Array:
        """`m(x)`, (n,), in single precision (minigrad/single.py); 0, a tie, where that overflows."""
        self.count.forward += len(x)
        N = np.asarray(logits_32bit(self.net, x, self.net.layers if isinstance(self.net, MLP) else None))
        with np.errstate(over="ignore"):
            threshold = float(np.float32(getattr(self.net, "threshold", 0.0)))
        tie = ~np.isfinite(N).all(axis=-1) if N.dtype.kind == "f" else np.zeros(len(N), bool)
        return np.where(tie, 0.0, self._read(np.where(tie[..., None], 0, N), threshold)[0])

    def rounding_32bit(self, x: Array) -> Array | None:
        """The estimated standard deviation of `value_32bit(x)` from `value(x)`, (n,); None for a stranger's model."""
        if not isinstance(self.net, MLP):
            return None
        self.count.forward += len(x)
        N, variance = variances_32bit(self.net.layers, x)
        _, c = self._read(N)
        return np.sqrt(np.sum(c**2 * variance, axis=1))

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        """`m(x)` (n,) and `dm/dx` (n, d)."""
        self.count.forward += len(x)
        self.count.jacobian += len(x)
        if pullback := getattr(self.net, "pullback", None):
            with only_reading(self.net, "pullback"):
                N, pull = pullback(locked(x))
                m, c = self._read(N)
                return m, _expected("pullback", pull(c), x.shape)
        m, c = self._read(ask(self.net, "logits", x))
        return m, np.einsum("nk,nkd->nd", c, self._jacobian(x, c.shape[1]))

    def jacobian(self, x: Array) -> Array:
        """The network's Jacobian at `x`, (n, k, d)."""
        self.count.jacobian += len(x)
        return self._jacobian(x, self.classes(x))

    def _jacobian(self, x: Array, k: int) -> Array:
        return _expected("jacobian", ask(self.net, "jacobian", x), (len(x), k, x.shape[1]))

    def _read(self, N: Array, threshold: float | None = None) -> tuple[Array, Array]:
        """The margins (n,) and the rows `c` (n, k) with `m = c . N - c . t`; t is the model's unless given."""
        N = _expected("logits", N, (len(self.y), *np.shape(N)[1:2]))
        n, k = N.shape
        if k == 1:
            c = np.where(self.y == 0, 1.0, -1.0)  # (n,)
            t = getattr(self.net, "threshold", 0.0) if threshold is None else threshold
            return c * (N[:, 0] - t), c[:, None]
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


@dataclass(frozen=True, eq=False)
class LossMargin(Margin):
    """The same values, with rows c that point where the cross-entropy loss rises:  L = log(sum_j exp N_j) - N_y.

    With the softmax p over all classes, dL/dN = p - e_y = (1 - p_y) (q - e_y), q the softmax over the classes other
    than y, so c = q - e_y is a positive multiple of it, which neither vanishes nor cancels where p_y rounds to 1: the
    margin's own row with all rivals in place of the best one.  With a target L is the target's, and falls along
    c = e_target - q.  Two classes have one rival: L = log(1 + exp(m)) rises with the margin, and c is the margin's.
    """

    def _read(self, N: Array, threshold: float | None = None) -> tuple[Array, Array]:
        m, c = super()._read(N, threshold)
        if c.shape[1] > 2:
            own, sign = (self.y, 1.0) if self.target is None else (self.target, -1.0)
            rows = np.arange(len(c))
            rival = np.array(N, np.float64)
            rival[rows, own] = -np.inf
            q = np.exp(rival - rival.max(axis=1, keepdims=True))  # (n, k), 0 at y
            c = sign * q / q.sum(axis=1, keepdims=True)
            c[rows, own] = -sign
        return m, c
