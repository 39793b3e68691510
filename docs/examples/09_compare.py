"""
Networks side by side
=====================

Accuracy, robust accuracy, one perturbation for all, glasses, and what the Jacobian looks at, on the same images:
``compare`` in Python, ``python -m attacks compare a.npz b.npz`` in a shell.
"""

import matplotlib.pyplot as plt

from attacks import compare
from attacks.defend.nets import load_defended
from data import load_mnist

_, _, x_test, y_test = load_mnist(digits=(4, 9))
nets = {name: load_defended(name) for name in ("plain", "certified")}
found = compare(nets, x_test, y_test, radii=(0.05, 0.1), sample=10, count=0, time_limit=0.5)  # no certified minima
print(found.table)

radii, curves = found.curves()
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for name, (lower, upper) in curves.items():
    line = axes.plot(radii, upper, "o-", label=name)[0]
    axes.fill_between(radii, lower, upper, color=line.get_color(), alpha=0.3)
axes.set(xlabel="eps", ylabel="robust accuracy", ylim=(0, 1.02), title="Proved (below) and not fooled (above)")
axes.legend()
