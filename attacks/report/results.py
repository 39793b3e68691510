"""`results.json`: every number of the report, read off the records; null where there was nothing to measure.

A `lower` or `upper` is the best that any proof of the report gives (carried.py); `nodes` and `attack` beside it are of
the search for this one number.  Numbers are not rounded here; the pages floor every lower end and ceil every upper one.
"""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from attacks.detect.detectors import DETECTORS
from attacks.detect.statistics import FALSE_ALARMS, auc, auc_interval
from attacks.patch.attack import Accessory
from attacks.proofs.verdict import Verdict
from attacks.report.exact import checker_lines, file_of, model_of
from attacks.report.formats import confidence
from attacks.report.one_image import SURE
from attacks.report.records import (
    DetectionExperiment,
    DetectionResult,
    GlassesExperiment,
    ImageExperiment,
    Interval,
    Proofs,
    Results,
    SetExperiment,
    SetProof,
    SmallSets,
)
from attacks.report.setup import SHOWN_EPS
from attacks.result import AttackResult
from minigrad.inputs import Array

Json = dict[str, Any]  # a part of results.json
PACKAGES = "numpy", "scipy", "matplotlib", "minigrad-attacks"
SCORES = (*DETECTORS, "combined")  # the columns of `DetectionResult.scores`


def numbers(r: Results) -> Json:
    """All of them but the seconds, ready for JSON."""
    options, network, net = r.setup.options, r.setup.network, r.setup.net
    return _without_nan(
        {
            "digits": list(options.digits),
            "names": list(options.class_names),
            "shape": list(r.setup.images.shape),
            "pixels_are_shares_of_their_range": network.original is not net,
            "seed": options.seed,
            "network": {
                "sizes": list(net.sizes),
                "activation": net.activation,
                "threshold": net.threshold,
                "test_accuracy": network.accuracy,
            },
            "history": network.history,
            "images": {"correct": len(r.setup.images.test), "already_misclassified": r.setup.images.wrong},
            "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
            "shown": _shown(r.images, r.proofs),
            "exact": _exact(r),
            **_images(r.images),
            **_sets(r.sets, r.small_sets, r.proofs.sets),
            "glasses": _glasses(r.glasses, r.proofs.fillings),
            **_detection(r.detection),
            "defence": r.defence.measured if r.defence else None,
        }
    )


def _without_nan(value: Any) -> Any:
    """NaN and infinity are not JSON: None says that there was nothing to measure."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _shown(e: ImageExperiment, proofs: Proofs) -> Json:
    """The image shown."""
    i = e.shown

    def found(result: AttackResult) -> Json:
        return {
            "success": bool(result.success[i]),
            "success_8bit": bool(result.success_8bit[i]),
            "distance": float(result.distance[i]),
            "confidence_after": confidence(result.margin[i]),
        }

    kept = e.sparse.trace.kept[i] if e.sparse.trace else np.zeros(0, bool)
    pixels = e.sparse.trace.pixel[i][kept].tolist() if e.sparse.trace else []
    return {
        "image": int(e.number[i]),
        "margin": float(e.start[i]),
        "jacobian_error": e.jacobian_error,
        "confidence_before": confidence(-e.start[i]),
        "sparse": found(e.sparse) | {"pixels": pixels},
        "one_step_in_the_box": found(e.box_step),
        "smallest_eps": found(e.smallest),
        "sure_eps": {"sure": SURE, "success": bool(e.sure.success[0]), "distance": float(e.sure.distance[0])},
        "linearised_eps_box_ignored": float(e.free_root[i]),
        "linearised_eps_in_the_box": float(e.box_root[i]),
        "smallest_eps_in_bytes": found(e.in_bytes),
        "proved": {norm: _interval(c) for norm, c in proofs.image["free"].items()},
        "proved_in_disguise": {
            spot: {norm: _interval(c) for norm, c in row.items()} for spot, row in proofs.image.items()
        },
        "frame_pixels_proved": _interval(proofs.frame),
    }


def _exact(r: Results) -> Json:
    """What of the image shown can be checked without this library."""
    proofs = {
        norm: {"file": file_of(norm) if e.content else None, "says": e.says, "lower": e.lower}
        for norm, e in r.proofs.exact.items()
    }
    return {"model": model_of(r), "checker_lines": checker_lines(), "proofs": proofs}


def _interval(i: Interval) -> Json:
    ends = {"lower": i.lower, "upper": i.upper, "attack": i.certificate.attack, "optimal": i.optimal}
    return ends | {"gap": i.certificate.gap, "reason": i.reason, "nodes": i.certificate.nodes}


def _images(e: ImageExperiment) -> Json:
    """Each image by itself."""
    return {
        "sparse": _means(e.sparse),
        "papernot": _means(e.papernot),
        "papernot_touched": _touched(e.papernot),
        "gain_on_the_same_images": _means(e.greedy) | {"touched": _touched(e.greedy)},
        "gain_and_exchanges_on_the_same_images": float(e.sparse.distance[: len(e.papernot.x)].mean()),
        "one_step_box_ignored": _means(e.free_step),
        "one_step_in_the_box": _means(e.box_step),
        "pgd": _means(e.ascent) | {"eps": SHOWN_EPS},
        "smallest_eps": _means(e.smallest),
        "smallest_eps_in_bytes": _means(e.in_bytes),
    }


def _means(result: AttackResult) -> Json:
    return {
        "success": result.rate,
        "success_8bit": float(result.success_8bit.mean()),
        "mean_distance": result.mean_distance,
        "median_distance": float(np.median(result.distance)),
        "images": len(result.x),
        "forwards": result.forwards,
        "jacobians": result.jacobians,
    }


def _touched(result: AttackResult) -> float:
    """The mean number of pixels that were changed before any was taken back."""
    assert result.trace is not None
    return float(np.mean([len(np.unique(pixels[pixels >= 0])) for pixels in result.trace.pixel]))


def _sets(e: SetExperiment, small: SmallSets, proofs: dict[str, SetProof]) -> Json:
    """One perturbation for many images."""
    return {
        "universal": [
            {
                "eps": eps,
                "radius": made.radius,
                "rate_on_set": made.rate,
                "rate_held_out": held_out.rate,
                "rate_held_out_8bit": held_out.rate_8bit,
                "reason": made.reason,
                "history": list(made.history),
            }
            for eps, (made, held_out) in e.universals.items()
        ],
        "fixed_pixels": [
            {"pixels": k + 1, "rate_on_set": on_set, "rate_held_out": held_out, "rate_held_out_8bit": in_bytes}
            for k, (on_set, held_out, in_bytes) in enumerate(e.by_pixels)
        ],
        "universal_minimum": {
            name: {"lower": p.lower, "upper": _found(small, name, p), "quantile": p.quantile, "images": len(p.own)}
            for name, p in proofs.items()
        },
        "mixed": [
            {"eps": eps, "rate": result.rate, "rate_8bit": result.rate_8bit} for eps, result in small.mixed.items()
        ],
    }


def _found(e: SmallSets, name: str, p: SetProof) -> float:
    """The smallest radius at which one s was seen to fool the whole set, by the proof's own attack or by the others."""
    few = ((s.radius, s.rate) for s in e.mixed.values()) if name == "mixed" else e.few[name]
    return min([p.upper, *(float(radius) for radius, rate in few if rate == 1)])


def _glasses(e: GlassesExperiment, fillings: dict[int, list[Verdict]]) -> Json:
    return {
        "style": e.style,
        "pixels": int(e.worn.mask.sum()),
        "height": e.best,
        "heights": {
            str(rows): _rates(h.made, h.held_out) | {"fillings": _counts(fillings[rows]), "promise": h.promise}
            for rows, h in e.heights.items()
        },
        "slipping": _rates(*e.slipping),
    }


def _rates(made: Accessory, held_out: Accessory) -> Json:
    return {
        "rate_on_set": made.rate,
        "rate_held_out": held_out.rate,
        "rate_held_out_8bit": held_out.rate_8bit,
        "rate_at_each_place": held_out.rates.tolist(),
        "controls": {name: float(rates.mean()) for name, rates in held_out.controls.items()},
    }


def _counts(verdicts: list[Verdict]) -> dict[str, int]:
    """Of some images: how many have a filling that works, how many have none (proved), how many are undecided."""
    said = [verdict.status for verdict in verdicts]
    return {"works": said.count("fooled"), "proved_none": said.count("robust"), "undecided": said.count("open")}


def _detection(e: DetectionExperiment) -> Json:
    """What the detectors find, and what they find of an attacker who knows them."""
    return {
        "detection": {
            "false_alarms_asked": FALSE_ALARMS,
            "false_alarms": _above(e.clean, e.thresholds),
            "clean_test_images": len(e.clean),
            "images_remembered": e.learned_from[0],
            "images_for_thresholds": e.learned_from[1],
            "test_images_attacked": e.attacked,
            "test_images_attacked_in_disguise": e.attacked_adaptively,
            "unused_pixels": e.unused,
            "attacks": {name: _attack(result, e) for name, result in e.attacks.items()},
        },
        "disguised": {
            attack: {spot: _attack(result, e) for spot, result in row.items()} for attack, row in e.adaptive.items()
        },
    }


def _attack(result: DetectionResult, e: DetectionExperiment) -> Json:
    nothing = [float("nan")] * 2
    columns = zip(SCORES, e.clean.T, result.scores.T, strict=True)
    return {
        "flipped": result.flipped,
        "flipped_8bit": result.flipped_8bit,
        "cost": result.cost,
        "found": _above(result.scores, e.thresholds),
        "found_8bit": _above(result.scores_8bit, e.thresholds),
        "images": len(result.scores),
        "auc": {name: auc(clean, seen) if len(seen) else float("nan") for name, clean, seen in columns},
        "auc_interval": list(auc_interval(e.clean[:, -1], result.scores[:, -1])) if len(result.scores) else nothing,
    }


def _above(seen: Array, thresholds: Array) -> dict[str, float]:
    """detector: the share of scores (m, 6) above its threshold; NaN of no images."""
    share = (seen > thresholds).mean(axis=0) if len(seen) else np.full(len(thresholds), np.nan)
    return dict(zip(SCORES, share.tolist(), strict=True))
