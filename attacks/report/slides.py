"""`python -m attacks slides`: ten slides for a lecture, 16:9 and large type, from the folder of a report.

Each has a title, figures of the report, one sentence with its numbers and a question to the room; docs/lecture.md is
the plan that goes with them.
"""

from __future__ import annotations

import io
import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from attacks.report.formats import ceiled, floored, percent, pixels
from attacks.report.progress import say
from minigrad.io.files import check_writable, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 13.333, 7.5  # inches, 16:9: what presentation programs take for a slide
# Points on that slide: 22 is read from the last row of a lecture hall; half of it is a caption on paper.
TITLE, TEXT = 34, 22
CHARACTERS = 76  # on a line of TEXT: letters are 0.53 em wide on average, the line is 12.4 inches
BLUE = "#0072B2"
IDEA = (
    r"$m(x + s) \;\approx\; m(x) + g \cdot s, \qquad g = dm / dx$",
    r"$\max_{|s_i| \leq \varepsilon}\; g \cdot s \;=\; \varepsilon \,\sum_i |g_i| \qquad \mathrm{at}\qquad "
    r"s = \varepsilon\; \mathrm{sign}(g)$",
)


@dataclass(frozen=True)
class Slide:
    """One slide; `formulas` stand where there are no figures."""

    title: str
    says: str
    asks: str
    figures: tuple[str, ...] = ()
    formulas: tuple[str, ...] = ()


def slides(r: dict[str, Any]) -> list[Slide]:
    """The ten slides of a report's numbers.

    Raises
    ------
    KeyError
        A number is missing: another version wrote them.
    """
    a, b = r["names"]
    shown, worn = r["shown"], r["glasses"]
    eps = shown["smallest_eps"]["distance"]
    (for_all,) = (made for made in r["universal"] if made["eps"] == r["pgd"]["eps"])  # the eps shown everywhere
    proved, few = shown["proved"]["linf"], shown["proved"]["l0"]
    frame = worn["heights"][str(worn["height"])]
    free = r["disguised"]["smallest eps"]
    return [
        Slide(
            f"A {a} becomes a {b}",
            f"One image, three ways. {percent(r['network']['test_accuracy'])} of the test images are read rightly.",
            f"Which of these is a {b}? For whom?",
            ("overview.png",),
        ),
        Slide(
            "The idea, in two lines",
            "Each pixel goes as far as it may, in the direction that its own derivative says.",
            "Is that the shortest way across the boundary? When is it exact?",
            formulas=IDEA,
        ),
        Slide(
            "Few pixels",
            f"{pixels(shown['sparse']['distance'])} make this {a} a {b}; then the network is "
            f"{percent(shown['sparse']['confidence_after'])} sure of it.",
            "Which pixel would you change first? Where does the gradient point?",
            ("sparse.png",),
        ),
        Slide(
            "How few?",
            f"On average {r['sparse']['mean_distance']:.1f} pixels, measured on {r['sparse']['images']} test images.",
            "Why do pixels earn more than the linear estimate promised?",
            ("margin_by_pixels.png", "pixels_histogram.png"),
        ),
        Slide(
            "Small changes",
            f"No pixel moves by more than {ceiled(eps, 3)}, that is {255 * eps:.1f} of 255 grey levels.",
            "Would you notice? Would a camera?",
            ("smallest_eps.png",),
        ),
        Slide(
            "How small?",
            f"The linear estimate inside the box says {shown['linearised_eps_in_the_box']:.3f}, the attack finds "
            f"{ceiled(eps, 3)}.",
            "What does the box [0, 1] change, on images that are mostly black?",
            ("margin_by_eps.png", "eps_histogram.png"),
        ),
        Slide(
            "One change for all",
            f"The same s, eps {for_all['eps']:.2f}, turns {percent(for_all['rate_held_out'])} of images never seen.",
            "Why does it carry over to images that nobody has seen?",
            ("universal.png", "universal_eps.png"),
        ),
        Slide(
            "Glasses",
            f"{worn['pixels']} pixels, one pattern: {percent(frame['rate_held_out'])}. The same frame in black: "
            f"{percent(frame['controls']['black'])}.",
            "Is it the pattern, or that something is covered? What if they slip?",
            ("glasses.png",),
        ),
        Slide(
            "Proof",
            f"Nothing below {floored(proved['lower'])} works, and {ceiled(proved['upper'])} does; "
            f"no fewer than {pixels(few['lower'])} do.",
            "The attack found nothing smaller. Why is that no proof?",
            ("proof.png",),
        ),
        Slide(
            "Can one tell?",
            f"Ink where no training image has any gives {percent(free['free']['found']['unused'])} of small changes "
            f"away, and {percent(free['used']['found']['unused'])} of those by somebody who knows.",
            "Who chose the threshold, and what had they seen by then?",
            ("roc.png", "disguises.png"),
        ),
    ]


def pdf(deck: Sequence[Slide], folder: Path) -> bytes:
    """The slides as a PDF, with figures from `folder`; one that the report did not have to draw is left out."""
    import matplotlib.style
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    with (
        matplotlib.style.context("default"),
        PdfPages(buffer, metadata={"CreationDate": None}) as pages,  # the same bytes for the same report
    ):
        for number, slide in enumerate(deck, 1):
            pages.savefig(draw(slide, folder, f"{number} of {len(deck)}"))
    return buffer.getvalue()


def draw(slide: Slide, folder: Path, corner: str = "") -> Figure:
    """One slide: the title above, figures side by side, the sentence and the question below."""
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    figure = Figure(figsize=SIZE)
    figure.text(0.04, 0.955, slide.title, fontsize=TITLE, weight="bold", va="top")
    figure.text(0.04, 0.18, fill(slide.says, CHARACTERS), fontsize=TEXT, va="top")
    figure.text(0.04, 0.075, slide.asks, fontsize=TEXT, va="top", color=BLUE, style="italic")
    figure.text(0.97, 0.03, corner, fontsize=TEXT / 2, ha="right", color="grey")
    for row, formula in enumerate(slide.formulas):
        figure.text(0.5, 0.64 - 0.22 * row, formula, fontsize=TITLE, ha="center", va="center")
    pictures = [imread(folder / name) for name in slide.figures if (folder / name).exists()]
    if pictures:
        shares = [picture.shape[1] / picture.shape[0] for picture in pictures]  # all of the same height
        spec = {"left": 0.03, "right": 0.97, "bottom": 0.19, "top": 0.85, "wspace": 0.02}
        row_of_axes = figure.subplots(1, len(pictures), squeeze=False, width_ratios=shares, gridspec_kw=spec)[0]
        for axes, picture in zip(row_of_axes, pictures, strict=True):
            axes.imshow(picture, interpolation="antialiased")
            axes.axis("off")
    return figure


def parser() -> ArgumentParser:
    """The options of the command."""
    p = ArgumentParser(prog="python -m attacks slides", description="Ten slides of a report, as a PDF.")
    p.add_argument("report", nargs="?", type=Path, default=Path("report"), help="its folder (default: report)")
    p.add_argument("--out", type=Path, help="the file to write (default: slides.pdf in that folder)")
    return p


def main(arguments: Sequence[str]) -> int:
    """Exit status 0; 2 for a folder that has no report, or a file that cannot be written."""
    o = parser().parse_args(arguments)
    out: Path = o.out or o.report / "slides.pdf"
    try:
        check_writable(out.parent)
        deck = slides(numbers_of(o.report))
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, pdf(deck, o.report))
    except KeyError as error:
        print(f"error: {o.report}: expected a report of this version, its results.json has no {error}", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    say(f"{len(deck)} slides: {out}")
    return 0


def numbers_of(folder: Path) -> dict[str, Any]:
    """What results.json of a report's folder holds.

    Raises
    ------
    ValueError, OSError
        There is none, or it holds something else.
    """
    path = folder / "results.json"
    if not path.exists():
        raise ValueError(f"{folder}: expected the folder of a report (python -m attacks), got one without results.json")
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected the numbers of a report by name, got {type(found).__name__}")
    return found
