"""Any linear property of the outputs: the same as the classes where it says the same, several cases, rows, ties."""

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from queries import real_net

from attacks import CertificateError, LInf, certified_minimum, certify
from attacks.balls import BALLS
from minigrad import MLP

LIMITS = {"time_limit": 1e6, "node_limit": 2000, "restarts": 2}
NET = MLP.from_arrays([(np.eye(2), np.zeros(2)), (np.eye(2), np.zeros(2))])  # N(x) = x, for x >= 0
X = np.array([[0.5, 0.5]])


def status(unsafe, ball=LInf(0.25), x=X):
    (verdict,) = certify(NET, x, None, ball, unsafe=unsafe, **LIMITS)
    assert verdict.certificate is None
    verdict.check(NET)
    return verdict.status


@pytest.mark.parametrize("norm", BALLS)
def test_misclassification_as_an_unsafe_set_has_the_same_status(norm):
    """Untargeted: a case a rival, of one row; with a target: one case with a row a rival."""
    seen = set()
    for seed in (1,):
        net, x = real_net((4, 5, 3), seed), np.random.default_rng(seed).random((1, 4))
        y = net.predict(x)
        target = (y + 1) % 3
        eye = np.eye(3)
        any_rival = [((eye[j] - eye[y[0]])[None], np.zeros(1)) for j in range(3) if j != y[0]]
        the_target = [(eye[target[0]] - np.delete(eye, target[0], axis=0), np.zeros(2))]
        for unsafe, goal in ((any_rival, None), (the_target, target)):
            (known,) = certified_minimum(net, x, y, norm=norm, target=goal, time_limit=1e6, node_limit=200, gap=0.1)
            ends = (known.lower, known.upper) if np.isfinite(known.upper) else (1, 2)
            for radius in (max(ends[0] - 1, 1), ends[1]) if norm == "l0" else (0.9 * ends[0], 1.1 * ends[1]):
                ball = BALLS[norm](radius)
                (one,) = certify(net, x, y, ball, target=goal, **LIMITS)
                (other,) = certify(net, x, None, ball, unsafe=unsafe, **LIMITS)
                other.check(net)
                assert one.status == other.status != "open"
                seen.add(one.status)
    assert seen == {"robust", "fooled"}


def test_cases_are_or_and_rows_are_and():
    """N = x within 0.25 of (0.5, 0.5)."""
    high, low = ([[1.0, 0.0]], [-0.7]), ([[-1.0, 0.0]], [0.2])  # x_0 > 0.7: reached; x_0 < 0.2: not
    assert status([high]) == "fooled" and status([low]) == "robust"
    assert status([low, high]) == status([high, low]) == "fooled" and status([low, low]) == "robust"
    both = np.array([[1.0, 0.0], [-1.0, 0.0]])  # x_0 between two numbers
    assert status([(both, [-0.6, 0.7])]) == "fooled" and status([(both, [-0.7, 0.6])]) == "robust"
    assert status([([[1.0, 1.0]], [-1.49])]) == "fooled" and status([([[1.0, 1.0]], [-1.51])]) == "robust"
    assert status([(both, [-0.4, 0.6])], LInf(0)) == "fooled"  # x itself


def test_every_case_is_searched_where_no_attack_finds_anything(monkeypatch):
    for name in ("smallest_eps", "pgd"):
        monkeypatch.setattr(f"attacks.proofs.decide.{name}", lambda net, x, *_, **__: SimpleNamespace(x_adv=x))
    high, low = ([[1.0, 0.0]], [-0.7]), ([[-1.0, 0.0]], [0.2])  # reached, and not
    assert status([low, high]) == status([high, low]) == "fooled" and status([low, low]) == "robust"


def test_a_tie_is_open():
    """x_0 + x_1 > 1.5 is missed by nothing; as is a corner where two rows meet in 0."""
    assert status([([[1.0, 1.0]], [-1.5])]) == "open"
    assert status([([[1.0, 0.0], [-1.0, 0.0]], [-0.625, 0.625])]) == "open"
    assert status([([[0.0, 0.0]], [0.0])]) == "open"
    assert status([([[0.0, 0.0]], [-1.0])]) == "robust" and status([([[0.0, 0.0]], [1.0])]) == "fooled"


def test_one_logit_with_a_threshold_is_asked_about_the_logit_itself():
    net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])], threshold=0.5)  # N from -0.5 to 0.5 within 0.25
    for shift, expected in ((-0.49, "fooled"), (-0.51, "robust")):
        (verdict,) = certify(net, X, None, LInf(0.25), unsafe=[([[1.0]], [shift])], **LIMITS)
        assert verdict.status == expected
        verdict.check(net)


def test_several_images_with_a_radius_each():
    verdicts = certify(NET, X.repeat(2, 0), None, LInf([0.1, 0.3]), unsafe=[([[1.0, 0.0]], [-0.7])], **LIMITS)
    assert [verdict.status for verdict in verdicts] == ["robust", "fooled"]


def test_forged_verdicts_are_refused():
    high, low = ([[1.0, 0.0]], [-0.7]), ([[-1.0, 0.0]], [0.2])
    (robust,) = certify(NET, X, None, LInf(0.25), unsafe=[low, low], **LIMITS)
    (fooled,) = certify(NET, X, None, LInf(0.25), unsafe=[low, high], **LIMITS)
    forged = {
        "robust called fooled": replace(robust, status="fooled"),
        "fooled called robust": replace(fooled, status="robust"),
        "a tree less": replace(robust, trees=robust.trees[:1]),
        "no tree": replace(robust, trees=()),
        "another set": replace(robust, unsafe=fooled.unsafe),
        "a larger ball": replace(robust, ball=LInf(0.5)),
        "a smaller ball": replace(fooled, ball=LInf(0.1)),
        "a point that is none": replace(fooled, x_adv=fooled.x),
        "a point outside": replace(fooled, x_adv=fooled.x + np.array([0.3, 0.0])),
    }
    for name, verdict in forged.items():
        with pytest.raises(CertificateError):
            pytest.fail(f"{name} was accepted: {verdict.check(NET)}")
    with pytest.raises(CertificateError, match="another network"):
        robust.check(real_net((2, 2, 2), 0))


@pytest.mark.parametrize(
    ("unsafe", "words"),
    [
        ([], "at least one"), (3, "list of pairs"), ([([[1.0]], [0.0])], r"C \(r, 2\)"),
        ([([[1.0, 0]], [0, 0])], r"d \(r,\)"),
        ([([[np.nan, 0]], [0])], "finite"), ([([["a", "b"]], [0])], "unsafe"), ([1, 2], "list of pairs"),
    ],
)  # fmt: skip
def test_bad_sets_are_refused(unsafe, words, monkeypatch):
    monkeypatch.setattr("attacks.proofs.decide.smallest_eps", lambda *_, **__: pytest.fail("work began"))
    with pytest.raises(ValueError, match=words) as raised:
        certify(NET, X, None, LInf(0.25), unsafe=unsafe)
    assert len(str(raised.value).splitlines()) == 1


def test_rows_of_any_numbers_are_added_up_with_their_rounding_charged():
    """N(x) = x, and the case a_1 x + d_1 > 0, -a_2 x + d_2 > 0: it holds between two numbers, some ulps apart."""
    net, rng, seen = MLP.from_arrays([([[1.0]], [0.0])]), np.random.default_rng(0), set()
    a, d = ("0x1.684ea7e2a199dp-2", "0x1.183d2d3e7db08p-2"), ("-0x1.cef33dbed6eb2p-3", "0x1.6812855b8ab6ep-3")
    cases = [([*map(float.fromhex, a)], [*map(float.fromhex, d)])]  # 7e-18 wide, and once called robust
    for _ in range(100):
        a, x = rng.uniform(0.1, 1, 2), rng.uniform(0.2, 0.8)
        cases.append((a, [-a[0] * x, a[1] * x + rng.integers(-40, 41) * 2.0 ** -rng.integers(46, 55)]))
    for a, d in cases:
        (v,) = certify(net, [[0.5]], None, LInf(0.5), unsafe=[(np.array([[a[0]], [-a[1]]]), np.array(d))], **LIMITS)
        empty = Fraction(d[1]) / Fraction(a[1]) <= -Fraction(d[0]) / Fraction(a[0])
        assert empty or v.status != "robust"
        seen.add((empty, v.status))
    assert (True, "robust") in seen and (False, "fooled") in seen


def test_products_that_vanish_are_charged_for():
    """C N = 2^-1000 (2.51 - 1.4 - 1.2) 2^-74 = -0.09 eta is below 0, but its products round to 3, 1 and 1 eta."""
    N = np.array([2.51, 1.4, 1.2]) * 2.0**-74
    net = MLP.from_arrays([(np.zeros((1, 3)), N)])
    C = np.array([[1.0, -1.0, -1.0]]) * 2.0**-1000
    assert sum(Fraction(c) * Fraction(v) for c, v in zip(C[0], N, strict=True)) < 0 < (C * N).sum()
    (verdict,) = certify(net, [[0.5]], None, LInf(0.1), unsafe=[(C, np.zeros(1))], **LIMITS)
    assert verdict.status != "fooled"
