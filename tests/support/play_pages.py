"""Pages to play with, small enough to be made in a second, and hands to play with them in a browser."""

import re
from dataclasses import replace
from functools import cache

import numpy as np

from attacks import accessory, certified_minimum, glasses_mask, universal
from attacks.balls import LInf
from attacks.defend.nets import load_defended
from attacks.report.exact import exact_proof
from attacks.report.play import OwnImage, play_page
from attacks.report.play_nets import ten_digits
from attacks.report.records import Interval
from data import load_mnist
from minigrad import MLP
from minigrad.margin import Margin

SIDE = 20
NODES = {"l0": 10, "linf": 1}  # enough to close the pixels of the reference network's first fours
DESK = {"viewport": {"width": 1200, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def pairs(net):
    return [(layer.W, layer.b) for layer in net.dense]


def proofs(net, x):
    """What the page is told of the image x (d,) of class 0: the intervals, and their exact proofs."""
    found = {n: certified_minimum(net, x[None], [0], norm=n, node_limit=k, time_limit=60)[0] for n, k in NODES.items()}
    exact = {norm: exact_proof(net, c, 60) for norm, c in found.items()}
    return {norm: Interval(c.lower, c.upper, c.x_adv, c) for norm, c in found.items()}, exact


def own_image(net, x, worn=None, universals=None, number=17):
    """`x` (n, d) of class 0, of which the first is shown."""
    proved, exact = proofs(net, x[0])
    side = round(x.shape[1] ** 0.5)
    worn = worn or accessory(net, x, np.zeros(len(x), int), glasses_mask((side, side)), rng=0)
    return OwnImage(net, x[0], ("4", "9"), number, proved, exact, universals or {}, worn)


def small_net(sizes=(400, 12, 7, 1), activation="relu", threshold=0.0):
    net = MLP.init(sizes, activation=activation, rng=3)
    return net if sizes[-1] > 1 else MLP.from_arrays(pairs(net), activation=activation, threshold=threshold)


@cache
def small_image():
    """A small network, an image of class 0, and all that the page is given."""
    net, rng = small_net(), np.random.default_rng(3)
    x = rng.random((60, 400)) * (rng.random((60, 400)) < 0.5)
    x = x[net.predict(x) == 0][:6]
    y = np.zeros(len(x), int)
    return own_image(net, x, universals={eps: universal(net, x, y, LInf(eps)).s for eps in (0.1, 0.2)})


def page_of(own, ten=None, **changed):
    return play_page(replace(own, **changed), ten)


@cache
def mnist_image():
    """MNIST's first four."""
    net = load_defended("plain")
    _, _, x, y = load_mnist((4, 9))
    fours = x[(y == 0) & (net.predict(x) == 0)][:4].astype(float)
    return own_image(net, fours)


@cache
def mnist_page():
    """The page about it, with the ten digits."""
    return page_of(mnist_image(), ten_digits())


def m_of(net, x):
    return float(Margin.from_labels(net, x[None], [0]).value(x[None])[0])


# ------------------------------------------------------------------ in a browser


def spot(page, pixel, side=SIDE):
    """The point of the screen in the middle of a pixel."""
    page.locator("#picture").scroll_into_view_if_needed()
    area = page.locator("#picture").bounding_box()
    row, column = divmod(pixel, side)
    return area["x"] + (column + 0.5) * area["width"] / side, area["y"] + (row + 0.5) * area["height"] / side


def now(page):
    """The image as the page has it, and the margin that it prints."""
    x = np.array(page.evaluate("Array.from(play.current())"))
    return x, float(re.search(r"margin (-?[\d.]+)", page.inner_text("#margin")).group(1))


def changed(page, x):
    return np.flatnonzero(now(page)[0] != x).tolist()


def draw_seven(page):
    """A seven with the mouse, in two strokes of one pull each."""
    area = page.locator("#picture").bounding_box()

    def at(x, y):
        return area["x"] + x * area["width"], area["y"] + y * area["height"]

    page.mouse.move(*at(0.28, 0.22))
    page.mouse.down()
    for x, y in ((0.72, 0.22), (0.42, 0.82)):
        page.mouse.move(*at(x, y), steps=6)
    page.mouse.up()
