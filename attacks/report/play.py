"""`play.html`: beat the proof.  The network runs in the browser, and the reader changes the image.

The page is the file `play.html` beside this one with one JSON put in.  Forward pass and Jacobian are written there a
second time, in JavaScript; a test compares them with those of Python.
"""

from __future__ import annotations

import base64
import json
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from attacks.images import pictures
from attacks.patch.attack import Accessory
from attacks.proofs.certificate_file import fingerprint
from attacks.report.records import Interval
from minigrad.inputs import Array, as_images
from minigrad.mlp import MLP

DATA, DIGITS = "@DATA@", ("@A@", "@B@")  # where the template takes the JSON and the names of the classes


def play_page(
    net: MLP,
    x: Array,
    digits: tuple[str, str],
    number: int,
    proved: dict[str, Interval],
    universals: dict[float, Array],
    glasses: Accessory,
    shape: tuple[int, int] | None = None,
) -> str:
    """The page as one self-contained HTML file.

    Parameters
    ----------
    net : MLP
        One or two logits.  Its weights go in as float32 where that loses nothing, else as float64.
    x : (d,) an image of class 0, pixels in [0, 1]
    digits, number : what class 0 and 1 are called, and which test image of the first x is
    proved : "l0" and "linf": what is proved of x
    universals : eps: one s (d,) for all images, |s_i| <= eps
    glasses : Accessory of the image's size
    shape : (rows, columns) of the image, by default square

    Raises
    ------
    ValueError
        An image of another shape, more than two logits, certificates of something else.
    """
    x = as_images(np.asarray(x)[None], net.sizes[0])
    rows, columns = pictures(x, shape).shape[1:]
    if net.sizes[-1] > 2:
        raise ValueError(f"net: expected 1 or 2 logits, the two digits of the page, got {net.sizes[-1]}")
    certificates = [interval.certificate for interval in proved.values()]
    if any(c.network != fingerprint(net) or not np.array_equal(c.x, x[0]) for c in certificates):
        raise ValueError("proved: expected certificates of this image and this network, got others")
    given = {
        "rows": rows,
        "columns": columns,
        "x": x[0].tolist(),
        "digits": list(digits),
        "number": number,
        "threshold": net.threshold,
        "activation": net.activation,
        "layers": [
            {"W": _packed(layer.W), "b": _packed(layer.b), "inputs": layer.W.shape[0], "outputs": layer.W.shape[1]}
            for layer in net.dense
        ],
        "proved": {norm: _interval(c) for norm, c in proved.items()},
        "universals": [{"eps": eps, "s": _packed(s)} for eps, s in sorted(universals.items())],
        "glasses": {"mask": np.flatnonzero(glasses.mask.ravel()).tolist(), "pattern": glasses.pattern.tolist()},
    }
    content = json.dumps(given, allow_nan=False).replace("<", "\\u003c")  # no tag can begin inside the JSON
    page = (files("attacks.report") / "play.html").read_text("utf-8")
    for place, digit in zip(DIGITS, digits, strict=True):
        page = page.replace(place, escape(digit))
    return page.replace(DATA, content)


def _packed(v: Array) -> dict[str, Any]:
    """Little-endian numbers in base64, in float32 if each of them is one."""
    bits = 32 if np.array_equal(v, v.astype(np.float32)) else 64
    return {"bits": bits, "base64": base64.b64encode(np.ascontiguousarray(v, f"<f{bits // 8}").tobytes()).decode()}


def _interval(i: Interval) -> dict[str, Any]:
    """What is proved and what is known to work, not rounded; null for infinity."""
    ends = {name: value if np.isfinite(value) else None for name, value in (("lower", i.lower), ("upper", i.upper))}
    return ends | {"x_adv": None if i.x_adv is None else i.x_adv.tolist()}
