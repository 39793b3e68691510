"""One BLAS thread and two, in processes of their own: what is the same to the last bit, how far the rest may differ.

BLAS splits a large product among its threads, and where the parts meet it sums in another order.  So a single logit may
differ in its last bits, and training, which feeds its own rounding back, drifts apart.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad import MLP
from minigrad.bounds import forward_error

ROOT = Path(__file__).parents[1]
NETS = ROOT / "tests" / "benchmarks" / "nets"
STEPS, RATE = 32, 1e-3
WORK = f"""
import os, sys
import numpy as np
from dataclasses import replace
from attacks import L0, LInf, certified_minimum, fgsm, pgd, saliency_map, smallest_eps, universal
from data import load_mnist
from minigrad import MLP, fit
from minigrad.files import npz_bytes

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
told["saliency_map"] = saliency_map(net, fours, zeros).x_adv
told["smallest_eps"] = smallest_eps(net, fours[:20], zeros[:20], steps=60).x_adv
told["fgsm"] = fgsm(net, fours, zeros, LInf(0.1)).x_adv
told["pgd"] = pgd(net, fours, zeros, LInf(0.05), steps=10).x_adv
told["universal"] = universal(net, fours, zeros, LInf(0.1)).s
told["universal pixels"] = universal(net, fours, zeros, L0(8)).s
for norm in ("l0", "linf", "l2"):
    proofs = certified_minimum(small, fours[:4], zeros[:4], norm, node_limit=20, time_limit=1e6)
    told["certificates " + norm] = np.frombuffer(b"".join(replace(p, seconds=0.0).to_bytes() for p in proofs), np.uint8)
told["threads"] = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 0
sys.stdout.buffer.write(npz_bytes({{name: np.asarray(value) for name, value in told.items()}}))
"""


@pytest.fixture(scope="module")
def told():
    """What a process with one thread says, and one with two."""
    from minigrad.files import parse_npz

    answers = []
    for count in ("1", "2"):
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), count)
        env = os.environ | threads | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", WORK], env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        answers.append(parse_npz(done.stdout, "answer"))
    one, two = answers
    if one["threads"] == two["threads"]:
        pytest.skip("this BLAS, or a machine of one core, has no second thread")
    return one, two


SAME = (
    "jacobian", "saliency_map", "smallest_eps", "fgsm", "pgd", "universal", "universal pixels",
    "certificates l0", "certificates linf", "certificates l2",
)  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_attacks_and_proofs_are_the_same_to_the_last_bit(told, name):
    """Their products are small, a few hundred images at a time, and this BLAS splits them where nothing changes."""
    one, two = (answers[name] for answers in told)
    assert one.size > 100 and one.tobytes() == two.tobytes()


def test_logits_of_many_images_are_as_near_as_their_rounding(told, mnist49):
    """Each is within `forward_error` of the exact logit, so they are within twice that of each other."""
    one, two = (answers["logits"] for answers in told)
    error = forward_error(MLP.load(NETS / "784-128-64-1.npz"), mnist49[2].astype(float))
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
