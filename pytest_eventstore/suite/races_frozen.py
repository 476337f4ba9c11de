"""Races found without luck: a process held or killed at each of its calls while another runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.freeze import Duel, freeze, judges, poll, replay
from pytest_eventstore.lab.operations import (
    Draft,
    allocate,
    append,
    append_batch,
    cutover,
    initialize_at,
    latest,
    load_after,
    load_all,
    load_snapshot,
    record,
    save,
)

FROZEN = pytest.mark.eventstore_tier("c")
KIND = "lab.state"
DAY = 24 * 3600

BEFORE_RECORD = (record("earlier", Draft("e0")),)
A_RECORDS = (record("session-a", Draft("a1")),)
B_RECORDS_AND_READS = (record("session-b", Draft("b1")), poll())
LAST_READS = (replay(), load_after(0), latest())
GAP_JUDGES = (judges.log, judges.recovery, judges.latest_is_read)

LEGACY = (append_batch([Draft("old-1"), Draft("old-2", seq_nr=7, at=1)]),)
CUTOVER_JUDGES = (judges.run_once, judges.none_failed)
RECORDED_THROUGH_CUTOVER = (judges.run_once, judges.through_the_cutover)

A_BATCH = (append_batch([Draft("a1", 1), Draft("a2", 2, at=DAY), Draft("a3", 3, at=2 * DAY)]),)


class FrozenRaceTests:
    """Every race of two processes that one preemption can decide."""

    eventstore_replays = "freeze"

    @FROZEN
    def test_seq_02_frozen_allocations_are_unique_and_ordered(self, eventstore_lab: Bench) -> None:
        races = [
            Duel(
                name="allocate/allocate",
                before=(allocate(),),
                held=(allocate(),),
                other=(allocate(), allocate()),
                then=(allocate(),),
                after=(allocate(),),
                judges=(judges.allocator,),
            ),
            Duel(
                name="first-allocate/allocate",
                held=(allocate(),),
                other=(allocate(), allocate()),
                after=(allocate(),),
                judges=(judges.allocator,),
                opening=True,
            ),
        ]
        freeze(eventstore_lab, races, schedules=60)

    @FROZEN
    def test_seq_04_frozen_initialization_never_moves_back(self, eventstore_lab: Bench) -> None:
        races = [
            Duel(
                name="allocate/initialize",
                before=(allocate(),),
                held=(allocate(),),
                other=(initialize_at(50), allocate()),
                after=(allocate(),),
                judges=(judges.allocator,),
            ),
            Duel(
                name="initialize/allocate",
                before=(allocate(), initialize_at(20)),
                held=(initialize_at(21),),
                other=(allocate(), allocate(), allocate()),
                then=(allocate(),),
                after=(allocate(),),
                judges=(judges.allocator,),
            ),
        ]
        freeze(eventstore_lab, races, schedules=24)

    @FROZEN
    def test_con_03_no_frozen_recorder_appears_behind_a_reader(self, eventstore_lab: Bench) -> None:
        races = [
            Duel(
                name="record/record",
                before=BEFORE_RECORD,
                held=A_RECORDS,
                other=B_RECORDS_AND_READS,
                after=LAST_READS,
                judges=GAP_JUDGES,
            ),
            Duel(
                name="first-record/record",
                held=A_RECORDS,
                other=B_RECORDS_AND_READS,
                after=LAST_READS,
                judges=GAP_JUDGES,
                opening=True,
            ),
            Duel(
                name="record/poll",
                before=BEFORE_RECORD,
                held=A_RECORDS,
                other=(poll(), poll()),
                after=LAST_READS,
                judges=GAP_JUDGES,
            ),
            Duel(
                name="poll/record",
                before=BEFORE_RECORD,
                held=(poll(), poll()),
                other=(record("session-b", Draft("b1")), record("session-b", Draft("b2"))),
                after=LAST_READS,
                judges=GAP_JUDGES,
            ),
        ]
        freeze(eventstore_lab, races, schedules=72)

    @FROZEN
    def test_con_03_no_killed_recorder_appears_behind_a_reader(self, eventstore_lab: Bench) -> None:
        race = Duel(
            name="killed-record/poll",
            before=BEFORE_RECORD,
            held=A_RECORDS,
            other=(poll(), record("session-b", Draft("b1")), poll()),
            after=LAST_READS,
            judges=GAP_JUDGES,
            fate="killed",
        )
        freeze(eventstore_lab, [race], schedules=24)

    @FROZEN
    def test_con_05_recorder_stopped_at_any_call_leaves_no_gap(self, eventstore_lab: Bench) -> None:
        race = Duel(
            name="stopped-record/records",
            before=BEFORE_RECORD,
            held=A_RECORDS,
            then=(record("session-a", Draft("a2")), poll()),
            other=(record("session-b", Draft("b1")), poll(), record("session-c", Draft("c1"))),
            after=LAST_READS,
            judges=GAP_JUDGES,
        )
        long = replace(race, name="long-stopped-record/records", patience=0.5, most=3)
        freeze(eventstore_lab, [long, race], schedules=24)

    @FROZEN
    def test_con_06_recorder_killed_at_any_call_blocks_nobody(self, eventstore_lab: Bench) -> None:
        race = Duel(
            name="killed-record/record",
            before=BEFORE_RECORD,
            held=A_RECORDS,
            other=(record("session-b", Draft("b1")), record("session-b", Draft("b2"))),
            after=LAST_READS,
            judges=(judges.others_succeed, *GAP_JUDGES),
            fate="killed",
        )
        freeze(eventstore_lab, [race], schedules=24)

    @FROZEN
    def test_snp_03_frozen_save_never_replaces_a_newer(self, eventstore_lab: Bench) -> None:
        saved = (save(KIND, 3, "before"),)
        look = (load_snapshot(KIND),)
        races = [
            Duel(
                name=name,
                before=saved,
                held=(save(KIND, numbers[0], "a"),),
                other=(save(KIND, numbers[1], "b"), load_snapshot(KIND)),
                after=look,
                judges=(judges.register,),
            )
            for name, numbers in (
                ("save-5/save-7", (5, 7)),
                ("save-7/save-5", (7, 5)),
                ("save-7/save-7", (7, 7)),
            )
        ]
        first = Duel(
            name="first-save-5/save-7",
            held=(save(KIND, 5, "a"),),
            other=(save(KIND, 7, "b"), load_snapshot(KIND)),
            after=look,
            judges=(judges.register,),
            opening=True,
        )
        freeze(eventstore_lab, [*races, first], schedules=40)

    @FROZEN
    def test_snp_05_frozen_reader_or_writer_shows_whole_snapshots(
        self, eventstore_lab: Bench
    ) -> None:
        size = 100_000
        races = [
            Duel(
                name="save/load",
                before=(save(KIND, 3, "before", size),),
                held=(save(KIND, 5, "a", size),),
                other=(load_snapshot(KIND), load_snapshot(KIND)),
                after=(load_snapshot(KIND),),
                judges=(judges.register,),
            ),
            Duel(
                name="load/save",
                before=(save(KIND, 3, "before", size),),
                held=(load_snapshot(KIND), load_snapshot(KIND)),
                other=(save(KIND, 5, "b", size), save(KIND, 6, "b2", 10)),
                after=(load_snapshot(KIND),),
                judges=(judges.register, judges.none_failed),
            ),
        ]
        freeze(eventstore_lab, races, schedules=20)

    @FROZEN
    def test_cut_02_frozen_cutovers_make_one(self, eventstore_lab: Bench) -> None:
        races = [
            Duel(
                name="cutover/cutover",
                before=LEGACY,
                held=(cutover(KIND),),
                other=(cutover(KIND), load_all()),
                after=(load_all(), load_snapshot(KIND), cutover(KIND)),
                judges=(*CUTOVER_JUDGES, judges.one_sentinel),
            ),
            Duel(
                name="first-cutover/cutover",
                held=(cutover(KIND),),
                other=(cutover(KIND), load_all()),
                after=(load_all(), load_snapshot(KIND), cutover(KIND)),
                judges=(*CUTOVER_JUDGES, judges.one_sentinel),
                opening=True,
            ),
        ]
        freeze(eventstore_lab, races, schedules=40)

    @FROZEN
    def test_cut_07_frozen_cutover_loses_no_recorded_event(self, eventstore_lab: Bench) -> None:
        last = (record("later", Draft("r9", at=9)), load_all(), load_after(0))
        recorded = (
            load_after(0),
            record("session", Draft("r1", at=2)),
            load_after(0),
            record("session", Draft("r2", at=3)),
        )
        races = [
            Duel(
                name="cutover/record",
                before=LEGACY,
                held=(cutover(KIND),),
                other=recorded,
                after=last,
                judges=RECORDED_THROUGH_CUTOVER,
            ),
            Duel(
                name="record/cutover",
                before=LEGACY,
                held=recorded,
                other=(cutover(KIND),),
                after=last,
                judges=RECORDED_THROUGH_CUTOVER,
            ),
        ]
        freeze(eventstore_lab, races, schedules=40)

    @FROZEN
    def test_ord_05_no_reader_sees_part_of_a_frozen_batch(self, eventstore_lab: Bench) -> None:
        look = (load_all(), load_after(0))
        races = [
            Duel(
                name="batch/load",
                before=(append(Draft("e0")),),
                held=A_BATCH,
                other=look,
                after=look,
                judges=(judges.collection, judges.log),
            ),
            Duel(
                name="load/batch",
                before=(append(Draft("e0")),),
                held=look,
                other=A_BATCH,
                after=look,
                judges=(judges.collection, judges.log),
            ),
        ]
        freeze(eventstore_lab, races, schedules=24)

    @FROZEN
    def test_con_02_frozen_appends_lose_nothing(self, eventstore_lab: Bench) -> None:
        races = [
            Duel(
                name="append/append",
                before=(append(Draft("e0")),),
                held=(append(Draft("a1", at=1)),),
                other=(append(Draft("b1", at=3)), load_all()),
                then=(append(Draft("a2", at=2)), load_all()),
                after=(load_all(),),
                judges=(judges.collection,),
            ),
            Duel(
                name="first-append/append",
                held=(append(Draft("a1", at=1)),),
                other=(append(Draft("b1", at=3)), load_all()),
                after=(load_all(),),
                judges=(judges.collection,),
                opening=True,
            ),
        ]
        freeze(eventstore_lab, races, schedules=30)
