"""Ugly networks and ugly arrays: a true answer or a refusal in one sentence, never NaN, never a search without end.

What is true is told by brute force (corners of the box and random points), by the closed form of a constant, or by the
same network in another scale: powers of 2 change no digit.
"""

import time
from functools import partial
from itertools import pairwise, product

import numpy as np
import oracles
import pytest
from ball_strategies import NORMS

from attacks import (
    L0,
    L1,
    L2,
    LInf,
    accessory,
    any_filling,
    certified_minimum,
    fgsm,
    pgd,
    saliency_map,
    smallest_eps,
    smallest_mask,
    universal,
    universal_minimum,
)
from attacks.detect.detectors import FittedDetectors, scores
from attacks.proofs.branch_and_bound import Search
from attacks.proofs.query import Query
from attacks.result import Reason
from minigrad import MLP, check_jacobian, dot_test, fit
from minigrad.bounds.evaluation import forward_error
from minigrad.bounds.output_constraint import constrain_layer

D = 4  # pixels, 2 x 2
X = np.round(16 * np.random.default_rng(1).random((2, D))) / 16
LIMITS = {"time_limit": 0.02, "node_limit": 8}
PATIENCE = 15.0  # seconds of this processor for all calls on one network; they take less than one
MASK = np.array([[True, False], [True, True]])


def net(sizes, activation="relu", W=1.0, b=0.25, seed=0):
    rng = np.random.default_rng(seed)
    pairs = [(W * rng.normal(size=(m, n)), b * rng.normal(size=n)) for m, n in pairwise(sizes)]
    return MLP.from_arrays(pairs, activation=activation)


def scaled(plain, powers):
    """The network with layer k multiplied by 2^powers[k] in all, biases as they must be to go with it."""
    pairs, total = [], 0
    for layer, power in zip(plain.dense, powers, strict=True):
        total += power
        pairs.append((np.ldexp(layer.W, power), np.ldexp(layer.b, total)))
    return MLP.from_arrays(pairs)


def columns(chosen, k):
    """Hidden neurons that are columns 0, 1 and 2 of one matrix, or 3: no weight at all."""
    W = np.c_[np.random.default_rng(3).normal(size=(D, 3)), np.zeros(D)]
    return MLP.from_arrays([(W[:, chosen], np.zeros(3)), (net([3, k]).dense[0].W, np.linspace(-0.5, 0.25, k))])


def constant(k, hidden=0, W=0.0, activation="relu"):
    """N = (-1/2, 0, 1/2, ...) whatever the image; hidden neurons that are dead, or saturated to the last bit."""
    last = np.arange(k) / 2 - 0.5
    if not hidden:
        return MLP.from_arrays([(np.zeros((D, k)), last)])
    first = np.full((D, hidden), W), np.full(hidden, 400.0 if activation != "relu" else -1.0)
    W = np.zeros((hidden, k)) if activation != "relu" else np.ones((hidden, k))
    return MLP.from_arrays([first, (W, last)], activation=activation)


CONSTANT = {
    f"{name}, {k}": make(k)
    for k in (1, 3)
    for name, make in list({
        "constant": constant,
        "zero weights": lambda k: constant(k, 3),
        "dead": lambda k: constant(k, 3, -1.0),
        "saturated tanh": lambda k: constant(k, 3, 1.0, "tanh"),
        "saturated sigmoid": lambda k: constant(k, 3, 1.0, "sigmoid"),
    }.items())[k // 2 :: 2]
}
CONSTANT |= {"six tanh, saturated": net([D, *[2] * 5, 1], "tanh", 0.0)}
PLAIN = {k: net([D, 3, k], seed=4) for k in (1, 3)}
UGLY = CONSTANT | {
    f"{name}, {k}": make(k)
    for k in (1, 3)
    for name, make in list({
        "one hidden": lambda k: net([D, 1, k]),
        "twelve layers": lambda k: net([D, *[3] * 11, k], seed=2),
        "steep tanh": lambda k: net([D, 3, k], "tanh", 30.0),
        "steeper sigmoid": lambda k: net([D, 3, k], "sigmoid", 1e6),
        "duplicated columns": lambda k: columns([0, 0, 0], k),
        "zero columns": lambda k: columns([1, 3, 3], k),
        "affine 1e-300": lambda k: net([D, k], W=1e-300, b=2.5e-301),
        "affine 1e154": lambda k: net([D, k], W=1e154, b=1e153),
        "affine 1e300": lambda k: net([D, k], W=1e300, b=1e299),
        "affine 1e308": lambda k: net([D, k], W=1e308, b=0.0),
        "subnormal": lambda k: net([D, k], W=1e-322, b=0.0),
        "1e-300": lambda k: net([D, 3, k], W=1e-300, b=0.0),
        "1e-160": lambda k: net([D, 3, k], W=1e-160, b=0.0),
        "1e-160 beside biases": lambda k: net([D, 3, k], W=1e-160),
        "1e154": lambda k: net([D, 3, k], W=1e154),
        "1e154 tanh": lambda k: net([D, 3, k], "tanh", W=1e154),
        "1e300": lambda k: net([D, 3, k], W=1e300),
        "1e300 sigmoid": lambda k: net([D, 3, k], "sigmoid", W=1e300),
        "2^900, 2^-900": lambda k: scaled(PLAIN[k], (900, -900)),
        "2^-900, 2^900": lambda k: scaled(PLAIN[k], (-900, 900)),
    }.items())[k // 2 :: 2]
}


def balls(radius):
    return LInf(radius), L2(2 * radius), L1(3 * radius), L0(2)


def proofs(net, x, y, norm):
    found = certified_minimum(net, x, y, norm=norm, **LIMITS)
    for proof in found:
        proof.check(net)
    return found


ATTACKS = {
    "gain": saliency_map,
    "papernot": lambda *a: saliency_map(*a, variant="papernot"),
    **{f"fgsm {ball.norm}": lambda *a, ball=ball: fgsm(*a, ball) for ball in balls(0.3)},
    **{f"pgd {ball.norm}": lambda *a, ball=ball: pgd(*a, ball, steps=5, restarts=2) for ball in balls(0.3)},
    **{f"smallest {norm}": partial(smallest_eps, norm=norm, steps=15) for norm in NORMS[1:]},
}
PROOFS = {f"certified {norm}": lambda *a, norm=norm: proofs(*a, norm) for norm in NORMS}
PROOFS |= {
    "smallest_mask": lambda *a: smallest_mask(*a, MASK, **LIMITS),
    "any_filling": lambda *a: any_filling(*a, MASK, **LIMITS),
}
UNIVERSAL = {
    **{f"universal {ball.norm}": lambda *a, ball=ball: universal(*a, ball, steps=4) for ball in balls(0.3)},
    "iterative": lambda *a: universal(*a, LInf(0.3), method="iterative"),
    "lp": lambda *a: universal(*a, LInf(0.3), method="lp"),
}
MINIMA = {
    f"universal_minimum {norm}": lambda *a, norm=norm: universal_minimum(*a, norm=norm, time_limit=0.02)
    for norm in ("l0", "linf")
}
OTHERS = {
    "logits": lambda net, x, y: net.logits(x),
    "jacobian": lambda net, x, y: net.jacobian(x),
    "by columns": lambda net, x, y: net.jacobian(x, by="columns"),
    "fit": lambda net, x, y: [v for f in fit(net, x, y, epochs=1, rng=0)[0].dense for v in (f.W, f.b)],
    "fit in float64": lambda net, x, y: fit(net, x, y, epochs=1, rng=0, dtype=float, loss="squared")[0].logits(x),
    "scores": lambda net, x, y: scores(FittedDetectors.fit(net, np.random.default_rng(5).random((9, D)), 2), x),
    "check_jacobian": lambda net, x, y: check_jacobian(net, x),
    "dot_test": lambda net, x, y: dot_test(net, x),
    "accessory": lambda *a: accessory(*a, MASK, steps=6, smoothness=0.1),
}
REFUSALS = (ValueError, FloatingPointError, OverflowError)  # CertificateError is a ValueError, and would be no refusal


def labels(net, x):
    """What the net says of each image; class 0 where its logits overflow."""
    with np.errstate(all="ignore"):
        return net.predict(x)


def misled(net, points, y, beyond=0.0):
    """Which points (m, D) have a margin above `beyond` roundings of it."""
    N = net.logits(points)
    with np.errstate(all="ignore"):  # what overflows is not told apart from a tie
        if N.shape[1] == 1:
            m = (N[:, 0] - net.threshold) * (1 if y == 0 else -1)
        else:
            m = np.delete(N, y, axis=1).max(axis=1) - N[:, y]
        return m > (beyond * 2 * forward_error(net.layers, points).max(axis=1) if beyond else 0)


def flips(net, x, y):
    """Perturbations of one image that flip it: corners of the box, random points, single pixels."""
    rng = np.random.default_rng(0)
    corners = np.array(list(product((0.0, 1.0), repeat=D)))
    singles = np.where(np.eye(D, dtype=bool)[None], np.array([0.0, 0.5, 1.0])[:, None, None], x).reshape(-1, D)
    points = np.concatenate([corners, rng.random((200, D)), singles, x + (corners - x) * rng.random((len(corners), 1))])
    return points[misled(net, points, y, 1)] - x


def check_attack(net, x, y, result):
    inside = (result.x_adv >= 0) & (result.x_adv <= 1)
    assert inside.all() and np.isfinite(result.distance).all() and np.isfinite(result.margin).all()
    for i in range(len(x)):
        already = result.reason[i] == Reason.MISCLASSIFIED
        if result.success[i]:
            assert not already and misled(net, result.x_adv[[i]], y[i], -1)[0]
        else:
            assert already or not misled(net, result.x_adv[[i]], y[i], 1)[0]
        assert result.distance[i] == pytest.approx(oracles.size(result.norm, result.x_adv[i] - x[i]), rel=1e-12)


def check_fooled(net, y, worn, fooled, tried):
    for v, label, yes in zip(worn[tried], y[tried], fooled[tried], strict=True):
        assert misled(net, v[None], label, -1)[0] if yes else not misled(net, v[None], label, 1)[0]
    assert not fooled[~tried].any()


def check_proof(net, x, y, proof, found, mask=None):
    """No flip that is known, by brute force or by an attack, is smaller than `lower`; the counterexample works."""
    assert 0 <= proof.lower <= proof.upper
    if proof.x_adv is not None:
        assert misled(net, proof.x_adv[None], y)[0]
        assert oracles.size(proof.norm, proof.x_adv - x) <= proof.upper * (1 + 1e-12)
    for s in [*flips(net, x, y), *found]:
        if mask is None or not s[~mask].any():
            assert oracles.size(proof.norm, s) >= proof.lower * (1 - 1e-12)


LARGE = ("1e154", "1e300", "1e308")
CASES = [(name, "raise") for name in UGLY] + [(name, "ignore") for name in UGLY if any(s in name for s in LARGE)]


@pytest.mark.parametrize(("name", "mood"), CASES)
def test_a_true_answer_or_a_named_refusal(name, mood):
    """Under NumPy's errors as exceptions, and under none at all, where infinities come through."""
    net, begun, refused, found = UGLY[name], time.process_time(), {}, [[] for _ in X]
    y = labels(net, X)
    with np.errstate(all=mood, under="ignore"):
        for call, function in (OTHERS | ATTACKS | UNIVERSAL | MINIMA | PROOFS).items():
            try:
                answer = function(net, X, y)
            except REFUSALS as error:
                refused[call] = str(error)
                continue
            if call in ATTACKS:
                check_attack(net, X, y, answer)
                for i in np.flatnonzero(answer.success):
                    found[i].append(answer.x_adv[i] - X[i])
            elif call in PROOFS:
                for i, proof in enumerate(answer):
                    check_proof(net, X[i], y[i], proof, found[i], MASK.ravel() if proof.mask is not None else None)
            elif call in UNIVERSAL:
                check_fooled(net, y, answer.apply(X), answer.fooled, answer.tried)
            elif call in MINIMA:
                assert 0 <= answer.lower <= answer.upper
                assert answer.result is None or answer.result.rate == 1
            elif call == "accessory":
                check_fooled(net, y, answer.apply(X), answer.fooled[:, 0], answer.tried)
            elif mood == "raise" or "1e3" not in name:  # bare evaluations say in their own way that they overflow
                assert all(np.isfinite(v).all() for v in (answer if isinstance(answer, list) else [answer]))
    for call, text in refused.items():
        assert 15 < len(text) < 300 and text.isprintable(), (call, text)
        assert "certificate" not in text, (call, text)
    if not any(size in name for size in LARGE):  # training adds up squares; all the rest has an answer
        assert set(refused) <= ({"fit", "fit in float64"} if "900" in name or "1e6" in name else set()), refused
    assert time.process_time() - begun < PATIENCE


@pytest.mark.parametrize("name", CONSTANT)
def test_a_constant_is_never_flipped(name):
    """Nothing moves it, and that is proved: lower = inf in every norm."""
    net = CONSTANT[name]
    y = net.predict(X)
    for call, attack in ATTACKS.items():
        result = attack(net, X, y)
        assert not result.success.any()
        if "pgd" not in call:  # its restarts begin anywhere in the ball
            assert np.array_equal(result.x_adv, X) and (result.reason == Reason.ZERO_GRADIENT).all(), call
    for norm in NORMS:
        for proof in certified_minimum(net, X, y, norm=norm, time_limit=600):
            assert (proof.lower, proof.upper, proof.reason) == (np.inf, np.inf, "proved")
            proof.check(net)
    assert check_jacobian(net, X) == 0


@pytest.mark.parametrize("powers", [(900, -900), (-900, 900), (-450, 900), (-450, -450)])
@pytest.mark.parametrize("k", [1, 3])
def test_powers_of_two_change_no_digit(powers, k):
    """A network times 2^p has the same decisions, so every attack finds the same images, to the last bit.

    (Not stretched for single precision, in which 2^900 is infinite.)
    """
    plain, other = PLAIN[k], scaled(PLAIN[k], powers)
    y = plain.predict(X)
    assert np.array_equal(np.ldexp(plain.logits(X), sum(powers)), other.logits(X))
    flipped = 0
    for call, attack in ATTACKS.items():
        exact = {"stretch": 0.0} if call.startswith("smallest") else {}
        a, b = attack(plain, X, y, **exact), attack(other, X, y, **exact)
        assert np.array_equal(a.success, b.success) and np.array_equal(a.reason, b.reason), call
        assert np.allclose(a.x_adv, b.x_adv, rtol=0, atol=1e-12), call
        flipped += a.success.sum()
    assert flipped > 5


@pytest.mark.parametrize("ball", balls(1.0), ids=lambda ball: ball.norm)
def test_a_gain_out_of_reach_of_a_subnormal_gradient(ball):
    g, gain = np.full((1, D), 1e-320), np.array([0.25])
    assert ball.radius_for(X[:1], g, gain) == np.inf
    assert ball.radius_for(X[:1], g, np.array([5e-324])) <= D


def test_past_the_deadline_no_interval_is_constrained(monkeypatch):
    """A round over twelve layers takes a second; a search that is late does not begin one."""
    deep = net([D, *[5] * 11, 1], seed=2)
    query = Query.from_image(deep, X[0], int(deep.predict(X[:1])[0]), LInf(1.0))
    rounds = []
    real = constrain_layer
    monkeypatch.setattr("attacks.proofs.node_bounds.constrain_layer", lambda *a, **o: rounds.append(a) or real(*a, **o))
    assert Search(query).run(0.0).reason == Reason.TIME and not rounds
    Search(query).run(np.inf, node_limit=1)
    assert rounds


@pytest.mark.parametrize("norm", ["l0", "linf"])
@pytest.mark.parametrize("powers", [(900, -900), (-900, 900)])
def test_proofs_of_huge_weights(norm, powers):
    """The derivatives of their multipliers would overflow.  The intervals are wider, and agree with the plain ones."""
    open_ = 0
    for seed in range(3):
        plain = net([D, 6, 1], seed=seed)
        y = plain.predict(X)
        exact = certified_minimum(plain, X, y, norm=norm, time_limit=5)
        wide = certified_minimum(scaled(plain, powers), X, y, norm=norm, time_limit=1, node_limit=6)
        for a, b in zip(exact, wide, strict=True):
            assert b.lower <= a.upper and a.lower <= b.upper
            open_ += b.nodes > 0
    assert open_ > 0


@pytest.mark.parametrize("norm", NORMS)
def test_a_box_of_width_zero(norm):
    """The only allowed s is 0: no attack moves, whatever its name for that, and the proof says inf."""
    plain = PLAIN[1]
    y, box = plain.predict(X), (X, X)
    proofs = certified_minimum(plain, X, y, norm=norm, box=box)
    assert [(p.lower, p.x_adv) for p in proofs] == [(np.inf, None)] * len(X)
    results = [saliency_map(plain, X, y, box=box)] if norm == "l0" else [smallest_eps(plain, X, y, norm=norm, box=box)]
    ball = {"l0": L0(2, box), "l1": L1(1.0, box), "l2": L2(1.0, box), "linf": LInf(1.0, box)}[norm]
    for result in [*results, fgsm(plain, X, y, ball), pgd(plain, X, y, ball, steps=3, restarts=2)]:
        assert np.array_equal(result.x_adv, X) and (result.reason == Reason.NO_PIXEL).all()
    assert not universal(plain, X, y, ball).s.any()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_a_right_jacobian_below_the_rounding_of_its_differences(activation):
    """Saturated: |J| goes down to 1e-9 |N| and below.  It passes; what is wrong by more than rounding does not."""
    smallest = np.inf
    for seed in range(40):
        steep = net([D, 4, 2], activation, 30.0, seed=seed)
        J, N = steep.jacobian(X), steep.logits(X)
        check_jacobian(steep, X, h=1e-5, tol=1e-4)  # cutting the Taylor series costs more on a steep slope
        smallest = min(smallest, np.abs(J).max(axis=(1, 2)).min() / np.abs(N).max())

        class Wrong:
            logits = staticmethod(steep.logits)
            jacobian = staticmethod(lambda x, J=J, N=N: J + 1e-7 * np.abs(N).max() + 1e-3 * np.abs(J).max())

        with pytest.raises(AssertionError, match="the Jacobian says"):
            check_jacobian(Wrong, X, tol=1e-4)
    assert smallest < 1e-9


# ---------------------------------------------------------------- training


def test_a_last_step_that_diverges_is_a_floating_point_error():
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="epoch 1: the weights are no longer"):
        fit(PLAIN[1], X, [0, 1], epochs=1, batch=2, lr=1e300, optimizer="sgd", loss="squared")


def test_weights_that_float32_cannot_hold():
    with pytest.raises(ValueError, match=r"net: expected weights that float32 can hold, got one of size \S+e\+"):
        fit(net([D, 1], W=1e300), X, [0, 1])


@pytest.mark.parametrize("value", ["a", None, [0.1], 1j, True, object()])
def test_options_that_are_no_numbers(value):
    plain, y = PLAIN[1], PLAIN[1].predict(X)
    calls = [
        *(lambda name=name: fit(plain, X, y, **{name: value}) for name in ("lr", "momentum", "weight_decay")),
        lambda: fit(plain, X, y, validation=value),
        lambda: pgd(plain, X, y, LInf(0.1), step=value),
        lambda: check_jacobian(plain, X, h=value),
        lambda: check_jacobian(plain, X, tol=value),
        lambda: universal(plain, X, y, LInf(0.1), overshoot=value),
        lambda: universal_minimum(plain, X, y, norm="linf", share=value),
        lambda: accessory(plain, X, y, MASK, smoothness=value),
        lambda: certified_minimum(plain, X, y, norm="l0", time_limit=value),
    ]
    if value is not None:
        calls.append(lambda: fit(plain, X, y, callback=value))
        calls.append(lambda: certified_minimum(plain, X, y, norm="l0", gap=value))
    for call in calls:
        with pytest.raises(ValueError, match=r"^\w+: expected a .* got "):
            call()


# ---------------------------------------------------------------- arrays


def memory_mapped(x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


ARRAYS = {
    "float32": lambda x, _: x.astype(np.float32),
    "float16": lambda x, _: x.astype(np.float16),
    "long double": lambda x, _: x.astype(np.longdouble),
    "big-endian": lambda x, _: x.astype(">f8"),
    "every second column": lambda x, _: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": lambda x, _: x[::-1, ::-1].copy()[::-1, ::-1],
    "Fortran order": lambda x, _: np.asfortranarray(x),
    "not aligned": lambda x, _: np.frombuffer(b"0" + x.tobytes(), np.float64, offset=1).reshape(x.shape),
    "memory-mapped": memory_mapped,
    "matrix": lambda x, _: x.view(np.matrix),
    "masked, nothing under the mask": lambda x, _: np.ma.array(x),
    "list": lambda x, _: x.tolist(),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", ARRAYS)
def test_the_same_answer_for_every_kind_of_array(name, tmp_path):
    """x are sixteenths, so no kind loses a digit; what is passed in is never written to."""
    plain, y = PLAIN[3], PLAIN[3].predict(X)
    x = ARRAYS[name](X, tmp_path)
    before = np.array(x, float)
    if isinstance(x, np.ndarray) and "masked" not in name:
        x.flags.writeable = False
    trained = [fit(plain, v, y, epochs=2, batch=1, rng=0)[0].logits(X) for v in (X, x)]
    assert np.array_equal(*trained)
    for call in (plain.logits, plain.jacobian, plain.predict):
        assert np.array_equal(call(X), call(x))
    for call in ("gain", "papernot", "fgsm l2", "pgd linf", "smallest linf"):
        a, b = ATTACKS[call](plain, X, y), ATTACKS[call](plain, x, y)
        assert np.array_equal(a.x_adv, b.x_adv) and b.x_adv.dtype == np.float64 and type(b.x_adv) is np.ndarray, call
    for a, b in zip(*(certified_minimum(plain, v, y, norm="l0", node_limit=5) for v in (X, x)), strict=True):
        assert (a.lower, a.upper, a.x.tolist()) == (b.lower, b.upper, b.x.tolist())
    assert np.array_equal(*(universal(plain, v, y, LInf(0.3), steps=3).s for v in (X, x)))
    assert np.array_equal(*(accessory(plain, v, y, MASK, steps=4).pattern for v in (X, x)))
    assert np.array_equal(np.asarray(x, float), before)


CALLS = {
    **ATTACKS,
    **UNIVERSAL,
    "certified_minimum": partial(certified_minimum, norm="l0"),
    "universal_minimum": partial(universal_minimum, norm="linf"),
}
CALLS |= {"fit": fit, "accessory": lambda *a: accessory(*a, MASK), "check": lambda net, x, y: check_jacobian(net, x)}
UNDER = np.array([[False] * D, [True] + [False] * (D - 1)])
REFUSED = {
    "no images": (np.zeros((0, D)), "expected at least one image"),
    "bytes": (np.zeros((2, D), np.uint8), "expected floating-point pixels, got uint8"),
    "objects": (np.full((2, D), None), "expected floating-point pixels, got object"),
    "masked entries": (np.ma.array(X, mask=UNDER), "expected an array without masked entries, got 1 of them"),
    "NaN": (np.where(X == X.max(), np.nan, X), "expected finite pixels, got nan"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_are_refused(call, name):
    x, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=f"x: {sentence}"):
        CALLS[call](PLAIN[1], x, np.zeros(len(x), int))


def test_masked_labels_are_refused():
    with pytest.raises(ValueError, match="y: expected an array without masked entries, got 1 of them"):
        fgsm(PLAIN[1], X, np.ma.array([0, 1], mask=[True, False]), LInf(0.1))


def test_more_images_than_any_block_holds():
    """Across every block of the library: the same as a few at a time."""
    plain, n = PLAIN[1], 66_000
    x = np.random.default_rng(0).integers(0, 17, (n, D)) / 16
    y = plain.predict(x)
    some = np.r_[0:3, 383:386, 1022:1026, 65534:65538, n - 3 : n]
    assert np.array_equal(plain.logits(x)[some], plain.logits(x[some]))
    assert np.array_equal(plain.jacobian(x)[some], plain.jacobian(x[some]))
    for attack, many in (
        (lambda *a: fgsm(*a, LInf(0.25)), n),
        (lambda *a: saliency_map(*a, exchanges=1), n),
        (lambda *a: smallest_eps(*a, steps=2, norm="linf"), 2000),  # in blocks of 384, each of many steps
        (lambda *a: pgd(*a, L2(0.5), steps=2), n),
    ):
        few = some[some < many]
        whole, part = attack(plain, x[:many], y[:many]), attack(plain, x[few], y[few])
        assert np.array_equal(whole.success[few], part.success) and whole.success.any()
        assert np.allclose(whole.x_adv[few], part.x_adv, rtol=0, atol=1e-12)
    assert 0 < universal(plain, x, y, LInf(0.25), steps=2, method="margin").rate <= 1
