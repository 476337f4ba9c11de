"""Recoveries and archives with one fault each, over the in-memory adapter."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import eventstore_reference
from eventstore_reference import memory, recover
from eventstore_reference.memory import MemoryEventStore
from mutants.recorder import ChainRecorder
from mutants.registry import mutant
from pytest_eventstore.ports import (
    ArchiveResult,
    Event,
    EventStoreError,
    LoadResult,
    Ports,
    Projection,
    Recovery,
    Snapshot,
)

Recover = Callable[[Ports, Projection, str], Recovery]


def _recovering(location: Path, faulty: Recover) -> Ports:
    ports = memory.open_ports(location)
    ports.recover = lambda projection, kind: faulty(ports, projection, kind)
    return ports


def _from_snapshot(
    ports: Ports, projection: Projection, kind: str, *, back: int = 0, check: bool = True
) -> Recovery:
    """Recover from the snapshot and what is numbered above it, or `back` lower."""
    assert ports.snapshot_store is not None
    snapshot = ports.snapshot_store.load(kind)
    if snapshot is None or snapshot.seq_nr == 0:
        return recover(projection, replace(ports, recover=None), kind)
    if check and snapshot.seq_nr > ports.event_store.latest_seq_nr():
        return recover(projection, replace(ports, recover=None), kind)
    projection.deserialize(snapshot.state)
    events = ports.event_store.load_after_seq_nr(max(0, snapshot.seq_nr - back)).events
    for event in events:
        projection.apply(event)
    return Recovery(
        seq_nr=max((e.seq_nr for e in events), default=snapshot.seq_nr),
        snapshot_seq_nr=snapshot.seq_nr,
        replayed=len(events),
    )


@mutant(fails="SNP-07", message="the snapshot's own event is applied again")
def the_snapshots_own_event_is_applied_again(location: Path) -> Ports:
    return _recovering(location, lambda p, projection, k: _from_snapshot(p, projection, k, back=1))


@mutant(fails="SNP-07", message="nothing replayed")
def the_version_is_ignored(location: Path) -> Ports:
    def faulty(ports: Ports, projection: Projection, kind: str) -> Recovery:
        assert ports.snapshot_store is not None
        snapshot = ports.snapshot_store.load(kind)
        try:
            return _from_snapshot(ports, projection, kind)
        except ValueError:
            assert isinstance(snapshot, Snapshot)
            return Recovery(seq_nr=snapshot.seq_nr, snapshot_seq_nr=snapshot.seq_nr, replayed=0)

    return _recovering(location, faulty)


@mutant(fails="SNP-07", message="with a hole below it")
def the_number_told_is_the_counters(location: Path) -> Ports:
    def faulty(ports: Ports, projection: Projection, kind: str) -> Recovery:
        assert ports.seq_allocator is not None
        found = _from_snapshot(ports, projection, kind)
        return replace(found, seq_nr=max(found.seq_nr, ports.seq_allocator.latest_seq_nr()))

    return _recovering(location, faulty)


@mutant(fails="SNP-07", message="the state of a full replay")
def legacy_events_are_left_out_of_a_full_replay(location: Path) -> Ports:
    def faulty(ports: Ports, projection: Projection, kind: str) -> Recovery:
        assert ports.snapshot_store is not None
        snapshot = ports.snapshot_store.load(kind)
        if snapshot is not None and snapshot.seq_nr:
            return _from_snapshot(ports, projection, kind)
        events = ports.event_store.load_after_seq_nr(0).events
        for event in events:
            projection.apply(event)
        last = max((e.seq_nr for e in events), default=0)
        return Recovery(seq_nr=last, snapshot_seq_nr=None, replayed=len(events))

    return _recovering(location, faulty)


@mutant(fails="CUT-07", message="it lacks old-1", tier="c")
def states_taken_amid_the_cutover_lack_legacy_events(location: Path) -> Ports:
    return legacy_events_are_left_out_of_a_full_replay(location)


@mutant(fails="SNP-08", message="looks like being up to date")
def a_snapshot_ahead_is_taken(location: Path) -> Ports:
    return _recovering(
        location, lambda p, projection, k: _from_snapshot(p, projection, k, check=False)
    )


@mutant(
    fails="SNP-07", companions=("CUT-07",), message="below which an event could still", tier="c"
)
def snapshots_with_a_hole_below_them(location: Path) -> Ports:
    """Number and append are two steps, so a higher number may come first."""

    class Unlocked(ChainRecorder):
        def record(self, event: Event) -> Event:
            stored = self.stamped(event)
            time.sleep(0.0005)  # what a busy machine does between the two steps
            self.ports.event_store.append(stored)
            return stored

    ports = memory.open_ports(location)
    ports.recorder = lambda session_id: Unlocked(ports, session_id)
    ports.lock = nullcontext()
    return ports


class Archive:
    """A correct archive: ids that are marked as archived, which no read shows."""

    def __init__(self, location: Any) -> None:
        self.location = location
        if not hasattr(location, "archived"):
            location.archived = []

    def archive(self, through: int) -> ArchiveResult:
        """Mark what is numbered up to there, and what has no global number."""
        active = [i for i in self.location.lines if i not in self.location.archived]
        numbers = {entry[-1]: entry[0] for entry in self.location.by_number}
        moved = [i for i in active if numbers.get(i, 0) <= through]
        self.location.archived += moved
        return ArchiveResult(archived_count=len(moved), through_seq_nr=through)

    def covered(self) -> int:
        """Return up to which number the snapshots cover."""
        numbers = [s.seq_nr for s in self.location.snapshots.values() if s.seq_nr]
        return min(numbers, default=0)


def _archiving(
    location: Path,
    store: type[MemoryEventStore] = MemoryEventStore,
    archive: Callable[[Archive, int], ArchiveResult] | None = None,
) -> Ports:
    ports = memory.open_ports(location)
    here = ports.event_store._location  # type: ignore[attr-defined]
    kept = Archive(here)
    ports.event_store = store(here)

    def right(before_seq_nr: int) -> ArchiveResult:
        through = min(before_seq_nr - 1, kept.covered())
        return kept.archive(through) if through > 0 else ArchiveResult(archived_count=0)

    ports.archive = right if archive is None else lambda before: archive(kept, before)
    return ports


def correct_archive(location: Path) -> Ports:
    """No mutant: what the mutants below would be without their faults."""
    return _archiving(location)


def _without(found: LoadResult, dropped: Callable[[Event], bool]) -> LoadResult:
    return LoadResult(events=[e for e in found.events if not dropped(e)])


class FaultyStore(MemoryEventStore):
    """A store that knows what is archived."""

    def archived(self, event: Event) -> bool:
        return event.id in self._location.archived  # type: ignore[attr-defined]

    def legacy(self, event: Event) -> bool:
        return event.id not in {entry[-1] for entry in self._location.by_number}


@mutant(fails="ARC-02", companions=("SNP-07",), message="or the legacy ones among them")
def the_archive_forgets_legacy_events(location: Path) -> Ports:
    class Forgetting(FaultyStore):
        def load_all(self) -> LoadResult:
            return _without(super().load_all(), lambda e: self.archived(e) and self.legacy(e))

    return _archiving(location, Forgetting)


@mutant(fails="ARC-02", companions=("SNP-07",), message="left out of reads")
def archived_events_are_left_out_of_load_all(location: Path) -> Ports:
    class Forgetting(FaultyStore):
        def load_all(self) -> LoadResult:
            return _without(super().load_all(), self.archived)

    return _archiving(location, Forgetting)


@mutant(fails="ARC-02", companions=("SNP-07",), message="load_after_seq_nr(0) gives")
def archived_events_are_left_out_of_reads_by_number(location: Path) -> Ports:
    class Forgetting(FaultyStore):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            return _without(super().load_after_seq_nr(after_seq_nr), self.archived)

    return _archiving(location, Forgetting)


@mutant(fails="ARC-02", message="archives what is archived")
def archived_events_come_twice_after_a_second_run(location: Path) -> Ports:
    class Doubling(FaultyStore):
        def load_all(self) -> LoadResult:
            found = super().load_all()
            twice: set[str] = getattr(self._location, "twice", set())
            events = [e for e in found.events for _ in range(1 + (e.id in twice))]
            return LoadResult(events=events)

    def archive(kept: Archive, before_seq_nr: int) -> ArchiveResult:
        kept.location.twice = set(kept.location.archived)
        return kept.archive(min(before_seq_nr - 1, kept.covered()))

    return _archiving(location, Doubling, archive)


@mutant(fails="LAT-03", companions=("ARC-02", "SNP-07", "SNP-08"), message="the active log only")
def archiving_rewinds_the_latest_number(location: Path) -> Ports:
    class Active(FaultyStore):
        def latest_seq_nr(self) -> int:
            active = _without(self.load_after_seq_nr(0), self.archived).events
            return max((e.seq_nr for e in active), default=0)

    return _archiving(location, Active)


@mutant(fails="ARC-01", message="which a snapshot covers")
def the_archive_asks_for_no_snapshot(location: Path) -> Ports:
    def archive(kept: Archive, before_seq_nr: int) -> ArchiveResult:
        return kept.archive(before_seq_nr - 1)

    return _archiving(location, archive=archive)


@mutant(fails="PER-01", message="an append costs at most", tier="p")
def an_append_reads_the_log(location: Path) -> Ports:
    class Reading(MemoryEventStore):
        def append(self, *events: Event) -> Any:
            if len(events) == 1:  # filling goes quicker without
                self.load_all()
            return super().append(*events)

    ports = memory.open_ports(location)
    ports.event_store = Reading(ports.event_store._location)  # type: ignore[attr-defined]
    return ports


@mutant(fails="PER-02", message="reading the last 10 events costs", tier="p")
def a_read_by_number_reads_the_log(location: Path) -> Ports:
    class Reading(MemoryEventStore):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            self.load_all()
            return super().load_after_seq_nr(after_seq_nr)

    ports = memory.open_ports(location)
    ports.event_store = Reading(ports.event_store._location)  # type: ignore[attr-defined]
    return ports


@mutant(fails="PER-02", message="opening and reading the last 10 events costs", tier="p")
def opening_reads_the_log(location: Path) -> Ports:
    ports = memory.open_ports(location)
    ports.event_store.load_all()
    return ports


@mutant(fails="PER-02", message="recovery from a snapshot 10 events back costs", tier="p")
def recovery_replays_everything(location: Path) -> Ports:
    def faulty(ports: Ports, projection: Projection, kind: str) -> Recovery:
        without = replace(ports, snapshot_store=None, recover=None)
        return recover(projection, without, kind)

    return _recovering(location, faulty)


@mutant(fails="PER-03", companions=("PER-02",), message="latest_seq_nr() costs at most", tier="p")
def latest_reads_the_log(location: Path) -> Ports:
    class Reading(MemoryEventStore):
        def latest_seq_nr(self) -> int:
            with suppress(ValueError):
                return max(e.seq_nr for e in self.load_after_seq_nr(0).events)
            return 0

    ports = memory.open_ports(location)
    ports.event_store = Reading(ports.event_store._location)  # type: ignore[attr-defined]
    return ports


@mutant(fails="SNP-09", message="the state of all events, or an error", tier="f")
def recovery_ignores_a_damaged_archive(location: Path) -> Ports:
    """What cannot be read is passed over, as if it had never been."""
    ports = eventstore_reference.open_ports(location)

    def faulty(projection: Projection, kind: str) -> Recovery:
        assert ports.snapshot_store is not None
        with suppress(EventStoreError):
            snapshot = ports.snapshot_store.load(kind)
            if snapshot is not None:
                return recover(projection, ports, kind)
        events: list[Event] = []
        with suppress(EventStoreError):
            events += ports.event_store.load_all().events
        for event in events:
            projection.apply(event)
        last = max((e.seq_nr for e in events), default=0)
        return Recovery(seq_nr=last, snapshot_seq_nr=None, replayed=len(events))

    ports.recover = faulty
    return ports
