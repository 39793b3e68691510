"""The certified minimum: how small an adversarial perturbation can be, as an interval with a proof on one side.

Checks the input (attacks/proofs/task.py), narrows the interval of each image (attacks/proofs/turns.py), and makes a
certificate of it that anyone can check (attacks/proofs/certificate.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import ArrayLike

from attacks.proofs.certificate import Certificate
from attacks.proofs.task import Limits, Task, check_callback, check_executor
from attacks.proofs.turns import narrowed
from attacks.result import Reason
from minigrad.mlp import MLP


def certified_minimum(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    *,
    norm: str | None = None,
    gap: float | None = None,
    time_limit: float = 60.0,
    node_limit: int | None = None,
    mask: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    target: ArrayLike | None = None,
    on_image: Callable[[Certificate], None] | None = None,
    executor: Executor | None = None,
) -> list[Certificate]:
    """How small an adversarial perturbation of each image can be: one Certificate an image.

    The claim: no adversarial s has |s| < lower; `x_adv` is adversarial at |s| <= upper.  A larger `time_limit` narrows
    the interval, and no limit makes it false.

    Parameters
    ----------
    net : MLP
        The proof reads its layers: ReLU, Tanh or Sigmoid (slower: no part of the set has exact lines).
    x : (n, d) inside the box
    y : (n,) the images' classes
    norm : "l0", "l1", "l2" or "linf", required
    gap : float
        Stop at `lower >= (1 - gap) upper`.  Default 0 for "l0", 0.01 for the others, which take none below 1e-9.
    time_limit : float, seconds an image
        0: the attack's `upper`, and `lower` from plain bounds alone.
    node_limit : int, optional
        Nodes a search, for runs that must not depend on the clock.
    mask, box, target
        As in `attacks.saliency_map`.  Untargeted: no class but `y` wins; with a target: the target does not win.
    on_image : called with each certificate as it is done
    executor : any `concurrent.futures.Executor`, optional
        Its processes share the search about each image of a deep network with several rivals
        (attacks/proofs/shared_nodes.py), one image after the other; the answer is the same, sooner.

    Raises
    ------
    ValueError
        No norm or an unknown one, a gap or limit that is negative or no number, `on_image` that is no function,
        `executor` that takes no jobs, a model that is no MLP, an activation without lines; images, labels, box or mask
        as in `saliency_map`.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1
    >>> x = np.array([[0.25, 0.5]])  # m(x) = -0.25
    >>> certified_minimum(net, x, [0], norm="l0")
    [Certificate(l0: between 1 and 1 pixels, proved, 0 nodes)]
    >>> (proof,) = certified_minimum(net, x, [0], norm="linf", gap=0.01)
    >>> 0.99 * 0.125 <= proof.lower <= 0.125 <= proof.upper <= 1.01 * 0.125
    True
    >>> proof.check(net)  # replays it, or raises CertificateError
    'between 0.12375 and 0.125001 (replayed in floats)'
    >>> proof.with_proof(net).check(net)  # by attacks/checker.py, which knows nothing of this library
    'proved: with pixels in [0.0, 1.0], no change of less than 0.12375... in each pixel makes...(checked exactly)'
    """
    check_callback(on_image, "on_image")
    check_executor(executor)
    limits = Limits.from_options(norm, gap, time_limit, node_limit)
    task = Task.from_images(net, x, y, norm=str(norm), limits=limits, mask=mask, box=box, target=target)
    certificates = []
    for i in range(len(task.x)):
        certificates.append(solve(task, i, executor))
        if on_image is not None:
            on_image(certificates[-1])
    return certificates


def solve(task: Task, i: int, executor: Executor | None = None) -> Certificate:
    """The certificate of image `i`."""
    begun = time.perf_counter()
    turns = narrowed(task, i, executor)
    known = turns.known
    return Certificate(
        norm=task.ball.norm,
        lower=float(known.lower),
        upper=float(known.upper),
        x=known.x,
        y=known.y,
        x_adv=known.x_adv,
        box=(np.asarray(known.ball.box[0]), np.asarray(known.ball.box[1])),
        mask=known.ball.mask,
        target=known.target,
        gap=task.limits.gap,
        optimal=turns.reason == Reason.MISCLASSIFIED or known.reached(task.limits.gap),
        reason=turns.reason,
        nodes=turns.nodes,
        seconds=time.perf_counter() - begun,
        attack=float(known.attack),
        network=task.network,
        radius=float(known.radius),
        tree=known.tree,
        history=tuple(known.history),
    )
