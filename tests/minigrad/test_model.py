"""Any object with two methods can be attacked, and what lacks one is told so; a proof says that it needs the layers."""

import ctypes
import re

import numpy as np
import pytest
from hypothesis import given
from paths import ROOT
from strategies import networks_with_images

from attacks import (
    L0,
    L2,
    Certificate,
    LInf,
    accessory,
    certified_minimum,
    fgsm,
    pgd,
    saliency_map,
    smallest_eps,
    universal,
    universal_minimum,
)
from attacks.detect.detectors import FittedDetectors, scores
from attacks.proofs.mask_minimum import any_filling, smallest_mask
from minigrad import MLP, check_jacobian, dot_test, from_vjp, taylor_rate
from minigrad.model import check_model

PAGE = (ROOT / "docs" / "your-network.md").read_text(encoding="utf-8")
RNG = np.random.default_rng(5)
NET = MLP.from_arrays([(RNG.normal(size=(16, 6)), RNG.normal(size=6)), (RNG.normal(size=(6, 3)), np.zeros(3))])
ONE = MLP.from_arrays([(RNG.normal(size=(16, 6)), RNG.normal(size=6)), (RNG.normal(size=(6, 1)), [0.1])], threshold=0.2)
X = RNG.random((5, 16))
FRAME = np.zeros((4, 4), bool)
FRAME[1] = True


class TwoMethods:
    """A stranger's network: the two methods, and a threshold; nothing else."""

    def __init__(self, net):
        self.logits, self.jacobian, self.threshold = net.logits, net.jacobian, net.threshold


def mixed(y):
    return len(np.unique(y)) > 1


ATTACKS = {
    "saliency_map": lambda net, y: saliency_map(net, X, y).x_adv,
    "papernot": lambda net, y: saliency_map(net, X, y, variant="papernot").x_adv,
    "fgsm": lambda net, y: fgsm(net, X, y, LInf(0.1)).x_adv,
    "pgd": lambda net, y: pgd(net, X, y, L2(0.5)).x_adv,
    "smallest_eps": lambda net, y: smallest_eps(net, X, y, norm="linf", stretch=0).x_adv,
    "universal": lambda net, y: universal(net, X, y, LInf(0.2), mixed=mixed(y)).s,
    "universal pixels": lambda net, y: universal(net, X, y, L0(3), mixed=mixed(y)).s,
    "accessory": lambda net, y: accessory(net, X, y, FRAME).pattern,
    "detect": lambda net, y: scores(FittedDetectors.fit(net, X, components=2), X),
    "check_jacobian": lambda net, y: check_jacobian(net, X),
    "taylor_rate": lambda net, y: taylor_rate(net, X),
}


@pytest.mark.parametrize("own", [NET, ONE], ids=["three logits", "one logit"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_takes_a_strangers_model(attack, own):
    y = own.predict(X)
    expected = ATTACKS[attack](own, y)
    for model in (TwoMethods(own), from_vjp(own.logits, own.vjp, threshold=own.threshold)):
        np.testing.assert_allclose(ATTACKS[attack](model, y), expected, rtol=0, atol=1e-9)


@given(networks_with_images())
def test_a_jacobian_from_pulled_rows_is_the_jacobian(case):
    net, x = case
    model = from_vjp(net.logits, net.vjp)
    np.testing.assert_allclose(model.jacobian(x), net.jacobian(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        (["jacobian"], r"got Half without jacobian\(x\); minigrad.from_vjp makes a jacobian from a vjp$"),
        (["logits"], r"got Half without logits\(x\)$"),
        (["logits", "jacobian"], r"got Half without logits\(x\) and jacobian\(x\)$"),
    ],
    ids=["no jacobian", "no logits", "neither"],
)
def test_what_is_missing_is_said(attack, missing, sentence):
    class Half(TwoMethods):
        pass

    model = Half(NET)
    for name in missing:
        setattr(model, name, None)
    with pytest.raises(ValueError, match="expected a model with logits.* " + sentence):
        ATTACKS[attack](model, NET.predict(X))


def test_functions_are_asked_for():
    check_model(NET)
    with pytest.raises(ValueError, match="vjp: expected a function, got int"):
        from_vjp(NET.logits, 3)


@pytest.mark.parametrize(
    ("vjp", "sentence"),
    [
        (lambda x, g: g, r"pullback to be finite, of shape \(1, 16\), got an array \(1, 3\)"),
        (lambda x, g: np.full(x.shape, np.nan), r"pullback to be finite, .* got NaN or infinity"),
    ],
)
def test_a_vjp_that_answers_nonsense_is_told_so(vjp, sentence):
    with pytest.raises(ValueError, match=sentence):
        fgsm(from_vjp(NET.logits, vjp), X[:1], NET.predict(X[:1]), LInf(0.1))


def test_a_wrong_vjp_is_found_by_the_checks():
    wrong = from_vjp(NET.logits, lambda x, g: 1.01 * NET.vjp(x, g))
    with pytest.raises(AssertionError, match="the Jacobian says"):
        check_jacobian(wrong, X)
    assert dot_test(NET, X) < 1e-12


PROOFS = {
    "certified_minimum": lambda net, y: certified_minimum(net, X, y, norm="l0"),
    "universal_minimum": lambda net, y: universal_minimum(net, X, y, norm="linf"),
    "smallest_mask": lambda net, y: smallest_mask(net, X, y, FRAME),
    "any_filling": lambda net, y: any_filling(net, X, y, FRAME),
}


@pytest.mark.parametrize("proof", PROOFS)
def test_a_proof_needs_the_layers(proof):
    with pytest.raises(ValueError, match=r"a proof needs the layers of a minigrad MLP, got TwoMethods .*from_torch"):
        PROOFS[proof](TwoMethods(NET), NET.predict(X))


def test_so_does_its_replay():
    (certificate,) = certified_minimum(NET, X[:1], NET.predict(X[:1]), norm="l0")
    with pytest.raises(ValueError, match="a proof needs the layers"):
        certificate.check(TwoMethods(NET))
    Certificate.from_bytes(certificate.to_bytes()).check(NET)


# ---------------------------------------------------------------- a model that writes, and a model that changes


class Writes(TwoMethods):
    """`where` is the method that works in place on what it is given."""

    def __init__(self, net, where, how):
        super().__init__(net)
        kept = getattr(self, where)

        def method(x):
            how(x)
            return kept(x)

        setattr(self, where, method)


def through_the_lock(x):
    """What torch.from_numpy allows: the same memory, and nobody asks whether it may be written."""
    ctypes.memmove(x.ctypes.data, np.full_like(x, 0.25).ctypes.data, x.nbytes)


IN_PLACE = {
    "minus": lambda x: np.subtract(x, 0.5, out=x),
    "item": lambda x: x.__setitem__((0, 0), 0.0),
    "sort": lambda x: x.sort(),
    "clip": lambda x: np.clip(x, 0.1, 0.9, out=x),
    "buffer": lambda x: memoryview(x).__setitem__((0, 0), 0.0),
}
EVERY = ["saliency_map", "papernot", "fgsm", "pgd", "smallest_eps", "universal", "accessory"]


@pytest.mark.parametrize("how", IN_PLACE)
@pytest.mark.parametrize("where", ["logits", "jacobian"])
@pytest.mark.parametrize("attack", EVERY)
def test_a_model_that_writes_into_its_images_is_told_so_and_does_not(attack, where, how):
    before = X.copy()
    model = Writes(NET, where, IN_PLACE[how])
    with pytest.raises(ValueError, match=f"only reads its images, got Writes, whose {where} writes into them") as error:
        ATTACKS[attack](model, NET.predict(X))
    assert "\n" not in str(error.value)
    assert np.array_equal(X, before) and X.flags.writeable


def test_so_is_a_vjp_and_a_library_that_ignores_the_lock():
    def vjp(x, g):
        x *= 2
        return NET.vjp(x, g)

    before = X.copy()
    with pytest.raises(ValueError, match="got FromVJP, whose pullback writes into them"):
        fgsm(from_vjp(NET.logits, vjp), X, NET.predict(X), LInf(0.1))
    with pytest.raises(ValueError, match="got Writes, whose logits writes into them"):
        fgsm(Writes(NET, "logits", through_the_lock), X, NET.predict(X), LInf(0.1))
    assert np.array_equal(X, before)


def test_a_model_that_copies_first_may_write():
    def logits(x):
        x = x.copy()
        x -= 0.5
        return NET.logits(x + 0.5)

    result = fgsm(from_vjp(logits, NET.vjp), X, NET.predict(X), LInf(0.1))
    assert np.array_equal(result.success, fgsm(NET, X, NET.predict(X), LInf(0.1)).success)


def test_other_errors_of_a_model_stay_what_they_are():
    def broken(x):
        raise ValueError("a wrong number of channels")

    with pytest.raises(ValueError, match=r"^a wrong number of channels$"):
        fgsm(from_vjp(broken, NET.vjp), X, NET.predict(X), LInf(0.1))


def noisy(net, change):
    rng = np.random.default_rng(0)
    return from_vjp(lambda x: change(net, x, rng), net.vjp)


def dropout(net, x, rng):
    hidden = np.maximum(x @ net.dense[0].W + net.dense[0].b, 0)
    return (2 * hidden * (rng.random(hidden.shape) < 0.5)) @ net.dense[1].W + net.dense[1].b


RANDOM = {
    "dropout": dropout,
    "smoothing": lambda net, x, rng: net.logits(x + 0.01 * rng.normal(size=x.shape)),
    "number of classes": lambda net, x, rng: np.hstack([net.logits(x)] * rng.integers(1, 1000)),
}


@pytest.mark.parametrize("change", RANDOM)
@pytest.mark.parametrize("attack", EVERY)
def test_a_model_that_answers_differently_when_asked_again_is_refused(attack, change):
    with pytest.raises(ValueError, match="expected the same logits when the same image is asked for twice") as error:
        ATTACKS[attack](noisy(NET, RANDOM[change]), NET.predict(X))
    assert "eval()" in str(error.value) and "\n" not in str(error.value)


def test_last_bits_may_differ_and_an_answer_in_the_same_memory_is_an_answer():
    """Float32 on a GPU adds up in another order each time; some models return one buffer again and again."""
    y, out = NET.predict(X), {}

    def buffered(x):
        N = NET.logits(x)
        kept = out.setdefault(N.shape, np.empty_like(N))
        kept[...] = N
        return kept

    plain = fgsm(NET, X, y, LInf(0.2))
    for model in (
        noisy(NET, lambda net, x, rng: net.logits(x) * (1 + 1e-6 * rng.random((len(x), 1)))),
        from_vjp(buffered, NET.vjp),
    ):
        assert np.array_equal(fgsm(model, X, y, LInf(0.2)).success, plain.success)


def block(start):
    """The code block of docs/your-network.md that holds `start`."""
    return next(code for code in re.findall(r"```python\n(.*?)```", PAGE, re.S) if start in code)


def test_the_guides_adapter_around_a_plain_function():
    space = {}
    exec(block("class Differences"), space)
    model = space["Differences"](NET.logits)
    assert check_jacobian(model, X) < 1e-7
    y = NET.predict(X)
    mine, theirs = (saliency_map(net, X, y) for net in (NET, model))
    assert mine.success.any() and np.array_equal(mine.success, theirs.success)
    assert np.array_equal(mine.distance, theirs.distance)


def test_the_guides_adapter_around_a_torch_module():
    torch = pytest.importorskip("torch", reason="torch is not installed: the adapter was not tried on a real module")
    space = {}
    exec(block("def attackable"), space)
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(16, 8), torch.nn.GELU(), torch.nn.Linear(8, 3))
    model = space["attackable"](module)
    assert model.logits(X).dtype == np.float64 and check_jacobian(model, X) < 1e-7
    result = smallest_eps(model, X, model.logits(X).argmax(axis=1), norm="linf")
    assert result.success.all()
    assert next(module.parameters()).dtype == torch.float32  # the caller's module is as it was
