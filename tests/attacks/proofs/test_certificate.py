"""A certificate survives a file to the last bit and replays; whatever is changed in it, `check` says so."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from ball_strategies import NORMS
from queries import real_net

from attacks import Certificate, CertificateError, certified_minimum
from attacks.proofs.certificate_file import NUMBERS, WORDS
from attacks.proofs.tree import LEAF, PIXEL, Tree
from attacks.result import Reason
from minigrad import MLP


def first_case(norm, good, sizes=(10, 8, 6, 1), **options):
    """`(net, cert)` of the first seed whose certificate is `good`."""
    for seed in range(200):
        net = real_net(sizes, seed)
        x = 0.2 + 0.6 * np.random.default_rng(seed).random((1, sizes[0]))
        limits = {"time_limit": 600, "node_limit": 60} | options
        (cert,) = certified_minimum(net, x, net.predict(x), norm=norm, **limits)
        if good(cert):
            return net, cert
    raise AssertionError("no seed makes such a case")


@pytest.fixture(scope="module")
def cases():
    """Of each norm an optimal certificate with a finite upper bound and a mask, proved at the radius asked for."""
    mask = np.arange(10) != 3
    return {
        norm: first_case(norm, lambda c: c.optimal and np.isfinite(c.upper) and c.radius > 0, mask=mask, gap=None)
        for norm in NORMS
    }


@pytest.fixture(scope="module")
def deep():
    """Certificates whose trees have several nodes."""
    return {norm: first_case(norm, lambda c: c.optimal and len(c.tree) >= 5, gap=gap) for norm, gap in DEEP.items()}


DEEP = {"l0": 0, "linf": 1e-3}


def same(a, b):
    assert all(getattr(a, name) == getattr(b, name) for name in (*NUMBERS, *WORDS, "target"))
    for mine, other in zip((a.x, *a.box, a.mask, a.x_adv), (b.x, *b.box, b.mask, b.x_adv), strict=True):
        assert (mine is None) == (other is None)
        assert mine is None or np.array_equal(mine, other)
    for name in ("roots", "layer", "index", "child"):
        assert getattr(a.tree, name) == getattr(b.tree, name)


# ---------------------------------------------------------------- what holds


@pytest.mark.parametrize("norm", NORMS)
def test_a_file_is_the_certificate_to_the_last_bit_and_replays(norm, cases, tmp_path):
    net, cert = cases[norm]
    cert.save(tmp_path / "certificate.npz")
    again = Certificate.load(tmp_path / "certificate.npz")
    same(again, cert)
    assert again.to_bytes() == cert.to_bytes()
    again.check(net)


@pytest.mark.parametrize("norm", DEEP)
def test_a_tree_of_several_nodes_replays(norm, deep):
    net, cert = deep[norm]
    assert len(cert.tree) >= 5
    Certificate.from_bytes(cert.to_bytes()).check(net)
    with pytest.MonkeyPatch.context() as patch:  # the recorded splits do it: not one more is needed
        patch.setattr("attacks.proofs.certificate.EXTRA", 1)
        cert.check(net)


@pytest.mark.parametrize("norm", NORMS)
def test_the_same_answer_from_two_runs_without_the_clock(norm):
    net = real_net((8, 6, 4, 3), 1)
    x = np.random.default_rng(1).random((3, 8))
    runs = [certified_minimum(net, x, net.predict(x), norm=norm, time_limit=1e6, node_limit=8) for _ in range(2)]
    for a, b in zip(*runs, strict=True):
        same(replace(a, seconds=0.0), replace(b, seconds=0.0))


@pytest.mark.parametrize("norm", NORMS)
def test_certificates_of_every_ending_check(norm):
    """Misclassified, on the boundary, nothing works, nothing can move, a target, several classes, stopped early."""
    net = MLP.from_arrays([(np.eye(2), np.zeros(2)), ([[1.0], [1.0]], [-1.5])])
    for x, y, options in (
        ([0.5, 0.75], 1, {}),
        ([0.75, 0.75], 0, {}),
        ([0.5, 0.5], 0, {"box": (0, 0.625)}),
        ([0.5, 0.5], 0, {"box": ([0.5, 0.5], [0.5, 0.5])}),
        ([0.5, 0.5], 0, {"time_limit": 0}),
        ([0.5, 0.5], 0, {"mask": np.array([False, True])}),
    ):
        (cert,) = certified_minimum(net, np.array([x]), [y], norm=norm, **options)
        Certificate.from_bytes(cert.to_bytes()).check(net)
    net = real_net((5, 4, 3), 0)
    x = np.random.default_rng(0).random((2, 5))
    y = net.predict(x)
    for options in ({"target": (y + 1) % 3}, {}, {"node_limit": 0}):
        for cert in certified_minimum(net, x, y, norm=norm, **options):
            Certificate.from_bytes(cert.to_bytes()).check(net)


@pytest.mark.parametrize("norm", NORMS)
def test_a_certificate_says_in_one_line_what_is_known(norm, cases):
    net, cert = cases[norm]
    assert repr(cert).startswith(f"Certificate({norm}: between ")
    assert repr(cert).endswith(f", proved, {cert.nodes} nodes)")
    assert cert.success and cert.distance == cert.upper and cert.reason.advice
    none = replace(cert, upper=np.inf, x_adv=None, reason=Reason.TIME)
    assert "none found, time limit" in repr(none) and not none.success and none.distance == np.inf
    (wrong,) = certified_minimum(net, cert.x[None], [1 - cert.y], norm=norm)
    assert repr(wrong).split(", ")[1] == "already misclassified" and not wrong.success and wrong.distance == 0
    loaded = Certificate.from_bytes(cert.to_bytes())
    assert loaded.reason is Reason.PROVED and repr(loaded) == repr(cert)


# ---------------------------------------------------------------- what does not


def raised(cert):
    more = cert.lower + (1 if cert.norm == "l0" else 0.2 * cert.lower)
    return replace(cert, lower=more, upper=max(more, cert.upper))


def nudged(x, amount=0.25):
    return np.where(x < 0.5, x + amount, x - amount)


def moved_off_the_mask(cert):
    x_adv = cert.x_adv.copy()
    x_adv[3] = cert.x[3] + 1e-3
    return replace(cert, x_adv=x_adv, upper=cert.upper + 1)


TAMPERED = {
    "lower raised": raised,
    "lower raised with the radius": lambda c: replace(raised(c), radius=c.radius + (1 if c.norm == "l0" else 1.0)),
    "lower infinite": lambda c: replace(c, lower=np.inf, upper=np.inf, x_adv=None),
    "lower negative": lambda c: replace(c, lower=-1.0, optimal=False),
    "upper lowered": lambda c: replace(c, upper=c.upper * 0.999, lower=min(c.lower, c.upper * 0.999)),
    "upper below lower": lambda c: replace(c, upper=c.lower / 2, optimal=True),
    "counterexample moved back": lambda c: replace(c, x_adv=c.x + (c.x_adv - c.x) / 2),
    "counterexample is the image": lambda c: replace(c, x_adv=c.x),
    "counterexample outside the box": lambda c: replace(c, x_adv=c.x_adv + 2),
    "counterexample off the mask": moved_off_the_mask,
    "counterexample not finite": lambda c: replace(c, x_adv=np.full_like(c.x, np.nan)),
    "counterexample dropped": lambda c: replace(c, x_adv=None),
    "image changed": lambda c: replace(c, x=nudged(c.x)),
    "label flipped": lambda c: replace(c, y=1 - c.y),
    "label out of range": lambda c: replace(c, y=7),
    "target out of range": lambda c: replace(c, target=9),
    "target is the label": lambda c: replace(c, target=c.y),
    "radius 0": lambda c: replace(c, radius=0.0),
    "radius negative": lambda c: replace(c, radius=-1.0),
    "radius lowered": lambda c: replace(c, radius=c.radius - 1 if c.norm == "l0" else c.radius / 2),
    "radius too large": lambda c: replace(c, radius=c.radius + 1 if c.norm == "l0" else 1.5 * c.upper),
    "radius not finite": lambda c: replace(c, radius=np.inf),
    "radius no number": lambda c: replace(c, radius=np.nan),
    "not optimal": lambda c: replace(c, optimal=False),
    "a gap of nothing": lambda c: replace(c, gap=1e-12, lower=c.lower * 0.98, optimal=True),
    "misclassified": lambda c: replace(c, reason=Reason.MISCLASSIFIED),
    "misclassified and 0": lambda c: replace(c, reason=Reason.MISCLASSIFIED, lower=0.0, upper=0.0),
    "box too small": lambda c: replace(c, box=(c.x, c.x)),
    "mask too small": lambda c: replace(c, mask=np.arange(10) == 0),
    "mask of nothing": lambda c: replace(c, mask=np.zeros(10, bool)),
    "another norm": lambda c: replace(c, norm="l3"),
    "another network": lambda c: replace(c, network="0" * 64),
}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("how", TAMPERED)
def test_a_changed_certificate_is_refused(how, norm, cases):
    """By `check`, with a reason; where the file itself makes no sense, `load` may refuse first with ValueError."""
    net, cert = cases[norm]
    wrong = TAMPERED[how](cert)
    with pytest.raises(CertificateError, match=r"certificate: .{10}"):
        wrong.check(net, time_limit=5)
    with pytest.raises(ValueError, match=r"certificate: .{10}"):
        Certificate.from_bytes(wrong.to_bytes()).check(net, time_limit=5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_larger_box_or_mask_is_another_claim_and_proved_anew_or_refused(norm, cases):
    """With more room the bound may still hold; what must not happen is that it passes where an attack is smaller."""
    net, cert = cases[norm]
    for wider in (replace(cert, mask=None), replace(cert, box=(np.array(-9.0), np.array(9.0)), mask=None)):
        (true,) = certified_minimum(
            net, wider.x[None], [wider.y], norm=norm, box=wider.box, mask=wider.mask, time_limit=1, node_limit=50
        )
        try:
            wider.check(net, time_limit=1)
        except CertificateError:
            continue
        assert wider.lower <= true.upper


@pytest.mark.parametrize("norm", DEEP)
def test_another_tree_of_the_same_splits_proves_the_same_or_is_refused(norm, deep):
    """A tree is a hint.  Cut short or emptied it leaves work, which the replay does up to EXTRA nodes: none here."""
    net, cert = deep[norm]
    empty = replace(cert, tree=Tree(cert.tree.roots))
    empty.check(net)  # nothing recorded, everything searched again
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attacks.proofs.certificate.EXTRA", 0)
        with pytest.raises(CertificateError, match=rf"could not be proved again.*{Reason.NODES}"):
            empty.check(net)


def test_a_tree_that_splits_what_is_not_there_is_no_other_error(deep):
    """The claim is true, so a replay that ignores such a split may prove it; if it does not, it says so."""
    net, cert = deep["l0"]
    d, K = len(cert.x), len(net.dense)
    refused = 0
    for layer, index in ((PIXEL, d), (PIXEL, 10**6), (0, 10**6), (K - 1, 0), (K + 5, 0)):
        tree = Tree(1)
        tree.split(np.array([0]), np.array([layer]), np.array([index]))
        try:
            replace(cert, tree=tree).check(net)
        except CertificateError:
            refused += 1
    assert refused > 0
    with contextlib.suppress(CertificateError):
        replace(cert, tree=Tree(3)).check(net)


def test_another_network_is_refused():
    net, other = real_net((4, 3, 1), 0), real_net((4, 3, 1), 1)
    x = np.full((1, 4), 0.5)
    (cert,) = certified_minimum(net, x, net.predict(x), norm="linf")
    cert.check(net)
    with pytest.raises(CertificateError, match="another network"):
        cert.check(other)
    W, b = net.dense[0].W.copy(), net.dense[0].b
    W[0, 0] = np.nextafter(W[0, 0], 9)  # one bit is another network
    nearly = MLP.from_arrays([(W, b), (net.dense[1].W, net.dense[1].b)])
    with pytest.raises(CertificateError, match="another network"):
        cert.check(nearly)


@pytest.mark.parametrize("field", ["lower", "tree", "x", "network", "roots", "lo"])
def test_a_file_without_a_field_is_refused(field, cases):
    from minigrad.io.npz import npz_bytes, parse_npz

    arrays = parse_npz(cases["linf"][1].to_bytes(), "certificate")
    del arrays[field]
    with pytest.raises(ValueError, match="expected a certificate, got something else"):
        Certificate.from_bytes(npz_bytes(arrays))


def test_a_file_whose_counterexample_has_another_size_than_the_image_is_refused(cases):
    from minigrad.io.npz import npz_bytes, parse_npz

    arrays = parse_npz(cases["linf"][1].to_bytes(), "certificate")
    arrays["x_adv"] = arrays["x_adv"][:-1]
    with pytest.raises(ValueError, match="expected a certificate, got something else"):
        Certificate.from_bytes(npz_bytes(arrays))


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([[0, LEAF], [0, 0], [1, 0]], "child"),  # a second child that is not there
        ([[0, LEAF, LEAF], [0, 0, 0], [0, 0, 0]], "child"),  # its own child
        ([[LEAF, LEAF], [0, 0], [0, 0]], "child"),  # a node that is nobody's child
        ([[-3, LEAF, LEAF], [0, 0, 0], [1, 0, 0]], "out of range"),
        ([[0, LEAF, LEAF], [-1, 0, 0], [1, 0, 0]], "out of range"),
        ([[0, 0, LEAF, LEAF], [0, 0, 0, 0], [1, 2, 0, 0]], "child"),  # two parents of one node
    ],
)
def test_a_file_with_a_malformed_tree_is_refused(tree, message, cases):
    from minigrad.io.npz import npz_bytes, parse_npz

    arrays = parse_npz(cases["linf"][1].to_bytes(), "certificate")
    arrays["tree"] = np.array(tree, np.int32)
    arrays["roots"] = np.array(1)
    with pytest.raises(ValueError, match=f"expected a certificate.*{message}"):
        Certificate.from_bytes(npz_bytes(arrays))


def test_other_files_are_no_certificates(tmp_path):
    path = tmp_path / "net.npz"
    real_net((3, 2, 1), 0).save(path)
    with pytest.raises(ValueError, match=r"net\.npz: expected a certificate"):
        Certificate.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"net\.npz"):
        Certificate.load(path)
    with pytest.raises(OSError, match="missing"):
        Certificate.load(tmp_path / "missing.npz")


def test_one_pixel_towards_a_target_is_proved_by_the_target_alone():
    """Class 1 wins at x as it is, so only what the target 2 can do says that 0 pixels are not enough."""
    net = MLP.from_arrays([([[0.0, 0.0, 4.0]], [0.0, 1.0, -1.0])])
    (certificate,) = certified_minimum(net, np.array([[0.25]]), [0], norm="l0", target=2, time_limit=0)
    assert certificate.lower == 1
    certificate.check(net)
