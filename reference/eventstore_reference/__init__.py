"""The reference implementation of every port of `pytest_eventstore.ports`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from eventstore_reference.traced import TracedEventStore

__all__ = [
    "FileEventStore",
    "FileSnapshotStore",
    "SessionRecorder",
    "SnapshotPolicy",
    "Snapshotter",
    "SqliteSeqCounter",
    "TracedEventStore",
    "archive",
    "open_memory",
    "open_ports",
    "rebuild",
    "recover",
    "run_cutover",
]


def __getattr__(name: str) -> Any:
    if name == "TracedEventStore":  # the one that needs an extra
        from eventstore_reference.traced import TracedEventStore

        return TracedEventStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
