"""What is claimed of one image, and its replay.

    no adversarial s has |s| < lower          (proved: the search's tree, for the radius asked)
    |x_adv - x| <= upper is adversarial       (found: measured, beyond rounding)

`check(net)` believes neither.  It measures x_adv again, and replays the tree: the recorded splits are made again and
each leaf's bound is computed anew from the network's weights.  Replaying needs no search, so it is the cheaper half;
where rounding on another machine leaves a leaf open, that leaf alone is split further.

Trusted, not verified: NumPy's float64 arithmetic (with the rounding terms of minigrad/bounds.py), and this code.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attacks.balls import BALLS, Ball
from attacks.nodes import Question, Tree
from attacks.result import MISCLASSIFIED
from attacks.search import Search
from minigrad.bounds import gamma
from minigrad.files import briefly, npz_bytes, parse_npz, write_whole
from minigrad.inputs import Array, as_images
from minigrad.margin import Margin
from minigrad.mlp import MLP, check_layers

EXTRA = 1000  # nodes a replay may add beyond those recorded
NO_TARGET = -1  # in a file
NUMBERS = ("lower", "upper", "y", "gap", "optimal", "nodes", "seconds", "attack", "radius")
WORDS = ("norm", "reason", "network")


class CertificateError(ValueError):
    """A certificate that does not hold, or not for this network; the message says why."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """The certified minimum of one image, with everything its replay needs.

    Attributes
    ----------
    norm : "l0", "l1", "l2" or "linf"
    lower, upper : float
        No adversarial perturbation is smaller than `lower`; `x_adv` is one of size at most `upper` (inf: none known).
        `lower = inf`: nothing in the box works.  Both 0: already misclassified.
    x : (d,)
    y : int
    x_adv : (d,) or None
    box : (lo, hi), each () or (d,)
    mask : (d,) bool or None
    target : int or None
    gap : float
        Asked for: `lower >= (1 - gap) upper`.
    optimal : bool
        Reached.
    reason : str
        "proved", or why it was not: "time limit", "node limit", "tie within rounding", "on the boundary",
        "already misclassified", "no line of this activation is exact".
    nodes : int
        Of all searches made for it.
    seconds : float
    attack : float
        What the attack alone found, before the proof's own witnesses; inf if nothing.
    network : str
        SHA-256 of the network.
    radius : float
        The radius that the tree refutes; 0 if nothing was refuted.
    tree : Tree
    """

    norm: str
    lower: float
    upper: float
    x: Array
    y: int
    x_adv: Array | None
    box: tuple[Array, Array]
    mask: Array | None
    target: int | None
    gap: float
    optimal: bool
    reason: str
    nodes: int
    seconds: float
    attack: float
    network: str
    radius: float
    tree: Tree

    def __repr__(self) -> str:
        return f"Certificate({self.norm}, [{self.lower:.6g}, {self.upper:.6g}], {self.reason}, {self.nodes} nodes)"

    def ball(self, radius: float) -> Ball:
        """The perturbation set of that radius."""
        return BALLS[self.norm](radius, box=self.box, mask=self.mask)

    def check(self, net: MLP, *, time_limit: float = 600.0) -> None:
        """Recompute the claim for `net`.  Returns None if it holds.

        Raises
        ------
        CertificateError
            Another network, a witness that does not work, a bound that cannot be proved again, numbers that contradict
            each other.
        """
        try:
            self._check(net, time_limit)
        except CertificateError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # a field that cannot be what it says
            raise CertificateError(f"certificate: it cannot be replayed ({briefly(error)})") from error

    def _check(self, net: MLP, time_limit: float) -> None:
        if fingerprint(net) != self.network:
            raise CertificateError("certificate: it is of another network (the SHA-256 differs)")
        target = None if self.target is None else [self.target]
        misclassified = Margin.of(net, self.x[None], [self.y], target).value(self.x[None])[0] > 0
        if misclassified != (self.reason == MISCLASSIFIED) or (misclassified and (self.lower or self.upper)):
            raise CertificateError("certificate: lower = upper = 0 is for an image that is misclassified as it is")
        if misclassified:
            return
        if not 0 <= self.lower <= self.upper:
            raise CertificateError(f"certificate: expected 0 <= lower <= upper, got [{self.lower}, {self.upper}]")
        if self.optimal != reached(self.norm, self.lower, self.upper, self.gap):
            raise CertificateError("certificate: whether it is optimal does not follow from lower, upper and gap")
        self._check_witness(net)
        self._check_lower(net, time.perf_counter() + time_limit)

    def _check_witness(self, net: MLP) -> None:
        if self.x_adv is None:
            if np.isfinite(self.upper):
                raise CertificateError("certificate: an upper bound without a witness")
            return
        x, s = self.x[None], (self.x_adv - self.x)[None]
        ball = self.ball(self.upper)
        inside = (self.box[0] <= self.x_adv) & (self.x_adv <= self.box[1])
        if not (inside.all() and ball.contains(x, s)[0] and size(ball, s) <= self.upper):
            raise CertificateError("certificate: the witness is outside its box or mask, or larger than upper")
        if not Question.of(net, self.x, self.y, ball, self.target).adversarial(self.x_adv[None])[0]:
            raise CertificateError("certificate: the witness is not adversarial beyond rounding")

    def _check_lower(self, net: MLP, deadline: float) -> None:
        kind = BALLS[self.norm]
        if self.lower <= kind.proves(0):
            return  # nothing was claimed but that x itself is classified rightly
        if not 0 < self.radius < np.inf:
            raise CertificateError("certificate: a lower bound without a refuted radius")
        ball = self.ball(self.radius)
        everything = np.isinf(self.lower) and self.radius >= ball.widest(self.x[None])
        if not (everything or self.lower <= kind.proves(self.radius)):
            raise CertificateError(f"certificate: refuting radius {self.radius} does not prove lower {self.lower}")
        question = Question.of(net, self.x, self.y, ball, self.target)
        answer = Search(question, self.tree).run(deadline, len(self.tree) + EXTRA)
        if not answer.proved:
            raise CertificateError(f"certificate: the lower bound could not be proved again ({answer.reason})")

    # ------------------------------------------------------------------ files

    def to_bytes(self) -> bytes:
        """An uncompressed `.npz` archive."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in NUMBERS + WORDS}
        arrays |= {"x": self.x, "lo": self.box[0], "hi": self.box[1], "roots": self.tree.roots}
        arrays |= {"target": NO_TARGET if self.target is None else self.target}
        arrays |= {"tree": np.array([self.tree.layer, self.tree.index, self.tree.child], np.int32)}
        arrays |= {name: value for name in ("x_adv", "mask") if (value := getattr(self, name)) is not None}
        return npz_bytes({name: np.asarray(value) for name, value in arrays.items()})

    def save(self, path: str | Path) -> None:
        """Write a `.npz` without pickle.  Raises OSError."""
        write_whole(path, self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Certificate:
        """Read what `save` wrote.  Raises OSError, or ValueError for any other file."""
        return cls.from_bytes(Path(path).read_bytes(), str(path))

    @classmethod
    def from_bytes(cls, content: bytes, name: str = "certificate") -> Certificate:
        """What `to_bytes` made.  Raises ValueError for anything else."""
        arrays = parse_npz(content, name)
        try:
            return cls._from_arrays(arrays)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{name}: expected a certificate, got something else ({briefly(error)})") from error

    @classmethod
    def _from_arrays(cls, arrays: dict[str, Array]) -> Certificate:
        given: dict[str, Any] = {name: _number(arrays[name]) for name in NUMBERS}
        if any(np.isnan(value) for value in given.values()) or given["gap"] < 0:
            raise ValueError(f"numbers {given}")
        given |= {name: str(arrays[name]) for name in WORDS}
        given |= {"y": _whole(arrays["y"]), "nodes": _whole(arrays["nodes"]), "optimal": bool(given["optimal"])}
        if given["norm"] not in BALLS:
            raise ValueError(f"norm {given['norm']}")
        x, mask, target = as_images(arrays["x"][None])[0], arrays.get("mask"), _whole(arrays["target"])
        box = _real(arrays["lo"]), _real(arrays["hi"])
        BALLS[given["norm"]](1, box=box, mask=mask).check(x[None])
        return cls(
            x=x,
            x_adv=as_images(arrays["x_adv"][None], len(x))[0] if "x_adv" in arrays else None,
            box=box,
            mask=mask,
            target=None if target == NO_TARGET else target,
            tree=Tree.of(_whole(arrays["roots"]), arrays["tree"]),
            **given,
        )


def _real(array: Array) -> Array:
    """An array of a file as float64, or ValueError."""
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected real numbers, got {array.dtype}")
    return array.astype(np.float64)


def _number(array: Array) -> float:
    if array.ndim:
        raise ValueError(f"expected one number, got an array of shape {array.shape}")
    return float(_real(array))


def _whole(array: Array) -> int:
    number = _number(array)
    if number != np.floor(number):
        raise ValueError(f"expected a whole number, got {number}")
    return int(number)


def fingerprint(net: MLP) -> str:
    """SHA-256 of all that defines the network."""
    check_layers(net)
    digest = hashlib.sha256()
    for name, value in net.to_arrays().items():
        digest.update(f"{name} {value.shape} {value.dtype.str}".encode() + value.tobytes())
    return digest.hexdigest()


def reached(norm: str, lower: float, upper: float, gap: float) -> bool:
    """Whether the interval is as narrow as asked."""
    kind = BALLS[norm]
    return lower == upper or lower >= kind.proves(kind.asks(upper, gap))


def size(ball: Ball, s: Array) -> float:
    """`|s|` of one `s` (1, d), rounded up; a count of pixels is exact."""
    inexact = ball.size_of_ones(1) > 0
    return float(ball.distance(s)[0]) * (1 + gamma(s.shape[-1] + 8) * inexact)
