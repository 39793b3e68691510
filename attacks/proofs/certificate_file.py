"""A certificate as a file: a `.npz` archive of plain arrays, read without pickle and with every field checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from attacks.balls import BALLS
from attacks.balls.base import check_images
from attacks.proofs.tree import Tree
from attacks.result import Reason
from minigrad.inputs import Array, as_array, as_images
from minigrad.io.npz import briefly, parse_npz
from minigrad.mlp import MLP, check_layers

T = TypeVar("T")

NO_TARGET = -1
PROOF = "proof_"  # begins the names of what attacks/checker.py alone reads
NUMBERS = ("lower", "upper", "y", "gap", "optimal", "nodes", "seconds", "attack", "radius")
RECORDS = ("gap", "nodes", "seconds", "attack", "radius")  # none is below 0
WORDS = ("norm", "reason", "network")
EXTRA = 1000  # nodes a replay may add beyond those recorded


class CertificateError(ValueError):
    """A certificate that does not hold, or not for this network; the message says why."""


def arrays_of(fields: Mapping[str, Any]) -> dict[str, Array]:
    """The arrays of the file, from the fields of a `Certificate`; those of `x_adv` and `mask` are absent for None."""
    (lo, hi), target, tree = fields["box"], fields["target"], fields["tree"]
    arrays: dict[str, Any] = {name: fields[name] for name in NUMBERS}
    arrays |= {name: str(fields[name]) for name in WORDS}
    arrays |= {"x": fields["x"], "lo": lo, "hi": hi, "target": NO_TARGET if target is None else target}
    arrays |= tree_arrays(tree)
    arrays |= {name: fields[name] for name in ("x_adv", "mask") if fields[name] is not None}
    arrays |= {"history": np.array(fields["history"], np.float64).reshape(-1, 3)} | (fields.get("proof") or {})
    return {name: as_array(value, name) for name, value in arrays.items()}


def fields_of(arrays: dict[str, Array]) -> dict[str, Any]:
    """The inverse of `arrays_of`.

    Raises
    ------
    ArithmeticError, LookupError, TypeError, ValueError
        Anything else.
    """
    fields: dict[str, Any] = {name: as_one(arrays[name]) for name in NUMBERS}
    if any(np.isnan(value) for value in fields.values()) or min(fields[name] for name in RECORDS) < 0:
        raise ValueError(f"numbers {fields}")
    if not (fields["gap"] < 1 and fields["seconds"] < np.inf and fields["optimal"] in (0, 1)):
        raise ValueError(f"gap {fields['gap']}, seconds {fields['seconds']}, optimal {fields['optimal']}")
    fields |= {name: str(arrays[name]) for name in WORDS}
    fields |= {"y": as_whole(arrays["y"]), "nodes": as_whole(arrays["nodes"]), "optimal": bool(fields["optimal"])}
    fields |= {"reason": Reason(fields["reason"])}
    if fields["norm"] not in BALLS:
        raise ValueError(f"norm {fields['norm']}")
    x, mask, target = as_pixels(arrays["x"]), arrays.get("mask"), as_whole(arrays["target"])
    box = as_real(arrays["lo"]), as_real(arrays["hi"])
    check_images(BALLS[fields["norm"]](1, box=box, mask=mask), x[None])
    return fields | {
        "x": x,
        "x_adv": as_pixels(arrays["x_adv"], len(x)) if "x_adv" in arrays else None,
        "box": box,
        "mask": mask,
        "target": None if target == NO_TARGET else target,
        "history": _history(arrays.get("history", np.zeros((0, 3)))),
        "proof": {name: array for name, array in arrays.items() if name.startswith(PROOF)} or None,
        "tree": tree_of(arrays),
    }


def from_archive(content: bytes, name: str, kind: str, make: Callable[[dict[str, Array]], T]) -> T:
    """What `make` makes of the arrays in the bytes of a file.  Raises ValueError in a sentence for anything else."""
    arrays = parse_npz(content, name, compressed=True)
    try:
        return make(arrays)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected a {kind}, got something else ({briefly(error)})") from error


def tree_arrays(tree: Tree, end: str = "") -> dict[str, Any]:
    """A tree as arrays, whose names have that ending; the cuts only where some are not 0."""
    cut = {f"cut{end}": np.array(tree.cut, np.float64)} if any(tree.cut) else {}
    return {f"roots{end}": tree.roots, f"tree{end}": tree.rows(), **cut}


def tree_of(arrays: Mapping[str, Array], end: str = "") -> Tree:
    """The inverse.  Raises LookupError or ValueError for anything else."""
    return Tree.from_rows(as_whole(arrays[f"roots{end}"]), arrays[f"tree{end}"], arrays.get(f"cut{end}"))


def fingerprint(net: MLP) -> str:
    """SHA-256 of all that defines the network: each layer's kind too, since `to_arrays` raises where they differ."""
    check_layers(net)
    digest = hashlib.sha256()
    for name, value in net.to_arrays().items():
        digest.update(f"{name} {value.shape} {value.dtype.str}".encode() + value.tobytes())
    return digest.hexdigest()


def as_pixels(array: Array, d: int | None = None) -> Array:
    """An image (d,) as float64, or ValueError."""
    as_real(array)
    return as_images(array[None], d)[0]


def as_real(array: Array) -> Array:
    """An array as float64, which holds its numbers exactly, or ValueError."""
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise ValueError(f"expected real numbers of at most 64 bits, got {array.dtype}")
    return array.astype(np.float64)


def as_one(array: Array) -> float:
    """The one number in an array (), or ValueError."""
    if array.ndim:
        raise ValueError(f"expected one number, got an array of shape {array.shape}")
    return float(as_real(array))


def _history(array: Array) -> tuple[tuple[float, float, float], ...]:
    """The rows (seconds, lower, upper), or ValueError: time goes on, and the interval only narrows."""
    rows = as_real(array)
    if rows.ndim != 2 or rows.shape[1] != 3 or np.isnan(rows).any():
        raise ValueError(f"expected a history (m, 3), got {rows.shape}")
    earlier, later = rows[:-1], rows[1:]
    if not (earlier[:, :2] <= later[:, :2]).all() or not (earlier[:, 2] >= later[:, 2]).all():
        raise ValueError("expected a history in which the interval only narrows")
    return tuple((float(at), float(lower), float(upper)) for at, lower, upper in rows)


def as_whole(array: Array) -> int:
    """The same, a whole number."""
    number = as_one(array)
    if number != np.floor(number):
        raise ValueError(f"expected a whole number, got {number}")
    return int(number)
