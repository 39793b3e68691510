"""Networks in ONNX files, read by the package `onnx` (the extra `onnx`), which parses and, to check, evaluates them.

The graph must be a chain from its one input to its one output.  What its nodes do is in `onnx_nodes.py`; together they
are the layers of a perceptron (`chain.py`).  At the end the file's own graph, evaluated in float64 by the reference
implementation of ONNX, and the network must give the same logits of random rows (`compare.py`).

The network is the one in real arithmetic with the weights of the file: a program that runs the file in single precision
rounds differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.inputs import Array
from minigrad.io.agreement import check_same_logits, random_rows
from minigrad.io.chain import Chain
from minigrad.io.npz import briefly
from minigrad.io.onnx_nodes import Node, Shape, pass_through
from minigrad.io.pairs import Pair, as_numbers

if TYPE_CHECKING:
    from minigrad.mlp import MLP

FOLDED = {"Constant", "Identity", "Transpose", "Reshape", "Cast", "Squeeze", "Unsqueeze"}  # none repeats its numbers
STILL = {"Identity", "Dropout", "Flatten", "Reshape"}  # at the end they change no logit
ENDS = {
    "Relu": "it makes ties of all that is below 0, and a tie is no class",
    "Tanh": "it changes no class", "Sigmoid": "it changes no class: a probability above 0.5 is a logit above 0",
    "Softmax": "it changes no class", "LogSoftmax": "it changes no class",
}  # fmt: skip


def onnx_package() -> Any:
    """The package `onnx`, or ImportError with what to do."""
    try:
        import onnx
        import onnx.reference
    except ImportError as error:
        raise ImportError(
            f"onnx: expected the package onnx, to read and write its files, got {briefly(error)} (pip install onnx)"
        ) from error
    return onnx


@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """The graph of a file: its nodes but for those that only make constants, and the constants.

    Attributes
    ----------
    source : str
        The path, for messages.
    input, output : str
    shape : tuple of int
        Of the input, one image.
    nodes : list of `onnx.NodeProto`
    constants : dict of arrays, in the file's own precision
    opsets : list of `onnx.OperatorSetIdProto`
    """

    source: str
    input: str
    output: str
    shape: Shape
    nodes: list[Any]
    constants: dict[str, Array]
    opsets: list[Any]

    @classmethod
    def read(cls, path: str | Path) -> OnnxGraph:
        """Read and check a file, and the file of weights beside it that it may name.

        Raises
        ------
        ImportError
            The package `onnx` is not installed.
        OSError
            The file cannot be read.
        ValueError
            It is no ONNX model; or one of several inputs or outputs, of an unknown shape, or with sparse weights.
        """
        onnx = onnx_package()
        raw = Path(path).read_bytes()
        try:
            model = onnx.load_model_from_string(raw)
            onnx.load_external_data_for_model(model, str(Path(path).absolute().parent))
            onnx.checker.check_model(model)
            nodes, constants = _folded(onnx, model)
        except Exception as error:  # given foreign bytes, protobuf and onnx may raise anything
            raise ValueError(f"{path}: expected an ONNX model, got something else ({briefly(error)})") from error
        inputs = [value for value in model.graph.input if value.name not in constants]
        outputs = [value.name for value in model.graph.output]
        if len(inputs) != 1 or len(outputs) != 1:
            shown = f"{len(inputs)} and {len(outputs)}"
            raise ValueError(f"{path}: expected a graph of one input and one output, got {shown}")
        shape = _input_shape(path, inputs[0], max((array.size for array in constants.values()), default=0))
        return cls(str(path), inputs[0].name, outputs[0], shape, nodes, constants, list(model.opset_import))

    def arrays(self) -> tuple[list[Pair], str]:
        """`[(W_1, b_1), ...]` and the activation.

        Raises
        ------
        ValueError
            A graph that is no chain; an operator that is not supported, by its name; an activation or a softmax at the
            end, with the reason; two kinds of activation, or one without weights before it.
        """
        onnx, chain = onnx_package(), Chain(self.source)
        nodes = self._in_order()
        self._check_end(nodes)
        value, shape = self.input, self.shape
        with np.errstate(all="ignore"):  # infinities are refused where the network is made
            for proto in nodes:
                attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
                name = f"{self.source}: {_called(proto)}"
                node = Node(proto.op_type, name, tuple(proto.input), value, shape, attributes, self.constants)
                if proto.domain not in ("", "ai.onnx"):
                    raise node.refused("an operator of ONNX itself", f"one of {proto.domain}")
                shape = pass_through(node, chain)
                value = proto.output[0]
        return chain.finished()

    def logits(self, x: Array) -> Array:
        """What the reference implementation of ONNX computes of rows x (n, d) in float64, (n, k).

        Raises
        ------
        ValueError
            It fails.
        """
        onnx = onnx_package()
        used = {name for node in self.nodes for name in node.input} & self.constants.keys()
        tensors = [onnx.numpy_helper.from_array(_double(self.constants[name]), name) for name in sorted(used)]
        double = onnx.TensorProto.DOUBLE
        ends = [onnx.helper.make_tensor_value_info(name, double, None) for name in (self.input, self.output)]
        graph = onnx.helper.make_graph(self.nodes, "float64", ends[:1], ends[1:], tensors)
        model = onnx.helper.make_model(graph, opset_imports=self.opsets)
        try:
            evaluator = onnx.reference.ReferenceEvaluator(model)
            with np.errstate(all="ignore"):
                rows = [evaluator.run(None, {self.input: row.reshape(self.shape)})[0] for row in x]
            return np.stack([np.ravel(row) for row in rows])
        except Exception as error:  # whatever a foreign graph leads to
            raise ValueError(f"{self.source}: expected a graph that can be evaluated, got {briefly(error)}") from error

    def _in_order(self) -> list[Any]:
        """The nodes from the input to the output, each of which takes what the one before it gives."""
        value, order = self.input, list[Any]()
        while value != self.output or any(value in node.input for node in self.nodes):
            users = [node for node in self.nodes for name in node.input if name == value]
            if len(users) != 1 or len(order) == len(self.nodes):
                shown = ", ".join(_called(node) for node in users) or "nothing"
                raise ValueError(
                    f"{self.source}: expected a chain of nodes, in which {value!r} goes to one node, got {shown}"
                )
            order.append(users[0])
            value = users[0].output[0]
        beside = [_called(node) for node in self.nodes if node not in order]
        if beside:
            raise ValueError(f"{self.source}: expected a chain of nodes, got {beside[0]} beside it")
        return order

    def _check_end(self, nodes: list[Any]) -> None:
        """Raise ValueError, with advice, where an activation or a softmax is behind the logits."""
        last = next((node for node in reversed(nodes) if node.op_type not in STILL), None)
        if last is None or last.op_type not in ENDS:
            return
        cut = f"onnx.utils.extract_model({self.source!r}, 'logits.onnx', [{self.input!r}], [{last.input[0]!r}])"
        raise ValueError(
            f"{self.source}: expected the logits as the output, got {_called(last)} behind them: drop the last layer, "
            f"as in {cut} ({ENDS[last.op_type]})"
        )


def check_graph(net: MLP, graph: OnnxGraph) -> None:
    """Raise ValueError unless the file's graph gives the logits of `net`."""
    x = random_rows(net.sizes[0])
    check_same_logits(net, x, graph.logits(x), graph.source)


def _folded(onnx: Any, model: Any) -> tuple[list[Any], dict[str, Array]]:
    """The nodes that depend on the image, and all constants, those among them that other nodes make."""
    graph, opsets = model.graph, {entry.domain: entry.version for entry in model.opset_import}
    if graph.sparse_initializer or any(a.name == "sparse_value" for node in graph.node for a in node.attribute):
        raise ValueError("sparse weights")  # a few bytes of which may stand for any number of zeros
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type in FOLDED and all(name in constants for name in node.input if name):
            inputs = {name: constants[name] for name in node.input if name}
            with np.errstate(all="ignore"):
                (made,) = onnx.reference.ReferenceEvaluator(node, opsets=opsets).run(None, inputs)
            constants[node.output[0]] = np.asarray(made)
        else:
            nodes.append(node)
    return nodes, constants


def _input_shape(path: str | Path, value: Any, largest: int) -> Shape:
    """The shape of one image; an open first axis counts the images."""
    axes = value.type.tensor_type.shape.dim
    shape = tuple(1 if k == 0 and axis.dim_value < 1 else axis.dim_value for k, axis in enumerate(axes))
    if min(shape, default=1) < 1 or prod(shape) > largest:
        shown = ", ".join(axis.dim_param or str(axis.dim_value) for axis in axes)
        raise ValueError(f"{path}: expected an input of known shape, for which there are weights, got {shown}")
    return shape


def _double(array: Array) -> Array:
    """Floating-point numbers of any precision as float64; what is none, a shape, as it is."""
    return array if array.dtype.kind in "biuSUO" else as_numbers(array)


def _called(node: Any) -> str:
    """A node in a message."""
    return f"{node.name or node.output[0]} ({node.op_type})"
