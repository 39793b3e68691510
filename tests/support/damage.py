"""Files that are damaged at random, and what became of reading them."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from minigrad.io.npz import BRIEF

OFTEN = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@st.composite
def damaged(draw, content, other=b""):
    """`content` after one to three accidents."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        i, j = sorted(draw(st.integers(0, len(content))) for _ in range(2))
        how = draw(st.sampled_from(["flip", "cut", "truncate", "double", "splice", "insert", "fill"]))
        if how == "flip" and i < len(content):
            content[i] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del content[i:j]
        elif how == "truncate":
            del content[i:]
        elif how == "double":
            content[j:j] = content[i:j]
        elif how == "splice":
            content[i:j] = other[i:j]
        elif how == "insert":
            content[i:i] = draw(st.binary(max_size=8))
        elif how == "fill":
            content[i:j] = draw(st.sampled_from([b"\0", b"\xff", b"[", b"9"])) * (j - i)
    return bytes(content)


class Outcomes:
    """What readers answered: accepted or refused; any error but ValueError goes through to the test."""

    def __init__(self):
        self.accepted = self.refused = 0

    def read(self, name, reader, *arguments):
        """What the reader gives, or None where it refuses, in one sentence that names `name`."""
        try:
            answer = reader(*arguments)
        except ValueError as error:
            text = str(error)
        else:
            self.accepted += 1
            return answer
        self.refused += 1
        assert name in text and text.isprintable(), repr(text)
        assert 10 < len(text.split(name, 1)[1]) < BRIEF + 150, text
        return None

