"""Certificates as no search makes them: foreign arrays, trees that are none, fields that only tell of the search."""

from dataclasses import replace

import numpy as np
import pytest

from attacks import CertificateError, certified_minimum
from attacks.proofs import certificate
from attacks.proofs.certificate_file import fingerprint
from attacks.proofs.task import Limits, Task
from attacks.proofs.tree import PIXEL, Tree
from attacks.result import Reason
from minigrad import MLP, fit
from minigrad.layers import Dense, ReLU, Sigmoid, Tanh

NORMS = "l0", "l1", "l2", "linf"
D = 40
X = np.round(np.random.default_rng(0).uniform(0.2, 0.8, D), 2).astype(np.float32).astype(float)  # float32 holds it


@pytest.fixture(scope="module")
def net():
    rng = np.random.default_rng(1)
    pairs = [(rng.normal(size=(a, b)) / np.sqrt(a), rng.normal(size=b) / 9) for a, b in ((D, 5), (5, 4), (4, 1))]
    return MLP.from_arrays(pairs)


@pytest.fixture(scope="module")
def proved(net):
    """Of each norm a certificate that is optimal, with a pixel that the mask holds still."""
    options = {"mask": np.arange(D) != 3, "time_limit": 600, "node_limit": 500}
    found = {norm: certified_minimum(net, X[None], net.predict(X[None]), norm=norm, **options)[0] for norm in NORMS}
    assert all(c.optimal and 0 < c.lower <= c.upper < np.inf for c in found.values())
    return found


@pytest.fixture
def no_search(monkeypatch):
    """What is refused at once never gets to a search."""
    monkeypatch.delattr(certificate, "Search")


# ---------------------------------------------------------------- arrays in memory


def copies(x):
    """The same numbers in other arrays."""
    wide = np.zeros((len(x), 3))
    wide[:, 1] = x
    wrapped = x.view(type("Wrapped", (np.ndarray,), {"__array_ufunc__": lambda *_, **__: np.zeros(len(x))}))
    return {"float32": x.astype(np.float32), "big-endian": x.astype(">f8"), "strided": wide[:, 1], "subclass": wrapped}


@pytest.mark.parametrize("norm", NORMS)
def test_the_same_pixels_in_another_array_are_the_same_claim(norm, net, proved):
    cert = proved[norm]
    for x in copies(cert.x).values():
        replace(cert, x=x).check(net)
    for name, x_adv in copies(cert.x_adv).items():
        if name != "float32":  # does not hold it
            replace(cert, x_adv=x_adv, box=tuple(end.astype(np.float32) for end in cert.box)).check(net)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_claim_false_by_less_than_single_precision_is_refused_whatever_holds_the_pixels(kind):
    """The least eps of an affine network is known: -m / |w|_1.  Bounds from float32 pixels would err by 1e-7."""
    rng, x, closed = np.random.default_rng(2), X.astype(kind), {"optimal": True, "reason": Reason.PROVED}
    for _ in range(20):
        affine = MLP.from_arrays([(rng.normal(size=(D, 1)), rng.normal(size=1))])
        (cert,) = certified_minimum(affine, X[None], affine.predict(X[None]), norm="linf", gap=1e-9, box=(-9, 9))
        more = cert.upper * (1 + 1e-8)
        assert replace(cert, x=x).check(affine).endswith("(replayed in floats)")
        with pytest.raises(CertificateError, match="could not be proved again"):
            replace(cert, x=x, lower=more, radius=more, upper=more, attack=more, **closed).check(affine)


def test_a_number_in_single_precision_is_not_compared_in_it(net, proved):
    """NumPy asks whether float32(lower) <= float32(radius), which it is, though lower is above the radius."""
    for cert in (c for c in proved.values() if c.norm != "l0"):
        high = next(v for v in cert.radius * (1 + np.arange(1, 9) * 1e-8) if np.float32(v) > v)
        lower = np.float32(high)
        assert float(lower) > cert.radius
        with pytest.raises(CertificateError, match="does not prove lower"):
            replace(cert, lower=lower, upper=max(cert.upper, float(lower)), attack=np.inf).check(net)


@pytest.mark.usefixtures("no_search")
def test_what_float64_does_not_hold_is_refused(net, proved):
    cert = proved["linf"]
    wide = [np.longdouble] if np.dtype(np.longdouble).itemsize > 8 else []
    hidden = np.ma.masked_array(cert.x, mask=np.arange(D) == 1)
    for x in (cert.x.astype(int), cert.x.astype(complex), cert.x.astype(object), cert.x[None], cert.x[:-1], None, "x",
              hidden, *(cert.x.astype(kind) for kind in wide)):  # fmt: skip
        with pytest.raises(CertificateError, match="cannot be replayed"):
            replace(cert, x=x).check(net)
    for kind in wide:
        with pytest.raises(CertificateError, match="at most 64 bits"):
            replace(cert, lower=kind(cert.lower)).check(net)


@pytest.mark.parametrize(
    "field", ["norm", "x", "y", "box", "mask", "target", "gap", "reason", "nodes", "tree", "network"]
)
@pytest.mark.parametrize("value", [None, "0", [1, 2], 0.5, object()], ids=["None", "str", "list", "float", "object"])
def test_a_field_of_any_type_is_no_other_error(field, value, net, proved):
    wrong = replace(proved["linf"], **{field: value})
    if (field, value) in (("mask", None), ("target", None), ("gap", 0.5)):  # with these the claim may hold
        return
    with pytest.raises(CertificateError, match=r"certificate: .{10}"):
        wrong.check(net, time_limit=5)


# ---------------------------------------------------------------- trees


def linked(*children, layer=0, index=0):
    """A tree of one root, node i with the first child `children[i]`."""
    tree = Tree(1)
    tree.layer, tree.index, tree.child = ([value] * len(children) for value in (layer, index, 0))
    tree.child = list(children)
    return tree


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("layer", [PIXEL, 0], ids=["pixel", "neuron"])
@pytest.mark.parametrize("children", [(0,), (-1,), (1, 1), (1, 0, 0), (1, 3, 1, 0, 0), (2, 2, 0), (9,), (2**40,)])
@pytest.mark.parametrize("norm", ["l0", "linf"])
def test_a_tree_that_leads_back_to_itself_is_refused_at_once(norm, children, layer, net, proved):
    """Pixel 3 is held still by the mask: its split leads on to a child without any work, for ever if in a ring."""
    tree = linked(*children, layer=layer, index=3)
    with pytest.raises(CertificateError, match="cannot be replayed"):
        replace(proved[norm], tree=tree, nodes=10**6).check(net)


@pytest.mark.parametrize("layer", [PIXEL, 0], ids=["pixel", "neuron"])
@pytest.mark.parametrize("norm", ["l0", "linf"])
def test_the_same_split_again_and_again_ends(norm, layer, net, proved):
    """One pixel (held still), or one neuron, 400 times along a path: work for nothing, but no more than it says."""
    tree = Tree(1)
    last = np.array([0])
    for _ in range(400):
        last = tree.split(last, np.array([layer]), np.array([3]))[1:]
    replace(proved[norm], tree=tree, nodes=len(tree)).check(net)  # the claim is true, and what is left gets searched


def test_without_time_nothing_is_searched(net, monkeypatch):
    options = {"norm": "linf", "gap": 1e-4, "time_limit": 600, "node_limit": 500}
    (cert,) = certified_minimum(net, X[None], net.predict(X[None]), **options)
    assert len(cert.tree) > 1
    cert.check(net)
    for name in ("branch_and_bound.branch", "branch_and_bound.solve_leaf", "node_bounds.constrain_layer"):
        monkeypatch.delattr(f"attacks.proofs.{name}")
    with pytest.raises(CertificateError, match=rf"could not be proved again \({Reason.TIME}\)"):
        cert.check(net, time_limit=0)
    for limit in (np.nan, -1, "5", None, [1.0]):
        with pytest.raises(ValueError, match="time_limit: expected a number"):
            cert.check(net, time_limit=limit)


# ---------------------------------------------------------------- what is told of the search

SEARCH = {
    "gap of 1": {"gap": 1.0},
    "gap of 2": {"gap": 2.0},
    "gap no number": {"gap": np.nan},
    "gap negative": {"gap": -0.1},
    "attack better than what is found": lambda c: {"attack": c.upper / 2},
    "attack no number": {"attack": np.nan},
    "attack negative": {"attack": -1.0},
    "nodes negative": {"nodes": -1},
    "half a node": {"nodes": 0.5},
    "fewer nodes than the tree": lambda c: {"nodes": 2, "tree": linked(1, 0, 0)},
    "seconds negative": {"seconds": -1.0},
    "seconds no number": {"seconds": np.nan},
    "seconds without end": {"seconds": np.inf},
    "optimal twice": {"optimal": 2},
    "the time was over": {"reason": Reason.TIME},
    "the nodes were": {"reason": Reason.NODES},
    "a reason of attacks": {"reason": Reason.BUDGET},
    "a reason of nobody": {"reason": "because"},
    "proved, but not": lambda c: {"lower": c.lower / 2 if c.norm != "l0" else 1.0, "optimal": False},
    "smooth": lambda c: {"lower": 0.0, "radius": 0.0, "tree": Tree(1), "optimal": False, "reason": Reason.SMOOTH},
    "boundary": lambda c: {"lower": 0.0, "radius": 0.0, "tree": Tree(1), "optimal": False, "reason": Reason.BOUNDARY},
    "a radius of nothing": lambda c: {"lower": 0.0, "radius": 3.0, "optimal": False, "reason": Reason.TIME},
}


@pytest.mark.usefixtures("no_search")
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("how", SEARCH)
def test_what_is_told_of_the_search_must_fit_the_claim(how, norm, net, proved):
    change = SEARCH[how](proved[norm]) if callable(SEARCH[how]) else SEARCH[how]
    with pytest.raises(CertificateError, match=r"certificate: .{10}"):
        replace(proved[norm], **change).check(net)


@pytest.mark.parametrize("norm", NORMS)
def test_less_than_was_proved_may_be_claimed(norm, net, proved):
    less = {"lower": proved[norm].lower / 2 if norm != "l0" else 1.0, "optimal": False, "reason": Reason.TIME}
    if norm == "l0":
        less |= {"radius": 0.0, "tree": Tree(1)}
    replace(proved[norm], **less).check(net)


def test_of_a_misclassified_image_nothing_else_is_claimed(net):
    (cert,) = certified_minimum(net, X[None], 1 - net.predict(X[None]), norm="linf")
    cert.check(net)
    for change in ({"x_adv": None}, {"x_adv": 1 - cert.x}, {"radius": 0.5}, {"optimal": False}, {"upper": 1.0}):
        with pytest.raises(CertificateError, match=r"certificate: .{10}"):
            replace(cert, **change).check(net)


def test_images_are_judged_alone_and_not_in_their_batch():
    """As `check` judges them: the margins of a batch differ in their last bits, on the boundary in their sign."""
    rng = np.random.default_rng(4)
    net = MLP.from_arrays([(rng.normal(size=(60, 24)), rng.normal(size=24)), (rng.normal(size=(24, 1)), [0])])
    x, limits = rng.random((37, 60)), Limits.from_options("linf")

    def start(rows):
        return Task.from_images(net, rows, [0] * len(rows), norm="linf", limits=limits).start

    assert start(x).tolist() == [start(x[i : i + 1])[0] for i in range(37)]


# ---------------------------------------------------------------- the network

W = [np.random.default_rng(i).normal(size=s) for i, s in enumerate([(2, 3), (3, 3), (3, 1)])]
DENSE = [Dense(w, np.zeros(w.shape[1])) for w in W]


class Leaky(ReLU):
    """Another function under a class that `isinstance` takes for ReLU."""

    def forward(self, z):
        return np.maximum(z, 0.1 * z)


@pytest.mark.parametrize(
    "layers",
    [
        (DENSE[0], ReLU(), DENSE[1], Tanh(), DENSE[2]),
        (DENSE[0], Tanh(), DENSE[1], ReLU(), DENSE[2]),
        (DENSE[0], Leaky(), DENSE[1], Leaky(), DENSE[2]),
        (DENSE[0], DENSE[1], DENSE[2]),
        (DENSE[0], ReLU(), DENSE[1], DENSE[2], ReLU()),
        (DENSE[0], ReLU(), DENSE[1], ReLU(), DENSE[2], Sigmoid()),
        (DENSE[0], ReLU(), ReLU(), DENSE[1], DENSE[2]),
        (DENSE[0], ReLU(), Dense(W[1].astype(np.float32), np.zeros(3)), ReLU(), DENSE[2]),
    ],
)
def test_a_network_of_other_layers_is_not_taken_for_a_uniform_one(layers, tmp_path):
    """It can be put together with `replace` and attacked.  To save, rescale, train or prove it would lose layers."""
    uniform = MLP.from_arrays([(w, np.zeros(w.shape[1])) for w in W])
    mixed, x = replace(uniform, layers=layers), np.full((1, 2), 0.5)
    for refused in (
        lambda: fingerprint(mixed),
        mixed.to_arrays,
        lambda: mixed.save(tmp_path / "net.npz"),
        lambda: fit(mixed, x, [0], epochs=1),
        lambda: certified_minimum(mixed, x, [0], norm="linf"),
    ):
        with pytest.raises(ValueError, match=r"^net: expected (Dense layers|weights in float64)|has no lines"):
            refused()
    assert not list(tmp_path.iterdir())
    if any(type(layer) not in (Dense, ReLU) for layer in layers[:-1]):
        assert repr(mixed) != repr(uniform)
        with pytest.raises(ValueError, match="activation: expected one of relu, tanh, sigmoid, got"):
            mixed.rescaled(0, 255)
    (cert,) = certified_minimum(uniform, x, uniform.predict(x), norm="linf")
    with pytest.raises(CertificateError, match="certificate: "):
        cert.check(mixed)


def test_fingerprints_of_older_versions_are_still_those():
    """Of a network made by hand: certificates of 0.1.0 stay valid."""
    net = MLP.from_arrays([([[1.0, 2.0]], [0.5, 0.25]), ([[1.0], [-1.0]], [0.0])], activation="tanh", threshold=0.5)
    assert fingerprint(net) == "13861bd2d69440dbd3503031ab76d56b2b306956f3274b11fd02db08a4551dc7"
