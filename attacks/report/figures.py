"""Which measurements go into which figure.  plots.py and picture_plots.py draw it, curves.py has what a curve shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial

import numpy as np

from attacks.detect.statistics import FALSE_ALARMS, auc, roc
from attacks.patch.masks import apply_patch
from attacks.report.curves import margin_curves, proof_curve, rate_curves
from attacks.report.defence import robust_shares
from attacks.report.formats import ceiled, confidence, number, percent, pixels
from attacks.report.records import Results
from attacks.report.setup import SHOWN_EPS
from attacks.result import AttackResult
from minigrad.inputs import Array
from minigrad.margin import Margin

Job = Callable[[], bytes]  # draws one figure
Strip = tuple[str, Array, list[str]]  # a name, images (n, d), a text under each
FULL = 0.98  # of the pixels have less than full colour in the Jacobians: with all of them one pixel hides the strokes
ALL_FOUND = 0.9995  # an area under the ROC curve from here on is printed as 1.000, and the curve is the frame's corner
COLUMNS, PAIRS = 8, 2  # images in a strip; strips without s, each above one with it
SHORT, LINE = 8, "\n"  # letters of a name that leave room for the percentage on the same line, below a picture


def draw(r: Results, executor: Executor) -> dict[str, bytes]:
    """`file name -> PNG` for every figure, drawn by `executor` from the moment it is known what goes into it."""
    there = {name: executor.submit(job) for name, job in jobs(r)}
    return {name: drawn.result() for name, drawn in there.items()}


def jobs(r: Results) -> Iterator[tuple[str, Job]]:
    """The file name of each figure, and what draws it."""
    for section in (_overview, _one_image, _sets, _glasses, _detection, _defence):
        yield from section(r).items()


def _overview(r: Results) -> dict[str, Job]:
    """The image shown and four ways to change it; its Jacobian; and how the network was trained."""
    from attacks.report import picture_plots, plots

    e, i, names = r.images, r.images.shown, r.setup.options.class_names
    one_for_all = r.sets.universals[SHOWN_EPS][1].apply(e.images[i : i + 1])[0]
    every = "every pixel by\nat most {}"
    panels = (
        ("original", e.images[i]),
        (pixels(e.sparse.distance[i]), e.sparse.x_adv[i]),
        (every.format(ceiled(e.smallest.distance[i], 3)), e.smallest.x_adv[i]),
        (every.format(ceiled(e.sure.distance[0], 3)), e.sure.x_adv[0]),
        (f"one s for all,\neps {SHOWN_EPS:.2f}", one_for_all),
    )
    captions = [f"network: {v}" for v in _verdicts(r, np.array([x for _, x in panels]))]
    jacobian = ("derivative dm/dx", e.gradient[i], f"orange: brighter is more {names[1]}")
    files: dict[str, Job] = {
        "overview.png": partial(picture_plots.overview, panels, captions, r.setup.images.shape),
        "jacobian.png": partial(picture_plots.signed_pictures, [jacobian], r.setup.images.shape),
    }
    if r.setup.network.history:
        files["training.png"] = partial(plots.training, r.setup.network.history)
    return files


def _one_image(r: Results) -> dict[str, Job]:
    """Few pixels, small changes, and the proof."""
    from attacks.report import picture_plots, plots

    e, i, shape = r.images, r.images.shown, r.setup.images.shape
    x, g = e.images[i], e.gradient[i]

    def histogram(result: AttackResult, label: str) -> Job:
        marks = {"mean": result.mean_distance, "shown": result.distance[i]}
        return partial(plots.histogram, result.distance[result.success], label, marks)

    eps, curves = margin_curves(r)
    gain = g * np.where(g > 0, 1 - x, x)  # what a pixel earns is the size of this, and its sign the direction
    files: dict[str, Job] = {
        "sparse.png": partial(picture_plots.saliency, gain, x, e.sparse.x_adv[i], shape),
        "smallest_eps.png": partial(picture_plots.difference, e.smallest.x_adv[i] - x, shape),
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
    from attacks.report import picture_plots, plots

    e, shape, held_out = r.sets, r.setup.images.shape, r.sets.universals[SHOWN_EPS][1]
    by_eps, by_pixels = rate_curves(r, "linf"), rate_curves(r, "l0")
    rows = list[Strip]()
    others = _others(r)
    for start in range(0, min(PAIRS * COLUMNS, len(others)), COLUMNS):
        x = others[start : start + COLUMNS]
        x_adv = held_out.apply(x)
        rows += [("without s", x, [""] * len(x)), ("with s", x_adv, _verdicts(r, x_adv))]
    signed = (
        ("mean derivative", e.mean_gradient, "over the training images"),
        (f"one s, eps {SHOWN_EPS:.2f}", held_out.s, f"largest change {np.abs(held_out.s).max():.3f}"),
        ("fixed pixels", e.fixed.s, f"{np.count_nonzero(e.fixed.s)} pixels; 1 paints white"),
    )
    return {
        "universal.png": partial(picture_plots.signed_pictures, signed, shape),
        "universal_eps.png": partial(
            plots.rate_curve, by_eps.radius, by_eps.most, by_eps.rates, "eps, largest change of a pixel"
        ),
        "universal_pixels.png": partial(
            plots.rate_curve, by_pixels.radius, by_pixels.most, by_pixels.rates, "pixels, the same for every image"
        ),
        "universal_grid.png": partial(picture_plots.strips, rows, shape),
    }


def _glasses(r: Results) -> dict[str, Job]:
    """Images without glasses, with them, and with the controls; and the image shown, with glasses at each height."""
    from attacks.report import picture_plots

    worn, x = r.glasses.worn, _others(r)[-COLUMNS:]  # the last, because universal_grid.png shows the first
    random = np.random.default_rng(0).uniform(size=len(worn.pattern))
    rows = [("no glasses", x), ("the pattern", worn.apply(x))]
    for name, filling in (("black", 0.0), ("white", 1.0), ("random", random)):
        rows.append((name, apply_patch(x, worn.mask, filling)))
    strips = [(name, images, _verdicts(r, images)) for name, images in rows]
    heights = list(r.glasses.heights.values())
    at_heights = np.concatenate([height.made.apply(r.images.image_shown) for height in heights])
    shares = [f"fools {100 * height.held_out.rate:.0f}%" for height in heights]
    texts = [f"{verdict}\n{share}" for verdict, share in zip(_verdicts(r, at_heights), shares, strict=True)]
    return {
        "glasses.png": partial(picture_plots.strips, strips, r.setup.images.shape),
        "glasses_heights.png": partial(picture_plots.strips, [("", at_heights, texts)], r.setup.images.shape),
    }


def _detection(r: Results) -> dict[str, Job]:
    """What the detectors see, and the image shown, attacked adaptively."""
    from attacks.report import plots

    e = r.detection
    flipped = {name: result.scores[:, -1] for name, result in e.attacks.items() if len(result.scores)}
    apart = {name: v for name, v in flipped.items() if auc(e.clean[:, -1], v) < ALL_FOUND}
    files = _hidden(r)
    if apart:
        files["roc.png"] = partial(plots.roc, {k: roc(e.clean[:, -1], v) for k, v in apart.items()}, FALSE_ALARMS)
    return files


def _hidden(r: Results) -> dict[str, Job]:
    """The image shown, attacked where the detectors are blind; a picture that was shown before is left out."""
    from attacks.report import picture_plots

    e, i = r.images, r.images.shown
    before = [e.images[i], e.sparse.x_adv[i], e.smallest.x_adv[i]]
    found, texts = list[Array](), list[str]()
    for norm, unit, digits in (("l0", "{} pixels", 0), ("linf", "eps {}", 3)):
        for spot, row in r.proofs.image.items():
            x_adv, size = row[norm].x_adv, unit.format(ceiled(row[norm].upper, digits))
            if spot == "free" or x_adv is None or any(np.array_equal(x_adv, x) for x in before):
                continue
            before.append(x_adv)
            found.append(x_adv)
            texts.append(f"{spot}\n{size}\n{_verdicts(r, x_adv[None])[0]}")
    if not found:
        return {}
    return {"disguises.png": partial(picture_plots.strips, [("", np.array(found), texts)], r.setup.images.shape)}


def _defence(r: Results) -> dict[str, Job]:
    """What the defended networks resist, and their Jacobians at the image shown; one shown before is left out."""
    from attacks.report import picture_plots, plots

    if r.defence is None:
        return {}
    looks, known = [], r.images.gradient[r.images.shown]
    for name, g in r.defence.jacobians.items():  # four colour bars would take longer to draw than the four pictures
        size, two = float(np.quantile(np.abs(g), FULL)), r.defence.measured["nets"][name]
        said = f"{percent(two['ink_share'], 0)} on the digits, cosine {number(two['alignment'], 2)}"
        if not np.allclose(g, known):
            looks.append((f"{name}, full colour at {size:.2g}", g / (size or 1), said))
    return {
        "defence_curves.png": partial(plots.robust_curves, *robust_shares(r.defence.measured)),
        "defence_jacobians.png": partial(picture_plots.signed_pictures, looks, r.setup.images.shape, limit=1),
    }


def _others(r: Results) -> Array:
    """The first images attacked, but for the one that most pictures show: enough for both kinds of strips, or all."""
    e = r.images
    others = np.delete(e.images, e.shown, axis=0) if len(e.images) > 1 else e.images
    return others[: (PAIRS + 1) * COLUMNS]


def _margins(r: Results, x: Array) -> Array:
    return Margin.from_labels(r.setup.net, x, np.zeros(len(x), int)).value(x)


def _verdicts(r: Results, x: Array) -> list[str]:
    return [verdict(r.setup.options.class_names, m) for m in _margins(r, x)]


def verdict(names: tuple[str, str], m: float) -> str:
    """What the network says and how sure it is; a margin above 0 is the second digit."""
    name, sure = (names[1], confidence(m)) if m > 0 else (names[0], confidence(-m))
    return f"{name},{LINE if len(name) > SHORT else ' '}{100 * sure:.1f}%"
