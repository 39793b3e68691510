"""Is it robust at this radius?  One question about one set, which verification competitions ask.

    attack    the smallest perturbation that the attacks of this library find, then `pgd` from random starts
    search    attacks/proofs/branch_and_bound.py: a counterexample, or a tree of closed leaves

The attacks come first, since a counterexample ends the matter and costs little to look for; the strong one only where
the root of the search has not settled it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attacks.balls.base import Ball, check_images
from attacks.minimum_norm import smallest_eps
from attacks.problem import check_ball
from attacks.proofs.branch_and_bound import Outcome, Search
from attacks.proofs.certificate import Certificate
from attacks.proofs.certificate_file import fingerprint
from attacks.proofs.query import Query
from attacks.proofs.radii import RADII, brought_inside, refuted_whole, size
from attacks.proofs.task import Limits, check_callback, check_executor, check_provable
from attacks.proofs.tree import Tree
from attacks.proofs.unsafe import Case, as_unsafe, attackable, query_of
from attacks.proofs.verdict import Verdict
from attacks.result import Reason
from attacks.saliency import saliency_map
from attacks.sign_gradient import pgd
from minigrad.inputs import Array, as_count, as_images
from minigrad.margin import Margin
from minigrad.mlp import MLP

RESTARTS = 30  # of `pgd`: of the competition's 22 counterexamples on mnist_fc one needs more than 5
FIRST_LOOK = 0.1  # the share of the time that the root may take before the strong attack; the tree is kept


def certify(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike | None,
    ball: Ball,
    *,
    time_limit: float = 60.0,
    node_limit: int | None = None,
    target: ArrayLike | None = None,
    unsafe: Any = None,
    restarts: int = RESTARTS,
    on_image: Callable[[Verdict], None] | None = None,
    executor: Executor | None = None,
) -> list[Verdict]:
    """Is each image robust in the ball?  One Verdict an image.

    Parameters
    ----------
    net : MLP
        ReLU: every query without a tie is decided, given time.  Tanh, Sigmoid: splits go on until the
        intervals of the neurons are points, which takes longer, and the multipliers found need not be the best.
    x : (n, d) inside the box
    y : (n,) the images' classes; None with `unsafe`
    ball : LInf, L0, L1 or L2
        One radius, or one an image, with its box and mask.
    time_limit : float, seconds an image
    node_limit : int, optional
        Nodes a search, for runs that must not depend on the clock.
    target : class or (n,), optional
        Robust: this class does not win.  Default: no class but `y` wins.
    unsafe : list of (C, d), optional
        In place of `y` and `target`: fooled if  C N + d > 0  in every row of one of them; C (r, k), d (r,).
    restarts : int
        Random starts of `pgd` for each image that is open after the root.
    on_image : called with each verdict as it is done
    executor : any `concurrent.futures.Executor`, optional
        Its processes share the search about each image of a deep network with several rivals
        (attacks/proofs/shared_nodes.py), one image after the other; the answer is the same, sooner.

    Returns
    -------
    list of Verdict
        `verdict.check(net)` replays it and says how.  A tie, m = 0, is neither robust nor fooled: it is open.

    Raises
    ------
    ValueError
        A model that is no MLP, an activation without lines, bad images, labels, ball, limits, executor or unsafe sets;
        both `unsafe` and labels, or neither.

    Examples
    --------
    >>> import numpy as np
    >>> from attacks import LInf
    >>> from minigrad import MLP
    >>> net = MLP.from_arrays([([[1.0], [1.0]], [-1.0])])  # N(x) = x_0 + x_1 - 1, 0.125 from the boundary at
    >>> x = np.array([[0.25, 0.5]])
    >>> [certify(net, x, [0], LInf(eps))[0].status for eps in (0.12, 0.13)]
    ['robust', 'fooled']
    >>> certify(net, x, None, LInf(0.1), unsafe=[(np.array([[1.0]]), np.array([-0.1]))])[0].status  # N > 0.1
    'robust'
    """
    check_callback(on_image, "on_image")
    check_executor(executor)
    check_ball(ball)
    limits = Limits.from_options(ball.norm, None, time_limit, node_limit)
    restarts = as_count(restarts, "restarts")
    problem = _Problem.from_arguments(net, x, y, ball, target, unsafe, executor)
    begun = time.perf_counter()
    found = problem.attacked()
    share = (time.perf_counter() - begun) / len(problem.x)
    verdicts = []
    for i in range(len(problem.x)):
        verdicts.append(problem.decide(i, found[i], limits, restarts, share))
        if on_image is not None:
            on_image(verdicts[-1])
    return verdicts


@dataclass(frozen=True, eq=False)
class _Problem:
    """n queries, checked."""

    net: MLP
    x: Array
    margin: Margin | None  # None for `unsafe`
    ball: Ball
    unsafe: tuple[Case, ...] | None
    network: str
    executor: Executor | None

    @classmethod
    def from_arguments(
        cls, net: Any, x: Any, y: Any, ball: Ball, target: Any, unsafe: Any, executor: Executor | None
    ) -> _Problem:
        check_provable(net)
        if (unsafe is None) == (y is None) or (unsafe is not None and target is not None):
            raise ValueError("expected labels y (and target), or unsafe, and not both")
        x = as_images(x, net.sizes[0])
        check_images(ball, x)
        margin = None if y is None else Margin.from_labels(net, x, y, target)
        cases = None if unsafe is None else as_unsafe(unsafe, net.sizes[-1])
        return cls(net, x, margin, ball, cases, fingerprint(net), executor)

    def ball_of(self, i: int) -> Ball:
        return self.ball.take(i, len(self.x))

    def asked(self, i: int) -> tuple[int, int | None]:
        """Label and target of image `i`."""
        assert self.margin is not None
        return int(self.margin.y[i]), None if self.margin.target is None else int(self.margin.target[i])

    def queries(self, i: int) -> list[Query]:
        """The searches that must all end in a proof."""
        if self.margin is None:
            return [query_of(self.net, self.x[i], self.ball_of(i), case) for case in self.unsafe or ()]
        y, target = self.asked(i)
        return [Query.from_image(self.net, self.x[i], y, self.ball_of(i), target)]

    def judged(self, i: int, points: Sequence[Array]) -> Array | None:
        """The first of these points (d,) that is adversarial beyond rounding and surely in the ball, judged alone."""
        ball, queries = self.ball_of(i), self.queries(i)
        for point in points:
            for near in brought_inside(ball, self.x[i], point):
                if any(query.adversarial(near[None])[0] for query in queries):
                    return near
        return None

    def attacked(self) -> list[Array | None]:
        """A counterexample of each image by the smallest perturbations that attacks find, or None."""
        tries: list[list[Array]] = [[row] for row in self.x]
        for net, y, target in self._attacks():
            how: dict[str, Any] = {"target": target, "box": self.ball.box, "mask": self.ball.mask}
            if self.ball.counts:
                result = saliency_map(net, self.x, y, **how)
            else:
                result = smallest_eps(net, self.x, y, norm=self.ball.norm, **how)
            for i, point in enumerate(result.x_adv):
                tries[i].append(point)
        return [self.judged(i, points) for i, points in enumerate(tries)]

    def stronger(self, i: int, restarts: int) -> Array | None:
        """A counterexample of image `i` by `pgd` from random starts, or None."""
        points: list[Array] = []
        for net, y, target in self._attacks():
            one = None if target is None else target[i : i + 1]
            result = pgd(net, self.x[i : i + 1], y[i : i + 1], self.ball_of(i), restarts=restarts, target=one)
            points.append(result.x_adv[0])
        return self.judged(i, points)

    def _attacks(self) -> list[tuple[MLP, Array, Array | None]]:
        """Network, labels and targets of the attacks whose success would be a counterexample."""
        if self.margin is not None:
            return [(self.net, self.margin.y, self.margin.target)]
        n = len(self.x)
        return [(attackable(self.net, case), np.ones(n, int), np.zeros(n, int)) for case in self.unsafe or ()]

    def decide(self, i: int, found: Array | None, limits: Limits, restarts: int, spent: float) -> Verdict:
        """The verdict on image `i`, with the counterexample of the quick attack, if it has one."""
        begun = time.perf_counter()
        searches = [Search(query, executor=self.executor) for query in self.queries(i)]
        end = begun + limits.time_limit - spent
        reason, bound = Reason.COUNTEREXAMPLE, np.inf
        if found is None:
            late = time.perf_counter() >= end
            answer = _ask(searches, begun + FIRST_LOOK * (end - begun), min(limits.node_limit, 1))
            if answer.reason not in (Reason.PROVED, Reason.COUNTEREXAMPLE) and not late:
                found = self.stronger(i, restarts)
                answer = answer if found is not None else _ask(searches, end, limits.node_limit)
            if found is None and answer.counterexample is not None:
                found = self.judged(i, [answer.counterexample])
                answer = replace(answer, reason=Reason.TIE)  # where it is not surely one of the ball
            reason, bound = Reason.COUNTEREXAMPLE if found is not None else answer.reason, answer.bound
        nodes = sum(len(search.tree) for search in searches)
        trees = tuple(search.tree for search in searches)
        seconds = spent + time.perf_counter() - begun
        return self._verdict(i, found, reason, bound, (trees, nodes, seconds))

    def _verdict(
        self, i: int, found: Array | None, reason: Reason, bound: float, search: tuple[tuple[Tree, ...], int, float]
    ) -> Verdict:
        trees, nodes, seconds = search
        status = "fooled" if found is not None else "robust" if reason == Reason.PROVED else "open"
        certificate = None
        if self.margin is not None and status != "open":
            certificate = self._certificate(i, found, trees[0], nodes, seconds)
        if found is not None and np.array_equal(found, self.x[i]):
            reason = Reason.MISCLASSIFIED
        return Verdict(
            status=status,
            reason=reason,
            x=self.x[i].copy(),  # a verdict outlives the caller's images
            ball=self.ball_of(i),
            x_adv=found,
            certificate=certificate,
            nodes=nodes,
            seconds=seconds,
            bound=bound,
            unsafe=self.unsafe,
            trees=trees if self.unsafe is not None and status == "robust" else (),
            network=self.network,
        )

    def _certificate(self, i: int, found: Array | None, tree: Tree, nodes: int, seconds: float) -> Certificate:
        """The interval that the verdict stands for: [radius, inf) proved, or an upper end found."""
        assert self.margin is not None
        ball, x, radii = self.ball_of(i), self.x[i].copy(), RADII[self.ball.norm]
        y, target = self.asked(i)
        gap = Limits.from_options(ball.norm).gap
        if found is not None and self.queries(i)[0].adversarial(x[None])[0]:
            found = x
        wrong = found is x
        radius, lower = refuted_whole(ball, x[None]) if found is None else (0.0, 0.0)
        upper = np.inf if found is None else 0.0 if wrong else size(ball, (found - x)[None])
        optimal = wrong or radii.reached(lower, upper, gap)
        return Certificate(
            norm=ball.norm,
            lower=lower,
            upper=upper,
            x=x,
            y=y,
            x_adv=found,
            box=(np.asarray(ball.box[0]), np.asarray(ball.box[1])),
            mask=ball.mask,
            target=target,
            gap=gap,
            optimal=optimal,
            reason=Reason.MISCLASSIFIED if wrong else Reason.PROVED if optimal else Reason.RADIUS,
            nodes=nodes,
            seconds=seconds,
            attack=upper,
            network=self.network,
            radius=radius,
            tree=tree if found is None else Tree(1),
        )


def _ask(searches: Sequence[Search], deadline: float, node_limit: float) -> Outcome:
    """The outcome of the searches, of which all must end in a proof, with the largest bound of those asked."""
    outcomes = []
    for search in searches:
        outcomes.append(search.run(deadline, node_limit))
        if not outcomes[-1].proved:
            break
    return replace(outcomes[-1], bound=max(outcome.bound for outcome in outcomes))
