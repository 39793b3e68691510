"""What is claimed of one image, and its replay.

    no adversarial s has |s| < lower          (proved: the search's tree, for the radius asked)
    |x_adv - x| <= upper is adversarial       (found: measured, beyond rounding)

`check(net)` believes neither.  It measures x_adv again, and replays the tree: the recorded splits are made again and
each leaf's bound is computed anew from the network's weights.  Replaying needs no search, so it is the cheaper half;
where rounding on another machine leaves a leaf open, that leaf alone is split further.

A replay runs the prover's own code.  `with_proof(net)` writes down the multipliers of every bound as well, and then
attacks/checker.py checks the claim, a file that shares no line with this library and adds up without rounding.

What is checked is what a file of the certificate would hold, float64 numbers and a tree of plain integers, whatever the
arrays in memory are: pixels in float32 would have the bounds computed in single precision, which their rounding terms
do not cover.

Trusted, not verified, by a replay: NumPy's float64 arithmetic (with the rounding terms of minigrad/bounds/crown.py),
and this code.
Only records: `seconds`; how many `nodes` beyond the tree's; what the `attack` found, as long as it is no less than
`upper`; the `history`; and which of TIME, NODES and TIE ended a search.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import attacks.checker as checker
from attacks.balls import BALLS
from attacks.balls.base import Ball
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.certificate_file import EXTRA, CertificateError, arrays_of, fields_of, fingerprint, from_archive
from attacks.proofs.plain_look import plainly_refuted
from attacks.proofs.query import Query
from attacks.proofs.radii import RADII, in_words, inside, size, widest
from attacks.proofs.tree import Tree
from attacks.result import Reason
from minigrad.inputs import Array, as_number
from minigrad.io.files import write_whole
from minigrad.io.npz import briefly, npz_bytes
from minigrad.margin import Margin
from minigrad.mlp import MLP

NO_ROWS = "proof_none"  # stands for the rows of a claim that needs none
ENDINGS = (
    Reason.PROVED, Reason.MISCLASSIFIED, Reason.TIME, Reason.NODES, Reason.TIE, Reason.SMOOTH, Reason.BOUNDARY,
    Reason.RADIUS,
)  # fmt: skip


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
    reason : Reason
        PROVED iff optimal, or why it was not: TIME, NODES, TIE, SMOOTH, BOUNDARY, RADIUS (of `certify`);
        MISCLASSIFIED, which is optimal.
        Its `advice` says what to do.
    nodes : int
        Of all searches made for it.
        No fewer than `tree` has, if that holds splits.
    seconds : float
    attack : float
        What the attack alone found, before the proof's own counterexamples, at least `upper`; inf if nothing.
    network : str
        SHA-256 of the network.
    radius : float
        The radius that the tree refutes; 0 if nothing was refuted.
    tree : Tree
    history : tuple of (seconds, lower, upper)
        The interval from the beginning on, whenever an end moved; a record.
    proof : dict of arrays or None
        The rows of multipliers, for attacks/checker.py.
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
    reason: Reason
    nodes: int
    seconds: float
    attack: float
    network: str
    radius: float
    tree: Tree
    history: tuple[tuple[float, float, float], ...] = ()
    proof: dict[str, Array] | None = None

    def __repr__(self) -> str:
        what = in_words(self.norm, self.lower, self.upper)
        return f"Certificate({self.norm}: {what}, {self.reason}, {self.nodes} nodes)"

    @property
    def success(self) -> bool:
        """Whether a counterexample is known; as in `AttackResult` False for an image that is misclassified already."""
        return self.x_adv is not None and self.reason != Reason.MISCLASSIFIED

    def interval_at(self, seconds: float) -> tuple[float, float]:
        """The interval as it was known after so many seconds: (0, inf) before anything was."""
        known = [(lower, upper) for at, lower, upper in self.history if at <= seconds]
        return known[-1] if known else (0.0, float("inf"))

    @property
    def distance(self) -> float:
        """`upper`: the size of `x_adv - x`, rounded up; inf if none is known."""
        return self.upper

    def ball(self, radius: float) -> Ball:
        """The perturbation set of that radius."""
        return BALLS[self.norm](radius, box=self.box, mask=self.mask)

    # ------------------------------------------------------------------ the replay

    def with_proof(self, net: MLP, *, time_limit: float = 600.0) -> Certificate:
        """The same with the multipliers of every bound: a proof that attacks/checker.py can check.

        Takes about as long as the search did.

        Raises
        ------
        CertificateError
            The checker could not be convinced: a bound that rounding spoils, a network with another activation than
            ReLU, too little time; a tree that is not one of this network, or another network, or (ValueError) no MLP.
        """
        from attacks.proofs.exact_proof import exact_proof

        self._check_network(net)
        self._check_tree(net)
        return replace(self, proof=exact_proof(net, self, time_limit=time_limit) or {NO_ROWS: np.zeros(0)})

    def check(self, net: MLP, *, time_limit: float = 600.0, replay: bool = True) -> str:
        """Recompute the claim for `net`: exactly, if it carries its proof, else by a replay in floats.

        Returns what was shown and how, in a sentence.

        Parameters
        ----------
        net : MLP
        time_limit : float >= 0, seconds
            A tree that takes longer is refused.
        replay : bool
            False: all but the lower bound, at the cost of a few forward passes.

        Raises
        ------
        CertificateError
            Another network, a counterexample that does not work, a bound that cannot be proved again, numbers that
            contradict each other.
        ValueError
            A time limit that is negative or no number.
        """
        deadline = time.perf_counter() + as_number(time_limit, "time_limit", 0)
        try:
            plain = Certificate(**fields_of(arrays_of(vars(self))))
            plain._check(net)
            if replay and plain.proof is not None:
                return f"{exactly(net, plain)} (checked exactly)"
            if replay and plain.reason != Reason.MISCLASSIFIED:
                plain._check_lower(net, deadline)
            how = "replayed in floats" if replay else "its lower end not checked"
            return f"{in_words(self.norm, self.lower, self.upper)} ({how})"
        except CertificateError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CertificateError(f"certificate: it cannot be replayed ({briefly(error)})") from error

    def _check(self, net: MLP) -> None:
        """All but the lower bound."""
        self._check_network(net)
        target = None if self.target is None else [self.target]
        Margin.from_labels(net, self.x[None], [self.y], target)  # refuses classes that there are not
        itself = Query.from_image(net, self.x, self.y, self.ball(1), self.target)
        misclassified = bool(itself.adversarial(self.x[None])[0])
        if misclassified != (self.reason == Reason.MISCLASSIFIED) or (misclassified and (self.lower or self.upper)):
            raise CertificateError("certificate: lower = upper = 0 is for an image that is misclassified as it is")
        if not 0 <= self.lower <= self.upper:
            raise CertificateError(f"certificate: expected 0 <= lower <= upper, got [{self.lower}, {self.upper}]")
        if self.optimal != (misclassified or RADII[self.norm].reached(self.lower, self.upper, self.gap)):
            raise CertificateError("certificate: whether it is optimal does not follow from lower, upper and gap")
        self._check_records(net, itself)
        self._check_counterexample(net)

    def _check_network(self, net: MLP) -> None:
        if fingerprint(net) != self.network:
            raise CertificateError("certificate: it is of another network (the SHA-256 differs)")

    def _check_records(self, net: MLP, itself: Query) -> None:
        """That what is only told of the search does not contradict what is claimed."""
        splits = len(self.tree) - self.tree.roots
        if self.optimal != (self.reason in (Reason.PROVED, Reason.MISCLASSIFIED)) or self.reason not in ENDINGS:
            raise CertificateError(f"certificate: '{self.reason}' is no reason for an interval that is as this one")
        if self.reason == Reason.BOUNDARY and (itself.safe(self.x[None]) | itself.adversarial(self.x[None]))[0]:
            raise CertificateError("certificate: the image is not on the boundary")
        if self.reason == Reason.SMOOTH and itself.piecewise_linear:
            raise CertificateError("certificate: the network has no smooth activation")
        if self.attack < self.upper or (splits and self.nodes < len(self.tree)):
            raise CertificateError("certificate: expected attack >= upper, and no fewer nodes than the tree has")
        self._check_tree(net)
        if self.lower <= RADII[self.norm].proves(0) and (self.radius or splits):
            raise CertificateError("certificate: a refuted radius that proves nothing")

    def _check_tree(self, net: MLP) -> None:
        """That its splits are of pixels and neurons that there are, and its roots one, or one a rival."""
        if not self.tree.fits(net.sizes):
            raise CertificateError("certificate: its tree splits a pixel or a neuron that the network does not have")
        if self.tree.roots not in (1, max(net.sizes[-1] - 1, 1)):
            raise CertificateError("certificate: expected a tree with one root, or with one for each rival")

    def _check_counterexample(self, net: MLP) -> None:
        if self.reason == Reason.MISCLASSIFIED:
            if self.x_adv is None or not np.array_equal(self.x_adv, self.x):
                raise CertificateError("certificate: of a misclassified image x_adv is the image itself")
            return
        if self.x_adv is None:
            if np.isfinite(self.upper):
                raise CertificateError("certificate: an upper bound without a counterexample")
            return
        s = (self.x_adv - self.x)[None]
        ball = self.ball(self.upper)
        if not (inside(ball, self.x, self.x_adv) and size(ball, s) <= self.upper):
            raise CertificateError("certificate: the counterexample is outside its box or mask, or larger than upper")
        if not Query.from_image(net, self.x, self.y, ball, self.target).adversarial(self.x_adv[None])[0]:
            raise CertificateError("certificate: the counterexample is not adversarial beyond rounding")

    def _check_lower(self, net: MLP, deadline: float) -> None:
        radii = RADII[self.norm]
        if self.lower <= radii.proves(0):  # nothing was claimed but, at most, that x itself is not adversarial
            itself = Query.from_image(net, self.x, self.y, self.ball(1), self.target)
            if self.lower > 0 and not itself.safe(self.x[None])[0]:
                raise CertificateError("certificate: whether the image itself is adversarial is a matter of rounding")
            return
        if not 0 < self.radius < np.inf:
            raise CertificateError("certificate: a lower bound without a refuted radius")
        ball = self.ball(self.radius)
        everything = np.isinf(self.lower) and self.radius >= widest(ball, self.x[None])
        if not (everything or self.lower <= radii.proves(self.radius)):
            raise CertificateError(f"certificate: refuting radius {self.radius} does not prove lower {self.lower}")
        query = Query.from_image(net, self.x, self.y, ball, self.target)
        if len(self.tree) == self.tree.roots and plainly_refuted(query)[0]:
            return  # what the search's first look proved
        answer = Search(query, self.tree).run(deadline, len(self.tree) + EXTRA)
        if not answer.proved:
            raise CertificateError(f"certificate: the lower bound could not be proved again ({answer.reason})")

    # ------------------------------------------------------------------ files

    def to_bytes(self) -> bytes:
        """A `.npz` archive (attacks/proofs/certificate_file.py), compressed if it carries its proof."""
        return npz_bytes(arrays_of(vars(self)), compressed=self.proof is not None)

    def save(self, path: str | Path, *, proof: MLP | None = None) -> None:
        """Write a `.npz` without pickle, with `proof=net` after `with_proof(net)`.  Raises OSError or as that does."""
        write_whole(path, (self if proof is None else self.with_proof(proof)).to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> Certificate:
        """Read what `save` wrote.  Raises OSError, or ValueError for any other file."""
        return cls.from_bytes(Path(path).read_bytes(), str(path))

    @classmethod
    def from_bytes(cls, content: bytes, name: str = "certificate") -> Certificate:
        """What `to_bytes` made.  Raises ValueError for anything else."""
        return from_archive(content, name, "certificate", lambda arrays: cls(**fields_of(arrays)))


def exactly(net: MLP, certificate: Certificate) -> str:
    """What attacks/checker.py says of it, or CertificateError."""
    try:
        return str(checker.check(net.to_arrays(), arrays_of(vars(certificate))))
    except Exception as error:  # whatever foreign rows make of it: it is not shown
        raise CertificateError(f"certificate: the exact checker refused it ({briefly(error)})") from error
