"""As little of torch as the converter needs, so that it is tested where torch is not installed.

`with torch_double.loaded(): ...` puts it in the place of torch, where torch itself is loaded too.
"""

import sys
from contextlib import contextmanager, nullcontext
from types import ModuleType

import numpy as np
import pytest


class Tensor:
    """Single precision until `double()`; nothing more is asked of one."""

    def __init__(self, v):
        v = v.v if isinstance(v, Tensor) else v
        self.v, self.ndim, self.shape, self.dtype = np.asarray(v), np.ndim(v), np.shape(v), np.asarray(v).dtype

    def __len__(self):
        return len(self.v)

    def detach(self):
        return self

    def double(self):
        return Tensor64(self.v)


class Tensor64(Tensor):
    def __init__(self, v):
        super().__init__(np.asarray(v, np.float64))

    def cpu(self):
        return self

    def numpy(self):
        return self.v


class Module:
    training = True

    def named_modules(self, remove_duplicate):
        assert remove_duplicate is False  # else a layer that is called twice comes once
        yield "", self

    def eval(self):
        self.training = False
        return self

    def cpu(self):
        return self

    def double(self):
        return self

    def __call__(self, x):
        return Tensor64(self.forward(x.v))


class Sequential(Module):
    def __init__(self, *parts):
        self.parts = parts

    def named_modules(self, remove_duplicate):
        yield "", self
        for k, part in enumerate(self.parts):
            for path, module in part.named_modules(remove_duplicate=remove_duplicate):
                yield f"{k}.{path}".rstrip("."), module

    def eval(self):
        super().eval()
        for part in self.parts:
            part.eval()
        return self

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x


class Linear(Module):
    def __init__(self, A, c=None):
        self.weight, self.bias = A if isinstance(A, Tensor) else Tensor(A), None if c is None else Tensor(c)

    def forward(self, x):
        return x @ self.weight.v.T + (0 if self.bias is None else self.bias.v)


class BatchNorm1d(Module):
    eps = 1e-5

    def __init__(self, mean, var, gamma=None, beta=None):
        self.running_mean, self.running_var, self.weight, self.bias = (
            None if value is None else Tensor(value) for value in (mean, var, gamma, beta)
        )

    def forward(self, z):
        assert not self.training
        z = (z - self.running_mean.v) / np.sqrt(self.running_var.v + self.eps)
        return z * (1 if self.weight is None else self.weight.v) + (0 if self.bias is None else self.bias.v)


class Dropout(Module):
    def forward(self, x):
        return x * np.random.default_rng().integers(0, 2, x.shape) if self.training else x


def function(name, f):
    """The class of a layer without weights."""
    return type(name, (Module,), {"forward": lambda self, x: f(x)})


ReLU = function("ReLU", lambda z: np.maximum(z, 0))
Tanh = function("Tanh", np.tanh)
Sigmoid = function("Sigmoid", lambda z: (1 + np.tanh(z / 2)) / 2)
Flatten, Identity = (function(name, lambda x: x) for name in ("Flatten", "Identity"))
Softmax = function("Softmax", lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))
Softmax.dim = 1
KIND = {"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid}
HOMES = {
    "container": (Sequential,), "linear": (Linear, Identity), "batchnorm": (BatchNorm1d,), "dropout": (Dropout,),
    "flatten": (Flatten,), "activation": (ReLU, Tanh, Sigmoid, Softmax),
}  # fmt: skip


@contextmanager
def loaded():
    torch = ModuleType("torch")
    torch.from_numpy, torch.no_grad = Tensor64, nullcontext
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        for name, classes in HOMES.items():
            home = ModuleType(f"torch.nn.modules.{name}")
            for kind in classes:
                setattr(home, kind.__name__, kind)
            patch.setitem(sys.modules, home.__name__, home)
        yield
