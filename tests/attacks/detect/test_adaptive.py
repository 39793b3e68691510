"""Blind spots of the detectors as masks and boxes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks import certified_minimum, smallest_eps
from attacks.detect.adaptive import blind_spots, neighbourhood
from attacks.detect.detectors import FittedDetectors, isolated, unused
from minigrad import MLP

bytes_ = st.integers(0, 255).map(lambda v: float(np.float32(v / 255)))


@given(st.integers(1, 5).flatmap(lambda side: st.lists(bytes_, min_size=side**2, max_size=side**2)))
def test_the_neighbourhood_by_looking_at_every_neighbour(v):
    x = np.array([v])
    side = round(len(v) ** 0.5)
    lo, hi = neighbourhood(x)
    picture = x.reshape(side, side)
    for r, c in np.ndindex(side, side):
        around = picture[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2]
        assert (lo[0, side * r + c], hi[0, side * r + c]) == (around.min(), around.max())


def test_images_that_are_no_pictures_have_no_neighbourhood():
    with pytest.raises(ValueError, match="expected square images, whose pixels have neighbours, got 6 pixels"):
        neighbourhood(np.zeros((2, 6)))


def test_a_constant_image_cannot_be_changed_smoothly_and_is_no_alarm():
    lo, hi = neighbourhood(np.full((1, 16), 0.25))
    assert (lo == hi).all()
    net = MLP.from_arrays([(np.ones((16, 1)), [-5.0])])
    (proof,) = certified_minimum(net, np.full((1, 16), 0.25), [0], norm="linf", time_limit=600, box=(lo, hi))
    assert proof.lower == np.inf  # nothing at all is allowed: proved
    detectors = FittedDetectors.fit(net, np.random.default_rng(0).random((30, 16)), components=3)
    assert isolated(detectors, np.full((1, 16), 0.25)) == 0


def test_every_blind_spot_is_what_it_promises(mnist49, reference):
    x_train, _, x_test, y_test = mnist49
    detectors = FittedDetectors.fit(reference, x_train[:2000].astype(float))
    fours = x_test[y_test == 0][:12].astype(float)
    y = np.zeros(len(fours), int)
    spots = blind_spots(detectors, fours)
    found = {name: smallest_eps(reference, fours, y, **options, norm="linf") for name, options in spots.items()}
    assert list(found) == ["free", "used", "smooth"]
    ink = unused(detectors, fours)
    assert (unused(detectors, found["used"].x_adv) == ink).all()
    assert (unused(detectors, found["free"].x_adv) > ink).all()
    lo, hi = neighbourhood(fours)
    assert ((found["smooth"].x_adv >= lo) & (found["smooth"].x_adv <= hi)).all()
    assert found["smooth"].success.any()
