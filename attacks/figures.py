"""The figures of the report: which measurements go into which picture.  How a picture is drawn is in plots.py."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial as job

import numpy as np

from attacks.balls import LInf
from attacks.detect import FALSE_ALARMS, roc
from attacks.nodes import Question
from attacks.pattern import wear
from attacks.study import Study, confidence
from attacks.study_sets import SHOWN_EPS
from minigrad.bounds import intervals
from minigrad.inputs import Array
from minigrad.margin import Margin
from minigrad.tighten import tighten

Job = Callable[[], bytes]  # draws one figure


def draw(
    s: Study, digits: tuple[str, str], history: dict[str, list[float]], helper: Executor
) -> dict[str, bytes]:
    """`file name -> PNG` for every figure, every second one drawn by `helper`."""
    jobs = _figures(s, digits, history)
    there = {name: helper.submit(work) for name, work in list(jobs.items())[::2]}
    here = {name: work() for name, work in jobs.items() if name not in there}
    return {name: here[name] if name in here else there[name].result() for name in jobs}


def _figures(s: Study, digits: tuple[str, str], history: dict[str, list[float]]) -> dict[str, Job]:
    """`file name -> what draws it`."""
    from attacks import plots

    i, x, shape = s.shown, s.images[s.shown], s.shape
    before = caption(digits, s.start[i])
    _, held_out = s.sets.universals[SHOWN_EPS]
    wearing = held_out.apply(s.images)
    worn = Margin.of(s.net, s.images, np.zeros(len(s.images), int)).value(wearing)
    ways = (
        (f"{s.sparse.distance[i]:.0f} pixels", s.sparse.x_adv[i], s.sparse.margin[i]),
        (f"every pixel by at most {s.smallest.distance[i]:.3f}", s.smallest.x_adv[i], s.smallest.margin[i]),
        (f"one s for all, eps {SHOWN_EPS:.2f}", wearing[i], worn[i]),
    )
    files: dict[str, Job] = {
        "overview.png": job(plots.overview,
            x, [way[:2] for way in ways], [before, *(caption(digits, way[2]) for way in ways)], shape
        ),
        "sparse.png": job(plots.portrait,
            x, s.sparse.x_adv[i], s.gradient[i], (before, caption(digits, s.sparse.margin[i])), shape
        ),
        "one_step.png": job(plots.portrait,
            x, s.box_step.x_adv[i], s.gradient[i], (before, caption(digits, s.box_step.margin[i])), shape
        ),
        "smallest_eps.png": job(plots.portrait,
            x, s.smallest.x_adv[i], s.gradient[i], (before, caption(digits, s.smallest.margin[i])), shape
        ),
        "pixels_histogram.png": job(plots.histogram,
            s.sparse.distance[s.sparse.success],
            "pixels needed",
            {"mean": s.sparse.mean_distance, "shown": s.sparse.distance[i]},
        ),
        "eps_histogram.png": job(plots.histogram,
            s.smallest.distance[s.smallest.success],
            "smallest eps found",
            {"mean": s.smallest.mean_distance, "shown": s.smallest.distance[i]},
        ),
        "universal.png": job(plots.universal_pictures, held_out.s, s.mean_gradient, shape),
        "universal_eps.png": job(plots.rate_curve, *_curve(s, "linf"), "eps, largest change of a pixel"),
        "universal_pixels.png": job(plots.rate_curve, *_curve(s, "l0"), "pixels, the same for every image"),
        "fixed_pixels.png": job(plots.universal_pictures, s.sets.fixed.s, s.mean_gradient, shape),
        "glasses.png": job(plots.wearing, _glasses(s, digits), shape),
        "glasses_heights.png": job(plots.wearing, _heights(s, digits), shape),
        "universal_grid.png": job(plots.wearing, _pairs(s, wearing, digits), shape),
    }
    if s.sparse.trace is not None:
        margin = s.sparse.trace.margin[i]
        files["margin_by_pixels.png"] = job(plots.margin_by_pixels, margin[~np.isnan(margin)])
    eps, curves, roots = _curves(s)
    files["margin_by_eps.png"] = job(plots.margin_by_eps, eps, curves, roots)
    proof = _proof(s)
    if proof is not None:
        files["proof.png"] = job(plots.proof, *proof)
    files |= _detection(s, digits)
    if history:
        files["training.png"] = job(plots.training, history)
    return files


def _detection(s: Study, digits: tuple[str, str]) -> dict[str, Job]:
    """What the detectors see, and the shown image in each disguise."""
    from attacks import plots

    seen = s.watched
    flipped = {name: sight for name, sight in seen.sights.items() if len(sight.scores)}
    files: dict[str, Job] = {}
    if flipped:
        curves = {name: roc(seen.clean[:, -1], sight.scores[:, -1]) for name, sight in flipped.items()}
        files["roc.png"] = job(plots.roc, curves, FALSE_ALARMS)
    rows = []
    for norm, unit in (("l0", "{:.0f} pixels"), ("linf", "eps {:.3f}")):
        proofs = [(name, row[norm]) for name, row in s.proved.items()]
        x_adv = np.array([c.x if c.x_adv is None else c.x_adv for _, c in proofs])
        said = _verdicts(s, x_adv, digits)
        sizes = ["not flipped" if np.isinf(c.upper) else unit.format(c.upper) for _, c in proofs]
        told = [f"{name}: {size}\n{verdict}" for (name, _), size, verdict in zip(proofs, sizes, said, strict=True)]
        rows.append(("", x_adv, told))
    files["disguises.png"] = job(plots.wearing, rows, s.shape)
    return files


def _curves(s: Study) -> tuple[Array, dict[str, Array], dict[str, float]]:
    """The margin of the shown image as eps grows: promised by the linearised network, and true."""
    i, x = s.shown, s.images[s.shown]
    top = 1.5 * max(s.smallest.distance[i], s.box_root[i] if np.isfinite(s.box_root[i]) else 0)
    eps = np.linspace(0, top or 1, 121)
    ball, many = LInf(eps), np.broadcast_to(x, (len(eps), len(x)))
    g = np.broadcast_to(s.gradient[i], many.shape)
    margin = Margin.of(s.net, many, np.zeros(len(eps), int))
    best = s.smallest.x_adv[i] - x
    bent = np.clip(best * (eps / (s.smallest.distance[i] or 1))[:, None], -eps[:, None], eps[:, None])
    curves = {
        "linearised, box ignored": s.start[i] + eps * np.abs(s.gradient[i]).sum(),
        "linearised, in the box": s.start[i] + ball.support(many, g),
        "network, one sign step": margin.value(ball.apply(many, ball.maximize(many, g))),
        "network, towards the best s found": margin.value(ball.apply(many, bent)),
    }
    return eps, curves, {"smallest eps found": float(s.smallest.distance[i])}


def _proof(s: Study) -> tuple[Array, Array, Array, float, float] | None:
    """The arguments of `plots.proof`: by eps the bound of the margin on the whole ball, before anything is cut into
    parts, and the largest margin that the attacks found; None where nothing can be bounded or nothing flips."""
    c, x = s.proved["free"]["linf"], s.images[s.shown]
    if not 0 < c.upper < np.inf:
        return None
    eps = np.linspace(0, 1.3 * c.upper, 40)
    question = Question.of(s.net, x, 0, LInf(eps))
    many = np.repeat(x[None], len(eps), axis=0)
    try:
        known = intervals(s.net, many, question.ball)
        bound, _ = tighten(known, np.repeat(question.c, len(eps), axis=0))  # (n, 1)
    except OverflowError:
        return None
    margin, gradient = Margin.of(s.net, many, np.zeros(len(eps), int)), np.broadcast_to(s.gradient[s.shown], many.shape)
    best = np.zeros(len(x)) if c.x_adv is None else c.x_adv - x
    ways = question.ball.maximize(many, gradient), question.ball.project(many, best * (eps / c.upper)[:, None])
    found = np.maximum(*(margin.value(question.ball.apply(many, way)) for way in ways))
    return eps, bound[:, 0], np.maximum.accumulate(found), c.lower, c.upper


def _curve(s: Study, norm: str) -> tuple[Array, dict[str, tuple[Array, Array]], Array, float]:
    """The arguments of `plots.rate_curve`: rates on unseen images, on the few, and what is proved of those."""
    sets = s.sets
    if norm == "linf":
        unseen = [(eps, held_out.rate) for eps, (_, held_out) in sets.universals.items()]
    else:
        unseen = [(0.0, 0.0), *((k + 1, held_out) for k, (_, held_out, _) in enumerate(sets.by_pixels))]
    few = sets.few[norm]
    rates = {"all unseen images": unseen, f"the first {len(sets.minima[norm].own)}, s made for them": few}
    top = max(r for pairs in rates.values() for r, _ in pairs)
    curves = {name: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]) for name, pairs in rates.items()}
    return np.linspace(0, 1.02 * top, 600), curves, sets.minima[norm].own, sets.minima[norm].lower


def _glasses(s: Study, digits: tuple[str, str]) -> list[tuple[str, Array, list[str]]]:
    """Eight images without glasses, with them, and with the controls."""
    _, worn, _ = s.sets.glasses[s.sets.height]
    x, random = s.images[:8], np.random.default_rng(0).uniform(size=len(worn.pattern))
    rows = [("no glasses", x), ("the pattern", worn.apply(x))]
    for name, filling in (("black", 0.0), ("white", 1.0), ("random", random)):
        rows.append((name, wear(x, worn.mask, filling)))
    return [(name, images, _verdicts(s, images, digits)) for name, images in rows]


def _pairs(s: Study, wearing: Array, digits: tuple[str, str]) -> list[tuple[str, Array, list[str]]]:
    """Twenty-four images, in rows: without s, and below with it."""
    rows = []
    for block in (slice(0, 8), slice(8, 16), slice(16, 24)):
        x, x_adv = s.images[block], wearing[block]
        if len(x):
            rows += [("without s", x, [""] * len(x)), ("with s", x_adv, _verdicts(s, x_adv, digits))]
    return rows


def _heights(s: Study, digits: tuple[str, str]) -> list[tuple[str, Array, list[str]]]:
    """The image shown, with the glasses at each height."""
    x = s.images[s.shown : s.shown + 1]
    images = np.concatenate([worn.apply(x) for _, worn, _ in s.sets.glasses.values()])
    shares = [f"{100 * worn.rate:.0f}% fooled here" for _, worn, _ in s.sets.glasses.values()]
    return [("", images, [f"{v}\n{share}" for v, share in zip(_verdicts(s, images, digits), shares, strict=True)])]


def _verdicts(s: Study, images: Array, digits: tuple[str, str]) -> list[str]:
    return [verdict(digits, m) for m in Margin.of(s.net, images, np.zeros(len(images), int)).value(images)]


def verdict(digits: tuple[str, str], m: float) -> str:
    """What the network says and how sure it is; a margin above 0 is the second digit."""
    name, sure = (digits[1], confidence(m)) if m > 0 else (digits[0], confidence(-m))
    return f"{name}, {100 * sure:.1f}%"


def caption(digits: tuple[str, str], m: float) -> str:
    """The verdict in words, for under a picture."""
    return f"network: {verdict(digits, m)} sure"
