"""What one pass of plain bounds says of a query: the first look of a search, and of whoever replays it."""

from __future__ import annotations

import numpy as np

from attacks.proofs.query import Query
from minigrad.bounds.crown import intervals, upper_bound
from minigrad.inputs import Array


def plainly_refuted(query: Query) -> Array:
    """Whether one pass of plain bounds refutes it, for each radius of its ball, (m,) bool."""
    m = np.size(query.ball.radius)
    known = intervals(query.net, np.repeat(query.x, m, axis=0), query.ball)
    bound = upper_bound(known, np.broadcast_to(query.c, (m, *query.c.shape)))  # (m, rivals)
    return bound.min(axis=1) < 0 if query.joint is not None else bound.max(axis=1) < 0
