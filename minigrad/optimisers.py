"""Two rules that turn gradients into steps: Adam, which `bounds` uses too, and SGD with momentum."""

from __future__ import annotations

import numpy as np

from minigrad.inputs import Array


class Adam:
    """theta <- theta - lr mhat / (sqrt(vhat) + eps)   (Kingma and Ba 2015, algorithm 1)

        m <- b1 m + (1 - b1) g      v <- b2 v + (1 - b2) g^2      mhat = m / (1 - b1^t)      vhat = v / (1 - b2^t)

    `step` does this in place, for training.  `direction` returns mhat / (sqrt(vhat) + eps) and leaves the rest to a
    caller whose theta must stay in a set.  Use one object for one of the two: `step` keeps its moments in other units.

    Departure in `step`: kept are M = m / (1 - b1) and V = v / (1 - b2), which saves two passes over memory per step:
        M <- b1 M + g,   V <- b2 V + g^2,   lr mhat = a M,   sqrt(vhat) = sqrt(V) / c, so
        theta <- theta - a c M / (sqrt(V) + eps c),   a = lr (1 - b1) / (1 - b1^t),  c = sqrt((1 - b2^t) / (1 - b2)).
    """

    def __init__(self, theta: Array, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> None:
        self.theta, self.b1, self.b2, self.eps, self.t = theta, b1, b2, eps, 0
        self.M, self.V, self.work = np.zeros_like(theta), np.zeros_like(theta), np.empty_like(theta)

    def step(self, gradient: Array, lr: float) -> None:
        """Change theta in place.  `gradient` is overwritten."""
        self.t += 1
        c = np.sqrt((1 - self.b2**self.t) / (1 - self.b2)).item()
        self.M *= self.b1
        self.M += gradient
        gradient *= gradient
        self.V *= self.b2
        self.V += gradient
        np.sqrt(self.V, out=self.work)
        self.work += self.eps * c
        np.divide(self.M, self.work, out=self.work)
        self.work *= lr * (1 - self.b1) / (1 - self.b1**self.t) * c
        self.theta -= self.work

    def direction(self, gradient: Array) -> Array:
        """Entries of about -1 to 1, of the sign that `gradient` mostly had; 0 where it always was 0."""
        self.t += 1
        self.M += (1 - self.b1) * (gradient - self.M)  # here M is m, and V is v
        self.V += (1 - self.b2) * (gradient * gradient - self.V)
        size = np.sqrt(self.V / (1 - self.b2**self.t))
        size += self.eps
        return self.M / size / (1 - self.b1**self.t)


class SGD:
    """u <- momentum u + g,   theta <- theta - lr u   (Polyak 1964; Sutskever et al. 2013, eq. 1-2)"""

    def __init__(self, theta: Array, momentum: float = 0.9) -> None:
        self.theta, self.u, self.momentum = theta, np.zeros_like(theta), momentum

    def step(self, gradient: Array, lr: float) -> None:
        """Change theta in place.  `gradient` is overwritten."""
        self.u *= self.momentum
        self.u += gradient
        np.multiply(self.u, lr, out=gradient)
        self.theta -= gradient
