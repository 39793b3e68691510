"""Curves and histograms, drawn from results only; figures made of images are in picture_plots.py.

`attack_figure` gives a matplotlib figure to show or save; all others give PNG bytes, the same bytes for the same
numbers, whatever the reader's matplotlibrc says.  How an image becomes a panel is in panels.py.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from attacks.report import panels
from attacks.report.formats import ceiled, floored
from attacks.report.panels import BLUE, GREEN, GREY, TYPE, VERMILION, Shape
from attacks.result import AttackResult
from minigrad.inputs import Array

P = ParamSpec("P")
SIZE = 4.6, 3.4  # inches, of a curve: two stand side by side on the page, one fills a telephone
DPI = 144  # 1.7 dots for each CSS pixel of the page, sharp on most screens; with 288 all figures take a second longer


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
def margin_by_pixels(margin: Array) -> bytes:
    """The margin after 0, 1, 2, ... pixels; above the line the image is adversarial."""
    figure, axes = _axes("pixels changed", "margin m(x + s)")
    _boundary(axes)
    axes.plot(margin, "o-", color=BLUE)
    axes.set_xticks(range(0, len(margin), 1 + len(margin) // 15))
    return png(figure)


@plain
def margin_by_eps(eps: Array, curves: dict[str, Array], smallest: float) -> bytes:
    """What the linearised network promises and what the network does, as eps grows; `smallest` eps that was found.

    The first curve may leave the picture: with the box ignored it rises far above the others.
    """
    figure, axes = _axes("eps, largest change of a pixel", "margin m(x + s)")
    _boundary(axes, right=True)
    styles = zip((GREY, BLUE, VERMILION, GREEN), (":", "--", "-", "-"), strict=True)
    for (name, m), (colour, style) in zip(curves.items(), styles, strict=False):
        axes.plot(eps, m, style, color=colour, label=name)
    axes.plot(smallest, 0, "o", color=GREEN, markersize=8, label=f"smallest eps {ceiled(smallest)}")
    low, high = min(float(m.min()) for m in curves.values()), max(float(m.max()) for m in list(curves.values())[1:])
    axes.set_ylim(low - 1, max(high, 1) + 1)
    _legend(figure)
    return png(figure)


@plain
def histogram(values: Array, xlabel: str, marks: dict[str, float]) -> bytes:
    """How many images need how much.  Whole numbers get one bar each."""
    figure, axes = _axes(xlabel, "images")
    whole = bool((values == np.round(values)).all())
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    bins: Any = np.arange(low - 0.5, high + 1.5) if whole else np.linspace(0.95 * low, 1.05 * high, 31)
    axes.hist(values, bins=bins, color=BLUE, edgecolor="white", linewidth=0.5)
    _ticks(axes, whole)
    if not len(values):
        axes.text(0.5, 0.5, "none flipped", transform=axes.transAxes, ha="center")
    for (name, value), colour in zip(marks.items(), (VERMILION, GREEN), strict=False):
        axes.axvline(value, color=colour, linewidth=2, label=f"{name} {value:.4g}")
    if marks:
        _legend(figure)
    return png(figure)


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
    _legend(figure, 1)
    return png(figure)


@plain
def rate_curve(radius: Array, most: Array, rates: dict[str, tuple[Array, Array]], xlabel: str) -> bytes:
    """The share that one s fools as the radius grows, `name -> (radius, rate)`; above `most` no s does: proved."""
    figure, axes = _axes(xlabel, "share fooled")  # "pre": between two radii holds what is proved at the larger one
    zone: dict[str, Any] = {"color": BLUE, "alpha": 0.25, "linewidth": 0}
    for (name, (r, rate)), colour, mark in zip(rates.items(), (VERMILION, GREEN), ("o-", "s--"), strict=True):
        whole = bool((r == np.round(r)).all())  # between whole numbers of pixels nothing changes
        axes.plot(r, rate, mark, color=colour, label=name, markersize=5, drawstyle="steps-post" if whole else "default")
        _ticks(axes, whole)
    axes.fill_between(radius, most, 1.03, step="pre", label="proved impossible for these few", **zone)
    top = max(float(np.max(r)) for r, _ in rates.values())
    axes.set(ylim=(0, 1.03), xlim=(0, 1.02 * top or 1))
    _legend(figure, 1)
    return png(figure)


@plain
def robust_curves(radii: Array, curves: dict[str, tuple[Array, Array]]) -> bytes:
    """The share that stays right as eps grows, `name -> (proved, not fooled)`: what lies between is not known."""
    figure, axes = _axes("eps", "share right on the whole ball")
    for (name, (lower, upper)), colour in zip(curves.items(), (GREY, BLUE, VERMILION, GREEN) * 9, strict=False):
        axes.fill_between(radii, lower, upper, color=colour, alpha=0.2, linewidth=0)
        axes.plot(radii, lower, "o-", color=colour, label=f"{name}: proved", markersize=4)
        axes.plot(radii, upper, "--", color=colour, linewidth=1)
    axes.set(ylim=(0, 1.02), xlim=(0, None))
    _legend(figure)
    return png(figure)


@plain
def roc(curves: dict[str, tuple[Array, Array]], false_alarms: float) -> bytes:
    """Detections against false alarms, `name -> (false alarms, detections)`; false alarms on a logarithmic scale."""
    figure, axes = _axes("clean images called attacked (left edge: none)", "attacked images found")
    least = min(float(f[f > 0].min()) for f, _ in curves.values())
    styles = [(c, s) for s in ("-", "--", ":") for c in (BLUE, VERMILION, GREEN)]
    for (name, (alarms, found)), (colour, style) in zip(curves.items(), styles, strict=False):
        axes.plot(np.maximum(alarms, least), found, style, color=colour, label=name, drawstyle="steps-post")
    chance = np.geomspace(least, 1)
    axes.plot(chance, chance, color=GREY, linewidth=1, label="guessing")
    axes.axvline(false_alarms, color="black", linewidth=1, label=f"{false_alarms:.0%} false alarms")
    axes.set(xscale="log", ylim=(0, 1.02))
    _legend(figure)
    return png(figure)


@plain
def proof(eps: Array, bound: Array, found: Array, lower: float, upper: float) -> bytes:
    """What the margin within eps can be at most, and what it was seen to be; the interval of branch and bound."""
    figure, axes = _axes("eps, largest change of a pixel", "largest margin within eps", (5.2, 3.9))
    _boundary(axes)
    axes.axvspan(0, lower, color=BLUE, alpha=0.18, linewidth=0, label=f"proved: nothing flips below {floored(lower)}")
    axes.axvspan(upper, eps[-1], color=VERMILION, alpha=0.18, linewidth=0, label=f"flips from {ceiled(upper)} on")
    axes.plot(eps, bound, "--", color=BLUE, label="bound before splitting: never above this")
    axes.plot(eps, found, "-", color=VERMILION, label="attack: at least this")
    top = 1.5 * max(1.0, -float(found[0]))
    axes.set(ylim=(1.3 * float(found[0]), top), xlim=(0, eps[-1]))
    _legend(figure, 1)
    return png(figure)


@plain
def training(history: dict[str, list[float]]) -> bytes:
    """Loss and accuracy, epoch by epoch."""
    figure = Figure(figsize=SIZE, layout="constrained")
    epochs = range(1, len(history["loss"]) + 1)
    for axes, name, colour in zip(figure.subplots(1, 2), ("loss", "accuracy"), (BLUE, GREEN), strict=True):
        axes.plot(epochs, history[name], "o-", color=colour, markersize=4)
        _ticks(axes, whole=True, most=5)
        axes.set(xlabel="epoch", title=name)
        axes.title.set_fontsize(TYPE)
        axes.grid(alpha=0.3)
    return png(figure)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; `savefig` would draw it twice, once for the layout alone."""
    buffer = io.BytesIO()
    figure.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib's stubs say nothing of print_png
    canvas.print_png(buffer, metadata={"Software": None})  # no version: the same bytes everywhere
    return buffer.getvalue()


def _axes(xlabel: str, ylabel: str, size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=xlabel, ylabel=ylabel)
    _ticks(axes)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _ticks(axes: Axes, whole: bool = False, most: int = 7) -> None:
    """So many at most along the bottom that their numbers do not touch; `whole`: only whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], integer=whole))


def _legend(figure: Figure, columns: int = 2) -> None:
    """Above the axes, where it hides nothing."""
    narrow: dict[str, Any] = {"frameon": False, "columnspacing": 1.2, "handlelength": 1.6}
    figure.legend(fontsize=TYPE, loc="outside upper center", ncols=columns, **narrow)


def _boundary(axes: Axes, right: bool = False) -> None:
    """Where the network changes its mind, and words where no curve is: above it on the left, or below on the right."""
    axes.axhline(0, color="black", linewidth=1)
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    x, up, ha, va = (0.99, -4, "right", "top") if right else (0.01, 4, "left", "bottom")
    axes.annotate("fooled above", (x, 0), (0, up), fontsize=TYPE, ha=ha, va=va, **place)
