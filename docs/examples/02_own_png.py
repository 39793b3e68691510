"""
Your own picture
================

A PNG of any size, dark ink on light paper: inverted, scaled and centred as MNIST's digits are, attacked, and written as
a PNG again.  Whoever opens that file sees the change, and the network is still wrong about it.
"""

import tempfile

import matplotlib.pyplot as plt

from attacks import load_png, saliency_map
from attacks.defend.nets import load_defended

folder = tempfile.mkdtemp()
paper = plt.figure(figsize=(3, 4))
pen = paper.add_axes((0, 0, 1, 1))
pen.plot([0.4, 0.2, 0.85], [0.9, 0.45, 0.45], "k", linewidth=20)  # instead of yours
pen.plot([0.7, 0.7], [0.7, 0.05], "k", linewidth=20)
pen.set(xlim=(0, 1), ylim=(0, 1))
pen.axis("off")
paper.savefig(f"{folder}/mine.png")
plt.close(paper)

net = load_defended("plain")
mine = load_png(f"{folder}/mine.png", invert=True, centre=True)  # (1, 784)
result = saliency_map(net, mine, [0])
_, changed = result.save_png(folder)
print(result, f"and from the file: a {[4, 9][net.predict(load_png(changed))[0]]}")

figure, row = plt.subplots(1, 3, figsize=(7.5, 2.8), layout="constrained")
pictures = plt.imread(f"{folder}/mine.png"), result.picture(0, adversarial=False), result.picture(0)
titles = "the paper", "a 4", f"{result.distance[0]:.0f} pixels: a 9"
for axes, picture, title in zip(row, pictures, titles, strict=True):
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axes.set_title(title)
    axes.axis("off")
