"""How well a score separates attacked images from clean ones, and how sure that is.

threshold        read off clean training images, for a share of false alarms
roc, auc         every threshold at once: the curve, and the area under it
auc_interval     what that area may be on other images, by the bootstrap
share_interval   what a share seen in n images may be (Wilson 1927)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.inputs import Array, Seed, as_array, as_count, as_generator, as_number

FALSE_ALARMS = 0.01  # a choice: with double of it more attacks are found, and twice as many clean images are accused
FEWEST = 20  # training images: of so few the threshold is the largest score, which on average 1 in 21 others exceeds


def auc(clean: Array, attacked: Array) -> float:
    """`P(attacked > clean) + P(equal) / 2`, the area under the ROC curve (Mann and Whitney 1947).

    Examples
    --------
    >>> import numpy as np
    >>> auc(np.array([1.0, 2.0]), np.array([2.0, 3.0]))  # of four pairs three are in order, one is a tie
    0.875

    Raises
    ------
    ValueError
        No clean or no attacked images; scores that are not finite numbers (n,).
    """
    clean, attacked = as_scores(clean, "clean"), as_scores(attacked, "attacked")
    order = np.sort(clean)
    below, upto = np.searchsorted(order, attacked), np.searchsorted(order, attacked, side="right")
    return float(np.mean(below + upto) / 2 / len(clean))


def auc_interval(clean: Array, attacked: Array, draws: int = 300, rng: Seed = 0) -> tuple[float, float]:
    """The 2.5% and 97.5% quantiles of `auc` over bootstrap samples of both sets.

    A sample is how often each image was drawn, c (n,) and a (m,).  With clean scores in order and C their running
    count, attacked image i beats between C_below(i) and C_upto(i) clean ones, so the area is
    `sum_i a_i (C_below(i) + C_upto(i)) / 2 / (n m)`.

    Raises
    ------
    ValueError
        No clean or no attacked images; scores that are not finite numbers (n,).
    """
    clean, attacked = as_scores(clean, "clean"), as_scores(attacked, "attacked")
    rng = as_generator(rng)
    c, a = (_counts(rng, draws, len(v)) for v in (clean, attacked))  # (draws, n or m)
    order = np.argsort(clean)
    C = np.zeros((draws, len(clean) + 1), np.int64)
    np.cumsum(c[:, order], axis=1, out=C[:, 1:])
    below, upto = (np.searchsorted(clean[order], attacked, side=side) for side in ("left", "right"))  # (m,)
    values = (a * (C[:, below] + C[:, upto])).sum(axis=1) / 2
    low, high = np.quantile(values / (len(clean) * len(attacked)), [0.025, 0.975])
    return float(low), float(high)


def _counts(rng: np.random.Generator, draws: int, n: int) -> Array:
    """How often each of n images is drawn, n times with replacement, (draws, n): a fifth of `multinomial`'s time."""
    drawn = rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n)


def threshold(clean_training: Array, false_alarms: float = FALSE_ALARMS) -> float:
    """The score above which an image is called attacked: a share `false_alarms` of clean training images is above it.

    Raises
    ------
    ValueError
        Scores that are not finite numbers (n,), one detector's; too few for the quantile.

    Examples
    --------
    >>> import numpy as np
    >>> threshold(np.arange(100.0), false_alarms=0.05)
    95.0
    """
    clean_training = as_scores(clean_training, "clean_training")
    if not 0 <= as_number(false_alarms, "false_alarms") < 1:
        raise ValueError(f"false_alarms: expected a share in [0, 1), got {false_alarms}")
    if len(clean_training) < FEWEST:
        raise ValueError(f"expected at least {FEWEST} clean training images, got {len(clean_training)}")
    return float(np.quantile(clean_training, 1 - false_alarms, method="higher"))


def roc(clean: Array, attacked: Array) -> tuple[Array, Array]:
    """False alarms and detections at every threshold, from (0, 0) to (1, 1).

    Raises
    ------
    ValueError
        No clean or no attacked images; scores that are not finite numbers (n,).
    """
    clean, attacked = as_scores(clean, "clean"), as_scores(attacked, "attacked")
    at = np.unique(np.concatenate([clean, attacked]))[::-1]
    counts = [len(v) - np.searchsorted(np.sort(v), at, side="left") for v in (clean, attacked)]
    return np.append(0.0, counts[0] / len(clean)), np.append(0.0, counts[1] / len(attacked))


def share_interval(share: float, n: int) -> tuple[float, float]:
    """The 95% interval of a share seen in n images (Wilson 1927): the p whose own spread reaches as far as `share`.

    (share - p)^2 = z^2 p (1 - p) / n, z = 1.96, is a quadratic in p; its roots stay in [0, 1], and are an interval even
    for 0 and 1.

    Raises
    ------
    ValueError
        A share outside [0, 1], or of no images.

    Examples
    --------
    >>> low, high = share_interval(1.0, 100)
    >>> round(low, 3), high
    (0.963, 1.0)
    """
    n = as_count(n, "n")
    if not 0 <= as_number(share, "share") <= 1:
        raise ValueError(f"share: expected a number in [0, 1], got {share}")
    z = 1.959964
    middle, spread = share + z**2 / (2 * n), z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = (middle - spread) / (1 + z**2 / n), (middle + spread) / (1 + z**2 / n)
    return max(0.0, min(low, share)), min(1.0, max(high, share))  # `share` lies between: rounding may not say otherwise


def as_scores(value: Any, name: str) -> Array:
    """`value` as finite numbers (n,), n >= 1, or ValueError."""
    v = as_array(value, name)
    if v.ndim != 1 or not len(v) or v.dtype.kind not in "biuf" or not np.isfinite(v).all():
        raise ValueError(f"{name}: expected finite scores (n,), at least one, got shape {v.shape} of {v.dtype}")
    return v
