"""Random networks and images for Hypothesis.

Every number is a short binary fraction: weights and biases multiples of 1/8, pixels of 1/16.  So ties and pixels on the
edge of the box really occur, and sums and products of a few of them are exact.  The numbers come from one drawn
seed, not one draw each: a network of any size is then one cheap draw, and Hypothesis shrinks its shape.
"""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from minigrad import MLP

ACTIVATIONS = ("relu", "tanh", "sigmoid")
SMOOTH = ("tanh", "sigmoid")
GAP = 1 / 8  # no ReLU of `networks_with_images` is nearer to its kink than this

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def networks(
    draw, activations=ACTIVATIONS, logits=st.integers(1, 4), hidden=st.integers(0, 2), pixels=st.integers(1, 6)
):
    """An MLP of random depth and widths; one logit comes with a random threshold."""
    net, _ = draw(networks_with_images(activations, logits, hidden, pixels, images=st.just(1)))
    return net


@st.composite
def networks_with_images(
    draw,
    activations=ACTIVATIONS,
    logits=st.integers(1, 4),
    hidden=st.integers(0, 2),
    pixels=st.integers(1, 6),
    images=st.integers(1, 4),
    widest=5,
):
    """`(net, x)`: x (n, d) in [0, 1], and every pre-activation of every image at least GAP away from 0."""
    activation = draw(st.sampled_from(activations))
    d, k, n, depth = draw(pixels), draw(logits), draw(images), draw(hidden)
    sizes = [d, *draw(st.lists(st.integers(1, widest), min_size=depth, max_size=depth)), k]
    rng = draw(generators)
    x = _images(rng, n, d)
    pairs, a = [], x
    for d_in, d_out in pairwise(sizes):
        W = _eighths(rng, (d_in, d_out), 1.5 / np.sqrt(d_in))  # about the scale of `MLP.init`: nothing saturates
        b = _off_kinks(a @ W, _eighths(rng, d_out, 0.5))
        pairs.append((W, b))
        a = MLP.from_arrays([*pairs, (np.eye(d_out), np.zeros(d_out))], activation=activation).logits(x)
    threshold = float(_eighths(rng, (), 0.5)) if k == 1 else 0.0
    return MLP.from_arrays(pairs, activation=activation, threshold=threshold), x


@st.composite
def affine_networks(draw, logits=st.integers(1, 4), pixels=st.integers(1, 6), images=st.integers(1, 4)):
    """`(net, x, y)`: one dense layer, so every attack has a closed form, and y what the net says of x."""
    net, x = draw(networks_with_images(logits=logits, hidden=st.just(0), pixels=pixels, images=images))
    return net, x, net.predict(x)


def labels(net, n):
    """(n,) labels, right or wrong."""
    return st.lists(st.integers(0, max(net.sizes[-1], 2) - 1), min_size=n, max_size=n).map(np.array)


def _images(rng, n, d):
    return rng.integers(0, 17, (n, d)) / 16


def _eighths(rng, shape, scale):
    return np.round(8 * scale * rng.normal(size=shape)) / 8


def _off_kinks(v, b):
    """For `v` (n, m) the biases (m,) nearest to `b` with |v + bias| >= GAP in every row.

    Each row forbids an interval of biases around -v; what is nearest is `b` itself or the end of an interval.
    """
    candidates = np.concatenate([b[None], -v - GAP, -v + GAP])  # (2 n + 1, m)
    clear = (np.abs(v[:, None] + candidates) >= GAP).all(axis=0)  # (2 n + 1, m)
    distance = np.where(clear, np.abs(candidates - b), np.inf)
    return candidates[distance.argmin(axis=0), np.arange(len(b))]
