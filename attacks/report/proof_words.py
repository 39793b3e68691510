"""What the page says of its proofs: intervals, who checked them, and what is proved of the price of hiding."""

from __future__ import annotations

from html import escape
from typing import Any

from attacks.report.formats import ceiled, floored, pixels
from attacks.report.tables import dearer
from attacks.result import Reason

Json = dict[str, Any]  # a part of results.json
NORMS = {"l0": "pixels", "linf": "eps"}  # what they are called on the page
MORE_TIME = "<code>--proof-seconds</code>"  # the option of the report that narrows an interval
STOPPED = {  # reason: why an interval is as wide as it is; {} takes the option that gives the search more time
    Reason.TIME: "the proof ran out of time, and a larger {} gives it more",
    Reason.NODES: "the proof spent the nodes it was given, and a larger {} gives it more",
    Reason.TIE: "the two differ by less than float64 can tell apart, so more time would not settle it",
    Reason.SMOOTH: "this network's activation is never exactly linear, so more time may not settle it",
    Reason.BOUNDARY: "the image lies on the boundary as it is, and any change may flip it",
}


def pixels_proved(p: Json, a: str) -> str:
    """The certified interval of pixels, in a sentence."""
    if p["lower"] is None:
        return f"Proved: no number of pixels turns this {a}."
    lower, upper = int(floored(p["lower"], 0)), ceiled(p["upper"], 0)
    least = f"This {a} needs <strong>at least {pixels(lower)}: proved</strong>"
    if p["upper"] is None:
        return f"{least}. Whether any number is enough is not known."
    if p["lower"] < p["upper"]:
        return f"{least}; {upper} are enough. Whether fewer than {upper} can do it is not known."
    better = f" (the attack had needed {p['attack']:.0f})" if p["attack"] and p["attack"] > p["upper"] else ""
    return f"{least}; {upper} can do it{better}."


def why_open(reason: str, more_time: str = MORE_TIME) -> str:
    """Why a proof left an interval, and which option narrows it."""
    return STOPPED.get(Reason(reason), "the interval is as narrow as was asked").format(more_time)


def eps_proved(p: Json) -> str:
    """The certified interval of eps, in a sentence."""
    if p["lower"] is None:
        return "Proved: no eps works, however large."
    works = "No eps is known to work" if p["upper"] is None else f"eps = {ceiled(p['upper'], 5)} works"
    said = f"{works}; <strong>nothing below {floored(p['lower'], 5)} does: proved</strong>."
    if p["optimal"]:
        return said
    where = "What lies above" if p["upper"] is None else "What lies between"
    return f"{said} {where} is not known."


def open_notes(proved: dict[str, Json]) -> str:
    """A paragraph: why the interval of pixels, or of eps, is not narrower; nothing where all is known."""
    unknown = [norm for norm, p in proved.items() if p["lower"] is not None and not p["optimal"]]
    said = " ".join(f"Of {NORMS[norm]} some is open: {why_open(proved[norm]['reason'])}." for norm in unknown)
    return f"<p>{said}</p>" if said else ""


def checked_exactly(r: Json) -> str:
    """A sentence: who else has checked the proofs of the image shown."""
    written = [NORMS[norm] for norm, p in r["exact"]["proofs"].items() if p["file"]]
    if not written:
        return "No proof is written down for others to check."
    lines = f"{r['exact']['checker_lines']} lines that know nothing of this library"
    return f"<strong>Checked by {lines}</strong>, in exact arithmetic: {' and '.join(written)}."


def check_yourself(r: Json) -> str:
    """Paragraphs: which proofs there are to check once more, how, and what the checker says."""
    exact = r["exact"]
    written = {norm: p for norm, p in exact["proofs"].items() if p["file"]}
    missing = [f"{NORMS[norm]} ({escape(p['says'])})" for norm, p in exact["proofs"].items() if norm not in written]
    without = f"There is no file of a proof about {', '.join(missing)}. " if missing else ""
    if not written:
        return f"<p>{without}</p>"
    weaker = [
        f"The file about {NORMS[norm]} claims only what its own search proved. "
        for norm, p in written.items()
        if p["lower"] != r["shown"]["proved"][norm]["lower"]
    ]
    took = " and ".join(f"{r['seconds']['check ' + p['file']]:.1f} s ({NORMS[norm]})" for norm, p in written.items())
    files = " ".join([exact["model"], *(p["file"] for p in written.values())])
    prints = "<br>".join(f"<code>{p['file']}: {escape(p['says'])}</code>" for p in written.values())
    return (
        f"<p>{''.join(weaker)}{without}In this folder, with NumPy alone, in {took}:</p>\n"
        f'<div class="scroll"><code>python checker.py {files}</code></div>\n<p class="where">It prints:<br>{prints}</p>'
    )


def set_proved(u: Json, what: str, digits: int) -> str:
    """What it takes to fool a set with one s: the certified interval, as the end of a sentence."""
    if u["lower"] is None:
        return "is <strong>impossible, proved</strong>"
    found = f"{ceiled(u['upper'], digits)} found" if u["upper"] is not None else "none found"
    return f"takes <strong>{what}at least {floored(u['lower'], digits)}, proved</strong> ({found})"


def which_bound(minima: dict[str, Json]) -> str:
    """Which of the two arguments gave the lower bounds of this report."""
    names = {"linf": "eps", "l0": "fixed pixels", "mixed": "the mixed set"}
    known = {name: u for name, u in minima.items() if u["lower"] is not None and u["quantile"] is not None}
    joint = [names[name] for name, u in known.items() if u["lower"] > u["quantile"]]
    if not joint:
        return (
            "Here all the lower bounds come from the images one by one; in the time it had, the weighted sum adds "
            "nothing."
        )
    return (
        f"Here the weighted sum raises the bound for {' and '.join(joint)}; the others come from the images one by one."
    )


HIDDEN = {"used": "on used pixels", "smooth": "smoothly"}  # blind spot of the detectors: how one hides there


def price_note(proved: dict[str, Json]) -> str:
    """What is proved of the price of hiding for the image shown, in a sentence; nothing where nothing is known."""
    prices = {spot: dearer(row["linf"], proved["free"]["linf"]) for spot, row in proved.items() if spot in HIDDEN}
    said = "; ".join(f"{HIDDEN[spot]}, {price}" for spot, price in prices.items() if price)
    return f"The price of hiding at the image shown, in eps: {said}." if said else ""
