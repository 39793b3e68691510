"""The page to play with under real clicks, wheels, fingers and keys, at a desk and on a phone."""

import numpy as np
import pytest
from play_pages import DESK, PHONE, SIDE, changed, m_of, mnist_page, now, page_of, small_image, spot

from attacks import fgsm
from attacks.balls import LInf
from attacks.report.formats import floored
from minigrad.margin import Margin


@pytest.fixture(scope="module")
def small():
    return small_image()


@pytest.fixture(scope="module")
def mnist():
    return mnist_page()


def touch(page, *points, hold=False):
    """A finger put down at the first point, perhaps until the page notices, moved to each of the others and lifted."""
    client = page.context.new_cdp_session(page)
    for k, (x, y) in enumerate(points):
        what = "touchMove" if k else "touchStart"
        client.send("Input.dispatchTouchEvent", {"type": what, "touchPoints": [{"x": x, "y": y}]})
        if hold and not k:
            page.wait_for_function("document.getElementById('status').textContent.includes('Grey: move up')")
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_click_changes_that_pixel_then_the_other_end_then_back(visit, small):
    page, net, x = visit(page_of(small)), small.net, small.x
    _, g = Margin.from_labels(net, x[None], [0]).value_and_gradient(x[None])
    grey = int(np.flatnonzero((x > 0) & (x < 1))[3])
    better = 1.0 if g[0, grey] > 0 else 0.0
    for value in (better, 1 - better, x[grey]):
        page.mouse.click(*spot(page, grey))
        got, shown = now(page)
        want = x.copy()
        want[grey] = value
        assert np.array_equal(got, want)
        assert shown == pytest.approx(m_of(net, want), abs=6e-4)
    assert page.inner_text("#status") == "0 pixels changed."
    for corner in (0, SIDE - 1, SIDE * (SIDE - 1), SIDE**2 - 1):
        page.mouse.click(*spot(page, corner))
        assert now(page)[0][corner] != x[corner]


def test_fingers_and_keys_do_what_the_mouse_does(visit, small):
    net, x = small.net, small.x
    phone = visit(page_of(small), **PHONE)
    phone.touchscreen.tap(*spot(phone, 3 * SIDE + 5))
    assert changed(phone, x) == [3 * SIDE + 5]
    page = visit(page_of(small))
    page.focus("#picture")
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    first = (SIDE // 2 - 2) * SIDE + SIDE // 2 - 1
    assert changed(page, x) == [first]
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", " "):
        page.keyboard.press(key)
    got, shown = now(page)
    assert changed(page, x) == [first, first + SIDE + 2]
    assert shown == pytest.approx(m_of(net, got), abs=6e-4)


@pytest.mark.parametrize("finger", [False, True])
def test_a_drag_paints_and_is_one_step_to_undo(visit, small, finger):
    content = page_of(small).replace("const HOLD = 450", "const HOLD = 1e6")  # on a busy machine a drag begins late
    assert "HOLD = 1e6" in content
    page, x = visit(content, **(PHONE if finger else DESK)), small.x
    row = 7 * SIDE
    way = [spot(page, row + column) for column in (3, 6, 9)]  # what is between is painted, too
    if finger:
        touch(page, *way)
    else:
        page.mouse.move(*way[0])
        page.mouse.down()
        for point in way[1:]:
            page.mouse.move(*point)
        page.mouse.up()
    got, brush = now(page)[0], now(page)[0][row + 3]
    assert brush in (0.0, 1.0) and (got[row + 3 : row + 10] == brush).all()
    assert set(changed(page, x)) <= set(range(row + 3, row + 10))
    page.click("#undo")
    assert not changed(page, x)
    page.click("#redo")
    assert np.array_equal(now(page)[0], got)


def test_a_long_press_gives_a_grey(visit, small):
    page, x, pixel = visit(page_of(small), **PHONE), small.x, 9 * SIDE + 9
    left, top = spot(page, pixel)
    start = x[pixel]
    by = -40 if start > 0.5 else 40  # a quarter of the range
    touch(page, (left, top), (left, top - by / 2), (left, top - by), hold=True)
    value = now(page)[0][pixel]
    assert changed(page, x) == [pixel] and value == pytest.approx(start + by / 160, abs=0.01)
    assert value == np.float32(round(255 * value) / 255)  # a byte, so that a PNG holds it
    page.click("#undo")
    assert not changed(page, x)


def test_the_wheel_and_plus_and_minus_give_greys_where_the_picture_has_the_focus(visit, small):
    page, x, pixel = visit(page_of(small)), small.x, 5 * SIDE + 5
    page.mouse.move(*spot(page, pixel))
    page.mouse.wheel(0, 40)
    page.wait_for_function("scrollY > 0")  # the page scrolls, as ever
    assert not changed(page, x)
    page.focus("#picture")
    page.mouse.move(*spot(page, pixel))
    step = -10 if x[pixel] < 0.5 else 10
    sign = -np.sign(step)
    for _ in range(3):
        page.mouse.wheel(0, step)
    moved = x[pixel] + sign * 48 / 255
    page.wait_for_function("([i, v]) => Math.abs(play.current()[i] - v) < 1e-9", arg=[pixel, moved])
    page.keyboard.press("-" if sign > 0 else "+")
    assert now(page)[0][pixel] == pytest.approx(x[pixel] + sign * 32 / 255)
    page.keyboard.press("Control+z")
    assert not changed(page, x)


def test_undo_and_redo_by_keys_and_buttons(visit, small):
    page, x = visit(page_of(small)), small.x
    assert page.is_disabled("#undo") and page.is_disabled("#redo")
    page.mouse.click(*spot(page, 3))
    page.mouse.click(*spot(page, 8))
    page.keyboard.press("Control+z")
    assert changed(page, x) == [3]
    page.click("#undo")
    assert not changed(page, x) and page.is_disabled("#undo")
    page.keyboard.press("Control+Shift+Z")
    page.keyboard.press("Control+y")
    assert changed(page, x) == [3, 8] and page.is_disabled("#redo")
    page.click("#undo")
    page.mouse.click(*spot(page, 12))  # another way: what was undone is gone
    assert page.is_disabled("#redo") and changed(page, x) == [3, 12]
    page.check("[value=sign]")
    page.keyboard.press("Control+z")
    assert page.is_checked("[value=pixels]") and changed(page, x) == [3, 12]


def test_zoom_makes_a_pixel_large_enough_for_a_finger(visit, small):
    page, x = visit(page_of(small), **PHONE), small.x
    page.click("#zoom")
    assert page.get_attribute("#zoom", "aria-pressed") == "true"
    area = page.locator("#picture").bounding_box()
    assert area["width"] / (SIDE / 2) >= 24  # WCAG 2.2, 2.5.8: a target's least size in CSS pixels
    small_map = page.locator("#overview").bounding_box()
    page.touchscreen.tap(small_map["x"] + 0.9 * small_map["width"], small_map["y"] + 0.9 * small_map["height"])
    area = page.locator("#picture").bounding_box()
    page.touchscreen.tap(area["x"] + area["width"] * 9.5 / 10, area["y"] + area["height"] * 8.5 / 10)
    assert changed(page, x) == [18 * SIDE + 19]
    page.focus("#picture")
    for _ in range(12):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")  # the window goes with the cursor
    assert changed(page, x) == [6 * SIDE + 19, 18 * SIDE + 19]


def test_slider_universal_and_glasses(visit, small):
    page, net, x = visit(page_of(small)), small.net, small.x
    page.check("[value=sign]")
    page.focus("#eps")
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    eps = page.evaluate("play.eps()")
    assert eps > 0 and float(page.inner_text("#shown")) == pytest.approx(eps, abs=6e-5)
    got, shown = now(page)
    np.testing.assert_allclose(got, fgsm(net, x[None], [0], LInf(eps)).x_adv[0], atol=1e-12)
    assert shown == pytest.approx(m_of(net, got), abs=6e-4)
    page.click("#solution")
    assert np.array_equal(now(page)[0], small.proved["linf"].x_adv)
    page.check("[value=universal]")
    for eps, s in small.universals.items():
        slide(page, eps)
        np.testing.assert_allclose(now(page)[0], np.clip(x + s, 0, 1), atol=1e-12)
        assert f"The s made for eps {eps}" in page.inner_text("#status")
    slide(page, 0.19)
    np.testing.assert_allclose(now(page)[0], np.clip(x + small.universals[0.1], 0, 1), atol=1e-12)  # no more is allowed
    page.focus("#eps")
    page.keyboard.press("Home")
    assert np.array_equal(now(page)[0], x) and "No s is that small" in page.inner_text("#status")
    lower = floored(small.proved["linf"].lower, 5)
    assert f"Proved: no s below eps {lower} fools this 4" in page.inner_text("#proof")
    page.check("[value=glasses]")
    assert np.array_equal(now(page)[0], small.glasses.apply(x[None])[0])
    page.check("#overlay")
    assert "Orange: brighter makes it a 9" in page.inner_text("#legend")


SLIDE = """e => {
  const slider = document.getElementById('eps');
  slider.value = Math.round(2000 * e / play.epsAt(2000));
  slider.dispatchEvent(new Event('input'));
}"""


def slide(page, eps):
    page.evaluate(SLIDE, eps)


def test_many_sign_steps_are_pgd(visit, small):
    """x <- clip(x + (2.5 eps / 20) sign(dm/dx)), in the box around the image, until m > 0: here a second time, and the
    slider's smallest eps at which that works, by halving."""
    page, net, x0 = visit(page_of(small)), small.net, small.x

    def steps(eps):
        x = x0.copy()
        for _ in range(20):
            _, g = Margin.from_labels(net, x[None], [0]).value_and_gradient(x[None])
            x = np.clip(np.clip(x + 2.5 * eps / 20 * np.sign(g[0]), x0 - eps, x0 + eps), 0, 1)
            if m_of(net, x) > 0:
                break
        return x

    page.check("[value=sign]")
    page.click("#smallest")
    got, eps = now(page)[0], page.evaluate("play.eps()")
    np.testing.assert_allclose(got, steps(eps), atol=1e-9)
    assert net.predict(got[None])[0] == 1 and np.abs(got - x0).max() <= eps + 1e-12
    low, high = 0, 2000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if m_of(net, steps(page.evaluate(f"play.epsAt({middle})"))) > 0 else (middle, high)
    assert small.proved["linf"].lower <= eps == page.evaluate(f"play.epsAt({high})")
    page.click("#signsteps")  # back to one step
    np.testing.assert_allclose(now(page)[0], fgsm(net, x0[None], [0], LInf(eps)).x_adv[0], atol=1e-12)


def test_one_eps_for_all_modes_and_the_picture_does_not_jump(visit, mnist):
    for size in (DESK, PHONE):
        page = visit(mnist, **size)
        slide(page, 0.123)
        eps = page.input_value("#eps")
        where = "() => document.getElementById('picture').getBoundingClientRect().y + scrollY"
        place = page.evaluate(where)
        for choice in ("sign", "universal", "glasses", "pixels", "plain", "robust", "sign", "pixels", "drawn"):
            if page.locator(f"[value={choice}]").is_visible() and page.locator(f"[value={choice}]").is_enabled():
                page.check(f"[value={choice}]")
                page.evaluate("scrollTo(0, 0)")
            assert page.input_value("#eps") == eps and page.evaluate(where) == pytest.approx(place, abs=0.5)
        page.check("[value=own][name=network]")
        page.check("[value=own][name=picture]")
        for button in ("#hint", "#hint", "#greedy", "#zoom", "#zoom", "#undo", "#overlay", "#reset"):
            page.click(button)
            page.evaluate("scrollTo(0, 0)")
            assert page.evaluate(where) == pytest.approx(place, abs=0.5)


def test_the_best_score_is_kept_where_the_browser_can(visit, small):
    page = visit(page_of(small))
    page.click("#greedy")
    kept = page.inner_text("#best")
    assert kept.startswith("Your best here: ")
    page.reload()
    assert page.inner_text("#best") == kept
    page.check("[value=sign]")
    assert not page.inner_text("#best")
    page.click("#smallest")
    assert page.inner_text("#best").startswith("Your best here: eps 0.")


def test_a_browser_that_keeps_nothing_plays_all_the_same(visit, small):
    forbid = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } });"
    page = visit(page_of(small).replace("<header>", f"<script>{forbid}</script><header>", 1))
    page.click("#greedy")
    assert "says 9" in page.inner_text("#verdict") and not page.inner_text("#best")


def test_feel_the_difference(visit, mnist):
    """The same picture with the same changes on both networks, and what is proved of each."""
    page = visit(mnist)
    page.check("[value=plain]")
    page.click("#greedy")
    said = page.inner_text("#difference")
    assert said.startswith("Feel the difference, proved for this picture: plain: ") and "robust: " in said
    before = now(page)[0]
    assert page.inner_text("#win")
    page.check("[value=robust]")
    assert np.array_equal(now(page)[0], before)


def test_a_chosen_goal_is_not_reached_by_another_digit(visit, mnist):
    page = visit(mnist)
    page.check("[value=plain]")
    page.click("#greedy")
    says = page.inner_text("#verdict").split("says ")[1][0]
    other = next(j for j in "0123456789" if j not in (says, page.inner_text("#from")))
    page.select_option("#goal", other)
    assert f"no {page.inner_text('#from')} but no {other} either" in page.inner_text("#verdict")
    assert not page.inner_text("#win") and page.inner_text("#to") == other
    page.click("#greedy")
    assert f"says {other}" in page.inner_text("#verdict")
