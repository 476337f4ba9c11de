"""The sequence allocator under concurrent use: each number once, in order, whatever happens."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.checkers import check_allocator, check_collection
from pytest_eventstore.lab.operations import (
    Draft,
    Operation,
    allocate,
    append,
    initialize_at,
    load_all,
)
from pytest_eventstore.lab.race_judges import never_refused_at_once
from pytest_eventstore.lab.scripts import Script
from pytest_eventstore.lab.stress import Participants, Stress, jitter
from pytest_eventstore.lab.workers import Race, race_processes
from pytest_eventstore.outcomes import not_checkable

_HELD = 0.3


def allocators(count: int, each: int) -> Callable[[random.Random], list[Script]]:
    """Participants that allocate; in every other round they open the location in the race."""

    def write(rng: random.Random) -> list[Script]:
        late = rng.random() < 0.5
        return [
            Script(
                name=f"p{number}",
                operations=(allocate(),) * each,
                jitter=jitter(rng),
                open_late=late,
            )
            for number in range(1, count + 1)
        ]

    return write


class RacingAllocatorTests:
    """Allocations by many threads, and by many processes."""

    eventstore_replays = "stress"

    def test_seq_02_threads_get_each_number_once(self, eventstore_lab: Bench) -> None:
        Stress(
            participants="threads",
            write=allocators(6, 20),
            judges=[check_allocator],
            after=(allocate(),),
            rounds=6,
        ).play(eventstore_lab)

    def test_seq_02_processes_get_each_number_once(self, eventstore_lab: Bench) -> None:
        Stress(
            participants="spawn",
            write=allocators(8, 8),
            judges=[check_allocator],
            after=(allocate(),),
            rounds=20,
        ).play(eventstore_lab)

    @pytest.mark.eventstore_tier("c")
    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_seq_04_initialize_never_moves_back_under_allocations(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        def write(rng: random.Random) -> list[Script]:
            # A ladder keeps near the counter, where a stale write of it does harm.
            scripts = allocators(3, 12)(rng)
            for name in ("mover 1", "mover 2"):
                ladder = sorted(rng.sample(range(2, 70), 16))
                scripts.append(
                    Script(
                        name=name,
                        operations=tuple(initialize_at(n) for n in ladder),
                        jitter=jitter(rng),
                    )
                )
            stale = tuple(initialize_at(n) for n in rng.sample(range(1, 60), 6))
            scripts.append(Script(name="laggard", operations=(*stale, allocate())))
            return scripts

        Stress(
            participants=participants,
            write=write,
            judges=[check_allocator],
            after=(allocate(),),
            rounds=5,
        ).play(eventstore_lab)

    def test_seq_06_busy_counter_makes_callers_wait(self, eventstore_lab: Bench) -> None:
        def write(rng: random.Random) -> list[Script]:
            return [
                Script(name=f"p{n}", operations=(allocate(),) * 25, open_late=rng.random() < 0.3)
                for n in range(1, 7)
            ]

        Stress(
            participants="spawn",
            write=write,
            judges=[never_refused_at_once, check_allocator],
            rounds=3,
        ).play(eventstore_lab)

    def test_seq_06_held_lock_makes_callers_wait(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_processes()
        with eventstore_lab.location() as location:
            holder = location.open()
            holder.allocator.alloc_seq_nr()
            with ExitStack() as held:
                held.enter_context(holder.lock)

                def let_go_later(race: Race) -> None:
                    race.take_messages(_HELD)
                    held.close()

                history = race_processes(
                    eventstore_lab.target,
                    location.path,
                    [
                        Script(name=f"p{n}", operations=(allocate(),) * 3, open_late=True)
                        for n in (1, 2)
                    ],
                    during=let_go_later,
                )
        eventstore_lab.figures["races"] += 1
        never_refused_at_once(history).require()
        check_allocator(history).require()

    def test_seq_07_forked_handle_never_repeats_a_number(self, eventstore_lab: Bench) -> None:
        need_fork()
        calls = (allocate(),)
        Stress(
            participants="spawn",
            write=lambda rng: [
                Script(name=f"p{n}", operations=calls, forked=calls, seconds=0.1)
                for n in range(rng.choice([1, 1, 2]))
            ],
            judges=[check_allocator],
            before=(allocate(),),
            after=(allocate(),),
            limit=30,
            may_refuse=True,
            rounds=6,
        ).play(eventstore_lab)

    def test_seq_07_forked_handle_corrupts_nothing(self, eventstore_lab: Bench) -> None:
        need_fork()
        Stress(
            participants="spawn",
            write=lambda rng: [
                Script(
                    name=f"p{n}",
                    operations=appends(f"p{n}"),
                    jitter=jitter(rng),
                    forked=appends(f"c{n}"),
                )
                for n in (1, 2)
            ],
            judges=[check_collection],
            before=(append(Draft("first")),),
            after=(load_all(),),
            limit=30,
            may_refuse=True,
            rounds=3,
        ).play(eventstore_lab)


def appends(writer: str) -> tuple[Operation, ...]:
    """Append a few events whose ids begin with the writer's name."""
    return tuple(append(Draft(f"{writer}-{number}", size=200)) for number in range(8))


def need_fork() -> None:
    """End the test as *not checkable* where processes cannot fork."""
    if not hasattr(os, "fork"):
        not_checkable("this platform has no fork")
