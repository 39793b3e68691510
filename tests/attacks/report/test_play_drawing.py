"""The reader's own digit: drawn, centred as MNIST is, attacked, saved, and proved by the command of the page."""

import re

import numpy as np
import pytest
from play_pages import DESK, PHONE, draw_seven, mnist_image, mnist_page, now

import attacks.checker as checker
from attacks import Certificate, load_png
from attacks.defend.nets import load_defended
from attacks.report.cli import main
from attacks.report.play_nets import load_ten, ten_digits

PAD = 140


@pytest.fixture(scope="module")
def mnist():
    return mnist_page()


def overlaps(old, size):
    """(size, old): which share of new pixel j lies on old pixel i."""
    edges = np.arange(size + 1) * old / size
    low, high = np.maximum(edges[:-1, None], np.arange(old)), np.minimum(edges[1:, None], np.arange(old) + 1)
    return np.maximum(high - low, 0) * size / old


def centred(ink):
    """The transformation a second time: the ink's box by areas into 20 x 20, its centre of mass into the middle."""
    where = np.argwhere(ink > 0)
    (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0) + 1
    cut = ink[top:bottom, left:right]
    ratio = min(20 / cut.shape[0], 20 / cut.shape[1])
    rows, columns = (max(1, int(np.floor(side * ratio + 0.5))) for side in cut.shape)
    small = overlaps(cut.shape[0], rows) @ cut @ overlaps(cut.shape[1], columns).T
    out = np.zeros((28, 28))
    places = []
    for axis, size in ((0, rows), (1, columns)):
        middle = (small.sum(axis=1 - axis) @ np.arange(size)) / small.sum()
        places.append(int(np.clip(np.floor(13.5 - middle + 0.5), 0, 28 - size)))
    out[places[0] : places[0] + rows, places[1] : places[1] + columns] = small
    return out


def inks():
    """A dot, a line across, a line down, a blot in a corner, and scribbles."""
    rng = np.random.default_rng(0)
    yield [[[70, 70]]]
    yield [[[20, 70], [120, 70]]]
    yield [[[70, 10], [71, 130]]]
    yield [[[2, 2], [30, 5], [10, 40]]]
    for _ in range(4):
        yield [rng.uniform(5, 135, (5, 2)).tolist() for _ in range(2)]


def test_a_drawing_is_centred_as_python_centres_it(visit, mnist):
    page = visit(mnist)
    for strokes in inks():
        ink = np.array(page.evaluate("s => Array.from(play.inkOf(s))", strokes)).reshape(PAD, PAD)
        got = np.array(page.evaluate("s => Array.from(play.normalise(play.inkOf(s)).x)", strokes))
        np.testing.assert_allclose(got.reshape(28, 28), centred(ink), atol=0.5 / 255 + 1e-6)  # rounded to bytes
        assert np.array_equal(got, (np.round(255 * got) / 255).astype(np.float32))
    assert page.evaluate("play.normalise(play.inkOf([]))") is None


def test_ink_is_the_distance_to_the_stroke(visit, mnist):
    page = visit(mnist)
    a, b = np.array([30.0, 40.0]), np.array([90.0, 60.0])
    ink = np.array(page.evaluate("s => Array.from(play.inkOf(s))", [[a.tolist(), b.tolist()]])).reshape(PAD, PAD)
    y, x = np.mgrid[:PAD, :PAD] + 0.5
    points = np.stack([x, y], axis=-1)
    t = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    distance = np.linalg.norm(points - a - t[..., None] * (b - a), axis=-1)
    np.testing.assert_allclose(ink, np.clip(6.5 - distance, 0, 1), atol=1e-9)


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_draw_attack_save_and_have_it_proved(visit, mnist, tmp_path, size):
    page = visit(mnist, **size)
    page.check("[value=drawn]")
    assert page.inner_text("#verdict") == "Draw a digit." and page.is_disabled("#attack")
    page.check("[value=plain]")
    page.locator("#picture").scroll_into_view_if_needed()
    draw_seven(page)
    assert "says 7" in page.inner_text("#verdict")
    assert "puts its centre of mass into the middle" in page.inner_text(
        "#steps"
    ) and "LeCun et al. 1998" in page.inner_text("#steps")
    page.click("#attack")
    x, net = now(page)[0], load_ten("plain")
    assert net.predict(x[None])[0] == 7
    page.click("#greedy")
    assert net.predict(now(page)[0][None])[0] != 7
    found = r"not proved: plain reads 7, and eps ([\d.]+) is enough; robust reads \d, and eps ([\d.]+) is enough"
    plain, robust = map(float, re.search(found, page.inner_text("#difference")).groups())
    assert plain < robust
    assert "found, not proved" in page.inner_text("#win") and "Found, not proved" in page.inner_text("#proof")
    with page.expect_download() as saved:
        page.click("#digit")
    saved.value.save_as(tmp_path / "digit.png")
    assert np.array_equal(load_png(tmp_path / "digit.png")[0], x)  # to the last bit


def test_the_command_that_proves_a_drawing_runs(visit, mnist, tmp_path, monkeypatch, capsys):
    page = visit(mnist)
    page.check("[value=drawn]")
    page.check("[value=plain]")
    draw_seven(page)
    page.click("#attack")
    with page.expect_download() as saved:
        page.click("#digit")
    saved.value.save_as(tmp_path / "digit.png")
    load_defended("plain").save(tmp_path / "model.npz")
    monkeypatch.chdir(tmp_path)
    page.click("#greedy")
    found = len(page.evaluate("Object.keys(play.state().changes)"))
    for network, mode in (("plain", "pixels"), ("plain", "sign"), ("own", "sign")):
        page.check(f"[value={network}][name=network]")
        page.check(f"[value={mode}]")
        certificate = run_command(page, f"{network}-{mode}")
        assert "(checked exactly)" in capsys.readouterr().out
        if (network, mode) == ("plain", "pixels"):
            assert certificate.y == 7 and certificate.lower <= found
        assert certificate.norm == ("l0" if mode == "pixels" else "linf")
    page.check("[value=plain]")
    page.select_option("#goal", "9")
    assert run_command(page, "target").target == 9


def run_command(page, out):
    """The certificate of the command that the page gives, but for less time and a folder of its own."""
    words = page.inner_text("#tohave-lines").split()
    assert words[:3] == ["python", "-m", "attacks"]
    assert main([*words[3:], "--time-limit", "1", "--out", out]) == 0
    return Certificate.load(f"{out}/proof-digit.npz")


def run_lines(page, capsys):
    """What the page tells a reader to run, but for a limit that keeps this test short."""
    names: dict = {}
    exec(page.inner_text("#tohave-lines").replace("time_limit=60", "time_limit=60, node_limit=1"), names)
    return names["found"], capsys.readouterr().out.splitlines()[-1]


def test_the_proofs_of_the_pictures_are_made_and_checked_as_the_page_says(visit, mnist, tmp_path, monkeypatch, capsys):
    page = visit(mnist)
    assert page.inner_text("#tohave-lines") == "python checker.py model.npz proof-l0.npz"
    own = mnist_image()
    own.net.save(tmp_path / "model.npz")
    (tmp_path / "proof-l0.npz").write_bytes(own.exact["l0"].content)
    monkeypatch.chdir(tmp_path)
    assert checker.main(*page.inner_text("#tohave-lines").split()[2:]) == 0
    assert f"no change of fewer than {own.proved['l0'].lower:.0f} pixels" in capsys.readouterr().out
    page.check("[value=robust]")
    page.check(f"[value=test-{ten_digits().pictures[13]['number']}]")
    certificate, told = run_lines(page, capsys)
    assert np.array_equal(certificate.x, now(page)[0]) and told.endswith("(checked exactly)")
    stored = ten_digits().proved["robust"][str(ten_digits().pictures[13]["number"])]["any"]["l0"]
    assert certificate.lower <= stored["upper"] and stored["lower"] <= certificate.upper  # of so few nodes
    page.check("[value=drawn]")
    assert not page.is_visible("#tohave-lines")


def test_a_finger_and_the_keys_draw(visit, mnist):
    phone = visit(mnist, **PHONE)
    phone.check("[value=drawn]")
    phone.locator("#picture").scroll_into_view_if_needed()
    area, client = phone.locator("#picture").bounding_box(), phone.context.new_cdp_session(phone)
    for k, y in enumerate((0.2, 0.5, 0.8)):
        point = {"x": area["x"] + 0.5 * area["width"], "y": area["y"] + y * area["height"]}
        client.send("Input.dispatchTouchEvent", {"type": "touchMove" if k else "touchStart", "touchPoints": [point]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    phone.check("[value=plain]")
    assert "says 1" in phone.inner_text("#verdict")
    page = visit(mnist)
    page.check("[value=drawn]")
    page.check("[value=plain]")
    page.focus("#picture")
    for key in [*["ArrowUp"] * 4, " ", *["ArrowDown"] * 8, " "]:
        page.keyboard.press(key)
    assert "says 1" in page.inner_text("#verdict") and "Pen up" in page.inner_text("#status")
    page.click("#undo")
    assert page.evaluate("play.state().drawn.strokes.length") == 8  # a step of the pen is a step to undo
    page.click("#reset")
    assert page.inner_text("#verdict") == "Draw a digit."


def test_the_other_pictures_to_keep(visit, mnist, tmp_path):
    page = visit(mnist)
    page.click("#hint")
    x = now(page)[0]
    for button, name in (("#save", "attacked.png"), ("#card", "beat-the-proof.png")):
        with page.expect_download() as saved:
            page.click(button)
        assert saved.value.suggested_filename == name
        saved.value.save_as(tmp_path / name)
    assert np.array_equal(load_png(tmp_path / "attacked.png")[0], x)
    assert load_png(tmp_path / "beat-the-proof.png", shape=(650, 560)).shape == (1, 650 * 560)
