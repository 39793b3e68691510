"""Rows of multipliers as a proof's file holds them: rounded, and shown to the checker.

Any legal multipliers prove something (attacks/checker.py), so they are rounded to few bits, which makes files small:
alpha to 14 bits and to 0 where no line is chosen, beta to 10 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import attacks.checker as checker
from attacks.proofs.exact_known import Known
from minigrad.inputs import Array

Lines = tuple[list[Array], list[Array]]  # alpha and beta

PRICED = "l1", "l2"  # norms of which the constraint on |s| has a multiplier; the others need none
CLOSE = 1e-6  # relative step of the difference: 10 digits of it are left, of which the bound needs 5
KEPT = 10  # bits of beta. 6: a twentieth of the leaves has to be proved anew; 14: files a quarter larger


@dataclass(frozen=True, eq=False)
class Shown:
    """R rows about one part, in floats.

    Attributes
    ----------
    bound : (R,)
    gamma : (R, rivals)
    price : (R,)
        How fast h grows with the radius (`prices`).
    lines : (alpha, beta)
        One (R, d_k) array for each of the first hidden layers each; beta signed: of z >= l where positive, of z <= u
        where negative.
    """

    bound: Array
    gamma: Array
    price: Array
    lines: Lines

    def take(self, rows: Array) -> Shown:
        """Some of the rows."""
        alpha, beta = ([each[rows] for each in lines] for lines in self.lines)
        return Shown(self.bound[rows], self.gamma[rows], self.price[rows], (alpha, beta))

    def on_one_margin(self) -> tuple[Array, Shown]:
        """Rows of margins alone as the checker has them: whose margin each bounds (R,), and all else divided by it."""
        (alpha, beta), (margin, scale, others) = self.lines, on_one_margin(self.gamma)
        return margin, Shown(self.bound, others, self.price / scale, (alpha, [b / scale[:, None] for b in beta]))


def on_one_margin(gamma: Array) -> tuple[Array, Array, Array]:
    """Sums of margins (R, rivals) as the checker has them: one margin, and as often as they count the others beside it.

    Returns
    -------
    margin : (R,) int
        That of the largest multiplier.
    scale : (R,)
        Its multiplier, by which the row's others are to be divided.
    others : (R, rivals)
        Those of the other margins, divided by it.
    """
    margin = np.argmax(gamma, axis=1)
    rows = np.arange(len(gamma))
    scale = gamma[rows, margin]
    others = gamma / scale[:, None]
    others[rows, margin] = 0
    return margin, scale, others


class Writer:
    """The steps and rows written so far.

    Parameters
    ----------
    prover : checker.Prover
    index : int
        Of the image among those of a set.
    steps, rows : list
        Where to write, with the writers of the other images; by default in lists of its own.
    """

    def __init__(
        self,
        prover: Any,
        index: int = 0,
        steps: list[tuple[int, int, int, float]] | None = None,
        rows: list[tuple[Array, ...]] | None = None,
    ) -> None:
        self.prover, self.index = prover, index
        self.steps = [] if steps is None else steps
        self.rows = [] if rows is None else rows

    def learn(self, part: Known, layer: int, ends: tuple[Array, Array], shown: Shown) -> None:
        """Show the checker R rows about the part, and write them down as a step; nothing once the part is closed.

        Parameters
        ----------
        layer : int
            Hidden layer of the neurons bounded; the number of hidden layers for rows of the rivals alone.
        ends : (neuron (R,), side (R,))
            Of rows of the rivals the margin, and 1 (`on_one_margin`).
        """
        if part.closed:
            return
        widths = [len(low) for low in part.l]
        alpha, beta = np.zeros((len(shown.bound), sum(widths))), np.zeros((len(shown.bound), sum(widths)))
        first = 0
        for k, (a, b) in enumerate(zip(*shown.lines, strict=True)):
            columns, free = slice(first, first + widths[k]), (part.l[k] < 0) & (part.u[k] > 0)
            alpha[:, columns] = slopes(a) * free
            beta[:, columns] = rounded(b)
            first += widths[k]
        rows = *(end.astype(kind) for end, kind in zip(ends, (np.int32, np.int8), strict=True)), rounded(shown.price)
        rows += alpha.astype(np.uint16), np.hstack([beta, rounded(shown.gamma)])
        with np.errstate(all="ignore"):
            self.prover.learn(part.array, layer, *rows)
        self.steps.append((len(shown.bound), layer, self.index, 0.0))
        self.rows.append(rows)

    def split(self, part: Known, index: int) -> tuple[Known, Known]:
        """Split the last open part, and write it down."""
        self.steps.append((0, 0, index, part.cut(index)))
        return part.split(index)

    def forget(self) -> None:
        """Strike the last rows: they taught the checker nothing."""
        self.steps.pop()
        self.rows.pop()

    def arrays(self) -> dict[str, Array]:
        """The arrays of the file: the steps (n, 3), where they split neurons, and all rows of multipliers."""
        each = (small(np.concatenate(column)) for column in zip(*self.rows, strict=True))
        found = dict(zip(("neuron", "side", "price", "alpha", "beta"), each, strict=True))
        found |= {"steps": np.array([step[:3] for step in self.steps], np.int32)}
        found |= {"cut": np.array([step[3] for step in self.steps])}
        return {f"proof_{name}": value for name, value in found.items()}


def prices(ball: Any, x: Array, A: Array) -> Array:
    """`d h_S(A) / d radius`, (n, m), for A (n, m, d): the multiplier of the constraint on |s|; 0 where none is used.

    By a central difference: in L1 it is the slope of the pixel at which the radius is spent, in L2 mu times the radius.
    """
    if ball.norm not in PRICED:
        return np.zeros(A.shape[:2])
    ends = [ball.scaled(1 + sign * CLOSE).spread().support(x[:, None, :], A) for sign in (1, -1)]
    between = np.maximum(2 * CLOSE * np.reshape(ball.radius, (-1, 1)), 5e-324)  # of a radius of 1e-323, not 0
    price: Array = np.maximum(ends[0] - ends[1], 0) / between
    return price


def slopes(alpha: Array) -> Array:
    """Slopes in [0, 1] as whole numbers, times 2^-14."""
    return np.rint(np.clip(alpha, 0, 1) * (1 << checker.SLOPE))


def rounded(v: Array) -> Array:
    """The numbers with `KEPT` bits."""
    mantissa, power = np.frexp(np.clip(v, -1e300, 1e300))
    return np.ldexp(np.rint(np.ldexp(mantissa, KEPT)), power - KEPT)


def small(v: Array) -> Array:
    """The array as it packs best: in single precision where that loses nothing, and column by column.

    A neuron's multipliers resemble each other from row to row: stored row by row, alpha and beta take twice the space.
    """
    with np.errstate(over="ignore"):
        short = v.astype(np.float32)
    return np.asfortranarray(short if v.dtype == np.float64 and np.array_equal(short, v) else v)
