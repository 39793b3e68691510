"""The folder that `python -m attacks` writes: all files are made in memory, then written, each whole or not at all."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from attacks.report.figures import draw
from attacks.report.page import page
from attacks.report.play import play_page
from attacks.report.progress import Clock, StatusLine
from attacks.report.proof_jobs import ProofJobs
from attacks.report.results import Results, numbers, run_experiments
from attacks.report.setup import Options, set_up
from attacks.report.workers import workers
from minigrad.io.files import check_writable, write_whole
from minigrad.io.npz import npz_bytes

OTHER_FILES = "index.html", "play.html", "results.json", "model.npz"  # beside the figures


def write_report(options: Options) -> dict[str, Any]:
    """Run the experiments and write figures, pages, numbers and network to `options.out`; returns the numbers.

    index.html is written last, and nothing before everything is made: a run that is interrupted earlier leaves the
    folder as it was.

    Raises
    ------
    ValueError, OSError
        Bad options; a folder that cannot be written (checked first).
    """
    out = Path(options.out)
    check_writable(out)
    taken = [path for path in (*out.glob("*.png"), *(out / name for name in OTHER_FILES)) if path.is_dir()]
    if taken:
        raise ValueError(f"{taken[0]}: expected a file that can be replaced, got a folder")
    options.check()
    line = StatusLine()
    clock = Clock(line)
    setup = set_up(options, clock)
    with workers(options.workers) as executor:
        executor.submit(import_module, "attacks.report.plots")  # it will draw as well: matplotlib takes a while to load
        results = run_experiments(setup, ProofJobs(executor, setup), clock)
        with clock("draw"):
            figures = draw(results, executor)
    said = numbers(results) | {"seconds": clock.seconds | {"all": round(line.elapsed, 2)}}
    files = figures | {
        "model.npz": npz_bytes(setup.network.original.to_arrays()),
        "results.json": (json.dumps(said, indent=1, allow_nan=False) + "\n").encode(),
        "play.html": _play(results).encode(),
        "index.html": page(said, figures).encode(),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(out / name, content)
    line.end()
    return said


def _play(r: Results) -> str:
    """The page to play with: the image shown, its proofs, one s for each eps, the glasses."""
    i, universals = r.images.shown, {eps: made.s for eps, (made, _) in r.sets.universals.items()}
    shape, names = r.setup.images.shape, r.setup.options.class_names
    image = r.images.images[i], names, int(r.images.number[i])
    return play_page(r.setup.net, *image, r.proofs.image["free"], universals, r.glasses.worn, shape)
