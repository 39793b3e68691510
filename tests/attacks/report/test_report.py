"""The whole main job on a small subset: files, numbers, and what an interruption leaves behind."""

import json
import os
import re

import numpy as np
import pytest
from quick import make_figures_small, make_network_small, make_quick

from attacks.detect.detectors import DETECTORS, FittedDetectors, scores
from attacks.detect.statistics import threshold
from attacks.refine.stretch import DOUBLINGS, STRETCH
from attacks.report import figures, report_command, write
from attacks.report.cli import main
from attacks.report.formats import confidence
from attacks.report.progress import Clock, StatusLine
from attacks.report.setup import CalibrationSplit, Options, set_up
from attacks.report.summary import table
from attacks.saliency import saliency_map
from data import load_mnist
from minigrad import MLP
from minigrad.io.npz import npz_bytes
from minigrad.margin import Margin

FIGURES = {
    "universal_eps", "universal_pixels", "glasses", "glasses_heights",
    "overview", "jacobian", "sparse", "smallest_eps", "pixels_histogram", "eps_histogram", "universal",
    "universal_grid", "margin_by_pixels", "margin_by_eps", "training", "roc", "disguises", "proof",
    "defence_curves", "defence_jacobians",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        make_network_small(patch)
        yield


@pytest.fixture
def studied(written, monkeypatch):
    """The experiments of that run, given again: for tests of what comes after them."""
    monkeypatch.setattr(report_command, "run_experiments", lambda *_: written.results)


def test_writes_every_file_and_nothing_else(written):
    out = written.out
    expected = {f"{name}.png" for name in FIGURES} | {"index.html", "play.html", "results.json", "model.npz"}
    assert {path.name for path in out.iterdir()} == expected
    for name in FIGURES:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_numbers_can_be_measured_again_from_the_saved_network(written):
    out = written.out
    r = json.loads((out / "results.json").read_text())
    net = MLP.load(out / "model.npz")
    _, _, x, y = load_mnist((4, 9))
    fours = x[y == 0][: written.options["subset"]].astype(float)
    wrong = int((net.predict(fours) == 1).sum())
    assert r["images"] == {"correct": written.options["subset"] - wrong, "already_misclassified": wrong}
    shown = fours[r["shown"]["image"]]
    m, g = Margin.from_labels(net, shown[None], [0]).value_and_gradient(shown[None])
    assert r["shown"]["margin"] == pytest.approx(m[0], rel=1e-12)
    assert r["shown"]["linearised_eps_box_ignored"] == pytest.approx(-m[0] / np.abs(g).sum(), rel=1e-12)
    pixels = r["shown"]["sparse"]["pixels"]
    assert len(pixels) == r["shown"]["sparse"]["distance"] == r["sparse"]["median_distance"]
    ends = np.array(np.meshgrid(*[[0.0, 1.0]] * len(pixels))).reshape(len(pixels), -1).T  # each pixel went to one end
    tried = np.repeat(shown[None], len(ends), axis=0)
    tried[:, pixels] = ends
    assert (net.predict(tried) == 1).any()


def test_attacks_do_what_the_page_says(written):
    r = written.numbers
    assert r["sparse"]["success"] == 1 and r["smallest_eps"]["success"] == 1
    smallest, step = written.results.images.smallest, written.results.images.box_step
    assert (smallest.distance <= step.distance * (1 + STRETCH * 2**DOUBLINGS))[step.success].all()
    assert smallest.distance[step.success].mean() < step.mean_distance
    assert r["one_step_box_ignored"]["success"] < r["one_step_in_the_box"]["success"]
    sure, shown = r["shown"]["sure_eps"], r["shown"]["smallest_eps"]
    (raised,) = written.results.images.sure.x_adv
    m = Margin.from_labels(written.results.setup.net, raised[None], [0]).value(raised[None])[0]
    assert sure["success"] and confidence(m) >= sure["sure"] == 0.99 and sure["distance"] > shown["distance"]
    assert r["shown"]["jacobian_error"] < 1e-7
    rates = [row["rate_on_set"] for row in r["universal"]]
    assert rates[0] < rates[-1] and all(row["radius"] <= row["eps"] * (1 + 1e-12) for row in r["universal"])


def test_same_seed_same_network(written):
    net = set_up(Options(out=written.out, **written.options), Clock(StatusLine())).network.original
    assert npz_bytes(net.to_arrays()) == (written.out / "model.npz").read_bytes()


def test_its_saved_network_gives_the_same_numbers_and_figures(written, tmp_path, monkeypatch, capsys):
    """And the image of the report is the one to show: what was not asked, how it was trained, is all that differs."""
    out, first, real = written.out, written.numbers, figures.jobs
    monkeypatch.setattr(
        figures, "jobs", lambda r: (one for one in real(r) if one[0] in ("overview.png", "glasses.png"))
    )
    image = first["shown"]["image"]
    where = ["--model", str(out / "model.npz"), "--out", str(tmp_path / "b"), "--proof-seconds", "0", "--workers", "0"]
    assert main([*where, "--subset", "60", "--image", str(image)]) == 0
    printed = capsys.readouterr()
    assert f"test image of 4, number {image} " in printed.out and "epoch" not in printed.err
    second = json.loads((tmp_path / "b" / "results.json").read_text())
    first = json.loads((out / "results.json").read_text())
    assert {name for name in first if first[name] != second[name]} <= {"seconds", "history"}
    for name in ("overview.png", "glasses.png", "model.npz"):
        assert (tmp_path / "b" / name).read_bytes() == (out / name).read_bytes()


def test_other_digits(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report_command, "draw", lambda *_: {})
    options = ["--digits", "1", "7", "--subset", "40", "--epochs", "20", "--proof-seconds", "0.2", "--workers", "0"]
    assert main([*options, "--out", str(tmp_path / "c")]) == 0
    r = json.loads((tmp_path / "c" / "results.json").read_text())
    assert r["digits"] == [1, 7] and r["defence"] is None
    for interval in r["shown"]["proved"].values():
        assert 0 < interval["lower"] <= interval["upper"]
    assert "nothing below" in capsys.readouterr().out


def test_every_attack_has_its_rate_of_detection_and_its_price(written):
    r = written.numbers
    assert set(r["detection"]["attacks"]) == {
        "sparse", "smallest eps", "FGSM 0.1", "PGD 0.05", "PGD 0.1", "PGD 0.2", "universal", "glasses"
    }  # fmt: skip
    for row in r["detection"]["attacks"].values():
        low, high = row["auc_interval"]
        assert 0 <= low <= row["auc"]["combined"] <= high <= 1
        assert all(0 <= area <= 1 for area in row["auc"].values())
        assert all(0 <= share <= 1 for share in row["found"].values())
    eps = r["disguised"]["smallest eps"]
    assert eps["free"]["found"]["unused"] == 1 and eps["used"]["found"]["unused"] < 0.2  # MNIST's black background
    assert eps["free"]["cost"] < eps["used"]["cost"] < eps["smooth"]["cost"]
    in_bytes = r["disguised"]["smallest eps in bytes"]
    for disguise in ("free", "used", "smooth"):
        assert in_bytes[disguise]["flipped"] == in_bytes[disguise]["flipped_8bit"]
        assert in_bytes[disguise]["cost"] >= eps[disguise]["cost"] or in_bytes[disguise]["flipped"] < 1


def test_found_is_the_share_above_thresholds_that_clean_training_images_set(written):
    """Counted again from the saved network: the sparse attack, and false alarms on clean test images."""
    out, r = written.out, written.numbers
    net, (x_train, y_train, x, y) = MLP.load(out / "model.npz"), load_mnist((4, 9))

    def first(x, y):
        rows = np.sort(np.concatenate([np.flatnonzero(y == k)[: written.options["subset"]] for k in (0, 1)]))
        return x[rows].astype(float), y[rows]

    (training, labels_of_training), (test, labels) = first(x_train, y_train), first(x, y)
    learned = CalibrationSplit.from_images(training, labels_of_training, 0)
    memory = FittedDetectors.fit(net, learned.fitting, components=60, rng=0)
    limits = np.array([threshold(column) for column in scores(memory, learned.apart).T])
    alarms = (scores(memory, test) > limits).mean(axis=0)
    assert [r["detection"]["false_alarms"][name] for name in DETECTORS] == pytest.approx(alarms.tolist())
    fours = test[(labels == 0) & (net.predict(test) == 0)]
    flipped = saliency_map(net, fours, np.zeros(len(fours), int))
    found = (scores(memory, flipped.x_adv[flipped.success]) > limits).mean(axis=0)
    sparse = r["detection"]["attacks"]["sparse"]
    assert [sparse["found"][name] for name in DETECTORS] == pytest.approx(found.tolist())
    assert sparse["cost"] == pytest.approx(flipped.mean_distance)


def test_a_worker_that_dies_is_named_and_nothing_is_written(written, tmp_path, monkeypatch, capsys):
    out = written.out

    def end(_, executor, __):
        executor.submit(os._exit, 1).result(timeout=120)  # without one this process would do it itself

    monkeypatch.setattr(report_command, "run_experiments", end)
    short = ["--model", str(out / "model.npz"), "--subset", "30", "--workers", "1"]
    assert main([*short, "--out", str(tmp_path / "r")]) == 1
    assert "error: the process that proves died; no file is half-written" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_a_training_set_of_one_class_is_named(tmp_path, capsys):
    x, _, x_test, y_test = load_mnist((4, 9))
    np.savez(tmp_path / "four.npz", x_train=x[:50], y_train=np.full(50, 4), x_test=x_test, y_test=4 + 5 * y_test)
    assert main(["--data", str(tmp_path / "four.npz"), "--out", str(tmp_path / "r")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"error: --digits: expected distinct labels among \[4\] .*, got \[4, 9\]", error)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("moment", ["draw", "page", "json"])
def test_an_interruption_leaves_the_folder_as_it_was(written, studied, tmp_path, monkeypatch, moment, capsys):
    out = written.out

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    if moment != "draw":
        monkeypatch.setattr(report_command, "draw", lambda *_: {})
    target = {"draw": (report_command, "draw"), "page": (write, "page"), "json": (write, "json_bytes")}[moment]
    monkeypatch.setattr(*target, interrupt)
    there = tmp_path / "report"
    there.mkdir()
    (there / "index.html").write_text("the old report")
    short = ["--subset", "30", "--proof-seconds", "0", "--workers", "0"]
    code = main(["--model", str(out / "model.npz"), *short, "--out", str(there)])
    assert code == 130 and "interrupted" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in there.iterdir()} == {"index.html": "the old report"}


def test_a_disk_that_fills_up_leaves_no_half_file(written, studied, tmp_path, monkeypatch, capsys):
    out = written.out
    real, calls = write.write_whole, []

    def full(path, content):
        calls.append(path)
        if len(calls) > 2:
            raise OSError(28, "No space left on device", str(path))
        real(path, content)

    monkeypatch.setattr(write, "write_whole", full)
    monkeypatch.setattr(report_command, "draw", lambda *_: {"overview.png": b"a picture"})
    short = ["--model", str(out / "model.npz"), "--subset", "30", "--proof-seconds", "0", "--workers", "0"]
    assert main([*short, "--out", str(tmp_path / "r")]) == 2
    assert "No space left" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "r").iterdir()} == {path.name for path in calls[:2]}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--image", "100000"], "expected a test image of the first digit, 0..29, got 100000"),
        (["--image", "-1"], "got -1"),
        (["--digits", "4", "4"], "expected distinct labels"),
        (["--digits", "4", "12"], "expected distinct labels"),
        (["--epochs", "0"], "epochs: expected at least 1, got 0"),
        (["--subset", "0"], "subset: expected at least 1, got 0"),
        (["--seed", "-1"], "seed"),
        (["--subset", "9"], "expected at least 40 training images .* got 18"),
        (["--workers", "-1"], "workers: expected at least 0, got -1"),
        (["--model", "nowhere.npz"], "nowhere.npz"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_options_get_one_sentence_and_write_nothing(tmp_path, capsys, arguments, sentence):
    out = tmp_path / "report"
    assert main(["--subset", "30", "--epochs", "1", "--out", str(out), *arguments]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and re.search(sentence, error)
    assert not out.exists()


def test_a_misclassified_image_is_named_as_such(written, tmp_path, capsys):
    out = written.out
    net = MLP.load(out / "model.npz")
    _, _, x, y = load_mnist((4, 9))
    wrong = int(np.flatnonzero(net.predict(x[y == 0][:200]) == 1)[0])
    where = ["--model", str(out / "model.npz"), "--out", str(tmp_path / "r")]
    assert main([*where, "--subset", "200", "--image", str(wrong)]) == 2
    assert f"got {wrong}, already misclassified" in capsys.readouterr().err


def test_a_file_in_the_way_of_the_folder(tmp_path, capsys):
    (tmp_path / "report").write_text("mine")
    assert main(["--out", str(tmp_path / "report")]) == 2
    assert "expected a folder" in capsys.readouterr().err.splitlines()[0]  # before any work
    assert main(["--out", str(tmp_path / "report" / "below")]) == 2
    assert "expected a folder" in capsys.readouterr().err.splitlines()[0]
    assert (tmp_path / "report").read_text() == "mine"


def test_a_folder_in_the_way_of_a_file(tmp_path, capsys):
    (tmp_path / "r" / "roc.png").mkdir(parents=True)
    (tmp_path / "r" / "index.html").write_text("old")
    assert main(["--out", str(tmp_path / "r")]) == 2
    assert "roc.png: expected a file that can be replaced, got a folder" in capsys.readouterr().err.splitlines()[0]
    assert {path.name for path in (tmp_path / "r").iterdir()} == {"roc.png", "index.html"}


def test_a_collection_of_one_image_is_refused(tmp_path, capsys):
    np.savez(tmp_path / "same.npz", x=np.full((300, 100), 0.5), y=np.repeat([4, 9], 150))
    assert main(["--data", str(tmp_path / "same.npz"), "--out", str(tmp_path / "r")]) == 2
    assert "expected training images that differ" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("bias", [-1.0, 0.0])
def test_a_network_that_nothing_flips_still_gets_its_report(tmp_path, capsys, bias, monkeypatch):
    """All weights 0 and the logit not above the threshold: every image is a four, whatever is done to it."""
    make_figures_small(monkeypatch)
    if bias:  # once, every figure that shows nothing
        real = figures.jobs
        monkeypatch.setattr(figures, "jobs", lambda r: (one for one in real(r) if one[0] == "eps_histogram.png"))
    MLP.from_arrays([(np.zeros((784, 1)), [bias])]).save(tmp_path / "dead.npz")
    where = ["--model", str(tmp_path / "dead.npz"), "--out", str(tmp_path / "r")]
    assert main([*where, "--subset", "20", "--proof-seconds", "0", "--workers", "0"]) == 0
    assert "not flipped" in capsys.readouterr().out
    assert (tmp_path / "r" / "eps_histogram.png").exists()


def test_a_model_for_other_images_is_refused(tmp_path, capsys):
    MLP.init([4, 3, 1], rng=0).save(tmp_path / "small.npz")
    assert main(["--model", str(tmp_path / "small.npz"), "--out", str(tmp_path / "r")]) == 2
    assert "expected a network from 784 pixels" in capsys.readouterr().err


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert all(option in text for option in ("--digits", "--out", "--seed", "--epochs", "--image", "--model", "--data"))


def test_table_says_not_flipped_for_failures(written):
    r = written.numbers
    failed = json.loads(json.dumps(r))
    failed["shown"]["sparse"]["success"] = False
    failed["smallest_eps"]["success"] = 0.0
    assert "not flipped" in table(failed)
