"""Networks in the text format `.nnet` (Julian 2016, github.com/sisl/NNet), known from ACAS Xu.  A file is

    // comment lines
    L,d,k,widest,                    layers, inputs, outputs, the widest layer
    d,m_1,...,k,                     sizes
    0,                               a flag that is no longer used
    lo_1,...,lo_d,  hi_1,...,hi_d,   a line each: the least and the greatest value of each input
    mean_1,...,mean_d,mean,          of the inputs, and one of all outputs
    range_1,...,range_d,range,       of the inputs, and one of all outputs
    then for each layer its W^T, a row of d_in numbers per output, and b, a number a line.  ReLU between the layers.

    N(x) = range f((x - mean_i) / range_i) + mean,     f the layers.

The scaling of the inputs goes into the first layer, that of the outputs into the last.  NNet's own evaluator first
clips x to [lo, hi], which no perceptron does; inside that box the two are the same, so ask about `box=(lo, hi)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minigrad.inputs import Array
from minigrad.io.agreement import check_same_logits, random_rows
from minigrad.io.chain import Chain
from minigrad.io.npz import briefly
from minigrad.io.pairs import Pair

if TYPE_CHECKING:
    from minigrad.mlp import MLP


@dataclass(frozen=True, eq=False)
class Nnet:
    """What is in a file.

    Attributes
    ----------
    source : str
        The path, for messages.
    lo, hi : (d,)
        The least and the greatest value of each input: `box=nnet.box`.
    mean, range : (d + 1,)
        Of each input, and at the end of all outputs.
    layers : list of (W (d_in, m), b (m,))
    """

    source: str
    lo: Array
    hi: Array
    mean: Array
    range: Array
    layers: list[Pair]

    @classmethod
    def read(cls, path: str | Path) -> Nnet:
        """Read and check a file.

        Raises
        ------
        OSError
            The file cannot be read.
        ValueError
            It is cut off or something else; a range of 0; lo above hi.
        """
        lines = _Lines(path)
        depth, d, k, _ = lines.counts(4, "layers, inputs, outputs, widest layer")
        sizes = lines.counts(depth + 1, "sizes")
        if depth < 1 or sizes[0] != d or sizes[-1] != k or min(sizes) < 1:
            raise ValueError(f"{path}: expected {depth} layers from {d} inputs to {k} outputs, got sizes {sizes}")
        lines.numbers(1, "the unused flag")
        lo, hi = lines.numbers(d, "least inputs"), lines.numbers(d, "greatest inputs")
        mean, scale = lines.numbers(d + 1, "means"), lines.numbers(d + 1, "ranges")
        if not scale.all() or (lo > hi).any():
            raise ValueError(f"{path}: expected ranges other than 0 and the least inputs below the greatest")
        layers = []
        for part, (n, m) in enumerate(pairwise(sizes), start=1):
            W = np.array([lines.numbers(n, f"weights of layer {part}") for _ in range(m)])  # (m, n)
            b = np.concatenate([lines.numbers(1, f"biases of layer {part}") for _ in range(m)])
            layers.append((W.T, b))
        lines.finish()
        return cls(str(path), lo, hi, mean, scale, layers)

    @property
    def box(self) -> tuple[Array, Array]:
        """`(lo, hi)`, as attacks and proofs take it."""
        return self.lo, self.hi

    def arrays(self) -> tuple[list[Pair], str]:
        """`[(W_1, b_1), ...]`, with both scalings in them, and "relu"."""
        chain = Chain(self.source)
        with np.errstate(all="ignore"):  # infinities are refused where the network is made
            chain.scaled("the scaling of the inputs", 1 / self.range[:-1], -self.mean[:-1] / self.range[:-1])
            for k, (W, b) in enumerate(self.layers):
                if k:
                    chain.activated(f"the activation before layer {k + 1}", "relu")
                chain.dense(f"layer {k + 1}", W, b)
            chain.scaled("the scaling of the outputs", self.range[-1], self.mean[-1])
        return chain.finished()

    def logits(self, x: Array) -> Array:
        """N(x) as the file says it, for rows x (n, d): scale, the layers, and scale back."""
        a = (x - self.mean[:-1]) / self.range[:-1]
        for W, b in self.layers[:-1]:
            a = np.maximum(a @ W + b, 0)
        W, b = self.layers[-1]
        return (a @ W + b) * self.range[-1] + self.mean[-1]


def check_nnet(net: MLP, nnet: Nnet) -> None:
    """Raise ValueError unless `net` gives the logits of the file, of random rows that are scaled as its inputs are."""
    with np.errstate(all="ignore"):
        x = nnet.mean[:-1] + nnet.range[:-1] * random_rows(len(nnet.lo))
        x = np.clip(x, nnet.lo, nnet.hi)
        theirs = nnet.logits(x)
    check_same_logits(net, x, theirs, nnet.source)


class _Lines:
    """The lines of a file, one after the other; each is refused unless it holds what is expected of it."""

    def __init__(self, path: str | Path) -> None:
        self.path, self.number = path, 0
        try:
            self.text = Path(path).read_bytes().decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: expected a text file .nnet, got something else ({briefly(error)})") from error
        self._rest: Iterator[str] = iter(self.text.splitlines())

    def numbers(self, count: int, what: str) -> Array:
        """The next line that is no comment: `count` finite numbers, with a comma behind each."""
        words = self._words(count, what)
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            raise self._refused(count, what, briefly(error)) from error
        if not all(map(isfinite, values)):
            raise self._refused(count, what, "a number that is not finite")
        return np.array(values)

    def counts(self, count: int, what: str) -> list[int]:
        """The same, of whole numbers."""
        words = self._words(count, what)
        try:
            return [int(word) for word in words]
        except ValueError as error:
            raise self._refused(count, what, briefly(error)) from error

    def finish(self) -> None:
        """Raise ValueError unless the file ends here, and its last number is whole."""
        left = sum(1 for line in self._rest if line.strip())
        if left:
            raise ValueError(f"{self.path}: expected the end after line {self.number}, got {left} more lines")
        if not self.text.endswith((",", "\n", "\r")):  # else 0.25 may be the beginning of 0.2503
            raise ValueError(
                f"{self.path}: expected a comma or a new line after the last number, got the end of the file"
            )

    def _words(self, count: int, what: str) -> list[str]:
        line = "//"
        while line.startswith("//"):
            self.number += 1
            line = next(self._rest, "").strip()
        words = line.removesuffix(",").split(",") if line else []
        if len(words) != count:
            raise self._refused(count, what, f"{len(words)}")
        return words

    def _refused(self, count: int, what: str, came: str) -> ValueError:
        return ValueError(f"{self.path}: expected {count} numbers ({what}) in line {self.number}, got {came}")
