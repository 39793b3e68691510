"""The network: dense layers with one activation between them, and its exact derivatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

import minigrad.io as io
from minigrad.inputs import Array, Seed, as_array, as_count, as_generator, as_images, as_labels, as_real, brief
from minigrad.layers import ACTIVATIONS, Dense, Layer, forward, pull_back

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1024  # images per pass: bounds the memory for activations; 256 to 4096 are equally fast, within a fifth


def _push(layers: Sequence[Layer], values: list[Array], dx: Array) -> Array:
    """`J_L ... J_1 dx`, multiplied from the right."""
    for layer, value in zip(layers, values, strict=True):
        dx = layer.jvp(value, dx)
    return dx


@dataclass(frozen=True, eq=False)
class MLP:
    """N(x) = W_L a_{L-1} + b_L,  a_k = activation(a_{k-1} W_k + b_k),  a_0 = x.   Immutable, float64.

    Make one with `MLP.init`, `from_arrays`, `from_torch`, `from_sklearn`, `from_onnx`, `from_nnet` or `load`.

    Attributes
    ----------
    layers : tuple of Dense, activation, Dense, ..., Dense
    threshold : float
        Class 1 iff the single logit is above it.  0 for k >= 2 logits, where the argmax decides.

    Examples
    --------
    >>> net = MLP.from_arrays([([[1.0], [2.0]], [-1.0])])  # N(x) = x_0 + 2 x_1 - 1
    >>> net.logits(np.array([[0.25, 0.5]]))
    array([[0.25]])
    >>> net.jacobian(np.array([[0.25, 0.5]]))
    array([[[1., 2.]]])
    >>> MLP.init([784, 128, 64, 1], rng=0)
    MLP(784-128-64-1, relu, threshold 0, 108,801 weights and biases)
    """

    layers: tuple[Layer, ...]
    threshold: float = 0.0

    def logits(self, x: ArrayLike) -> Array:
        """`N(x)`, (n, k), for images `x` (n, d).  Raises ValueError for any other shape, integers, NaN."""
        x = as_images(x, self.sizes[0])
        return np.concatenate([forward(self.layers, x[i : i + CHUNK])[-1] for i in range(0, len(x), CHUNK)])

    def predict(self, x: ArrayLike) -> Array:
        """The class of each image, (n,) int64: `N > threshold` for one logit, else the argmax."""
        N = self.logits(x)
        return (N[:, 0] > self.threshold).astype(np.int64) if N.shape[1] == 1 else N.argmax(axis=1)

    def accuracy(self, x: ArrayLike, y: ArrayLike) -> float:
        """The share of images `x` (n, d) whose predicted class is `y` (n,)."""
        predicted = self.predict(x)
        return float(np.mean(predicted == as_labels(y, len(predicted), max(self.sizes[-1], 2))))

    def pullback(self, x: ArrayLike) -> tuple[Array, Callable[[Array], Array]]:
        """`N(x)` (n, k), and the function `g -> g J(x)` that pulls rows `g` (n, k) back to the pixels, (n, d).

        By the chain rule J = J_L ... J_1, so g J is formed from the left, one layer's vjp after the other.
        """
        values = forward(self.layers, as_images(x, self.sizes[0]))
        return values[-1], lambda g: pull_back(self.layers, values[:-1], g)

    def vjp(self, x: ArrayLike, g: ArrayLike) -> Array:
        """`g J(x)`, (n, d), for `g` (n, k): the derivative with respect to the pixels of any L with `dL/dN = g`."""
        N, pull = self.pullback(x)
        g = as_real(g, "g")
        if g.shape != N.shape:
            raise ValueError(f"g: expected shape {N.shape}, one row per image and one column per logit, got {g.shape}")
        return pull(g)

    def jvp(self, x: ArrayLike, dx: ArrayLike) -> Array:
        """`J(x) dx`, (n, k), for `dx` (n, d): the change of the logits, to first order."""
        x = as_images(x, self.sizes[0])
        dx = as_real(dx, "dx")
        if dx.shape != x.shape:
            raise ValueError(f"dx: expected the shape of x, {x.shape}, got {dx.shape}")
        return _push(self.layers, forward(self.layers[:-1], x), dx)

    def jacobian(self, x: ArrayLike, *, by: str = "rows") -> Array:
        """`J[i, j, p] = dN_j / dx_p` at image i, explicitly: (n, k, d).

        by="rows"      pulls the k unit rows of logit space back.  The first product is W_L^T itself; then each layer
                       costs 2 n k d_in d_out operations: k times a forward pass.
        by="columns"   pushes the d unit vectors of pixel space forward: d times a forward pass.

        Both give the same matrix, so each checks the other; with d = 784 and k = 1 rows are the cheap way.
        """
        x = as_images(x, self.sizes[0])
        if by not in ("rows", "columns"):
            raise ValueError(f'by: expected "rows" or "columns", got {by!r}')
        n, d, k = len(x), self.sizes[0], self.sizes[-1]
        J = np.empty((n, k, d))
        for i in range(0, n, CHUNK):
            rows, block = x[i : i + CHUNK], J[i : i + CHUNK]
            values = [value[:, None, :] for value in forward(self.layers[:-1], rows)]  # layers' inputs, (n, 1, width)
            if by == "rows":
                g = pull_back(self.layers[1:], values[1:], np.eye(k)[None])  # (1, k, k) -> (n, k, d_1)
                g = np.broadcast_to(g, (len(rows), *g.shape[1:])).reshape(len(rows) * k, -1)
                np.matmul(g, self.dense[0].W.T, out=block.reshape(len(rows) * k, d))  # the first layer's vjp, in place
            else:
                block[...] = _push(self.layers, values, np.eye(d)[None]).swapaxes(1, 2)  # (1, d, d) -> (n, d, k)
        return J

    # ------------------------------------------------------------------ its parts

    @cached_property  # the proofs of a network of 80 layers ask for it 100,000 times
    def dense(self) -> tuple[Dense, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, Dense))

    @property
    def activation(self) -> str:
        """Its name; "relu" for a network of one dense layer, which has none.

        Where `dataclasses.replace` put other layers in: the names of all kinds, by which no network can be made.
        """
        names: dict[type, str] = {kind: name for name, kind in ACTIVATIONS.items()}
        kinds = dict.fromkeys(type(layer) for layer in self.layers[1::2])
        return ", ".join(names.get(kind, kind.__name__) for kind in kinds) or "relu"

    @property
    def sizes(self) -> tuple[int, ...]:
        """`(d, hidden..., k)`."""
        return (self.dense[0].W.shape[0], *(layer.W.shape[1] for layer in self.dense))

    def __repr__(self) -> str:
        activation = self.activation if len(self.layers) > 1 else "affine"
        rule = f"threshold {self.threshold:g}" if self.sizes[-1] == 1 else "argmax"
        count = sum(layer.W.size + layer.b.size for layer in self.dense)
        return f"MLP({'-'.join(map(str, self.sizes))}, {activation}, {rule}, {count:,} weights and biases)"

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
        io.arrays.check_activation(activation)
        if as_array(sizes, "sizes").ndim != 1:
            raise ValueError(f"sizes: expected a sequence such as [784, 128, 1], got {brief(sizes)}")
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
        cls,
        arrays: Iterable[tuple[ArrayLike, ArrayLike]] | Mapping[str, ArrayLike],
        *,
        activation: str | None = None,
        threshold: float | None = None,
    ) -> MLP:
        """A network from its weights and biases, which are copied: the inverse of `to_arrays`.

        Parameters
        ----------
        arrays : [(W_1, b_1), (W_2, b_2), ...], W_k (d_in, d_out), b_k (d_out,); or the dict that `to_arrays` returns
        activation : str, optional
            "relu" (default), "tanh" or "sigmoid".  Given beside a dict it replaces the one there; so does `threshold`.
        threshold : float, optional
            Class 1 iff the single logit is above it.  Default 0.

        Raises
        ------
        ValueError
            Shapes that do not chain, values that are not finite, an unknown activation, a threshold for k >= 2 logits,
            or a dict of other arrays.
        """
        return cls(*io.arrays.network_layers(arrays, activation, threshold))

    def to_arrays(self) -> dict[str, Array]:
        """`{"activation", "threshold", "W1", "b1", "W2", ...}`: all that defines the network."""
        arrays: dict[str, Array] = io.arrays.network_arrays(self)
        return arrays

    @classmethod
    def from_torch(cls, source: Any, *, activation: str | None = None, threshold: float = 0.0) -> MLP:
        """The network that a torch `Sequential`, or a `state_dict()` with its `activation` named, computes in float64.

        Before it is returned, module and network must agree on random rows; a state dict alone cannot be asked.
        Raises ValueError, as `minigrad.io.torch.torch_arrays` says, for layers that are no multilayer perceptron.
        """
        pairs, kind = io.torch.torch_arrays(source, activation)
        net = cls.from_arrays(pairs, activation=kind, threshold=threshold)
        io.torch.check_module(net, source)
        return net

    @classmethod
    def from_sklearn(cls, classifier: Any) -> MLP:
        """The network of a fitted `sklearn.neural_network.MLPClassifier`; class j is its `classes_[j]`.

        Before it is returned, classifier and network must agree on random rows.  Raises ValueError, as
        `minigrad.io.sklearn.sklearn_arrays` says, for anything else.
        """
        pairs, kind = io.sklearn.sklearn_arrays(classifier)
        net = cls.from_arrays(pairs, activation=kind)
        io.sklearn.check_classifier(net, classifier)
        return net

    @classmethod
    def from_onnx(cls, path: str | Path, *, threshold: float = 0.0) -> MLP:
        """The network in an ONNX file, whose graph and network must agree on random rows.  Needs the package onnx.

        Raises OSError, ImportError, or ValueError, as `minigrad.io.onnx` says, for what is no multilayer perceptron.
        """
        graph = io.onnx.OnnxGraph.read(path)
        pairs, kind = graph.arrays()
        net = cls.from_arrays(pairs, activation=kind, threshold=threshold)
        io.onnx.check_graph(net, graph)
        return net

    def to_onnx(self, path: str | Path) -> None:
        """Write an ONNX file of Gemm and activations in float64: `minigrad/io/onnx_write.py`.  Raises as that says."""
        io.onnx_write.write_onnx(path, self)

    @classmethod
    def from_nnet(cls, path: str | Path) -> MLP:
        """The network in a text file `.nnet`, its scaling folded in; file and network must agree on random rows.

        Raises OSError, or ValueError, as `minigrad.io.nnet` says, for any other file.
        """
        nnet = io.nnet.Nnet.read(path)
        pairs, kind = nnet.arrays()
        net = cls.from_arrays(pairs, activation=kind)
        io.nnet.check_nnet(net, nnet)
        return net

    def rescaled(self, lo: ArrayLike, hi: ArrayLike) -> MLP:
        """The same network for shares v in [0, 1] of the pixels' range:  x = lo + (hi - lo) v,  `lo`, `hi` one or (d,).

        For data in another range than [0, 1].  Derivation: `minigrad/io/rescale.py`.  Raises ValueError for bad ends.
        """
        pairs = io.rescale.rescaled_arrays(self, lo, hi)
        return MLP.from_arrays(pairs, activation=self.activation, threshold=self.threshold)

    def save(self, path: str | Path) -> None:
        """Write a `.npz` without pickle; equal networks give equal bytes.  Raises OSError."""
        io.network.write_network(path, self)

    @classmethod
    def load(cls, path: str | Path) -> MLP:
        """Read what `save` wrote.  Raises OSError, or ValueError for any other file."""
        net: MLP = io.network.read_network(path, cls.from_arrays)
        return net


def check_layers(net: Any, why: str = "a proof needs the layers of") -> None:
    """Raise ValueError unless `net` is an `MLP`."""
    if not isinstance(net, MLP):
        raise ValueError(
            f"net: {why} a minigrad MLP, got {type(net).__name__} "
            "(MLP.from_torch, MLP.from_sklearn and MLP.from_arrays make one)"
        )
