"""The rows of the page's tables, as HTML; their heads stand in `template.html`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from attacks.report.formats import EXACT, ceiled, floored, number, percent, rate

Json = dict[str, Any]  # a part of results.json
# Luminance at which black and white text have the same contrast, (L + 0.05) / 0.05 = 1.05 / (L + 0.05): 4.58 to 1, and
# WCAG 2 asks for 4.5.
MIDDLE = (1.05 * 0.05) ** 0.5 - 0.05


def tables(r: Json) -> dict[str, str]:
    """`name -> HTML` for every table of the template; `r` is what results.json holds."""
    d, proved = r["detection"], r["shown"]["proved_in_disguise"]
    found = {name: row["found"] for name, row in d["attacks"].items()}
    adaptive = [(attack, name, row) for attack, each in r["disguised"].items() for name, row in each.items()]
    hidden = {f"{attack}, {name}": row["found"] for attack, name, row in adaptive}
    return {
        "method_rows": _methods(r),
        "universal_rows": "".join(_universal(row, r["images"]["correct"]) for row in r["universal"]),
        "height_rows": "".join(_height(int(rows), row) for rows, row in r["glasses"]["heights"].items()),
        "detector_heads": "".join(f"<th>{name}" for name in d["false_alarms"]),
        "found_rows": _shaded(found, d["false_alarms"]),
        "found_adaptive_rows": _shaded(hidden, d["false_alarms"]),
        "detection_rows": "".join(_detection(name, row) for name, row in d["attacks"].items()),
        "adaptive_proof_rows": "".join(_proved(name, row, proved["free"]) for name, row in proved.items()),
        "adaptive_rows": "".join(_adaptive(*given) for given in adaptive),
    }


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}" for cell in cells)


def _methods(r: Json) -> str:
    """The ways to change every pixel a little."""
    names = {
        "one_step_box_ignored": "one step, eps = -m / |g|<sub>1</sub> (box ignored)",
        "one_step_in_the_box": "one step, root of h<sub>B</sub>(eps) = -m (inside the box)",
        "smallest_eps_in_bytes": "smallest eps among the bytes",
        "pgd": f"forty steps (PGD) at eps {r['pgd']['eps']:.2f}",
        "smallest_eps": "smallest eps found on the real network",
    }
    rows = [(text, r[name]) for name, text in names.items()]
    return "".join(
        _row(text, percent(m["success"]), number(m["mean_distance"]), percent(m["success_8bit"])) for text, m in rows
    )


def _universal(u: Json, images: int) -> str:
    fooled = percent(u["rate_on_set"]), rate(u["rate_held_out"], images), percent(u["rate_held_out_8bit"])
    return _row(number(u["eps"], 3), *fooled)


def _height(rows: int, h: Json) -> str:
    fillings = (str(h["fillings"][name]) for name in ("works", "proved_none", "undecided"))
    control = percent(max(h["controls"].values()))
    return _row(f"{rows:+d}", percent(h["rate_held_out"]), control, number(h["promise"], 2), *fillings)


def _shaded(table: dict[str, Mapping[str, float | None]], clean: Mapping[str, float | None]) -> str:
    """Rows of shares, one column a detector, shaded; below them what the same thresholds say of clean images."""
    rows = [*table.items(), ("clean: false alarms", clean)]
    return "".join(f"<tr><td>{name}{''.join(shade(share) for share in row.values())}" for name, row in rows)


def shade(share: float | None) -> str:
    """One cell: white for nothing, blue for all, and ink that can be read on it."""
    if share is None:
        return "<td>none"
    rgb = 255 - 255 * share, 255 - 141 * share, 255 - 77 * share  # white to blue, #0072B2
    back = f"rgb({','.join(f'{part:.0f}' for part in rgb)})"
    text = percent(share, 0 if share >= 0.1 or share == 0 else 1)
    return f'<td style="background:{back};color:{"white" if luminance(rgb) < MIDDLE else "black"}">{text}'


def luminance(rgb: Iterable[float]) -> float:
    """Relative luminance of an sRGB colour, 0 to 255 each, as WCAG 2 defines it."""
    parts = [v / 255 for v in rgb]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _detection(name: str, a: Json) -> str:
    low, high = a["auc_interval"]
    return _row(
        name, percent(a["flipped"]), percent(a["flipped_8bit"]), number(a["auc"]["combined"]),
        f"{number(low)} to {number(high)}", rate(a["found"]["combined"], a["images"]),
        percent(a["found_8bit"]["combined"]),
    )  # fmt: skip


def _adaptive(attack: str, spot: str, a: Json) -> str:
    cost = f"{number(a['cost'], 2)} pixels" if attack in ("sparse", "glasses") else f"eps {number(a['cost'])}"
    low, high = (number(end, 3) for end in a["auc_interval"])
    return _row(
        attack, spot, percent(a["flipped"]), percent(a["flipped_8bit"]), cost,
        f"{number(a['auc']['combined'], 3)} ({low} to {high})", rate(a["found"]["combined"], a["images"]),
    )  # fmt: skip


def _proved(spot: str, p: dict[str, Json], free: dict[str, Json]) -> str:
    price = "" if spot == "free" else dearer(p["linf"], free["linf"])
    return _row(spot, _interval(p["l0"], 0), _interval(p["linf"], 4), price)


def dearer(hidden: Json, free: Json) -> str:
    """What two intervals prove of the price of staying unseen: that `lower` of one is above `upper` of the other."""
    if free["upper"] is None:
        return ""
    if hidden["lower"] is None:
        return "nothing works, proved"
    more = EXACT.subtract(Decimal(hidden["lower"]), Decimal(free["upper"]))
    return f"at least {floored(more)} more, proved" if more > 0 else "not proved (the intervals overlap)"


def _interval(p: Json, digits: int) -> str:
    if p["lower"] is None:
        return "nothing works, proved"
    return f"[{floored(p['lower'], digits)}, {'none found' if p['upper'] is None else ceiled(p['upper'], digits)}]"
