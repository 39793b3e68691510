"""
Stylish glasses
===============

One pattern on the frame of a pair of glasses, the same for every four, and the network reads nines.  It is the pattern,
not that something is covered: the same frame in plain colours flips next to nothing.
"""

import matplotlib.pyplot as plt
import numpy as np

from attacks import accessory, glasses_mask
from attacks.defend.nets import load_defended
from data import load_mnist

x_train, y_train, x_test, y_test = load_mnist(digits=(4, 9))
net, frame = load_defended("plain"), glasses_mask(style="round")
fours, unseen = x_train[y_train == 0][:300], x_test[y_test == 0]
worn = accessory(net, fours, np.zeros(300, int), frame).on(net, unseen, np.zeros(len(unseen), int))
print(worn)

rates = {"pattern": worn.rate} | {name: float(rate.mean()) for name, rate in worn.controls.items()}
figure, row = plt.subplots(1, 4, figsize=(7.5, 2.6), layout="constrained", width_ratios=(1, 1, 1, 1.6))
for axes, image in zip(row[:3], unseen[[0, 1, 4]], strict=True):
    face = image.reshape(28, 28).astype(float)
    face[frame] = worn.pattern
    axes.imshow(face, cmap="gray", vmin=0, vmax=1)
    axes.set_title(f"a {[4, 9][net.predict(face.reshape(1, -1))[0]]}")
    axes.axis("off")
row[3].barh(list(rates), list(rates.values()))
row[3].set(title="share flipped", xlim=(0, 1))
row[3].invert_yaxis()
