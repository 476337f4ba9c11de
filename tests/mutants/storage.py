"""Small stores made of few system calls, each with one switch that makes it wrong.

With every switch at its default a store is correct, so that what a test of the
lab finds is due to the switch alone.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock

from pytest_eventstore.ports import (
    SYSTEM_CUTOVER,
    AppendResult,
    ArchiveResult,
    Capabilities,
    CorruptionError,
    Event,
    LoadResult,
    Ports,
    Snapshot,
    check_aware,
    check_seq_nr,
    instant,
)


def sync_directory(path: str) -> None:
    """Make a directory's entries durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_whole(fd: int, data: bytes) -> None:
    """Write all the bytes, however many calls it takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


Tail = Literal["repair", "skip", "raise"]


class LineLog:
    """A log of one checked line for each batch; what is torn at its end is cut off.

    Args:
        path: The file.
        tail: What becomes of a torn last line: cut off before the next append,
            skipped on reading only, or an error.
        sync: Whether a batch is synced before it is acknowledged.
        check: Whether a damaged line is noticed.
    """

    def __init__(
        self, path: Path, *, tail: Tail = "repair", sync: bool = True, check: bool = True
    ) -> None:
        self.path = os.fspath(path)
        self.tail = tail
        self.sync = sync
        self.check = check

    def append(self, *events: Event) -> AppendResult:
        for event in events:
            event.validate()
        if not events:
            return AppendResult(bytes_written=0)
        body = json.dumps([e.to_json_object() for e in events]).encode()
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        self._add(line)
        return AppendResult(bytes_written=len(line))

    def _add(self, line: bytes) -> None:
        fresh = not os.path.exists(self.path)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if self.tail == "repair":
                data = _content(fd)
                sound = self._sound(data)
                if len(data) != sound:
                    self._repair(fd, data[:sound])
            size = os.fstat(fd).st_size
            try:
                self._write(fd, line)
                if self.sync:
                    self._sync(fd)
            except OSError:
                os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)
        if fresh and self.sync:
            self._sync_name()

    def _write(self, fd: int, line: bytes) -> None:
        write_whole(fd, line)

    def _repair(self, fd: int, data: bytes) -> None:
        os.ftruncate(fd, len(data))

    def _sync(self, fd: int) -> None:
        os.fsync(fd)

    def _sync_name(self) -> None:
        sync_directory(os.path.dirname(self.path))

    def _sound(self, data: bytes) -> int:
        """Where the last line that was finished ends: only the end of a log can be torn."""
        end = len(data)
        while end:
            start = data.rfind(b"\n", 0, end - 1) + 1
            if data[end - 1 : end] == b"\n" and self._line(data[start : end - 1]) is not None:
                return end
            end = start
        return 0

    def _line(self, line: bytes) -> list[Event] | None:
        mark, _, body = line.partition(b" ")
        if self.check and mark != b"%08x" % zlib.crc32(body):
            return None
        try:
            return [Event.from_json_object(o) for o in json.loads(body)]
        except ValueError:
            return None

    def batches(self) -> tuple[list[list[Event]], int]:
        """Return the batches in the log, and how many lines are damaged."""
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return [], 0
        found, damaged = [], 0
        if self.tail == "repair":
            sound = self._sound(data)
            # Torn or damaged, who can tell; that something is there is said.
            damaged += sound < len(data)
            data = data[:sound]
        for line in data.split(b"\n"):
            events = self._line(line) if line else []
            if events is None:
                if self.tail == "raise":
                    raise CorruptionError("a line of the log is damaged")
                damaged += 1
            elif events:
                found.append(events)
        return found, damaged

    def load_all(self) -> LoadResult:
        batches, damaged = self.batches()
        events = sorted((e for b in batches for e in b), key=lambda e: instant(e.timestamp))
        return LoadResult(events=events, corrupt_line_count=damaged)

    def load_since(self, after: datetime) -> LoadResult:
        check_aware(after, "after")
        found = self.load_all()
        later = [e for e in found.events if instant(e.timestamp) > instant(after)]
        return LoadResult(events=later, corrupt_line_count=found.corrupt_line_count)

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        check_seq_nr(after_seq_nr, "after_seq_nr")
        batches, damaged = self.batches()
        events = [e for b in batches for e in b]
        for position, event in enumerate(events):
            if event.type == SYSTEM_CUTOVER:
                events = events[position:]
                break
        numbered = sorted((e for e in events if e.seq_nr > after_seq_nr), key=lambda e: e.seq_nr)
        return LoadResult(events=numbered, corrupt_line_count=damaged)

    def latest_seq_nr(self) -> int:
        return max((e.seq_nr for e in self.load_after_seq_nr(0).events), default=0)


def _content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


Replace = Literal["rename", "in place", "unlink first"]


class FileSnapshots:
    """A file for each aggregate type, replaced by renaming another over it.

    Args:
        location: Where the files are.
        sync_file: Whether the new file is synced before the rename.
        sync_names: Whether the directory is synced after it.
        how: The rename, or a way that is not atomic.
        check: Whether damage is noticed.
        tidy: Whether the temporary file has one name, or a new one each time.
    """

    def __init__(
        self,
        location: Path,
        *,
        sync_file: bool = True,
        sync_names: bool = True,
        how: Replace = "rename",
        check: bool = True,
        tidy: bool = True,
    ) -> None:
        self.location = os.fspath(location)
        self.sync_file = sync_file
        self.sync_names = sync_names
        self.how = how
        self.check = check
        self.tidy = tidy

    def _path(self, aggregate_type: str) -> str:
        return f"{self.location}/{aggregate_type.encode().hex()}.snapshot"

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        check_seq_nr(seq_nr, "snapshot seq_nr")
        path = self._path(aggregate_type)
        stored = self.load(aggregate_type) if os.path.exists(path) else None
        if stored is not None and stored.seq_nr > seq_nr:
            return
        body = b"%d %s" % (seq_nr, state)
        data = b"%08x %s" % (zlib.crc32(body), body)
        if self.how == "in place":
            self._write(path, data)
        else:
            spare = f"{path}.new" if self.tidy else f"{path}.{os.getpid()}.new"
            self._write(spare, data)
            if self.how == "unlink first" and stored is not None:
                os.unlink(path)
            os.rename(spare, path)
        if self.sync_names:
            sync_directory(self.location)

    def _write(self, path: str, data: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            write_whole(fd, data)
            if self.sync_file:
                os.fsync(fd)
        finally:
            os.close(fd)

    def all(self) -> list[Snapshot]:
        """Return every snapshot."""
        names = [n for n in os.listdir(self.location) if n.endswith(".snapshot")]
        types = [bytes.fromhex(n.removesuffix(".snapshot")).decode() for n in names]
        return [s for t in types if (s := self.load(t)) is not None]

    def load(self, aggregate_type: str) -> Snapshot | None:
        try:
            with open(self._path(aggregate_type), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return None
        mark, _, body = data.partition(b" ")
        number, _, state = body.partition(b" ")
        if self.check and mark != b"%08x" % zlib.crc32(body):
            raise CorruptionError(f"the snapshot of {aggregate_type!r} is damaged")
        return Snapshot(aggregate_type=aggregate_type, seq_nr=int(number), state=state)


class SqliteCounter:
    """A counter in a table of one row.

    Args:
        path: The database.
        journal: Its journal mode.
        synchronous: How far it syncs.
    """

    def __init__(self, path: Path, *, journal: str = "WAL", synchronous: str = "FULL") -> None:
        made = path.exists()
        self._connection: sqlite3.Connection = sqlite3.connect(path, isolation_level=None)
        # Where a sync fails SQLite may stay in another mode, and says no more than which.
        ((mode,),) = self._connection.execute(f"PRAGMA journal_mode = {journal}").fetchall()
        if mode != journal.lower():
            self._connection.close()
            raise sqlite3.OperationalError(f"the journal mode is {mode}, and not {journal}")
        self._connection.execute(f"PRAGMA synchronous = {synchronous}")
        if not made:
            sync_directory(os.fspath(path.parent))
        self._connection.executescript(
            "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS counter (one PRIMARY KEY, latest);"
            "INSERT OR IGNORE INTO counter VALUES (1, 0); COMMIT"
        )

    def alloc_seq_nr(self) -> int:
        (row,) = self._connection.execute(
            "UPDATE counter SET latest = latest + 1 RETURNING latest"
        ).fetchall()
        return int(row[0])

    def latest_seq_nr(self) -> int:
        return int(self._connection.execute("SELECT latest FROM counter").fetchone()[0])

    def initialize_at(self, start_at: int) -> None:
        check_seq_nr(start_at, "start_at")
        self._connection.execute("UPDATE counter SET latest = MAX(latest, ?)", (start_at,))

    def close(self) -> None:
        self._connection.close()


class StoreCounter(SqliteCounter):
    """A counter that never gives a number which stands in the store, though its file be lost."""

    def __init__(self, path: Path, log: LineLog) -> None:
        super().__init__(path)
        self._log = log

    def alloc_seq_nr(self) -> int:
        self.initialize_at(self._log.latest_seq_nr())
        return super().alloc_seq_nr()


class ArchivingLog(LineLog):
    """A log whose older events can be moved to a second file, where they are found as before."""

    def batches(self) -> tuple[list[list[Event]], int]:
        kept, damaged = LineLog(Path(f"{self.path}.archive")).batches()
        active, more = super().batches()
        known = {event.id for batch in kept for event in batch}
        fresh = [[e for e in batch if e.id not in known] for batch in active]
        return [*kept, *fresh], damaged + more

    def archive_below(self, number: int) -> int:
        """Move the events numbered below that; return how many they are."""
        active, _ = super().batches()
        known = {e.id for b in LineLog(Path(f"{self.path}.archive")).batches()[0] for e in b}
        moved = [e for batch in active for e in batch if 0 < e.seq_nr < number]
        if not moved:
            return 0
        rest = [[e for e in batch if not 0 < e.seq_nr < number] for batch in active]
        self.archive([e for e in moved if e.id not in known], rest)
        return len(moved)

    def archive(self, events: list[Event], rest: list[list[Event]]) -> None:
        self._keep(events)
        self._replace(rest)

    def _keep(self, events: list[Event]) -> None:
        LineLog(Path(f"{self.path}.archive")).append(*events)

    def _replace(self, batches: list[list[Event]]) -> None:
        spare = f"{self.path}.new"
        with suppress(FileNotFoundError):
            os.unlink(spare)
        for batch in batches:
            LineLog(Path(spare)).append(*batch)
        if not os.path.exists(spare):
            os.close(os.open(spare, os.O_WRONLY | os.O_CREAT, 0o644))
        os.rename(spare, self.path)
        self._sync_name()


def sound(
    location: Path, *, log: ArchivingLog | None = None, counter: SqliteCounter | None = None
) -> Ports:
    """Return every port, none with a fault."""
    log = log or ArchivingLog(location / "log")
    snapshots = FileSnapshots(location)
    counter = counter or StoreCounter(location / "seq.db", log)
    opened = ports(location, log=log, snapshots=snapshots, counter=counter)
    lock = opened.lock
    assert lock is not None

    def archive(before_seq_nr: int) -> ArchiveResult:
        with lock:
            covered = max((s.seq_nr for s in snapshots.all()), default=0)
            before = min(before_seq_nr, covered + 1)
            return ArchiveResult(archived_count=log.archive_below(before))

    opened.archive = archive
    return opened


def ports(
    location: Path,
    *,
    log: LineLog | None = None,
    snapshots: FileSnapshots | None = None,
    counter: SqliteCounter | None = None,
    capabilities: Capabilities | None = None,
) -> Ports:
    """Return ports of these stores; the log is the correct one where none is given."""
    return Ports(
        event_store=log or LineLog(location / "log"),
        snapshot_store=snapshots,
        seq_allocator=counter,
        lock=FileLock(location / "lock", timeout=30) if counter is not None else None,
        capabilities=capabilities or Capabilities(),
    )
