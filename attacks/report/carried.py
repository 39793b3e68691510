"""What one proof says of another, so that no two numbers of the report contradict each other.

    S' inside S                 an s that works in S' works in S:     lower(S) <= lower(S'),   upper(S) <= upper(S')
    X holds x                   an s that fools all of X fools x:     lower(x) <= lower(X)
    nothing in S, whatever |s|  then in no norm:                      lower = inf in one is lower = inf in all

Any pixel is the widest S of an image; the pixels that the detectors know are a part of it, and smooth changes of those
a part of that; so are the pixels of the glasses.  Images alone and images of a set are the same images: each has the
best lower bound that any proof gave it, in the same norm and with the same box.  The upper end of a set is not carried
to its images: it is measured, while that of a certificate works beyond rounding.

Certificates stay as they are: `check` replays what its own tree proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from attacks.proofs.certificate import Certificate
from attacks.report.records import Interval, SetProof
from minigrad.inputs import Array

NESTED = "free", "used", "smooth"  # the blind spots, each a part of the one before it
Own = dict[tuple[str, int, bytes], float]  # norm, class, pixels: the best lower bound of that image by itself


@dataclass(frozen=True, eq=False)
class BoundedSet:
    """A set of images and what was proved of it alone."""

    norm: str
    x: Array  # (n, d)
    y: Array  # (n,)
    proof: SetProof


def carry_to_image(
    image: dict[str, dict[str, Certificate]], frame: Certificate, sets: Sequence[BoundedSet]
) -> tuple[dict[str, dict[str, Interval]], Interval]:
    """The intervals of one image, blind spot by blind spot and for the frame of the glasses.

    Parameters
    ----------
    image : blind spot: norm: the certificate of that image
    frame : norm "l0", the certificate with the pixels of the glasses
    sets : what was proved of sets, which may hold the image
    """
    known, spots = _best(sets), [spot for spot in NESTED if spot in image]
    intervals: dict[str, dict[str, Interval]] = {spot: {} for spot in spots}
    for norm, widest in image[spots[0]].items():
        least = known.get(_key(norm, widest.y, widest.x), 0.0)
        for spot, interval in zip(spots, _nested([image[spot][norm] for spot in spots], least), strict=True):
            intervals[spot][norm] = interval
    for row in intervals.values():
        if any(i.lower == np.inf for i in row.values()):
            row.update({norm: replace(i, lower=np.inf) for norm, i in row.items()})
    free, worn = _nested([image[spots[0]]["l0"], frame], intervals[spots[0]]["l0"].lower)
    if free.upper < intervals[spots[0]]["l0"].upper:
        intervals[spots[0]]["l0"] = free
    return intervals, worn


def carry_to_sets(sets: Sequence[BoundedSet], free: dict[str, Interval]) -> list[SetProof]:
    """The same sets with what is proved of their images by themselves; `free` is the image shown, norm by norm."""
    known, carried = _best(sets), []
    for norm, interval in free.items():
        key = _key(norm, interval.certificate.y, interval.certificate.x)
        known[key] = max(known.get(key, 0.0), interval.lower)
    for given in sets:
        keys, before = _keys(given), given.proof
        own = np.array([v if np.isnan(v) else known[key] for v, key in zip(before.own, keys, strict=True)])
        quantile = max(before.quantile, float(np.nanmax(own, initial=0.0)))  # all are to be fooled, the hardest too
        carried.append(replace(before, own=own, quantile=quantile, lower=max(before.lower, quantile)))
    return carried


def _nested(chain: Sequence[Certificate], least: float) -> list[Interval]:
    """The intervals of sets of which each is a part of the one before; `least` is a lower bound for the first."""
    intervals = list[Interval]()
    for i, c in enumerate(chain):
        found = min(chain[i:], key=lambda part: part.upper)
        lower = max(least, *(whole.lower for whole in chain[: i + 1]))
        intervals.append(Interval(lower, found.upper, found.x_adv, c))
    return intervals


def _best(sets: Sequence[BoundedSet]) -> Own:
    """What the sets prove of each of their images; an image that is misclassified already has no bound."""
    best: Own = {}
    for given in sets:
        for key, lower in zip(_keys(given), given.proof.own, strict=True):
            if not np.isnan(lower):
                best[key] = max(best.get(key, 0.0), float(lower))
    return best


def _keys(given: BoundedSet) -> list[tuple[str, int, bytes]]:
    return [_key(given.norm, int(y), x) for x, y in zip(given.x, given.y, strict=True)]


def _key(norm: str, y: int, x: Array) -> tuple[str, int, bytes]:
    return norm, int(y), np.asarray(x, np.float64).tobytes()
