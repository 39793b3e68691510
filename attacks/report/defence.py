"""The last question, and how would one defend: what the networks of attacks/defend/nets resist.

Training and measuring them takes half an hour, so the report reads what was measured, measured.json, and only forms
their Jacobians at the image that it shows.  `make defend ARGS='--only measured'` measures anew.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from attacks.defend.nets import MEASURED, NAMES, load_defended
from attacks.report.records import Defence
from attacks.report.setup import Setup
from minigrad.inputs import Array

DIGITS = 4, 9  # what these networks tell apart


def defence_of(setup: Setup, x: Array) -> Defence | None:
    """What is known of these networks, and their Jacobians at the image x (1, d); None where x is none of their images.

    Whatever network the report is about: these are compared with each other.
    """
    if tuple(setup.options.digits) != DIGITS or setup.options.data is not None:
        return None
    measured: dict[str, Any] = json.loads(MEASURED.read_text("utf-8"))
    return Defence(measured, {name: load_defended(name).jacobian(x)[0, 0] for name in NAMES})


def robust_shares(measured: dict[str, Any]) -> tuple[Array, dict[str, tuple[Array, Array]]]:
    """eps (k,), rising from 0, and for each network the shares (k,) proved right on the whole ball, and not fooled.

    At eps 0 both are the accuracy on the same images.
    """
    eps: list[float] = [0.0]
    shares: dict[str, tuple[Array, Array]] = {}
    for name, net in measured["nets"].items():
        states = list(net["robust"].values())
        n = sum(states[0].values())
        eps = [0.0, *map(float, net["robust"])]
        right = n - states[0]["wrong"]
        proved = np.array([right, *(s["robust"] for s in states)]) / n
        shares[name] = proved, np.array([right, *(s["robust"] + s["open"] for s in states)]) / n
    return np.array(eps), shares
