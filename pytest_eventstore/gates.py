"""The exit status: what a pipeline decides on.

====== ==============================================================
status meaning
====== ==============================================================
0      every test that decides ran and was met
1      a requirement that decides is not met, or another test failed
2      interrupted by the user
3      internal error of pytest
4      wrong usage: an unknown target, option value, id or key
5      no test of the contract ran
6      the harness is broken: a target cannot be imported or opened
7      inconclusive: a race did not overlap, a fault did not fire
8      a complete run was required, and this one is partial
====== ==============================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_eventstore.outcomes import EXIT_HARNESS_BROKEN, EXIT_INCONCLUSIVE

if TYPE_CHECKING:
    from pytest_eventstore.running import SuiteRun


@dataclass
class Tally:
    """What failed beside the contract."""

    other_failures: int = 0


def exit_status(run: SuiteRun, status: int) -> int:
    """Return the exit status of a finished run; `status` is pytest's own."""
    ok, failed = int(pytest.ExitCode.OK), int(pytest.ExitCode.TESTS_FAILED)
    if status not in (ok, failed, int(pytest.ExitCode.NO_TESTS_COLLECTED)):
        return status
    if run.broken:
        return EXIT_HARNESS_BROKEN
    outcomes = {record["outcome"] for record in run.records.values()}
    if status != failed and "inconclusive" in outcomes:
        return EXIT_INCONCLUSIVE
    if status == ok and not outcomes & {"met", "failed"}:
        return int(pytest.ExitCode.NO_TESTS_COLLECTED)
    return status
