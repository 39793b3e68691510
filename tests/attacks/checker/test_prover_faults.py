"""Faults put into the prover, and into the checker that it consults: what it then writes is refused if it is false.

Each fault is there while a proof is made of a claim that is false, `lower` above the least change there is; and the
prover is deceived besides: the checker that it consults believes whatever it is shown.  So a proof is written, and the
checker as it is must refuse it.
"""

from dataclasses import replace
from fractions import Fraction

import exact
import numpy as np
import pytest
from checker_proofs import HONEST, certified, holds, truth, verdict
from repeats import repeats

from attacks import certified_minimum, checker
from attacks.proofs import exact_part, exact_proof, exact_rows
from attacks.proofs.certificate_file import arrays_of, fingerprint
from minigrad import MLP

CASES = [HONEST[0], HONEST[2], HONEST[4]][: repeats(1, 3)]  # linf, l1 with three classes, l0
SECONDS = 0.3  # a false claim is tried for so long; how far it gets does not matter


def wrapped(owner, name, change):
    """A fault: what the function gave, changed."""

    def put(patch):
        healthy = getattr(owner, name)
        patch.setattr(owner, name, lambda *given, **options: change(healthy(*given, **options)))

    return put


def arguments(owner, name, change):
    """A fault: what the function is given, changed."""

    def put(patch):
        healthy = getattr(owner, name)
        patch.setattr(owner, name, lambda *given, **options: healthy(*change(given), **options))

    return put


def edited(name, change):
    """A fault of the writer: one array of the file."""
    return wrapped(exact_rows.Writer, "arrays", lambda found: found | {f"proof_{name}": change(found[f"proof_{name}"])})


def deceive(patch):
    """The search takes all bounds for smaller than they are; its checker requires nothing, and margins' rows refute."""
    optimise = exact_part.optimise_bounds

    def lower(*given, **options):  # without its steps: no multiplier would change what it says
        found, mult = optimise(*given, **options | {"steps": 0})
        return replace(found, bound=-1 - abs(found.bound)), mult

    patch.setattr(checker, "require", lambda fact, words: None)
    patch.setattr(exact_part, "optimise_bounds", lower)
    healthy = checker.Prover.learn

    def learn(self, part, layer, *rows):
        healthy(self, part, layer, *rows)
        if layer == len(self.at) - 1:
            part[1, self.at[-1]] = -1

    patch.setattr(checker.Prover, "learn", learn)


def closed_early(patch):
    """A fault: what has been shown anything is closed."""
    patch.setattr(exact_part.Learner, "closed", lambda self, state: bool(self.writer.steps))


def rows(change):
    """A fault in (side, price, alpha, beta) of the rows shown and written."""

    def changed(given):
        prover, part, layer, neuron, *rest = given
        return prover, part, layer, neuron, *change(*rest)

    return arguments(checker.Prover, "learn", changed)


def maximiser(change):
    """A fault in the maximum over the pixels, in every norm."""

    def put(patch):
        for norm in ("l0", "l1", "l2", "linf"):
            wrapped(checker.Prover, norm, lambda found: (change(found[0]), found[1]))(patch)

    return put


def claims(change):
    """A fault in what the file is read to say."""

    def put(patch):
        healthy = checker.Claim.__init__

        def init(self, *given):
            healthy(self, *given)
            change(self)

        patch.setattr(checker.Claim, "__init__", init)

    return put


def coarse(patch):
    """A fault: rounded to eight units, and nothing charged for it."""
    healthy = checker.fit

    def fit(const, *given, **options):
        _, A, e = healthy(const, *given, **options)
        return const, A // 8 * 8, e

    patch.setattr(checker, "fit", fit)


def losing(claim):
    claim.rivals = -claim.rivals


def halved(claim):
    claim.ends = [end / 2 + 0.25 for end in claim.ends]


def nothing_left(parts):
    for part in parts[1:]:
        part[:, 1] = -1
    return parts


def one_more(beta):
    return np.hstack([beta[:, :-1], beta[:, -1:] + 1])


FAULTS = {
    "a part is closed without a reason": closed_early,
    "constants too low": wrapped(checker.Prover, "pull", lambda found: (found[0] - (1 << 1102), *found[1:])),
    "a maximiser of the wrong sign": maximiser(lambda h: -h),
    "a maximiser that moves nothing": maximiser(lambda h: 0 * h),
    "no constants": wrapped(checker.Box, "most", lambda found: 0 * found),
    "the minimum for the maximum": arguments(checker.Box, "most", lambda given: (given[0], -given[1], given[2])),
    "rounded, and no charge": coarse,
    "intervals too narrow": wrapped(checker, "above", lambda found: found - 0.5),
    "boxes turned inside out": arguments(checker.Box, "__init__", lambda given: (given[0], given[2], given[1])),
    "rivals that lose": claims(losing),
    "a room of half the size": claims(halved),
    "the second part of a split forgotten": wrapped(checker, "split", nothing_left),
    "margins from nowhere": rows(lambda s, p, a, b: (s, p, a, one_more(b))),
    "beta of the other sign": rows(lambda s, p, a, b: (s, p, a, -b)),
    "slopes above 1": rows(lambda s, p, a, b: (s, p, 3 * a.astype(float), b)),
    "slopes mirrored": rows(lambda s, p, a, b: (s, p, 16384.0 - a, b)),
    "upper for lower": edited("side", lambda v: -v),
    "margins below 0": edited("beta", lambda v: one_more(v) - 2 * (np.arange(v.shape[1]) == v.shape[1] - 1)),
    "the last rows left out": edited("steps", lambda v: v[:-1]),
    "splits left out": edited("steps", lambda v: v[v[:, 0] > 0]),
    "rows of another part": edited("steps", lambda v: v[::-1]),
    "no beta": edited("beta", lambda v: 0 * v),
    "a price of nothing": edited("price", lambda v: 0 * v),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_faulty_prover_writes_is_refused_if_it_is_false(fault, case):
    net, certificate = certified(*case)
    least = truth(net, arrays_of(vars(certificate)))
    radius = float(np.floor(least)) if case[0] == "l0" else least * 1.01
    false = replace(certificate, radius=radius, lower=radius + (case[0] == "l0"), x_adv=None, upper=np.inf)
    arrays = arrays_of(vars(false))
    assert not holds(net, arrays)
    with pytest.MonkeyPatch.context() as patch:
        FAULTS[fault](patch)
        deceive(patch)
        try:
            made = exact_proof.exact_proof(net, false, time_limit=SECONDS)
        except Exception:  # no proof, whatever the reason
            made = {}
    assert verdict(net, arrays | made) is None
    written.add(fault) if made else None


written: set[str] = set()


def test_most_of_the_faults_deceive_the_prover():
    """Or the test before would be none: under these a proof of what is false was written (where they ran)."""
    assert len(written) >= 20 or not written


UNDERFLOW = MLP.from_arrays([([[1e300]], [0.0]), ([[1e-200]], [0.0]), ([[1e-200]], [-1e-101])])  # N(1) = 9e-101
OVERFLOW = MLP.from_arrays([([[1.2e308]], [0.0]), ([[1e-308]], [-0.5])])  # N(1) = 0.7
BACKDOOR = MLP.from_arrays([([[1e17, 1e17], [1.0, 0.0]], [1e17, 1e17]), ([[1.0], [-1.0]], [-0.5])])  # x_1 - 1/2
SLOPES = np.array([1.4328713878854067e-09, 1.3956279755566339, 0.43103149773497673, 0.7721084143772569])
WIDE, ENDS = np.array([8685244.58843188, 0.5261710645757461, 0, 0]), np.array([3e7, 1, 1, 1])
SUPPORT = MLP.from_arrays([(SLOPES[:, None], [-1.8 - float(SLOPES @ WIDE)])])  # L2 of 1.494 gains 1.864
DEEP = MLP.from_arrays([*[([[1 + 2.0**-30]], [0.1])] * 80, ([[1.0]], [-8.75])])
# net, x, norm, box, the radius that is said to be refuted, a counterexample within it
FALSE = {
    "underflow": (UNDERFLOW, [0.0], "linf", (0.0, 1.0), 1.0, [1.0]),
    "overflow": (OVERFLOW, [0.0], "linf", (-1.0, 1.0), 1.0, [1.0]),
    "cancelling weights": (BACKDOOR, [0.5, 0.25], "linf", (0.0, 1.0), 0.3125, [0.5, 0.5625]),
    "one pixel of cancelling weights": (BACKDOOR, [0.5, 0.25], "l0", (0.0, 1.0), 1.0, [0.5, 1.0]),
    "a support of cancelling squares": (SUPPORT, WIDE, "l2", (0.0, ENDS), 1.494, np.add(WIDE, [0, 0.47, 1.0, 1.0])),
    "depth": (DEEP, [0.5], "linf", (0.0, 1.0), 0.5, [1.0]),
}


@pytest.mark.parametrize("case", FALSE)
def test_what_once_passed_as_a_certificate_is_refused(case):
    """The false certificates that rounding once led to, written by a prover that believes them."""
    net, x, norm, box, radius, point = FALSE[case]
    x, point = np.array(x), [Fraction(float(v)) for v in point]
    s = [a - Fraction(float(b)) for a, b in zip(point, x, strict=True)]
    sizes = {"linf": max(map(abs, s)), "l0": sum(map(bool, s)), "l2": sum(v * v for v in s)}
    assert sizes[norm] <= Fraction(radius) ** (2 if norm == "l2" else 1)
    assert exact.adversarial(exact.exactly(net), point, 0, None, Fraction(0))
    easy = MLP.from_arrays([(np.ones((len(x), 1)), [-1.0 - x.sum()])])  # whose certificate is made out to another
    (start,) = certified_minimum(easy, x[None], [0], norm=norm, box=box, node_limit=0)
    changes = {"network": fingerprint(net), "radius": radius, "lower": radius + (norm == "l0")}
    false = replace(start, x_adv=None, upper=np.inf, **changes)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        deceive(patch)
        try:
            made = exact_proof.exact_proof(net, false, time_limit=60)
        except exact_proof.Unproved:  # bounds that are not even finite deceive nobody
            made = {}
    assert made or case == "overflow"
    for proof in (made, {}):
        assert verdict(net, arrays_of(vars(false)) | proof) is None

