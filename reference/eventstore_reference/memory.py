"""The in-memory adapter: every port, for tests and as the smallest correct example.

Handles on one location in one process share their data; nothing outlives the
process. See `open_ports`.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from eventstore_reference.content import same_content
from eventstore_reference.cutover import run_cutover
from eventstore_reference.recorder import SessionRecorder
from eventstore_reference.recovery import recover
from pytest_eventstore.ports import (
    MAX_SEQ_NR,
    SYSTEM_CUTOVER,
    AppendResult,
    Capabilities,
    ClosedError,
    CutoverResult,
    DuplicateEventError,
    Event,
    InvalidEventError,
    LoadResult,
    Ports,
    Projection,
    Recovery,
    SeqNrExhaustedError,
    Snapshot,
    check_aware,
    check_seq_nr,
    instant,
)


@dataclass
class _Location:
    """What one location holds. Events are kept as lines, so nothing is shared with callers."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    lines: dict[str, str] = field(default_factory=dict)
    by_time: list[tuple[timedelta, int, str]] = field(default_factory=list)
    by_number: list[tuple[int, timedelta, int, str]] = field(default_factory=list)
    last_of_session: dict[str, str] = field(default_factory=dict)
    cutover_done: bool = False
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    last_number: int = 0

    def add(self, event: Event) -> int:
        line = event.to_json_line()
        position = len(self.lines)
        moment = instant(event.timestamp)
        self.lines[event.id] = line
        insort(self.by_time, (moment, position, event.id))
        if event.type == SYSTEM_CUTOVER and not self.cutover_done:
            self.cutover_done = True
            self.by_number.clear()
        if event.seq_nr:
            insort(self.by_number, (event.seq_nr, moment, position, event.id))
        if event.session_id:
            self.last_of_session[event.session_id] = event.id
        return len(line)


class _Port:
    def __init__(self, location: _Location) -> None:
        self._location = location
        self._closed = False

    def close(self) -> None:
        """Refuse every later call; closing again does nothing."""
        self._closed = True

    def _open(self) -> _Location:
        if self._closed:
            raise ClosedError(f"{type(self).__name__} is closed")
        return self._location


class MemoryEventStore(_Port):
    """An event log in memory: whole batches only, visible at once to every handle."""

    def append(self, *events: Event) -> AppendResult:
        """Store all the events or none; see `EventStore.append`."""
        here = self._open()
        for event in events:
            event.validate()
        with here.lock:
            new: dict[str, Event] = {}
            for event in events:
                line = here.lines.get(event.id)
                stored = Event.from_json_line(line) if line else new.get(event.id)
                if stored is None:
                    new[event.id] = event
                elif not same_content(stored, event):
                    raise DuplicateEventError(f"event {event.id!r} is stored with other content")
            written = sum(here.add(event) for event in new.values())
        return AppendResult(bytes_written=written)

    def load_all(self) -> LoadResult:
        """Return every event, by timestamp; equal timestamps in append order."""
        here = self._open()
        with here.lock:
            return _result(here, [entry[-1] for entry in here.by_time])

    def load_since(self, after: datetime) -> LoadResult:
        """Return the events later than `after`, by timestamp."""
        here = self._open()
        check_aware(after, "after")
        with here.lock:
            start = bisect_right(here.by_time, instant(after), key=lambda entry: entry[0])
            return _result(here, [entry[-1] for entry in here.by_time[start:]])

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        """Return the events numbered above `after_seq_nr`, ascending."""
        here = self._open()
        check_seq_nr(after_seq_nr, "after_seq_nr")
        with here.lock:
            start = bisect_right(here.by_number, after_seq_nr, key=lambda entry: entry[0])
            return _result(here, [entry[-1] for entry in here.by_number[start:]])

    def latest_seq_nr(self) -> int:
        """Return the highest number that `load_after_seq_nr` can return, or 0."""
        here = self._open()
        with here.lock:
            return here.by_number[-1][0] if here.by_number else 0

    def last_event_id(self, session_id: str) -> str:
        """Return the id of the session's event that was appended last, or nothing."""
        here = self._open()
        with here.lock:
            return here.last_of_session.get(session_id, "")

    def holds_cutover(self) -> bool:
        """Return whether the cutover's event is stored."""
        return self._open().cutover_done


def _result(here: _Location, ids: list[str]) -> LoadResult:
    return LoadResult(events=[Event.from_json_line(here.lines[i]) for i in ids])


class MemorySnapshotStore(_Port):
    """Snapshots in memory; a lower number never replaces a higher."""

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        """Keep the snapshot, unless the stored one has a higher number."""
        here = self._open()
        _check_aggregate_type(aggregate_type)
        check_seq_nr(seq_nr, "snapshot seq_nr")
        snapshot = Snapshot(aggregate_type=aggregate_type, seq_nr=seq_nr, state=bytes(state))
        with here.lock:
            stored = here.snapshots.get(aggregate_type)
            if stored is None or stored.seq_nr <= seq_nr:
                here.snapshots[aggregate_type] = snapshot

    def load(self, aggregate_type: str) -> Snapshot | None:
        """Return the snapshot, or None."""
        here = self._open()
        _check_aggregate_type(aggregate_type)
        return here.snapshots.get(aggregate_type)


def _check_aggregate_type(aggregate_type: object) -> None:
    if not isinstance(aggregate_type, str) or not aggregate_type:
        raise InvalidEventError(f"an aggregate type must not be empty, got {aggregate_type!r}")


class MemorySeqAllocator(_Port):
    """Sequence numbers in memory, each handed out once."""

    def alloc_seq_nr(self) -> int:
        """Return the next number."""
        here = self._open()
        with here.lock:
            if here.last_number >= MAX_SEQ_NR:
                raise SeqNrExhaustedError("no sequence number is left")
            here.last_number += 1
            return here.last_number

    def latest_seq_nr(self) -> int:
        """Return the number handed out last, or 0."""
        return self._open().last_number

    def initialize_at(self, start_at: int) -> None:
        """Make the next number at least `start_at + 1`."""
        here = self._open()
        check_seq_nr(start_at, "start_at")
        with here.lock:
            here.last_number = max(here.last_number, start_at)


_locations: dict[str, _Location] = {}
_locations_guard = threading.Lock()


def open_ports(location: str | os.PathLike[str]) -> Ports:
    """Return the ports on a location; every call in this process sees the same data."""
    with _locations_guard:
        here = _locations.setdefault(os.path.realpath(location), _Location())
    store = MemoryEventStore(here)
    ports = Ports(
        event_store=store,
        snapshot_store=MemorySnapshotStore(here),
        seq_allocator=MemorySeqAllocator(here),
        lock=here.lock,
        capabilities=Capabilities(durability="none", sharing="thread"),
    )

    def recorder(session_id: str) -> SessionRecorder:
        return SessionRecorder.over(ports, session_id)

    def cutover(aggregate_type: str) -> CutoverResult:
        return run_cutover(ports, aggregate_type)

    def recovered(projection: Projection, aggregate_type: str) -> Recovery:
        return recover(projection, ports, aggregate_type)

    ports.recorder = recorder
    ports.cutover = cutover
    ports.recover = recovered
    return ports


def _discard(location: str | os.PathLike[str]) -> None:
    with _locations_guard:
        _locations.pop(os.path.realpath(location), None)


open_ports.discard = _discard  # type: ignore[attr-defined]
open_memory = open_ports
