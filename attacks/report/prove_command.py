"""`python -m attacks prove`: which of its four questions is asked, and the last words.

Intervals of many images (prove.py) or of an image file (own_image.py), a verdict of each at one radius, or the answer
to a VNN-COMP query (decisions.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from attacks.report import decisions, own_image, prove
from attacks.report.progress import say
from attacks.report.prove_options import check_together, parser


def main(arguments: Sequence[str]) -> int:
    """The exit status, as `CommandParser.carry_out` has it, or that of an answer to `--vnnlib`."""
    p = parser()
    o = p.parse(arguments)

    def command() -> int:
        check_together(p, o)
        if o.vnnlib is not None:
            return decisions.answer(o)
        if o.image is not None:
            said = own_image.run(o)
        elif o.eps is not None:
            said = decisions.in_words(decisions.run(o))
        else:
            files = f"see {o.out / 'attack_against_proof.png'}, {o.out / 'certificates.jsonl'} holds the proofs"
            said = f"{prove.table(prove.run(o))}\n\n{files}"
        if not o.quiet:
            say(said)
        return 0

    return p.carry_out(o, command, "run the same command again to go on")
