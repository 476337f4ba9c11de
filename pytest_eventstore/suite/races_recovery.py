"""Recovery while others record: no state ever taken has a hole in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.checkers import check_log
from pytest_eventstore.lab.checkers.verdict import HOLDS, Verdict, broken
from pytest_eventstore.lab.history import Call, History
from pytest_eventstore.lab.operations import (
    Operation,
    Seen,
    archive,
    latest,
    load_after,
    recover,
    run_operation,
    seen_events,
    take_snapshot,
)
from pytest_eventstore.lab.scripts import Script
from pytest_eventstore.lab.stress import AFTER, Participants, Stress, jitter
from pytest_eventstore.outcomes import not_offered
from pytest_eventstore.ports import MAX_SEQ_NR
from pytest_eventstore.suite.races_appends import reader
from pytest_eventstore.suite.races_recorders import records

KIND = "lab.seen"


class RacingRecoveryTests:
    """Snapshots that are taken amid recording, and the states that come of them."""

    eventstore_replays = "stress"

    @pytest.mark.eventstore_tier("c")
    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_snp_07_states_taken_amid_recording_are_whole(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        _need(eventstore_lab, take_snapshot(KIND))
        Stress(
            participants=participants,
            write=amid_recording(take_snapshot(KIND), recover("without a snapshot")),
            judges=[states_continue_to_the_last],
            after=(load_after(0), recover(KIND)),
            rounds=4,
        ).play(eventstore_lab)

    @pytest.mark.eventstore_tier("c")
    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_arc_02_archiving_amid_recording_shows_nowhere(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        with eventstore_lab.location() as location:
            if location.open().ports.archive is None:
                not_offered("the adapter's Ports has no archive")
        _need(eventstore_lab, take_snapshot(KIND))
        Stress(
            participants=participants,
            write=amid_recording(take_snapshot(KIND), archive(MAX_SEQ_NR), load_after(0), latest()),
            judges=[check_log, states_continue_to_the_last],
            after=(load_after(0), latest(), recover(KIND), recover("without a snapshot")),
            rounds=3,
        ).play(eventstore_lab)


def amid_recording(*operations: Operation) -> Callable[[random.Random], list[Script]]:
    """Participants that record, and one for each operation that repeats it meanwhile."""

    def write(rng: random.Random) -> list[Script]:
        recorders = [
            Script(name=f"r{n}", operations=records(f"r{n}", 8), jitter=jitter(rng))
            for n in range(1, 4)
        ]
        return [*recorders, *(reader(f"{o.name} {n}", o) for n, o in enumerate(operations, 1))]

    return write


def states_continue_to_the_last(history: History) -> Verdict:
    """Each state, and the events numbered above it in the end, are all events, each once."""
    final = [call for call in history.of("load_after") if call.process == AFTER and call.succeeded]
    if not final:
        return HOLDS
    events = seen_events(final[-1].result)
    for call in history.of("take_snapshot", "recover"):
        if call.succeeded:
            verdict = _continues(call, events, history)
            if not verdict:
                return verdict
    return HOLDS


def _continues(call: Call, events: Sequence[Seen], history: History) -> Verdict:
    seq_nr, _, _, ids = call.result
    reached = [*ids, *(event.id for event in events if event.seq_nr > seq_nr)]
    number = {event.id: event.seq_nr for event in events}
    lost = [event for event in events if event.id not in reached]
    doubled = sorted({i for i in reached if reached.count(i) > 1}, key=lambda i: number.get(i, 0))
    if not lost and not doubled:
        return HOLDS
    told = [f"lacks {event.id} #{event.seq_nr}" for event in lost[:5]]
    told += [f"holds {i} #{number.get(i)} twice" for i in doubled[:5]]
    culprits = {event.id for event in lost} | set(doubled)
    writes = [c for c in history.of("record") if c.succeeded and c.result[1] in culprits]
    return broken(
        "state",
        [call, *writes[:5]],
        expected=f"the state taken at {seq_nr}, with the events numbered above, is all events",
        seen=f"it {', '.join(told)}",
        cause="a snapshot was taken at a number below which an event could still appear",
    )


def _need(bench: Bench, operation: Operation) -> None:
    """End the test as *not offered* where a participant would only find that out later."""
    with bench.location() as location:
        handle = location.open()
        handle.recorder("s")
        run_operation(handle, operation)
