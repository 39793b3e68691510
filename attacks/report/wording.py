"""What the page says of its numbers: the named values of `template.html`, question by question.

Running text stands in the template.  Here are the numbers in it, and every sentence that depends on how they came out.
"""

from __future__ import annotations

from html import escape
from typing import Any

from attacks.report.defence_words import defence
from attacks.report.formats import ceiled, floored, number, percent, pixels, rate
from attacks.report.proof_words import (
    check_yourself,
    checked_exactly,
    eps_proved,
    open_notes,
    pixels_proved,
    price_note,
    set_proved,
    which_bound,
)
from attacks.report.setup import SHOWN_EPS

Json = dict[str, Any]  # a part of results.json
HARDLY = 0.02  # of the linear estimate, which is 1% of the plot's width.  Only chooses a sentence
RELIABLE = 0.05  # false alarms above this, five times what was asked: a detector is of no use.  Only chooses a sentence

FILLINGS = {"black": "black", "white": "white", "random": "random grey", "constant": "the best grey"}  # of a frame


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
    shares = " Here a pixel is a share of its range in the collection."
    return {
        "a": a,
        "b": b,
        "summary": f"Few pixels, small changes, one change for all, glasses: how a network is led to read {a} as {b}, "
        "what is proved of it, whether one can tell, and how to defend.",
        "sizes": "-".join(map(str, r["network"]["sizes"])),
        "accuracy": percent(r["network"]["test_accuracy"], 2),
        "shares_note": shares if r["pixels_are_shares_of_their_range"] else "",
        "image": str(r["shown"]["image"]),
        "images": str(r["images"]["correct"]),
        "margin": number(r["shown"]["margin"], 3),
        "confidence": percent(r["shown"]["confidence_before"]),
        "jacobian_check": jacobian_check(r["shown"]["jacobian_error"], r["shape"][0] * r["shape"][1]),
        "sure_note": sure_note(r["shown"]["sure_eps"], r["shown"]["smallest_eps"]),
    }


def jacobian_check(error: float | None, entries: int) -> str:
    """What the comparison with central differences says, in a sentence."""
    if error is None:
        return "This image is so close to a kink of the network that central differences say nothing of its derivative."
    return f"All {entries} entries agree; the largest error is {error:.0e} of the largest entry."


def sure_note(sure: Json, smallest: Json) -> str:
    """How much farther an attack has to go until the network is sure."""
    if not (sure["success"] and smallest["success"]):
        return "no eps was found at which it is sure"
    more = percent(sure["distance"] / smallest["distance"] - 1, 0) if smallest["distance"] else "little"
    return f"with {more} more it is {percent(sure['sure'], 0)} sure"


def _pixels(r: Json) -> dict[str, str]:
    a, found = escape(r["names"][0]), r["shown"]["sparse"]
    every, papernot, gain = r["sparse"], r["papernot"], r["gain_on_the_same_images"]
    return {
        "flips": enough(found, a),
        "pixels_proved": pixels_proved(r["shown"]["proved"]["l0"], a),
        "sparse_mean": number(every["mean_distance"], 3),
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


def enough(found: Json, a: str) -> str:
    """Whether the sparse attack flipped the image shown, in a sentence."""
    if not found["success"]:
        return f"No number of pixels was found to be enough for this {a}."
    verb = "is" if found["distance"] == 1 else "are"
    return f"<strong>{pixels(found['distance'])}</strong> {verb} enough for this {a}."


def _eps(r: Json) -> dict[str, str]:
    shown = r["shown"]
    return {
        "eps_proved": eps_proved(shown["proved"]["linf"]),
        "open_notes": open_notes(shown["proved"]),
        "checked_exactly": checked_exactly(r),
        "check_yourself": check_yourself(r),
        "bend_note": bend_note(shown["smallest_eps"]["distance"], shown["linearised_eps_in_the_box"]),
        "eps_linearised": number(shown["linearised_eps_box_ignored"]),
        "eps_in_the_box": number(shown["linearised_eps_in_the_box"]),
        "eps_found": ceiled(shown["smallest_eps"]["distance"]),
        "eps_8bit": ceiled(shown["smallest_eps_in_bytes"]["distance"]),
        "eps_mean": number(r["smallest_eps"]["mean_distance"]),
    }


def bend_note(found: float | None, linear: float | None) -> str:
    """Which way the network bends between the image and the boundary, in a sentence."""
    if found is None or linear is None:
        return ""
    if abs(found - linear) < HARDLY * linear:
        return "It is close to the linear one: the network hardly bends on the way."
    if found < linear:
        return "It is smaller than the linear one because the network bends upwards on the way."
    return "It is larger than the linear one because the network bends downwards on the way."


def _universal(r: Json) -> dict[str, str]:
    at, minima = next(row for row in r["universal"] if row["eps"] == SHOWN_EPS), r["universal_minimum"]
    return {
        "universal_rate": rate(at["rate_held_out"], r["images"]["correct"]),
        "set_images": str(minima["linf"]["images"]),
        "set_eps_proved": set_proved(minima["linf"], "an eps of ", 4),
        "set_pixels_proved": set_proved(minima["l0"], "", 0),
        "which_bound": which_bound(minima),
        **_mixed_set(r),
    }


def _mixed_set(r: Json) -> dict[str, str]:
    """Paragraphs, or nothing where there was no image of the second digit."""
    if "mixed" not in r["universal_minimum"]:
        return {"mixed_set": "", "mixed_rates": ""}
    a, b = (escape(name) for name in r["names"])
    mixed = r["universal_minimum"]["mixed"]
    rates = ", ".join(f"{percent(row['rate'], 0)} at eps {row['eps']:.2f}" for row in r["mixed"])
    return {
        "mixed_set": f"<p><strong>A mixed set</strong> of {mixed['images']} images, {a} and {b}, is harder, because "
        f"the two want opposite changes. To fool all of them {set_proved(mixed, 'an eps of ', 4)}.</p>",
        "mixed_rates": f"<p>Of the mixed set one s fools {rates}.</p>",
    }


def _glasses(r: Json) -> dict[str, str]:
    glasses, frame = r["glasses"], r["shown"]["frame_pixels_proved"]
    best = glasses["heights"][str(glasses["height"])]
    few = (
        f"On the image shown, {ceiled(frame['upper'], 0)} of the frame's pixels are enough and at least "
        f"{floored(frame['lower'], 0)} are needed, proved."
    )
    none = "On the image shown no filling of the frame was found to work."
    if frame["lower"] is None:
        none = "On the image shown no filling of the frame works, proved."
    band = " (This picture is too small for glasses: the frame is a band.)"
    return {
        "band_note": band if glasses["style"] == "band" else "",
        "glasses_pixels": str(glasses["pixels"]),
        "glasses_rate": rate(best["rate_held_out"], r["images"]["correct"]),
        "glasses_rate_8bit": percent(best["rate_held_out_8bit"]),
        "glasses_controls": ", ".join(f"{FILLINGS[name]} {percent(share)}" for name, share in best["controls"].items()),
        "slipping_rate": percent(glasses["slipping"]["rate_held_out"]),
        "frame_proved": few if frame["upper"] is not None else none,
    }


def _detection(r: Json) -> dict[str, str]:
    d = r["detection"]
    eps, sparse, alarms = d["attacks"]["smallest eps"], d["attacks"]["sparse"], d["false_alarms"]["combined"]
    every = r["shape"][0] * r["shape"][1]
    unused = (
        f"By <em>unused</em> alone it is {percent(eps['found']['unused'])} of the small ones: {d['unused_pixels']} of "
        f"{every} pixels are black on every training image, and the faintest grey there gives an attack away."
    )
    return {
        "images_remembered": str(d["images_remembered"]),
        "images_for_thresholds": str(d["images_for_thresholds"]),
        "clean_test_images": str(d["clean_test_images"]),
        "images_attacked": str(d["test_images_attacked"]),
        "detection_verdict": detection_verdict(eps["found"]["combined"], alarms),
        "eps_detected": rate(eps["found"]["combined"], eps["images"]),
        "unused_note": unused if d["unused_pixels"] else "Here every pixel is used by some training image.",
        "sparse_detected": rate(sparse["found"]["combined"], sparse["images"]),
        "false_alarms": rate(alarms, d["clean_test_images"], 2),
    }


def detection_verdict(share: float | None, alarms: float) -> str:
    """Can one tell?  `share` of the small changes are found, and this share of clean images is called attacked."""
    if share is None:
        return "Here nothing flipped."
    if alarms > RELIABLE:
        return (
            f"Not reliably: so few clean training images set the threshold that {percent(alarms)} of the clean test "
            "images are called attacked, too."
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
        "price_note": price_note(r["shown"]["proved_in_disguise"]),
    }


def _made(r: Json) -> dict[str, str]:
    return {
        "seed": str(r["seed"]),
        "versions": escape(", ".join(f"{name} {version}" for name, version in r["versions"].items())),
        "misclassified": str(r["images"]["already_misclassified"]),
    }
