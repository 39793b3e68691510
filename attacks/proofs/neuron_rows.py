"""The rows that bound the unstable neurons of a layer, kept for those who ask what each end of an interval hangs on.

intervals.py makes them, sensitivity.py differentiates through them, and in the parts of the set they begin where they
ended in the whole of it: a part differs by one split, so a few steps more are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.region import Region
from minigrad.inputs import Array

LEVELS = 255  # of alpha in a byte: as many nodes as with half precision, in half the memory


@dataclass(frozen=True, eq=False)
class NeuronRows:
    """The two bounds of each unstable neuron of one hidden layer, as a substitution of 2 w rows, of n sets.

    Attributes
    ----------
    neurons : (w,) int
        Those that are unstable on any of the sets.
    known : Region
        What is before the layer.
    mult, found
        The rows' multipliers and substitution before the layer: w upper bounds, then w lower ones, of -z.  gamma is 0
        where they hold on the whole set, and not over the counterexamples alone.
    """

    neurons: Array
    known: Region
    mult: Multipliers
    found: Substitution

    def take(self, index: Array) -> NeuronRows:
        """Those of the sets `index`."""
        return NeuronRows(self.neurons, self.known.take(index), self.mult.take(index), self.found.take(index))

    def start(self) -> RowsStart:
        """Where the same rows of the first set begin in a part of it."""
        assert self.known.sign is not None
        free = tuple(np.flatnonzero(at.free[0]) for at in self.known.lines)
        given = tuple(np.flatnonzero(sign[0]) for sign in self.known.sign)
        alpha = tuple(np.rint(LEVELS * a[0][:, i]).astype(np.uint8) for a, i in zip(self.mult.alpha, free, strict=True))
        beta = tuple(b[0][:, i].astype(np.float32) for b, i in zip(self.mult.beta, given, strict=True))
        return RowsStart(self.neurons, free, given, alpha, beta, self.mult.gamma[0].astype(np.float32))


@dataclass(frozen=True, eq=False)
class RowsStart:
    """The multipliers of 2 w rows in little memory: every choice is sound, so they may be rounded.

    Attributes
    ----------
    neurons : (w,) int
    free, given : tuples of int arrays, one for each layer before
        The neurons whose lower line is free, and those whose sign is given.
    alpha, beta : tuples of (2 w, free), (2 w, given)
        alpha in steps of 1 / LEVELS.
    gamma : (2 w,)
    """

    neurons: Array
    free: tuple[Array, ...]
    given: tuple[Array, ...]
    alpha: tuple[Array, ...]
    beta: tuple[Array, ...]
    gamma: Array

    def multipliers(self, known: Region, neurons: Array) -> Multipliers:
        """Those of the rows of some of the neurons, on `known`: n parts of the set, and what is before the layer."""
        place = np.searchsorted(self.neurons, neurons)
        rows = np.concatenate([place, place + len(self.neurons)])
        mult = Multipliers.start(known, len(rows))
        for a, value, column in zip(mult.alpha, self.alpha, self.free, strict=True):
            a[:, :, column] = value[rows] / LEVELS
        for b, value, column in zip(mult.beta, self.beta, self.given, strict=True):
            b[:, :, column] = value[rows]
        mult.gamma[:] = self.gamma[rows]
        return mult
