"""docs/how-to-trust-a-proof.md: its code runs from top to bottom and prints what stands below it."""

import re

import pytest
from paths import ROOT

PAGE = (ROOT / "docs" / "how-to-trust-a-proof.md").read_text("utf-8")
STEPS = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", PAGE, re.S)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each piece of code prints, all in one folder and one session."""
    told, session = [], {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        patch.setitem(session, "print", lambda *words: told[-1].append(" ".join(map(str, words))))
        patch.setattr("attacks.checker.print", session["print"], raising=False)
        for code, _ in STEPS:
            told.append([])
            exec(code, session)
    return ["".join(f"{line}\n" for line in lines) for lines in told]


def test_every_piece_of_code_prints_what_stands_below_it(printed):
    assert len(STEPS) >= 5 and printed == [text for _, text in STEPS]


def test_the_proof_is_accepted_and_every_forgery_is_refused(printed):
    accepted, forged = (next(text for (code, _), text in zip(STEPS, printed, strict=True) if name in code)
                        for name in ("status = checker.main", "def forged"))  # fmt: skip
    assert accepted.startswith("proof.npz: proved: ")
    attempts = len(re.findall(r"^forged\(", PAGE, re.M))
    assert attempts >= 8
    assert [line.partition(": ")[2].startswith("refused: ") for line in forged.splitlines()] == [True] * attempts
