"""A verdict as a file: a `.npz` archive of plain arrays, read without pickle and with every field checked.

The certificate of a verdict is a file in that file, byte for byte the one that `Certificate.save` writes; an `unsafe`
query brings its cases C_0, d_0, C_1, ... and, if it is robust, the tree of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from typing import Any

import numpy as np

from attacks.balls import BALLS
from attacks.balls.base import check_images
from attacks.proofs.certificate_file import as_one, as_pixels, as_real, as_whole, tree_arrays, tree_of
from attacks.proofs.unsafe import as_unsafe
from attacks.result import Reason
from minigrad.inputs import Array, as_array

STATUSES = ("robust", "fooled", "open")
STATUS = "status"  # the name that tells a verdict's file from a certificate's


def arrays_of(fields: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays of the file, from the fields of a `Verdict`; those of what is None are absent."""
    ball, certificate = fields["ball"], fields["certificate"]
    arrays: dict[str, Any] = {name: str(fields[name]) for name in ("status", "reason", "network")}
    arrays |= {name: fields[name] for name in ("x", "nodes", "seconds", "bound")}
    arrays |= {"norm": ball.norm, "radius": ball.radius, "lo": ball.box[0], "hi": ball.box[1]}
    arrays |= {} if ball.mask is None else {"mask": ball.mask}
    arrays |= {} if fields["x_adv"] is None else {"x_adv": fields["x_adv"]}
    arrays |= {} if certificate is None else {"certificate": np.frombuffer(certificate.to_bytes(), np.uint8)}
    for i, (C, d) in enumerate(fields["unsafe"] or ()):
        arrays |= {f"C_{i}": C, f"d_{i}": d}
    for i, tree in enumerate(fields["trees"]):
        arrays |= tree_arrays(tree, f"_{i}")
    return {name: as_array(value, name) for name, value in arrays.items()}


def fields_of(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The inverse of `arrays_of`, but that the certificate is given as its bytes.

    Raises
    ------
    ArithmeticError, LookupError, TypeError, ValueError
        Anything else.
    """
    status, norm = str(arrays[STATUS]), str(arrays["norm"])
    if status not in STATUSES or norm not in BALLS:
        raise ValueError(f"status {status}, norm {norm}")
    x, box = as_pixels(arrays["x"]), (as_real(arrays["lo"]), as_real(arrays["hi"]))
    ball = BALLS[norm](as_one(arrays["radius"]), box=box, mask=arrays.get("mask"))
    check_images(ball, x[None])
    nodes, seconds, bound = as_whole(arrays["nodes"]), as_one(arrays["seconds"]), as_one(arrays["bound"])
    if not (nodes >= 0 and 0 <= seconds < np.inf) or np.isnan(bound):
        raise ValueError(f"nodes {nodes}, seconds {seconds}, bound {bound}")
    cases = [(as_real(arrays[f"C_{i}"]), as_real(arrays[f"d_{i}"])) for i in _numbers(arrays, "C")]
    certificate = arrays.get("certificate")
    if certificate is not None and (certificate.dtype != np.uint8 or certificate.ndim != 1):
        raise ValueError(f"certificate: expected bytes, got {certificate.dtype} {certificate.shape}")
    return {
        "status": status,
        "reason": Reason(str(arrays["reason"])),
        "x": x,
        "ball": ball,
        "x_adv": as_pixels(arrays["x_adv"], len(x)) if "x_adv" in arrays else None,
        "certificate": None if certificate is None else certificate.tobytes(),
        "nodes": nodes,
        "seconds": seconds,
        "bound": bound,
        "unsafe": as_unsafe(cases, cases[0][0].shape[-1]) if cases else None,
        "trees": tuple(tree_of(arrays, f"_{i}") for i in _numbers(arrays, "roots")),
        "network": str(arrays["network"]),
    }


def _numbers(arrays: Mapping[str, Array], name: str) -> list[int]:
    """0, 1, ... as long as there is an array `name` of that number."""
    return list(takewhile(lambda i: f"{name}_{i}" in arrays, count()))
