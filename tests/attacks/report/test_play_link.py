"""A link holds the whole state; what is garbled, or about another network, is ignored with one sentence."""

import numpy as np
import pytest
from play_pages import draw_seven, mnist_page, now, page_of, small_image, spot


@pytest.fixture(scope="module")
def mnist():
    return mnist_page()


@pytest.fixture(scope="module")
def small():
    return small_image()


def state_of(page):
    return page.evaluate("play.toHash(play.state())")


def go_to(page, end):
    """Open the page anew, with `end` behind the #."""
    page.goto("about:blank")
    page.goto((page.tmp / "page.html").as_uri() + end)


@pytest.fixture
def opened(visit, tmp_path):
    def go(content):
        page = visit(content)
        page.tmp = tmp_path
        return page

    return go


def test_the_link_brings_all_of_it_back(opened, mnist):
    page = opened(mnist)
    page.check("[value=robust]")
    page.mouse.click(*spot(page, 200, side=28))
    page.focus("#picture")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    page.select_option("#goal", index=4)
    page.focus("#eps")
    page.check("[value=sign]")
    page.focus("#eps")
    page.keyboard.press("ArrowRight")
    page.click("#signsteps")
    page.click("#zoom")
    page.check("#overlay")
    before, x = state_of(page), now(page)[0]
    page.click("#share")
    link = page.input_value("#link")
    assert link.endswith(before) and page.evaluate("location.href") == link
    go_to(page, link[link.index("#") :])
    assert state_of(page) == before and np.array_equal(now(page)[0], x) and not page.inner_text("#linked")
    assert page.get_attribute("#zoom", "aria-pressed") == "true" and page.is_checked("#overlay")
    page.check("[value=pixels]")
    assert len(page.evaluate("Object.keys(play.state().changes)")) == 2


def test_the_link_of_a_drawing_holds_the_drawing(opened, mnist):
    page = opened(mnist)
    page.check("[value=drawn]")
    page.check("[value=plain]")
    draw_seven(page)
    page.click("#attack")
    page.click("#greedy")
    page.click("#share")
    link, x, won = page.input_value("#link"), now(page)[0], page.inner_text("#win")
    assert len(link) < 2500  # what a chat takes
    go_to(page, link[link.index("#") :])
    assert np.array_equal(now(page)[0], x) and page.inner_text("#win") == won


def test_a_link_pasted_into_the_open_page_is_followed(opened, small):
    page = opened(page_of(small))
    page.mouse.click(*spot(page, 5))
    end = state_of(page)
    page.click("#reset")
    page.evaluate("h => { location.hash = h; }", end)
    page.wait_for_function("h => play.toHash(play.state()) === h", arg=end)


def garbled(good):
    """Ends that are none, or that hold one wrong field."""
    yield from ("#x", "#v=2", "#%", good[:-20], good + "&drawn=AAAA")
    wrong = {
        "v=1": ("v=7", "v="),
        "network=own": ("network=theirs", "network=plain"),
        "picture=own": ("picture=drawn", "picture=test-3", "picture=<b>"),
        "mode=pixels": ("mode=x",),
        "how=step": ("how=",),
        "goal=any": ("goal=11", "goal="),
        "view=0_0_0_0": ("view=", "view=0_0_0", "view=2_0_0_0", "view=1_11_0_0", "view=0_0_0_00"),
        "changes=5_": [f"changes={other}" for other in ("400_", "-1_", "5_7", "5__", "5_1~", "1e9_", "x")],
        "eps=0": [f"eps={other}" for other in ("-1", "9", "x", "e", "1e400")],
    }
    yield from (good.replace(right, other) for right, others in wrong.items() for other in others)


def test_what_is_garbled_is_ignored_with_one_sentence(opened, small):
    page = opened(page_of(small))
    untouched = state_of(page)
    page.mouse.click(*spot(page, 5))
    good = state_of(page)
    assert "changes=5_" in good and "eps=0" in good
    page.click("#reset")
    go_to(page, "#x")
    assert page.inner_text("#linked") == "This link's end could not be read (version): it was ignored."
    for end in garbled(good):
        said = page.evaluate("h => { history.replaceState(null, '', h); return openLink(); }", end)
        assert state_of(page) == untouched, end
        assert said.endswith("it was ignored.") and said.count(".") == 1, end


def test_a_link_about_another_network_is_ignored(opened, small):
    page = opened(page_of(small))
    page.mouse.click(*spot(page, 5))
    end = state_of(page)
    key = end.split("key=")[1][:12]
    go_to(page, end.replace(key, key[::-1]))
    assert page.inner_text("#linked") == "This link was made on a page about another network: it was ignored."


def test_a_page_that_may_not_copy_shows_the_link(opened, small):
    page = opened(page_of(small))
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    page.click("#share")
    assert page.inner_text("#shared") == "Copy this link; it holds all you see."
    assert page.input_value("#link").endswith(state_of(page))
