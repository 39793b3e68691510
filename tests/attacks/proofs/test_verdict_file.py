"""A verdict's file holds all of it, and nothing that is not a verdict is read as one."""

from dataclasses import replace

import numpy as np
import pytest
from queries import real_net

from attacks import CertificateError, LInf, certify
from attacks.balls import BALLS
from attacks.proofs.unsafe import query_of
from attacks.proofs.verdict import Verdict
from attacks.proofs.verdict_file import arrays_of
from minigrad import MLP
from minigrad.io.npz import npz_bytes

LIMITS = {"time_limit": 1e6, "node_limit": 2000, "restarts": 2}
NET = MLP.from_arrays([(np.eye(2), np.zeros(2)), (np.eye(2), np.zeros(2))])  # N(x) = x, for x >= 0
X = np.array([[0.5, 0.5]])
HIGH, LOW = ([[1.0, 0.0]], [-0.7]), ([[-1.0, 0.0]], [0.2])  # x_0 > 0.7; x_0 < 0.2
BOTH = ([[1.0, 0.0], [-1.0, 0.0]], [-0.625, 0.625])  # a tie


def asked(unsafe, ball=LInf(0.25)):
    (verdict,) = certify(NET, X, None, ball, unsafe=unsafe, **LIMITS)
    return verdict


def same(a, b):
    """Whether two verdicts of an `unsafe` query say the same."""
    arrays = [(a.x, b.x), (a.x_adv, b.x_adv), *zip(a.ball.box, b.ball.box, strict=True), (a.ball.mask, b.ball.mask)]
    arrays += [pair for cases in zip(a.unsafe, b.unsafe, strict=True) for pair in zip(*cases, strict=True)]
    words = [(v.status, v.reason, v.nodes, v.seconds, v.bound, v.network, v.certificate, repr(v.ball)) for v in (a, b)]
    trees = [[vars(tree) for tree in v.trees] for v in (a, b)]
    return words[0] == words[1] and trees[0] == trees[1] and all(np.array_equal(*pair) for pair in arrays)


@pytest.mark.parametrize("unsafe", [[LOW, LOW], [LOW, HIGH], [BOTH]], ids=["robust", "fooled", "open"])
@pytest.mark.parametrize("mask", [None, np.array([True, False])], ids=["all", "mask"])
def test_an_unsafe_query_comes_back_and_checks(unsafe, mask, tmp_path):
    verdict = asked(unsafe, LInf(0.25, box=(0.0, np.array([1.0, 2.0])), mask=mask))
    verdict.save(tmp_path / "verdict.npz")
    back = Verdict.load(tmp_path / "verdict.npz")
    assert same(verdict, back) and repr(back) == repr(verdict)
    assert back.check(NET) == verdict.check(NET)
    back.save(tmp_path / "again.npz")
    assert Verdict.load(tmp_path / "again.npz").check(NET) == verdict.check(NET)


@pytest.mark.parametrize("norm", BALLS)
def test_a_verdict_of_a_class_brings_its_certificate(norm, tmp_path):
    net, x = real_net((4, 5, 3), 1), np.random.default_rng(1).random((1, 4))
    seen = set()
    for radius in (1, 3, 4) if norm == "l0" else (0.01, 0.3, 2.0):
        (verdict,) = certify(net, x, net.predict(x), BALLS[norm](radius), **LIMITS)
        if verdict.status == "robust":
            verdict = replace(verdict, certificate=verdict.certificate.with_proof(net))
        verdict.save(tmp_path / "verdict.npz")
        back = Verdict.load(tmp_path / "verdict.npz")
        assert back.check(net) == verdict.check(net)
        assert back.certificate.check(net) == verdict.certificate.check(net)
        seen.add(back.status)
    assert seen == {"robust", "fooled"}


def edited(verdict, **changes):
    """The bytes of its file with other arrays; None leaves one out."""
    arrays = arrays_of(vars(verdict)) | {
        name: np.asarray(value) for name, value in changes.items() if value is not None
    }
    return npz_bytes({name: value for name, value in arrays.items() if changes.get(name, 0) is not None})


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "proved"}, {"status": None}, {"reason": "why not"}, {"norm": "l3"}, {"radius": -1.0},
        {"radius": [1, 2]},
        {"x": [0.5, np.nan]}, {"x": [[0.5, 0.5]]}, {"x": [0.5, 0.5, 0.5], "mask": [True, False]}, {"lo": 0.6},
        {"lo": [0.0] * 3},
        {"mask": [1.0, 2.0]}, {"nodes": -1}, {"nodes": 0.5}, {"seconds": -1.0}, {"seconds": np.inf}, {"bound": np.nan},
        {"C_0": [[1.0, np.inf]]}, {"C_0": [1.0, 0.0]}, {"d_0": [1.0, 2.0]}, {"d_0": None}, {"C_0": 1.0},
        {"C_0": ["a", "b"]},
        {"tree_0": [[-2], [0]]}, {"tree_0": [[0], [0], [0]]}, {"roots_0": 2}, {"roots_0": 0}, {"tree_0": None},
        {"certificate": [1.0]}, {"certificate": np.frombuffer(b"no", np.uint8)}, {"x_adv": [0.5]}, {"network": None},
    ],
    ids=str,
)  # fmt: skip
def test_anything_else_is_refused_in_one_sentence(changes):
    content = edited(asked([LOW]), **changes)
    with pytest.raises(ValueError, match=r"^some file: expected a verdict, got something else \(.+\)$"):
        Verdict.from_bytes(content, "some file")


def test_a_file_cut_anywhere_is_refused():
    content = npz_bytes(arrays_of(vars(asked([LOW]))), compressed=True)
    for end in range(0, len(content), 7):
        with pytest.raises(ValueError, match="some file"):
            Verdict.from_bytes(content[:end], "some file")


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "robust"},  # of the fooled one
        {"C_1": HIGH[0], "d_1": HIGH[1]}, {"C_0": HIGH[0], "d_0": HIGH[1]}, {"radius": 0.5}, {"x": [0.3, 0.5]},
        {"C_0": [[1.0]]}, {"C_0": np.zeros((1, 3))}, {"network": "0" * 64}, {"x": [0.5, 0.5, 0.5]},
        {"tree_0": np.array([[5, -2, -2], [0, 0, 0], [1, 0, 0]], np.int32)},
        {"roots_0": 2, "tree_0": np.array([[-2, -2], [0, 0], [0, 0]], np.int32)},
        {"tree_0": np.array([[0, -2, -2], [9, 0, 0], [1, 0, 0]], np.int32)},
    ],
    ids=str,
)  # fmt: skip
def test_a_file_that_claims_what_is_false_does_not_check(changes):
    verdict = asked([LOW, HIGH]) if changes == {"status": "robust"} else asked([LOW])
    back = Verdict.from_bytes(edited(verdict, **changes))
    with pytest.raises(CertificateError, match=r"^verdict: "):
        pytest.fail(f"accepted: {back.check(NET)}")


@pytest.mark.parametrize("x", [["a", "b"], [0.5j, 0.5], np.array([0.5, 0.5], object), [[0.5, 0.5]], None, 0.5])
def test_fields_of_other_types_are_no_other_error(x):
    with pytest.raises(CertificateError, match="cannot be replayed"):
        replace(asked([LOW]), x=None if x is None else np.asarray(x)).check(NET)


def test_pixels_in_single_precision_are_checked_in_double(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "attacks.proofs.verdict.query_of", lambda net, x, *rest: seen.append(x.dtype) or query_of(net, x, *rest)
    )
    replace(asked([LOW]), x=X[0].astype(np.float32)).check(NET)
    assert seen == [np.float64]
