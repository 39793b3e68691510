"""Which measurements go into which figure.  How a figure is drawn is in plots.py, what a curve shows in curves.py."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

import numpy as np

from attacks.detect.statistics import FALSE_ALARMS, roc
from attacks.patch.masks import apply_patch
from attacks.report.curves import margin_curves, proof_curve, rate_curves
from attacks.report.defence import robust_shares
from attacks.report.formats import ceiled, confidence, number, percent
from attacks.report.records import Results
from attacks.report.setup import SHOWN_EPS
from attacks.result import AttackResult
from minigrad.inputs import Array
from minigrad.margin import Margin

Job = Callable[[], bytes]  # draws one figure
Strip = tuple[str, Array, list[str]]  # a name, images (n, d), a text under each
FULL = 0.98  # of the pixels have less than full colour in the Jacobians: with all of them one pixel hides the strokes
COLUMNS, PAIRS = 8, 3  # images in a strip; strips without s, each above one with it


def draw(r: Results, executor: Executor) -> dict[str, bytes]:
    """`file name -> PNG` for every figure, every second one drawn by `executor`."""
    work = jobs(r)
    there = {name: executor.submit(job) for name, job in list(work.items())[::2]}
    here = {name: job() for name, job in work.items() if name not in there}
    return {name: here[name] if name in here else there[name].result() for name in work}


def jobs(r: Results) -> dict[str, Job]:
    """`file name -> what draws it` for every figure."""
    return _overview(r) | _one_image(r) | _sets(r) | _glasses(r) | _detection(r) | _defence(r)


def _overview(r: Results) -> dict[str, Job]:
    """The image shown and three ways to change it; and how the network was trained."""
    from attacks.report import plots

    e, i, names = r.images, r.images.shown, r.setup.options.class_names
    one_for_all = r.sets.universals[SHOWN_EPS][1].apply(e.images[i : i + 1])
    ways = (
        (f"{e.sparse.distance[i]:.0f} pixels", e.sparse.x_adv[i], e.sparse.margin[i]),
        (f"every pixel by at most {ceiled(e.smallest.distance[i], 3)}", e.smallest.x_adv[i], e.smallest.margin[i]),
        (f"one s for all, eps {SHOWN_EPS:.2f}", one_for_all[0], _margins(r, one_for_all)[0]),
    )
    captions = [caption(names, m) for m in (e.start[i], *(m for _, _, m in ways))]
    panels = [("original", e.images[i]), *((title, x) for title, x, _ in ways)]
    files: dict[str, Job] = {"overview.png": partial(plots.overview, panels, captions, r.setup.images.shape)}
    if r.setup.network.history:
        files["training.png"] = partial(plots.training, r.setup.network.history)
    return files


def _one_image(r: Results) -> dict[str, Job]:
    """Few pixels, small changes, and the proof."""
    from attacks.report import plots

    e, i = r.images, r.images.shown

    def portrait(result: AttackResult) -> Job:
        captions = [caption(r.setup.options.class_names, m) for m in (e.start[i], result.margin[i])]
        return partial(plots.portrait, e.images[i], result.x_adv[i], e.gradient[i], captions, r.setup.images.shape)

    def histogram(result: AttackResult, label: str) -> Job:
        marks = {"mean": result.mean_distance, "shown": result.distance[i]}
        return partial(plots.histogram, result.distance[result.success], label, marks)

    eps, curves = margin_curves(r)
    files: dict[str, Job] = {
        "sparse.png": portrait(e.sparse),
        "one_step.png": portrait(e.box_step),
        "smallest_eps.png": portrait(e.smallest),
        "pixels_histogram.png": histogram(e.sparse, "pixels needed"),
        "eps_histogram.png": histogram(e.smallest, "smallest eps found"),
        "margin_by_eps.png": partial(plots.margin_by_eps, eps, curves, float(e.smallest.distance[i])),
    }
    if e.sparse.trace is not None:
        margin = e.sparse.trace.margin[i]
        files["margin_by_pixels.png"] = partial(plots.margin_by_pixels, margin[~np.isnan(margin)])
    if (proof := proof_curve(r)) is not None:
        files["proof.png"] = partial(plots.proof, proof.eps, proof.bound, proof.found, proof.lower, proof.upper)
    return files


def _sets(r: Results) -> dict[str, Job]:
    """One perturbation for all."""
    from attacks.report import plots

    e, shape, held_out = r.sets, r.setup.images.shape, r.sets.universals[SHOWN_EPS][1]
    by_eps, by_pixels = rate_curves(r, "linf"), rate_curves(r, "l0")
    rows = list[Strip]()
    for start in range(0, min(PAIRS * COLUMNS, len(r.images.images)), COLUMNS):
        x = r.images.images[start : start + COLUMNS]
        x_adv = held_out.apply(x)
        rows += [("without s", x, [""] * len(x)), ("with s", x_adv, _verdicts(r, x_adv))]

    def beside_mean(s: Array) -> Job:
        mean = ("mean derivative of the margin", e.mean_gradient, "over the training images")
        size = f"largest change {np.abs(s).max():.3f}"
        return partial(plots.signed_pictures, [("universal s", s, size), mean], shape)

    return {
        "universal.png": beside_mean(held_out.s),
        "universal_eps.png": partial(
            plots.rate_curve, by_eps.radius, by_eps.most, by_eps.rates, "eps, largest change of a pixel"
        ),
        "universal_pixels.png": partial(
            plots.rate_curve, by_pixels.radius, by_pixels.most, by_pixels.rates, "pixels, the same for every image"
        ),
        "fixed_pixels.png": beside_mean(e.fixed.s),
        "universal_grid.png": partial(plots.strips, rows, shape),
    }


def _glasses(r: Results) -> dict[str, Job]:
    """Images without glasses, with them, and with the controls; and the image shown, with glasses at each height."""
    from attacks.report import plots

    worn, x = r.glasses.worn, r.images.images[:COLUMNS]
    random = np.random.default_rng(0).uniform(size=len(worn.pattern))
    rows = [("no glasses", x), ("the pattern", worn.apply(x))]
    for name, filling in (("black", 0.0), ("white", 1.0), ("random", random)):
        rows.append((name, apply_patch(x, worn.mask, filling)))
    strips = [(name, images, _verdicts(r, images)) for name, images in rows]
    heights = list(r.glasses.heights.values())
    shown = r.images.images[r.images.shown : r.images.shown + 1]
    at_heights = np.concatenate([height.made.apply(shown) for height in heights])
    shares = [f"{100 * height.held_out.rate:.0f}% fooled here" for height in heights]
    texts = [f"{verdict}\n{share}" for verdict, share in zip(_verdicts(r, at_heights), shares, strict=True)]
    return {
        "glasses.png": partial(plots.strips, strips, r.setup.images.shape),
        "glasses_heights.png": partial(plots.strips, [("", at_heights, texts)], r.setup.images.shape),
    }


def _detection(r: Results) -> dict[str, Job]:
    """What the detectors see, and the image shown, attacked adaptively."""
    from attacks.report import plots

    e = r.detection
    flipped = {name: result.scores[:, -1] for name, result in e.attacks.items() if len(result.scores)}
    files: dict[str, Job] = {}
    if flipped:
        files["roc.png"] = partial(plots.roc, {k: roc(e.clean[:, -1], v) for k, v in flipped.items()}, FALSE_ALARMS)
    rows = list[Strip]()
    for norm, unit, digits in (("l0", "{} pixels", 0), ("linf", "eps {}", 3)):
        proofs = [row[norm] for row in r.proofs.image.values()]
        x_adv = np.array([i.certificate.x if i.x_adv is None else i.x_adv for i in proofs])
        sizes = ["not flipped" if np.isinf(i.upper) else unit.format(ceiled(i.upper, digits)) for i in proofs]
        said = zip(r.proofs.image, sizes, _verdicts(r, x_adv), strict=True)
        rows.append(("", x_adv, [f"{spot}: {size}\n{verdict}" for spot, size, verdict in said]))
    files["disguises.png"] = partial(plots.strips, rows, r.setup.images.shape)
    return files


def _defence(r: Results) -> dict[str, Job]:
    """What the defended networks resist, and their Jacobians at the image shown."""
    from attacks.report import plots

    if r.defence is None:
        return {}
    found = r.defence.measured["nets"]
    looks = []
    for name, g in r.defence.jacobians.items():  # four colour bars would take longer to draw than the four pictures
        size, two = float(np.quantile(np.abs(g), FULL)), found[name]
        said = f"{percent(two['ink_share'], 0)} on the digits, cosine {number(two['alignment'], 2)}"
        looks.append((f"{name}, full colour from {size:.2g} on", g / (size or 1), said))
    return {
        "defence_curves.png": partial(plots.robust_curves, *robust_shares(r.defence.measured)),
        "defence_jacobians.png": partial(plots.signed_pictures, looks, r.setup.images.shape, limit=1),
    }


def _margins(r: Results, x: Array) -> Array:
    return Margin.from_labels(r.setup.net, x, np.zeros(len(x), int)).value(x)


def _verdicts(r: Results, x: Array) -> list[str]:
    return [verdict(r.setup.options.class_names, m) for m in _margins(r, x)]


def verdict(names: tuple[str, str], m: float) -> str:
    """What the network says and how sure it is; a margin above 0 is the second digit."""
    name, sure = (names[1], confidence(m)) if m > 0 else (names[0], confidence(-m))
    return f"{name}, {100 * sure:.1f}%"


def caption(names: tuple[str, str], m: float) -> str:
    """The verdict in words, for under a picture."""
    return f"network: {verdict(names, m)} sure"
