"""Slow, obvious answers to compare the fast ones with.

Each takes one set in plain numbers, a `Row` of ball_strategies.py: norm, radius, down, up (d,).  SciPy's solvers are
run with NumPy's floating-point errors ignored: what they do inside is not under test.
"""

from itertools import combinations

import numpy as np
from scipy import optimize

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
    """The squared distance from v to S: L0 by trying every support, Linf pixel by pixel, the others by a quadratic
    program."""
    clipped = np.clip(v, row.down, row.up)
    if row.norm == "linf":  # a product of intervals: SLSQP stops outside it now and then
        ends = zip(v, np.maximum(row.down, -row.radius), np.minimum(row.up, row.radius), strict=True)
        return sum(max(low - a, 0, a - high) ** 2 for a, low, high in ends)
    if row.norm == "l0":
        k = int(min(row.radius, len(v)))
        supports = (set(chosen) for size in range(k + 1) for chosen in combinations(range(len(v)), size))
        return min(sum((v[i] - (clipped[i] if i in chosen else 0)) ** 2 for i in range(len(v))) for chosen in supports)
    d = len(v)
    norm = {
        "l1": lambda z: row.radius - z.sum(),
        "l2": lambda z: row.radius**2 - np.sum((z[:d] - z[d:]) ** 2),
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
