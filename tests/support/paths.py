"""Where things are, whatever folder the tests are started from."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
NETS = ROOT / "tests" / "benchmarks" / "nets"
