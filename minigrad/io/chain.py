"""A chain of affine maps and activations, as foreign formats list them, made the layers of a perceptron.

Between two activations all is one layer.  A scale and a shift of each number,  z = s a + t,  goes into the weights
behind it,  z V + c = a (diag(s) V) + (t V + c),  or, where there are weights before it, into those:
s (a W + b) + t = a (W diag(s)) + (s b + t).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.inputs import Array
from minigrad.io.pairs import Pair, merged_layers


class Chain:
    """What was met so far: whole layers, and the affine map since the last activation.

    Parameters
    ----------
    source : str
        What is read, for the messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.kind = ""  # of the activations; there may be only one
        self._layers: list[Pair] = []
        self._scale: tuple[Any, Any] | None = None  # (s, t) where there are no weights yet; None: the identity
        self._dense: Pair | None = None
        self._last = "nothing"

    def dense(self, name: str, V: Array, c: Array) -> None:
        """z -> z V + c.   V (d, m), c (m,)"""
        if self._dense is not None:
            V, c = merged_layers(f"{self.source}: {name}", self._dense, (V, c))
        elif self._scale is not None:
            s, t = (np.broadcast_to(part, len(V)) for part in self._scale)
            V, c = s[:, None] * V, t @ V + c
        self._dense, self._scale, self._last = (V, c), None, name

    def scaled(self, name: str, s: Any, t: Any) -> None:
        """z -> s z + t, number by number.   s, t: numbers, or as many as z has"""
        if self._dense is not None:
            W, b = self._dense
            self._dense = W * s, b * s + t
        else:
            before, shift = self._scale or (1.0, 0.0)
            self._scale = s * before, s * shift + t
        self._last = name

    def activated(self, name: str, kind: str) -> None:
        """z -> kind(z).  Raises ValueError without weights before it, or where another kind was met."""
        if self._dense is None:
            raise ValueError(f"{self.source}: expected weights before {name}, got {self._last} there")
        if self.kind not in ("", kind):
            raise ValueError(f"{self.source}: expected one kind of activation, got {self.kind} and, at {name}, {kind}")
        self._layers.append(self._dense)
        self.kind, self._dense, self._last = kind, None, name

    def finished(self) -> tuple[list[Pair], str]:
        """`[(W_1, b_1), ...]` and the activation ("relu" where there is none).

        Raises
        ------
        ValueError
            No weights at the end; layers without a number; numbers that are not finite, or overflow as they are folded.
        """
        if self._dense is None:
            raise ValueError(
                f"{self.source}: expected weights at the end, whose output are the logits, got {self._last}"
            )
        layers = [*self._layers, self._dense]
        for k, (W, b) in enumerate(layers, start=1):
            if not W.size or not (np.isfinite(W).all() and np.isfinite(b).all()):
                raise ValueError(f"{self.source}: expected finite weights, got others or none in layer {k}")
        return layers, self.kind or "relu"
