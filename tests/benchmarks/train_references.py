"""Train the reference networks:  python tests/benchmarks/train_references.py

Run once; the results are committed, because every figure of every benchmark, and every peer, uses these weights.
Adam 1e-3, batches of 128, 10 epochs, no weight decay, seed 0.
"""

from pathlib import Path

from data import load_mnist
from minigrad import MLP, fit

NETS = Path(__file__).with_name("nets")
BINARY = ([784, 128, 64, 1], [784, 64, 32, 1], [784, 32, 1])
TEN = [784, 32, 10]


def main() -> None:
    for sizes in (*BINARY, TEN):
        x, y, x_test, y_test = load_mnist(digits=None if sizes is TEN else (4, 9))
        net, _ = fit(MLP.init(sizes, rng=0), x, y, epochs=10, batch=128, lr=1e-3, rng=0)
        name = "-".join(map(str, sizes))
        net.save(NETS / f"{name}.npz")
        print(f"{name}: test accuracy {net.accuracy(x_test, y_test):.4f}")


if __name__ == "__main__":
    main()
