"""What the tests of proofs share."""

from functools import partial

import pytest

from attacks import smallest_eps

STEPS = 8  # a tenth of what it takes by itself


@pytest.fixture(scope="class")  # of a test outside a class: for itself alone; Hypothesis takes no scope of "function"
def short_attack():
    """A short attack before each proof: it has tests of its own, and from a worse answer a proof has more to find.

    Not for tests that compare with other processes, which know nothing of it.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in ("task", "decide"):
            patch.setattr(f"attacks.proofs.{module}.smallest_eps", partial(smallest_eps, steps=STEPS))
        yield
