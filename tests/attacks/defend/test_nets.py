"""The networks that come along are what docs/defend.md says of them, as far as seconds can tell."""

import numpy as np
import pytest

from attacks import LInf, pgd
from attacks.defend.margins import count_proved, margin_rows
from attacks.defend.nets import FOLDER, NAMES, load_defended
from data import load_mnist
from minigrad.bounds.crown import intervals, upper_bound


@pytest.mark.parametrize("name", NAMES)
def test_each_is_small_accurate_and_in_single_precision(name):
    _, _, x, y = load_mnist(digits=(4, 9))
    net = load_defended(name)
    assert (FOLDER / f"{name}.npz").stat().st_size < 450_000
    assert all((layer.W == layer.W.astype(np.float32)).all() for layer in net.dense)
    assert net.sizes == (784, 128, 64, 1) and net.accuracy(x, y) > 0.98
    assert sorted(path.stem for path in FOLDER.glob("*.npz")) == sorted(NAMES)


def test_two_of_them_resist_and_one_is_proved_by_plain_bounds_alone():
    _, _, x, y = load_mnist(digits=(4, 9))
    x, y = x[:30].astype(float), y[:30]
    flipped = {name: pgd(load_defended(name), x, y, LInf(0.1), steps=20).success.mean() for name in NAMES}
    assert flipped["plain"] > 0.8 and flipped["adversarial"] < 0.15 and flipped["certified"] < 0.15
    R = margin_rows(1, np.dtype(float))
    proved = {
        name: count_proved(upper_bound(intervals(load_defended(name), x, LInf(0.1)), R[y]), y)
        for name in ("plain", "certified")
    }
    assert proved["plain"] == 0 and proved["certified"] > 22


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="name: expected one of plain, adversarial"):
        load_defended("robust")
