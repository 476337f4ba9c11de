"""Puts the reference's ports together on one location."""

from __future__ import annotations

import os

from eventstore_reference.archiving import archive
from eventstore_reference.cutover import run_cutover
from eventstore_reference.file_snapshots import FileSnapshotStore
from eventstore_reference.file_store import FileEventStore
from eventstore_reference.layout import Layout
from eventstore_reference.locking import LocationLock
from eventstore_reference.recorder import SessionRecorder
from eventstore_reference.recovery import recover
from eventstore_reference.sqlite_counter import SqliteSeqCounter
from pytest_eventstore.ports import (
    MAX_SEQ_NR,
    ArchiveResult,
    CutoverResult,
    Ports,
    Projection,
    Recovery,
    SeqNrExhaustedError,
)


def open_ports(location: str | os.PathLike[str]) -> Ports:
    """Return every port of the reference on a location; nothing is made before it is needed."""
    layout = Layout.of(location)
    lock = LocationLock(layout.lock)
    store = FileEventStore(location, lock=lock)
    counter = SqliteSeqCounter(layout.counter, lock=lock, floor=store.highest_used_seq_nr)
    numbers = NumbersFromLog(store, counter)
    ports = Ports(
        event_store=store,
        snapshot_store=FileSnapshotStore(location, lock=lock),
        seq_allocator=counter,
        lock=lock,
    )

    def recorder(session_id: str) -> SessionRecorder:
        return SessionRecorder(session_id, event_store=store, seq_allocator=numbers, lock=lock)

    def cutover(aggregate_type: str) -> CutoverResult:
        return run_cutover(ports, aggregate_type)

    def recovered(projection: Projection, aggregate_type: str) -> Recovery:
        return recover(projection, ports, aggregate_type)

    ports.recorder = recorder

    def archived(before_seq_nr: int) -> ArchiveResult:
        return archive(ports, before_seq_nr)

    ports.cutover = cutover
    ports.archive = archived
    ports.recover = recovered
    return ports


class NumbersFromLog:
    """Numbers for a recorder whose event carries them into the log at once.

    The log makes the number durable, in the same critical section, so the
    counter's file need not: recording costs one fsync.
    """

    def __init__(self, store: FileEventStore, counter: SqliteSeqCounter) -> None:
        self._store = store
        self._counter = counter

    def alloc_seq_nr(self) -> int:
        """Return the number above all others; the caller holds the lock and stores it."""
        latest = self.latest_seq_nr()
        if latest >= MAX_SEQ_NR:
            raise SeqNrExhaustedError("no sequence number is left")
        return latest + 1

    def latest_seq_nr(self) -> int:
        """Return the highest number in use."""
        return max(self._counter.stored_seq_nr(), self._store.highest_used_seq_nr())

    def initialize_at(self, start_at: int) -> None:
        """Make the next number at least `start_at + 1`."""
        self._counter.initialize_at(start_at)
