"""A correct adapter, built unlike the reference: tables of one SQLite database.

It brings no recorder and no cutover of its own, so the suite runs the
reference's over its lock and counter. The boundary of the cutover is the row id
of the cutover event.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from pytest_eventstore.ports import (
    MAX_SEQ_NR,
    SYSTEM_CUTOVER,
    AppendResult,
    ClosedError,
    CorruptionError,
    DuplicateEventError,
    Event,
    InvalidEventError,
    LoadResult,
    Ports,
    SeqNrExhaustedError,
    Snapshot,
    check_aware,
    check_seq_nr,
    format_timestamp,
    instant,
    parse_timestamp,
)

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, seq_nr INTEGER NOT NULL,
    micros INTEGER NOT NULL, type TEXT NOT NULL, timestamp TEXT NOT NULL, data TEXT NOT NULL,
    session_id TEXT NOT NULL, correlation_id TEXT NOT NULL, causation_id TEXT NOT NULL,
    aggregate_id TEXT NOT NULL, aggregate_type TEXT NOT NULL, schema_version INTEGER NOT NULL,
    digest BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS by_number ON events (seq_nr, micros, position);
CREATE INDEX IF NOT EXISTS by_time ON events (micros, position);
CREATE INDEX IF NOT EXISTS cutovers ON events (position) WHERE type = '{SYSTEM_CUTOVER}';
CREATE TABLE IF NOT EXISTS snapshots (
    aggregate_type TEXT PRIMARY KEY, seq_nr INTEGER NOT NULL, state BLOB NOT NULL,
    digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS counter (one INTEGER PRIMARY KEY, latest INTEGER NOT NULL);
INSERT OR IGNORE INTO counter VALUES (1, 0);
"""
COLUMNS = (
    *("id", "seq_nr", "micros", "type", "timestamp", "data", "session_id", "correlation_id"),
    *("causation_id", "aggregate_id", "aggregate_type", "schema_version"),
)
INSERT = f"INSERT INTO events ({', '.join(COLUMNS)}, digest) VALUES ({', '.join('?' * 13)})"
SELECT = f"SELECT {', '.join(COLUMNS)}, digest FROM events"
NUMBERED = (
    " WHERE seq_nr > ? AND position >="
    f" COALESCE((SELECT MIN(position) FROM events WHERE type = '{SYSTEM_CUTOVER}'), 0)"
)


def open_ports(location: Path) -> Ports:
    """Open the tables, which are made on first use."""
    database = Database(location)
    return Ports(
        event_store=TableEventStore(database),
        snapshot_store=TableSnapshotStore(database),
        seq_allocator=TableSeqAllocator(database),
        lock=FileLock(location / "lock", timeout=60),
    )


class Database:
    """One connection, used by one thread at a time, in the process that opened it."""

    def __init__(self, location: Path) -> None:
        self._path = location / "store.db"
        self._pid = os.getpid()
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = self._connect()

    def _connect(self) -> sqlite3.Connection:
        writable = os.access(self._path.parent, os.W_OK)
        # Nobody can write there, so SQLite need not make the files it locks with.
        uri = self._path.as_uri() + ("" if writable else "?mode=ro&immutable=1")
        connection = sqlite3.connect(
            uri, uri=True, timeout=60, isolation_level=None, check_same_thread=False
        )
        made = "SELECT 1 FROM sqlite_master WHERE name = 'counter'"
        if connection.execute(made).fetchone() is not None:
            # SQLite reads on past a blanked page of an index, as if its rows were not there.
            ((found, *_), *_) = connection.execute("PRAGMA integrity_check(1)").fetchall()
            if found != "ok":
                connection.close()
                raise CorruptionError(f"the database is damaged: {found}")
        if writable:
            connection.execute("PRAGMA synchronous = FULL")
            if connection.execute(made).fetchone() is None:
                # SQLite does not wait for its lock where it changes the journal mode.
                with FileLock(self._path.with_name("making.lock"), timeout=60):
                    ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
                    if mode != "wal":  # a failed sync is no error to this pragma
                        connection.close()
                        raise sqlite3.OperationalError(f"the journal mode stays {mode}")
                    connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to the calling thread alone."""
        with self._guard:
            if self._connection is None or os.getpid() != self._pid:
                raise ClosedError("the store was closed, or opened before a fork")
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction, which an error rolls back."""
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        with self._guard:
            if self._connection is not None and os.getpid() == self._pid:
                self._connection.close()
            self._connection = None


class TableEventStore:
    """The log, a row an event."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.close = database.close

    def append(self, *events: Event) -> AppendResult:
        rows = [_row(event) for event in events]
        written = 0
        if not rows:
            return AppendResult(bytes_written=0)
        with self._database.writing() as connection:
            for row in rows:
                stored = connection.execute(f"{SELECT} WHERE id = ?", row[:1]).fetchone()
                if stored is None:
                    connection.execute(INSERT, (*row, _digest(row)))
                    written += sum(len(str(value)) for value in row)
                elif _content(stored[:-1]) != _content(row):
                    raise DuplicateEventError(f"{row[0]!r} is stored with other content")
        return AppendResult(bytes_written=written)

    def load_all(self) -> LoadResult:
        return self._load("ORDER BY micros, position")

    def load_since(self, after: datetime) -> LoadResult:
        check_aware(after, "after")
        return self._load("WHERE micros > ? ORDER BY micros, position", _micros(after))

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        check_seq_nr(after_seq_nr, "after_seq_nr")
        return self._load(NUMBERED + " ORDER BY seq_nr, micros, position", after_seq_nr)

    def latest_seq_nr(self) -> int:
        query = f"SELECT seq_nr FROM events {NUMBERED} ORDER BY seq_nr DESC LIMIT 1"
        with self._database.reading() as connection:
            row = connection.execute(query, (0,)).fetchone()
        return row[0] if row else 0

    def _load(self, rest: str, *arguments: int) -> LoadResult:
        with self._database.reading() as connection:
            rows = connection.execute(f"{SELECT} {rest}", arguments).fetchall()
        return LoadResult(events=tuple(map(_event, rows)), file_count=1)


class TableSnapshotStore:
    """The snapshots, a row a type."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        check_seq_nr(seq_nr, "snapshot seq_nr")
        if not isinstance(aggregate_type, str) or not aggregate_type:
            raise InvalidEventError(f"no aggregate type: {aggregate_type!r}")
        row = (aggregate_type, seq_nr, bytes(state))
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO snapshots VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " seq_nr = excluded.seq_nr, state = excluded.state, digest = excluded.digest"
                " WHERE excluded.seq_nr >= snapshots.seq_nr",
                (*row, _digest(row)),
            )

    def load(self, aggregate_type: str) -> Snapshot | None:
        query = "SELECT * FROM snapshots WHERE aggregate_type = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (aggregate_type,)).fetchone()
        if row is None:
            return None
        if _digest(row[:-1]) != row[-1]:
            raise CorruptionError(f"the snapshot of {aggregate_type!r} is damaged")
        return Snapshot(aggregate_type=row[0], seq_nr=row[1], state=row[2])


class TableSeqAllocator:
    """The counter, a table of one row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alloc_seq_nr(self) -> int:
        with self._database.writing() as connection:
            latest: int = connection.execute("SELECT latest FROM counter").fetchone()[0]
            if latest == MAX_SEQ_NR:
                raise SeqNrExhaustedError("no number is left")
            connection.execute("UPDATE counter SET latest = ?", (latest + 1,))
        return latest + 1

    def latest_seq_nr(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute("SELECT latest FROM counter").fetchone()[0])

    def initialize_at(self, start_at: int) -> None:
        check_seq_nr(start_at, "start_at")
        with self._database.writing() as connection:
            connection.execute("UPDATE counter SET latest = MAX(latest, ?)", (start_at,))


def _row(event: Event) -> tuple[Any, ...]:
    event.validate()
    fields: dict[str, Any] = {name: getattr(event, name, None) for name in COLUMNS}
    fields["micros"] = _micros(event.timestamp)
    fields["timestamp"] = format_timestamp(event.timestamp)
    fields["data"] = json.dumps(event.data, allow_nan=False)
    return tuple(fields.values())


def _event(row: tuple[Any, ...]) -> Event:
    if _digest(row[:-1]) != row[-1]:
        raise CorruptionError(f"the event {row[0]!r} is damaged")
    fields = dict(zip(COLUMNS, row, strict=False))
    del fields["micros"]
    fields["timestamp"] = parse_timestamp(fields["timestamp"])
    fields["data"] = json.loads(fields["data"])
    return Event(**fields)


def _content(row: tuple[Any, ...]) -> tuple[Any, ...]:
    fields = dict(zip(COLUMNS, row, strict=True))
    del fields["timestamp"]  # the instant is what counts, not how its zone is written
    fields["data"] = json.dumps(json.loads(fields["data"]), sort_keys=True)
    return tuple(fields.values())


def _digest(row: tuple[Any, ...]) -> bytes:
    digest = hashlib.sha256()
    for value in row:
        raw = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(b"%d:" % len(raw) + raw)
    return digest.digest()


def _micros(moment: datetime) -> int:
    return instant(moment) // timedelta(microseconds=1)
