"""
Ten classes, and which one it becomes
=====================================

A network of all ten digits. One image is made each of the nine others, as ``target`` says. How many pixels that takes
differs.
"""

import matplotlib.pyplot as plt
import numpy as np

from attacks import saliency_map
from data import load_mnist
from minigrad import MLP, fit

x_train, y_train, x_test, y_test = load_mnist()
net, _ = fit(MLP.init([784, 48, 10], rng=0), x_train[:20000], y_train[:20000], epochs=3, rng=0)
print(f"{net.accuracy(x_test, y_test):.1%} of the test images are read rightly")

digit = int(y_test[0])
others = np.array([k for k in range(10) if k != digit])
same = np.repeat(x_test[:1], 9, axis=0)  # nine times the same image, each with a target of its own
result = saliency_map(net, same, np.full(9, digit), target=others)
assert (net.predict(result.x_adv[result.success]) == others[result.success]).all()
print(result)

figure, row = plt.subplots(2, 5, figsize=(7.5, 3.8), layout="constrained")
for axes, i in zip(row.flat, [None, *range(9)], strict=True):
    picture = result.picture(0, adversarial=False) if i is None else result.picture(i)
    title = f"a {digit}" if i is None else f"a {others[i]}: {result.distance[i]:.0f} pixels"
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axes.set_title(title, fontsize="medium")
    axes.axis("off")
