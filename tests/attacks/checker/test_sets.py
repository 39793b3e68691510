"""Proofs that no one s fools a set of images: their sum against rational numbers, honest ones, and forgeries."""

from fractions import Fraction
from functools import cache
from itertools import product

import checker_oracle as oracle
import exact
import numpy as np
import pytest
from checker_cases import claim_for, eighths, margin_row, mark, prover_for, random_row, small_net, whole, written
from checker_edits import tampered
from checker_oracle import Row
from repeats import repeats

from attacks import checker, universal_minimum
from attacks.proofs.certificate_file import fingerprint
from attacks.proofs.exact_proof import Unproved
from attacks.proofs.exact_set import Refutation, exact_set_proof
from minigrad import MLP

# Class 0 where the sum of the pixels is below 1; of the pair each image needs 1/8 a pixel, one up and one down.
SUM = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
PAIR = np.array([[0.375, 0.375], [0.625, 0.625]])
SIGN = np.array([[1.0], [-1.0]])
# in a narrower box an s of 0.2 that fools one cannot fool the other, though either can be fooled by 0.125
NARROW = np.array(0.25), np.array(0.75)
APART = Refutation("linf", 0.2, 0.2, fingerprint(SUM), PAIR, np.array([0, 1]), None, NARROW, None, np.arange(2), SIGN)


def set_claim(net, x, y, norm, radius, target=None):
    """The arrays of a claim about a set, without its proof."""
    one = claim_for(net, x[0], y[0], norm, radius)
    return one | {"x": x, "y": np.array(y), "target": np.full(len(x), -1) if target is None else np.array(target)}


def together(provers, parts, image, rows, weights):
    """The checker's sum of the rows, exactly; weights count 2^-20."""
    columns = [np.array([row.side for row in rows], float), np.array(weights, float)]
    columns += [np.array([row.alpha for row in rows], float)]
    columns += [np.array([np.append(row.beta, row.gamma) for row in rows], float)]
    index = [i * len(provers[0].claim.rivals) + row.neuron for i, row in zip(image, rows, strict=True)]
    part = np.stack([part.array for part in parts])
    with np.errstate(all="ignore"):
        found = checker.together(provers[0], provers, part, np.array(index, float), *columns)
        return oracle.exact_number(found) / 2**20


def truth_of(norm, radius, claims, part, pulled):
    """max over s of the sum of the rows  const_r + A_r . delta_i(s),  pixel by pixel over all ends."""
    d, k = len(claims[0]["x"]), int(radius) if norm == "l0" else len(claims[0]["x"])
    reach = Fraction(radius) if norm == "linf" else Fraction(10**6)
    rooms = [[(max(a, -reach), min(b, reach)) for a, b in oracle.room(claim)] for claim in claims]
    gains = []
    for p in range(d):
        ends = {end for room in rooms for end in room[p]}
        gains.append(max(sum(A[p] * min(max(s, low), high) for (A, _), (low, high) in
                             zip(pulled, (room[p] for room in rooms), strict=True)) for s in ends))  # fmt: skip
    inside = [g for g, i in zip(gains, part.inside, strict=True) if i]
    others = [g for g, i, o in zip(gains, part.inside, part.outside, strict=True) if not (i or o)]
    return sum(c for _, c in pulled) + sum(inside) + sum(sorted(others, reverse=True)[: k - len(inside)])


@pytest.mark.parametrize("norm", ["linf", "l0"])
def test_the_sum_is_never_below_the_truth_and_near_it(norm):
    for seed in range(repeats(25, 300)):
        rng = np.random.default_rng(seed)
        d, k = int(rng.integers(2, 6)), int(rng.choice([1, 2, 3]))
        net = small_net(rng, [d, *rng.integers(1, 4, rng.integers(0, 3)), k], 0.375 if k == 1 else 0.0)
        radius, n = rng.integers(1, d + 1) if norm == "l0" else rng.choice([0.0625, 0.3]), int(rng.integers(1, 4))
        mask, target = rng.random(d) < 0.8, 1 if k > 2 else -1
        options = {"mask": mask, "target": target}
        claims = [claim_for(net, rng.integers(0, 9, d) / 8, 0, norm, radius, **options) for _ in range(n)]
        provers = [prover_for(net, claim) for claim in claims]
        parts, pulled, rows = [whole(prover) for prover in provers], [], []
        image = rng.integers(0, n, int(rng.integers(1, 5)))
        for part in parts:
            for low, high in zip(part.l, part.u, strict=True):
                low[:], high[:] = np.sort(rng.integers(-24, 25, (2, len(low))) / 8, axis=0)
            if norm == "l0" and radius > 1:
                mark(part, inside=np.arange(d) == 0, outside=(np.arange(d) == d - 1) & (d > 2))
            if not part.sure.any():  # an image with several rivals, of which one is left
                part.array[0, part.prover.at[-1]] = 0
        weights = rng.integers(1, 2**20, len(image)) / 2.0 ** rng.choice([20, 20, 45, 48, 51], len(image))
        weights[0] = 1 - 2.0**-20  # so that 20 bits of the others are none that are lost
        for i, weight in zip(image, weights, strict=True):
            rows.append(random_row(rng, provers[i], parts[i], len(parts[i].l), beta=False))
            given = exact.exactly(net), Fraction(float(net.threshold)), provers[i].claim.rivals
            x, bits = oracle.fractions(claims[i]["x"]), 16
            A, const = oracle.row_bound(*given, x, parts[i], rows[-1], bits)
            w = Fraction(round(weight * 2**20), 2**20)
            pulled.append(([w * a for a in A], w * const))
        truth = truth_of(norm, float(radius), [claims[i] for i in image], parts[0], pulled)
        found = together(provers, parts, image, rows, weights)
        assert truth <= found <= truth + sum(max(1, *map(abs, A)) for A, _ in pulled) * d / 2**16


def fooled_by(net, x, y, s):
    """Whether s fools all the images, exactly; each clips it to [0, 1]."""
    layers, threshold = exact.exactly(net), Fraction(float(net.threshold))
    points = [[min(max(Fraction(float(v)) + Fraction(float(t)), 0), 1) for v, t in zip(image, s, strict=True)]
              for image in x]  # fmt: skip
    return all(exact.adversarial(layers, p, int(c), None, threshold) for p, c in zip(points, y, strict=True))


def rising(seed):
    """A network that no pixel lowers, an image of each class, and their classes: what one needs harms the other."""
    rng = np.random.default_rng(seed)
    W, b, V, x = abs(eighths(rng, 4, 4)), eighths(rng, 4), abs(eighths(rng, 4, 1)), rng.integers(1, 8, (2, 4)) / 8
    middle = np.mean(np.maximum(x @ W + b, 0) @ V)
    net = MLP.from_arrays([(W, b), (V, [-middle])])
    return net, x, net.predict(x)


@cache
def honest(norm):
    """(net, the arrays of a proof by weights, the size of an s that fools all of them)."""
    for seed in range(100):
        net, x, y = rising(seed)
        s = np.array(list(product(np.arange(-4, 5) / 4, repeat=4)))
        all_fooled = np.all([net.predict(np.clip(image + s, 0, 1)) != c for image, c in zip(x, y, strict=True)], axis=0)
        sizes = np.count_nonzero(s, axis=1) if norm == "l0" else np.abs(s).max(axis=1)
        best = int(np.argmin(np.where(all_fooled, sizes, np.inf)))
        if not (all_fooled.any() and fooled_by(net, x, y, s[best])):
            continue
        c, own = np.where(y == 0, 1.0, -1.0)[:, None], ((0.0, 1.0), None, np.arange(2))
        for radius in (2.0, 1.0) if norm == "l0" else (0.4, 0.2):
            lower = radius + (norm == "l0")
            try:
                refuted = Refutation(norm, lower, radius, fingerprint(net), x, y, None, *own, c)
                arrays = exact_set_proof(net, refuted)
            except Unproved:
                continue
            if arrays["proof_steps"][-1, 2] == 2:  # by weights
                return net, arrays, float(sizes[best])
    raise AssertionError("no such set")


def passes(net, arrays):
    try:
        return checker.check(net.to_arrays(), arrays)
    except Exception:
        return None


@pytest.mark.parametrize("norm", ["linf", "l0"])
def test_an_honest_proof_passes_and_its_forgeries_do_not(norm):
    net, arrays, size = honest(norm)
    said = passes(net, arrays)
    assert "no one perturbation" in said and "see anything but class" in said and "in all 2 images" in said
    assert float(arrays["lower"]) <= size
    rng, kept = np.random.default_rng(0), 0
    false = arrays | {"radius": np.array(size), "lower": np.array(size + (norm == "l0"))}
    assert passes(net, false) is None
    for _ in range(repeats(60, 1000)):
        kept += passes(net, tampered(rng, arrays)) is not None
        assert passes(net, tampered(rng, false)) is None
    assert kept


def test_images_that_pull_apart_are_refuted_together_and_alone_they_are_not():
    arrays = exact_set_proof(SUM, APART)
    assert passes(SUM, arrays)
    last = arrays["proof_steps"][-1]
    assert last[0] == 2 and last[2] == 2  # two rows of all the images
    weights = arrays["proof_price"][-2:]
    for wrong in (weights * [1, 0], weights * [0, 1], weights * [1, 0.1], -weights, 0 * weights):
        price = arrays["proof_price"].copy()
        price[-2:] = wrong
        assert passes(SUM, arrays | {"proof_price": price}) is None
    side = arrays["proof_side"].astype(float)
    for wrong in (0.5, 0.0, 2.0):
        side[-2:] = wrong
        assert passes(SUM, arrays | {"proof_side": side}) is None
    one = arrays | {name: arrays[name][:1] for name in ("x", "y", "target")}
    assert passes(SUM, one) is None


def test_what_is_no_set_is_refused():
    arrays = exact_set_proof(SUM, APART)
    for wrong in [
        {"y": arrays["y"][:1]},
        {"x": arrays["x"][:, :1]},
        {"x": arrays["x"][:0], "y": arrays["y"][:0], "target": arrays["target"][:0]},
        {"upper": np.array(0.3)},
        {"lower": np.array(np.inf)},
    ]:
        assert passes(SUM, arrays | wrong) is None
    three = MLP.from_arrays([([[0.0, 1.0, 0.5], [0.0, 0.5, 1.0]], [1.0, 0.0, 0.0])])
    claim = set_claim(three, PAIR[:1], [0], "linf", 0.01)
    prover = prover_for(three, claim | {"x": PAIR[0], "y": np.array(0), "target": np.array(-1)})
    row = margin_row(prover, 1.0, 0.0)
    with pytest.raises(checker.Refused, match="a margin that may be below 0"):
        together([prover], [whole(prover)], [0], [row], [1.0])
    sure = whole(prover)
    sure.array[0, prover.at[-1]] = 0.0
    for low in (-0.5, -5e-324):
        part = whole(prover)
        part.array[0, prover.at[-1]] = low
        with pytest.raises(checker.Refused, match="a margin that may be below 0"):
            together([prover], [part], [0], [row], [1.0])
        for image in ([0, 1], [1, 0]):  # one of two
            with pytest.raises(checker.Refused, match="a margin that may be below 0"):
                together([prover] * 2, [part, sure], image, [row] * 2, [1.0, 1.0])


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_what_holds_in_linf_holds_in_smaller_balls(norm):
    """|s| <= r in them is |s| <= r in each pixel."""
    arrays = exact_set_proof(SUM, APART)
    assert f"of {norm} below 0.2" in passes(SUM, arrays | {"norm": np.array(norm)})


def test_a_set_says_what_is_refuted_and_of_no_point_that_it_is_a_perturbation():
    """Images of class 0 that see 1, one of them said to be of class 1: the sentence names what each is to become."""
    arrays = exact_set_proof(SUM, APART)
    assert "see anything but class 0, anything but class 1 in all 2 images" in passes(SUM, arrays)
    hill = MLP.from_arrays([([[1.0, -1.0]], [-0.5, 0.5]), ([[-1.0], [-1.0]], [0.05])])  # class 1 about 1/2 alone
    x = np.array([[0.3], [0.7]])
    claim = set_claim(hill, x, [0, 0], "linf", 0.1)
    one = prover_for(hill, claim | {"x": x[0], "y": np.array(0), "target": np.array(-1)})
    neurons = [Row(0, n, side, 0.0, np.zeros(1), np.zeros(2), np.zeros(2)) for n in (0, 1) for side in (1, -1)]
    proof = claim | written(*neurons, margin_row(one, 1.0))
    assert "in all 2 images" in passes(hill, proof)
    for more in ({"x_adv": np.array([0.5]), "upper": np.array(0.25)}, {"x_adv": np.array([0.5])}):
        with pytest.raises(checker.Refused, match="a point is no perturbation"):
            checker.check(hill.to_arrays(), proof | more)
    with pytest.raises(checker.Refused, match="no counterexample so near"):
        checker.check(hill.to_arrays(), proof | {"upper": np.array(0.25)})


def test_a_bound_of_the_images_own_minima_is_saved_by_their_certificates(tmp_path):
    alone = universal_minimum(SUM, PAIR[:1], [0], norm="l1", time_limit=1)  # clipped L1 has the quantile bound alone
    assert alone.lower > 0 and alone.refuted is None
    with pytest.raises(Unproved, match="images' own certificates"):
        alone.save(tmp_path / "set.npz", proof=SUM)
    assert not list(tmp_path.iterdir())
    both = universal_minimum(SUM, PAIR, [0, 1], norm="linf", time_limit=30, box=(0.25, 0.75))
    both.save(tmp_path / "set.npz", proof=SUM)
    SUM.save(tmp_path / "model.npz")
    assert checker.main(tmp_path / "model.npz", tmp_path / "set.npz") == 0
    other = MLP.from_arrays([([[1.0], [1.0]], [-0.9])])
    with pytest.raises(Unproved, match="another one"):
        both.save(tmp_path / "other.npz", proof=other)
    assert not (tmp_path / "other.npz").exists()




def test_what_rounding_moves_the_sum_by_is_charged_where_pixels_move_one_way():
    """One row is so much smaller than the other that its entries are rounded: up to half a unit times the room."""
    net = MLP.from_arrays([([[1.0], [1.0], [1.0]], [-1.0])])
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 2, 3).astype(float)  # each pixel has room to one side alone
        claims = [claim_for(net, x, 0, "linf", 0.75) for _ in range(2)]
        provers = [prover_for(net, claim) for claim in claims]
        parts = [whole(prover) for prover in provers]
        rows = [margin_row(prover, 1.0) for prover in provers]
        weight = Fraction(int(rng.integers(1, 16)), 2**20)
        given = exact.exactly(net), Fraction(0), provers[0].claim.rivals, oracle.fractions(x)
        pulled = [oracle.row_bound(*given, parts[0], row, 16) for row in rows]
        pulled[1] = [weight * a for a in pulled[1][0]], weight * pulled[1][1]
        found = together(provers, parts, [0, 1], rows, [1 - 2.0**-20, float(weight)])
        whole_weight = 1 - Fraction(1, 2**20)
        pulled[0] = [whole_weight * a for a in pulled[0][0]], whole_weight * pulled[0][1]
        assert truth_of("linf", 0.75, claims, parts[0], pulled) <= found


def test_pixels_that_one_image_knows_are_known_of_s_for_all():
    """Two images that each need their own pixel, of which s may change one."""
    net = MLP.from_arrays([([[8.0], [8.0]], [-9.0])])
    x = np.array([[0.5, 0.0], [0.0, 0.5]])
    claim = set_claim(net, x, [0, 0], "l0", 1)
    one = prover_for(net, claim | {"x": x[0], "y": np.array(0), "target": np.array(-1)})
    steps = written(margin_row(one, 1.0), margin_row(one, 1.0))
    for images, good in (([0, 1], True), ([1, 0], True), ([0, 0], False), ([1, 1], False)):
        steps["proof_steps"] = np.array([[1, 0, image] for image in images])
        assert (passes(net, claim | steps) is not None) == good
    both = claim | {"radius": np.array(2.0), "lower": np.array(3.0)}
    assert passes(net, both | steps) is None


def test_a_part_of_a_set_is_not_split():
    arrays = exact_set_proof(SUM, APART)
    steps = np.insert(arrays["proof_steps"], 0, [0, 0, 0], axis=0)
    with pytest.raises(checker.Refused, match="several images"):
        checker.check(SUM.to_arrays(), arrays | {"proof_steps": steps, "proof_cut": np.zeros(len(steps))})
