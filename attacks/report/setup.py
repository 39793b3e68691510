"""What every experiment of the report starts from: options, data, network, detectors, and the images to attack.

Class 0 is the first digit and class 1 the second; pixels are in [0, 1], shares of their range in the collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attacks.detect.detectors import COMPONENTS, FittedDetectors
from attacks.detect.statistics import FEWEST
from attacks.report.mnist import Collection, load_collection
from attacks.report.progress import Clock
from minigrad import MLP, fit
from minigrad.inputs import Array, Seed, as_count, as_generator

REFERENCE = (128, 64, 1)  # widths after the pixels: the network of the homework
# Training images of the first digit for the universal s.  At eps 0.10 it fools 97.7% of the test images when made from
# 500, 98.1% from 1000 and 98.1% from 2000, which take half as long again.
TRAINING_IMAGES = 1000
# Test images of the second digit.  Ten of them join the mixed set; the number is not critical, it only has to leave ten
# that the network gets right.
OTHERS = 100
# Clean training images for the thresholds, of which 1%, twenty images, lie above each.  With thresholds from 1000, 2000
# and 4000 images, 0.4%, 0.9% and 0.6% of clean test images raised a false alarm.
CALIBRATION = 2000
# Of the universal s in the pictures, and of the forty steps (PGD): the smallest of UNIVERSAL_EPS that fools nearly
# every image; 0.05 fools half of them.
SHOWN_EPS = 0.10
SHARES = "model-of-shares.npz"  # the network as it was proved about, where model.npz takes the collection's own pixels


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    digits: tuple[int, int] = (4, 9)
    names: tuple[str, str] | None = None  # what they are called; by default the digits
    out: Path = Path("report")
    seed: int = 0
    epochs: int = 10
    image: int | None = None  # which test image of the first digit to show; by default a typical one
    model: Path | None = None
    data: Path | None = None
    proof_seconds: float = 6.0  # for proofs, about: of the image shown in nodes (proof_jobs.py); half as many for sets
    workers: int = 1  # processes that prove beside this one
    subset: int | None = None  # use only this many images of each class; the tests do
    quiet: bool = False  # says nothing while it works

    @property
    def class_names(self) -> tuple[str, str]:
        """What the two classes are called."""
        return self.names or (str(self.digits[0]), str(self.digits[1]))

    def check(self) -> None:
        """Raises ValueError for numbers and names that cannot be used, before anything is loaded."""
        as_count(self.epochs, "epochs")
        as_count(self.seed, "seed", least=0)
        as_count(self.workers, "workers", least=0)
        if not self.proof_seconds >= 0:
            raise ValueError(f"proof-seconds: expected a number of at least 0, got {self.proof_seconds}")
        if self.subset is not None:
            as_count(self.subset, "subset")
        for name in self.names or ():
            if not re.fullmatch(r"[\w .-]{1,24}", name):
                raise ValueError(f"names: expected up to 24 letters, digits, spaces, dots and hyphens, got {name!r}")


@dataclass(frozen=True, eq=False)
class Network:
    """The network that is attacked, and how it was made."""

    net: MLP  # of pixels in [0, 1]
    original: MLP  # of pixels as they are in the collection; the same object, if those are in [0, 1]
    history: dict[str, list[float]]  # by epoch; empty if it was loaded
    accuracy: float  # on the test images of both digits


@dataclass(frozen=True, eq=False)
class Images:
    """The images of the experiments.  Each of `training`, `test` and `others` is one that the network gets right."""

    shape: tuple[int, int]  # (rows, columns) of an image
    training: Array  # (m, d) training images of the first digit
    test: Array  # (n, d) test images of the first digit: the images that are attacked
    number: Array  # (n,) their positions among all test images of that digit
    wrong: int  # test images of that digit that are misclassified already
    others: Array  # (o, d) test images of the second digit
    clean: Array  # (t, d) all test images of both digits


@dataclass(frozen=True, eq=False)
class CalibrationSplit:
    """Clean training images of both classes: some to fit the detectors to, others for their thresholds."""

    fitting: Array  # (m, d)
    apart: Array  # (a, d) for the thresholds
    first: Array  # those of `apart` that are of class 0

    @classmethod
    def from_images(cls, x: Array, y: Array, rng: Seed) -> CalibrationSplit:
        """Of training images x (n, d) with labels y (n,), a quarter, at most CALIBRATION, is put apart at random.

        Raises
        ------
        ValueError
            Too few images, or all of them the same.
        """
        n = len(x)
        if n < 2 * FEWEST:
            raise ValueError(f"data: expected at least {2 * FEWEST} training images for the detectors, got {n}")
        order, least = as_generator(rng).permutation(n), min(CALIBRATION, max(FEWEST, n // 4))
        held, apart = np.sort(order[least:]), np.sort(order[:least])
        if (x[held] == x[held[0]]).all():
            raise ValueError("data: expected training images that differ, got the same image each time")
        fitting, others = x[held].astype(np.float64), x[apart].astype(np.float64)
        return cls(fitting, others, others[y[apart] == 0])


@dataclass(frozen=True, eq=False)
class Setup:
    """All that the experiments start from."""

    options: Options
    network: Network
    images: Images
    calibration: CalibrationSplit
    detectors: FittedDetectors  # fitted to `calibration.fitting`

    @property
    def net(self) -> MLP:
        return self.network.net

    @property
    def seed(self) -> int:
        return self.options.seed


def set_up(options: Options, clock: Clock) -> Setup:
    """Load the images, split, train and fit.  Raises ValueError and OSError for what does not fit or is not there."""
    found = load(options, clock)
    calibration = CalibrationSplit.from_images(found.x_train, found.y_train, options.seed)
    network, images = prepare(options, found, clock)
    known = calibration.fitting
    detectors = FittedDetectors.fit(
        network.net, known, components=min(COMPONENTS, *known.shape), rng=options.seed, shape=found.shape
    )
    return Setup(options, network, images, calibration, detectors)


def load(options: Options, clock: Clock) -> Collection:
    """The images, or the first few of each digit.  Raises OSError, ValueError."""
    with clock("load the images"):
        found: Collection = load_collection(options.data, options.digits)
    if not options.subset:
        return found
    x_train, y_train = _first_of_each(found.x_train, found.y_train, options.subset)
    x_test, y_test = _first_of_each(found.x_test, found.y_test, options.subset)
    return replace(found, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def prepare(options: Options, found: Collection, clock: Clock) -> tuple[Network, Images]:
    """Train or load the network, and pick the images to attack.

    Raises
    ------
    ValueError
        Options that do not fit the data or the model, in one sentence.
    """
    count = int((found.y_test == 0).sum())
    if options.image is not None and not 0 <= options.image < count:
        raise ValueError(f"image: expected a test image of the first digit, 0..{count - 1}, got {options.image}")
    if options.model:
        original, history = _loaded(options.model, found.x_train.shape[1]), dict[str, list[float]]()
    else:
        original, history = _trained(options, found, clock)
    net = original.rescaled(found.lo, found.hi) if found.scaled else original
    images = _images(net, found)
    if options.image is not None and options.image not in images.number:
        raise ValueError(f"image: expected one that the network gets right, got {options.image}, already misclassified")
    return Network(net, original, history, net.accuracy(found.x_test, found.y_test)), images


def _loaded(path: Path, d: int) -> MLP:
    net = MLP.load(path)
    if net.sizes[0] != d or net.sizes[-1] > 2:
        raise ValueError(f"model: expected a network from {d} pixels to 1 or 2 logits, got sizes {net.sizes}")
    return net


def _trained(options: Options, found: Collection, clock: Clock) -> tuple[MLP, dict[str, list[float]]]:
    """The reference network, trained on shares and then rewritten for pixels as they are, with its history."""

    def show(epoch: int, record: dict[str, float]) -> None:
        loss, accuracy = record["loss"], record["accuracy"]
        clock.say(f"train: epoch {epoch} of {options.epochs}, loss {loss:.4f}, accuracy {accuracy:.4f}")

    first = MLP.init([found.x_train.shape[1], *REFERENCE], rng=options.seed)
    with clock("train the network"):
        net, history = fit(first, found.x_train, found.y_train, epochs=options.epochs, rng=options.seed, callback=show)
    if found.scaled:  # a share is v = (x - lo) / (hi - lo); `rescaled` takes the v of x = 0 and of x = 1
        net = net.rescaled(-found.lo / (found.hi - found.lo), (1 - found.lo) / (found.hi - found.lo))
    return net, history


def _images(net: MLP, found: Collection) -> Images:
    """The images that the network gets right."""
    own = found.x_test[found.y_test == 0].astype(np.float64)
    training = found.x_train[found.y_train == 0][:TRAINING_IMAGES].astype(np.float64)
    others = found.x_test[found.y_test == 1][:OTHERS].astype(np.float64)
    right = net.predict(own) == 0
    training = training[net.predict(training) == 0]
    if not len(training):
        raise ValueError("the network gets none of the training images of the first digit right, expected at least 1")
    if not right.any():
        raise ValueError(f"the network gets 0 of {len(own)} test images right, expected at least 1")
    return Images(
        shape=found.shape,
        training=training,
        test=own[right],
        number=np.flatnonzero(right),
        wrong=int((~right).sum()),
        others=others[net.predict(others) == 1],
        clean=found.x_test.astype(np.float64),
    )


def _first_of_each(x: Array, y: Array, count: int) -> tuple[Array, Array]:
    rows = np.sort(np.concatenate([np.flatnonzero(y == label)[:count] for label in np.unique(y)]))
    return x[rows], y[rows]
