"""What works on whole sets of images, and how many arrays of the size of the set it may need beside the set itself."""

import numpy as np

from attacks import LInf, fgsm, pgd, saliency_map, smallest_eps, universal
from attacks.detect.detectors import FittedDetectors, scores

# Beside x (n, d): what is returned, if that is as large, and what the docstring states.  Bytes a pixel are masks.
ARRAYS = {
    "logits": 0,
    "predict": 0,
    "jacobian": 1,  # the Jacobian of one logit itself
    "fgsm": 2,  # x_adv, and the try it was measured from
    "pgd": 2,
    "smallest_eps": 2,
    "saliency_map": 3,
    "universal": 4,  # the mean gradient's best answer, where every image clips
    "scores": 0,
}
MASKS = 0.5  # comparisons of all pixels with the box: a byte each


def work(name, net, x, detectors):
    """The function `name` on the images `x` (n, d), all labelled 0."""
    y = np.zeros(len(x), int)
    return {
        "logits": lambda: net.logits(x),
        "predict": lambda: net.predict(x),
        "jacobian": lambda: net.jacobian(x),
        "fgsm": lambda: fgsm(net, x, y, LInf(0.1)),
        "pgd": lambda: pgd(net, x, y, LInf(0.05), steps=3),
        "smallest_eps": lambda: smallest_eps(net, x, y, steps=3, norm="linf"),
        "saliency_map": lambda: saliency_map(net, x, y),
        "universal": lambda: universal(net, x, y, LInf(0.1), steps=3),
        "scores": lambda: scores(detectors, x),
    }[name]


def copies(net, x, n):
    """n images of class 0, those of `x` again and again, built in place, and detectors that were fitted to `x`."""
    x = x[net.predict(x) == 0]
    many = np.empty((n, x.shape[1]))
    for start in range(0, n, len(x)):
        many[start : start + len(x)] = x[: n - start]
    return many, FittedDetectors.fit(net, x[:500], components=20)
