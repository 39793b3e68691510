"""A report in seconds: fewer sets, heights, places and adaptive attacks, short searches for sets.

The experiments have tests of their own.
"""

from functools import partial

from matplotlib.figure import Figure

import attacks.proofs.set_minimum
import attacks.report.detection
import attacks.report.glasses
import attacks.report.image_sets
import attacks.report.plots
import attacks.report.proof_jobs
import attacks.report.setup
import attacks.uap.linear_program

QUICK = {
    attacks.proofs.set_minimum: {"universal": partial(attacks.universal, steps=4, passes=1)},
    attacks.report.image_sets: {
        "FEW": 4, "FEW_EPS": (0.05, 0.1), "UNIVERSAL_EPS": (0.05, 0.1), "MIXED_EPS": (0.3,), "PIXELS": 4
    },
    attacks.report.glasses: {"HEIGHTS": (0, 12), "SLIPS": ((0, 0), (1, 0))},
    attacks.report.proof_jobs: {"FILLING_IMAGES": 2},
    attacks.report.detection: {"ADAPTIVE_IMAGES": 20},
    attacks.uap.linear_program: {"PROGRAM_ROUNDS": 1},
}  # fmt: skip


def make_quick(patch):
    """Set them by a `pytest.MonkeyPatch`."""
    for module, values in QUICK.items():
        for name, value in values.items():
            patch.setattr(module, name, value)


def make_network_small(patch):
    """For digits, which a quarter of the widths tell apart as well."""
    patch.setattr(attacks.report.setup, "REFERENCE", (32, 16, 1))


def make_figures_small(patch):
    """A few pixels each, and no layout: for tests that do not look at them.  Half of a quick report is drawing."""
    patch.setattr(attacks.report.plots, "DPI", 20)
    patch.setattr(Figure, "set_layout_engine", lambda *_, **__: None)
