"""
A proof, and somebody else who checks it
========================================

The smallest number of pixels: an attack finds some that suffice, a proof says that fewer cannot.  The file holds every
multiplier of the proof, and a program that shares no line with the prover checks it in exact arithmetic.
"""

import dataclasses

import matplotlib.pyplot as plt

from attacks import CertificateError, certified_minimum
from attacks.defend.nets import load_defended
from data import load_mnist

_, _, x_test, y_test = load_mnist(digits=(4, 9))
net, four = load_defended("plain"), x_test[y_test == 0][4:5]
(found,) = certified_minimum(net, four, [0], norm="l0")
proof = found.with_proof(net)
print(proof.check(net))

try:  # who claims more than was proved is refused
    more = found.lower + 1
    dataclasses.replace(proof, lower=more, radius=more - 1, upper=more, attack=more).check(net)
except CertificateError as error:
    print(error)

shown = {"a 4": found.x, f"{found.upper:.0f} pixels: a 9": found.x_adv, "the change": found.x_adv - found.x}
figure, row = plt.subplots(1, 3, figsize=(7.5, 3), layout="constrained")
for axes, (title, picture) in zip(row, shown.items(), strict=True):
    change = title == "the change"
    axes.imshow(picture.reshape(28, 28), cmap="RdBu" if change else "gray", vmin=-1 if change else 0, vmax=1)
    axes.set_title(title)
    axes.axis("off")
figure.suptitle(f"{found.upper:.0f} pixels suffice, {found.lower - 1:.0f} cannot: proved")
