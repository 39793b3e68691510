"""The peers, on the same weights: each a function from images to adversarial images.  See peers.md for how to install
them.

`sparse()` and `linf()` yield `(name, images used, attack)`, where `attack(x, y)` returns adversarial images, and
`missing` holds the names of what is not installed.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any
from unittest.mock import MagicMock

import numpy as np

Attack = Callable[[np.ndarray, np.ndarray], np.ndarray]
PACKAGES = {
    "torch": "torch",
    "foolbox": "foolbox",
    "torchattacks": "torchattacks",
    "adv_lib": "adv-lib",
    "art": "ART",
    "sklearn": "scikit-learn",
}
missing = [label for package, label in PACKAGES.items() if find_spec(package) is None]
have_attacks = not set(missing) & {"torch", "foolbox", "torchattacks", "adv-lib", "ART"}

if "torch" not in missing:
    import torch

if have_attacks:
    warnings.filterwarnings("ignore")
    for name in (
        "torchvision",
        "visdom",
    ):  # adv-lib imports these for plots and perceptual losses that are not used here
        if find_spec(name) is None:
            stub: Any = types.ModuleType(name)
            stub.__getattr__ = lambda attribute: MagicMock()
            stub.__path__ = []
            stub.__spec__ = None
            sys.modules.setdefault(name, stub)
            for part in ("models", "utils", "transforms", "models.feature_extraction"):
                sys.modules.setdefault(f"{name}.{part}", MagicMock())
    import foolbox
    import torchattacks
    from adv_lib.attacks import fab, fmn, sigma_zero
    from adv_lib.attacks.auto_pgd import minimal_apgd
    from art.attacks.evasion import SaliencyMapMethod
    from art.estimators.classification import PyTorchClassifier


def as_torch(net: Any) -> Any:
    """The network as a torch module; a binary one with the two logits (-N/2, N/2)."""
    layers: list[Any] = [torch.nn.Flatten()]
    for k, dense in enumerate(net.dense):
        last = k == len(net.dense) - 1
        W, b = dense.W, dense.b
        if last and W.shape[1] == 1:
            W, b = np.hstack([-W, W]) / 2, np.hstack([-b, b]) / 2
        linear = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W.T))
            linear.bias.copy_(torch.tensor(b))
        layers += [linear] if last else [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers).eval()


def _direct(attack: Callable[[Any, Any], Any]) -> Attack:
    """An attack on torch tensors (images (n, 1, 28, 28), labels (n,)) as one on NumPy rows."""

    def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        images = torch.tensor(x, dtype=torch.float32).reshape(-1, 1, 28, 28)
        found = attack(images, torch.tensor(y, dtype=torch.long))
        return np.asarray(found.detach().reshape(len(x), -1), np.float64)

    return run


def _foolbox(net: Any, attack: Any) -> Attack:
    model = foolbox.PyTorchModel(as_torch(net), bounds=(0, 1), device="cpu")

    def run(images: Any, labels: Any) -> Any:
        try:
            return attack.run(model, images, labels)
        except AssertionError:  # Brendel-Bethge gives up on a batch in which one image's starting point does not hold
            if len(images) == 1:
                return images
            halves = zip(images.tensor_split(2), labels.tensor_split(2), strict=True)
            return torch.cat([run(*half) for half in halves])

    return _direct(run)


def _art(net: Any) -> Attack:
    classifier = PyTorchClassifier(as_torch(net), torch.nn.CrossEntropyLoss(), (1, 28, 28), 2, clip_values=(0, 1))
    attack = SaliencyMapMethod(classifier, theta=1.0, gamma=1.0, batch_size=1024, verbose=False)
    to_nine = np.tile([0.0, 1.0], (1, 1))
    return _direct(
        lambda images, labels: torch.tensor(attack.generate(images.numpy(), y=np.repeat(to_nine, len(images), 0)))
    )


def universal(net: Any, crowd: np.ndarray, eps: float) -> np.ndarray:
    """The s of ART's UniversalPerturbation (Moosavi-Dezfooli et al. 2017, with DeepFool, ten passes), (d,)."""
    from art.attacks.evasion import UniversalPerturbation
    from art.estimators.classification import PyTorchClassifier

    loss = torch.nn.CrossEntropyLoss()
    classifier = PyTorchClassifier(as_torch(net), loss, (1, 28, 28), 2, clip_values=(0, 1), device_type="cpu")
    attack = UniversalPerturbation(
        classifier,
        attacker="deepfool",
        attacker_params={"verbose": False},
        delta=0.0,
        max_iter=10,
        eps=eps,
        norm=np.inf,
        verbose=False,
    )
    attack.generate(crowd.reshape(-1, 1, 28, 28).astype(np.float32), y=np.tile([1.0, 0.0], (len(crowd), 1)))
    return np.asarray(attack.noise, np.float64).ravel()


def training(x: np.ndarray, y: np.ndarray, sizes: list[int]) -> dict[str, float]:
    """Seconds for ten epochs of the same training, batch 128, Adam 1e-3: torch and scikit-learn."""
    import torch
    from sklearn.neural_network import MLPClassifier

    torch.manual_seed(0)
    pairs = itertools.pairwise(sizes)
    layers = [layer for d, m in pairs for layer in (torch.nn.Linear(d, m), torch.nn.ReLU())][:-1]
    module, loss = torch.nn.Sequential(*layers), torch.nn.BCEWithLogitsLoss()
    rule = torch.optim.Adam(module.parameters(), lr=1e-3)
    images, labels = torch.tensor(x), torch.tensor(y, dtype=torch.float32)[:, None]
    start = time.perf_counter()
    for _ in range(10):
        for rows in torch.randperm(len(x)).split(128):
            rule.zero_grad(set_to_none=True)
            loss(module(images[rows]), labels[rows]).backward()
            rule.step()
    seconds = {"torch": time.perf_counter() - start}
    warnings.filterwarnings("ignore")  # it warns that ten epochs are few
    classifier = MLPClassifier(tuple(sizes[1:-1]), batch_size=128, max_iter=10, random_state=0)
    start = time.perf_counter()
    classifier.fit(x, y)
    return seconds | {"scikit-learn": time.perf_counter() - start}


def sparse(net: Any) -> Iterator[tuple[str, int | None, Attack]]:
    """L0 attacks."""
    module = as_torch(net)
    yield "adv-lib sigma-zero, 1000 steps", None, _direct(lambda x, y: sigma_zero(module, x, y, num_steps=1000))
    yield "adv-lib FMN-L0, 1000 steps", None, _direct(lambda x, y: fmn(module, x, y, norm=0, steps=1000))
    yield "foolbox FMN-L0, 100 steps", None, _foolbox(net, foolbox.attacks.L0FMNAttack(steps=100))
    yield "foolbox Brendel-Bethge L0", None, _foolbox(net, foolbox.attacks.L0BrendelBethgeAttack())
    if net.sizes[-1] > 1:
        return  # the other three take two classes, or a target
    yield "ART saliency map", None, _art(net)
    yield "torchattacks JSMA", None, _direct(torchattacks.JSMA(module, theta=1.0, gamma=0.1))
    yield "torchattacks SparseFool", 100, _direct(torchattacks.SparseFool(module, steps=20))


def linf(net: Any) -> Iterator[tuple[str, int | None, Attack]]:
    """Smallest-Linf attacks."""
    module = as_torch(net)
    yield "foolbox Brendel-Bethge", None, _foolbox(net, foolbox.attacks.LinfinityBrendelBethgeAttack())
    yield "adv-lib FMN, 200 steps", None, _direct(lambda x, y: fmn(module, x, y, norm=float("inf"), steps=200))
    yield "foolbox FMN, 100 steps", None, _foolbox(net, foolbox.attacks.LInfFMNAttack(steps=100))
    yield "adv-lib FAB, 100 steps", None, _direct(lambda x, y: fab(module, x, y, norm=float("inf"), n_iter=100))
    k = max(net.sizes[-1], 2)
    if k > 3:  # its loss asks for four classes
        apgd = functools.partial(minimal_apgd, norm=float("inf"), max_eps=1.0, targeted_version=True)
        yield "adv-lib APGD-t, halving eps", None, _direct(lambda x, y: apgd(module, x, y))
    fab_of = functools.partial(torchattacks.FAB, norm="Linf", steps=100, n_restarts=1, multi_targeted=False)
    yield "torchattacks FAB", None, _direct(fab_of(module, n_classes=k))
    yield "foolbox DeepFool Linf", None, _foolbox(net, foolbox.attacks.LinfDeepFoolAttack())


def compare(net: Any, x: np.ndarray, y: np.ndarray, attacks: Callable, ours: np.ndarray, seconds: float) -> None:
    """A row for each peer of `sparse` or `linf`: its own figures, and ours on the images that it flips."""
    if not have_attacks:
        print(f"skipped: the peers' rows, not installed here: {', '.join(missing)} (peers.md)")
        return
    for name, count, attack in attacks(net):
        start = time.perf_counter()
        x_adv = attack(x[:count].copy(), y[:count])
        taken = time.perf_counter() - start
        s = np.abs(x_adv - x[:count])
        flipped = net.predict(x_adv) != y[:count]
        distance = np.count_nonzero(s > 1e-6, axis=1) if attacks is sparse else s.max(axis=1)
        print(
            f"{name:34s} flipped {flipped.mean():7.2%}  mean {distance[flipped].mean():.6g}  "
            f"(ours on these {ours[: len(s)][flipped].mean():.6g})  {taken:7.2f} s, {taken / seconds:.1f} times ours",
            flush=True,
        )
