"""
Your own torch network
======================

A ``torch.nn.Sequential`` becomes an ``MLP`` whose logits are compared with the module's before it is returned. Then
everything works on it, proofs too.
"""

from importlib.util import find_spec

import matplotlib.pyplot as plt

from attacks import certified_minimum
from data import load_mnist
from minigrad import MLP

x_train, y_train, x_test, y_test = load_mnist(digits=(4, 9))

if find_spec("torch") is None:
    print("torch is not installed here: pip install torch")
else:
    import torch

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(784, 24), torch.nn.ReLU(), torch.nn.Linear(24, 2))
    adam = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(40):
        adam.zero_grad()
        torch.nn.functional.cross_entropy(module(torch.tensor(x_train)), torch.tensor(y_train).long()).backward()
        adam.step()

    net = MLP.from_torch(module)
    print(net, f"reads {net.accuracy(x_test, y_test):.1%} rightly")
    (proof,) = certified_minimum(net, x_test[y_test == 0][:1], [0], norm="linf", gap=0.1)
    print(proof)
    for axes, picture in zip(plt.subplots(1, 2, figsize=(5, 2.8))[1], (proof.x, proof.x_adv), strict=True):
        axes.imshow(picture.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
        axes.set_title(f"torch reads a {[4, 9][int(module(torch.tensor(picture).float()).argmax())]}")
