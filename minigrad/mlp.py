"""The network: dense layers with one activation between them, and its exact derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.files import briefly, npz_bytes, read_npz, write_whole
from minigrad.foreign import sklearn_arrays, torch_arrays
from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_labels
from minigrad.layers import ACTIVATIONS, Dense, Layer

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1024  # images per pass: their activations stay in the processor's cache


def forward(layers: Sequence[Layer], x: Array) -> list[Array]:
    """`[x, z_1, a_1, z_2, ..., N]`: what enters each layer, and last what leaves the network."""
    values = [x]
    for layer in layers:
        values.append(layer.forward(values[-1]))
    return values


@dataclass(frozen=True, eq=False)
class MLP:
    """N(x) = W_L a_{L-1} + b_L,  a_k = activation(a_{k-1} W_k + b_k),  a_0 = x.   Immutable, float64.

    Make one with `MLP.init`, `MLP.from_arrays`, `MLP.from_torch`, `MLP.from_sklearn` or `MLP.load`.

    Attributes
    ----------
    layers : tuple of Dense, activation, Dense, ..., Dense
    threshold : float
        Class 1 iff the single logit is above it.  0 for k >= 2 logits, where the argmax decides.

    Examples
    --------
    >>> import numpy as np
    >>> net = MLP.from_arrays([([[1.0], [2.0]], [-1.0])])  # N(x) = x_0 + 2 x_1 - 1
    >>> net.logits(np.array([[0.25, 0.5]]))
    array([[0.25]])
    >>> net.jacobian(np.array([[0.25, 0.5]]))
    array([[[1., 2.]]])
    """

    layers: tuple[Layer, ...]
    threshold: float = 0.0

    # ------------------------------------------------------------------ making one

    @classmethod
    def init(cls, sizes: Sequence[int], *, activation: str = "relu", rng: Seed = None, threshold: float = 0.0) -> MLP:
        """Random weights that keep the size of a signal from layer to layer; biases 0.

        W has d_in * m normal entries of variance c / d_in (He et al. 2015, eq. 10: c = 2 makes up for the half
        that ReLU discards) or 2 / (d_in + m) for tanh and sigmoid (Glorot and Bengio 2010, eq. 12).

        Raises
        ------
        ValueError
            Fewer than two sizes, a size below 1, or an unknown activation.
        """
        _check_activation(activation)
        if np.ndim(sizes) != 1:
            raise ValueError(f"sizes: expected a sequence such as [784, 128, 1], got {sizes!r}")
        sizes = [as_count(size, "sizes") for size in sizes]
        if len(sizes) < 2:
            raise ValueError(f"sizes: expected at least an input and an output size, got {sizes}")
        rng = as_generator(rng)
        pairs = []
        for d, m in pairwise(sizes):
            variance = 2 / d if activation == "relu" else 2 / (d + m)
            pairs.append((rng.normal(0, np.sqrt(variance), (d, m)), np.zeros(m)))
        return cls.from_arrays(pairs, activation=activation, threshold=threshold)

    @classmethod
    def from_arrays(
        cls, pairs: Sequence[tuple[ArrayLike, ArrayLike]], *, activation: str = "relu", threshold: float = 0.0
    ) -> MLP:
        """A network from `[(W_1, b_1), ...]`, W_k (d_in, d_out), b_k (d_out,).  The arrays are copied.

        Raises
        ------
        ValueError
            Shapes that do not chain, values that are not finite, an unknown activation, or a threshold for k >= 2
            logits.
        """
        _check_activation(activation)
        layers: list[Layer] = []
        width = None
        for k, (W, b) in enumerate(pairs, start=1):
            W, b = np.asarray(W), np.asarray(b)
            if W.dtype.kind not in "biuf" or b.dtype.kind not in "biuf":
                raise ValueError(f"layer {k}: expected real numbers, got {W.dtype} and {b.dtype}")
            W, b = np.array(W, np.float64, order="C"), np.array(b, np.float64)
            if W.ndim != 2 or 0 in W.shape or b.shape != W.shape[1:] or width not in (None, W.shape[0]):
                raise ValueError(
                    f"layer {k}: expected W ({width or 'd_in'}, d_out) and b (d_out,), got {W.shape} and {b.shape}"
                )
            if not (np.isfinite(W).all() and np.isfinite(b).all()):
                raise ValueError(f"layer {k}: expected finite weights, got NaN or infinity")
            W.flags.writeable = b.flags.writeable = False
            width = W.shape[1]
            layers += [Dense(W, b), ACTIVATIONS[activation]()]
        if not layers:
            raise ValueError("pairs: expected at least one (W, b), got none")
        scalar = np.ndim(threshold) == 0 and np.asarray(threshold).dtype.kind in "iuf"
        number = scalar and np.isfinite(float(threshold))
        if not number or (width != 1 and threshold != 0):
            raise ValueError(f"threshold: expected a finite number, 0 if there are {width} logits, got {threshold}")
        return cls(tuple(layers[:-1]), float(threshold))

    @classmethod
    def from_torch(cls, source: Any, *, activation: str | None = None, threshold: float = 0.0) -> MLP:
        """The network that a torch module computes in evaluation mode, in float64.

        Parameters
        ----------
        source : a `Sequential` of Linear, ReLU, Tanh, Sigmoid (and Flatten, Identity, Dropout), or a `state_dict()`
            Of a state dict the weights are taken in their order.
        activation : str, optional
            What is between them: "relu", "tanh" or "sigmoid".  Needed for a state dict, which does not say.
        threshold : float
            As in `from_arrays`.

        Raises
        ------
        ValueError
            Layers unknown here, named; more than one kind of activation; what `from_arrays` refuses.
        """
        pairs, kind = torch_arrays(source, activation)
        return cls.from_arrays(pairs, activation=kind, threshold=threshold)

    @classmethod
    def from_sklearn(cls, classifier: Any) -> MLP:
        """The network of a fitted `sklearn.neural_network.MLPClassifier`; class j is its `classes_[j]`.

        Raises
        ------
        ValueError
            Anything else, not fitted, or fitted to several labels an image.
        """
        pairs, kind = sklearn_arrays(classifier)
        return cls.from_arrays(pairs, activation=kind)

    def save(self, path: str | Path) -> None:
        """Write a `.npz` without pickle; equal networks give equal bytes.  Raises OSError."""
        write_whole(path, npz_bytes(self.to_arrays()))

    @classmethod
    def load(cls, path: str | Path) -> MLP:
        """Read what `save` wrote.  Raises OSError, or ValueError for any other file."""
        arrays = read_npz(path)
        try:
            return cls.of_arrays(arrays)
        except (ArithmeticError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: expected a network saved by MLP.save, got something else ({briefly(error)})"
            ) from error

    @classmethod
    def of_arrays(cls, arrays: dict[str, Array]) -> MLP:
        """What `to_arrays` gave.  Raises KeyError, TypeError or ValueError for anything else."""
        depth = len(arrays) // 2 - 1
        if len(arrays) != 2 * depth + 2:
            raise ValueError(f"arrays {', '.join(arrays)}")
        pairs = [(arrays[f"W{k}"], arrays[f"b{k}"]) for k in range(1, depth + 1)]
        threshold: Any = arrays["threshold"]
        return cls.from_arrays(pairs, activation=str(arrays["activation"]), threshold=threshold)

    def to_arrays(self) -> dict[str, Array]:
        """`{"activation", "threshold", "W1", "b1", "W2", ...}`: all that defines the network."""
        arrays = {"activation": np.array(self.activation), "threshold": np.array(self.threshold)}
        for k, layer in enumerate(self.dense, start=1):
            arrays |= {f"W{k}": layer.W, f"b{k}": layer.b}
        return arrays

    def rescaled(self, lo: ArrayLike, hi: ArrayLike) -> MLP:
        """The network of shares v in [0, 1] that does what this one does of pixels  x = lo + (hi - lo) v.

        x W + b = v (diag(hi - lo) W) + (lo W + b): only the first layer changes.  For data in another range than
        [0, 1], such as normalised data; `lo`, `hi` numbers or (d,).

        Raises
        ------
        ValueError
            Ends that are not finite, or not one number or d.

        Examples
        --------
        >>> net = MLP.from_arrays([([[1.0], [2.0]], [-1.0])])
        >>> net.rescaled(-1, 1).dense[0]
        Dense(W=array([[2.],
               [4.]]), b=array([-4.]))
        """
        first, *others = [(layer.W, layer.b) for layer in self.dense]
        try:
            lo, hi = (np.broadcast_to(np.asarray(end, np.float64), self.sizes[:1]) for end in (lo, hi))
        except (TypeError, ValueError) as error:
            raise ValueError(f"lo, hi: expected numbers or arrays ({self.sizes[0]},), got {lo!r}, {hi!r}") from error
        W, b = first
        pairs = [((hi - lo)[:, None] * W, lo @ W + b), *others]
        return MLP.from_arrays(pairs, activation=self.activation, threshold=self.threshold)

    # ------------------------------------------------------------------ what it is

    @property
    def dense(self) -> tuple[Dense, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Dense))

    @property
    def activation(self) -> str:
        """Its name; "relu" for a network of one dense layer, which has none."""
        second = self.layers[1 % len(self.layers)]
        return next((name for name, kind in ACTIVATIONS.items() if isinstance(second, kind)), "relu")

    @property
    def sizes(self) -> tuple[int, ...]:
        """`(d, hidden..., k)`."""
        return (self.dense[0].W.shape[0], *(layer.W.shape[1] for layer in self.dense))

    # ------------------------------------------------------------------ what it says

    def logits(self, x: ArrayLike) -> Array:
        """`N(x)`, (n, k), for images `x` (n, d).  Raises ValueError for any other shape, integers, NaN."""
        x = as_images(x, self.sizes[0])
        return np.concatenate([forward(self.layers, rows)[-1] for rows in _chunks(x)])

    def predict(self, x: ArrayLike) -> Array:
        """The class of each image, (n,) int64: `N > threshold` for one logit, else the argmax."""
        N = self.logits(x)
        return (N[:, 0] > self.threshold).astype(np.int64) if N.shape[1] == 1 else N.argmax(axis=1)

    def accuracy(self, x: ArrayLike, y: ArrayLike) -> float:
        """The share of images `x` (n, d) whose predicted class is `y` (n,)."""
        predicted = self.predict(x)
        return float(np.mean(predicted == as_labels(y, len(predicted), max(self.sizes[-1], 2))))

    # ------------------------------------------------------------------ its derivatives

    def pullback(self, x: ArrayLike) -> tuple[Array, Callable[[Array], Array]]:
        """`N(x)` (n, k), and the function `g -> g J(x)` that pulls rows `g` (n, k) back to the pixels, (n, d).

        By the chain rule J = J_L ... J_1, so g J is formed from the left, one layer's vjp after the other.
        """
        values = forward(self.layers, as_images(x, self.sizes[0]))
        return values[-1], lambda g: _pull(self.layers, values[:-1], g)

    def vjp(self, x: ArrayLike, g: ArrayLike) -> Array:
        """`g J(x)`, (n, d), for `g` (n, k): the derivative by the pixels of any L with `dL/dN = g`."""
        N, pull = self.pullback(x)
        g = np.asarray(g, np.float64)
        if g.shape != N.shape:
            raise ValueError(f"g: expected shape {N.shape}, one row per image and one column per logit, got {g.shape}")
        return pull(g)

    def jvp(self, x: ArrayLike, dx: ArrayLike) -> Array:
        """`J(x) dx`, (n, k), for `dx` (n, d): the change of the logits, to first order."""
        x = as_images(x, self.sizes[0])
        dx = np.asarray(dx, np.float64)
        if dx.shape != x.shape:
            raise ValueError(f"dx: expected the shape of x, {x.shape}, got {dx.shape}")
        return _push(self.layers, forward(self.layers[:-1], x), dx)

    def jacobian(self, x: ArrayLike, *, by: str = "rows") -> Array:
        """`J[i, j, p] = dN_j / dx_p` at image i, explicitly: (n, k, d).

        by="rows"      pulls the k unit rows of logit space back.  The first product is W_L^T itself; then each layer
                       costs 2 n k d_in d_out operations: k times a forward pass.
        by="columns"   pushes the d unit vectors of pixel space forward: d times a forward pass.

        They are the same matrix, so each is an oracle for the other; with d = 784 and k = 1 rows are the cheap way.
        """
        x = as_images(x, self.sizes[0])
        if by not in ("rows", "columns"):
            raise ValueError(f'by: expected "rows" or "columns", got {by!r}')
        n, d, k = len(x), self.sizes[0], self.sizes[-1]
        J = np.empty((n, k, d))
        start = 0
        for rows in _chunks(x):
            values = [value[:, None, :] for value in forward(self.layers[:-1], rows)]  # into each layer, (n, 1, width)
            block = J[start : start + len(rows)]
            if by == "rows":
                g = _pull(self.layers[1:], values[1:], np.eye(k)[None])  # (1, k, k) -> (n, k, d_1)
                g = np.broadcast_to(g, (len(rows), *g.shape[1:])).reshape(len(rows) * k, -1)
                np.matmul(g, self.dense[0].W.T, out=block.reshape(len(rows) * k, d))  # the first layer's vjp, in place
            else:
                block[...] = _push(self.layers, values, np.eye(d)[None]).swapaxes(1, 2)  # (1, d, d) -> (n, d, k)
            start += len(rows)
        return J


def _pull(layers: Sequence[Layer], values: list[Array], g: Array) -> Array:
    """`g J_L ... J_1`, from the left; `values[i]` is what entered `layers[i]`."""
    for layer, value in zip(reversed(layers), reversed(values), strict=True):
        g = layer.vjp(value, g)
    return g


def _push(layers: Sequence[Layer], values: list[Array], dx: Array) -> Array:
    """`J_L ... J_1 dx`, from the right."""
    for layer, value in zip(layers, values, strict=True):
        dx = layer.jvp(value, dx)
    return dx


def _chunks(x: Array) -> list[Array]:
    return [x[start : start + CHUNK] for start in range(0, len(x), CHUNK)]


def check_layers(net: Any, why: str = "a proof needs the layers of") -> None:
    """Raise ValueError unless `net` is an `MLP`."""
    if not isinstance(net, MLP):
        raise ValueError(
            f"net: {why} a minigrad MLP, got {type(net).__name__} "
            "(MLP.from_torch, MLP.from_sklearn and MLP.from_arrays make one)"
        )


def _check_activation(activation: str) -> None:
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(f"activation: expected one of {', '.join(ACTIVATIONS)}, got {activation!r}")
