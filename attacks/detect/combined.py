"""One score of the five: a logistic function of their logarithms, fitted to clean and attacked training images.

The five scores have different units and long tails, so it is log(1 + score), standardised, that is weighed.  The
combination was fitted to some attacks and may miss others, or one that evades it: read its thresholds off images that
it was not fitted to, and measure other attacks apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigrad.inputs import Array, as_number


@dataclass(frozen=True, eq=False)
class Combined:
    """`w . (log(1 + scores) - middle) / size + b`: positive where an attack is likelier than not.

    Attributes
    ----------
    middle, size : (5,)
        Mean and standard deviation of log(1 + scores) over the training images.
    w, b : (5,), float
    """

    middle: Array
    size: Array
    w: Array
    b: float

    @classmethod
    def fit(cls, clean: Array, attacked: Array, weight: float = 1e-3) -> Combined:
        """Fit to the scores (n, 5) of clean and (m, 5) of attacked training images, both classes weighing the same.

        With v the combined score, minimises

            mean over clean of log(1 + exp(v))  +  mean over attacked of log(1 + exp(-v))  +  weight |w|^2

        by L-BFGS.  A `weight` > 0 keeps w finite where the two can be separated.

        Raises
        ------
        ValueError
            Either set is empty, scores that are not (n, 5), finite and >= 0, a weight below 0.
        """
        from scipy.optimize import minimize

        for name, s in (("clean", clean), ("attacked", attacked)):
            if np.ndim(s) != 2 or not len(s) or not np.isfinite(s).all() or not np.all(s >= 0):
                raise ValueError(f"{name}: expected finite scores >= 0, (n, 5), at least one image, got {np.shape(s)}")
        if not 0 <= as_number(weight, "weight") < np.inf:
            raise ValueError(f"weight: expected a number >= 0, got {weight}")
        features = np.log1p(np.concatenate([clean, attacked]))  # (n + m, 5)
        middle, size = features.mean(axis=0), features.std(axis=0)
        size = np.where(size > 0, size, 1)
        A = (features - middle) / size  # (n + m, 5), mean 0 and standard deviation 1
        sign = np.repeat([1.0, -1.0], [len(clean), len(attacked)])  # log(1 + exp(sign v))
        share = np.repeat([1 / len(clean), 1 / len(attacked)], [len(clean), len(attacked)])

        def loss(p: Array) -> tuple[float, Array]:
            v = sign * (A @ p[:-1] + p[-1])
            slope = share * sign * 0.5 * (1 + np.tanh(v / 2))
            value = share @ np.logaddexp(0, v) + weight * p[:-1] @ p[:-1]
            return float(value), np.append(slope @ A + 2 * weight * p[:-1], slope.sum())

        p = minimize(loss, np.zeros(A.shape[1] + 1), jac=True, method="L-BFGS-B").x
        return cls(middle, size, p[:-1], float(p[-1]))

    def __call__(self, s: Array) -> Array:
        """The combined score of scores (n, 5), (n,)."""
        return (np.log1p(s) - self.middle) / self.size @ self.w + self.b
