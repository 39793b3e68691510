"""The sentences and tables of the report that depend on how its numbers came out (see page.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attacks.detect import share_interval

RELIABLE = 0.05  # false alarms above this: a detector is of no use


def heat(table: dict[str, dict[str, float | None]], clean: dict[str, float | None], text: str) -> str:
    """Rows of shares, one a detector, shaded; below them what the same thresholds say of clean images."""

    def cell(v: float | None) -> str:
        if v is None or v != v:
            return "<td>none"
        back = f"rgb({255 - 255 * v:.0f},{255 - 141 * v:.0f},{255 - 77 * v:.0f})"  # white to blue, #0072B2
        return f'<td style="background:{back};color:{"white" if v > 0.6 else "black"}">{100 * v:.{0 if v >= 0.1 or v == 0 else 1}f}%'

    rows: list[tuple[str, Mapping[str, float | None]]] = [*table.items(), ("clean: false alarms", clean)]
    body = "".join(f"<tr><td>{name}{''.join(cell(v) for v in row.values())}" for name, row in rows)
    head = "".join(f"<th>{name}" for name in clean)
    return f'<figure><div class="scroll"><table class="heat"><thead><tr><th>{head}</tr></thead>{body}</table></div><figcaption>{text}</figcaption></figure>'


def detection(r: dict[str, Any]) -> str:
    d = r["detection"]

    def row(name: str, s: dict[str, Any]) -> str:
        low, high = s["auc_interval"]
        return (
            f"<tr><td>{name}<td>{_percent(s['flipped'])}<td>{_percent(s['flipped_8bit'])}<td>{number(s['auc']['combined'])}"
            f"<td>{number(low)} to {number(high)}<td>{rate(s['found']['combined'], s['images'])}<td>{_percent(s['found_8bit']['combined'])}"
        )

    rows = "".join(row(name, s) for name, s in d["attacks"].items())
    eps, sparse = d["attacks"]["smallest eps"], d["attacks"]["sparse"]
    share, alarms = eps["found"]["combined"], d["false_alarms"]["combined"]
    if share is None or share != share:
        verdict = "Here nothing flipped."
    elif alarms > RELIABLE:
        verdict = f"Not reliably: so few clean training images set the threshold that {_percent(alarms)} of clean test images are called attacked as well."
    else:
        verdict = "Yes." if share >= 0.5 else "Mostly not."
    dark, pixels = d["unused_pixels"], r["shape"][0] * r["shape"][1]
    unused = (
        f": {dark} of {pixels} pixels are black on every image that the detectors know, so the smallest grey in them gives the attack away. That is a "
        "property of the collection, not of the attack"
        if dark
        else ": every pixel is used by some training image"
    )
    return (
        f'<p class="answer">{verdict} Of the small changes that the eye misses, {rate(share, eps["images"])} are found, and '
        f"{_percent(eps['found']['unused'])} by looking at unused pixels alone{unused}. Of the sparse ones, {rate(sparse['found']['combined'], sparse['images'])}. "
        f"False alarms: 1% asked, {rate(alarms, d['clean_test_images'], 2)} measured on {d['clean_test_images']} clean test images.</p>"
        f'<div class="scroll"><table><thead><tr><th>attack<th>flips<th>in bytes<th>AUC, combined<th>95% interval<th>found<th>found in bytes</tr></thead>{rows}</table></div>'
    )


def price(r: dict[str, Any]) -> str:
    def row(attack: str, disguise: str, s: dict[str, Any]) -> str:
        cost = f"{number(s['cost'], 2)} pixels" if attack in ("sparse", "glasses") else f"eps {number(s['cost'])}"
        low, high = s["auc_interval"]
        return (
            f"<tr><td>{attack}<td>{disguise}<td>{_percent(s['flipped'])}<td>{_percent(s['flipped_8bit'])}<td>{cost}"
            f"<td>{number(s['auc']['combined'], 3)} ({number(low, 3)} to {number(high, 3)})<td>{rate(s['found']['combined'], s['images'])}"
        )

    def interval(p: dict[str, Any], digits: int) -> str:
        if p["lower"] is None:
            return "proved: nothing works"
        return f"[{number(p['lower'], digits)}, {'none found' if p['upper'] is None else number(p['upper'], digits)}]"

    rows = "".join(row(a, d, s) for a, each in r["disguised"].items() for d, s in each.items())
    proved = r["shown"]["proved_in_disguise"]
    proofs = "".join(
        f"<tr><td>{disguise}<td>{interval(p['l0'], 0)}<td>{interval(p['linf'], 4)}<td>{dearer(p['linf'], proved['free']['linf'])}"
        for disguise, p in proved.items()
    )
    free, used = (r["disguised"]["smallest eps in bytes"][d] for d in ("free", "used"))
    return (
        f'<p class="answer">Among the bytes and on used pixels the smallest eps is {number(used["cost"])} instead of {number(free["cost"])}, and the combined detector finds '
        f"{rate(used['found']['combined'], used['images'])} instead of {rate(free['found']['combined'], free['images'])}. For the image shown no change is smaller than the first number of each interval: proved. "
        f"So hiding is proved dearer where that number is above what is enough without hiding. (The combined detector trusts what found the attacks it was shown; one told of the disguise would lean on <em>squeezed</em>, which finds {_percent(used['found']['squeezed'])}.)</p>"
        f'<div class="scroll"><table><thead><tr><th>disguise<th>pixels: proved, found<th>eps: proved, found<th>eps dearer?</tr></thead>{proofs}</table></div>'
        f'<div class="scroll"><table><thead><tr><th>attack<th>disguise<th>flips<th>in bytes<th>mean size<th>AUC<th>found</tr></thead>{rows}</table></div>'
        "<p>In bytes eps is a multiple of 1/255, so what is proved in floats is proved there rounded up to the next multiple.</p>"
    )


def dearer(hidden: dict[str, Any], free: dict[str, Any]) -> str:
    """What two intervals prove of the price: `lower` of one above `upper` of the other."""
    if hidden is free or free["upper"] is None:
        return ""
    if hidden["lower"] is None:
        return "impossible: proved"
    more = hidden["lower"] - free["upper"]
    return f"by {number(more)} at least: proved" if more > 0 else "not proved: the intervals overlap"


def by_which(minima: dict[str, dict[str, Any]]) -> str:
    """Which of the two arguments gave the bounds of this report."""
    joint = [name for name, u in minima.items() if u["lower"] is not None and u["quantile"] is not None and u["lower"] > u["quantile"]]
    names = {"linf": "eps", "l0": "fixed pixels", "mixed": "the mixed set"}
    if not joint:
        return "Here the images one by one give all the lower bounds printed; the weighted sum adds nothing to them in the time it had."
    return f"Here the weighted sum raises the bound for {' and '.join(names[name] for name in joint)}; the others come from the images one by one."


def plain(text: str) -> str:
    return text.replace("<strong>", "").replace("</strong>", "")


def rate(share: float | None, n: int, digits: int = 1) -> str:
    """A share of n images, with its 95% interval."""
    if share is None or share != share or not n:
        return "none"
    low, high = share_interval(share, n)
    return f"{100 * share:.{digits}f}% ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def _percent(value: float | None, digits: int = 1) -> str:
    return "none" if value is None or value != value else f"{100 * value:.{digits}f}%"


def pixels_proved(p: dict[str, Any], a: str) -> str:
    upper = number(p["upper"], 0)
    if p["lower"] is None:
        return f"Proved: no number of pixels turns this {a}."
    if p["optimal"]:
        better = f" (the attack had needed {p['attack']:.0f})" if p["attack"] and p["attack"] > p["upper"] else ""
        return f"This {a} needs <strong>at least {pixels(p['lower'])}: proved</strong>; {upper} can do it{better}."
    return f"This {a} needs <strong>at least {pixels(p['lower'])}: proved</strong>; known to be enough: {upper} ({p['reason']})."


def pixels(count: float) -> str:
    return f"{count:.0f} pixel{'' if count == 1 else 's'}"


def eps_proved(p: dict[str, Any]) -> str:
    if p["lower"] is None:
        return "Proved: no eps works, however large."
    why = "" if p["optimal"] else f" ({p['reason']})"
    return f"eps = {number(p['upper'], 5)} works; <strong>nothing below {number(p['lower'], 5)} does: proved</strong>{why}."


def set_proved(u: dict[str, Any], form: str, digits: int) -> str:
    n, lower, upper = u["images"], form.format(number(u["lower"], digits)), form.format(number(u["upper"], digits))
    if u["lower"] is None:
        return f"For the first {n} images together: proved, no s of any size fools them all."
    found = f"{upper} found" if u["upper"] is not None else "none was found"
    return f"For the first {n} images together: <strong>no s with less than {lower} fools them all: proved</strong>; {found}."


def mixed(r: dict[str, Any], a: str, b: str) -> str:
    if "mixed" not in r["universal_minimum"]:
        return ""
    rates = ", ".join(f"{100 * row['rate']:.0f}% at eps {row['eps']:.2f}" for row in r["mixed"])
    u = r["universal_minimum"]["mixed"]
    return (
        f"<p>And a mixed set, half {a}s that should become {b}s and half the reverse? The best s found "
        f"fools {rates}. {set_proved(u, 'eps {}', 4)}</p>"
    )


def glasses_answer(g: dict[str, Any], frame: dict[str, Any], a: str, images: int) -> str:
    best, slip = g["heights"][str(g["height"])], g["slipping"]
    controls = ", ".join(f"{name} {100 * rate:.1f}%" for name, rate in best["controls"].items())
    few = (
        f"On the image shown, {number(frame['upper'], 0)} of the frame's pixels are enough, and at least {number(frame['lower'], 0)} are needed: proved."
        if frame["upper"] is not None
        else "On the image shown no filling of the frame was found to work."
    )
    return (
        f'<p class="answer">A frame of {g["pixels"]} pixels fools <strong>{rate(best["rate_held_out"], images)}</strong> of the {images} unseen {a}s '
        f"({100 * best['rate_held_out_8bit']:.1f}% in bytes); the same frame filled otherwise: {controls}. Made to survive a slip of one pixel in any direction, "
        f"it fools {100 * slip['rate_held_out']:.1f}% on average over the nine places. {few}</p>"
    )


def heights_answer(g: dict[str, Any], a: str) -> str:
    rows = "".join(
        f"<tr><td>{int(rows):+d}<td>{100 * h['rate_held_out']:.1f}%<td>{100 * max(h['controls'].values()):.1f}%<td>{number(h['promise'], 2)}"
        f"<td>{h['fillings']['works']}<td>{h['fillings']['proved_none']}<td>{h['fillings']['undecided']}"
        for rows, h in g["heights"].items()
    )
    return (
        '<div class="scroll"><table><thead><tr><th>rows down<th>fooled<th>best control<th>promised<th>some filling works<th>none does: proved<th>undecided</tr></thead>'
        f"{rows}</table></div><p>Why it fails where it fails: \"promised\" is what the mean linearised {a} gains when every pixel of the frame goes to its better end, as a share of "
        "what it needs. Below 1 the frame crosses too few pixels that matter. And where a control does nearly as well as the pattern, the plain frame hides or completes the "
        "digit: that is no attack. The last three columns take the first images one by one, each with a filling of its own, by branch and bound.</p>"
    )


def number(value: float | None, digits: int = 4) -> str:
    return "none" if value is None or value != value or abs(value) == float("inf") else f"{value:.{digits}f}"
