"""The exact minimum of a ReLU network as a mixed-integer program (SciPy's HiGHS); nothing is shared with the proofs."""

from typing import NamedTuple

import numpy as np
from oracles import quiet
from pieces import ways
from scipy import optimize, sparse


class MilpAnswer(NamedTuple):
    """The least radius lies in [bound, radius], up to the solver's own tolerances; inf: none at all."""

    bound: float
    radius: float
    x_adv: np.ndarray | None


@quiet
def milp_minimum(net, x, y, norm, box=(0.0, 1.0), mask=None, target=None, *, upper=np.inf, margin=0.0, time_limit=None):
    """The least `|s|_p` (L0, L1, Linf) that makes a ReLU net's margins at least `margin`: one mixed-integer program a
    way.

    `a = relu(z)` with `l <= z <= u` is  a >= z,  a >= 0,  a <= u q,  a <= z - l (1 - q),  q in {0, 1} (Tjeng et al.
    2019, equation 6), l and u from interval arithmetic on the set of radius `upper`: a perturbation known to work makes
    them small.  Nothing of it is shared with the library's proofs.

    Parameters
    ----------
    x : (d,), y : int, box, mask as for the attacks
    upper : float
        No larger radius is looked for.
    time_limit : float, seconds a way
    """
    x = np.asarray(x, float)
    free = np.broadcast_to(True if mask is None else mask, x.shape)
    down, up = (np.where(free, end - x, 0.0) for end in box)
    answers = [_milp_way(net, x, down, up, norm, c, upper, margin, time_limit) for c in ways(net, y, target)]
    best = min(answers, key=lambda answer: answer.radius)
    return MilpAnswer(min(answer.bound for answer in answers), best.radius, best.x_adv)


def _milp_way(net, x, down, up, norm, c, upper, margin, time_limit):
    if norm == "linf":
        down, up = np.maximum(down, -upper), np.minimum(up, upper)
    program = Program()
    s = program.variables(len(x), down, up)
    affine = [(sparse.identity(len(x), format="csr"), s)]  # the last a is  sum M v + const
    const, ranges = x, _first_layer(net, x, down, up, norm, upper)
    for k, layer in enumerate(net.dense[:-1]):
        if k:
            (low, high), plus, minus = np.maximum(ranges, 0), np.maximum(layer.W, 0), np.minimum(layer.W, 0)
            ranges = low @ plus + high @ minus + layer.b, high @ plus + low @ minus + layer.b
        z = [(layer.W.T @ M, v) for M, v in affine]
        affine, const = _relu(program, z, const @ layer.W + layer.b, *ranges), np.zeros(len(layer.b))
    last = net.dense[-1]
    const = const @ last.W + last.b - net.threshold
    program.at_least([(c @ (last.W.T @ M), v) for M, v in affine], margin - c @ const)
    _size(program, norm, s, down, up, upper)
    result = program.solve(time_limit)
    if result.status == 2:  # infeasible
        return MilpAnswer(np.inf, np.inf, None)
    bound = 0.0 if result.mip_dual_bound is None else result.mip_dual_bound
    if result.x is None:
        return MilpAnswer(bound, np.inf, None)
    return MilpAnswer(bound, result.fun, x + result.x[s])


def _relu(program, z, const, low, high):
    """`a = relu(z + const)` with  low <= z + const <= high,  as new variables: the terms of a."""
    m, eye = len(low), np.eye(len(low))
    a = program.variables(m, 0, np.maximum(high, 0))
    q = program.variables(m, low >= 0, high > 0, integer=True)
    program.at_least([(eye, a), *((-M, v) for M, v in z)], const)
    program.at_least([(-eye, a), (np.diag(np.maximum(high, 0)), q)], np.zeros(m))
    # a <= z - l (1 - q); for an active neuron l is 0 in it, and a = z
    room = np.minimum(low, 0)
    program.at_least([(-eye, a), *z, (np.diag(room), q)], room - const)
    return [(eye, a)]


def _size(program, norm, s, down, up, upper):
    """`|s|_p` as what is minimised."""
    d = len(s)
    eye = sparse.identity(d, format="csr")
    if norm == "linf":
        r, one = program.variables(1, 0, np.inf, cost=1), sparse.csr_matrix(np.ones((d, 1)))
        program.at_least([(-eye, s), (one, r)], np.zeros(d))
        program.at_least([(eye, s), (one, r)], np.zeros(d))
    elif norm == "l1":
        t = program.variables(d, 0, np.maximum(-down, up), cost=1)
        program.at_least([(-eye, s), (eye, t)], np.zeros(d))
        program.at_least([(eye, s), (eye, t)], np.zeros(d))
    else:
        q = program.variables(d, 0, (up > 0) | (down < 0), cost=1, integer=True)
        program.at_least([(-eye, s), (sparse.diags(up, format="csr"), q)], np.zeros(d))
        program.at_least([(eye, s), (sparse.diags(-down, format="csr"), q)], np.zeros(d))
        if np.isfinite(upper):
            program.at_least([(-np.ones((1, d)), q)], [-upper])


def _first_layer(net, x, down, up, norm, upper):
    """Ranges of the first layer's z over the set, by sorting the pixels' gains; L1 by the box alone."""
    layer = net.dense[0]
    z, W = x @ layer.W + layer.b, layer.W.T
    gains = [np.sort(np.maximum(sign * W * down, sign * W * up), axis=1)[:, ::-1] for sign in (-1, 1)]
    most = int(min(upper, len(x))) if norm == "l0" else len(x)
    return z - gains[0][:, :most].sum(axis=1), z + gains[1][:, :most].sum(axis=1)


class Program:
    """A mixed-integer program, gathered piece by piece: variables are index arrays, rows are `sum M v >= end`."""

    def __init__(self):
        self.low, self.high, self.cost, self.integer, self.rows, self.ends = [], [], [], [], [], []

    def variables(self, count, low, high, cost=0.0, integer=False):
        start = len(self.low)
        for kept, value in ((self.low, low), (self.high, high), (self.cost, cost), (self.integer, integer)):
            kept.extend(np.broadcast_to(value, count).astype(float))
        return np.arange(start, start + count)

    def at_least(self, terms, end):
        self.rows.append(terms)
        self.ends.append(np.asarray(end, float))

    def solve(self, time_limit):
        n = len(self.low)
        blocks = []
        for terms in self.rows:
            parts = [sparse.coo_matrix(M) for M, _ in terms]
            row = np.concatenate([part.row for part in parts])
            column = np.concatenate([v[part.col] for part, (_, v) in zip(parts, terms, strict=True)])
            data = np.concatenate([part.data for part in parts])
            blocks.append(sparse.csr_matrix((data, (row, column)), shape=(parts[0].shape[0], n)))
        return optimize.milp(
            self.cost,
            constraints=optimize.LinearConstraint(sparse.vstack(blocks), np.concatenate(self.ends), np.inf),
            integrality=self.integer,
            bounds=optimize.Bounds(self.low, self.high),
            options={"mip_rel_gap": 0} | ({} if time_limit is None else {"time_limit": time_limit}),
        )
