"""`python -m attacks slides`: ten slides for a lecture, 16:9 and large type, from the folder of a report.

Each has a title, figures of the report, one sentence with its numbers and a question to the room; docs/lecture.md is
the plan that goes with them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from attacks.report.command_line import CommandParser
from attacks.report.formats import ceiled, floored, number, percent, pixels
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
    """One slide; `formulas` stand where there are no figures, names in braces are those of `values`."""

    title: str
    says: str
    asks: str
    figures: tuple[str, ...] = ()
    formulas: tuple[str, ...] = ()


DECK = (
    Slide(
        "A {a} becomes a {b}",
        "One image, four ways. {accuracy} of the test images are read rightly.",
        "Which of these is a {b}? For whom?",
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
        "{few} make this {a} a {b}; then the network is {sure} sure of it.",
        "Which pixel would you change first? Where does the gradient point?",
        ("sparse.png",),
    ),
    Slide(
        "How few?",
        "On average {mean_pixels} pixels, measured on {images} test images.",
        "Why do pixels earn more than the linear estimate promised?",
        ("margin_by_pixels.png", "pixels_histogram.png"),
    ),
    Slide(
        "Small changes",
        "No pixel moves by more than {eps}, that is {grey} of 255 grey levels.",
        "Would you notice? Would a camera?",
        ("smallest_eps.png",),
    ),
    Slide(
        "How small?",
        "The linear estimate inside the box says {linear}, the attack finds {eps}.",
        "What does the box [0, 1] change, on images that are mostly black?",
        ("margin_by_eps.png", "eps_histogram.png"),
    ),
    Slide(
        "One change for all",
        "The same s, eps {for_all_eps}, turns {for_all} of images never seen.",
        "Why does it carry over to images that nobody has seen?",
        ("universal.png", "universal_eps.png"),
    ),
    Slide(
        "Glasses",
        "{frame}, one pattern: {glasses}. The same frame in black: {black}.",
        "Is it the pattern, or that something is covered? What if they slip?",
        ("glasses.png",),
    ),
    Slide(
        "Proof",
        "Nothing below {lower} works, and {upper} does; no fewer than {fewest} do.",
        "The attack found nothing smaller. Why is that no proof?",
        ("proof.png",),
    ),
    Slide(
        "Can one tell?",
        "Ink where no training image has any gives {found} of small changes away, and {hidden} of those by somebody "
        "who knows.",
        "Who chose the threshold, and what had they seen by then?",
        ("roc.png", "disguises.png"),
    ),
)


def slides(r: dict[str, Any]) -> list[Slide]:
    """The ten slides of a report's numbers.

    Raises
    ------
    KeyError
        A number is missing: another version wrote them.
    """
    known = values(r)
    return [
        replace(slide, **{part: getattr(slide, part).format(**known) for part in ("title", "says", "asks")})
        for slide in DECK
    ]


def values(r: dict[str, Any]) -> dict[str, str]:
    """The numbers in the sentences, as they are printed; what was not measured is "none"."""
    shown, worn = r["shown"], r["glasses"]
    frame, disguised = worn["heights"][str(worn["height"])], r["disguised"]["smallest eps"]
    (for_all,) = (made for made in r["universal"] if made["eps"] == r["pgd"]["eps"])  # the eps shown everywhere
    eps, proved = shown["smallest_eps"]["distance"], shown["proved"]
    return {
        "a": r["names"][0],
        "b": r["names"][1],
        "accuracy": percent(r["network"]["test_accuracy"]),
        "few": count(shown["sparse"]["distance"]),
        "sure": percent(shown["sparse"]["confidence_after"]),
        "mean_pixels": number(r["sparse"]["mean_distance"], 1),
        "images": str(r["sparse"]["images"]),
        "eps": ceiled(eps, 3),
        "grey": number(None if eps is None else 255 * eps, 1),
        "linear": number(shown["linearised_eps_in_the_box"], 3),
        "for_all_eps": number(for_all["eps"], 2),
        "for_all": percent(for_all["rate_held_out"]),
        "frame": count(worn["pixels"]),
        "glasses": percent(frame["rate_held_out"]),
        "black": percent(frame["controls"]["black"]),
        "lower": floored(proved["linf"]["lower"]),
        "upper": ceiled(proved["linf"]["upper"]),
        "fewest": count(proved["l0"]["lower"]),
        "found": percent(disguised["free"]["found"]["unused"]),
        "hidden": percent(disguised["used"]["found"]["unused"]),
    }


def count(of_pixels: float | None) -> str:
    """5 pixels; none, where none suffice or nothing is proved."""
    return "none" if of_pixels is None else pixels(of_pixels)


def pdf(deck: Sequence[Slide], folder: Path) -> bytes:
    """The slides as a PDF, with figures from `folder`; one that the report did not have to draw is left out."""
    import matplotlib.style
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    with (
        matplotlib.style.context("default"),
        PdfPages(buffer, metadata={"CreationDate": None}) as pages,  # the same bytes for the same report
    ):
        for page, slide in enumerate(deck, 1):
            pages.savefig(draw(slide, folder, f"{page} of {len(deck)}"))
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


def parser() -> CommandParser:
    """The options of the command."""
    p = CommandParser("slides", "Ten slides of a report, as a PDF.", words="[REPORT] ")
    p.add_argument(
        "report", nargs="?", type=Path, metavar="REPORT", default=Path("report"), help="its folder (default: report)"
    )
    p.add_argument("--out", type=Path, help="the file to write (default: slides.pdf in that folder)")
    return p


def main(arguments: Sequence[str]) -> int:
    """The exit status, as `CommandParser.carry_out` has it."""
    p = parser()
    o = p.parse(arguments)
    out: Path = o.out or o.report / "slides.pdf"

    def command() -> int:
        check_writable(out.parent)
        try:
            deck = slides(numbers_of(o.report))
        except KeyError as error:
            raise ValueError(
                f"{o.report}: expected a report of this version, its results.json has no {error}"
            ) from None
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, pdf(deck, o.report))
        if not o.quiet:
            say(f"{len(deck)} slides: {out}")
        return 0

    return p.carry_out(o, command, "nothing was written")


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
