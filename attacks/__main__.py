"""`python -m attacks`: the whole homework, written to report/.  `python -m attacks prove`: certify a set of images."""

import sys

from attacks.report.cli import main
from attacks.report.workers import one_thread_each

if __name__ == "__main__":
    one_thread_each()
    sys.exit(main())
