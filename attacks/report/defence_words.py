"""What the page says of the defended networks: the rows of their table, and the numbers in its sentences.

Shares are counts of images, so they are rounded exactly: what is proved down, what was only not fooled up.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attacks.detect.statistics import share_interval
from attacks.report.formats import EXACT, ceiled, floored, number, percent, rate

Json = dict[str, Any]  # a part of results.json
SHOWN = "0.05", "0.1", "0.2"  # eps in the table: half, once and twice what two of the networks were trained for
_, TRAINED, FAR = SHOWN


def defence(r: Json) -> dict[str, str]:
    """`name -> HTML`; `r` is what results.json holds.  Nothing where it holds none of these networks."""
    d = r["defence"]
    if d is None:
        return {}
    nets, how = d["nets"], d["how"]
    plain = nets["plain"]
    return {
        "defended_heads": "".join(f"<th>{name}" for name in nets),
        "defended_rows": _rows(d),
        "defended_drawn": str(drawn(plain["robust"][TRAINED])),
        "defended_nodes": str(how["nodes"]),
        "defended_few": str(plain["minima"]["linf"]["images"]),
        "defended_few_nodes": str(how["nodes_minimum"]),
        "defended_fours": str(plain["universal"]["images"]),
        **_other_balls({name: net["minima"] for name, net in nets.items()}),
        **_proved(nets),
        **_price({name: net["accuracy"] for name, net in nets.items()}),
    }


def _rows(d: Json) -> str:
    """One a measure, one column a network."""
    nets = d["nets"].values()
    rows = [("accuracy", [_rate(net["accuracy"], "right") for net in nets])]
    rows += [(f"right on the whole ball, eps {eps}", [between(net["robust"][eps]) for net in nets]) for eps in SHOWN]
    rows += [
        ("smallest eps, mean", [interval(net["minima"]["linf"], 4) for net in nets]),
        ("fewest pixels, mean", [interval(net["minima"]["l0"], 2) for net in nets]),
        (
            f"one s for all, eps {d['how']['universal_eps']:g}, flips",
            [_rate(net["universal"], "flipped") for net in nets],
        ),
        ("glasses flip", [_rate(net["glasses"], "flipped") for net in nets]),
        ("share of |J| on the digits", [percent(net["ink_share"], 0) for net in nets]),
        ("cosine of J and the way", [number(net["alignment"], 2) for net in nets]),
    ]
    return "".join(f"<tr><td>{name}" + "".join(f"<td>{cell}" for cell in cells) for name, cells in rows)


def _rate(counted: Json, name: str) -> str:
    return rate(counted[name] / counted["images"], counted["images"]).replace(" (", "<br>(")


def drawn(states: Json) -> int:
    """How many images have one of these states."""
    return sum(int(count) for count in states.values())


def between(states: Json) -> str:
    """A robust accuracy: the share proved to the share not fooled; in brackets what they may be on other images."""
    n, proved = drawn(states), states["robust"]
    unfooled = proved + states["open"]
    low, high = floored(_percent(proved, n), 1), ceiled(_percent(unfooled, n), 1)
    least, most = share_interval(proved / n, n)[0], share_interval(unfooled / n, n)[1]
    said = f"{low}%" if low == high else f"{low}% to {high}%"
    return f"{said}<br>({floored(100 * least, 1)} to {ceiled(100 * most, 1)})"


def _percent(count: int, n: int) -> Decimal:
    """100 count / n, exact where it is a round number, which then stays what it is."""
    return EXACT.divide(Decimal(100 * count), Decimal(n))


def mean(minima: Json, end: str) -> Decimal:
    """Of the lower, or of the upper, ends of certified minima."""
    return EXACT.divide(Decimal(minima[f"sum_{end}"]), Decimal(minima["images"]))


def interval(minima: Json, digits: int) -> str:
    """The mean of what is proved, to the mean of what was found."""
    low, high = floored(mean(minima, "lower"), digits), ceiled(mean(minima, "upper"), digits)
    return low if low == high else f"{low} to {high}"


def _other_balls(minima: Json) -> dict[str, str]:
    """Robust against one ball, and against another: means of certified minima, and proved ratios of them."""
    plain, certified, few = (minima[name] for name in ("plain", "certified", "few-pixels"))

    def times(a: Json, b: Json, norm: str) -> str:
        return floored(EXACT.divide(mean(a[norm], "lower"), mean(b[norm], "upper")), 1)

    return {
        "certified_times_eps": times(certified, plain, "linf"),
        "few_times_pixels": times(few, plain, "l0"),
        "plain_eps": interval(plain["linf"], 4),
        "plain_pixels": interval(plain["l0"], 2),
        "certified_pixels": interval(certified["l0"], 2),
        "few_eps": interval(few["linf"], 4),
    }


def _proved(nets: Json) -> dict[str, str]:
    """What was proved, and what was only not found."""
    found = {
        f"{name}_{what}_{where}": str(nets[name]["robust"][eps][state])
        for name in ("adversarial", "certified")
        for what, state in (("proved", "robust"), ("open", "open"))
        for where, eps in (("near", TRAINED), ("far", FAR))
    }
    far = nets["adversarial"]["robust"][FAR]
    return found | {"adversarial_unfooled_far": str(far["robust"] + far["open"])}


def _price(accuracy: Json) -> dict[str, str]:
    """Clean accuracy, before and after."""
    n = accuracy["plain"]["images"]
    wrong = {name: n - counted["right"] for name, counted in accuracy.items()}
    ends = [share_interval(count / n, n) for count in wrong.values()]
    overlap = max(low for low, _ in ends) <= min(high for _, high in ends)
    others = ", ".join(f"<em>{name}</em> {count}" for name, count in wrong.items() if name != "plain")
    return {
        "clean_images": str(n),
        "plain_wrong": str(wrong["plain"]),
        "others_wrong": others,
        "price_verdict": "no larger than chance explains" if overlap else "larger than chance explains",
    }
