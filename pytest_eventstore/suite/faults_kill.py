"""Faults: the writer is killed at each of its calls, and each of its writes is torn."""

from __future__ import annotations

import pytest

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.faults.verdict import replays, sweep

UNFLUSHED = "an append is acknowledged before it is handed to the operating system"
TORN = "a line that was torn is read as data, or the next append is written onto its end"
SPLIT = "a batch is several writes, and nothing tells that they belong together"
MARKED = "done is marked before the cutover event is stored, or read off something else"
FORGOTTEN = "a number is given out before it is stored, or taken from what a crash rolls back"
REPLACED = "the snapshot is written in place, or removed before the new one has its name"
MESSY = "each save makes a temporary file of a new name, and nobody removes those of the dead"
BLIND = "recovery takes for granted that it is not interrupted itself"


class KilledTests:
    """Requirements that a kill at any point puts to the test."""

    @replays("kill", "lines")
    def test_cra_01_killed_at_each_call(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "kill",
            ("append", "batch", "record"),
            clauses=("kept", "whole"),
            points=(7, 36, 0),
            cause=UNFLUSHED,
        )

    @replays("rekill")
    def test_cra_01_killed_again_while_recovering(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(eventstore_lab, "rekill", ("append", "record"), points=(20, 60, 600), cause=BLIND)

    @replays("tear")
    def test_cra_02_torn_write_swallows_nothing(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "tear",
            ("append", "batch", "record"),
            clauses=("kept", "whole", "goes on"),
            points=(4, 16, 0),
            cause=TORN,
        )

    @replays("kill", "lines")
    def test_cra_02_next_append_after_a_kill_reads_back(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "kill",
            ("append",),
            clauses=("goes on",),
            points=(8, 30, 0),
            cause=TORN,
        )

    @replays("kill", "lines")
    def test_app_03_killed_batch_is_whole_or_absent(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "kill",
            ("batch",),
            clauses=("whole",),
            points=(10, 0, 0),
            cause=SPLIT,
        )

    @replays("tear")
    def test_app_03_torn_batch_is_whole_or_absent(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "tear",
            ("batch",),
            clauses=("whole",),
            points=(4, 0, 0),
            cause=SPLIT,
        )

    @replays("kill", "lines")
    def test_cut_03_killed_and_run_again(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(eventstore_lab, "kill", ("cutover",), points=(12, 60, 0), cause=MARKED)

    @replays("tear")
    def test_cut_03_torn_and_run_again(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(eventstore_lab, "tear", ("cutover",), points=(4, 20, 0), cause=MARKED)

    @replays("rekill")
    def test_cut_03_killed_twice_and_run_again(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(eventstore_lab, "rekill", ("cutover",), points=(10, 60, 600), cause=BLIND)

    @replays("kill", "lines")
    def test_seq_03_no_number_twice_after_a_kill(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "kill",
            ("allocate", "record"),
            clauses=("numbers",),
            points=(6, 30, 0),
            cause=FORGOTTEN,
        )

    @replays("kill", "lines")
    @pytest.mark.eventstore_tier("f")
    def test_snp_05_killed_writers_leave_a_whole_snapshot(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(eventstore_lab, "kill", ("snapshot",), points=(10, 0, 0), cause=REPLACED)

    @pytest.mark.eventstore_tier("f")
    def test_snp_05_files_of_killed_writers_do_not_pile_up(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(eventstore_lab, "piles", ("resave",), points=(8, 0, 0), cause=MESSY)

    @replays("kill", "lines")
    def test_arc_01_killed_while_archiving(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "kill",
            ("archive",),
            points=(10, 0, 0),
            cause="events leave the log before the archive holds them, or both are read",
        )
