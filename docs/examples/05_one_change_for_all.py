"""
One change for all
==================

The same perturbation, made from five hundred training images, flips test images that it never saw.  Noise of the same
size flips next to none.
"""

import matplotlib.pyplot as plt
import numpy as np

from attacks import LInf, universal
from attacks.defend.nets import load_defended
from data import load_mnist

x_train, y_train, x_test, y_test = load_mnist(digits=(4, 9))
net, eps = load_defended("plain"), 0.1
fours, unseen = x_train[y_train == 0][:500], x_test[y_test == 0]
one = universal(net, fours, np.zeros(500, int), LInf(eps))
noise = eps * np.random.default_rng(0).choice([-1.0, 1.0], 784)
print(one)

rates = {"made from 500": one.rate, "never seen": one.on(net, unseen, np.zeros(len(unseen), int)).rate}
rates["noise"] = net.predict(np.clip(unseen + noise, 0, 1)).mean()
figure, row = plt.subplots(1, 4, figsize=(7.5, 2.6), layout="constrained", width_ratios=(1, 1, 1, 1.6))
row[0].imshow(one.s.reshape(28, 28), cmap="RdBu", vmin=-eps, vmax=eps)
row[0].set_title(f"s, eps {eps}")
for axes, image in zip(row[1:3], unseen[[0, 4]], strict=True):
    changed = np.clip(image + one.s, 0, 1)
    axes.imshow(changed.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
    axes.set_title(f"a {[4, 9][net.predict(changed[None])[0]]}")
for axes in row[:3]:
    axes.axis("off")
row[3].barh(list(rates), list(rates.values()))
row[3].set(title="share flipped", xlim=(0, 1))
row[3].invert_yaxis()
