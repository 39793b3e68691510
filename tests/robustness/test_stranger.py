"""A stranger's data from the command line: another shape, range and names; the whole report, and the proofs."""

import json

import numpy as np
import pytest
from quick import make_figures_small, make_quick

import attacks.report.detection
from attacks import LInf, certified_minimum, fgsm, saliency_map, smallest_eps
from attacks.report.cli import main
from minigrad import MLP, fit

ROWS, COLUMNS, D = 6, 9, 54
RNG = np.random.default_rng(1)

Y = np.where(np.arange(400) % 2, 7, -1)
X = np.clip(RNG.normal(0, 0.5, (400, ROWS, COLUMNS)), -2, 2)
X[Y == 7, 2:4, 3:6] += 0.6
X = np.clip(X, -2, 2)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        patch.setattr(attacks.report.detection, "ADAPTIVE_IMAGES", 10)
        yield


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    path = tmp_path_factory.mktemp("mine") / "mine.npz"
    np.savez_compressed(path, x=X, y=Y, lo=-2, hi=2)
    return path


@pytest.fixture(scope="module")
def written(mine):
    out = mine.parent / "report"
    arguments = ["--data", mine, "--digits", -1, 7, "--names", "dark hat", "hat", "--proof-seconds", 0, "--workers", 0]
    assert main([*map(str, arguments), "--out", str(out)]) == 0
    return out, json.loads((out / "results.json").read_text())


def test_the_whole_report(written):
    out, r = written
    assert (r["digits"], r["names"], r["shape"]) == ([-1, 7], ["dark hat", "hat"], [ROWS, COLUMNS])
    assert r["network"]["test_accuracy"] > 0.8 and r["sparse"]["success"] == 1
    text = (out / "index.html").read_text()
    assert "How a dark hat becomes a hat" in text and "a pixel is a share of its range" in text
    assert "the frame is a band" in text and "MNIST" not in text and "every pixel is used" in text
    assert '"rows": 6, "columns": 9' in (out / "play.html").read_text()


def test_the_saved_network_is_of_pixels_as_they_are(written, mine, monkeypatch):
    """Its accuracy on the raw images is the accuracy reported of shares; given again, the report is the same."""
    out, r = written
    net = MLP.load(out / "model.npz")
    test = np.zeros(len(Y), bool)
    for label in (-1, 7):
        test[np.flatnonzero(label == Y)[4::5]] = True
    raw = X.astype(np.float32).astype(float).reshape(len(X), D)
    assert net.accuracy(raw[test], (Y[test] == 7).astype(int)) == r["network"]["test_accuracy"]
    make_figures_small(monkeypatch)
    again = mine.parent / "again"
    arguments = ["--data", mine, "--digits", -1, 7, "--model", out / "model.npz", "--proof-seconds", 0, "--workers", 0]
    assert main([*map(str, arguments), "--out", str(again)]) == 0
    second = json.loads((again / "results.json").read_text())
    assert second["sparse"] == r["sparse"] and second["smallest_eps"] == r["smallest_eps"]
    assert (again / "model.npz").read_bytes() == (out / "model.npz").read_bytes()


def test_the_page_in_a_browser(written, visit):
    out, _ = written
    page = visit((out / "play.html").read_text("utf-8"))
    box = page.locator("#picture").bounding_box()
    assert abs(box["width"] / box["height"] - COLUMNS / ROWS) < 0.02
    page.mouse.click(box["x"] + box["width"] * 8.5 / COLUMNS, box["y"] + box["height"] * 5.5 / ROWS)  # the last pixel
    assert "1 pixel changed." in page.locator("#status").inner_text()
    page.locator("#picture").press("ArrowRight")
    assert "row 5, column 8" in page.locator("#status").inner_text()


def test_proofs_of_it_resume(mine, capsys):
    out = mine.parent / "proofs"
    arguments = ["--data", mine, "--digits", -1, 7, "--epochs", 5, "--time-limit", 600, "--out", out]
    assert main(["prove", *map(str, arguments), "--count", "2"]) == 0
    lines = (out / "certificates.jsonl").read_bytes().splitlines()
    (out / "certificates.jsonl").write_bytes(b"\n".join(lines[:2]) + b"\n")
    assert main(["prove", *map(str, arguments), "--count", "2"]) == 0
    again = (out / "certificates.jsonl").read_bytes().splitlines()
    assert again[:2] == lines[:2] and len(again) == 3
    assert "2 closed" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["<b>", "a" * 25, "", 'x"y', "a\\b", "@A@"])
def test_names_that_would_spoil_a_page_are_refused(mine, tmp_path, capsys, name):
    arguments = ["--data", str(mine), "--digits", "-1", "7", "--names", name, "b", "--out", str(tmp_path / "r")]
    assert main(arguments) == 2
    assert "names: expected up to 24 letters" in capsys.readouterr().err and not (tmp_path / "r").exists()


def test_a_network_rescaled_says_the_same_of_shares():
    net, _ = fit(MLP.init([D, 5, 1], rng=0), X.reshape(len(X), D), (Y == 7).astype(int), epochs=1, rng=0)
    lo, hi = RNG.uniform(-3, -2, D), RNG.uniform(2, 3, D)
    x = X.reshape(len(X), D)
    np.testing.assert_allclose(net.rescaled(lo, hi).logits((x - lo) / (hi - lo)), net.logits(x), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"lo, hi: expected numbers or arrays \(54,\)"):
        net.rescaled(np.zeros(3), 1)


def test_the_same_problem_in_another_range_has_the_same_answers():
    """x = 2 v - 1: eps is twice as large.  A range for each pixel: the same pixels are needed."""
    x = (X[:6].reshape(6, D) + 2) / 4
    net, _ = fit(MLP.init([D, 5, 1], rng=0), (X.reshape(400, D) + 2) / 4, (Y == 7).astype(int), epochs=5, rng=0)
    y = net.predict(x)
    wide, box = net.rescaled(0.5, 1), (-1, 1)  # v = (x + 1) / 2, at x = 0 and 1
    small, large = smallest_eps(net, x, y, norm="linf"), smallest_eps(wide, 2 * x - 1, y, box=box, norm="linf")
    np.testing.assert_allclose(large.distance, 2 * small.distance, rtol=1e-6)
    assert fgsm(wide, 2 * x - 1, y, LInf(0.2, box=box)).rate == fgsm(net, x, y, LInf(0.1)).rate
    for a, b in zip(
        certified_minimum(net, x[:2], y[:2], norm="linf", time_limit=600),
        certified_minimum(wide, 2 * x[:2] - 1, y[:2], norm="linf", time_limit=600, box=box),
        strict=True,
    ):
        b.check(wide)
        assert a.optimal and b.optimal and b.lower <= 2 * a.upper and 2 * a.lower <= b.upper
    lo, hi = RNG.uniform(-3, 0, D), RNG.uniform(1, 3, D)
    bent = net.rescaled(-lo / (hi - lo), (1 - lo) / (hi - lo))
    few, same = saliency_map(net, x, y), saliency_map(bent, lo + (hi - lo) * x, y, box=(lo, hi))
    assert few.success.all() and np.array_equal(few.distance, same.distance)
    assert np.array_equal(few.x_adv != x, same.x_adv != same.x)
