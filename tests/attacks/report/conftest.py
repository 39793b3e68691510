"""One small report for all tests of this folder."""

from typing import Any, NamedTuple

import pytest
from quick import make_network_small, make_quick

from attacks.report import report_command
from attacks.report.records import Results
from attacks.report.setup import Options


class Written(NamedTuple):
    out: Any  # the folder
    numbers: dict  # as in results.json
    results: Results
    options: dict


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The report on sixty images of each digit."""
    options = {"subset": 60, "epochs": 6, "proof_seconds": 0, "workers": 0}
    out, seen, real = tmp_path_factory.mktemp("main job") / "report", [], report_command.run_experiments
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        make_network_small(patch)
        patch.setattr(report_command, "run_experiments", lambda *given: seen.append(real(*given)) or seen[0])
        numbers = report_command.make_report(Options(out=out, **options))
    return Written(out, numbers, seen[0], options)
