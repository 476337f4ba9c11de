"""Recovery: a state from its snapshot and what came after is the state from everything."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.expect import show
from pytest_eventstore.lab.ledger import Ledger
from pytest_eventstore.lab.past import KIND, Past, offers_cutover
from pytest_eventstore.lab.readers import now_and_reopened
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.outcomes import violated
from pytest_eventstore.suite.past_machine import PastMachine

SHIFTED = "the snapshot's own event is applied again, or the one after it left out"


class RecoveryTests:
    """Requirements on `Ports.recover`, or on the reference's recovery over an adapter's ports."""

    @pytest.mark.parametrize("legacy", [False, True], ids=["numbered from the start", "cut over"])
    def test_snp_07_recovery_from_every_position(self, eventstore_lab: Bench, legacy: bool) -> None:
        for position in range(6):
            with story(eventstore_lab) as told:
                past = Past(told, told.open())
                if legacy:
                    past.cut_over([0, 7, 3])
                past.append([1, 1, 4, 1, 9])
                past.save(5 - position)
                for reader in now_and_reopened(told, past.handle):
                    past.expect_recovered(reader, SHIFTED)

    def test_snp_07_recovery_in_any_order_of_things(self, eventstore_lab: Bench) -> None:
        with eventstore_lab.location() as location:
            ports = location.open().ports
            location.open().recover(Ledger(), KIND)  # not offered is said here
            cutover, archive = offers_cutover(ports), ports.archive is not None
        machines: list[_RecoveryMachine] = []

        def machine() -> _RecoveryMachine:
            machines.append(_RecoveryMachine(eventstore_lab, cutover=cutover, archive=archive))
            return machines[-1]

        try:
            eventstore_lab.run_model(machine, examples=10, steps=12)
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

    def test_snp_07_a_state_of_another_version_is_not_used(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            past = Past(told, told.open())
            past.append([1, 1, 1])
            past.save(1)
            for reader in now_and_reopened(told, past.handle):
                projection = Ledger(version=2)
                try:
                    reader.recover(projection, KIND)
                except Exception:
                    continue  # it did not go on from a state that it could not read
                past.expect_state(
                    projection, "the error of deserialize is ignored, and nothing replayed"
                )

    def test_snp_07_the_number_told_is_that_of_the_state(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            past = Past(told, told.open())
            past.append([1, 1])
            # A number that was handed out, and whose event is still on its way.
            reserved = _reserve(past.handle, above=2)
            projection = Ledger()
            recovery = past.handle.recover(projection, KIND)
            past.append([reserved - 2, 1])
            for event in past.handle.events.load_after_seq_nr(recovery.seq_nr).events:
                projection.apply(event)
            past.expect_state(
                projection, "the number told is one that was handed out, with a hole below it"
            )

    @pytest.mark.parametrize("numbers", [[], [1, 1]], ids=["empty log", "shorter log"])
    def test_snp_08_a_snapshot_ahead_of_the_log_is_noticed(
        self, eventstore_lab: Bench, numbers: list[int]
    ) -> None:
        with story(eventstore_lab) as told:
            past = Past(told, told.open())
            past.append(numbers)
            past.save_ahead(9)
            for reader in now_and_reopened(told, past.handle):
                _expect_noticed(told, reader)

    def test_snp_08_legacy_numbers_do_not_hide_it(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            past = Past(told, told.open())
            past.cut_over([50])
            past.append([1])
            past.save_ahead(9)
            for reader in now_and_reopened(told, past.handle):
                _expect_noticed(told, reader)


def _reserve(handle: ToldHandle, *, above: int) -> int:
    """Take a number above those in use, from the adapter if it hands out any."""
    if handle.plain.ports.seq_allocator is None:
        return above + 1
    numbers = [handle.allocator.alloc_seq_nr() for _ in range(above + 1)]
    return max(above + 1, *numbers)


def _expect_noticed(told: Story, reader: ToldHandle) -> None:
    try:
        recovery = reader.recover(Ledger(), KIND)
    except Exception:
        return
    if not getattr(recovery, "fell_back", ""):
        told.violated(
            expected="recover raises, or says in `fell_back` that the snapshot is ahead of the log",
            seen=show(recovery),
            cause="nothing comes after the snapshot's number, which looks like being up to date",
        )


class _RecoveryMachine(PastMachine):
    """One location that is appended to, snapshotted, archived, reopened and recovered from."""

    def __init__(self, bench: Bench, *, cutover: bool, archive: bool) -> None:
        super().__init__(bench, cutover=cutover)
        self.archives = archive

    @precondition(lambda self: self.archives and self.past.snapshot)
    @rule(below=st.integers(0, 3))
    def archive(self, below: int) -> None:
        """Archive what the snapshot covers, or less."""
        self.past.archive(below)

    @rule()
    def reopen(self) -> None:
        """Close every handle and open a new one."""
        self.past.handle = self.story.reopen()

    @rule()
    def recover(self) -> None:
        """Recover from the snapshot."""
        self.past.expect_recovered(self.past.handle, SHIFTED)

    @rule()
    def recover_without_a_snapshot(self) -> None:
        """Recover a kind of projection that has no snapshot."""
        cause = "what is archived is left out of a full replay"
        self.past.expect_recovered(self.past.handle, cause, kind="new kind")
