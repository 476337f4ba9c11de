"""Snapshots and the cutover, raced: the newest wins, whole, and what is done once is done once."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.checkers import check_collection, check_register, check_run_once
from pytest_eventstore.lab.freeze.judges import none_failed, one_sentinel, through_the_cutover
from pytest_eventstore.lab.handles import Location
from pytest_eventstore.lab.history import History
from pytest_eventstore.lab.operations import (
    Draft,
    append_batch,
    cutover,
    load_after,
    load_all,
    load_snapshot,
    save,
)
from pytest_eventstore.lab.scripts import Script
from pytest_eventstore.lab.stress import Participants, Stress, jitter
from pytest_eventstore.lab.workers import Race, cheapest_method, race_processes
from pytest_eventstore.outcomes import inconclusive, not_checkable, violated
from pytest_eventstore.suite.races_appends import reader
from pytest_eventstore.suite.races_recorders import records

KIND = "lab.state"
LEGACY = (append_batch([Draft("old-1"), Draft("old-2", seq_nr=7, at=1)]),)
_KILLED_TOGETHER = 3
_STEP = 10_000


def savers(
    count: int, each: int, sizes: tuple[int, ...]
) -> Callable[[random.Random], list[Script]]:
    """Participants that save numbers near each other, and two that load."""

    def write(rng: random.Random) -> list[Script]:
        scripts = [
            Script(
                name=f"s{n}",
                operations=tuple(
                    save(KIND, i + rng.randrange(4), f"s{n}-{i}", rng.choice(sizes))
                    for i in range(1, each + 1)
                ),
                jitter=jitter(rng),
                open_late=n % 2 == 0,
            )
            for n in range(1, count + 1)
        ]
        return [*scripts, *(reader(f"reader {n}", load_snapshot(KIND)) for n in (1, 2))]

    return write


class RacingSnapshotTests:
    """Saves and loads by many threads, and by many processes."""

    eventstore_replays = "stress"

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_snp_03_concurrent_saves_never_go_back(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        Stress(
            participants=participants,
            write=savers(4, 8, (0, 50)),
            judges=[check_register],
            after=(load_snapshot(KIND),),
            rounds=8,
        ).play(eventstore_lab)

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_snp_05_readers_see_whole_snapshots(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        Stress(
            participants=participants,
            write=savers(2, 8, (0, 5_000, 300_000)),
            judges=[check_register],
            after=(load_snapshot(KIND),),
            rounds=4,
        ).play(eventstore_lab)

    def test_snp_05_killed_writers_leave_nothing_that_grows(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_processes()
        rounds = eventstore_lab.effort.pick(8, 24, 80)
        with eventstore_lab.location() as location:
            in_peace = [_files_after_saves(location, number) for number in (1, 2)]
            if in_peace[0] != in_peace[1]:
                not_checkable("the store keeps a file for every save, so none is left over")
            killed = 0
            counts = []
            for number in range(3, 3 + rounds):
                killed += _kill_savers(eventstore_lab, location.path, number)
                counts.append(_files_after_saves(location, number))
        eventstore_lab.figures["kill points"] += killed
        if killed < rounds:
            inconclusive(f"only {killed} writers were killed while they saved")
        if counts[-1] - counts[0] >= max(3, rounds // 6):
            violated(
                expected="killed writers leave nothing behind that grows",
                seen=f"{counts[0]} files after the first writers were killed and a good save, "
                f"{counts[-1]} after {killed} were and another",
                cause="each save writes to a temporary file of a new name, and nobody removes "
                "those of dead writers",
            )


class RacingCutoverTests:
    """The cutover run by many at once, and beside recorders."""

    eventstore_replays = "stress"

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_cut_02_many_cutovers_make_one(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        def write(rng: random.Random) -> list[Script]:
            late = rng.random() < 0.5
            return [
                Script(
                    name=f"p{n}",
                    operations=(cutover(KIND),),
                    jitter=jitter(rng),
                    open_late=late,
                )
                for n in range(1, 7)
            ]

        Stress(
            participants=participants,
            write=write,
            judges=[none_failed, check_run_once, one_sentinel],
            before=LEGACY,
            after=(load_all(), load_snapshot(KIND), cutover(KIND)),
            rounds=8,
            handles=6,
        ).play(eventstore_lab)

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_cut_07_records_beside_cutovers_are_kept(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        def write(rng: random.Random) -> list[Script]:
            new = [
                Script(
                    name=f"new {n}",
                    operations=(cutover(KIND), *records(f"new-{n}", 3)),
                    jitter=jitter(rng) * 5,
                )
                for n in (1, 2, 3)
            ]
            old = [
                Script(name=f"old {n}", operations=records(f"old-{n}", 4), jitter=jitter(rng))
                for n in (1, 2)
            ]
            return new + old

        def kept(history: History) -> bool:
            return len(history.of("record")) > 0 and history.overlapping() > 0

        Stress(
            participants=participants,
            write=write,
            judges=[check_run_once, check_collection, through_the_cutover],
            before=LEGACY,
            after=(load_all(), load_after(0)),
            counts=kept,
            rounds=4,
            handles=5,
        ).play(eventstore_lab)


def _kill_savers(bench: Bench, path: Path, number: int) -> int:
    """Let a few writers save large states and kill them in it; return how many were."""
    delay = bench.rng.random() * 0.01

    def during(race: Race) -> None:
        time.sleep(delay)
        for victim in range(_KILLED_TOGETHER):
            race.kill(victim)

    scripts = [
        Script(
            name=f"s{n}",
            operations=tuple(
                save(KIND, number * _STEP - 5_000 + i, f"{number}-{n}-{i}", 400_000)
                for i in range(1, 101)
            ),
            tell=True,
        )
        for n in range(_KILLED_TOGETHER)
    ]
    history = race_processes(
        bench.target,
        path,
        scripts,
        method=cheapest_method(),
        during=during,
        may_die=range(_KILLED_TOGETHER),
    )
    return sum(call.returned is None for call in history.of("save"))


def _files_after_saves(location: Location, number: int) -> int:
    """Save in peace, above all earlier numbers, and count the files of the location."""
    snapshots = location.open().snapshots
    for step in range(5):
        snapshots.save(KIND, number * _STEP + step, b"saved in peace")
    location.close()
    return sum(len(files) for _, _, files in os.walk(location.path))
