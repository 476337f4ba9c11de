"""Adapters that lose one race each, decided between two system calls: for the freeze sweep.

They are the SQLite adapter of the tests with one port replaced.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters import sqlite_tables
from eventstore_reference import SessionRecorder, run_cutover
from mutants.registry import mutant
from pytest_eventstore.ports import (
    SYSTEM_CUTOVER,
    AppendResult,
    CorruptionError,
    CutoverResult,
    Event,
    LoadResult,
    Ports,
    Snapshot,
)


class Counter:
    """A number in a table, or in a file, that a mutant moves in its own wrong way."""

    def __init__(self, location: Path) -> None:
        self.location = location
        self.path = location / "counter"
        self.database = sqlite3.connect(
            location / "counter.db", timeout=60, isolation_level=None, check_same_thread=False
        )
        if not self.database.execute("SELECT 1 FROM sqlite_master").fetchone():
            self.database.execute("BEGIN EXCLUSIVE")
            self.database.execute("CREATE TABLE IF NOT EXISTS counter (latest INTEGER)")
            self.database.execute(
                "INSERT INTO counter SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counter)"
            )
            self.database.execute("COMMIT")

    def alloc_seq_nr(self) -> int:
        with self.transaction():
            self.set(self.latest_seq_nr() + 1)
            return self.latest_seq_nr()

    def latest_seq_nr(self) -> int:
        return int(self.database.execute("SELECT latest FROM counter").fetchone()[0])

    def initialize_at(self, start_at: int) -> None:
        with self.transaction():
            self.set(max(self.latest_seq_nr(), start_at))

    def set(self, number: int) -> None:
        self.database.execute("UPDATE counter SET latest = ?", (number,))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.database.execute("BEGIN IMMEDIATE")
        yield
        self.database.execute("COMMIT")

    def read_file(self) -> int:
        try:
            return int(self.path.read_text() or 0)
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        self.database.close()


def _counting(counter: type[Counter], location: Path) -> Ports:
    ports = sqlite_tables.open_ports(location)
    ports.seq_allocator = counter(location)
    return ports


def counts_in_one_statement(location: Path) -> Ports:
    """Without a fault: one statement moves the counter and returns it."""

    class Returning(Counter):
        def alloc_seq_nr(self) -> int:
            query = "UPDATE counter SET latest = latest + 1 RETURNING latest"
            return int(self.database.execute(query).fetchall()[0][0])

    return _counting(Returning, location)


def counts_in_a_transaction(location: Path) -> Ports:
    """Without a fault: the lock is taken before the counter is read."""
    return _counting(Counter, location)


@mutant(fails="SEQ-02", message="handed out once", tier="c")
def increments_then_selects(location: Path) -> Ports:
    class IncrementThenSelect(Counter):
        def alloc_seq_nr(self) -> int:
            self.database.execute("UPDATE counter SET latest = latest + 1")
            return self.latest_seq_nr()

    return _counting(IncrementThenSelect, location)


@mutant(fails="SEQ-02", message="handed out once", tier="c")
def unlocks_before_the_flush(location: Path) -> Ports:
    class LateFlush(Counter):
        def alloc_seq_nr(self) -> int:
            with open(self.path, "a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                number = int(file.read() or 0) + 1
                file.truncate(0)
                file.write(b"%d" % number)
                fcntl.flock(file, fcntl.LOCK_UN)
            return number

        def latest_seq_nr(self) -> int:
            return self.read_file()

    return _counting(LateFlush, location)


@mutant(fails="SEQ-02", message="handed out once", tier="c")
def replaces_the_file_whole_but_reads_it_before(location: Path) -> Ports:
    class AtomicRename(Counter):
        def alloc_seq_nr(self) -> int:
            number = self.read_file() + 1
            temporary = self.path.with_suffix(f".{os.getpid()}")
            temporary.write_text(str(number))
            temporary.rename(self.path)
            return number

        def latest_seq_nr(self) -> int:
            return self.read_file()

    return _counting(AtomicRename, location)


@mutant(fails="SEQ-02", message="gets the higher number", tier="c")
def takes_numbers_in_blocks(location: Path) -> Ports:
    class InBlocks(Counter):
        numbers: Iterator[int] = iter(())

        def alloc_seq_nr(self) -> int:
            number = next(self.numbers, None)
            if number is None:
                with self.transaction():
                    latest = self.latest_seq_nr()
                    self.set(latest + 10)
                number = latest + 1
                self.numbers = iter(range(latest + 2, latest + 11))
            return number

    return _counting(InBlocks, location)


@mutant(fails="SEQ-04", message="handed out once", tier="c")
def initializes_what_it_read_before(location: Path) -> Ports:
    class CheckThenSet(Counter):
        def initialize_at(self, start_at: int) -> None:
            if self.latest_seq_nr() < start_at:
                self.set(start_at)

    return _counting(CheckThenSet, location)


class _RewrittenLog:
    """A log in one file, which every append writes anew; safe under a lock only."""

    def __init__(self, location: Path) -> None:
        self.path = location / "log.jsonl"

    def append(self, *events: Event) -> AppendResult:
        lines = [event.to_json_line() for event in (*self.load_all().events, *events)]
        temporary = self.path.with_suffix(f".{os.getpid()}")
        temporary.write_text("\n".join(lines))
        temporary.rename(self.path)
        return AppendResult(bytes_written=len(lines[-1]))

    def load_all(self) -> LoadResult:
        text = self.path.read_text() if self.path.exists() else ""
        events = [Event.from_json_line(line) for line in text.splitlines()]
        return LoadResult(events=tuple(sorted(events, key=lambda event: event.timestamp)))

    def load_since(self, after: datetime) -> LoadResult:
        return LoadResult(events=tuple(e for e in self.load_all().events if e.timestamp > after))

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        numbered = [e for e in self.load_all().events if e.seq_nr > after_seq_nr]
        return LoadResult(events=tuple(sorted(numbered, key=lambda event: event.seq_nr)))

    def latest_seq_nr(self) -> int:
        return max((event.seq_nr for event in self.load_all().events), default=0)


def _recording(record: Callable[[Ports, str, Event], Event], location: Path) -> Ports:
    class Recorder:
        def __init__(self, session_id: str) -> None:
            self.session_id = session_id

        def record(self, event: Event) -> Event:
            return record(ports, self.session_id, event)

    ports = sqlite_tables.open_ports(location)
    ports.recorder = Recorder
    return ports


@mutant(fails="CON-03", message="number", tier="c")
def allocates_before_it_locks(location: Path) -> Ports:
    def record(ports: Ports, session_id: str, event: Event) -> Event:
        assert ports.seq_allocator is not None
        assert ports.lock is not None
        number = ports.seq_allocator.alloc_seq_nr()
        with ports.lock:
            stored = replace(event, session_id=session_id, seq_nr=number)
            ports.event_store.append(stored)
        return stored

    return _recording(record, location)


@mutant(fails="CON-03", message="number", tier="c")
def completes_a_dead_recorders_event_too_late(location: Path) -> Ports:
    def record(ports: Ports, session_id: str, event: Event) -> Event:
        assert ports.seq_allocator is not None
        assert ports.lock is not None
        pending = location / f"{os.getpid()}.pending"
        with ports.lock:
            number = ports.seq_allocator.alloc_seq_nr()
            stored = replace(event, session_id=session_id, seq_nr=number)
            pending.write_text(stored.to_json_line())
            ports.event_store.append(stored)
            pending.unlink()
        return stored

    ports = _recording(record, location)
    for pending in location.glob("*.pending"):
        if line := pending.read_text():
            ports.event_store.append(Event.from_json_line(line))
        pending.unlink()
    return ports


@mutant(fails="CON-05", message="number", tier="c")
def holds_a_lease_that_runs_out(location: Path) -> Ports:
    lease = location / "lease"

    @contextmanager
    def leased() -> Iterator[None]:
        while True:
            try:
                os.close(os.open(lease, os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                try:
                    if time.time() - lease.stat().st_mtime > 0.25:
                        lease.unlink()
                except FileNotFoundError:
                    continue
                time.sleep(0.01)
        yield
        lease.unlink(missing_ok=True)

    def record(ports: Ports, session_id: str, event: Event) -> Event:
        assert ports.seq_allocator is not None
        with leased():
            number = ports.seq_allocator.alloc_seq_nr()
            stored = replace(event, session_id=session_id, seq_nr=number)
            ports.event_store.append(stored)
        return stored

    ports = _recording(record, location)
    ports.event_store = _RewrittenLog(location)
    return ports


@mutant(fails="CON-06", message="blocks the others", tier="c")
def leaves_its_lock_behind(location: Path) -> Ports:
    lock = location / "lock-that-exists"

    @contextmanager
    def existing() -> Iterator[None]:
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                time.sleep(0.01)
        try:
            yield
        finally:
            lock.unlink()

    def record(ports: Ports, session_id: str, event: Event) -> Event:
        with existing():
            bare = replace(ports, lock=nullcontext())
            return SessionRecorder.over(bare, session_id).record(event)

    return _recording(record, location)


class _Snapshots:
    """One file a type, replaced by rename, with the number in its first line."""

    def __init__(self, location: Path) -> None:
        self.location = location

    def path(self, aggregate_type: str) -> Path:
        return self.location / f"{aggregate_type}.snapshot"

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        stored = self.load(aggregate_type)
        if stored is None or stored.seq_nr <= seq_nr:
            self.write(aggregate_type, b"%d\n%b" % (seq_nr, state))

    def write(self, aggregate_type: str, data: bytes) -> None:
        temporary = self.location / f"{aggregate_type}.{os.getpid()}"
        temporary.write_bytes(data)
        temporary.rename(self.path(aggregate_type))

    def load(self, aggregate_type: str) -> Snapshot | None:
        try:
            number, _, state = self.path(aggregate_type).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if not number:
            raise CorruptionError("the snapshot has no number")
        return Snapshot(aggregate_type=aggregate_type, seq_nr=int(number), state=state)


@mutant(fails="SNP-03", message="never replaces", tier="c")
def checks_the_snapshot_then_replaces_it(location: Path) -> Ports:
    ports = sqlite_tables.open_ports(location)
    ports.snapshot_store = _Snapshots(location)
    return ports


@mutant(fails="SNP-05", companions=("SNP-03",), message="whole", tier="c")
def writes_the_snapshot_in_place(location: Path) -> Ports:
    class InPlace(_Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            with open(self.location / "snapshot.lock", "wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                super().save(aggregate_type, seq_nr, state)

        def write(self, aggregate_type: str, data: bytes) -> None:
            path = self.path(aggregate_type)
            with open(path, "r+b" if path.exists() else "wb", buffering=0) as file:
                half = len(data) // 2
                file.write(data[:half])
                file.write(data[half:])
                file.truncate()

    ports = sqlite_tables.open_ports(location)
    ports.snapshot_store = InPlace(location)
    return ports


@mutant(fails="CUT-02", message="exactly one", tier="c")
def checks_for_the_cutover_then_runs_it(location: Path) -> Ports:
    ports = sqlite_tables.open_ports(location)
    ports.cutover = lambda kind: run_cutover(replace(ports, lock=None), kind)
    return ports


@mutant(fails="CUT-02", message="returns normally", tier="c")
def raises_when_another_runs_the_cutover(location: Path) -> Ports:
    marker = location / "cutover.running"

    def cutover(kind: str) -> CutoverResult:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        try:
            return run_cutover(ports, kind)
        finally:
            marker.unlink()

    ports = sqlite_tables.open_ports(location)
    ports.cutover = cutover
    return ports


@mutant(fails="CUT-07", message="from the cutover event on", tier="c")
def notes_what_is_legacy_after_the_cutover(location: Path) -> Ports:
    legacy = location / "legacy"

    class Reading(sqlite_tables.TableEventStore):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            found = super().load_after_seq_nr(after_seq_nr)
            known = legacy.read_text() if legacy.exists() else ""
            return LoadResult(events=tuple(e for e in found.events if e.id not in known.split()))

    def cutover(kind: str) -> CutoverResult:
        result = run_cutover(ports, kind)
        if not result.already_done:
            with legacy.open("w") as file:
                events = ports.event_store.load_all().events
                file.write(" ".join(e.id for e in events if e.type != SYSTEM_CUTOVER))
        return result

    ports = sqlite_tables.open_ports(location)
    ports.event_store = Reading(ports.event_store._database)  # type: ignore[attr-defined]
    ports.cutover = cutover
    return ports


def _appending(append: Callable[[Any, tuple[Event, ...]], AppendResult], location: Path) -> Ports:
    class Appending(sqlite_tables.TableEventStore):
        def append(self, *events: Event) -> AppendResult:
            return append(super(), events)

    ports = sqlite_tables.open_ports(location)
    ports.event_store = Appending(ports.event_store._database)  # type: ignore[attr-defined]
    return ports


@mutant(fails="ORD-05", message="batch", tier="c")
def stores_a_batch_event_by_event(location: Path) -> Ports:
    def append(store: Any, events: tuple[Event, ...]) -> AppendResult:
        written = sum(store.append(event).bytes_written for event in events)
        return AppendResult(bytes_written=written)

    return _appending(append, location)


@mutant(fails="CON-02", message="append", tier="c")
def rewrites_the_file_with_what_it_read(location: Path) -> Ports:
    ports = sqlite_tables.open_ports(location)
    ports.event_store = _RewrittenLog(location)
    return ports
