"""The ten-class networks and the proofs that are stored with them: are they what they say?"""

import base64
import json

import numpy as np
import pytest

from attacks import certified_minimum
from attacks.report.exact import exact_proof
from attacks.report.play_nets import NAMES, PROVED, load_ten, ten_digits
from data import load_mnist


@pytest.fixture(scope="module")
def ten():
    return ten_digits()


@pytest.fixture(scope="module")
def test_images():
    return load_mnist()[2:]


def entries(ten):
    """(network, picture, goal, norm, interval) of all that is stored."""
    for name, pictures in ten.proved.items():
        for number, goals in pictures.items():
            for goal, norms in goals.items():
                for norm, interval in norms.items():
                    yield name, number, goal, norm, interval


def test_twenty_images_two_of_each_digit_read_right_by_both(ten, test_images):
    x, y = test_images
    assert [p["digit"] for p in ten.pictures] == [d for d in range(10) for _ in range(2)]
    numbers = [p["number"] for p in ten.pictures]
    assert np.array_equal(ten.images(), x[numbers]) and np.array_equal(y[numbers], [p["digit"] for p in ten.pictures])
    for net in ten.networks.values():
        assert np.array_equal(net.predict(ten.images()), y[numbers])
        assert all(np.array_equal(a, a.astype(np.float16)) for layer in net.dense for a in (layer.W, layer.b))


def test_both_networks_are_good_and_one_is_robust(ten, test_images):
    x, y = test_images
    assert ten.networks["plain"].accuracy(x, y) > 0.96 and ten.networks["robust"].accuracy(x, y) > 0.94
    for number in map(str, (p["number"] for p in ten.pictures)):  # proved smaller on one than on the other
        plain, robust = (ten.proved[name][number]["any"]["linf"] for name in NAMES)
        assert plain["upper"] < robust["lower"]


def test_every_image_has_two_goals_and_most_proofs_have_a_file(ten):
    stored = list(entries(ten))
    assert len(stored) == 2 * 20 * 2 * 2
    for name, number, goal, norm, i in stored:
        assert 0 < i["lower"] and (i["upper"] is None or i["lower"] <= i["upper"]), (name, number, goal, norm)
        assert i["parts"] >= 1 and (i["bytes"] is None or i["bytes"] > 0)
    anything = [i for *_, goal, _, i in stored if goal == "any"]
    assert all(i["bytes"] for i in anything)  # checked without rounding, every one


def test_every_solution_solves(ten):
    images = dict(zip((str(p["number"]) for p in ten.pictures), ten.images(), strict=True))
    digits = {str(p["number"]): p["digit"] for p in ten.pictures}
    for name, number, goal, norm, i in entries(ten):
        x_adv = images[number].copy()
        if norm == "l0":
            assert len(i["changes"]) == i["upper"]
            for pixel, value in i["changes"]:
                x_adv[pixel] = value
        else:
            x_adv = np.frombuffer(base64.b64decode(i["x_adv"]["base64"]), f"<f{i['x_adv']['bits'] // 8}").astype(float)
            assert np.abs(x_adv - images[number]).max() <= 1.04 * i["upper"] + 2.0**-11
        assert x_adv.min() >= 0 and x_adv.max() <= 1
        says = load_ten(name).predict(x_adv[None])[0]
        assert says == int(goal) if goal != "any" else says != digits[number]


@pytest.mark.parametrize("name", NAMES)
def test_some_of_it_again(ten, name):
    """The certificate and the checker, of the second picture, say what is stored."""
    net, picture = load_ten(name), ten.pictures[1]
    stored = ten.proved[name][str(picture["number"])]["any"]["l0"]
    (c,) = certified_minimum(net, ten.images()[[1]], [picture["digit"]], norm="l0", node_limit=200, time_limit=600)
    assert c.lower <= stored["upper"] and stored["lower"] <= c.upper
    exact = exact_proof(net, c, 600)
    assert exact.content is not None and exact.says.startswith("proved: ")


def test_it_is_small(ten):
    assert PROVED.stat().st_size < 500_000
    assert json.loads(PROVED.read_text("utf-8"))["proved"] == ten.proved


def test_other_names_are_refused():
    with pytest.raises(ValueError, match="expected one of plain, robust, got 'certified'"):
        load_ten("certified")
