"""Many images, on one core, on all of them, or on many machines: certificates stream to a file as they finish.

Whatever kills the run, the file (attacks/proofs/campaign_log.py) keeps the certificates that were done.  Run again with
the same question, the images in the file are left out, and the answer is the same as that of an undisturbed run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from attacks.proofs.campaign_log import Log, options_of
from attacks.proofs.certificate import Certificate
from attacks.proofs.minimum import certified_minimum
from attacks.proofs.task import Limits, Progress, Task, check_callback, check_executor
from minigrad.inputs import Array
from minigrad.mlp import MLP


def campaign(
    net: MLP,
    x: ArrayLike,
    y: ArrayLike,
    path: str | Path,
    *,
    norm: str | None = None,
    executor: Executor | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    mask: ArrayLike | None = None,
    box: tuple[ArrayLike, ArrayLike] = (0.0, 1.0),
    target: ArrayLike | None = None,
    note: dict[str, Any] | None = None,
    **limits: Any,
) -> list[Certificate]:
    """`certified_minimum` of every image, streamed to `path`; resumes what an earlier run left there.

    Parameters
    ----------
    net, x, y, norm, mask, box, target
        As in `certified_minimum`.
    path : file of JSON lines
        Made if absent; a half-done run of the same question is gone on with, and one about the first of these images
        is extended.
    executor : any `concurrent.futures.Executor`
        A process pool on one machine, `dask.distributed`'s `client.get_executor()` on a cluster.  Default: here, one
        image after the other.
    on_progress : called with a `Progress` at the start and after each image
    note : dict of JSON values, optional
        Kept in the first line.  A later run that says otherwise of one of its names is another question.
    limits
        `gap`, `time_limit`, `node_limit` of `certified_minimum`.

    Returns
    -------
    list of Certificate
        One an image, in the order of `x`.

    Raises
    ------
    ValueError
        Bad input as in `certified_minimum`; a file that is no campaign, asks another question, or is being written by
        another run.
    OSError
        The file cannot be written.
    RuntimeError
        A worker died.  What is in the file stays; run again to go on.
    """
    check_callback(on_progress, "on_progress")
    check_executor(executor)
    numbers = Limits.from_options(norm, **limits)
    task = Task.from_images(net, x, y, norm=str(norm), limits=numbers, mask=mask, box=box, target=target)
    log = Log.open(Path(path), task, note)
    jobs = [i for i in range(len(task.x)) if i not in log.found]
    begun, before = time.perf_counter(), len(log.found)

    def tell() -> None:
        if on_progress is not None:
            done = len(log.found)
            on_progress(Progress.at_pace(done, len(task.x) - done, begun, done - before))

    with log:
        tell()
        for i, content in _run(task, jobs, executor):
            log.add(i, content)
            tell()
    return [log.found[i] for i in range(len(task.x))]


def prove_one(arrays: dict[str, Array], x: Array, y: int, options: dict[str, Any]) -> bytes:
    """The certificate of one image `x` (d,), as bytes: what a worker does."""
    (certificate,) = certified_minimum(MLP.from_arrays(arrays), x[None], [y], **options)
    return certificate.to_bytes()


def _run(task: Task, jobs: list[int], executor: Executor | None) -> Iterator[tuple[int, bytes]]:
    """Each image's number and certificate, as they finish."""
    if executor is None:
        yield from ((i, prove_one(*_job(task, i))) for i in jobs)
        return
    futures = {executor.submit(prove_one, *_job(task, i)): i for i in jobs}
    try:
        for future in as_completed(futures):
            try:
                content = future.result()
            except OSError:
                raise
            except Exception as error:  # whatever an executor raises when it loses a worker
                raise RuntimeError(
                    f"a worker failed on image {futures[future]} ({type(error).__name__}: {error}); "
                    "what is done is in the file: run again to go on"
                ) from error
            yield futures[future], content
    finally:
        for future in futures:
            future.cancel()


def _job(task: Task, i: int) -> tuple[dict[str, Array], Array, int, dict[str, Any]]:
    """All that a worker needs for image `i`, in plain arrays."""
    return task.net.to_arrays(), task.x[i], int(task.y[i]), options_of(task, i)
