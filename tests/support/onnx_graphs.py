"""ONNX files from text, in the syntax of `onnx.parser`: "z = Gemm<transB=1>(x, W, B)  y = Relu(z)"."""

import numpy as np

RNG = np.random.default_rng(5)
ARRAYS = {  # what the letters in a text stand for
    "W": RNG.normal(size=(6, 4)), "B": RNG.normal(size=4), "V": RNG.normal(size=(4, 3)), "C": RNG.normal(size=3),
    "S": RNG.normal(size=6), "T": 1 + RNG.random(6), "H": 1 + RNG.random(4),
}  # fmt: skip


def graph_bytes(text, arrays=None, inputs="double[n, 6] x", outputs="double[n, k] y", opset=13):
    """The bytes of a file; `arrays`: more letters."""
    import onnx

    header = f'<ir_version: 8, opset_import: ["": {opset}, "ours": 1]>'
    model = onnx.parser.parse_model(f"{header} graph ({inputs}) => ({outputs}) {{ {text} }}")
    used = {name for node in model.graph.node for name in node.input}
    tensors = [(name, np.asarray(array)) for name, array in (ARRAYS | (arrays or {})).items() if name in used]
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in tensors)
    return model.SerializeToString(deterministic=True)
