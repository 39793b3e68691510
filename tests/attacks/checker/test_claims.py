"""What attacks/checker.py makes of a claim: networks, witnesses, distances, boxes; and what it prints."""

import os
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
from checker_cases import NORMS, claim_for, margin_row, prover_for, written

from attacks import checker
from attacks.proofs.certificate_file import fingerprint
from minigrad import MLP

NET = MLP.from_arrays([([[1.1], [0.57]], [-0.75])])  # adversarial where 1.1 p + 0.57 q > 0.75
X = np.zeros(2)
LEAST = {"linf": 0.75 / 1.67, "l1": 0.75 / 1.1, "l2": 0.75 / np.hypot(1.1, 0.57), "l0": 1}
PRICE = {"linf": 0.0, "l0": 0.0, "l1": 1.1, "l2": np.hypot(1.1, 0.57)}


def proof_of(norm, radius, net=NET, **claim):
    claim = claim_for(net, X, 0, norm, radius, **claim)
    return claim | written(margin_row(prover_for(net, claim), 1.0, price=PRICE[norm]))


def claimed(net, arrays):
    return checker.Claim(checker.Network(net.to_arrays()), arrays)


def refused(words, net, proof):
    with pytest.raises(checker.Refused, match=words):
        checker.check(net.to_arrays(), proof)


@pytest.mark.parametrize("norm", NORMS)
def test_an_affine_network_up_to_the_truth_and_not_beyond(norm):
    far = MLP.from_arrays([([[0.6], [0.57]], [-0.75])])
    if norm == "l0":  # one pixel is not enough there, two are
        assert "fewer than 2 pixels" in checker.check(far.to_arrays(), proof_of(norm, 1, far))
        refused("left open", far, proof_of(norm, 2, far))
        refused("left open", NET, proof_of(norm, 1))
        return
    assert checker.check(NET.to_arrays(), proof_of(norm, LEAST[norm] * (1 - 1e-6)))
    refused("1 of the parts left open", NET, proof_of(norm, LEAST[norm] * (1 + 1e-9)))
    refused("left open", NET, proof_of(norm, LEAST[norm]) | {"lower": np.array(0.1)})  # the radius is what is refuted


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_a_set_of_one_point_has_a_radius(norm):
    """Of radius 0 nothing is refuted, also where it would be all there is."""
    proof = claim_for(NET, X, 0, norm, 0.0, box=(0.0, 0.0), lower=np.inf)
    row = margin_row(prover_for(NET, proof | {"radius": np.array(1.0)}), 1.0)
    refused("no such radius", NET, proof | written(row))
    assert "at all" in checker.check(NET.to_arrays(), proof | {"radius": np.array(1.0)} | written(row))


@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
def test_box_and_mask_bound_what_a_pixel_may_do(norm):
    short = {"box": (0.0, np.array([0.25, 1.0])), "lower": np.inf}  # 1.1 / 4 + 0.57 > 0.75
    refused("left open", NET, proof_of(norm, 2.0, **short))
    nothing = {"lower": np.inf, "mask": np.array([False, True])}
    proof = proof_of(norm, 2.0, **nothing) | {"proof_price": np.zeros(1)}
    assert "no change at all" in checker.check(NET.to_arrays(), proof) and "mask" in checker.check(
        NET.to_arrays(), proof
    )
    refused("above what is shown", NET, proof_of(norm, 0.3, **nothing) | {"proof_price": np.zeros(1)})
    assert checker.check(NET.to_arrays(), proof | {"hi": np.array([9.0, 1.0])})  # off the mask no box counts
    refused("left open", NET, proof | {"hi": np.array([1.0, 1.4])})
    for low, high in [(0.5, 1.0), (-1.0, -0.5), (0.5, -0.5)]:
        proof = proof_of(norm, 0.1) | {"lo": np.array(low), "hi": np.array(high)}
        refused("outside box or mask", NET, proof)


def test_lower_follows_from_the_radius():
    refused("above what is shown", NET, proof_of("l1", 0.5, lower=np.nextafter(0.5, 1)))
    assert checker.check(NET.to_arrays(), proof_of("l1", 0.5, lower=0.4))
    far = MLP.from_arrays([([[0.6], [0.57]], [-0.75])])
    refused("above what is shown", far, proof_of("l0", 1, far, lower=2.5))
    for lower in (np.nan, -1.0):
        refused("expected 0 <= lower", NET, proof_of("l1", 0.5, lower=lower))
    refused("expected 0 <= lower", NET, proof_of("l1", 0.5, upper=0.4))
    for radius, words in [(np.inf, "no such radius"), (np.nan, "above what is shown"), (0.0, "above what is shown")]:
        refused(words, NET, proof_of("l1", 0.5, lower=0.4) | {"radius": np.array(radius)})
    refused("no such radius", far, proof_of("l0", 1, far, lower=1.5) | {"radius": np.array(1.5)})


def test_nothing_is_claimed_below_one_pixel_but_of_the_image_itself():
    on = np.array([1.0, 0.0])  # misclassified
    bare = claim_for(NET, on, 0, "l0", 0.0, lower=1.0)
    refused("above what is shown", NET, bare)
    assert checker.check(NET.to_arrays(), bare | {"lower": np.array(0.0)})
    assert checker.check(NET.to_arrays(), bare | {"x": X})
    refused(
        "part|neuron|proof",
        NET,
        claim_for(NET, X, 0, "l0", 1.0, lower=1.5) | proof_of("l0", 1) | {"lower": np.array(1.5)},
    )
    with pytest.raises(KeyError):  # any other lower needs a proof
        checker.check(NET.to_arrays(), claim_for(NET, X, 0, "l1", 0.5, lower=1e-300))


def witness(norm, point, upper, **claim):
    return claim_for(NET, X, 0, norm, 0.0, lower=0.0, upper=upper, x_adv=np.array(point), **claim)


def test_the_witness_is_measured_exactly():
    sure = {"l0": 2, "l1": 1.75, "l2": 1.25, "linf": 1.0}
    for norm, size in sure.items():
        assert checker.check(NET.to_arrays(), witness(norm, [1.0, 0.75], size))
        refused("no counterexample so near", NET, witness(norm, [1.0, 0.75], np.nextafter(float(size), 0)))
        assert checker.check(NET.to_arrays(), witness(norm, [1.0, 0.75], np.inf))
    tiny = claim_for(NET, X, 1, "l2", 0.0, lower=0.0, upper=5e-324, x_adv=np.array([5e-324, 0.0]))
    assert checker.check(NET.to_arrays(), tiny)
    refused("no counterexample so near", NET, tiny | {"x_adv": np.array([5e-324, 5e-324])})
    refused("not adversarial", NET, witness("l1", [0.5, 0.25], 0.75))
    refused("outside box or mask", NET, witness("l1", [1.25, 0.0], 1.25))
    refused("outside box or mask", NET, witness("l1", [1.0, -0.25], 1.25))
    refused("outside box or mask", NET, witness("l1", [1.0, 0.25], 1.25, mask=np.array([True, False])))
    refused("no counterexample so near", NET, claim_for(NET, X, 0, "l1", 0.0, lower=0.0, upper=1.0))


def test_a_margin_of_zero_is_none_and_floats_do_not_decide():
    even = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    for point, good in [([0.5, 0.5], False), ([0.5, np.nextafter(0.5, 1)], True)]:
        for y in (0, 1):
            claim = claim_for(even, X, y, "linf", 0.0, lower=0.0, upper=1.0, x_adv=np.array(point))
            if good == (y == 0) and good:
                assert checker.check(even.to_arrays(), claim)
            else:
                refused("not adversarial", even, claim)
    huge = MLP.from_arrays([([[1e17, -1e17], [1.0, 0.0]], [0.0, 0.0]), ([[1.0], [1.0]], [-0.5])], threshold=0.25)
    assert float(huge.logits(np.array([[0.0, 0.75]]))[0, 0]) == 0.25  # on the threshold
    claim = claim_for(huge, X, 0, "linf", 0.0, lower=0.0, upper=1.0, x_adv=np.array([0.0, 0.75]))
    refused("not adversarial", huge, claim)
    assert checker.check(huge.to_arrays(), claim | {"x_adv": np.array([0.0, np.nextafter(0.75, 1)])})
    deep = MLP.from_arrays([([[2.0**-600], [0.0]], [0.0]), ([[2.0**600]], [-0.5]), ([[-1e300]], [1e299])])
    assert checker.check(deep.to_arrays(), claim_for(deep, X, 0, "linf", 0.0, lower=0.0, upper=1.0, x_adv=X + 0.5))
    refused("not", deep, claim_for(deep, X, 0, "linf", 0.0, lower=0.0, upper=1.0, x_adv=np.array([0.75, 0.0])))


def test_rivals_and_targets():
    three = MLP.from_arrays([([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]], [0.6, 0.0, -0.5])])  # (0.6, p, 2 p - 0.5)
    for y, target, rows, fooled in [
        (0, 2, [[-1, 0, 1], [0, -1, 1]], all),
        (1, -1, [[1, -1, 0], [0, -1, 1]], any),
        (1, 0, [[1, -1, 0], [1, 0, -1]], all),
    ]:
        claim = claimed(three, claim_for(three, X, y, "linf", 0.0, target=target))
        assert claim.rivals.tolist() == rows and claim.fooled is fooled
    for y, target in [(3, -1), (-1, -1), (0, 3), (0, 0), (0, -2), (0.5, -1), (0, 0.5)]:
        refused("no such class", three, claim_for(three, X, y, "linf", 0.0, target=target))
    two = MLP.from_arrays([([[0.0, 1.0], [0.0, 0.0]], [0.5, 0.0])])
    one_rival = [(two, 0, 1, [-1, 1]), (two, 0, -1, [-1, 1]), (two, 1, -1, [1, -1])]
    one_rival += [(NET, 1, 0, [-1]), (NET, 1, -1, [-1]), (NET, 0, -1, [1]), (NET, 0, 1, [1])]
    for net, y, target, row in one_rival:
        claim = claimed(net, claim_for(net, X, y, "linf", 0.0, target=target))
        assert claim.rivals.tolist() == [row] and claim.fooled is all
    for y, target in [(2, -1), (-1, -1), (0, 2)]:
        refused("no such class", NET, claim_for(NET, X, y, "linf", 0.0, target=target))
    for p, target, good in [(0.65, -1, True), (0.65, 1, False), (0.65, 2, True), (0.58, 2, True), (0.52, -1, False)]:
        claim = claim_for(three, X, 0, "linf", 0.0, lower=0.0, upper=1.0, x_adv=np.array([p, 0.0]), target=target)
        if good:
            assert f"{'class 2' if target == 2 else 'anything but class 0'}" in checker.check(three.to_arrays(), claim)
        else:
            refused("not adversarial", three, claim)


def test_the_network_is_named_exactly():
    assert checker.Network(NET.to_arrays()).name == fingerprint(NET)
    arrays = NET.to_arrays()
    for name in ("W1", "b1", "threshold"):
        other = {**arrays, name: np.nextafter(arrays[name], 9)}
        assert checker.Network(other).name != fingerprint(NET)
        for bad in (np.nan, np.inf):
            with pytest.raises(checker.Refused, match="finite"):
                checker.Network({**arrays, name: np.full_like(arrays[name], bad, float)})
    for name, shape in [
        ("b1", (1, 1)),
        ("b1", (2,)),
        ("b1", ()),
        ("W1", (2, 1, 1)),
        ("threshold", (1,)),
        ("W1", (1, 2)),
    ]:
        with pytest.raises((checker.Refused, ValueError, TypeError)):
            checker.Network({**arrays, name: np.ones(shape)})
    deep = MLP.from_arrays([([[1.0]], [0.0]), ([[1.0]], [0.0])], activation="tanh").to_arrays()
    with pytest.raises(checker.Refused, match="only ReLU"):
        checker.Network(deep)
    assert checker.Network(arrays | {"activation": np.array("tanh")}).sizes == [2, 1]  # without a hidden layer
    with pytest.raises(checker.Refused, match="no such shapes"):
        checker.Network({**deep, "activation": np.array("relu"), "b1": np.zeros(2)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("norm", np.array("l2; proved: all")), ("norm", np.array(["l1"])), ("norm", np.array("l0 ")),
        ("lower", np.zeros(2)), ("lower", np.array("none")), ("upper", np.ones(2)), ("radius", np.array("")),
        ("x", np.zeros((2, 1))), ("x", np.zeros(3)), ("x", np.array([np.nan, 0])), ("x", np.array(["0", "0"])),
        ("lo", np.zeros((2, 2))), ("lo", np.array("0")), ("hi", np.ones(3)), ("hi", np.array(np.inf)),
        ("mask", np.ones((2, 2), bool)), ("mask", np.ones(3)), ("x_adv", np.ones(3)), ("y", np.array([0, 1])),
        ("y", np.array(0.9)), ("target", np.array(-1.5)), ("target", np.array("-1")),
    ],
)  # fmt: skip
def test_a_claim_of_other_kinds_of_arrays_is_refused(name, value):
    good = witness("l1", [1.0, 0.0], 1.0)
    assert checker.check(NET.to_arrays(), good)
    with pytest.raises((checker.Refused, TypeError, ValueError)):
        checker.check(NET.to_arrays(), good | {name: value})


def test_the_command_says_what_was_proved_and_needs_no_library(tmp_path):
    NET.save(tmp_path / "net.npz")
    good, bad = proof_of("l1", 0.5, upper=1.0, x_adv=np.array([1.0, 0.0])), proof_of("linf", 0.6)
    np.savez(tmp_path / "good.npz", **good)
    np.savez(tmp_path / "bad.npz", **bad)
    (tmp_path / "none.npz").write_bytes(b"no archive")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}

    def said(*names):
        files = [str(tmp_path / name) for name in names]
        run = subprocess.run([sys.executable, "-I", checker.__file__, *files], cwd=tmp_path, env=environment,
                             capture_output=True, text=True, check=False)  # fmt: skip
        return run.returncode, run.stdout, run.stderr

    status, out, err = said("net.npz", "good.npz")
    assert status == 0 and not err
    assert (
        "proved: with pixels in [0.0, 1.0], no change of l1 below 0.5 makes the network see anything but class 0" in out
    )
    assert out.rstrip().endswith("one of 1.0 does")
    for names in (["none.npz", "missing.npz"], ["good.npz", "bad.npz"], ["bad.npz", "good.npz"]):
        status, out, _ = said("net.npz", *names)
        assert status == 1 and "refused" in out
    assert said("net.npz")[0] == 1


def test_the_sentence_names_norm_box_mask_and_distance():
    base = claim_for(NET, X, 0, "linf", 0.25, upper=1.0, x_adv=np.array([1.0, 0.0]))

    def said(**changes):
        return checker.sentence([claimed(NET, base | {name: np.asarray(v) for name, v in changes.items()})], True)

    assert "less than 0.25 in each pixel" in said() and said().endswith("one of 1.0 does") and "mask" not in said()
    assert "pixels in [0.0, 1.0]" in said(mask=True) and "with its own box, no" in said(lo=np.zeros(2))
    pixels = said(norm="l0", lower=3.0)
    assert "fewer than 3 pixels" in pixels and pixels.endswith("one of 1 does")
    assert "l2 below 0.25" in said(norm="l2")
    assert "its own box and its mask" in said(hi=np.ones(2), mask=[True, False])
    assert "less than 0.0 in" in said(lower=-0.0)
    nothing = said(lower=np.inf, upper=np.inf)
    assert "no change at all" in nothing and nothing.endswith("in this image")
    assert "makes the network see class 1" in said(target=1)
    assert "makes the network see class 0" in said(target=0, y=1)
    assert "makes the network see anything but class 1" in said(y=1)


def test_main_in_this_process(tmp_path, capsys):
    NET.save(tmp_path / "net.npz")
    np.savez(tmp_path / "good.npz", **proof_of("l1", 0.5))
    np.savez(tmp_path / "bad.npz", **proof_of("l1", 0.7))
    model, good, bad = (str(tmp_path / f"{name}.npz") for name in ("net", "good", "bad"))
    for proofs, status in [([good], 0), ([bad], 1), ([good, bad], 1), ([bad, good], 1), ([model], 1)]:
        assert checker.main(model, *proofs) == status
        out = capsys.readouterr().out
        good_ones = proofs.count(good)
        assert out.count("refused: ") == len(proofs) - good_ones and out.count("proved: ") == good_ones


def test_a_files_own_words_do_not_pass_for_the_checkers(tmp_path, capsys):
    """NumPy quotes a header that it cannot read; a line break in it began a line of its own: "proved: ..."."""
    forged = "proof.npz: proved: with pixels in [0.0, 1.0], no change at all"
    header = repr({"descr": f"i4,?\n{forged}", "fortran_order": False, "shape": ()})
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    NET.save(tmp_path / "model.npz")
    with zipfile.ZipFile(tmp_path / "proof.npz", "w") as file:
        file.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    assert checker.main(tmp_path / "model.npz", tmp_path / "proof.npz") == 1
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "refused" in said and "\x1b" not in said


@pytest.mark.parametrize("name", ["norm", "lower"])
def test_what_is_quoted_of_a_file_is_short_and_plain(name, tmp_path, capsys):
    """Any terminal can print it, and it does not fill a line so that the next begins with words of the file."""
    NET.save(tmp_path / "model.npz")
    words = "l\u0131nf" + 75 * " " + "good.npz: proved: with pixels in [0.0, 1.0], no change at all"
    np.savez(tmp_path / "proof.npz", **proof_of("l1", 0.5) | {name: np.array(words)})
    assert checker.main(tmp_path / "model.npz", tmp_path / "proof.npz") == 1
    said = capsys.readouterr().out
    assert said.isascii() and "refused" in said and "proved" not in said


def test_a_name_is_of_one_network():
    """One whose activation is bytes ran into the numbers behind it."""
    names = set()
    for word in ("S5", b"S5", "S59", b"S59"):
        names.add(checker.Network(NET.to_arrays() | {"activation": np.array(word)}).name)
    assert len(names) == 4


def test_a_process_that_takes_small_floats_for_0_is_refused(monkeypatch):
    """A library that was compiled to do so does it for all others in its process; then nothing here is exact."""
    proof = proof_of("l1", 0.5)
    assert checker.check(NET.to_arrays(), proof)
    monkeypatch.setattr(checker.np, "full", lambda *given: np.zeros(2))
    refused("small floats", NET, proof)


def test_a_file_with_two_arrays_of_one_name_is_refused(tmp_path, capsys):
    """One program might read the first, another the last."""
    NET.save(tmp_path / "net.npz")
    np.savez(tmp_path / "good.npz", **proof_of("l1", 0.5))
    with zipfile.ZipFile(tmp_path / "good.npz", "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("lower.npy", archive.read("lower.npy"))
    assert checker.main(str(tmp_path / "net.npz"), str(tmp_path / "good.npz")) == 1
    assert "two arrays of one name" in capsys.readouterr().out


def test_without_a_mask_every_pixel_may_change():
    proof = {name: array for name, array in proof_of("l1", 0.5).items() if name != "mask"}
    assert checker.check(NET.to_arrays(), proof)
    lo, hi = claimed(NET, proof).ends
    assert lo.tolist() == [0, 0] and hi.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "u8", "i8", ">i8"])
def test_whole_numbers_of_every_kind_are_read_or_refused(dtype):
    """Such a number beside 2^53 in one comparison ends NumPy 2.2.0 where the array is strided."""
    whole = np.arange(24, dtype=dtype).reshape(2, 3, 4).transpose(1, 0, 2)
    read = checker.numbers({"rows": whole}, "rows")
    assert read.dtype == "<f8" and read.flags.c_contiguous and np.array_equal(read, whole)
    if np.dtype(dtype).itemsize == 8:
        for most in (2**53 - 1, 1 - 2**53) if np.dtype(dtype).kind == "i" else (2**53 - 1,):
            whole[0, 0, 0] = most
            assert checker.numbers({"rows": whole}, "rows")[0, 0, 0] == most
            for more in (1, 2):  # 2^53, and 2^53 + 1, which no float64 is
                whole[0, 0, 0] = most + more * np.sign(most)
                with pytest.raises(checker.Refused, match="beyond float64"):
                    checker.numbers({"rows": whole}, "rows")


def test_a_tie_with_one_of_a_targets_rivals_is_no_counterexample():
    three = MLP.from_arrays([([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]], [0.5, 0.0, -0.5])])  # (1/2, p, 2 p - 1/2)
    for p, good in [(0.5, False), (np.nextafter(0.5, 1), True)]:
        claim = claim_for(three, X, 0, "linf", 0.0, lower=0.0, upper=1.0, x_adv=np.array([p, 0.0]), target=2)
        if good:
            assert checker.check(three.to_arrays(), claim)
        else:
            refused("not adversarial", three, claim)


def test_an_image_that_is_seen_as_another_is_said_to_be_and_nothing_else():
    even = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])
    claim = claim_for(even, np.array([0.75, 0.75]), 0, "l0", 0.0, lower=0.0, upper=0.0, x_adv=np.array([0.75, 0.75]))
    said = checker.check(even.to_arrays(), claim)
    assert said == "found: the network sees anything but class 0 in this image as it is"


def test_that_nothing_in_the_box_works_takes_a_radius_that_reaches_all_of_it():
    """In L0 every pixel that can move counts, also one that can move to one side alone."""
    never = MLP.from_arrays([([[1.0], [1.0], [1.0]], [-4.0])])
    for x in (np.array([0.0, 1.0, 0.5]), np.zeros(3)):
        for radius in (1.0, 2.0, 3.0):
            proof = claim_for(never, x, 0, "l0", radius, lower=np.inf)
            proof |= written(margin_row(prover_for(never, proof), 1.0))
            if radius == 3:
                assert "at all" in checker.check(never.to_arrays(), proof)
            else:
                refused("above what is shown", never, proof)


def test_a_box_too_wide_for_a_float_is_refused_at_any_pixel():
    row = margin_row(prover_for(NET, claim_for(NET, X, 0, "l0", 1.0)), 1.0)
    for far in (-1e308, 1e308):  # it can rise too far, or fall
        x, box = np.array([0.0, far]), (np.array([0.0, -1e308]), np.array([1.0, 1e308]))
        refused("without ends", NET, claim_for(NET, x, 0, "l0", 1.0, box=box) | written(row))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
@pytest.mark.parametrize("at", [0.25, 0.75])
def test_a_radius_that_reaches_one_end_of_the_box_is_not_all_of_it(norm, at):
    never = MLP.from_arrays([([[1.0]], [-4.0])])
    for radius, all_of_it in ((0.25, False), (0.7, False), (0.75, True)):
        proof = claim_for(never, np.array([at]), 0, norm, radius, lower=np.inf)
        proof |= written(margin_row(prover_for(never, proof), 1.0))
        if all_of_it:
            assert "at all" in checker.check(never.to_arrays(), proof)
        else:
            refused("above what is shown", never, proof)


def test_one_pixel_outside_the_box_is_enough_to_refuse_the_claim():
    row = margin_row(prover_for(NET, claim_for(NET, X, 0, "l1", 0.5)), 1.0)
    for pixel in range(2):
        for value in (-0.25, 1.25):
            x = np.where(np.arange(2) == pixel, value, X)
            refused("outside box or mask", NET, claim_for(NET, x, 0, "l1", 0.5) | written(row))
