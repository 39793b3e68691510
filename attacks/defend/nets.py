"""Four networks that are there, so that nobody has to train before looking: `make defend` makes them anew.

All are 784-128-64-1, of MNIST's 4 (class 0) and 9 (class 1), trained by tests/benchmarks/defend.py on one core; what
each resists is in docs/defend.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minigrad.mlp import MLP

FOLDER = Path(__file__).parent / "nets"
NAMES = "plain", "adversarial", "certified", "few-pixels"
MEASURED = FOLDER / "measured.json"  # what they resist, in counts: `make defend ARGS='--only measured'`


def load_defended(name: str) -> MLP:
    """One of the networks.

    Parameters
    ----------
    name : str
        "plain"        trained by `fit`
        "adversarial"  against LInf(0.1), on the worst images found
        "certified"    against LInf(0.1), on bounds
        "few-pixels"   against L0(6), on bounds

    Raises
    ------
    ValueError
        No such network.

    Examples
    --------
    >>> load_defended("certified")
    MLP(784-128-64-1, relu, threshold 0, 108,801 weights and biases)
    """
    return load_named(FOLDER, NAMES, name)


def load_named(folder: Path, names: Sequence[str], name: str) -> MLP:
    """One of the networks that a folder of the library holds.  Raises ValueError: no such network."""
    if name not in names:
        raise ValueError(f"name: expected one of {', '.join(names)}, got {name!r}")
    return MLP.load(folder / f"{name}.npz")
