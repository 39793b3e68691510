"""Two networks of all ten digits for the page to play with, and what is proved of twenty test images on each.

784-48-10, weights of 16 bits; both, the images and the proofs are made by tests/benchmarks/play_nets.py (`make play`).
The intervals are stored with outward rounding, beside the size of a proof that attacks/checker.py has checked.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attacks.defend.nets import load_named
from attacks.images import from_bytes
from minigrad.inputs import Array
from minigrad.mlp import MLP

FOLDER = Path(__file__).parent / "play_nets"
NAMES = "plain", "robust"
PROVED = FOLDER / "proved.json"


@dataclass(frozen=True, eq=False)
class TenDigits:
    """What the page needs of them.

    Attributes
    ----------
    networks : name: MLP
    pictures : list of dict
        "number" (among all test images of MNIST), "digit", "bytes" (784 grey values, in base64).
    proved : network: number: goal: norm: interval
        A goal is "any" (some other digit) or a digit; an interval has "lower", "upper" (null: infinite), "parts" (cases
        of the proof), "bytes" (of its file; null where the exact checker was not convinced), and a solution.
    """

    networks: dict[str, MLP]
    pictures: list[dict[str, Any]]
    proved: dict[str, Any]

    def images(self) -> Array:
        """(n, 784) the pictures as MNIST's loader gives them."""
        rows = [np.frombuffer(base64.b64decode(p["bytes"]), np.uint8) for p in self.pictures]
        return from_bytes(np.array(rows, np.float64), (0.0, 1.0))


def load_ten(name: str) -> MLP:
    """One of the networks: "plain", trained by `fit`, or "robust", trained against LInf(0.1).

    Raises
    ------
    ValueError
        No such network.

    Examples
    --------
    >>> load_ten("robust")
    MLP(784-48-10, relu, argmax, 38,170 weights and biases)
    """
    return load_named(FOLDER, NAMES, name)


def ten_digits() -> TenDigits:
    """Networks, pictures and proofs, as they are stored."""
    stored = json.loads(PROVED.read_text("utf-8"))
    return TenDigits({name: load_ten(name) for name in NAMES}, stored["pictures"], stored["proved"])
