"""The adapter that does nothing: every write returns, every read is empty."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

from pytest_eventstore.ports import (
    AppendResult,
    ArchiveResult,
    Capabilities,
    CutoverResult,
    Event,
    LoadResult,
    Ports,
    Projection,
    Recorder,
    Recovery,
    Snapshot,
)


class NoEventStore:
    """Keeps no event."""

    def append(self, *events: Event) -> AppendResult:
        return AppendResult(bytes_written=0)

    def load_all(self) -> LoadResult:
        return LoadResult(events=[])

    def load_since(self, after: datetime) -> LoadResult:
        return LoadResult(events=[])

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        return LoadResult(events=[])

    def latest_seq_nr(self) -> int:
        return 0

    def close(self) -> None:
        pass


class NoSnapshotStore:
    """Keeps no snapshot."""

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        pass

    def load(self, aggregate_type: str) -> Snapshot | None:
        return None


class NoSeqAllocator:
    """Knows one number."""

    def alloc_seq_nr(self) -> int:
        return 0

    def latest_seq_nr(self) -> int:
        return 0

    def initialize_at(self, start_at: int) -> None:
        pass


class NoRecorder:
    """Gives events back as they came."""

    def record(self, event: Event) -> Event:
        return event


def open_ports(location: Path) -> Ports:
    """Return ports that do nothing."""

    def recorder(session_id: str) -> Recorder:
        return NoRecorder()

    def cutover(aggregate_type: str) -> CutoverResult:
        return CutoverResult(already_done=False)

    def recover(projection: Projection, aggregate_type: str) -> Recovery:
        return Recovery(seq_nr=0, snapshot_seq_nr=None, replayed=0)

    def archive(before_seq_nr: int) -> ArchiveResult:
        return ArchiveResult(archived_count=0)

    return Ports(
        event_store=NoEventStore(),
        snapshot_store=NoSnapshotStore(),
        seq_allocator=NoSeqAllocator(),
        recorder=recorder,
        cutover=cutover,
        lock=nullcontext(),
        recover=recover,
        archive=archive,
        capabilities=Capabilities(durability="power", sharing="process"),
    )
