"""`play.html`: beat the proof.  The network runs in the browser, and the reader changes the image.

The page is play.html beside this file with the style and the scripts of the folder play put in, and one JSON.  Forward
pass, Jacobian and both attacks are written there a second time, in JavaScript; tests compare them with those of Python.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from attacks.images import pictures
from attacks.patch.attack import Accessory
from attacks.proofs.certificate_file import fingerprint
from attacks.proofs.tree import LEAF
from attacks.report.play_nets import TenDigits
from attacks.report.records import ExactProof, Interval
from minigrad.inputs import Array, as_images
from minigrad.mlp import MLP

DATA, DIGITS = "@DATA@", ("@A@", "@B@")  # where the template takes the JSON and the names of the classes
SCRIPTS = "network", "attack", "drawing", "state", "link", "words", "canvas", "input", "render", "page"
OWN = "own"  # the id of the report's network, and of its image
LARGEST_16BIT = 65504.0


@dataclass(frozen=True, eq=False)
class OwnImage:
    """The image that a report shows, and all that is known of it.

    Attributes
    ----------
    net : MLP
        One or two logits.  Weights go into the page in the fewest bits (16, 32 or 64) that lose nothing.
    x : (d,) an image of class 0, pixels in [0, 1]
    names : what class 0 and 1 are called
    number : which test image of class 0 it is
    proved : "l0" and "linf": what is proved of x
    exact : the same norms: the proof's file, and what the checker says of it
    universals : eps: one s (d,) for all images, |s_i| <= eps
    glasses : Accessory of the image's size
    shape : (rows, columns) of the image, by default square
    """

    net: MLP
    x: Array
    names: tuple[str, str]
    number: int
    proved: dict[str, Interval]
    exact: dict[str, ExactProof]
    universals: dict[float, Array]
    glasses: Accessory
    shape: tuple[int, int] | None = None


def play_page(own: OwnImage, ten: TenDigits | None = None) -> str:
    """The page as one self-contained HTML file.

    Parameters
    ----------
    own : OwnImage
    ten : TenDigits or None
        None where the images are not MNIST's: then the page has no other networks and pictures, and no drawing, and
        says so.

    Raises
    ------
    ValueError
        An image of another shape, more than two logits, certificates of something else; ten digits beside other images.
    """
    net, x = own.net, as_images(np.asarray(own.x)[None], own.net.sizes[0])
    rows, columns = pictures(x, own.shape).shape[1:]
    if net.sizes[-1] > 2:
        raise ValueError(f"net: expected 1 or 2 logits, the two digits of the page, got {net.sizes[-1]}")
    certificates = [interval.certificate for interval in own.proved.values()]
    if any(c.network != fingerprint(net) or not np.array_equal(c.x, x[0]) for c in certificates):
        raise ValueError("proved: expected certificates of this image and this network, got others")
    if ten is not None and (rows, columns) != (28, 28):
        raise ValueError(f"ten: expected images of 28 x 28 beside the ten digits, got {rows} x {columns}")
    others = ten or TenDigits({}, [], {})
    given = {
        "rows": rows,
        "columns": columns,
        "number": own.number,
        "drawing": ten is not None,
        "networks": [
            _network(OWN, net, list(own.names)),
            *(_network(name, n, [str(j) for j in range(10)]) for name, n in others.networks.items()),
        ],
        "pictures": [
            {"id": OWN, "networks": [OWN], "label": 0, "x": x[0].tolist()},
            *(
                {"id": f"test-{p['number']}", "networks": list(others.networks), "label": p["digit"], "x": p["bytes"]}
                for p in others.pictures
            ),
        ],
        "proved": {OWN: {OWN: {"any": {norm: _interval(i, own.exact.get(norm)) for norm, i in own.proved.items()}}}}
        | {n: {f"test-{i}": goals for i, goals in of.items()} for n, of in others.proved.items()},
        "universals": [{"eps": eps, "s": packed(s)} for eps, s in sorted(own.universals.items())],
        "glasses": {"mask": np.flatnonzero(own.glasses.mask.ravel()).tolist(), "pattern": own.glasses.pattern.tolist()},
    }
    content = json.dumps(given, allow_nan=False).replace("<", "\\u003c")  # no tag can begin inside the JSON
    page = _template(ten)
    for place, digit in zip(DIGITS, own.names, strict=True):
        page = page.replace(place, escape(digit))
    return page.replace(DATA, content)


def _template(ten: TenDigits | None) -> str:
    """play.html with style, scripts and choices."""
    folder = files("attacks.report")

    def piece(name: str) -> str:
        return (folder / "play" / name).read_text("utf-8")

    parts = {
        "@STYLE@": piece("style.css"),
        "@SCRIPT@": "\n".join(piece(f"{name}.js") for name in SCRIPTS),
        "@TRANSFORMATION@": piece("transformation.html") if ten else "",
        "@CHOICES@": piece("choices.html" if ten else "no_choices.html"),
        "@PICTURES@": "".join(map(_thumbnail, ten.pictures)) if ten else "",
    }
    page = (folder / "play.html").read_text("utf-8")
    for place, text in parts.items():
        page = page.replace(place, text)
    return page


def _thumbnail(picture: dict[str, Any]) -> str:
    name, words = f"test-{picture['number']}", f"a {picture['digit']}, test image {picture['number']}"
    shown = f'<canvas data-picture="{name}" width="28" height="28" role="img" aria-label="{words}"></canvas>'
    return f'<label><input type="radio" name="picture" value="{name}">{shown}</label>\n'


def packed(v: Array) -> dict[str, Any]:
    """Little-endian floats in base64, in the fewest of 16, 32 and 64 bits that lose nothing."""
    v = np.asarray(v)
    for bits in (16, 32, 64):
        if bits == 16 and np.abs(v).max(initial=0.0) > LARGEST_16BIT:
            continue
        if bits == 64 or np.array_equal(v, v.astype(f"f{bits // 8}")):
            break
    content = np.ascontiguousarray(v, f"<f{bits // 8}").tobytes()
    return {"bits": bits, "base64": base64.b64encode(content).decode()}


def _network(name: str, net: MLP, classes: list[str]) -> dict[str, Any]:
    layers = [
        {"W": packed(layer.W), "b": packed(layer.b), "inputs": layer.W.shape[0], "outputs": layer.W.shape[1]}
        for layer in net.dense
    ]
    of_net = {"threshold": net.threshold, "activation": net.activation, "key": fingerprint(net)[:12]}
    return {"id": name, "classes": classes, "layers": layers} | of_net


def _interval(i: Interval, exact: ExactProof | None) -> dict[str, Any]:
    """What is proved and what is known to work, not rounded, and null for infinity; the proof's size, and a solution.

    Its file counts only where it proves all of the interval's lower end: what other proofs add is in no file.
    """
    c = i.certificate
    whole = exact is not None and exact.content is not None and exact.lower >= i.lower
    ends = {name: value if np.isfinite(value) else None for name, value in (("lower", i.lower), ("upper", i.upper))}
    size = {"parts": c.tree.layer.count(LEAF), "bytes": len(exact.content or b"") if exact and whole else None}
    return ends | size | solution(c.norm, c.x, i.x_adv)


def solution(norm: str, x: Array, x_adv: Array | None) -> dict[str, Any]:
    """The counterexample as the page takes it: the pixels that differ, or all of it; null where none is known."""
    if norm != "l0":
        return {"x_adv": None if x_adv is None else packed(x_adv)}
    if x_adv is None:
        return {"changes": None}
    return {"changes": [[int(i), float(x_adv[i])] for i in np.flatnonzero(x_adv != x)]}
