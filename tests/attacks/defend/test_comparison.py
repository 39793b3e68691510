"""Networks side by side: each number is what the parts say alone, and the table and the files hold them."""

import json
from fractions import Fraction

import numpy as np
import pytest
from defences import network

from attacks import LInf, certified_minimum, compare, robust_accuracy, universal
from attacks.defend.comparison import Comparison
from attacks.defend.jacobians import alignment, gradients, ink_share
from attacks.defend.resistance import UNIVERSAL_EPS, Row, outer_mean
from attacks.defend.share import RobustAccuracy
from attacks.report.cli import main
from minigrad import MLP

SIZES = (9, 1)  # affine: every search ends at its root
LIMITS = {"time_limit": 100.0, "count": 1}


def case(n=6):
    a, rng = network(SIZES).dense[0], np.random.default_rng(1)
    nets = {"a": MLP.from_arrays([(a.W, a.b)]), "b": MLP.from_arrays([(a.W + rng.normal(0, 0.05, a.W.shape), a.b)])}
    x = np.random.default_rng(5).uniform(0.1, 0.9, (n, 9))
    return nets, x, nets["a"].predict(x)


def test_each_number_is_that_of_its_part():
    nets, x, y = case()
    attacked = int(y[0])
    found = compare(nets, x, y, radii=(0.1, 0.02), attacked=attacked, training=x, **LIMITS)
    own = x[(y == attacked) & (nets["b"].predict(x) == y)]
    assert len(own) > 1
    labels = np.full(len(own), attacked)
    assert list(found.rows) == ["a", "b"] and found.radii == (0.1, 0.02) and found.images == 1
    for name, net in nets.items():
        row = found.rows[name]
        assert row.accuracy == net.accuracy(x, y)
        for radius, robust in zip(found.radii, row.robust, strict=True):
            assert (robust.lower, robust.upper) == (alone := robust_accuracy(net, x, y, LInf(radius))).interval, alone
        pixels = [c.upper for c in certified_minimum(net, own[:1], labels[:1], norm="l0")]
        assert row.minima["l0"] == (np.mean(pixels), np.mean(pixels))
        assert row.universal == universal(net, own, labels, LInf(UNIVERSAL_EPS)).rate
        assert np.isnan(row.glasses)  # 3 x 3 pixels are too small to wear them
        assert set(row.minima) == {"l0", "l1", "l2", "linf"} and all(a <= b for a, b in row.minima.values())
    numbers = json.loads(json.dumps(found.numbers(), allow_nan=False))
    assert numbers["a"]["glasses"] is None and numbers["a"]["accuracy"] == 1.0
    lines = str(found).splitlines()
    assert lines[1].split() == ["a", "b"] and any(line.startswith("robust at 0.02") for line in lines)
    radii, curves = found.curves()
    assert list(radii) == [0.0, 0.02, 0.1] and (np.diff(curves["a"][1]) <= 0).all() and curves["a"][0][0] == 1.0


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ((0.0309999999999, 0.0310000000001), "0.030..0.032"),
        ((0.3, 0.4), "0.299..0.401"),  # floats: 0.3 lies below three tenths, 0.4 above four
        ((Fraction(3, 10), Fraction(4, 10)), "0.300..0.400"),
        ((0.25, 0.25), "0.250"),
        ((2.0, np.inf), "2.000..inf"),
    ],
)
def test_the_table_rounds_ends_outwards(pair, said):
    robust = RobustAccuracy(0.1, np.array(["robust"] * 2 + ["open"] + ["wrong"] * 3), np.arange(6), False, 0.0)
    row = Row(1.0, (robust,), {"linf": pair}, 1.0, 1.0, 1.0, 1.0, 1.0)
    lines = str(Comparison((0.1,), {"net": row}, 1)).splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("mean minimum")] == [said]
    assert [line.split()[-1] for line in lines if line.startswith("robust at")] == ["0.333..0.500"]
    assert repr(robust) == "RobustAccuracy(radius 0.1: 2 to 3 of 6 images)"


def test_a_mean_of_bounds_is_on_their_side():
    rng = np.random.default_rng(0)
    for n in range(1, 40):
        ends = rng.random((n, 2)) * 10.0 ** rng.integers(-9, 9, (n, 1))
        low, high = outer_mean(ends)
        exactly = [sum(map(Fraction, each)) / n for each in ends.T.tolist()]
        assert Fraction(low) <= exactly[0] and Fraction(high) >= exactly[1]
        assert (low, high) == pytest.approx(ends.mean(axis=0), rel=1e-15)
    assert outer_mean(np.array([[1.0, np.inf], [2.0, 3.0]])) == (1.5, np.inf)


def test_the_jacobian_in_two_numbers():
    x = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])  # the last pixel is used by nobody
    y = np.array([0, 1])
    strokes = MLP.from_arrays([([[-1.0], [1.0], [0.0]], [0.0])])  # class 1 has its ink where class 0 has none
    g, rival = gradients(strokes, x, y)
    assert ink_share(g, x) == 1.0 and alignment(g, x, y, rival) == pytest.approx(1.0)
    noise = MLP.from_arrays([([[1.0], [1.0], [2.0]], [-1.0])])
    g, rival = gradients(noise, x, y)
    assert ink_share(g, x) == 0.5 and alignment(g, x, y, rival) == pytest.approx(0.0, abs=1e-15)
    flat = MLP.from_arrays([(np.zeros((3, 1)), [-1.0])])
    g, rival = gradients(flat, x, y)
    assert np.isnan(ink_share(g, x)) and np.isnan(alignment(g, x, y, rival))
    three = MLP.from_arrays([(np.eye(3), [0.0, 0.0, -5.0])])
    assert list(gradients(three, x, y)[1]) == [1, 0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"nets": {}}, "nets: expected a dict"),
        ({"nets": {"a": network(SIZES), "b": network((9, 3))}}, "nets: expected networks of the same pixels"),
        ({"count": -1}, "count: expected at least 0"),
        ({"attacked": 5}, "attacked: expected a class of which all"),
        ({"x": 2 * np.ones((6, 9))}, "x: expected pixels inside the box"),
    ],
)
def test_bad_input_is_one_sentence(change, sentence):
    nets, x, y = case()
    call = {"nets": nets, "x": x, "y": y} | change
    with pytest.raises(ValueError, match=sentence):
        compare(call.pop("nets"), call.pop("x"), call.pop("y"), **call)


def small_mnist(folder):
    """A collection of 5 x 5 pictures as a file, and two networks."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = np.clip(0.3 + 0.4 * y[:, None] + rng.normal(0, 0.1, (200, 25)), 0, 1)
    np.savez(folder / "images.npz", x=np.round(255 * x).astype(np.uint8).reshape(-1, 5, 5), y=y)
    for name, scale in (("one", 1.0), ("two", 2.0)):
        MLP.from_arrays([(np.full((25, 1), scale), [-12.5 * scale])]).save(folder / f"{name}.npz")


def test_the_command_writes_a_table_and_a_figure(tmp_path, capsys):
    small_mnist(tmp_path)
    files = [str(tmp_path / f"{name}.npz") for name in ("one", "two")]
    options = ["--data", str(tmp_path / "images.npz"), "--digits", "0", "1", "--count", "0", "--sample", "6"]
    assert main(["compare", *files, *options, "--out", str(tmp_path / "out"), "--eps", "0.1"]) == 0
    said = capsys.readouterr().out
    assert "robust at 0.1" in said and "one" in said and "two" in said
    numbers = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert numbers["one"]["robust"] == numbers["two"]["robust"]  # the same boundary
    assert (tmp_path / "out" / "robust_curves.png").read_bytes().startswith(b"\x89PNG")
    assert main(["compare", files[0], *options, "--eps", "0"]) == 2
    assert "eps: expected radii above 0" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "images.npz"), *options]) == 2
    assert "expected a network saved by MLP.save" in capsys.readouterr().err
