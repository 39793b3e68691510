"""What a bound may still choose: alpha, beta and gamma of each row, every choice sound.

How the best are found is optimised.py; here is what they are and where they begin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from minigrad.bounds.region import Region
from minigrad.inputs import Array

# Where the gamma of a neuron's rows begins the next time, at least.  From 0 a search takes a third more nodes (622 for
# 470, eight digits, 784-64-32-1, Linf), since beta begins at 0 with it; from half and double of 0.05 about as many
# (484, 444).
LEAST_GAMMA = 0.05


@dataclass(frozen=True, eq=False)
class Multipliers:
    """alpha in [0, 1] and beta >= 0, one (n, m, d_k) array per hidden layer; gamma >= 0, (n, m).

    Of a smooth activation beta is signed: of z >= l where it is positive, of z <= u where it is negative.
    """

    alpha: tuple[Array, ...]
    beta: tuple[Array, ...]
    gamma: Array

    @classmethod
    def start(cls, known: Region, m: int = 1) -> Multipliers:
        """The slopes of smaller area, no beta, gamma = 1, for m rows."""
        slopes = tuple(np.repeat(at.lower_slope[:, None, :], m, axis=1) for at in known.lines)
        return cls(slopes, tuple(np.zeros_like(a) for a in slopes), np.ones((len(slopes[0] if slopes else known.x), m)))

    def arrays(self) -> list[Array]:
        """All of them in one list: each alpha, each beta, gamma."""
        return [*self.alpha, *self.beta, self.gamma]

    def take(self, index: Array) -> Multipliers:
        """Those of the sets `index`."""
        return Multipliers.from_list([a[index] for a in self.arrays()])

    def astype(self, dtype: DTypeLike) -> Multipliers:
        """A copy in another precision."""
        return Multipliers.from_list([a.astype(dtype) for a in self.arrays()])

    @classmethod
    def from_list(cls, arrays: list[Array]) -> Multipliers:
        """The inverse of `arrays`."""
        K = len(arrays) // 2
        return cls(tuple(arrays[:K]), tuple(arrays[K : 2 * K]), arrays[-1])
