"""The folder that `python -m attacks` writes: all files are made in memory, then written, each whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attacks.balls import BALLS
from attacks.report.exact import CHECKER, exact_files, file_of
from attacks.report.formats import json_bytes
from attacks.report.page import page
from attacks.report.play import OwnImage, play_page
from attacks.report.play_nets import ten_digits
from attacks.report.records import Results
from attacks.report.setup import SHARES
from minigrad.io.files import check_writable, write_whole
from minigrad.io.npz import npz_bytes

EXACT_FILES = CHECKER, SHARES, *map(file_of, BALLS)  # for somebody who checks the proofs; not all of them each time
OTHER_FILES = "index.html", "play.html", "results.json", "model.npz", *EXACT_FILES  # beside the figures


def check_folder(out: Path) -> None:
    """Raises ValueError and OSError for a folder that the report cannot be written to."""
    check_writable(out)
    taken = [path for path in (*out.glob("*.png"), *(out / name for name in OTHER_FILES)) if path.is_dir()]
    if taken:
        raise ValueError(f"{taken[0]}: expected a file that can be replaced, got a folder")


def write_report(out: Path, results: Results, r: dict[str, Any], figures: dict[str, bytes]) -> None:
    """Make pages and network of the results, and write them to the folder `out` beside figures and numbers.

    index.html is written last, and nothing before everything is made: a run that is interrupted earlier leaves the
    folder as it was.

    Parameters
    ----------
    out : folder, made if it is not there
    results : what the experiments found
    r : what results.json is to hold
    figures : file name: PNG

    Raises
    ------
    OSError
        A file that cannot be written.
    """
    files = (
        figures
        | exact_files(results)
        | {
            "model.npz": npz_bytes(results.setup.network.original.to_arrays()),
            "results.json": json_bytes(r),
            "play.html": _play(results).encode(),
            "index.html": page(r, figures).encode(),
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(out / name, content)
    for name in {*EXACT_FILES} - {*files}:  # of an earlier report, about another network perhaps
        (out / name).unlink(missing_ok=True)


def _play(r: Results) -> str:
    """The page to play with: the image shown, its proofs, one s for each eps, the glasses; for MNIST ten digits."""
    i = r.images.shown
    own = OwnImage(
        net=r.setup.net,
        x=r.images.images[i],
        names=r.setup.options.class_names,
        number=int(r.images.number[i]),
        proved=r.proofs.image["free"],
        exact=r.proofs.exact,
        universals={eps: made.s for eps, (made, _) in r.sets.universals.items()},
        glasses=r.glasses.worn,
        shape=r.setup.images.shape,
    )
    return play_page(own, ten_digits() if r.setup.options.data is None else None)
