"""The measurements of "can one tell?": every attack before every detector, and what it costs to hide.  See study.py.

Whatever learns (the memory, the thresholds, the weights of `combined`) learns from training images; whatever is counted
is counted on test images.  A memory knows its own images too well to say how strange a new one looks, so the thresholds
are read on training images that it does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attacks.balls import LInf
from attacks.detect import DETECTORS, FALSE_ALARMS, FEWEST, Combined, Memory, auc, auc_interval, scores, threshold
from attacks.pattern import Accessory, accessory
from attacks.result import in_bytes
from attacks.saliency import saliency_map
from attacks.sign_gradient import fgsm, pgd, smallest_eps
from attacks.stealth import disguises, smallest_eps_8bit
from attacks.study_sets import SHOWN_EPS
from attacks.uap import UniversalResult, universal
from minigrad.inputs import Array, Seed, as_generator
from minigrad.mlp import MLP

PGD_EPS = (0.05, 0.1, 0.2)
FGSM_EPS = 0.1
CLEAN = 2000  # clean training images from which the thresholds are read; at most a quarter of all
SMOOTHNESS = 0.3  # of glasses in disguise
LEARNT = 200  # attacked training images of each attack, for `combined`
DISGUISED = 200  # test images, drawn at random, that are also attacked in disguise
COMBINED, SMALLEST = "combined", "smallest eps"


@dataclass(frozen=True, eq=False)
class Sight:
    """What the detectors see of one attack: only of the images that it flipped."""

    flipped: float  # of the images tried
    flipped_8bit: float
    cost: float  # mean distance of the flipped: pixels, or eps
    scores: Array  # (m, 6) of the flipped: DETECTORS, then combined
    scores_8bit: Array  # (m', 6) of those that flip in bytes too, in bytes

    def found(self, thresholds: Array) -> dict[str, float]:
        """detector: the share above its threshold."""
        return above(self.scores, thresholds)


def above(seen: Array, thresholds: Array) -> dict[str, float]:
    """detector: the share of scores (m, 6) above its threshold; NaN of no images."""
    share = (seen > thresholds).mean(axis=0) if len(seen) else np.full(len(thresholds), np.nan)
    return dict(zip((*DETECTORS, COMBINED), share.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Learned:
    """Clean training images of both classes: those that the memory holds, and others for the thresholds."""

    remembered: Array  # (m, d)
    apart: Array  # (a, d)
    own: Array  # those of `apart` that are of class 0

    @classmethod
    def of(cls, x: Array, y: Array, rng: Seed) -> Learned:
        """Of training images x (n, d) with labels y a quarter, at most CLEAN, is put apart at random.

        Raises
        ------
        ValueError
            Too few images, or all of them the same.
        """
        n = len(x)
        if n < 2 * FEWEST:
            raise ValueError(f"data: expected at least {2 * FEWEST} training images for the detectors, got {n}")
        order, least = as_generator(rng).permutation(n), min(CLEAN, max(FEWEST, n // 4))
        held, apart = np.sort(order[least:]), np.sort(order[:least])
        if (x[held] == x[held[0]]).all():
            raise ValueError("data: expected training images that differ, got the same image each time")
        remembered, others = x[held].astype(np.float64), x[apart].astype(np.float64)
        return cls(remembered, others, others[y[apart] == 0])


@dataclass(frozen=True, eq=False)
class DetectStudy:
    """Sights of test images, beside the scores of clean ones."""

    thresholds: Array  # (6,) from clean training images that the memory does not hold
    learnt_from: tuple[int, int]  # images in the memory; images that the thresholds were read from
    clean: Array  # (n, 6) scores of clean test images of both digits
    sights: dict[str, Sight]  # attack
    disguised: dict[str, dict[str, Sight]]  # attack: disguise
    unused: int  # pixels that no image of the memory uses
    attacked: int  # test images attacked
    hidden: int  # and how many of them in disguise


def study_detect(
    net: MLP,
    memory: Memory,
    learned: Learned,
    crowd: Array,
    test: Array,
    images: Array,
    done: dict[str, Array],
    one_for_all: UniversalResult,
    worn: Accessory,
    seed: int,
    clock: Any,
) -> DetectStudy:
    """Learn from `learned` and attacks on those of class 0 in it, count on `test` and attacks on `images`.

    `memory` holds `learned.remembered`; `test` (clean) is of both classes; `crowd` (m, d) and `images` (n, d) are of
    class 0, classified so.  `one_for_all` and `worn` were made from `crowd`; `done` are attacks on `images` that need
    not be made again, x_adv (n, d).
    """
    clean = clock("detect: clean images", lambda: [scores(memory, v) for v in (learned.apart, test)])
    own = learned.own[net.predict(learned.own) == 0] if len(learned.own) else learned.own
    own = own[:LEARNT] if len(own) else crowd[:LEARNT]

    def attacked(x: Array, done: dict[str, Array]) -> dict[str, Array]:
        """attack: x_adv (n, d)."""
        y = np.zeros(len(x), int)
        return {
            "sparse": done["sparse"] if done else saliency_map(net, x, y).x_adv,
            SMALLEST: done[SMALLEST] if done else smallest_eps(net, x, y).x_adv,
            f"FGSM {FGSM_EPS}": fgsm(net, x, y, LInf(FGSM_EPS)).x_adv,
            **{f"PGD {eps}": pgd(net, x, y, LInf(eps), rng=seed).x_adv for eps in PGD_EPS},
            "universal": one_for_all.apply(x),
            "glasses": worn.apply(x),
        }

    learnt = clock("detect: learn from attacked training images", lambda: attacked(own, {}))
    combined = Combined.fit(clean[0], scores(memory, np.concatenate(list(learnt.values()))))

    def sight_of(x_adv: Array) -> Array:
        if not len(x_adv):
            return np.zeros((0, len(DETECTORS) + 1))
        seen = scores(memory, x_adv)
        return np.column_stack([seen, combined(seen)])

    def look(attack: str, x: Array, x_adv: Array) -> Sight:
        s, x_8bit = x_adv - x, in_bytes(x, x_adv)
        flipped, rounded = (net.predict(v) != 0 for v in (x_adv, x_8bit))
        size = np.count_nonzero(s, axis=1) if attack in ("sparse", "glasses") else np.abs(s).max(axis=1)
        cost = float(size[flipped].mean()) if flipped.any() else np.nan
        seen = sight_of(x_adv[flipped]), sight_of(x_8bit[rounded])
        return Sight(float(flipped.mean()), float(rounded.mean()), cost, *seen)

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

    adversarial = clock("detect: attack test images", lambda: attacked(images, done))
    some = np.sort(as_generator(seed).permutation(len(images))[:DISGUISED])
    return DetectStudy(
        np.array([threshold(column) for column in np.column_stack([clean[0], combined(clean[0])]).T]),
        (len(learned.remembered), len(learned.apart)),
        np.column_stack([clean[1], combined(clean[1])]),
        clock("detect: look at them", lambda: {name: look(name, images, v) for name, v in adversarial.items()}),
        clock("detect: hide from the detectors", lambda: hide(images[some])),
        int((~memory.used).sum()),
        len(images),
        len(some),
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
            "found_8bit": above(sight.scores_8bit, s.thresholds),
            "images": len(sight.scores),
            "auc": area(sight),
            "auc_interval": interval(sight),
        }

    return {
        "detection": {
            "false_alarms_asked": FALSE_ALARMS,
            "false_alarms": above(s.clean, s.thresholds),
            "clean_test_images": len(s.clean),
            "images_remembered": s.learnt_from[0],
            "images_for_thresholds": s.learnt_from[1],
            "test_images_attacked": s.attacked,
            "test_images_attacked_in_disguise": s.hidden,
            "unused_pixels": s.unused,
            "attacks": {name: told(sight) for name, sight in s.sights.items()},
        },
        "disguised": {
            attack: {disguise: told(sight) for disguise, sight in row.items()} for attack, row in s.disguised.items()
        },
    }
