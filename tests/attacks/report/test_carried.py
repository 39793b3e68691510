"""Bounds carried from one proof to another: true, never weaker, and without contradictions."""

from dataclasses import replace

import numpy as np
import pytest

from attacks import LInf, certified_minimum, pgd, universal_minimum
from attacks.proofs.set_minimum import UniversalMinimum
from attacks.report.carried import BoundedSet, carry_to_image, carry_to_sets
from attacks.report.records import SetProof
from minigrad import MLP

NORMS = "l0", "linf"


@pytest.fixture(scope="module")
def certificates():
    """One image of 3 x 2 pixels, proved with little and with enough time; a set that holds it."""
    net = MLP.init([6, 8, 1], rng=4)
    x = np.random.default_rng(1).random((40, 6))
    x = x[net.predict(x) == 0][:5]
    used, frame = np.array([1, 1, 1, 1, 1, 0], bool), np.array([1, 1, 1, 0, 0, 0], bool)
    box = np.maximum(x[0] - 0.4, 0), np.minimum(x[0] + 0.4, 1)
    spots = {"free": {}, "used": {"mask": used}, "smooth": {"mask": used, "box": box}}

    def prove(seconds, norm, **options):
        return certified_minimum(net, x[:1], [0], norm=norm, time_limit=seconds, **options)[0]

    image = {
        (spot, seconds): {norm: prove(seconds, norm, **options) for norm in NORMS}
        for spot, options in spots.items()
        for seconds in (0, 20)
    }
    worn = {seconds: prove(seconds, "l0", mask=frame) for seconds in (0, 20)}
    return net, x, image, worn


def bounded(x, norm, own, lower=0.0, y=None):
    own = np.asarray(own, float)
    quantile = float(np.nanmax(own))
    return BoundedSet(
        norm, x, np.zeros(len(x), int) if y is None else y, SetProof(max(lower, quantile), 1.0, quantile, own)
    )


@pytest.mark.parametrize("seconds", [(20, 0, 0), (0, 20, 0), (0, 0, 20), (20, 20, 20)])
def test_parts_and_wholes_never_contradict_each_other(certificates, seconds):
    net, _, image, worn = certificates
    given = {spot: image[spot, t] for spot, t in zip(("free", "used", "smooth"), seconds, strict=True)}
    known, frame = carry_to_image(given, worn[0], [])
    for norm in NORMS:
        chain = [known[spot][norm] for spot in given]
        lower, upper = [i.lower for i in chain], [i.upper for i in chain]
        assert (
            lower == sorted(lower) and upper == sorted(upper) and all(a <= b for a, b in zip(lower, upper, strict=True))
        )
        for spot, i in zip(given, chain, strict=True):
            alone, best = given[spot][norm], image[spot, 20][norm]
            assert alone.lower <= i.lower <= best.upper and best.lower <= i.upper <= alone.upper  # tighter, and true
            assert i.optimal or not best.optimal or not alone.optimal
            if i.x_adv is not None:
                ball, s = alone.ball(i.upper), (i.x_adv - alone.x)[None]
                assert ball.contains(alone.x[None], s)[0] and net.predict(i.x_adv[None])[0] == 1
    assert known["free"]["l0"].lower <= frame.lower and known["free"]["l0"].upper <= frame.upper


def test_an_interval_that_is_closed_by_another_proof_says_so(certificates):
    _, x, image, worn = certificates
    free = image["free", 20]["linf"]
    sets = [bounded(x, "linf", [free.upper, *[0.0] * 4])]  # as if it had been proved to the last digit
    given = {"free": image["free", 0], "used": image["used", 0], "smooth": image["smooth", 0]}
    known, _ = carry_to_image(given, worn[0], sets)
    closed = known["free"]["linf"]
    assert closed.lower == free.upper and closed.optimal == (closed.upper * (1 - 0.01) <= closed.lower)
    assert closed.reason == ("proved" if closed.optimal else given["free"]["linf"].reason)


def test_impossible_in_one_norm_is_impossible_in_all_and_in_all_parts():
    net = MLP.from_arrays([([[0.0], [0.0]], [-1.0])])
    x = np.array([[0.25, 0.5]])
    (dead,), (l0,) = (certified_minimum(net, x, [0], norm=norm, time_limit=20) for norm in ("linf", "l0"))
    assert dead.lower == np.inf
    unknown = {"linf": dead, "l0": replace(l0, lower=1.0)}
    known, frame = carry_to_image({"free": unknown, "used": unknown, "smooth": unknown}, unknown["l0"], [])
    assert all(i.lower == i.upper == np.inf for row in known.values() for i in row.values()) and frame.lower == np.inf


def test_images_and_sets_share_what_is_proved_of_an_image(certificates):
    _, x, image, worn = certificates
    given = {spot: image[spot, 20] for spot in ("free", "used", "smooth")}
    own = given["free"]["linf"].lower
    y = np.array([0, 0, 1, 0, 0])
    sets = [
        bounded(x, "linf", [0.5 * own, 0.3 * own, np.nan, 0.1 * own, 0.0]),
        bounded(x, "linf", [0.1 * own, 0.4 * own, 0.2 * own, 0.1 * own, 0.0], lower=2 * own, y=y),
        bounded(x, "l0", [1.0] * 5),
        bounded(x[1:], "linf", [0.0] * 4),
    ]
    known, _ = carry_to_image(given, worn[20], sets)
    one, two, pixels, without = carry_to_sets(sets, known["free"])
    assert one.lower == one.quantile == own and two.lower == 2 * own and two.quantile == own
    assert pixels.lower == known["free"]["l0"].lower
    assert without.lower == pytest.approx(0.4 * own)  # by the second set, of the image of the same class
    np.testing.assert_array_equal(one.own, [own, 0.4 * own, np.nan, 0.1 * own, 0.0])
    assert two.own[2] == 0.2 * own
    for before, after in zip(sets, (one, two, pixels, without), strict=True):
        assert after.lower >= before.proof.lower and after.upper == before.proof.upper


def test_what_is_carried_is_true_of_sets_and_images(certificates):
    net, x, image, worn = certificates
    found: UniversalMinimum = universal_minimum(net, x, np.zeros(5, int), norm="linf", time_limit=0)
    sets = [BoundedSet("linf", x, np.zeros(5, int), SetProof(found.lower, found.upper, found.quantile, found.own))]
    known, _ = carry_to_image({spot: image[spot, 20] for spot in ("free", "used", "smooth")}, worn[20], sets)
    (after,) = carry_to_sets(sets, known["free"])
    assert max(found.lower, image["free", 20]["linf"].lower) <= after.lower <= found.upper
    ball = LInf(known["free"]["linf"].lower * (1 - 1e-9))
    assert not pgd(net, x[:1], [0], ball).success.any()
