"""Figures drawn from results only.  The one file of the report that imports matplotlib.

`attack_figure` gives a matplotlib figure to show or save; all others give PNG bytes, the same bytes for the same
numbers, whatever the reader's matplotlibrc says.  How an image becomes a panel is in panels.py.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attacks.images import pictures
from attacks.report import panels
from attacks.report.formats import ceiled, floored
from attacks.report.panels import BLUE, GREEN, GREY, VERMILION, Shape
from attacks.result import AttackResult
from minigrad.inputs import Array

P = ParamSpec("P")


def plain(draw: Callable[P, bytes]) -> Callable[P, bytes]:
    """Draw with matplotlib's own defaults: `text.usetex` in a matplotlibrc, for one, would make a figure need LaTeX."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> bytes:
        with matplotlib.style.context("default"):
            return draw(*args, **kwargs)

    return drawn


def attack_figure(result: AttackResult, i: int = 0, shape: Shape = None) -> Figure:
    """Image `i` of an attack's result as a matplotlib figure: original, adversarial, and the difference magnified.

    Parameters
    ----------
    result : AttackResult
        Of images with pixels in [0, 1]: black is 0 and white is 1.
    i : int
        Which image; as in a list, -1 is the last.
    shape : (rows, columns) of an image, by default square

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it; `figure.savefig("four.png")` saves it.  Few changed pixels are circled.

    Raises
    ------
    ValueError
        No such image, images that are not of that shape.

    Examples
    --------
    >>> import numpy as np
    >>> from attacks import L0, fgsm
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0], [1.0], [1.0]], [-1.5])])
    >>> figure = attack_figure(fgsm(net, np.full((1, 4), 0.25), [0], L0(1)))
    >>> [axes.get_title() for axes in figure.axes[:3]]
    ['original', 'adversarial', 'difference, magnified 1.33 times']
    """
    n = len(result.x)
    if isinstance(i, bool) or not isinstance(i, (int, np.integer)) or not -n <= i < n:
        raise ValueError(f"i: expected an image of the result, 0..{n - 1}, got {i!r}")
    x, x_adv = np.asarray(result.x[i]), np.asarray(result.x_adv[i])
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    panels.picture(left, x, "original", shape=shape)
    title = "adversarial" if result.success[i] else f"not flipped: {result.reason[i]}"
    panels.picture(middle, x_adv, title, f"{result.norm} distance {result.distance[i]:.4g}", shape)
    panels.circle_changes(middle, x_adv - x, shape)
    panels.magnified(right, x_adv - x, shape)
    return figure


@plain
def overview(images: Sequence[tuple[str, Array]], captions: Sequence[str], shape: Shape = None) -> bytes:
    """Images beside each other, `(title, image)`, with the network's verdict under each."""
    figure = Figure(figsize=(2.5 * len(images), 3.3), layout="constrained")
    for axes, (title, v), caption in zip(figure.subplots(1, len(images)), images, captions, strict=True):
        panels.picture(axes, v, title, caption, shape)
    return _png(figure)


@plain
def portrait(x: Array, x_adv: Array, g: Array, captions: Sequence[str], shape: Shape = None) -> bytes:
    """Original, result and derivative; below the difference, as it is and magnified, and which pixels or how much."""
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    grid, s = figure.subplots(2, 3), x_adv - x
    panels.picture(grid[0, 0], x, "original", captions[0], shape)
    panels.picture(grid[0, 1], x_adv, "adversarial", captions[1], shape)
    colours = "orange: brighter helps, purple: darker helps"
    panels.signed(grid[0, 2], g, "Jacobian: derivative of the margin", colours, shape=shape)
    panels.signed(grid[1, 0], s, "difference, true scale", "white 0, full colour 1", limit=1, shape=shape)
    panels.magnified(grid[1, 1], s, shape)
    if panels.circle_changes(grid[0, 1], s, shape):
        panels.list_changes(grid[1, 2], x, x_adv, shape)
    else:
        panels.sizes(grid[1, 2], s)
    return _png(figure)


@plain
def signed_pictures(
    pictures: Sequence[tuple[str, Array, str]], shape: Shape = None, limit: float | None = None
) -> bytes:
    """Signed pictures, `(title, v (d,), caption)`, two in a row; full colour is `limit`, or each has its own scale."""
    rows = (len(pictures) + 1) // 2
    figure = Figure(figsize=(7, 3.5 * rows), layout="constrained")
    for axes, (title, v, caption) in zip(figure.subplots(rows, 2, squeeze=False).flat, pictures, strict=False):
        panels.signed(axes, v, title, caption, limit=limit, shape=shape)
    return _png(figure)


@plain
def strips(rows: Sequence[tuple[str, Array, Sequence[str]]], shape: Shape = None) -> bytes:
    """Rows of pictures: a name, its images (n, d), and the text under each.

    All sizes are in inches: a picture is about 1.1 wide, a line of text 0.17 high.
    """
    high, wide = pictures(rows[0][1], shape).shape[1:]
    tall = min(1.1 * high / wide, 3.3)  # of a strip's pictures; very tall ones are made narrower
    lines = [max((text.count("\n") + 1 for text in texts if text), default=0) for _, _, texts in rows]
    heights = [tall + 0.05 + 0.17 * count for count in lines]
    figure = Figure(figsize=(1.2 * len(rows[0][1]) + 0.5, sum(heights)))
    top, left, share = 1.0, 0.4 / figure.get_figwidth(), tall / figure.get_figheight()
    for (name, images, texts), height in zip(rows, heights, strict=True):
        panels.strip(figure.add_axes((left, top - share, 1 - left, share)), name, images, texts, shape)
        top -= height / figure.get_figheight()
    return _png(figure, dpi=120)


@plain
def margin_by_pixels(margin: Array) -> bytes:
    """The margin after 0, 1, 2, ... pixels; above the line the image is adversarial."""
    figure, axes = _axes("pixels changed", "margin m(x)")
    _boundary(axes)
    axes.plot(margin, "o-", color=BLUE)
    axes.set_xticks(range(len(margin)))
    return _png(figure)


@plain
def margin_by_eps(eps: Array, curves: dict[str, Array], smallest: float) -> bytes:
    """What the linearised network promises and what the network does, as eps grows; `smallest` eps that was found.

    The first curve may leave the picture: with the box ignored it rises far above the others.
    """
    figure, axes = _axes("eps, largest change of a pixel", "margin m(x)")
    _boundary(axes)
    styles = zip((GREY, BLUE, VERMILION, GREEN), (":", "--", "-", "-"), strict=True)
    for (name, m), (colour, style) in zip(curves.items(), styles, strict=False):
        axes.plot(eps, m, style, color=colour, label=name)
    axes.plot(smallest, 0, "o", color=GREEN, markersize=8, label=f"smallest eps found {ceiled(smallest)}")
    low, high = min(float(m.min()) for m in curves.values()), max(float(m.max()) for m in list(curves.values())[1:])
    axes.set_ylim(low - 1, max(high, 1) + 1)
    axes.legend(fontsize=9)
    return _png(figure)


@plain
def histogram(values: Array, xlabel: str, marks: dict[str, float]) -> bytes:
    """How many images need how much.  Whole numbers get one bar each."""
    figure, axes = _axes(xlabel, "images")
    whole = bool((values == np.round(values)).all())
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    bins: Any = np.arange(low - 0.5, high + 1.5) if whole else np.linspace(0.95 * low, 1.05 * high, 31)
    axes.hist(values, bins=bins, color=BLUE, edgecolor="white", linewidth=0.5)
    if not len(values):
        axes.text(0.5, 0.5, "none flipped", transform=axes.transAxes, ha="center")
    for (name, value), colour in zip(marks.items(), (VERMILION, GREEN), strict=False):
        axes.axvline(value, color=colour, linewidth=2, label=f"{name} {value:.4g}")
    if marks:
        axes.legend(fontsize=9)
    return _png(figure)


@plain
def attack_against_proof(lower: Array, upper: Array, attack: Array, unit: str) -> bytes:
    """Every image's interval, sorted: what is proved, what was found, and what the attack alone had found."""
    figure, axes = _axes("images, by the smallest found", unit)
    order = np.lexsort((attack, lower, upper))
    place = np.arange(len(order))
    lower, upper, attack = lower[order], upper[order], attack[order]
    axes.fill_between(place, 0, lower, step="mid", color=BLUE, alpha=0.25, label="proved: nothing smaller works")
    axes.vlines(place, lower, upper, color=GREY, linewidth=1.5, label="not known")
    axes.plot(place, upper, "_", color=VERMILION, markersize=5, label="found: this works")
    worse = attack > upper
    label = f"attack alone, improved on: {worse.sum()}"
    axes.plot(place[worse], attack[worse], "x", color=GREEN, markersize=5, label=label)
    axes.set_ylim(0, 1.08 * max(float(upper.max(initial=0)), float(attack[worse].max(initial=0))) or 1)
    axes.legend(fontsize=9, loc="upper left")
    return _png(figure)


@plain
def rate_curve(radius: Array, most: Array, rates: dict[str, tuple[Array, Array]], xlabel: str) -> bytes:
    """The share that one s fools as the radius grows, `name -> (radius, rate)`; above `most` no s does: proved."""
    figure, axes = _axes(xlabel, "share fooled")  # "pre": between two radii holds what is proved at the larger one
    zone: dict[str, Any] = {"color": BLUE, "alpha": 0.25, "linewidth": 0}
    axes.fill_between(radius, most, 1.03, step="pre", label="proved for these: no s does that", **zone)
    for (name, (r, rate)), colour, mark in zip(rates.items(), (VERMILION, GREEN), ("o-", "s--"), strict=True):
        whole = bool((r == np.round(r)).all())  # between whole numbers of pixels nothing changes
        axes.plot(r, rate, mark, color=colour, label=name, markersize=5, drawstyle="steps-post" if whole else "default")
    top = max(float(np.max(r)) for r, _ in rates.values())
    axes.set(ylim=(0, 1.03), xlim=(0, 1.02 * top or 1))
    axes.legend(fontsize=9, loc="center right")
    return _png(figure)


@plain
def robust_curves(radii: Array, curves: dict[str, tuple[Array, Array]]) -> bytes:
    """The share that stays right as eps grows, `name -> (proved, not fooled)`: what lies between is not known."""
    figure, axes = _axes("eps", "share right on the whole ball")
    for (name, (lower, upper)), colour in zip(curves.items(), (GREY, BLUE, VERMILION, GREEN) * 9, strict=False):
        axes.fill_between(radii, lower, upper, color=colour, alpha=0.2, linewidth=0)
        axes.plot(radii, lower, "o-", color=colour, label=f"{name}: proved", markersize=4)
        axes.plot(radii, upper, "--", color=colour, linewidth=1)
    axes.set(ylim=(0, 1.02), xlim=(0, None))
    figure.legend(fontsize=9, loc="outside upper center", ncols=2)
    return _png(figure)


@plain
def roc(curves: dict[str, tuple[Array, Array]], false_alarms: float) -> bytes:
    """Detections against false alarms, `name -> (false alarms, detections)`; false alarms on a logarithmic scale."""
    figure, axes = _axes("share of clean images called attacked (left edge: none)", "share of attacked images found")
    least = min(float(f[f > 0].min()) for f, _ in curves.values())
    styles = [(c, s) for s in ("-", "--", ":") for c in (BLUE, VERMILION, GREEN)]
    for (name, (alarms, found)), (colour, style) in zip(curves.items(), styles, strict=False):
        axes.plot(np.maximum(alarms, least), found, style, color=colour, label=name, drawstyle="steps-post")
    chance = np.geomspace(least, 1)
    axes.plot(chance, chance, color=GREY, linewidth=1, label="guessing")
    axes.axvline(false_alarms, color="black", linewidth=1)
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.legend(fontsize=9, loc="lower right")
    return _png(figure)


@plain
def proof(eps: Array, bound: Array, found: Array, lower: float, upper: float) -> bytes:
    """What the margin within eps can be at most, and what it was seen to be; the interval of branch and bound."""
    figure, axes = _axes("eps, largest change of a pixel", "largest margin within eps")
    _boundary(axes)
    axes.axvspan(0, lower, color=BLUE, alpha=0.18, linewidth=0, label=f"proved: nothing flips below {floored(lower)}")
    axes.axvspan(upper, eps[-1], color=VERMILION, alpha=0.18, linewidth=0, label=f"flips from {ceiled(upper)} on")
    axes.plot(eps, bound, "--", color=BLUE, label="bound in one piece: never above this")
    axes.plot(eps, found, "-", color=VERMILION, label="found: at least this")
    top = 1.5 * max(1.0, -float(found[0]))
    axes.set(ylim=(1.3 * float(found[0]), top), xlim=(0, eps[-1]))
    axes.legend(fontsize=9, loc="upper left")
    return _png(figure)


@plain
def training(history: dict[str, list[float]]) -> bytes:
    """Loss and accuracy, epoch by epoch."""
    figure = Figure(figsize=(5.2, 2.6), layout="constrained")
    epochs = range(1, len(history["loss"]) + 1)
    for axes, name, colour in zip(figure.subplots(1, 2), ("loss", "accuracy"), (BLUE, GREEN), strict=True):
        axes.plot(epochs, history[name], "o-", color=colour)
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
    return _png(figure)


def _png(figure: Figure, dpi: int = 150) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})  # no version: the same bytes everywhere
    return buffer.getvalue()


def _axes(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _boundary(axes: Axes) -> None:
    axes.axhline(0, color="black", linewidth=1)
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    axes.annotate("adversarial above this line", (0.01, 0), (0, 4), fontsize=9, **place)
