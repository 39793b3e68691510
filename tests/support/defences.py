"""What tests of defences share: losses as functions of the weights, balls of every norm, small data."""

import numpy as np

from attacks import L0, L1, L2, LInf
from attacks.defend.certified import Certified, CertifiedLoss
from attacks.defend.gradient_penalty import GradientPenalty, PenalisedLoss
from minigrad import MLP
from minigrad.objective import Batch, Weights
from minigrad.train import DEFAULT_LOSS

D, ROWS = 6, 7  # pixels, images
SIZES = [(D, 1), (D, 5, 4, 1), (D, 5, 3), (D, 4, 3, 3, 3)]


def images(seed=0, classes=2, n=ROWS):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    return rng.uniform(0.1, 0.9, (n, D)), y


def balls(n=ROWS, seed=0):
    """name: ball, one of each norm, one radius for all, one an image, with a mask for all and one an image."""
    rng = np.random.default_rng(seed)
    one, own = np.array([1, 1, 0, 1, 0, 1], bool), rng.random((n, D)) < 0.6
    own[:, 0] = True
    radii = rng.uniform(0.1, 0.3, n)
    return {
        "linf": LInf(0.2),
        "l2": L2(0.3),
        "l1": L1(0.4),
        "l0": L0(2),
        "linf, masks": LInf(radii, mask=own),
        "l2, mask": L2(radii, mask=one),
        "l1, masks": L1(radii, mask=own),
        "l0, masks": L0(2, mask=own),
    }


def network(sizes, activation="relu", seed=1):
    """Weights and biases off every special value."""
    rng, net = np.random.default_rng(seed), MLP.init(list(sizes), activation=activation, rng=seed)
    pairs = [(layer.W, rng.normal(0, 0.3, layer.b.shape)) for layer in net.dense]
    return MLP.from_arrays(pairs, activation=activation, threshold=0.2 if sizes[-1] == 1 else 0.0)


def steps(net, x, y, ball):
    """name: f(weights, batch), one gradient computation of each loss at fixed shares."""
    loss, n = DEFAULT_LOSS[net.sizes[-1] > 1], len(x)
    certified = CertifiedLoss(Certified(), loss, ball, n)
    support, squared = (
        PenalisedLoss(GradientPenalty(kind=kind, weight=weight), loss, ball, n)
        for kind, weight in (("support", 1.0), ("squared", 0.1))
    )
    found = {
        "interval": lambda w, b: certified.bounded(w, b, ball, 0.3, 0.0),
        "support": lambda w, b: support.penalised(w, b, ball),
        "squared": lambda w, b: squared.penalised(w, b, ball, 0.5),
    }
    if net.activation == "relu":
        found["linear"] = lambda w, b: certified.bounded(w, b, ball, 0.3, 1.0)
        found["mixed"] = lambda w, b: certified.bounded(w, b, ball, 0.3, 0.4)
    return found


class LossOfWeights:
    """A loss as a model whose one image is the vector of all weights: what `taylor_rate` and `central` ask."""

    def __init__(self, net, x, y, step):
        self.weights = Weights.from_network(net, np.dtype(float))
        self.batch, self.step = Batch(x, y, np.arange(len(x)), 0.5), step
        self.theta = self.weights.theta.copy()

    def at(self, theta):
        self.weights.theta[:] = theta
        value, _ = self.step(self.weights, self.batch)
        return value, self.weights.gradient.copy()

    def logits(self, theta):
        return np.array([[self.at(row)[0]] for row in theta])

    def jacobian(self, theta):
        return np.array([[self.at(row)[1]] for row in theta])
