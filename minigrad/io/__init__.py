"""Networks and arrays in and out of files and other libraries: nothing here is needed to follow the mathematics.

Read `arrays.py` (a network from checked arrays, and back), then `files.py` (a file is whole or absent), `npz.py`
(arrays, without trust in the file) and `network.py` (a network as an `.npz`).  `torch.py`, with `state_dict.py` for
weights without their module, and `sklearn.py` convert foreign networks; they share `pairs.py`, and `agreement.py`
checks that nothing else was read than was given.  `onnx.py`, with `onnx_nodes.py` for what a node does and
`onnx_write.py` for the way back, and `nnet.py` read networks from files; `chain.py` makes layers of what they list.
`rescale.py` makes a network for pixels in another range, `png.py` is for pictures.  `import minigrad.io as io` loads
none of them: `io.torch` is imported when it is first asked for, so that `MLP` stands below its converters.  They may
import `minigrad.inputs`, `minigrad.layers` and each other, and of `MLP` only the name, for types; no torch and no
scikit-learn, which the caller has loaded, and the package onnx only inside functions, to parse its files.
"""

from importlib import import_module
from typing import Any

FILES = (
    "agreement", "arrays", "chain", "files", "network", "nnet", "npz", "onnx", "onnx_nodes", "onnx_write", "pairs",
    "png", "rescale", "sklearn", "state_dict", "torch",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in FILES:
        raise AttributeError(f"module 'minigrad.io' has no attribute {name!r}")
    return import_module(f"minigrad.io.{name}")
