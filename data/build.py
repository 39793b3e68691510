"""Make `mnist.npz` from the four canonical IDX files:  python -m data.build FOLDER

The files may be gzipped.  Their uncompressed bytes must have the SHA-256 sums below, so what is
committed is MNIST and nothing else; the archive is then the same, byte for byte, on every run.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
from pathlib import Path

import numpy as np

from data.idx import GZIP_MAGIC, read_idx
from data.loader import MNIST, PARTS, find_part

SHA256 = dict(
    zip(
        PARTS,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        strict=True,
    )
)


def check_sum(path: Path, part: str) -> None:
    """Raise ValueError unless the file's uncompressed bytes are the published ones."""
    raw = path.read_bytes()
    got = hashlib.sha256(gzip.decompress(raw) if raw[:2] == GZIP_MAGIC else raw).hexdigest()
    if got != SHA256[part]:
        raise ValueError(f"{path}: expected SHA-256 {SHA256[part]}, got {got}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the four IDX files are")
    parser.add_argument("--out", type=Path, default=MNIST)
    args = parser.parse_args()
    arrays = []
    for part in PARTS:
        path = find_part(args.folder, part)
        check_sum(path, part)
        arrays.append(read_idx(path, ndim=3 if "images" in part else 1))
    x_train, y_train, x_test, y_test = arrays
    np.savez_compressed(args.out, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    main()
