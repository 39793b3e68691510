"""Figures of the report that are made of images: PNG bytes, the same for the same numbers."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from attacks.images import pictures
from attacks.report import panels
from attacks.report.panels import Shape
from attacks.report.plots import plain, png
from minigrad.inputs import Array


@plain
def overview(images: Sequence[tuple[str, Array]], captions: Sequence[str], shape: Shape = None) -> bytes:
    """Images beside each other, `(title, image)`, with the network's verdict under each."""
    figure = Figure(figsize=(2 * len(images), 2.7), layout="constrained")
    for axes, (title, v), caption in zip(figure.subplots(1, len(images)), images, captions, strict=True):
        panels.picture(axes, v, title, caption, shape)
    return png(figure)


@plain
def saliency(gain: Array, x: Array, x_adv: Array, shape: Shape = None) -> bytes:
    """What each pixel gains (d,), signed by its direction; the changed ones are circled, and listed beside it."""
    figure = Figure(figsize=(7.2, 3.4))  # a fixed layout: words on the right are no axes that could shrink
    left, right = figure.subplots(1, 2, gridspec_kw={"left": 0.02, "right": 0.98, "bottom": 0.1, "top": 0.9})
    panels.signed(left, gain, "gain of each pixel", "orange: brighter, purple: darker", shape=shape)
    panels.circle_changes(left, x_adv - x, shape, panels.BLUE)
    panels.list_changes(right, x, x_adv, shape)
    return png(figure)


@plain
def difference(s: Array, shape: Shape = None) -> bytes:
    """A change (d,), magnified, and how many pixels move by how much."""
    figure = Figure(figsize=(7.2, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    panels.magnified(left, s, shape)
    panels.sizes(right, s)
    return png(figure)


@plain
def signed_pictures(
    pictures: Sequence[tuple[str, Array, str]], shape: Shape = None, limit: float | None = None
) -> bytes:
    """Signed pictures, `(title, v (d,), caption)`, up to three in a row; full colour is `limit`, or each its own."""
    columns = len(pictures) if len(pictures) <= 3 else 2  # four stand in a square
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(3 * columns, 3 * rows), layout="constrained")
    for axes, (title, v, caption) in zip(figure.subplots(rows, columns, squeeze=False).flat, pictures, strict=False):
        panels.signed(axes, v, title, caption, limit=limit, shape=shape)
    return png(figure)


@plain
def strips(rows: Sequence[tuple[str, Array, Sequence[str]]], shape: Shape = None) -> bytes:
    """Rows of pictures: a name, its images (n, d), and the text under each.

    All sizes are in inches: a picture is about 1.1 wide, a line of text 0.19 high.
    """
    high, wide = pictures(rows[0][1], shape).shape[1:]
    tall = min(1.1 * high / wide, 3.3)  # of a strip's pictures; very tall ones are made narrower
    lines = [max((text.count("\n") + 1 for text in texts if text), default=0) for _, _, texts in rows]
    heights = [tall + 0.05 + 0.19 * count for count in lines]
    figure = Figure(figsize=(1.2 * max(len(images) for _, images, _ in rows) + 0.5, sum(heights)))
    top, left = 1.0, 0.4 / figure.get_figwidth()
    for (name, images, texts), height in zip(rows, heights, strict=True):
        share, width = tall / figure.get_figheight(), 1.2 * len(images) / figure.get_figwidth()
        panels.strip(figure.add_axes((left, top - share, width, share)), name, images, texts, shape)
        top -= height / figure.get_figheight()
    return png(figure)
