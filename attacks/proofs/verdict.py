"""The answer to "is it robust at this radius?", and its replay."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attacks.balls.base import Ball
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.certificate import Certificate
from attacks.proofs.certificate_file import EXTRA, CertificateError, fingerprint, from_archive
from attacks.proofs.query import Query
from attacks.proofs.radii import inside, refuted_whole
from attacks.proofs.tree import Tree
from attacks.proofs.unsafe import Case, query_of
from attacks.proofs.verdict_file import arrays_of, fields_of
from attacks.result import Reason
from minigrad.inputs import Array, as_number
from minigrad.io.files import write_whole
from minigrad.io.npz import briefly, npz_bytes
from minigrad.mlp import MLP


@dataclass(frozen=True, eq=False)
class Verdict:
    """The answer to one query.

    Attributes
    ----------
    status : "robust", "fooled" or "open"
        Robust: proved, no s in the ball is adversarial.  Fooled: `x_adv` is.  Open: neither was found.
    reason : Reason
        PROVED, COUNTEREXAMPLE, MISCLASSIFIED (fooled by s = 0), or why it is open: TIME, NODES, TIE, SMOOTH, BOUNDARY.
    x : (d,)
    ball : Ball
        For one image.
    x_adv : (d,) or None
    certificate : Certificate or None
        Of a robust or fooled image, for files and for `check`; None where it is open, and for `unsafe` queries.
    nodes : int
    seconds : float
        With this image's share of the attacks on all of them.
    bound : float
        The largest upper bound of the margin that is left; below 0 if robust.
    unsafe : tuple of (C, d), or None
    trees : tuple of Tree
        Of an `unsafe` query that is robust: one a case.
    network : str
        SHA-256.
    """

    status: str
    reason: Reason
    x: Array
    ball: Ball
    x_adv: Array | None
    certificate: Certificate | None
    nodes: int
    seconds: float
    bound: float
    unsafe: tuple[Case, ...] | None
    trees: tuple[Tree, ...]
    network: str

    def __repr__(self) -> str:
        return f"Verdict({self.status}: {self.ball}, {self.reason}, {self.nodes} nodes)"

    def check(self, net: MLP, *, time_limit: float = 600.0) -> str:
        """Recompute the answer for `net`: exactly, if its certificate carries a proof, else by a replay in floats.

        Returns what was shown and how, in a sentence.  An open verdict claims nothing.

        Raises
        ------
        CertificateError
            It does not hold, or not for this network.
        ValueError
            A time limit that is negative or no number.
        """
        as_number(time_limit, "time_limit", 0)
        try:  # of what a file would hold, as a certificate is checked
            plain = fields_of(arrays_of(vars(self) | {"certificate": None}))
            return replace(self, **plain | {"certificate": self.certificate})._check(net, time_limit)
        except CertificateError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CertificateError(f"verdict: it cannot be replayed ({briefly(error)})") from error

    def _check(self, net: MLP, time_limit: float) -> str:
        deadline = time.perf_counter() + time_limit
        if self.status == "open":
            return "open: nothing is claimed"
        if fingerprint(net) != self.network:
            raise CertificateError("verdict: it is of another network (the SHA-256 differs)")
        itself = self.x_adv is not None and np.array_equal(self.x_adv, self.x)
        ending = Reason.PROVED if self.status == "robust" else Reason.MISCLASSIFIED if itself else Reason.COUNTEREXAMPLE
        if self.reason != ending:
            raise CertificateError(f"verdict: '{self.reason}' is no reason for one that is {self.status}")
        if self.status == "robust" and (self.x_adv is not None or not self.bound < 0):
            raise CertificateError("verdict: a robust image has no counterexample, and a bound below 0")
        if self.unsafe is not None and self.certificate is not None:
            raise CertificateError("verdict: expected no certificate of an unsafe set, got one")
        if self.unsafe is None:
            queries, trees, exactly = self._certified(net, time_limit)
        else:
            queries, trees, exactly = [query_of(net, self.x, self.ball, case) for case in self.unsafe], self.trees, None
        if self.status == "fooled":
            if self.x_adv is None or not inside(self.ball, self.x, self.x_adv):
                raise CertificateError("verdict: the counterexample is outside its ball")
            if not any(query.adversarial(self.x_adv[None])[0] for query in queries):
                raise CertificateError("verdict: the counterexample is not adversarial beyond rounding")
            return f"fooled: the counterexample is in {self.ball}, and adversarial beyond rounding"
        if exactly is not None:
            return f"robust: {exactly}"
        if len(trees) != len(queries):
            raise CertificateError(f"verdict: expected a tree for each of {len(queries)} cases, got {len(trees)}")
        for query, tree in zip(queries, trees, strict=True):
            if not tree.fits(query.net.sizes) or tree.roots not in (1, len(query.c)):
                raise CertificateError("verdict: its tree splits a pixel or a neuron that the network does not have")
            answer = Search(query, tree).run(deadline, len(tree) + EXTRA)
            if not answer.proved:
                raise CertificateError(f"verdict: it could not be proved again ({answer.reason})")
        return f"robust: no counterexample in {self.ball} (replayed in floats)"

    def _certified(self, net: MLP, time_limit: float) -> tuple[list[Query], tuple[Tree, ...], str | None]:
        """Query and tree of a certificate that is of this image, set and status, and holds; what its proof shows.

        None, without a proof: of a robust image the tree is still to be replayed.
        """
        c, ball = self.certificate, self.ball
        if c is None:
            raise CertificateError("verdict: expected a certificate of it, got none")
        pairs = [(c.x, self.x), (c.box[0], ball.box[0]), (c.box[1], ball.box[1])]
        masks = [np.broadcast_to(True if mask is None else mask, self.x.shape) for mask in (c.mask, ball.mask)]
        if c.norm != ball.norm or not all(np.array_equal(a, b) for a, b in [*pairs, (masks[0], masks[1])]):
            raise CertificateError("verdict: its certificate is of another image or set")
        wanted = refuted_whole(ball, self.x[None])
        if self.status == "robust" and (c.radius, c.lower) != wanted:
            raise CertificateError(f"verdict: its certificate proves {c.lower}, not {wanted[1]}")
        exact = c.proof is not None
        said = c.check(net, time_limit=time_limit, replay=exact or self.status == "fooled")
        return [Query.from_image(net, self.x, c.y, ball, c.target)], (c.tree,), said if exact else None

    # ------------------------------------------------------------------ files

    def save(self, path: str | Path) -> None:
        """Write a `.npz` without pickle (attacks/proofs/verdict_file.py), certificate and all.  Raises OSError."""
        write_whole(path, npz_bytes(arrays_of(vars(self)), compressed=True))

    @classmethod
    def load(cls, path: str | Path) -> Verdict:
        """Read what `save` wrote.  Raises OSError, or ValueError for any other file."""
        return cls.from_bytes(Path(path).read_bytes(), str(path))

    @classmethod
    def from_bytes(cls, content: bytes, name: str = "verdict") -> Verdict:
        """What such a file holds.  Raises ValueError for anything else."""

        def made(arrays: dict[str, Array]) -> Verdict:
            fields = fields_of(arrays)
            held = fields["certificate"]
            return cls(**fields | {"certificate": None if held is None else Certificate.from_bytes(held)})

        return from_archive(content, name, "verdict", made)
