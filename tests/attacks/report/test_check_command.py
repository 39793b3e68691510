"""`python -m attacks check`: one sentence a file, and nothing false gets past it."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
from paths import NETS

from attacks import LInf, Reason, certified_minimum, certify
from attacks.report.cli import main
from minigrad import MLP

NET = MLP.from_arrays([([[1.0, -1.0], [1.0, 0.5]], [-1.0, 0.1]), ([[1.0], [0.5]], [-0.1])])
X = np.array([[0.25, 0.5]])
NOT_DONE = {"optimal": False, "reason": str(Reason.TIME)}
SMALL = str(NETS / "784-32-1.npz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network, a certificate of it, and the same with its proof."""
    path = tmp_path_factory.mktemp("proofs")
    NET.save(path / "model.npz")
    (certificate,) = certified_minimum(NET, X, NET.predict(X), norm="linf")
    assert 0 < certificate.lower < certificate.upper < np.inf
    certificate.save(path / "plain.npz")
    certificate.save(path / "proof.npz", proof=NET)
    return path


def checked(capsys, *arguments):
    """`(exit status, lines printed, lines on standard error that are no progress)`."""
    status = main(["check", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out.splitlines(), [line for line in said.err.splitlines() if line[0] != "["]


def test_a_verdict_is_checked_like_a_certificate(folder, capsys, tmp_path):
    never, within = [([[-1.0]], [-100.0])], LInf(0.1)
    (robust,) = certify(NET, X, None, within, unsafe=never)
    robust.save(tmp_path / "robust.npz")
    replace(robust, unsafe=((np.array([[0.0]]), np.array([1.0])),)).save(tmp_path / "forged.npz")
    status, lines, errors = checked(capsys, folder / "model.npz", tmp_path / "robust.npz", tmp_path / "forged.npz")
    assert status == 1 and not errors
    assert lines[0].endswith(f"robust: no counterexample in {within} (replayed in floats)")
    assert "forged.npz: refused: verdict: it could not be proved again" in lines[1]


def test_each_file_is_checked_in_the_way_it_allows(folder, capsys):
    status, lines, errors = checked(capsys, folder / "model.npz", folder / "plain.npz", folder / "proof.npz")
    assert status == 0 and len(lines) == 2 and not errors
    assert lines[0].startswith(f"{folder / 'plain.npz'}: between") and lines[0].endswith("(replayed in floats)")
    assert lines[1].startswith(f"{folder / 'proof.npz'}: proved: ") and lines[1].endswith("(checked exactly)")
    assert checked(capsys, "--quiet", folder / "model.npz", folder / "proof.npz") == (0, [], [])


def too_bold(path):
    """The arrays of a certificate that hides the counterexample, and claims that there is none a fifth farther out."""
    with np.load(path) as arrays:
        claims = {name: array for name, array in arrays.items() if name != "x_adv"}
    bold = 1.2 * claims["upper"]
    return claims | {"lower": bold, "radius": bold, "upper": np.inf, "attack": np.inf} | NOT_DONE


@pytest.mark.parametrize("kind", ["plain", "proof"])
def test_a_false_claim_is_refused_and_the_others_are_still_checked(folder, tmp_path, capsys, kind):
    np.savez(tmp_path / "false.npz", **too_bold(folder / f"{kind}.npz"))
    good = folder / f"{kind}.npz"
    status, lines, errors = checked(capsys, folder / "model.npz", tmp_path / "false.npz", good)
    assert status == 1 and len(lines) == 2 and not errors
    assert lines[0].startswith(f"{tmp_path / 'false.npz'}: refused: ") and "refused" not in lines[1]
    status, lines, errors = checked(capsys, "--quiet", folder / "model.npz", tmp_path / "false.npz", good)
    assert status == 1 and not lines and len(errors) == 1 and "false.npz: refused: " in errors[0]


@pytest.mark.parametrize("kind", ["plain", "proof"])
def test_a_certificate_of_another_network_is_refused(folder, tmp_path, capsys, kind):
    MLP.init([2, 2, 1], rng=0).save(tmp_path / "other.npz")
    status, lines, _ = checked(capsys, tmp_path / "other.npz", folder / f"{kind}.npz")
    assert status == 1 and "SHA-256" in lines[0]


def test_a_file_that_is_no_certificate_is_refused(folder, tmp_path, capsys):
    (tmp_path / "words.npz").write_text("words")
    status, lines, _ = checked(capsys, folder / "model.npz", tmp_path / "words.npz", folder / "model.npz")
    assert status == 1 and [line.count(": refused: expected") for line in lines] == [1, 1]


@pytest.mark.parametrize("how", [[], ["--eps", "0.02", "--proofs"]], ids=["intervals", "verdicts"])
def test_a_whole_folder_that_prove_wrote(tmp_path, capsys, how):
    out = tmp_path / "p"
    assert main(["prove", "--model", SMALL, "--norm", "linf", "--count", "2", "--out", str(out), *how]) == 0
    capsys.readouterr()
    status, lines, _ = checked(capsys, out)
    assert status == 0 and len(lines) == (4 if how else 2)
    assert sum(line.endswith("(checked exactly)") for line in lines) == (2 if how else 0)
    if how:
        return
    log = (out / "certificates.jsonl").read_text().splitlines()
    row = json.loads(log[1])
    content = bytearray(base64.b64decode(row["certificate"]))
    content[len(content) // 2] ^= 255
    log[1] = json.dumps(row | {"certificate": base64.b64encode(content).decode()})
    (out / "certificates.jsonl").write_text("\n".join(log))
    assert checked(capsys, out)[0] == 1
    (out / "certificates.jsonl").write_text("words")
    assert checked(capsys, out)[2][0].startswith(f"error: MODEL: {out / 'certificates.jsonl'}: expected a campaign")


def test_a_folder_for_other_pixels_has_the_network_that_its_proofs_are_about(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-3, 5, (120, 4)), np.arange(120) % 2
    x[:, 0] += 8 * y
    np.savez(tmp_path / "own.npz", x=x, y=y, lo=-3.0, hi=13.0)
    options = ["--data", str(tmp_path / "own.npz"), "--digits", "0", "1", "--epochs", "3", "--norm", "linf"]
    assert main(["prove", *options, "--count", "2", "--out", str(tmp_path / "p")]) == 0
    capsys.readouterr()
    status, lines, _ = checked(capsys, tmp_path / "p")
    assert status == 0 and len(lines) == 2
    assert checked(capsys, tmp_path / "p" / "model.npz", tmp_path / "p" / "certificates.jsonl")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model.npz"], "MODEL: {}/model.npz: expected certificates to check beside it"),
        (["empty"], "MODEL: {}/empty: expected a folder of `prove` or of a report, got one without model.npz"),
        (["model.npz", "nowhere.npz"], "PROOF: {}/nowhere.npz: No such file"),
        (["nowhere.npz", "plain.npz"], "MODEL: {}/nowhere.npz: No such file"),
    ],
)
def test_nothing_to_check_is_one_sentence(folder, capsys, arguments, sentence):
    (folder / "empty").mkdir(exist_ok=True)
    status, lines, errors = checked(capsys, *(folder / name for name in arguments))
    assert status == 2 and not lines and len(errors) == 1
    assert errors[0].startswith(f"error: {sentence.format(folder)}")
