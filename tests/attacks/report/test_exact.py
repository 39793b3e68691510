"""The proofs in the report's folder: accepted by the checker alone, the same bytes each time; why one is missing."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

import attacks.checker as checker
from attacks.proofs.certificate import Certificate
from attacks.proofs.certificate_file import fingerprint
from attacks.report.exact import SHARES, exact_proof, seconds_of
from attacks.report.proof_jobs import SHOWN
from attacks.report.proof_words import check_yourself, checked_exactly
from attacks.report.records import ExactProof
from attacks.report.results import numbers
from attacks.report.write import write_report
from minigrad import MLP


def proved(results, seconds):
    """The same results with the proofs that this many seconds allow."""
    net, certificates = results.setup.net, {n: i.certificate for n, i in results.proofs.image[SHOWN].items()}
    exact = {norm: exact_proof(net, certificate, seconds) for norm, certificate in certificates.items()}
    return replace(results, proofs=replace(results.proofs, exact=exact))


@pytest.fixture(scope="module")
def results(written):
    found = proved(written.results, 600)
    assert all(i.certificate.lower > 0 for i in found.proofs.image[SHOWN].values())
    return found


def said(results):
    return numbers(results) | {"seconds": {"all": 1.0} | seconds_of(results)}


def write(out, results):
    r = said(results)
    write_report(out, results, r, {})
    return r


def run(folder, *files):
    command = [sys.executable, "-I", "checker.py", *files]  # -I: nothing but what Python itself has on its path
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_stranger_can_check_the_folder(results, tmp_path):
    r = write(tmp_path, results)
    done = run(tmp_path, "model.npz", "proof-l0.npz", "proof-linf.npz")
    assert (done.returncode, done.stderr) == (0, "")
    told = [f"{p['file']}: {p['says']}" for p in r["exact"]["proofs"].values()]
    assert done.stdout.splitlines() == told and all(": proved: " in line for line in told)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "python checker.py model.npz proof-l0.npz proof-linf.npz</code>" in page and told[0] in page
    assert f"Checked by {len((tmp_path / 'checker.py').read_text().splitlines())} lines" in page
    other = MLP.load(tmp_path / "model.npz").to_arrays()
    MLP.from_arrays(other | {"b1": other["b1"] + 1}).save(tmp_path / "model.npz")
    assert run(tmp_path, "model.npz", "proof-l0.npz").returncode == 1


def test_the_files_claim_what_the_page_says_and_are_the_same_each_time(results):
    again = proved(results, 600)
    for norm, first in results.proofs.exact.items():
        second, interval = again.proofs.exact[norm], results.proofs.image[SHOWN][norm]
        assert first.content == second.content and first.says == second.says
        claimed = Certificate.from_bytes(first.content)
        assert claimed.lower == first.lower <= interval.lower
        assert claimed.check(results.setup.net).endswith("(checked exactly)")
    assert json.dumps(numbers(results)) == json.dumps(numbers(again))  # seconds stand elsewhere


def test_what_is_not_proved_is_said_and_files_of_an_earlier_report_go(results, tmp_path):
    write(tmp_path, results)
    linf = results.proofs.exact["linf"]
    late = ExactProof(None, "not proved exactly within the limits: 1 parts", 0.0, linf.lower)
    half = replace(results, proofs=replace(results.proofs, exact=results.proofs.exact | {"linf": late}))
    r = write(tmp_path, half)
    assert not (tmp_path / "proof-linf.npz").exists() and (tmp_path / "checker.py").exists()
    assert "no file of a proof about eps (not proved exactly within the limits: 1 parts)" in check_yourself(r)
    assert checked_exactly(r).endswith("in exact arithmetic: pixels.")
    none = replace(results, proofs=replace(results.proofs, exact={"l0": late, "linf": late}))
    r = write(tmp_path, none)
    assert {path.suffix for path in tmp_path.iterdir()} == {".html", ".json", ".npz"}
    assert checked_exactly(r) == "No proof is written down for others to check."
    assert check_yourself(r).startswith("<p>There is no file of a proof about pixels (not proved exactly")


def test_a_file_that_claims_less_than_the_page_is_said_to(results):
    r = said(results)
    files = {norm: p["lower"] for norm, p in r["exact"]["proofs"].items()}

    def claiming(lowers):
        """The page with these lower ends: its own may be those of the sets' proofs, which the clock decides."""
        on_page = {norm: p | {"lower": lowers[norm]} for norm, p in r["shown"]["proved"].items()}
        return check_yourself(r | {"shown": r["shown"] | {"proved": on_page}})

    assert "claims only" not in claiming(files)
    assert "The file about eps claims only what its own search proved." in claiming(files | {"linf": 1.0})


def test_the_network_of_other_pixels_has_a_file_of_its_own(results, tmp_path):
    net = results.setup.net
    scaled = replace(results.setup, network=replace(results.setup.network, original=net.rescaled(-1.0, 0.0)))
    write(tmp_path, replace(results, setup=scaled))
    assert run(tmp_path, SHARES, "proof-l0.npz").returncode == 0
    assert run(tmp_path, "model.npz", "proof-l0.npz").returncode == 1


def test_a_proof_that_cannot_be_made_says_why(results, monkeypatch):
    net, certificate = results.setup.net, results.proofs.image[SHOWN]["linf"].certificate
    assert exact_proof(net, replace(certificate, lower=0.0), 600).says == "nothing is proved of it"
    assert exact_proof(net, certificate, 0).says.startswith("not proved exactly within the limits")
    smooth = MLP.from_arrays(net.to_arrays() | {"activation": "tanh"})
    of_it = replace(certificate, network=fingerprint(smooth))
    assert "only ReLU is checked exactly" in exact_proof(smooth, of_it, 600).says
    assert "another network" in exact_proof(smooth, certificate, 600).says

    def refuse(*_):
        raise checker.Refused("as it should")

    monkeypatch.setattr(checker, "check", refuse)
    assert exact_proof(net, certificate, 600).says == "the checker refused it: as it should"
