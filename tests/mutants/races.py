"""Adapters that lose races among threads and processes, for the stress of the suite.

They are the SQLite adapter of the tests with one port replaced. Those whose
fault lies between two system calls are in `mutants.frozen`.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from adapters import sqlite_tables
from eventstore_reference import SessionRecorder, run_cutover
from mutants.frozen import Counter
from mutants.registry import mutant
from mutants.storage import FileSnapshots
from pytest_eventstore.ports import (
    SYSTEM_CUTOVER,
    AppendResult,
    CutoverResult,
    Event,
    LoadResult,
    Ports,
    Recorder,
)

ONLY_FROZEN = {
    "completes_a_dead_recorders_event_too_late": "needs a death between two given calls",
    "holds_a_lease_that_runs_out": "needs a stop that is longer than the lease",
    "notes_what_is_legacy_after_the_cutover": "needs a record between two given calls",
    "leaves_its_lock_behind": "takes the whole time that others may be blocked",
}
"""Mutants of `mutants.frozen` that stress is not held to, and why."""


def _counting(counter: type[Counter], location: Path) -> Ports:
    ports = sqlite_tables.open_ports(location)
    ports.seq_allocator = counter(location)
    return ports


@mutant(fails="SEQ-02", message="number", tier="c")
def reads_then_writes_the_counter(location: Path) -> Ports:
    class ReadThenWrite(Counter):
        def alloc_seq_nr(self) -> int:
            number = self.latest_seq_nr() + 1
            self.set(number)
            return number

    return _counting(ReadThenWrite, location)


@mutant(fails="SEQ-02", message="number", tier="c")
def takes_the_highest_plus_one(location: Path) -> Ports:
    class HighestPlusOne(Counter):
        def alloc_seq_nr(self) -> int:
            self.database.execute("CREATE TABLE IF NOT EXISTS taken (number INTEGER)")
            number = self.latest_seq_nr() + 1
            self.database.execute("INSERT INTO taken VALUES (?)", (number,))
            return number

        def latest_seq_nr(self) -> int:
            self.database.execute("CREATE TABLE IF NOT EXISTS taken (number INTEGER)")
            return int(self.database.execute("SELECT MAX(number) FROM taken").fetchone()[0] or 0)

    return _counting(HighestPlusOne, location)


@mutant(fails="SEQ-02", message="number", tier="c")
def starts_the_counter_twice(location: Path) -> Ports:
    class FirstUse(Counter):
        def alloc_seq_nr(self) -> int:
            if not self.path.exists():
                self.path.write_text("0")
            with open(self.path, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                number = int(file.read() or 0) + 1
                file.seek(0)
                file.write(b"%d" % number)
            return number

        def latest_seq_nr(self) -> int:
            return self.read_file()

    return _counting(FirstUse, location)


@mutant(fails="SEQ-06", message="never fails at once", tier="c")
def does_not_wait_for_the_counter(location: Path) -> Ports:
    class Impatient(Counter):
        def __init__(self, location: Path) -> None:
            super().__init__(location)
            self.database.execute("PRAGMA busy_timeout = 0")

    return _counting(Impatient, location)


@mutant(fails="SEQ-07", message="number", tier="c")
def shares_its_lock_with_a_forked_child(location: Path) -> Ports:
    """The lock belongs to the open file, which a child of a fork has in common with its parent."""

    class OneDescriptor(Counter):
        def __init__(self, location: Path) -> None:
            super().__init__(location)
            self.file = os.open(self.path, os.O_RDWR | os.O_CREAT)
            self.guard = threading.Lock()

        def alloc_seq_nr(self) -> int:
            with self.guard:
                fcntl.flock(self.file, fcntl.LOCK_EX)
                number = int(os.pread(self.file, 20, 0) or 0) + 1
                os.ftruncate(self.file, 0)
                os.pwrite(self.file, b"%d" % number, 0)
                os.fdatasync(self.file)
                fcntl.flock(self.file, fcntl.LOCK_UN)
            return number

        def latest_seq_nr(self) -> int:
            return self.read_file()

        def close(self) -> None:
            super().close()
            os.close(self.file)

    return _counting(OneDescriptor, location)


@mutant(fails="CON-03", companions=("CON-05", "CON-07"), message="number", tier="c")
def locks_out_only_its_own_threads(location: Path) -> Ports:
    ports = sqlite_tables.open_ports(location)
    ports.lock = threading.RLock()
    return ports


@mutant(fails="CON-07", message="number", tier="c")
def draws_the_numbers_of_a_batch_without_a_lock(location: Path) -> Ports:
    ports = sqlite_tables.open_ports(location)
    locked = replace(ports)
    ports.recorder = lambda session_id: SessionRecorder.over(locked, session_id)
    ports.lock = threading.RLock()
    return ports


class _LineLog:
    """A file of lines, appended to under a lock; what cannot be read is passed over."""

    def __init__(self, location: Path) -> None:
        self.path = location / "log.jsonl"
        self.lock = FileLock(location / "log.lock", timeout=60)

    def append(self, *events: Event) -> AppendResult:
        lines = b"".join(event.to_json_line().encode() + b"\n" for event in events)
        with self.lock:
            self.write(lines)
        return AppendResult(bytes_written=len(lines))

    def write(self, lines: bytes) -> None:
        with open(self.path, "ab") as file:
            file.write(lines)

    def load_all(self) -> LoadResult:
        events = []
        for line in self.path.read_bytes().splitlines() if self.path.exists() else []:
            try:
                events.append(Event.from_json_line(line))
            except ValueError:
                continue
        return LoadResult(events=sorted(events, key=lambda event: event.timestamp))


def _logging(log: type[_LineLog], location: Path) -> Ports:
    class Logging(sqlite_tables.TableEventStore):
        lines = log(location)
        append = lines.append
        load_all = lines.load_all

    ports = sqlite_tables.open_ports(location)
    ports.event_store = Logging(ports.event_store._database)  # type: ignore[attr-defined]
    return ports


@mutant(fails="CON-08", companions=("CON-02",), message="is missing in", tier="c")
def tears_long_lines(location: Path) -> Ports:
    class InPieces(_LineLog):
        def append(self, *events: Event) -> AppendResult:
            lines = b"".join(event.to_json_line().encode() + b"\n" for event in events)
            with open(self.path, "ab", buffering=0) as file:
                file.writelines(lines[at : at + 4096] for at in range(0, len(lines), 4096))
            return AppendResult(bytes_written=len(lines))

    return _logging(InPieces, location)


@mutant(fails="CON-01", companions=("CON-02", "CON-08", "ORD-05"), message="append", tier="c")
def rewrites_the_log(location: Path) -> Ports:
    class Rewriting(_LineLog):
        def append(self, *events: Event) -> AppendResult:
            lines = [event.to_json_line() for event in (*self.load_all().events, *events)]
            temporary = self.path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
            temporary.write_text("".join(line + "\n" for line in lines))
            temporary.rename(self.path)
            return AppendResult(bytes_written=1)

    return _logging(Rewriting, location)


@mutant(fails="CON-04", companions=("ORD-05",), message="given", tier="c")
def keeps_a_tail_that_others_append_to(location: Path) -> Ports:
    class Cached(sqlite_tables.TableEventStore):
        tail: list[Event] | None = None

        def append(self, *events: Event) -> AppendResult:
            result = super().append(*events)
            if self.tail is not None:
                self.tail = [*self.tail, *events]
            return result

        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            if self.tail is None:
                self.tail = list(super().load_after_seq_nr(0).events)
            return LoadResult(events=[e for e in self.tail if e.seq_nr > after_seq_nr])

    ports = sqlite_tables.open_ports(location)
    ports.event_store = Cached(ports.event_store._database)  # type: ignore[attr-defined]
    return ports


@mutant(fails="REC-04", message="names the one before it", tier="c")
def looks_for_the_cause_before_it_locks(location: Path) -> Ports:
    class Early:
        def __init__(self, session_id: str) -> None:
            self.session_id = session_id

        def record(self, event: Event) -> Event:
            assert ports.seq_allocator is not None
            assert ports.lock is not None
            mine = [
                e
                for e in ports.event_store.load_after_seq_nr(0).events
                if e.session_id == self.session_id
            ]
            with guard, ports.lock:
                stored = replace(
                    event,
                    session_id=self.session_id,
                    correlation_id=self.session_id,
                    causation_id=mine[-1].id if mine else "",
                    seq_nr=ports.seq_allocator.alloc_seq_nr(),
                )
                ports.event_store.append(stored)
            return stored

    def recorder(session_id: str) -> Recorder:
        return Early(session_id)

    guard = threading.Lock()
    ports = sqlite_tables.open_ports(location)
    ports.recorder = recorder
    return ports


@mutant(fails="SNP-05", message="grows", tier="c")
def leaves_a_file_of_every_killed_save(location: Path) -> Ports:
    class Locked(FileSnapshots):
        lock = FileLock(location / "snapshots.lock", timeout=60)

        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            with self.lock:
                super().save(aggregate_type, seq_nr, state)

    ports = sqlite_tables.open_ports(location)
    ports.snapshot_store = Locked(location, tidy=False)
    return ports


@mutant(fails="CUT-07", message="from the cutover event on", tier="c")
def takes_for_legacy_what_came_during_the_cutover(location: Path) -> Ports:
    """Lists the legacy events once the cutover is done, and takes its time about it."""
    listed = location / "legacy"

    class Reading(sqlite_tables.TableEventStore):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            legacy = listed.read_text().split() if listed.exists() else []
            found = super().load_after_seq_nr(after_seq_nr).events
            return LoadResult(events=[event for event in found if event.id not in legacy])

    def cutover(kind: str) -> CutoverResult:
        result = run_cutover(ports, kind)
        if not result.already_done:
            time.sleep(0.1)
            events = ports.event_store.load_all().events
            listed.write_text(" ".join(e.id for e in events if e.type != SYSTEM_CUTOVER))
        return result

    ports = sqlite_tables.open_ports(location)
    ports.event_store = Reading(ports.event_store._database)  # type: ignore[attr-defined]
    ports.cutover = cutover
    return ports
