"""A multilayer perceptron by hand: forward, backward, training, and the Jacobian of its output by its input.

Read `layers.py` and `losses.py` (each derivative, derived), `mlp.py` (forward, Jacobian, its two pulls), `check.py` (is
the Jacobian right? `consistency.py`: two more ways to ask), `optimisers.py`, `objective.py` (where `backprop` is) and
`train.py`; then `margin.py` and `model.py`, what attacks ask of a network.  `inputs.py` says what is accepted,
`threads.py` keeps BLAS to one thread; `bounds/` is for proofs, `io/` for files and other libraries.  This room imports
NumPy and neither `attacks` nor `data`.

Conventions, stated once; every other file points here.

* Rows are samples: `x` is `(n, d)`, pixels in `[0, 1]`.  A weight `W` is `(d_in, d_out)`: `z = x W + b`.
* Logits, never probabilities: `logits(x)` is `(n, k)`, `jacobian(x)` is `(n, k, d)`.
* `k == 1` is the binary network: class 1 iff `logit > threshold`.  `k >= 2`: the argmax.
* `relu'(0) = 0`.
* Margin: one real number per image, positive iff the image is adversarial (`minigrad/margin.py`).
* Training may run in float32; a network is float64, and so are every verdict, Jacobian and proof.
* Randomness comes only from a `numpy.random.Generator` or a seed passed in as `rng`.
  Same seed, same machine, same number of BLAS threads: same bytes.  With another number of threads, or on another
  processor, logits and Jacobians of a network differ in their last bits, within their rounding; attacks reach the same
  distances and proofs the same intervals to about 1e-6.  Training amplifies that rounding: weights are 1e-6 apart after
  32 steps (`tests/robustness/test_threads.py`), and after ten epochs it may be another network of the same accuracy.
* Names: `x, y, z, W, b, g` (a row vector to be pulled back), `J`, `s` (perturbation), `eps`, `ball`,
  `mask`, `lo, hi`, `margin`, `lower, upper`, `alpha, beta`.
"""

from minigrad.check import check_jacobian
from minigrad.consistency import dot_test, taylor_rate
from minigrad.layers import Dense, ReLU, Sigmoid, Tanh
from minigrad.mlp import MLP
from minigrad.model import Model
from minigrad.threads import one_thread
from minigrad.train import fit
from minigrad.vjp_model import from_vjp

__all__ = [
    "MLP",
    "Dense",
    "Model",
    "ReLU",
    "Sigmoid",
    "Tanh",
    "check_jacobian",
    "dot_test",
    "fit",
    "from_vjp",
    "one_thread",
    "taylor_rate",
]
