"""How many threads BLAS, the library of matrix products under NumPy, may use.

Left alone it takes one for each core.  On a busy machine the threads of one small product then wait for each other most
of the time: beside other work `fit` on two cores took 67 s, and 1.7 s with one thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Read by OpenBLAS, OpenMP, MKL and Apple's Accelerate when NumPy is first imported, and never again.
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@contextmanager
def one_thread() -> Iterator[None]:
    """`with one_thread(): ...` does its matrix products in one thread, and gives the others back afterwards.

    It limits the BLAS libraries that are loaded when the block begins.  This needs threadpoolctl, an optional package
    (the extra `threads`).

    Warns
    -----
    RuntimeWarning
        threadpoolctl is missing: the block runs with the threads that BLAS chose.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread():
    ...     np.eye(2) @ np.ones(2)
    array([1., 1.])
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        warnings.warn(
            "one_thread: expected the package threadpoolctl, which is not installed, so BLAS keeps its threads "
            f"(pip install threadpoolctl, or set {VARIABLES[0]}=1 before Python starts)",
            RuntimeWarning,
            stacklevel=3,
        )
        yield
        return
    with threadpool_limits(limits=1, user_api="blas"):
        yield
