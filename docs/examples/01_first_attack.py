"""
A four becomes a nine
=====================

Train a network that tells 4 from 9, then turn a 4 into a 9 twice: by as few pixels as it takes, and by a change of all
pixels that is as small as it can be.  Neither looks like a 9.
"""

import matplotlib.pyplot as plt

from attacks import saliency_map, smallest_eps
from data import load_mnist
from minigrad import MLP, fit

x_train, y_train, x_test, y_test = load_mnist(digits=(4, 9))  # y: 0 is a four, 1 a nine
net, _ = fit(MLP.init([784, 32, 1], rng=0), x_train, y_train, epochs=3, rng=0)
print(f"{net.accuracy(x_test, y_test):.1%} of the test images are read rightly")

fours, labels = x_test[y_test == 0][:20], [0] * 20
few = saliency_map(net, fours, labels)
small = smallest_eps(net, fours, labels, norm="linf")
print(few, small, sep="\n")

shown = {
    "read as a 4": few.picture(4, adversarial=False),
    f"as a 9: {few.distance[4]:.0f} pixels": few.picture(4),
    f"as a 9: eps {small.distance[4]:.3f}": small.picture(4),
}
figure, row = plt.subplots(1, 3, figsize=(7.5, 2.8), layout="constrained")
for axes, (title, picture) in zip(row, shown.items(), strict=True):
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axes.set_title(title)
    axes.axis("off")
