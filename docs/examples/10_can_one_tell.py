"""
Can one tell?
=============

Detectors learn what clean images look like. Above the threshold of each is one clean image in a hundred, a false alarm;
which attacks does it find?
"""

import matplotlib.pyplot as plt
import numpy as np

from attacks import LInf, pgd, saliency_map, smallest_eps
from attacks.defend.nets import load_defended
from attacks.detect import DETECTORS, FittedDetectors, scores, threshold
from data import load_mnist

x_train, _, x_test, y_test = load_mnist(digits=(4, 9))
net = load_defended("plain")
fitted = FittedDetectors.fit(net, x_train[2000:5000].astype(float))
limits = np.array([threshold(column) for column in scores(fitted, x_train[:1000].astype(float)).T])
x, y = x_test[y_test == 0][:60].astype(float), np.zeros(60, int)

changed = {
    "clean": x,
    "few pixels": saliency_map(net, x, y).x_adv,
    "smallest eps": smallest_eps(net, x, y, norm="linf").x_adv,
    "forty steps, eps 0.1": pgd(net, x, y, LInf(0.1)).x_adv,
}
found = np.array([(scores(fitted, images) > limits).mean(axis=0) for images in changed.values()])
print(f"false alarms by any of them: {(scores(fitted, x) > limits).any(axis=1).mean():.1%}")
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.imshow(found, cmap="Blues", vmin=0, vmax=1, aspect="auto")
axes.set_xticks(range(found.shape[1]), list(DETECTORS))
axes.set_yticks(range(len(changed)), list(changed))
for (i, j), share in np.ndenumerate(found):
    axes.text(j, i, f"{share:.0%}", ha="center", va="center", color="white" if share > 0.5 else "black")
axes.set_title("Share called an attack")
