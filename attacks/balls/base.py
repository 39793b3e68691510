"""Perturbation sets, and the one question asked of them: which `s` moves a linear function most?

    S = { s : |s|_p <= radius,  lo <= x + s <= hi,  s = 0 off the mask }
    h_S(g) = max { g . s : s in S }             the support function of S

What answers it, `maximize`, is the *linear maximisation oracle* of S (Jaggi 2013): all that attacks and proofs ask.
Write `down = lo - x <= 0 <= up = hi - x` for the room each pixel has (both 0 off the mask).  In direction `sign(g_i)`
pixel i can go as far as `cap_i` and earns `|g_i|` a unit: up if g_i > 0, -down if g_i < 0.  Nothing is ever won by
moving against g_i, so with `t_i = |s_i|` the question is, for every norm,

    maximise  sum |g_i| t_i   subject to   0 <= t_i <= cap_i,   |t|_p <= radius,

and each norm has its closed form, derived in its file.  A norm is four methods: `maximize`, `project`, `distance`,
`radius_for`.  Every function takes a batch: `x, g, s` (..., d), radius a number or one per image (...).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inputs import Array, as_array, brief

B = TypeVar("B", bound="Ball")
ROUNDED = 1e-6  # of the box, beyond which it is not rounding: float32 loses a tenth of it, another range is far more
PICTURE = "; a picture (height, width) is one row of pixels, mask.ravel()"
ULPS = 4  # slack of `contains`, in ulps of max(1, |box|): x + s, and x_adv - x again, each round by half of one


@dataclass(frozen=True, eq=False, repr=False)
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
    counts: ClassVar[bool] = False  # whether the distance is a whole number of pixels
    per_image: ClassVar[dict[str, int]] = {"radius": 1, "mask": 2}  # axes that a field has if each image has its own

    def __post_init__(self) -> None:
        radius = as_radius(self.radius)
        try:
            box = tuple(np.array(end, np.float64) for end in self.box)
        except (TypeError, ValueError) as error:
            raise ValueError(f"box: expected (lo, hi), two numbers or arrays, got {brief(self.box)}") from error
        if len(box) != 2 or not all(np.isfinite(end).all() for end in box) or not (box[0] <= box[1]).all():
            raise ValueError(f"box: expected (lo, hi), finite, with lo <= hi, got {brief(self.box)}")
        if not (box[1] / 2 - box[0] / 2 < np.finfo(float).max / 2).all():
            raise ValueError(f"box: expected ends whose difference is a float64, got {brief(self.box)}")
        mask = None if self.mask is None else as_array(self.mask, "mask").copy()  # the caller may change it
        if mask is not None and (mask.dtype != bool or mask.ndim == 0 or not mask.any(axis=-1).all()):
            rows = " in each row, one row an image" if mask.ndim > 1 else ""
            raise ValueError(
                f"mask: expected booleans with at least one pixel free{rows}, got {mask.dtype} {mask.shape} with "
                f"{np.count_nonzero(mask)} of {mask.size} free{PICTURE if mask.ndim > 1 and mask.any() else ''}"
            )
        for name, value in (("radius", radius), ("box", box), ("mask", mask)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        """The radius, and box and mask where they are not the usual: in one line, however many pixels there are."""
        lo, hi = (exactly(end) if end.ndim == 0 else f"array {end.shape}" for end in self.box)
        box = "" if (lo, hi) == ("0", "1") else f", box=({lo}, {hi})"
        mask = "" if self.mask is None else f", mask of {np.count_nonzero(self.mask)} of {self.mask.size} pixels"
        radius = exactly(self.radius) if self.radius.ndim == 0 else f"array {self.radius.shape}"
        return f"{type(self).__name__}({radius}{box}{mask})"

    # ------------------------------------------------------------------ what a norm answers

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

    def support(self, x: Array, g: Array) -> Array:
        """`h_S(g)`, (...): what `maximize` earns."""
        return np.sum(g * self.maximize(x, g), axis=-1)

    def ascend(self, x: Array, now: Array, g: Array, share: float) -> Array:
        """The image after a step of steepest ascent from `now` = x + s: the maximiser over the ball of share * radius
        around it, projected back onto S.  (..., d)"""
        return self.apply(x, self.project(x, now - x + self.scaled(share).maximize(now, g)))

    def maximize_jointly(self, x: Array, A: Array) -> tuple[Array, Array] | None:
        """The s (d,) of this one set that maximises  sum_i A_i . (clip(x_i + s) - x_i),  and what each pixel earns.

        x, A (n, d).  None where that is not known in closed form.  See attacks/balls/joint.py.
        """
        return None

    def segments(self, x: Array) -> tuple[Array, Array, float] | None:
        """S of one image `x` (1, d) as  { down <= s <= up, |s|_1 <= budget },  or None if it is not of that form."""
        return None

    # ------------------------------------------------------------------ the box and the mask

    def room(self, x: Array) -> tuple[Array, Array]:
        """`down = lo - x` and `up = hi - x`, (..., d), 0 off the mask."""
        down, up = (np.subtract(end, x, dtype=x.dtype, casting="same_kind") for end in self.box)
        return (down, up) if self.mask is None else (down * self.mask, up * self.mask)

    def apply(self, x: Array, s: Array) -> Array:
        """`x_adv = clip(x + s, lo, hi)` for x in the box; a pixel with s = 0 keeps its value."""
        x_adv = x + s
        return np.clip(x_adv, *self.box, out=x_adv)

    def contains(self, x: Array, s: Array) -> Array:
        """Whether each `s` (..., d) is in S up to 4 units in the last place of a pixel's `max(1, |box|)`, (...) bool.

        Attacks are measured by this; a proof has no such excuse (`inside` of attacks/proofs/radii.py).
        """
        x, s = np.asarray(x, np.float64), np.asarray(s, np.float64)
        slack = ULPS * np.finfo(float).eps * np.maximum(1, np.maximum(np.abs(self.box[0]), np.abs(self.box[1])))
        down, up = self.room(x)
        frozen = (down == 0) & (up == 0)
        inside = np.all((s >= down - slack) & (s <= up + slack) & (~frozen | (s == 0)), axis=-1)
        length = self.distance(s if self.counts else np.maximum(np.abs(s) - slack, 0))
        return inside & (length <= self.radius)

    # ------------------------------------------------------------------ parts of the set, and other radii

    def with_radius(self, radius: ArrayLike) -> Self:
        """The same box and mask, another radius."""
        other = copy(self)  # box and mask were checked before
        object.__setattr__(other, "radius", as_radius(radius))
        return other

    def scaled(self, share: float) -> Self:
        """The ball of `share * radius`: for a step inside this one, or a little beyond it."""
        return self.with_radius(share * self.radius)

    def take(self, index: Array | int, n: int) -> Self:
        """The ball of the images `index` out of the `n` whose ball this is; of a number, without the first axis."""

        def pick(value: Array, axes: int) -> Any:
            if np.ndim(value) != axes or (len(value) != n and np.ndim(index)):
                return value
            return value[index if len(value) == n else 0]

        return changed(self, pick)

    def spread(self) -> Self:
        """The same balls for arrays (n, m, d) beside images (n, 1, d): each image's ball m times, without copies."""
        return changed(self, lambda value, axes: value if np.ndim(value) < axes else np.expand_dims(value, 1))

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
        part = copy(self)
        mask = self.mask if outside is None else ~np.asarray(outside) & (True if self.mask is None else self.mask)
        low = self.box[0] if lo is None else np.maximum(self.box[0], lo)
        high = self.box[1] if hi is None else np.minimum(self.box[1], hi)
        object.__setattr__(part, "mask", mask)
        object.__setattr__(part, "box", (low, high))
        return part


def check_images(ball: Ball, x: Array) -> None:
    """Raise ValueError unless the images `x` (n, d) lie in the box and radius, box and mask broadcast to them."""
    if getattr(ball, "inside", None) is not None:
        raise ValueError("ball: expected a whole set, got a part of one, with pixels that are counted in (`inside`)")
    shapes = (
        ("box", ball.box[0], x.shape),
        ("box", ball.box[1], x.shape),
        ("mask", ball.mask, x.shape),
        ("radius", ball.radius, x.shape[:-1]),
    )
    for name, value, shape in shapes:
        try:
            np.broadcast_to(0 if value is None else value, shape)
        except ValueError as error:
            hint = "; one radius an image: several radii of the same images are `for eps in radii: ... LInf(eps)`"
            hints = {"radius": hint, "mask": PICTURE if np.size(value) == x.shape[-1] else ""}
            raise ValueError(
                f"{name}: expected a shape that broadcasts to {shape}, got {np.shape(value)}{hints.get(name, '')}"
            ) from error
    outside = (x < ball.box[0]) | (x > ball.box[1])
    if outside.any():
        place = tuple(np.argwhere(outside)[0])
        lo, hi = (np.broadcast_to(end, x.shape)[place] for end in ball.box)
        raise ValueError(
            f"x: expected pixels inside the box [{lo:.9g}, {hi:.9g}], got {x[place]:.9g} in row {place[0]}, "
            f"pixel {place[-1]} ({cure(ball, x)})"
        )


def as_radius(radius: ArrayLike) -> Array:
    """The radius as an array, or ValueError."""
    value = as_array(radius, "radius")
    if value.dtype.kind not in "iuf" or not (value >= 0).all():
        raise ValueError(f"radius: expected a number >= 0, or one per image, got {brief(radius)}")
    return value


def changed(ball: B, change: Callable[[Any, int], Any]) -> B:
    """Every field through `change(value, axes)`, unchecked: a part of S may be one point, with no pixel free."""
    part = copy(ball)
    for name, axes in ball.per_image.items():
        value = getattr(ball, name)
        object.__setattr__(part, name, None if value is None else change(value, axes))
    object.__setattr__(part, "box", (change(ball.box[0], 2), change(ball.box[1], 2)))
    return part


def exactly(value: Any) -> str:
    """A number in as few digits as tell it from all others: what is proved of 0.1234567891 is not of 0.123456790."""
    short = f"{float(value):.9g}"
    return short if float(short) == value else repr(float(value))


def column(radius: ArrayLike) -> Array:
    """The radius as (..., 1) beside pixels (..., d)."""
    return np.asarray(radius, np.float64)[..., None]


def caps(down: Array, up: Array, g: Array) -> Array:
    """`cap` (..., d): how far each pixel can go in the direction of its gradient, whatever the radius."""
    cap = np.sign(g) * np.finfo(down.dtype).max  # (..., d), 0 where g = 0
    return np.abs(clip(cap, down, up), out=cap)


def clip(v: Array, low: Array, high: Array) -> Array:
    """`v` clipped in place, pixel by pixel (np.clip takes twice as long where the ends are arrays)."""
    np.maximum(v, low, out=v)
    return np.minimum(v, high, out=v)


def gains(down: Array, up: Array, g: Array) -> Array:
    """`max(g_i (lo_i - x_i), g_i (hi_i - x_i))` (..., d): what each pixel earns at its best end."""
    gain = g * up
    return np.maximum(gain, g * down, out=gain)


def as_gain(gain: ArrayLike, x: Array, g: Array) -> Array:
    """`gain` as float64 (...), one number an image of `x` and `g` (..., d), or ValueError."""
    value, shape = as_array(gain, "gain"), np.broadcast_shapes(x.shape, g.shape)[:-1]
    if value.dtype.kind in "iuf" and value.shape in (shape, ()):
        return np.broadcast_to(value.astype(np.float64), shape)
    raise ValueError(f"gain: expected a number, or one per image {shape}, got {value.dtype} {value.shape}")


def cure(ball: Ball, x: Array) -> str:
    """What to do with images that are not in the box."""
    beyond = np.maximum(ball.box[0] - x, x - ball.box[1]).max()
    if beyond <= ROUNDED * max(1, np.abs(ball.box[0]).max(), np.abs(ball.box[1]).max()):
        return "np.clip(x, lo, hi) mends what rounding did"
    bytes_ = x.min() >= 0 and x.max() <= 255 and np.max(ball.box[1]) <= 1
    return f"{'pixels of 0..255 are divided by 255, and ' if bytes_ else ''}box=(lo, hi) says another range"
