"""Random edits of a proof's arrays, from a millionth to nonsense."""

import numpy as np

NASTY = [0, 1, -1, 2, 1e-300, 1e300, np.nan, np.inf, -np.inf, 2**31 - 1, -(2**31), 2**63 - 1, 1 << 14, (1 << 14) + 1]


def number(rng, array):
    flat = array.reshape(-1)
    if flat.size:
        i = int(rng.integers(flat.size))
        at = float(np.real(flat[i]))
        new = rng.choice([*NASTY, -at, 2 * at, at / 2, at + 1])
        if rng.random() < 0.3 or (array.dtype.kind in "iu" and not np.isfinite(new)):
            flat = flat.astype(float)  # another type, too
        elif array.dtype.kind in "iu":
            info = np.iinfo(array.dtype)
            new = min(max(int(new), info.min), info.max)
        flat[i] = new
    return flat.reshape(array.shape)


def swapped(rng, array):
    axis = int(rng.integers(max(array.ndim, 1)))
    return array if not array.ndim else np.take(array, rng.permutation(array.shape[axis]), axis=axis)


def shorter(rng, array):
    axis = int(rng.integers(max(array.ndim, 1)))
    if not array.ndim or not array.shape[axis]:
        return array
    return np.delete(array, int(rng.integers(array.shape[axis])), axis=axis)


def longer(rng, array):
    axis = int(rng.integers(max(array.ndim, 1)))
    return array if not array.ndim else np.repeat(array, rng.integers(1, 3, array.shape[axis]), axis=axis)


def reshaped(rng, array):
    shapes = [(*array.shape, 1), (1, *array.shape), (-1,), array.shape[::-1], (1,), ()]
    try:
        return array.reshape(shapes[int(rng.integers(len(shapes)))])
    except ValueError:
        return np.stack([array, array], axis=-1)


def typed(rng, array):
    kinds = [float, np.float32, np.int64, np.uint8, np.int8, bool, complex, np.longdouble, str, ">f8", ">i4"]
    return np.array(array.real, kinds[int(rng.integers(len(kinds)))])


def slight(rng, array):
    """One number a millionth larger or smaller: most proofs bear that."""
    flat = array.astype(float).reshape(-1)
    if flat.size:
        flat[int(rng.integers(flat.size))] *= 1 + rng.choice([-1e-6, 1e-6])
    return flat.reshape(array.shape)


def ones(rng, array):
    return np.full(array.shape, rng.choice([0, 1]))


@np.errstate(all="ignore")  # a float32 that 1e300 is written to, an int of a NaN: that is the edit
def tampered(rng, arrays):
    """A copy with one to three edits of its proof."""
    new = dict(arrays)
    names = [name for name in arrays if name.startswith("proof_")]
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        name = str(rng.choice(names))
        edit = [number, number, swapped, shorter, longer, reshaped, typed, ones, slight, slight][int(rng.integers(10))]
        new[name] = edit(rng, np.array(new[name]))
        if rng.random() < 0.2:  # a step less, or one twice
            steps, times = np.array(arrays["proof_steps"]), np.ones(len(arrays["proof_steps"]), int)
            times[int(rng.integers(len(steps)))] = rng.choice([0, 2])
            new |= {"proof_steps": np.repeat(steps, times, axis=0), "proof_cut": np.zeros(times.sum())}
    return new
