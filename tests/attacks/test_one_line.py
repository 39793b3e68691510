"""What is said of anything is one line, however many pixels it has, and what is kept is not the caller's to change."""

import numpy as np
import pytest
from queries import real_net

from attacks import (
    L0,
    L1,
    L2,
    CertificateError,
    LInf,
    certified_minimum,
    certify,
    compare,
    load_png,
    robust_accuracy,
    saliency_map,
    universal,
)
from minigrad import MLP

D = 900
MANY, MASK = np.ones(D), np.arange(D) % 3 > 0
NET = MLP.init([D, 2, 1], rng=0)
X = np.full((2, D), 0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: LInf(0.1, box=(MANY, 0 * MANY)),
        lambda: LInf(0.1, box=(0 * MANY, MANY * np.nan)),
        lambda: LInf(0.1, box=(MANY,)),
        lambda: LInf(-MANY),
        lambda: LInf(0.1, box=(-1.7e308, 1.7e308)),
        lambda: L0(MANY + 0.5),
        lambda: saliency_map(NET, X, [0, 0], levels=(MANY, MANY)),
        lambda: saliency_map(NET, X, [0, 0], levels=(MANY, "a")),
        lambda: saliency_map(NET, X, [0, 0], max_pixels=MANY),
        lambda: NET.rescaled(MANY, 0 * MANY),
        lambda: robust_accuracy(NET, X, [0, 0], LInf(0.1), sample=MANY),
        lambda: load_png(None),
        lambda: load_png("x.png", shape=MANY),
        lambda: saliency_map(NET, X, [0, 0]).picture(0, (-2, -450)),
        lambda: universal(NET, X, [0, 0], LInf(0.1), mixed=3),
        lambda: compare(NET, X, [0, 0]),
        lambda: certify(NET, X, [0, 0], L0(2).restrict(MASK, ~MASK)),
    ],
)
def test_a_refusal_is_one_line_and_names_what_it_is_about(call):
    with pytest.raises(ValueError, match=r"^\w[\w, ]*: expected .*got ") as error:
        call()
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_an_option_that_is_none_is_named():
    with pytest.raises(TypeError, match=r"expected options among time_limit, .*, got bogus"):
        robust_accuracy(NET, X, [0, 0], LInf(0.1), bogus=1)


@pytest.mark.parametrize(
    ("ball", "words"),
    [
        (LInf(0.03), "LInf(0.03)"),
        (L0(4, box=(-1, 1)), "L0(4, box=(-1, 1))"),
        (LInf(0.12345678951, box=(0, 0.3)), "LInf(0.12345678951, box=(0, 0.3))"),  # nothing is proved of 0.12345679
        (L2(1 / 3, mask=MASK), "L2(0.3333333333333333, mask of 600 of 900 pixels)"),
        (L1(np.ones(3), box=(0 * MANY, 1)), "L1(array (3,), box=(array (900,), 1))"),
    ],
)
def test_a_ball_is_one_line(ball, words):
    assert repr(ball) == words


def test_a_robust_accuracy_names_its_radii_exactly():
    two = np.array([0.125, 0.0625])
    for radius, words in ((0.12345678951, "radius 0.12345678951:"), (two, "radii 0.0625 to 0.125:")):
        assert words in repr(robust_accuracy(NET, X, [0, 0], LInf(radius)))


def test_what_is_proved_stays_when_the_callers_images_change():
    net, x = real_net((3, 4, 2), 0), np.random.default_rng(0).random((1, 3))
    mask, y, box = np.ones(3, bool), net.predict(x), (np.zeros(3), np.ones(3))
    ball = LInf(0.01, box=box, mask=mask)
    (cert,) = certified_minimum(net, x, y, norm="linf", mask=mask, box=box, time_limit=60)
    (verdict,) = certify(net, x, y, ball, time_limit=60)
    said = cert.check(net), verdict.check(net)
    for array in (x, mask, *box):
        array[:] = 0
    assert (cert.check(net), verdict.check(net)) == said


def test_a_proof_is_made_for_the_network_of_the_search_alone():
    net, x = real_net((3, 4, 2), 0), np.random.default_rng(0).random((1, 3))
    (cert,) = certified_minimum(net, x, net.predict(x), norm="linf", time_limit=60)
    with pytest.raises(CertificateError, match="another network"):
        cert.with_proof(real_net((3, 4, 2), 1))
    for none in (None, True):
        with pytest.raises(ValueError, match="layers"):
            cert.with_proof(none)
