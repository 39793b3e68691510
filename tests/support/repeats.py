"""How often a test repeats itself: a few times in `make test`, all of them in `make soak`."""

import os

FULL = os.environ.get("HYPOTHESIS_PROFILE") == "new"


def repeats(few, full):
    """`few` cases, or `full` in `make soak`."""
    return full if FULL else few
