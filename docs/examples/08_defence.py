"""
And how would one defend?
=========================

Networks trained against the attack need a larger change to be fooled.  For some images it is *proved* that no change up
to 0.1 works; what a network resists without a proof, the next attack may find.
"""

import matplotlib.pyplot as plt
import numpy as np

from attacks import LInf, robust_accuracy, smallest_eps
from attacks.defend.nets import load_defended
from data import load_mnist

_, _, x_test, y_test = load_mnist(digits=(4, 9))
x, y = x_test[:20], y_test[:20]
grid = np.linspace(0, 0.4, 200)
figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
for name in ("plain", "adversarial", "certified"):
    net = load_defended(name)
    eps = np.where(net.predict(x) == y, smallest_eps(net, x, y, norm="linf").distance, 0.0)
    (line,) = axes.step(grid, [(eps > e).mean() for e in grid], label=name)
    proved = robust_accuracy(net, x, y, LInf(0.1), node_limit=1)
    axes.plot([0.1], [proved.lower], "^", markersize=9, color=line.get_color())
    print(f"{name:12s} {net.accuracy(x_test, y_test):.1%} right, {proved}")
axes.plot([], [], "k^", label="proved at eps 0.1")
axes.set(xlabel="eps", ylabel="share of images not flipped", xlim=(0, 0.4), ylim=(-0.02, 1.02))
axes.set_title("What it takes to fool")
axes.legend()
