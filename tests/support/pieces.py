"""The exact minimum of a tiny ReLU network: every linear piece of it is searched by itself."""

from itertools import combinations, product

import numpy as np
from oracles import quiet
from scipy import optimize


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
