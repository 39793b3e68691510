"""The rows that bound the unstable neurons of a layer, kept for those who ask what each end of an interval hangs on.

intervals.py makes them, sensitivity.py differentiates through them.
"""

from __future__ import annotations

from dataclasses import dataclass

from minigrad.bounds.crown import Substitution
from minigrad.bounds.multipliers import Multipliers
from minigrad.bounds.region import Region
from minigrad.inputs import Array


@dataclass(frozen=True, eq=False)
class NeuronRows:
    """The two bounds of each unstable neuron of one hidden layer, as a substitution of 2 w rows, of one set.

    Attributes
    ----------
    neurons : (w,) int
    known : Region
        What is before the layer.
    mult, found
        The rows' multipliers and substitution: w upper bounds, then w lower ones, of -z.
    """

    neurons: Array
    known: Region
    mult: Multipliers
    found: Substitution
