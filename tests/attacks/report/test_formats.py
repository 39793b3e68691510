"""Bounds in print: never narrower than they are, and as near as the digits allow."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks.proofs.radii import in_words
from attacks.report.formats import ceiled, floored
from attacks.report.prove import table

VALUES = st.floats(0, allow_nan=False, allow_infinity=False) | st.integers(0, 10**7).map(lambda k: k / 1e5)


@given(VALUES, st.integers(0, 8))
def test_lower_ends_go_down_and_upper_ends_go_up_by_less_than_one_unit(value, digits):
    low, high, unit = floored(value, digits), ceiled(value, digits), Fraction(1, 10**digits)
    assert float(low) <= value <= float(high)
    assert 0 <= Fraction(value) - Fraction(low) < unit and 0 <= Fraction(high) - Fraction(value) < unit
    assert all(len(text.partition(".")[2]) == digits and "e" not in text.lower() for text in (low, high))


def test_the_number_of_the_issue():
    assert floored(0.0401397825, 5) == "0.04013" and ceiled(0.0401397825, 5) == "0.04014"


@pytest.mark.parametrize("rounded", [floored, ceiled])
def test_what_is_no_number_is_none(rounded):
    assert [rounded(v) for v in (None, np.inf, -np.inf, np.nan)] == ["none"] * 4
    assert rounded(-0.0) == "0.0000" and rounded(Decimal("0.5"), 1) == "0.5" and rounded(7, 0) == "7"


@given(VALUES, VALUES)
def test_a_certificate_in_words_is_not_narrower_than_it_is(a, b):
    lower, upper = sorted((a, b))
    _, low, _, high = in_words("linf", lower, upper).split()
    assert Fraction(low) <= Fraction(lower) and Fraction(high) >= Fraction(upper)
    assert float(low) >= lower * (1 - 1e-5) - 5e-324 and float(high) <= max(upper * (1 + 1e-5), 1e-323)
    assert in_words("linf", lower, np.inf) == f"at least {low}, none found"


def test_the_table_of_prove_rounds_outwards_and_says_what_narrows_the_rest():
    r = {
        "norm": "linf", "images": 4, "closed": 1, "open": {"time limit": 2, "tie within rounding": 1},
        "mean_attack": 0.0500001, "mean_upper": 0.0401397825, "mean_lower": 0.0401397825 - 1e-9, "least_ratio": 0.99999,
        "attack_improved": 1, "median_seconds": 1.0, "largest_seconds": 2.0,
    }  # fmt: skip
    said = table(r)
    assert "0.05001 eps" in said and "0.04014 eps" in said and "0.04013 eps" in said and " 0.9999" in said
    assert "  2 open " in said and said.count("--time-limit") == 1 and "{" not in said
    assert "the same" in table(r | {"mean_lower": r["mean_upper"]})
