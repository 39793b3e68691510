"""A network as an `.npz` file of the arrays that define it: what `MLP.save` and `MLP.load` do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from minigrad.inputs import Array
from minigrad.io.files import write_whole
from minigrad.io.npz import briefly, npz_bytes, npz_names, parse_npz

if TYPE_CHECKING:
    from minigrad.mlp import MLP

T = TypeVar("T")
SHOWN = 6  # names in a message: two lines of a terminal


def network_bytes(net: MLP) -> bytes:
    """The bytes of the file that `MLP.save` writes; equal networks give equal bytes."""
    return npz_bytes(net.to_arrays())


def write_network(path: str | Path, net: MLP) -> None:
    """Write the file whole or not at all.  Raises OSError."""
    write_whole(path, network_bytes(net))


def read_network(path: str | Path, make: Callable[[dict[str, Array]], T]) -> T:
    """`make` of the arrays in a file that `write_network` wrote; `make` is `MLP.from_arrays`.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It holds something else.
    """
    raw = Path(path).read_bytes()
    _check_names(path, npz_names(raw))
    arrays = parse_npz(raw, str(path))
    try:
        return make(arrays)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected a network saved by MLP.save, got something else ({briefly(error)})"
        ) from error


def _check_names(path: str | Path, names: list[str]) -> None:
    """Raise ValueError if the file is an archive without a weight in it: of images, say."""
    if names and "W1" not in names:
        shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        torch = any(name.endswith("data.pkl") for name in names)  # its files are zip archives too
        hint = " (a file of torch: MLP.from_torch(torch.load(...)))" if torch else ""
        raise ValueError(
            f"{path}: expected a network saved by MLP.save, got something else: no network in it, but {shown}{hint}"
        )
