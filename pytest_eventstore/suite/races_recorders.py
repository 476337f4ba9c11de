"""Recorders at work together: the gap rule, whoever is stopped or killed meanwhile."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

import pytest

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.checkers import check_log
from pytest_eventstore.lab.history import History
from pytest_eventstore.lab.operations import (
    Draft,
    Operation,
    latest,
    load_after,
    record,
    record_batch,
)
from pytest_eventstore.lab.race_judges import (
    after_succeeds,
    batches_are_contiguous,
    batches_obey_the_log,
    one_chain,
    pollers_collected_everything,
)
from pytest_eventstore.lab.scripts import Script
from pytest_eventstore.lab.stress import Participants, Stress, jitter
from pytest_eventstore.lab.workers import Race, cheapest_method
from pytest_eventstore.outcomes import not_checkable
from pytest_eventstore.suite.races_appends import reader

_STOPPED = 0.15
_UNBLOCKED_WITHIN = 30.0
_READERS = (
    reader("poller", load_after(0), resume=True),
    reader("reader", load_after(0), latest()),
)


def records(session: str, count: int, *, size: int = 0) -> tuple[Operation, ...]:
    """Record a number of events in a session."""
    return tuple(record(session, Draft(f"{session}-{n}", size=size)) for n in range(count))


def recorders(count: int, each: int) -> Callable[[random.Random], list[Script]]:
    """Participants that record, each in a session of its own, and two that read."""

    def write(rng: random.Random) -> list[Script]:
        late = rng.random() < 0.5
        return [
            *(
                Script(
                    name=f"r{n}",
                    operations=records(f"r{n}", each, size=rng.choice([0, 0, 9_000])),
                    jitter=jitter(rng),
                    open_late=late,
                )
                for n in range(1, count + 1)
            ),
            *_READERS,
        ]

    return write


class RacingRecorderTests:
    """Recorders in many threads and processes, some of which don't live to see the end."""

    eventstore_replays = "stress"

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_con_03_nothing_appears_behind_a_reader(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        Stress(
            participants=participants,
            write=recorders(4, 8),
            judges=[check_log, pollers_collected_everything],
            after=(load_after(0), latest()),
            rounds=6,
        ).play(eventstore_lab)

    def test_con_05_paused_recorder_leaves_no_gap(self, eventstore_lab: Bench) -> None:
        _need_signals("SIGSTOP")

        def stop_one(rng: random.Random) -> Callable[[Race], None]:
            delay = rng.random() * 0.02

            def during(race: Race) -> None:
                time.sleep(delay)
                race.stop(0)
                try:
                    race.take_messages(_STOPPED, without=[0])
                finally:
                    race.resume(0)

            return during

        def stopped_in_a_call(history: History) -> bool:
            return any(
                call.process == "r1"
                and call.returned is not None
                and call.returned - call.called > _STOPPED * 0.9e9
                for call in history.of("record")
            )

        Stress(
            participants="spawn",
            write=recorders(3, 12),
            judges=[check_log, pollers_collected_everything],
            after=(load_after(0), latest()),
            during=stop_one,
            counts=stopped_in_a_call,
            rounds=4,
        ).play(eventstore_lab)

    def test_con_06_killed_recorder_blocks_nobody(self, eventstore_lab: Bench) -> None:
        def write(rng: random.Random) -> list[Script]:
            return [
                Script(name="killed", operations=records("killed", 400, size=3_000), tell=True),
                Script(name="r2", operations=records("r2", 6), jitter=jitter(rng)),
                *_READERS,
            ]

        def kill_one(rng: random.Random) -> Callable[[Race], None]:
            delay = rng.random() * 0.02

            def during(race: Race) -> None:
                time.sleep(delay)
                race.kill(0)

            return during

        def died_in_a_call(history: History) -> bool:
            return any(call.returned is None for call in history.of("record"))

        Stress(
            participants=cheapest_method(),
            write=write,
            judges=[after_succeeds, check_log],
            after=(*records("last", 2), load_after(0), latest()),
            during=kill_one,
            may_die=(0,),
            counts=died_in_a_call,
            limit=_UNBLOCKED_WITHIN,
            rounds=3,
        ).play(eventstore_lab)

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_con_07_numbers_of_a_batch_are_contiguous(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        def write(rng: random.Random) -> list[Script]:
            return [
                *(
                    Script(
                        name=f"w{n}",
                        operations=tuple(
                            record_batch(Draft(f"w{n}-{i}-{j}") for j in range(3)) for i in range(3)
                        ),
                        jitter=jitter(rng),
                    )
                    for n in (1, 2, 3)
                ),
                *_READERS,
            ]

        Stress(
            participants=participants,
            write=write,
            judges=[batches_are_contiguous, batches_obey_the_log],
            after=(load_after(0),),
            rounds=3,
            handles=3,
        ).play(eventstore_lab)

    def test_rec_04_threads_of_one_recorder_keep_one_chain(self, eventstore_lab: Bench) -> None:
        def write(rng: random.Random) -> list[Script]:
            return [
                Script(
                    name=f"t{n}",
                    operations=tuple(record("shared", Draft(f"t{n}-{i}")) for i in range(8)),
                    jitter=jitter(rng),
                )
                for n in range(1, 5)
            ]

        Stress(
            participants="threads",
            write=write,
            judges=[check_log, one_chain],
            after=(load_after(0),),
            rounds=6,
        ).play(eventstore_lab)


def _need_signals(name: str) -> None:
    if not hasattr(signal, name):
        not_checkable(f"this platform has no {name}")
