"""Stores that a kill, a torn write, an I/O error, a loss of power or damage brings down.

All are built of `storage.sound`, which passes every test of the tier, with one
thing changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from eventstore_reference.recovery import recover as recover_soundly
from mutants import registry
from mutants.storage import (
    ArchivingLog,
    FileSnapshots,
    LineLog,
    SqliteCounter,
    ports,
    sound,
    write_whole,
)
from pytest_eventstore.ports import (
    SYSTEM_CUTOVER,
    AppendResult,
    CutoverResult,
    Event,
    LoadResult,
    Ports,
    Projection,
    Recovery,
    instant,
)

Factory = Callable[[Path], Ports]


def mutant(fails: str, *companions: str, message: str) -> Callable[[Factory], Factory]:
    """Enter a mutant of this tier."""
    return registry.mutant(fails=fails, companions=companions, message=message, tier="f")


# -- killed ------------------------------------------------------------------------------------


class _BufferedLog(LineLog):
    """Hands the lines over when it is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._held: list[bytes] = []

    def _add(self, line: bytes) -> None:
        self._held.append(line)

    def close(self) -> None:
        held, self._held = self._held, []
        for line in held:
            super()._add(line)


@mutant("CRA-01", "CRA-02", message="which was acknowledged")
def acknowledged_before_written(location: Path) -> Ports:
    """A process that is killed takes what it buffered with it."""
    return ports(location, log=_BufferedLog(location / "log"))


class _ClumsyRepair(LineLog):
    """Writes each line in two calls, and repairs a torn one by writing the whole file anew."""

    def _write(self, fd: int, line: bytes) -> None:
        write_whole(fd, line[:-1])
        write_whole(fd, line[-1:])

    def _repair(self, fd: int, data: bytes) -> None:
        os.ftruncate(fd, 0)
        write_whole(fd, data)


@mutant("CRA-01", message="which was acknowledged")
def repair_that_must_not_be_interrupted(location: Path) -> Ports:
    """Killed while it repairs, it has lost what it was about to write back."""
    return ports(location, log=_ClumsyRepair(location / "log"))


class _DailyLog:
    """A file for each day, and nothing that says which lines belong together."""

    def __init__(self, location: Path) -> None:
        self._location = location

    def _logs(self) -> list[LineLog]:
        return [LineLog(path) for path in sorted(self._location.glob("*.day"))]

    def append(self, *events: Event) -> AppendResult:
        days: dict[str, list[Event]] = {}
        for event in events:
            days.setdefault(f"{event.timestamp:%Y-%m-%d}", []).append(event)
        written = 0
        for day, its in days.items():
            log = LineLog(self._location / f"{day}.day")
            written += log.append(*its).bytes_written
        return AppendResult(bytes_written=written)

    def load_all(self) -> LoadResult:
        found = [e for log in self._logs() for e in log.load_all().events]
        return LoadResult(events=sorted(found, key=lambda e: instant(e.timestamp)))

    def load_since(self, after: Any) -> LoadResult:
        later = [e for e in self.load_all().events if instant(e.timestamp) > instant(after)]
        return LoadResult(events=later)

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        numbered = [e for e in self.load_all().events if e.seq_nr > after_seq_nr]
        return LoadResult(events=sorted(numbered, key=lambda e: e.seq_nr))

    def latest_seq_nr(self) -> int:
        return max((e.seq_nr for e in self.load_after_seq_nr(0).events), default=0)


@mutant("APP-03", message="whole or not at all")
def batch_over_files_unprotected(location: Path) -> Ports:
    """A batch over several days is as many writes."""
    store: Any = _DailyLog(location)
    return ports(location, log=store)


@mutant("CUT-03", message="cutover")
def cutover_flag_before_event(location: Path) -> Ports:
    """Done is read off the counter, which moves first."""
    opened = sound(location)
    assert opened.seq_allocator is not None
    counter, store, snapshots = opened.seq_allocator, opened.event_store, opened.snapshot_store
    assert snapshots is not None

    def cutover(aggregate_type: str) -> CutoverResult:
        if counter.latest_seq_nr() >= 1:
            return CutoverResult(already_done=True)
        before = store.load_all().events
        snapshots.save(aggregate_type, 0, b"null")
        number = counter.alloc_seq_nr()
        data: Any = {"pre_cutover_event_count": len(before), "aggregate_type": aggregate_type}
        last = before[-1].timestamp
        store.append(
            Event(id="cutover", type=SYSTEM_CUTOVER, timestamp=last, data=data, seq_nr=number)
        )
        return CutoverResult(already_done=False, event_count=len(before), cutover_seq_nr=number)

    opened.cutover = cutover
    return opened


@mutant("SNP-05", message="the snapshot")
def snapshot_in_place(location: Path) -> Ports:
    """For a while it is neither old nor new."""
    return ports(location, snapshots=FileSnapshots(location, how="in place"))


@mutant("SNP-05", message="no snapshot")
def snapshot_removed_first(location: Path) -> Ports:
    """For a while there is none."""
    return ports(location, snapshots=FileSnapshots(location, how="unlink first"))


@mutant("SNP-05", message="as many files after each round")
def temporary_files_that_pile_up(location: Path) -> Ports:
    """Each save has a temporary file of its own name."""
    return ports(location, snapshots=FileSnapshots(location, tidy=False))


class _HastyArchive(ArchivingLog):
    """Takes the events out of the log, and then puts them into the archive."""

    def archive(self, events: list[Event], rest: list[list[Event]]) -> None:
        self._replace(rest)
        self._keep(events)


@mutant("ARC-01", message="missing")
def log_cut_before_archive_written(location: Path) -> Ports:
    """Killed in between, it has the events nowhere."""
    return sound(location, log=_HastyArchive(location / "log"))


# -- torn --------------------------------------------------------------------------------------


@mutant("CRA-02", "CRA-01", "CRA-05", message="missing: probe-appended")
def torn_tail_not_repaired(location: Path) -> Ports:
    """Skipped when reading, it swallows the next line."""
    return ports(location, log=LineLog(location / "log", tail="skip"))


class _UncountedLog(LineLog):
    """Takes it that a write writes all."""

    def _write(self, fd: int, line: bytes) -> None:
        os.write(fd, line)


@mutant("CRA-05", "CRA-02", "CRA-01", message="which was acknowledged")
def short_write_ignored(location: Path) -> Ports:
    """What did not fit is acknowledged all the same."""
    return ports(location, log=_UncountedLog(location / "log"))


# -- refused -----------------------------------------------------------------------------------


class _CheerfulLog(LineLog):
    """Sees no evil."""

    def _add(self, line: bytes) -> None:
        with suppress(OSError):
            super()._add(line)


@mutant("CRA-05", "APP-03", message="which was acknowledged")
def full_disk_swallowed(location: Path) -> Ports:
    """An append that failed is acknowledged."""
    return ports(location, log=_CheerfulLog(location / "log"))


class _StubbornLog(LineLog):
    """Asks once more."""

    def _sync(self, fd: int) -> None:
        try:
            os.fsync(fd)
        except OSError:
            os.fsync(fd)


@mutant("CRA-05", message="which was acknowledged")
def failed_sync_retried(location: Path) -> Ports:
    """The second sync finds nothing to do, and says ok."""
    return ports(location, log=_StubbornLog(location / "log"))


# -- power lost --------------------------------------------------------------------------------


class _TardyLog(LineLog):
    """Syncs what is already acknowledged."""

    def _sync(self, fd: int) -> None:
        """Later, when it closes."""

    def close(self) -> None:
        with suppress(FileNotFoundError):
            fd = os.open(self.path, os.O_RDWR)
            os.fsync(fd)
            os.close(fd)


@mutant("CRA-03", "CRA-06", message="which was acknowledged")
def synced_after_acknowledging(location: Path) -> Ports:
    """Whoever pulls the plug in between has an answer and no event."""
    return ports(location, log=_TardyLog(location / "log"))


class _NamelessLog(LineLog):
    """Leaves the directory to itself."""

    def _sync_name(self) -> None:
        """Not at all."""


@mutant("CRA-06", "CRA-03", message="which was acknowledged")
def new_file_without_directory_sync(location: Path) -> Ports:
    """The file is synced, and its name is not."""
    return ports(location, log=_NamelessLog(location / "log"))


@mutant("CRA-06", "CRA-03", message="snapshot 'first' of number 1")
def rename_without_directory_sync(location: Path) -> Ports:
    """The new snapshot may have its old name again."""
    return ports(location, snapshots=FileSnapshots(location, sync_names=False))


@mutant("SEQ-03", message="to give a number above")
def counter_in_normal_mode(location: Path) -> Ports:
    """A WAL that is not synced at each commit rolls back."""
    counter = SqliteCounter(location / "seq.db", synchronous="NORMAL")
    return ports(location, counter=counter)


# -- damaged -----------------------------------------------------------------------------------


class _TrustingRecorder:
    """Takes each number as it comes."""

    def __init__(self, opened: Ports, session_id: str) -> None:
        self._opened = opened
        self._session_id = session_id

    def record(self, event: Event) -> Event:
        counter, lock = self._opened.seq_allocator, self._opened.lock
        assert counter is not None
        assert lock is not None
        with lock:
            number = counter.alloc_seq_nr()
            stored = replace(event, seq_nr=number, session_id=self._session_id)
            self._opened.event_store.append(stored)
        return stored


@mutant("SEQ-03", message="the highest in the store")
def lost_counter_begins_anew(location: Path) -> Ports:
    """The counter is trusted without a look at the log."""
    opened = sound(location, counter=SqliteCounter(location / "seq.db"))
    opened.recorder = lambda session_id: _TrustingRecorder(opened, session_id)
    return opened


@mutant("SNP-06", message="load to raise")
def damaged_snapshot_returned(location: Path) -> Ports:
    """Nothing is checked."""
    return ports(location, snapshots=FileSnapshots(location, check=False))


@mutant("CRA-04", message="load_all gives Event")
def damaged_log_believed(location: Path) -> Ports:
    """What still parses is taken for an event."""
    return ports(location, log=LineLog(location / "log", check=False))


@mutant("SNP-09", message="the state of all events, or an error")
def recovery_from_partial_state(location: Path) -> Ports:
    """Without a snapshot it goes on from where it believes the snapshot to be."""
    opened = sound(location)

    def recover(projection: Projection, aggregate_type: str) -> Recovery:
        try:
            snapshots = opened.snapshot_store
            assert snapshots is not None
            snapshot = snapshots.load(aggregate_type)
        except Exception:
            return _go_on(opened, projection)
        if snapshot is None:
            return _go_on(opened, projection)
        return recover_soundly(projection, opened, aggregate_type)

    opened.recover = recover
    return opened


def _go_on(opened: Ports, projection: Projection) -> Recovery:
    events = opened.event_store.load_after_seq_nr(3).events
    for event in events:
        projection.apply(event)
    return Recovery(
        seq_nr=events[-1].seq_nr, snapshot_seq_nr=None, replayed=len(events), fell_back="damage"
    )
