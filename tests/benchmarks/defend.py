"""`make defend`: train the defended networks anew, measure them, and say what it took.  Results: docs/defend.md.

    make defend                             the four networks of attacks/defend/nets, and their table
    make defend ARGS='--only seeds'         accuracy, PGD and proved accuracy at eps 0.1 of five seeds of each method
    make defend ARGS='--only digits'        ten digits, certified at 0.1
    make defend ARGS='--only epochs'        the time of an epoch of each method beside a plain one
    make defend ARGS='--only overfitting'   one step against many, epoch by epoch
    make defend ARGS='--only pixels'        certified pixels of the first 100 fours (`few-pixels`)
    make defend ARGS='--only measured'      attacks/defend/nets/measured.json, the numbers of the report's last question

Times are CPU seconds of this process with one BLAS thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import argparse
import json
import time
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np

from attacks import L0, LInf, accessory, certified_minimum, compare, fit_robust, pgd, robust_accuracy, universal
from attacks.defend.accuracy import robust_curve
from attacks.defend.adversarial import CatastrophicOverfitting
from attacks.defend.jacobians import alignment, gradients, ink_share
from attacks.defend.nets import MEASURED, NAMES, load_defended
from attacks.defend.resistance import UNIVERSAL_EPS
from attacks.patch.masks import glasses_mask
from attacks.proofs.certificate_file import fingerprint
from data import load_mnist
from minigrad import MLP, fit
from minigrad.io.files import write_whole
from minigrad.io.npz import npz_bytes

NETS = Path(__file__).resolve().parents[2] / "attacks" / "defend" / "nets"
EPS, PIXELS = 0.1, 6
SIZES, DIGITS = [784, 128, 64, 1], [784, 128, 64, 10]
# What measured.json is measured on: five minutes in all.  Nodes, not seconds, so that a busy machine says the same.
RADII = 0.02, 0.05, 0.1, 0.2
DRAWN, FOURS, WEARERS, SEARCH, MINIMUM = 100, 10, 100, 15, 40  # images, images, images; nodes a question, a minimum


def seconds() -> float:
    return time.process_time()


def trained(method: str, seed: int = 0, ball=None, sizes=SIZES, images=None, **options):
    """A network, its history and its CPU seconds."""
    x, y = images or load_mnist(digits=(4, 9))[:2]
    begun, first = seconds(), MLP.init(sizes, rng=seed)
    if method == "plain":
        net, history = fit(first, x, y, epochs=10, rng=seed)
    else:
        net, history = fit_robust(first, x, y, ball or LInf(EPS), method=method, rng=seed, **options)
    return net, history, seconds() - begun


def attacked(net: MLP, x, y, steps: int = 100, restarts: int = 10, eps: float = EPS) -> float:
    """The share that is right under PGD."""
    result = pgd(net, x, y, LInf(eps), steps=steps, restarts=restarts, rng=0)
    return net.accuracy(x, y) - float(result.success.mean())


def rounded(net: MLP) -> MLP:
    """The network whose weights are those of float32, as the file holds them."""
    pairs = [(layer.W.astype(np.float32), layer.b.astype(np.float32)) for layer in net.dense]
    return MLP.from_arrays(pairs, activation=net.activation, threshold=net.threshold)


def make_nets(o: argparse.Namespace) -> None:
    """The four networks, in float32, and the table of `compare`."""
    NETS.mkdir(exist_ok=True)
    nets = {}
    for name, method, ball in (
        ("plain", "plain", None),
        ("adversarial", "adversarial", LInf(EPS)),
        ("certified", "small-box", LInf(EPS)),
        ("few-pixels", "interval", L0(PIXELS)),
    ):
        if name not in o.nets:
            nets[name] = MLP.load(NETS / f"{name}.npz")
            continue
        net, _, took = trained(method, 0, ball)
        nets[name] = rounded(net)
        arrays = {key: a.astype(np.float32) if a.dtype.kind == "f" else a for key, a in net.to_arrays().items()}
        write_whole(NETS / f"{name}.npz", npz_bytes(arrays))
        print(f"{name}: {took:.0f} s", flush=True)
    if not o.fast:
        x_train, _, x, y = load_mnist(digits=(4, 9))
        print(compare(nets, x, y, sample=o.sample, count=o.count, time_limit=o.time_limit, training=x_train))


def seeds(o: argparse.Namespace) -> None:
    """Mean and spread of each method's figures."""
    _, _, x, y = load_mnist(digits=(4, 9))
    for method in o.methods:
        rows = []
        for seed in range(o.seeds):
            net, _, took = trained(method, seed)
            proved = robust_accuracy(net, x, y, LInf(EPS), sample=o.sample, rng=1, time_limit=o.time_limit)
            rows.append((net.accuracy(x, y), attacked(net, x, y, 40, 2), proved.lower, proved.upper, took))
            print(f"{method} {seed}: " + " ".join(f"{v:.4f}" for v in rows[-1]), flush=True)
        mean, spread = np.mean(rows, axis=0), np.std(rows, axis=0)
        print(f"{method}: " + "  ".join(f"{m:.4f} +- {s:.4f}" for m, s in zip(mean, spread, strict=True)), flush=True)


def digits(o: argparse.Namespace) -> None:
    """Ten digits, certified."""
    x, y, x_test, y_test = load_mnist()
    net, _, took = trained("small-box", 0, LInf(EPS), DIGITS, (x, y), epochs=o.epochs, weight_decay=o.decay)
    net.save(o.out)
    print(f"ten digits: {took:.0f} s, accuracy {net.accuracy(x_test, y_test):.4f}", flush=True)
    print(robust_accuracy(net, x_test, y_test, LInf(EPS), sample=o.sample, rng=1, time_limit=o.time_limit))


def epochs(o: argparse.Namespace) -> None:
    """One epoch of each method at the full radius, beside a plain one of the same turn: medians of eight turns."""
    from attacks.defend.adversarial import Adversarial
    from attacks.defend.certified import Certified
    from attacks.defend.ramp import Ramp

    now = Ramp(0, 0)
    methods = {
        "plain": "plain",
        "interval": Certified(ramp=now),
        "linear": Certified(beta=(1.0, 1.0), ramp=now),
        "small-box": Certified(part=0.2, steps=4, ramp=now),
        "adversarial, 7 steps": Adversarial(steps=7, ramp=now),
        "adversarial, 4 steps": Adversarial(steps=4, ramp=now),
    }
    x, y = load_mnist(digits=(4, 9))[:2]
    took: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(8):
        for name, method in methods.items():
            ends, net = list[float](), MLP.init(SIZES, rng=0)  # of the epochs, the first of which is not counted

            def note(epoch: int, record: dict[str, float], ends: list[float] = ends) -> None:
                ends.append(seconds())

            if name == "plain":
                fit(net, x, y, epochs=4, rng=0, callback=note)
            else:
                fit_robust(net, x, y, LInf(EPS), method=method, epochs=4, rng=0, callback=note)
            took[name].append(float(np.diff(ends).min()))
    for name, times in took.items():
        ratios = np.divide(times, took["plain"])
        low, half, high = np.percentile(ratios, [25, 50, 75])
        print(f"{name:22s} {np.median(times):.3f} s an epoch, {half:.2f} plain ones (quartiles {low:.2f}, {high:.2f})")


def overfitting(o: argparse.Namespace) -> None:
    """One step, at a radius where it collapses: the share that resists one step, and many, epoch by epoch."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", CatastrophicOverfitting)
        _, history, _ = trained("single-step", 0, LInf(o.eps), epochs=o.epochs)
    for epoch, (one, many) in enumerate(
        zip(history["resist_one_step"], history["resist_many_steps"], strict=True), start=1
    ):
        print(f"epoch {epoch:2d}: {one:.3f} resist one step, {many:.3f} resist many")
    print(*(f"warned: {warning.message}" for warning in said), sep="\n")


def pixels(o: argparse.Namespace) -> None:
    """Certified pixels of the first fours that the network gets right."""
    _, _, x, y = load_mnist(digits=(4, 9))
    net = MLP.load(NETS / "few-pixels.npz")
    fours = x[(y == 0) & (net.predict(x) == 0)][: o.count]
    found = certified_minimum(net, fours, np.zeros(len(fours), int), norm="l0", time_limit=o.time_limit)
    lower, upper = (np.mean([getattr(c, end) for c in found]) for end in ("lower", "upper"))
    print(f"few-pixels: accuracy {net.accuracy(x, y):.4f}, {len(fours)} fours: mean {lower:.2f} to {upper:.2f} pixels")


def measured(_: argparse.Namespace) -> None:
    """The committed networks in counts, for the report."""
    _, _, x, y = load_mnist(digits=(4, 9))
    nets = {name: load_defended(name) for name in NAMES}
    right = (y == 0) & np.all([net.predict(x) == y for net in nets.values()], axis=0)
    found = {}
    for name, net in nets.items():
        begun = seconds()
        found[name] = counts(net, x, y, x[right])
        print(f"{name}: {seconds() - begun:.0f} s", json.dumps(found[name]), flush=True)
    how = {"universal_eps": UNIVERSAL_EPS, "nodes": SEARCH, "nodes_minimum": MINIMUM}
    write_whole(MEASURED, (json.dumps({"how": how, "nets": found}, indent=1) + "\n").encode())


def counts(net: MLP, x, y, fours) -> dict:
    """One network: how many images of how many; the sums of certified minima; what its Jacobian looks at."""
    robust = {}
    for at in robust_curve(net, x, y, LInf(1), RADII, sample=DRAWN, node_limit=SEARCH, time_limit=600, rng=1):
        states = {state: at.count(state) for state in ("robust", "open", "fooled", "wrong")}
        robust[f"{float(at.radius):g}"] = states
    minima = {}
    for norm in ("linf", "l0"):
        few = fours[:FOURS], np.zeros(FOURS, int)
        certificates = certified_minimum(net, *few, norm=norm, node_limit=MINIMUM, time_limit=600)
        lower, upper = (sum(Fraction(getattr(c, end)) for c in certificates) for end in ("lower", "upper"))
        minima[norm] = {"sum_lower": -at_least(-lower), "sum_upper": at_least(upper), "images": FOURS}
    some, labels = fours[:WEARERS], np.zeros(WEARERS, int)
    one_for_all = universal(net, some, labels, LInf(UNIVERSAL_EPS))
    worn = accessory(net, some, labels, glasses_mask((28, 28)))
    g, rival = gradients(net, x, y)
    return {
        "network": fingerprint(net),
        "accuracy": {"right": int((net.predict(x) == y).sum()), "images": len(x)},
        "robust": robust,
        "minima": minima,
        "universal": {"flipped": int(one_for_all.fooled.sum()), "images": WEARERS},
        "glasses": {"flipped": round(worn.rate * WEARERS), "images": WEARERS},
        "ink_share": ink_share(g, x),
        "alignment": alignment(g, x, y, rival),
    }


def at_least(exact: Fraction) -> float:
    """The float64 nearest to it, or the next one above where that lies below."""
    near = float(exact)
    return near if near >= exact else float(np.nextafter(near, np.inf))


def main() -> None:
    parts = {f.__name__: f for f in (make_nets, seeds, digits, epochs, overfitting, pixels, measured)}
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", choices=list(parts), default="make_nets")
    p.add_argument("--nets", nargs="*", default=NAMES, help="which networks to train; the others are read")
    p.add_argument("--fast", action="store_true", help="train the networks, and measure nothing")
    p.add_argument("--methods", nargs="+", default=["adversarial", "small-box", "interval", "linear", "mixed"])
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--sample", type=int, default=200)
    p.add_argument("--count", type=int, default=10)
    p.add_argument("--time-limit", type=float, default=1.0)
    p.add_argument("--epochs", type=int, default=20)
    p.add_argument("--decay", type=float, default=0.1, help="weight decay for ten digits")
    p.add_argument("--eps", type=float, default=0.3)
    p.add_argument("--out", type=Path, default=Path("digits.npz"))
    o = p.parse_args()
    begun = seconds()
    parts[o.only](o)
    print(f"{seconds() - begun:.0f} CPU seconds in all")


if __name__ == "__main__":
    main()
