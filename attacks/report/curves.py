"""The numbers behind the curves of the report: margins against eps, bounds against eps, rates against the radius."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attacks.balls.linf import LInf
from attacks.proofs.query import Query
from attacks.report.records import Results
from minigrad.bounds.crown import intervals
from minigrad.bounds.optimised import optimise_bounds
from minigrad.inputs import Array
from minigrad.margin import Margin


def margin_curves(r: Results) -> tuple[Array, dict[str, Array]]:
    """eps (k,), and the margin of the image shown as eps grows: promised by the linearised network, and true."""
    e, i = r.images, r.images.shown
    x, largest, root = e.images[i], e.smallest.distance[i], e.box_root[i]
    eps = np.linspace(0, 1.5 * max(largest, root if np.isfinite(root) else 0) or 1, 121)
    ball, many = LInf(eps), np.broadcast_to(x, (len(eps), len(x)))
    g = np.broadcast_to(e.gradient[i], many.shape)
    margin = Margin.from_labels(r.setup.net, many, np.zeros(len(eps), int))
    best = e.smallest.x_adv[i] - x
    bent = np.clip(best * (eps / (largest or 1))[:, None], -eps[:, None], eps[:, None])
    return eps, {
        "linearised, box ignored": e.start[i] + eps * np.abs(e.gradient[i]).sum(),
        "linearised, in the box": e.start[i] + ball.support(many, g),
        "network, one sign step": margin.value(ball.apply(many, ball.maximize(many, g))),
        "network, best direction": margin.value(ball.apply(many, bent)),
    }


@dataclass(frozen=True, eq=False)
class ProofCurve:
    """How large the margin of the image shown can become within eps."""

    eps: Array  # (k,)
    bound: Array  # (k,) never above this: the bound on the whole ball, before anything is cut into parts
    found: Array  # (k,) at least this: the largest margin that the attacks found
    lower: float  # the certified interval
    upper: float


def proof_curve(r: Results) -> ProofCurve | None:
    """The curve, or None where nothing can be bounded or nothing flips."""
    c, x, net = r.proofs.image["free"]["linf"], r.images.images[r.images.shown], r.setup.net
    if not 0 < c.upper < np.inf:
        return None
    eps = np.linspace(0, 1.3 * c.upper, 20)
    query = Query.from_image(net, x, 0, LInf(eps))
    many = np.repeat(x[None], len(eps), axis=0)
    try:
        known = intervals(net, many, query.ball)
        bound = optimise_bounds(known, np.repeat(query.c, len(eps), axis=0))[0].bound  # (k, 1)
    except OverflowError:
        return None
    margin = Margin.from_labels(net, many, np.zeros(len(eps), int))
    gradient = np.broadcast_to(r.images.gradient[r.images.shown], many.shape)
    best = np.zeros(len(x)) if c.x_adv is None else c.x_adv - x
    ways = query.ball.maximize(many, gradient), query.ball.project(many, best * (eps / c.upper)[:, None])
    found = np.maximum(*(margin.value(query.ball.apply(many, way)) for way in ways))
    return ProofCurve(eps, bound[:, 0], np.maximum.accumulate(found), c.lower, c.upper)


@dataclass(frozen=True, eq=False)
class RateCurves:
    """The share that one s fools against the radius, found and proved."""

    radius: Array  # (k,)
    most: Array  # (k,) proved of the first few images: at this radius no s fools more of them
    rates: dict[str, tuple[Array, Array]]  # name: radii and shares found


def rate_curves(r: Results, norm: str) -> RateCurves:
    """Rates on unseen images and on the first few, for "linf" or "l0".

    At radius r an s can fool only images whose own certified minimum is at most r (the quantile bound); below the lower
    bound of the whole set it cannot fool them all.
    """
    sets, proved = r.sets, r.proofs.sets[norm]
    if norm == "linf":
        unseen = [(eps, held_out.rate) for eps, (_, held_out) in sets.universals.items()]
    else:
        unseen = [(0.0, 0.0), *((k + 1, held_out) for k, (_, held_out, _) in enumerate(sets.by_pixels))]
    pairs = {"all unseen images": unseen, f"the first {len(proved.own)}, s made for them": r.small_sets.few[norm]}
    radius = np.linspace(0, 1.02 * max(at for curve in pairs.values() for at, _ in curve), 600)
    own = np.sort(proved.own[np.isfinite(proved.own)])
    most = np.searchsorted(own, radius, side="right") / len(proved.own)
    most = np.where(radius < proved.lower, np.minimum(most, 1 - 1 / len(proved.own)), most)
    return RateCurves(radius, most, {name: tuple(np.array(curve).T) for name, curve in pairs.items()})
