"""Faults put into the prover, and into the checker that it consults: what it then writes is refused if it is false.

Each fault is there while a proof is made of a claim that is false, `lower` above the least change there is.  Either no
proof is made, or the checker as it is refuses it.
"""

from dataclasses import replace

import numpy as np
import pytest
from checker_proofs import HONEST, certified, holds, truth, verdict
from repeats import repeats

from attacks import checker
from attacks.proofs import exact_part, exact_proof, exact_rows
from attacks.proofs.certificate_file import arrays_of

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
    """A fault of the writer: one array of the file.  The prover believes that what it wrote refutes."""
    edit = wrapped(exact_rows.Writer, "arrays", lambda found: found | {f"proof_{name}": change(found[f"proof_{name}"])})
    low = wrapped(checker.Prover, "bound", lowered)
    return lambda patch: (edit(patch), low(patch))


def closed_early(patch):
    """A fault: what has been shown anything is closed."""
    patch.setattr(exact_part.Learner, "closed", lambda self, state: bool(self.writer.steps))


def rows(change):
    """A fault in (side, price, gamma, alpha, beta) of the rows shown and written."""

    def changed(given):
        prover, part, layer, neuron, *rest = given
        return prover, part, layer, neuron, *change(*rest)

    return arguments(checker.Prover, "learn", changed)


def lowered(found):
    const, h, changed = found
    return const - (1 << 1102), h, changed


def nothing_left(parts):
    for part in parts[1:]:
        part.open[:] = False
    return parts


FAULTS = {
    "a part is closed without a reason": closed_early,
    "constants too low": wrapped(checker.Prover, "bound", lowered),
    "a maximiser of the wrong sign": wrapped(checker.Prover, "bound", lambda found: (found[0], -found[1], found[2])),
    "a maximiser that moves nothing": wrapped(
        checker.Prover, "bound", lambda found: (found[0], 0 * found[1], found[2])
    ),
    "no constants": wrapped(checker.Box, "most", lambda found: 0 * found),
    "the minimum for the maximum": arguments(checker.Box, "most", lambda given: (given[0], -given[1], given[2])),
    "rounded, and no charge": wrapped(
        checker, "fit", lambda found: (np.floor(found[0] / 8) * 8, found[1], 0 * found[2])
    ),
    "intervals too narrow": wrapped(checker, "above", lambda found: found - 0.5),
    "boxes turned inside out": arguments(checker.Box, "__init__", lambda given: (given[0], given[2], given[1])),
    "rivals that lose": wrapped(checker, "rivals", lambda found: (-found[0], found[1])),
    "a room of half the size": wrapped(checker, "ends", lambda found: [end / 2 + 0.25 for end in found]),
    "the second part of a split forgotten": wrapped(checker, "split", nothing_left),
    "gamma from nowhere": rows(lambda s, p, g, a, b: (s, p, g + 1, a, b)),
    "beta of the other sign": rows(lambda s, p, g, a, b: (s, p, g, a, -b)),
    "slopes above 1": rows(lambda s, p, g, a, b: (s, p, g, 3 * a.astype(float), b)),
    "slopes mirrored": rows(lambda s, p, g, a, b: (s, p, g, 16384.0 - a, b)),
    "upper for lower": edited("side", lambda v: -v),
    "gamma below 0": edited("gamma", lambda v: -v),
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
        try:
            made = exact_proof.exact_proof(net, false, time_limit=SECONDS)
        except Exception:  # no proof, whatever the reason
            made = {}
    assert verdict(net, arrays | made) is None
    written.add(fault) if made else None


written: set[str] = set()


def test_most_of_the_faults_deceive_the_prover():
    """Or the test before would be none: under these a proof of what is false was written (where they ran)."""
    assert len(written) >= 10 or not written
