"""The measurements of "can one tell?": every attack before every detector, and what it costs to hide.  See study.py.

Whatever learns (the memory, the thresholds, the weights of `combined`) learns from training images; whatever is counted
is counted on test images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attacks.balls import LInf
from attacks.detect import DETECTORS, FALSE_ALARMS, Combined, Memory, auc, auc_interval, scores, threshold
from attacks.pattern import Accessory, accessory
from attacks.result import in_bytes
from attacks.saliency import saliency_map
from attacks.sign_gradient import fgsm, pgd, smallest_eps
from attacks.stealth import disguises, smallest_eps_8bit
from attacks.study_sets import SHOWN_EPS
from attacks.uap import UniversalResult, universal
from minigrad.inputs import Array, as_generator
from minigrad.mlp import MLP

PGD_EPS = (0.05, 0.1, 0.2)
FGSM_EPS = 0.1
CLEAN = 2000  # clean training images from which the thresholds are read
SMOOTHNESS = 0.3  # of glasses in disguise
LEARNT = 200  # attacked training images of each attack, for `combined`
WATCHED = 500  # attacked test images of each attack
DISGUISED = 100  # of them, also attacked in disguise
COMBINED, SMALLEST = "combined", "smallest eps"


@dataclass(frozen=True, eq=False)
class Sight:
    """What the detectors see of one attack: only of the images that it flipped."""

    flipped: float  # of the images tried
    flipped_8bit: float
    cost: float  # mean distance of the flipped: pixels, or eps
    scores: Array  # (m, 6) of the flipped: DETECTORS, then combined

    def found(self, thresholds: Array) -> dict[str, float]:
        """detector: the share above its threshold."""
        share = (self.scores > thresholds).mean(axis=0) if len(self.scores) else np.full(len(thresholds), np.nan)
        return dict(zip((*DETECTORS, COMBINED), share.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class DetectStudy:
    """Sights of test images, beside the scores of clean ones."""

    thresholds: Array  # (6,) from clean training images
    clean: Array  # (n, 6) scores of clean test images of both digits
    sights: dict[str, Sight]  # attack
    disguised: dict[str, dict[str, Sight]]  # attack: disguise
    unused: int  # pixels that no training image uses


def study_detect(
    net: MLP,
    memory: Memory,
    training: Array,
    crowd: Array,
    test: Array,
    images: Array,
    done: dict[str, Array],
    one_for_all: UniversalResult,
    worn: Accessory,
    seed: int,
    clock: Any,
) -> DetectStudy:
    """Learn from `training` and attacks on `crowd`, count on `test` and attacks on `images`.

    `training` and `test` hold both digits; `crowd` (m, d) and `images` (n, d) class 0, classified so.  `one_for_all`
    and `worn` were made from `crowd`; `done` are attacks on `images` that need not be made again, x_adv (n, d).
    """
    some = as_generator(seed).permutation(len(training))[:CLEAN]
    clean = clock("detect: clean images", lambda: [scores(memory, v) for v in (training[some], test)])

    def attacked(x: Array, done: dict[str, Array]) -> dict[str, Array]:
        """attack: x_adv (n, d)."""
        y = np.zeros(len(x), int)
        return {
            "sparse": done["sparse"][: len(x)] if done else saliency_map(net, x, y).x_adv,
            SMALLEST: done[SMALLEST][: len(x)] if done else smallest_eps(net, x, y).x_adv,
            f"FGSM {FGSM_EPS}": fgsm(net, x, y, LInf(FGSM_EPS)).x_adv,
            **{f"PGD {eps}": pgd(net, x, y, LInf(eps), rng=seed).x_adv for eps in PGD_EPS},
            "universal": one_for_all.apply(x),
            "glasses": worn.apply(x),
        }

    learnt = clock("detect: learn from attacked training images", lambda: attacked(crowd[:LEARNT], {}))
    combined = Combined.fit(clean[0], scores(memory, np.concatenate(list(learnt.values()))))

    def look(attack: str, x: Array, x_adv: Array) -> Sight:
        s = x_adv - x
        flipped = net.predict(x_adv) != 0
        rounded = net.predict(in_bytes(x, x_adv)) != 0
        size = np.count_nonzero(s, axis=1) if attack in ("sparse", "glasses") else np.abs(s).max(axis=1)
        if not flipped.any():
            return Sight(0.0, float(rounded.mean()), np.nan, np.zeros((0, len(DETECTORS) + 1)))
        seen, cost = scores(memory, x_adv[flipped]), float(size[flipped].mean())
        return Sight(float(flipped.mean()), float(rounded.mean()), cost, np.column_stack([seen, combined(seen)]))

    def glasses(used: Array | None) -> Accessory:
        if used is None:
            return worn
        frame, y = worn.mask & used.reshape(worn.mask.shape), np.zeros(len(crowd[:LEARNT]), int)
        return accessory(net, crowd[:LEARNT], y, frame, smoothness=SMOOTHNESS, rng=seed)

    def hide(x: Array) -> dict[str, dict[str, Sight]]:
        some_crowd = crowd[: len(crowd) // 2]
        y, table = np.zeros(len(x), int), dict[str, dict[str, Sight]]()
        for name, options in disguises(memory, x).items():
            small = smallest_eps(net, x, y, **options)
            found = {
                "sparse": saliency_map(net, x, y, **options).x_adv,
                SMALLEST: small.x_adv,
                f"{SMALLEST} in bytes": smallest_eps_8bit(net, x, y, found=small, **options).x_adv,
                **{f"PGD {eps}": pgd(net, x, y, LInf(eps, **options), rng=seed).x_adv for eps in PGD_EPS[1:]},
            }
            if "box" not in options:  # one s for all has one box for all
                ball = LInf(SHOWN_EPS, **options)
                found["universal"] = universal(net, some_crowd, np.zeros(len(some_crowd), int), ball, rng=seed).apply(x)
                found["glasses"] = glasses(options.get("mask")).apply(x)
            for attack, x_adv in found.items():
                table.setdefault(attack, {})[name] = look(attack, x, x_adv)
        return table

    watched = images[:WATCHED]
    adversarial = clock("detect: attack test images", lambda: attacked(watched, done))
    return DetectStudy(
        np.array([threshold(column) for column in np.column_stack([clean[0], combined(clean[0])]).T]),
        np.column_stack([clean[1], combined(clean[1])]),
        clock("detect: look at them", lambda: {name: look(name, watched, v) for name, v in adversarial.items()}),
        clock("detect: hide from the detectors", lambda: hide(images[:DISGUISED])),
        int((~memory.used).sum()),
    )


def detect_numbers(s: DetectStudy, seed: int) -> dict[str, Any]:
    """Every number of it, ready for JSON."""
    names = (*DETECTORS, COMBINED)

    def area(sight: Sight) -> dict[str, float]:
        """detector: area under its curve."""
        columns = zip(names, s.clean.T, sight.scores.T, strict=True)
        return {name: auc(clean, seen) if len(seen) else float("nan") for name, clean, seen in columns}

    def interval(sight: Sight) -> list[float]:
        seen = sight.scores[:, -1]
        return list(auc_interval(s.clean[:, -1], seen, rng=seed)) if len(seen) else [float("nan")] * 2

    def told(sight: Sight) -> dict[str, Any]:
        return {
            "flipped": sight.flipped,
            "flipped_8bit": sight.flipped_8bit,
            "cost": sight.cost,
            "found": sight.found(s.thresholds),
            "auc": area(sight),
        }

    return {
        "detection": {
            "false_alarms_asked": FALSE_ALARMS,
            "false_alarms": dict(zip(names, (s.clean > s.thresholds).mean(axis=0).tolist(), strict=True)),
            "clean_test_images": len(s.clean),
            "unused_pixels": s.unused,
            "attacks": {
                name: told(sight) | {"auc_interval": interval(sight)} for name, sight in s.sights.items()
            },
        },
        "disguised": {
            attack: {disguise: told(sight) for disguise, sight in row.items()} for attack, row in s.disguised.items()
        },
    }
