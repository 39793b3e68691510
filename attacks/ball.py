"""Perturbation sets, and the one question asked of them: which `s` moves a linear function most?

    S = { s : |s|_p <= radius,  lo <= x + s <= hi,  s = 0 off the mask }
    h_S(g) = max { g . s : s in S }             the support function of S

Write `down = lo - x <= 0 <= up = hi - x` for the room each pixel has (both 0 off the mask).  In direction `sign(g_i)`
pixel i can go as far as `cap_i` and earns `|g_i|` a unit: up if g_i > 0, -down if g_i < 0.  Nothing is ever won by
moving against g_i, so with `t_i = |s_i|` the question is, for every norm,

    maximise  sum |g_i| t_i   subject to   0 <= t_i <= cap_i,   |t|_p <= radius,

and each norm has its closed form, derived in its class (balls.py).  Every function takes a batch: `x, g, s` (..., d),
radius a number or one per image (...).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, as_array

ULPS = 4  # slack of `contains`, in units in the last place of max(1, |box|): x + s rounds


@dataclass(frozen=True, eq=False)
class Ball:
    """What the four norms share: the box, the mask, and the checks.

    Parameters
    ----------
    radius : float >= 0, or one per image
    box : (lo, hi)
        Numbers, or arrays that broadcast to `x`.
    mask : bool array that broadcasts to `x`, optional
        True where a pixel may change.  Default: everywhere.

    Raises
    ------
    ValueError
        A radius that is negative or NaN, a box with lo > hi or infinite ends, a mask that is not boolean or frees no
        pixel.
    """

    radius: Any
    box: tuple[Any, Any] = (0.0, 1.0)
    mask: Any = None
    norm: ClassVar[str]

    def __post_init__(self) -> None:
        radius = as_array(self.radius, "radius")
        if radius.dtype.kind not in "iuf" or not (radius >= 0).all():
            raise ValueError(f"radius: expected a number >= 0, or one per image, got {self.radius!r}")
        try:
            box = tuple(np.asarray(end, np.float64) for end in self.box)
        except (TypeError, ValueError) as error:
            raise ValueError(f"box: expected (lo, hi), two numbers or arrays, got {self.box!r}") from error
        if len(box) != 2 or not all(np.isfinite(end).all() for end in box) or not (box[0] <= box[1]).all():
            raise ValueError(f"box: expected (lo, hi), finite, with lo <= hi, got {self.box!r}")
        mask = None if self.mask is None else as_array(self.mask, "mask")
        if mask is not None and (mask.dtype != bool or mask.ndim == 0 or not mask.any(axis=-1).all()):
            raise ValueError(
                "mask: expected booleans with at least one pixel free, "
                f"got {mask.dtype} with {np.count_nonzero(mask)} of {mask.size} free"
            )
        for name, value in (("radius", radius), ("box", box), ("mask", mask)):
            object.__setattr__(self, name, value)

    def _with(self, **changes: Any) -> Self:
        """A part of this set, unchecked: it may be a single point, with no pixel free."""
        part = copy(self)
        for name, value in changes.items():
            object.__setattr__(part, name, value)
        return part

    def with_radius(self, radius: ArrayLike) -> Self:
        """The same box and mask, another radius."""
        return replace(self, radius=radius)

    def scaled(self, share: float) -> Self:
        """The ball of `share * radius`: for a step inside this one, or a little beyond it."""
        return self.with_radius(share * self.radius)

    def rows(self, index: Array, n: int) -> Self:
        """The ball of the images `index` out of the `n` whose ball this is."""

        def pick(value: ArrayLike, per_image: int) -> Array:
            value = np.asarray(value)
            return value[index] if value.ndim == per_image and len(value) == n else value

        mask = None if self.mask is None else pick(self.mask, 2)
        return self._with(radius=pick(self.radius, 1), box=(pick(self.box[0], 2), pick(self.box[1], 2)), mask=mask)

    def of_one_image(self) -> Self:
        """The ball of a single image, with its box and mask as (d,) or ()."""

        def flat(value: Any, per_image: int) -> Any:
            return value[0] if np.ndim(value) == per_image else value

        box = flat(self.box[0], 2), flat(self.box[1], 2)
        return replace(self, radius=flat(self.radius, 1), box=box, mask=flat(self.mask, 2))

    def spread(self) -> Self:
        """The same balls for arrays (n, m, d) beside images (n, 1, d): each image's ball m times, without copies."""

        def lift(value: Any, per_image: int) -> Any:
            return value if value is None or np.ndim(value) < per_image else np.expand_dims(value, 1)

        box = lift(self.box[0], 2), lift(self.box[1], 2)
        return self._with(radius=lift(self.radius, 1), box=box, mask=lift(self.mask, 2))

    def check(self, x: Array) -> None:
        """Raise ValueError unless the images `x` (n, d) lie in the box and radius, box and mask broadcast to them."""
        shapes = (
            ("box", self.box[0], x.shape),
            ("box", self.box[1], x.shape),
            ("mask", self.mask, x.shape),
            ("radius", self.radius, x.shape[:-1]),
        )
        for name, value, shape in shapes:
            try:
                np.broadcast_to(0 if value is None else value, shape)
            except ValueError as error:
                raise ValueError(
                    f"{name}: expected a shape that broadcasts to {shape}, got {np.shape(value)}"
                ) from error
        outside = (x < self.box[0]) | (x > self.box[1])
        if outside.any():
            place = tuple(np.argwhere(outside)[0])
            lo, hi = (np.broadcast_to(end, x.shape)[place] for end in self.box)
            raise ValueError(
                f"x: expected pixels inside the box [{lo:.9g}, {hi:.9g}], got {x[place]:.9g} in row {place[0]}, "
                f"pixel {place[-1]} (np.clip(x, lo, hi) mends what rounding did)"
            )

    def room(self, x: Array) -> tuple[Array, Array]:
        """`down = lo - x` and `up = hi - x`, (..., d), 0 off the mask."""
        down, up = (np.subtract(end, x, dtype=x.dtype, casting="same_kind") for end in self.box)
        return (down, up) if self.mask is None else (down * self.mask, up * self.mask)

    def restrict(
        self,
        inside: Array | None = None,
        outside: Array | None = None,
        lo: ArrayLike | None = None,
        hi: ArrayLike | None = None,
    ) -> Self:
        """The part of S in which the pixels `outside` stay put and every pixel is in [lo, hi] too.

        Parameters
        ----------
        inside : bool array that broadcasts to `x`, optional
            Pixels that are paid for, whether they move or not: matters where pixels are counted (L0).
        outside : bool array that broadcasts to `x`, optional
        lo, hi : numbers or arrays, optional
            Narrow the box.  `x` must stay inside it.
        """
        mask = self.mask if outside is None else ~np.asarray(outside) & (True if self.mask is None else self.mask)
        low = self.box[0] if lo is None else np.maximum(self.box[0], lo)
        high = self.box[1] if hi is None else np.minimum(self.box[1], hi)
        return self._with(box=(low, high), mask=mask)

    def columns(self, index: Array, d: int) -> Self:
        """The ball on the pixels `index` out of `d`, the others held still."""
        box = _columns(self.box[0], index, d), _columns(self.box[1], index, d)
        return self._with(box=box, mask=_columns(self.mask, index, d))

    def segments(self, x: Array) -> tuple[Array, Array, float] | None:
        """S of one image `x` (1, d) as  { down <= s <= up, |s|_1 <= budget },  or None if it is not of that form."""
        return None

    # ------------------------------------------------------------------ what a proof asks

    @classmethod
    def proves(cls, radius: float) -> float:
        """If no s with `|s| <= radius` is adversarial, none has `|s| <` this."""
        return radius

    @classmethod
    def asks(cls, upper: float, gap: float) -> float:
        """The radius to refute so that the least distance is known within `gap`, when `upper` works."""
        return (1 - gap) * upper

    @classmethod
    def retreat(cls, proved: float, failed: float) -> float:
        """A radius to try after `failed` was too hard, when `proved` is proved; not above `proved`: none left."""
        return max(0.9 * failed, (proved + failed) / 2)

    @classmethod
    def ladder(cls, upper: float, count: int = 8) -> Array:
        """Radii below `upper`, rising, for a first look."""
        return upper * np.arange(1, count) / count

    @classmethod
    def whole(cls, radius: float) -> float:
        """`radius`, or the next that makes sense."""
        return radius

    @classmethod
    def between(cls, low: float, high: float, share: float) -> float | None:
        """A radius between the two, or None if they are as good as one: nearer than `share`."""
        return (low + high) / 2 if high - low > share * high else None

    def widest(self, x: Array) -> float:
        """A radius > 0 at which S is the whole box, for one image `x` (1, d)."""
        down, up = self.room(x)
        return float(np.max(self.distance(np.maximum(-down, up)))) or 1.0  # nothing can move: any radius

    def shorter(self, s: Array) -> Array:
        """Perturbations on the way to `s` (d,), the smallest first, (m, d)."""
        return np.arange(1, 1024)[:, None] / 1024 * s

    def undecided(self, x: Array) -> Array:
        """Pixels (..., d) that a proof may split on: in the support, or out of it.  None, unless pixels are counted."""
        return np.zeros(x.shape, bool)

    def forced(self, x: Array, g: Array) -> tuple[Array, Array]:
        """`h_S(g)` if pixel i must be paid for, and if it must stay put, (..., d) each, for the undecided pixels."""
        h = np.broadcast_to(self.support(x, g)[..., None], g.shape)
        return h, h

    def together(self, x: Array, A: Array) -> tuple[Array, Array] | None:
        """The s (d,) of this one set that maximises  sum_i A_i . (clip(x_i + s) - x_i),  and what each pixel earns.

        x, A (n, d).  None where that is not known in closed form.  See attacks/together.py.
        """
        return None

    def reach(self, x: Array, g: Array) -> Array:
        """`cap` (..., d): how far each pixel can go in the direction of its gradient, whatever the radius."""
        cap = np.sign(g) * np.finfo(x.dtype).max  # (..., d), 0 where g = 0
        np.clip(cap, *self.room(x), out=cap)
        return np.abs(cap, out=cap)

    def gain(self, x: Array, g: Array) -> Array:
        """`max(g_i (lo_i - x_i), g_i (hi_i - x_i))` (..., d): what each pixel earns at its best end."""
        down, up = self.room(x)
        gain = g * up
        return np.maximum(gain, g * down, out=gain)

    def support(self, x: Array, g: Array) -> Array:
        """`h_S(g)`, (...): what `maximize` earns."""
        return np.sum(g * self.maximize(x, g), axis=-1)

    def apply(self, x: Array, s: Array) -> Array:
        """`x_adv = clip(x + s, lo, hi)` for x in the box; a pixel with s = 0 keeps its value."""
        x_adv = x + s
        return np.clip(x_adv, *self.box, out=x_adv)

    def contains(self, x: Array, s: Array) -> Array:
        """Whether each `s` (..., d) is in S up to 4 units in the last place of `max(1, |box|)`, (...) bool."""
        x, s = np.asarray(x, np.float64), np.asarray(s, np.float64)
        slack = ULPS * np.finfo(float).eps * np.maximum(1, np.maximum(np.abs(self.box[0]), np.abs(self.box[1])))
        down, up = self.room(x)
        frozen = (down == 0) & (up == 0)
        inside = np.all((s >= down - slack) & (s <= up + slack) & (~frozen | (s == 0)), axis=-1)
        return inside & (self.distance(s) <= self.radius + np.max(slack) * self.size_of_ones(s.shape[-1]))

    def size_of_ones(self, d: int) -> float:
        """`|(1, ..., 1)|_p` in d dimensions: what the same error in every pixel adds to the distance at most."""
        return float(self.distance(np.ones(d)))

    def sample(self, x: Array, rng: np.random.Generator) -> Array:
        """A random `s` in S: the best in a random direction, shortened at random (S is star-shaped about 0)."""
        direction = rng.normal(size=x.shape)
        return rng.random((*x.shape[:-1], 1)) * self.maximize(x, direction)

    def maximize(self, x: Array, g: Array) -> Array:
        """A maximiser `s` (..., d) of `g . s` over S.  Pixels with g = 0 stay put."""
        raise NotImplementedError

    def project(self, x: Array, s: Array) -> Array:
        """The `v` in S that is nearest to `s` in the Euclidean distance, (..., d)."""
        raise NotImplementedError

    def distance(self, s: Array) -> Array:
        """`|s|_p`, (...)."""
        raise NotImplementedError

    def radius_for(self, x: Array, g: Array, gain: Array) -> Array:
        """The smallest radius at which `h_S(g) >= gain`, (...), or inf.  Inverse of `support` in the radius."""
        raise NotImplementedError


def _columns(value: Any, index: Array, d: int) -> Any:
    """The pixels `index` of what broadcasts to (n, d)."""
    return value[..., index] if value is not None and np.ndim(value) and value.shape[-1] == d else value
