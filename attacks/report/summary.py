"""The short table that `python -m attacks` prints at its end."""

from __future__ import annotations

from typing import Any

from attacks.report.formats import ceiled, floored, pixels
from attacks.report.proof_words import why_open

Json = dict[str, Any]  # a part of results.json
Line = tuple[str, str]  # of the table: what, how much
OPTION = "--proof-seconds"  # gives the proofs more time


def table(r: Json) -> str:
    """The lines, joined; `r` is what results.json holds."""
    lines = [*_network(r), *_shown(r), *_all_images(r), *_one_for_all(r), *_detection(r["detection"])]
    lines.append(("time", f"{r['seconds']['all']:.1f} s"))
    return "\n".join(f"{name:32s} {text}" for name, text in lines)


def _network(r: Json) -> list[Line]:
    sizes, accuracy = "-".join(map(str, r["network"]["sizes"])), r["network"]["test_accuracy"]
    return [(f"network {sizes}", f"{100 * accuracy:.2f}% of test images right")]


def _shown(r: Json) -> list[Line]:
    """The image shown."""
    (a, b), shown = r["names"], r["shown"]

    def found(name: str, form: str, digits: int) -> str:
        if not shown[name]["success"]:
            return "not flipped"
        sure = f"{100 * shown[name]['confidence_after']:.1f}% sure it is a {b}"
        return f"{form.format(ceiled(shown[name]['distance'], digits))}, then {sure}"

    return [
        (f"test image of {a}, number {shown['image']}", f"{100 * shown['confidence_before']:.1f}% sure it is a {a}"),
        ("  fewest pixels found", found("sparse", "{} pixels", 0)),
        ("  smallest eps found", found("smallest_eps", "eps {}", 5)),
        ("  fewest pixels proved", _pixels(shown["proved"]["l0"])),
        ("  smallest eps proved", _eps(shown["proved"]["linf"])),
    ]


def _pixels(p: Json) -> str:
    """What is proved of the number of pixels."""
    if p["lower"] is None:
        return "no number of pixels works: proved"
    lower = pixels(int(floored(p["lower"], 0)))
    if p["lower"] == p["upper"]:
        return f"{lower}: nothing below works"
    enough = "no number is known to be enough" if p["upper"] is None else f"{pixels(p['upper'])} are enough"
    return f"at least {lower}, {enough}; the rest is open: {why_open(p['reason'], OPTION)}"


def _eps(p: Json) -> str:
    """What is proved of eps."""
    if p["lower"] is None:
        return "no eps works: proved"
    works = "no eps is known to work" if p["upper"] is None else f"eps {ceiled(p['upper'], 5)} works"
    open_ = "" if p["optimal"] else f"; the rest is open: {why_open(p['reason'], OPTION)}"
    return f"{works}, nothing below {floored(p['lower'], 5)} does{open_}"


def _all_images(r: Json) -> list[Line]:
    """Each test image attacked by itself."""
    names = {
        "one_step_box_ignored": "one step, box ignored",
        "one_step_in_the_box": "one step, exact in the box",
        "smallest_eps": "smallest eps found",
        "smallest_eps_in_bytes": "smallest eps in bytes",
    }
    wrong = f"{r['images']['already_misclassified']} more were misclassified already"
    return [
        (f"all {r['sparse']['images']} test images", wrong),
        ("  fewest pixels found", _mean(r["sparse"], "{:.3f} pixels")),
        *((f"  {text}", _mean(r[name], "eps {:.5f}")) for name, text in names.items()),
    ]


def _mean(m: Json, form: str) -> str:
    flipped = f"{100 * m['success']:5.1f}% flipped"
    if not m["success"]:
        return flipped
    return f"{flipped}, mean {form.format(m['mean_distance'])}; {100 * m['success_8bit']:.1f}% after rounding to bytes"


def _one_for_all(r: Json) -> list[Line]:
    """One perturbation, or one pair of glasses, for all of them."""

    def unseen(row: Json) -> str:
        flipped = f"{100 * row['rate_held_out']:5.1f}% flipped, unseen"
        return f"{flipped}; {100 * row['rate_held_out_8bit']:.1f}% after rounding to bytes"

    glasses = r["glasses"]
    best, slip = glasses["heights"][str(glasses["height"])], glasses["slipping"]["rate_held_out"]
    worn = (
        f"{100 * best['rate_held_out']:5.1f}% flipped, unseen; at most {100 * max(best['controls'].values()):.1f}% by "
        f"plain ones; slipping by a pixel {100 * slip:.1f}%"
    )
    return [
        *((f"  one s for all, eps {row['eps']:.3f}", unseen(row)) for row in r["universal"]),
        *((f"  {row['pixels']} fixed pixels", unseen(row)) for row in r["fixed_pixels"][-1:]),
        (f"  glasses of {glasses['pixels']} pixels", worn),
    ]


def _detection(d: Json) -> list[Line]:
    """Which of these attacks the combined detector finds."""

    def found(row: Json) -> str:
        share, area = row["found"]["combined"], row["auc"]["combined"]
        if share is None:
            return "none flipped"
        low, high = row["auc_interval"]
        return f"{100 * share:5.1f}% found at 1% false alarms, AUC {area:.4f} [{low:.4f}, {high:.4f}]"

    alarms = f"{100 * d['false_alarms']['combined']:5.1f}% of clean test images"
    return [
        *((f"  {name}: one can tell", found(row)) for name, row in d["attacks"].items()),
        ("  false alarms, measured", alarms),
    ]
