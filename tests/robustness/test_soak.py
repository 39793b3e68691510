"""The first cases of `make soak`, and whether it would see a false claim."""

from dataclasses import replace

import numpy as np
import pytest
import soak
import soak_sets
from ball_strategies import NORMS
from repeats import repeats

from attacks.proofs.certificate import Certificate
from attacks.proofs.query import Query
from attacks.result import Reason

COUNT = repeats(60, 400)


def test_the_first_cases():
    """Not vacuous: every norm, all kinds of answers, and where a proof is closed it is as near as was asked."""
    tally = soak.soak(COUNT)
    assert tally.cases == dict.fromkeys(NORMS, COUNT // 4)
    assert tally.kinds["closed"] > COUNT / 3 and tally.kinds["closed: nothing works"] > COUNT / 10
    assert tally.kinds["node limit"] + tally.kinds["time limit"] > 0
    for norm in NORMS:
        for end in ("lower", "upper"):
            assert -1e-6 <= tally.slack[norm, end, "closed"] <= 0.01 + 1e-6


def test_a_case_can_be_repeated_alone(capsys):
    a, b = soak.case_of(3, 7), soak.case_of(3, 7)
    assert str(a) == str(b) and np.array_equal(a.x, b.x) and str(a) != str(soak.case_of(3, 11))
    assert soak.main(["--seed", "3", "--only", "7"]) == 0
    assert "seed 3" in capsys.readouterr().out


@pytest.mark.parametrize("norm", NORMS)
def test_a_bound_that_is_a_little_too_large_is_seen(norm, monkeypatch, capsys):
    """2% too much (a pixel too many), below a true but loose upper: a replay might not see it."""
    real = soak.certified_minimum

    def bent(*given, **options):
        (cert,) = real(*given, **options)
        lower, upper = (cert.lower + 1, cert.upper + 1) if norm == "l0" else (cert.lower * 1.02, cert.upper * 1.05)
        return [cert if cert.reason == Reason.MISCLASSIFIED else replace(cert, lower=min(lower, upper), upper=upper)]

    monkeypatch.setattr(soak, "certified_minimum", bent)
    monkeypatch.setattr(Certificate, "check", lambda *_: None)
    first = NORMS.index(norm)
    seen = [soak.main(["--only", str(i)]) for i in range(first, first + 60, 4)]
    told = capsys.readouterr().err
    assert sum(seen) == told.count("is adversarial at") >= 3


@pytest.mark.parametrize("norm", NORMS)
def test_false_certificates_are_told_apart(norm):
    """Each claim of a true certificate, bent: upper too small, no counterexample, off its mask, a wrong reason."""
    index = NORMS.index(norm)
    while True:  # the first that is closed with a counterexample and has a mask
        case = soak.case_of(0, index)
        (cert,) = soak.certified_minimum(case.net, case.x, [case.y], norm=norm, **case.options)
        if cert.optimal and 0 < cert.upper < np.inf and case.options["mask"] is not None:
            break
        index += 4
    least, point = soak.smallest(case)
    soak.compare(case, cert, least, point)
    away = np.where(np.broadcast_to(case.options["mask"], case.x.shape)[0], cert.x_adv, cert.x_adv + 1e-9)
    for bent, sentence in (
        ({"upper": cert.upper * 0.999, "lower": 0.0}, "further away than upper"),
        ({"x_adv": cert.x}, "is not adversarial"),
        ({"x_adv": None}, "but x_adv None"),
        ({"lower": cert.upper * 1.01}, "expected 0 <= lower <= upper"),
        ({"upper": np.inf, "x_adv": None, "lower": np.inf}, "is adversarial at"),
        ({"reason": Reason.BOUNDARY}, "but the reason is"),
        *([({"x_adv": away}, "outside its box or mask")] if (away != cert.x_adv).any() else []),
    ):
        with pytest.raises(soak.Violation, match=sentence):
            soak.compare(case, replace(cert, **bent), least, point)
    if norm != "l0":
        with pytest.raises(soak.Violation, match="below every linear piece"):
            soak.compare(case, cert, cert.upper * 1.001, point)


def test_the_fractions_agree_with_the_network():
    for index in range(40):
        case = soak.case_of(1, index)
        m = Query.from_image(case.net, case.x[0], case.y, None, case.target)
        rows = m.c if m.joint is None else m.joint
        margins = (case.net.logits(case.x) - case.net.threshold) @ rows.T
        value = margins.max() if m.joint is None else margins.min()
        assert float(soak.exact(case.net, case.x[0], case.y, case.target)) == pytest.approx(value, abs=1e-12)


def test_the_first_sets():
    known, together, slack = soak_sets.soak(12, seconds=10)  # more than any needs: a busy machine changes nothing
    assert known >= 6 and together >= 3 and slack[0] < 1


def test_a_bound_of_a_set_that_is_too_large_is_seen(monkeypatch):
    real = soak_sets.universal_minimum

    def bent(*given, **options):
        got = real(*given, **options)
        return replace(got, lower=2.5 * got.lower)

    monkeypatch.setattr(soak_sets, "universal_minimum", bent)
    with pytest.raises(AssertionError, match="seed 0, set "):
        soak_sets.soak(12)
