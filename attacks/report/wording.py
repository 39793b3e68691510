"""What the page says of its numbers: the named values of `template.html`, question by question.

Running text stands in the template.  Here are the numbers in it, and every sentence that depends on how they came out.
"""

from __future__ import annotations

from html import escape
from typing import Any

from attacks.report.defence_words import defence
from attacks.report.formats import ceiled, floored, number, percent, pixels, rate
from attacks.report.setup import SHOWN_EPS
from attacks.result import Reason

Json = dict[str, Any]  # a part of results.json
RELIABLE = 0.05  # false alarms above this, five times what was asked: a detector is of no use.  Only chooses a sentence

MORE_TIME = "<code>--proof-seconds</code>"  # the option of the report that narrows an interval
STOPPED = {  # reason: why an interval is as wide as it is; {} takes the option that gives the search more time
    Reason.TIME: "the proof ran out of time, and a larger {} gives it more",
    Reason.NODES: "the proof spent the nodes it was given, and a larger {} gives it more",
    Reason.TIE: "the two differ by less than float64 can tell apart, so more time would not settle it",
    Reason.SMOOTH: "this network's activation is never exactly linear, so more time may not settle it",
    Reason.BOUNDARY: "the image lies on the boundary as it is, and any change may flip it",
}


def words(r: Json) -> dict[str, str]:
    """`name -> HTML` for every value that is no table and no formula; `r` is what results.json holds."""
    return (
        _network(r)
        | _pixels(r)
        | _eps(r)
        | _universal(r)
        | _glasses(r)
        | _detection(r)
        | _adaptive(r)
        | _made(r)
        | defence(r)
    )


def _network(r: Json) -> dict[str, str]:
    a, b = (escape(name) for name in r["names"])
    shares = " Here a pixel is a share of its range in the collection, from 0 (black) to 1 (white)."
    return {
        "a": a,
        "b": b,
        "sizes": "-".join(map(str, r["network"]["sizes"])),
        "accuracy": percent(r["network"]["test_accuracy"], 2),
        "shares_note": shares if r["pixels_are_shares_of_their_range"] else "",
        "image": str(r["shown"]["image"]),
        "images": str(r["images"]["correct"]),
        "margin": number(r["shown"]["margin"], 3),
        "confidence": percent(r["shown"]["confidence_before"]),
    }


def _pixels(r: Json) -> dict[str, str]:
    a, b = (escape(name) for name in r["names"])
    found, every, papernot, gain = r["shown"]["sparse"], r["sparse"], r["papernot"], r["gain_on_the_same_images"]
    can = "can" if found["success"] else "cannot"
    return {
        "flips": f"<strong>{pixels(found['distance'])}</strong> {can} turn this {a} into a {b}.",
        "pixels_proved": pixels_proved(r["shown"]["proved"]["l0"], a),
        "sparse_mean": number(every["mean_distance"], 3),
        "sparse_mean_short": number(every["mean_distance"], 2),
        "sparse_median": number(every["median_distance"], 0),
        "sparse_flips": percent(every["success"]),
        "sparse_flips_8bit": percent(every["success_8bit"]),
        "papernot_images": str(papernot["images"]),
        "papernot_touched": number(r["papernot_touched"], 2),
        "gain_touched": number(gain["touched"], 2),
        "papernot_mean": number(papernot["mean_distance"], 3),
        "gain_mean": number(gain["mean_distance"], 3),
        "exchanges_mean": number(r["gain_and_exchanges_on_the_same_images"], 3),
    }


def pixels_proved(p: Json, a: str) -> str:
    """The certified interval of pixels, in a sentence."""
    if p["lower"] is None:
        return f"Proved: no number of pixels turns this {a}."
    lower, upper = int(floored(p["lower"], 0)), ceiled(p["upper"], 0)
    least = f"This {a} needs <strong>at least {pixels(lower)}: proved</strong>"
    if p["upper"] is None:
        return f"{least}. Whether any number is enough is not known: {why_open(p['reason'])}."
    if p["lower"] < p["upper"]:
        fewer = f"Whether fewer than {upper} can do it is not known: {why_open(p['reason'])}."
        return f"{least}; {upper} are enough. {fewer}"
    better = f" (the attack had needed {p['attack']:.0f})" if p["attack"] and p["attack"] > p["upper"] else ""
    return f"{least}; {upper} can do it{better}."


def why_open(reason: str, more_time: str = MORE_TIME) -> str:
    """Why a proof left an interval, and which option narrows it."""
    return STOPPED.get(Reason(reason), "the interval is as narrow as was asked").format(more_time)


def _eps(r: Json) -> dict[str, str]:
    shown = r["shown"]
    return {
        "eps_proved": eps_proved(shown["proved"]["linf"]),
        "checked_exactly": checked_exactly(r),
        "eps_linearised": number(shown["linearised_eps_box_ignored"]),
        "eps_in_the_box": number(shown["linearised_eps_in_the_box"]),
        "eps_found": ceiled(shown["smallest_eps"]["distance"]),
        "eps_8bit": ceiled(shown["smallest_eps_in_bytes"]["distance"]),
        "eps_mean": number(r["smallest_eps"]["mean_distance"]),
    }


def eps_proved(p: Json) -> str:
    """The certified interval of eps, in a sentence."""
    if p["lower"] is None:
        return "Proved: no eps works, however large."
    works = "No eps is known to work" if p["upper"] is None else f"eps = {ceiled(p['upper'], 5)} works"
    said = f"{works}; <strong>nothing below {floored(p['lower'], 5)} does: proved</strong>."
    if p["optimal"]:
        return said
    where = "What lies above" if p["upper"] is None else "What lies between"
    return f"{said} {where} is not known: {why_open(p['reason'])}."


def checked_exactly(r: Json) -> str:
    """Paragraphs: who else has checked the proofs of the image shown, and how to do it once more."""
    exact, names = r["exact"], {"l0": "pixels", "linf": "eps"}
    written = {norm: p for norm, p in exact["proofs"].items() if p["file"]}
    missing = [f"{names[norm]} ({escape(p['says'])})" for norm, p in exact["proofs"].items() if norm not in written]
    if not written:
        return f"<p>No proof is written down for others to check: {', '.join(missing)}.</p>"
    took = [f"{names[norm]} in {r['seconds']['check ' + p['file']]:.1f} s" for norm, p in written.items()]
    weaker = [
        f" The file about {names[norm]} claims only what its own search proved."
        for norm, p in written.items()
        if p["lower"] != r["shown"]["proved"][norm]["lower"]
    ]
    without = f" There is no such file about {', '.join(missing)}." if missing else ""
    files = " ".join([exact["model"], *(p["file"] for p in written.values())])
    prints = "<br>".join(f"<code>{p['file']}: {escape(p['says'])}</code>" for p in written.values())
    return (
        f"<p><strong>Checked by {exact['checker_lines']} lines that know nothing of this library</strong>, in exact "
        f"arithmetic: {', '.join(took)}.{''.join(weaker)}{without} In this folder, with NumPy alone:</p>\n"
        f'<div class="scroll"><code>python checker.py {files}</code></div>\n'
        f'<p class="where">It prints:<br>{prints}</p>'
    )


def _universal(r: Json) -> dict[str, str]:
    at, minima = next(row for row in r["universal"] if row["eps"] == SHOWN_EPS), r["universal_minimum"]
    return {
        "universal_rate": rate(at["rate_held_out"], r["images"]["correct"]),
        "universal_rate_8bit": percent(at["rate_held_out_8bit"]),
        "set_eps_proved": set_proved(minima["linf"], "eps {}", 4),
        "set_pixels_proved": set_proved(minima["l0"], "{} fixed pixels", 0),
        "which_bound": which_bound(minima),
        "mixed_set": _mixed_set(r),
    }


def set_proved(u: Json, form: str, digits: int) -> str:
    """The certified interval of one s for a set, in a sentence."""
    n, lower, upper = u["images"], form.format(floored(u["lower"], digits)), form.format(ceiled(u["upper"], digits))
    if u["lower"] is None:
        return f"For the first {n} images together: proved, no s of any size fools them all."
    found = f"{upper} found" if u["upper"] is not None else "none was found"
    none = f"<strong>no s with less than {lower} fools them all: proved</strong>"
    return f"For the first {n} images together: {none}; {found}."


def which_bound(minima: dict[str, Json]) -> str:
    """Which of the two arguments gave the lower bounds of this report."""
    names = {"linf": "eps", "l0": "fixed pixels", "mixed": "the mixed set"}
    known = {name: u for name, u in minima.items() if u["lower"] is not None and u["quantile"] is not None}
    joint = [names[name] for name, u in known.items() if u["lower"] > u["quantile"]]
    if not joint:
        return (
            "Here the images one by one give all the lower bounds printed; the weighted sum adds nothing to them in "
            "the time it had."
        )
    return (
        f"Here the weighted sum raises the bound for {' and '.join(joint)}; the others come from the images one by one."
    )


def _mixed_set(r: Json) -> str:
    """A paragraph, or nothing where there was no image of the second digit."""
    if "mixed" not in r["universal_minimum"]:
        return ""
    a, b = (escape(name) for name in r["names"])
    rates = ", ".join(f"{percent(row['rate'], 0)} at eps {row['eps']:.2f}" for row in r["mixed"])
    proved = set_proved(r["universal_minimum"]["mixed"], "eps {}", 4)
    return (
        f"<p>And a mixed set, half {a}s that should become {b}s and half the reverse? The best s found fools {rates}. "
        f"{proved}</p>"
    )


def _glasses(r: Json) -> dict[str, str]:
    glasses, frame = r["glasses"], r["shown"]["frame_pixels_proved"]
    best = glasses["heights"][str(glasses["height"])]
    few = (
        f"On the image shown, {ceiled(frame['upper'], 0)} of the frame's pixels are enough, and at least "
        f"{floored(frame['lower'], 0)} are needed: proved."
    )
    none = "On the image shown no filling of the frame was found to work."
    if frame["lower"] is None:
        none = "On the image shown no filling of the frame works: proved."
    band = " (This picture is too small for glasses: the frame is a band.)"
    return {
        "band_note": band if glasses["style"] == "band" else "",
        "glasses_pixels": str(glasses["pixels"]),
        "glasses_rate": rate(best["rate_held_out"], r["images"]["correct"]),
        "glasses_rate_8bit": percent(best["rate_held_out_8bit"]),
        "glasses_controls": ", ".join(f"{name} {percent(share)}" for name, share in best["controls"].items()),
        "slipping_rate": percent(glasses["slipping"]["rate_held_out"]),
        "frame_proved": few if frame["upper"] is not None else none,
    }


def _detection(r: Json) -> dict[str, str]:
    d = r["detection"]
    eps, sparse, alarms = d["attacks"]["smallest eps"], d["attacks"]["sparse"], d["false_alarms"]["combined"]
    every = r["shape"][0] * r["shape"][1]
    unused = (
        f"{d['unused_pixels']} of {every} pixels are black on every image that the detectors know, so the smallest "
        "grey in them gives the attack away. That is a property of the collection, not of the attack"
    )
    return {
        "images_remembered": str(d["images_remembered"]),
        "images_for_thresholds": str(d["images_for_thresholds"]),
        "clean_test_images": str(d["clean_test_images"]),
        "images_attacked": str(d["test_images_attacked"]),
        "detection_verdict": detection_verdict(eps["found"]["combined"], alarms),
        "eps_detected": rate(eps["found"]["combined"], eps["images"]),
        "eps_detected_unused": percent(eps["found"]["unused"]),
        "unused_note": unused if d["unused_pixels"] else "every pixel is used by some training image",
        "sparse_detected": rate(sparse["found"]["combined"], sparse["images"]),
        "false_alarms": rate(alarms, d["clean_test_images"], 2),
    }


def detection_verdict(share: float | None, alarms: float) -> str:
    """Can one tell?  `share` of the small changes are found, and this share of clean images is called attacked."""
    if share is None:
        return "Here nothing flipped."
    if alarms > RELIABLE:
        return (
            f"Not reliably: so few clean training images set the threshold that {percent(alarms)} of clean test images "
            "are called attacked as well."
        )
    return "Yes." if share >= 0.5 else "Mostly not."


def _adaptive(r: Json) -> dict[str, str]:
    free, used = (r["disguised"]["smallest eps in bytes"][spot] for spot in ("free", "used"))
    return {
        "images_adaptive": str(r["detection"]["test_images_attacked_in_disguise"]),
        "used_eps": number(used["cost"]),
        "free_eps": number(free["cost"]),
        "used_detected": rate(used["found"]["combined"], used["images"]),
        "free_detected": rate(free["found"]["combined"], free["images"]),
        "squeezed_detected": percent(used["found"]["squeezed"]),
    }


def _made(r: Json) -> dict[str, str]:
    return {
        "seed": str(r["seed"]),
        "versions": escape(", ".join(f"{name} {version}" for name, version in r["versions"].items())),
        "misclassified": str(r["images"]["already_misclassified"]),
    }
