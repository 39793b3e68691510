"""One BLAS thread and two, in processes of their own: the same to the last bit with as many, near with more.

BLAS splits a product among its threads, and where the parts meet it may sum in another order: at some shapes and not at
others, and not the same on every processor.  So logits and Jacobians may differ in their last bits, attacks and proofs
follow them that far and no further, and training, which feeds its own rounding back, drifts apart.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
from paths import NETS, ROOT

from minigrad import MLP
from minigrad.bounds.evaluation import forward_error
from minigrad.io.npz import parse_npz

STEPS, RATE = 32, 1e-3
WORK = f"""
import os, sys
import numpy as np
from dataclasses import replace
from attacks import L0, LInf, certified_minimum, fgsm, pgd, saliency_map, smallest_eps, universal
from data import load_mnist
from minigrad import MLP, fit
from minigrad.io.npz import npz_bytes

x, y, test, labels = load_mnist((4, 9))
told = {{}}
net, history = fit(MLP.init([784, 32, 1], rng=0), x[:2048], y[:2048], epochs=2, lr={RATE}, rng=0)
told["weights"] = np.concatenate([np.append(layer.W.ravel(), layer.b) for layer in net.dense])
told["loss"] = history["loss"]
net, small = (MLP.load(os.path.join({str(NETS)!r}, name)) for name in ("784-128-64-1.npz", "784-32-1.npz"))
told["logits"] = net.logits(test.astype(float))
fours = test[labels == 0][:41].astype(float)
zeros = np.zeros(len(fours), int)
told["jacobian"] = net.jacobian(fours)
results = {{
    "saliency_map": saliency_map(net, fours, zeros),
    "smallest_eps": smallest_eps(net, fours[:20], zeros[:20], norm="linf", steps=60),
    "fgsm": fgsm(net, fours, zeros, LInf(0.1)),
    "pgd": pgd(net, fours, zeros, LInf(0.05), steps=10),
}}
for name, result in results.items():
    told |= {{name: result.x_adv, name + " success": result.success, name + " distance": result.distance}}
for name, ball in (("universal", LInf(0.1)), ("universal pixels", L0(8))):
    one = universal(net, fours, zeros, ball)
    told |= {{name: one.s, name + " success": one.fooled, name + " distance": ball.distance(one.s)}}
for norm in ("l0", "linf", "l2"):
    proofs = certified_minimum(small, fours[:4], zeros[:4], norm=norm, node_limit=20, time_limit=1e6)
    [proof.check(small) for proof in proofs]
    known = [tuple((0.0, *interval) for _, *interval in proof.history) for proof in proofs]
    timeless = [replace(p, seconds=0.0, history=h).to_bytes() for p, h in zip(proofs, known, strict=True)]
    told["certificates " + norm] = np.frombuffer(b"".join(timeless), np.uint8)
    told["interval " + norm] = [(proof.lower, proof.upper) for proof in proofs]
told["threads"] = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 0
sys.stdout.buffer.write(npz_bytes({{name: np.asarray(value) for name, value in told.items()}}))
"""


def answers_with(count):
    """What a process with so many threads says."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), count)
    env = os.environ | threads | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", WORK], env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return parse_npz(done.stdout, "answer")


@pytest.fixture(scope="module")
def told():
    """What a process with one thread says, and one with two."""
    one, two = answers_with("1"), answers_with("2")
    if one["threads"] == two["threads"]:
        pytest.skip("this BLAS, or a machine of one core, has no second thread")
    return one, two


ATTACKS = ("saliency_map", "smallest_eps", "fgsm", "pgd", "universal", "universal pixels")
NORMS = ("l0", "linf", "l2")


def test_as_many_threads_give_the_same_to_the_last_bit(told):
    """Weights, attacks and certificates, from one process to the next."""
    again = answers_with("2")
    assert again.keys() == told[1].keys()
    for name, answer in told[1].items():
        assert answer.tobytes() == again[name].tobytes(), name


def test_the_jacobian_is_as_near_as_its_rounding(told):
    """Three products, at most 64 and 128 terms a sum: within gamma of the products of absolute values, twice."""
    one, two = (answers["jacobian"] for answers in told)
    (W1, W2, W3) = (np.abs(layer.W) for layer in MLP.load(NETS / "784-128-64-1.npz").dense)
    terms = 2 * (W2.shape[0] + W2.shape[1] + 1)
    assert (np.abs(one - two)[:, 0] <= terms * np.finfo(float).eps * (W1 @ W2 @ W3)[:, 0]).all()


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_reach_the_same_on_any_processor(told, name):
    one, two = told
    assert one[name + " success"].any()
    np.testing.assert_array_equal(one[name + " success"], two[name + " success"])
    np.testing.assert_allclose(one[name + " distance"], two[name + " distance"], rtol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_proofs_hold_on_any_processor(told, norm):
    """Each was replayed where it was made; no lower bound of one is above the other's counterexample."""
    one, two = (answers["interval " + norm] for answers in told)
    assert (one[:, 0] <= two[:, 1]).all() and (two[:, 0] <= one[:, 1]).all()
    np.testing.assert_allclose(one, two, rtol=1e-6)


def test_logits_of_many_images_are_as_near_as_their_rounding(told, mnist49):
    """Each is within `forward_error` of the exact logit, so they are within twice that of each other."""
    one, two = (answers["logits"] for answers in told)
    error = forward_error(MLP.load(NETS / "784-128-64-1.npz").layers, mnist49[2].astype(float))
    assert (np.abs(one - two) <= 2 * error).all()
    assert 2 * error.max() < 1e-8  # of logits of about 10


def test_training_drifts_no_further_than_its_steps_reach(told):
    """Step t of Adam moves a weight by  lr |mhat| / sqrt(vhat),  m = sum a_i g_i,  v = sum c_i g_i^2.  By Cauchy's
    inequality |m| <= sqrt(sum a_i^2 / c_i) sqrt(v): nothing can drift further than both can walk.  (Measured: 2e-7.)

    The first epoch's loss differs by its logits': 784 and 32 products in single precision, 16 steps of drift.
    """
    one, two = told
    i, furthest = np.arange(STEPS), 0.0
    for t in range(1, STEPS + 1):
        a, c = 0.1 * 0.9 ** i[:t], 0.001 * 0.999 ** i[:t]
        furthest += RATE * np.sqrt(np.sum(a**2 / c) * (1 - 0.999**t)) / (1 - 0.9**t)
    drift = np.abs(one["weights"] - two["weights"]).max()
    assert drift <= 2 * furthest < 0.1
    assert np.abs(one["loss"] - two["loss"]).max() <= 816 * np.finfo(np.float32).eps
