"""The names of 0.1 go on for one version: each warns, says where it went, and is the new object."""

import importlib
import sys

import pytest

import attacks.detect
import attacks.detect.adaptive
import attacks.eight_bit
import attacks.proofs.campaign
from attacks import LInf, accessory, universal
from attacks.detect import FittedDetectors
from data import load_mnist
from minigrad import MLP

MOVED = [  # old module, old name, the new object
    ("attacks.stealth", "disguises", attacks.detect.adaptive.blind_spots),
    ("attacks.stealth", "neighbourhood", attacks.detect.adaptive.neighbourhood),
    ("attacks.stealth", "smallest_eps_8bit", attacks.eight_bit.smallest_eps_8bit),
    ("attacks.stealth", "nearest_byte", attacks.eight_bit.nearest_byte),
    ("attacks.campaign", "campaign", attacks.proofs.campaign.campaign),
    ("attacks.campaign", "Progress", attacks.proofs.campaign.Progress),
]


@pytest.mark.parametrize(("module", "name", "new"), MOVED)
def test_an_old_module_warns_and_has_the_new_object(monkeypatch, module, name, new):
    monkeypatch.delitem(sys.modules, module, raising=False)  # it warns when it is imported first
    with pytest.warns(DeprecationWarning, match=f"{module}: import .*{new.__name__}.* from attacks.*removed in 0.3"):
        old = importlib.import_module(module)
    assert getattr(old, name) is new
    assert name in old.__all__


@pytest.mark.parametrize(
    ("module", "name", "new"),
    [
        (attacks.detect, "Memory", FittedDetectors),
        (attacks.detect.adaptive, "disguises", attacks.detect.adaptive.blind_spots),
    ],
)
def test_an_old_name_warns_and_is_the_new_object(module, name, new):
    with pytest.warns(DeprecationWarning, match=f"{name} is {new.__name__} now; removed in 0.3"):
        assert getattr(module, name) is new
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_detectors_are_fitted_under_the_old_name():
    x = load_mnist((4, 9))[0][:30].astype(float)
    with pytest.warns(DeprecationWarning, match=r"FittedDetectors.of is FittedDetectors.fit now; removed in 0.3"):
        old = FittedDetectors.of(MLP.init([784, 1], rng=0), x, components=4, rng=1)
    assert (old.mean == FittedDetectors.fit(old.net, x, components=4, rng=1).mean).all()


def test_results_are_read_by_their_old_names():
    net, x = MLP.from_arrays([([[1.0]] * 4, [-1.5])]), [[0.25] * 4] * 2
    for result in (universal(net, x, [0, 0], LInf(0.2)), accessory(net, x, [0, 0], [[True, True], [False, False]])):
        assert result.fooled is result.success and result.fooled_8bit is result.success_8bit
