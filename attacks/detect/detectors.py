"""Can one tell?  Five scores that are larger for attacked images than for clean ones.

Each detector is a score (n,) of images (n, d) that grows with what clean training images never do.  What they need to
know of the training images is learned once, by `FittedDetectors.fit`.

    unused       ink on pixels that no training image ever uses
    isolated     pixels that differ from the median of their 3 x 3 neighbourhood, the largest differences weighing most
    subspace     the part of the image outside the training set's leading principal components
    squeezed     how far the logits move when fine detail is removed: median filter, one bit a pixel (Xu et al. 2018)
    neighbour    the distance to the nearest training image

attacks/detect/combined.py makes one score of the five, a logistic function fitted to clean and attacked *training*
images.  A threshold (attacks/detect/statistics.py) is a quantile of the scores of clean training images that the
detectors were not fitted to (one that they were fitted to is its own nearest neighbour), so the share of false alarms
is chosen without looking at an attack, let alone at a test image.  The detectors that compare a pixel with its
neighbours need pictures: `shape` says how many rows and columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.images import pictures
from minigrad.inputs import Array, Seed, as_count, as_generator, as_images
from minigrad.model import Model, check_model

# 120 principal components would tell more (areas under the ROC curve of `subspace` for FGSM with eps 0.05: 0.52, 0.57
# and 0.66 with 30, 60 and 120), but the detectors cannot be fitted to fewer training images than components.
COMPONENTS = 60
NEIGHBOURS = 3000  # training images that are compared with: with 1500 or 6000 the area of `neighbour` moves by 0.01
CACHED = 64  # pictures filtered at once: their nine shifts stay in the cache; all 968 at once take eight times as long
EXCHANGES = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3),
    (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip
ROWS = 512  # images scored at once: 128 took twice as long, 2048 half as long again (their distances are 48 MB)


@dataclass(frozen=True, eq=False)
class FittedDetectors:
    """What the detectors know: the network, and what clean training images look like.

    Attributes
    ----------
    net : Model
    shape : (rows, columns)
    used : (d,) bool
        Pixels that some training image uses.
    mean : (d,)
        The mean training image.
    basis : (d, r)
        The leading right singular vectors of the centred training images.
    some : (m, d)
        The training images among which `neighbour` looks for the nearest.
    """

    net: Model
    shape: tuple[int, int]
    used: Array
    mean: Array
    basis: Array
    some: Array

    @classmethod
    def fit(
        cls,
        net: Model,
        x: Array,
        components: int = COMPONENTS,
        rng: Seed = 0,
        shape: tuple[int, int] | None = None,
    ) -> FittedDetectors:
        """Learn from clean training images (n, d), pictures of `shape` (rows, columns), by default square.

        Raises
        ------
        ValueError
            Fewer images or pixels than components, images that are not of that shape, pixels outside [0, 1].
        """
        check_model(net)
        x = as_shares(x)
        shape = pictures(x, shape).shape[1:]
        if not 1 <= as_count(components, "components") <= min(x.shape):
            raise ValueError(f"x: expected at least {components} images and pixels, one a component, got {x.shape}")
        mean = x.mean(axis=0)  # (d,)
        centred = x - mean
        _, basis = np.linalg.eigh(centred.T @ centred)  # (d, d), by rising eigenvalue
        some = as_generator(rng).permutation(len(x))[:NEIGHBOURS]
        return cls(net, shape, np.any(x > 0, axis=0), mean, basis[:, : -components - 1 : -1], x[some])

    @cached_property
    def single(self) -> tuple[Array, Array]:
        """`some` in single precision, (m, d), and half of each squared length, (m,)."""
        some = self.some.astype(np.float32)
        return some, (some**2).sum(axis=1) / 2

    @classmethod
    def of(cls, *args: Any, **options: Any) -> FittedDetectors:
        """The old name of `fit`, removed in 0.3."""
        warnings.warn("FittedDetectors.of is FittedDetectors.fit now; removed in 0.3", DeprecationWarning, stacklevel=2)
        return cls.fit(*args, **options)


def unused(detectors: FittedDetectors, x: Array) -> Array:
    """`sum of x_i over the pixels that no training image uses`, (n,)."""
    return x[:, ~detectors.used].sum(axis=1)


def isolated(detectors: FittedDetectors, x: Array) -> Array:
    """`sum over pixels of |x - median_3x3(x)|^4`, (n,): a stroke is wider than one pixel, and its edge is grey."""
    square = (x - median_of_nine(x, detectors.shape)) ** 2  # (n, d)
    return (square**2).sum(axis=1)


def subspace(detectors: FittedDetectors, x: Array) -> Array:
    """`|(I - V V^T)(x - mean)|_2`, (n,), V the leading principal directions."""
    centred = x - detectors.mean  # (n, d)
    return np.linalg.norm(centred - (centred @ detectors.basis) @ detectors.basis.T, axis=1)


def squeezed(detectors: FittedDetectors, x: Array) -> Array:
    """`max(|N(x) - N(median_2x2(x))|_1, |N(x) - N(round(x))|_1)`, (n,): attacks live in detail no digit needs."""
    N = np.asarray(detectors.net.logits(x))  # (n, k)
    squeezes = median_of_four(x, detectors.shape), np.round(x)
    changes = [np.abs(N - detectors.net.logits(simple)).sum(axis=1) for simple in squeezes]
    return np.maximum(*changes)


def neighbour(detectors: FittedDetectors, x: Array) -> Array:
    """`min over training images t of |x - t|_2`, (n,).

    Which t is nearest says one matrix product, |t|^2/2 - x . t; how far it is, is measured.  So the product may be in
    single precision: of two images equally near to six digits it matters little which is taken.
    """
    some, half = detectors.single  # (m, d), (m,)
    nearest = (half - x.astype(np.float32) @ some.T).argmin(axis=1)
    return np.linalg.norm(x - detectors.some[nearest], axis=1)


DETECTORS: dict[str, Callable[[FittedDetectors, Array], Array]] = {
    f.__name__: f for f in (unused, isolated, subspace, squeezed, neighbour)
}


def scores(detectors: FittedDetectors, x: ArrayLike) -> Array:
    """The five scores of each image (n, d), (n, 5), in the order of `DETECTORS`.

    Raises
    ------
    ValueError
        No fitted detectors, images that are not of their size, pixels outside [0, 1].
    """
    x = as_seen(detectors, x)
    parts = [x[start : start + ROWS] for start in range(0, max(len(x), 1), ROWS)]
    return np.concatenate([np.stack([f(detectors, part) for f in DETECTORS.values()], axis=1) for part in parts])


def as_shares(x: ArrayLike, d: int | None = None) -> Array:
    """`x` as images (n, d) of pixels in [0, 1], or ValueError."""
    x = as_images(x, d)
    if x.min() < 0 or x.max() > 1:
        raise ValueError(
            f"x: expected pixels in [0, 1], shares of their range, got {x.min():.9g}..{x.max():.9g} "
            "(for pixels in lo..hi: (x - lo) / (hi - lo), and net.rescaled(lo, hi))"
        )
    return x


def as_seen(detectors: FittedDetectors, x: ArrayLike) -> Array:
    """`x` as images (n, d) of the size of those that `detectors` were fitted to, or ValueError."""
    if not isinstance(detectors, FittedDetectors):
        got = type(detectors).__name__
        raise ValueError(f"detectors: expected FittedDetectors (FittedDetectors.fit makes them), got {got}")
    return as_shares(x, len(detectors.mean))


def median_of_nine(x: Array, shape: tuple[int, int]) -> Array:
    """The 3 x 3 median of each picture, edges repeated, (n, d): SciPy's to the last bit, in a quarter of the time.

    After the exchanges, each of which puts two values in order, the middle one of nine is in place (Paeth 1990).
    """
    median = np.empty_like(x)
    for start in range(0, len(x), CACHED):
        v = _shifted(x[start : start + CACHED], shape, 3)
        for a, b in EXCHANGES:
            v[a], v[b] = np.minimum(v[a], v[b]), np.maximum(v[a], v[b])
        median[start : start + CACHED] = v[4].reshape(-1, x.shape[1])
    return median


def median_of_four(x: Array, shape: tuple[int, int]) -> Array:
    """The upper 2 x 2 median, of a pixel and those above and to the left, edges repeated, (n, d): SciPy's, faster."""
    median = np.empty_like(x)
    for start in range(0, len(x), CACHED):
        a, b, c, d = _shifted(x[start : start + CACHED], shape, 2)
        low, high = np.maximum(np.minimum(a, b), np.minimum(c, d)), np.minimum(np.maximum(a, b), np.maximum(c, d))
        median[start : start + CACHED] = np.maximum(low, high).reshape(-1, x.shape[1])
    return median


def _shifted(x: Array, shape: tuple[int, int], size: int) -> list[Array]:
    """The pixels of each size x size neighbourhood, edges repeated: size^2 arrays (n, rows, columns)."""
    (rows, columns), around = shape, (size // 2, (size - 1) // 2)
    padded = np.pad(pictures(x, shape), ((0, 0), around, around), mode="edge")
    return [padded[:, i : i + rows, j : j + columns] for i in range(size) for j in range(size)]
