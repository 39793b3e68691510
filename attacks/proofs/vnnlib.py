"""Queries in the format VNN-LIB 1.0 of the verification competitions (VNN-COMP; Demarchi et al. 2023), `.gz` or not.

    (declare-const X_0 Real) ... (declare-const Y_0 Real) ...
    (assert (<= X_0 0.6)) ...                                        a box of inputs
    (assert (or (and (>= Y_1 Y_0) (<= Y_2 0.5)) (and ...)))          what must not happen

The file describes counterexamples: an input X and the network's output Y = N(X) that satisfy all assertions.  We bring
it into disjunctive normal form, a list of cases, each a box [lo, hi] and rows (C, d) with

    C N + d > 0    in every row.

The file says >= where we say >: **a tie is neither**.  A point with C N + d > 0 satisfies the file ("sat"); the file is
refuted ("unsat") by C N + d < 0 in some row of every case, for every point; where the best that can be said is = 0, the
answer is "unknown".  Numbers are read as the nearest float64, as every tool reads them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attacks.balls import LInf
from attacks.proofs.vnnlib_formulas import Terms, cases_of, commands_of, text_of
from minigrad.inputs import Array

Unsafe = tuple[tuple[Array, Array], ...]


@dataclass(frozen=True, eq=False)
class VnnlibQuery:
    """Is there an input in the ball about `x` for which N is unsafe?

    Attributes
    ----------
    x : (1, d)
        The centre of the box.
    ball : LInf
        Its set is exactly the box: the radius is the greatest half width, rounded up, and `ball.box` does the rest.
    unsafe : tuple of (C (r, k), d (r,))
        N is unsafe if  C N + d > 0  in every row of one of them.
    """

    x: Array
    ball: LInf
    unsafe: Unsafe


def read_vnnlib(path: str | Path, inputs: int | None = None, outputs: int | None = None) -> VnnlibQuery:
    """The query in a file whose inputs lie in one box.

    Parameters
    ----------
    path : str or Path
    inputs, outputs : int, optional
        How many the network has.  Default: as many as the file declares.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is cut off, or something else; it has other variables than X_0, ..., X_(d-1), Y_0, ..., Y_(k-1); an input
        without two bounds, or with its lower bound above; inputs bounded by other things than numbers; nothing asked of
        the outputs; several boxes (`read_vnnlib_boxes` takes them).  What no reader can notice is a file that was cut
        between two assertions: it is a whole file that asserts less, so what refutes it refutes the whole.
    """
    queries = read_vnnlib_boxes(path, inputs, outputs)
    if len(queries) > 1:
        raise ValueError(
            f"{path}: expected one box of inputs, got {len(queries)}: read_vnnlib_boxes makes a query of each"
        )
    return queries[0]


def read_vnnlib_boxes(path: str | Path, inputs: int | None = None, outputs: int | None = None) -> list[VnnlibQuery]:
    """A query for each box of inputs in a file: "sat" if one of them is, "unsat" if all are.

    Parameters, and errors raised, as for `read_vnnlib`; boxes that are empty are left out where another is not.
    """
    try:
        declared, asserted = commands_of(text_of(path))
        d, k = _count("X", declared, inputs), _count("Y", declared, outputs)
        cases = [_case(atoms, d, k) for atoms in cases_of(["and", *asserted], declared)]
        filled = [case for case in cases if (case.lo <= case.hi).all()]
        if not filled:
            raise ValueError("expected lower bounds of the inputs below the upper ones, got an empty box")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    boxes: dict[bytes, list[_Case]] = {}
    for case in filled:
        boxes.setdefault(case.lo.tobytes() + case.hi.tobytes(), []).append(case)
    return [_query(group) for group in boxes.values()]


def counterexample_text(x: Array, N: Array) -> str:
    """The answer "sat" as VNN-COMP wants it written, for an input `x` (d,) with output `N` (k,).

    Each number has the digits that give the same float64 back.

    Examples
    --------
    >>> print(counterexample_text(np.array([0.1, 0.5]), np.array([2.0])))
    sat
    ((X_0 0.1)
     (X_1 0.5)
     (Y_0 2.0))
    """
    pairs = [f"({name}_{i} {float(value)!r})" for name, row in (("X", x), ("Y", N)) for i, value in enumerate(row)]
    return "sat\n(" + "\n ".join(pairs) + ")"


class _Case(NamedTuple):
    """One way to satisfy the file."""

    lo: Array  # (d,)
    hi: Array  # (d,)
    C: Array  # (r, k)
    d: Array  # (r,)


def _query(cases: list[_Case]) -> VnnlibQuery:
    """The query of cases that share a box."""
    lo, hi = cases[0].lo, cases[0].hi
    x = np.clip(lo / 2 + hi / 2, lo, hi)  # lo + hi may overflow; of subnormal numbers the halves may round out
    radius = float(np.maximum(x - lo, hi - x).max())
    radius = math.nextafter(radius, math.inf) if radius else 0.0  # a difference of unequal numbers is never 0
    return VnnlibQuery(x[None], LInf(radius, box=(lo, hi)), tuple((case.C, case.d) for case in cases))


def _count(letter: str, declared: set[str], wanted: int | None) -> int:
    """How many variables of a letter there are; all of them, from 0 on, must be declared."""
    names = {name for name in declared if name.startswith(f"{letter}_")}
    others = sorted(name for name in declared if not name.startswith(("X_", "Y_")))
    if others:
        raise ValueError(f"expected variables X_0, X_1, ... and Y_0, Y_1, ..., got {others[0]}")
    if not names or names != {f"{letter}_{i}" for i in range(len(names))}:
        raise ValueError(f"expected {letter}_0, {letter}_1, ... to be declared without a gap, got {len(names)} of them")
    if wanted is not None and wanted != len(names):
        raise ValueError(f"expected {wanted} variables {letter}, as many as the network has, got {len(names)}")
    return len(names)


def _case(atoms: tuple[Terms, ...], d: int, k: int) -> _Case:
    """The box and the rows of one case."""
    lo, hi = np.full(d, -math.inf), np.full(d, math.inf)
    rows, shifts = [], []
    for terms in atoms:
        constant = terms.get("", 0.0)
        used = {name: value for name, value in terms.items() if name and value}
        if not all(map(math.isfinite, (*used.values(), constant))) or not used:
            raise ValueError("expected a finite linear term with a variable on one side, got one without")
        if all(name.startswith("Y_") for name in used):
            row = np.zeros(k)
            row[[int(name[2:]) for name in used]] = list(used.values())
            rows.append(row)
            shifts.append(constant)
            continue
        (name, value), *others = used.items()
        if others or abs(value) != 1:  # value X + constant >= 0; another factor would round the bound
            raise ValueError(f"expected inputs that are compared with a number, got one with {', '.join(used)}")
        i = int(name[2:])
        lo[i], hi[i] = (max(lo[i], -constant), hi[i]) if value > 0 else (lo[i], min(hi[i], constant))
    unbounded = np.flatnonzero(~np.isfinite(lo) | ~np.isfinite(hi))
    if len(unbounded):
        raise ValueError(f"expected a lower and an upper bound of each input, got none for X_{unbounded[0]}")
    if not rows:
        raise ValueError("expected an assertion about the outputs in each case, got none")
    return _Case(lo, hi, np.array(rows), np.array(shifts))
