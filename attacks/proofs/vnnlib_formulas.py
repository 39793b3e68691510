"""The formulas of a VNN-LIB file: s-expressions, and their disjunctive normal form as linear terms that are >= 0.

    (or (and (<= Y_3 Y_0) (>= Y_1 0.5)) (<= Y_2 Y_0))   ->   [(Y_0 - Y_3, Y_1 - 0.5), (Y_0 - Y_2)]

The coefficients are added and multiplied in float64: exact for the files of the competitions, which compare one output
with another or with a number.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TypeAlias

Expression: TypeAlias = "str | list[Expression]"
Terms = dict[str, float]  # variable -> coefficient; "" -> the constant
MOST = 10**7  # comparisons in all cases together: 80 MB; mnist_fc has 14,000, and some seconds are spent on 10^7
DEPTH = 50  # of parentheses; the competition's files have 4, and Python itself ends at 1000
TOKEN = re.compile(r"[()]|[^\s();]+|;[^\n]*")
GZIP = b"\x1f\x8b"


def text_of(path: str | Path) -> str:
    """The text in a file.  Raises OSError, or ValueError for what is no text."""
    raw = Path(path).read_bytes()
    try:
        return (gzip.decompress(raw) if raw.startswith(GZIP) else raw).decode()
    except (EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"expected a VNN-LIB file, plain or .gz, got something else ({reason})") from error


def commands_of(text: str) -> tuple[set[str], list[Expression]]:
    """The declared variables, and what is asserted.  Raises ValueError for anything else."""
    declared: set[str] = set()
    asserted: list[Expression] = []
    for command in _expressions(text):
        match command:
            case ["declare-const", str(name), "Real"]:
                declared.add(name)
            case ["assert", formula]:
                asserted.append(formula)
            case _:
                raise ValueError(f"expected (declare-const NAME Real) or (assert ...), got {_shown(command)}")
    return declared, asserted


def _expressions(text: str) -> Iterator[Expression]:
    """The s-expressions in a text: words, and lists of them in parentheses."""
    stack: list[list[Expression]] = [[]]
    for token in TOKEN.findall(text):
        if token == "(":
            stack.append([])
            if len(stack) > DEPTH:
                raise ValueError(f"expected at most {DEPTH} parentheses inside each other, got more")
        elif token == ")":
            if len(stack) == 1:
                raise ValueError("expected a '(' for each ')', got one too few")
            done = stack.pop()
            stack[-1].append(done)
        elif not token.startswith(";"):
            stack[-1].append(token)
    if len(stack) > 1:
        raise ValueError(f"expected a ')' for each '(', got {len(stack) - 1} too few at the end of the file")
    yield from stack[0]


def cases_of(formula: Expression, declared: set[str]) -> list[tuple[Terms, ...]]:
    """Its disjunctive normal form: a list of cases, each of which asks that all of some  terms >= 0.

    Raises
    ------
    ValueError
        Other formulas than and, or, <=, >= of linear terms; more cases than a computer can hold.
    """
    match formula:
        case ["and", *parts]:
            shared: list[Terms] = []  # what every case asks
            choices: list[list[tuple[Terms, ...]]] = []
            for part in parts:
                ways = cases_of(part, declared)
                shared, choices = ([*shared, *ways[0]], choices) if len(ways) == 1 else (shared, [*choices, ways])
            _check_size(math.prod(map(len, choices)), len(shared) + len(choices))
            return [(*shared, *(terms for way in ways for terms in way)) for ways in product(*choices)]
        case ["or", first, *others]:
            found = [way for part in (first, *others) for way in cases_of(part, declared)]
            _check_size(len(found), 1)
            return found
        case ["<=" | ">=" as relation, left, right]:
            low, high = (left, right) if relation == "<=" else (right, left)
            return [(_sum([(1.0, _terms(high, declared)), (-1.0, _terms(low, declared))]),)]
    raise ValueError(f"expected (and ...), (or ...), (<= a b) or (>= a b), got {_shown(formula)}")


def _terms(term: Expression, declared: set[str]) -> Terms:
    """A linear term: a number, a variable, or sums, differences and multiples of them."""
    match term:
        case str(name) if name in declared:
            return {name: 1.0}
        case str(word):
            return {"": _number(word)}
        case ["+", *parts] if parts:
            return _sum([(1.0, _terms(part, declared)) for part in parts])
        case ["-", part]:
            return _sum([(-1.0, _terms(part, declared))])
        case ["-", first, *others] if others:
            return _sum([(1.0, _terms(first, declared)), *((-1.0, _terms(part, declared)) for part in others)])
        case ["*", left, right]:
            one, other = _terms(left, declared), _terms(right, declared)
            one, other = (one, other) if one.keys() <= {""} else (other, one)
            if one.keys() <= {""}:
                return _sum([(one[""], other)])
    raise ValueError(f"expected a linear term of numbers and declared variables, got {_shown(term)}")


def _sum(parts: Sequence[tuple[float, Terms]]) -> Terms:
    """The terms times their factors, added up."""
    total: Terms = {}
    for factor, terms in parts:
        for name, coefficient in terms.items():
            total[name] = total.get(name, 0.0) + factor * coefficient
    return total


def _number(word: str) -> float:
    try:
        value = float(word)
    except ValueError as error:
        raise ValueError(f"expected a number or a declared variable, got {_shown(word)}") from error
    if not math.isfinite(value):
        raise ValueError(f"expected finite numbers, got {_shown(word)}")
    return value


def _check_size(cases: int, comparisons: int) -> None:
    if cases * comparisons > MOST:
        raise ValueError(f"expected at most {MOST} comparisons in the cases of the file, got {cases} x {comparisons}")


def _shown(expression: Expression) -> str:
    """An expression in a message, in one short line."""
    text = expression if isinstance(expression, str) else "(" + " ".join(map(_shown, expression[:4])) + ")"
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= 60 else text[:60] + "..."
