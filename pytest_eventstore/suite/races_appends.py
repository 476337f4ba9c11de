"""Appends by many at once: nothing lost, nothing twice, nothing in pieces."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.checkers import check_collection, check_log
from pytest_eventstore.lab.operations import (
    Draft,
    Operation,
    append,
    append_batch,
    latest,
    load_after,
    load_all,
)
from pytest_eventstore.lab.race_judges import (
    never_refused_unless_it_waited,
    pollers_collected_everything,
)
from pytest_eventstore.lab.scripts import Script
from pytest_eventstore.lab.stress import JITTER, Participants, Stress, jitter

_KIB = 1024
_SHORTEST_LONG, _LONGEST_LONG = 4 * _KIB + 1, 1200 * _KIB


def writers(
    count: int, each: int, *, size: int = 0, late: bool = True
) -> Callable[[random.Random], list[Script]]:
    """Participants that append unnumbered events, and one that loads all the while."""

    def write(rng: random.Random) -> list[Script]:
        open_late = late and rng.random() < 0.5
        scripts = [
            Script(
                name=f"w{n}",
                operations=tuple(append(Draft(f"w{n}-{i}", size=size)) for i in range(each)),
                jitter=jitter(rng),
                open_late=open_late,
            )
            for n in range(1, count + 1)
        ]
        return [*scripts, reader("reader", load_all())]

    return write


def reader(name: str, *operations: Operation, resume: bool = False) -> Script:
    """A participant that reads until the others have ended, and once more."""
    return Script(name=name, operations=operations, repeat=True, resume=resume, jitter=JITTER)


class RacingAppendTests:
    """Appends and loads by many threads, and by many processes."""

    eventstore_replays = "stress"

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_ord_05_no_reader_sees_part_of_a_batch(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        def batches(writer: str, size: int) -> Sequence[Operation]:
            return [
                append_batch([Draft(f"{writer}-{i}-{n}", size=size) for n in range(5)])
                for i in range(5)
            ]

        def write(rng: random.Random) -> list[Script]:
            size = rng.choice([10, 3_000, 40_000])
            return [
                *(
                    Script(name=name, operations=tuple(batches(name, size)), jitter=jitter(rng))
                    for name in ("w1", "w2")
                ),
                reader("reader 1", load_all()),
                reader("reader 2", load_all()),
            ]

        Stress(
            participants=participants,
            write=write,
            judges=[check_collection],
            after=(load_all(),),
            rounds=4,
        ).play(eventstore_lab)

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_ord_05_no_reader_by_number_sees_part_of_a_batch(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        def write(rng: random.Random) -> list[Script]:
            size = rng.choice([10, 3_000, 40_000])
            batches = tuple(
                append_batch([Draft(f"w-{n}", n, size=size) for n in range(first, first + 5)])
                for first in range(1, 41, 5)
            )
            return [
                Script(name="writer", operations=batches, jitter=jitter(rng)),
                reader("reader 1", load_after(0), latest()),
                reader("reader 2", load_after(0), resume=True),
            ]

        Stress(
            participants=participants,
            write=write,
            judges=[check_log],
            after=(load_after(0), latest()),
            rounds=4,
        ).play(eventstore_lab)

    def test_con_01_threads_lose_and_double_nothing(self, eventstore_lab: Bench) -> None:
        for handles in (1, 4):
            Stress(
                participants="threads",
                write=writers(4, 8),
                judges=[never_refused_unless_it_waited, check_collection],
                after=(load_all(),),
                rounds=2,
                handles=handles,
            ).play(eventstore_lab)

    @pytest.mark.parametrize("participants", ["spawn", "fork"])
    def test_con_02_processes_lose_and_double_nothing(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        Stress(
            participants=participants,
            write=writers(6, 6),
            judges=[never_refused_unless_it_waited, check_collection],
            after=(load_all(),),
            rounds=5,
        ).play(eventstore_lab)

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_con_04_pollers_collect_what_was_acknowledged(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        def write(rng: random.Random) -> list[Script]:
            sizes = [rng.choice([0, 0, 0, 5_000]) for _ in range(31)]
            numbered = tuple(append(Draft(f"e{n}", n, size=sizes[n])) for n in range(1, 31))
            return [
                Script(name="writer", operations=numbered, jitter=jitter(rng)),
                *(reader(f"poller {n}", load_after(0), resume=True) for n in (1, 2, 3)),
            ]

        Stress(
            participants=participants,
            write=write,
            judges=[check_log, pollers_collected_everything],
            after=(load_after(0),),
            rounds=4,
        ).play(eventstore_lab)

    @pytest.mark.parametrize("size", [_SHORTEST_LONG, _LONGEST_LONG])
    def test_con_08_long_lines_never_interleave(self, eventstore_lab: Bench, size: int) -> None:
        Stress(
            participants="spawn",
            write=writers(4, 3 if size > _KIB * _KIB else 12, size=size),
            judges=[check_collection],
            after=(load_all(),),
            rounds=1 if size > _KIB * _KIB else 3,
        ).play(eventstore_lab)
