"""Archiving what snapshots cover, on the reference's own stores."""

from __future__ import annotations

from contextlib import suppress

from eventstore_reference.durable import sync_folder
from eventstore_reference.file_snapshots import FileSnapshotStore
from eventstore_reference.file_store import FileEventStore
from pytest_eventstore.ports import ArchiveResult, CorruptionError, Ports, check_seq_nr


def archive(ports: Ports, before_seq_nr: int) -> ArchiveResult:
    """Move the events numbered below `before_seq_nr` that every snapshot covers.

    Legacy events go with them. Nothing is lost to reads: `load_all` and reads
    by number find archived events too. Safe to kill, to repeat and to race.

    Raises:
        ValueError: the ports are not those of the file store.
    """
    check_seq_nr(before_seq_nr, "before_seq_nr")
    store, snapshots = ports.event_store, ports.snapshot_store
    if not isinstance(store, FileEventStore) or not isinstance(snapshots, FileSnapshotStore):
        raise ValueError("only the file store with its snapshots has an archive")  # noqa: TRY004
    assert ports.lock is not None
    with ports.lock:
        through = min(before_seq_nr - 1, _covered(store, snapshots))
        if through < 1:
            return ArchiveResult(archived_count=0)
        if ports.seq_allocator is not None:
            # Should archive and index be lost together, the numbers are not.
            ports.seq_allocator.initialize_at(store.latest_seq_nr())
        return store.rotate(through)


def _covered(store: FileEventStore, snapshots: FileSnapshotStore) -> int:
    """Return up to which number every projection kind that has a snapshot is covered by it."""
    latest = store.latest_seq_nr()
    numbers = []
    for aggregate_type in snapshots.aggregate_types():
        with suppress(CorruptionError):
            snapshot = snapshots.load(aggregate_type)
            is_sentinel = snapshot is not None and snapshot.seq_nr == 0
            if snapshot is not None and not is_sentinel and snapshot.seq_nr <= latest:
                numbers.append(snapshot.seq_nr)
    if not numbers:
        return 0
    # A saver may have been killed before it made the name durable.
    sync_folder(snapshots.folder)
    return min(numbers)
