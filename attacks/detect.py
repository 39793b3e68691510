"""Can one tell?  Numbers that are larger for attacked images than for clean ones, and how well they separate the two.

Each detector is a score (n,) of images (n, d): what clean training images never do.  What they need to know of the
training images is learned once, by `Memory.of`.

    unused       ink on pixels that no training image ever uses
    isolated     pixels that differ from the median of their 3 x 3 neighbourhood, the largest differences weighing most
    subspace     the part of the image outside the training set's leading principal components
    squeezed     how far the logits move when fine detail is removed: median filter, one bit a pixel (Xu et al. 2018)
    neighbour    the distance to the nearest training image
    combined     a logistic function of the five, fitted to clean and attacked *training* images

A threshold is a quantile of the scores of clean training images that the memory does not hold (one that it holds is
near to itself), so the share of false alarms is chosen without looking at an attack, let alone at a test image.  The
detectors that move pixels about need pictures: `shape` says how many rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, Seed, as_count, as_generator, as_images, as_number, as_scores
from minigrad.model import Model, check_model

COMPONENTS, NEIGHBOURS = 60, 3000  # principal components kept; training images compared with
FALSE_ALARMS = 0.01
ROWS = 512  # images scored, or compared with all clean ones, at once
FEWEST = 20  # training images that a quantile of 1% can be read off, roughly


@dataclass(frozen=True, eq=False)
class Memory:
    """What the detectors know: the network, and the clean training images it was built from.

    Attributes
    ----------
    used : (d,) bool      pixels that some training image uses
    mean : (d,)
    basis : (d, r)        the leading right singular vectors of the centred training images
    some : (m, d)         training images to be near to
    """

    net: Model
    shape: tuple[int, int]
    used: Array
    mean: Array
    basis: Array
    some: Array

    @classmethod
    def of(
        cls,
        net: Model,
        x: Array,
        components: int = COMPONENTS,
        rng: Seed = 0,
        shape: tuple[int, int] | None = None,
    ) -> Memory:
        """Learn from clean training images (n, d), pictures of `shape` (rows, columns), by default square.

        Raises
        ------
        ValueError
            Fewer images than components, images that are not of that shape, pixels outside [0, 1].
        """
        check_model(net)
        x = as_shares(x)
        shape = pictures(x, shape).shape[1:]
        if not 1 <= as_count(components, "components") <= min(x.shape):
            raise ValueError(f"x: expected at least {components} images and pixels, one a component, got {x.shape}")
        mean = x.mean(axis=0)  # (d,)
        _, basis = np.linalg.eigh((x - mean).T @ (x - mean))  # (d, d), by rising eigenvalue
        some = as_generator(rng).permutation(len(x))[:NEIGHBOURS]
        return cls(net, shape, np.any(x > 0, axis=0), mean, basis[:, : -components - 1 : -1], x[some])


def unused(memory: Memory, x: Array) -> Array:
    """`sum of x_i over the pixels that no training image uses`, (n,)."""
    return x[:, ~memory.used].sum(axis=1)


def isolated(memory: Memory, x: Array) -> Array:
    """`sum over pixels of |x - median_3x3(x)|^4`, (n,): a stroke is wider than one pixel, and its edge is grey."""
    square = (x - _median(x, 3, memory.shape)) ** 2  # (n, d)
    return (square**2).sum(axis=1)


def subspace(memory: Memory, x: Array) -> Array:
    """`|(I - V V^T)(x - mean)|_2`, (n,), V the leading principal directions."""
    centred = x - memory.mean  # (n, d)
    return np.linalg.norm(centred - (centred @ memory.basis) @ memory.basis.T, axis=1)


def squeezed(memory: Memory, x: Array) -> Array:
    """`max(|N(x) - N(median_2x2(x))|_1, |N(x) - N(round(x))|_1)`, (n,): attacks live in detail no digit needs."""
    N = np.asarray(memory.net.logits(x))  # (n, k)
    squeezes = _median(x, 2, memory.shape), np.round(x)
    changes = [np.abs(N - memory.net.logits(simple)).sum(axis=1) for simple in squeezes]
    return np.maximum(*changes)


def neighbour(memory: Memory, x: Array) -> Array:
    """`min over training images t of |x - t|_2`, (n,); |x - t|^2 = |x|^2 - 2 x . t + |t|^2, one matrix product."""
    square = (x**2).sum(axis=1)[:, None] - 2 * x @ memory.some.T + (memory.some**2).sum(axis=1)  # (n, m)
    return np.sqrt(np.maximum(square.min(axis=1), 0))


DETECTORS: dict[str, Callable[[Memory, Array], Array]] = {
    f.__name__: f for f in (unused, isolated, subspace, squeezed, neighbour)
}


def scores(memory: Memory, x: ArrayLike) -> Array:
    """The five scores of each image (n, d), (n, 5), in the order of `DETECTORS`.

    Raises
    ------
    ValueError
        No memory, images that are not of its size, pixels outside [0, 1].
    """
    x = as_seen(memory, x)
    parts = [x[start : start + ROWS] for start in range(0, max(len(x), 1), ROWS)]
    return np.concatenate([np.stack([detect(memory, part) for detect in DETECTORS.values()], axis=1) for part in parts])


@dataclass(frozen=True, eq=False)
class Combined:
    """`w . standardised(log(1 + scores)) + b`: positive where an attack is likelier than not."""

    middle: Array
    size: Array
    w: Array
    b: float

    @classmethod
    def fit(cls, clean: Array, attacked: Array, weight: float = 1e-3) -> Combined:
        """Fit to the scores (n, 5) of clean and (m, 5) of attacked training images, both classes weighing the same.

        Minimises  mean_clean log(1 + e^v) + mean_attacked log(1 + e^-v) + weight |w|^2  by L-BFGS.

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

    A sample is how often each image was drawn, c (n,) and a (m,), so its area is `a K c / (n m)` with K_ij = 1 where
    attacked_i > clean_j, 1/2 where they are equal; all samples at once are matrix products.

    Raises
    ------
    ValueError
        No clean or no attacked images; scores that are not finite numbers (n,).
    """
    clean, attacked = as_scores(clean, "clean"), as_scores(attacked, "attacked")
    rng = as_generator(rng)
    c, a = (rng.multinomial(len(v), np.full(len(v), 1 / len(v)), draws) for v in (clean, attacked))  # (draws, n or m)
    values = np.zeros(draws)
    for start in range(0, len(attacked), ROWS):
        some = slice(start, start + ROWS)
        K = np.heaviside(attacked[some, None] - clean, 0.5)  # (rows, n)
        values += ((a[:, some] @ K) * c).sum(axis=1)
    low, high = np.quantile(values / (len(clean) * len(attacked)), [0.025, 0.975])
    return float(low), float(high)


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


def as_shares(x: ArrayLike, d: int | None = None) -> Array:
    """`x` as images (n, d) of pixels in [0, 1], or ValueError."""
    x = as_images(x, d)
    if x.min() < 0 or x.max() > 1:
        raise ValueError(
            f"x: expected pixels in [0, 1], shares of their range, got {x.min():.9g}..{x.max():.9g} "
            "(for pixels in lo..hi: (x - lo) / (hi - lo), and net.rescaled(lo, hi))"
        )
    return x


def as_seen(memory: Memory, x: ArrayLike) -> Array:
    """`x` as images (n, d) that `memory` can judge, or ValueError."""
    if not isinstance(memory, Memory):
        raise ValueError(f"memory: expected a Memory (Memory.of makes one), got {type(memory).__name__}")
    return as_shares(x, len(memory.mean))


def share_interval(share: float, n: int) -> tuple[float, float]:
    """The 95% interval of a share seen in n images (Wilson 1927): the p whose own spread reaches as far as `share`.

    (share - p)^2 = z^2 p (1 - p) / n, z = 1.96, is a quadratic in p; its roots stay in [0, 1], and are an interval even
    for 0 and 1.

    Examples
    --------
    >>> low, high = share_interval(1.0, 100)
    >>> round(low, 3), high
    (0.963, 1.0)
    """
    z = 1.959964
    middle, spread = share + z**2 / (2 * n), z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = (middle - spread) / (1 + z**2 / n), (middle + spread) / (1 + z**2 / n)
    return max(0.0, min(low, share)), min(1.0, max(high, share))  # `share` lies between: rounding may not say otherwise


def pictures(x: Array, shape: tuple[int, int] | None = None) -> Array:
    """Rows (n, d) as pictures (n, rows, columns) of `shape`, by default square.

    Raises
    ------
    ValueError
        Images that are not of that shape.
    """
    d = x.shape[1]
    if shape is not None and (np.shape(shape) != (2,) or np.asarray(shape).dtype.kind not in "iu"):
        raise ValueError(f"shape: expected (rows, columns), two whole numbers, got {shape!r}")
    rows, columns = (round(d**0.5), round(d**0.5)) if shape is None else shape
    if rows * columns != d:
        wanted = "square images" if shape is None else f"images of {rows} x {columns}"
        raise ValueError(f"x: expected {wanted}, whose pixels have neighbours, got {d} pixels")
    return x.reshape(-1, rows, columns)


def _median(x: Array, size: int, shape: tuple[int, int]) -> Array:
    """The median filter of each picture, (n, d)."""
    from scipy.ndimage import median_filter

    return median_filter(pictures(x, shape), size=(1, size, size), mode="nearest").reshape(x.shape)
