"""Networks trained by torch:  y = x A^T + c  with A (d_out, d_in), so  W = A^T,  b = c.

torch is not imported: whoever has a module has loaded it.  A layer is known by its class, which must be torch's own:
one that inherits from it, or only bears its name as in LoRA and in quantised networks, may compute something else.
Layers are read in the order in which they are called; one that is called twice comes twice.  At the end the module and
the network must give the same logits of random rows (minigrad/io/agreement.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.inputs import Array
from minigrad.io.agreement import check_same_logits, random_rows
from minigrad.io.arrays import check_activation
from minigrad.io.npz import briefly
from minigrad.io.pairs import Pair, as_numbers, merged_layers
from minigrad.io.state_dict import state_pairs

if TYPE_CHECKING:
    from minigrad.mlp import MLP

Part = Pair | str  # of a layer: its weights, or the name of its function
TORCH = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softmax": "softmax", "LogSoftmax": "softmax"}
MONOTONE = {"tanh", "sigmoid", "softmax"}  # behind the logits: they change numbers and no class
HOMES = {  # class -> the module of torch.nn.modules that defines it; those not named above leave a row as it is
    "Sequential": "container", "Linear": "linear", "BatchNorm1d": "batchnorm", "ReLU": "activation",
    "Tanh": "activation", "Sigmoid": "activation", "Dropout": "dropout", "Flatten": "flatten", "Identity": "linear",
    "Softmax": "activation", "LogSoftmax": "activation",
}  # fmt: skip
LAYERS = "Linear, BatchNorm1d, ReLU, Tanh, Sigmoid, Dropout, Flatten, Identity"
HOOKS = "_forward_hooks", "_forward_pre_hooks"  # where torch keeps functions that may change a layer's output
INSIDE = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}


def torch_arrays(source: Any, activation: str | None = None) -> tuple[list[Pair], str]:
    """`[(W_1, b_1), ...]` and the activation of a torch module, or of its `state_dict()`.

    BatchNorm1d, in evaluation mode, is linear:  (z - mean) / sqrt(var + eps) gamma + beta  =  z s + (beta - mean s)
    with  s = gamma / sqrt(var + eps).  So it is one layer with the Linear before it, or else behind it.

    A Softmax, LogSoftmax, Sigmoid or Tanh at the end is refused, with the advice to drop it, though it changes no
    class.  If we left it out ourselves, the logits would not be what the module returns, so the two could not be
    compared, and a `threshold` of 0.5 might mean a probability or a logit.  The caller writes `module[:-1]`.

    Parameters
    ----------
    source : a `Sequential` of Linear, BatchNorm1d, ReLU, Tanh, Sigmoid, Dropout, Flatten, Identity; or a `state_dict()`
    activation : str, optional
        "relu", "tanh" or "sigmoid".  Needed for a state dict, which does not say what is between its weights.

    Raises
    ------
    ValueError
        A layer that is none of these, by its name; two kinds of activation; an activation that is first, last or
        follows another; a state dict that does not say the order of its layers (see `state_pairs`).
    """
    if activation is not None:
        check_activation(activation)
    parts: list[tuple[str, Part]] = []
    if isinstance(source, Mapping):
        for name, pair in state_pairs(source, activation):
            parts += [(f"the activation before {name}", activation or "relu")] if parts else []
            parts.append((name, pair))
    else:
        parts += _of_module(source)
    if parts and isinstance(parts[-1][1], str) and parts[-1][1] in MONOTONE:
        half = " (a probability above 0.5 is a logit above 0)" if parts[-1][1] == "sigmoid" else ""
        raise ValueError(
            f"torch: expected a Linear layer at the end, whose output are the logits, got {parts[-1][0]}: drop that "
            f"layer, as in MLP.from_torch(module[:-1]), which changes no class{half}"
        )
    return _chained(parts, activation)


def check_module(net: MLP, source: Any) -> None:
    """Raise ValueError unless the module `source` gives the logits of `net`; a state dict cannot be asked.

    What is asked is a copy, in float64 and evaluation mode: the caller's module, its mode and torch's generator stay as
    they are.
    """
    if isinstance(source, Mapping):
        return
    torch, x = sys.modules["torch"], random_rows(net.sizes[0])
    try:
        module = deepcopy(source).cpu().double().eval()
        with torch.no_grad():
            theirs = module(torch.from_numpy(x.copy())).numpy()
    except Exception as error:  # whatever a foreign module raises
        raise ValueError(f"torch: expected a module that can be copied and evaluated, got {briefly(error)}") from error
    check_same_logits(net, x, theirs, "torch")


def _chained(parts: list[tuple[str, Part]], activation: str | None) -> tuple[list[Pair], str]:
    """The layers and their activation; linear maps without an activation between them are one."""
    kinds = {part for _, part in parts if isinstance(part, str)}
    if len(kinds) > 1:
        raise ValueError(f"torch: expected one kind of activation, got {', '.join(sorted(kinds))}")
    kind = next(iter(kinds), "relu")
    if activation is not None and kinds and kind != activation:
        raise ValueError(f"activation: the module says {kind}, got {activation!r}")
    pairs: list[Pair] = []
    after = True  # an activation may not come first, nor twice
    for name, part in parts:
        if isinstance(part, str):
            if after:
                raise ValueError(f"torch: expected a Linear layer before {name}, got {part} there")
            after = True
        else:
            pairs.append(part) if after else pairs.append(merged_layers(name, pairs.pop(), part))
            after = False
    if not pairs or after:
        last = parts[-1][0] if parts else "nothing"
        raise ValueError(f"torch: expected a Linear layer at the end, whose output are the logits, got {last}")
    return pairs, kind


def _of_module(source: Any) -> Iterator[tuple[str, Part]]:
    """The name and the part of each layer that does something, in the order in which they are called."""
    if not _kind(source):
        raise ValueError(f"torch: expected a Sequential of {LAYERS}, or its state_dict(), got {_advice(source)}")
    for path, module in source.named_modules(remove_duplicate=False):
        name, kind = f"{path} ({type(module).__name__})" if path else type(module).__name__, _kind(module)
        if not kind or (kind.endswith("Softmax") and module.dim not in (None, 1, -1)):  # else over an image's logits
            where = f"the layer {path or name}: {_advice(module)}"
            raise ValueError(f"torch: expected a Sequential of {LAYERS}, got {where}")
        changed = [where for where in HOOKS if getattr(module, where, None)]
        changed += ["forward"] if "forward" in vars(module) else []
        if changed:
            raise ValueError(f"torch: expected layers without hooks, got {changed[0]} on {path or name}")
        if kind == "Linear":
            yield name, (as_numbers(module.weight).T, _or(module.bias, 0.0, len(module.weight)))
        elif kind == "BatchNorm1d":
            yield name, _normalisation(module, name)
        elif kind in TORCH:
            yield name, TORCH[kind]


def _kind(module: Any) -> str:
    """The name of its class if that is torch's own class of this name, else ""."""
    name = type(module).__name__
    home = sys.modules.get(f"torch.nn.modules.{HOMES.get(name)}")
    return name if home is not None and getattr(home, name, None) is type(module) else ""


def _normalisation(module: Any, name: str) -> Pair:
    """BatchNorm1d as a layer of one weight a column."""
    if module.running_mean is None or module.running_var is None:
        raise ValueError(f"torch: expected running statistics, got {name} without, which uses those of each batch")
    mean, var = as_numbers(module.running_mean), as_numbers(module.running_var)
    s = _or(module.weight, 1.0, len(mean)) / np.sqrt(var + module.eps)
    return np.diag(s), _or(module.bias, 0.0, len(mean)) - mean * s


def _or(tensor: Any, default: float, size: int) -> Array:
    return np.full(size, default) if tensor is None else as_numbers(tensor)


def _advice(source: Any) -> str:
    """What came, and what to pass instead."""
    name, home = type(source).__name__, type(source).__module__
    if isinstance(source, (str, PathLike)):
        return f"{source!r}: torch.load it first"
    if isinstance(source, (list, tuple)) or name == "ModuleList":
        return f"{name}, which does not say how its layers are called: torch.nn.Sequential(*layers) does"
    if name in INSIDE:
        return f"{name}: pass its .{INSIDE[name]}"
    if name.startswith("Lazy"):
        return f"{name}: call the module once, then it knows its sizes"
    if name in HOMES and not _kind(source):
        return f"{name} of {home}, which is not torch's own and may compute something else"
    if not hasattr(source, "named_modules"):
        return name
    if home.startswith("torch.nn.modules."):
        return f"{name} (it can be attacked, though not proved: minigrad.from_vjp)"
    return (
        f"{name}, a module of your own: make a Sequential of its layers (scaling of the input is net.rescaled), or "
        "attack it as it is with minigrad.from_vjp"
    )
