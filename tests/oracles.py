"""Slow, obvious answers to compare the fast ones with.

Each takes one set in plain numbers, a `Row` of ball_strategies.py: norm, radius, down, up (d,).  SciPy's solvers are
run with NumPy's floating-point errors ignored: what they do inside is not under test.
"""

from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from scipy import optimize, sparse

quiet = np.errstate(all="ignore")


def size(norm, s):
    """`|s|_p`."""
    return {
        "l0": lambda: sum(1 for v in s if v != 0),
        "l1": lambda: sum(abs(v) for v in s),
        "l2": lambda: sum(v * v for v in s) ** 0.5,
        "linf": lambda: max(abs(v) for v in s),
    }[norm]()


def support(row, g):
    """`max { g . s : s in S }`, by a method that shares nothing with the closed forms."""
    return {"l0": best_support, "l1": linear_program, "l2": dual_bound, "linf": linear_program}[row.norm](row, g)


def best_support(row, g):
    """L0: try every choice of at most k pixels."""
    gain = np.maximum(g * row.down, g * row.up)
    k = int(min(row.radius, len(g)))
    return max(sum(gain[list(chosen)]) for size in range(k + 1) for chosen in combinations(range(len(g)), size))


@quiet
def mixed_integer_program(row, g):
    """L0: s_i between down_i z_i and up_i z_i, z_i in {0, 1}, sum z <= k."""
    d = len(g)
    eye, zero = np.eye(d), np.zeros(d)
    A = np.block([[eye, -np.diag(row.up)], [-eye, np.diag(row.down)], [zero, np.ones(d)]])
    upper = np.r_[np.zeros(2 * d), row.radius]
    result = optimize.milp(
        np.r_[-g, zero],
        constraints=optimize.LinearConstraint(A, -np.inf, upper),
        integrality=np.r_[zero, np.ones(d)],
        bounds=optimize.Bounds(np.r_[row.down, zero], np.r_[row.up, np.ones(d)]),
    )
    return -result.fun


@quiet
def linear_program(row, g):
    """Linf and L1: s = p - n with p, n >= 0, and the norm as rows of a linear program."""
    d = len(g)
    A = np.ones((1, 2 * d)) if row.norm == "l1" else np.c_[np.eye(d), np.eye(d)]
    bounds = [(0, v) for v in row.up] + [(0, -v) for v in row.down]
    result = optimize.linprog(np.r_[-g, g], A_ub=A, b_ub=np.full(len(A), row.radius), bounds=bounds)
    return -result.fun


@quiet
def dual_bound(row, g):
    """L2: by weak duality every mu > 0 gives an upper bound, mu r^2 / 2 + sum max (g_i s_i - mu s_i^2 / 2); the least.

    Its derivative, (r^2 - |s(mu)|^2) / 2, rises with mu: bisection.
    """

    def best(mu):
        return np.clip(g / mu, row.down, row.up)

    low, high = 1e-12, 1e12
    for _ in range(200):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if np.sum(best(middle) ** 2) > row.radius**2 else (low, middle)
    s = best(high)
    return high * row.radius**2 / 2 + np.sum(g * s - high * s**2 / 2)


@quiet
def nearest(row, v):
    """The squared distance from v to S: L0 by trying every support, the others by a quadratic program."""
    clipped = np.clip(v, row.down, row.up)
    if row.norm == "l0":
        k = int(min(row.radius, len(v)))
        supports = (set(chosen) for size in range(k + 1) for chosen in combinations(range(len(v)), size))
        return min(sum((v[i] - (clipped[i] if i in chosen else 0)) ** 2 for i in range(len(v))) for chosen in supports)
    d = len(v)
    norm = {
        "l1": lambda z: row.radius - z.sum(),
        "l2": lambda z: row.radius**2 - np.sum((z[:d] - z[d:]) ** 2),
        "linf": lambda z: row.radius - z,
    }[row.norm]
    result = optimize.minimize(
        lambda z: np.sum((z[:d] - z[d:] - v) ** 2),
        np.zeros(2 * d),
        bounds=[(0, up) for up in row.up] + [(0, -down) for down in row.down],
        constraints={"type": "ineq", "fun": norm},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return result.fun


def knapsack(row, g):
    """L1, by hand: the steepest pixel first, each as far as the box lets it, until the radius is spent."""
    left, earned = row.radius, 0.0
    for i in sorted(range(len(g)), key=lambda i: -abs(g[i])):
        step = min(left, row.up[i] if g[i] > 0 else -row.down[i])
        earned, left = earned + abs(g[i]) * step, left - step
    return earned


def reachable(row, g):
    """What all pixels earn together when nothing but the box holds them."""
    return sum(np.maximum(g * row.down, g * row.up))


@quiet
def smallest_radius(row, g, gain):
    """The least radius at which g . s >= gain can be had, or inf; by linear program, or by bisection along the path.

    L2: the shortest s with g . s >= gain is clip(t g, down, up) for some t, and g . s rises with t.
    """
    if gain <= 0:
        return 0.0
    if gain > reachable(row, g):
        return np.inf
    if row.norm == "l0":
        earned = np.cumsum(sorted(np.maximum(g * row.down, g * row.up), reverse=True))
        return 1.0 + np.flatnonzero(earned >= gain)[0]
    if row.norm == "l2":
        low, high = 0.0, 1e6
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (low, middle) if g @ np.clip(middle * g, row.down, row.up) >= gain else (middle, high)
        return size("l2", np.clip(high * g, row.down, row.up))
    d = len(g)
    bounds = [(0, v) for v in row.up] + [(0, -v) for v in row.down] + [(0, None)]
    A = np.c_[np.ones((1, 2 * d)), -1] if row.norm == "l1" else np.c_[np.eye(d), np.eye(d), -np.ones(d)]
    result = optimize.linprog(
        np.r_[np.zeros(2 * d), 1],
        A_ub=np.r_[A, [np.r_[-g, g, 0]]],
        b_ub=np.r_[np.zeros(len(A)), -gain],
        bounds=bounds,
    )
    return result.fun


@quiet
def best_worst_margin(norm, radius, m, G, down, up):
    """Linf and L1: the largest t with  m_i + G_i . s >= t  for all i, over the s that keep every image in its box.

    m (r,), G (r, d); down, up (n, d) the room of every image, 0 off the mask.  The variables are s, u >= |s| and t, and
    each image's box is rows of its own.
    """
    d = G.shape[1]
    eye, none, zero = np.eye(d), np.zeros((d, d)), np.zeros((d, 1))
    size = np.c_[none, eye, zero] if norm == "linf" else np.r_[np.zeros(d), np.ones(d), 0][None]
    blocks = [
        (np.c_[eye, -eye, zero], np.zeros(d)),
        (np.c_[-eye, -eye, zero], np.zeros(d)),
        (size, np.full(len(size), radius)),
        (np.c_[-G, np.zeros_like(G), np.ones(len(G))], m),
        *((np.c_[eye, none, zero], v) for v in up),
        *((np.c_[-eye, none, zero], -v) for v in down),
    ]
    A, b = np.concatenate([A for A, _ in blocks]), np.concatenate([b for _, b in blocks])
    bounds = [(None, None)] * d + [(0, None)] * d + [(None, None)]
    return -optimize.linprog(np.r_[np.zeros(2 * d), -1], A, b, bounds=bounds, method="highs").fun


def fewest_pixels(row, m, g):
    """The least number of pixels that lift the affine margin m strictly above 0, or inf."""
    gains = sorted(np.maximum(g * row.down, g * row.up), reverse=True)
    for k, gain in enumerate(gains, start=1):
        m += gain
        if gain > 0 and m > 0:
            return k
    return np.inf


def papernot_pair(J, target, down, up, used):
    """Algorithm 3 of Papernot et al. 2016 as written: a double loop.  `(p, q, direction)`, or None if no pair
    qualifies.

    Direction -1 is the map for decreasing features: both signs turned.
    """
    best, found = 0, None
    for direction, room in ((1, up > 0), (-1, down < 0)):
        for p in range(len(down)):
            for q in range(p + 1, len(down)):
                if not (room[p] and room[q]) or used[p] or used[q]:
                    continue
                alpha = direction * (J[target, p] + J[target, q])
                beta = direction * sum(J[j, p] + J[j, q] for j in range(len(J)) if j != target)
                if alpha > 0 and beta < 0 and -alpha * beta > best:
                    best, found = -alpha * beta, (p, q, direction)
    return found


# ---------------------------------------------------------------- the exact minimum of a ReLU network


def ways(net, y, target=None):
    """The ways to be adversarial: a list of (r, K) rows, each way having all of its  c . (N - t)  above 0."""
    k = net.sizes[-1]
    if k == 1:
        return [np.array([[1.0 if y == 0 else -1.0]])]
    eye = np.eye(k)
    if target is None:
        return [(eye[j] - eye[y])[None] for j in range(k) if j != y]
    return [np.array([eye[target] - eye[j] for j in range(k) if j != target])]


def pieces(net, x, down, up):
    """The linear pieces of a tiny ReLU net on  down <= s <= up:  `(A, b, Z, z)` with  A s + b >= 0  and  N = Z s + z.

    Every pattern of active neurons, but for those that the ranges of the neurons over the box already rule out.
    """
    stack = [(0, np.zeros((0, len(x))), np.zeros(0), np.eye(len(x)), np.asarray(x, float))]
    while stack:
        k, A, b, Z, z = stack.pop()
        W, bias = net.dense[k].W, net.dense[k].b
        Z, z = W.T @ Z, z @ W + bias  # (d_k, d), (d_k,)
        if k == len(net.dense) - 1:
            yield A, b, Z, z
            continue
        low, high = np.minimum(Z * down, Z * up).sum(axis=1) + z, np.maximum(Z * down, Z * up).sum(axis=1) + z
        choices = [[a for a, possible in ((1, h >= 0), (0, l <= 0)) if possible] for l, h in zip(low, high)]  # noqa: E741, B905
        for active in product(*choices):
            on = np.array(active)
            sign = 2 * on - 1
            stack.append((k + 1, np.r_[A, sign[:, None] * Z], np.r_[b, sign * z], on[:, None] * Z, on * z))


@quiet
def pattern_minimum(net, row, x, y, target=None, margin=0.0):
    """The least `|s|_p` of a tiny net with every margin at least `margin`, or inf: piece by piece, each solved exactly.

    With `margin = 0` no more than the true minimum (ties count as adversarial here), with any other no less.
    """
    return pattern_point(net, row, x, y, target, margin)[0]


@quiet
def pattern_point(net, row, x, y, target=None, margin=0.0, best=np.inf):
    """`pattern_minimum` and an s (d,) that attains it; `(best, None)` where none is smaller than `best`."""
    point = None
    for A, b, Z, z in pieces(net, x, row.down, row.up):
        for c in ways(net, y, target):
            G, h = np.r_[A, c @ Z], np.r_[-b, margin - c @ (z - net.threshold)]  # G s >= h
            if (np.maximum(G * row.down, G * row.up).sum(axis=1) < h - 1e-9).any():
                continue  # not even the whole box meets that row
            size, s = LEAST[row.norm](G, h, row.down, row.up, best)
            if size < best:
                best, point = size, s
    return best, point


def _least_pixels(G, h, down, up, best):
    """L0: every support smaller than the best known."""
    d = len(down)
    for k in range(min(d, int(min(best, d + 1)) - 1) + 1):
        for chosen in map(list, combinations(range(d), k)):
            if k == 0:
                if (h <= 0).all():
                    return 0, np.zeros(d)
                continue
            most = np.maximum(G * down, G * up)[:, chosen].sum(axis=1)
            if (most < h).any():
                continue
            bounds = np.c_[down, up][chosen]
            result = optimize.linprog(np.zeros(k), -G[:, chosen], -h, bounds=bounds, method="highs")
            if result.status == 0:
                s = np.zeros(d)
                s[chosen] = result.x
                return k, s
    return np.inf, None


def _least_by_program(cost, split):
    """L1 (`split`: s = p - n, the cost a sum) and Linf (one variable above every |s_i|)."""

    def least(G, h, down, up, best):
        d = len(down)
        if split:
            A, c = -np.c_[G, -G], np.ones(2 * d)
            bounds, end = np.r_[np.c_[np.zeros(d), up], np.c_[np.zeros(d), -down]], -h
        else:
            eye, one = np.eye(d), np.ones((d, 1))
            A = np.r_[np.c_[-G, np.zeros(len(G))], np.c_[eye, -one], np.c_[-eye, -one]]
            bounds, end = np.r_[np.c_[down, up], [[0, np.inf]]], np.r_[-h, np.zeros(2 * d)]
            c = np.r_[np.zeros(d), 1]
        result = optimize.linprog(c, A, end, bounds=bounds, method="highs")
        if result.status != 0:
            return np.inf, None
        return result.fun, result.x[:d] - result.x[d:] if split else result.x[:d]

    return least


def _shortest(G, h, down, up, best):
    """L2: least distance programming by non-negative least squares (Lawson and Hanson 1974, chapter 23)."""
    eye = np.eye(len(down))
    G, h = np.r_[G, eye, -eye], np.r_[h, down, -up]
    size = np.maximum(np.linalg.norm(G, axis=1), 1e-300)
    G, h = G / size[:, None], h / size
    E, f = np.r_[G.T, h[None]], np.r_[np.zeros(len(down)), 1]
    u, _ = optimize.nnls(E, f)
    r = E @ u - f
    s = -r[:-1] / r[-1] if abs(r[-1]) > 1e-12 else np.full(len(down), np.inf)
    return (np.linalg.norm(s), s) if (G @ s >= h - 1e-9).all() else (np.inf, None)


LEAST = {
    "l0": _least_pixels,
    "l1": _least_by_program("l1", split=True),
    "linf": _least_by_program("linf", split=False),
    "l2": _shortest,
}


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
    d = len(x)
    if norm == "linf":
        down, up = np.maximum(down, -upper), np.minimum(up, upper)
    low, high = _first_layer(net, x, down, up, norm, upper)
    program = Program()
    s = program.variables(d, down, up)
    affine = [(sparse.identity(d, format="csr"), s)]  # the last a is  sum M v + const
    const = x
    for k, layer in enumerate(net.dense[:-1]):
        if k:
            a_low, a_high = np.maximum(low, 0), np.maximum(high, 0)
            plus, minus = np.maximum(layer.W, 0), np.minimum(layer.W, 0)
            low, high = a_low @ plus + a_high @ minus + layer.b, a_high @ plus + a_low @ minus + layer.b
        m = len(low)
        z = [(layer.W.T @ M, v) for M, v in affine]
        const = const @ layer.W + layer.b
        a = program.variables(m, 0, np.maximum(high, 0))
        q = program.variables(m, low >= 0, high > 0, integer=True)
        eye, negative = np.eye(m), [(-M, v) for M, v in z]
        program.at_least([(eye, a), *negative], const)
        program.at_least([(-eye, a), (np.diag(np.maximum(high, 0)), q)], np.zeros(m))
        # a <= z - l (1 - q); for an active neuron l is 0 in it, and a = z
        room = np.minimum(low, 0)
        program.at_least([(-eye, a), *z, (np.diag(room), q)], room - const)
        affine, const = [(eye, a)], np.zeros(m)
    last = net.dense[-1]
    const = const @ last.W + last.b - net.threshold
    program.at_least([(c @ (last.W.T @ M), v) for M, v in affine], margin - c @ const)
    eye = sparse.identity(d, format="csr")
    if norm == "linf":
        r = program.variables(1, 0, np.inf, cost=1)
        one = sparse.csr_matrix(np.ones((d, 1)))
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
    result = program.solve(time_limit)
    if result.status == 2:  # infeasible
        return MilpAnswer(np.inf, np.inf, None)
    bound = 0.0 if result.mip_dual_bound is None else result.mip_dual_bound
    if result.x is None:
        return MilpAnswer(bound, np.inf, None)
    return MilpAnswer(bound, result.fun, x + result.x[s])


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
