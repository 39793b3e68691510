"""What `attacks/checker.py` knows of one part of a proof, by name: its array holds intervals one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import attacks.checker as checker
from minigrad.inputs import Array

CUT = 0.5  # of a pixel's count, which is 0 or 1; neurons and margins are cut at 0


@dataclass(frozen=True, eq=False)
class Known:
    """A part.

    Attributes
    ----------
    prover : checker.Prover
    array : (2, n)
        The ends of each hidden neuron, each margin, each pixel's count; what the checker learns is written into it.
    """

    prover: Any
    array: Array

    @property
    def l(self) -> list[Array]:  # noqa: E743
        """The lower ends of each hidden layer (m_k,)."""
        return [self.array[0, span] for span in self.prover.at[:-1]]

    @property
    def u(self) -> list[Array]:
        """The upper ends."""
        return [self.array[1, span] for span in self.prover.at[:-1]]

    @property
    def inside(self) -> Array:
        """Which pixels all counterexamples change (d,)."""
        known: Array = self.array[0, self.prover.pixels] > 0
        return known

    @property
    def outside(self) -> Array:
        """Which pixels none changes (d,)."""
        known: Array = self.array[1, self.prover.pixels] < 1
        return known

    @property
    def open(self) -> Array:
        """Which rivals have to be refuted (r,): those that are sure, if some are."""
        known: Array = self.array[1, self.prover.at[-1]] > 0
        return known & self.sure if self.sure.any() else known

    @property
    def sure(self) -> Array:
        """Which rivals' margins are not below 0 at any counterexample (r,)."""
        known: Array = self.array[0, self.prover.at[-1]] >= 0
        return known

    @property
    def closed(self) -> bool:
        """Whether it holds no counterexample."""
        return bool(self.prover.closed(self.array))

    def split(self, index: int) -> tuple[Known, Known]:
        """The two parts of it: above and below the cut of what has this place in the array."""
        parts = checker.split(self.array[None], index, self.cut(index))
        return Known(self.prover, parts[0][0]), Known(self.prover, parts[1][0])

    def cut(self, index: int) -> float:
        """Where it is split."""
        return CUT if index >= self.prover.pixels.start else 0.0

    def neuron(self, layer: int, index: int) -> int:
        """The place of a neuron in the array; with the layer behind the last hidden one, of a rival's margin."""
        return int(self.prover.at[layer].start) + index

    def pixel(self, index: int) -> int:
        """The place of a pixel's count."""
        return int(self.prover.pixels.start) + index
