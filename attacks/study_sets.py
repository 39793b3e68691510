"""The measurements of the last two questions: one perturbation for all, and the glasses.  See study.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from attacks.balls import L0, LInf
from attacks.certificate import Certificate
from attacks.glasses import glasses_mask, leeway, place
from attacks.pattern import Accessory, accessory, any_filling
from attacks.result import to_8bit
from attacks.uap import UniversalResult, universal
from attacks.uap_minimum import UniversalMinimum, universal_minimum
from minigrad.inputs import Array
from minigrad.margin import Margin
from minigrad.mlp import MLP

UNIVERSAL_EPS = (0.05, 0.10, 0.15, 0.20)
SHOWN_EPS = 0.10
MIXED_EPS = (0.10, 0.20, 0.30, 0.50)
FEW_EPS = (0.02, 0.04, 0.06, 0.08)
PIXELS = 15  # fixed pixels, the same for every image
PAINTED = 500  # training images for which those are chosen
FEW = 20  # images of the set whose smallest radius is bounded from below, and half as many of each digit in the mixed
STYLE, SLIPS = "round", tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))
HEIGHTS = (-3, 0, 6, 12)  # rows by which the glasses are moved on a picture of 28 rows
SMALLEST_GLASSES, BAND = 20, 0.09  # rows and columns that glasses need; else a band, this share of the picture
WEARERS, PROVED = 300, 10  # training images for the pattern; images for which a mask is judged by proof
PROOF_SHARE = {"linf": 0.25, "l0": 0.1, "mixed": 0.15}  # of the seconds that go to bounds


@dataclass(frozen=True, eq=False)
class SetStudy:
    """One s for many images, and one pattern for a mask.  "On the images" is: on images that it was not made from."""

    universals: dict[float, tuple[UniversalResult, UniversalResult]]  # eps: on the crowd, on the images
    fixed: UniversalResult  # of L0(PIXELS), on some of the crowd
    by_pixels: list[tuple[float, float, float]]  # after each pixel: rate on the crowd, on the images, in bytes
    few: dict[str, list[tuple[float, float]]]  # norm: radius and rate on the first few images
    minima: dict[str, UniversalMinimum]  # norm: of the first few images; "mixed": of both digits, Linf
    mixed: dict[float, UniversalResult]  # eps: on a few images of each digit, each to become the other
    glasses: dict[int, tuple[Accessory, Accessory, list[Certificate]]]
    # height: on the crowd, on the images, and whether any filling flips the first images
    promise: dict[int, float]  # height: what the mean linearised image gains by the frame, as a share of what it needs
    height: int  # the best one: where, on the crowd, the pattern does most beyond the best plain filling
    slipping: tuple[Accessory, Accessory]  # made for nine places about that height: on the crowd, on the images


def study_sets(
    net: MLP,
    crowd: Array,
    images: Array,
    others: Array,
    shape: tuple[int, int],
    seed: int,
    clock: Any,
    prover: Executor,
    seconds: float,
) -> SetStudy:
    """Everything for one class against the other: made from `crowd` (m, d), measured on `images` (n, d), both class 0.

    `others` are images of class 1, for the mixed set; half of `seconds` go to lower bounds, in `prover`.  `shape` is
    (rows, columns) of an image; on one too small for glasses a band is worn.
    """
    zeros, y = np.zeros(len(crowd), int), np.zeros(len(images), int)
    few, few_y = images[:FEW], np.zeros(len(images[:FEW]), int)

    def one_for_all() -> dict[float, tuple[UniversalResult, UniversalResult]]:
        found = {eps: universal(net, crowd, zeros, LInf(eps), rng=seed) for eps in UNIVERSAL_EPS}
        return {eps: (result, result.on(net, images, y)) for eps, result in found.items()}

    def rates(fixed: UniversalResult) -> list[tuple[float, float, float]]:
        return [(_rate(net, s, crowd), _rate(net, s, images), _rate(net, s, images, to_8bit)) for s in fixed.path]

    mixed_x = np.concatenate([images[: FEW // 2], others[: FEW // 2]])
    mixed_y = np.repeat([0, 1], [len(images[: FEW // 2]), len(others[: FEW // 2])])

    def bound(name: str, norm: str, x: Array, labels: Array) -> Future[UniversalMinimum]:
        options: dict[str, Any] = {"time_limit": PROOF_SHARE[name] * seconds, "mixed": name == "mixed", "rng": seed}
        return prover.submit(universal_minimum, net, x, labels, norm, **options)

    def bounds() -> dict[str, Future[UniversalMinimum]]:
        asked = {norm: bound(norm, norm, few, few_y) for norm in ("linf", "l0")}
        if len(np.unique(mixed_y)) == 2:
            asked["mixed"] = bound("mixed", "linf", mixed_x, mixed_y)
        return asked

    minima = clock("proofs of what no s can do, beside the attacks", bounds)
    universals = clock("universal: one perturbation for all", one_for_all)
    painted = crowd[:PAINTED], zeros[:PAINTED], L0(PIXELS)
    fixed = clock("universal: the fewest fixed pixels", lambda: universal(net, *painted, rng=seed))
    mixed = {eps: universal(net, mixed_x, mixed_y, LInf(eps), rng=seed) for eps in MIXED_EPS}
    few_rates: dict[str, list[tuple[float, float]]] = {
        "linf": [(eps, universal(net, few, few_y, LInf(eps), rng=seed).rate) for eps in FEW_EPS],
        "l0": list(enumerate([0.0, *(_rate(net, s, few) for s in universal(net, few, few_y, L0(PIXELS)).path)])),
    }
    glasses, height = clock("glasses: at several heights", lambda: _heights(net, crowd, images, shape, seed, prover))
    mask = glasses[height][0].mask

    def slip() -> tuple[Accessory, Accessory]:
        made = accessory(net, crowd[:WEARERS], zeros[:WEARERS], mask, shifts=_fitting(mask, SLIPS), rng=seed)
        return made, made.on(net, images, y)

    slipping = clock("glasses: slipping by a pixel", slip)
    proved = clock("wait for the proofs of sets", lambda: {name: future.result() for name, future in minima.items()})
    return SetStudy(
        universals,
        fixed,
        rates(fixed),
        few_rates,
        proved,
        mixed,
        {rows: (made, held_out, judged.result()) for rows, (made, held_out, judged) in glasses.items()},
        {rows: _promise(net, images, made.mask) for rows, (made, _, _) in glasses.items()},
        height,
        slipping,
    )


def _heights(
    net: MLP, crowd: Array, images: Array, shape: tuple[int, int], seed: int, prover: Executor
) -> tuple[dict[int, tuple[Accessory, Accessory, Future[list[Certificate]]]], int]:
    frame = glasses_mask(shape, STYLE) if min(shape) >= SMALLEST_GLASSES else _band(shape)
    downs = {round(rows * shape[0] / 28): rows for rows in reversed(HEIGHTS)}  # on few rows some are the same
    found = {}
    for down, _ in _fitting(frame, [(down, 0) for down in sorted(downs)]):
        rows, mask = downs[down], place(frame, (down, 0))
        made = accessory(net, crowd[:WEARERS], np.zeros(len(crowd[:WEARERS]), int), mask, rng=seed)
        few = images[:PROVED]
        judged = prover.submit(any_filling, net, few, np.zeros(len(few), int), mask, time_limit=0.3)
        found[rows] = made, made.on(net, images, np.zeros(len(images), int)), judged

    def earned(rows: int) -> float:  # by the pattern, beyond what any plain filling does
        made = found[rows][0]
        return made.rate - max(float(rates.mean()) for rates in made.controls.values())

    return found, max(found, key=earned)


def _band(shape: tuple[int, int]) -> Array:
    """A band across the picture where the eyes of the glasses would be, a share `BAND` of its pixels, `shape` bool."""
    rows, columns = shape
    thick = max(1, round(rows / 14))
    long = min(columns, max(1, round(BAND * rows * columns / thick)))
    top, left = min(round(9 / 28 * rows), rows - thick), (columns - long) // 2
    mask = np.zeros(shape, bool)
    mask[top : top + thick, left : left + long] = True
    return mask


def _fitting(mask: Array, shifts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those of the shifts that leave the mask in the picture."""
    low, high = leeway(mask)
    return [shift for shift in shifts if (low <= shift).all() and (high >= shift).all()]


def _promise(net: MLP, x: Array, mask: Array) -> float:
    """`sum over the mask of max(mean g (hi - x), mean g (lo - x))  /  mean -m`: 1 is just enough."""
    m, g = Margin.of(net, x, np.zeros(len(x), int)).value_and_gradient(x)
    white, black = np.mean(g * (1 - x), axis=0), np.mean(-g * x, axis=0)  # (d,)
    return float(np.maximum(white, black)[mask.ravel()].sum() / -m.mean()) if m.any() else float("nan")


def set_numbers(s: SetStudy) -> dict[str, Any]:
    """Every number of it, ready for JSON."""
    return {
        "universal": [
            {
                "eps": eps,
                "radius": on_set.radius,
                "rate_on_set": on_set.rate,
                "rate_held_out": held_out.rate,
                "rate_held_out_8bit": held_out.rate_8bit,
                "reason": on_set.reason,
                "history": list(on_set.history),
            }
            for eps, (on_set, held_out) in s.universals.items()
        ],
        "fixed_pixels": [
            {"pixels": k + 1, "rate_on_set": on_set, "rate_held_out": held_out, "rate_held_out_8bit": in_bytes}
            for k, (on_set, held_out, in_bytes) in enumerate(s.by_pixels)
        ],
        "universal_minimum": {
            name: {"lower": u.lower, "upper": u.upper, "quantile": u.quantile, "images": len(u.own)}
            for name, u in s.minima.items()
        },
        "mixed": [{"eps": eps, "rate": result.rate, "rate_8bit": result.rate_8bit} for eps, result in s.mixed.items()],
        "glasses": {
            "style": STYLE if min(s.glasses[s.height][0].mask.shape) >= SMALLEST_GLASSES else "band",
            "pixels": int(s.glasses[s.height][0].mask.sum()),
            "height": s.height,
            "heights": {
                str(rows): _wearing(on_set, held_out)
                | {"fillings": _judged(judged), "promise": s.promise[rows]}
                for rows, (on_set, held_out, judged) in s.glasses.items()
            },
            "slipping": _wearing(*s.slipping),
        },
    }


def _wearing(on_set: Accessory, held_out: Accessory) -> dict[str, Any]:
    return {
        "rate_on_set": on_set.rate,
        "rate_held_out": held_out.rate,
        "rate_held_out_8bit": held_out.rate_8bit,
        "rate_at_each_place": held_out.rates.tolist(),
        "controls": {name: float(rates.mean()) for name, rates in held_out.controls.items()},
    }


def _judged(certificates: list[Certificate]) -> dict[str, int]:
    """Of some images: how many have a filling that works, how many have none (proved), how many are undecided."""
    works = sum(c.upper < np.inf for c in certificates)
    none = sum(c.lower == np.inf for c in certificates)
    return {"works": works, "proved_none": none, "undecided": len(certificates) - works - none}


def _rate(net: MLP, s: Array, x: Array, rounding: Callable[[Array], Array] = lambda v: v) -> float:
    """The share of images of class 0 that s flips."""
    worn = np.where(s == 0, x, rounding(np.clip(x + s, 0, 1)))
    return float(np.mean(net.predict(worn) != 0))
