"""Queries of the verification competitions: what is read means what the file says, point by point."""

import gzip
import math
import operator
import re

import numpy as np
import pytest
from damage import OFTEN, Outcomes, damaged
from hypothesis import given
from hypothesis import strategies as st

from attacks.balls.base import check_images
from attacks.proofs.vnnlib import counterexample_text, read_vnnlib, read_vnnlib_boxes

RNG = np.random.default_rng(6)


def declared(d, k):
    names = [f"X_{i}" for i in range(d)] + [f"Y_{j}" for j in range(k)]
    return "".join(f"(declare-const {name} Real)\n" for name in names)


def bounds(lo, hi):
    return "".join(
        f"(assert (<= X_{i} {b!r}))\n(assert (>= X_{i} {a!r}))\n" for i, (a, b) in enumerate(zip(lo, hi, strict=True))
    )


MNIST = (  # mnist_fc: the box of an image, clipped, and any other class
    "; Mnist property with label: 1.\n\n" + declared(3, 3) + "\n; Input constraints:\n"
    + bounds([0.0, 0.47, 0.9699999690055847], [0.029999999329447746, 0.53, 1.0])
    + "\n; Output constraints:\n(assert (or\n    (and (>= Y_0 Y_1))\n    (and (>= Y_2 Y_1))\n))"
)  # fmt: skip
ACAS_3 = (  # a conjunction, one assertion a row
    declared(2, 3) + bounds([-0.30353115613746867, -1e-3], [-0.29855281193475053, 1.5e-3])
    + "(assert (<= Y_0 Y_1))\n(assert (<= Y_0 Y_2))\n"
)  # fmt: skip
ACAS_2 = declared(2, 3) + bounds([0.6, -0.5], [0.679857769, 0.5]) + "(assert (<= Y_1 Y_0))\n(assert (<= Y_2 Y_0))\n"
ACAS_1 = declared(2, 3) + bounds([0.6, -0.5], [0.679857769, 0.5]) + "(assert (>= Y_0 3.991125645861615))"
ACAS_7 = (  # a disjunction of conjunctions
    declared(2, 3) + bounds([-0.328422877, -0.499999896], [0.679857769, 0.499999896])
    + "(assert (or\n    (and (<= Y_1 Y_0) (<= Y_1 Y_2))\n    (and (<= Y_2 Y_0) (<= Y_2 Y_1))\n))\n"
)  # fmt: skip
ACAS_6 = (  # two boxes, and one disjunction for both
    declared(2, 3)
    + """(assert (or
    (and (<= X_0 0.7) (>= X_0 -0.129289109) (<= X_1 0.499999896) (>= X_1 0.11140846))
    (and (<= X_0 0.7) (>= X_0 -0.129289109) (<= X_1 -0.11140846) (>= X_1 -0.499999896))
))
(assert (or (and (<= Y_1 Y_0)) (and (<= Y_2 Y_0))))
"""
)
NN4SYS = (  # all in one
    declared(1, 1) + "(assert (or (and (>= X_0 0) (<= X_0 2) (>= Y_0 100.5)) (and (>= X_0 0) (<= X_0 2) (<= Y_0 1))"
    " (and (>= X_0 2) (<= X_0 3) (<= Y_0 2e0))))"
)
TERMS = (  # sums, differences and multiples; constants on the left; and inside or
    declared(2, 2) + "(assert (>= 1.0 X_0)) (assert (<= -.5 X_0)) (assert (<= (- X_1) 2)) (assert (<= (+ X_1 1) 3E0))"
    "(assert (>= (- (* 2 Y_0) Y_1 0.25) (+ Y_1 (* (* Y_0 -1) 0.5) 1)))"
    "(assert (and (or (<= Y_0 3) (and (>= Y_1 1) (or (<= Y_1 2) (<= Y_0 -2)))) (<= (+ Y_0 Y_1) 5)))"
)  # fmt: skip
FILES = {
    "mnist_fc": MNIST, "acasxu 1": ACAS_1, "acasxu 2": ACAS_2, "acasxu 3": ACAS_3, "acasxu 6": ACAS_6,
    "acasxu 7": ACAS_7, "nn4sys": NN4SYS, "terms": TERMS,
}  # fmt: skip
WHOLE = ("mnist_fc", "nn4sys", "acasxu 1")  # no beginning of these is a file that says less


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "p.vnnlib").write_text(text)
        return tmp_path / "p.vnnlib"

    return write


def satisfied(text, point):
    """Whether a point {name: value} satisfies a file: its formulas, evaluated by Python itself.

    (<= a b) -> f("<=", a, b), with the names replaced by numbers.  And how near the nearest comparison is to a tie.
    """
    text = re.sub(r";.*|\(declare-const \S+ Real\)", "", text)
    near = [math.inf]

    def f(name, *values):
        if name in ("<=", ">="):
            near.append(abs(values[0] - values[1]))
            return operator.le(*values) if name == "<=" else operator.ge(*values)
        if name in ("and", "or"):
            return all(values) if name == "and" else any(values)
        if name == "-":
            return values[0] - sum(values[1:]) if values[1:] else -values[0]
        return sum(values) if name == "+" else math.prod(values)

    code = re.sub(r"\(([^\s()]+)", r' f("\1"', text).replace("\n", " ")
    code = re.sub(r"(?<=[^(f])\s+(?=[^\s)])", ", ", code.strip())
    asserted = eval(f"[{code}]", {"f": lambda name, *v: v[0] if name == "assert" else f(name, *v), **point})
    return all(asserted), min(near)


def found(queries, x, y):
    """Whether one of the queries has the input x in its box, and calls the output y unsafe."""
    return any(
        bool(query.ball.contains(query.x, x[None] - query.x)[0]) and any((C @ y + d > 0).all() for C, d in query.unsafe)
        for query in queries
    )


@pytest.mark.parametrize("name", FILES)
def test_what_is_read_is_what_the_file_says(write, name):
    text = FILES[name]
    queries = read_vnnlib_boxes(write(text))
    d, k = queries[0].x.shape[1], queries[0].unsafe[0][0].shape[1]
    seen = set()
    for _ in range(300):
        query = queries[RNG.integers(len(queries))]
        lo, hi = query.ball.box
        x = lo + (hi - lo) * RNG.uniform(-0.05, 1.05, d)
        y = RNG.normal(scale=RNG.choice([1.0, 100.0]), size=k)
        point = {f"X_{i}": v for i, v in enumerate(x)} | {f"Y_{j}": v for j, v in enumerate(y)}
        said, near = satisfied(text, point)
        if near > 1e-9:
            assert found(queries, x, y) == said, point
            seen.add(said)
    assert seen == {True, False}


def test_the_shape_of_a_query(write):
    query = read_vnnlib(write(MNIST), 3, 3)
    assert query.x.shape == (1, 3) and query.ball.norm == "linf"
    assert [(C.tolist(), d.tolist()) for C, d in query.unsafe] == [([[1, -1, 0]], [0]), ([[0, -1, 1]], [0])]
    (conjunction,) = read_vnnlib(write(ACAS_3)).unsafe
    assert conjunction[0].tolist() == [[-1, 1, 0], [-1, 0, 1]] and conjunction[1].tolist() == [0, 0]
    ((C, d),) = read_vnnlib(write(ACAS_1)).unsafe
    assert C.tolist() == [[1, 0, 0]] and d.tolist() == [-3.991125645861615]
    assert [len(query.unsafe) for query in read_vnnlib_boxes(write(NN4SYS))] == [2, 1]


def test_a_tie_is_neither(write):
    """Y_0 >= Y_1 holds of equal outputs; C N + d > 0 does not, so whoever answers "unsat" needs it below 0."""
    ((C, d),) = read_vnnlib(write(declared(1, 2) + bounds([0.0], [1.0]) + "(assert (>= Y_0 Y_1))")).unsafe
    tie = C @ [2.0, 2.0] + d
    assert not (tie > 0).any() and not (tie < 0).any()


@given(st.lists(st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300)), min_size=1, max_size=5))
def test_the_set_of_the_ball_is_exactly_the_box(tmp_path_factory, ends):
    lo, hi = np.sort(np.array(ends), axis=1).T
    path = tmp_path_factory.mktemp("vnnlib") / "p.vnnlib"
    path.write_text(declared(len(lo), 1) + bounds(lo.tolist(), hi.tolist()) + "(assert (<= Y_0 0))")
    query = read_vnnlib(path)
    assert np.array_equal(query.ball.box, (lo, hi))
    check_images(query.ball, query.x)
    down, up = query.ball.room(query.x)
    assert (-query.ball.radius <= down).all() and (up <= query.ball.radius).all()  # the radius takes nothing away
    for sign in (-1.0, 1.0):
        s = query.ball.maximize(query.x, np.full(query.x.shape, sign))
        assert np.array_equal(s, down if sign < 0 else up)
        assert np.array_equal(query.ball.apply(query.x, s)[0], np.clip(query.x[0] + s[0], lo, hi))


def test_an_empty_box_beside_another_is_left_out(write):
    text = declared(1, 1) + "(assert (<= X_0 1)) (assert (or (>= X_0 0) (>= X_0 2))) (assert (<= Y_0 0))"
    assert [box.tolist() for box in read_vnnlib(write(text)).ball.box] == [[0], [1]]


def test_compressed_files(tmp_path):
    path = tmp_path / "p.vnnlib.gz"
    whole = gzip.compress(MNIST.encode(), mtime=0)
    path.write_bytes(whole)
    assert read_vnnlib(path).x.shape == (1, 3)
    outcomes = Outcomes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert outcomes.read(path.name, read_vnnlib, path) is None, end


# ---------------------------------------------------------------------- what is refused


BOX = bounds([0.0], [1.0])
ONE = declared(1, 1) + BOX
SAFE = "(assert (<= Y_0 0))"
BAD = {
    "nothing": ("", "expected X_0, X_1, ... to be declared without a gap, got 0 of them$"),
    "no outputs": (declared(2, 0), "expected Y_0, Y_1, ... to be declared without a gap, got 0 of them$"),
    "a gap": ("(declare-const X_0 Real) (declare-const X_2 Real)", "X_0, X_1, ... to be declared without a gap, got 2"),
    "other names": (
        "(declare-const Z Real)" + ONE + SAFE,
        r"expected variables X_0, X_1, ... and Y_0, Y_1, ..., got Z$",
    ),
    "another type": (
        "(declare-const X_0 Int)",
        r"expected \(declare-const NAME Real\) or .*, got \(declare-const X_0 Int\)$",
    ),
    "another command": (ONE + "(check-sat)", r"got \(check-sat\)$"),
    "a word": (ONE + "sat", "or .*, got sat$"),
    "VNN-LIB 2": ("(vnnlib-version <2.0>)", r"got \(vnnlib-version <2.0>\)$"),
    "an opening too many": (ONE + "(" + SAFE, r"expected a '\)' for each '\(', got 1 too few"),
    "a closing too many": (ONE + SAFE + ")", r"expected a '\(' for each '\)', got one too few$"),
    "too deep": (ONE + "(" * 100 + ")" * 100, "expected at most 50 parentheses inside each other, got more$"),
    "nothing asked": (ONE, "expected an assertion about the outputs in each case, got none$"),
    "nothing asked in one case": (
        ONE + "(assert (or (<= Y_0 0) (<= X_0 0.5)))",
        "about the outputs in each case, got none$",
    ),
    "no lower bound": (
        declared(1, 1) + "(assert (<= X_0 1))" + SAFE,
        "a lower and an upper bound .*, got none for X_0$",
    ),
    "no bounds": (declared(2, 1) + BOX + SAFE, "expected a lower and an upper bound of each input, got none for X_1$"),
    "an empty box": (declared(1, 1) + bounds([1.0], [0.0]) + SAFE, "got an empty box$"),
    "several boxes": (ACAS_6, "expected one box of inputs, got 2: read_vnnlib_boxes makes a query of each$"),
    "inputs that are added": (
        declared(2, 1) + "(assert (<= X_0 X_1))" + SAFE,
        "compared with a number, got one with X_1, X_0$",
    ),
    "an input beside an output": (
        ONE + "(assert (<= X_0 Y_0))",
        "inputs that are compared with a number, got one with Y_0, X_0$",
    ),
    "a multiple of an input": (ONE + "(assert (<= (* 3 X_0) 1))" + SAFE, "compared with a number, got one with X_0$"),
    "no variable": (ONE + SAFE + "(assert (<= 1 2))", "a variable on one side, got one without$"),
    "a variable that cancels": (ONE + "(assert (<= Y_0 Y_0))", "a variable on one side, got one without$"),
    "an unknown variable": (ONE + "(assert (<= Y_1 0))", "expected a number or a declared variable, got Y_1$"),
    "a product": (ONE + "(assert (<= (* Y_0 Y_0) 0))", r"expected a linear term .*, got \(\* Y_0 Y_0\)$"),
    "an empty sum": (ONE + "(assert (<= (+) 0))", r"expected a linear term .*, got \(\+\)$"),
    "another relation": (ONE + "(assert (< Y_0 0))", r"expected \(and ...\), \(or ...\), .*, got \(< Y_0 0\)$"),
    "a relation of three": (ONE + "(assert (<= 0 Y_0 1))", r"expected \(and ...\), .*, got \(<= 0 Y_0 1\)$"),
    "an empty or": (ONE + "(assert (or))", r"got \(or\)$"),
    "two formulas": (
        ONE + "(assert (<= Y_0 0) (<= Y_0 1))",
        r"or \(assert ...\), got \(assert \(<= Y_0 0\) \(<= Y_0 1\)\)$",
    ),
    "NaN": (ONE + "(assert (<= Y_0 nan))", "expected finite numbers, got nan$"),
    "too large": (ONE + "(assert (<= Y_0 1e999))", "expected finite numbers, got 1e999$"),
    "a multiple that overflows": (ONE + "(assert (<= (* 1e300 1e300 ) Y_0))", "expected a finite linear term"),
    "too many cases": (
        ONE + "(assert (or (<= Y_0 0) (<= Y_0 1)))" * 40,
        "at most 10000000 comparisons .*, got 1099511627776 x",
    ),
    "signs": (ONE + "(assert (<= Y_0 \x1b[31m))", r"got \?\[31m$"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_query_is_named(write, name):
    text, sentence = BAD[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        read_vnnlib(write(text))
    assert str(caught.value).isprintable() and "p.vnnlib: expected" in str(caught.value)


def test_the_network_has_other_inputs_or_outputs(write):
    with pytest.raises(ValueError, match=r"expected 784 variables X, as many as the network has, got 3$"):
        read_vnnlib(write(MNIST), 784, 3)
    with pytest.raises(ValueError, match=r"expected 10 variables Y, as many as the network has, got 3$"):
        read_vnnlib(write(MNIST), 3, 10)


@pytest.mark.parametrize("name", WHOLE)
def test_every_beginning_of_a_file_is_refused(write, name):
    text, outcomes = FILES[name].rstrip(), Outcomes()
    for end in range(len(text)):
        assert outcomes.read("p.vnnlib", read_vnnlib_boxes, write(text[:end])) is None, text[:end]


def test_a_file_cut_between_assertions_says_less_and_never_more(write):
    """Whatever satisfies the whole file satisfies its beginning, so what refutes the beginning refutes the file."""
    whole, outcomes, y = read_vnnlib(write(ACAS_3)), Outcomes(), RNG.normal(size=(50, 3))
    for end in range(len(ACAS_3)):
        part = outcomes.read("p.vnnlib", read_vnnlib, write(ACAS_3[:end]))
        if part is not None:
            assert np.array_equal(part.ball.box, whole.ball.box)
            assert all(found([part], whole.x[0], point) >= found([whole], whole.x[0], point) for point in y)
    assert 0 < outcomes.accepted < 30


def test_damaged_files_are_refused_or_other_queries(tmp_path_factory):
    path, outcomes = tmp_path_factory.mktemp("vnnlib") / "p.vnnlib", Outcomes()

    @OFTEN
    @given(damaged((TERMS + ACAS_7.split("\n", 2)[2]).encode(), MNIST.encode()))
    def check(content):
        path.write_bytes(content)
        for query in outcomes.read(path.name, read_vnnlib_boxes, path) or ():
            check_images(query.ball, query.x)

    check()
    assert outcomes.refused > 50


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_vnnlib(tmp_path / "none.vnnlib")


# ---------------------------------------------------------------------- what is written


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=4), st.lists(st.floats(), min_size=1, max_size=3))
def test_a_counterexample_has_the_digits_that_give_its_numbers_back(x, N):
    lines = counterexample_text(np.array(x), np.array(N)).split("\n")
    assert lines[0] == "sat" and lines[1].startswith("((X_0 ") and lines[-1].endswith("))")
    read = [re.fullmatch(r"[ (]\(([XY])_(\d+) (\S+?)\)\)?", line).groups() for line in lines[1:]]
    assert [(name, int(i)) for name, i, _ in read] == [("X", i) for i in range(len(x))] + [
        ("Y", j) for j in range(len(N))
    ]
    assert np.array_equal([float(value) for *_, value in read], [*x, *N], equal_nan=True)
