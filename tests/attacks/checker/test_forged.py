"""Proofs that were tampered with: what still passes is true, and what is false never passes."""

import numpy as np
import pytest
from checker_edits import tampered
from checker_proofs import HONEST, holds, honest, other_weights, truth, verdict
from repeats import repeats

from attacks import checker

EDITS = repeats(16, 200)  # of each proof, with its claim as it is and with one that is false: 192, or 2,400


@pytest.fixture(params=HONEST, ids=lambda p: "-".join(map(str, p[:3])))
def proof(request):
    return honest(*request.param)


def too_much(net, arrays):
    """The proof of claims that are false: `lower` above the least change there is."""
    least, pixels = truth(net, arrays), arrays["norm"] == "l0"
    new = {name: value for name, value in arrays.items() if name != "x_adv"} | {"upper": np.array(np.inf)}
    for share in (1.0001, 1.1, 3):
        radius = float(np.floor(least * share)) if pixels else least * share
        for lower in (radius + pixels, np.inf):
            yield new | {"lower": np.array(lower), "radius": np.array(radius)}


def test_an_honest_proof_passes_and_is_true(proof):
    assert verdict(*proof) and holds(*proof)


def test_whatever_is_edited_nothing_false_passes(proof):
    (net, arrays), passed = proof, 0
    rng = np.random.default_rng(len(arrays["proof_alpha"]))
    false = list(too_much(net, arrays))
    for each in false:
        assert not holds(net, each) and verdict(net, each) is None
    for i in range(EDITS):
        passed += verdict(net, tampered(rng, arrays)) is not None  # the claim is as it was, and true
        assert verdict(net, tampered(rng, false[i % len(false)])) is None
    assert 0 < passed < EDITS  # or the edits would be no test


def test_another_claim_passes_only_if_it_is_true(proof):
    """Another image, box, mask, label, target, norm, network, distance: with the same rows."""
    net, arrays = proof
    rng, d, k = np.random.default_rng(3), net.sizes[0], net.sizes[-1]
    passed = 0
    for _ in range(2 * EDITS):
        claim, other = dict(arrays), net
        x = np.array(arrays["x"], float)
        x[int(rng.integers(d))] += rng.choice([1e-16, 1e-3, -0.1, 0.125])
        point = np.array(arrays.get("x_adv", x))
        point[int(rng.integers(d))] += rng.choice([1e-15, -1e-15, 1e-3, 0.5, -2.0])
        what = rng.choice(["x", "x_adv", "lo", "hi", "mask", "y", "target", "norm", "net", "upper", "lower"])
        values = {"x": x, "x_adv": point, "mask": rng.random(d) < 0.7, "upper": arrays["upper"] * (1 - 1e-15)}
        values |= {"lo": np.full(d, rng.choice([-0.5, 0.0, 0.125])), "hi": rng.choice([0.9, 1.0, 1.001, 2.0])}
        values |= {"y": rng.integers(max(k, 2)), "target": rng.integers(-1, max(k, 2))}
        values |= {
            "norm": rng.choice(["l0", "l1", "l2", "linf"]),
            "lower": rng.choice([0.0, 1.0, np.nan, np.inf, -1.0]),
        }
        if what == "net":
            other = other_weights(rng, net)
            claim["network"] = np.array(checker.Network(other.to_arrays()).name)
        else:
            claim[str(what)] = np.asarray(values[what])
        if claim["norm"] != "l0" and np.count_nonzero(np.broadcast_to(claim["mask"], d)) > 2:
            continue  # more than rational truth is known of
        if verdict(other, claim) is not None:
            passed += 1
            assert holds(other, claim), what
    assert passed


def test_another_network_is_refused(proof):
    net, arrays = proof
    with pytest.raises(checker.Refused, match="another network"):
        checker.check(other_weights(np.random.default_rng(0), net).to_arrays(), arrays)
