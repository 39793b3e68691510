"""Proofs that were tampered with: what still passes is true, and what is false never passes."""

import numpy as np
import pytest
from checker_proofs import HONEST, holds, honest, other_weights, truth, verdict
from repeats import repeats

from attacks import checker

EDITS = repeats(16, 200)  # of each proof, with its claim as it is and with one that is false: 192, or 2,400
NASTY = [0, 1, -1, 2, 1e-300, 1e300, np.nan, np.inf, -np.inf, 2**31 - 1, -(2**31), 2**63 - 1, 1 << 14, (1 << 14) + 1]


@pytest.fixture(params=HONEST, ids=lambda p: "-".join(map(str, p[:3])))
def proof(request):
    return honest(*request.param)


def number(rng, array):
    flat = array.reshape(-1)
    if flat.size:
        i = int(rng.integers(flat.size))
        at = float(np.real(flat[i]))
        new = rng.choice([*NASTY, -at, 2 * at, at / 2, at + 1])
        if rng.random() < 0.3 or (array.dtype.kind in "iu" and not np.isfinite(new)):
            flat = flat.astype(float)  # another type, too
        elif array.dtype.kind in "iu":
            info = np.iinfo(array.dtype)
            new = min(max(int(new), info.min), info.max)
        flat[i] = new
    return flat.reshape(array.shape)


def swapped(rng, array):
    axis = int(rng.integers(max(array.ndim, 1)))
    return array if not array.ndim else np.take(array, rng.permutation(array.shape[axis]), axis=axis)


def shorter(rng, array):
    axis = int(rng.integers(max(array.ndim, 1)))
    if not array.ndim or not array.shape[axis]:
        return array
    return np.delete(array, int(rng.integers(array.shape[axis])), axis=axis)


def longer(rng, array):
    axis = int(rng.integers(max(array.ndim, 1)))
    return array if not array.ndim else np.repeat(array, rng.integers(1, 3, array.shape[axis]), axis=axis)


def reshaped(rng, array):
    shapes = [(*array.shape, 1), (1, *array.shape), (-1,), array.shape[::-1], (1,), ()]
    try:
        return array.reshape(shapes[int(rng.integers(len(shapes)))])
    except ValueError:
        return np.stack([array, array], axis=-1)


def typed(rng, array):
    kinds = [float, np.float32, np.int64, np.uint8, np.int8, bool, complex, np.longdouble, str, ">f8", ">i4"]
    return np.array(array.real, kinds[int(rng.integers(len(kinds)))])


def slight(rng, array):
    """One number a millionth larger or smaller: most proofs bear that."""
    flat = array.astype(float).reshape(-1)
    if flat.size:
        flat[int(rng.integers(flat.size))] *= 1 + rng.choice([-1e-6, 1e-6])
    return flat.reshape(array.shape)


def ones(rng, array):
    return np.full(array.shape, rng.choice([0, 1]))


def tampered(rng, arrays):
    """A copy with one to three edits of its proof."""
    new = dict(arrays)
    names = [name for name in arrays if name.startswith("proof_")]
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        name = str(rng.choice(names))
        edit = [number, number, swapped, shorter, longer, reshaped, typed, ones, slight, slight][int(rng.integers(10))]
        new[name] = edit(rng, np.array(new[name]))
        if rng.random() < 0.2:  # a step less, or one twice
            steps, times = np.array(arrays["proof_steps"]), np.ones(len(arrays["proof_steps"]), int)
            times[int(rng.integers(len(steps)))] = rng.choice([0, 2])
            new |= {"proof_steps": np.repeat(steps, times, axis=0), "proof_cut": np.zeros(times.sum())}
    return new


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
