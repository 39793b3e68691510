"""What one node of an ONNX graph does to the one image that passes through it.

A value has a shape, as (1, 784), (1, 784, 1) or (784,), and one image in it: its entries in row-major order are the row
a (n,).  So a node that reshapes does nothing to a, and MatMul, with the weights on either side, is  a V.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from minigrad.inputs import Array
from minigrad.io.chain import Chain
from minigrad.io.pairs import as_numbers

Shape = tuple[int, ...]
ACTIVATIONS = {"Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid"}  # theirs -> ours
ARITHMETIC = "Add", "Sub", "Mul", "Div"
SAME = "Identity", "Dropout"
SUPPORTED = "Gemm, MatMul, Add, Sub, Mul, Div, Relu, Tanh, Sigmoid, Flatten, Reshape, Identity, Dropout, Constant"


@dataclass(frozen=True, eq=False)
class Node:
    """A node of the chain, and the value that comes into it.

    Attributes
    ----------
    op, name : str
        Its operator, and what it is called in messages.
    inputs : tuple of str
        Names of its inputs, one of which is `value`; the others are constants.
    value : str
    shape : tuple of int
        Of `value`.
    attributes : mapping
    constants : mapping
        Of the whole graph.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    value: str
    shape: Shape
    attributes: Mapping[str, Any]
    constants: Mapping[str, Array]

    @property
    def place(self) -> int:
        """Which of the inputs the value is."""
        return self.inputs.index(self.value)

    def constant(self, k: int) -> Array:
        """Input k.  Raises ValueError where it is missing or no constant."""
        name = self.inputs[k] if k < len(self.inputs) else ""
        if name not in self.constants:
            raise self.refused(f"a constant as input {k}", f"{name!r}, which is none" if name else "nothing")
        return self.constants[name]

    def numbers(self, k: int) -> Array:
        """The same as float64."""
        try:
            return as_numbers(self.constant(k))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error

    def refused(self, wanted: str, came: str) -> ValueError:
        return ValueError(f"{self.name}: expected {wanted}, got {came}")


def pass_through(node: Node, chain: Chain) -> Shape:
    """Add what the node does to the chain; the shape of its output.

    Raises
    ------
    ValueError
        An operator that is not supported, by its name; shapes that do not fit, or that hold several images.
    """
    if node.op in ACTIVATIONS:
        chain.activated(node.name, ACTIVATIONS[node.op])
        return node.shape
    if node.op in SAME:
        return node.shape
    if node.op in ARITHMETIC:
        return _arithmetic(node, chain)
    handlers: dict[str, Callable[[Node, Chain], Shape]] = {
        "Gemm": _gemm, "MatMul": _matmul, "Flatten": _flatten, "Reshape": _reshape,
    }  # fmt: skip
    if node.op not in handlers:
        raise node.refused(f"one of {SUPPORTED}", node.op)
    return handlers[node.op](node, chain)


def _gemm(node: Node, chain: Chain) -> Shape:
    """alpha A' B' + beta C, a prime where transA, transB say so; the value is A, a row, or B, a column."""
    if node.place > 1:
        raise node.refused("constant weights", "a product of two constants")
    of_value, of_weights = ("transA", "transB") if node.place == 0 else ("transB", "transA")
    M, shape = _matrix(node), node.shape
    if node.attributes.get(of_weights, 0):
        M = M.T
    if node.attributes.get(of_value, 0):
        shape = shape[::-1]
    V = M if node.place == 0 else M.T  # (n, m)
    wanted = (1, len(V)) if node.place == 0 else (len(V), 1)
    if shape != wanted:
        raise node.refused(f"one image, of shape {wanted}", f"shape {shape}")
    shape = (1, V.shape[1]) if node.place == 0 else (V.shape[1], 1)
    c = np.zeros(V.shape[1])
    if len(node.inputs) > 2 and node.inputs[2]:
        C = node.numbers(2)
        if _broadcast(C.shape, shape) != shape:
            raise node.refused(f"a bias that broadcasts to {shape}", f"shape {C.shape}")
        c = node.attributes.get("beta", 1.0) * np.broadcast_to(C, shape).ravel()
    chain.dense(node.name, node.attributes.get("alpha", 1.0) * V, c)
    return shape


def _matmul(node: Node, chain: Chain) -> Shape:
    """a V for weights on the right, of a row; on the left, W = V^T, of a column, which may have one axis only."""
    M = _matrix(node)
    if node.place == 0:
        V, wanted, shape = M, (1,) * (len(node.shape) - 1) + M.shape[:1], (*node.shape[:-1], M.shape[1])
    elif len(node.shape) < 2:
        V, wanted, shape = M.T, M.shape[1:], M.shape[:1]
    else:
        V, ones = M.T, (1,) * (len(node.shape) - 2)
        wanted, shape = (*ones, M.shape[1], 1), (*ones, M.shape[0], 1)
    if node.shape != wanted:
        raise node.refused(f"one image, of shape {wanted}", f"shape {node.shape}")
    chain.dense(node.name, V, np.zeros(V.shape[1]))
    return shape


def _matrix(node: Node) -> Array:
    """The weights, the other one of the first two inputs."""
    M = node.numbers(1 - node.place)
    if M.ndim != 2:
        raise node.refused("a matrix of weights", f"shape {M.shape}")
    return M


def _arithmetic(node: Node, chain: Chain) -> Shape:
    """Value and constant, broadcast to each other; the value's entries may only be lined up, not repeated."""
    c = node.numbers(1 - node.place)
    shape = _broadcast(node.shape, c.shape)
    if shape is None or prod(shape) != prod(node.shape):
        raise node.refused(f"a constant that broadcasts to {node.shape}", f"shape {c.shape}")
    c = np.broadcast_to(c, shape).ravel()
    first = node.place == 0
    if node.op == "Div" and not first:
        raise node.refused("the value divided by a constant", "a constant divided by the value")
    if node.op == "Mul":
        chain.scaled(node.name, c, 0.0)
    elif node.op == "Div":
        chain.scaled(node.name, 1 / c, 0.0)
    else:
        minus = node.op == "Sub"
        chain.scaled(node.name, -1.0 if minus and not first else 1.0, -c if minus and first else c)
    return shape


def _flatten(node: Node, chain: Chain) -> Shape:
    axis, axes = node.attributes.get("axis", 1), len(node.shape)
    if not -axes <= axis <= axes:
        raise node.refused(f"an axis among the {axes} of the value", f"{axis}")
    axis += axes if axis < 0 else 0
    return prod(node.shape[:axis]), prod(node.shape[axis:])


def _reshape(node: Node, chain: Chain) -> Shape:
    """0 keeps the length of an axis, -1 is what remains."""
    wanted = [int(length) for length in np.ravel(node.constant(1))]
    if not node.attributes.get("allowzero", 0):
        kept = (*node.shape, *[0] * len(wanted))
        wanted = [old if length == 0 else length for length, old in zip(wanted, kept, strict=False)]
    n, known = prod(node.shape), prod(length for length in wanted if length != -1)
    shape = tuple(n // known if length == -1 and known else length for length in wanted)
    if prod(shape) != n or min(shape, default=1) < 1:
        raise node.refused(f"a shape of {n} entries", f"{wanted}")
    return shape


def _broadcast(*shapes: Shape) -> Shape | None:
    """The shape that arrays of these shapes broadcast to, if any."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None
