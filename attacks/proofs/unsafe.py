"""Queries about any linear property of the outputs, in the terms in which the search asks about classes.

An unsafe set is an "or" of "ands": N is unsafe if, for one of its cases (C, d),

    C N + d > 0    in every row.

A case needs no search of its own.  Give the network one more logit that is always 1, W' = [W, 0], b' = [b, 1]; then
row i of the case is c' . N' with c' = (C_i, d_i), exactly, and the case asks for a point where all of these rows are
positive, as a target asks to beat all of its rivals.  The attack sees a network that a target class wins iff the case
holds: logits (0, -(C N + d)), target 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from attacks.balls.base import Ball
from attacks.proofs.query import Query
from minigrad.inputs import Array, as_array
from minigrad.layers import Dense
from minigrad.mlp import MLP

Case: TypeAlias = tuple[Array, Array]


def as_unsafe(unsafe: Any, k: int) -> tuple[Case, ...]:
    """The cases as float64 arrays C (r, k) and d (r,), or ValueError."""
    try:
        cases = [(as_array(C, "unsafe"), as_array(d, "unsafe")) for C, d in unsafe]
    except (TypeError, ValueError) as error:
        raise ValueError(f"unsafe: expected a list of pairs (C, d), got {type(unsafe).__name__} ({error})") from error
    if not cases:
        raise ValueError("unsafe: expected at least one pair (C, d), got none")
    for C, d in cases:
        if C.ndim != 2 or C.shape[1] != k or d.shape != (len(C),) or not len(C):
            raise ValueError(f"unsafe: expected C (r, {k}) and d (r,), got {C.shape} and {d.shape}")
        if not all(a.dtype.kind in "biuf" and np.isfinite(a).all() for a in (C, d)):
            raise ValueError("unsafe: expected finite real numbers in C and d")
    return tuple((C.astype(np.float64), d.astype(np.float64)) for C, d in cases)


def query_of(net: MLP, x: Array, ball: Ball, case: Case) -> Query:
    """Is there an s in the ball about `x` (d,) for which the case holds?"""
    C, d = case
    rows = np.concatenate([C, d[:, None]], axis=1)  # (r, k + 1)
    return Query(_with_one(net), x[None], ball, rows, joint=rows if len(rows) > 1 else None)


def attackable(net: MLP, case: Case) -> MLP:
    """A network that takes class 0 for the winner iff the case holds: to be attacked from label 1 with target 0.

    Its logits are rounded otherwise than the rows of the query, so what an attack finds is judged by the query.
    """
    C, d = case
    last = net.dense[-1]
    W = np.concatenate([np.zeros((len(last.W), 1)), -last.W @ C.T], axis=1)
    layer = Dense(W, np.concatenate([[0.0], -(last.b @ C.T + d)]))
    return replace(net, layers=(*net.layers[:-1], layer), threshold=0.0)


def _with_one(net: MLP) -> MLP:
    """The network with one more logit, which is 1."""
    last = net.dense[-1]
    W, b = np.concatenate([last.W, np.zeros((len(last.W), 1))], axis=1), np.append(last.b, 1.0)
    return replace(net, layers=(*net.layers[:-1], Dense(W, b)), threshold=0.0)
