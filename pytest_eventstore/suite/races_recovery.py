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
    Draft,
    Operation,
    Seen,
    append_batch,
    archive,
    cutover,
    latest,
    load_after,
    load_all,
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

    @pytest.mark.parametrize("participants", ["threads", "spawn"])
    def test_cut_07_states_taken_amid_the_cutover_are_whole(
        self, eventstore_lab: Bench, participants: Participants
    ) -> None:
        _need(eventstore_lab, cutover(KIND), take_snapshot(KIND))

        def write(rng: random.Random) -> list[Script]:
            # Who takes snapshots has seen the cutover done; who records need not know of it.
            takers = [
                Script(name=f"taker {n}", operations=(cutover(KIND), *[take_snapshot(KIND)] * 8))
                for n in (1, 2)
            ]
            recorders = [
                Script(name=f"r{n}", operations=records(f"r{n}", 8), jitter=jitter(rng))
                for n in (1, 2)
            ]
            return [*recorders, *takers]

        Stress(
            participants=participants,
            write=write,
            judges=[states_continue_to_the_last],
            before=(append_batch([Draft("old-1"), Draft("old-2", seq_nr=7, at=1)]),),
            after=(load_after(0), load_all(), recover(KIND)),
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
    final = [c for c in history.of("load_after", "load_all") if c.process == AFTER and c.succeeded]
    if not final:
        return HOLDS
    numbered = seen_events(final[0].result)
    everything = seen_events(final[-1].result) if history.of("load_all") else numbered
    for call in history.of("take_snapshot", "recover"):
        if call.succeeded:
            verdict = _continues(call, numbered, everything, history)
            if not verdict:
                return verdict
    return HOLDS


def _continues(
    call: Call, numbered: Sequence[Seen], everything: Sequence[Seen], history: History
) -> Verdict:
    seq_nr, _, _, ids = call.result
    reached = [*ids, *(event.id for event in numbered if event.seq_nr > seq_nr)]
    number = {event.id: event.seq_nr for event in everything}
    lost = [event for event in everything if event.id not in reached]
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
        cause="a snapshot was taken at a number below which an event could still appear, "
        "or legacy events are left out of a replay",
    )


def _need(bench: Bench, *operations: Operation) -> None:
    """End the test as *not offered* where a participant would only find that out later."""
    with bench.location() as location:
        handle = location.open()
        handle.recorder("s")
        for operation in operations:
            run_operation(handle, operation)
