"""The recorder and the cutover, over the file store and over plain ports."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from eventstore_reference import SessionRecorder, open_memory, open_ports, run_cutover
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.ports import (
    MAX_SEQ_NR,
    AppendResult,
    Event,
    EventStore,
    InvalidEventError,
    LoadResult,
    Ports,
    SeqNrExhaustedError,
    Snapshot,
)
from reference.killing import killed_at_each_call

KIND = "amadeus.state"


@dataclass
class Plain:
    """A store of which nothing is known but the port."""

    inner: EventStore
    refuse: bool = False
    load_all_calls: int = 0

    def append(self, *events: Event) -> AppendResult:
        if self.refuse:
            raise OSError("refused")
        return self.inner.append(*events)

    def load_all(self) -> LoadResult:
        self.load_all_calls += 1
        return self.inner.load_all()

    def load_since(self, after: datetime) -> LoadResult:
        return self.inner.load_since(after)

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        return self.inner.load_after_seq_nr(after_seq_nr)

    def latest_seq_nr(self) -> int:
        return self.inner.latest_seq_nr()


def open_plain(location: Path) -> Ports:
    ports = open_memory(location)
    store = Plain(ports.event_store)
    return Ports(
        event_store=store,
        snapshot_store=ports.snapshot_store,
        seq_allocator=ports.seq_allocator,
        lock=ports.lock,
    )


Open = Callable[[], Ports]


@pytest.fixture(params=[open_ports, open_memory, open_plain])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def opened() -> Ports:
            ports: Ports = request.param(tmp_path)
            stack.callback(ports.close)
            return ports

        yield opened


def recorder(ports: Ports, session: str = "s") -> SessionRecorder:
    made = ports.recorder(session) if ports.recorder else SessionRecorder.over(ports, session)
    assert isinstance(made, SessionRecorder)
    return made


def test_a_chain_is_linear_over_handles_and_sessions(reopen: Open) -> None:
    one, other = recorder(reopen()), recorder(reopen())
    strange = recorder(reopen(), "another")
    stored = []
    for n in range(6):
        stored.append((one, other)[n % 2].record(make_event(n)))
        strange.record(make_event(100 + n))
    assert [event.causation_id for event in stored] == ["", *(f"e{n}" for n in range(5))]
    assert [event.seq_nr for event in stored] == [1, 3, 5, 7, 9, 11]
    assert {event.session_id for event in stored} == {"s"}
    assert {event.correlation_id for event in stored} == {"s"}
    assert recorder(reopen()).record(make_event(50)).causation_id == "e5"


def test_the_callers_cause_is_kept_and_the_rest_is_stamped(reopen: Open) -> None:
    event = make_event(
        1, causation_id="mine", session_id="other", correlation_id="other", seq_nr=99
    )
    stored = recorder(reopen()).record(event)
    assert (stored.causation_id, stored.session_id, stored.correlation_id) == ("mine", "s", "s")
    assert stored.seq_nr == 1
    assert event.seq_nr == 99


def test_numbers_start_above_what_stands_in_the_store(reopen: Open) -> None:
    ports = reopen()
    ports.event_store.append(make_event(1, seq_nr=41))
    assert recorder(ports).record(make_event(2)).seq_nr == 42


def test_without_an_allocator_events_have_no_number(tmp_path: Path) -> None:
    ports = open_memory(tmp_path)
    made = SessionRecorder("s", event_store=ports.event_store)
    assert made.record(make_event(1)).seq_nr == 0
    assert made.record(make_event(2)).causation_id == "e1"


def test_a_failed_append_leaves_the_chain_on_the_last_stored_event(tmp_path: Path) -> None:
    ports = open_plain(tmp_path)
    assert isinstance(ports.event_store, Plain)
    made = SessionRecorder.over(ports, "s")
    made.record(make_event(1))
    ports.event_store.refuse = True
    with pytest.raises(OSError, match="refused"):
        made.record(make_event(2))
    ports.event_store.refuse = False
    assert made.record(make_event(3)).causation_id == "e1"
    assert ports.event_store.load_all_calls == 1


def test_an_event_that_was_stored_after_all_is_the_next_ones_cause(tmp_path: Path) -> None:
    ports = open_plain(tmp_path)
    store = ports.event_store
    assert isinstance(store, Plain)
    made = SessionRecorder.over(ports, "s")
    made.record(make_event(1))
    with pytest.MonkeyPatch.context() as patch:

        def store_and_fail(*events: Event) -> AppendResult:
            store.inner.append(*events)
            raise OSError("no answer")

        patch.setattr(store, "append", store_and_fail)
        with pytest.raises(OSError, match="no answer"):
            made.record(make_event(2))
    assert made.record(make_event(3)).causation_id == "e2"


def test_numbers_end(tmp_path: Path) -> None:
    ports = open_ports(tmp_path)
    ports.event_store.append(make_event(1, seq_nr=MAX_SEQ_NR))
    with pytest.raises(SeqNrExhaustedError):
        recorder(ports).record(make_event(2))
    assert len(ports.event_store.load_all().events) == 1
    ports.close()


def test_recording_costs_one_fsync(tmp_path: Path) -> None:
    ports = open_ports(tmp_path)
    made = recorder(ports)
    made.record(make_event(0))
    calls: list[int] = []
    real = os.fsync
    with pytest.MonkeyPatch.context() as patch:

        def fsync(fd: int) -> None:
            calls.append(fd)
            real(fd)

        patch.setattr(os, "fsync", fsync)
        for n in range(1, 6):
            made.record(make_event(n))
    assert len(calls) == 5
    ports.close()


def test_recording_goes_on_above_numbers_that_were_only_handed_out(tmp_path: Path) -> None:
    ports = open_ports(tmp_path)
    assert ports.seq_allocator is not None
    assert ports.seq_allocator.alloc_seq_nr() == 1
    assert recorder(ports).record(make_event(1)).seq_nr == 2
    assert ports.seq_allocator.alloc_seq_nr() == 3
    ports.close()


@pytest.mark.parametrize("session", ["", None, 7])
def test_a_session_id_that_is_none_is_refused(tmp_path: Path, session: str) -> None:
    with pytest.raises(InvalidEventError):
        SessionRecorder.over(open_memory(tmp_path), session)


# Cutover


def cutover(ports: Ports) -> Callable[[str], object]:
    return ports.cutover if ports.cutover is not None else lambda kind: run_cutover(ports, kind)


def test_the_cutover_is_run_once(reopen: Open) -> None:
    ports = reopen()
    ports.event_store.append(make_event(1, seq_nr=7), make_event(2))
    first = run_cutover(ports, KIND)
    assert (first.already_done, first.event_count, first.cutover_seq_nr) == (False, 2, 1)
    for _ in range(2):
        assert run_cutover(reopen(), "other").already_done
    (event,) = reopen().event_store.load_after_seq_nr(0).events
    assert event.type == "system.cutover"
    assert event.data == {"pre_cutover_event_count": 2, "aggregate_type": KIND}
    snapshots = ports.snapshot_store
    assert snapshots is not None
    assert snapshots.load(KIND) == Snapshot(aggregate_type=KIND, seq_nr=0, state=b"null")
    assert snapshots.load("other") is None
    assert recorder(reopen()).record(make_event(3)).seq_nr == 2


def test_a_real_snapshot_is_not_replaced(reopen: Open) -> None:
    ports = reopen()
    assert ports.snapshot_store is not None
    ports.snapshot_store.save(KIND, 0, b"real")
    assert not run_cutover(ports, KIND).already_done
    stored = ports.snapshot_store.load(KIND)
    assert stored is not None
    assert stored.state == b"real"


def test_a_cutover_of_an_empty_name_is_refused(reopen: Open) -> None:
    ports = reopen()
    with pytest.raises(InvalidEventError):
        run_cutover(ports, "")
    assert ports.event_store.load_all().events == []


def fill_with_legacy(location: Path) -> None:
    ports = open_ports(location)
    ports.event_store.append(make_event(1, seq_nr=7), make_event(2, seq_nr=2))
    ports.close()


def test_a_cutover_killed_at_any_call_is_completed_by_the_next(tmp_path: Path) -> None:
    def run(location: Path) -> None:
        run_cutover(open_ports(location), KIND)

    for location in killed_at_each_call(tmp_path, fill_with_legacy, run):
        ports = open_ports(location)
        run_cutover(ports, KIND)
        assert [e.seq_nr for e in ports.event_store.load_after_seq_nr(0).events] == [1]
        assert len(ports.event_store.load_all().events) == 3
        assert ports.snapshot_store is not None
        sentinel = ports.snapshot_store.load(KIND)
        assert sentinel is not None
        assert (sentinel.seq_nr, sentinel.state) == (0, b"null")
        assert recorder(ports).record(make_event(3)).seq_nr == 2
        ports.close()
