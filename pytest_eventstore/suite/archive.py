"""Archiving: what moves out of the active log stays in every result."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.expect import show
from pytest_eventstore.lab.past import Past, offers_cutover
from pytest_eventstore.lab.readers import now_and_reopened
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.outcomes import not_offered, violated
from pytest_eventstore.suite.past_machine import PastMachine

LOST = "archived events, or the legacy ones among them, are left out of reads"
REWOUND = "the latest number is that of the active log only"
UNCOVERED = "the number asked for is not limited by that of the snapshot"


class ArchiveTests:
    """Requirements on `Ports.archive`."""

    @pytest.mark.parametrize("legacy", [False, True], ids=["numbered from the start", "cut over"])
    def test_arc_02_archived_events_stay_in_every_read(
        self, eventstore_lab: Bench, legacy: bool
    ) -> None:
        with story(eventstore_lab) as told:
            past = Past(told, _archiving(told))
            if legacy:
                past.cut_over([0, 7, 3])
            past.append([1, 1, 4, 1, 9])
            past.save(1)
            past.archive(0)
            for reader in now_and_reopened(told, past.handle):
                past.expect_reads(reader, LOST)

    def test_arc_02_archiving_again_changes_nothing(self, eventstore_lab: Bench) -> None:
        cause = "a second run archives what is archived, or overwrites the first archive"
        with story(eventstore_lab) as told:
            past = Past(told, _archiving(told))
            past.append([1, 1, 1, 1, 1, 1])
            past.save(2)
            past.archive(1)
            past.archive(1)
            past.expect_reads(past.handle, cause)
            past.archive(0)
            past.handle = told.reopen()
            past.archive(0)
            past.append([1, 2])
            past.save(0)
            past.archive(0)
            for reader in now_and_reopened(told, past.handle):
                past.expect_reads(reader, cause)

    def test_arc_02_archiving_in_any_order_of_things(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            cutover = offers_cutover(_archiving(told).plain.ports)
        machines: list[_ArchiveMachine] = []

        def machine() -> _ArchiveMachine:
            machines.append(_ArchiveMachine(eventstore_lab, cutover=cutover))
            return machines[-1]

        try:
            eventstore_lab.run_model(machine, examples=8, steps=12)
        except Exception as error:
            diary = machines[-1].story.diary  # the last run is the shortest that fails
            if error is not diary.raised:
                raise
            violated(
                expected="none of the calls raises",
                seen=f"{type(error).__name__}: {error}",
                history=diary.lines,
                cause="the call fails after something that was done before",
            )

    def test_lat_03_archiving_does_not_rewind_it(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            past = Past(told, _archiving(told))
            past.append([1, 1, 4])
            past.save(0)
            past.archive(0)
            for reader in now_and_reopened(told, past.handle):
                past.expect_latest(reader, REWOUND)
            past.handle = told.open()
            past.append([1])
            past.expect_latest(past.handle, REWOUND)

    @pytest.mark.eventstore_tier("u")
    def test_arc_01_nothing_is_archived_without_a_snapshot(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            past = Past(told, _archiving(told))
            past.append([1, 1, 1])
            _expect_archived_through(told, past.handle, before=3, at_most=0)

    @pytest.mark.eventstore_tier("u")
    def test_arc_01_nothing_past_the_snapshot_is_archived(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            past = Past(told, _archiving(told))
            past.append([1, 1, 1, 1, 1])
            past.save(3)
            _expect_archived_through(told, past.handle, before=6, at_most=2)


def _archiving(told: Story) -> ToldHandle:
    handle = told.open()
    if handle.plain.ports.archive is None:
        not_offered("the adapter's Ports has no archive")
    return handle


def _expect_archived_through(told: Story, handle: ToldHandle, *, before: int, at_most: int) -> None:
    try:
        result = handle.archive(before)
    except Exception:
        return  # refusing is as good as archiving less
    if result.through_seq_nr > at_most or (result.archived_count and not at_most):
        told.violated(
            expected=f"archive({before}) archives up to number {at_most}, which a snapshot covers",
            seen=show(result),
            cause=UNCOVERED,
        )


class _ArchiveMachine(PastMachine):
    """One location that is appended to, snapshotted, archived, reopened and read."""

    @precondition(lambda self: self.past.snapshot)
    @rule(below=st.integers(0, 3))
    def archive(self, below: int) -> None:
        """Archive what the snapshot covers, or less, and read everything."""
        self.past.archive(below)
        self.past.expect_reads(self.past.handle, LOST)

    @rule()
    def reopen(self) -> None:
        """Close every handle, open a new one, and read everything."""
        self.past.handle = self.story.reopen()
        self.past.expect_reads(self.past.handle, LOST)
