"""Figures, drawn from results only, as PNG bytes.  The one file that imports matplotlib.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; signed pictures use purple (down) and orange
(up).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attacks.detect import pictures
from minigrad.inputs import Array

Shape = tuple[int, int] | None  # rows and columns of a picture; None: square

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
SIGNED = "PuOr_r"


def png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG: the same bytes for the same numbers."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def read_grey(path: Any) -> Array:
    """An image file as (height, width) in [0, 1]: the mean of its colours, 0 where it is transparent.

    Raises
    ------
    ValueError, OSError
        No picture that can be read.
    """
    import matplotlib.image

    try:
        v = np.asarray(matplotlib.image.imread(path))
    except (SyntaxError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path}: expected an image file, such as a PNG, that can be read") from error
    v = v / 255.0 if v.dtype.kind == "u" else v.astype(np.float64)
    if v.ndim == 2:
        return v
    colours = v[..., : 3 if v.shape[-1] > 2 else 1].mean(axis=-1)
    return colours * v[..., -1] if v.shape[-1] in (2, 4) else colours


def picture(axes: Axes, v: Array, title: str = "", caption: str = "", shape: Shape = None) -> None:
    """An image in its box [0, 1], black to white."""
    axes.imshow(pictures(v[None], shape)[0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _bare(axes, title, caption)


def signed(
    axes: Axes,
    v: Array,
    title: str = "",
    caption: str = "",
    limit: float | None = None,
    bar: bool = False,
    shape: Shape = None,
) -> None:
    """A signed picture: orange up, purple down, white nothing, symmetric about 0."""
    limit = float(np.abs(v).max()) if limit is None else limit
    ends: dict[str, Any] = {"vmin": -limit or -1, "vmax": limit or 1}
    image = axes.imshow(pictures(v[None], shape)[0], cmap=SIGNED, interpolation="nearest", **ends)
    _bare(axes, title, caption)
    if bar:
        assert isinstance(axes.figure, Figure)
        axes.figure.colorbar(image, ax=axes, shrink=0.7, pad=0.03).ax.tick_params(labelsize=8)


def overview(
    x: Array, ways: Sequence[tuple[str, Array]], captions: Sequence[str], shape: Shape = None
) -> bytes:
    """The image and each way to change it, with the network's verdict under each."""
    figure = Figure(figsize=(2.5 * (len(ways) + 1), 3.3), layout="constrained")
    panels = [("original", x), *ways]
    for axes, (title, v), caption in zip(figure.subplots(1, len(panels)), panels, captions, strict=True):
        picture(axes, v, title, caption, shape)
    return png(figure)


def portrait(x: Array, x_adv: Array, g: Array, captions: tuple[str, str], shape: Shape = None) -> bytes:
    """Original, derivative, result, and the difference twice: as it is, and magnified until it fills the scale."""
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    grid = figure.subplots(2, 3)
    s = x_adv - x
    picture(grid[0, 0], x, "original", captions[0], shape)
    picture(grid[0, 1], x_adv, "adversarial", captions[1], shape)
    colours = "orange: brighter helps, purple: darker helps"
    signed(grid[0, 2], g, "Jacobian: derivative of the margin", colours, bar=True, shape=shape)
    signed(grid[1, 0], s, "difference, true scale", "white 0, full colour 1", limit=1, shape=shape)
    size = float(np.abs(s).max())
    zoom = f"difference, magnified {1 / size:.3g} times" if 0 < size < 0.9 else "difference, on its own scale"
    signed(grid[1, 1], s, zoom, f"largest change {size:.4f}", bar=True, shape=shape)
    grid[1, 2].axis("off")
    changed = np.flatnonzero(s)
    if 0 < len(changed) <= 60:
        side = pictures(x[None], shape).shape[2]
        grid[0, 1].scatter(
            changed % side, changed // side, s=110, facecolors="none", edgecolors=VERMILION, linewidths=1.0
        )
        lines = [f"row {p // side:2d}, column {p % side:2d}: {x[p]:.2f} → {x_adv[p]:.2f}" for p in changed[:12]]
        grid[1, 2].text(0, 0.95, "changed pixels\n" + "\n".join(lines), va="top", family="monospace", fontsize=9)
    else:
        shares = np.histogram(np.abs(s), bins=20, range=(0, size or 1))
        grid[1, 2].axis("on")
        grid[1, 2].stairs(*shares, color=BLUE, fill=True)
        grid[1, 2].set(xlabel="|change| of a pixel", ylabel="pixels")
        grid[1, 2].set_title("how much each pixel moves", fontsize=10)
    return png(figure)


def margin_by_pixels(margin: Array) -> bytes:
    """The margin after 0, 1, 2, ... pixels; above the line the image is adversarial."""
    figure, axes = _axes("pixels changed", "margin m(x)")
    _boundary(axes)
    axes.plot(margin, "o-", color=BLUE)
    axes.set_xticks(range(len(margin)))
    return png(figure)


def margin_by_eps(eps: Array, curves: dict[str, Array], roots: dict[str, float]) -> bytes:
    """What the linearised network promises and what the network does, as eps grows."""
    figure, axes = _axes("eps, largest change of a pixel", "margin m(x)")
    _boundary(axes)
    for (name, m), colour, style in zip(
        curves.items(), (GREY, BLUE, VERMILION, GREEN), (":", "--", "-", "-"), strict=False
    ):
        axes.plot(eps, m, style, color=colour, label=name)
    for name, root in roots.items():
        axes.plot(root, 0, "o", color=GREEN, markersize=8, label=f"{name} {root:.4f}")
    low, high = (min(float(m.min()) for m in curves.values()), max(float(m.max()) for m in list(curves.values())[1:]))
    axes.set_ylim(low - 1, max(high, 1) + 1)
    axes.legend(fontsize=9)
    return png(figure)


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
    return png(figure)


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
    label = f"attack alone, bettered {worse.sum()}"
    axes.plot(place[worse], attack[worse], "x", color=GREEN, markersize=5, label=label)
    axes.set_ylim(0, 1.08 * max(float(upper.max(initial=0)), float(attack[worse].max(initial=0))) or 1)
    axes.legend(fontsize=9, loc="upper left")
    return png(figure)


def universal_pictures(s: Array, mean_gradient: Array, shape: Shape = None) -> bytes:
    """The one perturbation beside the mean derivative it follows."""
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    signed(left, s, "universal s", f"largest change {np.abs(s).max():.3f}", bar=True, shape=shape)
    signed(right, mean_gradient, "mean derivative of the margin", "over the training images", bar=True, shape=shape)
    return png(figure)


def rate_curve(
    radius: Array, rates: dict[str, tuple[Array, Array]], own: Array, lower: float, xlabel: str
) -> bytes:
    """The share that one s fools as the radius grows, and what is proved of it for a few images.

    `rates`: name -> (radius, rate).  `own` (n,): the images' own certified minima, of which no more than those <= r can
    be fooled at radius r; below `lower` no s fools them all.
    """
    figure, axes = _axes(xlabel, "share fooled")
    top = float(max(np.max(r) for r, _ in rates.values()))
    steps = np.sort(own[np.isfinite(own)])
    most = np.searchsorted(steps, radius, side="right") / len(own)  # (r,) the quantile bound
    most = np.where(radius < lower, np.minimum(most, 1 - 1 / len(own)), most)
    zone: dict[str, Any] = {"color": BLUE, "alpha": 0.25, "linewidth": 0}
    axes.fill_between(radius, most, 1.03, step="post", label="proved for these: no s does that", **zone)
    for (name, (r, rate)), colour, mark in zip(rates.items(), (VERMILION, GREEN), ("o-", "s--"), strict=True):
        whole = bool((r == np.round(r)).all())  # between whole numbers of pixels nothing changes
        style = "steps-post" if whole else "default"
        axes.plot(r, rate, mark, color=colour, label=name, markersize=5, drawstyle=style)
    axes.set(ylim=(0, 1.03), xlim=(0, 1.02 * top or 1))
    axes.legend(fontsize=9, loc="center right")
    return png(figure)


def wearing(rows: Sequence[tuple[str, Array, Sequence[str]]], shape: Shape = None) -> bytes:
    """Rows of pictures: a name, its images, and what the network says under each.  One strip of pictures a row."""
    columns, gap = len(rows[0][1]), 2
    lines = [max((v.count("\n") + 1 for v in verdicts if v), default=0) for _, _, verdicts in rows]
    heights = [1.15 + 0.17 * n for n in lines]
    high, wide = pictures(rows[0][1], shape).shape[1:]
    tall = min(1.1 * high / wide, 3.3)  # inches of a strip; its pictures are about 1.1 wide
    heights = [tall - 1.1 + height for height in heights]
    figure = Figure(figsize=(1.2 * columns + 0.5, sum(heights)))
    top, left = 1.0, 0.4 / figure.get_figwidth()
    for (name, images, verdicts), height in zip(rows, heights, strict=True):
        share = tall / figure.get_figheight()
        axes = figure.add_axes((left, top - share, 1 - left, share))
        pages = [np.pad(v, ((0, 0), (0, gap)), constant_values=np.nan) for v in pictures(images, shape)]
        strip = np.concatenate(pages, axis=1)
        axes.imshow(strip, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for k, verdict in enumerate(verdicts):
            axes.text(k * (wide + gap) + wide / 2, high + 0.5, verdict, ha="center", va="top", fontsize=9)
        axes.text(-1.5, high / 2, name, rotation=90, ha="right", va="center", fontsize=9)
        axes.axis("off")
        top -= height / figure.get_figheight()
    return png(figure, dpi=120)


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
    return png(figure)


def proof(eps: Array, bound: Array, found: Array, lower: float, upper: float) -> bytes:
    """What the margin within eps can be at most, and what it was seen to be; the interval of branch and bound."""
    figure, axes = _axes("eps, largest change of a pixel", "largest margin within eps")
    _boundary(axes)
    axes.axvspan(0, lower, color=BLUE, alpha=0.18, linewidth=0, label=f"proved: nothing flips below {lower:.4f}")
    axes.axvspan(upper, eps[-1], color=VERMILION, alpha=0.18, linewidth=0, label=f"flips from {upper:.4f} on")
    axes.plot(eps, bound, "--", color=BLUE, label="bound in one piece: never above this")
    axes.plot(eps, found, "-", color=VERMILION, label="found: at least this")
    top = 1.5 * max(1.0, -float(found[0]))
    axes.set(ylim=(1.3 * float(found[0]), top), xlim=(0, eps[-1]))
    axes.legend(fontsize=9, loc="upper left")
    return png(figure)


def training(history: dict[str, list[float]]) -> bytes:
    """Loss and accuracy, epoch by epoch."""
    figure = Figure(figsize=(5.2, 2.6), layout="constrained")
    epochs = range(1, len(history["loss"]) + 1)
    for axes, name, colour in zip(figure.subplots(1, 2), ("loss", "accuracy"), (BLUE, GREEN), strict=True):
        axes.plot(epochs, history[name], "o-", color=colour)
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
    return png(figure)


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


def _bare(axes: Axes, title: str, caption: str) -> None:
    axes.set(xticks=[], yticks=[], xlabel=caption)
    axes.set_axis_on()
    axes.set_title(title, fontsize=10)
    axes.xaxis.label.set_fontsize(9)
