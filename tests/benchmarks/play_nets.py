"""`make play`: the two ten-class networks of the page to play with, and what is proved of twenty images.  Half an hour.

    make play                          train both networks (a minute), then prove
    make play ARGS='--only proofs'     prove anew about the networks that are there

Writes attacks/report/play_nets: plain.npz, robust.npz and proved.json.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported

import argparse
import base64
import json
import time
from typing import Any

import numpy as np

from attacks import LInf, certified_minimum, fit_robust
from attacks.proofs.certificate import Certificate
from attacks.proofs.tree import LEAF
from attacks.report.exact import exact_proof
from attacks.report.formats import ceiled, floored
from attacks.report.play import solution
from attacks.report.play_nets import FOLDER, NAMES, PROVED, load_ten
from data import load_mnist
from minigrad import MLP, fit
from minigrad.io.files import write_whole
from minigrad.io.npz import npz_bytes

SIZES, EPS = [784, 48, 10], 0.1
EPOCHS = {"plain": 8, "robust": 20}  # 3 and 60 CPU seconds: 96.9% and 94.7% of the test images
PARTNERS = 6, 7, 3, 8, 9, 6, 5, 1, 3, 4  # of digit j: the one it is most like
EACH = 2  # images of each digit
FEWEST = 3  # pixels: an image that one or two flip is no game
# Nodes an interval, and seconds for its exact proof.  "Any other digit" closes in some ten nodes, and its file is made
# in a second or ten; of a chosen digit some intervals stay open and some files are not made, and the page says which.
NODES, EXACT_SECONDS, DIGITS = 200, {"any": 300.0, "one": 10.0}, 6


def train() -> None:
    """Both networks, their weights rounded to 16 bits: what is proved is proved of these."""
    x, y, x_test, y_test = load_mnist()
    for name in NAMES:
        begun, first = time.process_time(), MLP.init(SIZES, rng=0)
        if name == "plain":
            net, _ = fit(first, x, y, epochs=EPOCHS[name], rng=0)
        else:
            how: dict[str, Any] = {"method": "small-box", "epochs": EPOCHS[name], "weight_decay": 0.1}
            net, _ = fit_robust(first, x, y, LInf(EPS), rng=0, **how)
        arrays = {key: a.astype(np.float16) if a.dtype.kind == "f" else a for key, a in net.to_arrays().items()}
        write_whole(FOLDER / f"{name}.npz", npz_bytes(arrays))
        accuracy = load_ten(name).accuracy(x_test, y_test)
        print(f"{name}: {time.process_time() - begun:.0f} s, accuracy {accuracy:.4f}", flush=True)


def chosen(nets: dict[str, MLP]) -> np.ndarray:
    """The first test images of each digit that both networks read right, and the plain one by FEWEST pixels."""
    _, _, x, y = load_mnist()
    right, found = np.all([net.predict(x) == y for net in nets.values()], axis=0), list[int]()
    for digit in range(10):
        of_digit = list[int]()
        for i in np.flatnonzero(right & (y == digit)):
            (c,) = certified_minimum(nets["plain"], x[[i]], y[[i]], norm="l0", node_limit=NODES, time_limit=600)
            if c.lower >= FEWEST:
                of_digit.append(int(i))
            if len(of_digit) == EACH:
                break
        found += of_digit
    return np.array(found)


def interval(net: MLP, c: Certificate) -> dict[str, Any]:
    """What the page is told of a certificate, with its ends rounded outwards."""
    exact = exact_proof(net, c, EXACT_SECONDS["any" if c.target is None else "one"])
    if exact.content is None:
        c.check(net)  # replayed in floats: raises if it does not hold
    digits = 0 if c.norm == "l0" else DIGITS
    lower = float(floored(c.lower, digits)) if np.isfinite(c.lower) else None
    upper = float(ceiled(c.upper, digits)) if np.isfinite(c.upper) else None
    size = None if exact.content is None else len(exact.content)
    known = {"lower": lower, "upper": upper, "parts": c.tree.layer.count(LEAF), "bytes": size}
    x_adv = c.x_adv if c.norm == "l0" or c.x_adv is None else in_16bit(net, c)
    return known | solution(c.norm, c.x, x_adv)


def in_16bit(net: MLP, c: Certificate) -> np.ndarray | None:
    """The counterexample in numbers of 16 bits, a little farther from x until it is one: for the page to show."""
    target = None if c.target is None else [c.target]
    for longer in 1 + 0.002 * np.arange(20):
        x = np.clip(c.x + longer * (c.x_adv - c.x), 0, 1).astype(np.float16).astype(np.float64)
        says = net.predict(x[None])[0]
        if says != c.y if target is None else says == c.target:
            return x
    return None


def in_base64(x: np.ndarray) -> str:
    """The 784 grey values of an image."""
    return base64.b64encode(np.round(255 * x).astype(np.uint8).tobytes()).decode()


def prove() -> None:
    """Twenty images on both networks, towards any other digit and towards one, in pixels and in eps."""
    _, _, x, y = load_mnist()
    nets = {name: load_ten(name) for name in NAMES}
    numbers = chosen(nets)
    pictures = [{"number": int(i), "digit": int(y[i]), "bytes": in_base64(x[i])} for i in numbers]
    proved: dict[str, Any] = {}
    for name, net in nets.items():
        for i in numbers:
            begun = time.process_time()
            for goal, target in (("any", None), (str(PARTNERS[y[i]]), PARTNERS[y[i]])):
                for norm in ("l0", "linf"):
                    limits: dict[str, Any] = {"node_limit": NODES, "time_limit": 600, "target": target}
                    (c,) = certified_minimum(net, x[[i]].astype(float), y[[i]], norm=norm, **limits)
                    found = proved.setdefault(name, {}).setdefault(str(i), {}).setdefault(goal, {})
                    found[norm] = interval(net, c)
                    print(name, int(i), int(y[i]), goal, norm, {**found[norm], "x_adv": "", "changes": ""}, flush=True)
            print(f"{time.process_time() - begun:.0f} s", flush=True)
    write_whole(PROVED, (json.dumps({"pictures": pictures, "proved": proved}, separators=(",", ":")) + "\n").encode())


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", choices=["train", "proofs"])
    o = p.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if o.only != "proofs":
        train()
    if o.only != "train":
        prove()


if __name__ == "__main__":
    main()
