"""The reference implementation of every port."""

from __future__ import annotations

from eventstore_reference.archiving import archive
from eventstore_reference.cutover import run_cutover
from eventstore_reference.file_snapshots import FileSnapshotStore
from eventstore_reference.file_store import FileEventStore
from eventstore_reference.memory import open_ports as open_memory
from eventstore_reference.recorder import SessionRecorder
from eventstore_reference.recovery import rebuild, recover
from eventstore_reference.snapshotting import SnapshotPolicy, Snapshotter
from eventstore_reference.sqlite_counter import SqliteSeqCounter
from eventstore_reference.wiring import open_ports

__all__ = [
    "FileEventStore",
    "FileSnapshotStore",
    "SessionRecorder",
    "SnapshotPolicy",
    "Snapshotter",
    "SqliteSeqCounter",
    "archive",
    "open_memory",
    "open_ports",
    "rebuild",
    "recover",
    "run_cutover",
]
