"""Execute the companion notebook from scratch: a fresh kernel, every cell in order, warnings as errors.

    python notebooks/execute.py            does it run?  The stored file is left alone
    python notebooks/execute.py --save     and keep the new outputs

One that takes longer than `--limit` gets a warning and does not fail: a busy machine is not the notebook's fault.  Only
a cell that hangs is stopped, after ten minutes.  The kernel has one BLAS thread, unless a number is chosen.

Needs nbclient, nbformat and ipykernel (the extra `notebook`).
"""

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError

from minigrad.threads import VARIABLES

NOTEBOOK = Path(__file__).with_name("companion.ipynb")
STRICT = "import warnings; warnings.simplefilter('error')"
HANGS = 600  # seconds of one cell; all of them together take about 30
LENIENT = "warnings.resetwarnings()"  # what the kernel says on its way out is its own affair


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Execute the companion notebook from scratch.")
    parser.add_argument("--save", action="store_true", help="store the new outputs")
    parser.add_argument("--limit", type=float, default=90.0, help="seconds without a warning (default: %(default)g)")
    options = parser.parse_args(arguments)
    if not any(name in os.environ for name in VARIABLES):
        os.environ.update(dict.fromkeys(VARIABLES, "1"))  # the kernel, a process of its own, inherits them
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # record_timing would store the time of day in each cell
    resources = {"metadata": {"path": str(NOTEBOOK.parent.parent)}}
    client = NotebookClient(notebook, timeout=HANGS, resources=resources, record_timing=False, kernel_name="python3")
    client.extra_arguments = ["--log-level=40"]  # errors only
    begun = time.perf_counter()
    number = -1
    try:
        with client.setup_kernel():
            cells = list(notebook.cells)
            notebook.cells = [nbformat.v4.new_code_cell(STRICT), *cells, nbformat.v4.new_code_cell(LENIENT)]
            for number, cell in enumerate(notebook.cells):
                client.execute_cell(cell, number)
            notebook.cells = cells
    except CellTimeoutError:
        return _fail(f"cell {number} was stopped after {HANGS} s")
    except (CellControlSignal, DeadKernelError) as error:
        return _fail(f"cell {number} failed\n{error}")
    seconds = time.perf_counter() - begun
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error" or output.get("name") == "stderr":
                return _fail(f"cell {number} wrote to stderr\n{output.get('text', output)}")
    if seconds > options.limit:
        why = f"it took {seconds:.0f} s, more than {options.limit:g} s: a busy machine, or a slow cell"
        print(f"{NOTEBOOK.name}: warning: {why}", file=sys.stderr)
    if options.save:
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for count, cell in enumerate(code, 1):  # without the cell about warnings
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
        notebook.metadata.language_info = {"name": "python"}  # no version: the same file from any Python
        nbformat.write(notebook, NOTEBOOK)
    print(f"{NOTEBOOK.name}: {len(notebook.cells)} cells in {seconds:.0f} s{', stored' if options.save else ''}")
    return 0


def _fail(sentence: str) -> int:
    print(f"{NOTEBOOK.name}: {sentence}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
