"""A network as an ONNX file: Gemm and activations one after the other, in float64, so that reading gives the same net.

x W + b  is Gemm(x, W, b) as it stands, alpha = beta = 1 and nothing transposed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from minigrad.io.files import write_whole
from minigrad.io.onnx import onnx_package
from minigrad.io.onnx_nodes import ACTIVATIONS

if TYPE_CHECKING:
    from minigrad.mlp import MLP

OPSET, IR = 13, 8  # of 2021, when Gemm, Relu and the others took the form they have; any reader of today knows them
LARGEST = 2**31 - 2**20  # bytes of weights: a message of protobuf ends at 2 GiB, and the rest needs less than 1 MiB


def write_onnx(path: str | Path, net: MLP) -> None:
    """Write a chain of Gemm and activations, in float64: x ("n", d) -> logits ("n", k).  Whole or not at all.

    Raises
    ------
    ImportError
        The package `onnx` is not installed.
    OSError
        The file cannot be written.
    ValueError
        A threshold, for which ONNX has no place; weights of 2 GiB, the most that a file holds; or what `to_arrays`
        refuses.
    """
    onnx = onnx_package()
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    if net.threshold:
        raise ValueError(
            f"threshold: expected 0, as ONNX has no place for it, got {net.threshold:g}: write "
            "MLP.from_arrays(net.to_arrays(), threshold=0.0), and read it with from_onnx(path, threshold=...)"
        )
    if sum(part.nbytes for layer in net.dense for part in (layer.W, layer.b)) > LARGEST:
        raise ValueError(
            f"{path}: expected a network of at most 2 GiB, which is all that an ONNX file holds, got {net}"
        )
    arrays = net.to_arrays()
    op = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == arrays["activation"])
    nodes, value = [], "x"
    for k in range(1, len(net.dense) + 1):
        z, last = f"z{k}", k == len(net.dense)
        nodes.append(helper.make_node("Gemm", [value, f"W{k}", f"b{k}"], ["logits" if last else z], name=f"layer{k}"))
        if not last:
            nodes.append(helper.make_node(op, [z], [value := f"a{k}"], name=f"{net.activation}{k}"))
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items() if name[0] in "Wb"]
    sizes = {"x": net.sizes[0], "logits": net.sizes[-1]}
    ends = [helper.make_tensor_value_info(name, double, ["n", size]) for name, size in sizes.items()]
    graph = helper.make_graph(nodes, "MLP", ends[:1], ends[1:], tensors)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, producer_name="minigrad", ir_version=IR, opset_imports=[opset])
    write_whole(path, model.SerializeToString(deterministic=True))
