"""Images as panels: grey pictures, signed pictures, the changed pixels, drawn on axes that are given.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; signed pictures use purple (down) and orange
(up).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attacks.images import pictures
from minigrad.inputs import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shape = tuple[int, int] | None  # rows and columns of a picture; None: square
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
SIGNED = "PuOr_r"
TYPE = 10  # points, of every word: on the page a point is 1 to 1.2 CSS pixels wide, on a telephone 0.9 or more
CIRCLED = 60  # changed pixels at most that are circled: more circles would hide the picture
LISTED = 12  # changed pixels at most that are listed: as many lines as a panel has room for
GAP = 2  # pixels between the pictures of a strip


def picture(axes: Axes, v: Array, title: str = "", caption: str = "", shape: Shape = None) -> None:
    """An image (d,) in its box [0, 1], black to white."""
    axes.imshow(pictures(v[None], shape)[0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    _frame(axes, title, caption)


def signed(
    axes: Axes, v: Array, title: str = "", caption: str = "", *, limit: float | None = None, shape: Shape = None
) -> None:
    """A signed picture (d,): orange up, purple down, white nothing, symmetric about 0.

    Full colour is `limit`; without one it is the largest `|v_i|`, and a colour bar says how much that is.
    """
    most = float(np.abs(v).max()) if limit is None else limit
    ends: dict[str, Any] = {"vmin": -most or -1, "vmax": most or 1}
    image = axes.imshow(pictures(v[None], shape)[0], cmap=SIGNED, interpolation="nearest", **ends)
    _frame(axes, title, caption)
    if limit is None:
        axes.figure.colorbar(image, ax=axes, shrink=0.7, pad=0.03).ax.tick_params(labelsize=TYPE)


def magnified(axes: Axes, s: Array, shape: Shape = None) -> None:
    """A difference (d,) magnified until it fills the scale; its title says by how much, its caption how large it is."""
    size = float(np.abs(s).max())
    title = f"difference, magnified {1 / size:.3g} times" if 0 < size < 0.9 else "difference, on its own scale"
    signed(axes, s, title, f"largest change {size:.4f}", shape=shape)


def circle_changes(axes: Axes, s: Array, shape: Shape = None, colour: str = VERMILION) -> bool:
    """Circle the pixels where s (d,) is not 0, if they are few; whether they are."""
    changed, columns = np.flatnonzero(s), pictures(s[None], shape).shape[2]
    if not 0 < len(changed) <= CIRCLED:
        return False
    circles: dict[str, Any] = {"s": 110, "facecolors": "none", "edgecolors": colour, "linewidths": 1.2}
    axes.scatter(changed % columns, changed // columns, **circles)
    return True


def list_changes(axes: Axes, x: Array, x_adv: Array, shape: Shape = None) -> None:
    """The first changed pixels in words: row, column, old value, new value."""
    changed, columns = np.flatnonzero(x_adv - x), pictures(x[None], shape).shape[2]
    lines = [f"row {i // columns:2d}, column {i % columns:2d}: {x[i]:.2f} → {x_adv[i]:.2f}" for i in changed[:LISTED]]
    axes.axis("off")
    words = axes.text(0, 0.95, "changed pixels\n" + "\n".join(lines), va="top", family="monospace", fontsize=TYPE)
    words.set_in_layout(False)  # wider than its axes, which would shrink the picture beside it


def sizes(axes: Axes, s: Array) -> None:
    """How many pixels move by how much."""
    size = float(np.abs(s).max())
    axes.stairs(*np.histogram(np.abs(s), bins=20, range=(0, size or 1)), color=BLUE, fill=True)
    axes.set(xlabel="|change| of a pixel", ylabel="pixels")
    axes.set_title("how much each pixel moves", fontsize=TYPE)


def strip(axes: Axes, name: str, images: Array, texts: Sequence[str], shape: Shape = None) -> None:
    """Images (n, d) side by side, a text under each, the name of the strip on the left."""
    high, wide = pictures(images, shape).shape[1:]
    pages = [np.pad(v, ((0, 0), (0, GAP)), constant_values=np.nan) for v in pictures(images, shape)]
    axes.imshow(np.concatenate(pages, axis=1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for k, text in enumerate(texts):
        axes.text(k * (wide + GAP) + wide / 2, high + 0.5, text, ha="center", va="top", fontsize=TYPE)
    axes.text(-1.5, high / 2, name, rotation=90, ha="right", va="center", fontsize=TYPE)
    axes.axis("off")


def _frame(axes: Axes, title: str, caption: str) -> None:
    axes.set(xticks=[], yticks=[], xlabel=caption)
    axes.set_axis_on()
    axes.set_title(title, fontsize=TYPE)
    axes.xaxis.label.set_fontsize(TYPE)
