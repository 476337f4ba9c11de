"""Faults: the disk is full, broken, or answers with less than was asked for."""

from __future__ import annotations

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.faults.verdict import replays, sweep
from pytest_eventstore.suite.faults_kill import SPLIT

SWALLOWED = "an error is swallowed, or what was written before it is left behind"
UNCOUNTED = "the count that write returns is ignored"


class RefusedTests:
    """Requirements on what a store does when the operating system says no."""

    @replays("refuse")
    def test_cra_05_refused_calls_raise_and_leave_nothing_half(self, eventstore_lab: Bench) -> None:
        sweep(
            eventstore_lab,
            "refuse",
            ("append", "record", "snapshot", "allocate"),
            points=(9, 54, 0),
            cause=SWALLOWED,
        )

    @replays("tear")
    def test_cra_05_short_writes_are_completed_or_raise(self, eventstore_lab: Bench) -> None:
        sweep(eventstore_lab, "tear", ("append", "snapshot"), points=(3, 14, 0), cause=UNCOUNTED)

    @replays("refuse")
    def test_app_03_refused_batch_is_whole_or_absent(self, eventstore_lab: Bench) -> None:
        sweep(
            eventstore_lab,
            "refuse",
            ("batch",),
            clauses=("whole", "kept"),
            points=(10, 60, 0),
            cause=SPLIT,
        )
